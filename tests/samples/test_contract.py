"""The contract of samples: what is written once for every kind, and that old numbers stay."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from physnn import api
from physnn.errors import InputError
from physnn.samples import files
from physnn.samples.base import Recipe, longer, more, most
from physnn.samples.kinds import KINDS, class_of, load_kinds, sample_of
from physnn.samples.sample import Sample
from physnn.store.hdf5 import content_digest
from physnn.store.parts import ANEW, Parts
from physnn.store.sweep_file import read_sweep

ISING = {"L": (4, 8), "T": [2.0, 2.3, 2.6], "sweeps": 60, "chains": 2, "thermalisation": 20, "snapshots": 20}
DIGESTS = {
    "wolff": "71bf797ef39e10b2df5dc0781feeb79a37df7bff81f7525947f3ffa8ac6b168b",
    "swendsen-wang": "c2b2b9ebd1ddc8b5a59f72eee0fb687cdd7ef92edbddf824b2579a45e4af0bfc",
    "metropolis": "0c823d65ef1645569893860c8ede000c4c608429f8dbb0534200d260071db77a",
    "heat-bath": "bdce19db5ae0ef4f10c6bcfecb58cd52dcac61d127129e4423a3a40a693fc004",
}
"""Digests of files: those of clusters since they grow by words, the others from before there was a contract.

None is ever to be changed, unless files of before are refused where they would grow.
"""


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_chains_have_the_bits_they_always_had(tmp_path, algorithm):
    out = tmp_path / "s.h5"
    files.run(api.recipe("temperature", out, **ISING, algorithm=algorithm), out, jobs=1)
    assert content_digest(out) == DIGESTS[algorithm]


LOADED = """
import os, pathlib, sys
import h5py, numba, pydantic, scipy.optimize, scipy.stats, torch
import physnn.samples.kinds as kinds
for kind in kinds.KINDS:
    if os.fork() == 0:
        kinds.class_of(kind, pathlib.Path())
        print(kind, *sys.modules, flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, kind
"""
"""Every kind in a process of its own, which begins as a copy of one that has loaded libraries, but no kind."""


def test_a_kind_is_loaded_alone():
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = {words[0]: set(words[1:]) for words in map(str.split, said.stdout.splitlines())}
    assert loaded.keys() == KINDS.keys()
    places = {kind: str(place).partition(":")[0] for kind, place in KINDS.items()}
    for kind, modules in loaded.items():
        assert places[kind] in modules
        assert not {place for place in places.values() if place != places[kind]} & modules, kind


def test_a_file_is_taken_apart_into_what_it_was_made_of(tmp_path):
    out = tmp_path / "s.h5"
    recipe = api.recipe("temperature", out, **ISING)
    files.run(recipe, out, jobs=1)
    sample = sample_of(recipe)
    groups = read_sweep(out).sizes
    results = dict(sample.disassemble(groups))
    assert set(results) == {task.key for task in sample.tasks()}
    for L, group in groups.items():
        again = sample.assemble(L, results)
        assert again.keys() >= group.keys() - {"row", "column", "word", "lane", "snapshot"}
        assert all(np.array_equal(v.values, group[name].values) for name, v in again.items())


def test_a_mark_to_begin_anew_without_a_recipe_replaces_nothing(tmp_path):
    out, few = tmp_path / "s.h5", ISING | {"L": (4,), "T": [2.0], "sweeps": 10, "algorithm": "metropolis"}
    files.run(api.recipe("temperature", out, **few), out, jobs=1)
    before, parts = content_digest(out), Parts(out)
    parts.folder.mkdir()
    (parts.folder / ANEW).touch()  # what a restart leaves that was killed before it had a recipe
    with pytest.raises(InputError, match="sweeps 10, now 12"):
        files.run(api.recipe("temperature", out, **few | {"sweeps": 12}), out, jobs=1)
    assert files.run(api.recipe("temperature", out, **few), out, jobs=1) == 0 and content_digest(out) == before
    parts.folder.mkdir()
    (parts.folder / ANEW).touch()
    more = api.recipe("temperature", out, True, **few | {"T": [2.3]})
    assert files.run(more, out, jobs=1, extend=True) == 2
    assert (read_sweep(out).sizes[4]["T"].values == [2.0, 2.3]).all(), "the first one is still there"
    parts.begin_anew(more.canonical())
    assert parts.anew and files.recipe_on_disk(out) == more, "with a recipe it counts"


class Plain(Recipe):
    control: ClassVar[str] = "x"
    grows: ClassVar[dict] = {"L": more, "x": more, "chains": most, "sweeps": longer}
    located: ClassVar[tuple] = ("place",)

    kind: str = "plain"
    L: tuple[int, ...] = (8,)
    x: tuple[float, ...] | None = (0.1, 0.2)
    chains: int = 2
    sweeps: int = 10
    gamma: float = 1.0
    place: str = "here"


def test_a_recipe_grows_where_it_may_and_is_refused_elsewhere():
    old = Plain()
    assert old.merged(Plain(), False) == old
    assert old.merged(Plain(place="there"), False).place == "there", "where something lies is no difference"
    grown = old.merged(Plain(L=(4,), x=(0.15,), chains=1, sweeps=20), True)
    assert grown == Plain(L=(4, 8), x=(0.1, 0.15, 0.2), chains=2, sweeps=20)
    with pytest.raises(InputError, match=r"another recipe \(sweeps 10, now 20\): add --extend"):
        old.merged(Plain(sweeps=20), False)
    for change in ({"sweeps": 5}, {"gamma": 2.0}, {"x": None}):
        with pytest.raises(InputError, match=r"another recipe .*use --restart"):
            old.merged(Plain(**change), True)


def test_a_kind_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="does not belong to a sample"):
        class_of("nothing", tmp_path / "x.h5")
    assert all(issubclass(class_of(kind, tmp_path), Sample) for kind in KINDS)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("none.py", None, "there is no module"),
        ("kinds.txt", "", "ends in .py"),
        ("broken_kind.py", "import nothing_like_it", "cannot be imported .ModuleNotFoundError"),
        ("leaving_kind.py", "raise SystemExit(3)", "cannot be imported .SystemExit: 3"),
    ],
)
def test_modules_of_kinds_that_cannot_be_loaded_are_refused(tmp_path, monkeypatch, name, code, words):
    monkeypatch.setattr(sys, "path", [*sys.path])
    if code is not None:
        (tmp_path / name).write_text(code)
    with pytest.raises(InputError, match=words):
        load_kinds(tmp_path / name)


BROUGHT = """
from physnn.samples.base import Recipe
from physnn.samples.sample import Sample
from physnn.samples.tasks import Axis

class Settings(Recipe):
    control, draws = "x", "draw"
    kind: str = "brought"
    L: tuple[int, ...] = (4,)

class Brought(Sample):
    Recipe = Settings
    def axes(self, size):
        return {"x": Axis((0.1, 0.2), "x", "1", "x"), "draw": Axis(2, meaning="draw")}
    def cost(self, size, at):
        return 1.0
"""


def test_tasks_of_a_kind_that_is_brought_are_known_by_its_code_and_roles_must_be_axes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for name, code in (("one", BROUGHT), ("same", BROUGHT), ("other", BROUGHT + "\nSTEP = 2\n")):
        (tmp_path / f"brought_{name}.py").write_text(code)
        module = importlib.import_module(f"brought_{name}")
        sample = module.Brought(module.Settings())
        keys.append([task.key for task in sample.tasks()])
    assert keys[0] == keys[1] and not set(keys[0]) & set(keys[2])
    monkeypatch.setattr(module.Settings, "draws", "bat")
    with pytest.raises(InputError, match=r"draws is 'bat', but axes\(\) has x, draw"):
        module.Brought(module.Settings()).check_axes()
