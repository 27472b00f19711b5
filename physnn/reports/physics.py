"""Memories, seams, ground states, machines, landscapes and maps of layers, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from physnn.analysis.memory.contrast import MemoryAnswer
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.bottleneck.energy import EnergyAnswer, MapRow, energy_answer
from physnn.answers.memory import memory_of
from physnn.answers.quantum.ground_states import convergences, judged_rows
from physnn.answers.training.boltzmann import MachineAnswer, machine_answers, machine_rows
from physnn.errors import InputError
from physnn.reports.told import Figures, Telling, ToldTable, drawn_by, told_table
from physnn.store.sweep_file import read_sweep

SMALLEST_PLAIN = 1e-3
"""Numbers below are written with a power of ten."""
ENERGY_COLUMNS = ("L", "", "E/N [J]", "relative, above exact", "variance / N", "outside the ground state <")
ORDER_COLUMNS = ("L", "", "order^2", "exact", "last change", "pull", "at no variance", "")
WIDE = 5
"""Controls beside each other in a table."""


def tell_memory(path: Path) -> list[Telling]:
    """What a memory sweep says: how long domains last in noise, and how that grows with L."""
    answer = memory_of(read_sweep(path))
    if answer is None:
        raise InputError(f"{path} holds no memories of domains; they are measured by: physnn memory")
    figures = (("Decay of domains, their lifetimes and how they grow", drawn_by("plot_memory", path, answer=answer)),)
    return [told_memory(answer, figures)]


def told_memory(answer: MemoryAnswer, figures: Figures = ()) -> Telling:
    """Lifetimes of domains and their growth, in words."""
    evidence: tuple[str | ToldTable, ...] = told_table("lifetimes in steps", *lifetime_rows(answer))
    evidence += tuple(f"eta = {row.eta:.4g}: {row.growth.verdict}. {row.growth.reason}" for row in answer.rows)
    evidence += tuple(
        f"network {name} without noise: {control}"
        for name, control in zip(answer.networks, answer.controls, strict=True)
    )
    return Telling(answer.verdict, evidence, figures, undecided=answer.edge() == (None, None))


def lifetime_rows(answer: MemoryAnswer) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of the table of lifetimes."""
    rows = []
    for row in answer.rows:
        cells = []
        for cell in row.lifetimes.values():
            text = f"> {cell.tau:.3g}" if cell.bound else f"{cell.tau:.3g} +- {100 * cell.log_tau.error:.0f} %"
            cells.append(text)
        rows.append([f"{row.eta:.4g}", *cells, str(row.growth.z or "-"), row.growth.verdict])
    return ["eta", *(f"L = {L}" for L in answer.sizes), "z", "growth"], rows


def tell_seams(path: Path) -> list[Telling]:
    """What a file of seams says: their energy and free energy, and how it grows with L."""
    from physnn.samples.base import validated
    from physnn.samples.seam import SeamSweep, seam_rows, stiffness_of

    sweep = read_sweep(path)
    return [told_seams(found := seam_rows(sweep, validated(SeamSweep, sweep.recipe)), stiffness_of(found))]


def told_seams(rows: Sequence[Mapping[str, Any]], stiffnesses: Sequence[Mapping[str, Any]]) -> Telling:
    """Costs of seams and the exponents of their growth, in words."""
    table = []
    for row in rows:
        first, zero = [row["name"], str(row["L"]), str(row["axis"])], row["T0"]
        table.append([*first, "0", f"{zero['cost']:.6g}", f"{zero['sharp']:.6g}", f"{zero['spread']:.6g}", ""])
        table += [[*first, f"{at['T']:g}", _number(at["cost"]), "", "", _number(at["ratio"])] for at in row["T"]]
    heading = ["model", "L", "axis", "T", "Delta F", "sharp", "spread", "P_anti/P_per"]
    evidence: tuple[str | ToldTable, ...] = told_table("free energy of a seam", heading, table)
    known = [s for s in stiffnesses if s["theta"]]
    thetas = [[s["name"], str(s["axis"]), f"{s['T']:g}", _number(s["theta"])] for s in known]
    evidence += told_table("Delta F ~ L^theta: 1 for walls, 0 for a twist", ["model", "axis", "T", "theta"], thetas)
    evidence += tuple(
        f"{name}: |c| = {c:.3g} breaks the symmetry x -> -x; Delta F is no wall's"
        for name, c in {row["name"]: row["c"] for row in rows if row["c"]}.items()
    )
    told = "; ".join(
        f"{_number(s['theta'])} for {s['name']} along axis {s['axis']} at T = {s['T']:g}" for s in known[:4]
    )
    sentence = f"The cost of a seam grows as L^theta with theta = {told}." if told else "Costs of seams are measured."
    return Telling(sentence, evidence)


def _number(found: Mapping[str, Any]) -> str:
    value, error = found["value"], found["error"]
    if 0 < value < SMALLEST_PLAIN:
        power = math.floor(math.log10(value))
        return f"{Estimate(value / 10**power, error / 10**power)}e{power}"
    return str(Estimate(value, error))


def tell_ground(path: Path) -> list[Telling]:
    """What a file of trained ground states says: energies, order, and whether it has converged."""
    sweep = read_sweep(path, states=False)
    judged = convergences(sweep)
    energies, orders = judged_rows(judged, sweep)
    title = f"ground states of {sweep.recipe['model']}, {len(sweep.recipe['seeds'])} machines each"
    evidence: tuple[str | ToldTable, ...] = told_table(title, ENERGY_COLUMNS, energies)
    evidence += told_table("has order converged?", ORDER_COLUMNS, orders)
    if any(one.assumed for one in judged):
        evidence += ("* with a gap of 4 J / L: the exact one is not known",)
    evidence += tuple(f"undecided at L = {o.L}, {o.value:g}: {reason}" for o in judged for reason in o.reasons)
    lack = sum(bool(one.reasons) for one in judged)
    sentence = f"Order has converged at {len(judged) - lack} of {len(judged)} points"
    sentence += "." if not lack else f"; at {lack} it is undecided."
    return [Telling(sentence, evidence, undecided=bool(lack))]


def tell_machines(path: Path) -> list[Telling]:
    """What a file of Boltzmann machines says; their data are read where the recipe has them."""
    answers = machine_answers(path, None)
    figures = (("Machines of the largest size beside their data", drawn_by("plot_machines", path, answers=answers)),)
    return [told_machines(answers, figures)]


def told_machines(answers: Sequence[MachineAnswer], figures: Figures = ()) -> Telling:
    """Boltzmann machines beside their data, in words."""
    header = ["L", "T", "", "machine", "data", "deviation", "errors"]
    evidence: tuple[str | ToldTable, ...] = told_table(
        "generated configurations beside the data", header, machine_rows(tuple(answers))
    )
    rows = [
        [str(a.L), f"{a.T:.5g}", *("-" if one is None else str(one) for one in (a.log_likelihood, a.overfit, a.kl))]
        for a in answers
    ]
    least, most = (" (at least)", " (at most)") if any(answer.bounds for answer in answers) else ("", "")
    heads = ["L", "T", f"ln p of other snapshots{least}", "training - others", f"divergence{most}"]
    evidence += told_table("nats", heads, rows)
    for answer in answers:
        at = f"L = {answer.L}, T = {answer.T:.5g}"
        if answer.log_z:
            evidence += (f"ln Z at {at}: {', '.join(f'{name} {value}' for name, value in answer.log_z.items())}",)
        evidence += tuple(f"note: {at}: {remark}" for remark in answer.remarks)
    failed, doubted = sum(bool(a.failed) for a in answers), sum(bool(a.remarks) for a in answers)
    if failed:
        sentence = f"{failed} of {len(answers)} trainings left their way: their machines are worse than none."
    elif doubted:
        sentence = f"Something speaks against {doubted} of {len(answers)} machines, as the notes say."
    else:
        sentence = f"{len(answers)} machine{'s' * (len(answers) > 1)}: what is generated is as the data, within errors."
    return Telling(sentence, evidence, figures, undecided=bool(failed))


def tell_maps(path: Path) -> list[Telling]:
    """What a file of energy maps says: where the energy of layers lies, and what puts it there."""
    figures = (("Energies of layers through the depth, and a sheet of mean maps", drawn_by("plot_maps", path)),)
    return [told_maps(energy_answer(path), figures)]


def told_maps(answer: EnergyAnswer, figures: Figures = ()) -> Telling:
    """Energies of layers in the image, in words."""
    evidence: tuple[str | ToldTable, ...] = _map_tables(answer)
    if answer.parts:
        rows = [
            [p.layer, *(str(part) for part in (p.total, p.content, p.padding, p.both, p.neither))] for p in answer.parts
        ]
        header = ["layer", "all", "content", "padding", "both together", "neither"]
        evidence += told_table("ln(centre / border) and what makes it, errors over classes", header, rows)
    else:
        evidence += (f"what is padding and what is content needs also --control {' '.join(answer.lacking)}",)
    told = [[name, *(f"{each}" for each in found.values())] for name, found in answer.accuracy.items() if found]
    if told:
        heads = list(next(found for found in answer.accuracy.values() if found))
        title = f"share told right of held-out images, by averaged vectors of {answer.layers[-1]}, over classes"
        evidence += told_table(title, ["control", *heads], told)
    row = answer.row(answer.layers[-1], answer.controls[0])
    sentence = (
        f"In {answer.layers[-1]} of {answer.network} the centre of an image has {row.ratio} times the energy of its "
        f"border ({answer.controls[0]}); the shape of the map is: {row.shape.verdict}."
    )
    return Telling(sentence, evidence, figures)


def _map_tables(answer: EnergyAnswer) -> tuple[ToldTable, ...]:
    """Centre over border of all layers and controls, and all about the last layer and the first control."""
    title = f"{answer.network}, {answer.images:,} images of {answer.classes} classes, errors over classes"
    tables: tuple[ToldTable, ...] = ()
    for k in range(0, len(answer.controls), WIDE):
        some = answer.controls[k : k + WIDE]
        rows = [[layer, *(str(answer.row(layer, control).ratio) for control in some)] for layer in answer.layers]
        tables += told_table(f"energy, centre over border: {title}", ["layer", *some], rows)
    last, first = answer.layers[-1], answer.controls[0]
    waves = (f"l = {order}" for order in answer.rows[0].harmonics)
    header = ["centre / border", "over images", "x (px)", "y (px)", *waves, "shape"]
    rows = [[control, *_about(answer.row(last, control))] for control in answer.controls]
    tables += told_table(f"{last}: centre of energy, harmonics and shape", ["control", *header], rows)
    rows = [
        [layer, f"{row.middle[0]:+.1f}", *_about(row)[2:]]
        for layer in answer.layers
        for row in [answer.row(layer, first)]
    ]
    heads = ["layer", "grid x", *header[2:]]
    return tables + told_table(f"{first}: where the energy is, and where the grid of cells", heads, rows)


def _about(row: MapRow) -> list[str]:
    """Cells of a table about a layer under a control."""
    waves = map(str, row.harmonics.values())
    return [str(row.ratio), str(row.ratio.over_images), str(row.x), str(row.y), *waves, row.shape.verdict]
