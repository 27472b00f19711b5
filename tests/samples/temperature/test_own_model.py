"""Sweeps of models that users wrote: exact values, resumed, and no code run that was not named."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn import api
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.exact.ising.lattices import lattice_enumeration
from physnn.jobs import stopping
from physnn.models import Lattice, on_lattice
from physnn.samples import files
from physnn.samples.kinds import recipe_from
from physnn.samples.temperature import work
from physnn.samples.temperature.own_model import ModelTables, own_model
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun

pytestmark = pytest.mark.usefixtures("unrendered")

SOURCE = """
from pathlib import Path

with Path(__file__).with_name("imported").open("a") as file:
    file.write("x")


class BlumeCapel:
    q = 3

    def bond_energy(self, a, b):
        return -(a - 1) * (b - 1)

    def site_energy(self, a):
        return {D} * (a - 1) ** 2

    def order(self, a):
        return a - 1


class Huge(BlumeCapel):
    def site_energy(self, a):
        return 1e200


class Long(BlumeCapel):
    def order(self, a):
        return 1e99 * (a - 1)


class Nameless(BlumeCapel):
    name = "\\udc80"


class Lost:
    q = 3

    def bond_energy(self, a, b):
        raise SystemExit(0)
"""
SMALL = {"L": (3, 4), "T": (1.0, 1.5, 2.0, 3.0), "algorithm": "heat-bath", "sweeps": 4000, "thermalisation": 100}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE.format(D=1.0))
    return tmp_path


def imports() -> int:
    file = Path("imported")
    return len(file.read_text()) if file.exists() else 0


def exact(D, T):
    scope = {"__file__": str(Path("own.py").resolve())}
    exec(SOURCE.format(D=D), scope)
    model = on_lattice(scope["BlumeCapel"](), Lattice("square", (3, 3)))
    return lattice_enumeration(model).average("energy", T=T)


def test_a_model_of_ones_own_is_swept_like_others_and_its_code_runs_once(here, capsys):
    words = "--L 3 4 --T 1 1.5 2 3 --algorithm heat-bath --sweeps 4000 --thermalisation 100 --out o.h5 --quiet --json"
    words = ["sweep-temperature", *words.split()]
    assert command([*words, "--module", "own.py:BlumeCapel", "--jobs", "2"]) in (0, 3)
    assert imports() == 1
    digest = json.loads(capsys.readouterr().out)["digest"]
    energy = read_sweep(here / "o.h5").sizes[3]["energy"].values
    value, error = energy.mean((1, 2)), np.std(energy.reshape(4, 64, -1).mean(2), axis=1) / 8
    right, wrong = (np.array([exact(D, T) for T in SMALL["T"]]) for D in (1.0, 0.9))
    assert np.abs((value - right) / error).max() < 4.5 < np.abs((value - wrong) / error).max()
    # From here on the file is enough: it is run again, continued and fitted without the code.
    Path("imported").unlink()
    Path("own.py").write_text("raise SystemExit(3)")
    for more in (["fit", "o.h5"], ["show", "o.h5"], ["verify", "o.h5"], ["plot", "o.h5"]):
        assert command(more) in (0, 3), more
    capsys.readouterr()
    assert command(["run", "o.h5", "--out", "again.h5", "--quiet", "--json"]) in (0, 3)
    assert json.loads(capsys.readouterr().out)["digest"] == digest
    assert command(["sweep-temperature", "--extend", "--L", "5", "--out", "o.h5", "--quiet", "--dry-run"]) == 0
    assert imports() == 0


def test_a_run_that_is_cut_anywhere_continues_bit_for_bit(here, monkeypatch):
    settings = SMALL | own_model("own.py:BlumeCapel") | {"sweeps": 60, "chains": 2}

    def run(out):
        return files.run(api.recipe("temperature", out, **settings), out, jobs=1)

    run(here / "whole.h5")
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(work, "BLOCK_SECONDS", 0.0005)
    interrupt(monkeypatch, work, "advance", 7)
    rerun(partial(run, here / "cut.h5"), Parts(here / "cut.h5").recipe)
    assert content_digest(here / "cut.h5") == content_digest(here / "whole.h5")


def test_a_class_that_changed_is_refused_in_one_line(here, capsys):
    words = ["sweep-temperature", "--L", "3", "--T", "2", "--algorithm", "metropolis", "--sweeps", "9", "--out", "c.h5"]
    words += ["--module", "own.py:BlumeCapel", "--quiet", "--jobs", "1"]
    assert command(words) == 0
    capsys.readouterr()
    before = content_digest(here / "c.h5")
    Path("own.py").write_text(SOURCE.format(D=1.1))
    for more in ([], ["--extend", "--chains", "8"]):
        assert command([*words, *more]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert "own.py:BlumeCapel has changed since this began; use --restart" in said[-1] and len(said) == 1
    assert content_digest(here / "c.h5") == before
    assert command([*words, "--restart"]) == 0 and content_digest(here / "c.h5") != before


@pytest.mark.parametrize("kind", ["temperature", "noise"])
def test_a_file_of_settings_runs_no_code_unless_it_is_named(here, capsys, kind):
    named = {"kind": kind, "module": "own.py:BlumeCapel", "L": [4], "T": [2.0], "sweeps": 9, "algorithm": "metropolis"}
    settings = named if kind == "temperature" else {"kind": kind, "module": "own.py:BlumeCapel", "L": [20]}
    Path("s.json").write_text(json.dumps(settings))
    for words in (["run", "s.json"], [f"sweep-{kind}", "--config", "s.json"]):
        assert command([*words, "--dry-run", "--quiet"]) == 2
        assert "these settings run code: allow it with --module own.py:BlumeCapel" in capsys.readouterr().err
    assert imports() == 0
    if kind == "temperature":
        del settings["module"]
        Path("s.json").write_text(json.dumps(settings))
        assert command(["run", "s.json", "--module", "own.py:BlumeCapel", "--out", "r.h5", "--quiet"]) == 0
        assert read_sweep(here / "r.h5").recipe["tables"]["name"] == "BlumeCapel"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--module own.py:BlumeCapel --model potts", "exclude each other"),
        ("--module own.py:BlumeCapel --field 0.1", "--field belongs to other models"),
        ("--module own.py:BlumeCapel --algorithm wolff", "clusters do not serve BlumeCapel"),
        ("--module own.py:BlumeCapel --algorithm multispin", "multispin"),
        ("--module own.py:Lost", "own.py:Lost is no model of colours: SystemExit"),
        ("--module own.py:Huge", "own.py:Huge cannot be swept: site, value 1: input should be less than or equal to"),
        ("--module own.py:Long", "own.py:Long cannot be swept: order, value 1, value 1: input should be"),
        ("--module own.py:Nameless", "own.py:Nameless cannot be swept: name"),
        ("--module own.py:Nothing", "has no class Nothing"),
        ("--module none.py:Nothing", "there is no file none.py"),
        ("--module own.py", "a module is named as"),
    ],
)
def test_what_makes_no_sweep_is_one_line(here, capsys, words, said):
    assert command(["sweep-temperature", "--L", "4", "--T", "2", "--quiet", *words.split()]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1


def test_without_temperatures_it_says_what_lacks(here, capsys):
    assert command(["sweep-temperature", "--module", "own.py:BlumeCapel", "--algorithm", "metropolis", "--L", "4"]) == 2
    assert "give temperatures with --T" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        {"pair": [[[0.0, 1.0], [2.0, 0.0]]]},
        {"pair": [[[0.0, 1.0]]]},
        {"pair": [[[0.0, float("nan")], [float("nan"), 0.0]]]},
        {"pair": []},
        {"site": [0.0]},
        {"order": [[1.0], [1.0, 0.0]]},
        {"order": [[1.0]]},
        {"name": "x" * 1000},
    ],
    ids=str,
)
def test_tables_of_a_stranger_are_looked_at(change):
    tables = {"name": "x", "pair": [[[0.0, 1.0], [1.0, 0.0]]], "site": [0.0, 0.0], "order": [[1.0], [-1.0]]}
    plain = {"kind": "temperature", "model": "own", "L": [4], "T": [2.0], "algorithm": "metropolis", "sweeps": 9}
    assert recipe_from(plain | {"tables": tables}, Path("x")).resolved().model_on(4).q == 2
    with pytest.raises(InputError, match="tables"):
        recipe_from(plain | {"tables": tables | change}, Path("x"))
    for lost in (plain, plain | {"tables": tables, "model": "ising"}):
        with pytest.raises(InputError, match="do not belong together"):
            recipe_from(lost, Path("x")).resolved()


def test_python_samples_instances(here):
    class Spins:
        q = 2

        def bond_energy(self, a, b):
            return -1.0 if a == b else 1.0

        def order(self, a):
            return 1 - 2 * a

    data = physnn.sample(Spins(), 4, [2.0, 3.0], sampler="swendsen-wang", sweeps=4000)
    ising = physnn.sample("ising", 4, [2.0, 3.0], sampler="swendsen-wang", sweeps=4000)
    for name in ("energy", "m_abs", "binder"):
        one, two = (each.sel(observable=name) for each in (data, ising))
        assert (abs(one.value - two.value) < 4.5 * np.hypot(one.error, two.error)).all()
        assert (abs(one.value.values - two.value.values[::-1]) > 4.5 * two.error.values).all(), (
            "another T would be seen"
        )
    assert isinstance(ModelTables.model_validate(json.loads(data.attrs["recipe"])["tables"]), ModelTables)
