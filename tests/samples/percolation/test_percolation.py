from __future__ import annotations

import json

import numpy as np
import pytest

import physnn
import physnn.answers.fit
from physnn import api
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs import stopping
from physnn.samples import files
from physnn.samples.percolation import work
from physnn.samples.percolation.recipe import BINS, PercolationSweep
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"p": (0.5, 0.59, 0.7), "runs": 64, "series": 2}
P_C = 0.59274605


def run(out, L=(4, 6), extend=False, jobs=1, **settings):
    return files.run(api.recipe("percolation", out, extend, L=L, **settings), out, extend=extend, jobs=jobs)


def test_the_library_and_any_number_of_workers_give_the_same_numbers(tmp_path, workers):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    assert run(one, **SMALL) == 2 * 2, "all p share a task"
    run(two, jobs=workers, **SMALL)
    assert content_digest(one) == content_digest(two)
    group = read_sweep(one).sizes[6]
    assert group["wrap_either"].dims == ("p", "series", "bin")
    assert group["largest"].values.shape == (3, 2, BINS)
    assert np.array_equal(physnn.sweep_percolation((4, 6), **SMALL)["L6"]["largest"].values, group["largest"].values)
    first, second = group["largest"].values.transpose(1, 0, 2)
    assert not np.array_equal(first, second), "equal seeds would give equal series"
    assert (np.diff(group["wrap_both"].values.mean((1, 2))) > 0).all()


def test_extending_equals_running_at_once(tmp_path):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    run(parts, L=(4,), **SMALL | {"p": (0.5, 0.7), "series": 1})
    assert run(parts, L=(4,), extend=True, series=2) == 1
    assert run(parts, L=(4,), extend=True, p=(0.59,)) == 2, "further p change the runs of a size"
    assert run(parts, L=(4, 6), extend=True) == 2
    run(whole, **SMALL)
    assert content_digest(parts) == content_digest(whole)
    with pytest.raises(InputError, match="runs 64, now 65"):
        run(parts, L=(4, 6), extend=True, runs=65)


def test_a_series_cut_anywhere_continues_bit_for_bit(tmp_path, monkeypatch):
    settings = SMALL | {"L": (64,), "runs": 32, "series": 1}
    run(tmp_path / "whole.h5", **settings)
    # A checkpoint after every run, and an interruption after every tenth: bins of two runs are cut as well.
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(work, "SERIES_SECONDS", 0.0)
    calls = interrupt(monkeypatch, work, "add_runs", 10)
    rerun(lambda: run(tmp_path / "cut.h5", **settings))
    assert 64 < calls[0] < 80, "what was done is not done again"
    assert content_digest(tmp_path / "cut.h5") == content_digest(tmp_path / "whole.h5")


def test_bins_of_a_series_hold_all_runs():
    recipe = PercolationSweep(runs=100)
    assert sum(recipe.bins(256)) == sum(recipe.bins(128)) == 100 and sum(recipe.bins(32)) == 400
    assert max(recipe.bins(256)) - min(recipe.bins(256)) <= 1
    p = recipe.probabilities(16)
    assert len(p) == 13 and np.isclose(np.mean(p), 0.593) and np.isclose(np.ptp(p), 2 * 0.8 / 8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--L 1", "not '1'|>= 2"),
        ("--p 0.5 1", "less than 1"),
        ("--runs 3", ">= 32"),
        ("--L 2 --window 2", "beyond 0 < p < 1 at L = 2"),
        ("--observable binder", "binder"),
        ("--device cuda", "runs on the CPU"),
    ],
)
def test_bad_input_is_one_sentence(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(["sweep-percolation", *words.split()]) == 2
    message = capsys.readouterr().err.strip()
    assert message.count("\n") == 0
    assert any(part in message for part in said.split("|")), message


def test_the_command_finds_the_threshold(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["sweep-percolation", "--L", "8", "16", "32", "--runs", "300", "--series", "2", "--jobs", "1", "--quiet"]
    assert command([*words, "--dry-run", "--json"]) == 0
    assert [row["tasks"] for row in json.loads(capsys.readouterr().out)["rows"]] == [2, 2, 2]
    assert command([*words, "--shard", "0/2"]) == 0
    assert command(["status", "sweep-percolation.h5"]) == 0
    assert "3" in capsys.readouterr().out
    assert command([*words, "--shard", "1/2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    point = found["fit"]["critical_point"]
    assert found["fit"]["verdict"] == "crossing"
    assert abs(point["value"] - P_C) < 4 * point["error"] < 0.04
    assert (tmp_path / "sweep-percolation.png").is_file()
    assert any("share runs" in said for said in found["fit"]["warnings"] + found["fit"]["evidence"].get("remarks", []))
    assert command(["fit", "sweep-percolation.h5", "--observable", "largest_ratio", "--methods"]) in (0, 3)
    assert "64 bins of runs" in capsys.readouterr().out
    curves = physnn.answers.fit.curves("sweep-percolation.h5")
    assert (curves.observable, curves.bins) == ("wrap_either", 64)
    joint = physnn.fit_joint("sweep-percolation.h5", ["largest_ratio"])
    assert joint.critical_point.error > 0.3 * point["error"], "curves of one file share their runs"
    law = physnn.fit("sweep-percolation.h5", at_criticality=str(P_C))
    assert law.section.observable == "largest"
    assert abs(law.exponent.value + 5 / 48) < 0.01


def test_values_at_one_probability_are_interpolated_with_the_correlation_of_their_points(tmp_path):
    out = tmp_path / "s.h5"
    run(out, (8, 16, 32), p=(0.57, 0.58, 0.59, 0.6, 0.61, 0.62), runs=64, series=2)
    between = physnn.fit(out, "largest", at_criticality=0.585).section
    beside = [physnn.fit(out, "largest", at_criticality=p).section for p in (0.58, 0.59)]
    means = np.mean([one.error for one in beside], axis=0)
    assert np.allclose(between.error, means, rtol=0.15), "errors of points that deviate together do not average out"
