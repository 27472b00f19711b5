"""Kinds of transitions, and the flow of blocks, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from physnn.answers.decide import Decided, Study
from physnn.answers.flow import FlowAnswer, FlowRun
from physnn.reports.told import Draw, Figures, Telling, ToldTable, drawn_by, told_table

DECIDE_COLUMNS = ("file", "k* / 2 pi", "n", "L", "T_c", "1/nu", "eta", "verdict")
FLOW_COLUMNS = ("L", "T", "steps", "y_t", "y_h", "verdict")


def told_study(found: Study, figures: Figures = ()) -> Telling:
    """Kinds of transitions of several files, in words."""
    rows = [[_word(cell) for cell in row.values()] for row in found.table_rows()]
    evidence: tuple[str | ToldTable, ...] = told_table("", DECIDE_COLUMNS, rows)
    for one in found.files:
        evidence += (f"{one.name}: {one.decision.kind}. {one.decision.reason}", *_planes(one))
    pooled = (("T_c", found.critical_point), ("1/nu", found.inverse_nu), ("eta", found.eta))
    evidence += tuple(f"{name} of all: {common}" for name, common in pooled if common)
    told = ", ".join(f"{Path(one.name).name} shows: {one.decision.kind}" for one in found.files)
    return Telling(f"By fixed rules {told}.", evidence, figures, undecided=not all(one.decided for one in found.files))


def drawn_study(sources: Sequence[Path]) -> Figures:
    """Curves of the files whose crossings decide."""

    def drawing(source: Path, name: str) -> Draw:
        return drawn_by("plot_sweep", source, name)

    return tuple(
        (f"{name} of {source.name}", drawing(source, name)) for source in sources for name in ("binder", "xi_over_L")
    )


def _planes(one: Decided) -> Iterator[str]:
    for plane in (one.evidence.planes or {}).values():
        if plane.points:
            yield (
                f"U4 against xi/L at L = {plane.L}, plane of {plane.plane}: {plane.verdict}, "
                f"largest difference {plane.largest:+.3f}"
            )


def _word(cell: object) -> str:
    if cell is None:
        return "-"
    return (
        " ".join(map(str, cell)) if isinstance(cell, tuple) else f"{cell:g}" if isinstance(cell, float) else str(cell)
    )


def told_flow(found: FlowAnswer) -> Telling:
    """Exponents of the last step of every run with its verdict, and all steps of the main one, in words."""
    exact = [f"{found.exact[name]:.4g}" if found.exact else "-" for name in ("y_t", "y_h")]
    rows = [[_word(cell) for cell in row.values()] for row in found.table_rows()]
    shuffled = ", sites permuted" if found.shuffled else ""
    title = f"{found.model}, {found.block} of {found.b} x {found.b}{shuffled}: largest exponents in the last block step"
    evidence: tuple[str | ToldTable, ...] = told_table(title, FLOW_COLUMNS, [*rows, ["exact", "", "", *exact, ""]])
    for run in found.runs:
        reasons = "; ".join(run.judgement.reasons)
        evidence += (f"L = {run.L}, T = {run.T:g}: {run.judgement.verdict}: {reasons}",)
    evidence += tuple(_steps(found, found.main))
    for match in found.matchings:
        sizes = " and ".join(map(str, match.sizes))
        at = f"measured at T = {match.T:g}"
        evidence += (f"T_c = {match.critical_temperature} where blocks of L = {sizes} match, {at}",)
    run, judged = found.main, found.main.judgement
    sentence = (
        f"Blocks of {found.b} x {found.b} at L = {run.L}, T = {run.T:g}: {judged.verdict}, "
        f"with y_t = {judged.y_t} and y_h = {judged.y_h}."
    )
    figures = (("Exponents and couplings by block step", drawn_by("plot_flow", found)),)
    return Telling(sentence, evidence, figures, undecided=not found.decided)


def _steps(found: FlowAnswer, run: FlowRun) -> Iterator[ToldTable]:
    """Exponents by step and number of operators, and couplings by level."""
    names = found.operators
    for symbol, kind in (("y_t", "even"), ("y_h", "odd")):
        rows = [
            [f"{step.level + 1}, to {step.side} x {step.side}", *(str(e.estimates[0]) for e in getattr(step, kind))]
            for step in run.steps
        ]
        header = ["step", *(name if k == 0 else f"+ {name}" for k, name in enumerate(names[kind]))]
        title = f"{symbol} by block step and {kind} operators, L = {run.L}, T = {run.T:g}"
        yield from told_table(title, header, _filled(rows, len(header)))
    rows = [
        [f"{level.side} x {level.side}", *(map(str, level.couplings.estimates) if level.couplings else [level.note])]
        for level in run.levels
    ]
    header = ["blocks", *names["even"]]
    yield from told_table("couplings by level", header, _filled(rows, len(header)))


def _filled(rows: list[list[str]], width: int) -> list[list[str]]:
    return [[*row, *[""] * (width - len(row))] for row in rows]
