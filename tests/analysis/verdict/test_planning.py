"""Planning from planted curves: a source of any number of images at any noise values, without networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.crossing import COARSE
from physnn.analysis.curves.curves import curves_of
from physnn.analysis.verdict import planning
from physnn.analysis.verdict.design import design_gain, grid_near, steep
from physnn.analysis.verdict.fit import Fit, fit_curves, widest
from physnn.analysis.verdict.planning import draws_share, error_parts, missing, refine
from physnn.answers import fit
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import SweepFile

X_C, INVERSE_NU, SIZES = 0.45, 0.8, (16, 32, 64)
PILOT = np.linspace(0, 1, 11)


def measured(seed, x, images, crosses=True, noise=0.1, spread=0.0, networks=8, slope=0.35):
    """Arrays of curves that cross at X_C, give or take each network's own deviation; the same networks every time."""
    own = X_C + spread * rng.stream(seed, "synthetic", "own").normal(size=networks)
    generator = rng.stream(seed, "synthetic", "planning", images, len(x))
    sizes = {}
    for L in SIZES:
        curve = 0.3 + 0.2 * np.tanh((x[:, None] - own) * (L if crosses else 32) ** INVERSE_NU * slope)
        scatter = 1 + noise * generator.normal(size=(len(x), networks, images))
        sizes[L] = np.asarray(x, float), {"rmse": curve[:, :, None] * scatter}
    return sizes


def fitted(*args, **options) -> Fit:
    curves = curves_of(measured(*args, **options), "rmse_per_image", "eta", 20, rng.stream(0, "bootstrap"))
    return fit_curves(curves, Settings(resamples=20), rng.stream(0, "bootstrap", "fit"))


def test_the_refined_sweep_reaches_the_target_where_a_uniform_one_of_its_cost_does_not():
    target, errors, deviations, uniform = 4e-4, [], [], []
    for seed in range(5):
        plan = refine(fitted(seed, PILOT, 8), target)
        images = math.ceil(8 * plan.factor)
        assert plan.refined and plan.networks == 0 and plan.factor * len(plan.values) <= 64 * len(PILOT)
        final = fitted(seed, np.array(plan.values), images).collapse.critical_point
        errors.append(final.error)
        deviations.append(final.value - X_C)
        if seed % 4 == 0:
            same_cost = math.ceil(images * len(plan.values) / len(PILOT))
            uniform.append(fitted(seed, PILOT, same_cost).collapse.critical_point.error)
    assert np.mean(np.array(errors) < 1.5 * target) > 0.7
    assert 0.4 * target < np.median(errors) < 1.3 * target
    assert np.mean(np.abs(deviations) < 2 * target) > 0.7
    assert np.median(uniform) > 1.2 * np.median(errors[::4])


def test_values_are_dense_where_the_largest_size_is_steep_and_reach_to_where_the_smallest_is():
    pilot = fitted(0, PILOT, 8)
    values = np.array(grid_near(pilot))
    half = steep(pilot.collapse)
    x_c = pilot.collapse.critical_point.value
    assert half == pytest.approx(0.1, rel=0.3), "the planted tanh is 0.102 wide at L = 64"
    assert np.sum(np.abs(values - x_c) <= half) >= 9
    assert min(np.sum(values < x_c - half), np.sum(values > x_c + half)) >= 2
    assert set(values[::1]) & set(PILOT), "what the pilot measured is measured on"
    assert (values >= PILOT.min()).all() and (values <= PILOT.max()).all()
    assert design_gain(pilot.collapse, tuple(PILOT)) == pytest.approx(1, rel=0.1)
    assert design_gain(pilot.collapse, tuple(values)) < 0.6


def test_the_cap_limits_the_cost_and_is_said():
    pilot = fitted(1, PILOT, 8)
    plan = refine(pilot, 1e-6)
    assert plan.factor * len(plan.values) == pytest.approx(64 * len(PILOT))
    assert "limited to 64 times the pilot's cost" in plan.reason
    assert plan.error > 1e-6


def test_a_pilot_that_is_good_enough_ends_it_unless_it_is_too_coarse():
    enough = refine(fitted(1, PILOT, 8, slope=0.1), 0.1)
    assert enough.factor == 1 and not enough.refined and "small enough" in enough.reason
    coarse = refine(fitted(1, PILOT, 8), 0.1)
    assert coarse.refined and coarse.factor == 1 and len(coarse.values) > len(PILOT)


@pytest.mark.parametrize("seed", range(3))
def test_curves_that_do_not_cross_are_not_refined(seed):
    pilot = fitted(seed, PILOT, 8, crosses=False)
    assert pilot.verdict == "no-crossing"
    plan = refine(pilot, 0.001, asked=4.0)
    assert (plan.values, plan.factor, plan.refined) == (tuple(PILOT), 4.0, False)
    assert "no refinement" in plan.reason and "no-crossing" in plan.reason
    assert "no-crossing" in missing(pilot, 0.001)


def test_what_is_not_resolved_gets_the_images_that_resolve_it():
    pilot = fitted(2, PILOT, 8, crosses=False, noise=3.0)
    assert pilot.verdict == "undecided"
    plan = refine(pilot, 0.001, asked=4.0, draws="images")
    assert plan.factor > 4 and "times the images should resolve it" in plan.reason
    after = fitted(2, PILOT, math.ceil(8 * plan.factor), crosses=False, noise=3.0)
    assert widest(after.pairs).resolution < 1.2 * COARSE < widest(pilot.pairs).resolution


def test_networks_that_dominate_are_said_and_counted():
    spread, target = 0.015, 0.002
    pilot = fitted(0, PILOT, 16, spread=spread)
    parts = error_parts(pilot)
    assert parts.spread == pytest.approx(spread, rel=0.6)
    plan = refine(pilot, target, draws="images")
    assert "networks dominate" in plan.reason and f"about {plan.networks} networks" in plan.reason
    assert plan.networks == pytest.approx((parts.spread / (0.9 * target)) ** 2, rel=0.3)
    assert plan.error > target and plan.factor < 2, "images are not wasted"
    assert "networks dominate" in missing(pilot, target)
    more = fitted(0, PILOT, 16, spread=spread, networks=plan.networks)
    assert more.collapse.critical_point.error < 1.5 * target
    assert error_parts(fitted(0, PILOT, 16)).spread == 0


def test_a_spread_between_networks_that_the_pilot_could_not_see_is_mentioned():
    plan = refine(fitted(0, PILOT, 8), 2e-4)
    assert "a spread between networks that the pilot cannot see" in plan.reason


def test_a_difference_between_networks_is_told_from_that_of_images():
    images = fitted(0, PILOT, 16, crosses=False, noise=0.3).curves
    assert draws_share(images, 16, 64) > 0.7
    curves = fitted(0, PILOT, 16, crosses=False, noise=0.01).curves
    other = {L: m + (L == 64) * 0.05 * np.arange(8)[:, None] for L, m in curves.members.items()}
    assert draws_share(replace(curves, members=other), 16, 64) < 0.1


def test_planning_fits_as_the_command_does():
    sizes = measured(3, PILOT, 8)
    groups = {
        L: {"eta": Variable(("eta",), x), "rmse": Variable(("eta", "network", "image"), arrays["rmse"])}
        for L, (x, arrays) in sizes.items()
    }
    found = curves_of(sizes, "rmse", "eta", 200, rng.stream(0, "bootstrap", "rmse"))
    assert planning.fit_pilot(found, sizes).as_json() == fit.fit(SweepFile({}, groups, {}), "rmse").as_json()
