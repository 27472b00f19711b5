"""Sectors of quantum spins: states with a sum of spins, and how they change under the symmetries of the lattice.

A configuration is a whole number of N bits: the first site is the highest, a bit is 0 for s = +1 and 1 for s = -1, so
that a vector of all 2^N amplitudes has the order of products of single spins.  A group of symmetries with characters
+-1 has one state per orbit, ``|r~> = sum_(x in orbit) chi(x) |x> / sqrt(orbit)``; orbits that a symmetry returns to
themselves with the character -1 have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.models.quantum import QuantumModel

MOST_SITES = 24
"""Sites whose 2^N configurations are still tabulated."""
TABLE_BITS = 12
"""Bits of a table that permutations are looked up in."""

Configurations = NDArray[np.int32]
Element = tuple[tuple[int, ...], bool, int]


@dataclass(frozen=True)
class Sector:
    """Characters of the symmetries that a state must have; what is not asked for is None.

    Parameters
    ----------
    total : int, optional
        Sum of all s, of models that conserve it.
    flip : int, optional
        +1 or -1 under the change of every s (of a state of sum 0, where the sum is conserved).
    shift : tuple of int, optional
        +1 or -1 under a shift by one site along every axis of a periodic lattice: momentum 0 or pi.
    mirror : tuple of int, optional
        +1 or -1 under reflection of every axis.
    swap : int, optional
        +1 or -1 under exchange of the axes of a square of equal sides.
    """

    total: int | None = None
    flip: int | None = None
    shift: tuple[int, ...] | None = None
    mirror: tuple[int, ...] | None = None
    swap: int | None = None


class Basis(NamedTuple):
    """States of a sector.

    Attributes
    ----------
    words : ndarray of int32, shape (states,)
        One configuration of every state, the smallest number of its orbit, ascending.
    orbits : ndarray of int, shape (states,)
        Configurations in the orbit.
    row : ndarray of int, shape (2^N,)
        State that each configuration belongs to, -1 for none.
    sign : ndarray of int, shape (2^N,)
        Its character there.
    """

    words: Configurations
    orbits: Configurations
    row: NDArray[np.int32]
    sign: NDArray[np.int8]


def whole_symmetry(model: QuantumModel) -> Sector:
    """Sector of states that no symmetry of the lattice changes, nor the flip where it keeps the sum; sum 0 or 1."""
    axes = len(model.sides)
    total = model.N % 2 if model.conserves else None
    square = axes == 2 and model.sides[0] == model.sides[1]
    return Sector(
        total, None if total else 1, (1,) * axes if model.periodic else None, (1,) * axes, 1 if square else None
    )


def group_of(model: QuantumModel, sector: Sector) -> list[Element]:
    """Symmetries of a sector: for each, the site that comes to every site, whether all s flip, and the character.

    Raises
    ------
    InputError
        If the lattice lacks a symmetry, or the characters contradict each other.
    """
    _check(model, sector)
    sites = np.arange(model.N).reshape(model.sides)
    generators = [(np.roll(sites, 1, axis).ravel(), False, c) for axis, c in enumerate(sector.shift or ())]
    generators += [(np.flip(sites, axis).ravel(), False, c) for axis, c in enumerate(sector.mirror or ())]
    generators += [(sites.T.ravel(), False, sector.swap)] if sector.swap else []
    generators += [(sites.ravel(), True, sector.flip)] if sector.flip else []
    start = (tuple(range(model.N)), False)
    found: dict[tuple[tuple[int, ...], bool], int] = {start: 1}
    queue = [start]
    while queue:
        origins, flips = queue.pop()
        for moved, flip, character in generators:
            element = (tuple(origins[site] for site in moved), flips != flip)
            value = found[origins, flips] * character
            if element not in found:
                queue.append(element)
            if found.setdefault(element, value) != value:
                raise InputError(f"No state has the characters of {sector}: they contradict each other.")
    return [(origins, flips, character) for (origins, flips), character in found.items()]


def _check(model: QuantumModel, sector: Sector) -> None:
    """Raise `InputError` unless the model has the symmetries of the sector."""
    axes = len(model.sides)
    characters = (*(sector.shift or ()), *(sector.mirror or ()), sector.swap or 1, sector.flip or 1)
    if set(characters) - {1, -1} or any(len(given) != axes for given in (sector.shift, sector.mirror) if given):
        raise InputError(f"{sector} does not fit {axes} axes: give +1 or -1 for each.")
    if sector.shift and not model.periodic:
        raise InputError("An open lattice has no shifts; leave them out.")
    if sector.swap and (axes == 1 or len(set(model.sides)) > 1):
        raise InputError(f"A lattice with sides {model.sides} has no axes to exchange; leave the exchange out.")
    if sector.total is not None and not model.conserves:
        raise InputError(f"The model {model.name} does not conserve the sum of spins; leave it out.")
    if sector.total is not None and (abs(sector.total) > model.N or (sector.total - model.N) % 2):
        raise InputError(f"{model.N} spins cannot have the sum {sector.total}.")
    if sector.flip and sector.total:
        raise InputError("A flip of all spins changes their sum; give the sum 0 or no flip.")


def basis_of(model: QuantumModel, sector: Sector) -> Basis:
    """States of a sector of a model; raises `InputError` above `MOST_SITES` sites, or where there is no state."""
    N = model.N
    if N > MOST_SITES:
        raise InputError(f"{N} sites have more configurations than are tabulated: at most {MOST_SITES} sites.")
    words = np.arange(1 << N, dtype=np.int32)
    if sector.total is not None:
        words = words[_minus_signs(words) == (N - sector.total) // 2]
    group = group_of(model, sector)
    smallest, sign = words.copy(), np.ones(len(words), np.int8)
    for element in group[1:]:
        image = _moved(words, element, N)
        better = image < smallest
        np.copyto(smallest, image, where=better)
        np.copyto(sign, np.int8(element[2]), where=better)
    first = words[smallest == words]
    same = np.array([_moved(first, element, N) == first for element in group])
    alive = ~np.any(same & (np.array([c for _, _, c in group]) < 0)[:, None], axis=0)
    if not alive.any():
        raise InputError(f"No state has the characters of {sector}.")
    place = np.full(1 << N, -1, np.int32)
    place[first[alive]] = np.arange(np.count_nonzero(alive))
    row, signs = np.full(1 << N, -1, np.int32), np.ones(1 << N, np.int8)
    row[words], signs[words] = place[smallest], sign
    return Basis(first[alive], len(group) // same.sum(axis=0)[alive], row, signs)


def spins_of(words: Configurations, N: int) -> NDArray[np.int8]:
    """Spins +-1 of configurations, shape (..., N)."""
    return (1 - 2 * ((words[..., None] >> np.arange(N - 1, -1, -1)) & 1)).astype(np.int8)


def _minus_signs(words: Configurations) -> NDArray[np.int8]:
    """Number of spins -1 in every configuration."""
    counts = np.array([bin(k).count("1") for k in range(1 << TABLE_BITS)], np.int8)
    return np.asarray(counts[words >> TABLE_BITS] + counts[words & ((1 << TABLE_BITS) - 1)])


def _moved(words: Configurations, element: Element, N: int) -> Configurations:
    """Configurations after a symmetry, by tables of both halves of a word."""
    origins, flips, _ = element
    halves = np.arange(1 << TABLE_BITS, dtype=np.int32)
    low, high = np.zeros(1 << TABLE_BITS, np.int32), np.zeros(1 << TABLE_BITS, np.int32)
    for site, origin in enumerate(origins):
        bit, target = N - 1 - origin, N - 1 - site
        table, bit = (low, bit) if bit < TABLE_BITS else (high, bit - TABLE_BITS)
        table |= ((halves >> bit) & 1) << target
    moved = high[words >> TABLE_BITS] | low[words & ((1 << TABLE_BITS) - 1)]
    return np.asarray(moved ^ np.int32((1 << N) - 1) if flips else moved)
