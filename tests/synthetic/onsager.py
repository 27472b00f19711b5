"""Ising model on the infinite square lattice without field: L. Onsager (1944) and C. N. Yang (1952)."""

from __future__ import annotations

import math

from scipy import integrate, special

from physnn.exact.ising.kaufman import Thermal, finite_coupling


def onsager(T: float, J: float = 1.0) -> Thermal:
    """Exact thermodynamics of the Ising model on the infinite square lattice without field.

    With s = sinh 2K, k' = (s^2 - 1)/(s^2 + 1), complete elliptic integrals F and E of modulus k = 2 s/(1 + s^2):
    energy = -J coth(2K) [1 + (2/pi) k' F], and c = (2/pi) (K coth 2K)^2 {2 F - 2 E - (1 - k') [pi/2 + k' F]}.

    Parameters
    ----------
    T, J : float
        Temperature and coupling of either sign in units of the same energy (k_B = 1).

    Raises
    ------
    InputError
        If T is not positive or below ``|J|/100``, or J is 0.

    Notes
    -----
    Source: L. Onsager, Phys. Rev. 65 (1944) 117.
    """
    K = abs(finite_coupling(T, J))
    s = math.sinh(2 * K)
    coth = math.cosh(2 * K) / s
    complement = (s - 1) * (s + 1) / (1 + s**2)
    first, second = special.ellipkm1(complement**2), special.ellipe(1 - complement**2)
    product = complement * first if math.isfinite(first) else 0.0
    energy = -abs(J) * coth * (1 + 2 / math.pi * product)
    bracket = 2 * first - 2 * second - (1 - complement) * (math.pi / 2 + product)
    return Thermal(_onsager_log_z(K), float(energy), float(2 / math.pi * (K * coth) ** 2 * bracket))


def _onsager_log_z(K: float) -> float:
    """Free-energy term ln Z/N = ln(2 cosh^2 2K)/2 + (1/pi) int_0^(pi/2) ln[1 + sqrt(1 - k^2 sin^2 x)] dx."""
    s = math.sinh(2 * K)
    complement = abs(s - 1) * (s + 1) / (1 + s**2)

    def integrand(x: float) -> float:
        return math.log1p(math.hypot(math.cos(x), complement * math.sin(x)))

    value, _ = integrate.quad(integrand, 0, math.pi / 2, epsabs=1e-14, epsrel=1e-13, limit=200)
    return math.log(math.cosh(2 * K)) + math.log(2) / 2 + float(value) / math.pi


def spontaneous_magnetisation(T: float, J: float = 1.0) -> float:
    """Magnetisation per site of the infinite square lattice in a vanishing positive field.

    m = (1 - sinh(2K)^-4)^(1/8) below T_c and 0 above; for J < 0 it is the staggered magnetisation.

    Raises
    ------
    InputError
        If T is not positive or below ``|J|/100``, or J is 0.

    Notes
    -----
    Source: C. N. Yang, Phys. Rev. 85 (1952) 808.
    """
    s = math.sinh(2 * abs(finite_coupling(T, J)))
    return math.sqrt(math.sqrt(math.sqrt((1 - 1 / s) * (1 + 1 / s) * (1 + 1 / s**2)))) if s > 1 else 0.0
