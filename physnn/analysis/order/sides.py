"""Sides of spins in a field: whether Markov chains of single spins stayed on the side of m = 0 where they began.

Reversing all spins changes the energy by ``2 h M``, M = N m, whatever the couplings.  So a configuration and its
reverse have weights of ratio ``exp(-2 h M / T)``, and chains that saw one side alone tell how much the other weighs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

LEFT_OUT = 1e-3
"""Share of states that chains may leave out, a convention: below, what is missing is no larger than usual errors."""


@dataclass(frozen=True)
class Sides:
    """Where chains of one size and temperature have been that never crossed m = 0.

    Attributes
    ----------
    up, down : int
        Chains that stayed at m > 0, and at m < 0.
    share_up : float
        Share of the states with m > 0 in equilibrium, 0 to 1, from the field and the measured m.
    """

    up: int
    down: int
    share_up: float

    @property
    def unseen(self) -> float:
        """Share of the states that no chain visited; 0 where chains stayed on both sides."""
        return 0.0 if self.up and self.down else 1 - self.share_up if self.up else self.share_up

    def sentence(self) -> str:
        """What this does to averages; empty where it does nothing."""
        if self.up and self.down:
            return (
                f"chains stayed at m > 0 ({self.up}) and at m < 0 ({self.down}), whose shares of all states are "
                f"{self.share_up:.2g} and {1 - self.share_up:.2g}: averages over chains are not those over states"
            )
        if self.unseen <= LEFT_OUT:
            return ""
        return (
            f"no chain was at m {'<' if self.up else '>'} 0, where {self.unseen:.2g} of all states are: errors do not "
            "tell of them"
        )


def sides_of_chains(m: np.ndarray, T: float, h: float, sites: float) -> Sides | None:
    """Sides of chains at one temperature, or None where one of them crossed m = 0.

    Parameters
    ----------
    m : ndarray, shape (chains, measurements)
        Magnetisation per spin of the Ising model, with its sign.
    T, h : float
        Temperature and field in units of the coupling, k_B = 1.
    sites : float
        Number of spins.
    """
    signs = np.sign(m)
    if not (np.abs(signs.sum(1)) == m.shape[1]).all():
        return None
    # The weight of the reversed states over that of the visited ones, by logarithms: h M may be large.
    exponents = -2 * h * sites * np.asarray(m, float) / T
    shares = []
    for side in (1, -1):
        chosen = exponents[signs[:, 0] == side]
        if chosen.size:
            ratio = float(special.logsumexp(chosen) - np.log(chosen.size))
            shares.append(float(special.expit(-side * ratio)))
    up = int((signs[:, 0] > 0).sum())
    return Sides(up, len(m) - up, float(np.mean(shares)))
