"""The Swendsen-Wang sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.kernels import xoshiro
from physnn.kernels.lattice import clusters
from physnn.models.lattice import LatticeModel
from physnn.samplers import cluster
from physnn.samplers.chain import Drive, State


@dataclass(frozen=True)
class SwendsenWang:
    """Gives every cluster a random colour; R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).

    One update is one sweep.
    """

    name: ClassVar[str] = "swendsen-wang"
    warm_up: ClassVar[None] = None
    interval: ClassVar[int] = 1

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `physnn.errors.InputError` for a field, or J < 0 with more than two colours."""
        cluster.check(self.name, model)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the state of the one generator."""
        return xoshiro.seeded(sequence)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that recolours the clusters of a state in place."""
        return cluster.drive(clusters.SWENDSEN_WANG, model, T, state)
