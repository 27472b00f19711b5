"""Trainings on differential equations: the law, interruptions, workers, divergence, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from physnn import api, fit
from physnn.analysis.replicas.distances import replica_distances
from physnn.analysis.statistics.claims import arm_claims
from physnn.answers.training.distances import KINDS_OF_DISTANCE, chain_of, form_replicas
from physnn.answers.training.forms import form_arrays
from physnn.answers.training.pde import pde_answers, width_table
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.figures.training.pde import pde_figure
from physnn.networks.pde.descent import PdeNetworks, PdeTraining, errors_of
from physnn.networks.pde.problems import PROBLEMS
from physnn.networks.pde.stacked_jets import StackedEngine
from physnn.networks.tasks.equation_of_state import WIDTH, Masses
from physnn.samples.kinds import sample_of
from physnn.samples.training.pde import PAPER
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.frames import assert_framed
from tests.samples.training.both import check_cut, check_law, train

pytestmark = pytest.mark.usefixtures("unrendered")

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


WORDS = ["--steps", "20", "--points", "16", "--depth", "2", "--constants", "2", "-1"]
WORDS += ["--precision", "float64", "--engine", "torch"]
"""Options of a command that are those settings."""


def run(out, extend=False, jobs=1, **settings):
    return train("train-pde", SMALL | settings, out, extend, jobs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("pde") / "whole.h5"
    assert run(out) == 5
    return out


def test_constants_are_another_bias(whole):
    group = read_sweep(whole).sizes[6]
    assert check_law(group, SMALL["arms"])["expanded"].shape == (2, 1)
    assert group["weights"].values.shape == (5, 2, 2 * 6 + 6 + 36 + 6 + 6 + 1)


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
    check_cut("train-pde", SMALL, whole, tmp_path / "cut.h5", monkeypatch, calls=100)


def test_further_arms_and_widths_change_nothing(whole, tmp_path):
    out = tmp_path / "parts.h5"
    run(out, arms=("raw", "expanded"))
    assert run(out, extend=True, arms=("law", "init", "scaled")) == 3
    assert content_digest(out) == content_digest(whole)
    assert run(out, extend=True, width=(4,), arms=("raw",)) == 5
    assert (read_sweep(out).sizes[6]["error"].values == read_sweep(whole).sizes[6]["error"].values).all()
    assert [answer.width for answer in pde_answers(out)] == [4, 6]


def made_up(recipe):
    """Sample, and results of its tasks that nobody trained."""
    sample, found = sample_of(recipe), {}
    for task in sample.tasks():
        seeds, marks = len(task["seed"]), recipe.marks()
        errors = dict.fromkeys(("loss", "error", "mean_error", "max_error"), np.full((seeds, len(marks)), 0.5))
        weights = np.zeros((seeds, sample.parameters(task.size)), recipe.precision)
        found[task.key] = errors | {"weights": weights}
    return sample, found


def test_weights_count_in_the_size_of_the_file(tmp_path, whole):
    known = sample_of(api.recipe("train-pde", **SMALL))
    assert known.parameters(6) == read_sweep(whole).sizes[6]["weights"].values.shape[-1]
    assert known.file_bytes() == pytest.approx(whole.stat().st_size, rel=0.2)
    for width, precision in ((64, "float32"), (128, "float32"), (128, "float64")):
        settings = {"width": (width,), "precision": precision, "seeds": tuple(range(10))}
        sample, results = made_up(api.recipe("train-pde", **SMALL | settings))
        sample.write(tmp_path / "large.h5", {width: sample.assemble(width, results)})
        assert sample.file_bytes() == pytest.approx(
            (tmp_path / "large.h5").stat().st_size, rel=0.2
        )  # blocks that are not full
    paper = sample_of(api.recipe("train-pde", **PAPER, problem="burgers"))
    assert paper.file_bytes() == pytest.approx(7 * 30 * 40_801 * 4, rel=0.02)
    eos = sample_of(api.recipe("train-eos"))
    assert eos.parameters(WIDTH) == Masses("raw", (0,), ()).effective().shape[1]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "seeds"), [(512, 8), (1024, 4)])
def test_memory_is_what_a_plan_says(width, seeds, tmp_path):
    settings = ["--width", str(width), "--steps", "2", "--points", "16", "--arms", "raw", "other", "--jobs", "1"]
    settings += ["--seeds", *map(str, range(seeds)), "--out", str(tmp_path / "a.h5"), "--json"]
    script = f"""
import resource
from physnn.cli import run
assert run({["train", "pde", "burgers", *settings]}) == 0
print(max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    recipe = api.recipe("train-pde", tmp_path / "a.h5", **read_sweep(tmp_path / "a.h5").recipe)
    peak = 1024 * int(said.splitlines()[-1])
    assert sample_of(recipe).need(1) == pytest.approx(peak, rel=0.2)


def test_a_reference_is_found_from_everywhere_and_lies_in_the_domain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("x,t,u\n0.5,0.5,1\n-1,0.25,2\n")
    recipe = api.recipe("train-pde", problem="burgers", reference="own.csv")
    monkeypatch.chdir("/")
    assert recipe.reference == str(tmp_path / "own.csv") and len(sample_of(recipe)._reference().points) == 2
    (tmp_path / "far.csv").write_text("0.5,0.5,1\n-1.1,0.25,2\n0.5,3,1\n")
    with pytest.raises(InputError, match=r"2 of 3 points .* the domain of burgers \(x from -1 to 1, t from 0 to 1\)"):
        api.recipe("train-pde", problem="burgers", reference=str(tmp_path / "far.csv"))
    # Holes are no part of the domain; the table's points on their edges are.
    (tmp_path / "hole.csv").write_text("0.3,0.31,1\n0.4,0.3,1\n0,0,1\n")
    with pytest.raises(InputError, match=r"1 of 3 points .* 4 holes"):
        api.recipe("train-pde", problem="poisson", reference=str(tmp_path / "hole.csv"))
    for problem in PROBLEMS.values():
        assert not problem.outside(problem.reference().points).any()


def test_the_source_size_stands_over_a_file_and_under_options(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(api, "recipe", lambda *args, **settings: seen.append(settings) or stop())
    (tmp_path / "own.toml").write_text('problem = "wave"\nwidth = [8]\npoints = 99\nlr = 0.01\nsteps = 5\n')
    words = ["train", "pde", "wave", "--config", str(tmp_path / "own.toml"), "--out", str(tmp_path / "a.h5")]
    for more in ([], ["--paper"], ["--paper", "--steps", "7", "--seeds", "3"]):
        assert command([*words, *more]) == 2
    plain, paper, both = ({name: each.get(name) for name in (*PAPER, "points", "lr")} for each in seen)
    assert plain == {"width": [8], "points": 99, "lr": 0.01, "steps": 5, "depth": None, "seeds": None}
    assert paper == PAPER | {"points": 8192, "lr": 0.01}
    assert both == paper | {"steps": 7, "seeds": (3,)}


def stop():
    raise InputError("seen")


def widths_file(out, **settings):
    """File of two widths that nobody trained."""
    recipe = api.recipe("train-pde", **SMALL | {"width": (4, 6)} | settings)
    sample, results = made_up(recipe)
    sample.write(out, {width: sample.assemble(width, results) for width in recipe.width})
    return out


def test_a_table_of_widths_needs_two_seeds_and_names_an_arm_that_is_there(tmp_path, capsys, unrendered):
    out = widths_file(tmp_path / "two.h5", arms=("bias0.3", "law"))
    again = ["train", "pde", "burgers", *WORDS, "--width", "4", "6", "--jobs", "1"]
    assert command([*again, "--arms", "bias0.3", "law", "--seeds", "0", "1", "--out", str(out)]) == 0
    assert f"physnn fit {out.with_name('two-widths.csv')} --observable bias0_3 " in capsys.readouterr().out
    assert (tmp_path / "two-widths.csv").read_text().splitlines()[1].startswith("L,control,bias0_3,bias0_3_error,law")
    out = widths_file(tmp_path / "one.h5", seeds=(0,))
    assert command([*again, "--arms", *SMALL["arms"], "--seeds", "0", "--out", str(out)]) == 0
    assert "need two seeds or more" in capsys.readouterr().out and not (tmp_path / "one-widths.csv").exists()
    with pytest.raises(InputError, match="two seeds or more"):
        width_table(pde_answers(out))
    # Where the table would be written through a link nothing begins.
    (tmp_path / "theirs.csv").write_text("theirs")
    (tmp_path / "new-widths.csv").symlink_to("theirs.csv")
    new = ["--seeds", "0", "1", "--out", str(tmp_path / "new.h5")]
    assert command([*again, *new]) == 2 and "new-widths.csv is a symbolic link" in capsys.readouterr().err
    (tmp_path / "new.json").write_text(json.dumps(read_sweep(out).recipe))
    assert command(["run", str(tmp_path / "new.json"), *new[3:]]) == 2
    assert (tmp_path / "theirs.csv").read_text() == "theirs" and not (tmp_path / "new.h5").exists()


def test_an_arm_has_one_colour_in_all_panels():
    error = np.full((3, 2, 2), 0.5)
    error[1] = np.nan
    arrays = {"mark": np.array([10, 20]), "error": error}
    claims = arm_claims({"raw": error[0], "law": error[2]}, (10, 20), every=True)
    with warnings.catch_warnings(action="error"):  # of means of no seeds
        figure = pde_figure("wave", {4: arrays, 8: arrays}, ["raw", "bias10", "law"], claims)
    first, second, third = ({c.get_label(): c[0].get_color() for c in axes.containers} for axes in figure.axes)
    assert first.keys() == {"raw", "law"} and second == {"law": first["law"]} != {"law": first["raw"]}
    assert all(third[arm] == first[arm] for arm in first)


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
    assert_framed(answer, len(answer.diverged), "width", "arm", "error", "diverged")
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


def test_the_command_prints_claims_and_draws(whole, capsys, tmp_path, rendered):
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
        form_arrays(replace(sweep, recipe={**sweep.recipe, "kind": "train-eos"}), "train-pde")


def test_networks_of_every_form_are_replicas(tmp_path, capsys):
    out = str(tmp_path / "many.h5")
    run(tmp_path / "many.h5", arms=("raw", "expanded"), seeds=tuple(range(8)), steps=2)
    found = form_replicas(out)
    assert_framed(next(iter(found.values())), 1, "euclid", "error")
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
    for option, words in ((["--shard", "0/2"], "divides trainings"), (["--reduction", "pca"], "leave --reduction out")):
        assert command(["replicas", "--networks", out, *option, "--out", str(tmp_path / "d.h5")]) == 2
        assert words in capsys.readouterr().err
    # Copies of one network have no distance.
    same = replica_distances({k: np.repeat(w[:1], 8, axis=0) for k, w in weights.items()}, layers, "euclid", "aligned")
    assert same.max() < 1e-6
