"""Files of images told from memory: answers, interruptions, more splits, the command, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from physnn import api, rng
from physnn.analysis.bottleneck.recall import descriptors_of, memory_split, recalled
from physnn.answers.bottleneck.recall import recall_answer
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.samples import files
from physnn.samples.recall import work
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.frames import assert_framed

NET = """
import torch
from torch import nn

class Net(nn.Module):
    side, channels, mean, sd, layers = 16, 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), ("rows.0", "rows.2")

    def __init__(self, weights):
        super().__init__()
        torch.manual_seed(0)
        self.rows = nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))

    def forward(self, x):
        return self.rows(x).mean((2, 3))
"""


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """File of vectors of three classes of other colours, twelve images each."""
    place, g = tmp_path_factory.mktemp("recall"), rng.stream(0, "synthetic", "photographs")
    (place / "net.py").write_text(NET)
    for k, name in enumerate(("blue", "green", "red")):
        (place / "images" / name).mkdir(parents=True)
        for n in range(12):
            values = g.integers(0, 200, (16, 16, 3), dtype=np.uint8)
            values[..., 2 - k] += 50
            Image.fromarray(values).save(place / "images" / name / f"{n:02}.png")
    given = {"module": f"{place / 'net.py'}:Net", "images": str(place / "images"), "vectors": True}
    out = place / "vectors.h5"
    files.run(api.recipe("energy-map", conditions=("none", "grain", "circular"), **given), out, jobs=1)
    files.run(api.recipe("energy-map", **given | {"vectors": False}), place / "maps.h5", jobs=1)
    return out


def recipe(vectors, **settings):
    return api.recipe("recall", data=str(vectors), **{"splits": 3, "shots": (1, 2)} | settings)


@pytest.fixture(scope="module")
def whole(vectors):
    out = vectors.with_name("whole.h5")
    files.run(recipe(vectors), out, jobs=1)
    return out


def test_shares_are_those_of_the_classifier(vectors, whole):
    group, kept = read_sweep(whole).sizes[16], read_sweep(vectors).sizes[16]
    assert group["right"].dims == ("condition", "split", "shots", "descriptor", "class")
    labels, (clean, grain) = kept["label"].values, kept["vectors_rows.2"].values[:2]
    shown, orders = memory_split(labels, 10, 0, 2)
    memory = np.concatenate([order[:2] for order in orders])
    for k, name in enumerate(("pixel", "average", "max", "generalised", "flattened")):
        told = recalled(descriptors_of(grain[shown], name), descriptors_of(clean[memory], name), labels[memory], 3, 10)
        wanted = (told == labels[shown]).reshape(3, 10).mean(1)
        assert np.array_equal(group["right"].values[1, 2, 1, k], wanted)
    assert [one.decode() for one in group["condition"].values] == ["none", "grain"]  # the network is that of memory


def test_answer(vectors, whole):
    found = recall_answer(whole)
    assert_framed(found, len(found.rows), "condition", "images", "descriptor", "right", value=found.rows[0].right)
    assert len(found.rows) == 2 * 2 * 5
    assert found.chance == 1 / 3
    row = found.rows[0]
    assert (row.descriptor, row.vectors, row.megabytes) == ("pixel", 12, 3 * 4 * 6 * 2 / 1e6)
    assert row.right.value > 0.5
    assert found.claim in ("undecided", "depends", "no", "yes")
    assert found.claim in found.sentence
    assert found.worth[0].memory == 4
    assert found.worth[0].equal_gain is None  # there are no more images
    few = vectors.with_name("few.h5")
    files.run(recipe(vectors, shown=8, conditions=("none",)), few, jobs=1)
    worth = recall_answer(few).worth[0]
    assert worth.equal_images == 4  # an image has four cells
    assert worth.equal_gain is not None
    two = recipe(vectors, shown=9, conditions=("none",))
    assert two.many == 3  # the images that are left: pixel vectors have more memory
    null = vectors.with_name("null.h5")
    files.run(recipe(vectors, shuffled=True, splits=6, classes=("red", "blue")), null, jobs=1)
    found = recall_answer(null)
    assert found.shuffled
    assert abs(found.rows[1].right.value - 0.5) < 0.25


def test_interruptions_and_later_splits_give_the_same_file(vectors, whole, monkeypatch):
    out = vectors.with_name("later.h5")
    files.run(recipe(vectors, splits=1), out, jobs=1)
    run, calls = work.RecallSample.run, []

    def stopped(self, task, checkpoint):
        calls.append(task)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(self, task, checkpoint)

    monkeypatch.setattr(work.RecallSample, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        files.run(recipe(vectors), out, jobs=1, extend=True)
    assert files.run(recipe(vectors), out, jobs=1, extend=True) == 3
    assert content_digest(out) == content_digest(whole)


def test_command(vectors, capfd):
    place = vectors.parent
    words = ["recall", "--data", str(vectors), "--shots", "1", "--splits", "2", "--control", "grain", "--jobs", "1"]
    words += ["--descriptors", "pixel", "average", "--out", str(place / "cli.h5"), "--quiet"]
    assert command([*words, "--figure", str(place / "own.png"), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["figure"] == str(place / "own.png")
    assert (place / "own.png").stat().st_size > 10_000
    assert set(found["seconds"]) == {"pixel", "average"}
    assert found["found"][0]["setting"] == "grain, 1"
    assert command(words) == 0
    assert "Pixel vectors classify best from memory: undecided" in capfd.readouterr().out
    assert command([*words, "--dry-run"]) == 0
    assert command(["plot", str(place / "cli.h5")]) == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"layer": "head"}, "it has rows.0, rows.2"),
        ({"classes": ("red", "cat")}, "no class 'cat'"),
        ({"classes": ("red",)}, "two different ones"),
        ({"classes": ("red", "red")}, "two different ones"),
        ({"conditions": ("blur",)}, "no control 'blur'"),
        ({"remembered": "blur"}, "no control 'blur'"),
        ({"shown": 11}, "lower --shots or --shown"),
        ({"shots": (12,)}, "lower --shots or --shown"),
        ({"neighbours": 0}, "neighbours"),
        ({"data": "nothing.h5"}, "cannot read"),
    ],
)
def test_what_cannot_be_done_is_refused(vectors, settings, text):
    with pytest.raises(InputError, match=text):
        recipe(**{"vectors": vectors, **settings}) if "data" not in settings else api.recipe("recall", **settings)


def test_other_files_are_refused(vectors, whole):
    with pytest.raises(InputError, match="holds no vectors"):
        recipe(vectors.with_name("maps.h5"))
    with pytest.raises(InputError, match="holds no vectors"):
        recipe(whole)
    with pytest.raises(InputError, match="physnn recall"):
        recall_answer(vectors)
