"""Planted dynamic scaling is found, and where times do not determine z no number is returned."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse.collapse import CollapseModel
from physnn.analysis.collapse.dynamic import DynamicFit, dynamic_scaling
from physnn.analysis.collapse.search import GRID_POINTS, search
from physnn.analysis.curves.points import Curve, Form, Points
from physnn.errors import InputError

X_C, INVERSE_NU, ZETA, Z = 0.45, 0.9, -0.125, 2.0
TRUTH = np.array([X_C, INVERSE_NU, ZETA, Z])
FREE = (None, None, None, None)
TIMES = np.geomspace(0.05, 5, 8)


def master(u: np.ndarray, s: np.ndarray) -> np.ndarray:
    return (1 - 0.7 * np.exp(-s)) * (0.5 - 0.3 * np.tanh(0.5 * u)) + 0.1 * np.exp(-0.5 * s) * np.tanh(0.3 * u)


def planted(
    seed: int, sizes=(8, 16, 32), controls=11, times=TIMES, z0=Z, sigma=0.01, zeta=ZETA, times_matter=True
) -> Points:
    """Points at t = multiples of L^z0, rounded to integers."""
    generator = rng.stream(seed, "synthetic", "dynamic")
    grid = np.meshgrid(np.array(sizes, float), np.linspace(0.2, 0.7, controls), times, indexing="ij")
    L, x, multiple = (a.ravel() for a in grid)
    t = np.maximum(1, np.round(multiple * L**z0))
    y = L**zeta * master((x - X_C) * L**INVERSE_NU, t / L**Z if times_matter else np.ones(len(t)))
    error = sigma * L**zeta
    return Points(L, x, y + error * generator.standard_normal(len(y)), error, t=t)


def relaxation(seed: int, power: bool = False) -> Points:
    """Points at one control, the same times for all sizes; a plain power law in t or one that levels off."""
    generator = rng.stream(seed, "synthetic", "relaxation")
    L, t = (a.ravel() for a in np.meshgrid((8.0, 12.0, 16.0, 24.0), np.geomspace(4, 4000, 12), indexing="ij"))
    s = t / L**2.17
    y = L**ZETA * (s**-0.3 if power else 0.3 + 0.6 * np.exp(-(s**0.6)))
    error = 0.01 * y
    return Points(L, np.full(len(L), X_C), y + error * generator.standard_normal(len(y)), error, t=t)


def fitted(points: Points, fixed=FREE, resamples: int = 0) -> DynamicFit:
    return dynamic_scaling(points, fixed, resamples, generator=rng.stream(0, "bootstrap", "dynamic"))


def deviations(fit: DynamicFit, truth=TRUTH) -> np.ndarray:
    """Differences from the truth over errors of what was fitted."""
    estimates = (fit.critical_point, fit.inverse_nu, fit.zeta_over_nu, fit.z)
    return np.array([(e.value - v) / e.error for e, v in zip(estimates, truth, strict=True) if e.error > 0])


@pytest.mark.parametrize("seed", range(2))
def test_planted_answers_are_found_within_errors(seed):
    fit = fitted(planted(seed))
    assert fit.acceptable
    assert len(deviations(fit)) == 4 and np.abs(deviations(fit)).max() < 3.5
    assert fit.critical_point.error < 0.01
    assert fit.inverse_nu.error < 0.05 and fit.zeta_over_nu.error < 0.03 and fit.z.error < 0.05


def test_more_points_than_the_grid_looks_at_are_all_fitted():
    points = planted(3, controls=30)
    assert len(points) > GRID_POINTS[1]
    fit = fitted(points)
    assert fit.acceptable
    assert fit.critical_point.value == pytest.approx(X_C, abs=0.01) and fit.z.value == pytest.approx(Z, abs=0.05)


def test_sizes_with_the_same_times_are_enough():
    points = planted(0, times=np.geomspace(4, 2000, 10), z0=0.0)
    assert np.abs(deviations(fitted(points))).max() < 3.5


def test_a_steep_growth_with_L_is_found():
    fit = fitted(planted(1, zeta=1.75))
    assert np.abs(deviations(fit, [X_C, INVERSE_NU, 1.75, Z])).max() < 3.5


def test_several_multiples_of_a_power_of_L_determine_z():
    """Also where this power is not z, and where it is."""
    for z0 in (1.5, Z):
        fit = fitted(planted(2, sizes=(8, 16, 32, 48), controls=9, times=np.array([0.125, 0.25, 0.5, 1, 2]), z0=z0))
        assert np.abs(deviations(fit)).max() < 3.5
        assert fit.z.error < 0.15


def test_a_relaxation_at_one_control_gives_zeta_and_z():
    fit = fitted(relaxation(0), resamples=20)
    assert np.abs(deviations(fit, [0, 0, ZETA, 2.17])).max() < 3
    assert fit.z.error < 0.2
    assert (fit.critical_point.value, fit.critical_point.error, fit.inverse_nu.error) == (X_C, 0, 0)
    assert fit.degrees[0] == 0 and fit.as_json()["inverse_nu"] is None
    assert np.isnan(fit.samples[:, 1]).all() and np.isfinite(fit.samples[:, [0, 2, 3]]).all()


def test_one_time_for_each_size_with_z_fixed_is_the_ordinary_collapse():
    points = planted(3, controls=15, times=np.array([1.0]))
    fit = fitted(points, (None, None, ZETA, Z))
    assert fit.degrees[1] == 0 and (fit.z.value, fit.z.error) == (Z, 0)
    assert np.abs(deviations(fit)).max() < 3
    plain = search(Points(points.L, points.x, points.y, points.error), Form((None, None, ZETA, None)))
    assert fit.critical_point.value == pytest.approx(plain.parameters[0], abs=fit.critical_point.error)
    assert fit.inverse_nu.value == pytest.approx(plain.parameters[1], abs=2 * fit.inverse_nu.error)


def test_errors_cover():
    z = np.array(
        [
            deviations(fitted(planted(seed, controls=7, times=TIMES[::2]), (None, None, ZETA, None)))
            for seed in range(100, 124)
        ]
    )
    inside = (np.abs(z) < 1).mean(0)
    # 68 % expected, 10 % its standard deviation over 24 sets.
    assert (inside > 0.45).all() and (inside < 0.88).all()
    assert ((np.abs(3 * z) < 1).mean(0) < 0.45).all(), "errors three times too small would be seen"


def test_bootstrap_samples_scatter_as_the_errors_say():
    fit = fitted(planted(0), resamples=100)
    errors = [fit.critical_point.error, fit.inverse_nu.error, fit.zeta_over_nu.error, fit.z.error]
    assert fit.samples.shape == (100, 4)
    assert np.nanstd(fit.samples, axis=0) == pytest.approx(errors, rel=0.3)


def test_what_is_fixed_stays():
    fit = fitted(planted(0), (X_C, INVERSE_NU, ZETA, None), resamples=5)
    assert (fit.critical_point.error, fit.inverse_nu.error, fit.zeta_over_nu.error) == (0, 0, 0)
    assert np.abs(deviations(fit)).max() < 3
    assert (fit.samples[:, :3] == TRUTH[:3]).all() and np.ptp(fit.samples[:, 3]) > 0
    wrong = fitted(planted(0), (None, None, ZETA, 1.5))
    assert not wrong.acceptable and wrong.z.error == 0


def test_short_times_that_do_not_scale_are_left_out():
    points = planted(0, times=np.geomspace(0.02, 5, 12), sizes=(8, 16, 32))
    early = replace(points, y=points.y + np.exp(-points.t) * points.L**ZETA)
    fit = fitted(early)
    assert fit.acceptable and fit.t_min > 3
    assert np.abs(deviations(fit)).max() < 4
    everything = search(early, Form(FREE, timed=True))
    assert everything.p_value < 0.05, "all times together do not scale"


def test_errors_that_are_too_small_are_seen_and_widened():
    points = planted(1)
    fit = fitted(replace(points, error=points.error / 3))
    assert not fit.acceptable and fit.chi2_per_dof > 4
    assert fit.z.error > 0.6 * fitted(points).z.error


@pytest.mark.parametrize(
    ("make", "fixed", "words"),
    [
        (lambda: planted(0, times=np.array([1.0]), controls=15), FREE, r"multiple of L\^2; add times or fix z"),
        (lambda: planted(0, times_matter=False), FREE, "do not depend on t|do not determine"),
        (lambda: relaxation(0, power=True), FREE, "fits as well as|its error is"),
    ],
)
def test_z_that_the_points_do_not_determine_is_refused(make, fixed, words):
    with pytest.raises(InputError, match=words):
        fitted(make(), fixed)


def test_a_power_law_in_t_determines_z_where_zeta_is_known():
    fit = fitted(relaxation(0, power=True), (None, None, ZETA, None))
    assert np.abs(deviations(fit, [0, 0, 0, 2.17])).max() < 3


def test_values_that_do_not_depend_on_the_control_are_refused():
    points = planted(0)
    generator = rng.stream(0, "synthetic", "flat")
    y = points.L**ZETA * (1 - 0.7 * np.exp(-points.t / points.L**Z))
    with pytest.raises(InputError, match=r"do not depend on the control|no fit is found"):
        fitted(replace(points, y=y + points.error * generator.standard_normal(len(y))))


def test_derivatives_agree_with_finite_differences():
    points = planted(0)
    model = CollapseModel(points, Form(FREE, timed=True))
    model.curve = Curve(1.0, 4, later=3)
    at = model.internal(TRUTH + np.array([0.01, 0.1, 0.05, -0.1]))
    residuals, jacobian = (found[0] for found in model.residuals_and_jacobian(at[None]))
    q = np.linalg.qr(model.white(model.basis(at[None])[0])[0])[0]
    n = len(points)
    for column, k in enumerate(model.free):
        step = 1e-5 * np.eye(5)[k]
        ahead, back = (model.residuals_and_jacobian(at[None] + sign * step)[0][0] for sign in (1, -1))
        slope = (ahead - back) / 2e-5
        # The derivative of chi2 is exact; that of the residuals lacks a part within the span of the polynomials.
        assert residuals @ jacobian[:, column] == pytest.approx(residuals @ slope, rel=1e-5)
        assert np.allclose(jacobian[:n, column], slope[:n] - q @ (q.T @ slope[:n]), atol=1e-5 * np.abs(slope).max())


def test_a_fit_alone_is_the_one_beside_others():
    """One fit and many take different ways through the same steps; rounding may end them one step apart."""
    model = CollapseModel(planted(0), Form(FREE, timed=True))
    model.curve = Curve(1.0, 4, later=3)
    start = model.internal(TRUTH + np.array([0.01, 0.1, 0.05, -0.1]))
    (alone,), (least,) = model.solve(start)
    together, squares = model.solve(np.stack([start, model.internal(TRUTH), start]))
    assert np.allclose(together, alone, atol=1e-4) and squares == pytest.approx(3 * [least], rel=1e-6)
    assert not np.allclose(alone, start, atol=1e-3), "it moved"


def test_a_fit_is_reproducible_and_its_json_is_complete():
    points = planted(0, controls=9, times=TIMES[::2])
    first, second = (fitted(points, resamples=5) for _ in range(2))
    assert np.array_equal(first.samples, second.samples)
    answer = first.as_json()
    assert answer == second.as_json()
    json.dumps(answer, allow_nan=False)
    assert set(answer) == {
        "critical_point", "inverse_nu", "zeta_over_nu", "z", "chi2_per_dof", "p_value", "window", "t_min", "degrees",
        "acceptable", "n_bootstrap",
    }  # fmt: skip
    assert points.sizes == (8, 16, 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.chosen(p.L == 8), "at least two sizes"),
        (lambda p: replace(p, t=p.t - 10), "larger than 0"),
        (lambda p: replace(p, error=0 * p.error), "errors must be larger than 0"),
        (lambda p: replace(p, y=p.y * np.nan), "must be finite"),
        (lambda p: replace(p, y=p.y[1:]), "one length"),
        (lambda p: p.chosen(p.L < 0), "one length"),
        (lambda p: p.chosen(np.arange(len(p)) % 20 == 0), "at least"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        fitted(change(planted(0)))


def test_times_that_do_not_meet_at_the_fixed_z_are_refused():
    with pytest.raises(InputError, match="do not meet"):
        fitted(planted(0, times=np.array([1.0]), controls=15), (None, None, ZETA, 1.0))


def test_a_critical_point_beyond_the_data_is_refused():
    points = planted(0)
    right = points.chosen(points.x > X_C + 0.25 * np.ptp(points.x))
    with pytest.raises(InputError, match=r"extend the range|determine"):
        fitted(right)
