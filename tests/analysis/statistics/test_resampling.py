"""Errors of functions of moments cover, and bins are longer than the correlations."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.resampling import bin_count, bin_edges, linear_error, redrawn, shares, widened
from physnn.errors import InputError
from tests.synthetic.markov import Ising4, ar1, binder


def variance(m1, m2):
    return m2 - m1**2


@pytest.mark.parametrize(("tau", "chains", "length"), [(5.0, 4, 1000), (5.0, 1, 2500)])
def test_errors_cover(tau, chains, length):
    """240 data sets; the variance of an AR(1) chain is 1; controls: independent draws and doubled errors."""
    generator = rng.stream(1, "synthetic", "moments", chains)
    data = [ar1(generator, (chains, length), tau) + 1 for _ in range(240)]
    found = [linear_error(variance, x, x * x) for x in data]
    z = np.array([(f.value - 1) / f.error for f in found])
    assert 0.60 < np.mean(np.abs(z) < 1) < 0.76
    assert np.mean(np.abs(z) < 2) > 0.9
    shuffled = np.array([linear_error(variance, y, y * y).error for y in map(generator.permuted, data[:40])])
    assert np.mean(np.abs(np.array([f.value for f in found[:40]]) - 1) < shuffled) < 0.6


def test_binder_of_exact_draws():
    ising, T = Ising4(), 2.3
    exact = binder(*ising.means(T, ising.m**2, ising.m**4))
    _, m2, m4 = ising.draw(rng.stream(4, "synthetic", "ising4"), T, (4, 5000))
    found = linear_error(binder, m2, m4)
    assert abs(found.value - exact) < 4 * found.error < 0.05
    assert abs(found.value - exact - 0.1) > 4 * found.error


def test_bins_are_long_and_hold_every_measurement():
    count = bin_count(4.0, 3, 1003)
    lengths = np.diff(bin_edges(1003, count), append=1003)
    assert lengths.sum() == 1003 and lengths.min() >= 40
    assert bin_count(0.5, 4, 10**5) == 32, "128 in all"
    with pytest.raises(InputError, match="makes no two bins"):
        bin_count(4.0, 1, 70)
    drawn = redrawn(7, 1000, rng.stream(6, "bootstrap", "rows"))
    np.testing.assert_allclose(drawn.sum(axis=1), 7)
    means = redrawn(7, 40_000, rng.stream(7, "bootstrap", "rows")) @ np.arange(7.0) / 7
    assert means.var() == pytest.approx(np.var(np.arange(7.0), ddof=1) / 7, rel=0.03)


def test_the_error_of_what_never_changed_is_unknown():
    found = linear_error(binder, np.ones((2, 40)), np.ones((2, 40)))
    assert found.value == pytest.approx(2 / 3) and np.isnan(found.error)


def test_wrong_input_is_refused():
    generator = rng.stream(7, "synthetic", "wrong")
    x = generator.normal(size=(2, 100))
    with pytest.raises(InputError, match="shapes"):
        linear_error(binder, x, x[:, :50])
    with pytest.raises(InputError, match="not finite"):
        linear_error(binder, np.zeros((2, 40)), np.zeros((2, 40)))
    slow = ar1(generator, (1, 100), 30.0)
    with pytest.raises(InputError, match="run at least"):
        linear_error(variance, slow, slow**2)
    with pytest.raises(InputError, match="there are none"):
        linear_error(binder)


def test_widened_shares_of_few_draws_vary_as_the_mean_does():
    y = np.array([0.3, 1.1, 2.0])
    drawn = shares(len(y), (40_000,), rng.stream(0, "synthetic", "shares"))
    assert np.allclose(drawn.sum(1), 1) and np.allclose(widened(drawn).sum(1), 1)
    expected = y.var(ddof=1) / len(y)
    assert (widened(drawn) @ y).var() == pytest.approx(expected, rel=0.03)
    assert (drawn @ y).var() == pytest.approx(expected * 2 / 3, rel=0.03), "the control: too little without it"
    assert np.array_equal(widened(shares(1, (5,), rng.stream(0, "synthetic", "one"))), np.ones((5, 1)))
