"""Energy landscape of the Ising model on a torus: exact degeneracies, and how a field splits them.

H = -J sum_<ij> s_i s_j - h sum_i s_i with k_B = 1.  All energies with degeneracies follow from the number g(B, M) of
configurations with bonds B = sum_<ij> s_i s_j and magnetisation M = sum_i s_i: E = -J B - h M.  Two of these levels
can coincide where h/J is rational, so energies are compared as fractions, never as rounded numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from physnn import rng
from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_density_of_states
from physnn.exact.ising.histogram import LARGEST_ENUMERATION
from physnn.exact.ising.polynomials import kaufman_counts, transfer_counts
from physnn.exact.ising.torus import torus_sides
from physnn.exact.landscape import Landscape

COUNTING_METHODS = ("auto", "enumeration", "transfer", "kaufman")
"""Methods of counting configurations; auto takes the fastest."""
ENUMERATED_SPINS = 16
"""Largest number of spins that auto enumerates: beyond 16 the polynomials are faster."""
TRANSFER_SIDE = 10
"""Longest shorter side for transfer matrices; 10 x 10 without field takes ten seconds."""
TRANSFER_SITES = 200
"""Largest number of spins for transfer matrices without field, a limit of time."""
FIELD_SITES = 81
"""Largest number of spins for counts by energy and magnetisation; 8 x 8 takes four seconds, 9 x 9 half a minute."""
KAUFMAN_SITES = 2304
"""Largest number of spins for Kaufman's polynomial: 32 x 32 takes three seconds, 48 x 48 half a minute."""

LARGEST_NUMBER = Fraction(10) ** 100
"""Largest field or coupling: energies are also given as float64."""
ExactNumber = int | float | str | Fraction


@dataclass(frozen=True)
class IsingCounts:
    """Exact density of states of an H x W torus of N = H W spins.

    Attributes
    ----------
    bonds : tuple of int
        B = sum_<ij> s_i s_j of each level, that is -E at J = 1 and h = 0; from 2 N down.
    magnetisation : tuple of int or None
        M = sum_i s_i of each level, ascending for each B; None if configurations are counted by energy alone.
    counts : tuple of int
        Configurations of each level; they add up to 2**N.
    """

    shape: tuple[int, int]
    bonds: tuple[int, ...]
    magnetisation: tuple[int, ...] | None
    counts: tuple[int, ...]
    method: str


@dataclass(frozen=True)
class FieldLevel:
    """Energy E = -J B - h M (units of J), its number of configurations, and the pairs (B, M) that have it.

    There is more than one pair where h/J is rational and levels coincide.
    """

    energy: Fraction
    count: int
    members: tuple[tuple[int, int], ...]


def ising_counts(shape: tuple[int, int], field: bool = False, method: str = "auto") -> IsingCounts:
    """Numbers of configurations of an H x W torus by energy, or by energy and magnetisation.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2.  A side of 2 has two bonds between the same sites, so there are 2 N bonds always.
    field : bool
        Whether to count by magnetisation as well.
    method : {"auto", "enumeration", "transfer", "kaufman"}
        Enumeration up to 22 spins; polynomials by transfer matrices up to 200 spins and a shorter side of 10 (in a
        field 81 spins); Kaufman's polynomial, without field, up to 2,304 spins.

    Returns
    -------
    IsingCounts
        The levels with at least one configuration.

    Raises
    ------
    InputError
        If a side is below 2, the lattice is too large for the method, or the method is unknown or cannot count by
        magnetisation.
    """
    H, W = torus_sides(shape)
    chosen = _choose(H, W, field, method)
    sites = H * W
    found: dict[tuple[int, int], int]
    if chosen == "enumeration":
        states = ising_density_of_states((H, W))
        states = states if field else states.marginal("bonds")
        found = {(b, *(m or [0])): n for (b, *m), n in zip(states.levels.tolist(), states.counts.tolist(), strict=True)}
    elif chosen == "kaufman":
        found = {(2 * sites - 4 * k, 0): count for k, count in enumerate(kaufman_counts((H, W)))}
    else:
        rows = transfer_counts((H, W), field)
        found = {(2 * sites - 4 * k, 2 * u - sites): n for k, row in enumerate(rows) for u, n in enumerate(row)}
    levels = sorted((level for level, count in found.items() if count), key=lambda level: (-level[0], level[1]))
    return IsingCounts(
        (H, W),
        tuple(bonds for bonds, _ in levels),
        tuple(m for _, m in levels) if field else None,
        tuple(found[level] for level in levels),
        chosen,
    )


def _choose(H: int, W: int, field: bool, method: str) -> str:
    """Method to use; raises `InputError` if the lattice is too large for it or it does not exist."""
    sites, side = H * W, min(H, W)
    if method not in COUNTING_METHODS:
        raise InputError(
            f"There is no method {method!r} of counting Ising configurations; use {', '.join(COUNTING_METHODS)}."
        )
    if method == "auto":
        method = "enumeration" if sites <= ENUMERATED_SPINS else "transfer" if field else "kaufman"
    if method == "kaufman" and field:
        raise InputError("Kaufman's formula knows no field; use method transfer to count by magnetisation.")
    largest = {
        "enumeration": int(math.log2(LARGEST_ENUMERATION)),
        "kaufman": KAUFMAN_SITES,
        "transfer": FIELD_SITES if field else TRANSFER_SITES,
    }[method]
    if sites > largest or (method == "transfer" and side > TRANSFER_SIDE):
        limit = f" and a shorter side of {TRANSFER_SIDE}" if method == "transfer" else ""
        raise InputError(
            f"A {H} x {W} torus is too large to count{' by magnetisation' if field else ''} with method {method}; "
            f"use at most {largest} spins{limit}."
        )
    return method


def exact_number(value: ExactNumber, name: str) -> Fraction:
    """Number as the fraction it was written as (0.1 is 1/10, and "1/3" is allowed); `InputError` if not finite."""
    try:
        found = Fraction(value) if isinstance(value, int | Fraction) else Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"{name} is {str(value)!r}; give a finite number or a fraction such as 1/3.") from error
    if abs(found) > LARGEST_NUMBER:
        raise InputError(f"{name} is too large; give a number of at most 1e100.")
    return found


def field_levels(
    counts: IsingCounts, h: ExactNumber, J: ExactNumber = 1, generic: bool = False
) -> tuple[FieldLevel, ...]:
    """Energies in a field, each with its exact number of configurations.

    Parameters
    ----------
    counts : IsingCounts
        Levels by bonds and magnetisation; without magnetisations only h = 0 is possible.
    h, J : int, float, str or Fraction
        Field and coupling in the same units, of either sign; floats count as the decimal fractions they print as.
    generic : bool
        Keep different (B, M) apart even if their energies coincide at this h: the levels at a field next to h whose
        ratio to J is irrational.  They ascend by bonds, then magnetisation.
    """
    coupling, strength = exact_number(J, "The coupling J"), exact_number(h, "The field h")
    if counts.magnetisation is None and (strength or generic):
        raise InputError(
            "These counts are by energy alone, which a field needs more than; use ising_counts(field=True)."
        )
    magnetisation = counts.magnetisation or (0,) * len(counts.bonds)
    found: dict[tuple[Fraction, int, int], FieldLevel] = {}
    for bonds, m, count in zip(counts.bonds, magnetisation, counts.counts, strict=True):
        energy = -coupling * bonds - strength * m
        key = (energy, bonds, m) if generic else (energy, 0, 0)
        old = found.get(key, FieldLevel(energy, 0, ()))
        found[key] = FieldLevel(energy, old.count + count, (*old.members, (bonds, m)))
    return tuple(found[key] for key in sorted(found))


def ising_landscape(
    shape: tuple[int, int], h: ExactNumber = 0, J: ExactNumber = 1, method: str = "auto", generic: bool = False
) -> Landscape:
    """Energies E = -J B - h M of an H x W torus, units of J, with their exact numbers of configurations.

    Parameters and errors are those of `ising_counts` and of `field_levels`; weights is the number of spins.
    """
    counts = ising_counts(shape, bool(exact_number(h, "The field h")) or generic, method)
    levels = field_levels(counts, h, J, generic)
    energies = np.array([float(level.energy) for level in levels])
    return Landscape.build(math.prod(counts.shape), energies, [level.count for level in levels], counts.method)


def random_energies(
    shape: tuple[int, int],
    fields: Sequence[float] = (0.0, 1.0),
    J: float = 1.0,
    configurations: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Sorted energies of independent, equally likely configurations, the same ones in every field.

    Shape (fields, configurations): E = -J B - h M of a torus of any size for each field h, in the units of J,
    ascending along the last axis.
    """
    H, W = torus_sides(shape)
    if configurations < 1:
        raise InputError(f"The number of configurations is {configurations}; give one or more.")
    if not np.isfinite([J, *fields]).all():
        raise InputError(f"The coupling is {J} and the fields are {tuple(fields)}; give finite numbers.")
    generator = rng.stream(seed, "figure", "ising-landscape", H, W, configurations)
    energies = np.empty((len(fields), configurations))
    for k in range(configurations):
        spins = 2 * generator.integers(0, 2, (H, W)) - 1
        bonds = int((spins * (np.roll(spins, 1, 0) + np.roll(spins, 1, 1))).sum())
        energies[:, k] = -J * bonds - np.asarray(fields) * int(spins.sum())
    return np.sort(energies, axis=1)
