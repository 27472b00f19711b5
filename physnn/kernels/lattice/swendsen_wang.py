"""R. H. Swendsen and J.-S. Wang's update of all clusters of a torus, and what their sizes tell of the order parameter.

Given the clusters, their colours are independent.  So a moment of the order parameter can be averaged over all
recolourings at once, an *improved estimator* (U. Wolff, Nucl. Phys. B 334, 581 (1990)).  With M_c the sum over the
sites of a cluster of their share in the order parameter, and M_c(k) its Fourier sum,

    <m^2> = sum_c M_c^2 / N^2,
    <m^4> = [(1 + 2/(q-1)) (sum_c M_c^2)^2 - 2/(q-1) sum_c M_c^4] / N^4,
    S(k) = sum_c |M_c(k)|^2 / N.
"""

from __future__ import annotations

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.lattice.clusters import draw_shifts, label_clusters, recolour_clusters
from physnn.kernels.lattice.observables import DONE, ROW, SITES, longest_wave, measuring_space
from physnn.kernels.lattice.packed import ALL_BITS, NO_BIT, digits_of, pack_rows, record_packed, unpack_rows

FIRST_IMPROVED = 7
"""First column of a row of measurements that holds an improved estimator: m2, m4, structure_x, structure_y."""


@njit(cache=True, nogil=True)
def waves_of(H, W, alternating):
    """Sums of 1, cos and sin of ``2 pi j / W`` over the columns before each, (3, W + 1), and `longest_wave` of H.

    With ``alternating`` spins every other column counts negative.
    """
    steps, along = np.zeros((3, W + 1)), longest_wave(W)
    for j in range(W):
        sign = -1.0 if alternating and j % 2 else 1.0
        steps[0, j + 1] = steps[0, j] + sign
        steps[1, j + 1] = steps[1, j] + sign * along[0, j]
        steps[2, j + 1] = steps[2, j] + sign * along[1, j]
    return steps, longest_wave(H)


@njit(cache=True, nogil=True)
def improved_moments(parent, sums, count, q, N, out):
    """Write the improved estimators of m2, m4, structure_x and structure_y to ``out[:4]``.

    Parameters
    ----------
    parent, sums : ndarray
        Parents of the labels, and what `physnn.kernels.lattice.clusters.label_clusters` added up for each, which is
        here added up for each cluster.
    count, q, N : int
        Number of labels, of colours and of sites.
    out : ndarray of float64
        A part of a row of measurements.
    """
    squares, fourths, along, across = 0.0, 0.0, 0.0, 0.0
    for label in range(count - 1, -1, -1):
        own, above = sums[label], parent[label]
        if above == label:
            square = own[0] * own[0]
            squares += square
            fourths += square * square
            along += own[1] * own[1] + own[2] * own[2]
            across += own[3] * own[3] + own[4] * own[4]
        else:
            for k in range(5):
                sums[above, k] += own[k]
    share = 2.0 / (q - 1)
    out[0] = squares / N / N
    out[1] = ((1.0 + share) * squares * squares - share * fourths) / N / N / N / N
    out[2], out[3] = along / N, across / N


@njit(cache=True, nogil=True)
def run_swendsen_wang(colours, generator, active, unlike, q, energies, interval, budget, progress, rows, shots, every):
    """Update all clusters, and measure after each ``interval``, until ``budget`` sites are visited or rows are full.

    Parameters
    ----------
    colours : ndarray of int8, shape (H, W)
        The configuration, updated in place.
    generator : ndarray of uint64, shape (4, LANES)
        The generators of `physnn.kernels.lattice.multispin`.
    active : uint64
        Threshold of an active bond, of 53 bits.
    unlike : bool
        Whether bonds favour unequal colours; two colours only.
    q : int
        Number of colours, 2 to 4.
    energies, interval, budget, progress, rows, shots, every
        Those of `physnn.kernels.lattice.observables.record_row`, with improved estimators from column `FIRST_IMPROVED`
        on; measurements count as visits too.
    """
    H, W = colours.shape
    N, words, lanes = H * W, (W + 63) // 64, generator.reshape(-1)
    low, high = np.empty((H, words), np.uint64), np.empty((H if q > 2 else 0, words), np.uint64)
    marks, labels = np.empty((3, H, words), np.uint64), np.empty((3, W), np.int32)
    parent, shifts = np.empty(N, np.int32), np.empty(N, np.int8)
    sums, none = np.empty((N, 5)), np.empty((0, 5))
    digits, space = digits_of(H, words), measuring_space(q, H, W)
    waves, favoured = waves_of(H, W, unlike), NO_BIT if unlike else ALL_BITS
    pack_rows(colours, low, high)
    spent = 0
    while spent < budget and progress[ROW] < rows.shape[0]:
        measured = progress[DONE] + 1 == interval
        wanted = sums if measured and rows.shape[1] > FIRST_IMPROVED else none
        count = label_clusters(low, high, W, lanes, active, favoured, marks, labels, parent, waves, wanted)
        draw_shifts(parent, count, q, lanes, shifts)
        recolour_clusters(low, high, W, q, marks, shifts)
        progress[DONE] += 1
        progress[SITES] += N
        spent += N
        if measured:
            if wanted.shape[0]:
                improved_moments(parent, wanted, count, q, N, rows[progress[ROW], FIRST_IMPROVED:])
            record_packed(low, high, energies, digits, space, progress, rows, shots, every)
            spent += N
    unpack_rows(low, high, colours)
