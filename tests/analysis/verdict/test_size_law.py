"""Power laws and logarithms in L at one control value: coverage, exact results, and what must not be found."""

from __future__ import annotations

import math

import numpy as np
import pytest

import physnn
from physnn import rng
from physnn.analysis.curves.points import Points
from physnn.analysis.curves.section import Section, section
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.size_law import size_law
from physnn.errors import InputError
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.transfer import ising_transfer
from tests.frames import assert_framed
from tests.synthetic.size_laws import LAWS, law_trial, planted_curves

T_C = 2 / math.log1p(math.sqrt(2))
SIZES = np.array([8.0, 12, 16, 24, 32, 48, 64])


def at_one(y: np.ndarray, share: float, observable: str = "value", L: np.ndarray = SIZES, seed: int = 0) -> Section:
    """Values with errors of a share of them."""
    error = share * np.abs(y)
    noise = rng.stream(seed, "synthetic", "size law", observable).standard_normal(len(y))
    return Section(L, y + error * noise, np.diag(error**2), Estimate(T_C, 0.0), "T", observable, observable)


def shares(kind: str, sets: int) -> tuple[float, float]:
    trials = [law_trial(kind, rng.stream(k, "synthetic", "law", kind)) for k in range(sets)]
    held = np.array([found[2:] for found in trials if found[1] is not None])
    assert len(held) > 0.97 * sets
    return tuple(held.mean(0))


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAWS)
def test_intervals_hold_the_truth_as_often_as_they_say(kind):
    narrow, wide = shares(kind, 300)
    # A regular part that nothing but the values tell about makes the 68 % interval of a specific heat a wide one.
    assert 0.60 <= narrow <= (0.85 if kind == "constant" else 0.76)
    assert wide >= 0.93


@pytest.mark.parametrize("kind", ["power", "control"])
def test_a_few_sets_hold_the_truth(kind):
    narrow, wide = shares(kind, 20)
    assert 0.5 <= narrow <= 0.93 and wide >= 0.9


def test_errors_of_the_critical_value_are_needed():
    """Without them the same intervals hold the truth in less than a third of the sets."""
    held = []
    for carried in (True, False):
        made = [planted_curves(rng.stream(k, "synthetic", "carried"), carried) for k in range(30)]
        answers = [(size_law(found, "none").exponent, truth) for found, truth in made]
        held.append(np.mean([abs(exponent.value - truth) < exponent.error for exponent, truth in answers if exponent]))
    assert held[0] > 0.55 > 0.45 > held[1]


def test_corrections_to_scaling_are_in_the_error():
    y = SIZES**-0.125 * (1 + 0.3 / SIZES)
    plain, whole = size_law(at_one(y, 0.01, "m_abs"), "none").exponent, size_law(at_one(y, 0.01, "m_abs")).exponent
    assert abs(whole.value + 0.125) < 2 * whole.error
    assert whole.error > plain.error
    known = size_law(at_one(y, 1e-4, "m_abs"), 1.0).exponent
    assert abs(known.value + 0.125) < 3 * known.error < 0.002


def test_the_exact_magnetisation_has_the_exponent_of_the_ising_model():
    L = np.array([4.0, 5, 6, 7, 8, 9, 10])
    y = np.array([ising_transfer((int(n), int(n)), T_C)["m_abs"] for n in L])
    answer = size_law(at_one(y, 1e-3, "m_abs", L))
    assert_framed(answer, len(L), "L", "m_abs", "m_abs_error")
    assert answer.verdict == "power-law"
    assert answer.exponent.error < 0.02 and abs(answer.exponent.value + 0.125) < 2 * answer.exponent.error
    name, value = answer.named()
    assert (name, value.value) == ("beta/nu", -answer.exponent.value)


def test_the_exact_specific_heat_is_a_logarithm_and_away_from_the_critical_point_neither():
    def heat(T: float) -> np.ndarray:
        return np.array([kaufman((int(n), int(n)), T).c for n in SIZES])

    answer = size_law(at_one(heat(T_C), 2e-4, "c"))
    assert answer.verdict == "logarithm" and answer.exponent is None
    # 8 K_c^2 / pi = 2 ln(1 + sqrt 2)^2 / pi (L. Onsager, Phys. Rev. 65 (1944) 117).
    exact = 2 * math.log1p(math.sqrt(2)) ** 2 / math.pi
    assert abs(answer.slope.value - exact) < 3 * answer.slope.error < 0.03
    for T in (2.35, 2.4):
        away = size_law(at_one(heat(T), 1e-3, "c"))
        assert away.verdict == "no-law" and away.exponent is None and "not critical" in away.reason
    few = size_law(at_one(heat(T_C), 0.02, "c"))
    assert few.verdict == "undecided" and few.exponent and few.slope and "both" in few.reason


def test_a_power_above_a_constant_is_no_logarithm():
    answer = size_law(at_one(1 + SIZES**0.4, 1e-3, "c"))
    assert answer.verdict == "power-law" and abs(answer.exponent.value - 0.4) < 3 * answer.exponent.error < 0.15
    steep = size_law(at_one(SIZES**1.75, 1e-3, "chi"))
    assert steep.verdict == "power-law" and steep.named()[0] == "gamma/nu"
    assert abs(steep.exponent.value - 1.75) < 3 * steep.exponent.error < 0.02
    assert size_law(at_one(5 + SIZES**1.2, 1e-3, "chi")).exponent.value == pytest.approx(1.2, abs=0.1)


def test_values_that_saturate_follow_no_law():
    y = 1 - np.exp(-SIZES / 12)
    assert size_law(at_one(y, 1e-3)).verdict == "no-law"
    assert size_law(at_one(1 - 2 / SIZES**1.5, 1e-3, "c")).verdict == "undecided"


def test_what_two_and_three_sizes_cannot_show_is_said():
    two = size_law(at_one(SIZES[:2] ** -0.125, 1e-3, "m_abs", SIZES[:2]))
    assert two.verdict == "undecided" and "can be checked" in two.reason
    assert two.exponent.value == pytest.approx(-0.125, abs=0.02) and two.best[0].dof == 0
    three = size_law(at_one(SIZES[:3] ** -0.125, 1e-3, "m_abs", SIZES[:3]))
    assert any("corrections to scaling are not in these fits" in remark for remark in three.remarks)


def test_values_of_both_signs_are_no_power():
    answer = size_law(at_one(np.array([-0.5, -0.1, 0.2, 0.6, 0.9, 1.3, 1.6]) + 0.0, 0.05))
    assert not any(f.law.name == "power" for f in answer.fits)


def curves(x: np.ndarray, sizes: tuple[int, ...] = (8, 16, 32)) -> Points:
    L = np.repeat(np.array(sizes, float), len(x))
    at = np.tile(x, len(sizes))
    y = L**-0.125 * (1 - 0.3 * np.tanh((at - 1) * L / 8))
    return Points(L, at, y, np.full(len(L), 1e-4))


NAMES = ("T", "m_abs", "m")


def test_a_measured_value_is_taken_as_it_is():
    points = curves(np.linspace(0.9, 1.1, 9))
    exact = section(points, Estimate(1.0, 0.0), NAMES)
    assert exact.remarks == () and exact.y == pytest.approx(points.y[4::9], abs=1e-15)
    assert exact.error == pytest.approx(points.error[:3])
    rounded = section(curves(np.round(np.linspace(0.9, 1.1, 9) + 0.0001234, 7)), Estimate(1.0001, 0.0), NAMES)
    assert rounded.remarks == (), "0.0001 of a grid of 0.025, in the decimals of the question"


@pytest.mark.parametrize("count", [3, 4, 9])
def test_an_interpolated_value_is_near_and_says_so(count):
    points = curves(np.linspace(0.93, 1.09, count))
    found = section(points, Estimate(1.0, 0.0), NAMES)
    away = np.abs(found.y / np.array([8.0, 16, 32]) ** -0.125 - 1) * found.y
    assert (away < 3 * found.error).all(), (away, found.error)
    assert "interpolated" in found.remarks[0]


def test_a_curve_that_bends_between_coarse_points_has_a_wider_error():
    points = curves(np.linspace(0.61, 1.4, 7), (32, 64, 128))
    found = section(points, Estimate(1.03, 0.0), NAMES)
    L = found.L
    exact = L**-0.125 * (1 - 0.3 * np.tanh(0.03 * L / 8))
    assert np.abs(found.y - exact).max() > 5e-4, "far more than the errors of the points"
    assert (np.abs(found.y - exact) < 2 * found.error).all()


def test_two_neighbours_are_joined_by_a_line_that_may_be_wrong():
    found = section(curves(np.array([0.9, 1.1])), Estimate(0.95, 0.0), NAMES)
    assert any("do not tell whether the curve bends" in remark for remark in found.remarks)


def test_shared_runs_do_not_average_out():
    x = np.linspace(0.9, 1.1, 41)
    points = curves(x)
    generator = rng.stream(0, "synthetic", "shared")
    bump = np.concatenate([np.full(41, generator.standard_normal()) for _ in range(3)])
    smooth = Points(points.L, points.x, points.y + 1e-4 * bump, points.error)
    alone = Points(points.L, points.x, points.y + 1e-4 * generator.standard_normal(123), points.error)
    at = Estimate(1.0025, 0.0)
    assert (section(smooth, at, NAMES).error >= 0.95e-4).all() and (section(alone, at, NAMES).error < 0.9e-4).all()


def test_an_error_of_the_control_moves_all_values_together():
    found = section(curves(np.linspace(0.9, 1.1, 9)), Estimate(1.0, 1e-3), NAMES)
    slope = -0.3 / 8 * np.array([8.0, 16, 32]) ** 0.875
    assert found.covariance == pytest.approx(1e-8 * np.eye(3) + 1e-6 * np.outer(slope, slope), rel=0.05, abs=1e-10)
    grid = curves(np.linspace(0.9, 1.1, 9))
    lone = section(curves(np.array([1.0])), Estimate(1.0, 1e-3), NAMES)
    assert lone.covariance == pytest.approx(1e-8 * np.eye(3)) and "no neighbouring values" in lone.remarks[0]
    peak = Points(grid.L, grid.x, np.exp(-(((grid.x - 1) * grid.L / 4) ** 2)), grid.error)
    rough = section(peak, Estimate(1.0, 0.05), NAMES)
    assert any("not straight" in remark for remark in rough.remarks)


@pytest.mark.parametrize(
    ("points", "at", "says"),
    [
        (curves(np.linspace(0.9, 1.1, 9)), 1.2, "outside the data of L = 8: 0.9 to 1.1"),
        (curves(np.array([1.0])), 1.2, "outside the data of L = 8: 1"),
        (curves(np.linspace(0.9, 1.1, 9)), None, "there are 9 values of T, 0.9 to 1.1: say which"),
        (curves(np.array([1.0]), (8,)), 1.0, "one size only"),
    ],
)
def test_a_control_value_without_data_is_refused(points, at, says):
    with pytest.raises(InputError, match=says):
        section(points, Estimate(at, 0.0) if at else None, NAMES)


def test_arrays_have_the_same_answer():
    y = SIZES**-0.125
    answer = physnn.fit_arrays(SIZES, None, y, 1e-3 * y, observable="magnetisation", at_criticality=True)
    assert answer.named()[0] == "beta/nu" and answer.exponent.value == pytest.approx(-0.125, abs=1e-6)
    matrix = np.diag((1e-3 * y) ** 2)
    same = physnn.fit_arrays(
        SIZES, np.full(7, 2.3), y, covariance=matrix, observable="m_abs", at_criticality=Estimate(2.3, 0.0)
    )
    assert same.exponent.error == pytest.approx(answer.exponent.error)
    for wrong in ({"zeta": 0.0}, {"inverse_nu": 1.0}):
        with pytest.raises(InputError, match="cannot be used with at_criticality"):
            physnn.fit_arrays(SIZES, None, y, y, at_criticality=True, **wrong)
    with pytest.raises(InputError, match="finite number"):
        physnn.fit_arrays(SIZES, SIZES, y, y, at_criticality=math.nan)
    with pytest.raises(InputError, match="with at_criticality alone"):
        physnn.fit_arrays(SIZES, None, y, y)
    with pytest.raises(InputError, match="not positive definite"):
        physnn.fit_arrays(SIZES, None, y, covariance=np.ones((7, 7)), at_criticality=True)
    with pytest.raises(InputError, match="no value at L = 1"):
        physnn.fit_arrays([1, 2, 4], None, [3, 2, 1], [1, 1, 1], omega="log", at_criticality=True)
