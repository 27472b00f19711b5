"""The metric is the mean distance; its errors and those of differences cover; equal ensembles do not differ."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.analysis.replicas.distances import wasserstein
from physnn.analysis.replicas.metric import compare_metrics, replica_metric, scott_bandwidth, smoothed
from physnn.errors import InputError
from tests.synthetic.replicas import gaussian_wasserstein


def gaussians(words, replicas=60, size=100, scale=1.0, spread=0.0):
    """Distances of lists drawn from N(m, scale^2), with means m ~ N(0, spread^2) of each replica."""
    g = rng.stream(0, "synthetic", "metric", words)
    return wasserstein(scale * g.normal(size=(replicas, size)) + spread * g.normal(size=(replicas, 1)))


def test_the_density_is_that_of_gaussians_at_the_data():
    data = rng.stream(1, "synthetic", "density").gamma(3, size=2000)
    for h in (None, 0.05, 1.0):
        found = smoothed(data, h)
        width = found.bandwidth
        exact = stats.norm.pdf((found.x[:, None] - data) / width).mean(axis=1) / width
        assert np.abs(found.density - exact).max() < 0.005 * exact.max()
        assert abs(np.trapezoid(found.density, found.x) - 1) < 1e-5
        assert abs(found.mean - data.mean()) < 1e-4
        assert found.counts.sum() == len(data) and len(found.edges) == len(found.counts) + 1
    assert np.isclose(scott_bandwidth(data), data.std(ddof=1) * 2000**-0.2)


def test_the_metric_is_the_mean_distance_whatever_the_bandwidth():
    d = gaussians("mean")
    mean = d[np.triu_indices(60, 1)].mean()
    for h in (None, 0.001, 0.5):
        found = replica_metric(d, bandwidth=h)
        assert np.isclose(found.estimate.value, mean, rtol=1e-13)
        assert abs(found.density.mean - mean) < 1e-4 * mean
    assert (found.replicas, found.estimate.dof) == (60, 59)


def test_the_metric_of_gaussians_follows_theory():
    """|z| < 3 for three widths; control: that of the next width."""
    theory = [gaussian_wasserstein((0, 0), (s, s), 100) for s in (0.5, 0.8, 1.1)]
    for k, s in enumerate((0.5, 0.8, 1.1)):
        found = replica_metric(gaussians("theory", 100, scale=s)).estimate
        assert abs(found.value - theory[k]) < 3 * found.error
        assert abs(found.value - theory[k - 1]) > 3 * found.error


def test_identical_replicas_have_the_metric_zero():
    found = replica_metric(wasserstein(np.repeat(np.arange(5.0)[None], 10, axis=0)))
    assert (found.estimate.value, found.estimate.error, found.density) == (0, 0, None)
    assert not found.samples.any()
    # Distances that differ by rounding only have no density either.
    assert replica_metric(1 + 1e-16 * gaussians("rounding")).density is None


def test_identical_ensembles_do_not_differ():
    d = gaussians("same", 20)
    metrics = {name: replica_metric(d) for name in ("one", "two")} | {"none": replica_metric(np.zeros((20, 20)))}
    found = compare_metrics(metrics)
    assert found.names == ("one", "two", "none")
    difference = found.differences["one", "two"]
    assert difference.value == 0 < difference.error
    # Of the resamples of one stream, too, half are on each side.
    assert abs(found.above["one", "two"] - 0.5) < 4 * 0.5 / np.sqrt(1000)
    zero = compare_metrics({name: replica_metric(np.zeros((20, 20))) for name in ("one", "two")})
    assert (zero.differences["one", "two"].value, zero.differences["one", "two"].error) == (0, 0)
    assert zero.above["one", "two"] == 0.5


def test_ensembles_are_ordered():
    scales = {"narrow": 0.5, "middle": 1.0, "near": 1.05, "wide": 2.0}
    metrics = {n: replica_metric(gaussians(n, 30, scale=s, spread=s), name=n) for n, s in scales.items()}
    found = compare_metrics(metrics)
    assert found.names[0] == "wide" and found.names[3] == "narrow"
    for first, second in pairwise(found.names):
        difference = found.differences[first, second]
        assert difference.value == metrics[first].estimate.value - metrics[second].estimate.value >= 0
        assert 29 < difference.dof <= 58.0001
    assert found.above["wide", "narrow"] == 1 and found.above["wide", "middle"] > 0.95
    assert found.above[found.names[1], found.names[2]] < 0.95
    assert np.isclose(sum(found.orderings.values()), 1)
    assert next(iter(found.orderings)) == found.names
    assert list(found.orderings.values()) == sorted(found.orderings.values(), reverse=True)


def test_errors_of_differences_cover():
    """300 pairs of ensembles with the same metric: 68.3 +- 2.7 %; control: errors over pairs as if independent."""
    covered, naive = [], []
    for k in range(300):
        d = [gaussians(f"{name}{k}", 15, 20, spread=1.0) for name in "ab"]
        metrics = {n: replica_metric(m, resamples=200, name=n) for n, m in zip("ab", d, strict=True)}
        ((_, found),) = compare_metrics(metrics).differences.items()
        covered.append(abs(found.value) < found.error)
        pairs = [m[np.triu_indices(15, 1)] for m in d]
        naive.append(abs(found.value) < np.sqrt(sum(p.var(ddof=1) / len(p) for p in pairs)))
    assert 0.6 < np.mean(covered) < 0.76
    assert np.mean(naive) < 0.45


def test_resamples_are_keyed_by_seed_and_name():
    d = gaussians("keys", 10)
    one = replica_metric(d, seed=1, name="simple").samples
    assert np.array_equal(one, replica_metric(d, seed=1, name="simple").samples)
    assert not np.array_equal(one, replica_metric(d, seed=2, name="simple").samples)
    assert not np.array_equal(one, replica_metric(d, seed=1, name="flip").samples)


def test_refusals():
    d = gaussians("refused", 10)
    with pytest.raises(InputError, match="negative"):
        replica_metric(-d)
    with pytest.raises(InputError, match="too few"):
        replica_metric(d[:7, :7])
    for h in (0.0, -1.0, np.nan, np.inf, 1e-9):
        with pytest.raises(InputError, match="bandwidth"):
            replica_metric(d, bandwidth=h)
    for data in ([1.0], [1.0, 1.0], []):
        with pytest.raises(InputError, match="two different numbers"):
            smoothed(np.array(data))
    with pytest.raises(InputError, match="at least two metrics"):
        compare_metrics({"one": replica_metric(d)})
    with pytest.raises(InputError, match="same number"):
        compare_metrics({"one": replica_metric(d), "two": replica_metric(d, resamples=10)})
