"""What of a map's centre over border comes from padding and what from images, with errors over images and classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn.analysis.renormalization.linearised import jackknife
from physnn.analysis.statistics.estimate import Estimate, mean_over

FEWEST_CLASSES = 5
"""Classes from which on a shape is judged."""
ALPHA = 0.01
"""Probability of calling a flat profile a shape, over all its shells together."""


def leaving_one_out(function: Callable[[np.ndarray], np.ndarray], draws: np.ndarray) -> Estimate:
    """Function of the mean of independent draws, with the error by leaving out each.

    Parameters
    ----------
    function : callable
        Takes means ``(..., moments)``, returns ``(...)``.
    draws : ndarray, shape (draws, moments)
        Two or more; with one the error is NaN.
    """
    n = len(draws)
    value = float(function(draws.mean(0)))
    if n < 2:
        return Estimate(value, math.nan)
    without = np.asarray(function((draws.sum(0) - draws) / (n - 1)), float)
    return jackknife(np.array([value, *without]))


def by_class(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Means over the images of every class that has some, ``(classes, ...)``, of values ``(images, ...)``."""
    return np.stack([values[labels == label].mean(0) for label in np.unique(labels)])


@dataclass(frozen=True)
class WithBoth:
    """A number of all images, with its error over classes and over images; the former is what other classes vary by."""

    over_classes: Estimate
    over_images: Estimate

    @property
    def value(self) -> float:
        """The number: every class counts alike."""
        return self.over_classes.value

    def __str__(self) -> str:
        if not math.isfinite(self.over_classes.error):
            return f"{self.over_images} over images"
        return str(self.over_classes)


def with_both(function: Callable[[np.ndarray], np.ndarray], draws: np.ndarray, labels: np.ndarray) -> WithBoth:
    """Function of mean moments of images ``(images, moments)``; classes count alike."""
    classes = by_class(draws, labels)
    balanced = draws
    counts = np.bincount(labels)[labels]
    if len(np.unique(counts)) > 1:  # images of rare classes count more
        weights = len(labels) / (len(classes) * counts)
        balanced = draws.mean(0) + weights[:, None] * (draws - draws.mean(0))
        balanced = balanced - balanced.mean(0) + classes.mean(0)
    return WithBoth(leaving_one_out(function, classes), leaving_one_out(function, balanced))


def log_ratio_of(moments: np.ndarray) -> np.ndarray:
    """Logarithm of the first moment over the second, ``(..., 2)``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(moments[..., 0]) - np.log(moments[..., 1]))


def ratio_of(moments: np.ndarray) -> np.ndarray:
    """The first moment over the second, ``(..., 2)``."""
    return np.asarray(np.exp(log_ratio_of(moments)))


@dataclass(frozen=True)
class Decomposition:
    """Logarithm of centre over border of a layer, as a sum of what makes it.

    Attributes
    ----------
    total : WithBoth
        ln R of the images as they are.
    content, padding : WithBoth
        ln R under circular paddings, and of rolled images, each less that with neither.
    both : WithBoth
        What is there only with both: total - content - padding - neither.
    neither : WithBoth
        ln R of rolled images under circular paddings: 0 but for chance.
    """

    layer: str
    total: WithBoth
    content: WithBoth
    padding: WithBoth
    both: WithBoth
    neither: WithBoth


NEEDED_CONTROLS = ("none", "circular", "zero-roll", "circular-roll")
"""Controls of a decomposition, in the order in which its signs count them."""
SIGNS: Mapping[str, tuple[int, int, int, int]] = {
    "total": (1, 0, 0, 0),
    "content": (0, 1, 0, -1),
    "padding": (0, 0, 1, -1),
    "both": (1, -1, -1, 1),
    "neither": (0, 0, 0, 1),
}


def decomposition(layer: str, centre: np.ndarray, border: np.ndarray, labels: np.ndarray) -> Decomposition:
    """Decomposition of a layer.

    Parameters
    ----------
    layer : str
        Its name.
    centre, border : ndarray, shape (4, images)
        Energies under the controls `NEEDED_CONTROLS`, of the same images.
    labels : ndarray of int, shape (images,)
        Classes.
    """
    draws = np.stack([centre, border], -1).transpose(1, 0, 2).reshape(centre.shape[1], -1).astype(float)

    def part(signs: Sequence[int]) -> WithBoth:
        def function(means: np.ndarray) -> np.ndarray:
            return np.asarray(log_ratio_of(means.reshape(*means.shape[:-1], 4, 2)) @ np.array(signs, float))

        return with_both(function, draws, labels)

    return Decomposition(layer, **{name: part(signs) for name, signs in SIGNS.items()})


def radial_profile(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radii and mean energies over the cells of every shell of maps ``(..., rows, columns)``.

    Shells are about the middle of the grid, within the inscribed circle; radii are in units of half the side.  A shell
    holds the cells whose radius rounds to its number of cells.
    """
    rows, columns = maps.shape[-2:]
    y = (np.arange(rows) - (rows - 1) / 2)[:, None]
    x = (np.arange(columns) - (columns - 1) / 2)[None, :]
    side = min(rows, columns)
    r = np.hypot(y * side / rows, x * side / columns)
    number = np.floor(r + 0.5 * (side % 2)).astype(int)
    shells = [number == n for n in range(int(number[r <= side / 2].max(initial=0)) + 1)]
    shells = [shell & (r <= side / 2) for shell in shells]
    shells = [shell for shell in shells if shell.any()]
    radii = np.array([r[shell].mean() for shell in shells]) / (side / 2)
    return radii, np.stack([maps[..., shell].mean(-1) for shell in shells], -1)


@dataclass(frozen=True)
class RadialShape:
    """Radial profile over classes, relative to the mean of its shells, and what shape that is.

    Attributes
    ----------
    radii : ndarray
        In units of half the side.
    profile : tuple of Estimate
        Mean over classes.
    verdict : str
        ``bump`` (highest in the middle, lower at the rim), ``hat`` (a bump whose rim rises again), ``ring`` (highest
        between middle and rim), ``dip`` (lower in the middle than at the rim), ``flat``, or ``undecided``.
    """

    radii: np.ndarray
    profile: tuple[Estimate, ...]
    verdict: str


def radial_shape(maps: np.ndarray) -> RadialShape:
    """RadialShape of the mean maps of classes ``(classes, rows, columns)``.

    Differences between shells are tested over classes, paired, with Student's distribution; all of them together call
    a flat profile a shape with probability `ALPHA` at most (Bonferroni).  Fewer than `FEWEST_CLASSES` classes, or three
    shells, decide nothing.
    """
    radii, profiles = radial_profile(maps)
    level = profiles.mean(-1, keepdims=True)
    profiles = np.divide(profiles, level, out=np.ones_like(profiles), where=level > 0)
    means = tuple(mean_over(each) for each in profiles.T)
    n, shells = profiles.shape
    if n < FEWEST_CLASSES or shells < 3:
        return RadialShape(radii, means, "undecided")
    tests = 3 * (shells - 1)
    limit = float(special.stdtrit(n - 1, 1 - ALPHA / (2 * tests)))

    def above(a: int, b: int) -> bool:
        """Whether shell a is higher than shell b beyond chance."""
        d = profiles[:, a] - profiles[:, b]
        error = d.std(ddof=1) / math.sqrt(n)
        return bool(d.mean() > max(limit * error, 1e-6))

    last, inner = shells - 1, range(1, shells - 1)
    if any(above(k, 0) and above(k, last) for k in inner):
        verdict = "ring"
    elif above(last, 0):
        verdict = "dip"
    elif above(0, last):
        verdict = "hat" if any(above(last, k) for k in inner) else "bump"
    else:
        differs = any(above(a, b) for a in range(shells) for b in (0, last) if a != b)
        verdict = "undecided" if differs else "flat"
    return RadialShape(radii, means, verdict)
