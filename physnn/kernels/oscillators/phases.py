"""Steps of coupled phase oscillators, blocks of them in cache, sines and cosines as polynomials.

    d theta_i / dt = omega_i + K (c_i F_i^s - s_i F_i^c) + noise,      c_i, s_i = cos theta_i, sin theta_i,

where F_i is the mean of (c, s) over all oscillators, or a sum over neighbours.  Phases, frequencies and K are in turns,
for which the remainder of a period is exact.  An explicit scheme of Runge and Kutta makes one pass over the
oscillators for each of its stages: the pass takes the derivative at the stage, and leaves cosines and sines of the next
one.  Sums are made of blocks of fixed length, in order.
"""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.random import places_of, row_normals

TOGETHER = 1024
"""Oscillators that are worked on together: their numbers lie in the first cache."""
COUNTERS = TOGETHER // 4
"""Counters that give the normals of a block."""
ALL_TO_ALL, SQUARE, GRAPH = 0, 1, 2
"""Couplings: all to all, the four neighbours on a torus, the neighbours in a graph."""
REORDERED = {"contract", "reassoc", "nsz"}
"""What a compiler may do with sums, so that they become vector instructions."""

FULL_TURN = 2 * math.pi
# cos(2 pi y) and sin(2 pi y) / y for |y| <= 1/4 as polynomials in y^2, by interpolation in Chebyshev's nodes.
_C1, _C2, _C3, _C4 = -19.739208802178705, 64.93939402266395, -85.45681720598061, 60.24464131316041
_C5, _C6, _C7, _C8 = -26.426254066690255, 7.903462492085097, -1.7132184107005932, 0.2719458499749813
_S1, _S2, _S3, _S4 = -41.341702240398284, 81.60524927557977, -76.70585968962867, 42.05868995395094
_S5, _S6, _S7 = -15.09450614073429, 3.817365633469135, -0.6925067010720717


@njit(inline="always", nogil=True)
def _circle(turns):
    """Cosine and sine of an angle in turns, without a branch."""
    half = np.floor(2.0 * turns + 0.5) * 0.5
    y = turns - half
    sign = 1.0 - 4.0 * (half - np.floor(half))
    z = y * y
    c = ((((((_C8 * z + _C7) * z + _C6) * z + _C5) * z + _C4) * z + _C3) * z + _C2) * z + _C1
    s = (((((_S7 * z + _S6) * z + _S5) * z + _S4) * z + _S3) * z + _S2) * z + _S1
    return sign * (c * z + 1.0), (sign * y) * (s * z + FULL_TURN)


@njit(cache=True, nogil=True, fastmath=REORDERED, error_model="numpy")
def circles(turns, cosine, sine):
    """Fill cosines and sines of angles in turns ``(n,)`` and return their sums; absolute errors are below 1e-15."""
    a = b = 0.0
    for i in range(turns.shape[0]):
        c, s = _circle(turns[i])
        cosine[i] = c
        sine[i] = s
        a += c
        b += s
    return a, b


@njit(cache=True, nogil=True, fastmath=REORDERED, error_model="numpy")
def _stage(theta, kept, omega, c, s, fc, fs, kick, strength, first, last, ahead, weight):
    """Derivative v at a stage of a block, its share of the step, and the next stage; sums of cosines and sines there.

    ``kept`` gathers the phases at the end of the step, from the ``first`` stage on; the next stage is at
    ``theta + kick + ahead v``, or behind the ``last`` one at the end of the step.
    """
    a = b = 0.0
    for i in range(theta.shape[0]):
        v = omega[i] + strength * (fs[i] * c[i] - fc[i] * s[i])
        begin = theta[i] + kick[i]
        so_far = kept[i]
        end = (begin if first else so_far) + weight * v
        kept[i] = end
        x, y = _circle(end if last else begin + ahead * v)
        c[i] = x
        s[i] = y
        a += x
        b += y
    return a, b


@njit(cache=True, nogil=True, fastmath=REORDERED)
def total(values):
    """Sum of some values."""
    found = 0.0
    for i in range(values.shape[0]):
        found += values[i]
    return found


@njit(cache=True, nogil=True)
def _put(source, target):
    for i in range(target.shape[0]):
        target[i] = source[i]


@njit(cache=True, nogil=True)
def _four(above, below, left, right, out):
    for i in range(out.shape[0]):
        out[i] = (above[i] + below[i]) + (left[i] + right[i])


@njit(cache=True, nogil=True)
def neighbour_sums(x, side, begin, field):
    """Fill ``field (n,)`` with the sums over the four neighbours of sites ``begin .. begin + n - 1`` of a torus."""
    end, last = begin + field.shape[0], side - 1
    row = begin // side * side
    while row < end:
        above, below = x[(row - side) % x.shape[0] :], x[(row + side) % x.shape[0] :]
        here, out = x[row:], max(row, begin) - begin
        first, stop = max(row, begin) - row, min(row + side, end) - row
        if first == 0:
            field[out] = (above[0] + below[0]) + (here[last] + here[1])
        if stop == side:
            field[out + last - first] = (above[last] + below[last]) + (here[last - 1] + here[0])
        a, b = max(first, 1), min(stop, last)
        if a < b:
            _four(above[a:b], below[a:b], here[a - 1 : b - 1], here[a + 1 : b + 1], field[out + a - first :][: b - a])
        row += side


@njit(cache=True, nogil=True)
def local_sums(x, coupling, starts, ends, weights, begin, field):
    """Fill ``field (n,)`` with the sums over neighbours of oscillators ``begin .. begin + n - 1``."""
    if coupling == SQUARE:
        neighbour_sums(x, starts[0], begin, field)
        return
    for k in range(field.shape[0]):
        found = 0.0
        for e in range(starts[begin + k], starts[begin + k + 1]):
            found += weights[e] * x[ends[e]]
        field[k] = found


@njit(cache=True, nogil=True)
def fill_kicks(key, row, step, noise, places, words, normals, kick):
    """Fill ``kick (TOGETHER,)`` with normals of a row and a step, times ``noise``."""
    row_normals(key, row, step, places, words, normals)
    for m in range(4):
        for i in range(normals.shape[1]):
            kick[m * COUNTERS + i] = noise * normals[m, i]


@njit(cache=True, nogil=True)
def advance_phases(theta, omega, coupling, starts, ends, weights, strength, noise, tableau, key, first, every, rows):
    """Advance phases in place, and fill ``rows`` with sums of cosines and sines after every ``every`` steps.

    Parameters
    ----------
    theta, omega : ndarray of float64, shape (n,)
        Phases and natural frequencies, in turns and in turns per step.
    coupling : int
        `ALL_TO_ALL`, `SQUARE` or `GRAPH`.
    starts, ends, weights : ndarray of int64, int64 and float64
        Neighbours of node i are ``ends[starts[i] : starts[i + 1]]``; of a square lattice ``starts`` holds the side.
    strength : float
        K in turns per step: over all oscillators, or of each neighbour.
    noise : float
        Standard deviation of the noise of a step, in turns; it is added once a step.
    tableau : ndarray of float64, shape (stages, 2)
        Where the next stage lies, and the weight of each stage, as shares of a step.
    key : ndarray of uint32, shape (2,)
        Key of the noise: oscillator i has, at step t, a normal of `physnn.kernels.random.row_normals` of its block.
    first, every : int
        Number of the first step, and steps of a row.
    rows : ndarray of float64, shape (measurements, 2)
        Filled in place.
    """
    n, stages = theta.shape[0], tableau.shape[0]
    kept, c, s = np.empty(n), np.empty(n), np.empty(n)
    local = coupling != ALL_TO_ALL
    c2, s2 = np.empty(n if local else 0), np.empty(n if local else 0)
    fc, fs, none, kicks = np.empty(TOGETHER), np.empty(TOGETHER), np.zeros(TOGETHER), np.zeros(TOGETHER)
    lanes = min(n, COUNTERS)
    places, words, normals = places_of(lanes, 1), np.empty((4, lanes), np.uint32), np.empty((4, lanes), np.float32)
    old, new, step = theta, kept, first
    for measured in range(rows.shape[0]):
        # Every row begins with the phases alone, so that no number depends on where calls are cut.
        sum_c = sum_s = 0.0
        for begin in range(0, n, TOGETHER):
            stop = min(n, begin + TOGETHER)
            a, b = circles(old[begin:stop], c[begin:stop], s[begin:stop])
            sum_c += a
            sum_s += b
        for _ in range(every):
            for k in range(stages):
                head, tail = k == 0, k == stages - 1
                if not local:
                    fc[: min(n, TOGETHER)] = sum_c / n
                    fs[: min(n, TOGETHER)] = sum_s / n
                sum_c = sum_s = 0.0
                for begin in range(0, n, TOGETHER):
                    stop = min(n, begin + TOGETHER)
                    kick = none
                    if noise > 0 and k == 0:
                        kick = kicks
                        fill_kicks(key, begin // TOGETHER, step, noise, places, words, normals, kick)
                    if local:
                        local_sums(c, coupling, starts, ends, weights, begin, fc[: stop - begin])
                        local_sums(s, coupling, starts, ends, weights, begin, fs[: stop - begin])
                        _put(c[begin:stop], c2[begin:stop])
                        _put(s[begin:stop], s2[begin:stop])
                    cosine, sine = (c2, s2) if local else (c, s)
                    a, b = _stage(
                        old[begin:stop], new[begin:stop], omega[begin:stop], cosine[begin:stop], sine[begin:stop],
                        fc, fs, kick, strength, head, tail, tableau[k, 0], tableau[k, 1],
                    )  # fmt: skip
                    sum_c += a
                    sum_s += b
                if local:
                    c, c2 = c2, c
                    s, s2 = s2, s
            old, new = new, old
            step += 1
        rows[measured, 0], rows[measured, 1] = sum_c, sum_s
    if rows.shape[0] * every % 2:
        _put(old, theta)


@njit(cache=True, nogil=True)
def plain_phases(theta, omega, strength, step, steps):
    """Runge and Kutta's scheme as a textbook writes it; phases in radians move in place, all are coupled."""
    n = theta.shape[0]
    begin, slopes = np.empty(n), np.empty((4, n))
    for _ in range(steps):
        for k in range(4):
            ahead = step if k == 3 else step / 2
            c = s = 0.0
            for i in range(n):
                if k == 0:
                    begin[i] = theta[i]
                else:
                    theta[i] = begin[i] + ahead * slopes[k - 1, i]
                c += math.cos(theta[i])
                s += math.sin(theta[i])
            for i in range(n):
                field = s / n * math.cos(theta[i]) - c / n * math.sin(theta[i])
                slopes[k, i] = omega[i] + strength * field
        for i in range(n):
            theta[i] = begin[i] + step / 6 * (slopes[0, i] + 2 * slopes[1, i] + 2 * slopes[2, i] + slopes[3, i])
