"""Decision rules: each verdict from evidence that has it, and not from evidence that lacks one part of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves.curves import Curves
from physnn.analysis.order.decision import Evidence, Plane, PlaneComparison, decision_of, on_plane
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pooled import pooled


def plane(name: str, verdict: str) -> dict[str, PlaneComparison]:
    return {name: PlaneComparison(name, verdict, 0.01, -1.0, 32, 6)}


CROSS = {"binder": "crossing", "xi_over_L": "crossing"}
ISING = Evidence(
    1, (8, 16, 32), CROSS, critical_point=Estimate(1.28, 0.001), inverse_nu=Estimate(1.03, 0.05), shared=0.4,
    planes=plane("Ising", "agrees"),
)  # fmt: skip
XY = Evidence(
    2, (8, 16, 32), {"binder": "undecided", "xi_over_L": "merging"}, critical_point=Estimate(0.9, 0.02),
    eta=Estimate(0.23, 0.02), planes=plane("XY", "agrees"),
)  # fmt: skip
OTHER = "continuous, not Ising"


def test_ising_needs_every_part_of_its_rule():
    assert decision_of(ISING).kind == "Ising"
    for change, kind in (
        ({"components": 2}, "undecided"),
        ({"inverse_nu": Estimate(1.5, 0.05)}, OTHER),
        ({"inverse_nu": Estimate(1.12, 0.05)}, "undecided"),
        ({"inverse_nu": Estimate(1.1, 0.3)}, "undecided"),
        ({"inverse_nu": Estimate(1.5, 0.2)}, "undecided"),
        ({"inverse_nu": None}, "undecided"),
        ({"inverse_nu": Estimate(1.5, math.nan)}, "undecided"),
        ({"shared": 1e-5}, "undecided"),
        ({"planes": plane("Ising", "rejected")}, "undecided"),
        ({"planes": plane("Ising", "unclear")}, "undecided"),
        ({"planes": None}, "undecided"),
        ({"sizes": (8, 32)}, "undecided"),
        ({"sizes": (16, 20, 24)}, "undecided"),
        ({"doubts": ("metastable starts at the lowest temperature",)}, "undecided"),
        ({"verdicts": {"binder": "crossing", "xi_over_L": "undecided"}}, "undecided"),
        ({"verdicts": {"binder": "first-order", "xi_over_L": "crossing"}}, "first order"),
        ({"verdicts": {"binder": "crossing", "xi_over_L": "non-equilibrium"}}, "not in equilibrium"),
    ):
        assert decision_of(replace(ISING, **change)).kind == kind, change


def test_bkt_needs_every_part_of_its_rule():
    assert decision_of(XY).kind == "BKT-like"
    for change in (
        {"components": 1},
        {"components": 4},
        {"eta": Estimate(0.6, 0.02)},
        {"eta": None},
        {"eta": Estimate(0.3, 0.4)},
        {"planes": None},
        {"planes": plane("XY", "rejected")},
        {"verdicts": {"binder": "merging", "xi_over_L": "undecided"}},
    ):
        assert decision_of(replace(XY, **change)).kind == "undecided", change


def test_no_transition_is_said_only_where_the_lowest_temperature_is_disordered():
    none = Evidence(2, (8, 16, 32), dict.fromkeys(CROSS, "no-crossing"), trend=-12.0)
    assert decision_of(none).kind == "none"
    assert decision_of(replace(none, trend=12.0)).kind == "undecided", "order everywhere is no answer"
    assert decision_of(replace(none, verdicts=dict.fromkeys(CROSS, "undecided"))).kind == "none"
    merging = {"binder": "merging", "xi_over_L": "no-crossing"}
    assert decision_of(replace(none, verdicts=merging)).kind == "undecided"
    assert decision_of(replace(none, trend=-1.0)).kind == "undecided"


def curves(name: str, y: np.ndarray, samples: np.ndarray) -> Curves:
    x, errors = np.arange(float(len(y))), samples.std(0, ddof=1)
    return Curves((32,), {32: x}, {32: y}, {32: samples}, {32: errors}, 1, 1, "T", name, name, True, 3)


def shifted(shift: float, noise: float):
    """U4 and xi/L that lie off a plane by a shift, with fluctuations of both."""
    generator = rng.stream(0, "synthetic", "plane")
    reference = Plane("Ising", 1, np.linspace(0.1, 1.3, 20), np.tanh(np.linspace(0.1, 1.3, 20)), np.full(20, 1e-3))
    x = np.linspace(0.3, 1.1, 6)
    xs = x + noise * generator.normal(size=(200, 6))
    ys = np.tanh(xs) + shift + noise * generator.normal(size=(200, 6))
    return curves("binder", np.tanh(x) + shift, ys), curves("xi_over_L", x, xs), reference


def test_a_plane_agrees_within_its_tolerance_and_rejects_beyond():
    assert on_plane(*shifted(0.0, 0.005)[:2], 1, shifted(0, 0.005)[2]).verdict == "agrees"
    assert on_plane(*shifted(0.02, 0.005)[:2], 1, shifted(0, 0.005)[2]).verdict == "agrees"
    found = on_plane(*shifted(0.06, 0.005)[:2], 1, shifted(0, 0.005)[2])
    assert found.verdict == "rejected" and found.largest == pytest.approx(0.06, abs=1e-3) and found.sigma > 3
    assert on_plane(*shifted(0.06, 0.05)[:2], 1, shifted(0, 0.005)[2]).verdict == "unclear"
    assert on_plane(*shifted(0.0, 0.005)[:2], 2, shifted(0, 0.005)[2]).verdict == "unclear", "another n is no test"


@pytest.mark.parametrize("between", [0.0, 0.1])
def test_pooled_means_have_honest_errors_and_scatter_is_seen(between):
    off, rejected = [], 0
    for k in range(400):
        generator = rng.stream(k, "synthetic", "pooled")
        errors = generator.uniform(0.02, 0.06, 6)
        y = 1 + between * generator.normal(size=6) + errors * generator.normal(size=6)
        found = pooled([Estimate(v, e) for v, e in zip(y, errors, strict=True)])
        off.append(abs(found.mean.value - 1) / found.mean.error)
        rejected += found.p_value < 0.05
    assert 0.62 < np.mean(np.array(off) < 1) < 0.85
    if between:
        assert rejected > 300
    else:
        assert 5 < rejected < 40
    assert pooled([Estimate(1, 0.1)]) is None
