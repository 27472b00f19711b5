"""Metropolis chains at several strengths of a seam that swap their states; see `physnn.models.seam`."""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.random import random_word, uniform
from physnn.kernels.vectors.moves import Coupling, copy_state, metropolis


@njit(cache=True, nogil=True)
def crossing_energy(x, coupling):
    """Return the energy of the bonds across the seam at strength 1, each counted once."""
    height, width, n = x.shape
    energy = 0.0
    for t in range(len(coupling.displacements)):
        ahead = coupling.displacements[t, coupling.axis]
        # The matrices of bonds forwards are the transposes of those backwards.
        if ahead <= 0:
            continue
        J = coupling.matrices[t, 2]
        for r in range(height - ahead if coupling.axis == 0 else 0, height):
            for c in range(width - ahead if coupling.axis == 1 else 0, width):
                here = x[r, c]
                there = x[(r + coupling.displacements[t, 0]) % height, (c + coupling.displacements[t, 1]) % width]
                for a in range(n):
                    for b in range(n):
                        energy -= here[a] * J[b, a] * there[b]
    return energy


@njit(cache=True, nogil=True)
def shifted(x, by, axis, sign, spare):
    """Shift a state along an axis by some sites; what comes around the border is multiplied by ``sign``.

    At s = 1 (with sign 1) and s = -1 (with sign -1) this is a symmetry, and takes a wall anywhere at once.
    """
    height, width, n = x.shape
    copy_state(x, spare)
    for r in range(height):
        for c in range(width):
            y, z = (r - by, c) if axis == 0 else (r, c - by)
            factor = sign if y < 0 or z < 0 else 1.0
            for a in range(n):
                x[r, c, a] = factor * spare[y % height, z % width, a]


@njit(cache=True, nogil=True)
def exchange(x, generators, coupling, strengths, T, sizes, interval, shifts, first, rows, accepted, swapped):
    """Move every chain, measure it, and swap neighbours, for each row.

    Parameters
    ----------
    x : ndarray of float64, shape (chains, H, W, N)
        States by strength; changed in place.
    generators : ndarray of uint64, shape (chains + 1, 4)
        See `physnn.kernels.random`; the last one decides swaps.
    coupling : Coupling
        The model; its own strength is not used.
    strengths : ndarray, shape (chains,)
        s of each chain.
    T : float
        Temperature of all.
    sizes : ndarray, shape (chains,)
        Spread of the offers.
    interval : int
        Sweeps before each measurement.
    shifts : bool
        Whether states at s = 1 and -1 are shifted before each measurement; they must have no bias and no twist.
    first : int
        Number of the first row; pairs (0, 1), (2, 3), ... and (1, 2), (3, 4), ... take turns.
    rows : ndarray, shape (measurements, chains)
        Filled with dE/ds.
    accepted, swapped : ndarray, shape (chains,), (chains - 1,)
        Shares of accepted moves, and accepted swaps, are added.
    """
    chains, height, width, n = x.shape
    spare = np.empty((height, width, n))
    for m in range(len(rows)):
        for k in range(chains):
            here = Coupling(
                coupling.displacements,
                coupling.matrices,
                coupling.onsite,
                coupling.bias,
                coupling.periodic,
                coupling.axis,
                strengths[k],
            )
            for _ in range(interval):
                accepted[k] += metropolis(x[k], generators[k], here, T, sizes[k], True)
            for r in range(height):
                for c in range(width):
                    length = 0.0
                    for a in range(n):
                        length += x[k, r, c, a] ** 2
                    for a in range(n):
                        x[k, r, c, a] /= math.sqrt(length)
            if shifts and abs(strengths[k]) == 1:
                by = int(uniform(random_word(generators[k])) * x.shape[1 + coupling.axis])
                shifted(x[k], by, coupling.axis, strengths[k], spare)
            rows[m, k] = crossing_energy(x[k], here)
        for k in range((first + m) % 2, chains - 1, 2):
            gain = (strengths[k] - strengths[k + 1]) * (rows[m, k] - rows[m, k + 1]) / T
            if gain >= 0 or uniform(random_word(generators[chains])) < math.exp(gain):
                copy_state(x[k], spare)
                copy_state(x[k + 1], x[k])
                copy_state(spare, x[k + 1])
                # What is measured next begins with other states; the row itself belongs to those before the swap.
                swapped[k] += 1
