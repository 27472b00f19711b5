"""``physnn count``: what is printed, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn.cli import run as command
from physnn.errors import InputError
from physnn.exact.signs.brute import brute_force
from physnn.exact.signs.count import count_signs
from physnn.models.signs import SignNetwork, Threshold
from physnn.samples import landscape


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
        (["signs", "--layers", "1", "0", "1"], "layer of 0"),
        (["signs", "--constant", "nan"], "finite number"),
        (["signs", "--layers", "1", "13", "13", "1", "--method", "brute-force"], "years"),
        (["signs", "--layers", "1", "9", "9", "9", "1"], "limit"),
        (["signs", "--checkpoint", "a.h5"], "brute-force"),
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


def test_a_brute_force_count_continues_from_its_checkpoint(tmp_path, monkeypatch):
    network, task, path = SignNetwork((1, 3, 3, 2, 1)), Threshold(points=8), tmp_path / "c.h5"
    monkeypatch.setattr("physnn.exact.signs.brute.KEEP", 0.0)

    class Stopped(Exception):
        pass

    def stop(done: float, total: float, text: str) -> None:
        if path.exists():
            raise Stopped

    with pytest.raises(Stopped):
        landscape.brute_force_signs(network, task, checkpoint=path, progress=stop)
    with pytest.raises(InputError, match="another count"):
        landscape.brute_force_signs(network, Threshold(points=9), checkpoint=path)
    seen = []
    found = landscape.brute_force_signs(network, task, checkpoint=path, progress=lambda *a: seen.append(a[0]))
    whole = brute_force(network, task)
    assert found.levels.tolist() == whole.levels.tolist() and found.counts.tolist() == whole.counts.tolist()
    assert not path.exists()
