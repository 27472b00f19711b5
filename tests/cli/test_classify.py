"""``physnn train classify`` and ``physnn replicas``: what is printed, continued and refused."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from physnn.cli import run as command
from physnn.store.ensemble_file import read_distances, read_ensembles
from physnn.store.hdf5 import content_digest

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ("--train", "60", "--test", "50", "--quiet", "--jobs", "1")


def said(capsys, *words: str) -> dict:
    assert command([*words, "--json"]) == 0
    out, _ = capsys.readouterr()
    return json.loads(out)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    words = ["replicas", "--networks", "simple", "batchnorm", "flip_tied", "mobilenet", "--replicas", "8"]
    assert command([*words, "--epochs", "2", *QUICK, "--out", str(folder / "r.h5")]) == 0
    return folder


def test_replicas_leave_distances_networks_and_a_figure(measured):
    recipe, distances = read_distances(measured / "r.h5")
    assert list(distances) == ["simple", "batchnorm", "flip_tied", "mobilenet"] and recipe["kind"] == "replicas"
    assert distances["simple"]["wasserstein"].shape == (8, 8) and (measured / "r.png").stat().st_size > 1e4
    assert "wasserstein_canonical" in distances["flip_tied"] and "wasserstein_canonical" not in distances["mobilenet"]
    ensembles = read_ensembles(measured / "r-networks.h5").ensembles
    assert ensembles["simple"].weights["first.weight"].shape == (8, 16, 1, 3, 3)


def test_other_measurements_need_no_training(measured, capsys):
    words = ("replicas", "--networks", str(measured / "r-networks.h5"), "--out", str(measured / "p.h5"))
    found = said(capsys, *words, "--reduction", "pca", "--components", "5", "--quiet")
    assert [n["name"] for n in found["networks"]] == ["simple", "batchnorm", "flip_tied", "mobilenet"]
    first = found["networks"][0]
    assert first["n"] == 8 and first["error"] > 0 and "wasserstein_pca" in first["metrics"]
    _, distances = read_distances(measured / "r.h5")
    assert first["mean"] == pytest.approx(distances["simple"]["wasserstein"].sum() / 56, rel=1e-12)
    assert sum(o["probability"] for o in found["orderings"]) == pytest.approx(1)


def test_a_finished_training_is_only_read(measured, capsys):
    before = content_digest(measured / "r-networks.h5"), (measured / "r-networks.h5").stat().st_mtime_ns
    words = ["replicas", "--networks", "simple", "batchnorm", "flip_tied", "mobilenet", "--replicas", "8"]
    assert command([*words, "--epochs", "2", *QUICK, "--out", str(measured / "r.h5")]) == 0
    assert before == (content_digest(measured / "r-networks.h5"), (measured / "r-networks.h5").stat().st_mtime_ns)
    assert "ordering" in capsys.readouterr().out
    assert command([*words, "--epochs", "3", *QUICK, "--out", str(measured / "r.h5")]) == 2
    assert "--restart" in capsys.readouterr().err


def test_forms_of_images_are_compared_in_pairs(capsys, tmp_path):
    words = (
        "train",
        "classify",
        "--seeds",
        "0",
        "1",
        "--expand",
        "2",
        "--epochs",
        "2",
        "--out",
        str(tmp_path / "c.h5"),
    )
    found = said(capsys, *words, *QUICK)
    assert [f["form"] for f in found["forms"]] == ["raw", "expanded", "upsampled"]
    accuracies = {f["form"]: np.array(f["by_seed"]) for f in found["forms"]}
    first = found["differences"][0]
    assert (first["first"], first["second"], first["n"]) == ("expanded", "raw", 2)
    assert first["value"] == pytest.approx((accuracies["expanded"] - accuracies["raw"]).mean())
    weights = [e.weights["hidden.weight"].shape for e in read_ensembles(tmp_path / "c.h5").ensembles.values()]
    assert len(set(weights)) == 1, "pooled, so that all forms have as many weights"


def test_one_seed_has_no_error(capsys, tmp_path):
    words = ("train", "classify", "--seeds", "3", "--epochs", "1", "--out", str(tmp_path / "c.h5"), *QUICK)
    found = said(capsys, *words)
    assert found["forms"][0]["accuracy"]["error"] is None and found["differences"] == []
    assert command([*words, "--seeds", "4"]) == 2


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def hostile(folder: Path, kind: str) -> None:
    if kind == "pickle":
        batch = {b"data": Evil(), b"labels": [0, 1, 2, 3]}
        for name in ("data_batch_1", "test_batch"):
            (folder / name).write_bytes(pickle.dumps(batch, 2))
    elif kind == "truncated":
        header = struct.pack(">IIII", 2051, 4, 28, 28)
        (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(100)))
        (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">II", 2049, 4) + bytes(4)))
    elif kind == "labels":
        (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 4, 28, 28) + bytes(4 * 784))
        (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 3) + bytes(3))
    else:
        (folder / "cat").mkdir()
        (folder / "cat" / "notes.txt").write_text("not an image")


@pytest.mark.parametrize("kind", ["pickle", "truncated", "labels", "text"])
def test_hostile_data_end_in_one_line(capsys, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    hostile(folder, kind)
    assert command(["train", "classify", "--data", str(folder), "--epochs", "1", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1
    assert not (tmp_path / "ran").exists() and not list(tmp_path.glob("*.h5*"))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["replicas", "--networks", "resnet"], "no network 'resnet'"),
        (["replicas", "--replicas", "7"], "7"),
        (["replicas", "--train", "9999"], "1797"),
        (["train", "classify", "--data", "nowhere"], "nowhere"),
        (["train", "classify", "--expand", "6"], "6"),
        (["train", "classify", "--fill", "grey", "--expand", "2"], "grey"),
        (["train", "classify", "--network", "flip_tied", "--expand", "2"], "--no-pooled"),
        (["replicas", "--networks", "nothing.h5"], "nothing.h5"),
    ],
)
def test_wrong_words_end_in_one_line(capsys, tmp_path, monkeypatch, words, part):
    monkeypatch.chdir(tmp_path)
    assert command([*words, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1 and part in error


@pytest.mark.parametrize("kind", ["sweep", "ensemble"])
@pytest.mark.parametrize("words", [[], ["--networks", "replicas.h5"], ["--networks", "replicas.h5", "--out", "b.h5"]])
def test_distances_replace_no_trained_networks(capsys, tmp_path, monkeypatch, kind, words):
    monkeypatch.chdir(tmp_path)
    trained = (Path(__file__).parents[1] / "store" / "fixtures" / "v1" / f"{kind}.h5").read_bytes()
    for name in ("replicas.h5", "b.h5"):
        Path(name).write_bytes(trained)
    assert command(["replicas", *words, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1 and "choose another --out" in error
    assert sorted(f.name for f in tmp_path.iterdir()) == ["b.h5", "replicas.h5"]
    assert all(Path(name).read_bytes() == trained for name in ("replicas.h5", "b.h5"))


def test_a_class_of_somebody_is_averaged_and_its_code_runs_only_where_it_is_named(capsys, tmp_path):
    net = tmp_path / "net.py"
    net.write_text(
        "from torch import nn\n\n\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, channels, side, classes):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(channels * side**2, 8), nn.Tanh(), nn.Linear(8, classes))\n"
    )
    out, plain, named = str(tmp_path / "c.h5"), str(tmp_path / "p.h5"), ("--module", f"{net}:Net")
    words = ("train", "classify", *named, "--epochs", "1", "--seeds", "0", "1", *QUICK)
    found = said(capsys, *words, "--average", "d4", "--augment", "c4", "--out", out)
    assert found["cost"]["evaluations"] == 8 and found["cost"]["times"] > 1
    assert "cost" not in said(capsys, *words, "--out", plain)
    how = "--images", "40", "--quiet"
    last = said(capsys, "equivariance", out, *named, *how)["layers"][-1]
    assert last["verdict"] == "equivariant" and last["still"]["value"] < 1e-10
    assert command(["equivariance", plain, *named, *how, "--json"]) == 3  # 64 pixels are too many for 40 images
    assert json.loads(capsys.readouterr().out)["layers"][-1]["still"]["value"] > 0.1
    recipe = tmp_path / "r.json"
    recipe.write_text(json.dumps(found["recipe"]))
    for refused in (("equivariance", out, *how), ("run", str(recipe), "--quiet")):
        assert command([*refused]) == 2
        assert "--module" in capsys.readouterr().err
    again = "run", str(recipe), *named, "--quiet", "--jobs", "1", "--out", str(tmp_path / "again.h5")
    assert command(list(again)) == 0
    assert content_digest(tmp_path / "again.h5") == content_digest(tmp_path / "c.h5")
    net.write_text(net.read_text().replace("Tanh", "ReLU"))
    assert command(["equivariance", out, *named, *how]) == 2
    assert command([*words, "--average", "d4", "--augment", "c4", "--out", out]) == 2
    assert command(["train", "classify", "--network", "simple", *named]) == 2
