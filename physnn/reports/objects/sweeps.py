"""A sweep file as one object: its arrays, tables, answers and figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray

from physnn.answers.describe import describe
from physnn.answers.fit import fit
from physnn.answers.formats.export import curve_table
from physnn.errors import InputError
from physnn.store.sweep_file import open_datatree

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from physnn.analysis.verdict.fit import Fit
    from physnn.analysis.verdict.size_law import SizeLaw


@dataclass(frozen=True)
class Sweep:
    """A sweep file with what commands do to it as methods of the same names.

    Parameters
    ----------
    path : path
        File of ``physnn sweep-noise``, ``sweep-temperature`` or another kind with curves.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it is no sweep.

    Examples
    --------
    >>> ising = physnn.Sweep("ising.h5")
    >>> ising.fit("binder").verdict
    'crossing'
    >>> ising.to_dataframe(["binder"])
    >>> ising.plot(panels=["curves", "collapse"]).savefig("two.pdf")
    """

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if self.facts["format"] != "physnn-sweep":
            raise InputError(f"{self.path} is no sweep: physnn show says what it is")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Kind, recipe, shapes, observables, and the digest of the data, as ``physnn show`` prints them."""
        return describe(str(self.path))

    @cached_property
    def data(self) -> xarray.DataTree:
        """All arrays, a node ``/L32`` for every size; dimensionless unless their attributes say otherwise."""
        return open_datatree(self.path)

    def fit(self, observable: str | None = None, **options: Any) -> Fit | SizeLaw:
        """Whether curves cross, with critical point and exponents; options and errors as of `physnn.fit`."""
        found: Fit | SizeLaw = fit(Path(self.path), observable, **options)
        return found

    def to_dataframe(
        self, observables: Sequence[str] | None = None, *, at: Mapping[str, float] | None = None
    ) -> pandas.DataFrame:
        """Curves with errors, a row for every size and control value; as `physnn.curve_table`."""
        return curve_table(Path(self.path), observables, at=at)

    def plot(self, observable: str | None = None, *, panels: Sequence[str] = (), **options: Any) -> Figure:
        """Figure of matplotlib: curves with the collapse or the differences, or panels by name; options as of `fit`.

        Raises
        ------
        InputError
            If there is no such panel, or it is of a collapse, and the answer has none.
        """
        from physnn.figures.fit import FIT_PANELS, panel_figure, sweep_figure
        from physnn.figures.style import clear_legends

        if unknown := [name for name in panels if name not in FIT_PANELS]:
            raise InputError(f"there is no panel {unknown[0]!r}; choose from {', '.join(FIT_PANELS)}")
        answer = fit(Path(self.path), observable, **options)
        figure = panel_figure(answer, panels) if panels else sweep_figure(answer)
        clear_legends(figure)
        return figure

    def report(self, out: str | os.PathLike[str] | None = None) -> Path:
        """Path of a page for a browser with all that the file says, by default beside the file."""
        from physnn.reports.report_files import written_page

        return written_page(Path(self.path), out=None if out is None else Path(out))

    def __repr__(self) -> str:
        """What the file holds, one fact a line."""
        shown = {name: value for name, value in self.facts.items() if not isinstance(value, dict)}
        return f"Sweep {self.path}\n" + "\n".join(f"  {name:14} {value}" for name, value in shown.items())
