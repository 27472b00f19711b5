"""Exact averages of lattice models on a torus by whichever method gives them: the reference of simulations."""

from __future__ import annotations

from dataclasses import dataclass

from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration, potts_enumeration
from physnn.exact.ising.histogram import LARGEST_ENUMERATION
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.torus import torus_sides
from physnn.exact.ising.transfer import ising_transfer

EXACT_OBSERVABLES = ("energy", "c", "m_abs", "m2", "m4", "binder", "s_kmin", "xi_over_L")
"""Names of the averages that may be known exactly, in the order of the answers."""
ENUMERATED_CONFIGURATIONS = 2**16
"""Largest number of Ising configurations that are enumerated for an answer: a fraction of a second."""
TRANSFERRED = 10
"""Longest short side for which the transfer matrix is used: up to a second."""


@dataclass(frozen=True)
class Exact:
    """Exact averages by name, per site (definitions: `ising_enumeration`), and the method behind each."""

    values: dict[str, float]
    sources: dict[str, str]


def exact(model: str, size: int | tuple[int, int], T: float, J: float = 1.0, q: int = 3) -> Exact:
    """Exact averages that are known of a lattice model without field on a torus.

    Parameters
    ----------
    model : {"ising", "potts"}
        H = -J sum_<ij> s_i s_j, or H = -J sum_<ij> delta(s_i, s_j).
    size : int or tuple of int
        Side L of a square, or both sides, each 2 or more.
    T, J : float
        Temperature and coupling in units of the same energy (k_B = 1).
    q : int
        Number of states of the Potts model; not used for Ising.

    Returns
    -------
    Exact
        All of `EXACT_OBSERVABLES` up to 16 Ising spins, or 65,536 Potts configurations, by enumeration.  Ising at
        J > 0: all of them as well for a short side up to 10, energy and c for any size.

    Raises
    ------
    InputError
        If the model is unknown, nothing exact is known for the size, or a parameter makes no sense.
    """
    shape = torus_sides((size, size) if isinstance(size, int) else size)
    sites = shape[0] * shape[1]
    if model == "potts":
        if q > 1 and q**sites > LARGEST_ENUMERATION:
            raise InputError(
                f"No exact results for the {q}-state Potts model on {sites} sites; "
                f"use at most {LARGEST_ENUMERATION} configurations."
            )
        return _answer((potts_enumeration(shape, q, T, J), "enumeration"))
    if model != "ising":
        raise InputError(f"No exact results for a model {model!r}; use ising or potts.")
    if 2**sites <= ENUMERATED_CONFIGURATIONS or (J < 0 and 2**sites <= LARGEST_ENUMERATION):
        return _answer((ising_enumeration(shape, T, J), "enumeration"))
    thermal = kaufman(shape, T, J)
    closed = {"energy": thermal.energy, "c": thermal.c}, "Kaufman 1949"
    if J > 0 and min(shape) <= TRANSFERRED:
        return _answer((ising_transfer(shape, T, J), "transfer matrix"), closed)
    return _answer(closed)


def _answer(*parts: tuple[dict[str, float], str]) -> Exact:
    """Put the results of several methods together; a later one wins."""
    found = {name: (float(part[name]), source) for name in EXACT_OBSERVABLES for part, source in parts if name in part}
    return Exact({name: value for name, (value, _) in found.items()}, {name: s for name, (_, s) in found.items()})
