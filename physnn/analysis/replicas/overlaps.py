"""Overlaps of replicas and their distribution P(q), as in Parisi's theory of spin glasses.

q_ab measures how alike replicas a and b are: in weight space by the angle of their weights, in function space by that
of their outputs or by how often they predict the same class.  A single peak of P(q) says that all replicas fell into
one valley (up to the gauge); a broad or many-peaked P(q) is what replica symmetry breaking looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pairs import as_pairs, pair_mean, pair_values
from physnn.errors import InputError


@dataclass(frozen=True)
class OverlapDistribution:
    """P(q) over pairs of replicas (dimensionless), with errors over replicas.

    Mean <q> and variance <q^2> - <q>^2 over pairs a < b; edges of the bins of q, and P(q) per unit of q, of integral 1,
    with its standard error.
    """

    mean: Estimate
    variance: Estimate
    edges: np.ndarray
    density: np.ndarray
    error: np.ndarray
    replicas: int


def vector_overlaps(vectors: np.ndarray, centred: bool = False) -> np.ndarray:
    """Overlaps q_ab = x_a . x_b / (|x_a| |x_b|), shape (replicas, replicas), of vectors ``(replicas, ...)``.

    Vectors are weights, gauge fixed or not, or outputs on test images.  ``centred`` takes the mean over replicas off
    first, which leaves what differs between them; overlaps then average to about -1 / (replicas - 1).
    """
    x = np.asarray(vectors, dtype=float)
    x = x.reshape(len(x), -1)
    if centred:
        x = x - x.mean(axis=0)
    norm = np.linalg.norm(x, axis=1)
    if not np.isfinite(norm).all() or (norm == 0).any():
        raise InputError("a replica's vector is zero or not finite, so it has no overlap; leave that replica out")
    x = x / norm[:, None]
    return np.asarray(np.clip(x @ x.T, -1, 1))


def class_overlaps(classes: np.ndarray, subtract_chance: bool = False) -> np.ndarray:
    """Fraction of test images to which two replicas give the same class, shape (replicas, replicas).

    From classes of shape (replicas, images), integers from 0 up.  ``subtract_chance`` takes off sum_c p_a(c) p_b(c),
    the overlap of independent predictions with the same frequencies.
    """
    predicted = np.asarray(classes)
    if predicted.ndim != 2 or predicted.size == 0 or predicted.dtype.kind not in "iu" or predicted.min() < 0:
        raise InputError("predicted classes are integers from 0 up, of shape (replicas, images)")
    images = predicted.shape[1]
    overlap = np.zeros((len(predicted), len(predicted)))
    frequencies = []
    for c in np.unique(predicted):
        member = (predicted == c).astype(float)
        overlap += member @ member.T / images
        frequencies.append(member.mean(axis=1))
    p = np.array(frequencies)
    return np.asarray(overlap - p.T @ p if subtract_chance else overlap)


def overlap_distribution(overlaps: np.ndarray, bins: int = 40) -> OverlapDistribution:
    """Distribution P(q) with its mean, variance and histogram, and errors over pairs of replicas.

    Parameters
    ----------
    overlaps : array, shape (replicas, replicas)
        Symmetric; the diagonal, q_aa, is left out.
    bins : int
        Bins of the histogram, over [-1, 1] if an overlap is negative, else over [0, 1].

    Raises
    ------
    InputError
        If the matrix is not symmetric, has fewer than 8 replicas, or an overlap beyond [-1, 1].

    References
    ----------
    G. Parisi, Phys. Rev. Lett. 50, 1946 (1983).
    """
    q = as_pairs(overlaps)
    if np.abs(q).max() > 1 + 1e-9:
        raise InputError("overlaps lie between -1 and 1; normalise the vectors")
    if bins < 1:
        raise InputError(f"a histogram needs at least one bin, not {bins}")

    variance = pair_mean(q, q * q, function=lambda m1, m2: m2 - m1**2)
    edges = np.linspace(-1.0 if pair_values(q).min() < 0 else 0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, q, side="right") - 1, 0, bins - 1)
    shares = [pair_mean(place == k) for k in range(bins)]
    width = edges[1] - edges[0]
    density = np.array([s.value for s in shares]) / width
    return OverlapDistribution(
        pair_mean(q), variance, edges, density, np.array([s.error for s in shares]) / width, len(q)
    )
