"""Potts model with q states: exact critical point, and small tori by enumeration of all configurations.

H = -J sum_<ij> delta(s_i, s_j) with k_B = 1; at q = 2 this is the Ising model at coupling J/2 plus a constant.  The
squared order parameter is m^2 = q/(q-1) sum_a (rho_a - 1/q)^2 with the fraction rho_a of sites in state a; it has
q - 1 components.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from physnn.errors import InputError
from physnn.exact.ising.histogram import Floats, Histogram, Integers, States, enumerate_levels
from physnn.exact.ising.torus import binder, check_shape, check_temperature, longest_axes, plane_waves, xi_over_length


def _check_states(q: int) -> int:
    if int(q) != q or q < 2:
        raise InputError(f"A Potts model with q = {q} states does not exist; give a whole number of 2 or more.")
    return int(q)


def _check_ferromagnet(q: int, J: float) -> int:
    if not (math.isfinite(J) and J > 0):
        raise InputError(f"The Potts critical point is known for a positive coupling; J is {J}.")
    return _check_states(q)


def potts_critical_temperature(q: int, J: float = 1.0) -> float:
    """Return T_c = J / ln(1 + sqrt q) of the infinite square lattice, the self-dual point.

    Source: R. B. Potts, Proc. Camb. Phil. Soc. 48 (1952) 106; F. Y. Wu, Rev. Mod. Phys. 54 (1982) 235.
    """
    return J / math.log1p(math.sqrt(_check_ferromagnet(q, J)))


def potts_critical_energy(q: int, J: float = 1.0) -> float:
    """Return the energy per site at T_c of the infinite square lattice, e = -J (1 + 1/sqrt q).

    For q > 4 the transition is of first order and this is the mean of the two coexisting energies.
    Source: F. Y. Wu, Rev. Mod. Phys. 54 (1982) 235.
    """
    return -J * (1 + 1 / math.sqrt(_check_ferromagnet(q, J)))


@lru_cache(maxsize=16)
def potts_density_of_states(shape: tuple[int, int], q: int) -> Histogram:
    """Count the configurations of an H x W torus with q states by energy and order parameter.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2; q**(H W) must not exceed 2**22.
    q : int
        Number of states.

    Returns
    -------
    Histogram
        Levels ``bonds`` = sum_<ij> delta(s_i, s_j), that is -E at J = 1, and ``squares`` = sum_a n_a^2 with the number
        n_a of sites in state a, so m^2 = (q squares/N^2 - 1)/(q - 1); means ``s_kmin`` =
        ``q/(q-1) sum_a |sum_i delta(s_i, a) exp(i k.r_i)|^2 / N`` at the smallest wave vector k, averaged over both
        axes if H = W.

    Raises
    ------
    InputError
        If a side or q is below 2 or there are too many configurations.
    """
    H, W = check_shape(shape)
    waves = np.stack([wave.ravel() for wave in plane_waves((H, W))], axis=1)
    factor = _check_states(q) / ((q - 1) * H * W * len(longest_axes((H, W))))

    def properties(chosen: States) -> tuple[Integers, dict[str, Floats]]:
        spins = chosen.reshape(-1, H, W)
        bonds = sum((spins == np.roll(spins, 1, axis)).sum(axis=(1, 2)) for axis in (1, 2))
        squares = np.zeros(len(chosen), np.int64)
        power = np.zeros(len(chosen))
        for a in range(q):
            here = chosen == a
            squares += here.sum(axis=1) ** 2
            power += ((here @ waves) ** 2).sum(axis=1)
        return np.stack([np.asarray(bonds), squares], axis=1), {"s_kmin": factor * power}

    return enumerate_levels(H * W, q, ("bonds", "squares"), properties)


def potts_enumeration(shape: tuple[int, int], q: int, T: float, J: float = 1.0) -> dict[str, float]:
    """Return exact averages of the Potts model on a small torus.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2; q**(H W) must not exceed 2**22.
    q : int
        Number of states.
    T, J : float
        Temperature and coupling of either sign in units of the same energy (k_B = 1).

    Returns
    -------
    dict of str to float
        ``energy`` <H>/N, ``c`` = var(H)/(N T^2), ``m_abs`` = <sqrt(m^2)>, ``m2``, ``m4``, ``binder`` =
        1 - n m4/((n + 2) m2^2) with n = q - 1, ``s_kmin`` (see `potts_density_of_states`) and ``xi_over_L`` (second
        moment, from S(0) = N m2, over the longest side; not a number where S does not peak at zero).

    Raises
    ------
    InputError
        If there are too many configurations, a side or q is below 2, or a parameter is not finite.
    """
    K = check_temperature(T, J)
    states = potts_density_of_states(check_shape(shape), _check_states(q))
    sites = math.prod(shape)
    bonds = states.column("bonds").astype(np.float64)
    p = states.probabilities(K * bonds)
    energy = -J * bonds
    mean = float(p @ energy)
    squared = np.maximum((q * states.column("squares") / sites**2 - 1) / (q - 1), 0.0)
    m2, m4, s_kmin = float(p @ squared), float(p @ squared**2), float(p @ states.means["s_kmin"])
    return {
        "energy": mean / sites,
        "c": float(p @ (energy - mean) ** 2) / (sites * T**2),
        "m_abs": float(p @ np.sqrt(squared)),
        "m2": m2,
        "m4": m4,
        "binder": binder(m2, m4, q - 1),
        "s_kmin": s_kmin,
        "xi_over_L": xi_over_length(sites * m2, s_kmin, max(shape)),
    }
