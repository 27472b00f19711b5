"""The rule that holds back the order of wave functions: what it must refuse, and what it must not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.quantum.convergence import converged_order

NOISE = 0.002


def point(seed: int = 0, machines: int = 5, change: float = 0.0, pull: float = 0.0, **more):
    """Judgement of synthetic machines whose last stage differs by ``change``, with some pull left."""
    g = rng.stream(seed, "synthetic", "convergence")
    order2 = 0.5 + NOISE * g.standard_normal((machines, 2)) + [0, change]
    pulls = pull + 0.05 * NOISE * g.standard_normal(machines)
    variance = np.broadcast_to([2e-4, 1e-4], (machines, 2))
    return converged_order(16, 1.0, order2, pulls, variance, **{"exact": (1e-4, 1.0), **more})


def test_machines_that_agree_and_are_pulled_nowhere_have_converged():
    found = point()
    assert found.verdict == "converged"
    assert found.infidelity == pytest.approx(1e-4)
    assert not found.assumed
    assert found.extrapolated.value == pytest.approx(0.5, abs=5 * NOISE)


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        ({"change": 0.02}, "last two stages differ"),
        ({"pull": -0.01}, "pull"),
        ({"machines": 3}, "3 machines"),
        ({"exact": (3e-3, 0.43)}, "outside the ground state"),
        ({"sites": 40, "exact": (math.nan, math.nan)}, "outside the ground state"),
        ({"pull": -0.002, "exact": (math.nan, math.nan)}, "pull"),
    ],
)
def test_what_is_planted_is_refused(planted, reason):
    found = point(**planted)
    assert found.verdict == "undecided"
    assert any(reason in said for said in found.reasons)


def test_a_single_stage_is_refused():
    one = converged_order(8, 1.0, np.full((5, 1), 0.5), np.zeros(5), np.zeros((5, 1)), (0.0, 1.0))
    assert one.reasons == ("a single stage, which nothing can agree with",)


def test_an_exact_eigenstate_has_error_0():
    found = converged_order(8, 1.0, np.full((4, 2), 0.5), np.zeros(4), np.zeros((4, 2)), (0.0, 1.0))
    assert found.verdict == "converged"
    assert (found.order2.value, found.order2.error, found.pull.value, found.infidelity) == (0.5, 0.0, 0.0, 0.0)
    assert (found.extrapolated.value, found.extrapolated.error) == (0.5, 0.0)


def test_false_alarms_of_many_points_are_those_of_one():
    points, files = 15, 60
    alarms = sum(
        any(point(seed=1000 * n + k, points=points).reasons for k in range(points)) for n in range(1, files + 1)
    )
    assert alarms / files < 0.12
