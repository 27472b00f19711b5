"""Ising model without field on any H x W torus in closed form (Kaufman).

H = -J sum_<ij> s_i s_j with k_B = 1 and K = J/T.  Kaufman's partition function of a torus of N = H W sites is

    Z = (2 sinh 2K)^(N/2) / 2 * [ prod_odd 2 cosh(W g_l/2) + prod_odd 2 sinh(W g_l/2)
                                + prod_even 2 cosh(W g_l/2) + prod_even 2 sinh(W g_l/2) ],

with l = 1, 3, .. 2H - 1 or l = 0, 2, .. 2H - 2, cosh g_l = cosh(2K) coth(2K) - cos(pi l/H), all g_l > 0 but
g_0 = 2K + ln tanh K, which changes its sign at the critical temperature of the infinite lattice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.errors import InputError
from physnn.exact.ising.torus import Floats, reduced_coupling, torus_sides

LOWEST = 0.01
"""Smallest T/|J|: below, sinh 2K leaves the range of double precision (and nothing happens)."""


@dataclass(frozen=True)
class Thermal:
    """Thermodynamics per site: ln Z / N, <H>/N in units of energy, and c = d energy/dT (dimensionless)."""

    log_z: float
    energy: float
    c: float


def finite_coupling(T: float, J: float) -> float:
    """Reduced coupling K = J/T; raises `InputError` for J = 0 and for T below `LOWEST` ``|J|``."""
    K = reduced_coupling(T, J)
    if K == 0:
        raise InputError("The coupling J is 0, so the spins are independent; give a coupling other than 0.")
    if abs(K) > 1 / LOWEST:
        raise InputError(f"T/|J| = {1 / abs(K):.3g} is too low for these formulas; use {LOWEST:.3g} or more.")
    return K


def _modes(H: int, K: float) -> tuple[Floats, Floats, Floats]:
    """Modes g_l for l = 0 .. 2H - 1, shape (2H,), and its first and second derivative with respect to K."""
    s, slope = math.sinh(2 * K), 2 * math.cosh(2 * K)
    half = np.sin(np.arange(2 * H) * math.pi / (2 * H)) ** 2
    # cosh g - 1 = (s - 1)^2/s + 2 sin^2(pi l/2H): sinh(g/2) keeps its digits where g is small.
    sinh_half = np.sqrt((s - 1) ** 2 / (2 * s) + half)
    g = 2 * np.arcsinh(sinh_half)
    first, second = slope * (1 - 1 / s**2), 4 * s * (1 - 1 / s**2) + 2 * slope**2 / s**3
    with np.errstate(divide="ignore", invalid="ignore"):
        g1 = first / np.sinh(g)
        g2 = (second - g1**2 * np.cosh(g)) / np.sinh(g)
    g[0] = 2 * math.asinh((s - 1) / math.sqrt(2 * s))
    g1[0], g2[0] = 2 + 2 / s, -2 * slope / s**2
    return g, g1, g2


@dataclass(frozen=True)
class _Term:
    """Product f(K) = exp(log_scale) * value; first and second are (df/dK, d2f/dK2) exp(-log_scale)."""

    log_scale: float
    value: float
    first: float
    second: float

    def times(self, log_scale: float, first: float, second: float) -> _Term:
        """Multiply by a positive factor exp(w) with log_scale = w and given first and second derivative of w."""
        return _Term(
            self.log_scale + log_scale,
            self.value,
            self.first + self.value * first,
            self.second + 2 * self.first * first + self.value * (second + first**2),
        )


def _sum_logs(width: int, sign: int, g: Floats, g1: Floats, g2: Floats) -> tuple[float, float, float]:
    """Sum over l of ln(exp(width g/2) + sign exp(-width g/2)) over positive modes and its derivatives."""
    q = sign * np.exp(-width * g)
    tanh = (1 - q) / (1 + q)
    log = width * g / 2 + np.log1p(q)
    slope = width / 2 * g1 * tanh
    curvature = width / 2 * g2 * tanh + width**2 * g1**2 * q / (1 + q) ** 2
    return float(log.sum()), float(slope.sum()), float(curvature.sum())


def _zero_mode(width: int, sign: int, g: float, g1: float, g2: float) -> _Term:
    """Term exp(width g/2) + sign exp(-width g/2) of the mode that can vanish or be negative."""
    x, scale = width * g / 2, width * abs(g) / 2
    small = math.exp(-2 * scale)
    cosh, sinh = 1 + small, math.copysign(-math.expm1(-2 * scale), x)
    value, other = (cosh, sinh) if sign > 0 else (sinh, cosh)
    a, b = width * g1 / 2, width * g2 / 2
    return _Term(scale, value, a * other, b * other + a**2 * value)


def _log_z(H: int, W: int, K: float) -> tuple[float, float, float]:
    """Logarithm of Z, and its first and second derivative with respect to K, for K > 0."""
    g, g1, g2 = _modes(H, K)
    odd = [_sum_logs(W, sign, g[1::2], g1[1::2], g2[1::2]) for sign in (1, -1)]
    even = [_sum_logs(W, sign, g[2::2], g1[2::2], g2[2::2]) for sign in (1, -1)]
    zero = [_zero_mode(W, sign, float(g[0]), float(g1[0]), float(g2[0])) for sign in (1, -1)]
    # All slopes are of order N and differ by order W: without the common part, no digits are lost in the variance.
    log, slope, _ = odd[0]
    start = [_Term(0.0, 1.0, 0.0, 0.0)] * 2 + zero
    terms = [term.times(a - log, b - slope, c) for term, (a, b, c) in zip(start, odd + even, strict=True)]
    largest = max(term.log_scale for term in terms)
    weights = [math.exp(term.log_scale - largest) for term in terms]
    total = sum(w * term.value for w, term in zip(weights, terms, strict=True))
    first = sum(w * term.first for w, term in zip(weights, terms, strict=True)) / total
    second = sum(w * term.second for w, term in zip(weights, terms, strict=True)) / total
    s = math.sinh(2 * K)
    return (
        H * W / 2 * math.log(2 * s) + log + largest + math.log(total / 2),
        H * W * math.cosh(2 * K) / s + slope + first,
        -2 * H * W / s**2 + second - first**2,
    )


def kaufman(shape: tuple[int, int], T: float, J: float = 1.0) -> Thermal:
    """Exact thermodynamics of the Ising model on an H x W torus without field.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2; a side of 2 has two bonds between the same sites.
    T, J : float
        Temperature and coupling in units of the same energy (k_B = 1).  A negative coupling needs even sides: then
        it is the same as the positive one with every second spin turned.

    Returns
    -------
    Thermal
        energy = -J dlnZ/dK / N and c = K^2 d2lnZ/dK2 / N, both from analytic derivatives.

    Raises
    ------
    InputError
        If a side is below 2, T is not positive or below ``|J|/100``, J is 0, or J < 0 with an odd side.

    Notes
    -----
    Absolute rounding errors are about 1e-16 max(1, T/J) J for the energy and 1e-14 for c, up to sides of thousands.
    Source: B. Kaufman, Phys. Rev. 76 (1949) 1232.
    """
    H, W = sorted(torus_sides(shape))
    K = finite_coupling(T, J)
    if K < 0 and (H % 2 or W % 2):
        raise InputError(
            f"A negative coupling on the {H} x {W} torus is frustrated: use even sides, or ising_enumeration."
        )
    log_z, first, second = _log_z(H, W, abs(K))
    return Thermal(log_z / (H * W), -abs(J) * first / (H * W), K**2 * second / (H * W))
