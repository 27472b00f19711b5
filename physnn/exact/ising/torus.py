"""What all exact results on an H x W torus share: checked input, smallest wave vector, moments."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError

Floats = NDArray[np.float64]


def check_shape(shape: tuple[int, int], smallest: int = 2) -> tuple[int, int]:
    """Return the two sides of a torus as integers, or raise InputError."""
    if len(shape) != 2 or any(int(side) != side or side < smallest for side in shape):
        raise InputError(f"A lattice of shape {shape} is no torus: give two whole sides of {smallest} or more.")
    return int(shape[0]), int(shape[1])


def check_temperature(T: float, J: float = 1.0) -> float:
    """Return the reduced coupling K = J/T, or raise InputError."""
    if not (math.isfinite(T) and T > 0):
        raise InputError(f"The temperature is {T}; give a positive, finite one.")
    if not math.isfinite(J):
        raise InputError(f"The coupling J is {J}; give a finite one.")
    return J / T


def longest_axes(shape: tuple[int, int]) -> list[int]:
    """Return the axes along which the smallest wave vector 2 pi / max(H, W) lies: both for a square."""
    return [axis for axis in (0, 1) if shape[axis] == max(shape)]


def plane_waves(shape: tuple[int, int]) -> list[Floats]:
    """Return cos(k.r) and sin(k.r), each of shape (H, W), for the smallest wave vectors along the longest axes."""
    waves = []
    for axis in longest_axes(shape):
        phase = 2 * math.pi * np.indices(shape)[axis] / shape[axis]
        waves += [np.cos(phase), np.sin(phase)]
    return waves


def binder(m2: float, m4: float, components: int = 1) -> float:
    """Return U4 = 1 - n <m^4> / ((n + 2) <m^2>^2) of an order parameter with n components."""
    return 1 - components * m4 / ((components + 2) * m2**2)


def xi_over_length(s_zero: float, s_kmin: float, length: int) -> float:
    """Return xi/length, xi = sqrt(S(0)/S(k) - 1) / (2 sin(k/2)) the second-moment correlation length, k = 2 pi/length.

    Not a number where S(k) is larger than S(0), so that the correlations do not peak at zero wave vector.
    """
    ratio = s_zero / s_kmin - 1 if s_kmin > 0 else math.inf
    return math.sqrt(ratio) / (2 * math.sin(math.pi / length)) / length if ratio >= 0 else math.nan
