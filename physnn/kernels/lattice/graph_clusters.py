"""Cluster updates of colours on any lattice, by reflections of colours: Wolff's cluster, and all of Swendsen and Wang.

A reflection that keeps all energies divides configurations in two: every site may be reflected or not.  A bond whose
energy rises if one of its two sites is reflected is active with probability ``1 - exp(-rise / T)``; what active bonds
connect reflects together.  For two colours this is the usual algorithm; for Potts and clock models a reflection is
drawn for every update.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.clusters import find_root
from physnn.kernels.lattice.graph import record_graph
from physnn.kernels.lattice.observables import DONE, ROW, SITES
from physnn.kernels.random import SHIFT, below, next_word, random_word

WOLFF, SWENDSEN_WANG = 0, 1
"""Codes of the algorithms."""
IN_CLUSTER = 64
"""Added to the colour of a site that is in the cluster being built."""


@njit(cache=True, nogil=True)
def reflect_one(flat, state, patterns, offsets, kinds, active, mirrors, places):
    """Build one cluster from a random site, reflect it, and return its size.

    Parameters
    ----------
    flat : ndarray of int8, shape (N,)
        The configuration; updated in place.
    state : ndarray of uint64, shape (4,)
        The generator.
    patterns, offsets, kinds : ndarray
        `physnn.models.geometry.Neighbours`.
    active : ndarray of uint64, shape (reflections, 6, q, q)
        Thresholds of active bonds, of 53 bits, by kind and colours.
    mirrors : ndarray of int8, shape (reflections, q)
        What a reflection makes of a colour.
    places : ndarray of int32, shape (N,)
        Work space.
    """
    seed = below(state, flat.size)
    mirror = below(state, mirrors.shape[0])
    # Every colour has as many reflections that move it as its images have: one that does not is drawn again.
    while mirrors[mirror, flat[seed]] == flat[seed]:
        mirror = below(state, mirrors.shape[0])
    places[0] = seed
    flat[seed] += IN_CLUSTER
    a, b, c, d = state[0], state[1], state[2], state[3]
    head, size = 0, 1
    while head < size:
        site = np.int64(places[head])
        head += 1
        colour, pattern = uint64(flat[site] - IN_CLUSTER), uint64(patterns[site])
        for slot in range(offsets.shape[1]):
            other = uint64(site + offsets[pattern, slot])
            if flat[other] < IN_CLUSTER:
                threshold = active[mirror, uint64(kinds[pattern, slot]), colour, uint64(flat[other])]
                if threshold > uint64(0):
                    word, a, b, c, d = next_word(a, b, c, d)
                    if (word >> SHIFT) < threshold:
                        flat[other] += IN_CLUSTER
                        places[size] = other
                        size += 1
    state[0], state[1], state[2], state[3] = a, b, c, d
    for k in range(size):
        flat[places[k]] = mirrors[mirror, flat[places[k]] - IN_CLUSTER]
    return size


@njit(cache=True, nogil=True)
def reflect_all(flat, state, patterns, offsets, kinds, active, mirrors, parent, turned):
    """Reflect every cluster with probability 1/2; parameters as in `reflect_one`.

    ``parent (N,)`` int32 and ``turned (N,)`` int8 are work space.
    """
    mirror = below(state, mirrors.shape[0])
    a, b, c, d = state[0], state[1], state[2], state[3]
    for site in range(flat.size):
        parent[site] = site
    for site in range(flat.size):
        colour, pattern = uint64(flat[site]), uint64(patterns[site])
        for slot in range(offsets.shape[1]):
            other = site + offsets[pattern, slot]
            # A bond is met from both of its ends.
            if other > site:
                threshold = active[mirror, uint64(kinds[pattern, slot]), colour, uint64(flat[other])]
                if threshold > uint64(0):
                    word, a, b, c, d = next_word(a, b, c, d)
                    if (word >> SHIFT) < threshold:
                        one, two = find_root(parent, np.int64(site)), find_root(parent, np.int64(other))
                        # The smaller number becomes the root, so that a scan in order meets every root first.
                        parent[max(one, two)] = min(one, two)
    state[0], state[1], state[2], state[3] = a, b, c, d
    for site in range(flat.size):
        root = parent[parent[site]]
        parent[site] = root
        if root == site:
            turned[site] = random_word(state) >> uint64(63)
        if turned[root]:
            flat[site] = mirrors[mirror, flat[site]]


@njit(cache=True, nogil=True)
def run_graph_clusters(
    kind, colours, state, neighbours, active, mirrors, measured, interval, budget, progress, rows, snapshots, every
):
    """Make updates and measure after each ``interval``, until ``budget`` sites are visited or ``rows`` is full.

    An update is one cluster (`WOLFF`) or all of them; measurements count as visits too.
    Other parameters are those of `reflect_one` and of `physnn.kernels.lattice.graph.record_graph`.
    """
    flat = colours.reshape(-1)
    patterns, offsets, kinds = neighbours
    places = np.empty(flat.size, np.int32)
    turned = np.empty(flat.size, np.int8)
    spent = 0
    while spent < budget and progress[ROW] < rows.shape[0]:
        size = flat.size
        if kind == WOLFF:
            size = reflect_one(flat, state, patterns, offsets, kinds, active, mirrors, places)
        else:
            reflect_all(flat, state, patterns, offsets, kinds, active, mirrors, places, turned)
        progress[DONE] += 1
        progress[SITES] += size
        spent += size
        if progress[DONE] == interval:
            record_graph(colours, measured, progress, rows, snapshots, every)
            spent += flat.size
