"""What the two cluster samplers share: where they are right, and their bonds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.lattice import clusters
from physnn.models.lattice import LatticeModel
from physnn.samplers.chain import Drive, State


def check(name: str, model: LatticeModel) -> None:
    """Refuse a model whose clusters would not be right.

    Raises
    ------
    InputError
        For a field, and for an antiferromagnet of more than two colours.
    """
    if model.field != 0:
        raise InputError(f"{name} has no field, and h is {model.field:g}; use metropolis or heat-bath, or h = 0")
    if model.bond < 0 and model.q > 2:
        raise InputError(f"{name} does not serve a Potts model with J < 0; use metropolis or heat-bath, or J > 0")


def bond_probability(model: LatticeModel, T: float) -> float:
    """Return ``1 - exp(-|bond| / T)``, the probability that a favoured bond is active.

    For Ising it is ``1 - exp(-2 |J| / T)``.
    """
    return -math.expm1(-abs(model.bond) / T)


def drive(kind: int, model: LatticeModel, T: float, state: State) -> Drive:
    """Return the function that updates a state by clusters."""
    active = random.thresholds(np.array([bond_probability(model, T)]))[0]
    energies = np.array([model.bond, model.offset, model.field])

    def updates(
        interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
    ) -> None:
        clusters.run(
            kind,
            state.colours,
            state.generator,
            active,
            model.bond < 0,
            model.q,
            energies,
            interval,
            budget,
            progress,
            rows,
            snapshots,
            every,
        )

    return updates


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
        check(self.name, model)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the state of the one generator."""
        return random.seeded(sequence)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that recolours the clusters of a state in place."""
        return drive(clusters.SWENDSEN_WANG, model, T, state)


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
        check(self.name, model)
        if bond_probability(model, T) < 2.0**-random.BITS:
            raise InputError(
                f"{self.name} at T = {T:g} would turn exactly one spin per step and never mix both parities; "
                "use heat-bath or swendsen-wang"
            )

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the state of the one generator."""
        return random.seeded(sequence)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that flips clusters of a state in place."""
        return drive(clusters.WOLFF, model, T, state)
