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
from physnn.samplers.vectors import VectorRows, VectorSampler, VectorState, vector_columns

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
class _Adjusted(VectorSampler):
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
        return np.stack([random.seeded(rng.child(sequence, 1, k)) for k in range(chains)])

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
        """Make ``interval`` sweeps or steps after each measurement, on one thread."""
        if not (T > 0).all():
            raise InputError("a temperature must be above 0")
        shape, measurements = state.x.shape[1:3], rows.values.shape[1]
        coupling = tables(model, shape)
        # Whole multiples of ``keep``, so that the kernel counts from 0 in each call.
        unit = max(keep, 1)
        for i, x in enumerate(state.x):
            sums = np.empty((measurements, SUMS + 1))
            count, done = unit * max(1, LEAST_SLICE // (interval * unit)), 0
            while done < measurements:
                began, part = time.perf_counter(), sums[done : done + count]
                chain = self.kind, x, state.generator[i], coupling, float(T[i]), self.size, interval
                vector_moves.run(*chain, part, rows.kept[i, done // unit if keep else 0 :], keep)
                done += len(part)
                elapsed = max(time.perf_counter() - began, 1e-6)
                count = unit * max(1, int(count * min(4.0, SLICE / elapsed)) // unit)
            rows.values[i] = vector_columns(sums[:, :SUMS], model, shape, sums[:, SUMS])
        state.step += measurements * interval


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


Adjusted = TypeVar("Adjusted", bound=_Adjusted)


def tuned(
    sampler: Adjusted, model: VectorModel, T: float, state: VectorState, moves: int = 50, rounds: int = 20
) -> Adjusted:
    """Sampler with moves of a size that is accepted often enough, found in ``rounds`` of moves of the chains."""
    for _ in range(rounds):
        accepted = float(sampler.advance(model, T, state, 1, moves)["accepted"].mean())
        factor = min(2.0, max(0.5, math.exp(2 * (accepted - sampler.wanted))))
        sampler = replace(sampler, size=min(sampler.size * factor, 10.0))
    return sampler
