"""Counting over functions against brute force, and against figures found by an independent program."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from physnn.errors import InputError
from physnn.exact.landscape import Landscape
from physnn.exact.signs import patterns, precise, symbolic, units
from physnn.exact.signs.brute import brute_force
from physnn.exact.signs.count import count_signs
from physnn.models.signs import SignNetwork, Threshold

SMALL = (1, 3, 3, 2, 1)
FIGURES = [
    (SignNetwork(SMALL), 20, 49, 253_952),
    (SignNetwork(SMALL, constant=0.5), 23, 385, 1_736_704),
    (SignNetwork(SMALL, bias="first"), 23, 385, 1_736_704),
    (SignNetwork(SMALL, constant=0.5, bias="first"), 26, 3_329, 12_713_984),
    (SignNetwork((1, 4, 4, 4, 1)), 40, 1_017, 227_891_503_104),
    (SignNetwork((1, 4, 4, 3, 1), constant=0.5), 39, 19_437, 18_579_996_672),
    (SignNetwork((1, 5, 5, 5, 1)), 60, 104_214, 14_811_956_903_936_000),
]


def plain(network: SignNetwork, task: Threshold) -> Landscape:
    """Every configuration through the plain reference, losses rounded: for networks with levels far apart."""
    losses = task.losses(network.outputs(network.configuration(np.arange(2**network.weights)), task.x))
    levels, counts = np.unique(losses.round(9), return_counts=True)
    return Landscape.build(network.weights, levels, counts, "plain")


def same(a: Landscape, b: Landscape) -> bool:
    return (
        a.distinct == b.distinct
        and bool((a.counts == b.counts).all())
        and np.allclose(a.levels, b.levels, rtol=1e-8, atol=2e-9)
    )


@pytest.mark.parametrize(("network", "weights", "distinct", "largest"), FIGURES, ids=lambda v: getattr(v, "layers", v))
def test_figures(network, weights, distinct, largest):
    found = count_signs(network)
    assert found.weights == weights and found.configurations == 2**weights
    assert (found.distinct, found.max_degeneracy) == (distinct, largest)


@pytest.mark.slow
def test_three_million_levels():
    began = time.perf_counter()
    found = count_signs(SignNetwork((1, 6, 6, 6, 1)))
    assert time.perf_counter() - began < 30
    assert found.configurations == 2**84
    assert (found.distinct, found.max_degeneracy) == (3_187_467, 1_017_429_370_177_118_409_850_880)


AGREE = [
    SignNetwork(SMALL),
    SignNetwork(SMALL, constant=0.5),
    SignNetwork(SMALL, bias="first"),
    SignNetwork((1, 2, 2, 2, 1), bias="all"),
    SignNetwork((1, 2, 2, 2, 1), constant=0.3, bias="all"),
    SignNetwork((1, 2, 2, 2, 1), output="tanh", bias="first"),
    SignNetwork(SMALL, "relu", constant=0.5),
    SignNetwork(SMALL, "sign", constant=0.5),
    SignNetwork((1, 2, 3, 2, 1), "relu", constant=0.3, bias="first"),
    SignNetwork((1, 2, 2, 2, 1), "sign", constant=0.3, bias="all"),
    SignNetwork((1, 2, 2, 1), "sign", "tanh", constant=0.3, bias="all"),
    SignNetwork((1, 4, 4, 1)),
    SignNetwork((1, 8, 1), constant=0.25),
    SignNetwork((1, 2, 2, 2, 2, 1), constant=0.5),
    SignNetwork((1, 1), constant=0.0, bias="all"),
    SignNetwork((1, 3, 2, 1), constant=1.0, bias="all"),
    SignNetwork((1, 3, 2, 1), constant=0.0),
]


@pytest.mark.parametrize("network", AGREE, ids=str)
def test_functions_and_brute_force_agree_level_by_level(network):
    assert same(count_signs(network), brute_force(network))


@pytest.mark.parametrize("points", [(64, 0), (7, None), (2, None), (1, 0)])
@pytest.mark.parametrize("hidden", ["tanh", "sign", "relu"])
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_agreement_on_special_data(points, hidden, loss):
    """Few points, all labels alike, a grid that is symmetric: different functions share losses."""
    task = Threshold(*points, loss)
    network = SignNetwork((1, 2, 2, 1), hidden, constant=0.5, bias="first")
    assert same(count_signs(network, task), plain(network, task))


def test_equal_losses_of_different_functions_are_merged():
    """About the middle of a symmetric grid x - 1/2 is odd, and -f(1 - x) has the cross-entropy of f(x)."""
    network = SignNetwork((1, 2, 2, 1), constant=0.5, bias="first")
    symmetric, generic = Threshold(8, None, "cross-entropy"), Threshold(8, 0, "cross-entropy")
    assert count_signs(network, symmetric).distinct < count_signs(network, generic).distinct
    assert same(count_signs(network, symmetric), plain(network, symmetric))


networks = st.builds(
    SignNetwork,
    st.lists(st.integers(1, 3), min_size=0, max_size=3).map(lambda hidden: (1, *hidden, 1)),
    st.sampled_from(["tanh", "sign", "relu"]),
    st.sampled_from(["linear", "tanh"]),
    st.sampled_from([None, 0.0, 0.5, 1.0, -0.3, 0.7]),
    st.sampled_from([None, "first", "all"]),
)
tasks = st.builds(
    Threshold, st.sampled_from([3, 8]), st.sampled_from([0, 1, None]), st.sampled_from(["mse", "cross-entropy"])
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks, tasks)
def test_random_small_networks(network, task):
    assume(network.weights <= 13)
    expected = plain(network, task)
    assert same(count_signs(network, task), expected)
    assert same(brute_force(network, task), expected)


def test_rounded_keys_are_caught(monkeypatch):
    """Negative control: functions taken as equal by three digits of their values merge what differs."""
    right = count_signs(SignNetwork(SMALL, constant=0.5))
    intern = symbolic.SymbolicFunctions._intern

    def rounding(self, active, terms):
        f = intern(self, active, terms)
        near = [g for g, row in enumerate(self._rows[:f]) if np.allclose(row, self._rows[f], atol=0.02)]
        return near[0] if near else f

    monkeypatch.setattr(symbolic.SymbolicFunctions, "_intern", rounding)
    wrong = count_signs(SignNetwork(SMALL, constant=0.5))
    assert not same(wrong, right) and wrong.configurations == right.configurations


def test_a_wrong_sign_is_caught(monkeypatch):
    """Negative control: taking an even combination for an odd one."""
    sums = units.sums
    monkeypatch.setattr(
        units,
        "sums",
        lambda state, bias: Counter({tuple((f, abs(k)) for f, k in t): n for t, n in sums(state, bias).items()}),
    )
    network = SignNetwork((1, 2, 2, 2, 1), constant=0.5)
    try:
        wrong = count_signs(network)
    except ValueError:  # the counts no longer sum to 2^weights
        return
    assert not same(wrong, brute_force(network))


def test_levels_below_float_resolution_are_settled_exactly():
    third = [precise.Fraction(1, 3), precise.Fraction(1, 3) + precise.Fraction(1, 10**30), precise.Fraction(1, 3)]
    levels, counts = precise.settle(
        np.array([1 / 3, 1 / 3, 1 / 3 + 1e-14, 0.5]),
        np.array([1, 2, 4, 8], object),
        lambda indices: [third[i] for i in indices],
    )
    assert levels.tolist() == [1 / 3, 1 / 3, 0.5] and counts.tolist() == [5, 2, 8]


def test_patterns_against_enumeration():
    import itertools

    unit, N = Counter({0: 3, 1: 2, 5: 4, 6: 1}), 3
    draws = [(0, 0, 6)] + [(g, s, w) for g, w in unit.items() if g for s in (1, -1)]
    expected: Counter = Counter()
    for chosen in itertools.product(draws, repeat=N):
        total: Counter = Counter()
        for g, s, _ in chosen:
            total[g] += s
        expected[tuple(sorted((g, k) for g, k in total.items() if g and k))] += np.prod([w for *_, w in chosen])
    found = patterns.merged_patterns([patterns.signed_sums(unit, N), patterns.signed_sums(unit, N)])
    for ids, ways in zip(found.ids.tolist(), found.ways, strict=True):
        assert ways == 2 * expected[tuple(sorted((g, n) for g, n in Counter(ids).items() if g))]
    assert sum(w << len(set(i) - {0}) for i, w in zip(found.ids.tolist(), found.ways, strict=True)) == 2 * 20**N


def test_merging_of_long_patterns_uses_several_words():
    ids = np.array([[2**20, 7, 6, 5, 4, 3], [2**20, 7, 6, 5, 4, 2], [2**20, 7, 6, 5, 4, 3]], np.int32)
    found = patterns.merged_patterns([patterns.Patterns(ids, np.array([1, 2, 4], object))])
    assert sorted(found.ways.tolist()) == [2, 5]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (SignNetwork((1, 30, 30, 30, 1)), "patterns|states"),
        (SignNetwork((1, 6, 6, 6, 6, 6, 1)), "states"),
        (SignNetwork((1, 7, 7, 7, 1), constant=0.5), "patterns|different outputs"),
    ],
    ids=str,
)
def test_what_is_too_large_is_refused(network, words):
    with pytest.raises(InputError, match=words):
        count_signs(network)
