"""Entropies of the cuts of quantum states, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.quantum.entanglement import CutTable
from physnn.answers.quantum.random_machines import RandomTable
from physnn.reports.told import Telling, ToldTable, drawn_by, told_table

NATS = "in nats: natural logarithms, a singlet has 0.6931"
SHOWN_CUTS = 9
"""Rows of a table of cuts; all are in --json and --out."""
RANDOM_COLUMNS = ("spread", "N", "S", "S_2", "at most", "without amplitude")


def told_cuts(found: Sequence[CutTable]) -> Telling:
    """Entropies of some cuts of states up to the middle, and central charges, in words."""
    evidence: tuple[str | ToldTable, ...] = ()
    for table in found:
        header = ["l", "S", "exact", "S_2", "exact"] if table.exact else ["l", "S", "S_2"]
        evidence += told_table(f"{table.name}: entropies {NATS}", header, _rows(table))
        if table.central:
            which = "S_2" if table.von_neumann is None else "S"
            beside = "" if table.exact_central is None else f"; exact at this size: {table.exact_central:.5f}"
            evidence += (f"central charge from {which} at l/N in [1/4, 3/4]: {table.central}{beside}",)
        evidence += tuple(f"undecided at {note}" for note in table.notes)
    lack = sum(not table.decided for table in found)
    known = [table for table in found if table.central]
    charge = f"; the central charge of {known[-1].name} is {known[-1].central}" if known else ""
    whole = f"at every cut of {len(found)} state{'s' * (len(found) > 1)}"
    sentence = (
        f"Entropies are known {whole}{charge}." if not lack else f"Entropies of {lack} of {len(found)} states lack."
    )
    figures = (("Entropies by cut", drawn_by("physnn.answers.quantum.entanglement:draw_cuts", found)),)
    return Telling(sentence, evidence, figures, undecided=bool(lack))


def _rows(table: CutTable) -> list[list[str]]:
    """Some cuts up to the middle."""
    half = [k for k, cut in enumerate(table.cuts) if cut <= max(table.model.N // 2, 1)]
    step = -(-len(half) // SHOWN_CUTS)
    rows = []
    for k in half[::-1][::step][::-1]:
        own = None if table.own_error is None else table.own_error[k]
        pairs = [(None if table.von_neumann is None else table.von_neumann[k], own), (table.renyi2[k], table.error[k])]
        cells = [_with_error(*pair) for pair in pairs]
        if table.exact:
            cells = [word for cell, exact in zip(cells, table.exact, strict=True) for word in (cell, f"{exact[k]:.6f}")]
        rows.append([str(table.cuts[k]), *cells])
    return rows


def _with_error(value: float | None, error: float | None) -> str:
    """Entropy with its error, as it is where it is exact."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "undecided"
    return str(Estimate(float(value), float(error))) if error and math.isfinite(error) else f"{value:.6f}"


def told_random(found: RandomTable) -> Telling:
    """Entropies of random machines by size and spread, in words."""
    rows = [
        [f"{r.spread:g}", str(r.N), str(r.von_neumann), str(r.renyi2), f"{r.most:.4f}", str(r.vanished)]
        for r in found.rows
    ]
    title = f"{found.draws} random machines ({found.kind}, alpha = {found.alpha}) of every size, half the sites, {NATS}"
    evidence: tuple[str | ToldTable, ...] = told_table(title, RANDOM_COLUMNS, rows)
    slopes = {spread: slope for spread, slope in found.slopes.items() if slope}
    evidence += tuple(f"spread {s:g}: a spin more on each side adds {slope} ln 2" for s, slope in slopes.items())
    told = " and ".join(f"{slope} ln 2 at spread {spread:g}" for spread, slope in slopes.items())
    sentence = (
        f"A spin more on each side adds {told}." if told else "Entropies of random machines of one size are known."
    )
    figures = (("Entropies of random machines", drawn_by("physnn.answers.quantum.random_machines:draw_random", found)),)
    return Telling(sentence, evidence, figures)
