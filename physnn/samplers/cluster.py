"""Cluster samplers: Wolff's single cluster, and all clusters of Swendsen and Wang."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.lattice import clusters
from physnn.models.lattice import LatticeModel
from physnn.samplers.chain import Drive, Sampler, State, energies_of


def bond_probability(model: LatticeModel, T: float) -> float:
    """Probability that a favoured bond is active, ``1 - exp(-|bond| / T)``; for Ising ``1 - exp(-2 |J| / T)``."""
    return -math.expm1(-abs(model.bond) / T)


@dataclass(frozen=True)
class _Clusters(Sampler):
    """Updates of clusters connected by active bonds."""

    kind: ClassVar[int]

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` for a field, and for an antiferromagnet of more than two colours."""
        if model.field != 0:
            raise InputError(
                f"{self.name} has no field, and h is {model.field:g}; use metropolis or heat-bath, or h = 0"
            )
        if model.bond < 0 and model.q > 2:
            raise InputError(
                f"{self.name} does not serve a Potts model with J < 0; use metropolis or heat-bath, or J > 0"
            )

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that updates clusters of a state in place."""
        active = random.probability_thresholds(np.array([bond_probability(model, T)]))[0]
        model_and_bonds = active, model.bond < 0, model.q, energies_of(model)
        return partial(clusters.run_clusters, self.kind, state.colours, state.generator, *model_and_bonds)


@dataclass(frozen=True)
class SwendsenWang(_Clusters):
    """Swendsen-Wang sampler: every cluster gets a random colour; one update is one sweep.

    R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
    """

    name: ClassVar[str] = "swendsen-wang"
    kind: ClassVar[int] = clusters.SWENDSEN_WANG


@dataclass(frozen=True)
class Wolff(_Clusters):
    """Wolff sampler: the cluster of a random site gets another colour; U. Wolff, Phys. Rev. Lett. 62, 361 (1989).

    One update is one cluster; `physnn.samplers.thermalise` returns how many make a sweep.
    """

    name: ClassVar[str] = "wolff"
    kind: ClassVar[int] = clusters.WOLFF
    warm_up: ClassVar[Sampler | None] = SwendsenWang()

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` for a field, J < 0 with more than two colours, or infinite temperature."""
        super().check(model, shape, T)
        if bond_probability(model, T) < 2.0**-random.UNIFORM_BITS:
            raise InputError(
                f"{self.name} at T = {T:g} would turn exactly one spin per step and never mix both parities; "
                "use heat-bath or swendsen-wang"
            )
