"""Sides, reduced coupling, smallest wave vector and moments of a model on an H x W torus."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def torus_sides(shape: tuple[int, int]) -> tuple[int, int]:
    """Sides H and W of a torus as integers; raises `InputError` unless they are two, whole and at least 2."""
    if len(shape) != 2 or any(int(side) != side or side < 2 for side in shape):
        raise InputError(f"A lattice of shape {shape} is no torus: give two whole sides of 2 or more.")
    return int(shape[0]), int(shape[1])


def reduced_coupling(T: float, J: float = 1.0) -> float:
    """Reduced coupling K = J/T (k_B = 1, dimensionless); raises `InputError` unless T > 0 and both are finite."""
    if not (math.isfinite(T) and T > 0):
        raise InputError(f"The temperature is {T}; give a positive, finite one.")
    if not math.isfinite(J):
        raise InputError(f"The coupling J is {J}; give a finite one.")
    return J / T


def longest_axes(shape: tuple[int, int]) -> list[int]:
    """Axes along which the smallest wave vector 2 pi / max(H, W) lies: both for a square."""
    return [axis for axis in (0, 1) if shape[axis] == max(shape)]


def plane_waves(shape: tuple[int, int]) -> list[Floats]:
    """Plane waves cos(k.r) and sin(k.r), each of shape (H, W), for the smallest wave vectors along the longest axes."""
    waves = []
    for axis in longest_axes(shape):
        phase = 2 * math.pi * np.indices(shape)[axis] / shape[axis]
        waves += [np.cos(phase), np.sin(phase)]
    return waves


def binder(m2: float, m4: float, components: int = 1) -> float:
    """Binder parameter U4 = 1 - n <m^4> / ((n + 2) <m^2>^2) of an order parameter with n components."""
    return 1 - components * m4 / ((components + 2) * m2**2)


def xi_over_length(s_zero: float, s_kmin: float, length: int) -> float:
    """Second-moment correlation length over the length: xi = sqrt(S(0)/S(k) - 1) / (2 sin(k/2)), k = 2 pi/length.

    Not a number where S(k) is larger than S(0), so that the correlations do not peak at zero wave vector.
    """
    ratio = s_zero / s_kmin - 1 if s_kmin > 0 else math.inf
    return math.sqrt(ratio) / (2 * math.sin(math.pi / length)) / length if ratio >= 0 else math.nan
