from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.jobs.progress import live_notes, write_note
from physnn.networks.classifiers import engines
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.samples.sample import work
from physnn.samples.training.classifiers import ClassifierSample, ClassifierTraining
from physnn.store.parts import Parts, read_part

FEW = ProblemRecipe(train=40, test=30)


def sample(**settings) -> ClassifierSample:
    member = {"recipe": ClassifierRecipe(epochs=2, batch=16), "problem": FEW, "engine": "compiled"}
    member |= {name: settings.pop(name) for name in ("recipe", "problem", "engine") if name in settings}
    name, seeds = settings.pop("ensemble", "simple"), settings.pop("seeds", (3, 4))
    return ClassifierSample(ClassifierTraining(seeds=seeds, ensembles={name: member}, **settings).resolved())


def task(**settings):
    return sample(**settings).tasks()[0]


def test_a_key_is_that_of_all_that_decides_the_result():
    changes = (
        {},
        {"ensemble": "other"},
        {"recipe": ClassifierRecipe(epochs=3, batch=16)},
        {"problem": ProblemRecipe(train=41, test=30)},
        {"seeds": (3, 5)},
        {"engine": "loop"},
    )
    assert len({task(**change).key for change in changes}) == len(changes)
    assert task().key == task().key


def test_the_cost_is_the_images_seen():
    expanded = FEW.model_copy(update={"form": "expanded", "factor": 3})
    assert task(seeds=(1, 2, 3, 4)).cost == 2 * task().cost
    assert task(problem=expanded).cost == 9 * task().cost
    assert task(recipe=ClassifierRecipe(epochs=0)).cost > 0


def test_a_task_leaves_its_part_and_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "EPOCHS_SECONDS", 0.0)
    parts = Parts(tmp_path / "e.h5")
    parts.begin({})
    mine, other = task(), task(seeds=(5, 6))
    look = live_notes(parts, [mine, other])
    assert look([mine.key, other.key]) == (0.0, "")
    work(mine, parts.path(mine.key), {"sample": sample()})
    assert parts.finished(mine.key) and not parts.finished(other.key)
    part = read_part(parts.path(mine.key))
    assert part.keys() - {"unfinished"} == sample().quantities("simple").keys()
    assert look([mine.key, other.key]) == (0.0, ""), "a finished task leaves no note"
    write_note(parts.path(other.key), 0.5, "simple: loss 2.3")
    assert look([mine.key, other.key]) == (other.cost / 2, "simple: loss 2.3")
    for damaged in ("", "[1", "[1]", json.dumps({"a": 1})):
        parts.path(mine.key).with_suffix(".progress").write_text(damaged)
        assert look([mine.key]) == (0.0, "")


def test_images_that_change_while_they_are_used_are_noticed(tmp_path):
    def write(seed: int) -> None:
        generator = rng.stream(seed, "synthetic", "npz")
        np.savez(tmp_path / "a.npz", x=generator.random((30, 4, 4)).astype(np.float32), y=np.arange(30) % 3)

    write(0)
    planned = sample(problem=ProblemRecipe(data=str(tmp_path / "a.npz")))
    mine, path = planned.tasks()[0], tmp_path / "part.h5"
    write(1)
    load_problem.cache_clear()
    with pytest.raises(InputError, match=r"images of .*a\.npz changed"):
        work(mine, path, {"sample": planned})
    write(0)
    load_problem.cache_clear()
    work(mine, path, {"sample": planned})
    assert read_part(path)["loss"].shape == (2, 2)
