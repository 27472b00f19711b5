"""Steps of oscillators that are unit vectors with N components.

    d x_i / dt = Omega_i x_i + P_i (K F_i + noise),      P_i y = y - (x_i . y) x_i,

where F_i is the mean of all oscillators, or a sum over neighbours, and Omega_i an antisymmetric matrix; two components
are the phases of `physnn.kernels.oscillators.phases`.  The noise of a step is a constant force in all of its stages
(Stratonovich).  Components lie apart, oscillators side by side, so that loops over a block of them are vector
instructions.
"""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.oscillators.phases import ALL_TO_ALL, COUNTERS, REORDERED, TOGETHER, fill_kicks, local_sums, total
from physnn.kernels.primitives import copy
from physnn.kernels.random import places_of


@njit(cache=True, nogil=True, fastmath=REORDERED, error_model="numpy")
def _derivative(at, omega, field, strength, kick, out, length):
    """Fill ``out (N, TOGETHER)`` with the derivatives of a block of ``length`` oscillators at ``at (N, n)``."""
    n = at.shape[0]
    along = out[n]
    for i in range(length):
        along[i] = 0.0
    for a in range(n):
        for i in range(length):
            force = strength * field[a, i] + kick[a, i]
            along[i] += at[a, i] * force
            out[a, i] = force
    for a in range(n):
        for i in range(length):
            out[a, i] -= along[i] * at[a, i]
    pair = 0
    for a in range(n):
        for b in range(a + 1, n):
            for i in range(length):
                out[a, i] += omega[pair, i] * at[b, i]
                out[b, i] -= omega[pair, i] * at[a, i]
            pair += 1


@njit(cache=True, nogil=True, fastmath=REORDERED)
def _go(begin, end, velocity, share, length):
    for a in range(begin.shape[0]):
        for i in range(length):
            end[a, i] = begin[a, i] + share * velocity[a, i]


@njit(cache=True, nogil=True, fastmath=REORDERED, error_model="numpy")
def _normalise(x, along, length):
    for i in range(length):
        along[i] = 0.0
    for a in range(x.shape[0]):
        for i in range(length):
            along[i] += x[a, i] * x[a, i]
    for i in range(length):
        along[i] = 1.0 / math.sqrt(along[i])
    for a in range(x.shape[0]):
        for i in range(length):
            x[a, i] *= along[i]


@njit(cache=True, nogil=True)
def mean(values):
    """Mean of some values, block by block."""
    found = 0.0
    for begin in range(0, values.shape[0], TOGETHER):
        found += total(values[begin : begin + TOGETHER])
    return found / values.shape[0]


@njit(cache=True, nogil=True)
def advance_spheres(x, omega, coupling, starts, ends, weights, strength, noise, tableau, key, first, every, rows):
    """Advance unit vectors in place, and fill ``rows`` with their mean after every ``every`` steps.

    Parameters
    ----------
    x : ndarray of float64, shape (N, n)
        Component a of oscillator i at ``[a, i]``.
    omega : ndarray of float64, shape (N (N - 1) / 2, n)
        Entries above the diagonal of every Omega, row by row, per step.
    coupling, starts, ends, weights
        As in `physnn.kernels.oscillators.phases.advance_phases`.
    strength, noise : float
        K per step, and the standard deviation of the noise of a step in every component.
    tableau, key, first, every
        As there; component a has the normals of rows of its own.
    rows : ndarray of float64, shape (measurements, N)
        Filled in place.
    """
    n, count, stages = x.shape[0], x.shape[1], tableau.shape[0]
    at, ahead, kept, out = x.copy(), np.empty_like(x), np.empty_like(x), np.empty((n + 1, TOGETHER))
    field, kick = np.empty((n, TOGETHER)), np.zeros((n, TOGETHER))
    lanes = min(count, COUNTERS)
    places, words, normals = places_of(lanes, 1), np.empty((4, lanes), np.uint32), np.empty((4, lanes), np.float32)
    step = first
    for measured in range(rows.shape[0]):
        for _ in range(every):
            for k in range(stages):
                for begin in range(0, count, TOGETHER):
                    stop = min(count, begin + TOGETHER)
                    for a in range(n):
                        if coupling != ALL_TO_ALL:
                            local_sums(at[a], coupling, starts, ends, weights, begin, field[a, : stop - begin])
                        elif begin == 0:
                            field[a, :stop] = mean(at[a])
                        if noise > 0:  # the same normals at every stage of a step
                            fill_kicks(key, begin // TOGETHER * n + a, step, noise, places, words, normals, kick[a])
                    old, new, block = x[:, begin:stop], kept[:, begin:stop], stop - begin
                    _derivative(at[:, begin:stop], omega[:, begin:stop], field, strength, kick, out, block)
                    if k == 0:
                        copy(old, new)
                    _go(new, new, out, tableau[k, 1], block)
                    if k < stages - 1:
                        _go(old, ahead[:, begin:stop], out, tableau[k, 0], block)
                    else:
                        _normalise(new, out[n], block)
                        copy(new, old)
                        copy(new, ahead[:, begin:stop])
                at, ahead = ahead, at
            step += 1
        for a in range(n):
            rows[measured, a] = mean(x[a])
