"""Recipe of world lines of Ising spins in a transverse field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.models.quantum import QuantumModel
from physnn.samples.base import Growth, Recipe, longer, more, most

MIDDLE_FIELD = {1: 1.0, 2: 3.044}
"""Middle of the default fields by dimension: h_c of chains, and of the square lattice to three places."""
ONE_OVER_NU = {1: 1.0, 2: 1.5874}
"""Power of L by which the default window narrows, 1/nu by dimension."""
ASPECTS = {1: 6.0, 2: 2.0}
"""Default beta over L in 1/J by dimension: at h_c the state above the ground state has a weight of 1e-4 to 3e-4.

Its energy is 2 J tan(pi / (4 L)) above on a periodic chain, and about 4 J / L on a square lattice.
"""
KINKS = 1e9
"""Kinks of a chain at most."""


class PathIntegral(Recipe):
    """The recipe of world lines of the Ising model in a transverse field h, at inverse temperature beta.

    H = -sum_<ij> s^z_i s^z_j - h sum_i s^x_i with Pauli matrices, in units of J.  Without ``h`` every size has
    ``points`` fields of its own, h = h_0 (1 + u/L^(1/nu)) with u evenly spaced up to ``window`` from ``shift``; h_0 is
    1 for chains and 3.044 for square lattices.  Temperatures follow the size, beta = ``beta_per_L`` L, unless ``beta``
    is given.
    """

    control: ClassVar[str] = "h"
    draws: ClassVar[str] = "chain"
    repeats: ClassVar[str] = "measurement"
    grows: ClassVar[Mapping[str, Growth]] = {"L": more, "h": more, "chains": most, "sweeps": longer}

    kind: Literal["path-integral"] = "path-integral"
    model: Literal["tfim"] = Field(default="tfim", description="Ising spins in a transverse field.")
    L: Annotated[tuple[Annotated[int, Field(ge=2, le=2**15)], ...], Field(min_length=1)] = Field(
        default=(8, 16, 32), description="Sizes: sites of a chain, or side of a square lattice."
    )
    h: Annotated[tuple[Annotated[float, Field(gt=0, le=1e6)], ...], Field(min_length=1)] | None = Field(
        default=None, examples=["0.9 1 1.1"], description="Transverse fields, in J [default: around h_c]."
    )
    points: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=9, description="Fields of every size where --h is not given."
    )
    window: Annotated[float, Field(gt=0, le=1e3)] = Field(
        default=1.0, description="They are h_0 (1 + u/L^(1/nu)), |u| up to this; h_0 is 1, or 3.044 in two dimensions."
    )
    shift: Annotated[float, Field(ge=-1e3, le=1e3)] = Field(default=0.0, description="Middle of that window in u.")
    dimension: Annotated[int, Field(ge=1, le=2)] = Field(default=1, description="1: chains; 2: square lattices.")
    open: bool = Field(default=False, description="Let bonds end at the border.")
    beta_per_L: Annotated[float, Field(gt=0, le=1e6)] | None = Field(  # noqa: N815 - L is that of sizes
        default=None, description="Inverse temperature over L, in 1/J [default: 6, or 2 in two dimensions]."
    )
    beta: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="Inverse temperature in 1/J, the same for all sizes."
    )
    sweeps: Annotated[int, Field(ge=1, le=10**9)] = Field(
        default=4000,
        description="Measurements per chain, each after an update of all clusters unless --volume is given.",
    )
    volume: Annotated[float, Field(ge=0, le=1e12)] = Field(
        default=0.0,
        description="Average updates over so much of sites times imaginary time, in 1/J, to a measurement: files of "
        "long chains stay small, and all sizes take as long [default: one update].",
    )
    slopes: bool = Field(default=False, description="Keep what derivatives by the field need.")
    thermalisation: Annotated[int, Field(ge=0, le=10**9)] = Field(
        default=200, description="Updates before the first measurement."
    )
    chains: Annotated[int, Field(ge=1, le=10**4)] = Field(
        default=4, description="Independent chains per size and field."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("L", "h")
    @classmethod
    def _distinct(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    def fields(self, L: int) -> tuple[float, ...]:
        """Return the transverse fields of one size."""
        if self.h is not None:
            return self.h
        u = self.shift + np.linspace(-self.window, self.window, self.points)
        middle = MIDDLE_FIELD[self.dimension]
        return tuple(float(f"{h:.12g}") for h in middle * (1 + u / L ** ONE_OVER_NU[self.dimension]))

    def inverse_temperature(self, L: int) -> float:
        """Return beta of one size, in 1/J."""
        if self.beta is not None:
            return self.beta
        assert self.beta_per_L is not None
        return self.beta_per_L * L

    def average(self, L: int) -> int:
        """Return the number of updates whose mean is a measurement."""
        sites: int = L**self.dimension
        return max(1, round(self.volume / (sites * self.inverse_temperature(L))))

    def model_at(self, L: int, h: float) -> QuantumModel:
        """Return the model of one size and field."""
        return QuantumModel(self.model, (L,) * self.dimension, h=h, periodic=not self.open)

    def unused(self) -> set[str]:
        """Return the one of the two temperatures that is not given."""
        return {"beta"} if self.beta is None else {"beta_per_L"}

    def resolved(self) -> PathIntegral:
        """Return the recipe with its temperatures.

        Raises
        ------
        InputError
            If two are given, a window reaches below h = 0, or there would be too many kinks to hold.
        """
        if self.beta is not None and self.beta_per_L is not None:
            raise InputError("--beta and --beta-per-L exclude each other; give one")
        ratio = ASPECTS[self.dimension] if self.beta is None and self.beta_per_L is None else self.beta_per_L
        found = self.model_copy(update={"beta_per_L": ratio})
        for L in found.L:
            if min(found.fields(L)) <= 0:
                raise InputError(f"the window reaches below h = 0 at L = {L}: make --window smaller, or give --h")
            if L**found.dimension * found.inverse_temperature(L) * max(found.fields(L)) > KINKS:
                raise InputError(f"more than {KINKS:g} kinks at L = {L}: take a smaller --L, or a smaller --beta-per-L")
        return found
