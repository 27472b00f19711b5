"""Replica-distance metric: mean distance between the replicas of an architecture, with comparisons of architectures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pairs import as_pairs, pair_mean, pair_values, resampled_means
from physnn.errors import InputError

GRID = 512
"""Least number of points of a smoothed density."""
DENSITY_REACH = 5.0
"""Range of a smoothed density beyond the data, in bandwidths; 1e-6 of the density lies further."""


@dataclass(frozen=True)
class SmoothedDensity:
    """Histogram of pairs smoothed by a Gaussian, whose standard deviation is the bandwidth.

    The density, per unit of x, has the integral 1; some of it lies below zero if distances come within a few bandwidths
    of it.
    """

    edges: np.ndarray
    counts: np.ndarray
    x: np.ndarray
    density: np.ndarray
    bandwidth: float

    @property
    def mean(self) -> float:
        """Mean int x p(x) dx, in units of x."""
        return float(np.trapezoid(self.x * self.density, self.x))


@dataclass(frozen=True)
class ReplicaMetric:
    """Replica-distance metric of one architecture: the mean distance, in units of the distances.

    ``samples``, ``(resamples,)``, are metrics in ensembles with redrawn replicas, spread by the standard error; the
    density is that of the distances of all pairs, None where all are equal.
    """

    estimate: Estimate
    samples: np.ndarray
    replicas: int
    density: SmoothedDensity | None


@dataclass(frozen=True)
class MetricComparison:
    """Comparison of the metrics of several architectures, names from the largest metric to the smallest.

    Of two names, the one with the larger metric first: the difference of their metrics, and the probability that the
    first is above the second.  Orderings, most probable first, have the fraction of resamples for a probability.
    """

    names: tuple[str, ...]
    differences: dict[tuple[str, str], Estimate]
    above: dict[tuple[str, str], float]
    orderings: dict[tuple[str, ...], float]


def scott_bandwidth(data: np.ndarray) -> float:
    """Bandwidth s N^(-1/5) for N numbers of standard deviation s (D. W. Scott, Multivariate Density Estimation, 1992).

    Pairs count as N independent numbers, which they are not: curves are smoothed somewhat less than is best.
    """
    return float(np.std(data, ddof=1) * len(data) ** -0.2)


def smoothed(data: np.ndarray, bandwidth: float | None = None, bins: int = 40) -> SmoothedDensity:
    """Density p(x) = sum_i exp(-(x - d_i)^2 / 2 h^2) / (N h sqrt(2 pi)) of N numbers, Scott's h if None.

    The Gaussian is symmetric, so the mean of the density is that of the numbers, whatever the bandwidth h.  Numbers are
    put on a grid of h / 8 or finer first, each shared by its two neighbours, which keeps the mean and adds at most (h /
    16)^2 to the variance.
    """
    data = np.asarray(data, dtype=float).ravel()
    if not _spread(data):
        raise InputError("a density needs at least two different numbers")
    h = scott_bandwidth(data) if bandwidth is None else float(bandwidth)
    if not 1e-5 * np.ptp(data) <= h < np.inf:
        raise InputError(f"the bandwidth must be at least {1e-5 * np.ptp(data):.2g} for these numbers, not {bandwidth}")
    low, high = data.min() - DENSITY_REACH * h, data.max() + DENSITY_REACH * h
    points = max(GRID, int(np.ceil(8 * (high - low) / h)) + 1)
    x = np.linspace(low, high, points)
    step = x[1] - x[0]
    place = (data - low) / step
    left = np.minimum(place.astype(int), points - 2)
    share = place - left
    weights = np.bincount(left, 1 - share, points) + np.bincount(left + 1, share, points)
    reach = np.arange(-int(DENSITY_REACH * h / step), int(DENSITY_REACH * h / step) + 1) * step
    kernel = np.exp(-0.5 * (reach / h) ** 2)
    density = np.convolve(weights, kernel, "same") / (kernel.sum() * len(data) * step)
    counts, edges = np.histogram(data, bins)
    return SmoothedDensity(edges, counts, x, density, h)


def _spread(data: np.ndarray) -> bool:
    """True if numbers differ by more than rounding."""
    return len(data) > 1 and bool(np.ptp(data) > 1e-12 * np.abs(data).max())


def replica_metric(
    distances: np.ndarray, bandwidth: float | None = None, resamples: int = 1000, seed: int = 0, name: str = ""
) -> ReplicaMetric:
    """Mean of the smoothed density of distances between replicas, with the error over replicas.

    The mean over pairs a < b; smoothing does not change it (see `smoothed`).  The error is that of redrawn replicas,
    without their bias (see `physnn.analysis.statistics.pairs`); redrawn pairs would make it several times too small.

    Parameters
    ----------
    distances : array, shape (replicas, replicas)
        Symmetric; see `physnn.analysis.replicas.distances.replica_distances`.
    bandwidth : float or None
        Of the smoothed density, in units of a distance; Scott's rule if None.
    resamples : int
        Number of resamples.
    seed : int
        Root seed of the resamples.
    name : str
        Name of the architecture; each has a stream of its own.

    Raises
    ------
    InputError
        If there are fewer than 8 replicas, or the distances are not symmetric, finite and >= 0.

    References
    ----------
    The metric of replica distances: symmetry breaking in neural networks by expanded inputs, section 6.8.
    """
    pairs = as_pairs(distances)
    if (pairs < 0).any():
        raise InputError("distances must not be negative")
    samples = resampled_means(pairs, resamples, rng.stream(seed, "bootstrap", "replica distance", name))
    data = pair_values(pairs)
    density = smoothed(data, bandwidth) if _spread(data) else None
    return ReplicaMetric(pair_mean(pairs), samples, len(pairs), density)


def compare_metrics(metrics: Mapping[str, ReplicaMetric]) -> MetricComparison:
    """Differences of metrics of two or more architectures with errors, and probabilities of orderings.

    Ensembles count as independent of each other.  Errors add in squares; degrees of freedom as by Welch and
    Satterthwaite.  Probabilities are fractions of resamples, so none is resolved below 1 / resamples.  Where replica k
    of two ensembles was made from one seed, `physnn.analysis.statistics.pairs.pair_mean` of the difference of their
    distances makes use of it.
    """
    if len(metrics) < 2 or len({len(m.samples) for m in metrics.values()}) != 1:
        raise InputError("a comparison needs at least two metrics, with the same number of resamples")
    names = tuple(sorted(metrics, key=lambda n: -metrics[n].estimate.value))
    # Rolled, so that two of one stream do not meet in the same resample, as if they shared their replicas.
    table = np.array([np.roll(metrics[n].samples, k) for k, n in enumerate(names)])
    differences, above = {}, {}
    for (i, first), (j, second) in combinations(enumerate(names), 2):
        differences[first, second] = metrics[first].estimate - metrics[second].estimate
        apart = table[i] - table[j]
        above[first, second] = float(np.mean(apart > 0) + np.mean(apart == 0) / 2)
    found = Counter(tuple(names[k] for k in order) for order in np.argsort(-table, axis=0, kind="stable").T)
    orderings = {order: count / table.shape[1] for order, count in found.most_common()}
    return MetricComparison(names, differences, above, orderings)
