"""Eigenvalues of a coupling kernel over all wave vectors, and its leading modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.models.fourier import fourier_kernel, wave_numbers

LEADING_RANGE = 0.05
"""Largest distance of a leading mode's eigenvalue from the top, relative to it."""


@dataclass(frozen=True)
class Mode:
    """Eigenmode of the coupling: a wave along rows and columns (radians per site) with an eigenvector of J(q).

    The eigenvalue is in units of the coupling; -q belongs to the conjugate vector and is left out.  ``lift_overlap`` is
    |v . w|^2 with the unit vector w that images are lifted to, or its sum over a plane of them.
    """

    wave_vector: tuple[float, float]
    eigenvalue: float
    vector: np.ndarray
    lift_overlap: float


@dataclass(frozen=True)
class Spectrum:
    """J(q) over the wave vectors of a torus of side L: eigenvalues ``(L, L, N)``, ascending, and leading modes.

    Wave vectors ascend from -pi as in `physnn.models.fourier.wave_numbers`; modes within 5 % of the top lead, highest
    first.
    """

    bands: np.ndarray
    leading: tuple[Mode, ...]

    @property
    def lambda_min(self) -> float:
        """Smallest eigenvalue."""
        return float(self.bands.min())

    @property
    def lambda_max(self) -> float:
        """Largest eigenvalue."""
        return float(self.bands.max())


def spectrum(J: np.ndarray, lift: np.ndarray, L: int) -> Spectrum:
    """Spectrum of a symmetric kernel ``(N, N, k, k)`` with the leading modes' overlap with the lift.

    The lift is one vector ``(N,)``, or orthogonal ones of equal length, ``(m, N)``.
    """
    q = wave_numbers(L)
    values, vectors = np.linalg.eigh(fourier_kernel(J, q, q))
    top, w = values.max(), np.atleast_2d(np.float64(lift))
    w = w / np.linalg.norm(w, axis=1, keepdims=True)
    modes = []
    for row, column, band in np.argwhere(values >= top - LEADING_RANGE * abs(top)):
        # Of q and -q (mod 2 pi) the one later in the grid is kept.
        if (row, column) < ((2 * (L // 2) - row) % L, (2 * (L // 2) - column) % L):
            continue
        v = vectors[row, column, :, band]
        overlap = float((abs(w @ v) ** 2).sum())
        modes.append(Mode((float(q[row]), float(q[column])), float(values[row, column, band]), v, overlap))
    return Spectrum(values, tuple(sorted(modes, key=lambda mode: -mode.eigenvalue)))
