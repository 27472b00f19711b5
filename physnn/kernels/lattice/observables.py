"""Raw observables of colours on a torus, and the bookkeeping of measurements that all drivers share."""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.primitives import copy

DONE, SITES, ROW = 0, 1, 2
"""Entries of a driver's ``progress``, int64 (3,): updates since the last measurement, sites updated since then,
and measurements written."""


@njit(cache=True, nogil=True)
def like_bonds(colours):
    """Number of bonds between equal colours, each site with its right and its lower neighbour."""
    H, W = colours.shape
    like = np.int64(0)
    for i in range(H):
        row, down = colours[i], colours[i + 1 if i + 1 < H else 0]
        count = np.int64(row[W - 1] == row[0])
        for j in range(W - 1):
            count += row[j] == row[j + 1]
        for j in range(W):
            count += row[j] == down[j]
        like += count
    return like


@njit(cache=True, nogil=True)
def count_colours(colours, in_row, in_column):
    """Count sites by colour: ``in_row (q, H)`` and ``in_column (q, W)``, int32, are overwritten."""
    H, W = colours.shape
    q = in_row.shape[0]
    in_column[:] = 0
    for i in range(H):
        row = colours[i]
        rest = np.int32(W)
        for a in range(1, q):
            column = in_column[a]
            count = np.int32(0)
            for j in range(W):
                hit = np.int32(row[j] == a)
                column[j] += hit
                count += hit
            in_row[a, i] = count
            rest -= count
        in_row[0, i] = rest
    for j in range(W):
        rest = np.int32(H)
        for a in range(1, q):
            rest -= in_column[a, j]
        in_column[0, j] = rest


@njit(cache=True, nogil=True)
def _power(counts, waves):
    total = 0.0
    for a in range(counts.shape[0]):
        real, imaginary = 0.0, 0.0
        for j in range(counts.shape[1]):
            real += counts[a, j] * waves[0, j]
            imaginary += counts[a, j] * waves[1, j]
        total += real * real + imaginary * imaginary
    return total


@njit(cache=True, nogil=True)
def longest_wave(side):
    """Cosine and sine of ``2 pi j / side``, shape (2, side)."""
    out = np.empty((2, side))
    for j in range(side):
        angle = 2 * math.pi * j / side
        out[0, j], out[1, j] = math.cos(angle), math.sin(angle)
    return out


@njit(cache=True, nogil=True)
def combine(like, energies, in_row, in_column, wave_x, wave_y, out):
    """Write energy, m, m2, m4, structure_x, structure_y to ``out[:6]`` from what was counted.

    Other parameters are those of `observe_colours`.
    """
    q, N = in_row.shape[0], in_row.shape[1] * in_column.shape[1]
    m2, m = 0.0, 0.0
    for a in range(q):
        density = in_row[a].sum() / N
        m2 += (density - 1 / q) ** 2
        if a == 0:
            m = 2 * density - 1
    m2 *= q / (q - 1)
    norm = q / (q - 1) / N
    out[0] = energies[1] - energies[0] * like / N
    if q == 2:
        out[0] -= energies[2] * m
        m2 = m * m
    else:
        m = math.sqrt(m2)
    out[1], out[2], out[3] = m, m2, m2 * m2
    out[4] = norm * _power(in_column, wave_x)
    out[5] = norm * _power(in_row, wave_y)


@njit(cache=True, nogil=True)
def observe_colours(colours, energies, in_row, in_column, wave_x, wave_y, out):
    """Write energy, m, m2, m4, structure_x, structure_y of a configuration to ``out[:6]``.

    Parameters
    ----------
    colours : ndarray of int8, shape (H, W)
        The configuration.
    energies : ndarray of float64, shape (3,)
        ``bond``, ``offset`` and ``field`` of the model (`physnn.models.lattice.LatticeModel`).
    in_row, in_column : ndarray of int32, shapes (q, H) and (q, W)
        Work space.
    wave_x, wave_y : ndarray of float64, shapes (2, W) and (2, H)
        `longest_wave` of the two sides.
    out : ndarray of float64
        A row of measurements; the definitions are in `physnn.models.lattice.QUANTITIES`.
    """
    count_colours(colours, in_row, in_column)
    combine(like_bonds(colours), energies, in_row, in_column, wave_x, wave_y, out)


@njit(cache=True, nogil=True)
def measuring_space(q, H, W):
    """Work space and the waves that `observe_colours` and `record_row` need."""
    return np.empty((q, H), np.int32), np.empty((q, W), np.int32), longest_wave(W), longest_wave(H)


@njit(cache=True, nogil=True)
def record_row(colours, energies, space, progress, rows, snapshots, every):
    """Measure, write the next row (and snapshot, each ``every``-th row), and start the next interval.

    Parameters
    ----------
    colours, energies
        As in `observe_colours`.
    space : tuple
        What `measuring_space` returned.
    progress : ndarray of int64, shape (3,)
        `DONE`, `SITES` and `ROW`; updated.
    rows : ndarray of float64, shape (measurements, 7)
        One row per measurement.
    snapshots : ndarray of int8, shape (measurements // every, H, W)
        Configurations; unused if ``every`` is 0.
    every : int
        Measurements per snapshot, or 0.
    """
    row = progress[ROW]
    in_row, in_column, wave_x, wave_y = space
    observe_colours(colours, energies, in_row, in_column, wave_x, wave_y, rows[row])
    rows[row, 6] = progress[SITES] / colours.size
    if every > 0 and (row + 1) % every == 0:
        copy(colours, snapshots[(row + 1) // every - 1])
    progress[DONE], progress[SITES], progress[ROW] = 0, 0, row + 1
