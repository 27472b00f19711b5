"""The noise at which a task fails and a domain is lost: planted thresholds, their errors, and bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.estimate import Estimate
from physnn.analysis.forgetting import (
    Forgetting,
    Threshold,
    common_ratio,
    first_passage,
    in_words,
    order_threshold,
    task_threshold,
)

ETA = np.linspace(0, 0.4, 9)


def planted(generator, at=0.23, images=40):
    """Squared errors of images whose mean reaches f (1 - f) at a known noise, and their shares of foreground."""
    f = np.clip(generator.normal(0.06, 0.01, images), 0.01, 0.2)
    level = 0.06 * 0.94
    return level * (ETA / at)[:, None] * generator.gamma(20, 1 / 20, images), f


def test_the_first_passage_is_on_the_straight_line_between_values():
    y = np.array([[-1, -0.5, 0.5, -1, 1], [1, 2, 3, 4, 5], [-1, -1, -1, -1, -0.1], [-1, 0, 1, 2, 3]], float)
    assert first_passage(np.arange(5.0), y).tolist() == [1.5, 0, math.inf, 1]


def test_the_threshold_of_the_task_has_honest_errors():
    off = []
    for k in range(150):
        generator = rng.stream(k, "synthetic", "task threshold")
        found = task_threshold(ETA, *planted(generator), generator)
        assert found.bound == ""
        off.append((found.eta.value - 0.23) / found.eta.error)
    inside = np.mean(np.abs(off) < 1)
    assert 0.55 < inside < 0.8 and abs(np.mean(off)) < 0.3
    # The control: errors a third as large would be seen.
    assert np.mean(np.abs(off) < 1 / 3) < 0.5


def test_what_is_never_or_always_lost_is_a_bound():
    generator = rng.stream(0, "synthetic", "bounds")
    squared, f = planted(generator)
    assert task_threshold(ETA, 0.01 * squared, f, generator).bound == "above"
    assert task_threshold(ETA, squared + 1, f, generator).bound == "below"
    assert order_threshold(ETA[1:], np.full((8, 4), 0.9), generator) == Threshold(Estimate(0.4, 0.0), "above")


def test_the_threshold_of_order_starts_from_a_whole_memory_without_noise():
    generator = rng.stream(0, "synthetic", "order")
    m = np.array([0.9, 0.2])[:, None] + generator.normal(0, 0.02, (2, 50))
    assert order_threshold(np.array([0.1, 0.2]), m, generator).eta.value == pytest.approx(0.157, abs=0.003)
    # All is lost at the least noise already: somewhere below it, on the line from 1.
    found = order_threshold(np.array([0.2, 0.4]), np.zeros((2, 4)), generator)
    assert found.bound == "" and found.eta.value == pytest.approx(0.1)


def test_ratios_carry_bounds_and_errors():
    sharp, above, below = (
        Threshold(Estimate(v, e), b) for v, e, b in ((0.06, 0.006, ""), (0.8, 0, "above"), (0, 0, "below"))
    )
    order = Threshold(Estimate(0.6, 0.03))
    assert Forgetting("a", sharp, order).ratio.eta.error == pytest.approx(0.1 * math.hypot(0.1, 0.05))
    assert Forgetting("a", sharp, above).ratio.bound == "below"
    assert Forgetting("a", above, above).ratio is None
    assert Forgetting("a", below, order).ratio.bound == "below"
    found = [Forgetting(str(k), Threshold(Estimate(v, 0.001)), order) for k, v in enumerate((0.05, 0.06, 0.072))]
    ratio = common_ratio([*found, Forgetting("b", below, order)])
    assert ratio.value == pytest.approx(0.1) and ratio.dof == 2
    assert "geometric mean of 3 networks (1 without" in in_words([*found, Forgetting("b", below, order)], 64)
    assert common_ratio(found[:1]) is None and "not known" in in_words([Forgetting("a", above, above)], 64)
