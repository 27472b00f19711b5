"""Curves of sweeps and of plain tables in words: do those of several sizes cross?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from physnn.analysis.curves.curves import Curves
from physnn.analysis.order.equilibrium import check_rows
from physnn.analysis.statistics.power import Power
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.sentences import fit_lines
from physnn.answers.comparisons import methods
from physnn.answers.exchange import exchanges_of
from physnn.answers.fit import curve_rows, curves, default_observable, equilibrium_checks, fit, sampled_arrays
from physnn.answers.lines import lines_of, on_line, varied
from physnn.errors import InputError
from physnn.reports.told import Draw, Figures, Telling, ToldTable, told_table
from physnn.store.sweep_file import SweepFile, read_sweep

MOST_LINES = 8
"""Lines of a file of several control parameters that a page shows; the others are named."""


def tell_curves(path: Path, observable: str | None = None, at: Mapping[str, float] | None = None) -> list[Telling]:
    """Answers of a sweep: one, or one for every line of a file of several control parameters.

    Raises
    ------
    InputError
        If the file has no curves, or no such observable or line.
    """
    sweep = read_sweep(path, states=False)
    if len(names := varied(sweep)) < 2:
        return [_of_line(on_line(sweep, at=at), observable)]
    group = next(iter(sweep.sizes.values()))
    lines = lines_of(names, {name: group[name].values.tolist() for name in names}, at or {})
    told = [_of_line(on_line(sweep, at=line), observable, line) for line in lines[:MOST_LINES]]
    if rest := lines[MOST_LINES:]:
        more = "; ".join(_place(line) for line in rest)
        told.append(Telling(f"{len(rest)} further lines are not shown: choose one with --at.", (f"not shown: {more}",)))
    return told


def _place(line: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in line.items())


def _of_line(sweep: SweepFile, observable: str | None, line: Mapping[str, float] | None = None) -> Telling:
    observable = observable or default_observable(sweep)
    before = f"{_place(line)}: " if line else ""
    try:
        answer = fit(sweep, observable)
    except InputError as error:
        found = curves(sweep, observable)
        reason = f"nothing to compare: {error}"
        alone = Fit(found, [], "undecided", reason, 1.0)
        about = tuple(tell_sampled(sweep, observable, found))
        sentence = f"{before}Curves of {observable} are measured, and there is nothing to compare."
        return Telling(sentence, (reason, *about), fit_panels(alone), undecided=True)
    sentence, *evidence = told_lines(answer)
    text = methods(answer)
    about = tuple(tell_sampled(sweep, observable, answer.curves))
    undecided = answer.verdict in ("undecided", "non-equilibrium")
    figures = fit_panels(answer)
    return Telling(before + sentence, (*evidence, *about), figures, text["paragraph"], text["bibtex"], undecided)


def tell_sampled(sweep: SweepFile, observable: str, found: Curves) -> Iterator[str | ToldTable]:
    """Table of curves, what speaks for equilibrium, and how replicas were exchanged."""
    header = [sampled_arrays(sweep)[0], *(f"L = {L}" for L in found.sizes)]
    yield from told_table(f"{observable} of {_draws(found)}", header, curve_rows(found))
    if checks := equilibrium_checks(sweep):
        yield from told_table("equilibrium", *check_rows(checks))
    for each in exchanges_of(sweep):
        yield f"exchange at L = {each.L}: {each.sentence()}"


def _draws(found: Curves) -> str:
    """How many draws curves rest on."""
    if found.chains:
        return f"{found.chains} chains, {found.bins} bins or more"
    if found.correlation:
        return f"{found.bins} bins of runs or more"
    return f"{found.networks} networks, {found.images} images each" if found.networks else "a table"


def tell_table(path: Path, observable: str | None = None) -> list[Telling]:
    """Answer of a plain table with the columns L, control, value and error; errors as for `physnn.fit`."""
    answer = fit(path, observable)
    sentence, *evidence = told_lines(answer)
    rows = curve_rows(answer.curves)
    name = answer.curves.observable
    table = told_table(name, [answer.curves.control, *(f"L = {L}" for L in answer.curves.sizes)], rows)
    text = methods(answer)
    undecided = answer.verdict in ("undecided", "non-equilibrium")
    return [
        Telling(sentence, (*evidence, *table), fit_panels(answer), text["paragraph"], text["bibtex"], undecided),
    ]


def told_lines(answer: Fit) -> list[str]:
    """Lines of a fit without their indentation: the sentence first."""
    return [line.strip() for line in fit_lines(answer)]


def fit_panels(answer: Fit) -> Figures:
    """Panels of a fit, a figure each: what a narrow page shows one below the other."""
    from physnn.figures.reports.panels import PANEL_CAPTIONS, drawn_panel

    alone = ("curves", "differences") if answer.pairs else ("curves",)
    names = [name for name in PANEL_CAPTIONS if (name in alone) != bool(answer.collapse) or name == "curves"]

    def drawing(name: str) -> Draw:
        return lambda: (drawn_panel(answer, name),)

    return tuple((PANEL_CAPTIONS[name], drawing(name)) for name in names)


def told_power(rows: tuple[Power, ...], title: str) -> tuple[ToldTable, ...]:
    """Table of how many seeds show effects."""
    header = ["effect", "size", "scatter of a seed's difference", "seeds for 80 %", "these seeds show"]
    cells = [
        [
            each.meaning,
            f"{each.effect:.2g}",
            f"{each.scatter:.2g} ({each.source})",
            f"{each.seeds:,}",
            f"{each.visible:.2g}",
        ]
        for each in rows
    ]
    return told_table(title, header, cells)
