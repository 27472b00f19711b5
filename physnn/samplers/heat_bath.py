"""The heat-bath sampler, for two colours Glauber's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.kernels import xoshiro
from physnn.models.lattice import LatticeModel
from physnn.samplers import local
from physnn.samplers.chain import Drive, State


def probabilities(energies: np.ndarray, T: float) -> np.ndarray:
    """Return ``P[old, key, new] = exp(-E_new / T) / sum_a exp(-E_a / T)``; shapes as for Metropolis."""
    q = energies.shape[1]
    weights = np.exp(-(energies - energies.min(axis=1, keepdims=True)) / T)
    return np.repeat((weights / weights.sum(axis=1, keepdims=True))[None], q, axis=0)


@dataclass(frozen=True)
class HeatBath:
    """Draws each colour from its distribution given the neighbours; R. J. Glauber, J. Math. Phys. 4, 294 (1963).

    One update is one sweep.

    Parameters
    ----------
    order : str
        ``checkerboard``, which needs even sides, or ``random``: N sites drawn with replacement.
    """

    order: str = "checkerboard"
    warm_up: ClassVar[None] = None
    interval: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Name of the sampler: heat-bath or heat-bath-random."""
        return "heat-bath" if self.order == "checkerboard" else f"heat-bath-{self.order}"

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `physnn.errors.InputError` for a checkerboard with an odd side."""
        local.check_order("heat-bath", self.order, shape)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the state of the one generator."""
        return xoshiro.seeded(sequence)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that sweeps a state in place."""
        return local.drive(probabilities, self.order, model, T, state)
