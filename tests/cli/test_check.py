"""The commands that check and time an installation."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    ("module", "said"),
    [("own.py:Empty", "needs q and bond_energy"), ("own.py:Nothing", "no class Nothing"), ("own", "named as")],
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
