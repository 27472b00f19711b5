"""Clusters of occupied sites on an L x L torus, site by site in random order: one run serves every occupation.

Union-find as M. E. J. Newman and R. M. Ziff, Phys. Rev. E 64 (2001) 016706.  The way from a site to its parent is known
up to its position by its winding number, how often it crosses the edges of the lattice; a cluster wraps where two ways
between the same sites differ in winding (J. Machta et al., Phys. Rev. E 54 (1996) 1332).
"""

from __future__ import annotations

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.random import SHIFT, below, next_word

LARGEST_SUM, LARGEST_SQUARES, OTHER_SQUARES, EITHER, BOTH = range(5)
"""Rows of the sums of runs: largest cluster s, s^2, sum of the squared sizes of all others, and how many runs wrap from
this number of sites on, in either direction and in both."""
UNOCCUPIED = -(2**31)
"""Parent of a site that is not occupied."""
COLUMN_EDGE, ROW_EDGE = 1, 2**16
"""Winding of a step over the edge between columns, and between rows; sums of both are told apart, see `windings`."""


@njit(cache=True, nogil=True)
def windings(total):
    """Windings between columns and between rows that are in a sum, each below 2^15."""
    across = ((total + 2**15) & (2**16 - 1)) - 2**15
    return across, (total - across) >> 16


@njit(cache=True, nogil=True)
def root_of(nodes, site):
    """Root of a site's cluster and the winding of the way there, which becomes one step."""
    root, total = site, 0
    while nodes[root, 0] >= 0:
        total += nodes[root, 1]
        root = nodes[root, 0]
    left = total
    while site != root:
        parent, own = nodes[site, 0], nodes[site, 1]
        nodes[site, 0], nodes[site, 1] = root, left
        left -= own
        site = parent
    return root, total


@njit(cache=True, nogil=True)
def occupy(nodes, site, L):
    """Occupy a site and join it to its occupied neighbours.

    Parameters
    ----------
    nodes : ndarray of int32, shape (L * L, 2)
        Of every site its parent, or minus the size of its cluster if it is a root, or `UNOCCUPIED`; and the winding of
        the way to its parent.  Updated in place.
    site, L : int
        Number of the site, row by row, and side of the lattice.

    Returns
    -------
    tuple of int
        Size of the site's cluster, what the sum of squared sizes grew by, and whether the cluster now wraps between
        columns and between rows by a way through this site (0 or 1 each).
    """
    nodes[site, 0], nodes[site, 1] = -1, 0
    row = site // L
    column = site - row * L
    root, way = site, 0
    grown, across, along = 1, 0, 0
    left, right, top, bottom = column == 0, column == L - 1, row == 0, row == L - 1
    for other, step in (
        (site - 1 + L * left, -COLUMN_EDGE * left),
        (site - L + L * L * top, -ROW_EDGE * top),
        (site + 1 - L * right, COLUMN_EDGE * right),
        (site + L - L * L * bottom, ROW_EDGE * bottom),
    ):
        if nodes[other, 0] == UNOCCUPIED:
            continue
        there, further = root_of(nodes, other)
        loop = step + further - way
        if there == root:
            if loop != 0:
                wound = windings(loop)
                across |= wound[0] != 0
                along |= wound[1] != 0
            continue
        grown += 2 * nodes[there, 0] * nodes[root, 0]
        if nodes[there, 0] < nodes[root, 0]:
            nodes[there, 0] += nodes[root, 0]
            nodes[root, 0], nodes[root, 1] = there, loop
            root, way = there, step + further
        else:
            nodes[root, 0] += nodes[there, 0]
            nodes[there, 0], nodes[there, 1] = root, -loop
    return -nodes[root, 0], grown, across, along


@njit(cache=True, nogil=True)
def grow(nodes, order, first, L, sums):
    """Occupy sites in an order and add what is measured to the sums.

    Parameters
    ----------
    nodes : ndarray of int32, shape (L * L, 2)
        Work space.
    order : ndarray of int32
        The sites that are occupied, one after the other.
    first, L : int
        Number of occupied sites from which on something is measured, and side of the lattice.
    sums : ndarray of float64, shape (5, counts)
        Sums over runs, `LARGEST_SUM` to `BOTH`, at ``first``, ``first`` + 1, ... occupied sites; added to.
    """
    nodes[:, 0] = UNOCCUPIED
    most, squares, across, along = 0, 0, 0, 0
    for k in range(order.shape[0]):
        size, grown, wide, high = occupy(nodes, order[k], L)
        squares += grown
        most = max(most, size)
        place = max(0, k + 1 - first)
        if (wide | high) and not (across & along):
            if not (across | along):
                sums[EITHER, place] += 1
            across, along = across | wide, along | high
            if across & along:
                sums[BOTH, place] += 1
        if k + 1 >= first:
            sums[LARGEST_SUM, place] += most
            sums[LARGEST_SQUARES, place] += np.float64(most) * most
            sums[OTHER_SQUARES, place] += squares - most * most


@njit(cache=True, nogil=True)
def arrange(order, first, threshold, state):
    """Put the sites of a run into a random order, of which the early part is in the order of the lattice.

    No more than ``first`` sites are occupied with a probability, all others follow one after the other.  From ``first``
    sites on every set of sites of one size is as likely as in a random order throughout, and sites that are neighbours
    are close in memory while most clusters are made.

    Parameters
    ----------
    order : ndarray of int32, shape (L * L,)
        Filled; random from ``first`` on.
    first : int
        Number of sites from which on the order matters.
    threshold : uint64
        Probability of a site to be among the early ones, of 53 bits.
    state : ndarray of uint64, shape (4,)
        The generator.

    Returns
    -------
    int
        Number of sites in the order of the lattice.
    """
    sites = order.shape[0]
    while True:
        a, b, c, d = state[0], state[1], state[2], state[3]
        early, late = 0, sites
        for site in range(sites):
            word, a, b, c, d = next_word(a, b, c, d)
            if (word >> SHIFT) < threshold:
                order[early] = site
                early += 1
            else:
                late -= 1
                order[late] = site
        state[0], state[1], state[2], state[3] = a, b, c, d
        if early <= first:
            return early


@njit(cache=True, nogil=True)
def run_percolation(L, first, threshold, runs, state, sums):
    """Make runs from ``first`` to ``first`` + counts - 1 occupied sites; see `arrange` and `grow` for parameters."""
    nodes, order = np.empty((L * L, 2), np.int32), np.empty(L * L, np.int32)
    last = first + sums.shape[1] - 1
    for _ in range(runs):
        early = arrange(order, first, threshold, state)
        for k in range(early, last):
            other = k + below(state, L * L - k)
            order[k], order[other] = order[other], order[k]
        grow(nodes, order[:last], first, L, sums)
