"""Overdamped Langevin dynamics of unit vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from physnn.errors import InputError
from physnn.kernels.vectors import langevin
from physnn.models.vectors import VectorModel
from physnn.samplers.vectors import VectorRows, VectorSampler, VectorState, vector_columns

LAST = 2**32
"""Numbers of steps have 32 bits."""


@dataclass(frozen=True)
class Langevin(VectorSampler):
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
        """Take ``interval`` steps after each measurement."""
        shape, measurements = state.x.shape[1:3], rows.values.shape[1]
        if state.step + measurements * interval > LAST:
            raise InputError(f"a chain has at most {LAST} steps; start another one")
        arrays = model.coupling, model.near, model.onsite(shape), model.bias, state.generator
        rules = self.gamma, np.sqrt(2 * T), self.rule == "geodesic", model.boundary == "periodic", interval, threads
        for first in range(0, measurements, keep or measurements):
            block = rows.values[:, first : first + (keep or measurements)]
            if keep and first // keep < rows.kept.shape[1]:
                rows.kept[:, first // keep] = state.x
            steps = block.shape[1] * interval
            block[:] = vector_columns(langevin.advance(state.x, *arrays, state.step, steps, *rules), model, shape)
            state.step += steps
