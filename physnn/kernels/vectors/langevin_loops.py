# mypy: disable-error-code="call-arg"
"""The compiled loops of `physnn.kernels.vectors.langevin`, where arrays and algorithm are explained."""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.primitives import COUNTER_SPACING, arrive, copy, scratch, wait_for_neighbours
from physnn.kernels.random import places_of, row_normals
from physnn.kernels.vectors.langevin_code import fields, moved, retracted, tangents
from physnn.kernels.vectors.tiles import SIDE
from physnn.kernels.vectors.tiles_code import gather, products, spread

SMALL = 2.5
"""Largest squared angle for which the series of cosine and sine are used."""
TERMS = 10
TILES = 16
"""Tiles that are multiplied together, so that weights are read once for all of them."""
SUMS = 4
"""Sums of a measurement: x . f, c . x, |Pi_x f|^2 and x . J_00 x."""


@njit(cache=True, nogil=True)
def near_fields(source, start, stride, near, bias, out, width):
    """Fill ``out`` with the fields of a row under a diagonal coupling ``near (N,)`` to the four neighbours."""
    n = len(bias)
    size = width * n
    above, row, below = source[start + n :], source[start + stride :], source[start + 2 * stride + n :]
    constants = np.empty(n, near.dtype)
    for m in range(n):
        constants[m] = bias[m]
    for i in range(size):
        out[i] = (row[i] + row[i + 2 * n]) + (above[i] + below[i])
    for site in range(width):
        for m in range(n):
            out[site * n + m] = near[m] * out[site * n + m] + constants[m]


@njit(cache=True, nogil=True, error_model="numpy")
def factors(length2, keep, go):
    """Fill the factors of state and tangent step along a geodesic: cos |v| and sin |v| / |v|."""
    one = keep.dtype.type(1)
    largest = keep.dtype.type(0)
    for i in range(len(length2)):
        z = length2[i]
        largest = max(largest, z)
        c = s = one
        # Both series from the end: cos = 1 - z/2 (1 - z/12 (...)), sin / |v| = 1 - z/6 (1 - z/20 (...)).
        for k in range(TERMS, 0, -1):
            c = one - z * keep.dtype.type(1 / (2 * k * (2 * k - 1))) * c
            s = one - z * keep.dtype.type(1 / (2 * k * (2 * k + 1))) * s
        keep[i] = c
        go[i] = s
    if largest > SMALL:
        for i in range(len(length2)):
            if length2[i] > SMALL:
                angle = math.sqrt(length2[i])
                keep[i] = math.cos(angle)
                go[i] = math.sin(angle) / angle


@njit(cache=True, nogil=True)
def update(old, here, field, normals, bias, gamma, scale, geodesic, turn, new, width):
    """Store the next states of a row, from its fields and normals; ``turn (3, W)`` is scratch for geodesics."""
    if geodesic:
        length2, keep, go = turn[0], turn[1], turn[2]
        tangents(old, here, field, normals, bias, gamma, scale, length2, width)
        factors(length2, keep, go)
        moved(old, here, field, keep, go, bias, new, width)
    else:
        retracted(old, here, field, normals, bias, gamma, scale, new, width)


@njit(cache=True, nogil=True)
def measure(x, start, field, onsite, bias, width, sums):
    """Add a row's sums of x . f, c . x, |Pi_x f|^2 and x . J_00 x, in double precision."""
    n = len(bias)
    constants, image = np.empty(n), np.empty(n)
    for m in range(n):
        constants[m] = bias[m]
    for site in range(width):
        here, f = x[start + site * n : start + (site + 1) * n], field[site * n : (site + 1) * n]
        along = square = constant = own = 0.0
        image[:] = 0
        for m in range(len(onsite)):
            for other in range(n):
                image[other] += here[m] * onsite[m, other]
        for m in range(n):
            along += np.float64(here[m]) * np.float64(f[m])
            square += np.float64(f[m]) ** 2
            constant += constants[m] * np.float64(here[m])
            own += image[m] * here[m]
        sums[0] += along
        sums[1] += constant
        sums[2] += square - along**2
        sums[3] += own


@njit(cache=True, nogil=True)
def close(padded, row, height, width, half, periodic):
    """Renew the copies of a row of the torus in the border."""
    if not periodic or half == 0:
        return
    own = padded[half + row]
    # On a lattice narrower than the border, copies are copies of copies.
    for c in range(half):
        for m in range(own.shape[1]):
            own[half + width + c, m] = own[half + c, m]
    for c in range(half - 1, -1, -1):
        for m in range(own.shape[1]):
            own[c, m] = own[c + width, m]
    for r in range((half + row) % height, height + 2 * half, height):
        if r != half + row:
            copy(own, padded[r])


@njit(cache=True, nogil=True)
def run(
    before, after, kernel, fast, taps, near, onsite, bias, key, numbers, geodesic, periodic, rows, band, bands, meeting
):
    """Take Langevin steps with one band of rows of one lattice; see `physnn.kernels.vectors.langevin.advance`.

    Parameters
    ----------
    before, after : ndarray, shape (H + 2h, W + 2h, N), or more at the ends with zeros for whole tiles
        Padded states before and after a step, by turns; the first has the state at the beginning.
    kernel : ndarray, shape (k, k, N, N)
        Coupling by row and column of the neighbour, component of the neighbour, component of the field.
    fast : ndarray of float32, shape (214, N, N) or (0, 0, 0)
        The kernel transformed by `physnn.kernels.vectors.tiles`, where it is to be used.
    taps : tuple of k numbers
        Tells the compiler k; one number where ``fast`` is empty.
    near : ndarray, shape (N,) or (0,)
        Diagonal coupling to the four neighbours; if there is one, ``kernel`` has k = 3 and is not used.
    onsite : ndarray of float64, shape (N, N) or (0, 0)
        J_00; where it is empty, nothing is measured of it.
    bias : tuple of N numbers
        c.
    key : ndarray of uint32, shape (2,)
        Key of the noise.
    numbers : tuple
        H, W, first step, steps, steps between measurements, steps since the last one (0: one is due), gamma and
        eta sqrt(gamma); the last two of the states' type.
    geodesic, periodic : bool
        Step rule and boundary.
    rows : ndarray of float64, shape (measurements, bands, SUMS)
        Filled in turn, each before a step; empty for no measurements.
    band, bands : int
        Which of how many bands.
    meeting : ndarray of int64
        Steps done by each band, `COUNTER_SPACING` apart, and last a sign to give up.
    """
    height, width, first, steps, every, since, gamma, scale = numbers
    half, n = kernel.shape[0] // 2, len(bias)
    stride, blocks = before.shape[1] * n, (n + 3) // 4
    words = scratch(4 * width * blocks, key).reshape((4, width * blocks))
    normals = scratch(4 * width * blocks, np.zeros(1, np.float32)).reshape((4, width * blocks))
    places = places_of(width, blocks)
    w, w_fast, row = kernel.reshape(-1), fast.reshape(-1), 0
    turn = np.empty((3, width), before.dtype)
    # Fields are made for a row of tiles at once, or for a row of sites; products for some rows of tiles.
    deep = SIDE + 1 - len(taps) if fast.size else 1
    tiles = (width + deep - 1) // deep if fast.size else 0
    line = max(width, tiles * deep) * n
    together = max(1, TILES // tiles) if tiles else 1
    # An odd number: lines of the spectrum would else lie in few sets of the cache.
    filled = together * tiles
    room = filled + 1 - filled % 2
    strip, spectrum = scratch(deep * line, w), scratch(len(fast) * room * n, w)
    strips = (height + deep - 1) // deep
    top, bottom = strips * band // bands, strips * (band + 1) // bands
    for t in range(steps):
        if bands > 1 and not wait_for_neighbours(meeting, band, bands, t):
            return
        due = row < len(rows) and (since + t) % every == 0
        old, new = before.reshape(-1), after.reshape(-1)
        for s in range(top, bottom):
            if tiles:
                own = (s - top) % together
                if own == 0:
                    for r in range(min(together, bottom - s)):
                        start = (s + r) * deep * stride
                        spread(old, start, stride, taps, bias, spectrum, room, r * tiles, tiles)
                    products(spectrum, w_fast, taps, bias, room, filled)
                gather(spectrum, taps, bias, strip, room, own * tiles, tiles)
            for y in range(s * deep, min((s + 1) * deep, height)):
                here, field = (y + half) * stride + half * n, strip[(y - s * deep) * line :]
                if len(near):
                    near_fields(old, y * stride, stride, near, bias, field, width)
                elif not tiles:
                    fields(old, y * stride, stride, w, kernel.shape[0], bias, field, width)
                if due:
                    measure(old, here, field, onsite, bias, width, rows[row, band])
                if scale != 0:
                    row_normals(key, y, first + t, places, words, normals)
                update(old, here, field, normals, bias, gamma, scale, geodesic, turn, new, width)
                close(after, y, height, width, half, periodic)
        row += due
        before, after = after, before
        arrive(meeting, COUNTER_SPACING * band)
