"""Agreement of class angles: between halves of the images, with mirrored images, of two networks, with what is shown.

Points of the *same* images agree whether classes mean anything or not.  Where classes are the question, one half of
every class is therefore compared with the other half, in both orders and for several ways to halve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from physnn import rng
from physnn.analysis.bottleneck.class_angle import from_others, large_classes
from physnn.analysis.bottleneck.decomposition import by_class
from physnn.analysis.bottleneck.heads import class_splits
from physnn.analysis.renormalization.linearised import jackknife
from physnn.analysis.statistics.estimate import Estimate, mean_over

MATCHINGS = 2000
"""Permutations of classes, so that a p-value is 0.0005 at least."""
HALVINGS = 10
"""Ways to halve the images of every class."""
COMPARED_AXES = {"plane": (0, 1), "x": (0,), "y": (1,)}
"""What is compared: both coordinates, or one."""


@dataclass(frozen=True)
class Agreement:
    """How alike the deviations of classes are in two sets of points, over classes.

    Attributes
    ----------
    cosine : Estimate
        sum_c D_c D'_c / (sum_c D_c^2 sum_c D'_c^2)^1/2, with the error by leaving out each class.
    slope : Estimate
        sum_c D_c D'_c / sum_c D_c^2: how much of the first is in the second.
    p_value : float
        Two-sided, of classes that are matched at random; of several halvings twice the median, which is never too
        small (Meinshausen, Meier and Buehlmann, 2009).
    """

    cosine: Estimate
    slope: Estimate
    p_value: float


def agreement(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Agreement:
    """Agreement of mean points of the same classes ``(halvings, classes, d)``, averaged over halvings."""
    n = first.shape[1]
    centred = from_others(first), from_others(second)
    rest = np.array([np.arange(n), *(np.append(np.delete(np.arange(n), k), -1) for k in range(n))])
    kept = rest >= 0
    cosines, slopes = [], []
    for places, use in zip(rest, kept, strict=True):
        a, b = (from_others(points[:, places[use]]) for points in (first, second))
        cosines.append(_cosine(a, b))
        slopes.append(float((a * b).sum() / max(float((a**2).sum()), 1e-300)))
    generator = rng.stream(seed, "bootstrap", "classes")
    matched = generator.permuted(np.tile(np.arange(n), (MATCHINGS, 1)), axis=1)
    p_values = []
    for a, b in zip(*centred, strict=True):
        products = a @ b.T
        drawn = products[np.arange(n), matched].sum(1)
        beyond = np.sum(np.abs(drawn) >= abs(np.trace(products)) * (1 - 1e-12))
        p_values.append((1 + beyond) / (1 + MATCHINGS))
    # Several halvings of the same images are not independent; their mean would be told too often.
    p_value = p_values[0] if len(p_values) == 1 else min(1.0, 2 * float(np.median(p_values)))
    return Agreement(jackknife(np.array(cosines)), jackknife(np.array(slopes)), float(p_value))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Mean cosine of deviations ``(halvings, classes, d)``."""
    products, lengths = (a * b).sum((1, 2)), np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2)))
    return float(np.mean(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)))


def halves_agree(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, axes: str = "plane", seed: int = 0
) -> Agreement:
    """Agreement of points of one half of every class with points of the other half, both ``(images, 2)``.

    With ``second`` the same points it is how reproducible the angles are; else what two networks, or conditions, share
    beyond having been shown the same images.
    """
    kept = large_classes(labels)
    chosen, known = list(COMPARED_AXES[axes]), labels[kept]
    pairs: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for one, other in class_splits(known, HALVINGS, seed):
        for a, b in ((one, other), (other, one)):
            for found, points, half in ((pairs[0], first, a), (pairs[1], second, b)):
                found.append(by_class(points[kept][half][:, chosen].astype(float), known[half]))
    return agreement(np.array(pairs[0]), np.array(pairs[1]), seed)


def unhalved(
    first: np.ndarray, second: np.ndarray, labels: tuple[np.ndarray, np.ndarray], axes: str = "plane", seed: int = 0
) -> Agreement:
    """Agreement of all images of two sets, which may have different ones of the same classes, by ``labels``."""
    known = np.intersect1d(labels[0][large_classes(labels[0])], labels[1][large_classes(labels[1])])
    means = []
    for points, own in zip((first, second), labels, strict=True):
        use = np.isin(own, known)
        means.append(by_class(points[use][:, list(COMPARED_AXES[axes])].astype(float), own[use])[None])
    return agreement(means[0], means[1], seed)


@dataclass(frozen=True)
class MirrorTest:
    """What becomes of points when left and right of the images are exchanged.

    Attributes
    ----------
    x, y : Agreement
        Of the deviations of classes along each axis, images as they are and mirrored.  In the plane of the image the
        cosine of x is -1, and that of y 1.
    stays, flips : Estimate
        Part of the common x that is the same with mirrored images, as of paddings, and part that changes sign, as of
        what images show; errors over classes.
    """

    x: Agreement
    y: Agreement
    stays: Estimate
    flips: Estimate


def mirror_test(points: np.ndarray, mirrored: np.ndarray, labels: np.ndarray, seed: int = 0) -> MirrorTest:
    """MirrorTest of the points ``(images, 2)`` of the same images, as they are and mirrored."""
    x, y = (unhalved(points, mirrored, (labels, labels), axis, seed) for axis in ("x", "y"))
    level = by_class(np.stack([points[:, 0], mirrored[:, 0]], -1).astype(float), labels)
    return MirrorTest(x, y, mean_over(level.sum(1) / 2), mean_over(-np.diff(level, axis=1)[:, 0] / 2))


@dataclass(frozen=True)
class Composition:
    """How much of the deviations of classes is where raw gradients of the images are.

    Attributes
    ----------
    agrees : Agreement
        Of both, one half of the images with the other.
    within : Estimate
        Share of the variance between classes that goes with the line which images *within* classes follow: what they
        do to an image's point, they do to a class's.
    across : Estimate
        Share that a line over classes foretells of a class that it has not seen; below 0 where it foretells nothing.
    rest : ndarray, shape (images, 2)
        Points without what follows gradients within classes.
    """

    agrees: Agreement
    within: Estimate
    across: Estimate
    rest: np.ndarray


def composition(points: np.ndarray, shown: np.ndarray, labels: np.ndarray, seed: int = 0) -> Composition:
    """Composition of points ``(images, 2)``, given those of raw gradients of the same images."""
    kept = large_classes(labels)
    points, shown, labels = (each[kept] for each in (points.astype(float), shown.astype(float), labels))
    known = np.unique(labels)
    place = np.searchsorted(known, labels)
    means = by_class(points, labels), by_class(shown, labels)
    d, g = points - means[0][place], shown - means[1][place]
    moments = np.array([(g[place == k].T @ g[place == k], g[place == k].T @ d[place == k]) for k in range(len(known))])

    def explained(use: np.ndarray) -> float:
        line = np.linalg.pinv(moments[use, 0].sum(0)) @ moments[use, 1].sum(0)
        a, b = (from_others(each[use]) for each in means)
        return 1 - float(((a - b @ line) ** 2).sum() / max(float((a**2).sum()), 1e-300))

    every = np.arange(len(known))
    line = np.linalg.pinv(moments[:, 0].sum(0)) @ moments[:, 1].sum(0)
    return Composition(
        halves_agree(points, shown, labels, seed=seed),
        _over_classes(explained, every),
        _over_classes(lambda use: _foretold(means[0][use], means[1][use]), every),
        points - shown @ line,
    )


def _over_classes(function: Callable[[np.ndarray], float], every: np.ndarray) -> Estimate:
    return jackknife(np.array([function(every), *(function(np.delete(every, k)) for k in every)]))


def _foretold(values: np.ndarray, given: np.ndarray) -> float:
    """Share of the variance of values ``(classes, 2)`` that a line foretells of classes left out, one by one."""
    n = len(values)
    x = np.column_stack([given, np.ones(n)])
    hat = x @ np.linalg.pinv(x)
    rest = (values - hat @ values) / np.maximum(1 - np.diag(hat), 1e-12)[:, None]
    return 1 - float((rest**2).sum() / max(float((from_others(values) ** 2).sum()), 1e-300))


def following(change: np.ndarray, moved: np.ndarray, labels: np.ndarray) -> Estimate:
    """Slope by which points change as images are moved, both ``(images, 2)``, with its error over classes.

    1 where points go with what is shown, 0 where they stay; changes of a class that are no answer to moves are left
    out.
    """
    place = np.searchsorted(np.unique(labels), labels)
    d, m = (each - by_class(each, labels)[place] for each in (change.astype(float), moved.astype(float)))
    n = int(place.max(initial=-1)) + 1
    sums = np.array([((d * m)[place == k].sum(), (m**2)[place == k].sum()) for k in range(n)])
    if n < 2 or not sums[:, 1].sum() > 0:
        return Estimate(math.nan, math.nan)
    rest = sums.sum(0) - sums
    return jackknife(np.array([sums[:, 0].sum() / sums[:, 1].sum(), *(rest[:, 0] / rest[:, 1])]))
