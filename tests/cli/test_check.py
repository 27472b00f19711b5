"""The commands that check and time an installation."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from physnn.checks import bench, ising, selftest
from physnn.cli import run as command
from physnn.models import Ising


def few():
    return [selftest.SamplerCase(Ising(), 4, T, name, 20_000) for name in ("metropolis", "wolff") for T in (1.8, 3.0)]


def test_selftest_prints_a_table_of_z_scores(monkeypatch, capsys):
    monkeypatch.setattr(selftest, "cases", few)
    assert command(["selftest", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "16 of 16 agree" in text and "enumeration" in text
    assert command(["selftest", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["wrong"] == 0
    assert len(found["checks"]) == 16


def test_selftest_finds_a_sampler_that_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(selftest, "cases", few)
    run = selftest.advance
    # 2 % off in temperature, in one sampler.
    monkeypatch.setattr(
        selftest,
        "advance",
        lambda sampler, model, T, *rest: run(sampler, model, T * (1.02 if sampler.name == "wolff" else 1), *rest),
    )
    assert command(["selftest", "--quiet"]) == 1
    assert "WRONG" in capsys.readouterr().out


OWN = """
class BlumeCapel:
    q = 3

    def bond_energy(self, a, b):
        return -(a - 1) * (b - 1)

    def site_energy(self, a):
        return 0.8 * (a - 1) ** 2

    def order(self, a):
        return a - 1


class Empty:
    q = 3
"""


def test_selftest_checks_a_model_of_your_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert command(["selftest", "--module", "own.py:BlumeCapel", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["wrong"] == 0
    local = {"metropolis", "metropolis-random", "heat-bath", "heat-bath-random", "kawasaki"}
    assert {row["sampler"] for row in found["checks"]} == local, "no reflection turns 0 into 1"
    run = selftest.advance
    monkeypatch.setattr(selftest, "advance", lambda s, model, T, *rest: run(s, model, 1.05 * T, *rest))
    assert command(["selftest", "--module", "own.py:BlumeCapel", "--quiet"]) == 1
    capsys.readouterr()


OTHERS = """
import math


class Rare:
    # Magnetised configurations have a weight of 0.00025 at T = 1, and are left slowly.

    q = 3

    def bond_energy(self, a, b):
        return -(a == b)

    def site_energy(self, a):
        return (a - 1) ** 2

    def order(self, a):
        return a - 1


class Free:
    q = 2

    def bond_energy(self, a, b):
        return 0.0


class Plain:
    q = 2

    def bond_energy(self, a, b):
        return -(a == b)


class Slow(Plain):
    q = 3

    def order(self, a):
        return a - 1


class Leaves(Plain):
    def bond_energy(self, a, b):
        raise SystemExit(0)


class Half(Plain):
    q = 2.5


class Text(Plain):
    q = "3"


class NotANumber(Plain):
    def order(self, a):
        return math.nan


class Ragged(Plain):
    def order(self, a):
        return [1.0] * (1 + a)


class Constant(Plain):
    def order(self, a):
        return 1.0
"""


def selftested(name, tmp_path, monkeypatch, capsys, *words):
    (tmp_path / "others.py").write_text(OTHERS)
    monkeypatch.chdir(tmp_path)
    # A sampler that serves all models, and one that does not.
    kept = ("heat-bath-random", "wolff")
    monkeypatch.setattr(selftest, "SAMPLERS", {name: selftest.SAMPLERS[name] for name in kept})
    status = command(["selftest", "--module", f"others.py:{name}", "--quiet", *words])
    return status, capsys.readouterr()


def test_rare_states_make_no_right_sampler_wrong(tmp_path, monkeypatch, capsys):
    for seed in range(3):
        status, said = selftested("Rare", tmp_path, monkeypatch, capsys, "--seed", str(seed))
        assert status == 0 and "WRONG" not in said.out
    run = selftest.advance
    monkeypatch.setattr(selftest, "advance", lambda s, model, T, *rest: run(s, model, 1.05 * T, *rest))
    assert selftested("Rare", tmp_path, monkeypatch, capsys)[0] == 1


def test_rare_values_are_bounded_with_their_exact_average():
    rare = selftest.ExactDistribution(np.array([0.0, 1.0, 50.0]), np.array([0.5, 0.4999, 0.0001]))
    found = rare.bounded()
    assert (found.low, found.high) == (0.0, 1.0) and found.mean == pytest.approx(0.5)
    common = selftest.ExactDistribution(np.array([0.0, 1.0, 2.0]), np.full(3, 1 / 3))
    assert common.bounded() is common


def test_a_moment_that_is_too_slow_is_unknown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(selftest, "_heated", lambda model, T: 0.1 if T < 1 else T)
    status, said = selftested("Slow", tmp_path, monkeypatch, capsys)
    assert status == 0 and ", 2 unknown; " in said.out
    found = json.loads(selftested("Slow", tmp_path, monkeypatch, capsys, "--json")[1].out)
    assert any(row["unknown"] == "too slow" and row["z"] is None for row in found["checks"])


def test_chains_that_never_move_are_no_success(tmp_path, monkeypatch, capsys):
    run = selftest.advance

    def frozen(sampler, model, T, state, *rest):
        rows = run(sampler, model, T, state, *rest)
        return {name: np.full_like(rows[name], rows[name][0]) for name in ("energy", "m")}

    monkeypatch.setattr(selftest, "advance", frozen)
    status, said = selftested("Slow", tmp_path, monkeypatch, capsys)
    assert status == 2 and "could be compared" in said.err


def test_a_sampler_that_refuses_is_left_out(tmp_path, monkeypatch, capsys):
    status, said = selftested("Free", tmp_path, monkeypatch, capsys)
    assert status == 0 and said.out.count("left out: wolff: ") == 2


def test_a_constant_order_is_said(tmp_path, monkeypatch, capsys):
    status, said = selftested("Constant", tmp_path, monkeypatch, capsys)
    assert status == 0 and "the magnetisation is not checked" in said.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Leaves", "is no model of colours: SystemExit"),
        ("Half", "must be an integer, not 2.5"),
        ("Text", "must be an integer, not '3'"),
        ("NotANumber", "an order that is not finite"),
        ("Ragged", "vectors of one length"),
    ],
)
def test_bad_models_are_refused(name, said, tmp_path, monkeypatch, capsys):
    status, text = selftested(name, tmp_path, monkeypatch, capsys)
    assert status == 2 and said in text.err and text.err.count("\n") == 1


def test_an_interrupt_in_a_model_passes(tmp_path, monkeypatch, capsys):
    (tmp_path / "own.py").write_text("class Own:\n    def __init__(self):\n        raise KeyboardInterrupt\n")
    monkeypatch.chdir(tmp_path)
    assert command(["selftest", "--module", "own.py:Own", "--quiet"]) == 130
    capsys.readouterr()


def test_a_file_that_leaves_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "own.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    assert command(["selftest", "--module", "own.py:Own", "--quiet"]) == 2
    assert "cannot be imported: SystemExit" in capsys.readouterr().err


def test_a_file_imports_from_its_own_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "beside_the_model.py").write_text(OTHERS)
    (tmp_path / "own.py").write_text("from beside_the_model import Half\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert command(["selftest", "--module", f"{tmp_path / 'own.py'}:Half", "--quiet"]) == 2
    assert "must be an integer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("own.py:Empty", "needs q and bond_energy"),
        ("own.py:Nothing", "no class Nothing"),
        ("own", "named as"),
        ("", "named as"),
    ],
)
def test_what_is_no_model_of_colours_is_refused(module, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert command(["selftest", "--module", module, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_every_sampler_is_in_the_selftest():
    names = {case.sampler for case in selftest.cases()}
    assert names == set(selftest.SAMPLERS)
    case = replace(selftest.cases()[0], sweeps=5000)
    assert all(np.isfinite(check.z) for check in selftest.run_case(case))


def test_the_benchmark_names_its_baseline_and_its_ratios(monkeypatch, capsys):
    monkeypatch.setattr(ising, "SIDES", (128,))
    monkeypatch.setattr(ising, "PLAIN_SIDE", 128)
    monkeypatch.setattr(ising, "SAMPLER_SIDE", 64)
    monkeypatch.setattr(ising, "CLUSTER_SIDES", (32, 64))
    monkeypatch.setattr(bench, "TARGET", 0.002)
    monkeypatch.setattr(bench, "TIMED_CALLS", 1)
    monkeypatch.setattr(ising, "SAMPLED_SWEEPS", dict.fromkeys(ising.SAMPLED_SWEEPS, 2000))
    assert command(["bench", "ising", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"machine", "rows", "ratios", "missing"}
    assert all(row["value"] > 0 and row["threads"] >= 1 for row in found["rows"])
    assert found["ratios"]["multispin, L = 128 / plain loop"] > 10, "far below what any machine gives"
    values = {row["name"]: row["value"] for row in found["rows"]}
    assert 0.12 < values["multispin, memory at L = 16384"] < 0.3, "bytes, of which the state is an eighth"
    names = {row["name"].split(",")[0] for row in found["rows"]}
    assert {"plain loop", "multispin", "metropolis", "heat-bath", "wolff", "swendsen-wang"} <= names


@pytest.mark.parametrize("words", [["bench"], ["bench", "nothing"], ["selftest", "--seed", "-1"]])
def test_bad_input_is_refused(words, capsys):
    assert command(words) == 2
    capsys.readouterr()
