"""The container of levels and counts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from physnn.exact.landscape import Landscape


def coins(n: int) -> Landscape:
    """n coins: the level is the number of heads."""
    return Landscape.build(n, np.arange(n, -1, -1), [math.comb(n, k) for k in range(n, -1, -1)], "binomial")


def test_summary_of_coins():
    found = coins(4)
    assert found.levels.tolist() == [0, 1, 2, 3, 4]
    assert found.counts.tolist() == [1, 4, 6, 4, 1]
    assert found.cumulative.tolist() == [1, 5, 11, 15, 16]
    assert (found.configurations, found.distinct, found.max_degeneracy) == (16, 5, 6)
    assert found.to_dataframe().to_dict("list") == {
        "level": [0, 1, 2, 3, 4],
        "configurations": [1, 4, 6, 4, 1],
        "up to here": [1, 5, 11, 15, 16],
    }
    assert found.mean_degeneracy == 3.2
    assert found.minimum_fraction == 1 / 16
    assert found.entropy == pytest.approx(-sum(p * math.log(p) for p in (1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)))
    assert found.closest == 0.25


def test_counts_beyond_64_bits_are_exact():
    found = coins(200)
    assert found.configurations == 2**200
    answer = json.loads(json.dumps(found.as_json("energy")))
    assert answer["levels"][0] == {"energy": 0.0, "count": 1}
    assert answer["levels"][100] == {"energy": 100.0, "count": str(math.comb(200, 100))}
    assert answer["configurations"] == str(2**200)
    assert answer["method"] == "binomial"


def test_one_level_has_no_gap():
    assert coins(0).closest == math.inf
    assert coins(0).as_json()["closest"] is None


@pytest.mark.parametrize(
    ("levels", "counts"), [([0, 1], [1, 2]), ([0, 1], [0, 4]), ([0, math.nan], [2, 2]), ([0, 1], [5, -1])]
)
def test_a_wrong_sum_is_caught(levels, counts):
    with pytest.raises(ValueError, match="count"):
        Landscape.build(2, np.array(levels, float), counts, "wrong")


def test_levels_must_ascend():
    with pytest.raises(ValueError, match="ascend"):
        Landscape(1, np.array([1.0, 0.0]), np.array([1, 1], object), "wrong")
