"""Joint histograms over all configurations of a few discrete variables.

Any sum over configurations whose weight depends on a few integers alone (energy and magnetisation of a spin lattice,
loss and overlap of a network with +-1 weights) is a sum over the levels of such a histogram, exactly, at every
temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.exact.ising.torus import Floats, Integers

States = NDArray[np.int8]

LARGEST_ENUMERATION = 2**22
"""Largest number of configurations that are enumerated: more take minutes, and there are better methods."""
ENUMERATION_BLOCK = 2**14
"""Configurations in memory together: some megabytes of spins and products."""


@dataclass(frozen=True)
class Histogram:
    """Numbers of configurations with given integer properties; all arrays are read-only.

    Attributes
    ----------
    names : tuple of str
        Names of the integer properties.
    levels : ndarray of int64, shape (n, len(names))
        The distinct rows of properties that occur, in lexicographic order.
    counts : ndarray of int64, shape (n,)
        Configurations of each level; they add up to the number of all configurations.
    means : dict of str to ndarray of float64, shape (n,)
        Averages of further, real properties over the configurations of each level (microcanonical averages).
    """

    names: tuple[str, ...]
    levels: Integers
    counts: Integers
    means: dict[str, Floats]

    def column(self, name: str) -> Integers:
        """Property of every level, shape (n,)."""
        if name not in self.names:
            raise InputError(f"There is no level {name!r} in this histogram; use one of: {', '.join(self.names)}.")
        return self.levels[:, self.names.index(name)]

    def marginal(self, *names: str) -> Histogram:
        """Histogram of fewer properties."""
        kept = np.stack([self.column(name) for name in names], axis=1)
        sums = {name: mean * self.counts for name, mean in self.means.items()}
        return _merge(names, kept, self.counts, sums)

    def probabilities(self, log_weight: Floats) -> Floats:
        """Probability g exp(w) / sum g exp(w) of each level; w is the log weight of one configuration, such as -E/T."""
        log_p = np.log(self.counts) + log_weight
        p = np.exp(log_p - log_p.max())
        return np.asarray(p / p.sum())


def configurations(sites: int, states: int, block: int = ENUMERATION_BLOCK) -> Iterator[States]:
    """All states**sites configurations, as arrays (at most block, sites) with entries 0 .. states - 1."""
    total = states**sites
    powers = states ** np.arange(sites)
    for start in range(0, total, block):
        index = np.arange(start, min(start + block, total))
        yield (index[:, None] // powers % states).astype(np.int8)


def enumerate_levels(
    sites: int,
    states: int,
    names: tuple[str, ...],
    properties: Callable[[States], tuple[Integers, dict[str, Floats]]],
) -> Histogram:
    """Histogram of all configurations by their integer properties.

    Parameters
    ----------
    sites, states : int
        Number of variables, and of values of each; `InputError` if states**sites exceeds 2**22.
    names : tuple of str
        Names of the integer properties.
    properties : callable
        Gets configurations, shape (b, sites), with entries 0 .. states - 1; returns their integer properties, shape
        (b, len(names)), and a dict of further real properties, each of shape (b,), which are averaged in each level.
    """
    if states**sites > LARGEST_ENUMERATION:
        raise InputError(
            f"{sites} variables with {states} values have {states**sites} configurations, too many to enumerate: "
            f"use fewer variables, so that there are at most {LARGEST_ENUMERATION}."
        )
    blocks = []
    for chosen in configurations(sites, states):
        levels, real = properties(chosen)
        blocks.append(_group(levels, np.ones(len(levels), np.int64), real))
    levels, counts = (np.concatenate([block[k] for block in blocks]) for k in (0, 1))
    sums = {name: np.concatenate([block[2][name] for block in blocks]) for name in blocks[0][2]}
    return _merge(names, levels, counts, sums)


def _group(levels: Integers, counts: Integers, sums: dict[str, Floats]) -> tuple[Integers, Integers, dict[str, Floats]]:
    """Add up the counts and sums of equal rows of levels."""
    low = levels.min(axis=0)
    extents = levels.max(axis=0) - low + 1
    key = np.ravel_multi_index(tuple((levels - low).T), tuple(extents))
    distinct, row = np.unique(key, return_inverse=True)
    total = np.zeros(len(distinct), np.int64)
    np.add.at(total, row, counts)
    rows = np.stack(np.unravel_index(distinct, tuple(extents)), axis=1) + low
    added = {name: np.bincount(row, value, len(distinct)).astype(np.float64) for name, value in sums.items()}
    return rows, total, added


def _merge(names: tuple[str, ...], levels: Integers, counts: Integers, sums: dict[str, Floats]) -> Histogram:
    levels, counts, sums = _group(levels, counts, sums)
    means: dict[str, Floats] = {name: np.asarray(value / counts, np.float64) for name, value in sums.items()}
    for array in (levels, counts, *means.values()):
        array.flags.writeable = False
    return Histogram(names, levels, counts, means)
