"""Autocorrelation times and errors of means are those of AR(1) chains, and short chains are refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.series import autocorrelation, autocovariance, estimate_time, share_unseen, tau_int
from physnn.errors import InputError
from tests.synthetic.markov import ar1


def test_the_autocovariance_is_that_of_its_definition():
    x = rng.stream(0, "synthetic", "covariance").normal(size=(3, 17)) + 5
    d = x - x.mean()
    direct = [np.mean(d[:, : 17 - t] * d[:, t:]) for t in range(17)]
    np.testing.assert_allclose(autocovariance(x), direct, atol=1e-12)
    np.testing.assert_allclose(autocorrelation(x), np.array(direct) / direct[0], atol=1e-12)


@pytest.mark.parametrize(("tau", "chains", "length"), [(0.5, 1, 1000), (5.0, 1, 5000), (5.0, 4, 1500), (20.0, 2, 6000)])
def test_tau_is_unbiased_and_errors_cover(tau, chains, length):
    """240 data sets each; |z| < 4 for the bias of tau; 60 to 76 % coverage; controls that must fail the same test."""
    generator = rng.stream(1, "synthetic", "ar1", tau, chains)
    found = [tau_int(ar1(generator, (chains, length), tau)) for _ in range(240)]
    taus = np.array([f.tau.value for f in found])
    assert abs(taus.mean() - tau) < 4 * taus.std(ddof=1) / np.sqrt(240)
    means, errors = np.array([(f.mean.value, f.mean.error) for f in found]).T
    tau_errors = np.array([f.tau.error for f in found])
    # Windows of independent draws are chosen wide at times, so that the error of their tau is a little large.
    assert 0.60 < np.mean(np.abs(taus - tau) < tau_errors) < (0.76 if tau > 0.5 else 0.80)
    assert 0.60 < np.mean(np.abs(means) < errors) < 0.76
    # 95 % widths reported as sigma cover too often, errors of independent draws too rarely.
    assert np.mean(np.abs(means) < 1.96 * errors) > 0.9
    if tau > 1:
        naive = np.sqrt([f.variance / f.samples for f in found])
        assert np.mean(np.abs(means) < naive) < 0.45
        wrong = 1.15 * taus
        assert abs(wrong.mean() - tau) > 4 * wrong.std(ddof=1) / np.sqrt(240)


def test_the_convention_is_one_half_for_independent_draws():
    found = tau_int(rng.stream(2, "synthetic", "white").normal(size=(4, 20000)))
    assert abs(found.tau.value - 0.5) < 4 * found.tau.error
    assert found.effective_samples == pytest.approx(80000, rel=0.1)


@pytest.mark.parametrize("length", [50, 150, 500])
def test_a_chain_shorter_than_50_tau_is_refused_with_the_length_it_needs(length):
    generator = rng.stream(3, "synthetic", "short", length)
    refused = 0
    for _ in range(100):
        try:
            tau_int(ar1(generator, (1, length), 50.0))
        except InputError as error:
            refused += 1
            assert "run at least" in str(error) and "50 tau" in str(error)
    assert refused >= 98
    tau_int(ar1(generator, (1, 200 * 50), 50.0))


def test_chains_that_stay_apart_are_refused_though_each_alone_looks_fine():
    generator = rng.stream(4, "synthetic", "apart")
    x = ar1(generator, (2, 4000), 2.0)
    assert tau_int(x).tau.value < 3
    x[1] += 20
    assert tau_int(x[:1]).tau.value < 3 and tau_int(x[1:]).tau.value < 3
    with pytest.raises(InputError, match="too short for its autocorrelation time"):
        tau_int(x)


@pytest.mark.parametrize(("phi", "tau", "error"), [(-0.5, 1 / 6, 0.00408), (-0.9, 1 / 38, 0.001622)])
def test_series_that_swing_have_their_own_tau_and_error(phi, tau, error):
    """20,000 measurements of AR(1) with phi < 0: tau = (1 + phi) / (2 (1 - phi)) and error sqrt(2 tau / n) in 10 %."""
    assert tau == pytest.approx((1 + phi) / (2 * (1 - phi)))
    generator = rng.stream(7, "synthetic", "swings", phi)
    found = [tau_int(ar1(generator, (1, 20_000), tau)) for _ in range(100)]
    errors, taus = np.array([f.mean.error for f in found]), np.array([f.tau.value for f in found])
    assert abs(np.median(errors) / error - 1) < 0.03 and np.mean(np.abs(errors / error - 1) < 0.1) > 0.85
    assert abs(taus.mean() - tau) < 4 * taus.std(ddof=1) / 10
    assert np.mean(np.abs(taus - tau) < [f.tau.error for f in found]) > 0.55
    assert 0.55 < np.mean(np.abs([f.mean.value for f in found]) < errors) < 0.80
    # Errors of independent draws, which are sqrt(1/2 / tau) times as large, would cover always.
    assert np.mean(np.abs([f.mean.value for f in found]) < np.sqrt(0.5 / tau) * errors) > 0.85


def test_a_series_that_swings_for_ever_has_the_error_of_independent_draws():
    found = estimate_time(np.tile([1.0, -1.0], 500))
    assert found.tau.value == 0.5 and found.mean.error == pytest.approx(1000**-0.5, rel=0.01)
    assert "cancel" in found.note


def slow(generator: np.random.Generator, n: int, weight: float, tau: float, base: float = 0.5) -> np.ndarray:
    """AR(1) of tau ``base``, of which a share ``weight`` of the variance is AR(1) of a longer tau."""
    return np.sqrt(1 - weight) * ar1(generator, (1, n), base) + np.sqrt(weight) * ar1(generator, (1, n), tau)


@pytest.mark.parametrize(("tau", "base"), [(10.0, 0.5), (50.0, 0.5), (1000.0, 0.5), (50.0, 1 / 6), (1000.0, 1 / 38)])
def test_a_slow_mode_of_small_weight_is_seen_or_does_not_matter(tau, base):
    """1 % of the variance: errors within 20 % of the truth, or a note; never below the error of the window."""
    generator = rng.stream(8, "synthetic", "slow", tau, base)
    n, truth = 20_000, 0.99 * base + 0.01 * tau
    found = [estimate_time(slow(generator, n, 0.01, tau, base)) for _ in range(60)]
    ratio = np.array([f.mean.error for f in found]) / np.sqrt(2 * truth / n)
    said = np.array([bool(f.note) for f in found])
    assert np.mean(said | (np.abs(ratio - 1) < 0.2)) > 0.9
    if tau < 1000:
        assert abs(np.median(ratio) - 1) < 0.15
    else:  # the whole series is 20 tau long
        assert said.all() and np.median(ratio) > 0.45 and all("slow mode" in f.note for f in found)
        assert min(f.span for f in found) > 2 * truth > 2 * base


def test_plain_series_are_told_no_slow_mode():
    """500 series of AR(1), and 300 of 10 or 20 events among zeros: under 5 % and 2 % have notes."""
    generator = rng.stream(9, "synthetic", "plain")
    kinds = [(tau, shape) for tau in (1 / 38, 1 / 6, 0.5, 1.5, 20.0) for shape in ((1, 20_000), (4, 2000))]
    found = [estimate_time(ar1(generator, shape, tau)) for tau, shape in kinds for _ in range(50)]
    assert np.mean([bool(f.note) for f in found]) < 0.05
    rare = [
        estimate_time((generator.random((1, 20_000)) < share) * 8.0) for share in (0.0005, 0.001) for _ in range(150)
    ]
    assert np.mean([bool(f.note) for f in rare]) < 0.02


def test_what_never_changed_is_unknown():
    for value in (0.0, 0.1, 1 / 3):
        for found in (
            tau_int(np.full((2, 30), value)),
            estimate_time(value * (1 + 1e-15 * np.arange(60.0).reshape(2, 30))),
        ):
            assert found.mean.value == pytest.approx(value, abs=1e-14) and found.span == 0.5
            assert np.isnan([found.tau.value, found.mean.error, found.effective_samples]).all()
            assert "never changed" in found.note and "share below 0.049 (95 %)" in found.note
    assert share_unseen(10_000) == pytest.approx(3e-4, rel=0.01)
    assert (1 - share_unseen(20)) ** 20 == pytest.approx(0.05)
    assert autocorrelation(np.full(5, 0.1)).tolist() == [1, 0, 0, 0, 0]
    with pytest.raises(InputError, match="too short"):
        tau_int(np.array([np.zeros(100), np.ones(100)]))


def test_a_single_change_gives_numbers():
    x = np.zeros(1000)
    x[500] = 1.0
    found = estimate_time(x)
    assert np.isfinite([found.tau.value, found.tau.error, found.mean.error]).all() and found.mean.error > 0
    alternating = estimate_time(np.tile([1.0, -1.0], 500))
    assert np.isfinite([alternating.tau.value, alternating.mean.error]).all()


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="at least 4"):
        tau_int(np.zeros(3))
    with pytest.raises(InputError, match="shape"):
        tau_int(np.zeros((2, 5, 5)))
    with pytest.raises(InputError, match="not finite"):
        tau_int(np.array([1.0, np.nan, 2.0, 3.0, 4.0]))


def test_a_million_measurements_take_less_than_a_second():
    x = ar1(rng.stream(6, "synthetic", "long"), (1, 1_000_000), 20.0)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        tau_int(x)
        times.append(time.perf_counter() - start)
    assert min(times) < 1


def test_tau_of_short_chains_is_corrected_for_the_mean_that_was_subtracted():
    """Of n = 20 independent draws rho(1) is -1/n on average: without the correction tau would be 0.45."""
    draws = rng.stream(0, "synthetic", "short").normal(size=(2000, 20))
    found = np.array([estimate_time(x) for x in draws], object)
    tau = np.array([e.tau.value for e in found if e.window == 1])
    rho = np.array([autocorrelation(x)[1] for x, e in zip(draws, found, strict=True) if e.window == 1])
    np.testing.assert_allclose(tau, (0.5 + rho) * (1 + 3 / 20))
    assert len(tau) > 500


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exponent", [60, -60, 1000, -1000])
def test_units_that_are_powers_of_two_change_nothing(exponent):
    series = np.random.default_rng(0).normal(size=(2, 500)).cumsum(1) * 0.1 + np.random.default_rng(1).normal(size=500)
    one, other = estimate_time(series), estimate_time(np.ldexp(series, exponent))
    assert (one.tau, one.window, one.note, one.p_value) == (other.tau, other.window, other.note, other.p_value)
    assert other.mean.value == one.mean.value * 2.0**exponent and other.mean.error == one.mean.error * 2.0**exponent
    assert np.array_equal(autocorrelation(series), autocorrelation(np.ldexp(series, exponent)))


@pytest.mark.filterwarnings("error")
def test_an_autocovariance_beyond_all_numbers_is_refused():
    with pytest.raises(InputError, match="larger unit"):
        autocovariance(np.array([1e300, -1e300, 2e300, 0.0]))


@pytest.mark.parametrize("series", [np.ones(5) * 1j, ["1"] * 5, [[1, 2, 3, 4], [1, 2]], [{}] * 5])
def test_series_of_other_things_than_numbers_are_refused(series):
    with pytest.raises(InputError, match="real numbers"):
        estimate_time(series)
