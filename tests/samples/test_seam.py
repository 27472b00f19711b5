"""The command and the calls behind it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn.bundled import bundled, resolve
from physnn.cli import run
from physnn.errors import InputError
from physnn.samples import seam as seams_module
from physnn.samples.seam import models_of, seams, stiffness_of
from physnn.store.network_file import read_networks

FAST = ["--axis", "0", "--quiet", "--measurements", "400"]


def test_walls_grow_with_the_side_and_a_run_continues(tmp_path, capsys, monkeypatch):
    file = tmp_path / "seam.json"
    words = [
        "seam",
        "--model",
        "diagonal",
        "1",
        "0",
        "--L",
        "4",
        "8",
        "--T",
        "0.4",
        *FAST,
        "--json",
        "--out",
        str(file),
    ]
    assert run(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["T0"]["cost"] for row in answer["seams"]] == pytest.approx([8, 16], rel=1e-5)
    theta = {s["T"]: s["theta"] for s in answer["stiffness"]}
    assert theta[0]["value"] == pytest.approx(1, rel=1e-4)
    assert abs(theta[0.4]["value"] - 1) < 0.2
    assert json.loads(file.read_text())["seams"] == answer["seams"]
    monkeypatch.setattr(seams_module, "measure_seam", None)
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert run([*words, "--twist"]) == 2
    assert "other models or settings" in capsys.readouterr().err


def test_a_table_is_printed(capsys):
    assert run(["seam", "--model", "xy", "--L", "4", "6", "--T", "2", *FAST]) == 0
    text = capsys.readouterr().out
    assert "P_anti/P_per" in text
    assert "theta" in text


def test_every_bundled_network_has_a_seam():
    for name in [path.stem for path in bundled("kuramoto*.h5")]:
        models = models_of(name)
        assert len(models) == len(read_networks(resolve(name)).seeds)
        first = dict(list(models.items())[:1])
        row = seams(first, [6], axes=[1])[0]
        assert np.isfinite(row["T0"]["cost"])
        assert row["T0"]["cost"] <= min(row["T0"]["sharp"], row["T0"]["spread"]) + 1e-9
        assert (row["c"] > 0) == ("broken" in name)
        assert stiffness_of([row])[0]["theta"] is None


def test_one_network_of_a_file():
    assert list(models_of("kuramoto_symmetric/1")) == ["kuramoto_symmetric/1"]
    with pytest.raises(InputError, match="seeds"):
        models_of("kuramoto_symmetric/7")


@pytest.mark.parametrize("words", [[], ["kuramoto_symmetric", "--model", "xy"], ["--model", "nothing"]])
def test_wrong_words_end_in_one_line(words, capsys):
    assert run(["seam", *words, "--quiet"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
