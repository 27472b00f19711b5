"""Coupling kernel as one Hermitian matrix J(k) per wave vector.

The coupling of a lattice of N-component vectors is a kernel J of shape ``(N, N, k, k)`` with J[a, b, r] = J[b, a, -r];
a plane wave x_j = v exp(i q . j) is taken to J(q) v with J(q) = sum_r J_r exp(i q . r), and the energy per site of a
state is -(1/2) times the mean of these matrices over its waves.
"""

from __future__ import annotations

import math

import numpy as np


def wave_numbers(L: int) -> np.ndarray:
    """Wave numbers of a torus of side L, shape ``(L,)``, radians per site in [-pi, pi), ascending."""
    return 2 * math.pi * (np.arange(L) - L // 2) / L


def fourier_kernel(J: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """J(q) on a grid of wave numbers (radians per site), shape ``(rows, columns, N, N)``, complex128.

    ``J (N, N, k, k)``, k odd, is as convolution layers hold it (correlation: output site i takes input site i + r).
    """
    r = np.arange(J.shape[-1]) - J.shape[-1] // 2
    along_rows, along_columns = (np.exp(1j * np.outer(q, r)) for q in (rows, columns))
    found: np.ndarray = np.einsum("ur,vs,abrs->uvab", along_rows, along_columns, np.float64(J), optimize=True)
    return found


def spectral_range(J: np.ndarray, L: int) -> tuple[float, float]:
    """Smallest and largest eigenvalue of J(q) over the wave vectors of a torus of side L.

    J(-q) is the complex conjugate of J(q), so that half of the wave vectors are enough.
    """
    q = wave_numbers(L)
    # -pi is its own negative on even L, and stays.
    half = q[q <= 1e-12]
    values = np.linalg.eigvalsh(fourier_kernel(J, half, q))
    return float(values.min()), float(values.max())


def stability_bound(J: np.ndarray, c: np.ndarray | None, gamma: float, L: int) -> float:
    """Bound gamma (lambda_max + |c| - lambda_min) / 2, which is at least the stability number of every state.

    One step with the mean local field h is a step down the energy if s = gamma (h - lambda_min) / 2 < 1.  Since
    h = <x . (J x + c)> is at most lambda_max + |c|, a bound below 1 holds for every state at once (dimensionless).
    """
    low, high = spectral_range(J, L)
    return gamma * (high - low + (float(np.linalg.norm(c)) if c is not None else 0.0)) / 2


def winding_numbers(angles: np.ndarray, periodic: bool = True) -> np.ndarray:
    """Winding number of every plaquette, shape ``(..., H, W)``, or ``(..., H - 1, W - 1)`` with a border.

    Parameters
    ----------
    angles : ndarray, shape (..., H, W)
        Radians.
    periodic : bool
        Whether the lattice is a torus, where all of them add up to 0.
    """
    theta = np.asarray(angles, np.float64)
    down, right = (np.roll(theta, -1, axis) - theta for axis in (-2, -1))
    down, right = ((step + np.pi) % (2 * np.pi) - np.pi for step in (down, right))
    around = right + np.roll(down, -1, -1) - np.roll(right, -1, -2) - down
    found: np.ndarray = np.rint(around / (2 * np.pi)).astype(np.int64)
    return found if periodic else found[..., :-1, :-1]
