"""Blocks of lattice configurations, and sums of products over their sites, on whole stacks of configurations.

A shape is displacements ``((0, 0), (row, column), ...)`` of the sites of a product, and a group of shapes are those
that lattice symmetries map on each other.  Fields are +-1 spins, or whether a site has a colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from physnn.errors import InputError

SiteProduct = tuple[tuple[int, int], ...]
"""Displacements (row, column) of the sites of a product."""
COUNTING_TABLE = 2**23
"""Numbers in a table of all surroundings at most; where there are more, those that are met are sorted."""


def check_blocks(shape: tuple[int, ...], b: int) -> None:
    """Raise InputError unless blocks of ``b x b`` sites cover configurations (..., row, column)."""
    if b < 2 or shape[-2] % b or shape[-1] % b:
        raise InputError(f"blocks of {b} x {b} do not cover a lattice of {shape[-2]} x {shape[-1]}")


def decimated(colours: np.ndarray, b: int) -> np.ndarray:
    """Colours of the first site of every block, (n, row / b, column / b); raises InputError if blocks do not fit."""
    check_blocks(colours.shape, b)
    return np.ascontiguousarray(colours[:, ::b, ::b])


def majority(colours: np.ndarray, b: int, q: int, generator: np.random.Generator) -> np.ndarray:
    """Most frequent colours of blocks; one of those that are equally frequent is drawn.

    Parameters
    ----------
    colours : ndarray of int8, shape (n, row, column)
        Colours 0 to ``q - 1``.
    b, q : int
        Side of a block, number of colours.
    generator : numpy.random.Generator
        Draws where there is a tie, configuration by configuration.

    Returns
    -------
    ndarray of int8, shape (n, row / b, column / b)

    Raises
    ------
    InputError
        If blocks do not cover the lattice.
    """
    check_blocks(colours.shape, b)
    known = [_sums_of_blocks(colours == c, b) for c in range(1, q)]
    counts = np.stack([b * b - np.sum(known, axis=0, dtype=np.int16), *known])
    most = counts == counts.max(0)
    found = most.argmax(0).astype(np.int8)
    ties = np.nonzero(most.sum(0) > 1)
    choices = most[(slice(None), *ties)].astype(np.int8)
    # The k-th of those that are tied, k uniform.
    k = (generator.random(choices.shape[1]) * choices.sum(0)).astype(np.int8)
    found[ties] = (choices.cumsum(0, dtype=np.int8) > k).argmax(0)
    return np.asarray(found)


def _sums_of_blocks(field: np.ndarray, b: int) -> np.ndarray:
    """Numbers of sites in blocks of ``b x b`` where a field is true, int16."""
    whole = field.view(np.int8)
    rows = whole[:, ::b].astype(np.int16)
    for k in range(1, b):
        rows += whole[:, k::b]
    found = rows[:, :, ::b].copy()
    for k in range(1, b):
        found += rows[:, :, k::b]
    return found


def _moved(field: np.ndarray, by: tuple[int, int]) -> np.ndarray:
    """Field whose value at a site is that at the site displaced by ``by``, on the torus."""
    return np.roll(field, (-by[0], -by[1]), (-2, -1)) if any(by) else field


def _product(field: np.ndarray, displacements: Sequence[tuple[int, int]]) -> np.ndarray:
    """Product of a field over the sites at displacements, at every site."""
    first, *others = displacements
    found = _moved(field, first)
    for by in others:
        found = found * _moved(field, by)
    return found


def shape_sums(field: np.ndarray, shapes: Sequence[SiteProduct]) -> np.ndarray:
    """Sum over all sites and shapes of a group of the products of a field, float64 (n,).

    ``field`` is int8 of shape (n, row, column), periodic.
    """
    n, sites = len(field), field.shape[-2] * field.shape[-1]
    found = np.zeros(n)
    for shape in shapes:
        found += _product(field, shape).reshape(n, sites).sum(1, dtype=np.int32)
    return found


def sums_around(field: np.ndarray, shapes: Sequence[SiteProduct]) -> np.ndarray:
    """Sum of all products that contain a site, without the factor of the site itself, int8 (n, row, column).

    ``field`` is as for `shape_sums`; no two sites of a product are the same.
    """
    found = np.zeros_like(field)
    for shape in shapes:
        for y, x in shape:
            found += _product(field, [(v - y, u - x) for v, u in shape if (v, u) != (y, x)])
    return found


def environments(
    colours: np.ndarray, q: int, groups: Sequence[Sequence[SiteProduct]], signs: bool, bins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct surroundings of sites, and how often each is met.

    Parameters
    ----------
    colours : ndarray of int8, shape (n, row, column)
        Configurations.
    q : int
        Number of colours.
    groups : sequence
        Shapes of every operator.
    signs : bool
        Whether products are those of spins ``1 - 2 * colour``, else of whether sites have a colour, for every colour.
    bins : ndarray of int, shape (n,)
        Number of the bin of a configuration.

    Returns
    -------
    fields : ndarray of float64, shape (kinds, q, operators)
        What a site would add to every operator if it had a colour.
    colour : ndarray of int64, shape (kinds,)
        Colour that it has.
    counts : ndarray of int64, shape (kinds, bins)
        Number of sites.

    Raises
    ------
    InputError
        If there are so many operators and colours that kinds cannot be numbered.
    """
    fields = [1 - 2 * colours] if signs else [(colours == c).astype(np.int8) for c in range(q)]
    # Sums of so many spins are all even, or all odd.
    step, radices = 1 + int(signs), list[tuple[int, int]]()
    code: np.ndarray = colours.astype(np.int64).reshape(-1)
    for shapes in groups:
        for field in fields:
            sums = sums_around(field, shapes).reshape(-1)
            lowest, highest = int(sums.min()), int(sums.max())
            radices.append((lowest, (highest - lowest) // step + 1))
            code *= radices[-1][1]
            code += (sums - np.int16(lowest)) // np.int16(step)
    span = float(q) * math.prod(radix for _, radix in radices)
    if span > 2.0**62:
        raise InputError(f"{len(groups)} operators of {q} colours have too many values: take fewer operators")
    kinds, counts = _counted(code, int(span), np.repeat(bins, colours[0].size), int(bins.max()) + 1)
    values = np.empty((len(kinds), len(groups), len(fields)))
    for k in reversed(range(len(radices))):
        lowest, radix = radices[k]
        values[:, k // len(fields), k % len(fields)] = kinds % radix * step + lowest
        kinds = kinds // radix
    both = values * np.array([1.0, -1.0]) if signs else values
    return both.transpose(0, 2, 1), kinds, counts


def _counted(code: np.ndarray, span: int, bins: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct codes below ``span``, and how often each is met in each of ``number`` bins."""
    if span * number <= COUNTING_TABLE:
        counts = np.bincount(code * number + bins, minlength=span * number).reshape(span, number)
        kinds = np.nonzero(counts.any(1))[0]
        return kinds, counts[kinds]
    kinds, inverse = np.unique(code, return_inverse=True)
    counts = np.bincount(inverse.reshape(-1) * number + bins, minlength=len(kinds) * number)
    return kinds, counts.reshape(-1, number)
