"""Means over pairs of replicas, with errors that know that pairs share replicas.

R replicas make R (R - 1) / 2 pairs, but only R of what is independent: errors come from redrawing replicas.  A pair of
a replica with itself, which redrawing makes, is left out.  What is proper to single pairs (not to the replicas in them)
then enters the variance of resamples three times instead of once, w_a w_b having <(w_a w_b)^2> - 1 = 3, so twice its
variance is taken off.  Of random vectors' overlaps this is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.estimate import Estimate
from physnn.analysis.resampling import Function, evaluate, redrawn
from physnn.errors import InputError

LEAST_REPLICAS = 8
"""With fewer, errors rest on too few replicas to be of use."""


@dataclass(frozen=True)
class PairMean:
    """A function of means over pairs.

    Attributes
    ----------
    estimate : Estimate
        Value and error, with Student's distribution of R - 1 degrees of freedom.
    samples : ndarray, shape (resamples,)
        The function in ensembles with redrawn replicas, spread by the standard error about the value.
    """

    estimate: Estimate
    samples: np.ndarray


def as_pairs(matrix: np.ndarray) -> np.ndarray:
    """Return a symmetric matrix of pairs in float64 with zeros on the diagonal, shape (replicas, replicas).

    Raises
    ------
    InputError
        If it is not square, symmetric and finite, or has fewer than 8 replicas.
    """
    pairs = np.array(matrix, dtype=float)
    if pairs.ndim != 2 or pairs.shape[0] != pairs.shape[1]:
        raise InputError(f"a matrix over pairs of replicas is square, not of shape {pairs.shape}")
    if len(pairs) < LEAST_REPLICAS:
        raise InputError(f"{len(pairs)} replicas are too few for an error; train at least {LEAST_REPLICAS}")
    if not np.isfinite(pairs).all() or not np.allclose(pairs, pairs.T, rtol=1e-9, atol=1e-12 * np.abs(pairs).max()):
        raise InputError("the matrix over pairs is not symmetric and finite; give one value for each pair of replicas")
    np.fill_diagonal(pairs, 0.0)
    return pairs


def pair_values(matrix: np.ndarray) -> np.ndarray:
    """Return the values of all pairs a < b, shape ``(replicas (replicas - 1) / 2,)``."""
    return np.asarray(matrix)[np.triu_indices(len(matrix), 1)]


def weighted_means(matrix: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return sum_{a != b} w_a w_b d_ab / sum_{a != b} w_a w_b for each row w of counts, shape (rows, replicas)."""
    total = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
    return np.asarray(((counts @ matrix) * counts).sum(axis=1) / total)


def residual_variance(matrix: np.ndarray) -> float:
    """Return the variance of c_ab in d_ab = d + r_a + r_b + c_ab, of a matrix with a zero diagonal.

    Without bias: the R values r_a take R - 1 and d one of the R (R - 1) / 2 degrees of freedom of pairs.
    """
    R = len(matrix)
    apart = matrix - matrix.sum() / (R * (R - 1))
    np.fill_diagonal(apart, 0.0)
    of_replica = apart.sum(axis=1) / (R - 2)
    rest = apart - of_replica[:, None] - of_replica
    np.fill_diagonal(rest, 0.0)
    return float((rest**2).sum() / (R * (R - 3)))


def _redrawn_replicas(replicas: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Return counts as `redrawn` does, drawn again where all are of one replica, which makes no pair."""
    counts = redrawn(replicas, resamples, generator)
    while (alone := np.count_nonzero(counts, axis=1) < 2).any():
        counts[alone] = redrawn(replicas, int(alone.sum()), generator)
    return counts


def _linearised(function: Function, matrices: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return sum_k df/dm_k d_k, the pair values that the function's error comes from."""
    scale = np.array([np.abs(pair_values(m)).max() for m in matrices])
    step = 1e-6 * np.where(scale > 0, scale, 1.0)
    shifts = np.diag(step)
    slopes = (evaluate(function, means[:, None] + shifts) - evaluate(function, means[:, None] - shifts)) / (2 * step)
    return np.asarray(np.tensordot(slopes, matrices, axes=1))


def pair_mean(
    *matrices: np.ndarray,
    generator: np.random.Generator,
    resamples: int = 1000,
    function: Function = lambda mean: mean,
) -> PairMean:
    """Return a function of means over pairs of replicas, with its error from redrawn replicas.

    Parameters
    ----------
    *matrices : arrays, shape (replicas, replicas)
        One value per pair, symmetric; diagonals are not used.
    generator : numpy.random.Generator
        Draws the replicas.
    resamples : int
        Number of resamples, at least 2.
    function : callable
        From one array of means per matrix to an array of the same shape; the mean itself by default.

    Returns
    -------
    PairMean
        The function at the means over pairs a < b.  Its variance is that of resamples less 2 v, and at least v, where v
        = 2 var(c) / (R (R - 1)) comes from the scatter c of single pairs (see the head of this module).

    Raises
    ------
    InputError
        If matrices are not symmetric, differ in shape, or have fewer than 8 replicas.
    """
    pairs = [as_pairs(m) for m in matrices]
    if len({m.shape for m in pairs}) != 1 or resamples < 2:
        raise InputError("give matrices over the same pairs of replicas, and at least 2 resamples")
    R = len(pairs[0])
    everything = np.ones((1, R))
    means = np.array([weighted_means(m, everything)[0] for m in pairs])
    value = float(evaluate(function, means))
    counts = _redrawn_replicas(R, resamples, generator)
    drawn = evaluate(function, np.array([weighted_means(m, counts) for m in pairs]))
    spread = float(np.var(drawn, ddof=1))
    linear = _linearised(function, np.array(pairs), means)
    np.fill_diagonal(linear, 0.0)
    own = 2 * residual_variance(linear) / (R * (R - 1))
    variance = max(spread - 2 * own, own)
    samples = value + (drawn - value) * np.sqrt(variance / spread) if spread > 0 else np.full(resamples, value)
    return PairMean(Estimate.student(value, float(np.sqrt(variance)) if spread > 0 else 0.0, R - 1), samples)
