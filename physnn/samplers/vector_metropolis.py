"""Samplers of unit vectors without a step-size bias: Metropolis with over-relaxation, and adjusted Langevin steps."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.vectors import moves as vector_moves
from physnn.kernels.vectors.langevin_loops import SUMS
from physnn.models.vectors import Shape, VectorModel
from physnn.samplers.chain import SLICE
from physnn.samplers.vectors import (
    VECTOR_COLUMNS,
    VectorRows,
    VectorState,
    checked_temperatures,
    vector_columns,
)

LEAST_SLICE = 16
"""Moves of the first compiled call, a small part of a second on any lattice."""


def tables(model: VectorModel, shape: Shape) -> vector_moves.Coupling:
    """Model's coupling as the list of neighbours of `physnn.kernels.vectors.moves`."""
    taps = {r: J for r, J in model.taps(shape).items() if r != (0, 0)}
    displacements = np.array(list(taps), np.int64).reshape(-1, 2)
    matrices = np.array([J.T for J in taps.values()], np.float64).reshape(-1, 1, model.components, model.components)
    alike = np.ascontiguousarray(np.repeat(matrices, 3, axis=1))
    return vector_moves.Coupling(
        displacements, alike, model.onsite(shape), model.bias.copy(), model.boundary == "periodic", 0, 1.0
    )


@dataclass(frozen=True)
class _Adjusted:
    """Moves that are accepted or refused so that no step-size bias is left."""

    size: float = 0.5
    dtype: ClassVar[type] = np.float64
    kind: ClassVar[int] = vector_moves.METROPOLIS
    wanted: ClassVar[float] = 0.4

    def __post_init__(self) -> None:
        if not (math.isfinite(self.size) and self.size > 0):
            raise InputError(f"the size of moves must be positive and finite, not {self.size}")

    def generators(self, sequence: np.random.SeedSequence, chains: int) -> np.ndarray:
        """State of each chain's generator."""
        return np.stack([random.seeded(child) for child in _children(sequence, chains)])

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
        """Make ``interval`` sweeps or steps after each measurement; parameters as for `Langevin.advance`.

        One thread is used, and T must be above 0.
        """
        temperatures = checked_temperatures(model, T, state, measurements, interval)
        if not (temperatures > 0).all():
            raise InputError("a temperature must be above 0")
        shape = state.x.shape[1:3]
        coupling = tables(model, shape)
        values = np.empty((len(state.x), measurements, len(VECTOR_COLUMNS)))
        kept = np.empty((len(state.x), measurements // keep if keep else 0, *state.x.shape[1:]))
        for i, x in enumerate(state.x):
            rows = np.empty((measurements, SUMS + 1))
            self._run(x, state.generator[i], coupling, float(temperatures[i]), interval, rows, kept[i], keep)
            values[i] = vector_columns(rows[:, :SUMS], model, shape, rows[:, SUMS])
        state.step += measurements * interval
        return VectorRows(values, kept)

    def _run(
        self,
        x: np.ndarray,
        generator: np.ndarray,
        coupling: vector_moves.Coupling,
        T: float,
        interval: int,
        rows: np.ndarray,
        kept: np.ndarray,
        keep: int,
    ) -> None:
        # Whole multiples of ``keep``, so that the kernel counts from 0 in each call.
        unit = max(keep, 1)
        count, done = unit * max(1, LEAST_SLICE // (interval * unit)), 0
        while done < len(rows):
            began, part = time.perf_counter(), rows[done : done + count]
            states = kept[done // unit :] if keep else kept
            vector_moves.run(self.kind, x, generator, coupling, T, self.size, interval, part, states, keep)
            done += len(part)
            elapsed = max(time.perf_counter() - began, 1e-6)
            count = unit * max(1, int(count * min(4.0, SLICE / elapsed)) // unit)


@dataclass(frozen=True)
class VectorMetropolis(_Adjusted):
    """Single-site Metropolis with over-relaxation; one move is one sweep.

    Each site in turn is offered its mirror image about the field of the others, which leaves all but its own energy as
    it is, and then ``normalise(x + size xi)``.

    Parameters
    ----------
    size : float
        Spread of the offers; see `tuned`.
    """


@dataclass(frozen=True)
class PlainMetropolis(VectorMetropolis):
    """Metropolis without over-relaxation, which forgets later: what the other is compared with."""

    kind: ClassVar[int] = vector_moves.PLAIN


@dataclass(frozen=True)
class Mala(_Adjusted):
    """Metropolis-adjusted Langevin steps of the whole lattice along geodesics; one move is one step.

    G. O. Roberts and R. L. Tweedie, Bernoulli 2, 341 (1996), on products of spheres.

    Parameters
    ----------
    size : float
        Step gamma; see `tuned`.
    """

    size: float = 0.02
    kind: ClassVar[int] = vector_moves.LANGEVIN
    wanted: ClassVar[float] = 0.574


def _children(sequence: np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    return [rng.child(sequence, 1, k) for k in range(count)]


Adjusted = TypeVar("Adjusted", bound=_Adjusted)


def tuned(
    sampler: Adjusted, model: VectorModel, T: float, state: VectorState, moves: int = 50, rounds: int = 20
) -> Adjusted:
    """Sampler with moves of a size that is accepted often enough; the chains are moved on the way.

    Parameters
    ----------
    sampler : VectorMetropolis or Mala
        With a first guess of the size.
    model, T, state
        What moves, at which temperature, from where.
    moves, rounds : int
        Moves between changes of the size, and how many changes.
    """
    for _ in range(rounds):
        accepted = float(sampler.advance(model, T, state, 1, moves)["accepted"].mean())
        factor = min(2.0, max(0.5, math.exp(2 * (accepted - sampler.wanted))))
        sampler = replace(sampler, size=min(sampler.size * factor, 10.0))
    return sampler
