"""Models of colours on any lattice by enumeration of all configurations, written from the definitions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from physnn.errors import InputError
from physnn.models.geometry import Lattice, cell_bonds
from physnn.models.tabulated import Tabulated

MOST_CONFIGURATIONS = 2**20
"""Configurations that are visited at most: seconds."""
CHUNK = 2**16
"""Configurations that are looked at together."""


@dataclass(frozen=True)
class Enumerated:
    """All configurations of a model on a lattice.

    Attributes
    ----------
    energy : ndarray of float64, shape (configurations,)
        Total energy.
    counts : ndarray of int16, shape (configurations, q)
        Sites of every colour.
    values : dict of str to ndarray, each (configurations,)
        ``energy`` per site, ``m2``, ``m4``, and the order parameters of the lattice.
    """

    energy: np.ndarray
    counts: np.ndarray
    values: dict[str, np.ndarray]

    def probabilities(self, T: float, counts: tuple[int, ...] | None = None) -> np.ndarray:
        """Probability of every configuration at temperature T, with these ``counts`` of colours if they are given."""
        weight = np.exp(-(self.energy - self.energy.min()) / T)
        if counts is not None:
            weight = weight * (self.counts == counts).all(axis=1)
        return np.asarray(weight / weight.sum())

    def average(self, name: str, T: float, counts: tuple[int, ...] | None = None) -> float:
        """Exact average of one of the values."""
        return float(self.probabilities(T, counts) @ self.values[name])


def lattice_bonds(lattice: Lattice) -> list[tuple[int, int, int, int]]:
    """Bonds of a lattice, each once: its two sites, its class, and the sign of its energy."""
    number = {cell: k for k, cell in enumerate(itertools.product(*map(range, lattice.sides)))}
    count, found = len(lattice.cell.basis), []
    for cell, k in number.items():
        for bond in cell_bonds(lattice.kind):
            target = [n + step for n, step in zip(cell, bond.offset, strict=True)]
            around = [n // side for n, side in zip(target, lattice.sides, strict=True)]
            if any(turns and edge == "free" for turns, edge in zip(around, lattice.edges, strict=True)):
                continue
            turns = sum(n for n, edge in zip(around, lattice.edges, strict=True) if edge == "antiperiodic")
            other = number[tuple(n % side for n, side in zip(target, lattice.sides, strict=True))]
            found.append((k * count + bond.a, other * count + bond.b, bond.kind, (-1) ** turns))
    return found


@lru_cache(maxsize=8)
def lattice_enumeration(model: Tabulated) -> Enumerated:
    """Energy and order parameters of all configurations of a model.

    Raises
    ------
    InputError
        If there are more than `MOST_CONFIGURATIONS`.
    """
    N, q = model.lattice.size, model.q
    if N * math.log2(q) > math.log2(MOST_CONFIGURATIONS):
        raise InputError(f"{q} colours on {N} sites are too many configurations to visit; use a smaller lattice")
    parts = [_properties(model, first, min(first + CHUNK, q**N)) for first in range(0, q**N, CHUNK)]
    names = parts[0][2]
    values = {name: np.concatenate([part[2][name] for part in parts]) for name in names}
    return Enumerated(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), values)


def _properties(model: Tabulated, first: int, end: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Energies, counts of colours and values of configurations by number."""
    lattice, N, q = model.lattice, model.lattice.size, model.q
    colours = (np.arange(first, end)[:, None] // q ** np.arange(N) % q).astype(np.int8)
    energy = np.array(model.site)[colours].sum(axis=1)
    for i, j, kind, sign in lattice_bonds(lattice):
        if kind < len(model.pair):
            energy += sign * np.array(model.pair[kind])[colours[:, i], colours[:, j]]
    vectors = np.array(model.order)[colours]
    m2 = (vectors.mean(axis=1) ** 2).sum(axis=1)
    values = {"energy": energy / N, "m2": m2, "m4": m2**2}
    count = len(lattice.cell.basis)
    cells, b = np.repeat(np.indices(lattice.sides).reshape(len(lattice.sides), -1), count, 1), np.arange(N) % count
    for name, waves in lattice.waves().items():
        squares = np.zeros(len(energy))
        for wave in waves:
            phases = np.array([float(p) for p in wave.phases])[b] if wave.phases else 0.0
            turns = sum(float(k) * x for k, x in zip(wave.k, cells, strict=True)) + phases
            amplitude = np.einsum("i,cin->cn", np.exp(2j * np.pi * turns), vectors) / N
            squares += (np.abs(amplitude) ** 2).sum(axis=1)
        values[name] = np.sqrt(squares)
    return energy, np.stack([(colours == a).sum(axis=1) for a in range(q)], axis=1).astype(np.int16), values
