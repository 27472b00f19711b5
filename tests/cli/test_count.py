"""``physnn count``: what is printed, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn.cli import run as command
from physnn.exact.signs.count import count_signs
from physnn.models.signs import SignNetwork

pytestmark = pytest.mark.usefixtures("unrendered")


def said(capsys, *words: str) -> dict:
    assert command([*words, "--json"]) == 0
    out, _ = capsys.readouterr()
    return json.loads(out)


@pytest.mark.parametrize("method", ["functions", "brute-force"])
def test_signs(capsys, method):
    found = said(capsys, "count", "signs", "--layers", "1", "3", "3", "2", "1", "--method", method)
    assert {"weights": 20, "configurations": 2**20, "distinct": 49, "max_degeneracy": 253_952}.items() <= found.items()
    assert sum(level["count"] for level in found["levels"]) == 2**20


def test_counts_beyond_float64_are_strings(capsys):
    found = said(capsys, "count", "signs", "--layers", "1", "5", "5", "5", "1")
    assert found["configurations"] == str(2**60) and found["max_degeneracy"] == "14811956903936000"
    assert sum(int(level["count"]) for level in found["levels"]) == 2**60


def test_sampling(capsys):
    words = ("--method", "sampling", "--walkers", "4", "--moves", "400000", "--quiet")
    found = said(capsys, "count", "signs", "--layers", "1", "3", "3", "1", *words)
    exact = count_signs(SignNetwork((1, 3, 3, 1)))
    assert found["complete"] and found["distinct"] == exact.distinct
    share = np.array([level["fraction"] for level in found["levels"]])
    assert np.allclose(share, exact.probabilities, rtol=0.2)


def test_ising(capsys):
    found = said(capsys, "count", "ising", "--L", "4")
    levels = {level["energy"]: level["count"] for level in found["levels"]}
    assert [levels[e] for e in range(-32, 1, 4) if e in levels] == [2, 32, 64, 424, 1728, 6688, 13568, 20524]
    both = said(capsys, "count", "ising", "--L", "4", "--field", "0", "0.1")["landscapes"]
    assert [g["distinct"] for g in both.values()] == [15, 80]
    rows = said(capsys, "count", "ising", "--L", "4", "--magnetisation")["levels"]
    assert sum(r["count"] for r in rows if r["energy"] == 0) == 20524
    assert rows[0] == {"energy": -32.0, "magnetisation": -16, "count": 1}


def test_cnn(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = said(capsys, "count", "cnn", "--variant", "equivariant", "--figure", "f.png")
    assert found["weights"] == 16 and found["distinct"] == 31 and (tmp_path / found["figure"]).exists()
    one = said(capsys, "count", "cnn", "--variant", "invariant", "--data", "half", "--average", "d2")
    assert one["weights"] == 10 and (one["solutions"], one["solutions_of_all"]) == (0, 0)
    assert command(["count", "cnn", "--average", "d2"]) == 2
    assert "--variant" in capsys.readouterr().err
    assert command(["count", "cnn", "--images"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 12


def test_tables_are_for_people(capsys):
    assert command(["count", "signs"]) == 0
    assert "2^20 = 1,048,576" in capsys.readouterr().out
    assert command(["count", "ising", "--L", "3", "--field", "0.1", "0.2"]) == 0
    assert "2^9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["signs", "--layers", "1", "0", "1"], "whole number >= 1"),
        (["signs", "--constant", "nan"], "finite number"),
        (["signs", "--layers", "1", "13", "13", "1", "--method", "brute-force"], "years"),
        (["signs", "--layers", "1", "9", "9", "9", "1"], "limit"),
        (["signs", "--checkpoint", "a.h5"], "brute-force"),
        (["signs", "--method", "sampling", "--shard", "0/2"], "--out"),
        (["signs", "--figure", "a.txt"], "png"),
        (["ising", "--L", "200"], "too large"),
        (["ising", "--field", "x"], "finite number"),
        (["ising", "--field", "1e400"], "too large"),
        (["cnn", "--mask-seed", "1"], "dropout"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(capsys, words, message):
    assert command(["count", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_a_count_with_a_file_prints_the_same_and_keeps_it(capsys, tmp_path):
    words = ["count", "signs", "--layers", "1", "3", "2", "1", "--method", "brute-force", "--jobs", "1", "--quiet"]
    bare = said(capsys, *words)
    kept = tmp_path / "c.h5"
    assert said(capsys, *words, "--checkpoint", str(kept)) == bare == said(capsys, *words, "--out", str(kept))
    assert command([*words, "--points", "9", "--out", str(kept)]) == 2
    assert "another recipe (points 64, now 9)" in capsys.readouterr().err


def test_a_count_is_shared_by_shards(capsys, tmp_path):
    words = ["count", "signs", "--layers", "1", "3", "3", "1", "--method", "brute-force", "--jobs", "1", "--quiet"]
    out = ["--out", str(tmp_path / "c.h5")]
    assert said(capsys, *words, *out, "--shard", "1/2")["missing"] == 8
    assert said(capsys, *words, *out, "--shard", "0/2") == said(capsys, *words)


def test_walkers_are_added_to_a_file(capsys, tmp_path):
    words = ["count", "signs", "--layers", "1", "2", "1", "--method", "sampling", "--moves", "20000", "--jobs", "1"]
    words += ["--quiet"]
    out = ["--out", str(tmp_path / "w.h5")]
    assert said(capsys, *words, "--walkers", "2", *out)["walkers"] == 2
    assert said(capsys, *words, "--walkers", "4", *out, "--extend") == said(capsys, *words, "--walkers", "4")
