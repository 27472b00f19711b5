"""Distances between replicas equal those of scipy and POT, vanish where they must, and follow theory for Gaussians."""

from __future__ import annotations

import tracemalloc

import numpy as np
import ot
import pytest
from scipy import stats

from physnn import rng
from physnn.analysis.replicas.distances import (
    DISTANCE_KINDS,
    GAUGES,
    euclid,
    flatten,
    replica_distances,
    scale_normalised,
    sliced_wasserstein,
    unit_directions,
    unit_points,
    wasserstein,
)
from physnn.analysis.replicas.embedding import Reduction
from physnn.analysis.replicas.layers import Layer
from physnn.analysis.statistics.pairs import pair_mean
from physnn.errors import InputError
from tests.synthetic.replicas import gaussian_wasserstein

CHAIN = (Layer("first"), Layer("last", "none"))


def weights_of(replicas, seed=0, dtype=float):
    g = rng.stream(seed, "synthetic", "replicas")
    shapes = {"first.weight": (6, 4, 3), "first.bias": (6,), "last.weight": (5, 6), "last.bias": (5,)}
    return {name: g.normal(size=(replicas, *shape)).astype(dtype) for name, shape in shapes.items()}


def identical(replicas):
    return {name: np.repeat(a, replicas, axis=0) for name, a in weights_of(1).items()}


def lists(case):
    g = rng.stream(1, "synthetic", "lists")
    if case == "ties":
        return g.integers(-2, 3, size=(6, 50)).astype(float)
    points = g.standard_t(2, size=(6, 500)) * np.exp(g.normal(size=(6, 1))) + g.normal(size=(6, 1))
    return points.astype(np.float32) if case == "single precision" else points


@pytest.mark.parametrize("case", ["heavy tails", "ties", "single precision"])
def test_wasserstein_of_lists_equals_scipy_and_pot(case):
    points = lists(case)
    found = wasserstein(points)
    double = points.astype(float)
    for a in range(6):
        for b in range(6):
            exact = stats.wasserstein_distance(double[a], double[b])
            assert abs(found[a, b] - exact) <= 1e-12 * max(1, exact)
            assert abs(found[a, b] - ot.wasserstein_1d(double[a], double[b], p=1)) <= 1e-12 * max(1, exact)
            assert abs(euclid(points)[a, b] - np.sqrt(np.mean((double[a] - double[b]) ** 2))) <= 1e-12 * max(1, exact)


def test_wasserstein_does_not_see_the_order_of_weights():
    points = lists("heavy tails")
    shuffled = rng.stream(2, "synthetic", "order").permuted(points, axis=1)
    assert np.array_equal(wasserstein(shuffled), wasserstein(points))
    assert np.abs(euclid(shuffled) - euclid(points)).max() > 0.1


def test_sliced_distances_equal_pot_with_the_same_directions():
    weights = weights_of(5)
    found = sliced_wasserstein(weights, directions=40, seed=3)
    exact, size = np.zeros((5, 5)), 0
    for k, points in enumerate(unit_points(weights)):
        units, dimensions = points.shape[1:]
        along = unit_directions(40, dimensions, rng.stream(3, "projection", "sliced", k))
        assert np.allclose(np.sum(along**2, axis=0), 1)
        size += units * dimensions
        for a in range(5):
            for b in range(5):
                sw = ot.sliced_wasserstein_distance(points[a], points[b], projections=along, p=1)
                exact[a, b] += units * dimensions * sw
    assert size == flatten(weights).shape[1]
    assert np.abs(found - exact / size).max() < 1e-12
    assert np.abs(sliced_wasserstein(weights, directions=40, seed=4) - found).max() > 1e-3


def test_sliced_distances_do_not_see_the_order_of_the_last_units():
    weights = weights_of(2)
    moved = {k: a[:, ::-1] if k.startswith("last") else a for k, a in weights.items()}
    both = {k: np.concatenate([weights[k][:1], moved[k][:1]]) for k in weights}
    assert sliced_wasserstein(both)[0, 1] < 1e-14
    hidden = {k: a[:, ::-1] if k.startswith("first") else a for k, a in weights.items()}
    hidden["last.weight"] = weights["last.weight"][:, :, ::-1]
    both = {k: np.concatenate([weights[k][:1], hidden[k][:1]]) for k in weights}
    assert sliced_wasserstein(both)[0, 1] > 0.1
    fixed = replica_distances(both, CHAIN, "sliced", "canonical")
    assert fixed[0, 1] < 1e-14


@pytest.mark.parametrize("kind", DISTANCE_KINDS)
@pytest.mark.parametrize("gauge", GAUGES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_identical_replicas_are_not_apart(kind, gauge, dtype):
    same = {k: a.astype(dtype) for k, a in identical(9).items()}
    for normalise in (False, True):
        assert not replica_distances(same, CHAIN, kind, gauge, normalise).any()
        assert replica_distances(weights_of(3), CHAIN, kind, gauge, normalise)[0, 1] > 0.03


@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_replicas_drawn_from_one_gaussian_are_apart_as_theory_says(scale):
    """200 lists of 300: |z| < 3; controls: lists of 200, and the distance 0 of their distributions."""
    points = scale * rng.stream(5, "synthetic", "gaussian").normal(size=(200, 300))
    found = pair_mean(wasserstein(points))
    theory = gaussian_wasserstein((0, 0), (scale, scale), 300)
    assert abs(found.value - theory) < 3 * found.error
    assert abs(found.value - gaussian_wasserstein((0, 0), (scale, scale), 200)) > 5 * found.error
    assert abs(found.value - gaussian_wasserstein((0, 0), (scale, scale))) > 5 * found.error


@pytest.mark.parametrize("moments", [((0, 0.5), (1, 1)), ((0, 0), (1, 1.3)), ((-0.2, 0.3), (0.5, 2))])
@pytest.mark.parametrize("size", [3, 200])
def test_replicas_drawn_from_two_gaussians_are_apart_as_theory_says(moments, size):
    """200 independent pairs of lists: |z| < 3; control: the distance of the distributions is further off for 3."""
    g = rng.stream(6, "synthetic", "gaussians", size)
    draws = [g.normal(m, s, size=(200, size)) for m, s in zip(*moments, strict=True)]
    apart = np.array([wasserstein(np.array(two))[0, 1] for two in zip(*draws, strict=True)])
    error = apart.std(ddof=1) / np.sqrt(200)
    assert abs(apart.mean() - gaussian_wasserstein(*moments, size)) < 3 * error
    if size == 3:
        assert abs(apart.mean() - gaussian_wasserstein(*moments)) > 3 * error


def test_theory_for_long_lists_and_for_distributions():
    exact = gaussian_wasserstein((0.1, 0.4), (1, 1.5))
    q = (np.arange(10**6) + 0.5) / 10**6
    assert abs(exact - np.mean(np.abs(stats.norm.ppf(q, 0.1, 1) - stats.norm.ppf(q, 0.4, 1.5)))) < 1e-5
    assert gaussian_wasserstein((0, -0.7), (1, 1)) == 0.7
    assert abs(gaussian_wasserstein((0.1, 0.4), (1, 1.5), 10**5) / exact - 1) < 1e-4
    assert abs(gaussian_wasserstein((0, 0), (1, 1), 10**4) * 100 / 1.8 - 1) < 0.02
    # E |x - y| = 2 s / sqrt(pi) for one weight.
    assert abs(gaussian_wasserstein((0, 0), (2, 2), 1) - 4 / np.sqrt(np.pi)) < 1e-4


def test_scale_normalisation_takes_the_scale_out():
    weights = weights_of(1, dtype=np.float32)
    scaled = {k: np.concatenate([a, 3 * a, 0.5 * a]) for k, a in weights.items()} | {
        "norm.running_var": np.ones((3, 2)),
        "norm.num_batches_tracked": np.arange(3),
    }
    normal = scale_normalised(scaled)
    assert all(a.dtype == np.float32 for a in normal.values())
    assert np.allclose(np.mean(flatten(normal).astype(float) ** 2, axis=1), 1)
    assert replica_distances(scaled, normalise=True).max() < 1e-6 < 0.1 < replica_distances(scaled)[0, 1]
    dead = {k: a * np.array([1.0, 0.0, 1.0]).reshape(3, *(1,) * (a.ndim - 1)) for k, a in scaled.items() if a.ndim > 1}
    with pytest.raises(InputError, match="replica 1 are zero"):
        scale_normalised(dead)


def test_statistics_of_batch_normalisations_do_not_count():
    weights = weights_of(4)
    more = weights | {
        "n.running_mean": np.ones((4, 6)),
        "n.running_var": np.ones((4, 6)),
        "n.num_batches_tracked": [1] * 4,
    }
    for kind in DISTANCE_KINDS:
        assert np.array_equal(replica_distances(more, kind=kind), replica_distances(weights, kind=kind))


def test_all_principal_components_keep_euclid():
    weights = weights_of(8)
    points = flatten(weights)
    reduced = replica_distances(weights, kind="euclid", reduction=Reduction("pca", 7))
    assert np.allclose(reduced * np.sqrt(7 / points.shape[1]), euclid(points), rtol=1e-12, atol=1e-14)


def test_single_precision_is_not_blown_up():
    """Peaks of allocated memory in units of the weights: lists and their order, and doubles for the distances."""
    points = rng.stream(7, "synthetic", "memory").standard_normal((40, 50_000), dtype=np.float32)
    weights = {"first.weight": points.reshape(40, 100, 500)}
    for kind, most in (("wasserstein", 4.6), ("euclid", 3.6), ("sliced", 4.6)):
        tracemalloc.start()
        replica_distances(weights, kind=kind)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * points.nbytes, kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cosine"}, "unknown distance 'cosine'; known: wasserstein"),
        ({"gauge": "lorenz"}, "unknown gauge 'lorenz'; known: raw"),
        ({"kind": "sliced", "reduction": Reduction("pca", 2)}, "no reduction keeps"),
        ({"gauge": "canonical"}, "chain of layers"),
    ],
)
def test_unknown_ways_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        replica_distances(weights_of(9), **options)


@pytest.mark.parametrize("points", [np.ones(3), np.ones((2, 0)), np.array([[1.0, np.nan]]), np.array([["a", "b"]])])
def test_points_that_are_no_rows_of_numbers_are_refused(points):
    for distance in (wasserstein, euclid):
        with pytest.raises(InputError, match="rows of finite numbers"):
            distance(points)


def test_other_refusals():
    with pytest.raises(InputError, match="at least one direction"):
        sliced_wasserstein(weights_of(2), directions=0)
    with pytest.raises(InputError, match="need the weights of layers"):
        sliced_wasserstein({"first.bias": np.ones((2, 3))})
