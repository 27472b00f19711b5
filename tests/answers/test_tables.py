"""Tables that were once answered wrongly or not at all, each with its right answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

import physnn
from physnn import api, rng
from physnn.analysis.collapse import exponents
from physnn.analysis.collapse.search import search
from physnn.analysis.curves.points import Form, Points
from physnn.analysis.curves.roughness import roughness
from physnn.answers.fit import curve_rows, curves, fit
from physnn.cli import run

T_C = 2.269185


@pytest.fixture(scope="module")
def ising(tmp_path_factory):
    """Sweep of small lattices with two temperatures at which no chain moves."""
    out = tmp_path_factory.mktemp("tables") / "ising.h5"
    T = [0.3, 0.4, *np.linspace(2.1, 2.44, 12).round(3).tolist()]
    api.sweep_temperature((8, 16, 24), out=out, T=T, sweeps=12_000, algorithm="metropolis", chains=2, jobs=1)
    return out


def rows_of(found) -> tuple[np.ndarray, ...]:
    L = np.concatenate([np.full(len(found.x[size]), float(size)) for size in found.sizes])
    return L, *(np.concatenate([each[size] for size in found.sizes]) for each in (found.x, found.y, found.errors))


def corrected(seed: int, noise: str = "normal", error: float = 0.1, omega: float = 1.0) -> tuple[np.ndarray, ...]:
    """A = F((x - 0.3) L) (1 + 2 L^-omega) with errors of 0.1 on values from 6 to 9."""
    generator = rng.stream(seed, "synthetic", "corrected table", noise)
    L, x = np.repeat([16.0, 32.0, 64.0], 30), np.tile(np.linspace(0.2, 0.4, 30), 3)
    t = np.tanh((x - 0.3) * L / 3)
    scatter = generator.standard_normal(90) if noise == "normal" else generator.uniform(-1, 1, 90)
    return L, x, (7 + 1.2 * t + 0.3 * t**2) * (1 + 2 * L**-omega) + error * scatter, np.full(90, error)


def precise(omega: float, digits: int | None = None, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Cumulants with relative errors of 1e-6 and a correction of 10 %, x_c = 0.44 and 1/nu = 1."""
    generator = rng.stream(seed, "synthetic", "precise table", str(omega))
    sizes = np.array([8.0, 16, 32, 64, 128, 256])
    L, u = np.repeat(sizes, 15), np.tile(np.linspace(-2, 2, 15), 6)
    y = 0.6 - 0.25 * np.tanh(u) + 0.04 * np.tanh(u) ** 2 + L**-omega * (0.1 + 0.05 * u / (1 + u * u))
    x = 0.44 + u / L
    return L, x if digits is None else x.round(digits), y * (1 + 1e-6 * generator.standard_normal(90)), 1e-6 * y


def off(estimate, truth: float) -> float:
    return abs(estimate.value - truth) / estimate.error


def test_a_table_of_small_lattices_has_the_same_answer_as_their_sweep(ising):
    L, T, U4, error = rows_of(curves(ising, "binder"))
    table, sweep = physnn.fit_arrays(L, T, U4, error, control="T", observable="binder"), fit(ising)
    for answer in (table, sweep):
        assert answer.verdict == "crossing" and off(answer.collapse.critical_point, T_C) < 3
        assert off(answer.collapse.inverse_nu, 1) < 3
    one, other = (answer.collapse.critical_point for answer in (table, sweep))
    assert abs(one.value - other.value) < 0.5 * (one.error + other.error)


def test_chains_that_never_moved_are_unknown(ising, capsys):
    found = curves(ising, "binder")
    assert found.frozen == {8: (0.3, 0.4), 16: (0.3, 0.4), 24: (0.3, 0.4)} and found.x[8].min() > 2
    assert curve_rows(found)[0] == ["0.3", "unknown", "unknown", "unknown"]
    for observable in ("binder", "m_abs", "energy"):
        assert run(["fit", str(ising), "--observable", observable, "--json", "--resamples", "50"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert "no chain moved at T = 0.3, 0.4 (L = 8, 16, 24)" in answer["warnings"][0]
        assert "other values have a share below" in answer["warnings"][0]


@pytest.mark.parametrize("omega", [1.0, "free"])
def test_a_correction_that_dominates_does_not_hide_the_collapse(omega):
    fits = [physnn.fit_arrays(*corrected(seed), omega=omega, resamples=50) for seed in range(4)]
    found = [f.collapse for f in fits if f.verdict == "crossing"]
    assert len(found) >= 3
    for each in found:
        assert off(each.critical_point, 0.3) < 3 and off(each.inverse_nu, 1) < 3
        assert each.critical_point.error < 0.08
        several = any("are about as good" in text for text in each.remarks)
        known = each.inverse_nu.error < 0.5 * each.inverse_nu.value
        assert several or known, "what is degenerate is said"


def test_precise_cumulants_have_their_exponents_and_rounded_controls_too():
    for omega in (0.5, 1.0, 2.0):
        best = physnn.fit_arrays(*precise(omega), resamples=50).collapse
        assert off(best.critical_point, 0.44) < 3.5 and best.critical_point.error < 1e-7
        assert off(best.inverse_nu, 1) < 3.5 and off(best.omega, omega) < 3.5
    best = physnn.fit_arrays(*precise(2.0, digits=6), resamples=50).collapse
    assert any("rounded to 1e-06" in text for text in best.remarks)
    assert off(best.critical_point, 0.44) < 3 and off(best.inverse_nu, 1) < 3 and best.inverse_nu.error < 1e-3
    whole = physnn.fit_arrays(*precise(2.0), resamples=50).collapse
    assert not any("rounded" in text for text in whole.remarks)


def test_logarithmic_corrections_are_suspected_and_fitted_by_name(tmp_path, capsys):
    """As at a marginal field: G / ln L on cumulants known to 1e-5, L to 256."""
    generator = rng.stream(0, "synthetic", "logarithms")
    L, u = np.repeat([16.0, 32, 64, 128, 256], 15), np.tile(np.linspace(-2, 2, 15), 5)
    y = 0.6 - 0.25 * np.tanh(u) + (0.1 + 0.05 * u / (1 + u * u)) / np.log(L)
    table = L, 0.44 + u / L, y + 1e-5 * generator.standard_normal(75), np.full(75, 1e-5)
    power, named = (physnn.fit_arrays(*table, omega=omega, resamples=50) for omega in ("free", "log"))
    best = named.collapse
    assert off(best.critical_point, 0.44) < 3 and off(best.inverse_nu, 1) < 3 and best.critical_point.error < 1e-5
    assert np.isnan(best.omega.value) and named.as_json()["evidence"]["omega"] is None
    assert any("logarithms" in text for text in power.remarks) and not any("logarithms" in t for t in named.remarks)
    path = tmp_path / "t.txt"
    path.write_text("\n".join(" ".join(f"{value:.12g}" for value in row) for row in zip(*table, strict=True)))
    assert run(["fit", str(path), "--correction", "log", "--resamples", "20"]) == 0
    assert "corrections as 1/ln L" in capsys.readouterr().out


def test_errors_of_the_control_widen_those_of_the_answer(tmp_path):
    L, x, y, error = corrected(1, omega=50.0)
    moved = x + 0.004 * rng.stream(1, "synthetic", "moved").standard_normal(len(x))
    lines = [f"{a:g} {b:.12g} 0.004 {c:.12g} {d:.12g}" for a, b, c, d in zip(L, moved, y, error, strict=True)]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(["L x dx y dy", *lines]))
    with_errors, without = fit(path, omega="none"), physnn.fit_arrays(L, moved, y, error, omega="none")
    assert "errors of the control" in with_errors.remarks[0]
    assert with_errors.curves.errors[64].max() > 1.5 * error[0]
    whole = [each.collapse.scan.candidates[0].solution.p_value for each in (with_errors, without)]
    assert whole[0] > 0.05 and whole[1] < 0.05 and whole[1] < whole[0] / 10
    assert off(with_errors.collapse.critical_point, 0.3) < 3


def test_a_peak_has_no_transition_at_the_edge_of_the_window():
    generator = rng.stream(0, "synthetic", "specific heat")
    L, T = np.repeat([8.0, 16.0, 32.0], 26), np.tile(np.linspace(1.5, 4, 26), 3)
    c = 0.5 + 0.45 * np.log(L) / (1 + ((T - T_C - 0.3 / L) / (0.25 + 1.5 / L)) ** 2)
    answer = physnn.fit_arrays(L, T, c + 0.01 * generator.standard_normal(78), np.full(78, 0.01), observable="c")
    assert answer.verdict != "crossing" or off(answer.collapse.critical_point, T_C) < 3
    falling = np.exp(-(T - 1.5) * L**0.5) + 0.01 * np.random.default_rng(0).standard_normal(78)
    answer = physnn.fit_arrays(L, T, falling, np.full(78, 0.01), zeta="free", resamples=50)
    assert answer.verdict == "undecided" and "the edge of the data" in answer.reason


def test_overstated_errors_are_no_shared_runs_and_understated_ones_are_seen():
    said = [roughness(Points(*corrected(seed, "uniform"))) for seed in range(8)]
    assert not any(each.smooth for each in said)
    wrong = [corrected(seed) for seed in range(8)]
    halves = [roughness(Points(L, x, y, error / 2)) for L, x, y, error in wrong]
    assert sum(each.errors == "understated" for each in halves) >= 5
    assert not any(roughness(Points(*each)).errors for each in wrong)
    L, x, y, error = wrong[0]
    remarks = physnn.fit_arrays(L, x, y, error / 2, resamples=50).remarks
    assert any("understated" in text or "too small" in text for text in remarks)


def test_two_sizes_say_what_they_cannot_show():
    L, x, y, error = corrected(0, omega=50.0)
    few = L < 64
    answer = physnn.fit_arrays(L[few], x[few], y[few], error[few], resamples=50)
    assert answer.verdict == "crossing" and any("two sizes cannot show" in text for text in answer.remarks)
    assert not any("two sizes" in text for text in physnn.fit_arrays(L, x, y, error, resamples=50).remarks)


def test_a_sentence_on_differences_does_not_contradict_itself():
    generator = rng.stream(0, "synthetic", "wide errors")
    L, x = np.repeat([8.0, 16.0], 12), np.tile(np.linspace(0, 1, 12), 2)
    error = np.where(x > 0.85, 0.2, 0.02)
    y = 1 - x + error * generator.standard_normal(24)
    y[11] += 0.2
    answer = physnn.fit_arrays(L, x, y, error)
    assert answer.verdict == "no-crossing" and "is where errors are large" in answer.reason, answer.reason


def test_only_a_fit_of_omega_is_tried_again_without(monkeypatch):
    tried = []
    monkeypatch.setattr(exponents, "_collapse", lambda curves, settings, generator: tried.append(settings.omega))
    for omega, expected in (("free", ["free", None]), (None, [None]), (1.0, [1.0, None])):
        tried.clear()
        settings = exponents.Settings(omega=omega, relaxed=True)
        assert exponents.collapse(None, settings, None) is None and tried == expected


def small_sizes(seed: int) -> tuple[np.ndarray, ...]:
    """Ratio of four sizes from 7 to 13, where L^-1 moves the curves by more than they differ; 1/nu = 1.07."""
    generator = rng.stream(seed, "synthetic", "small sizes")
    L, x = np.repeat([7.0, 9.0, 11.0, 13.0], 12), np.tile(np.linspace(0.7, 1.3, 12), 4)
    u = (x - 1) * L**1.07
    y = 0.55 - 0.25 * np.tanh(0.35 * u) + (1.2 + 0.25 * u / (1 + 0.1 * u**2)) / L
    return L, x, y + 0.001 * generator.standard_normal(48), np.full(48, 0.001)


def test_corrections_larger_than_the_differences_of_sizes_are_found():
    for seed in range(3):
        L, x, y, error = small_sizes(seed)
        found = physnn.fit_arrays(L, x, y, error, resamples=50).collapse
        assert off(found.critical_point, 1) < 3 and off(found.inverse_nu, 1.07) < 3 and found.inverse_nu.error < 0.3
        # The negative control: without corrections no collapse is near.
        plain = search(Points(L, x, y, error), Form((None, None, 0.0, None)))
        assert plain.p_value < 1e-6 or np.abs(plain.parameters[1] - 1.07) > 1
