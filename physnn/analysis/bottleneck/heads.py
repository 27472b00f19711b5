"""Simple classifiers of vectors that a network gives: nearest class mean, and ridge regression, on held-out images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate, mean_over

HALVES = 5
"""Halves of the images, drawn anew each time."""
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Ridges that are tried, in units of the mean squared length of the centred vectors; leaving one out chooses."""


def class_splits(labels: np.ndarray, splits: int = HALVES, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the images to learn and to test, half of every class each time; classes of one image are left out."""
    found = []
    for k in range(splits):
        g = rng.stream(seed, "subset", "held out", k)
        learn, test = [], []
        for label in np.unique(labels):
            mine = g.permutation(np.flatnonzero(labels == label))
            if len(mine) > 1:
                learn.append(mine[: len(mine) // 2])
                test.append(mine[len(mine) // 2 :])
        if learn:
            found.append((np.concatenate(learn), np.concatenate(test)))
    return found


def nearest_mean_head(vectors: np.ndarray, labels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Class whose mean vector is nearest (cosine, about the mean of all), for every vector shown."""
    known = np.unique(labels)
    middle = vectors.mean(0)
    means = np.stack([vectors[labels == label].mean(0) for label in known]) - middle
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-30)
    return np.asarray(known[np.argmax((shown - middle) @ means.T, axis=1)])


def ridge_head(vectors: np.ndarray, labels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Class of the largest of ridge regressions onto +-1, one for each class, for every vector shown.

    In the dual form, which needs n^3 operations for n vectors.  The ridge is the one of `RIDGES` with the smallest
    squared error where each vector is left out, which has a closed form (centres stay those of all).
    """
    known = np.unique(labels)
    targets = np.where(labels[:, None] == known, 1.0, -1.0)
    middle, level = vectors.mean(0), targets.mean(0)
    x, t = vectors - middle, targets - level
    values, states = np.linalg.eigh(x @ x.T)
    values = np.maximum(values, 0)
    unit = max(float(values.mean()), 1e-30)
    best, dual = np.inf, np.zeros_like(t)
    turned = states.T @ t
    for strength in RIDGES:
        inverse = 1 / (values + strength * unit)
        alpha = states @ (inverse[:, None] * turned)
        diagonal = (states**2) @ inverse
        error = float(((alpha / diagonal[:, None]) ** 2).sum())  # of every vector that is left out
        if error < best:
            best, dual = error, alpha
    return np.asarray(known[np.argmax((shown - middle) @ (x.T @ dual) + level, axis=1)])


HEADS = {"nearest class mean": nearest_mean_head, "ridge": ridge_head}
"""Classifiers by name."""


def held_out_accuracy(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> dict[str, Estimate]:
    """Share of held-out images told right, by classifier; classes count alike, and the error is over them.

    Vectors have length 1 before anything is learned.  Empty where no class has two images, or there is one class.
    """
    unit = np.asarray(vectors, float)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-30)
    splits: Sequence[tuple[np.ndarray, np.ndarray]] = class_splits(labels, seed=seed)
    if not splits or len(np.unique(labels[splits[0][0]])) < 2:
        return {}
    found = {}
    for name, head in HEADS.items():
        right = np.zeros((len(splits), len(labels)))
        shown = np.zeros_like(right)
        for k, (learn, test) in enumerate(splits):
            right[k, test] = head(unit[learn], labels[learn], unit[test]) == labels[test]
            shown[k, test] = 1
        tested = np.unique(labels[shown.any(0)])
        found[name] = mean_over(
            np.array([right[:, labels == label].sum() / shown[:, labels == label].sum() for label in tested])
        )
    return found
