from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import physnn
from physnn import rng
from physnn.errors import InputError
from physnn.store.ensemble_file import (
    DISTANCES,
    ENSEMBLES,
    MEASURED,
    Ensemble,
    read_distances,
    read_ensembles,
    write_distances,
    write_ensembles,
)
from tests.store.test_hostile import attribute, edited, put

RECIPE = {"kind": "train-classify", "seeds": [1, 5, 7], "nested": {"lr": 1e-3}}


def ensemble(replicas: int = 3, epochs: int = 4, word: str = "") -> Ensemble:
    draw = rng.stream(0, "synthetic", "ensemble", word, replicas).normal
    weights = {
        "second.weight": draw(size=(replicas, 4, 2, 3, 3)).astype(np.float32),
        "first.bias": draw(size=(replicas, 4)).astype(np.float32),
        "norms.0.running_var": draw(size=(replicas, 4)).astype(np.float32) ** 2,
    }
    measured = {
        "loss": draw(size=(replicas, epochs)) ** 2,
        "train_accuracy": np.full(replicas, 0.5),
        "test_accuracy": np.full(replicas, 0.25),
        "test_loss": draw(size=replicas) ** 2,
        "predictions": np.arange(replicas * 6, dtype=np.int32).reshape(replicas, 6) % 3,
    }
    return Ensemble(np.array([1, 5, 7, 2**62, 9][:replicas]), weights, measured)


@pytest.fixture
def path(tmp_path) -> Path:
    write_ensembles(tmp_path / "e.h5", RECIPE, {"simple": ensemble(), "flip+0.5": ensemble(4, word="flip")})
    return tmp_path / "e.h5"


@pytest.mark.parametrize("epochs", [0, 1, 4])
def test_what_is_written_is_read(tmp_path, epochs):
    written = {"simple": ensemble(epochs=epochs), "flip": ensemble(4, epochs, "flip")}
    write_ensembles(tmp_path / "e.h5", RECIPE, written)
    file = read_ensembles(tmp_path / "e.h5")
    assert file.recipe == RECIPE and list(file.ensembles) == ["simple", "flip"]
    for name, found in file.ensembles.items():
        assert np.array_equal(found.seeds, written[name].seeds) and found.seeds.dtype == np.int64
        for mine, other in ((found.weights, written[name].weights), (found.measured, written[name].measured)):
            assert list(mine) == list(other), "arrays keep their order"
            assert all(np.array_equal(mine[k], v) and mine[k].dtype == v.dtype for k, v in other.items())
        assert found.measured.keys() == MEASURED.keys()


def test_xarray_opens_it_without_physnn(path):
    with xarray.open_datatree(path) as tree:
        assert set(tree.children) == {"simple", "flip+0.5"}
        group = tree["simple"]
        assert group["loss"].dims == ("replica", "epoch") and group["loss"].shape == (3, 4)
        assert group["predictions"].dims == ("replica", "test_image")
        assert group["second.weight"].shape == (3, 4, 2, 3, 3) and group["second.weight"].dims[0] == "replica"
        assert np.array_equal(group["seed"], [1, 5, 7])
        assert np.array_equal(group["first.bias"], ensemble().weights["first.bias"])
        assert "cross-entropy" in group["test_loss"].attrs["long_name"]
        assert tree.attrs["format"] == ENSEMBLES and tree.attrs["physnn_version"] == physnn.__version__


def test_damaged_files_are_refused(path, tmp_path):
    data = path.read_bytes()
    for k, damaged in enumerate((data[:-1], data[:1000], data + b"x", data[:3000] + b"\x01" + data[3001:], b"")):
        other = tmp_path / f"{k}.h5"
        other.write_bytes(damaged)
        with pytest.raises(InputError):
            read_ensembles(other)
    with pytest.raises(InputError, match="there is no file"):
        read_ensembles(tmp_path / "none.h5")


def test_files_of_another_kind_are_refused(path, tmp_path, network_file):
    with pytest.raises(InputError, match=f"kind 'physnn-networks', not '{ENSEMBLES}'"):
        read_ensembles(network_file)
    with pytest.raises(InputError, match=f"kind '{ENSEMBLES}', not '{DISTANCES}'"):
        read_distances(path)
    write_ensembles(tmp_path / "empty.h5", RECIPE, {})
    with pytest.raises(InputError, match="holds no ensembles"):
        read_ensembles(tmp_path / "empty.h5")


def without(name: str):
    return lambda file: file.__delitem__(name)


def no_weights(file: h5py.File) -> None:
    for name in ensemble().weights:
        del file["simple"][name]


WRONG = {
    "no seeds": without("simple/seed"),
    "no loss": without("simple/loss"),
    "no predictions": without("simple/predictions"),
    "no weights": no_weights,
    "no recipe": lambda file: file.attrs.__delitem__("recipe"),
    "recipe is a list": attribute("recipe", b"[1]"),
    "recipe is nested": attribute("recipe", b"[" * 20_000),
    "newer version": attribute("format_version", 2),
    "dataset for a group": put("other", np.arange(3)),
    "empty group": lambda file: file.create_group("other"),
    "too few seeds": put("simple/seed", np.arange(2)),
    "seeds twice": put("simple/seed", np.array([1, 1, 2])),
    "seeds not whole": put("simple/seed", np.array([1.0, 2.0, 3.0])),
    "one seed": put("simple/seed", 3),
    "table of seeds": put("simple/seed", np.ones((3, 1), int)),
    "too many weights": put("simple/first.bias", np.zeros((4, 4), np.float32)),
    "one weight": put("simple/first.bias", np.float32(1)),
    "whole weights": put("simple/first.bias", np.ones((3, 4), int)),
    "text for weights": put("simple/first.bias", np.full((3, 4), b"a")),
    "complex weights": put("simple/first.bias", np.ones((3, 4), complex)),
    "weights not finite": put("simple/first.bias", np.full((3, 4), np.nan, np.float32)),
    "loss without epochs": put("simple/loss", np.ones(3)),
    "accuracies for epochs": put("simple/test_accuracy", np.ones((3, 2))),
    "accuracy not finite": put("simple/test_accuracy", np.full(3, np.inf)),
    "predictions not whole": put("simple/predictions", np.ones((3, 6))),
}


@pytest.mark.parametrize("name", WRONG)
def test_arrays_that_do_not_belong_together_are_refused(path, name):
    with pytest.raises(InputError):
        read_ensembles(edited(path, WRONG[name]))


def test_an_edit_that_changes_nothing_is_read(path):
    found = read_ensembles(edited(path, lambda file: file["simple/test_accuracy"].__setitem__(..., 0.75)))
    assert found.ensembles["simple"].measured["test_accuracy"].tolist() == [0.75] * 3


def matrices(replicas: int = 4) -> dict[str, dict[str, np.ndarray]]:
    x = rng.stream(0, "synthetic", "matrices").normal(size=replicas)
    return {
        "simple": {"wasserstein": np.abs(x[:, None] - x), "euclid": (x[:, None] - x) ** 2},
        "flip": {"wasserstein": np.zeros((7, 7))},
    }


def test_distances_are_read_as_they_were_written(tmp_path):
    write_distances(tmp_path / "d.h5", RECIPE, matrices())
    recipe, found = read_distances(tmp_path / "d.h5")
    assert recipe == RECIPE and {k: set(v) for k, v in found.items()} == {k: set(v) for k, v in matrices().items()}
    assert all(np.array_equal(found[k][kind], m) for k, v in matrices().items() for kind, m in v.items())
    with xarray.open_datatree(tmp_path / "d.h5") as tree:
        assert tree["simple"]["euclid"].dims == ("replica", "other")


@pytest.mark.parametrize(
    "edit",
    [
        put("simple/wasserstein", np.zeros((3, 3))),
        without("flip/wasserstein"),
        put("other", np.arange(3)),
        lambda file: file.create_group("other"),
    ],
    ids=["without dimensions", "no matrices", "dataset for a group", "empty group"],
)
def test_distances_that_do_not_belong_together_are_refused(tmp_path, edit):
    write_distances(tmp_path / "d.h5", RECIPE, {"flip": {"wasserstein": np.zeros((7, 7))}} | {"simple": {}})
    with pytest.raises(InputError):
        read_distances(edited(tmp_path / "d.h5", edit))


def test_a_matrix_that_is_not_square_is_refused(tmp_path):
    write_distances(tmp_path / "d.h5", RECIPE, {"flip": {"wasserstein": np.zeros((7, 6))}})
    with pytest.raises(InputError, match="matrices of flip do not belong together"):
        read_distances(tmp_path / "d.h5")
