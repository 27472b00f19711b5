"""Files side by side, in words: one universality class, or what was learned wrong?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from physnn.analysis.verdict.universality import Comparison, class_verdict
from physnn.answers.comparisons import class_rows, compare, comparison_rows
from physnn.reports.told import Telling, ToldTable, drawn_by, told_table
from physnn.store.hdf5 import is_hdf5
from physnn.store.sweep_file import FORMAT, kind_of, read_sweep

if TYPE_CHECKING:
    from physnn.answers.quantum.beside import SideBySide

BESIDE_COLUMNS = ("L", "at", "", "networks", "reference", "exact", "net - ref", "net - exact", "ref - exact")


def tell_pair(a: Path, b: Path, observable: str | None = None, at: Mapping[str, float] | None = None) -> Telling:
    """What two files say of each other; errors as for `physnn.compare`."""
    kind = _kind(a)
    if kind == "train-rbm" and not observable:
        from physnn.answers.training.boltzmann import machine_answers
        from physnn.reports.physics import told_machines

        answers = machine_answers(a, b)
        drawn = drawn_by("plot_machines", a, data=b, answers=answers)
        return told_machines(answers, (("Machines beside the other file", drawn),))
    if kind == "ground-state" and not observable:
        from physnn.answers.quantum.beside import networks_beside

        return told_beside(networks_beside(a, b))
    return told_comparison(compare(a, b, observable=observable, at=at), (a, b))


def _kind(path: Path) -> str:
    if not is_hdf5(path) or kind_of(path)[0] != FORMAT:
        return ""
    return str(read_sweep(path, states=False).recipe.get("kind"))


def told_comparison(found: Comparison, files: Sequence[Path]) -> Telling:
    """Fits side by side and beside the known classes, in words."""
    fits, names = list(found.fits.values()), list(found.names[: len(found.fits)])
    evidence: tuple[str | ToldTable, ...] = tuple(
        f"{name}  {file}: {fit.curves.observable} against {fit.curves.control}, {fit.verdict}"
        for name, file, fit in zip(names, files, fits, strict=True)
    )
    header = ["", *names, *(["difference", "ratio", "sigma"] if found.b else [])]
    evidence += told_table("critical points and exponents", header, comparison_rows(found))
    if header_and_rows := class_rows(found):
        evidence += told_table("sigmas from known classes", *header_and_rows)
    if found.b:
        evidence += tuple(f"{name}: {class_verdict(fit)[0]}" for name, fit in zip(names, fits, strict=True))
    evidence += tuple(f"note: {remark}" for remark in found.remarks)
    sentence = f"{found.verdict[:1].upper()}{found.verdict[1:]}."
    figures = (("Curves and exponents side by side", drawn_by("plot_compare", found)),)
    return Telling(sentence, evidence, figures, undecided=not found.decided)


def told_beside(found: SideBySide) -> Telling:
    """Trained ground states beside a reference and exact values, in words."""
    from physnn.answers.quantum.beside import APART_ERRORS, beside_rows

    evidence: tuple[str | ToldTable, ...] = told_table(
        f"by L and {found.control}; differences in errors", BESIDE_COLUMNS, beside_rows(found.rows)
    )
    evidence += tuple(f"note: {note}" for note in found.notes)
    points = [f"{row.name} at L = {row.L}, {found.control} = {row.value:g}" for row in found.apart]
    sentence = f"No observable of networks differs by more than {APART_ERRORS:g} errors."
    if points:
        sentence = f"Networks differ by more than {APART_ERRORS:g} errors: {'; '.join(points)}."

    figures = (("Networks beside their reference", drawn_by("physnn.answers.quantum.beside:draw_beside", found)),)
    return Telling(sentence, evidence, figures, undecided=bool(points))
