"""Each verdict is given where its evidence was planted, and not where it was taken away."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.curves import curves_of
from physnn.analysis.curves.points import Points
from physnn.analysis.curves.roughness import roughness, thinned
from physnn.analysis.curves.tables import fit_arrays
from physnn.analysis.verdict.first_order import separation, two_peaks
from physnn.analysis.verdict.fit import fit_curves
from physnn.errors import InputError

SIZES = (16, 32, 64, 128)


def table(curve, x, error: float, seed: int = 0, sizes=SIZES):
    generator = rng.stream(seed, "synthetic", "verdict")
    L = np.repeat(np.array(sizes, float), len(x))
    y = np.concatenate([curve(x, float(size)) for size in sizes])
    return L, np.tile(x, len(sizes)), y + error * generator.standard_normal(len(L)), np.full(len(L), error)


def kosterlitz_thouless(x, L):
    """Joined below x = 0.4; beyond, a function of L over exp(b/sqrt t)."""
    t = np.maximum(x - 0.4, 1e-9)
    ratio = np.exp(np.clip(np.log(L) - 1.2 / np.sqrt(t), -50, 50))
    return 0.66 - 0.02 * x - 0.6 * ratio**0.8 / (1 + ratio**0.8)


def power(x, L):
    t = np.maximum(x - 0.4, 0)
    return 0.66 - 0.02 * x - 0.6 * np.tanh((L * t**1.5 / 3) ** 1.2)


@pytest.mark.parametrize(("curve", "name"), [(kosterlitz_thouless, "kosterlitz-thouless"), (power, "power")])
def test_curves_that_join_are_merging_and_the_right_form_is_favoured(curve, name):
    fit = fit_arrays(*table(curve, np.linspace(0, 1.2, 31), 0.002))
    assert fit.verdict == "merging", fit.reason
    assert fit.merging.favoured == name
    assert abs(fit.merging.best.critical_point.value - 0.4) < 3.5 * fit.merging.best.critical_point.error
    answer = fit.as_json()
    assert {"power", "kosterlitz_thouless", "favoured"} == set(answer["merging"])
    assert answer["inverse_nu"] is None and answer["critical_point"]["value"] > 0


def test_curves_that_join_but_for_corrections_do_not_cross():
    """Small sizes are a little lower where all are joined; the smallest apart from the others by most."""
    x = np.linspace(0, 1.2, 31)
    fit = fit_arrays(*table(lambda x, L: kosterlitz_thouless(x, L) - 0.08 / L, x, 0.0005))
    assert fit.verdict == "undecided" and "corrections to scaling" in fit.reason and fit.collapse is None
    fit = fit_arrays(*table(lambda x, L: kosterlitz_thouless(x, L) - 0.03 * (SIZES[0] == L) * (x < 0.5) / L, x, 0.0005))
    assert fit.verdict == "merging" and f"the curves of L >= {SIZES[1]} differ" in fit.reason
    # A tenth of the difference on the other side is a crossing.
    fit = fit_arrays(*table(lambda x, L: np.where(x > 0.4, 1.0, 0.1) * np.tanh((0.4 - x) * L / 8), x, 0.002))
    assert fit.verdict == "crossing"


def test_curves_that_join_on_the_right_are_merging_too():
    L, x, y, error = table(kosterlitz_thouless, np.linspace(0, 1.2, 31), 0.002)
    fit = fit_arrays(L, -x, y, error)
    assert fit.verdict == "merging"
    assert fit.merging.best.critical_point.value == pytest.approx(-0.4, abs=0.1)


def test_data_on_one_side_of_the_critical_point_decide_nothing():
    def logistic(x, L):
        return 1 / (1 + np.exp(-(x - 0.5) * L**0.9))

    for x in (np.linspace(0.25, 0.45, 21), np.linspace(0.52, 0.7, 21)):
        fit = fit_arrays(*table(logistic, x, 0.003))
        assert fit.verdict == "undecided", (x[0], fit.reason)
        assert "extend the range" in fit.reason
    assert fit_arrays(*table(logistic, np.linspace(0.4, 0.6, 21), 0.003)).verdict == "crossing"


def dipping(x, L, depth=1.0):
    u = (x - 0.5) * L**2 / 200
    return 0.33 + 0.33 * np.tanh(u) - depth * (L / 16) ** 1.0 * np.exp(-((u + 0.7) ** 2))


def test_a_negative_dip_that_deepens_is_first_order():
    x = np.linspace(0.2, 0.8, 61)
    fit = fit_arrays(*table(dipping, x, 0.01, sizes=(16, 24, 32)), observable="binder")
    assert fit.verdict == "first-order", fit.reason
    assert "deepens with L" in fit.reason
    flat = fit_arrays(*table(lambda x, L: dipping(x, L, 0.0), x, 0.01, sizes=(16, 24, 32)), observable="binder")
    assert flat.verdict == "crossing"


def test_two_peaks_are_seen_and_one_is_not():
    generator = rng.stream(0, "synthetic", "peaks")
    one = generator.standard_normal(4000)
    assert separation(one) == 0
    assert separation(generator.exponential(size=4000)) < 2.5
    # The order parameter just above an Ising transition: one peak with a long tail.
    skewed = 0.6 * generator.random(4000) ** 0.6 + 0.03 * generator.standard_normal(4000)
    assert separation(skewed) == 0
    two = np.where(generator.random(4000) < 0.4, 3.0, -3.0) + generator.standard_normal(4000)
    assert separation(two) == pytest.approx(6, rel=0.1)


def test_peaks_that_come_apart_with_size_are_first_order():
    generator = rng.stream(1, "synthetic", "peaks")
    sizes = {}
    for L, width in ((16, 0.5), (32, 0.25), (64, 0.12)):
        side = np.where(generator.random((7, 4, 300)) < np.linspace(0.1, 0.9, 7)[:, None, None], 1.0, -1.0)
        sizes[L] = np.linspace(0, 1, 7), {"energy": side + width * generator.standard_normal(side.shape)}
    evidence = two_peaks({L: arrays for L, (_, arrays) in sizes.items()})
    assert "two peaks" in evidence
    curves = curves_of(sizes, "energy", "T", 100, generator)
    assert fit_curves(curves, Settings(resamples=50), generator, evidence).verdict == "first-order"
    assert two_peaks({L: {"energy": generator.standard_normal((7, 4, 300))} for L in (16, 32)}) == ""


def test_a_wrong_temperature_is_non_equilibrium():
    generator = rng.stream(2, "synthetic", "thermometer")
    x = np.linspace(0.5, 1.5, 11)
    for factor, verdict in ((1.05, "non-equilibrium"), (1.01, "crossing")):
        sizes = {}
        for L in (16, 32, 64):
            y = np.tanh((x - 1) * L**0.9)[:, None, None] + 0.02 * generator.standard_normal((11, 4, 20))
            t_conf = factor * x[:, None, None] + 0.01 * generator.standard_normal((11, 4, 20))
            sizes[L] = x, {"overlap": y, "t_conf": t_conf}
        fit = fit_curves(curves_of(sizes, "overlap", "T", 100, generator), Settings(resamples=50), generator)
        assert fit.verdict == verdict, factor


def shared(seed: int, sizes=SIZES, count: int = 41):
    """Curves measured in the same runs at all x: their errors are right, their scatter is smooth."""
    generator = rng.stream(seed, "synthetic", "shared")
    x = np.linspace(0.46, 0.54, count)
    L, y, error = [], [], []
    for size in sizes:
        thresholds = 0.5 + size**-0.75 * generator.logistic(size=2000)
        share = (thresholds < x[:, None]).mean(1)
        # A smooth estimate of the same distribution function, as reweighting gives.
        width = 0.15 * size**-0.75
        share = (1 / (1 + np.exp(-(x[:, None] - thresholds) / width))).mean(1)
        L.append(np.full(count, float(size)))
        y.append(share)
        error.append(np.sqrt(share * (1 - share) / 2000))
    return np.concatenate(L), np.tile(x, len(sizes)), np.concatenate(y), np.concatenate(error)


def test_points_that_share_runs_are_detected_and_the_answer_still_holds():
    z = []
    for seed in range(7):
        fit = fit_arrays(*shared(seed, (32, 64, 128, 256)))
        assert any("share runs" in text for text in fit.remarks)
        assert fit.verdict == "crossing"
        z.append((fit.collapse.critical_point.value - 0.5) / fit.collapse.critical_point.error)
    assert (np.abs(z) < 3).all(), z
    assert np.std(z) > 0.2, "errors are not absurdly wide"


def test_independent_points_are_not_called_smooth_and_thinning_keeps_the_middle():
    alarms = 0
    for seed in range(40):
        L, x, y, error = table(lambda x, L: np.tanh((x - 0.5) * L**0.8), np.linspace(0.4, 0.6, 21), 0.01, seed)
        points = Points(L, x, y, error)
        alarms += roughness(points).smooth
    assert alarms == 0
    keep = thinned(points, 0.5, 0.8, 1.0)
    assert 4 <= keep.sum() < len(points)
    assert all(0.5 in points.x[keep & (size == points.L)].round(6) for size in points.sizes)


def test_errors_left_out_are_estimated_and_it_is_said():
    L, x, y, _ = table(lambda x, L: np.tanh((x - 0.5) * L**0.8), np.linspace(0.4, 0.6, 31), 0.01)
    fit = fit_arrays(L, x, y)
    assert fit.verdict == "crossing"
    assert "estimated from the scatter" in fit.remarks[0]
    estimated = np.concatenate([fit.curves.errors[size] for size in fit.curves.sizes])
    assert estimated.mean() == pytest.approx(0.01, rel=0.35)


def test_a_covariance_enters_errors():
    """A deviation shared by all points of a size moves the crossing more than independent ones do."""
    L, x, y, error = table(lambda x, L: np.tanh((x - 0.5) * L**0.8), np.linspace(0.4, 0.6, 21), 0.01)
    together = 0.01**2 * (0.9 * (L[:, None] == L) + 0.1 * np.eye(len(L)))
    plain, shared_errors = fit_arrays(L, x, y, error), fit_arrays(L, x, y, error, covariance=together)
    ratio = shared_errors.collapse.critical_point.error / plain.collapse.critical_point.error
    assert ratio > 1.5
    with pytest.raises(InputError, match="positive definite"):
        fit_arrays(L, x, y, error, covariance=0.01**2 * np.ones((len(L), len(L))))


def test_any_parameter_can_be_held():
    data = table(lambda x, L: L**-0.2 * (1.5 + np.tanh((x - 0.5) * L**0.8)), np.linspace(0.4, 0.6, 21), 0.005)
    free = fit_arrays(*data, zeta="free").collapse
    held = fit_arrays(*data, zeta=-0.2, critical_point=0.5, inverse_nu=0.8).collapse
    assert abs(free.zeta_over_nu.value + 0.2) < 3 * free.zeta_over_nu.error
    assert (held.critical_point.value, held.critical_point.error) == (0.5, 0)
    assert (held.inverse_nu.value, held.zeta_over_nu.value) == (0.8, -0.2)
    one = fit_arrays(*data, zeta=-0.2, inverse_nu=0.8).collapse
    assert 0 < one.critical_point.error < free.critical_point.error


def test_a_scaled_peak_gives_a_crossing():
    """A susceptibility-like peak: y L^(-zeta/nu) narrows and need not change sign."""
    data = table(lambda x, L: L**1.7 / np.cosh((x - 0.5) * L**0.9) ** 2, np.linspace(0.4, 0.6, 25), 1.0)
    fit = fit_arrays(data[0], data[1], data[2], data[0] ** 1.7 * 0.01, observable="chi")
    assert fit.verdict == "crossing", fit.reason
    assert abs(fit.collapse.zeta_over_nu.value - 1.7) < 4 * fit.collapse.zeta_over_nu.error
    assert abs(fit.collapse.critical_point.value - 0.5) < 4 * fit.collapse.critical_point.error


def test_grids_need_not_be_common():
    generator = rng.stream(4, "synthetic", "grids")
    L, x = [], []
    for size in SIZES:
        count = int(generator.integers(12, 30))
        L.append(np.full(count, float(size)))
        x.append(np.sort(0.5 + 3 * size**-0.8 * generator.uniform(-1, 1, count)))
    L, x = np.concatenate(L), np.concatenate(x)
    y = 1 / (1 + np.exp(-(x - 0.5) * L**0.8)) + 0.005 * generator.standard_normal(len(L))
    fit = fit_arrays(L, x, y, np.full(len(L), 0.005))
    assert fit.verdict == "crossing"
    assert abs(fit.collapse.critical_point.value - 0.5) < 3 * fit.collapse.critical_point.error
    assert any(p.interpolated for p in fit.pairs)


def test_crossings_extrapolate_with_a_drift_error():
    def drifting(x, L):
        u = (x - 0.5) * L
        return 1 / (1 + np.exp(-u)) + 0.8 * L**-1.0 * np.exp(-(u**2) / 8)

    fit = fit_arrays(*table(drifting, np.linspace(0.44, 0.56, 41), 0.001, sizes=(16, 32, 64, 128, 256)), omega=1.0)
    first = next(p for p in fit.pairs if p.x).x
    both = np.hypot(fit.drift.critical_point.error, fit.drift.drift_error)
    assert abs(fit.drift.critical_point.value - 0.5) < 3 * both
    assert abs(fit.drift.critical_point.value - 0.5) < abs(first.value - 0.5) / 2
    assert abs(fit.drift.height.value - 0.5) < 3 * np.hypot(fit.drift.height.error, fit.drift.height_drift_error)


def test_networks_with_critical_points_of_their_own_are_told_from_equal_ones():
    for spread, own in ((0.0, False), (3.0, True)):
        generator = rng.stream(5, "synthetic", "own", spread)
        x = np.linspace(0.3, 0.7, 21)
        x_c = 0.5 + spread * 0.01 * generator.standard_normal(8)
        sizes = {}
        for L in (16, 32, 64):
            mean = np.tanh((x[:, None] - x_c) * L**0.8 * 0.3)
            sizes[L] = x, {"overlap": mean[:, :, None] + 0.05 * generator.standard_normal((21, 8, 20))}
        fit = fit_curves(curves_of(sizes, "overlap", "eta", 100, generator), Settings(resamples=60), generator)
        networks = fit.collapse.networks
        assert (networks.critical_point.p_value < 0.01) == own
        assert abs(networks.critical_point.mean.value - 0.5) < 3.5 * networks.critical_point.mean.error
        if own:
            assert networks.critical_point.spread == pytest.approx(np.std(x_c, ddof=1), rel=0.4)
            assert networks.critical_point.mean.dof == 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda L, x, y, e: (L[L == 16], x[L == 16], y[L == 16], e[L == 16]), "one size only"),
        (lambda L, x, y, e: (L, x, np.where(y > 0, np.nan, y), e), "finite"),
        (lambda L, x, y, e: (L, x, y, 0 * e), "above 0"),
        (lambda L, x, y, e: (np.r_[L, L[:1]], np.r_[x, x[:1]], np.r_[y, y[:1]], np.r_[e, e[:1]]), "repeated"),
        (lambda L, x, y, e: (L + 0.5, x, y, e), "whole numbers"),
        (lambda L, x, y, e: (L, x[:-1], y, e), "same length"),
        (lambda L, x, y, e: (L[::8], x[::8], y[::8], e[::8]), "fewer than 4"),
    ],
)
def test_arrays_that_cannot_be_fitted_are_refused(change, words):
    data = table(lambda x, L: np.tanh((x - 0.5) * L**0.8), np.linspace(0.4, 0.6, 21), 0.01)
    with pytest.raises(InputError, match=words):
        fit_arrays(*change(*data))


def test_slow_chains_do_not_look_like_two_phases():
    generator = rng.stream(0, "synthetic", "slow chains")
    sizes = {}
    for L, tau in ((8, 8), (16, 300)):
        decay, x = np.exp(-1 / tau), generator.standard_normal((3, 4, 1500))
        for t in range(1, 1500):
            x[..., t] = decay * x[..., t - 1] + np.sqrt(1 - decay**2) * x[..., t]
        sizes[L] = {"energy": x}
    assert max(separation(draw) for draw in sizes[16]["energy"].reshape(-1, 1500)) > 1.5, "some look like two"
    assert two_peaks(sizes) == ""
