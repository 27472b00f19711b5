"""Means over pairs of replicas, with errors that know that pairs share replicas.

R replicas make R (R - 1) / 2 pairs, of which only R are independent.  The value of a pair splits into contributions of
its two replicas and one of the pair alone, d_ab = d + r_a + r_b + c_ab (W. Hoeffding, Ann. Math. Stat. 19,
293 (1948)), and the mean over pairs has the variance 4 var(r) / R + 2 var(c) / (R (R - 1)).  Redrawing replicas gives
the first term; the second, which is all there is for overlaps of random vectors, it counts three times, since the
square of a pair's weight has <(w_a w_b)^2> - 1 = 3 instead of 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.resampling import MomentFunction, evaluate, redrawn, slopes_of
from physnn.errors import InputError

LEAST_REPLICAS = 8
"""Fewest replicas, a convention: with 8 an error is itself known to 27 %."""


def as_pairs(matrix: np.ndarray) -> np.ndarray:
    """Symmetric matrix of pairs in float64 with zeros on the diagonal, shape (replicas, replicas)."""
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
    """Values of all pairs a < b, shape ``(replicas (replicas - 1) / 2,)``."""
    return np.asarray(matrix)[np.triu_indices(len(matrix), 1)]


def variances(matrix: np.ndarray) -> tuple[float, float]:
    """Unbiased estimates of var(r) and var(c) of d_ab = d + r_a + r_b + c_ab, of a matrix from `as_pairs`.

    The first may come out negative where it is small.
    """
    R = len(matrix)
    apart = matrix - matrix.sum() / (R * (R - 1))
    np.fill_diagonal(apart, 0.0)
    r = apart.sum(axis=1) / (R - 2)
    c = apart - r[:, None] - r
    np.fill_diagonal(c, 0.0)
    of_pairs = float(np.sum(c**2) / (R * (R - 3)))
    return float(np.sum(r**2) / (R - 1)) - of_pairs / (R - 2), of_pairs


def pair_mean(*matrices: np.ndarray, function: MomentFunction = lambda mean: mean) -> Estimate:
    """Function of means over pairs of replicas, with the error of its linear part.

    Parameters
    ----------
    *matrices : arrays, shape (replicas, replicas)
        One value per pair, symmetric; diagonals are not used.
    function : callable
        From one array of means per matrix to an array of the same shape; the mean itself by default.

    Returns
    -------
    Estimate
        The function at the means over pairs a < b, with Student's distribution of R - 1 degrees of freedom.  The error
        is right for means; up to a quarter too large for 10 replicas, where pairs scatter on their own only, since
        var(r) < 0 counts as zero.

    Raises
    ------
    InputError
        If matrices are not symmetric, differ in shape, or have fewer than 8 replicas.
    """
    pairs = [as_pairs(m) for m in matrices]
    if len({m.shape for m in pairs}) != 1:
        raise InputError("give matrices over the same pairs of replicas")
    R = len(pairs[0])
    means = np.array([m.sum() / (R * (R - 1)) for m in pairs])
    # Of the linear part of the function, sum_k df/dm_k d_k, for every pair.
    scale = np.array([np.abs(m).max() for m in pairs])
    slopes = slopes_of(function, means, 1e-6 * np.where(scale > 0, scale, 1.0))
    of_replicas, of_pairs = variances(np.tensordot(slopes, np.array(pairs), axes=1))
    variance = 4 * max(of_replicas, 0.0) / R + 2 * of_pairs / (R * (R - 1))
    return Estimate.student(float(evaluate(function, means)), float(np.sqrt(variance)), R - 1)


def resampled_means(matrix: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Means over pairs in ensembles with redrawn replicas, shape (resamples,); the matrix is as for `pair_mean`.

    Pairs of a replica with itself, which redrawing makes, are left out.  Deviations from the mean are scaled to the
    standard error of `pair_mean` (see the head of this module), so that the spread of resamples is that of ensembles.
    """
    if resamples < 2:
        raise InputError(f"give at least 2 resamples, not {resamples}")
    pairs = as_pairs(matrix)
    found = pair_mean(pairs)
    drawn = weighted_means(pairs, _redrawn_replicas(len(pairs), resamples, generator))
    spread = float(np.std(drawn, ddof=1))
    # The error of an estimate of Student's distribution is wider than its standard deviation by this.
    widened = Estimate.student(0.0, 1.0, found.dof).error
    factor = found.error / widened / spread if spread > 0 else 0.0
    return np.asarray(found.value + (drawn - found.value) * factor)


def weighted_means(matrix: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weighted means sum_{a != b} w_a w_b d_ab / sum_{a != b} w_a w_b for each row w of counts, shape (rows,)."""
    total = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
    return np.asarray(((counts @ matrix) * counts).sum(axis=1) / total)


def _redrawn_replicas(replicas: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Bootstrap counts of replicas (see `redrawn`), drawn again where all are of one replica, which makes no pair."""
    counts = redrawn(replicas, resamples, generator)
    while (alone := np.count_nonzero(counts, axis=1) < 2).any():
        counts[alone] = redrawn(replicas, int(alone.sum()), generator)
    return counts


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference of n pairs, with Student's distribution of n - 1 degrees of freedom.

    ``p_value`` is the probability of a mean at least as far from zero without any effect: the paired t-test, two-sided.
    """

    estimate: Estimate
    p_value: float
    n: int


def paired_difference(first: np.ndarray, second: np.ndarray) -> PairedDifference:
    """Mean of ``first - second`` over pairs, with its error and the p-value of the paired t-test.

    Parameters
    ----------
    first, second : array, shape (n,)
        Values of the same n subjects, in the same order.

    Raises
    ------
    InputError
        If there are fewer than two pairs, or the numbers of values differ.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise InputError("a paired test needs at least two pairs; train at least two seeds of each")
    apart = a - b
    n, mean = len(apart), float(apart.mean())
    error = float(apart.std(ddof=1) / np.sqrt(n))
    if error == 0:
        return PairedDifference(Estimate(mean, 0.0, n - 1), 1.0 if mean == 0 else 0.0, n)
    p = float(2 * special.stdtr(n - 1, -abs(mean / error)))
    return PairedDifference(Estimate.student(mean, error, n - 1), p, n)
