"""Overlaps and P(q): integral 1, delta for identical replicas, 1/P for random vectors, two valleys, known errors."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.replicas.overlaps import class_overlaps, overlap_distribution, vector_overlaps
from physnn.errors import InputError


def vectors(name, shape):
    return rng.stream(0, "synthetic", "overlaps", name).normal(size=shape)


def test_overlaps_are_cosines():
    x = vectors("cosines", (9, 4, 5))
    q = vector_overlaps(x)
    flat = x.reshape(9, 20)
    for a in range(9):
        for b in range(9):
            cosine = flat[a] @ flat[b] / np.sqrt((flat[a] @ flat[a]) * (flat[b] @ flat[b]))
            assert abs(q[a, b] - cosine) < 1e-14
    assert np.allclose(vector_overlaps(x * np.arange(1, 10)[:, None, None]), q)


def test_centring_takes_off_what_replicas_share():
    """Means within 4 sigma of -1 / (R - 1); control: not so without centring."""
    x = 2 + vectors("centred", (50, 400))
    centred, plain = (overlap_distribution(vector_overlaps(x, c)).mean for c in (True, False))
    assert abs(centred.value + 1 / 49) < 4 / np.sqrt(400 * 50 * 49 / 2)
    assert plain.value > 0.7


@pytest.mark.parametrize("bins", [1, 7, 40])
def test_the_density_integrates_to_one(bins):
    for x in (vectors("integral", (20, 10)), np.abs(vectors("integral", (20, 10)))):
        found = overlap_distribution(vector_overlaps(x), bins)
        assert np.isclose(np.sum(found.density * np.diff(found.edges)), 1, rtol=1e-12)
        assert found.edges[0] == (-1 if x.min() < 0 else 0) and found.edges[-1] == 1
        assert (found.error >= 0).all() and found.replicas == 20


def test_identical_replicas_are_a_delta_at_one():
    x = np.repeat(vectors("same", (1, 100)), 12, axis=0)
    found = overlap_distribution(vector_overlaps(x))
    assert abs(found.mean.value - 1) < 1e-14 and abs(found.variance.value) < 1e-14
    assert found.mean.error < 1e-14 and found.variance.error < 1e-13
    assert np.isclose(found.density[-1], 40) and not found.density[:-1].any() and found.error.max() < 1e-13


@pytest.mark.parametrize("size", [20, 500])
def test_random_vectors_have_the_variance_one_over_their_length(size):
    """60 replicas: |z| < 3 for <q> = 0 and var q = 1/P; control: 1/P of twice the length."""
    found = overlap_distribution(vector_overlaps(vectors("random", (60, size))))
    assert abs(found.mean.value) < 3 * found.mean.error
    assert abs(found.variance.value - 1 / size) < 3 * found.variance.error
    assert abs(found.variance.value - 0.5 / size) > 3 * found.variance.error


def test_errors_of_the_variance_cover():
    """300 ensembles of 20 random vectors of 30: 0.683; errors are conservative where only pairs scatter."""
    q = [vector_overlaps(vectors(f"cover {k}", (20, 30))) for k in range(300)]
    found = [overlap_distribution(m, 4).variance for m in q]
    covered = np.mean([abs(f.value - 1 / 30) < f.error for f in found])
    assert 0.62 < covered < 0.82


def test_two_valleys_are_two_peaks():
    """Half of the replicas near each of two orthogonal vectors: q is near 1 and near 0."""
    centres = np.linalg.qr(vectors("centres", (200, 2)))[0].T
    x = np.repeat(centres, 20, axis=0) + 0.01 * vectors("valleys", (40, 200)) / np.sqrt(2)
    found = overlap_distribution(vector_overlaps(x), 20)
    same = 2 * 20 * 19 / (40 * 39)
    width = found.edges[1] - found.edges[0]
    upper = found.edges[:-1] > 0.5
    assert np.isclose(found.density[upper].sum() * width, same)
    assert not found.density[np.abs(found.edges[:-1] - 0.5) < 0.2].any()
    assert abs(found.variance.value - same * (1 - same)) < 0.02


def test_class_overlaps_count_equal_predictions():
    classes = rng.stream(1, "synthetic", "classes").integers(0, 3, size=(8, 25)) * 4
    q, chance = class_overlaps(classes), class_overlaps(classes, subtract_chance=True)
    for a in range(8):
        for b in range(8):
            p = [[np.mean(classes[r] == c) for c in (0, 4, 8)] for r in (a, b)]
            assert np.isclose(q[a, b], np.mean(classes[a] == classes[b]))
            assert np.isclose(chance[a, b], q[a, b] - np.dot(*p))


def test_independent_predictions_overlap_by_chance_only():
    """|z| < 3; control: without taking chance off."""
    classes = rng.stream(2, "synthetic", "chance").choice(4, p=[0.1, 0.2, 0.3, 0.4], size=(40, 200))
    chance, plain = (overlap_distribution(class_overlaps(classes, s)).mean for s in (True, False))
    assert abs(chance.value) < 3 * chance.error
    assert abs(plain.value - 0.3) < 3 * plain.error and plain.value > 10 * plain.error


def test_refusals():
    x = vectors("refused", (9, 5))
    for bad in (np.zeros(5), np.full(5, np.nan)):
        with pytest.raises(InputError, match="leave that replica out"):
            vector_overlaps(np.vstack([x, bad]))
    for classes in (x, np.full((3, 4), -1), np.ones(4, dtype=int), np.ones((0, 3), dtype=int)):
        with pytest.raises(InputError, match="integers from 0 up"):
            class_overlaps(classes)
    with pytest.raises(InputError, match="between -1 and 1"):
        overlap_distribution(x @ x.T)
    with pytest.raises(InputError, match="at least one bin"):
        overlap_distribution(vector_overlaps(x), 0)
    with pytest.raises(InputError, match="too few"):
        overlap_distribution(vector_overlaps(x[:7]))
