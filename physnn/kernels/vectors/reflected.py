# mypy: disable-error-code="call-arg, assignment"
"""Clusters of unit vectors that are reflected together.

A reflection of site i takes x to ``x - 2 (u_i . x) u_i``.  If all of them at once leave the energy as it is, that
of the bond between i and j changes by ``2 kappa (u_i . x_i)(u_j . x_j)`` where one is reflected and the other is not:
an Ising model of signs with couplings of their own.  Bonds whose two sides agree are active with probability
``1 - exp(-2 kappa (u_i . x_i)(u_j . x_j) / T)``, and each of the clusters that they connect is reflected or not.

Vectors are projected once, bonds drawn eight at a time to words of 64, and clusters of nearest neighbours labelled as
those of `physnn.kernels.lattice.clusters`, by runs of active bonds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.clusters import SPARE_LANE, close_torus, draw_shifts, join, label_row, spread_row
from physnn.kernels.lattice.multispin_code import VECTOR, WORD_BITS, draw_lane, lowest
from physnn.kernels.lattice.packed import NO_BIT, ONE_BIT, TOP, columns_in
from physnn.kernels.random import uniform
from physnn.kernels.vectors.reflected_code import draw_bonds


@njit(cache=True, nogil=True)
def _project(x, u, along):
    """Fill ``along (H, ...)`` with u . x; behind the last column with that of the first one, then zeros."""
    H, W, N = x.shape
    for r in range(H):
        row, out, normals = x[r], along[r], u[r if u.shape[0] > 1 else 0]
        if normals.shape[0] > 1:
            for c in range(W):
                found = 0.0
                for a in range(N):
                    found += normals[c, a] * row[c, a]
                out[c] = found
        elif N == 2:
            u0, u1 = normals[0, 0], normals[0, 1]
            for c in range(W):
                out[c] = u0 * row[c, 0] + u1 * row[c, 1]
        elif N == 3:
            u0, u1, u2 = normals[0, 0], normals[0, 1], normals[0, 2]
            for c in range(W):
                out[c] = u0 * row[c, 0] + u1 * row[c, 1] + u2 * row[c, 2]
        else:
            for c in range(W):
                found = 0.0
                for a in range(N):
                    found += normals[0, a] * row[c, a]
                out[c] = found
        out[W] = out[0]
        for c in range(W + 1, out.shape[0]):
            out[c] = 0.0


@njit(cache=True, nogil=True)
def _turn_row(row, normals, along, turned, factors):
    """Reflect the sites of a row whose bits are ones."""
    W, N = row.shape
    for c in range(W):
        bit = (turned[c >> 6] >> uint64(c & 63)) & ONE_BIT
        factors[c] = -2.0 * along[c] * np.float64(np.int64(bit))
    if normals.shape[0] > 1:
        for c in range(W):
            for a in range(N):
                row[c, a] += factors[c] * normals[c, a]
    elif N == 2:
        u0, u1 = normals[0, 0], normals[0, 1]
        for c in range(W):
            row[c, 0] += factors[c] * u0
            row[c, 1] += factors[c] * u1
    elif N == 3:
        u0, u1, u2 = normals[0, 0], normals[0, 1], normals[0, 2]
        for c in range(W):
            row[c, 0] += factors[c] * u0
            row[c, 1] += factors[c] * u1
            row[c, 2] += factors[c] * u2
    else:
        for c in range(W):
            for a in range(N):
                row[c, a] += factors[c] * normals[0, a]


@njit(cache=True, nogil=True)
def _begin_runs(along, W, factor, generator, starts):
    """Draw the bonds along a row and write where runs start; return whether its last site is bound to its first."""
    last = bonds = NO_BIT
    for k in range(starts.shape[0]):
        begin = k * WORD_BITS
        bonds = draw_bonds(along, begin, along, begin + 1, factor, generator)
        starts[k] = ~((bonds << ONE_BIT) | last) & columns_in(W, k)
        last = bonds >> TOP
    return (bonds >> uint64((W - 1) % WORD_BITS)) & ONE_BIT


@njit(cache=True, nogil=True)
def _bonds_between(one, other, W, factor, generator, bonds):
    """Draw the bonds between the sites of two rows."""
    for k in range(bonds.shape[0]):
        begin = k * WORD_BITS
        bonds[k] = draw_bonds(one, begin, other, begin, factor, generator) & columns_in(W, k)


@njit(cache=True, nogil=True)
def reflect_near(x, u, right, down, generator):
    """Reflect clusters of nearest neighbours.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (H, W, N)
        Unit vectors on a torus; changed in place.
    u : ndarray of float64, shape (H or 1, W or 1, N)
        Normals of `random_normals`.
    right, down : float
        ``-2 kappa / (T log 2)`` of the bonds of each site to the next column and to the next row.
    generator : ndarray of uint64, shape (4 * LANES,)
        Generators of `physnn.kernels.lattice.multispin_code`; changed in place.
    """
    H, W, _ = x.shape
    words = (W + WORD_BITS - 1) // WORD_BITS
    along = np.empty((H, words * WORD_BITS + VECTOR))
    _project(x, u, along)
    marks, labels = np.empty((3, H, words), np.uint64), np.empty((3, W), np.int32)
    parent, shifts = np.empty(H * W, np.int32), np.empty(H * W, np.int8)
    count, label = np.int64(0), np.int64(0)
    for i in range(H):
        wrap = _begin_runs(along[i], W, right, generator, marks[0, i])
        if i == 0:
            marks[1, 0] = NO_BIT
        else:
            _bonds_between(along[i], along[i - 1], W, down, generator, marks[1, i])
        count = label_row(i, wrap, marks, labels, parent, count)
    turned, factors = np.empty(words, np.uint64), np.empty(W)
    _bonds_between(along[H - 1], along[0], W, down, generator, turned)
    close_torus(marks, turned, labels, parent)
    draw_shifts(parent, count, 2, generator, shifts)
    for i in range(H):
        label = spread_row(marks[0, i], marks[1, i], marks[2, i], shifts, NO_BIT, label, turned)
        _turn_row(x[i], u[i if u.shape[0] > 1 else 0], along[i], turned, factors)


@njit(cache=True, nogil=True)
def reflect_far(x, u, displacements, exponents, generator):
    """Reflect clusters of any bonds, which are joined one by one.

    Parameters
    ----------
    x, u, generator
        Those of `reflect_near`.
    displacements, exponents : ndarray of int64 (n, 2) and float64 (n,)
        Bonds of each site, and ``-2 kappa / (T log 2)`` of each.
    """
    H, W, _ = x.shape
    words = (W + WORD_BITS - 1) // WORD_BITS
    along = np.empty((H, words * WORD_BITS + VECTOR))
    _project(x, u, along)
    parent, shifts = np.empty(H * W, np.int32), np.empty(H * W, np.int8)
    for site in range(H * W):
        parent[site] = site
    other, bonds = np.zeros(along.shape[1]), np.empty(words, np.uint64)
    for t in range(len(exponents)):
        right = displacements[t, 1] % W
        for r in range(H):
            below = (r + displacements[t, 0]) % H
            for c in range(W):
                other[c] = along[below, c + right if c + right < W else c + right - W]
            _bonds_between(along[r], other, W, exponents[t], generator, bonds)
            for k in range(words):
                todo = bonds[k]
                while todo:
                    c = k * WORD_BITS + np.int64(lowest(todo))
                    todo &= todo - ONE_BIT
                    join(parent, r * W + c, below * W + (c + right if c + right < W else c + right - W))
    draw_shifts(parent, H * W, 2, generator, shifts)
    factors = np.empty(W)
    for r in range(H):
        for k in range(words):
            bonds[k] = NO_BIT
        for c in range(W):
            bonds[c >> 6] |= uint64(shifts[r * W + c]) << uint64(c & 63)
        _turn_row(x[r], u[r if u.shape[0] > 1 else 0], along[r], bonds, factors)


@njit(cache=True, nogil=True)
def normals_of(rows, columns, vectors, g):
    """Normals ``Re sum_m g_m rows[m, r] columns[m, c] vectors[m]`` of planes, over the length of the first one.

    Parameters
    ----------
    rows, columns, vectors : ndarray of complex128, shapes (modes, H or 1), (modes, W or 1) and (modes, N)
        See `physnn.samplers.reflections.Planes`.
    g : ndarray of complex128, shape (modes,)
        Any numbers.
    """
    u = np.zeros((rows.shape[1], columns.shape[1], vectors.shape[1]))
    for m in range(len(g)):
        for r in range(u.shape[0]):
            factor = g[m] * rows[m, r]
            for c in range(u.shape[1]):
                here = factor * columns[m, c]
                for a in range(u.shape[2]):
                    u[r, c, a] += here.real * vectors[m, a].real - here.imag * vectors[m, a].imag
    length = 0.0
    for a in range(u.shape[2]):
        length += u[0, 0, a] * u[0, 0, a]
    scale = 1 / math.sqrt(length)
    for r in range(u.shape[0]):
        for c in range(u.shape[1]):
            for a in range(u.shape[2]):
                u[r, c, a] *= scale
    return u


@njit(cache=True, nogil=True)
def random_normals(rows, columns, vectors, generator):
    """Normals of `normals_of` for complex normal g, drawn by the spare one of some generators."""
    g = np.empty(rows.shape[0], np.complex128)
    for m in range(len(g)):
        radius = math.sqrt(-2 * math.log(1 - uniform(draw_lane(generator, SPARE_LANE))))
        angle = 2 * math.pi * uniform(draw_lane(generator, SPARE_LANE))
        g[m] = complex(radius * math.cos(angle), radius * math.sin(angle))
    return normals_of(rows, columns, vectors, g)


def reflection(
    displacements: np.ndarray, strengths: np.ndarray, T: float
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], None]:
    """Function that reflects clusters, given x, u and the generator of `reflect_near`.

    Parameters
    ----------
    displacements, strengths : ndarray of int64 (n, 2) and float64 (n,)
        Bonds of each site, so that every bond of the lattice appears once, and kappa.
    T : float
        Temperature.
    """
    exponents = -2 / (T * math.log(2)) * strengths
    near = dict(zip(map(tuple, displacements.tolist()), exponents.tolist(), strict=True))
    if near.keys() <= {(0, 1), (1, 0)}:
        right, down = near.get((0, 1), 0.0), near.get((1, 0), 0.0)
        return lambda x, u, generator: reflect_near(x, u, right, down, generator)
    return lambda x, u, generator: reflect_far(x, u, displacements, exponents, generator)
