"""Moves of unit vectors that have no step size to extrapolate: single-site Metropolis, and Langevin proposals.

Both sample exp(-H / T) exactly, whatever their step; they are a reference for small lattices.  A coupling is a list of
neighbours: displacements ``(n, 2)`` and matrices ``(n, 3, N, N)``, without the site itself, whose matrix is ``onsite``.
Of the three matrices the second holds for a bond inside the torus, the others for one that crosses its border along
``axis`` backwards and forwards, there times ``strength``: the seam of `physnn.models.seam`.  They are transposed, the
component of the neighbour before that of the site, so that loops over the site's components run in vector units.
Sums of a measurement are those of `physnn.kernels.vectors.langevin_loops`: x . f, c . x, |Pi_x f|^2, x . J_00 x.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.primitives import copy
from physnn.kernels.random import random_word, uniform
from physnn.kernels.vectors.langevin_loops import SUMS, measure

METROPOLIS, LANGEVIN, PLAIN = 0, 1, 2
Coupling = namedtuple("Coupling", "displacements matrices onsite bias periodic axis strength")
"""Arrays of a model, whether the lattice is a torus, and its seam."""


@njit(cache=True, nogil=True)
def fill_normals(generator, out):
    """Fill a one-dimensional array with standard normals, by Box and Muller."""
    for i in range(0, len(out), 2):
        radius = math.sqrt(-2 * math.log(1 - uniform(random_word(generator))))
        angle = 2 * math.pi * uniform(random_word(generator))
        out[i] = radius * math.cos(angle)
        if i + 1 < len(out):
            out[i + 1] = radius * math.sin(angle)


@njit(cache=True, nogil=True)
def copy_state(source, target):
    """Copy a state ``(H, W, N)`` to another one."""
    for r in range(source.shape[0]):
        copy(source[r], target[r])


@njit(cache=True, nogil=True, inline="always")
def _add_product(J, x, factor, out):
    """Add the product of x with a transposed matrix, times a factor, to ``out``."""
    # Four rows at once: else every row waits for the last one to be stored.
    fours = len(x) - len(x) % 4
    for b in range(0, fours, 4):
        p, q, u, v = factor * x[b], factor * x[b + 1], factor * x[b + 2], factor * x[b + 3]
        for a in range(len(out)):
            out[a] += (J[b, a] * p + J[b + 1, a] * q) + (J[b + 2, a] * u + J[b + 3, a] * v)
    for b in range(fours, len(x)):
        p = factor * x[b]
        for a in range(len(out)):
            out[a] += J[b, a] * p


@njit(cache=True, nogil=True)
def field_of_others(x, row, column, coupling, out):
    """Fill ``out`` with the field of a site, without what it does to itself."""
    height, width, _ = x.shape
    for a in range(len(out)):
        out[a] = coupling.bias[a]
    for t in range(len(coupling.displacements)):
        r, c = row + coupling.displacements[t, 0], column + coupling.displacements[t, 1]
        turn = 0
        if r < 0 or r >= height or c < 0 or c >= width:
            if not coupling.periodic:
                continue
            turn = r // height if coupling.axis == 0 else c // width
            r, c = r % height, c % width
        _add_product(coupling.matrices[t, 1 + turn], x[r, c], 1.0 if turn == 0 else coupling.strength, out)


@njit(cache=True, nogil=True)
def all_fields(x, coupling, f):
    """Fill ``f`` with J x + c and return the energy of the lattice."""
    height, width, n = x.shape
    energy = 0.0
    for r in range(height):
        for c in range(width):
            here, out = x[r, c], f[r, c]
            field_of_others(x, r, c, coupling, out)
            _add_product(coupling.onsite, here, 1.0, out)
            for a in range(n):
                energy -= 0.5 * here[a] * (out[a] + coupling.bias[a])
    return energy


@njit(cache=True, nogil=True)
def _own_energy(J, x, product):
    """Return -x . J x / 2 of a symmetric matrix; ``product`` is overwritten."""
    product[:] = 0
    _add_product(J, x, 1.0, product)
    value = 0.0
    for a in range(len(x)):
        value -= 0.5 * x[a] * product[a]
    return value


@njit(cache=True, nogil=True)
def _taken(generator, gain, T):
    return gain >= 0 or uniform(random_word(generator)) < math.exp(gain / T)


@njit(cache=True, nogil=True)
def metropolis(x, generator, coupling, T, size, mirrored):
    """Sweep a lattice: each site in turn is offered two new vectors; return the share of the second that was accepted.

    First, if ``mirrored``, ``2 (g . x) g / |g|^2 - x``, with g the field of the others: over-relaxation, which changes
    the energy by what the site does to itself alone, and is its own inverse.  Then ``normalise(x + size xi)``, whose
    density depends on the angle alone.  Both offers are symmetric.  M. Creutz, Phys. Rev. D 36, 515 (1987).
    """
    height, width, n = x.shape
    g, fresh, xi, product, accepted = np.empty(n), np.empty(n), np.empty(n), np.empty(n), 0
    for r in range(height):
        for c in range(width):
            here = x[r, c]
            field_of_others(x, r, c, coupling, g)
            own = _own_energy(coupling.onsite, here, product)
            along = squared = 0.0
            for a in range(n):
                along += g[a] * here[a]
                squared += g[a] * g[a]
            if mirrored and squared > 0:
                for a in range(n):
                    fresh[a] = 2 * along / squared * g[a] - here[a]
                other = _own_energy(coupling.onsite, fresh, product)
                if _taken(generator, own - other, T):
                    for a in range(n):
                        here[a] = fresh[a]
                    own = other
            fill_normals(generator, xi)
            length = along = 0.0
            for a in range(n):
                fresh[a] = here[a] + size * xi[a]
                length += fresh[a] * fresh[a]
            length = math.sqrt(length)
            for a in range(n):
                fresh[a] /= length
                along += g[a] * (fresh[a] - here[a])
            if _taken(generator, along + own - _own_energy(coupling.onsite, fresh, product), T):
                for a in range(n):
                    here[a] = fresh[a]
                accepted += 1
    return accepted / (height * width)


@njit(cache=True, nogil=True)
def langevin(x, generator, coupling, T, size, f, energy, fresh, f_fresh, xi):
    """Offer a geodesic Langevin step of the whole lattice; return energy, and 1 if it was accepted.

    With v the step and v' the step back along the same great circle, the logarithm of the acceptance is
    ``-(H' - H) / T - (|v' - size Pi f'|^2 - |v - size Pi f|^2) / (4 T size)``: the density of the end point of a
    geodesic has the same Jacobian both ways.  Steps of pi and beyond, whose way back is another, are refused.
    """
    height, width, n = x.shape
    fill_normals(generator, xi)
    scale, forward, back = math.sqrt(2 * T * size), 0.0, 0.0
    v = xi.reshape(height, width, n)
    for r in range(height):
        for c in range(width):
            here, u, f_here = x[r, c], v[r, c], f[r, c]
            along = noise = length = 0.0
            for a in range(n):
                along += here[a] * (size * f_here[a] + scale * u[a])
                noise += here[a] * u[a]
            for a in range(n):
                forward += (scale * (u[a] - noise * here[a])) ** 2
                u[a] = size * f_here[a] + scale * u[a] - along * here[a]
                length += u[a] ** 2
            length = math.sqrt(length)
            if length >= math.pi:
                return energy, 0
            share = math.sin(length) / length
            for a in range(n):
                fresh[r, c, a] = math.cos(length) * here[a] + share * u[a]
                # The velocity carried to the end of the arc and turned round.
                u[a] = length * math.sin(length) * here[a] - math.cos(length) * u[a]
    new = all_fields(fresh, coupling, f_fresh)
    for r in range(height):
        for c in range(width):
            along = 0.0
            for a in range(n):
                along += fresh[r, c, a] * f_fresh[r, c, a]
            for a in range(n):
                back += (v[r, c, a] - size * (f_fresh[r, c, a] - along * fresh[r, c, a])) ** 2
    gain = -(new - energy) / T - (back - forward) / (4 * T * size)
    if gain < 0 and uniform(random_word(generator)) >= math.exp(gain):
        return energy, 0
    copy_state(fresh, x)
    copy_state(f_fresh, f)
    return new, 1


@njit(cache=True, nogil=True)
def run(kind, x, generator, coupling, T, size, interval, rows, kept, every):
    """Measure, then move by ``interval`` sweeps (Metropolis) or steps (Langevin), for each row.

    Parameters
    ----------
    kind : int
        `METROPOLIS`, `PLAIN` (without over-relaxation) or `LANGEVIN`.
    x : ndarray of float64, shape (H, W, N)
        State; changed in place.
    generator : ndarray of uint64, shape (4,)
        See `physnn.kernels.random`; changed in place.
    coupling : Coupling
        The model.
    T, size : float
        Temperature and size of the moves.
    interval : int
        Moves after each measurement.
    rows : ndarray of float64, shape (measurements, SUMS + 1)
        Filled; the last column is the share of accepted moves.
    kept : ndarray of float64, shape (measurements // every, H, W, N)
        Filled with every ``every``-th measured state; empty if every = 0.
    every : int
        See ``kept``.
    """
    f, fresh, f_fresh, xi = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty(x.size)
    sums = np.empty(SUMS)
    for m in range(len(rows)):
        energy = all_fields(x, coupling, f)
        sums[:] = 0
        measure(x.reshape(-1), 0, f.reshape(-1), coupling.onsite, coupling.bias, x.shape[0] * x.shape[1], sums)
        for i in range(SUMS):
            rows[m, i] = sums[i]
        if every and m % every == 0 and m // every < len(kept):
            copy_state(x, kept[m // every])
        accepted = 0.0
        for _ in range(interval):
            if kind != LANGEVIN:
                accepted += metropolis(x, generator, coupling, T, size, kind == METROPOLIS)
            else:
                energy, yes = langevin(x, generator, coupling, T, size, f, energy, fresh, f_fresh, xi)
                accepted += yes
        rows[m, SUMS] = accepted / interval
        # Rounding would let the lengths drift.
        for r in range(x.shape[0]):
            for c in range(x.shape[1]):
                length = 0.0
                for a in range(x.shape[2]):
                    length += x[r, c, a] ** 2
                for a in range(x.shape[2]):
                    x[r, c, a] /= math.sqrt(length)
