"""The quality of a collapse is of order one at the truth, large elsewhere, and what its definition says."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse.quality import quality
from physnn.analysis.curves.points import Points
from tests.analysis.collapse.test_gaussian_process import TRUTH, planted


@pytest.mark.parametrize("zeta_over_nu", [0.0, -0.125, 1.75])
def test_the_quality_is_one_at_the_truth_and_large_at_wrong_values(zeta_over_nu):
    sets = [planted(seed, zeta_over_nu) for seed in range(10)]
    assert np.mean([quality(p, *TRUTH, zeta_over_nu) for p in sets]) == pytest.approx(1, abs=0.1)
    for points in sets:
        assert quality(points, *TRUTH, zeta_over_nu) < 1.6
        assert quality(points, TRUTH[0], TRUTH[1] + 0.1, zeta_over_nu) > 5
        assert quality(points, TRUTH[0] + 2e-3, TRUTH[1], zeta_over_nu) > 5
        assert quality(points, *TRUTH, zeta_over_nu + 0.1) > 50


def test_errors_three_times_too_small_show_in_the_quality():
    points = planted(0, 0.0)
    shrunk = Points(points.L, points.x, points.y, points.error / 3)
    assert quality(shrunk, *TRUTH, 0.0) == pytest.approx(9 * quality(points, *TRUTH, 0.0))


def test_the_quality_is_that_of_the_definition():
    """Against the formulas of Houdayer and Hartmann, written out point by point with a general straight-line fit."""
    generator = rng.stream(0, "synthetic", "quality")
    L = np.repeat([8.0, 16.0, 32.0], [7, 9, 8])
    points = Points(L, generator.normal(size=24), generator.normal(size=24), generator.uniform(0.5, 2, 24))
    u = (points.x - 0.1) * (L / 32) ** 0.7
    y, error = points.y * (L / 32) ** -0.3, points.error * (L / 32) ** -0.3
    terms = []
    for i in range(24):
        around = []
        for other in {8.0, 16.0, 32.0} - {L[i]}:
            mine = other == L
            below, above = np.flatnonzero(mine & (u <= u[i])), np.flatnonzero(mine & (u >= u[i]))
            if len(below) and len(above):
                around += [below[np.argmax(u[below])], above[np.argmin(u[above])]]
        if around:
            line, covariance = np.polyfit(u[around] - u[i], y[around], 1, w=1 / error[around], cov="unscaled")
            terms.append((y[i] - line[1]) ** 2 / (error[i] ** 2 + covariance[1, 1]))
    assert len(terms) > 15
    assert quality(points, 0.1, 0.7, 0.3) == pytest.approx(np.mean(terms))


def test_without_overlap_there_is_no_quality():
    apart = Points(np.repeat([8.0, 16.0], 3), np.arange(6.0), np.arange(6.0), np.ones(6))
    assert np.isnan(quality(apart, -1.0, 1.0, 0.0))
    single = Points(np.full(5, 8.0), np.arange(5.0), np.arange(5.0), np.ones(5))
    assert np.isnan(quality(single, 0.0, 1.0, 0.0))
