from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.kernels import random


def state(name: str) -> np.ndarray:
    return random.seeded(rng.seed_sequence(5, "synthetic", "xoshiro", name))


def test_known_answers_of_the_published_generator():
    # First outputs of the reference xoshiro256++ for the state 1, 2, 3, 4.
    expected = [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
        9973669472204895162,
        14011001112246962877,
        12406186145184390807,
        15849039046786891736,
        10450023813501588000,
    ]
    generator, words = np.array([1, 2, 3, 4], np.uint64), np.empty(10, np.uint64)
    random.fill_words(generator, words)
    assert words.tolist() == expected
    one_by_one = np.array([1, 2, 3, 4], np.uint64)
    assert [random.random_word(one_by_one) for _ in range(10)] == expected
    assert np.array_equal(generator, one_by_one)


def test_uniforms_are_uniform_and_below_one():
    words = np.empty(100_000, np.uint64)
    random.fill_words(state("uniform"), words)
    assert stats.kstest([random.uniform(w) for w in words[:20_000]], "uniform").pvalue > 1e-3
    for bit in range(64):
        ones = int(((words >> np.uint64(bit)) & np.uint64(1)).sum())
        assert abs(ones - 50_000) < 4.5 * np.sqrt(25_000)
    assert random.uniform(np.uint64(2**64 - 1)) == 1 - 2.0**-53


@pytest.mark.parametrize("n", [2, 3, 7, 16])
def test_integers_below_n_are_uniform(n: int):
    generator = state("below")
    counts = np.bincount([random.below(generator, n) for _ in range(30_000)], minlength=n)
    assert len(counts) == n and stats.chisquare(counts).pvalue > 1e-3


def test_thresholds_hold_certain_and_impossible_events():
    assert random.probability_thresholds(np.array([-1e-17, 0.0, 0.5, 1.0, 1 + 1e-16])).tolist() == [
        0,
        0,
        2**52,
        2**53,
        2**53,
    ]


def test_seeds_differ_by_their_words():
    assert not np.array_equal(state("a"), state("b"))
    assert np.array_equal(state("a"), state("a"))
