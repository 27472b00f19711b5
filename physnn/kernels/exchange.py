"""Exchange of replicas between neighbours on a ladder of temperatures."""

from __future__ import annotations

import math

from physnn.kernels.jit import njit
from physnn.kernels.random import random_word, uniform


@njit(cache=True, nogil=True)
def exchange_replicas(energies, beta, place, generator, step):
    """Offer neighbours on a ladder to exchange their replicas.

    Temperatures k and k + 1 exchange with probability min(1, exp((beta_k - beta_{k+1}) (E_k - E_{k+1}))), with k even
    at even steps and odd at odd ones.  K. Hukushima and K. Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996).

    Parameters
    ----------
    energies, beta : ndarray of float64, shape (temperatures,)
        Energy of the whole lattice at each temperature, and 1 / T, in one unit.
    place : ndarray of int64, shape (temperatures,)
        Number of the replica at each temperature; changed in place.
    generator : ndarray of uint64, shape (4,)
        See `physnn.kernels.random`; changed in place.
    step : int
        Number of the exchange.
    """
    for k in range(step % 2, len(place) - 1, 2):
        gain = (beta[k] - beta[k + 1]) * (energies[k] - energies[k + 1])
        # A number is drawn in any case, so that rounding of a gain near 0 does not move the stream.
        if math.log(1 - uniform(random_word(generator))) < gain:
            place[k], place[k + 1] = place[k + 1], place[k]
