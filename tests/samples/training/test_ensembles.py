"""Ensembles as files: the same from any number of workers, continued, read, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError, Unfinished
from physnn.networks.classifiers.engines import train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.samples import files
from physnn.samples.training import classifiers
from physnn.samples.training.classifiers import train_ensembles
from physnn.store.ensemble_file import read_ensembles
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts

FEW = ProblemRecipe(train=20, test=10)
EXPANDED = FEW.model_copy(update={"form": "expanded"})
SHORT = ClassifierRecipe(epochs=2, batch=8)
NORMED = SHORT.model_copy(update={"network": "batchnorm"})
MEMBERS = {"raw": (SHORT, FEW), "expanded": (SHORT, EXPANDED), "batchnorm": (NORMED, FEW)}
SEEDS = (4, 0, 9, 4)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An ensemble file made by one worker."""
    out = tmp_path_factory.mktemp("ensembles") / "one.h5"
    train_ensembles(MEMBERS, SEEDS, out=out, jobs=1)
    return out


@pytest.fixture
def no_training(monkeypatch):
    """Whatever begins to train fails."""

    def fail(*_: object) -> None:
        raise AssertionError("something is trained")

    monkeypatch.setattr(files, "run_tasks", fail)


@pytest.fixture
def in_process(monkeypatch):
    """Tasks run one after the other in this process, which starts no others."""

    def run(tasks, work, context, parts, *_):
        for task in tasks:
            if not parts.finished(task.key):
                work(task, parts.path(task.key), context)
        return 0

    monkeypatch.setattr(files, "run_tasks", run)


def test_any_number_of_workers_makes_the_same_file(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(classifiers, "GROUP", 1)
    seen = []
    train_ensembles(MEMBERS, SEEDS, out=tmp_path / "two.h5", jobs=2, progress=lambda d, t, _: seen.append(d / t))
    assert content_digest(tmp_path / "two.h5") == content_digest(finished), "neither jobs nor groups matter"
    assert seen == sorted(seen) and seen[-1] == 1
    assert names(tmp_path) == ["two.h5"]


def test_replicas_are_those_of_their_seeds(finished, tmp_path):
    file = read_ensembles(finished)
    assert list(file.ensembles) == list(MEMBERS)
    for name, (recipe, problem) in MEMBERS.items():
        found = file.ensembles[name]
        assert found.seeds.tolist() == [0, 4, 9]
        alone = train_replicas(recipe, load_problem(problem), (9,), tmp_path / f"{name}.h5")
        assert all(np.array_equal(v[2], alone[k][0]) for k, v in (found.weights | found.measured).items())
    raw, expanded = file.ensembles["raw"], file.ensembles["expanded"]
    assert raw.weights["hidden.weight"].shape == expanded.weights["hidden.weight"].shape == (3, 64, 128)
    assert not np.array_equal(raw.measured["loss"], expanded.measured["loss"])


def test_the_recipe_in_the_file_tells_all(finished):
    recipe = read_ensembles(finished).recipe
    assert (recipe["kind"], recipe["seeds"], recipe["device"]) == ("train-classify", [0, 4, 9], "cpu")
    for name, (training, problem) in MEMBERS.items():
        member = recipe["ensembles"][name]
        assert ClassifierRecipe.model_validate(member["recipe"]) == training
        assert ProblemRecipe.model_validate(member["problem"]) == problem
        assert member["identity"] == load_problem(problem).identity and member["engine"] == "compiled"


def test_a_finished_file_is_only_read(finished, no_training):
    before = finished.read_bytes()
    file = train_ensembles(MEMBERS, (0, 4, 9), out=finished)
    assert list(file.ensembles) == list(MEMBERS) and finished.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (0, 4)},
        {"engine": "loop"},
        {"members": {"raw": (SHORT, FEW)}},
        {"members": MEMBERS | {"raw": (SHORT.model_copy(update={"lr": 2e-3}), FEW)}},
        {"members": MEMBERS | {"raw": (SHORT, FEW.model_copy(update={"data_seed": 1}))}},
    ],
    ids=["seeds", "engine", "members", "recipe", "images"],
)
def test_another_recipe_on_the_same_file_is_refused(finished, no_training, change):
    before = finished.read_bytes()
    settings = {"members": MEMBERS, "seeds": SEEDS} | change
    with pytest.raises(InputError, match=r"another recipe \(.*use --restart"):
        train_ensembles(**settings, out=finished)
    assert finished.read_bytes() == before


def test_interrupted_and_continued_it_is_the_same_file(finished, tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(classifiers, "GROUP", 2)
    run, calls = classifiers.ClassifierSample.run, []

    def stop(sample, task, checkpoint):
        if len(calls) == 3:
            raise Unfinished("stopped")
        calls.append(task.key)
        return run(sample, task, checkpoint)

    out = tmp_path / "cut.h5"
    monkeypatch.setattr(classifiers.ClassifierSample, "run", stop)
    with pytest.raises(Unfinished):
        train_ensembles(MEMBERS, SEEDS, out=out)
    assert not out.exists() and all(Parts(out).finished(key) for key in calls)
    with pytest.raises(InputError, match="holds another recipe"):
        train_ensembles(MEMBERS, (0, 1), out=out)
    monkeypatch.setattr(classifiers.ClassifierSample, "run", run)
    train_ensembles(MEMBERS, SEEDS, out=out)
    assert content_digest(out) == content_digest(finished) and names(tmp_path) == ["cut.h5"]


def test_a_restart_begins_anew(tmp_path, in_process):
    out = tmp_path / "e.h5"
    train_ensembles({"raw": (SHORT, FEW)}, (0,), out=out)
    train_ensembles({"raw": (SHORT, FEW)}, (1,), out=out, restart=True)
    assert read_ensembles(out).ensembles["raw"].seeds.tolist() == [1]


def test_images_that_changed_since_are_another_recipe(tmp_path, in_process):
    def write(seed: int) -> None:
        generator = rng.stream(seed, "synthetic", "npz")
        np.savez(tmp_path / "a.npz", x=generator.random((30, 4, 4)).astype(np.float32), y=np.arange(30) % 3)

    members = {"raw": (SHORT, ProblemRecipe(data=str(tmp_path / "a.npz")))}
    write(0)
    train_ensembles(members, (0,), out=tmp_path / "e.h5")
    write(1)
    with pytest.raises(InputError, match="another recipe"):
        train_ensembles(members, (0,), out=tmp_path / "e.h5")
    write(0)
    assert train_ensembles(members, (0,), out=tmp_path / "e.h5").ensembles


def test_files_of_another_kind_are_not_replaced(tmp_path, network_file):
    out = tmp_path / "n.h5"
    out.write_bytes(network_file.read_bytes())
    for restart in (False, True):
        with pytest.raises(InputError, match="physnn-ensembles"):
            train_ensembles(MEMBERS, SEEDS, out=out, restart=restart)
    assert out.read_bytes() == network_file.read_bytes()


def test_zero_epochs_and_other_engines(tmp_path, in_process):
    members = {
        "none": (SHORT.model_copy(update={"epochs": 0}), FEW),
        "tied": (ClassifierRecipe(network="quarter_tied", epochs=1), FEW),
    }
    file = train_ensembles(members, (0, 1), out=tmp_path / "e.h5", engine="stacked")
    assert file.ensembles["none"].measured["loss"].shape == (2, 0)
    assert file.ensembles["tied"].weights["output.weight"].shape == (2, 10, 16)
    assert {member["engine"] for member in file.recipe["ensembles"].values()} == {"stacked"}


def test_stacks_are_divided_evenly(monkeypatch):
    monkeypatch.setattr(classifiers.stacked, "replicas_at_once", lambda *_: 4)
    member = {"recipe": SHORT, "problem": FEW, "engine": "stacked"}
    recipe = classifiers.ClassifierTraining(seeds=range(10), ensembles={"raw": member}).resolved()
    tasks = classifiers.ClassifierSample(recipe).tasks()
    assert [len(task["replica"]) for task in tasks] == [4, 4, 2]
    assert [seed for task in tasks for seed in task["replica"]] == list(range(10))


def test_wrong_input_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    out = tmp_path / "e.h5"

    def refused(text: str, members=MEMBERS, seeds=SEEDS, **settings) -> None:
        with pytest.raises(InputError, match=text):
            train_ensembles(members, seeds, **{"out": out} | settings)

    for name in ("a/b", "", ".", "..", "-x", "a b", "é", "x" * 65):
        refused("cannot be called", {name: (SHORT, FEW)})
    refused("no ensembles to train", {})
    refused("seeds", seeds=())
    refused("seeds", seeds=(-1,))
    refused("no network 'vgg'", {"a": (ClassifierRecipe(network="vgg"), FEW)})
    refused(
        "compiled code does not know resnet18", {"a": (ClassifierRecipe(network="resnet18"), FEW)}, engine="compiled"
    )
    refused("no device 'tpu'", device="tpu", engine="loop")
    refused("no folder", out=tmp_path / "none" / "e.h5")
    monkeypatch.setattr("physnn.machine.available_memory", lambda: 1e6)
    refused("GB of memory")
    assert names(tmp_path) == []


def test_divergence_is_an_error_before_there_is_a_file(tmp_path, in_process):
    wild = {"raw": (SHORT, FEW), "wild": (SHORT.model_copy(update={"lr": 1e30}), FEW)}
    with pytest.raises(InputError, match="the replica of seed 0 diverged"):
        train_ensembles(wild, (0,), out=tmp_path / "e.h5")
    assert not (tmp_path / "e.h5").exists()
