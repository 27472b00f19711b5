"""Recipe of a sweep of site percolation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.samples.base import Growth, Recipe, more, most

MIDDLE = 0.593
"""Middle of the default occupation probabilities: p_c of the square lattice to three places."""
BINS = 32
"""Bins of equally many runs in a series: 8 series of them know the correlation of two points to 6 %."""


class PercolationSweep(Recipe):
    """The recipe of a sweep of site percolation on square tori.

    A run occupies the sites one after the other and serves every p.  Without ``p`` every size has ``points`` of its
    own, p = `MIDDLE` + u / L^(3/4) with u evenly spaced in (-``window``, ``window``); 3/4 is 1/nu of percolation.  A
    series has ``runs`` runs, and 128/L times as many at L < 128, where they cost less and corrections to scaling are
    seen.  Averages are kept of bins of runs.
    """

    control: ClassVar[str] = "p"
    draws: ClassVar[str] = "series"
    repeats: ClassVar[str] = "bin"
    grows: ClassVar[Mapping[str, Growth]] = {"L": more, "p": more, "series": most}

    kind: Literal["percolation"] = "percolation"
    L: Annotated[tuple[Annotated[int, Field(ge=2, le=2**12)], ...], Field(min_length=1)] = Field(
        default=(16, 32, 64, 128), description="Sizes: sides of the square torus."
    )
    p: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = Field(
        default=None, examples=["0.58 0.59"], description="Occupation probabilities."
    )
    points: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=13, description="Probabilities of every size where --p is not given."
    )
    window: Annotated[float, Field(gt=0, le=1e3)] = Field(
        default=0.8, description="They are 0.593 + u/L^(3/4), |u| up to this."
    )
    series: Annotated[int, Field(ge=1, le=10**4)] = Field(
        default=8, description="Independent series of runs per size, each a task."
    )
    runs: Annotated[int, Field(ge=BINS, le=10**9)] = Field(
        default=10_000, description="Runs of a series, and 128/L times as many at L < 128."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("L", "p")
    @classmethod
    def _distinct(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    def probabilities(self, L: int) -> tuple[float, ...]:
        """Return the occupation probabilities of one size."""
        if self.p is not None:
            return self.p
        u = np.linspace(-self.window, self.window, self.points)
        return tuple(float(f"{p:.12g}") for p in MIDDLE + u / L**0.75)

    def bins(self, L: int) -> list[int]:
        """Return the numbers of runs in the bins of a series of one size."""
        edges = np.arange(BINS + 1) * self.runs * max(1, 128 // L) // BINS
        return [int(count) for count in np.diff(edges)]

    def resolved(self) -> PercolationSweep:
        """Return the recipe, after checking that all probabilities are some.

        Raises
        ------
        InputError
            If they are not.
        """
        for L in self.L:
            if not 0 < min(self.probabilities(L)) <= max(self.probabilities(L)) < 1:
                raise InputError(f"the window reaches beyond 0 < p < 1 at L = {L}; make it smaller, or give --p")
        return self
