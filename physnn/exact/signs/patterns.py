"""Integer combinations of functions that a sum of random signed units takes, with exact numbers of ways.

A sum ``s_1 h_1 + ... + s_N h_N`` of N units, each with a sign and one of the functions g = 1 .. G or zero, is
``sum_g k_g g`` with integers k_g.  Both signs of each k_g have the same number of ways, so only ``|k_g|`` is kept: a
*pattern*.  Patterns are written as N ids in ascending order, g repeated ``|k_g|`` times and 0 in the places left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Partial = tuple[np.ndarray, np.ndarray]
PACKED_BITS = 62
"""Bits of a word of packed ids."""


class Patterns(NamedTuple):
    """Patterns as ids, shape ``(n, N)`` int32, and their ways (of each choice of signs), object ``(n,)``."""

    ids: np.ndarray
    ways: np.ndarray


def signed_sums(unit: Mapping[int, int], units: int) -> Patterns:
    """Patterns of a sum of units with signs.

    ``ways = N! [z^N] exp(2 w_0 z) prod_g sum_m (w_g z)^(k_g + 2 m) / (m! (k_g + m)!)``, built up function by function
    with binomials so that every number stays an integer; ``unit`` gives the number w_g of weight vectors of one unit
    for each function id, 0 for the zero function, and N is ``units``.
    """
    zero = 2 * unit.get(0, 0)
    ways = np.array([[zero**n for n in range(units + 1)]], object)
    parts = {0: (np.zeros((1, units), np.int32), ways)}
    for g in sorted(unit):
        if g:
            parts = _one_more(parts, g, unit[g], units)
    ids = np.concatenate([ids for ids, _ in parts.values()])
    last = np.concatenate([ways[:, units] for _, ways in parts.values()])
    keep = last != 0
    return Patterns(ids[keep], last[keep])


def _one_more(parts: dict[int, Partial], g: int, w: int, units: int) -> dict[int, Partial]:
    """Partial patterns (by ids written; ways for 0 .. N units placed) with one more function."""
    found: dict[int, list[Partial]] = {}
    for written, (ids, ways) in parts.items():
        for k in range(units - written + 1):
            more = np.zeros(ways.shape, object)
            for m in range((units - k) // 2 + 1):
                n = k + 2 * m
                factors = [math.comb(total, n) * math.comb(n, m) * w**n for total in range(n, units + 1)]
                more[:, n:] += ways[:, : units + 1 - n] * np.array(factors, object)
            new = ids.copy()
            new[:, written : written + k] = g
            found.setdefault(written + k, []).append((new, more))
    return {
        written: (np.concatenate([ids for ids, _ in found_]), np.concatenate([ways for _, ways in found_]))
        for written, found_ in found.items()
    }


def merged_patterns(parts: list[Patterns]) -> Patterns:
    """Patterns, each once, with all its ways."""
    ids, ways = np.concatenate([p.ids for p in parts]), np.concatenate([p.ways for p in parts])
    bits = max(1, int(ids.max(initial=0)).bit_length())
    words = []
    for first in range(0, ids.shape[1], PACKED_BITS // bits):
        word = np.zeros(len(ids), np.int64)
        for column in ids[:, first : first + PACKED_BITS // bits].T:
            word = (word << bits) | column
        words.append(word)
    order = np.lexsort(words)
    new = np.ones(len(ids), bool)
    new[1:] = np.any([word[order[1:]] != word[order[:-1]] for word in words], axis=0)
    starts = np.flatnonzero(new)
    return Patterns(ids[order[starts]], np.add.reduceat(ways[order], starts))


def coefficients(ids: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """``(rows, functions, k)`` for each number r of functions in a pattern.

    ``functions`` and ``k > 0`` have shape ``(n, r)``; ``rows`` says which patterns these are.
    """
    new = ids != 0
    new[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    rank = np.cumsum(new, axis=1) - 1
    numbers = rank[:, -1] + 1
    found = []
    for r in np.unique(numbers):
        rows = np.flatnonzero(numbers == r)
        functions, k = np.zeros((len(rows), r), np.int32), np.zeros((len(rows), r), np.int32)
        at, column = np.nonzero(ids[rows])
        np.add.at(k, (at, rank[rows[at], column]), 1)
        functions[at, rank[rows[at], column]] = ids[rows[at], column]
        found.append((rows, functions, k))
    return found


def sign_choices(r: int) -> np.ndarray:
    """All choices of r signs, shape ``(2^r, r)``."""
    return 1.0 - 2.0 * ((np.arange(2**r)[:, None] >> np.arange(r)) & 1)
