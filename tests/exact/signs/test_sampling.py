"""Walkers through levels against exact counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from physnn.errors import InputError
from physnn.exact.landscape import Landscape
from physnn.exact.signs.count import count_signs
from physnn.exact.signs.sampling import SampledLandscape, sample_landscape
from physnn.models.signs import SignNetwork, Threshold

TASK = Threshold(8)


def deviations(found: SampledLandscape, fractions: np.ndarray) -> np.ndarray:
    """Deviations in standard errors, those of few walkers turned into a normal variable's of equal probability."""
    t = (found.mean - fractions) / found.error
    return np.abs(stats.norm.isf(stats.t.sf(np.abs(t), len(found.fractions) - 1)))


def check(found: SampledLandscape, exact: Landscape) -> None:
    assert found.complete and found.to_dataframe()["fraction"].sum() == pytest.approx(1)
    assert len(found.levels) == exact.distinct
    np.testing.assert_allclose(found.levels, exact.levels, atol=1e-11)
    z = deviations(found, exact.probabilities)
    # Of n levels 0.27 % lie beyond three errors by chance: at most as many as three deviations of that number allow.
    by_chance = 0.0027 * len(z)
    assert (z > 3).sum() <= by_chance + 3 * np.sqrt(by_chance)
    assert z.max() < 4.5


def test_small_network():
    network = SignNetwork((1, 3, 3, 2, 1))
    exact = count_signs(network, TASK)
    found = sample_landscape(network, TASK, walkers=12, moves=500_000, measured=300_000)
    check(found, exact)
    assert (found.error / exact.probabilities).max() < 0.2
    planted = exact.probabilities.copy()
    planted[[3, 30]] *= 1.5, 0.7
    assert deviations(found, planted)[[3, 30]].min() > 4.5


def test_biases_and_threads():
    network = SignNetwork((1, 2, 2, 1), constant=0.5, bias="all")
    check(
        sample_landscape(network, TASK, walkers=8, moves=400_000, measured=200_000, seed=3), count_signs(network, TASK)
    )
    found = [
        sample_landscape(network, TASK, walkers=4, moves=20_000, measured=20_000, threads=threads).fractions
        for threads in (1, 2, 3)
    ]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    other = sample_landscape(network, TASK, walkers=4, moves=20_000, measured=20_000, seed=1).fractions
    assert not np.array_equal(found[0], other)


def test_too_short_a_run_says_so():
    """Negative control: walkers that have not seen everything do not claim to have."""
    found = sample_landscape(SignNetwork((1, 4, 4, 4, 1)), TASK, walkers=2, moves=2_000, measured=2_000)
    assert not found.complete and len(found.levels) < 1017


@pytest.mark.slow
def test_two_to_the_forty_configurations():
    network = SignNetwork((1, 4, 4, 4, 1))
    exact = count_signs(network, TASK)
    assert exact.distinct == 1017
    found = sample_landscape(network, TASK, walkers=32, moves=2_000_000, measured=2_000_000)
    check(found, exact)
    assert exact.probabilities.min() < 1e-8 and (found.error / exact.probabilities).max() < 0.1


@pytest.mark.parametrize("wrong", [{"walkers": 1}, {"moves": 0}, {"measured": 0}])
def test_refusals(wrong):
    with pytest.raises(InputError, match="at least 2 walkers"):
        sample_landscape(SignNetwork((1, 2, 1)), TASK, **wrong)


def test_too_many_levels_are_refused():
    with pytest.raises(InputError, match="max_levels"):
        sample_landscape(SignNetwork((1, 3, 3, 2, 1)), TASK, max_levels=8)
