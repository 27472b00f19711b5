"""Files of energy maps: interruptions, shards, further controls, vectors, the command, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from physnn import api, rng
from physnn.answers.bottleneck.energy import energy_answer, even_share
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.samples import files
from physnn.samples.bottleneck import work
from physnn.samples.cost import plan
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.frames import assert_framed
from tests.samples.smallest import NET


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six images each of two classes of other colours, of several sizes, and a network."""
    place, g = tmp_path_factory.mktemp("photographs"), rng.stream(0, "synthetic", "photographs")
    (place / "net.py").write_text(NET)
    for k, name in enumerate(("blue", "red")):
        (place / "images" / name).mkdir(parents=True)
        for n in range(6):
            values = g.integers(0, 90, (20 + n, 24, 3), dtype=np.uint8)
            values[..., 2 - 2 * k] += 120
            Image.fromarray(values).save(place / "images" / name / f"{n}.png")
    return place


def recipe(folder, **settings):
    given = {"module": f"{folder / 'net.py'}:Net", "images": str(folder / "images"), "batch": 6}
    return api.recipe("energy-map", **given | settings)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("maps") / "whole.h5"
    files.run(recipe(folder, conditions=("none", "circular", "zero-roll", "circular-roll"), vectors=True), out, jobs=1)
    return out


def test_a_file_has_maps_moments_vectors_and_places(whole):
    sweep = read_sweep(whole)
    group = sweep.sizes[16]
    assert sweep.recipe["classes"] == ["blue", "red"]
    assert group["map_rows.3"].dims == ("condition", "image", "row_4", "column_4")
    vectors, energy = group["vectors_rows.3"].values, group["map_rows.3"].values
    assert vectors.shape == (4, 12, 4, 4, 6)
    assert vectors.dtype == np.float16
    assert np.allclose((vectors.astype(float) ** 2).sum(-1), energy, rtol=5e-3)
    assert np.allclose(group["average"].values, vectors.astype(float).mean((2, 3)), atol=2e-3)
    means = np.stack([energy[:, :6].mean(1), energy[:, 6:].mean(1)], 1)
    assert np.allclose(group["mean_rows.3"].values, means, rtol=1e-5)
    assert list(group["x_rows.3"].values) == [-7.5, -3.5, 0.5, 4.5]  # first cells on the first pixel
    assert list(group["label"].values) == [0] * 6 + [1] * 6


def test_batches_shards_and_later_controls_give_the_same_file(folder, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "HELD_IN_MEMORY", 100)  # arrays are put together on the disk
    out, settings = tmp_path / "maps.h5", {"vectors": True}
    files.run(recipe(folder, conditions=("none", "circular"), **settings), out, jobs=1)
    later = recipe(folder, conditions=("none", "circular", "zero-roll", "circular-roll"), **settings)
    assert files.run(later, out, jobs=1, extend=True) == 4
    assert content_digest(out) == content_digest(whole)
    shared = tmp_path / "shared.h5"
    for k in range(2):
        api.run(later, shared, jobs=1, shard=f"{k}/2")
    assert content_digest(shared) == content_digest(whole)


def test_an_interrupted_task_is_done_again(folder, whole, tmp_path, monkeypatch):
    out, asked = tmp_path / "maps.h5", recipe(folder, conditions=("none", "circular", "zero-roll", "circular-roll"),
                                              vectors=True)  # fmt: skip
    run, calls = work.EnergyMapSample.run, []

    def stopped(self, task, checkpoint):
        calls.append(task)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(self, task, checkpoint)

    monkeypatch.setattr(work.EnergyMapSample, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        files.run(asked, out, jobs=1)
    assert files.run(asked, out, jobs=1) == 5
    assert content_digest(out) == content_digest(whole)


def test_answers_and_plans(folder, whole):
    answer = energy_answer(whole)
    assert_framed(
        answer, len(answer.rows), "layer", "control", "ratio_over_classes", value=answer.rows[0].ratio.over_classes
    )
    assert answer.accuracy["none"]["ridge"].value == 1.0  # the colours are told apart
    assert answer.parts[0].layer == "rows.0"
    assert answer.row("rows.3", "none").middle == (-1.5, -1.5)
    assert answer.row("rows.3", "none").shape.verdict == "undecided"  # of two classes
    few, many = (plan(recipe(folder, vectors=v), jobs=1)["file_megabytes"] for v in (False, True))
    sizes = 12 * (8 * 8 * 4 * 2 + 4 * 4 * 6) * 2 / 1e6
    assert many - few == pytest.approx(sizes, rel=0.2)


def test_classes_are_told_of_as_many_images_each():
    labels = np.array([0, 0, 0, 0, 1, 2, 2, 0])
    assert list(even_share(labels, 5)) == [0, 1, 4, 5, 6]
    assert list(even_share(labels, 6)) == [0, 1, 2, 4, 5, 6]
    assert list(even_share(labels, 99)) == list(range(8))


def words(folder, out, *more):
    named = ["--module", f"{folder / 'net.py'}:Net", "--images", str(folder / "images"), "--batch", "6"]
    return ["energy-map", *named, "--jobs", "1", "--out", str(out), *more]


def test_the_command(folder, tmp_path, capsys):
    assert command(words(folder, tmp_path / "m.h5", "--layers", "rows.3")) == 0
    told = capsys.readouterr().out
    assert "needs also --control circular zero-roll circular-roll" in told
    assert "rows.3: centre of energy, harmonics and shape" in told
    assert (tmp_path / "m-sheet.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_command_in_full(folder, whole, tmp_path, capsys):
    assert command(["plot", str(whole), "--out", str(tmp_path / "maps.png")]) == 0
    assert (tmp_path / "maps-sheet.png").stat().st_size > 5000
    capsys.readouterr()
    assert command(words(folder, tmp_path / "m.h5", "--control", "none", "mirror", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"] == ["rows.0", "rows.2", "rows.3"]
    first, mirror = found["rows"][:2]
    assert [first["control"], mirror["control"]] == ["none", "mirror"]
    assert abs(first["x"]["over_classes"]["value"] + mirror["x"]["over_classes"]["value"] - 2 * first["middle"][0]) < 1
    assert command(["show", str(tmp_path / "m.h5")]) == 0
    assert "map_rows.3[2, 12, 4, 4]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ("rows.7",)}, "no layer 'rows.7'; take all, or some of rows.0"),
        ({"images": "/nowhere"}, "nothing at /nowhere"),
        ({"module": "/nowhere.py:Net"}, "there is no file /nowhere.py"),
        ({"module": None, "network": "vgg"}, "there is no network 'vgg'"),
        ({"conditions": ("upside-down",)}, "upside-down"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(folder, settings, message):
    with pytest.raises(InputError, match=message):
        recipe(folder, **settings)


def test_folders_with_nothing_to_show_are_told_in_one_line(folder, tmp_path):
    place = tmp_path / "images"
    for name in ("blue", "red"):
        (place / name).mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(place / name / "0.png")
    (place / "red" / "1.png").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"red/1.png cannot be read \(No such file"):
        recipe(folder, images=str(place))
    (place / "red" / "1.png").unlink()
    (place / "green").mkdir()
    with pytest.raises(InputError, match=r"there are no images in .*green; take it away"):
        recipe(folder, images=str(place))


def test_images_and_networks_that_changed_are_refused(folder, tmp_path):
    out = tmp_path / "maps.h5"
    files.run(recipe(folder, layers=("rows.3",)), out, jobs=1)
    with pytest.raises(InputError, match="the file holds another recipe"):
        files.run(recipe(folder, layers=("rows.3",), per_class=2), out, jobs=1)
    (tmp_path / "net.py").write_text(NET.replace("manual_seed(0)", "manual_seed(1)"))
    with pytest.raises(InputError, match="the file holds another recipe"):
        files.run(recipe(folder, layers=("rows.3",), module=f"{tmp_path / 'net.py'}:Net"), out, jobs=1)
