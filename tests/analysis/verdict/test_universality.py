"""Planted exponents find their class, equal ones are not called different, and what cannot be compared is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.analysis.curves.tables import fit_arrays
from physnn.analysis.statistics.estimate import Estimate, deviation, ratio, significance
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.merging import Joined, Merging
from physnn.analysis.verdict.universality import (
    CLASSES,
    UniversalityClass,
    class_verdict,
    compare_fits,
    exponents,
    scores,
)
from tests.frames import assert_framed

OWN = {c.name: c for c in CLASSES if c.inverse_nu}
POTTS = {"2D percolation": 1, "2D Ising": 2, "3-state Potts (2D)": 3, "4-state Potts (2D)": 4}


@cache
def planted(seed: int, inverse_nu: float = 1.0, zeta: float = 0.0, noise: float = 0.004, **settings) -> Fit:
    """Logistic curves with known exponents, fitted."""
    generator = rng.stream(seed, "synthetic", "universality", inverse_nu)
    L = np.repeat([16.0, 32.0, 64.0], 13)
    u = np.tile(np.linspace(-3, 3, 13), 3)
    y, error = (0.2 + 0.6 / (1 + np.exp(1.5 * u))) * L**zeta, noise * L**zeta
    values = y + error * generator.normal(size=len(L))
    # Planted without corrections to scaling: none are fitted.
    settings = {"omega": "none"} | settings
    return fit_arrays(L, 0.5 + u * L**-inverse_nu, values, error, resamples=25, seed=seed, **settings)


def with_exponent(fit: Fit, **changes) -> Fit:
    """The fit with other estimates."""
    return replace(fit, collapse=replace(fit.collapse, **changes))


def merging_fit(favoured: str | None) -> Fit:
    joined = Joined("kosterlitz-thouless", Estimate(0.9, 0.01), 1.5, 30.0, 30)
    crossing = planted(0)
    merged = Merging(replace(joined, name="power", chi2=60.0), joined, favoured)
    return replace(crossing, verdict="merging", collapse=None, merging=merged)


def standing(fit: Fit) -> dict[str, str]:
    return {s.name: s.standing for s in scores(fit)}


def numbers(source: str) -> dict[str, tuple[float, float]]:
    """Numbers with their errors that a source names, such as nu = 0.67169(7)."""
    found = re.findall(r"(\w+) = (\d+\.(\d+))\((\d+)\)", source)
    return {name: (float(value), int(error) * 10.0 ** -len(places)) for name, value, places, error in found}


def agree(value: float, truth: float, error: float) -> bool:
    return abs(value - truth) <= 2 * error + 1e-12


def consistent(c: UniversalityClass) -> bool:
    """Whether a row of the table agrees with hyperscaling, and with what is known of it independently."""
    nu, beta, gamma = c.inverse_nu, c.beta_over_nu, c.gamma_over_nu
    good = [agree(2 * beta.value + gamma.value, c.dimension, np.hypot(2 * beta.error, gamma.error))]
    if c.name in POTTS:
        # Coulomb gas: y_t = 3 (1 - u)/(2 - u), y_h = (3 - u)(5 - u)/(4 (2 - u)), u = (2/pi) arccos(sqrt(q)/2).
        u = 2 / np.pi * np.arccos(np.sqrt(POTTS[c.name]) / 2)
        y_t, y_h = 3 * (1 - u) / (2 - u), (3 - u) * (5 - u) / (4 * (2 - u))
        good += [agree(nu.value, y_t, 1e-9), agree(beta.value, 2 - y_h, 1e-9), agree(gamma.value, 2 * y_h - 2, 1e-9)]
    known = numbers(c.source)
    if "eta" in known:
        (n, dn), (eta, deta) = known["nu"], known["eta"]
        good += [agree(nu.value, 1 / n, dn / n**2 / 2), agree(gamma.value, 2 - eta, deta / 2)]
        good += [agree(nu.error, dn / n**2, 0.05 * nu.error), agree(beta.value, (1 + eta) / 2, deta / 4)]
        # beta and gamma from elsewhere: Ferrenberg et al. 2018; Campostrini et al. 2006, 2002.
        other = {"3D Ising": (0.3263, 4e-4, 1.23708, 3.3e-4), "3D XY": (0.3486, 1e-4, 1.3178, 2e-4)}
        b, db, g, dg = other.get(c.name, (0.3689, 3e-4, 1.3960, 9e-4))
        good += [agree(beta.value / nu.value, b, db), agree(gamma.value / nu.value, g, dg)]
    if c.z:
        perpendicular, parallel = known["nu_perp"][0], known["nu_par"][0]
        good += [
            agree(nu.value, 1 / perpendicular, nu.error / 2),
            agree(c.z.value, parallel / perpendicular, c.z.error / 2),
        ]
        good += [agree(beta.value, known["beta"][0] / perpendicular, beta.error / 2)]
        good.append(agree(gamma.value, c.dimension - 2 * beta.value, gamma.error / 4))
        # delta = beta/nu_parallel from spreading: Jensen 1999; C. A. Voigt and R. M. Ziff 1997.
        delta, error = {1: (0.159464, 6e-6), 2: (0.4505, 1e-3)}[c.dimension]
        good.append(agree(beta.value / c.z.value, delta, error))
    if c.name.startswith("mean field"):
        good += [nu.value == c.dimension / 2, beta.value == c.dimension / 4]
    return all(good)


@pytest.mark.parametrize("name", OWN)
def test_the_table_of_classes_is_consistent_and_a_mistyped_exponent_is_not(name):
    own = OWN[name]
    assert own.source
    assert consistent(own)
    for field in ("inverse_nu", "beta_over_nu", "gamma_over_nu"):
        right = getattr(own, field)
        for factor in (1.05, 0.95):
            assert not consistent(replace(own, **{field: replace(right, value=right.value * factor)})), field


def test_what_a_comparison_must_know_of_a_class_is_in_the_table():
    assert "logarithmic" in OWN["4-state Potts (2D)"].note
    assert "nu_bar = 2" in OWN["mean field (L sites)"].note
    form = next(c for c in CLASSES if c.inverse_nu is None)
    assert "exp(b / sqrt t)" in form.note
    assert all(c.inverse_nu.error > 0 for c in OWN.values() if "nu = " in c.source or "nu_perp = " in c.source)


@pytest.mark.parametrize(
    ("inverse_nu", "own", "other"), [(1.0, "2D Ising", "2D percolation"), (0.75, "2D percolation", "2D Ising")]
)
def test_a_planted_exponent_finds_its_class_and_excludes_another(inverse_nu, own, other):
    fit = planted(0, inverse_nu)
    found = standing(fit)
    assert (found[own], found[other]) == ("consistent", "excluded")
    words, decided = class_verdict(fit)
    assert decided
    agreed, excluded = words.split("excluded at more than 3 sigma: ")
    assert own in agreed
    assert other in excluded
    assert "4-state Potts (2D) (but for its logarithms)" in excluded


@pytest.mark.parametrize(
    ("zeta", "observable", "which"), [(-0.125, "m_abs", "order_parameter"), (1.75, "chi", "susceptibility")]
)
def test_zeta_has_the_sign_of_the_observable_and_tells_more_classes_apart(zeta, observable, which):
    fit = planted(0, 1.0, zeta, observable=observable)
    found = standing(fit)
    assert [name for name, s in found.items() if s == "consistent"] == ["2D Ising"]
    assert standing(planted(0))["mean field (L^2 sites)"] == "consistent", "1/nu alone does not know"
    assert found["mean field (L^2 sites)"] == "excluded"
    own = next(s for s in scores(fit) if s.name == "2D Ising")
    assert abs(getattr(own, which)) < 3
    wrong = with_exponent(fit, zeta_over_nu=replace(fit.collapse.zeta_over_nu, value=-zeta))
    assert standing(wrong)["2D Ising"] == "excluded"


def test_a_sigma_is_that_of_a_normal_variable_with_the_same_p_value():
    assert significance(Estimate(3.0, 1.0)) == pytest.approx((3.0, 0.0027), rel=1e-3)
    few = Estimate.student(-3.0, 1.0, 3)
    z, p = significance(few)
    assert p == pytest.approx(2 * stats.t.sf(3, 3))
    assert z == pytest.approx(-stats.norm.isf(p / 2))
    assert deviation(few) == pytest.approx(1.0)
    assert 37 < significance(Estimate(1e6, 1.0))[0] < 38
    assert significance(Estimate(0.0, 0.0)) == (0.0, 1.0)
    noisy = with_exponent(planted(0), inverse_nu=Estimate.student(1.0, 0.05, 2))
    sharp = with_exponent(planted(0), inverse_nu=Estimate(1.0, 0.05))
    assert standing(sharp)["2D percolation"] == "excluded"
    assert standing(noisy)["2D percolation"] != "excluded", "five sigma of three draws are no five sigma"


def test_equal_exponents_are_rarely_called_different_and_others_20_percent_apart_are():
    equal = [compare_fits(planted(k), planted(k + 1)) for k in range(20)]
    assert sum("different" in c.verdict for c in equal) <= 2
    assert sum("same class possible" in c.verdict for c in equal) >= 15
    apart = [compare_fits(planted(k), planted(k, 0.8)) for k in range(6)]
    assert sum(c.verdict.startswith("different exponents") and c.decided for c in apart) >= 5
    vague = [
        compare_fits(*(with_exponent(f, inverse_nu=replace(f.collapse.inverse_nu, error=0.15)) for f in (c.a, c.b)))
        for c in apart
    ]
    assert all(c.verdict.startswith("undecided") and not c.decided for c in vague), "negative control"
    assert all("to show at 3 sigma" in c.verdict for c in vague if c.inverse_nu.p_value > 0.05)


def draws(generator: np.random.Generator, value: float, error: float, dof: float, count: int) -> list[Estimate]:
    """Estimates as experiments with few draws give them."""
    values = value + error * generator.normal(size=count)
    errors = error * np.sqrt(generator.chisquare(dof, count) / dof)
    return [Estimate.student(v, e, dof) for v, e in zip(values, errors, strict=True)]


@pytest.mark.parametrize("second", [0.05, 0.25])
def test_errors_of_difference_and_ratio_are_those_of_a_bootstrap(second):
    a, b = Estimate(1.2, 0.1), Estimate(1.0, second)
    generator = rng.stream(0, "synthetic", "bootstrap of a ratio", second)
    x, y = 1.2 + 0.1 * generator.normal(size=200_000), 1.0 + second * generator.normal(size=200_000)
    assert (a - b).error == pytest.approx(np.std(x - y), rel=0.01)
    low, high = np.quantile(x / y, [0.158655, 0.841345])
    quotient, interval = ratio(a, b)
    assert quotient.value == pytest.approx(1.2)
    assert quotient.error == pytest.approx((high - low) / 2, rel=0.05)
    assert interval == pytest.approx(np.quantile(x / y, [0.025, 0.975]), rel=0.08)


def test_p_values_and_intervals_hold_with_few_draws():
    generator = rng.stream(0, "synthetic", "few draws")
    a, b = draws(generator, 1.2, 0.1, 4, 1000), draws(generator, 1.2, 0.25, 3, 1000)
    alarms = np.mean([significance(x - y)[1] < 0.05 for x, y in zip(a, b, strict=True)])
    assert 0.025 < alarms < 0.075
    certain = [Estimate(e.value, deviation(e)) for e in (*a, *b)]
    pairs = zip(certain[:1000], certain[1000:], strict=True)
    assert np.mean([significance(x - y)[1] < 0.05 for x, y in pairs]) > 0.08, "without Student's distribution"
    inside = [not (r := ratio(x, y)) or r[1][0] < 1.0 < r[1][1] for x, y in zip(a, b, strict=True)]
    assert 0.925 < np.mean(inside) < 0.975


def test_a_ratio_to_what_may_be_zero_is_refused():
    assert ratio(Estimate(1.0, 0.1), Estimate(0.1, 0.1)) is None
    assert ratio(Estimate(1.0, 0.1), Estimate(0.0, 0.0)) is None


def test_a_large_error_tells_no_classes_apart():
    fit = with_exponent(planted(0), inverse_nu=Estimate(1.0, 0.4))
    words, decided = class_verdict(fit)
    assert "cannot tell classes apart: error of 1/nu too large" in words
    assert not decided
    assert not compare_fits(fit).decided


def test_what_has_no_exponent_is_not_compared():
    crossing = planted(0)
    flat = replace(crossing, verdict="no-crossing", collapse=None)
    found = compare_fits(crossing, flat, ("lattice", "network"))
    assert_framed(found, 1, "exponent", "lattice", "network")
    assert found.verdict == "undecided (network: the verdict is no-crossing)"
    assert not found.decided
    assert found.inverse_nu is None
    first_order = replace(crossing, verdict="first-order")
    assert exponents(first_order) == (None, None)
    assert class_verdict(first_order) == ("nothing to compare: the verdict is first-order", False)
    assert exponents(crossing)[1] is None, "zeta/nu was held"


def test_a_held_exponent_is_not_compared():
    free = planted(0)
    candidates = [replace(c, form=replace(c.form, fixed=(None, 1.0, 0.0, None))) for c in free.collapse.scan.candidates]
    scanned = replace(free.collapse.scan, candidates=candidates)
    fit = with_exponent(free, inverse_nu=Estimate(1.0, 0.0), scan=scanned)
    assert exponents(fit) == (None, None)
    assert compare_fits(fit).verdict == "nothing to compare: no exponent was fitted, or with no error"
    assert not compare_fits(fit, planted(0)).decided


def test_a_kosterlitz_thouless_form_is_no_exponent():
    kosterlitz, neither = merging_fit("kosterlitz-thouless"), merging_fit(None)
    assert class_verdict(kosterlitz) == ("Kosterlitz-Thouless form; no exponent", True)
    assert class_verdict(neither)[1] is False
    assert scores(kosterlitz) == ()
    both = compare_fits(kosterlitz, kosterlitz)
    assert both.decided
    assert "both merge with the Kosterlitz-Thouless form" in both.verdict
    assert not compare_fits(kosterlitz, neither).decided
    assert not compare_fits(kosterlitz, planted(0)).decided


def test_zeta_of_different_observables_is_no_part_of_the_verdict():
    order, other = planted(0, 1.0, -0.125, observable="m_abs"), planted(1, 1.0, 1.75, observable="chi")
    found = compare_fits(order, other)
    assert found.zeta_over_nu.p_value < 1e-6
    assert not found.verdict.startswith("different")
    assert any("different observables" in r for r in found.remarks)
    same = compare_fits(order, planted(1, 1.0, -0.4, observable="m_abs"))
    assert same.verdict.startswith("different exponents"), "zeta/nu of one observable counts"
    assert "zeta/nu differs by 0.2" in same.verdict


def test_one_fit_twice_is_noticed():
    assert any("the runs are the same" in r for r in compare_fits(planted(0), planted(0)).remarks)
    assert not any("the runs are the same" in r for r in compare_fits(planted(0), planted(1)).remarks)


def test_a_comparison_is_plain_data():
    answer = compare_fits(planted(0), planted(0, 0.8), ("a.csv", "b.csv")).as_json()
    json.dumps(answer, allow_nan=False)
    assert answer["b"]["name"] == "b.csv"
    assert {"difference", "ratio", "z_score", "p_value"} <= set(answer["equality"]["inverse_nu"])
    assert answer["equality"]["zeta_over_nu"] is None
    assert len(answer["a"]["classes"]) == len(OWN)
    alone = compare_fits(planted(0)).as_json()
    assert "b" not in alone
    assert alone["verdict"] == alone["a"]["class_verdict"]
