"""Chains of unit vectors: states, blocks of measurements, and what samplers of them have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.models.vectors import Shape, VectorModel

VECTOR_COLUMNS = {
    "energy": "energy per site, -1/2 x . J x - c . x",
    "force": "mean of |Pi_x f|^2 over sites",
    "curvature": "mean of (N - 1) x . f - tr J_00 + x . J_00 x over sites; T = <force> / <curvature> in equilibrium",
    "accepted": "share of moves that were accepted since; 1 for a sampler that refuses none",
}
"""Columns of a block of measurements, and their meaning."""


@dataclass
class VectorState:
    """State of some chains; moved in place by a sampler.

    Attributes
    ----------
    x : ndarray of float32 or float64, shape (chains, H, W, N)
        Unit vectors.
    generator : ndarray, shape (chains, words)
        Key (Langevin) or state of each chain's generator.
    step : int
        Steps done: the next number of a counter-based generator.
    """

    x: np.ndarray
    generator: np.ndarray
    step: int = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all arrays by name; `from_arrays` continues from them bit for bit."""
        return {"x": self.x.copy(), "generator": self.generator.copy(), "step": np.array(self.step)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> VectorState:
        """State that `arrays` described."""
        return cls(np.array(arrays["x"]), np.array(arrays["generator"]), int(arrays["step"]))


@dataclass(frozen=True)
class VectorRows:
    """Block of measurements.

    Attributes
    ----------
    values : ndarray of float64, shape (chains, measurements, len(COLUMNS))
        Each of a state before the moves that follow it.
    kept : ndarray, shape (chains, measurements // keep, H, W, N)
        Every ``keep``-th of the measured states.
    """

    values: np.ndarray
    kept: np.ndarray

    def __getitem__(self, column: str) -> np.ndarray:
        """Column by name, shape (chains, measurements); `InputError` if there is none of this name."""
        if column not in VECTOR_COLUMNS:
            raise InputError(f"there is no column {column!r}; choose one of {', '.join(VECTOR_COLUMNS)}")
        return np.asarray(self.values[:, :, list(VECTOR_COLUMNS).index(column)])


class VectorSampler(ABC):
    """Sampler of unit vectors."""

    @property
    @abstractmethod
    def dtype(self) -> type:
        """Type of the numbers of a state."""

    @abstractmethod
    def generators(self, sequence: np.random.SeedSequence, chains: int) -> np.ndarray:
        """First state of each chain's generator."""

    @abstractmethod
    def fill(
        self,
        model: VectorModel,
        T: np.ndarray,
        state: VectorState,
        interval: int,
        keep: int,
        threads: int,
        rows: VectorRows,
    ) -> None:
        """Move chains, in place, and fill the measurements; temperatures by chain, else as for `advance`."""

    def advance(
        self,
        model: VectorModel,
        T: float | np.ndarray,
        state: VectorState,
        measurements: int,
        interval: int = 1,
        keep: int = 0,
        threads: int = 1,
    ) -> VectorRows:
        """Block of measurements of chains, each followed by ``interval`` moves in place.

        Parameters
        ----------
        model : VectorModel
            What moves.
        T : float or array of shape (chains,)
            Temperature; for `Langevin` eta^2 / 2, for others above 0.
        state : VectorState
            Where it is; updated.
        measurements, interval, keep : int
            Rows, moves (sweeps or steps) after each, and rows per state that is kept (0: none).
        threads : int
            Most threads of Langevin steps; the result does not depend on it.
        """
        temperatures, count = checked_temperatures(model, T, state, measurements, interval), len(state.x)
        values = np.empty((count, measurements, len(VECTOR_COLUMNS)))
        kept = np.empty((count, measurements // keep if keep else 0, *state.x.shape[1:]), state.x.dtype)
        rows = VectorRows(values, kept)
        self.fill(model, temperatures, state, interval, keep, threads, rows)
        return rows


def start_vectors(
    sampler: VectorSampler,
    model: VectorModel,
    shape: Shape,
    kind: str,
    sequence: np.random.SeedSequence,
    chains: int = 1,
) -> VectorState:
    """First state of some independent chains; for ``kind`` see `VectorModel.initial`."""
    if min(shape) < 1 or chains < 1:
        raise InputError(f"a lattice needs two positive sides and at least one chain, not {shape} and {chains}")
    draws = rng.generator(rng.child(sequence))
    x = np.stack([model.initial(kind, shape, draws) for _ in range(chains)])
    return VectorState(np.ascontiguousarray(x, sampler.dtype), sampler.generators(sequence, chains))


def checked_temperatures(
    model: VectorModel, T: float | np.ndarray, state: VectorState, measurements: int, interval: int
) -> np.ndarray:
    """Temperature of each chain, shape (chains,), after a look at everything else.

    Raises
    ------
    InputError
        If state and model do not fit, or a number is out of range.
    """
    x = state.x
    # Compiled code trusts its arrays.
    if x.ndim != 4 or x.shape[3] != model.components or not x.flags.c_contiguous:
        raise InputError(f"a state of this model is a contiguous array (chains, H, W, {model.components})")
    if measurements < 1 or interval < 1:
        raise InputError("a block needs at least one measurement and an interval of at least 1")
    temperatures = np.asarray(T, np.float64)
    if temperatures.shape not in ((), (len(x),)) or not (np.isfinite(temperatures) & (temperatures >= 0)).all():
        raise InputError("a temperature must be finite and not negative, one for all chains or one for each")
    return np.broadcast_to(temperatures, len(x))


def vector_columns(
    sums: np.ndarray, model: VectorModel, shape: Shape, accepted: np.ndarray | float = 1.0
) -> np.ndarray:
    """Values by `VECTOR_COLUMNS` from sums over sites of x . f, c . x, |Pi_x f|^2 and x . J_00 x (last axis)."""
    along, constant, force, own = np.moveaxis(sums / (shape[0] * shape[1]), -1, 0)
    curvature = (model.components - 1) * along + own - np.trace(model.onsite(shape))
    return np.stack([-0.5 * (along + constant), force, curvature, np.broadcast_to(accepted, along.shape)], axis=-1)
