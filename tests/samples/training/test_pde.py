"""Trainings on differential equations: the law, interruptions, workers, divergence, and the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from physnn import api, fit
from physnn.analysis.replicas.distances import replica_distances
from physnn.analysis.statistics.claims import arm_claims
from physnn.answers.training.distances import KINDS_OF_DISTANCE, chain_of, form_replicas
from physnn.answers.training.pde import pde_answers, pde_arrays
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs import stopping
from physnn.networks.pde.descent import PdeNetworks, PdeTraining, errors_of
from physnn.networks.pde.problems import PROBLEMS
from physnn.networks.pde.stacked_jets import StackedEngine
from physnn.samples import files
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import rerun

SMALL = {
    "problem": "burgers",
    "arms": ("raw", "expanded", "law", "init", "scaled"),
    "seeds": (0, 1),
    "steps": 20,
    "points": 16,
    "width": (6,),
    "depth": 2,
    "constants": (2.0, -1.0),
    "precision": "float64",
    "engine": "torch",
}


def run(out, extend=False, jobs=1, **settings):
    return files.run(api.recipe("train-pde", out, extend, **SMALL | settings), out, extend=extend, jobs=jobs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("pde") / "whole.h5"
    assert run(out) == 5
    return out


def test_constants_are_another_bias(whole):
    group = read_sweep(whole).sizes[6]
    loss = dict(zip(SMALL["arms"], group["loss"].values, strict=True))
    assert loss["expanded"].shape == (2, 1)
    assert np.abs(loss["law"] / loss["expanded"] - 1).max() < 1e-5
    assert np.abs(loss["init"] / loss["expanded"] - 1).max() > 1e-3, "the start alone is not the law"
    weights = group["weights"].values
    assert np.abs(weights[2] - weights[1]).max() < 1e-5 < 1e-3 < np.abs(weights[3] - weights[1]).max()
    assert weights.shape == (5, 2, 2 * 6 + 6 + 36 + 6 + 6 + 1)


def test_inputs_in_other_units_are_another_first_layer():
    problem, points = PROBLEMS["burgers"], np.array([[0.3, 0.7], [-1.0, 0.0]])
    networks = PdeNetworks(problem, "scaled", (0,), 5, 1, (), "float64")
    h = np.tanh(np.array([[0.3, 0.4], [-1.0, -1.0]]) @ networks.own["layer.0.weight"][0])
    found = networks.network()
    other = np.tanh(points @ found["layer.0.weight"][0] + found["layer.0.bias"][0])
    assert np.allclose(h, other, rtol=1e-13)
    # The gradient by the own weights is that of the plain network, pulled back.
    by_plain = {name: np.full_like(values, 0.5) for name, values in found.items()}
    pulled, step = networks.pulled(by_plain), 1e-6
    for k in range(networks.flat.shape[1]):
        before = sum(0.5 * v.sum() for v in networks.network().values())
        networks.flat[0, k] += step
        after = sum(0.5 * v.sum() for v in networks.network().values())
        networks.flat[0, k] -= step
        assert (after - before) / step == pytest.approx(pulled[0, k], abs=1e-6)


def test_steps_are_those_of_adam_with_a_step_of_its_own_for_the_bias():
    class Slope:
        """Engine whose loss is a sum of squares."""

        def losses_and_gradients(self, weights):
            return np.ones((2, 1)), {name: 2 * values for name, values in weights.items()}

    networks = PdeNetworks(PROBLEMS["wave"], "bias3", (0, 1), 4, 2, (), "float64")
    networks.flat[:] += 0.3
    bias = networks.slices["layer.0.bias"]
    training = PdeTraining(networks, Slope(), PROBLEMS["wave"].reference(), 0.01)
    own = torch.from_numpy(networks.flat[:, bias].copy()).requires_grad_()
    rest = torch.from_numpy(np.delete(networks.flat, bias, axis=1)).requires_grad_()
    optimiser = torch.optim.Adam([{"params": [own], "lr": 0.03}, {"params": [rest], "lr": 0.01}])
    for _ in range(5):
        training.advance()
        optimiser.zero_grad()
        ((own**2).sum() + (rest**2).sum()).backward()
        optimiser.step()
    assert np.allclose(networks.flat[:, bias], own.detach(), rtol=1e-10, atol=1e-12)
    assert np.allclose(np.delete(networks.flat, bias, axis=1), rest.detach(), rtol=1e-10, atol=1e-12)


def test_a_training_cut_anywhere_continues_bit_for_bit(whole, tmp_path, monkeypatch):
    calls = [0]

    def often(self):
        """Interrupt after every 27th step, and keep the state after every fifth: up to four steps are done again."""
        calls[0] += 1
        if calls[0] % 27 == 0:
            raise KeyboardInterrupt
        return calls[0] % 5 == 0

    monkeypatch.setattr(stopping.Checkpoints, "due", often)
    rerun(lambda: run(tmp_path / "cut.h5"))
    assert calls[0] > 100 and content_digest(tmp_path / "cut.h5") == content_digest(whole)


def test_further_arms_and_widths_change_nothing(whole, tmp_path):
    out = tmp_path / "parts.h5"
    run(out, arms=("raw", "expanded"))
    assert run(out, extend=True, arms=("law", "init", "scaled")) == 3
    assert content_digest(out) == content_digest(whole)
    assert run(out, extend=True, width=(4,), arms=("raw",)) == 5
    assert (read_sweep(out).sizes[6]["error"].values == read_sweep(whole).sizes[6]["error"].values).all()
    assert [answer.width for answer in pde_answers(out)] == [4, 6]


@pytest.mark.slow
def test_both_engines_train_alike(tmp_path):
    found = {}
    for engine in ("torch", "kernel"):
        run(tmp_path / f"{engine}.h5", engine=engine, arms=("raw", "scaled"))
        found[engine] = read_sweep(tmp_path / f"{engine}.h5").sizes[6]
    a, b = (found[engine]["weights"].values for engine in found)
    assert np.allclose(a, b, rtol=1e-6, atol=1e-8) and not (a[0] == a[1]).any()
    errors = [found[engine]["error"].values for engine in found]
    assert np.allclose(*errors, rtol=1e-8)


def test_a_training_that_diverges_is_said(tmp_path, monkeypatch):
    usual = PdeTraining.advance

    def wild(self):
        usual(self)
        if self.networks.form.factor == 10:
            self.networks.flat[1] *= 1e200

    monkeypatch.setattr(PdeTraining, "advance", wild)
    run(tmp_path / "wild.h5", arms=("raw", "bias10"), seeds=(0, 1, 2))
    (answer,) = pde_answers(tmp_path / "wild.h5")
    assert answer.diverged == {"raw": 0, "bias10": 1} and answer.error["bias10"].dof == 1
    assert len(answer.claims) == 1, "two seeds are left to compare"
    errors = {"raw": np.array([[0.1], [0.2], [0.3]]), "expanded": np.array([[0.1], [np.nan], [0.2]])}
    (claim,) = arm_claims(errors, (10,))
    assert claim.difference.value == pytest.approx((0 + np.log10(2 / 3)) / 2)
    assert arm_claims({name: each[:2] for name, each in errors.items()}, (10,)) == ()


@pytest.mark.parametrize(("problem", "least"), [("poisson", 5), ("lid-driven", 9)])
def test_points_that_leave_a_boundary_empty_are_refused(problem, least, tmp_path):
    settings = {"problem": problem, "steps": 2, "arms": ("raw",), "constants": None}
    for points in (1, least - 1):
        with pytest.raises(InputError, match=f"--points {points} leave .* empty; use {least} or more"):
            run(tmp_path / "few.h5", points=points, **settings)
    assert not list(tmp_path.iterdir())
    run(tmp_path / "few.h5", points=least, **settings)
    assert np.isfinite(pde_answers(tmp_path / "few.h5")[0].loss["raw"].value)


def test_errors_are_relative():
    known = np.array([[3.0, 0.0], [0.0, 4.0]])
    found = errors_of(np.stack([known, 1.1 * known, known + np.array([[0.0, 1.0], [0.0, 0.0]])]), known)
    assert found["error"] == pytest.approx([0, 0.1, 0.2]) and found["max_error"] == pytest.approx([0, 0.4, 1])
    assert found["mean_error"] == pytest.approx([0, 0.175, 0.25])


def test_the_command_prints_claims_and_draws(whole, capsys, tmp_path):
    settings = ["--steps", "2", "--points", "16", "--width", "4", "6", "--depth", "2", "--seeds", "0", "1"]
    settings += ["--engine", "torch", "--jobs", "1", "--arms", "raw", "expanded"]
    out = str(tmp_path / "a.h5")
    assert command(["train", "pde", "poisson", *settings, "--json", "--out", out]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [w["width"] for w in answer["widths"]] == [4, 6] and (tmp_path / "a.png").stat().st_size > 10_000
    table = (tmp_path / "a-widths.csv").read_text().splitlines()
    assert table[1] == "L,control,raw,raw_error,expanded,expanded_error" and table[2].startswith("4,2,")
    assert fit(tmp_path / "a-widths.csv", "raw", at_criticality=True).section.L.tolist() == [4, 6]
    # The means of these inputs are 0: constants change no more than the spread of the first weights.
    assert abs(answer["widths"][0]["claims"][0]["difference"]["value"]) < 1
    assert command(["show", str(whole)]) == 0
    assert "weights[5, 2, 67]" in capsys.readouterr().out
    assert command(["plot", str(whole), "--out", str(tmp_path / "b.png")]) == 0
    (tmp_path / "pde.json").write_text(json.dumps(read_sweep(out).recipe))
    assert command(["run", str(tmp_path / "pde.json"), "--json", "--jobs", "1", "--out", out]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["widths"] == answer["widths"]
    for wrong, words in (
        (["wave", "--arms", "none"], "not one of"),
        (["none"], "take one of poisson"),
        (["wave", "--constants", "nan"], "constants"),
        (["wave", "--reference", str(tmp_path / "none.dat")], "cannot read the reference"),
    ):
        assert command(["train", "pde", *wrong, "--out", str(tmp_path / "b.h5")]) == 2
        assert words in capsys.readouterr().err
    sweep = read_sweep(whole)
    with pytest.raises(InputError, match="holds no differential equation"):
        pde_arrays(replace(sweep, recipe={**sweep.recipe, "kind": "train-eos"}))


def test_networks_of_every_form_are_replicas(tmp_path, capsys):
    out = str(tmp_path / "many.h5")
    run(tmp_path / "many.h5", arms=("raw", "expanded"), seeds=tuple(range(8)), steps=2)
    found = form_replicas(out)
    raw = found["raw"].distances
    assert set(raw) == set(KINDS_OF_DISTANCE) and raw["euclid"].shape == (8, 8)
    # Units that are matched lie closer; the chain of layers is that of the network.
    assert found["raw"].metrics["euclid_aligned"].estimate.value < found["raw"].metrics["euclid"].estimate.value
    sweep, points = read_sweep(out), np.array([[0.3, 0.7]])
    flat = sweep.sizes[6]["weights"].values[0]
    weights, layers = chain_of(sweep.recipe, 6, flat)
    h = points[0]
    for layer in layers:
        h = weights[f"{layer.name}.weight"][1] @ h + weights[f"{layer.name}.bias"][1]
        h = np.tanh(h) if layer.signs else h
    networks = PdeNetworks(PROBLEMS["burgers"], "raw", (1,), 6, 2, (), "float64")
    networks.flat[0] = flat[1]
    assert h == pytest.approx(StackedEngine([], "float64").values(networks.network(), points)[0, 0], rel=1e-12)
    assert command(["replicas", "--networks", out, "--json", "--out", str(tmp_path / "d.h5")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [form["name"] for form in answer["forms"]] == ["raw", "expanded"] and answer["forms"][0]["n"] == 8
    assert command(["show", str(tmp_path / "d.h5")]) == 0
    # Copies of one network have no distance.
    same = replica_distances({k: np.repeat(w[:1], 8, axis=0) for k, w in weights.items()}, layers, "euclid", "aligned")
    assert same.max() < 1e-6
