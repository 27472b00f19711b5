"""Signals on the sphere by real spherical harmonics: rotations, grids, couplings of degrees.

A signal is ``f = sum_lm a_lm Y_lm`` with degrees l up to a limit; its coefficients are in the order l = 0, 1, ..., each
with m = -l ... l, (limit + 1)^2 numbers.  ``Y_lm`` is sqrt(2) (-1)^m times the imaginary (m < 0) or the real (m > 0)
part of the complex harmonic of |m|, with the phase of Condon and Shortley; scipy evaluates these.  A rotation Q takes f
to ``f(Q^-1 x)``, and coefficients of each degree to ``D^l(Q) a_l``: numbers on the sphere are sections of the simplest
bundle over it, and hold every degree once.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, sph_harm_y_all

from physnn.errors import InputError

MOST_DEGREES = 512
"""Largest degree for which arrays are made."""


class SphereGrid(NamedTuple):
    """Points on the sphere with weights, angles in radians; the integral of f is ``sum weights f``.

    Attributes
    ----------
    polar, azimuth, weights : ndarray, shape (points,)
        Angle from the axis, angle about it, and area (sum 4 pi).
    """

    polar: NDArray[np.float64]
    azimuth: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def places(self) -> NDArray[np.float64]:
        """Unit vectors, shape (points, 3)."""
        across = np.sin(self.polar)
        return np.stack([across * np.cos(self.azimuth), across * np.sin(self.azimuth), np.cos(self.polar)], axis=1)


def sphere_grid(degree: int) -> SphereGrid:
    """Grid whose sums are the integrals of all signals up to a degree, exactly: Gauss and Legendre by equal angles."""
    _check_degree(degree)
    heights, areas = np.polynomial.legendre.leggauss(degree // 2 + 1)
    around = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    polar, azimuth = np.meshgrid(np.arccos(heights), around, indexing="ij")
    weights = np.broadcast_to(areas[:, None] * 2 * np.pi / (degree + 1), polar.shape)
    return SphereGrid(polar.ravel(), azimuth.ravel(), weights.ravel())


def angles_of(places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Polar angle and azimuth of unit vectors (..., 3), in radians."""
    return np.arccos(np.clip(places[..., 2], -1, 1)), np.arctan2(places[..., 1], places[..., 0])


def harmonics(degree: int, polar: NDArray[np.float64], azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Real spherical harmonics at points, shape (points, (degree + 1)^2); orthonormal on the sphere.

    Raises
    ------
    InputError
        If the degree is negative or beyond `MOST_DEGREES`.
    """
    _check_degree(degree)
    every = sph_harm_y_all(degree, degree, polar, azimuth)  # axes: l; m = 0 ... degree, -degree ... -1; points
    columns = []
    for k in range(degree + 1):
        for m in range(-k, k + 1):
            wave = every[k, abs(m)]
            sign = (-1) ** m * math.sqrt(2)
            columns.append(wave.real if m == 0 else sign * (wave.imag if m < 0 else wave.real))
    return np.stack(columns, axis=1)


def wigner_matrix(degree: int, turn: tuple[float, float, float]) -> NDArray[np.float64]:
    """What a rotation does to coefficients of one degree, orthogonal, shape (2 l + 1, 2 l + 1).

    Parameters
    ----------
    degree : int
        Degree l.
    turn : tuple of float
        Angles about z, y, z in radians; the last one acts first.

    Notes
    -----
    ``exp(-i beta J_y)`` from the eigenvectors of J_y, whose eigenvalues are the whole numbers -l ... l.
    """
    _check_degree(degree)
    m = np.arange(-degree, degree + 1)
    mixing = _to_real(degree)
    vectors = _tilted(degree)
    alpha, beta, gamma = turn
    tilt = (vectors * np.exp(-1j * beta * m)) @ vectors.conj().T
    whole = np.exp(-1j * alpha * m)[:, None] * tilt * np.exp(-1j * gamma * m)
    return np.asarray((mixing.conj() @ whole @ mixing.T).real)


def rotation_of(turn: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation of space by angles about z, y, z in radians, the last one first, shape (3, 3)."""
    alpha, beta, gamma = turn

    def about_z(angle: float) -> NDArray[np.float64]:
        c, s = math.cos(angle), math.sin(angle)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    c, s = math.cos(beta), math.sin(beta)
    about_y = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return np.asarray(about_z(alpha) @ about_y @ about_z(gamma))


@lru_cache(maxsize=256)
def _to_real(degree: int) -> NDArray[np.complex128]:
    """Real harmonics of one degree as sums of complex ones, unitary: rows real m, columns complex m."""
    found = np.zeros((2 * degree + 1,) * 2, complex)
    found[degree, degree] = 1
    for m in range(1, degree + 1):
        up, down = degree + m, degree - m
        # Y_-m = (-1)^m conj(Y_m).
        found[up, up], found[up, down] = (-1) ** m / math.sqrt(2), 1 / math.sqrt(2)
        found[down, up], found[down, down] = -1j * (-1) ** m / math.sqrt(2), 1j / math.sqrt(2)
    return found


@lru_cache(maxsize=256)
def _tilted(degree: int) -> NDArray[np.complex128]:
    """Eigenvectors of J_y of one degree by rising eigenvalue -l ... l, in columns."""
    m = np.arange(-degree, degree)
    up = np.sqrt(degree * (degree + 1) - m * (m + 1.0))
    J_y = np.zeros((2 * degree + 1,) * 2, complex)
    J_y[np.arange(1, 2 * degree + 1), np.arange(2 * degree)] = up / 2j
    J_y += J_y.conj().T
    return np.asarray(np.linalg.eigh(J_y)[1])


@lru_cache(maxsize=1024)
def coupling(first: int, second: int, degree: int) -> NDArray[np.float64]:
    """Coupling of two degrees to a third for real harmonics, shape (2 l1 + 1, 2 l2 + 1, 2 l + 1), orthonormal.

    ``sum_{m1 m2} C[m1, m2, m] a_{m1} b_{m2}`` rotates as degree l does.  Clebsch-Gordan coefficients by lowering the
    highest state, which is known in closed form.  Where l1 + l2 + l is odd, they are imaginary for real harmonics, and
    i is left out.

    Raises
    ------
    InputError
        If the three degrees are no sides of a triangle.
    """
    if not abs(first - second) <= degree <= first + second:
        raise InputError(f"degrees {first} and {second} do not couple to {degree}; it lies between sum and difference")
    m1, m2 = np.arange(-first, first + 1), np.arange(-second, second + 1)
    state = np.zeros((len(m1), len(m2)))
    for k, m in enumerate(m1):
        other = degree - m
        if abs(other) <= second:
            logs = (
                gammaln([first + m + 1, second + other + 1]).sum() - gammaln([first - m + 1, second - other + 1]).sum()
            )
            state[k, other + second] = (-1) ** (first - m) * math.exp(logs / 2)
    state /= np.linalg.norm(state)
    down1 = np.sqrt(first * (first + 1) - m1[1:] * (m1[1:] - 1.0))
    down2 = np.sqrt(second * (second + 1) - m2[1:] * (m2[1:] - 1.0))
    states = [state]
    for at in range(degree, -degree, -1):
        lower = np.zeros_like(state)
        lower[:-1] += down1[:, None] * states[-1][1:]
        lower[:, :-1] += down2 * states[-1][:, 1:]
        states.append(lower / math.sqrt(degree * (degree + 1) - at * (at - 1)))
    whole = np.stack(states[::-1], axis=2)
    real = np.einsum(
        "abc,ia,jb,kc->ijk", whole, _to_real(first), _to_real(second), _to_real(degree).conj(), optimize=True
    )
    return np.asarray(real.imag if (first + second + degree) % 2 else real.real)


def _check_degree(degree: int) -> None:
    if not 0 <= degree <= MOST_DEGREES:
        raise InputError(f"the highest degree is {degree}; give 0 to {MOST_DEGREES}")
