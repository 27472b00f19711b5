"""Curves from runs that all control values share: errors, correlations, and what a fit makes of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse.exponents import Settings, collapse
from physnn.analysis.curves.runs import curves_of_runs
from physnn.errors import InputError

X = np.linspace(-1, 1, 13)


def steps(L, generator, series=4, bins=32, runs=20):
    """Runs that order at a control value of their own: means of bins are distribution functions, shape (x, 4, 32)."""
    x = X / L**0.75
    at = generator.normal(0.0, 0.4 / L**0.75, (series, bins, runs))
    return x, {"wrap_either": (at < x[:, None, None, None]).mean(3), "wrap_both": np.zeros((len(x), series, bins))}


def curves(seed=0, sizes=(8, 16, 32, 64), resamples=400):
    generator = rng.stream(seed, "synthetic", "runs")
    data = {L: steps(L, generator) for L in sizes}
    return data, curves_of_runs(data, "wrap_either", "p", resamples, rng.stream(seed, "bootstrap", "runs"))


def test_errors_and_correlations_are_those_of_the_bins():
    data, found = curves(resamples=4000)
    values = data[16][1]["wrap_either"].reshape(13, -1)
    assert np.allclose(found.y[16], values.mean(1))
    assert np.allclose(found.errors[16][3:-3], values.std(1, ddof=1)[3:-3] / np.sqrt(128), rtol=0.06)
    assert np.allclose(found.correlation[16], np.corrcoef(values))
    assert np.allclose(np.corrcoef(found.samples[16].T)[5, 5:8], found.correlation[16][5, 5:8], atol=0.05)
    assert found.correlation[16][6, 7] > 0.6, "neighbours deviate together"
    every = found.correlated()
    assert every.shape == (52, 52) and every[0, 13] == 0, "sizes are independent"
    assert (found.bins, found.dof, found.networks, found.chains) == (128, 127, 0, 0)


def test_points_at_which_all_runs_are_alike_are_unknown():
    data, _ = curves()
    values = data[64][1]["wrap_either"]
    values[0] = 0
    found = curves_of_runs(data, "wrap_either", "p", 50, rng.stream(0, "bootstrap", "runs"))
    assert found.frozen == {64: (data[64][0][0],)}
    assert len(found.x[64]) == 12 and found.correlation[64].shape == (12, 12)
    values[:] = 0
    with pytest.raises(InputError, match="all runs of L = 64 are alike"):
        curves_of_runs(data, "wrap_either", "p", 50, rng.stream(0, "bootstrap", "runs"))


def fitted(found, correlated):
    """Critical point of a fit; without their correlation points are taken for what they are not: independent."""
    if not correlated:
        diagonal = np.diag(np.concatenate([found.errors[L] for L in found.sizes]) ** 2)
        found = dataclasses.replace(found, correlation={}, covariance=diagonal)
    settings = Settings(resamples=60)
    return collapse(found, settings, rng.stream(0, "bootstrap", "fit"))


def test_the_fit_takes_the_correlation_of_the_points_into_its_errors():
    found = curves(1)[1]
    shared, alone = fitted(found, True), fitted(found, False)
    assert any("share runs" in said for said in shared.remarks)
    assert shared.critical_point.error > 1.5 * alone.critical_point.error
    assert abs(shared.critical_point.value) < 3 * shared.critical_point.error


@pytest.mark.slow
def test_the_errors_of_a_fit_hold_for_shared_runs():
    """The critical point is 0: its distance from there in errors has a root mean square of 1."""
    each = [[fitted(curves(seed, resamples=100)[1], correlated) for seed in range(48)] for correlated in (True, False)]
    pulls = [[a.critical_point.value / a.critical_point.error for a in answers] for answers in each]
    shared, alone = (float(np.sqrt(np.mean(np.square(values)))) for values in pulls)
    assert 0.7 < shared < 1.3, shared
    assert alone > 1.6, alone
