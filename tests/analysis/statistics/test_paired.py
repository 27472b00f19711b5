from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.analysis.statistics.estimate import mean_over
from physnn.analysis.statistics.pairs import paired_difference
from physnn.errors import InputError


def test_paired_difference_is_the_paired_t_test():
    draw = rng.stream(0, "synthetic", "paired")
    a, b = draw.normal(1.0, 1, 12), draw.normal(0.3, 1, 12)
    found = paired_difference(a, b)
    expected = stats.ttest_rel(a, b)
    assert found.estimate.value == pytest.approx((a - b).mean()) and found.n == 12
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    low, high = expected.confidence_interval(0.95)
    assert found.estimate.interval() == pytest.approx((low, high), rel=1e-9)


def test_pairs_see_what_groups_do_not():
    draw = rng.stream(1, "synthetic", "paired")
    subject = draw.normal(0, 10, 8)
    a, b = subject + 0.5 + 0.1 * draw.normal(size=8), subject + 0.1 * draw.normal(size=8)
    assert paired_difference(a, b).p_value < 1e-3
    assert stats.ttest_ind(a, b).pvalue > 0.5


def test_intervals_cover():
    draw = rng.stream(2, "synthetic", "paired")
    hits = sum(
        abs(paired_difference(x, np.zeros(5)).estimate.value - 1) < paired_difference(x, np.zeros(5)).estimate.error
        for x in draw.normal(1, 2, (1500, 5))
    )
    assert abs(hits / 1500 - 0.683) < 4 * np.sqrt(0.683 * 0.317 / 1500)


def test_edges():
    assert paired_difference(np.ones(3), np.ones(3)).p_value == 1
    assert paired_difference(np.ones(3), np.zeros(3)).p_value == 0
    assert np.isnan(mean_over(np.array([2.0])).error) and mean_over(np.array([1.0, 3.0])).value == 2
    for a, b in (([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0, 3.0])):
        with pytest.raises(InputError, match="two pairs"):
            paired_difference(np.array(a), np.array(b))
