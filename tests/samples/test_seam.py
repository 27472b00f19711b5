"""The command and the calls behind it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn.cli import run
from physnn.errors import InputError
from physnn.jobs.locks import exclusive
from physnn.samples import seam as seams_module
from physnn.samples.named import load_model
from physnn.samples.seam import SeamSweep, models_of, seams, stiffness_of, words_of
from physnn.samples.tasks import Shard
from physnn.shipped import bundled, resolve
from physnn.store.hdf5 import content_digest
from physnn.store.network_file import read_networks

pytestmark = pytest.mark.usefixtures("unrendered")

FAST = ["--axis", "0", "--quiet", "--jobs", "1", "--measurements", "400"]


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
    assert "another recipe (twist false, now true)" in capsys.readouterr().err


def test_a_table_is_printed(capsys):
    assert run(["seam", "--model", "xy", "--L", "4", "6", "--T", "2", *FAST]) == 0
    text = capsys.readouterr().out
    assert "P_anti/P_per" in text
    assert "theta" in text


def test_every_bundled_network_has_a_seam():
    for name in [path.stem for path in bundled("kuramoto*.h5")]:
        words = words_of(name)
        assert len(words) == len(read_networks(resolve(name)).seeds)
        first = dict(list(words.items())[:1])
        row = seams(SeamSweep(words=first, L=(6,), axes=(1,)).resolved(), jobs=1)[0]
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


def test_shards_workers_and_larger_sizes_add_to_a_file(tmp_path, workers):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    words = {load_model(("xy",)).name: ("xy",)}
    recipe = SeamSweep(words=words, L=(4, 6), T=(1.0,), measurements=100).resolved()
    seams(recipe, whole, jobs=workers)
    for k in range(2):
        seams(recipe.model_copy(update={"L": (4,)}), parts, jobs=1, shard=Shard(k, 2))
    assert len(seams(recipe, parts, jobs=1)) == 4
    assert content_digest(whole) == content_digest(parts)


def test_two_at_once_do_not_lose_each_others_rows(tmp_path, capsys):
    out = tmp_path / "two.json"
    words = ["seam", "--model", "xy", *FAST, "--out", str(out), "--json", "--L"]
    with exclusive(out.with_suffix(".h5")):
        assert run([*words, "4"]) == 2
    assert "another thread of this program is writing" in capsys.readouterr().err and not out.exists()
    for L in "4", "6":
        assert run([*words, L]) == 0
    capsys.readouterr()
    # A number that somebody changes in the export is not taken for a result: what is read is the sealed file.
    changed = json.loads(out.read_text())
    changed["seams"][0]["T0"]["cost"] = 77.0
    out.write_text(json.dumps(changed))
    assert run([*words, "4", "6"]) == 0
    rows = json.loads(capsys.readouterr().out)["seams"]
    assert [row["L"] for row in rows] == [4, 6] and 77.0 not in [row["T0"]["cost"] for row in rows]
    assert json.loads(out.read_text())["seams"] == rows


def test_an_export_without_its_data_is_refused(tmp_path, capsys):
    (tmp_path / "old.json").write_text('{"format": "physnn-seams", "recipe": {}, "seams": []}')
    assert run(["seam", "--model", "xy", "--L", "4", *FAST, "--out", str(tmp_path / "old.json")]) == 2
    assert "no data beside it" in capsys.readouterr().err
