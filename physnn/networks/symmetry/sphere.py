"""Layers of signals on the sphere that commute with all rotations.

Signals are coefficients of real spherical harmonics, ``(batch, channels, (degree + 1)^2)``: see
`models.groups.spherical`.  By Schur's lemma a linear map that commutes with rotations mixes channels, in each degree
with a matrix of its own, and does nothing else.  Each entry of these is a degree of a zonal filter: maps are
convolutions.

Source: C. Esteves et al., Learning SO(3) equivariant representations with spherical CNNs (ECCV 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.models.groups.spherical import coupling, harmonics, sphere_grid, wigner_matrix

SphereFunction = Literal["square", "relu", "tanh"]
"""Function of the values at points: ``square`` is ``f + f^2 / 2``."""
SPHERE_FUNCTIONS = {"square": lambda f: f + f * f / 2, "relu": functional.relu, "tanh": torch.tanh}
"""Functions by name."""


def turn_signals(values: Tensor, turn: tuple[float, float, float]) -> Tensor:
    """Coefficients of signals rotated by angles about z, y, z in radians, the last one first."""
    parts = []
    for degree, part in enumerate(by_degree(values)):
        parts.append(part @ torch.from_numpy(wigner_matrix(degree, turn)).to(values).T)
    return torch.cat(parts, dim=-1)


def by_degree(values: Tensor) -> tuple[Tensor, ...]:
    """Coefficients of every degree, ``(..., 2 l + 1)`` each."""
    degree = math.isqrt(values.shape[-1]) - 1
    if (degree + 1) ** 2 != values.shape[-1]:
        raise InputError(
            f"{values.shape[-1]} coefficients are not those of all degrees up to one; give a square number"
        )
    parts: tuple[Tensor, ...] = values.split([2 * k + 1 for k in range(degree + 1)], dim=-1)
    return parts


class SphereConv(nn.Module):
    """Convolution with zonal filters: the linear maps of signals that commute with all rotations, all of them.

    Parameters
    ----------
    first, second : int
        Channels of input and output.
    degree : int
        Highest degree.
    """

    def __init__(self, first: int, second: int, degree: int) -> None:
        super().__init__()
        self.degree = degree
        bound = 1 / math.sqrt(first)
        self.weight = nn.Parameter(torch.empty(degree + 1, second, first).uniform_(-bound, bound))
        self.constant = nn.Parameter(torch.zeros(second))

    def draw(self, generator: np.random.Generator) -> None:
        """Set weights as torch sets those of a linear layer: uniform on ``+- 1/sqrt(channels)``; constants to 0."""
        bound = 1 / math.sqrt(self.weight.shape[2])
        drawn = generator.uniform(-bound, bound, tuple(self.weight.shape)).astype(np.float32)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(drawn))
            self.constant.zero_()

    def forward(self, values: Tensor) -> Tensor:
        """Coefficients ``(batch, second, (degree + 1)^2)`` of ``(batch, first, (degree + 1)^2)``."""
        every = self.weight[_degrees(self.degree).to(values.device)]
        mixed = torch.einsum("koi,bik->bok", every, values)
        return torch.cat([mixed[..., :1] + math.sqrt(4 * math.pi) * self.constant[:, None], mixed[..., 1:]], dim=-1)


class SpherePointwise(nn.Module):
    """Function of the values at the points of a grid, and the coefficients of what comes out up to the same degree.

    A polynomial of order p of signals has degree p times theirs, and a grid that is exact for p + 1 times the degree
    gives its coefficients exactly: the layer commutes with rotations.  Other functions have all degrees.  Those beyond
    the grid are taken for lower ones, and break the symmetry, the less the finer the grid.

    Parameters
    ----------
    degree : int
        Highest degree of input and output.
    function : {"square", "relu", "tanh"}
        Function of values.
    exact_for : int
        The grid is exact for this many times the degree; at least 2.
    """

    def __init__(self, degree: int, function: SphereFunction = "square", exact_for: int = 3) -> None:
        super().__init__()
        if exact_for < 2:
            raise InputError(f"a grid exact for {exact_for} times the degree loses the signals; give 2 or more")
        self.degree, self.function, self.exact_for = degree, function, exact_for

    def forward(self, values: Tensor) -> Tensor:
        """Coefficients of the same shape."""
        there, back = (matrix.to(values) for matrix in _grid_matrices(self.degree, self.exact_for))
        shown: Tensor = SPHERE_FUNCTIONS[self.function](values @ there)
        return shown @ back


@lru_cache(maxsize=16)
def _degrees(degree: int) -> Tensor:
    """Degree of every coefficient."""
    return torch.from_numpy(np.repeat(np.arange(degree + 1), 2 * np.arange(degree + 1) + 1))


@lru_cache(maxsize=16)
def _grid_matrices(degree: int, exact_for: int) -> tuple[Tensor, Tensor]:
    """Coefficients to values at points, and back."""
    grid = sphere_grid(exact_for * degree)
    waves = harmonics(degree, grid.polar, grid.azimuth)
    return torch.from_numpy(waves.T.copy()), torch.from_numpy(waves * grid.weights[:, None])


def power_spectrum(values: Tensor) -> Tensor:
    """Squared length of every degree over 2 l + 1, ``(batch, channels, degree + 1)``: rotations leave it alone."""
    return torch.stack([part.square().mean(-1) for part in by_degree(values)], dim=-1)


def bispectrum(values: Tensor, degrees: Sequence[tuple[int, int, int]]) -> Tensor:
    """Products of three degrees that rotations leave alone, ``(batch, channels, len(degrees))``.

    ``sum C[m1, m2, m] a_{l1 m1} a_{l2 m2} a_{l m}`` with the couplings of `models.groups.spherical`.  Unlike the power
    spectrum they know how degrees lie to each other; where l1 + l2 + l is odd, a reflection changes their sign.

    Parameters
    ----------
    values : Tensor
        Coefficients ``(batch, channels, (degree + 1)^2)``.
    degrees : sequence of (l1, l2, l)
        Which ones; with ``l1 = l2`` and an odd l they are 0.
    """
    parts, found = by_degree(values), []
    for one, two, three in degrees:
        mixing = torch.from_numpy(coupling(one, two, three)).to(values)
        found.append(torch.einsum("bci,bcj,bck,ijk->bc", parts[one], parts[two], parts[three], mixing))
    return torch.stack(found, dim=-1)


class SphereNet(nn.Module):
    """Classifier of signals on the sphere whose answers no rotation changes: two convolutions, spectra, a linear layer.

    Parameters
    ----------
    channels, classes : int
        Of signals.
    degree : int
        Highest degree.
    hidden : int
        Channels of the convolutions.
    function : {"square", "relu", "tanh"}
        Function of values at points; ``"square"`` commutes with rotations exactly.
    exact_for : int
        Grids are exact for this many times the degree.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        degree: int = 16,
        hidden: int = 16,
        function: SphereFunction = "square",
        exact_for: int = 3,
    ) -> None:
        super().__init__()
        self.degree = degree
        self.first = SphereConv(channels, hidden, degree)
        self.second = SphereConv(hidden, hidden, degree)
        self.point = SpherePointwise(degree, function, exact_for)
        self.triples = tuple((k, k, 2 * k) for k in range(1, degree // 2 + 1))
        self.output = nn.Linear(hidden * (degree + 1 + len(self.triples)), classes)

    def maps(self, values: Tensor) -> list[Tensor]:
        """Coefficients after each of the two layers."""
        x = self.point(self.first(values))
        return [x, self.point(self.second(x))]

    def forward(self, values: Tensor) -> Tensor:
        """Answers ``(batch, classes)`` of coefficients ``(batch, channels, (degree + 1)^2)``."""
        last = self.maps(values)[1]
        told = torch.cat([power_spectrum(last), bispectrum(last, self.triples)], dim=-1)
        return functional.linear(told.flatten(1), self.output.weight, self.output.bias)
