"""Class angles: whether the images of a class lie to one side of where images lie, and to which.

Every image has a point in the plane, such as its centre of energy.  What all classes share, such as an offset by
paddings, is no class angle: a class's deviation is its mean point less the mean over the *other* classes.  Its error
has two parts, the scatter of its images, and that of the other classes, which are a draw of all there might be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn import rng
from physnn.analysis.bottleneck.decomposition import WithBoth, with_both
from physnn.analysis.renormalization.linearised import jackknife
from physnn.analysis.statistics.estimate import ONE_SIGMA, Estimate
from physnn.errors import InputError

FEWEST_OF_CLASS = 4
"""Images of a class from which on it has a direction: with fewer the scatter in two dimensions is unknown."""
PERMUTATIONS = 2000
"""Permutations of the labels, so that a p-value is 0.0005 at least."""
FALSE_DISCOVERIES = 0.05
"""Share of false ones among the classes that are said to have an angle, at most (Benjamini and Hochberg)."""
BATCH_NUMBERS = 4_000_000
"""Numbers of permuted points that are held together, at most."""
VARIANCES = ("x", "y", "both", "angle")
"""Whose variance between classes is told: each coordinate, the plane, and unit vectors about the common centre."""


@dataclass(frozen=True)
class ClassDirection:
    """Deviation of a class from the others.

    Attributes
    ----------
    label : int
        Place of the class.
    right, up : float
        Deviation, in the units of the points.
    angle : Estimate
        Direction in degrees, 0 to the right and 90 upwards, with the error over images and over the other classes;
        the error is infinite where even no deviation is within one standard error.
    over_images : Estimate
        The same with the error over images alone: that of these classes, and no others.
    length : Estimate
        Length of the deviation.
    covariance : ndarray, shape (2, 2)
        Of the deviation, over images alone.
    p_value, q_value : float
        Of labels that mean nothing; and the smallest share of false discoveries at which the class is told.
    """

    label: int
    images: int
    right: float
    up: float
    angle: Estimate
    over_images: Estimate
    length: Estimate
    covariance: np.ndarray
    p_value: float = math.nan
    q_value: float = math.nan

    @property
    def told(self) -> bool:
        """Whether the class has an angle, at `FALSE_DISCOVERIES`."""
        return self.q_value <= FALSE_DISCOVERIES


@dataclass(frozen=True)
class BetweenClasses:
    """Share of a variance that lies between classes (eta squared), its error over classes, and what chance gives."""

    share: Estimate
    chance: float
    p_value: float


@dataclass(frozen=True)
class ClassAngles:
    """Directions of classes, and whether labels say anything about where images lie.

    Attributes
    ----------
    common : tuple of WithBoth
        x and y that all classes share: mean over classes, y downwards as in the points.
    between : dict of str to BetweenClasses
        Of `VARIANCES`.
    permutations : int
        How many p-values rest on.
    """

    directions: tuple[ClassDirection, ...]
    common: tuple[WithBoth, WithBoth]
    between: dict[str, BetweenClasses]
    permutations: int

    @property
    def p_value(self) -> float:
        """Of labels that say nothing about the plane."""
        return self.between["both"].p_value

    @property
    def plane(self) -> np.ndarray:
        """Deviations ``(classes, 2)`` to the right and upwards."""
        return np.array([[each.right, each.up] for each in self.directions])

    @property
    def covariances(self) -> np.ndarray:
        """Covariances of the deviations over images ``(classes, 2, 2)``."""
        return np.stack([each.covariance for each in self.directions])


def large_classes(labels: np.ndarray) -> np.ndarray:
    """Which images belong to classes of `FEWEST_OF_CLASS` or more; raises InputError if these are fewer than three."""
    kept = np.bincount(labels)[labels] >= FEWEST_OF_CLASS
    if len(np.unique(labels[kept])) < 3:
        raise InputError(f"angles need three classes of {FEWEST_OF_CLASS} images or more; take images in class folders")
    return np.asarray(kept)


def from_others(means: np.ndarray) -> np.ndarray:
    """Means ``(..., classes, d)`` less those over the other classes."""
    n = means.shape[-2]
    return np.asarray((means - means.mean(-2, keepdims=True)) * (n / (n - 1)))


def directions_of(
    labels: np.ndarray, counts: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> tuple[ClassDirection, ...]:
    """Directions of classes without p-values.

    Parameters
    ----------
    labels, counts : ndarray of int, shape (classes,)
        Places of the classes, and how many independent draws each mean rests on.
    means : ndarray, shape (classes, 2)
        Mean points, to the right and *down*.
    covariances : ndarray, shape (classes, 2, 2)
        Of the means.
    """
    n, upward = len(means), np.array([1.0, -1.0])
    means, covariances = means * upward, covariances * np.outer(upward, upward)
    found = []
    for k, away in enumerate(from_others(means)):
        rest = np.delete(np.arange(n), k)
        others = np.cov(means[rest].T) / (n - 1) if n > 2 else np.zeros((2, 2))
        own = covariances[k]
        dof = _degrees((np.trace(own), counts[k] - 1), (np.trace(others), max(n - 2, 1)))
        images = own + covariances[rest].sum(0) / (n - 1) ** 2
        angle = angle_of(away, own + others, dof)
        length = float(np.hypot(*away))
        along = away / length if length > 0 else np.array([1.0, 0.0])
        spread = Estimate.student(length, math.sqrt(max(along @ (own + others) @ along, 0.0)), dof)
        over_images = angle_of(away, images, counts[k] - 1)
        at = int(labels[k]), int(counts[k]), float(away[0]), float(away[1])
        found.append(ClassDirection(*at, angle, over_images, spread, images))
    return tuple(found)


def _degrees(*parts: tuple[float, float]) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Welch and Satterthwaite)."""
    below = sum(variance**2 / dof for variance, dof in parts)
    return float(sum(variance for variance, _ in parts) ** 2 / below) if below > 0 else math.inf


def angle_of(vector: np.ndarray, covariance: np.ndarray, dof: float) -> Estimate:
    """Direction of a vector in degrees, with half of its 68.3 % interval.

    Directions e are within it whose normal component of the vector is consistent with 0, |n v| <= t (n C n)^1/2, which
    is E. C. Fieller's interval of a ratio; the error is infinite where the vector itself is.
    """
    degrees = math.degrees(math.atan2(vector[1], vector[0]))
    t = float(special.stdtrit(dof, (1 + ONE_SIGMA) / 2))
    low, high = np.linalg.eigvalsh(np.outer(vector, vector) - t**2 * covariance)
    if high <= 0:
        return Estimate(degrees, math.inf, dof)
    return Estimate(degrees, math.degrees(math.atan(math.sqrt(max(-low, 0.0) / high))), dof)


def class_angles(
    points: np.ndarray, labels: np.ndarray, permutations: int = PERMUTATIONS, seed: int = 0
) -> ClassAngles:
    """Angles of all classes, with permutation tests over labels.

    The statistic of a class is Hotelling's T^2 of its deviation with the class's own scatter, so that a class whose
    images merely scatter less, or more, than others is not told; that of all together is the share of the variance.

    Parameters
    ----------
    points : ndarray, shape (images, 2)
        To the right and down.
    labels : ndarray of int, shape (images,)
        Classes; those of fewer than `FEWEST_OF_CLASS` images are left out.
    permutations, seed : int
        How many, and the root seed of their stream.

    Raises
    ------
    InputError
        If fewer than three classes are left.
    """
    kept = large_classes(labels)
    order = np.flatnonzero(kept)[np.argsort(labels[kept], kind="stable")]
    points, labels = np.asarray(points, float)[order], labels[order]
    known, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    features = _features(points, starts, counts)
    sums = np.add.reduceat(features, starts, axis=0)
    own = _squares(sums, counts), _shares(sums, counts)
    above, levels = [np.zeros(len(each)) for each in own], np.zeros(len(VARIANCES))
    generator, together = rng.stream(seed, "bootstrap", "labels"), max(1, BATCH_NUMBERS // features.size)
    for done in range(0, permutations, together):
        count = min(together, permutations - done)
        drawn = generator.permuted(np.tile(np.arange(len(labels)), (count, 1)), axis=1)
        sums_drawn = np.add.reduceat(features[drawn], starts, axis=1)
        by_chance = _squares(sums_drawn, counts), _shares(sums_drawn, counts)
        for k in range(2):
            above[k] += (by_chance[k] >= own[k] * (1 - 1e-12)).sum(0)
        levels += by_chance[1].sum(0)
    p_classes, p_shares = ((1 + total) / (1 + permutations) for total in above)
    means, covariances = _means(sums, counts)
    found = [
        ClassDirection(**{**vars(each), "p_value": float(p), "q_value": float(q)})
        for each, p, q in zip(
            directions_of(known, counts, means, covariances / counts[:, None, None]),
            p_classes,
            discovery_levels(p_classes),
            strict=True,
        )
    ]
    centre = tuple(with_both(lambda m: m[..., 0], points[:, k, None], labels) for k in range(2))
    each = zip(VARIANCES, _left_out(sums, counts), levels / permutations, p_shares, strict=True)
    between = {name: BetweenClasses(share, float(chance), float(p)) for name, share, chance, p in each}
    return ClassAngles(tuple(found), (centre[0], centre[1]), between, permutations)


def discovery_levels(p_values: np.ndarray) -> np.ndarray:
    """Smallest share of false discoveries at which each test is told (Benjamini and Hochberg, 1995)."""
    n, order = len(p_values), np.argsort(p_values)
    raised = p_values[order] * n / np.arange(1, n + 1)
    found = np.empty(n)
    found[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return found


def _features(points: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """x, y and the unit vector about the mean over classes, then x^2, xy, y^2, of every image ``(images, 7)``."""
    x, y = (points - (np.add.reduceat(points, starts, axis=0) / counts[:, None]).mean(0)).T
    r = np.maximum(np.hypot(x, y), 1e-30)
    return np.stack([x, y, x / r, y / r, x * x, x * y, y * y], -1)


def _means(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means ``(..., classes, 2)`` of classes and covariances of their images, from sums of features."""
    scaled = sums / counts[:, None]
    means = scaled[..., :2]
    covariances = scaled[..., [[4, 5], [5, 6]]] - means[..., :, None] * means[..., None, :]
    return means, covariances * (counts / (counts - 1))[:, None, None]


def _squares(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Hotelling's T^2 of the deviations of classes ``(..., classes)``, each with its own scatter."""
    means, c = _means(sums, counts)
    x, y = np.moveaxis(from_others(means), -1, 0)
    determinant = c[..., 0, 0] * c[..., 1, 1] - c[..., 0, 1] ** 2
    square = c[..., 1, 1] * x * x - 2 * c[..., 0, 1] * x * y + c[..., 0, 0] * y * y
    return np.asarray(counts * square / np.maximum(determinant, 1e-30))


def _shares(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share of the variance that lies between classes, of `VARIANCES` ``(..., 4)``; 0 where nothing varies."""
    total, n = sums.sum(-2), counts.sum(-1)[..., None]
    middle = total[..., :4] / n
    between = (counts[..., None] * (sums[..., :4] / counts[..., None] - middle[..., None, :]) ** 2).sum(-2)
    nothing = np.zeros_like(total[..., 4])
    whole = np.stack([total[..., 4], total[..., 6], nothing, nothing], -1) - n * middle**2
    whole[..., 2:] += n / 2  # unit vectors: both together have n
    parts = [np.stack([each[..., 0], each[..., 1], each[..., :2].sum(-1), each[..., 2:].sum(-1)], -1)
             for each in (between, whole)]  # fmt: skip
    return np.asarray(np.divide(parts[0], parts[1], out=np.zeros_like(parts[0]), where=parts[1] > 0))


def _left_out(sums: np.ndarray, counts: np.ndarray) -> list[Estimate]:
    """Shares of `VARIANCES` with their errors by leaving out each class."""
    rest = np.array([np.delete(np.arange(len(counts)), k) for k in range(len(counts))])
    return [jackknife(np.array([value, *each])) for value, each in
            zip(_shares(sums, counts), _shares(sums[rest], counts[rest]).T, strict=True)]  # fmt: skip
