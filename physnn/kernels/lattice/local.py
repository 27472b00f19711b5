"""Single-spin updates of colours on a torus: any rule, given as a table of transition probabilities.

A table holds, for the old colour and the colours of the four neighbours, the cumulative probabilities of the new colour
as 53-bit integers (`physnn.kernels.random.probability_thresholds`): ``table[old, key, a]`` for "new colour <= a", where
``key`` packs the neighbours, two bits each.  Metropolis and heat bath differ in their tables alone.

`checkerboard` updates the even sublattice, then the odd one; no two sites of one sublattice are neighbours, so the
order within it does not matter.  That needs even sides.  `random_sites` updates N sites drawn with replacement, which
is right on every lattice.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from physnn.kernels.exchange import exchange_replicas
from physnn.kernels.jit import njit
from physnn.kernels.lattice.observables import DONE, ROW, SITES, measuring_space, observe_colours, record_row
from physnn.kernels.primitives import copy
from physnn.kernels.random import SHIFT, fill_words, random_word

CHECKERBOARD, RANDOM = 0, 1
"""Codes of the orders of update."""


@njit(cache=True, nogil=True)
def two_colours(table):
    """Thresholds of colour 0 by old colour and number of neighbours of colour 1, uint64 (2, 5)."""
    pair = np.empty((2, 5), np.uint64)
    for old in range(2):
        for ones in range(5):
            pair[old, ones] = table[old, (4**ones - 1) // 3, 0]
    return pair


@njit(cache=True, nogil=True)
def _row_of_two(up, row, down, start, pair, words):
    W = row.shape[0]
    for k in range(words.shape[0]):
        j = start + 2 * k
        left = j - 1 if j > 0 else W - 1
        right = j + 1 if j + 1 < W else 0
        ones = up[j] + down[j] + row[left] + row[right]
        row[j] = (words[k] >> SHIFT) >= pair[row[j], ones]


@njit(cache=True, nogil=True)
def _new_colour(word, old, a, b, c, d, table):
    key = a | (b << 2) | (c << 4) | (d << 6)
    level = word >> SHIFT
    new = 0
    for colour in range(table.shape[2]):
        new += level >= table[old, key, colour]
    return new


@njit(cache=True, nogil=True)
def _row_of_many(up, row, down, start, table, words):
    W = row.shape[0]
    for k in range(words.shape[0]):
        j = start + 2 * k
        left = j - 1 if j > 0 else W - 1
        right = j + 1 if j + 1 < W else 0
        row[j] = _new_colour(words[k], row[j], up[j], down[j], row[left], row[right], table)


@njit(cache=True, nogil=True)
def checkerboard(colours, state, table, pair, words):
    """Update every site once, the even sublattice first.

    Parameters
    ----------
    colours : ndarray of int8, shape (H, W)
        The configuration, both sides even; updated in place.
    state : ndarray of uint64, shape (4,)
        The generator; one word per site is drawn.
    table : ndarray of uint64, shape (q, 256, q - 1)
        Transition thresholds.
    pair : ndarray of uint64, shape (2, 5)
        `two_colours` of the table; used where q = 2.
    words : ndarray of uint64, shape (W // 2,)
        Work space.
    """
    H = colours.shape[0]
    for parity in range(2):
        for i in range(H):
            fill_words(state, words)
            up = colours[i - 1 if i > 0 else H - 1]
            down = colours[i + 1 if i + 1 < H else 0]
            if table.shape[0] == 2:
                _row_of_two(up, colours[i], down, (i + parity) & 1, pair, words)
            else:
                _row_of_many(up, colours[i], down, (i + parity) & 1, table, words)


@njit(cache=True, nogil=True)
def random_sites(colours, state, table):
    """Update N sites drawn uniformly with replacement; parameters as in `checkerboard`, any sides >= 2."""
    H, W = colours.shape
    N = uint64(H * W)
    for _ in range(H * W):
        # Unequal chances of the sites, 2^-32 of each, would not matter: they do not depend on the configuration.
        site = np.int64(((random_word(state) >> uint64(32)) * N) >> uint64(32))
        i = site // W
        j = site - i * W
        up = colours[i - 1 if i > 0 else H - 1, j]
        down = colours[i + 1 if i + 1 < H else 0, j]
        left = colours[i, j - 1 if j > 0 else W - 1]
        right = colours[i, j + 1 if j + 1 < W else 0]
        colours[i, j] = _new_colour(random_word(state), colours[i, j], up, down, left, right, table)


@njit(cache=True, nogil=True)
def run_local(colours, state, table, order, energies, interval, budget, progress, rows, snapshots, every):
    """Make sweeps and measure after each ``interval``, until ``budget`` sites are visited or ``rows`` is full.

    Sweeps are in `CHECKERBOARD` or `RANDOM` order; measurements count as visits too.  Other parameters are those of
    `checkerboard` and of `record_row`.
    """
    space = measuring_space(table.shape[0], colours.shape[0], colours.shape[1])
    pair = two_colours(table)
    words = np.empty(colours.shape[1] // 2, np.uint64)
    spent = 0
    while spent < budget and progress[ROW] < rows.shape[0]:
        if order == CHECKERBOARD:
            checkerboard(colours, state, table, pair, words)
        else:
            random_sites(colours, state, table)
        progress[DONE] += 1
        progress[SITES] += colours.size
        spent += colours.size
        if progress[DONE] == interval:
            record_row(colours, energies, space, progress, rows, snapshots, every)
            spent += colours.size


@njit(cache=True, nogil=True)
def run_local_ladder(
    colours, state, tables, order, energies, beta, place, swaps, first, intervals, budget, progress, rows, replicas,
    snapshots, every,
):  # fmt: skip
    """Sweep the replicas of a ladder, measure them by temperature, and exchange them after each measurement.

    Parameters
    ----------
    colours, state : ndarray of int8 and of uint64, shapes (replicas, H, W) and (replicas, 4)
        Configurations and generators by replica; updated in place.
    tables : ndarray of uint64, shape (temperatures, q, 256, q - 1)
        Transition thresholds by temperature.
    order, energies, budget, progress, every
        As in `run_local`.
    beta, place, swaps, first
        As in `physnn.kernels.exchange.exchange_replicas`; the last two are its generator and its first number.
    intervals : ndarray of int64, shape (temperatures,)
        Sweeps before each measurement.
    rows : ndarray of float64, shape (temperatures, measurements, 7)
        Measurements, as of `record_row`.
    replicas : ndarray of int16, shape (temperatures, measurements)
        Number of the replica that was measured.
    snapshots : ndarray of int8, shape (temperatures, measurements // every, H, W)
        Configurations; unused if ``every`` is 0.
    """
    H, W = colours.shape[1:]
    in_row, in_column, wave_x, wave_y = measuring_space(tables.shape[1], H, W)
    pairs = np.empty((len(tables), 2, 5), np.uint64)
    for k in range(len(tables)):
        pairs[k] = two_colours(tables[k])
    words, total = np.empty(W // 2, np.uint64), np.empty(len(tables))
    spent = 0
    while spent < budget and progress[ROW] < rows.shape[1]:
        row = progress[ROW]
        for k in range(len(tables)):
            here = colours[place[k]]
            for _ in range(intervals[k]):
                if order == CHECKERBOARD:
                    checkerboard(here, state[place[k]], tables[k], pairs[k], words)
                else:
                    random_sites(here, state[place[k]], tables[k])
            observe_colours(here, energies, in_row, in_column, wave_x, wave_y, rows[k, row])
            rows[k, row, 6] = intervals[k]
            replicas[k, row] = place[k]
            if every > 0 and (row + 1) % every == 0:
                copy(here, snapshots[k, (row + 1) // every - 1])
            total[k] = rows[k, row, 0] * here.size
            spent += (intervals[k] + 1) * here.size
        exchange_replicas(total, beta, place, swaps, first + row)
        progress[ROW] = row + 1


@njit(cache=True, nogil=True)
def plain_sweeps(spins, acceptance, n):
    """Do n checkerboard Metropolis sweeps of spins -1 or +1, one at a time as a textbook writes it: a baseline.

    ``spins`` is int8 of shape (H, W) with even sides, changed in place.

    ``acceptance (5,)`` are the probabilities to flip a spin with s_i sum_j s_j = -4, -2, 0, 2, 4.
    """
    H, W = spins.shape
    for _ in range(n):
        for colour in range(2):
            for i in range(H):
                for j in range((i + colour) % 2, W, 2):
                    around = (
                        spins[(i + 1) % H, j] + spins[(i - 1) % H, j] + spins[i, (j + 1) % W] + spins[i, (j - 1) % W]
                    )
                    if np.random.random() < acceptance[(spins[i, j] * around + 4) // 2]:  # noqa: NPY002
                        spins[i, j] = -spins[i, j]
