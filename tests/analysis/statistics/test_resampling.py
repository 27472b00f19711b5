"""Errors of functions of moments cover, agree with each other, and need bins longer than the correlations."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.resampling import bin_sums, bootstrap, jackknife, linear_error, redrawn, shares, widened
from physnn.errors import InputError
from tests.synthetic.markov import Ising4, ar1, binder


def variance(m1, m2):
    return m2 - m1**2


METHODS = {
    "jackknife": jackknife,
    "bootstrap": lambda f, *s: bootstrap(f, *s, generator=rng.stream(0, "bootstrap", "test"), resamples=200),
    "linear": linear_error,
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("tau", "chains", "length"), [(5.0, 4, 1000), (5.0, 1, 2500)])
def test_errors_cover(method, tau, chains, length):
    """240 data sets; the variance of an AR(1) chain is 1; controls: independent draws and doubled errors."""
    generator = rng.stream(1, "synthetic", "moments", chains)
    data = [ar1(generator, (chains, length), tau) + 1 for _ in range(240)]
    found = [METHODS[method](variance, x, x * x) for x in data]
    z = np.array([(f.value - 1) / f.error for f in found])
    assert 0.60 < np.mean(np.abs(z) < 1) < 0.76
    assert np.mean(np.abs(z) < 2) > 0.9
    shuffled = np.array([METHODS[method](variance, y, y * y).error for y in map(generator.permuted, data[:40])])
    assert np.mean(np.abs(np.array([f.value for f in found[:40]]) - 1) < shuffled) < 0.6


def test_the_three_methods_agree():
    x = ar1(rng.stream(2, "synthetic", "agree"), (8, 20000), 5.0)
    errors = [METHODS[m](binder, x**2, x**4).error for m in METHODS]
    assert max(errors) / min(errors) < 1.25


def test_the_jackknife_removes_the_bias():
    """The square of a mean of n draws has the bias var/n."""
    generator = rng.stream(3, "synthetic", "bias")
    data = generator.normal(size=(400, 100))
    corrected = np.array([jackknife(np.square, x).value for x in data])
    plain = data.mean(axis=1) ** 2
    assert abs(corrected.mean()) < 4 * corrected.std() / 20
    assert plain.mean() > 4 * plain.std() / 20


def test_binder_of_exact_draws():
    ising, T = Ising4(), 2.3
    exact = binder(*ising.means(T, ising.m**2, ising.m**4))
    _, m2, m4 = ising.draw(rng.stream(4, "synthetic", "ising4"), T, (4, 5000))
    for method in METHODS.values():
        found = method(binder, m2, m4)
        assert abs(found.value - exact) < 4 * found.error < 0.05
        assert abs(found.value - exact - 0.1) > 4 * found.error


def test_bins_are_long_and_hold_every_measurement():
    x = ar1(rng.stream(5, "synthetic", "edges"), (3, 1003), 4.0)
    sums, lengths = bin_sums((x, x**2))
    assert lengths.sum() == 3 * 1003 and lengths.min() > 25
    np.testing.assert_allclose(sums.sum(axis=1), [x.sum(), (x**2).sum()])
    drawn = redrawn(7, 1000, rng.stream(6, "bootstrap", "rows"))
    np.testing.assert_allclose(drawn.sum(axis=1), 7)


def test_constant_series_have_no_error():
    for method in METHODS.values():
        found = method(binder, np.ones((2, 40)), np.ones((2, 40)))
        assert found.value == pytest.approx(2 / 3) and found.error < 1e-12


def test_wrong_input_is_refused():
    generator = rng.stream(7, "synthetic", "wrong")
    x = generator.normal(size=(2, 100))
    for method in METHODS.values():
        with pytest.raises(InputError, match="shapes"):
            method(binder, x, x[:, :50])
        with pytest.raises(InputError, match="not finite"):
            method(binder, np.zeros((2, 40)), np.zeros((2, 40)))
        slow = ar1(generator, (1, 100), 30.0)
        with pytest.raises(InputError, match="run at least"):
            method(variance, slow, slow**2)
    with pytest.raises(InputError, match="no series"):
        jackknife(binder)


def test_widened_shares_of_few_draws_vary_as_the_mean_does():
    y = np.array([0.3, 1.1, 2.0])
    drawn = shares(len(y), (40_000,), rng.stream(0, "synthetic", "shares"))
    assert np.allclose(drawn.sum(1), 1) and np.allclose(widened(drawn).sum(1), 1)
    expected = y.var(ddof=1) / len(y)
    assert (widened(drawn) @ y).var() == pytest.approx(expected, rel=0.03)
    assert (drawn @ y).var() == pytest.approx(expected * 2 / 3, rel=0.03), "the control: too little without it"
    assert np.array_equal(widened(shares(1, (5,), rng.stream(0, "synthetic", "one"))), np.ones((5, 1)))


def test_the_error_of_a_mean_rests_on_one_degree_of_freedom_less_than_there_are_bins():
    x = rng.stream(0, "synthetic", "degrees").normal(size=(2, 100))
    sums, lengths = bin_sums((x,))
    means = sums[0] / lengths
    found = jackknife(lambda m: m, x)
    assert found.dof == len(means) - 1
    if len(set(lengths)) == 1:
        expected = Estimate.student(means.mean(), means.std(ddof=1) / len(means) ** 0.5, len(means) - 1)
        assert (found.value, found.error) == pytest.approx((expected.value, expected.error))
