"""Cluster updates of colours on a torus: Wolff's single cluster, and all clusters of Swendsen and Wang.

A bond that the coupling favours (equal colours, or for two antiferromagnetic colours unequal ones) is active with
probability ``1 - exp(-|bond| / T)``, and clusters are what active bonds connect.  Each site has four bonds, also where
two of them lead to the same neighbour (a side of 2), and each bond is tried once.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from physnn.kernels.lattice.observables import DONE, ROW, SITES, measuring_space, record_row
from physnn.kernels.random import SHIFT, below, next_word, random_word

WOLFF, SWENDSEN_WANG = 0, 1
"""Codes of the algorithms."""
MARK = 4
"""Added to the colour of a site that is in the cluster being built."""


@njit(cache=True, nogil=True)
def wolff(colours, state, active, unlike, q, places):
    """Build one cluster from a random site, give it another colour, and return its size.

    Parameters
    ----------
    colours : ndarray of int8, shape (H, W)
        The configuration, updated in place.
    state : ndarray of uint64, shape (4,)
        The generator.
    active : uint64
        Threshold of an active bond, of 53 bits.
    unlike : bool
        Whether bonds favour unequal colours; two colours only.
    q : int
        Number of colours.
    places : ndarray of int32, shape (2, N)
        Work space: rows and columns of the cluster's sites.
    """
    H, W = colours.shape
    seed = below(state, H * W)
    places[0, 0], places[1, 0] = seed // W, seed % W
    # The shift of a colour modulo q; for two colours 1, which also swaps the two of an antiferromagnetic cluster.
    shift = 1 + below(state, q - 1) if q > 2 else 1
    colours[places[0, 0], places[1, 0]] += MARK
    a, b, c, d = state[0], state[1], state[2], state[3]
    head, size = 0, 1
    while head < size:
        i, j = places[0, head], places[1, head]
        head += 1
        wanted = colours[i, j] - MARK
        if unlike:
            wanted = 1 - wanted
        for bond in range(4):
            y, x = i, j
            if bond == 0:
                y = i - 1 if i > 0 else H - 1
            elif bond == 1:
                y = i + 1 if i + 1 < H else 0
            elif bond == 2:
                x = j - 1 if j > 0 else W - 1
            else:
                x = j + 1 if j + 1 < W else 0
            if colours[y, x] == wanted:
                word, a, b, c, d = next_word(a, b, c, d)
                if (word >> SHIFT) < active:
                    colours[y, x] += MARK
                    places[0, size], places[1, size] = y, x
                    size += 1
    state[0], state[1], state[2], state[3] = a, b, c, d
    for k in range(size):
        colour = colours[places[0, k], places[1, k]] - MARK + shift
        colours[places[0, k], places[1, k]] = colour if colour < q else colour - q
    return size


@njit(cache=True, nogil=True)
def find_root(parent, site):
    """Root of a site's cluster in a forest; the way to it is shortened."""
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@njit(cache=True, nogil=True)
def join(parent, one, other):
    """Make one cluster of those of two sites."""
    one, other = find_root(parent, one), find_root(parent, other)
    # The smaller number becomes the root, so that a scan in order meets every root before its sites.
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@njit(cache=True, nogil=True)
def connect(colours, state, active, unlike, parent):
    """Activate bonds and write the forest of clusters: ``parent (N,)`` int32, where ``parent[i] <= i``."""
    H, W = colours.shape
    a, b, c, d = state[0], state[1], state[2], state[3]
    for site in range(H * W):
        parent[site] = site
    for i in range(H):
        row = colours[i]
        below_i = i + 1 if i + 1 < H else 0
        down = colours[below_i]
        for j in range(W):
            right = j + 1 if j + 1 < W else 0
            if (row[j] != row[right]) == unlike:
                word, a, b, c, d = next_word(a, b, c, d)
                if (word >> SHIFT) < active:
                    join(parent, i * W + j, i * W + right)
            if (row[j] != down[j]) == unlike:
                word, a, b, c, d = next_word(a, b, c, d)
                if (word >> SHIFT) < active:
                    join(parent, i * W + j, below_i * W + j)
    state[0], state[1], state[2], state[3] = a, b, c, d


@njit(cache=True, nogil=True)
def recolour(colours, state, q, parent, shifts):
    """Shift the colour of every cluster by its own random number, uniform on 0 .. q-1, modulo q.

    ``parent (N,)`` is what `connect` wrote; on return every site's parent is its root, of which ``shifts (N,)`` int8
    holds the shift.
    """
    H, W = colours.shape
    site = 0
    for i in range(H):
        for j in range(W):
            root = parent[parent[site]]
            parent[site] = root
            if root == site:
                shifts[site] = (random_word(state) >> uint64(63)) if q == 2 else below(state, q)
            colour = colours[i, j] + shifts[root]
            colours[i, j] = colour if colour < q else colour - q
            site += 1


@njit(cache=True, nogil=True)
def run_clusters(kind, colours, state, active, unlike, q, energies, interval, budget, progress, rows, snapshots, every):
    """Make updates and measure after each ``interval``, until ``budget`` sites are visited or ``rows`` is full.

    An update is one cluster (`WOLFF`) or all of them (`SWENDSEN_WANG`); measurements count as visits too.  Other
    parameters are those of `wolff` and of `record_row`.
    """
    H, W = colours.shape
    space = measuring_space(q, H, W)
    places = np.empty((2, H * W if kind == WOLFF else 0), np.int32)
    parent = np.empty(H * W if kind == SWENDSEN_WANG else 0, np.int32)
    shifts = np.empty(H * W if kind == SWENDSEN_WANG else 0, np.int8)
    spent = 0
    while spent < budget and progress[ROW] < rows.shape[0]:
        if kind == WOLFF:
            size = wolff(colours, state, active, unlike, q, places)
        else:
            connect(colours, state, active, unlike, parent)
            recolour(colours, state, q, parent, shifts)
            size = H * W
        progress[DONE] += 1
        progress[SITES] += size
        spent += size
        if progress[DONE] == interval:
            record_row(colours, energies, space, progress, rows, snapshots, every)
            spent += H * W
