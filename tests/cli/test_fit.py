"""``physnn fit`` on tables that anyone brings."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn import rng
from physnn.cli import run

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, header: str = "", sizes=(16, 32, 64, 128), count: int = 41, zeta: float = 0.0) -> Path:
    generator = rng.stream(0, "synthetic", "table")
    rows = []
    for L in sizes:
        for x in np.linspace(0.4, 0.6, count):
            y = L**zeta / (1 + np.exp(-(x - 0.5) * L**0.9))
            rows.append(f"{L},{x!r},{y + 0.005 * L**zeta * generator.standard_normal()!r},{0.005 * L**zeta!r}")
    path.write_text(header + "\n".join(rows).replace("np.float64(", "").replace(")", "") + "\n")
    return path


def fit(capsys, *words: str) -> dict:
    status = run(["fit", *words, "--json"])
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    return json.loads(captured.out) | {"status": status}


def test_a_table_gives_critical_point_and_exponent(here, capsys):
    write(Path("data.csv"))
    answer = fit(capsys, "data.csv")
    assert answer["status"] == 0 and answer["verdict"] == "crossing"
    for name, truth in (("critical_point", 0.5), ("inverse_nu", 0.9)):
        low, high = answer[name]["interval_95"]
        assert abs(answer[name]["value"] - truth) < 3 * answer[name]["error"] and low < high
    assert answer["zeta_over_nu"] == {"value": 0.0, "error": 0.0, "interval_95": [0.0, 0.0]}
    assert answer["n_bootstrap"] == 200 and answer["sizes"] == [16, 32, 64, 128]
    assert len(answer["crossings"]) == 6 and answer["evidence"]["scan"]
    write(Path("again.csv"))
    both = fit(capsys, "data.csv", "--joint", "again.csv")
    common = both.pop("joint")
    assert answer == both, "the same numbers again"
    assert common["critical_point"]["value"] == pytest.approx(answer["critical_point"]["value"], abs=1e-3)


def test_text_prints_values_with_errors_and_a_figure(here, capsys, rendered):
    write(Path("data.csv"), "L,T,U4,error\n")
    assert run(["fit", "data.csv", "--figure", "f.png", "--methods"]) == 0
    text = capsys.readouterr().out
    assert "binder against T: crossing" in text
    assert abs(float(re.search(r"T_c = ([0-9.]+)\(", text)[1]) - 0.5) < 0.01
    assert abs(float(re.search(r"1/nu = ([0-9.]+)\(", text)[1]) - 0.9) < 0.05
    assert Path("f.png").stat().st_size > 50_000
    assert "@article" in text and "bootstrap" in text


def test_a_free_zeta_is_fitted_and_a_value_is_held(here, capsys):
    write(Path("data.csv"), zeta=-0.2)
    assert fit(capsys, "data.csv", "--zeta", "free")["zeta_over_nu"]["value"] == pytest.approx(-0.2, abs=0.02)
    assert fit(capsys, "data.csv", "--zeta", "-0.2")["zeta_over_nu"]["value"] == -0.2
    assert fit(capsys, "data.csv", "--zeta", "-0.2", "--inverse-nu", "0.9")["inverse_nu"]["error"] == 0
    named = write(Path("m.csv"), "L,T,m_abs,error\n", zeta=-0.2)
    assert fit(capsys, str(named))["zeta_over_nu"]["error"] > 0, "known to have a dimension"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.csv"], "cannot read"),
        (["one.csv"], "one size only"),
        (["data.csv", "--zeta", "much"], "neither a number nor the word free"),
        (["data.csv", "--zeta", "nan"], "must be a finite number, not nan"),
        (["data.csv", "--inverse-nu", "-1"], "must be at least"),
        (["data.csv", "--resamples", "5"], "whole number"),
        (["data.csv", "--resamples", "1000000"], "at most"),
        (["data.csv", "--figure", "f.txt"], ".png, .pdf or .svg"),
        (["data.csv", "--figure", "no/f.png"], "no folder"),
        (["data.csv", "--covariance", "none.txt"], "no readable covariance"),
        (["data.csv", "--dynamic"], "no column of times"),
        (["data.csv", "--z", "2"], "belongs to --dynamic"),
    ],
)
def test_bad_input_is_one_line_and_status_2(here, capsys, words, says):
    write(Path("data.csv"), count=9)
    write(Path("one.csv"), sizes=(16,))
    assert run(["fit", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("Error: ") and says in captured.err


def test_data_on_one_side_are_undecided_with_status_3(here, capsys):
    write(Path("data.csv"))
    lines = Path("data.csv").read_text().splitlines()
    Path("left.csv").write_text("\n".join(line for line in lines if float(line.split(",")[1]) < 0.47))
    answer = fit(capsys, "left.csv")
    assert answer["status"] == 3 and answer["verdict"] == "undecided" and answer["critical_point"] is None


def test_a_million_rows_are_refused_at_once(here, capsys):
    Path("big.csv").write_text("".join(f"{16 * 2 ** (k % 3)},{k * 1e-6:.6f},0.5,0.01\n" for k in range(10**6)))
    start = time.monotonic()
    assert run(["fit", "big.csv"]) == 2
    assert "more than 20,000 rows" in capsys.readouterr().err
    assert time.monotonic() - start < 30


def test_a_table_with_times_gives_z(here, capsys):
    generator = rng.stream(0, "synthetic", "times")
    rows = ["L,T,t,value,error"]
    for L in (8, 16, 32):
        for x in np.linspace(0.4, 0.6, 9):
            for s in np.geomspace(0.05, 2, 8):
                y = (1 - 0.7 * np.exp(-s)) * (0.5 - 0.3 * np.tanh((x - 0.5) * L)) + 0.005 * generator.standard_normal()
                rows.append(f"{L},{float(x)},{float(s * L**2)},{float(y)},0.005")
    Path("t.csv").write_text("\n".join(rows))
    answer = fit(capsys, "t.csv", "--dynamic", "--resamples", "30")
    assert abs(answer["z"]["value"] - 2) < 4 * answer["z"]["error"]
    assert run(["fit", "t.csv"]) == 2
    assert "--dynamic" in capsys.readouterr().err


def test_an_unfinished_file_says_how_far_its_run_is(here, capsys):
    words = ["sweep-temperature", "--L", "8", "16", "--T", "2.1", "2.3", "--sweeps", "100", "--out", "sweep.h5"]
    assert run([*words, "--shard", "0/2", "--jobs", "1", "--quiet"]) == 0
    capsys.readouterr()
    assert run(["fit", "sweep.h5"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "8 of 16 tasks done" in error and "nothing can be fitted before all are" in error


def test_answers_are_shown_as_they_are_printed(here, capsys, rendered):
    place = write(here / "t.csv", sizes=(16, 32, 64), count=21)
    assert run(["fit", str(place)]) == 0
    answer = physnn.fit(place)
    assert repr(answer) + "\n" == capsys.readouterr().out
    page = answer._repr_html_()
    assert page.startswith("<div>")
    assert page.count("<svg") == 1
    assert str(answer.collapse.inverse_nu) in page
    law = physnn.fit(place, at_criticality=0.5)
    assert repr(law) == "\n".join(law.lines())


def test_names_in_a_table_are_text_in_a_notebook(here, rendered):
    place = write(here / "t.csv", "L,<b>p</b>,y,error\n", sizes=(16, 32), count=11)
    assert "<b>p" not in physnn.fit(place)._repr_html_()
