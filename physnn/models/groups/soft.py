"""Symmetries that weights may have in part: their names, and which weights they would make equal.

A symmetry acts on the weights of a layer by a representation of its group, which here permutes them: offsets or places
of a filter move, and channels that are copies of the regular field of D4 change places.  So the weights that commute
with a group are equal along its orbits.  Their projection is the mean over each orbit, the *deviation* what is left,

    w - P w,        P w(k) = mean of w over the orbit of k.

The penalty of a symmetry is its strength times the squared length of the deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.models.groups.kernels import moved_offsets
from physnn.models.groups.representations import PointGroup

SOFT_SYMMETRIES = {"translation": "", "flip": "d1", "half-turn": "c2", "rotation": "c4", "d2": "d2", "d4": "d4"}
"""Names of symmetries, with the point group of each; translations have none."""
AUTO = "auto"
"""Word for a strength that is tuned while a network trains."""
TWO_CONVOLUTIONS = ("first", "second", "hidden", "output")
"""Layers of a network of two convolutions and a hidden layer, each with strengths of its own."""
DRAWN_LAYERS = {
    "resnet18": ("first", *(f"block {k}" for k in range(1, 9)), "output"),
    "mobilenet": ("first", *(f"block {k}" for k in range(1, 9)), "last", "output"),
}
"""Layers of deeper networks."""
REGULAR_COMPONENTS = 8
"""Components of the regular field of D4."""


class SoftSymmetry(NamedTuple):
    """A symmetry by its name, with its strength: None where that is tuned."""

    name: str
    strength: float | None

    @property
    def word(self) -> str:
        """Both in one word, as `soft_symmetries` reads them."""
        return f"{self.name}:{AUTO if self.strength is None else format(self.strength, 'g')}"


def soft_symmetries(words: Sequence[str]) -> tuple[SoftSymmetry, ...]:
    """Symmetries of words such as ``flip:auto`` and ``rotation:0.1``.

    Raises
    ------
    InputError
        If a word has no strength, one that is not a finite number from 0 on, an unknown name, or that of another.
    """
    found: list[SoftSymmetry] = []
    for word in words:
        name, _, strength = word.partition(":")
        if name not in SOFT_SYMMETRIES:
            raise InputError(f"there is no symmetry {name[:40]!r}; take one of {', '.join(SOFT_SYMMETRIES)}")
        if name in (one.name for one in found):
            raise InputError(f"the symmetry {name} is given twice; give it one strength")
        found.append(SoftSymmetry(name, None if strength == AUTO else _number(name, strength)))
    return tuple(found)


def _number(name: str, text: str) -> float:
    try:
        strength = float(text)
    except ValueError:
        strength = math.nan
    if not (math.isfinite(strength) and strength >= 0):
        told = f"not {text[:40]!r}" if text else "as in flip:auto"
        raise InputError(f"the strength of {name} is {AUTO} or a number from 0 on, {told}")
    return strength


@dataclass(frozen=True, eq=False)
class WeightOrbits:
    """Weights of a network in one vector, and what symmetries would make equal.

    Attributes
    ----------
    symmetries, layers : tuple of str
        Names.
    number : ndarray of int64, shape (symmetries, P)
        Number of the orbit of every weight; a weight that nothing moves is an orbit of its own.
    layer : ndarray of int64, shape (P,)
        Number of its layer.
    """

    symmetries: tuple[str, ...]
    layers: tuple[str, ...]
    number: NDArray[np.int64]
    layer: NDArray[np.int64]

    @cached_property
    def counts(self) -> tuple[NDArray[np.int64], ...]:
        """Weights in every orbit, by symmetry."""
        return tuple(np.bincount(number) for number in self.number)

    @cached_property
    def deviating(self) -> NDArray[np.float64]:
        """Share of the dimensions of weights that deviates: of squares at random, shape (symmetries, layers)."""
        weights = np.bincount(self.layer, minlength=len(self.layers))
        one = [
            np.bincount(self.layer, 1 / c[n], len(self.layers)) for n, c in zip(self.number, self.counts, strict=True)
        ]
        return 1 - np.array(one).reshape(-1, len(self.layers)) / weights

    def projected(self, weights: NDArray[np.float32], symmetry: int) -> NDArray[np.float64]:
        """Weights ``(..., P)`` averaged over orbits."""
        number, counts = self.number[symmetry], self.counts[symmetry]
        rows = weights.reshape(-1, weights.shape[-1])
        means = np.stack([np.bincount(number, row, len(counts)) / counts for row in rows])
        return np.asarray(means[:, number].reshape(weights.shape), np.float64)

    def by_layer(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums ``(..., layers)`` of values ``(..., P)``."""
        rows = values.reshape(-1, values.shape[-1])
        sums = [np.bincount(self.layer, row, len(self.layers)) for row in rows]
        return np.array(sums, np.float64).reshape(*values.shape[:-1], len(self.layers))

    def deviations(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """How far weights ``(replicas, P)`` are from each symmetry, shape (replicas, symmetries, layers).

        Squared length of the deviation over that of the weights, in units of its mean for random weights: 0 is
        equivariant, and about 1 is no nearer than chance.  It is 0 where weights cannot deviate.
        """
        whole = self.by_layer(weights.astype(np.float64) ** 2)[:, None]
        parts = [self.by_layer((weights - self.projected(weights, s)) ** 2) for s in range(len(self.symmetries))]
        below = whole * self.deviating
        return np.divide(np.stack(parts, 1), below, out=np.zeros((len(weights), *below.shape[1:])), where=below > 0)


def moved_channels(point: str, channels: int, regular: bool) -> NDArray[np.int64]:
    """Place that every element of a point group takes every channel to, shape (elements, channels).

    Channels are copies of the regular field of D4, whose component h an element g takes to that of g h, or are left
    alone.

    Raises
    ------
    InputError
        If they should be copies, and their number is not divisible by 8.
    """
    places = np.arange(channels)
    if not regular:
        return np.tile(places, (len(PointGroup(point).matrices), 1))
    if channels % REGULAR_COMPONENTS:
        raise InputError(f"{channels} channels are no copies of the {REGULAR_COMPONENTS} components of a field of D4")
    copies, component = np.divmod(places, REGULAR_COMPONENTS)
    table = _full().group.table
    return np.stack([copies * REGULAR_COMPONENTS + table[g, component] for g in _elements(point)])


@lru_cache(maxsize=1)
def _full() -> PointGroup:
    return PointGroup("d4")


def _elements(point: str) -> list[int]:
    """Elements of a point group by their numbers in D4."""
    whole = _full().matrices
    return [int(np.flatnonzero((whole == p).all(axis=(1, 2)))[0]) for p in PointGroup(point).matrices]


def filter_orbits(point: str, shape: tuple[int, int, int], regular: tuple[bool, bool]) -> NDArray[np.int64]:
    """Least weight of the orbit of every weight of filters under a point group, shape (outputs * inputs * side^2,).

    Parameters
    ----------
    point : str
        One of `POINT_GROUPS`.
    shape : tuple of int
        Outputs, inputs and side of the filters.
    regular : tuple of bool
        Whether outputs and inputs are copies of the regular field of D4; else they are left alone.
    """
    outputs, inputs, side = shape
    out, into = moved_channels(point, outputs, regular[0]), moved_channels(point, inputs, regular[1])
    offsets = moved_offsets(PointGroup(point), side)
    moved = (out[:, :, None, None] * inputs + into[:, None, :, None]) * side**2 + offsets[:, None, None, :]
    return np.asarray(moved.reshape(len(moved), -1).min(axis=0))


def place_orbits(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Least weight of the orbit of every weight under translations, where a layer sees all places at once.

    Weights ``(outputs, inputs, side, side)`` of a layer without places in its output that commutes with translations
    are equal at all places.
    """
    outputs, inputs, side = shape
    return np.repeat(np.arange(outputs * inputs) * side**2, side**2)
