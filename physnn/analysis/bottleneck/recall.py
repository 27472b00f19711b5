"""Classification from memory: the kernel density of every class over the nearest vectors of a memory.

Of a query vector with neighbours j at distances d_j, the nearest one at alpha, neighbour j adds
exp(-d_j^2 / (alpha^2 + epsilon)) to the density of its class.  Densities are summed over the vectors of an image and
divided by the number of vectors of the class in memory; the largest one is the answer (equations 1 to 3 of "U(1)
Symmetry-breaking Observed in Generic CNN Bottleneck Layers").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn import rng
from physnn.analysis.bottleneck.neighbours import Metric, Nearest, nearest_vectors
from physnn.analysis.statistics.estimate import Estimate, deviation

LEAST_SQUARE = 1e-6
"""What keeps the width of a kernel above 0, in squared distances."""
MEAN_POWER = 3.0
"""Power of the generalised mean, whose negative numbers count as 0: 1 is the average, and a large one the largest."""
DENIED = 0.05
"""Probability of denying or granting a claim by chance, over all comparisons together."""


def _generalised_mean(vectors: np.ndarray) -> np.ndarray:
    """Generalised means over cells of vectors ``(images, cells, channels)``; of the largest number 1, for the range."""
    scale = np.maximum(vectors.max(axis=(1, 2), keepdims=True), 1e-30)
    powers = (np.maximum(vectors, 0) / scale) ** MEAN_POWER
    return np.asarray(scale[:, 0] * powers.mean(1) ** (1 / MEAN_POWER))


DESCRIPTORS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "pixel": lambda vectors: vectors,
    "average": lambda vectors: vectors.mean(1, keepdims=True),
    "max": lambda vectors: vectors.max(1, keepdims=True),
    "generalised": lambda vectors: _generalised_mean(vectors)[:, None],
    "flattened": lambda vectors: vectors.reshape(len(vectors), 1, -1),
}
"""What is remembered of an image, from its vectors ``(images, cells, channels)``: ``(images, vectors, channels)``."""
POOLED = ("average", "max", "generalised")
"""Descriptors with a single vector of as many channels as a cell has."""


def descriptors_of(vectors: np.ndarray, descriptor: str) -> np.ndarray:
    """Descriptors of images, float32 ``(images, vectors, channels)``, from vectors ``(images, ..., channels)``."""
    flat = vectors.reshape(len(vectors), -1, vectors.shape[-1]).astype(np.float32)
    return np.ascontiguousarray(DESCRIPTORS[descriptor](flat))


def kernel_densities(
    distances: np.ndarray, indices: np.ndarray, labels: np.ndarray, classes: int, together: int
) -> np.ndarray:
    """Densities of classes ``(images, classes)`` at images of so many vectors each.

    Parameters
    ----------
    distances, indices : ndarray, shape (images * together, K)
        Nearest vectors of every query, the nearest first; infinite and -1 where there is none.
    labels : ndarray of int, shape (vectors,)
        Classes of the vectors in memory.
    classes, together : int
        Number of classes, and of vectors of an image.
    """
    squares = distances**2
    widths = np.where(np.isfinite(squares[:, :1]), squares[:, :1], 0) + LEAST_SQUARE
    weights = np.exp(-squares / widths)
    images = np.repeat(np.arange(len(distances) // together), together)[:, None]
    places = images * classes + labels[indices]
    sums = np.bincount(places.ravel(), weights.ravel(), minlength=classes * (len(distances) // together))
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(sums.reshape(-1, classes) / np.maximum(counts, 1))


def recalled(
    shown: np.ndarray,
    memory: np.ndarray,
    labels: np.ndarray,
    classes: int,
    count: int,
    metric: Metric = "cosine",
    search: Callable[[np.ndarray, np.ndarray, int, Metric], Nearest] = nearest_vectors,
) -> np.ndarray:
    """Class of the largest density for every image shown; of equal ones the first.

    Parameters
    ----------
    shown, memory : ndarray, shape (images, vectors, channels)
        Descriptors of images shown, and of other images in memory.
    labels : ndarray of int, shape (images in memory,)
        Classes of the images in memory.
    classes, count : int
        Number of classes, and of neighbours K.
    metric : {"cosine", "euclidean"}
        See `nearest_vectors`.
    search : callable
        An exact search with the arguments and the answer of `nearest_vectors`.
    """
    together, channels = shown.shape[1:]
    found = search(shown.reshape(-1, channels), memory.reshape(-1, channels), count, metric)
    of_vectors = np.repeat(labels, memory.shape[1])
    return np.asarray(kernel_densities(found.distances, found.indices, of_vectors, classes, together).argmax(1))


def memory_split(labels: np.ndarray, shown: int, seed: int, split: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Numbers of the images to show, so many of every class, and of every class those to remember, in a random order.

    Fewer shots remember the first ones of more shots, and the images shown are the same.
    """
    g = rng.stream(seed, "subset", "memory", split)
    orders = [g.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return np.concatenate([order[:shown] for order in orders]), [order[shown:] for order in orders]


def over_splits_and_classes(values: np.ndarray) -> Estimate:
    """Mean of values ``(splits, classes)`` with its error: both are draws, from all memories and all classes.

    The variance of the mean is that of the means over classes plus that of the means over splits, less what both count:
    the scatter that neither has by itself (two random effects without replicates).
    """
    splits, classes = values.shape
    total = float(values.mean())
    if classes < 2:
        return Estimate(total, math.nan)
    by_class, by_split = values.mean(0), values.mean(1)
    a = float(by_class.var(ddof=1)) / classes
    if splits < 2:
        return Estimate.student(total, math.sqrt(a), classes - 1)
    b = float(by_split.var(ddof=1)) / splits
    rest = values - by_class - by_split[:, None] + total
    shared = float((rest**2).sum()) / ((splits - 1) * (classes - 1)) / (splits * classes)
    variance = max(a + b - shared, a, b)
    below = a**2 / (classes - 1) + b**2 / (splits - 1)
    return Estimate.student(total, math.sqrt(variance), (a + b) ** 2 / below if below > 0 else classes - 1)


@dataclass(frozen=True)
class Rivals:
    """Descriptor beside others in one setting: differences of shares told right, its own less theirs."""

    setting: str
    differences: Mapping[str, Estimate]
    verdict: str


def rivals(setting: str, right: Mapping[str, np.ndarray], own: str, comparisons: int) -> Rivals:
    """Whether a descriptor is the best in a setting.

    ``best``: better than every other one; ``beaten``: worse than one at least; else ``undecided``.  A difference is one
    where its p-value, times the number of all ``comparisons`` that are made, is below `DENIED`.

    Parameters
    ----------
    right : mapping of str to ndarray, shape (splits, classes)
        Shares told right by descriptor, for the same splits.
    """
    differences = {name: over_splits_and_classes(right[own] - right[name]) for name in right if name != own}
    sides = [side(each, comparisons) for each in differences.values()]
    verdict = "beaten" if -1 in sides else "best" if sides and all(s == 1 for s in sides) else "undecided"
    return Rivals(setting, differences, verdict)


def side(difference: Estimate, comparisons: int = 1) -> int:
    """1 or -1 where a difference is above or below 0 beyond chance, 0 where that is not known."""
    spread = deviation(difference) if difference.error > 0 else 0.0
    if spread <= 0 or not math.isfinite(spread):
        return 0
    p = 2 * float(special.stdtr(difference.dof, -abs(difference.value) / spread))
    return int(math.copysign(1, difference.value)) if p * comparisons < DENIED else 0


def claim_of(found: Sequence[Rivals]) -> str:
    """Verdict on a descriptor being the best, from all settings.

    ``yes`` where it is the best in all, ``no`` where it is beaten in some and best in none, ``depends`` where there are
    both, else ``undecided``.
    """
    verdicts = [each.verdict for each in found]
    if "beaten" in verdicts:
        return "depends" if "best" in verdicts else "no"
    return "yes" if verdicts and set(verdicts) == {"best"} else "undecided"
