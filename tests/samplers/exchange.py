"""Replica exchange between temperatures, a second way to equilibrium for samplers of unit vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.models.vectors import VectorModel
from physnn.samplers.vectors import (
    VECTOR_COLUMNS,
    VectorRows,
    VectorSampler,
    VectorState,
    checked_temperatures,
)

Any_ = TypeVar("Any_", bound=VectorSampler)


@dataclass(frozen=True)
class Exchange(Generic[Any_]):
    """Replica exchange: chains at a ladder of temperatures that may swap their states after each interval.

    Neighbours swap with probability min(1, exp((1/T_a - 1/T_b)(H_a - H_b))), pairs (0, 1), (2, 3), ... and (1, 2),
    (3, 4), ... by turns.  K. Hukushima and K. Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996).

    Parameters
    ----------
    samplers : sequence of samplers
        One for each temperature, all of one kind.
    temperatures : sequence of float
        One for each chain of the state.
    """

    samplers: Sequence[Any_]
    temperatures: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.samplers) != len(self.temperatures) or len(self.temperatures) < 2:
            raise InputError("replica exchange needs at least two temperatures and a sampler for each")

    def advance(
        self,
        model: VectorModel,
        state: VectorState,
        measurements: int,
        interval: int,
        generator: np.random.Generator,
        keep: int = 0,
    ) -> tuple[VectorRows, np.ndarray]:
        """Measure, move and swap.

        Parameters
        ----------
        model, state, measurements, interval, keep
            As for `Langevin.advance`; chain k of the state is the one at temperature k throughout.
        generator : numpy.random.Generator
            Decides swaps.

        Returns
        -------
        rows : VectorRows
            By temperature.
        swapped : ndarray, shape (temperatures - 1,)
            Share of accepted swaps of each pair of neighbours.
        """
        checked_temperatures(model, np.asarray(self.temperatures), state, measurements, interval)
        count, sites = len(self.temperatures), state.x.shape[1] * state.x.shape[2]
        values = np.empty((count, measurements, len(VECTOR_COLUMNS)))
        kept = np.empty((count, measurements // keep if keep else 0, *state.x.shape[1:]))
        beta, tried, swapped = 1 / np.asarray(self.temperatures, float), np.zeros(count - 1), np.zeros(count - 1)
        for m in range(measurements):
            if keep and m % keep == 0 and m // keep < kept.shape[1]:
                kept[:, m // keep] = state.x
            for k, sampler in enumerate(self.samplers):
                own = VectorState(state.x[k : k + 1], state.generator[k : k + 1], state.step)
                values[k, m] = sampler.advance(model, self.temperatures[k], own, 1, interval).values[0, 0]
            state.step += interval
            energy = sites * model.energy(state.x)
            for k in range(m % 2, count - 1, 2):
                tried[k] += 1
                gain = (beta[k] - beta[k + 1]) * (energy[k] - energy[k + 1])
                if gain >= 0 or generator.random() < math.exp(gain):
                    state.x[[k, k + 1]] = state.x[[k + 1, k]]
                    energy[[k, k + 1]] = energy[[k + 1, k]]
                    swapped[k] += 1
        return VectorRows(values, kept), swapped / np.maximum(tried, 1)


def exchange_streams(sequence: np.random.SeedSequence) -> np.random.Generator:
    """Generator that decides swaps of a run with this seed sequence."""
    return rng.generator(rng.child(sequence, 2))
