"""Exact search by products of bytes against products in single precision, and what bounds must not lose."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.bottleneck.neighbours import nearest_vectors
from physnn.errors import InputError
from physnn.kernels.nearest.bytes_code import multiplies_bytes
from physnn.kernels.nearest.search import MOST_CHANNELS, ByteMemory, pack_bytes
from physnn.samples.recall import search
from physnn.samples.recall.search import fastest_search

needs_bytes = pytest.mark.skipif(not multiplies_bytes(), reason="this processor does not multiply bytes")


def drawn(kind, n, channels, *words):
    g = rng.stream(0, "synthetic", "bytes", kind, *words)
    values = {
        "positive": lambda: g.gamma(0.5, size=(n, channels)),
        "signed": lambda: g.standard_normal((n, channels)) + 0.3,
        "far": lambda: g.standard_normal((n, channels)) + 50,  # differences are lost in bytes: bounds leave nothing out
        "uneven": lambda: g.standard_normal((n, channels)) * 10.0 ** g.integers(-6, 3, (n, 1)),
        "sparse": lambda: g.gamma(0.5, size=(n, channels)) * (g.random((n, channels)) < 0.1),
    }[kind]()
    return values.astype(np.float32)


@needs_bytes
@pytest.mark.parametrize("kind", ["positive", "signed", "far", "uneven", "sparse"])
def test_equals_products_in_single_precision(kind):
    for channels in (7, 40):
        queries, memory = drawn(kind, 31, channels, "q"), drawn(kind, 150, channels, "m")
        memory[50:60] = memory[:10]  # at equal distances
        queries[3], memory[77] = 0, 0
        queries[5] = memory[20]
        owners = np.arange(31) // 7, np.arange(150) // 9
        for metric in ("cosine", "euclidean"):
            kept = ByteMemory.of(memory, metric == "cosine")
            for own in (None, owners):
                for count in (1, 10):
                    wanted = nearest_vectors(queries, memory, count, metric, own)
                    indices, distances = kept.nearest(queries, count, own)
                    np.testing.assert_allclose(distances, wanted.distances, rtol=1e-6, atol=2e-8)
                    for i, row in enumerate(indices):  # numbers are those of the distances, and no vector comes twice
                        found = row[row >= 0]
                        assert len(set(found)) == len(found) == (wanted.indices[i] >= 0).sum()
                        assert own is None or not np.isin(own[0][i], own[1][found])
                        each = nearest_vectors(queries[i : i + 1], memory[found], count, metric)
                        assert np.array_equal(np.sort(each.indices[0, : len(found)]), np.arange(len(found)))
                        np.testing.assert_allclose(each.distances[0], wanted.distances[i], rtol=1e-6, atol=2e-8)


@needs_bytes
def test_bytes_and_rests_are_vectors():
    vectors = drawn("signed", 5, 10, "rests")
    packed, about = np.zeros(3 * 32, np.int32), np.zeros((5, 6))
    pack_bytes(vectors, False, 0, 32, packed, about)
    k = packed.reshape(3, 32).view(np.int8).reshape(3, 32, 4).swapaxes(0, 1).reshape(32, 12)
    rests = vectors - about[:, :1] * k[:5, :10]
    np.testing.assert_allclose(np.linalg.norm(rests, axis=1), about[:, 1], rtol=1e-4)
    assert np.abs(rests).max() <= 0.51 * about[:, 0].max()
    assert np.array_equal(k[:5].sum(1), about[:, 4])
    assert not k[5:].any()


@needs_bytes
def test_few_vectors_and_what_is_refused():
    memory = np.array([[1, 0], [0, 2]], np.float32)
    indices, distances = ByteMemory.of(memory, False).nearest(np.array([[0, 2.5]]), 3)
    assert indices.tolist() == [[1, 0, -1]]
    assert distances[0, 0] == 0.5
    assert np.isinf(distances[0, 2])
    assert ByteMemory.of(memory[:0], True).nearest(memory, 1)[0].tolist() == [[-1], [-1]]
    with pytest.raises(InputError, match="finite"):
        ByteMemory.of(memory * np.nan, True)
    with pytest.raises(InputError, match="channels"):
        ByteMemory.of(np.zeros((1, MOST_CHANNELS + 1), np.float32), True)


def test_other_machines_and_long_vectors_have_the_plain_search(monkeypatch):
    queries, memory = drawn("positive", 5, 6, "q"), drawn("positive", 20, 6, "m")
    wanted = nearest_vectors(queries, memory, 3)
    assert np.array_equal(fastest_search(queries, memory, 3).indices, wanted.indices)
    monkeypatch.setattr("physnn.kernels.nearest.bytes_code.multiplies_bytes", lambda: False)
    monkeypatch.setattr("physnn.kernels.nearest.search.ByteMemory", None)
    assert np.array_equal(search.fastest_search(queries, memory, 3).indices, wanted.indices)
