"""Overdamped Langevin dynamics of unit vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from physnn.errors import InputError
from physnn.kernels.vectors import langevin
from physnn.models.vectors import VectorModel
from physnn.samplers.vectors import VECTOR_COLUMNS, VectorRows, VectorState, checked_temperatures, vector_columns

LAST = 2**32
"""Numbers of steps have 32 bits."""


@dataclass(frozen=True)
class Langevin:
    """Steps of `physnn.kernels.vectors.langevin` at eta = sqrt(2 T); its averages have a bias of order gamma.

    Parameters
    ----------
    gamma : float
        Step size (dimensionless: time in units of 1 / coupling).
    rule : {"geodesic", "retract"}
        Step rule; ``geodesic`` has about half the bias, ``retract`` is that of the networks.
    """

    gamma: float
    rule: Literal["geodesic", "retract"] = "geodesic"
    dtype: ClassVar[type] = np.float32

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise InputError(f"gamma must be positive and finite, not {self.gamma}")
        if self.rule not in ("geodesic", "retract"):
            raise InputError(f"a step rule is geodesic or retract, not {self.rule}")

    def generators(self, sequence: np.random.SeedSequence, chains: int) -> np.ndarray:
        """Counter key for each chain."""
        return sequence.generate_state(2 * chains, np.uint32).reshape(chains, 2)

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
        """Take ``interval`` steps after each measurement.

        Parameters
        ----------
        model : VectorModel
            What moves.
        T : float or array of shape (chains,)
            Temperature, eta^2 / 2.
        state : VectorState
            Where it is; updated.
        measurements, interval, keep : int
            Rows, steps after each, and rows per state that is kept (0: none).
        threads : int
            Most threads; the result does not depend on it.
        """
        temperatures = checked_temperatures(model, T, state, measurements, interval)
        if state.step + measurements * interval > LAST:
            raise InputError(f"a chain has at most {LAST} steps; start another one")
        kept = measurements // keep if keep else 0
        shape = state.x.shape[1:3]
        values = np.empty((len(state.x), measurements, len(VECTOR_COLUMNS)))
        states = np.empty((len(state.x), kept, *state.x.shape[1:]), state.x.dtype)
        done = 0
        while done < measurements:
            count = min(keep or measurements, measurements - done)
            if kept and done // keep < kept:
                states[:, done // keep] = state.x
            sums = self._steps(model, temperatures, state, count * interval, interval, threads)
            values[:, done : done + count] = vector_columns(sums, model, shape)
            done += count
        return VectorRows(values, states)

    def _steps(
        self, model: VectorModel, T: np.ndarray, state: VectorState, steps: int, every: int, threads: int
    ) -> np.ndarray:
        H, W = state.x.shape[1:3]
        arrays = model.coupling, model.near, model.onsite((H, W)), model.bias
        eta, rules = np.sqrt(2 * T), (self.rule == "geodesic", model.boundary == "periodic")
        first, state.step = state.step, state.step + steps
        return langevin.advance(
            state.x, *arrays, state.generator, first, steps, self.gamma, eta, *rules, every, threads
        )
