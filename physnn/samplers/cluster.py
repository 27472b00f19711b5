"""What the two cluster samplers share: where they are right, and their bonds."""

from __future__ import annotations

import math

import numpy as np

from physnn.errors import InputError
from physnn.kernels import xoshiro
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
    active = xoshiro.thresholds(np.array([bond_probability(model, T)]))[0]
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
