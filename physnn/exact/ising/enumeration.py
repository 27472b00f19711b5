"""Ising and Potts models on small tori by enumeration of all configurations.

Ising: H = -J sum_<ij> s_i s_j - h sum_i s_i.  Potts: H = -J sum_<ij> delta(s_i, s_j) with q states; at q = 2 this is
the Ising model at coupling J/2 plus a constant.  The squared order parameter of Potts is
m^2 = q/(q-1) sum_a (rho_a - 1/q)^2 with the fraction rho_a of sites in state a; it has q - 1 components.  k_B = 1.
Every site has one bond to its right and one to its lower neighbour, so a side of 2 has two bonds between the same two
sites.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from physnn.errors import InputError
from physnn.exact.ising.histogram import Histogram, States, enumerate_levels
from physnn.exact.ising.torus import (
    Floats,
    Integers,
    binder,
    longest_axes,
    plane_waves,
    reduced_coupling,
    torus_sides,
    xi_over_length,
)


@lru_cache(maxsize=16)
def ising_density_of_states(shape: tuple[int, int]) -> Histogram:
    """Numbers of configurations of an H x W torus by energy and magnetisation.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2 with H W <= 22.

    Returns
    -------
    Histogram
        Levels ``bonds`` = sum_<ij> s_i s_j, that is -E at J = 1, h = 0, and ``magnetisation`` = sum_i s_i; means
        ``s_kmin`` = ``|sum_i s_i exp(i k.r_i)|^2 / N`` at the smallest wave vector k, averaged over both axes if
        H = W.

    Raises
    ------
    InputError
        If a side is below 2 or the lattice is too large.
    """
    H, W = torus_sides(shape)
    waves = np.stack([wave.ravel() for wave in plane_waves((H, W))], axis=1)
    axes = len(longest_axes((H, W)))

    def properties(chosen: States) -> tuple[Integers, dict[str, Floats]]:
        spins = (2 * chosen - 1).reshape(-1, H, W)
        bonds = sum((spins * np.roll(spins, 1, axis)).sum(axis=(1, 2), dtype=np.int64) for axis in (1, 2))
        amplitudes = spins.reshape(-1, H * W) @ waves
        levels = np.stack([np.asarray(bonds), spins.sum(axis=(1, 2), dtype=np.int64)], axis=1)
        return levels, {"s_kmin": (amplitudes**2).sum(axis=1) / (H * W * axes)}

    return enumerate_levels(H * W, 2, ("bonds", "magnetisation"), properties)


def ising_probabilities(shape: tuple[int, int], T: float, J: float = 1.0, h: float = 0.0) -> Floats:
    """Probability g exp((J B + h M)/T) / Z of each level of `ising_density_of_states` in equilibrium."""
    K = reduced_coupling(T, J)
    if not math.isfinite(h):
        raise InputError(f"The field h is {h}; give a finite one.")
    states = ising_density_of_states(torus_sides(shape))
    return states.probabilities(K * states.column("bonds") + h / T * states.column("magnetisation"))


def ising_enumeration(shape: tuple[int, int], T: float, J: float = 1.0, h: float = 0.0) -> dict[str, float]:
    """Exact averages of the Ising model on a small torus.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2 with H W <= 22.
    T, J, h : float
        Temperature, coupling of either sign, and field, all in units of the same energy (k_B = 1).

    Returns
    -------
    dict of str to float
        ``energy`` <H>/N (field included), ``c`` = var(H)/(N T^2), ``m`` = <M>/N, ``m_abs``, ``m2``, ``m4``, ``chi_m`` =
        dm/dh = N (m2 - m^2)/T, ``chi_abs`` = N (m2 - m_abs^2)/T, ``chi`` the former in a field and the latter without,
        ``binder`` = 1 - m4/(3 m2^2), ``s_kmin`` (see `ising_density_of_states`), ``xi_over_L`` (second moment, from
        S(0) = N m2, over the longest side; not a number where S does not peak at zero).

    Raises
    ------
    InputError
        If the lattice is too large or too small, or a parameter is not finite.
    """
    p, states = ising_probabilities(shape, T, J, h), ising_density_of_states(torus_sides(shape))
    total = states.column("magnetisation")
    m = total / math.prod(shape)
    energy = -(J * states.column("bonds") + h * total)
    found = {"m": float(p @ m)} | _averages(shape, T, p, energy, abs(m), states.means["s_kmin"])
    found["chi_m"] = math.prod(shape) * float(p @ (m - found["m"]) ** 2) / T
    return found | ({"chi": found["chi_m"]} if h else {})


@lru_cache(maxsize=16)
def potts_density_of_states(shape: tuple[int, int], q: int) -> Histogram:
    """Numbers of configurations of an H x W torus with q states by energy and order parameter.

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
    H, W = torus_sides(shape)
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
    """Exact averages of the Potts model on a small torus.

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
        ``energy`` <H>/N, ``c`` = var(H)/(N T^2), ``m_abs`` = <sqrt(m^2)>, ``m2``, ``m4``, ``chi`` and ``chi_abs`` =
        N (m2 - m_abs^2)/T, ``binder`` =
        1 - n m4/((n + 2) m2^2) with n = q - 1, ``s_kmin`` (see `potts_density_of_states`) and ``xi_over_L`` (second
        moment, from S(0) = N m2, over the longest side; not a number where S does not peak at zero).

    Raises
    ------
    InputError
        If there are too many configurations, a side or q is below 2, or a parameter is not finite.
    """
    K = reduced_coupling(T, J)
    states = potts_density_of_states(torus_sides(shape), _check_states(q))
    bonds = states.column("bonds").astype(np.float64)
    squared = np.maximum((q * states.column("squares") / math.prod(shape) ** 2 - 1) / (q - 1), 0.0)
    p = states.probabilities(K * bonds)
    return _averages(shape, T, p, -J * bonds, np.sqrt(squared), states.means["s_kmin"], q - 1)


def _check_states(q: int) -> int:
    if int(q) != q or q < 2:
        raise InputError(f"A Potts model with q = {q} states does not exist; give a whole number of 2 or more.")
    return int(q)


def _averages(
    shape: tuple[int, int], T: float, p: Floats, energy: Floats, m: Floats, s_kmin: Floats, components: int = 1
) -> dict[str, float]:
    """Averages over levels of probability p with energies, moduli m of the order parameter and structure factors."""
    sites, mean, squared = math.prod(shape), float(p @ energy), m**2
    m2, m4, s = float(p @ squared), float(p @ squared**2), float(p @ s_kmin)
    return {
        "energy": mean / sites,
        "c": float(p @ (energy - mean) ** 2) / (sites * T**2),
        "m_abs": (m_abs := float(p @ m)),
        "m2": m2,
        "m4": m4,
        "chi_abs": (chi := sites * float(p @ (m - m_abs) ** 2) / T),
        "chi": chi,
        "binder": binder(m2, m4, components),
        "s_kmin": s,
        "xi_over_L": xi_over_length(sites * m2, s, max(shape)),
    }
