"""Nearest vectors against a plain loop, and what a search is not to be fooled by."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.bottleneck import neighbours
from physnn.analysis.bottleneck.neighbours import nearest_vectors
from physnn.errors import InputError


def brute(queries, memory, count, metric, owners=None):
    """The same by a loop over pairs, in double precision."""

    def ready(vector):
        vector = vector.astype(np.float32).astype(float)
        length = math.sqrt((vector**2).sum())
        return vector / length if metric == "cosine" and length > 0 else vector

    indices, distances = np.full((len(queries), count), -1), np.full((len(queries), count), np.inf)
    for i, q in enumerate(queries):
        allowed = [j for j in range(len(memory)) if owners is None or owners[0][i] != owners[1][j]]
        found = sorted((math.sqrt(((ready(q) - ready(memory[j])) ** 2).sum()), j) for j in allowed)[:count]
        for k, (distance, j) in enumerate(found):
            indices[i, k], distances[i, k] = j, distance
    return indices, distances


def drawn(rows, columns, *words, dtype=np.float32):
    return rng.stream(0, "synthetic", "neighbours", *words).gamma(0.5, size=(rows, columns)).astype(dtype)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("together", [(256, 8192), (7, 30)])
def test_equals_a_loop(metric, dtype, together, monkeypatch):
    monkeypatch.setattr(neighbours, "QUERIES_TOGETHER", together[0])
    monkeypatch.setattr(neighbours, "VECTORS_TOGETHER", together[1])
    queries, memory = drawn(16, 12, "q", dtype=dtype), drawn(130, 12, "m", dtype=dtype)
    owners = np.arange(16) // 4, np.arange(130) // 13
    for own in (None, owners):
        for count in (1, 4):
            found = nearest_vectors(queries, memory, count, metric, own)
            indices, distances = brute(queries, memory, count, metric, own)
            assert np.array_equal(found.indices, indices)
            np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


def test_a_vector_is_at_distance_0_from_itself_and_is_left_out_on_demand():
    memory = drawn(60, 40, "self") + 1000  # far from 0: differences are lost in products of single precision
    for metric in ("cosine", "euclidean"):
        found = nearest_vectors(memory, memory, 3, metric)
        assert np.array_equal(found.indices[:, 0], np.arange(60)) and np.all(found.distances[:, 0] == 0)
        alone = np.arange(60)
        other = nearest_vectors(memory, memory, 2, metric, (alone, alone))
        assert np.array_equal(other.indices, found.indices[:, 1:]) and np.all(other.distances > 0)
        assert np.array_equal(other.indices, brute(memory, memory, 2, metric, (alone, alone))[0])


def test_equal_distances_are_ordered_by_number():
    memory = np.tile(drawn(3, 5, "ties"), (20, 1))
    found = nearest_vectors(memory[:3], memory, 5)
    assert np.array_equal(found.indices, np.arange(3)[:, None] + 3 * np.arange(5))


def test_fewer_than_asked_for_and_zero_vectors():
    memory = np.array([[0, 0], [1, 0], [0, 2]], np.float32)
    found = nearest_vectors(np.array([[0, 0], [3, 0]]), memory, 5)
    assert np.array_equal(found.indices, [[0, 1, 2, -1, -1], [1, 0, 2, -1, -1]])
    np.testing.assert_allclose(found.distances[1], [0, 1, math.sqrt(2), np.inf, np.inf])
    assert np.all(nearest_vectors(memory, memory[:0], 1).indices == -1)
    same = np.zeros(3, int)
    assert np.all(nearest_vectors(memory, memory, 1, owners=(same, same)).indices == -1)


def test_what_cannot_be_searched_is_refused():
    good = np.ones((3, 2), np.float32)
    with pytest.raises(InputError, match="channels"):
        nearest_vectors(good, np.ones((3, 4)), 1)
    with pytest.raises(InputError, match="one or more"):
        nearest_vectors(good, good, 0)
    with pytest.raises(InputError, match="owner"):
        nearest_vectors(good, good, 1, owners=(np.arange(3), np.arange(2)))
    for bad in (np.nan, np.inf, 1e30):
        with pytest.raises(InputError, match="finite"):
            nearest_vectors(good, good * bad, 1)
