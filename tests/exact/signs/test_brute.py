"""Brute force: threads, interruption, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.signs import brute
from physnn.exact.signs.brute import brute_force
from physnn.models.signs import SignNetwork, Threshold

NETWORK = SignNetwork((1, 3, 3, 2, 1))


def as_lists(found):
    return found.counts.tolist(), found.levels.round(10).tolist()


def test_the_published_example():
    found = brute_force(NETWORK)
    assert (found.configurations, found.distinct, found.max_degeneracy) == (2**20, 49, 253_952)


def test_threads_do_not_matter():
    assert as_lists(brute_force(NETWORK, threads=3)) == as_lists(brute_force(NETWORK))


def test_interrupted_and_resumed():
    steps, _ = brute.step_numbers(NETWORK)
    run = brute.tallies(NETWORK, Threshold(), 0, steps)
    states = [(done, counted()) for done, counted in itertools.islice(run, 2)]
    run.close()
    done, kept = states[-1]
    assert 0 < kept.counts.sum() < 2**20 and 0 < done < steps
    *_, (_, counted) = brute.tallies(NETWORK, Threshold(), 0, steps, 2, kept)
    assert as_lists(brute.landscape_of(NETWORK, counted())) == as_lists(brute_force(NETWORK))
    wrong = brute.Tally(states[0][0], *(getattr(kept, name) for name in brute.BIN_COLUMNS))
    *_, (_, counted) = brute.tallies(NETWORK, Threshold(), 0, steps, 1, wrong)
    with pytest.raises(ValueError, match="sum to"):
        brute.landscape_of(NETWORK, counted())


def test_many_levels_make_the_table_grow():
    network = SignNetwork((1, 2, 2, 2, 1), constant=0.3, bias="all")
    assert brute_force(network).distinct > brute.Bins.empty(network).arrays[0].size / 2


def test_scalar_products_do_not_matter(monkeypatch):
    network = SignNetwork((1, 2, 3, 1), bias="all")
    fast = brute_force(network)
    monkeypatch.setattr(brute, "GRAM", 0)
    assert as_lists(brute_force(network)) == as_lists(fast)


def test_two_hundred_weights_are_refused():
    network = SignNetwork((1, 10, 10, 8, 1))
    assert network.weights == 198
    with pytest.raises(InputError, match=r"198 weights would take about .* years .* GB"):
        brute_force(network)


def test_a_huge_unit_is_refused(monkeypatch):
    monkeypatch.setattr(brute, "TABLE", 2)
    with pytest.raises(InputError, match="too many choices"):
        brute_force(SignNetwork((1, 1, 1), constant=0.5))


def test_levels_within_rounding_are_refused():
    """Negative control: levels that a float cannot tell apart."""
    low = np.array([0.5, 0.5 + 5e-12])
    tally = brute.Tally(1, np.arange(2), np.ones(2, np.int64), low, low)
    with pytest.raises(InputError, match="closer than rounding"):
        brute.landscape_of(SignNetwork((1, 1)), tally)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_every_configuration_is_seen_once(loss):
    network, task = SignNetwork((1, 2, 2, 1), output="tanh", bias="first", constant=0.4), Threshold(5, 1, loss)
    losses = task.losses(network.outputs(network.configuration(np.arange(2**network.weights)), task.x))
    found = brute_force(network, task)
    np.testing.assert_allclose(np.repeat(found.levels, found.counts.astype(int)), np.sort(losses), rtol=1e-11)
