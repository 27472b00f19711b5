"""The Wolff sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.kernels import xoshiro
from physnn.kernels.lattice import clusters
from physnn.models.lattice import LatticeModel
from physnn.samplers import cluster
from physnn.samplers.chain import Drive, State
from physnn.samplers.swendsen_wang import SwendsenWang


@dataclass(frozen=True)
class Wolff:
    """Gives the cluster of a random site another colour; U. Wolff, Phys. Rev. Lett. 62, 361 (1989).

    One update is one cluster; `physnn.samplers.thermalise` returns how many make a sweep.
    """

    name: ClassVar[str] = "wolff"
    warm_up: ClassVar[SwendsenWang] = SwendsenWang()
    interval: ClassVar[int] = 1

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `physnn.errors.InputError` for a field, J < 0 with more than two colours, or infinite temperature."""
        cluster.check(self.name, model)
        if cluster.bond_probability(model, T) < 2.0**-xoshiro.BITS:
            raise InputError(
                f"{self.name} at T = {T:g} would turn exactly one spin per step and never mix both parities; "
                "use heat-bath or swendsen-wang"
            )

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the state of the one generator."""
        return xoshiro.seeded(sequence)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that flips clusters of a state in place."""
        return cluster.drive(clusters.WOLFF, model, T, state)
