"""Ising model on a small torus by enumeration of all configurations.

H = -J sum_<ij> s_i s_j - h sum_i s_i with k_B = 1.  Every site has one bond to its right and one to its lower
neighbour, so a side of 2 has two bonds between the same two sites.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from physnn.errors import InputError
from physnn.exact.ising.histogram import Floats, Histogram, Integers, States, enumerate_levels
from physnn.exact.ising.torus import binder, check_shape, check_temperature, longest_axes, plane_waves, xi_over_length


@lru_cache(maxsize=16)
def ising_density_of_states(shape: tuple[int, int]) -> Histogram:
    """Count the configurations of an H x W torus by energy and magnetisation.

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
    H, W = check_shape(shape)
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
    """Return the probability of each level (E, M) of `ising_density_of_states` in equilibrium.

    p(E, M) = g(E, M) exp((J B + h M)/T) / Z with B = ``bonds`` and M = ``magnetisation``.

    Raises
    ------
    InputError
        If the temperature is not positive, or J or h is not finite.
    """
    K = check_temperature(T, J)
    if not math.isfinite(h):
        raise InputError(f"The field h is {h}; give a finite one.")
    states = ising_density_of_states(check_shape(shape))
    return states.probabilities(K * states.column("bonds") + h / T * states.column("magnetisation"))


def ising_enumeration(shape: tuple[int, int], T: float, J: float = 1.0, h: float = 0.0) -> dict[str, float]:
    """Return exact averages of the Ising model on a small torus.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2 with H W <= 22.
    T, J, h : float
        Temperature, coupling of either sign, and field, all in units of the same energy (k_B = 1).

    Returns
    -------
    dict of str to float
        ``energy`` <H>/N (field included), ``c`` = var(H)/(N T^2), ``m`` = <M>/N, ``m_abs``, ``m2``, ``m4``,
        ``binder`` = 1 - m4/(3 m2^2), ``s_kmin`` (see `ising_density_of_states`), ``xi_over_L`` (second moment, from
        S(0) = N m2, over the longest side; not a number where S does not peak at zero).

    Raises
    ------
    InputError
        If the lattice is too large or too small, or a parameter is not finite.
    """
    p = ising_probabilities(shape, T, J, h)
    states = ising_density_of_states(check_shape(shape))
    sites = math.prod(shape)
    total = states.column("magnetisation")
    energy = -(J * states.column("bonds") + h * total)
    mean = float(p @ energy)
    m = total / sites
    m2, m4, s_kmin = float(p @ m**2), float(p @ m**4), float(p @ states.means["s_kmin"])
    return {
        "energy": mean / sites,
        "c": float(p @ (energy - mean) ** 2) / (sites * T**2),
        "m": float(p @ m),
        "m_abs": float(p @ abs(m)),
        "m2": m2,
        "m4": m4,
        "binder": binder(m2, m4),
        "s_kmin": s_kmin,
        "xi_over_L": xi_over_length(sites * m2, s_kmin, max(shape)),
    }
