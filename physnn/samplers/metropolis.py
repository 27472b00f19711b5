"""The Metropolis sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.kernels import xoshiro
from physnn.models.lattice import LatticeModel
from physnn.samplers import local
from physnn.samplers.chain import Drive, State

ACCEPTANCE = 15 / 16
"""Largest probability of acceptance.

With 1, a sublattice would flip as a whole wherever no move costs energy: at infinite temperature, and wherever the
neighbours cancel, the chain would follow a deterministic orbit and not reach every configuration.  Below 1, every
configuration is reached from every other within one sweep with positive probability, so the chain is ergodic at every
temperature, on every lattice down to 2 x 2; detailed balance holds for any common factor.  The price is 1/15 more
sweeps per autocorrelation time.
"""


def probabilities(energies: np.ndarray, T: float) -> np.ndarray:
    """Return ``P[old, key, new] = ACCEPTANCE / (q-1) min(1, exp(-(E_new - E_old) / T))`` for new != old.

    Parameters
    ----------
    energies : ndarray of float64, shape (keys, q)
        Energy of a site by neighbourhood and colour.
    T : float
        Temperature, in the units of the energies.

    Returns
    -------
    ndarray of float64, shape (q, keys, q)
        Rows sum to 1.
    """
    q = energies.shape[1]
    cost = energies[None, :, :] - energies.T[:, :, None]
    move: np.ndarray = ACCEPTANCE / (q - 1) * np.exp(-np.maximum(cost, 0) / T)
    same = np.arange(q)
    move[same, :, same] = 0
    move[same, :, same] = 1 - move.sum(axis=2)
    return move


@dataclass(frozen=True)
class Metropolis:
    """Proposes another colour, all alike, and accepts it with probability ``15/16 min(1, exp(-dE / T))``.

    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).  One update is one sweep.

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
        """Name of the sampler: metropolis or metropolis-random."""
        return "metropolis" if self.order == "checkerboard" else f"metropolis-{self.order}"

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `physnn.errors.InputError` for a checkerboard with an odd side."""
        local.check_order("metropolis", self.order, shape)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the state of the one generator."""
        return xoshiro.seeded(sequence)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that sweeps a state in place."""
        return local.drive(probabilities, self.order, model, T, state)
