"""``physnn entangle``: models by three ways, random machines, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.quantum.entropy import rank_bound, state_entropies
from physnn.answers.quantum.entanglement import ground_entropies
from physnn.answers.quantum.random_machines import machine_state, random_entropies, random_weights
from physnn.cli import run
from physnn.models.quantum import QuantumModel
from tests.frames import assert_framed


def test_three_ways_to_the_same_entropies():
    model = QuantumModel("tfim", (10,), h=0.8)
    free, exact = (ground_entropies(model, method) for method in ("free-fermions", "exact"))
    assert np.allclose(free.von_neumann, exact.von_neumann, atol=1e-8)
    swap = ground_entropies(model, "swap", seed=2)
    z = (swap.renyi2 - exact.renyi2[: len(swap.cuts)]) / swap.error
    assert swap.decided and np.abs(z).max() < 4 and np.abs(z).min() > 0


def test_a_dimer_state_has_a_singlet_or_two_on_its_cuts():
    """J2 = 1/2: two dimer coverings; on an open chain one of them is the ground state."""
    found = ground_entropies(QuantumModel("j1j2", (8,), J2=0.5, periodic=False))
    assert np.allclose(found.von_neumann, [math.log(2), 0] * 3 + [math.log(2)], atol=1e-6)
    assert found.central is None


def test_the_central_charge_of_heisenbergs_chain_is_not_isings():
    found = ground_entropies(QuantumModel("heisenberg", (12,)))
    assert found.central is not None and 0.9 < found.central.value < 1.15
    # Even cuts between a quarter and three quarters of 10 spins are 4 and 6, of one chord.
    assert ground_entropies(QuantumModel("xxz", (10,), delta=0.5)).central is None


def test_random_machines():
    """Weights of quarters entangle more with every spin; Gaussian ones with a short reach stay below their bound."""
    quarter = random_entropies("quarter", [6, 8, 10], draws=16, seed=1)
    assert_framed(quarter, 3, "N", "spread", "von_neumann", "renyi2", "most", value=quarter.rows[0].renyi2)
    slope = quarter.slopes[math.pi / 4]
    assert slope is not None and slope.value > 4 * slope.error
    assert all(row.von_neumann.value < row.most <= row.N / 2 * math.log(2) + 1e-12 for row in quarter.rows)
    weights = random_weights("gaussian", 8, 1, 1.0, 1, rng.stream(0, "synthetic", "reach"))
    assert (state_entropies(machine_state(weights)).von_neumann <= rank_bound(weights) + 1e-12).all()
    again = random_entropies("quarter", [6, 8, 10], draws=16, seed=1)
    assert again.as_json() == quarter.as_json()


def test_machines_without_amplitudes_are_none():
    quarter = 1j * math.pi / 4
    assert machine_state(np.array([[quarter, quarter], [quarter, -quarter]])) is None
    assert machine_state(np.array([[quarter, quarter]])) is not None


def test_commands(tmp_path, capsys):
    out, figure = tmp_path / "cuts.csv", tmp_path / "cuts.png"
    words = ["entangle", "--L", "8,64", "--json", "--quiet", "--out", str(out), "--figure", str(figure)]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["states"][1]["central_charge"]["value"] == pytest.approx(0.5, abs=1e-4)
    assert found["states"][0]["logarithm"] == "natural"
    assert len(out.read_text().splitlines()) == 1 + 7 + 63 and figure.stat().st_size > 10_000
    assert run(["entangle", "--random", "gaussian", "--L", "4", "6", "--draws", "3", "--spread", "1", "--quiet"]) == 0
    assert "ln 2" in capsys.readouterr().out


def test_a_plan_finds_no_entropy_and_what_is_interrupted_is_told_to_be_lost(monkeypatch, capsys):
    words = ["entangle", "--random", "gaussian", "--L", "4", "20", "--spread", "1", "--draws", "50"]
    assert run([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(row["L"], row["tasks"]) for row in plan["rows"]] == [(4, 50), (20, 50)]
    assert plan["seconds"] > 50 * plan["rows"][1]["seconds_per_task"] > 0
    assert run(["entangle", "--model", "heisenberg", "--L", "6", "--dry-run"]) == 0
    assert "tasks to run" in capsys.readouterr().out

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("physnn.answers.quantum.random_machines.random_entropies", interrupted)
    assert run(words) == 130
    assert "begins anew" in capsys.readouterr().err


@pytest.mark.slow
def test_the_figure_of_random_machines_is_drawn(tmp_path):
    figure = tmp_path / "random.png"
    assert run(["entangle", "--random", "quarter", "--L", "4", "6", "--draws", "3", "--figure", str(figure)]) == 0
    assert figure.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "heisenberg", "--L", "24"], "too many"),
        (["--model", "heisenberg", "--method", "free-fermions"], "free fermions"),
        (["--model", "heisenberg", "--h", "1"], "no transverse field"),
        (["--method", "svd"], "--method exact"),
        (["--random", "gaussian", "--L", "7"], "even"),
        (["--random", "quarter", "--out", "x.csv"], "--json"),
        (["no-such-file.h5"], "no-such-file"),
    ],
)
def test_refusals(words, said, capsys):
    assert run(["entangle", "--quiet", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
