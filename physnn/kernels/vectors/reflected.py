"""Clusters of unit vectors that are reflected together.

A reflection of site i takes x to ``x - 2 (u_i . x) u_i``.  If all of them at once leave the energy as it is, that
of the bond between i and j changes by ``2 kappa (u_i . x_i)(u_j . x_j)`` where one is reflected and the other is not:
an Ising model of signs with couplings of their own.  Bonds whose two sides agree are active with probability
``1 - exp(-2 kappa (u_i . x_i)(u_j . x_j) / T)``, and each of the clusters that they connect is reflected or not.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from physnn.kernels.lattice.clusters import find_root, join
from physnn.kernels.random import random_word, uniform


@njit(cache=True, nogil=True)
def reflect(x, u, displacements, strengths, T, generator):
    """Reflect clusters of a lattice.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (H, W, N)
        Unit vectors on a torus; changed in place.
    u : ndarray of float64, shape (H, W, N)
        Unit normals of the planes of reflection.
    displacements, strengths : ndarray of int64 (n, 2) and float64 (n,)
        Bonds of each site, so that every bond of the lattice appears once, and kappa.
    T : float
        Temperature.
    generator : ndarray of uint64, shape (4,)
        See `physnn.kernels.random`; changed in place.
    """
    H, W, N = x.shape
    along, parent, turned = np.zeros((H, W)), np.empty(H * W, np.int32), np.empty(H * W, np.bool_)
    for r in range(H):
        for c in range(W):
            parent[r * W + c] = r * W + c
            for a in range(N):
                along[r, c] += u[r, c, a] * x[r, c, a]
    for t in range(len(strengths)):
        factor = -2 * strengths[t] / T
        for r in range(H):
            below = (r + displacements[t, 0]) % H
            for c in range(W):
                right = (c + displacements[t, 1]) % W
                gain = factor * along[r, c] * along[below, right]
                if gain < 0 and uniform(random_word(generator)) < 1 - math.exp(gain):
                    join(parent, r * W + c, below * W + right)
    for site in range(H * W):
        root = find_root(parent, site)
        # A root comes before its sites.
        turned[site] = random_word(generator) >> np.uint64(63) if root == site else turned[root]
        if turned[site]:
            r, c = site // W, site % W
            for a in range(N):
                x[r, c, a] -= 2 * along[r, c] * u[r, c, a]
