"""Temperature sweeps on other lattices than the square torus."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import api
from physnn.answers.fit import curves
from physnn.cli import run as command
from physnn.exact.ising.lattices import lattice_enumeration
from physnn.models import Clock, Ising, Lattice
from physnn.models.tabulated import tabulated
from physnn.samples import files
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep

pytestmark = pytest.mark.usefixtures("unrendered")


def run(out, extend=False, jobs=1, **settings):
    return files.run(api.recipe("temperature", out, extend, **settings), out, extend=extend, jobs=jobs)


def test_recipes_of_the_square_torus_are_those_of_earlier_versions():
    recipe = TemperatureSweep().resolved()
    assert not {"lattice", "aspect", "edges", "J2"} & set(recipe.canonical())
    same = TemperatureSweep(edges=("periodic", "periodic")).resolved()
    assert same.canonical() == recipe.canonical()
    (task,) = TemperatureSample(TemperatureSweep(L=(4,), T=(2.0,), sweeps=9, chains=1, algorithm="metropolis")).tasks()
    # The key that version 0.1.0 gave to this task.
    assert task.key == KEY
    other = TemperatureSweep(L=(4,), T=(2.0,), sweeps=9, chains=1, algorithm="metropolis", lattice="triangular")
    assert TemperatureSample(other).tasks()[0].key != KEY


KEY = "c4ea7e14f5e7608b3156445b"

CASES = {
    "frustrated": (
        {"lattice": "triangular", "coupling": -1.0, "J2": 0.2, "algorithm": "metropolis"},
        tabulated(Ising(-1.0), Lattice("triangular", (3, 3)), 0.2),
    ),
    "rectangle": (
        {"aspect": 2, "edges": ("free", "antiperiodic"), "algorithm": "wolff"},
        tabulated(Ising(), Lattice("square", (3, 6), ("free", "antiperiodic"))),
    ),
    "ladder": (
        {"lattice": "kagome", "coupling": -1.0, "algorithm": "heat-bath", "tempering": "given"},
        tabulated(Ising(-1.0), Lattice("kagome", (2, 2))),
    ),
    "clock": ({"model": "clock", "q": 4, "algorithm": "swendsen-wang"}, tabulated(Clock(4), Lattice("square", (3, 3)))),
}


@pytest.mark.parametrize("what", CASES)
def test_a_sweep_has_the_averages_of_the_enumeration(what, tmp_path):
    settings, model = CASES[what]
    out, L = tmp_path / "sweep.h5", model.lattice.sides[0]
    run(out, L=(L,), T=(2.0, 3.0), sweeps=4000, thermalisation=50, chains=4, **settings)
    group, exact = read_sweep(out).sizes[L], lattice_enumeration(model)
    assert group["energy"].attrs["sites"] == model.lattice.size
    assert group["state_colours"].values.shape[2:] == model.lattice.shape
    for k, T in enumerate((2.0, 3.0)):
        names = [name for name in ("energy", "staggered", "stripe") if name in group]
        for name in names:
            means = group[name].values[k].reshape(4, 10, -1).mean(axis=2).ravel()
            error = means.std(ddof=1) / np.sqrt(len(means))
            assert abs(means.mean() - exact.average(name, T)) < 4 * error
    if what == "frustrated":
        assert "staggered" in group and group["staggered"].attrs["components"] == 2


def test_susceptibility_and_heat_count_all_sites(tmp_path):
    out = tmp_path / "s.h5"
    run(out, L=(2, 3), T=(1.2, 1.4, 1.6, 1.8), lattice="honeycomb", coupling=-1.0, sweeps=2000, chains=4)
    known = lattice_enumeration(tabulated(Ising(-1.0), Lattice("honeycomb", (2, 2))))
    for k, T in enumerate((1.2, 1.4, 1.6, 1.8)):
        p = known.probabilities(T)
        e, m = known.values["energy"], known.values["staggered"]
        truth = {
            "c": 8 * (p @ e**2 - (p @ e) ** 2) / T**2,
            "chi_staggered": 8 * (p @ m**2 - (p @ m) ** 2) / T,
            "m_staggered": p @ m,
            "binder_staggered": 1 - (p @ m**4) / (3 * (p @ m**2) ** 2),
        }
        for name, value in truth.items():
            found = curves(out, name)
            assert abs(found.y[2][k] - value) < 4.5 * found.errors[2][k]


def test_any_number_of_workers_and_longer_chains_give_the_same_numbers(tmp_path, workers):
    small = {"L": (2, 4), "T": (3.0, 4.5), "chains": 2, "thermalisation": 20, "lattice": "cubic", "edges": ("free",)}
    run(tmp_path / "one.h5", sweeps=60, **small)
    run(tmp_path / "two.h5", sweeps=20, **small)
    run(tmp_path / "two.h5", sweeps=60, extend=True, jobs=workers, **small)
    assert content_digest(tmp_path / "one.h5") == content_digest(tmp_path / "two.h5")
    group = read_sweep(tmp_path / "one.h5").sizes[4]
    assert {"structure_x", "structure_y", "structure_z", "staggered", "stripe"} <= set(group)


def test_default_temperatures_narrow_with_the_transition():
    assert TemperatureSweep(lattice="triangular").resolved().temperatures(16)[6] == pytest.approx(3.64)
    cubic = TemperatureSweep(lattice="cubic", L=(8, 16)).resolved()
    wide, narrow = (np.ptp(cubic.temperatures(L)) for L in cubic.L)
    assert wide / narrow == pytest.approx(2**1.5874)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lattice", "cube"], "cube"),
        (["--lattice", "kagome", "--model", "potts"], "not known; give temperatures with --T"),
        (["--J2", "0.1"], "not known; give temperatures"),
        (["--aspect", "1.3", "--L", "4", "5"], "must be whole"),
        (["--edges", "free", "free", "free"], "needs one or 2 edges"),
        (["--edges", "open"], "open"),
        (["--model", "clock", "--q", "5", "--field", "1"], "field belongs to the Ising model"),
        (["--algorithm", "multispin", "--lattice", "triangular", "--L", "128", "256"], "square Ising model"),
        (["--model", "potts", "--q", "5"], "2, 3 or 4 colours"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(["sweep-temperature", *words, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_the_command_fits_another_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "--L 4 8 16 --T 1.4 1.46 1.52 1.58 --lattice honeycomb --coupling -1 --sweeps 1000 --chains 2 --jobs 1"
    assert command(["sweep-temperature", *words.split(), "--observable", "binder_staggered", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)["fit"]
    assert found["verdict"] == "crossing"
    assert abs(found["critical_point"]["value"] - 1.5187) < 5 * found["critical_point"]["error"]
