"""Class angles of files of energy maps: what the command says, and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from physnn import api, rng
from physnn.answers.bottleneck.angles import angle_answer
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.networks.pretrained.controls import cropped, moved_by_crop
from physnn.samples import files
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes
from tests.frames import assert_framed

NET = """
import torch
from torch import nn

class Net(nn.Module):
    side, channels, mean, sd, layers = 28, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ("rows.1",)

    def __init__(self, weights):
        super().__init__()
        torch.manual_seed(SEED)
        self.rows = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 4, 3, 2, 1))

    def forward(self, x):
        return self.rows(x).mean((2, 3))
"""
WHERE = {"above": (9, 14), "below": (19, 14), "left": (14, 9), "right": (14, 19)}
"""Rows and columns where the images of a class are bright."""
CONTROLS = ("none", "mirror", "crop", "zero-roll")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place, g = tmp_path_factory.mktemp("photographs"), rng.stream(0, "synthetic", "bright places")
    for seed in (0, 1):
        (place / f"net{seed}.py").write_text(NET.replace("SEED", str(seed)))
    for name, (row, column) in WHERE.items():
        (place / "images" / name).mkdir(parents=True)
        for n in range(8):
            values = g.integers(0, 40, (28, 28, 3), dtype=np.uint8)
            y, x = np.array([row, column]) + g.integers(-2, 3, 2)
            values[y - 3 : y + 3, x - 3 : x + 3] += 200
            Image.fromarray(values).save(place / "images" / name / f"{n}.png")
    for seed, conditions in ((0, CONTROLS), (1, ("none",))):
        settings = {"module": f"{place / f'net{seed}.py'}:Net", "images": str(place / "images")}
        files.run(api.recipe("energy-map", **settings, conditions=conditions), place / f"maps{seed}.h5", jobs=1)
    return place


def test_an_answer_has_every_test(folder):
    found = angle_answer(folder / "maps0.h5", other=folder / "maps1.h5")
    assert_framed(found, len(found.names), "class", "images", "angle", "away", value=found.angles.directions[0].length)
    for name, each in zip(found.names, found.angles.directions, strict=True):
        true = {"above": 90, "below": -90, "left": 180, "right": 0}[name]
        assert abs((each.angle.value - true + 180) % 360 - 180) < 25
        assert each.told
    verdicts = {each.claim: each.verdict for each in found.verdicts}
    assert verdicts["the direction is one in the plane of the image"] == "yes"
    assert found.composition.within.value > 0.5
    assert found.composition.agrees.cosine.value > 0.9
    assert found.mirror.x.cosine.value < -0.95
    by_name = {each.control: each for each in found.controls}
    assert by_name["crop"].follows.value > 0.3
    assert by_name["zero-roll"].between.share.value < 0.4 < found.angles.between["both"].share.value
    assert found.other.halved
    assert found.other.agrees.cosine.value > 0.9
    assert not found.lacking


def test_the_command_tells_draws_and_names_what_is_lacking(folder, capsys, tmp_path):
    words = ["class-angle", str(folder / "maps1.h5"), "--figure", str(tmp_path / "angles.png"), "--quiet"]
    assert command([*words, "--json"]) == 3  # four classes are too few for a circle
    found = json.loads(capsys.readouterr().out)
    assert found["layer"] == "rows.1"
    assert found["verdicts"][-1]["verdict"] == "undecided"
    assert len(found["lacking"]) == 3
    assert "rest" not in found["composition"]
    assert (tmp_path / "angles.png").stat().st_size > 20_000
    assert command(words) == 3
    told = capsys.readouterr().out
    assert "not measured: whether networks agree needs a second file" in told
    assert "all share x =" in told


def test_what_cannot_be_is_told_in_one_line(folder, capsys):
    write_sweep(folder / "planted.h5", {"kind": "planted"}, planted_sizes(1))
    for words, message in (
        (["none.h5"], "there is no such file"),
        ([str(folder / "maps0.h5"), "--layer", "head"], "there is no layer 'head' in the file; it has rows.1"),
        ([str(folder / "net0.py")], "not an HDF5 file"),
        ([str(folder / "planted.h5")], "holds no energy maps"),
    ):
        assert command(["class-angle", *words, "--quiet"]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(InputError, match="it has rows"):
        angle_answer(folder / "maps0.h5", "rows.0")


def test_what_is_in_the_middle_is_moved_as_is_said():
    image, numbers = np.zeros((1, 101, 101)), range(6)
    image[0, 50, 50] = 1.0
    for number, (right, down) in zip(numbers, moved_by_crop(numbers, 101, 3), strict=True):
        row, column = (np.flatnonzero(cropped(image, rng.stream(3, "control", "cropped", number)).sum((0, k))).mean()
                       for k in (2, 1))  # fmt: skip
        assert abs(column - 50 - right) < 1.5
        assert abs(row - 50 - down) < 1.5


def test_matches_are_told_and_drawn(folder, tmp_path, capsys):
    out = tmp_path / "vectors.h5"
    settings = {"module": f"{folder / 'net0.py'}:Net", "images": str(folder / "images")}
    files.run(api.recipe("energy-map", **settings, vectors=True), out, jobs=1)
    words = ["matches", str(out), "--figure", str(tmp_path / "matches.png"), "--quiet"]
    assert command([*words, "--json"]) in (0, 3)
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 8
    assert sorted(found["names"]) == sorted(found["others"])
    assert all(a != b for a, b in zip(found["names"], found["others"], strict=True))
    assert np.allclose(np.sum(found["same"], axis=1), 1)
    assert found["numbers"]["distance"]["chance"] is None
    assert (tmp_path / "matches.png").stat().st_size > 20_000
    assert command(words) in (0, 3)
    assert "closest matches are on one side" in capsys.readouterr().out
    assert command(["matches", str(folder / "maps0.h5"), "--quiet"]) == 2
    assert "holds no vectors; make it with" in capsys.readouterr().err
