"""The noise at which a task fails and a domain is lost: planted thresholds, their errors, and bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.memory.forgetting import (
    Forgetting,
    NoiseThreshold,
    common_ratio,
    first_passage,
    in_words,
    order_threshold,
    task_threshold,
)
from physnn.analysis.statistics.estimate import Estimate
from tests.frames import assert_framed

ETA = np.linspace(0, 0.4, 9)


def planted(generator, at=0.23, images=40):
    """Squared errors of images whose mean reaches f (1 - f) at a known noise, and their shares of foreground."""
    f = np.clip(generator.normal(0.06, 0.01, images), 0.01, 0.2)
    level = 0.06 * 0.94
    return level * (ETA / at)[:, None] * generator.gamma(20, 1 / 20, images), f


def test_the_first_passage_is_on_the_straight_line_between_values():
    y = np.array([[-1, -0.5, 0.5, -1, 1], [1, 2, 3, 4, 5], [-1, -1, -1, -1, -0.1], [-1, 0, 1, 2, 3]], float)
    assert first_passage(np.arange(5.0), y).tolist() == [1.5, 0, math.inf, 1]


@pytest.mark.parametrize("images", [4, 40])
def test_the_threshold_of_the_task_has_honest_errors(images):
    off = []
    for k in range(300):
        generator = rng.stream(k, "synthetic", "task threshold")
        found = task_threshold(ETA, *planted(generator, images=images), generator)
        assert found.bound == ""
        off.append((found.eta.value - 0.23) / found.eta.error)
    assert 0.6 < np.mean(np.abs(off) < 1) < 0.8 and abs(np.median(off)) < 0.3
    # The control: errors half as large hold the truth too rarely.
    assert np.mean(np.abs(off) < 0.5) < 0.5


@pytest.mark.parametrize("replicas", [4, 40])
def test_the_threshold_of_order_has_honest_errors(replicas):
    off = []
    for k in range(300):
        generator = rng.stream(k, "synthetic", "order threshold")
        m = (1.1 - ETA[1:] / 0.4)[:, None] + 0.05 * generator.normal(size=(1, replicas))
        found = order_threshold(ETA[1:], m, 1.0, generator)
        off.append((found.eta.value - 0.24) / found.eta.error)
    assert 0.6 < np.mean(np.abs(off) < 1) < 0.78


def test_what_is_never_or_always_lost_is_a_bound():
    generator = rng.stream(0, "synthetic", "bounds")
    squared, f = planted(generator)
    assert task_threshold(ETA, 0.01 * squared, f, generator).bound == "above"
    assert str(task_threshold(ETA, squared + 1, f, generator)) == "never there"
    assert task_threshold(ETA[1:], squared[1:] + 1, f, generator).bound == "below"
    assert order_threshold(ETA[1:], np.full((8, 4), 0.9), 1.0, generator).bound == "above"
    assert order_threshold(ETA[1:], np.zeros((8, 4)), 1.0, generator).bound == "below"
    assert order_threshold(ETA[1:], np.zeros((8, 4)), 0.3, generator).bound == "never there"
    one = task_threshold(ETA, squared[:, :1], f[:1], generator)
    assert one.bound == "" and math.isnan(one.eta.error) and one.as_json()["error"] is None


def test_ratios_carry_bounds_and_errors():
    sharp, above, below = (
        NoiseThreshold(Estimate(v, e), b)
        for v, e, b in ((0.06, 0.006, ""), (0.8, math.nan, "above"), (0.02, math.nan, "below"))
    )
    order = NoiseThreshold(Estimate(0.6, 0.03))
    assert Forgetting("a", sharp, order).ratio.eta.error == pytest.approx(0.1 * math.hypot(0.1, 0.05))
    assert_framed(
        Forgetting("a", sharp, above), 1, "network", "task_eta", "order_bound", "task / order_eta", value=sharp.eta
    )
    assert Forgetting("a", sharp, above).ratio.bound == "below"
    assert Forgetting("a", above, above).ratio is None
    assert Forgetting("a", below, order).ratio.bound == "below"
    never = NoiseThreshold(Estimate(0.0, math.nan), "never there")
    assert Forgetting("a", never, order).ratio is None and Forgetting("a", sharp, never).ratio is None
    found = [Forgetting(str(k), NoiseThreshold(Estimate(v, 0.001)), order) for k, v in enumerate((0.05, 0.06, 0.072))]
    ratio = common_ratio([*found, Forgetting("b", below, order)])
    assert ratio.value == pytest.approx(0.1) and ratio.dof == 2
    assert "geometric mean of 3 networks (1 without" in in_words([*found, Forgetting("b", below, order)], 64)
    assert common_ratio(found[:1]) is None and "not known" in in_words([Forgetting("a", above, above)], 64)
