"""Lifetimes with censoring: the planted one is found with an error that covers it, and censoring does not bias it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.memory.lifetimes import NO_LOSS_LIMIT, Lifetime, lifetime, mean_lifetime


def planted(tau, shape, end, count, generator):
    life = tau * generator.weibull(shape, count)
    return np.minimum(life, end), life < end


@pytest.mark.parametrize(("shape", "end"), [(1.0, 1e9), (1.0, 80.0), (4.0, 100.0)])
def test_the_error_bar_holds_a_planted_lifetime(shape, end):
    generator = rng.stream(0, "synthetic", "lifetimes", shape, end)
    trials = [lifetime(*planted(100.0, shape, end, 40, generator)) for _ in range(400)]
    z = np.array([(cell.log_tau.value - math.log(100.0)) / cell.log_tau.error for cell in trials])
    assert 0.60 < (np.abs(z) < 1).mean() < 0.76
    assert abs(z.mean()) < 0.35


def test_taking_ends_of_runs_for_losses_misses_it():
    # Negative control: without censoring the lifetime comes out at the length of the runs.
    generator = rng.stream(0, "synthetic", "lifetimes", "censored")
    times, lost = planted(100.0, 1.0, 80.0, 2000, generator)
    right, wrong = lifetime(times, lost), lifetime(times, np.ones(len(times), bool))
    assert abs(right.log_tau.value - math.log(100)) < 4 * right.log_tau.error
    assert abs(wrong.log_tau.value - math.log(100)) > 10 * wrong.log_tau.error


def test_without_censoring_a_constant_rate_gives_the_mean():
    times = np.array([1.0, 5.0])
    cell = lifetime(times, np.ones(2, bool))
    assert cell.shape == 1 and cell.tau == pytest.approx(3.0)


def test_a_lower_limit_where_nothing_was_lost():
    cell = lifetime(np.full(8, 1000.0), np.zeros(8, bool))
    assert cell.bound and cell.tau == pytest.approx(8000 / NO_LOSS_LIMIT)
    # At that tau nothing is lost in one trial of twenty.
    assert math.exp(-8000 / cell.tau) == pytest.approx(0.05)


def test_equal_lifetimes_have_the_narrowest_shape():
    cell = lifetime(np.full(8, 50.0), np.ones(8, bool))
    assert cell.shape == pytest.approx(10, rel=0.01) and cell.tau == pytest.approx(50)


def test_networks_are_the_independent_draws():
    cells = [lifetime(np.full(50, tau) * (1 + 0.001 * np.arange(50)), np.ones(50, bool)) for tau in (10.0, 100.0)]
    mean = mean_lifetime(cells)
    assert mean.tau == pytest.approx(math.sqrt(10 * 100), rel=0.05)
    assert mean.log_tau.error > 1  # half a decade each way, one degree of freedom
    bound = lifetime(np.full(4, 1000.0), np.zeros(4, bool))
    assert mean_lifetime([cells[0], bound]).bound
    assert isinstance(mean_lifetime([bound]), Lifetime)
