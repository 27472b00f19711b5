"""Planted answers are found, destroyed ones are not, and what cannot be decided is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

import physnn
from physnn import rng
from physnn.analysis.curves.curves import curves_of
from physnn.answers import fit as report
from physnn.errors import InputError
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import SweepFile, write_sweep
from tests.conftest import planted_sizes

KEYS = {
    "observable", "control", "method", "verdict", "critical_point", "inverse_nu", "zeta_over_nu", "chi2_per_dof",
    "p_value", "sizes", "window", "n_bootstrap", "crossings",
}  # fmt: skip


def sweep(seed: int, **kwargs) -> SweepFile:
    return SweepFile({}, planted_sizes(seed, **kwargs), {})


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_crossing_is_found_within_errors(seed):
    fit = report.fit(sweep(seed))
    assert fit.verdict == "crossing"
    for estimate, truth, largest in ((fit.collapse.critical_point, 0.45, 0.01), (fit.collapse.inverse_nu, 0.8, 0.05)):
        assert abs(estimate.value - truth) < 3 * estimate.error
        assert 0 < estimate.error < largest
    for pair in fit.pairs:
        assert abs(pair.x.value - 0.45) < 4 * pair.x.error
        assert abs(pair.height.value - 0.3) < 4 * pair.height.error


@pytest.mark.parametrize("seed", range(3))
def test_without_dependence_on_L_there_is_no_crossing(seed):
    fit = report.fit(sweep(seed, crosses=False))
    assert fit.verdict == "no-crossing"
    assert fit.collapse is None
    assert "would show" in fit.reason


@pytest.mark.parametrize(("sets", "bounds"), [(16, (0.4, 0.95)), pytest.param(40, (0.47, 0.9), marks=pytest.mark.slow)])
def test_errors_of_planted_crossings_cover(sets, bounds):
    z = []
    for seed in range(sets):
        fit = report.fit(sweep(seed), resamples=60)
        assert fit.verdict == "crossing"
        best = fit.collapse
        z.append([(best.critical_point.value - 0.45) / best.critical_point.error])
        z[-1].append((best.inverse_nu.value - 0.8) / best.inverse_nu.error)
    inside = (np.abs(z) < 1).mean(0)
    # 68 % expected, 12 % its standard deviation over 16 sets, 7 % over 40.
    assert (inside > bounds[0]).all() and (inside < bounds[1]).all()
    halved = (np.abs(np.array(z) * 3) < 1).mean(0)
    assert (halved < bounds[0]).all(), "errors three times too small would be seen"


def test_false_alarms_are_rare():
    alarms = [report.fit(sweep(seed, crosses=False), resamples=100).verdict != "no-crossing" for seed in range(60)]
    assert sum(alarms) <= 4


def test_curves_that_differ_with_one_sign_do_not_cross():
    sizes = planted_sizes(0, crosses=False)
    shifted = sizes[64]["rmse"]
    sizes[64]["rmse"] = Variable(shifted.dims, shifted.values * 1.1)
    fit = report.fit(SweepFile({}, sizes, {}))
    assert fit.verdict == "no-crossing"
    assert "one sign only (positive)" in fit.reason


def test_one_image_of_one_network_decides_nothing():
    sizes = planted_sizes(0, crosses=False)
    for group in sizes.values():
        group["network"] = Variable(("network",), np.arange(1))
        group["image"] = Variable(("image",), np.arange(1))
        group["rmse"] = Variable(group["rmse"].dims, group["rmse"].values[:, :1, :1])
    assert report.fit(SweepFile({}, sizes, {})).verdict == "undecided"


@pytest.mark.parametrize(("networks", "images"), [(1, 4), pytest.param(3, 8, marks=pytest.mark.slow), (5, 8)])
def test_false_alarms_stay_rare_with_few_draws(networks, images):
    """Curves without dependence on L, scatter from images at some controls and from networks at others."""
    generator = rng.stream(2, "synthetic", "few draws", networks, images)
    verdicts = []
    for _ in range(100):
        x = np.linspace(0, 1, 10)
        level = np.where(x < 0.5, 0.02, 0.0)[:, None, None] * generator.normal(size=(1, networks, 1))
        sizes = {}
        for L in (16, 64):
            scatter = np.where(x < 0.5, 0.01, 0.1)[:, None, None] * generator.normal(size=(10, networks, images))
            sizes[L] = {
                "eta": Variable(("eta",), x),
                "overlap": Variable(("eta", "network", "image"), x[:, None, None] + level + scatter),
            }
        verdicts.append(report.fit(SweepFile({}, sizes, {}), "overlap", resamples=100).verdict)
    assert verdicts.count("crossing") <= 3


def test_too_noisy_is_undecided():
    fit = report.fit(sweep(0, noise=3.0, networks=2))
    assert fit.verdict == "undecided"
    assert "add measurements" in fit.reason


def test_errors_of_a_curve_hold_for_networks_and_images():
    """Over many data sets the standard error equals the true scatter, whether networks or images dominate."""
    for sd_network, sd_image in ((0.1, 0.01), (0.0, 0.2), (0.05, 0.2)):
        generator = rng.stream(1, "synthetic", "two levels", sd_network, sd_image)
        means, errors = [], []
        for _ in range(150):
            y = 1 + sd_network * generator.normal(size=(1, 6, 1)) + sd_image * generator.normal(size=(4, 6, 10))
            curves = curves_of({8: (np.arange(4.0), {"overlap": y})}, "overlap", "eta", 200, generator)
            means.append(curves.y[8][0])
            errors.append(curves.errors[8][0] ** 2)
        assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(means), rel=0.2)


def test_rmse_pools_within_a_network_and_the_binder_cumulant_is_a_ratio_of_means():
    generator = rng.stream(0, "synthetic", "moments")
    raw = {name: generator.uniform(1, 2, (5, 2, 7)) for name in ("rmse", "m2", "m4")}
    x = np.arange(5.0)
    rmse = curves_of({8: (x, raw)}, "rmse", "eta", 50, generator).y[8]
    assert np.allclose(rmse, np.sqrt((raw["rmse"] ** 2).mean(2)).mean(1))
    binder = curves_of({8: (x, raw)}, "binder", "T", 50, generator).y[8]
    assert np.allclose(binder, (1 - raw["m4"].mean(2) / (3 * raw["m2"].mean(2) ** 2)).mean(1))


def test_a_fit_is_reproducible_and_its_json_is_complete(tmp_path):
    path = tmp_path / "p.h5"
    write_sweep(path, {"kind": "planted"}, planted_sizes(0))
    answer = physnn.fit(path).as_json()
    assert answer == physnn.fit(path).as_json()
    assert set(answer) >= KEYS
    json.dumps(answer, allow_nan=False)
    assert {"L", "value", "error", "height"} <= set(answer["crossings"][0])


def test_a_free_zeta_is_found():
    sizes = planted_sizes(0)
    for L, group in sizes.items():
        group["m_abs"] = Variable(group["rmse"].dims, group["rmse"].values * L**-0.125)
    fit = report.fit(SweepFile({}, sizes, {}), "rmse", zeta="free")
    assert abs(fit.collapse.zeta_over_nu.value) < 3 * fit.collapse.zeta_over_nu.error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {16: s[16]}, "two sizes"),
        (
            lambda s: s | {16: s[16] | {"rmse": Variable(s[16]["rmse"].dims, np.full((15, 8, 16), np.nan))}},
            "not finite",
        ),
        (lambda s: s | {16: {"eta": s[16]["eta"]}}, "no curves over one control"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        report.fit(SweepFile({}, change(planted_sizes(0)), {}))


def test_unknown_observables_are_refused_with_what_there_is(planted):
    with pytest.raises(InputError, match="choose one of rmse"):
        report.fit(planted, "no-such")
    with pytest.raises(InputError, match="this file allows: rmse, rmse_per_image"):
        report.fit(planted, "binder")
