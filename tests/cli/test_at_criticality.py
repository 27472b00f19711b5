"""``physnn fit TABLE --at-criticality``: tables, sweep files, text, JSON and bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.cli import run

pytestmark = pytest.mark.usefixtures("unrendered")

SIZES = (8, 12, 16, 24, 32, 64)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(x: tuple[float, ...] = (2.25, 2.26, 2.27, 2.28, 2.29)) -> list[tuple[int, float, float, float]]:
    generator, found = rng.stream(0, "synthetic", "at criticality"), []
    for L in SIZES:
        for at in x:
            y = L**-0.125 * (1 - 0.3 * np.tanh((at - 2.27) * L / 4))
            found.append((L, at, float(y * (1 + 1e-3 * generator.standard_normal())), float(1e-3 * y)))
    return found


def write(name: str, header: str, columns: tuple[int, ...] = (0, 1, 2, 3), **kwargs: tuple[float, ...]) -> Path:
    lines = [" ".join(f"{row[k]:.9g}" for k in columns) for row in rows(**kwargs)]
    Path(name).write_text("\n".join([header, *lines] if header else lines) + "\n")
    return Path(name)


def fit(capsys, *words: str) -> dict:
    status = run(["fit", *words, "--json"])
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1, captured.err
    return json.loads(captured.out) | {"status": status}


def test_a_table_gives_beta_over_nu(here, capsys):
    write("data.txt", "L T m dm")
    answer = fit(capsys, "data.txt", "--at-criticality", "2.27")
    assert answer["status"] == 0 and answer["verdict"] == "power-law" and answer["observable"] == "m_abs"
    assert abs(answer["beta_over_nu"]["value"] - 0.125) < 3 * answer["beta_over_nu"]["error"] < 0.03
    assert answer["exponent"]["value"] == -answer["beta_over_nu"]["value"]
    assert answer["at"]["value"] == 2.27 and answer["warnings"] == [] and answer["sizes"] == list(SIZES)
    assert sum(each["weight"] for each in answer["fits"]) == pytest.approx(1)
    assert answer == fit(capsys, "data.txt", "--at-criticality", "2.27")


def test_a_value_between_rows_and_an_error_widen_the_answer(here, capsys):
    write("data.txt", "L T m dm")
    exact, between, known = (
        fit(capsys, "data.txt", "--at-criticality", value) for value in ("2.27", "2.2712", "2.2700(9)")
    )
    assert "interpolated" in between["warnings"][0]
    assert known["at"]["error"] == pytest.approx(9e-4) and "carried" in " ".join(known["warnings"])
    assert known["beta_over_nu"]["error"] > 1.5 * exact["beta_over_nu"]["error"]
    same = fit(capsys, "data.txt", "--at-criticality", "2.27(.0009)")
    assert known["exponent"]["value"] == pytest.approx(same["exponent"]["value"], rel=1e-9)


@pytest.mark.parametrize(
    ("header", "columns"), [("L T m dm", (0, 1, 2, 3)), ("L m err", (0, 2, 3)), ("", (0, 1, 2, 3)), ("", (0, 2, 3))]
)
def test_one_control_value_needs_no_name_and_no_column(here, capsys, header, columns):
    write("data.txt", header, columns, x=(2.27,))
    answer = fit(capsys, "data.txt", "--at-criticality", "--observable", "m")
    assert abs(answer["exponent"]["value"] + 0.125) < 3 * answer["exponent"]["error"] < 0.03
    assert len(answer["values"]) == len(SIZES) and (answer["at"] is None) == (len(columns) == 3)


def test_two_columns_may_have_errors_in_brackets(here, capsys):
    Path("data.txt").write_text("\n".join(f"{L} {y:.6f}({round(dy * 1e6)})" for L, _, y, dy in rows((2.27,))))
    assert fit(capsys, "data.txt", "--at-criticality")["exponent"]["value"] == pytest.approx(-0.125, abs=0.01)


def test_a_sweep_is_fitted_at_its_temperature(here, capsys):
    physnn.sweep_temperature((4, 6, 8, 12), T=(2.2691853,), out="ising.h5", sweeps=2000, jobs=1)
    for words, name, truth in (((), "beta_over_nu", 0.125), (("--observable", "chi"), "gamma_over_nu", 1.75)):
        answer = fit(capsys, "ising.h5", "--at-criticality", *words)
        # At sizes from 4 to 12 exponents are near, corrections are in the error.
        assert abs(answer[name]["value"] - truth) < max(3 * answer[name]["error"], 0.02)
    again = physnn.fit("ising.h5", "chi", at_criticality=Estimate(2.2691853, 0.0))
    assert again.exponent.value == answer["exponent"]["value"]


def test_text_says_the_exponent_and_draws_it(here, capsys, rendered):
    write("data.txt", "L T m dm")
    assert run(["fit", "data.txt", "--at-criticality", "2.27", "--figure", "f.png"]) == 0
    text = capsys.readouterr().out
    assert "m_abs at T = 2.27: power-law" in text and Path("f.png").stat().st_size > 20_000
    assert abs(float(re.search(r"beta/nu = ([0-9.]+)\(", text)[1]) - 0.125) < 0.01


def test_no_law_and_two_sizes_have_status_3(here, capsys):
    lines = [f"{L} {1 - np.exp(-L / 12):.6f} 0.001" for L in SIZES]
    Path("none.txt").write_text("\n".join(["L y error", *lines]))
    answer = fit(capsys, "none.txt", "--at-criticality")
    assert (answer["status"], answer["verdict"], answer["exponent"]) == (3, "no-law", None)
    Path("two.txt").write_text("\n".join(["L y error", *lines[:2]]))
    assert fit(capsys, "two.txt", "--at-criticality")["status"] == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data.txt", "--at-criticality"], "there are 5 values of T, 2.25 to 2.29: say which"),
        (["data.txt", "--at-criticality", "2.5"], "T = 2.5 is outside the data of L = 8: 2.25 to 2.29"),
        (["data.txt", "--at-criticality", "much"], "is no critical value"),
        (["data.txt", "--at-criticality", "2.27", "--zeta", "free"], "--zeta cannot be used with --at-criticality"),
        (["data.txt", "--at-criticality", "2.27", "--joint", "chi"], "--joint cannot be used"),
        (["data.txt", "--at-criticality", "2.27", "--dynamic"], "--dynamic cannot be used"),
        (["bare.txt", "--at-criticality", "2.27"], "without errors: give a column of errors"),
        (["lone.txt"], "the control parameter may be m"),
        (["lone.txt", "--at-criticality", "2.27"], ""),
    ],
)
def test_bad_input_is_one_line_and_status_2(here, capsys, words, says):
    write("data.txt", "L T m dm")
    write("bare.txt", "L T m", (0, 1, 2))
    write("lone.txt", "L m dm", (0, 2, 3), x=(2.27,))
    status = run(["fit", *words])
    captured = capsys.readouterr()
    if not says:  # a table without a control is at the value that is said
        assert status == 0 and "T" not in captured.out.partition(":")[0]
        return
    assert status == 2 and captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("Error: ") and says in captured.err
