"""World lines of Ising spins in a transverse field: their state, and blocks of measurements in compiled calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from physnn.errors import InputError
from physnn.kernels.quantum.world_lines import S_SPACE, SLICES, STRUCTURE, TURNS, run_world_lines
from physnn.kernels.random import seeded
from physnn.models.lattice import Quantity
from physnn.models.quantum import QuantumModel
from physnn.samplers.chain import check_block, run_slices

AT_TIMES = f"mean over {SLICES} imaginary times, over all signs of clusters"
WORLD_QUANTITIES = {
    "energy": Quantity("e", "J", "energy per site"),
    "m": Quantity("m", "1", "mean of s^z over the sites, at one imaginary time"),
    "m2_improved": Quantity("m^2", "1", f"square of the mean of s^z over the sites, {AT_TIMES}"),
    "m4_improved": Quantity("m^4", "1", f"fourth power of the mean of s^z over the sites, {AT_TIMES}"),
    "sigma_x": Quantity("s^x", "1", "mean of s^x over the sites"),
    "m_time": Quantity("m_t", "1", "mean of s^z over the sites and imaginary time"),
    "m_time2": Quantity("m_t^2", "1", "square of the mean of s^z over the sites and imaginary time, over all signs"),
    "m_time4": Quantity("m_t^4", "1", "fourth power of the mean of s^z over the sites and imaginary time, likewise"),
    "s_time": Quantity("S_t", "1", "square of the amplitude of s^z at 2 pi / beta, over that of perfect order"),
    "s_space": Quantity(
        "S_x", "1", "square of the amplitude at 2 pi / L, of s^z averaged over imaginary time, likewise"
    ),
    "structure_x_improved": Quantity("S_x", "1", f"structure factor of s^z at 2 pi / L along x, {AT_TIMES}"),
    "structure_y_improved": Quantity("S_y", "1", f"structure factor of s^z at 2 pi / L along y, {AT_TIMES}"),
}
"""Columns of a block of measurements; chains lack the last one, open lattices what has waves in space."""
KINK_QUANTITIES = {
    "kinks": Quantity("n/h", "1/J", "number of kinks over h, over all signs: derivative of ln Z by h"),
    "m_time2_kinks": Quantity("m_t^2 n/h", "1/J", "product of m_t^2 with n/h, over all signs"),
    "m_time4_kinks": Quantity("m_t^4 n/h", "1/J", "product of m_t^4 with n/h, over all signs"),
    "s_time_kinks": Quantity("S_t n/h", "1/J", "product of S_t with n/h, over all signs"),
    "s_space_kinks": Quantity("S_x n/h", "1/J", "product of S_x with n/h, over all signs"),
}
"""Further columns from which derivatives by the field follow; open lattices lack the last one."""


@dataclass
class WorldLines:
    """World lines of all sites, moved in place by `move_lines`.

    Attributes
    ----------
    spins : ndarray of int8, shape (N,)
        Spins at imaginary time 0.
    offsets : ndarray of int64, shape (N + 1,)
        Place of every line's first kink.
    kinks : ndarray of float64
        Imaginary times at which spins change sign, in 1/J, line by line, increasing in a line; there may be room
        behind the last one.
    generator : ndarray of uint64, shape (4,)
        State of the random generator.
    pairs : ndarray of float64, shape (L // 2 + 2,)
        Sums of the two-point function by distance along the axes over the measurements so far, and their number.
    """

    spins: np.ndarray
    offsets: np.ndarray
    kinks: np.ndarray
    generator: np.ndarray
    pairs: np.ndarray

    @property
    def correlation(self) -> np.ndarray:
        """Mean of s_i s_j at one time by distance 0 ... L/2 along the axes; 0 where nothing is measured yet."""
        return np.asarray(self.pairs[:-1] / max(1.0, self.pairs[-1]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all arrays by name, from which `of` continues bit for bit."""
        found = {name: np.array(value) for name, value in vars(self).items()}
        return found | {"kinks": found["kinks"][: self.offsets[-1]]}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> WorldLines:
        """State that `arrays` described; kinks may have numbers behind them."""
        found = {name: np.array(value) for name, value in arrays.items()}
        return cls(**found)


def lines_begin(model: QuantumModel, sequence: np.random.SeedSequence) -> WorldLines:
    """State without kinks, all spins up; everything random comes from the sequence, which is not changed."""
    _check(model, 1.0)
    nothing = np.zeros(model.N + 1, np.int64)
    pairs = np.zeros(model.sides[0] // 2 + 2)
    return WorldLines(np.ones(model.N, np.int8), nothing, np.empty(0), seeded(sequence), pairs)


def world_columns(model: QuantumModel, slopes: bool = False) -> tuple[str, ...]:
    """Columns of a block of measurements: the first of `WORLD_QUANTITIES`, for slopes also `KINK_QUANTITIES`."""
    plain = tuple(WORLD_QUANTITIES)[: STRUCTURE + len(model.sides) if model.periodic else S_SPACE]
    further = tuple(KINK_QUANTITIES)[: None if model.periodic else -1]
    return (*plain, *further) if slopes else plain


def move_lines(
    model: QuantumModel, beta: float, state: WorldLines, measurements: int, interval: int = 1, slopes: bool = False
) -> np.ndarray:
    """Measurements of world lines, one row each, float64 (measurements, columns); ``state`` is moved in place.

    The result depends on the arguments only, not on time.

    Parameters
    ----------
    model : QuantumModel
        ``tfim`` with a field above 0.
    beta : float
        Inverse temperature, in 1/J.
    state : WorldLines
        Where they are.
    measurements, interval : int
        Number of rows, and updates of all clusters before each.
    slopes : bool
        Whether rows go on with `KINK_QUANTITIES`.

    Raises
    ------
    InputError
        If the model is another one, a number is out of range, or the state is not one of the model's.
    """
    _check(model, beta)
    check_block(measurements, interval, 0)
    if state.spins.shape != (model.N,) or state.offsets.shape != (model.N + 1,):
        raise InputError(f"a state of this model has world lines of {model.N} sites; begin one of its own for it")
    rows = np.zeros((measurements, len(world_columns(model, slopes))))
    x = 2 * math.pi * np.arange(TURNS + 1) / TURNS
    table, waves, bonds = np.array([np.cos(x), np.sin(x)]), _waves(model), model.terms.bonds
    partners = _partners(model)

    def drive(
        interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
    ) -> None:
        lines = state.spins, state.offsets
        what = lines, state.kinks, state.generator, bonds, beta, model.h, waves, table, partners, state.pairs
        state.kinks = run_world_lines(*what, interval, budget, progress, rows)

    run_slices(drive, measurements, interval, rows, np.empty((0, 0, 0), np.int8), 0)
    return rows


def _partners(model: QuantumModel) -> np.ndarray:
    """Site at distances 0 ... L/2 along every axis from every site, -1 behind a border, (axes, distances, N)."""
    places = np.indices(model.sides)
    found = []
    for axis, side in enumerate(model.sides):
        step = (np.arange(len(model.sides)) == axis)[:, None]
        for r in range(model.sides[0] // 2 + 1):
            there = places.reshape(len(model.sides), -1) + r * step
            inside = np.ones(model.N, bool) if model.periodic else there[axis] < side
            sites = np.ravel_multi_index(tuple(there), model.sides, mode="wrap")
            found.append(np.where(inside, sites, -1))
    return np.array(found).reshape(len(model.sides), -1, model.N)


def _waves(model: QuantumModel) -> np.ndarray:
    """Cosine and sine of the longest wave along every direction at every site, the fastest coordinate first."""
    if not model.periodic:
        return np.empty((0, model.N))
    angles = [2 * math.pi * k / side for k, side in zip(np.indices(model.sides), model.sides, strict=True)]
    return np.array([f(angle.reshape(-1)) for angle in reversed(angles) for f in (np.cos, np.sin)])


def _check(model: QuantumModel, beta: float) -> None:
    if model.name != "tfim" or not model.h > 0:
        raise InputError("world lines are those of tfim in a field h > 0; another model needs other moves")
    if not (beta > 0 and math.isfinite(beta)):
        raise InputError(f"beta is {beta}; give one above 0, in 1/J")
