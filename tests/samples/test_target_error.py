from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

import physnn
from physnn import api, rng
from physnn.analysis.verdict import planning
from physnn.analysis.verdict.planning import Refinement
from physnn.cli import cli
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.samples import files
from physnn.samples.files import merge, stored
from physnn.samples.noise import work
from physnn.samples.noise.recipe import noise_values
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts
from physnn.store.sweep_file import read_sweep
from tests.conftest import make_networks

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"eta": [0.0, 0.1, 0.2, 0.3], "images": 10, "batch": 2, "target_error": 0.01}
DECISION = Refinement((0.0, 0.1, 0.125, 0.15, 0.2), 1.5, True, 0.01, 0, "injected")


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """One untrained network: what is tested are stages, and every network would repeat all tasks."""
    return make_networks(tmp_path_factory.mktemp("networks") / "one.h5", (0,))


def run(out, networks, L=(20, 24), extend=False, jobs=1, announce=None, **settings):
    recipe = api.recipe("noise", out, extend, L=L, networks=[str(networks)], **settings)
    return files.run(recipe, out, extend=extend, jobs=jobs, announce=announce)


@pytest.fixture
def injected(monkeypatch):
    """Untrained networks do not cross: decide as if they did."""
    monkeypatch.setattr(planning, "refine", lambda *_args, **_options: DECISION)


def planted(slope_of, scatter):
    """Return what stands in for a task: curves in L with noise of their own."""

    def run(sample, task, checkpoint):
        generator = rng.stream(0, "synthetic", "task", task.size, task["eta"], task["network"], task["image"][0])
        value = 0.3 + 0.2 * np.tanh((task["eta"] - 0.145) * slope_of(task.size))
        rmse = value * (1 + scatter * generator.normal(size=len(task["image"])))
        return {"rmse": rmse, "overlap": 1 - rmse}

    return run


@pytest.fixture
def crossing(monkeypatch, tmp_path):
    """Curves that cross at 0.145 in place of the networks'; returns a file of four networks."""
    monkeypatch.setattr(work.NoiseSample, "run", planted(lambda L: 0.15 * L, 0.15))
    return make_networks(tmp_path / "four.h5", (0, 1, 2, 3))


@pytest.fixture
def flat(monkeypatch, tmp_path):
    """Curves that do not depend on L."""
    monkeypatch.setattr(work.NoiseSample, "run", planted(lambda L: 10, 0.05))
    return make_networks(tmp_path / "two.h5", (0, 1))


def test_a_pilot_without_a_crossing_ends_with_the_images_asked_for(tmp_path, flat):
    staged, plain = tmp_path / "staged.h5", tmp_path / "plain.h5"
    heard = []
    run(staged, flat, announce=lambda *stage: heard.append(stage), **SMALL)
    run(plain, flat, **{k: v for k, v in SMALL.items() if k != "target_error"})
    assert content_digest(staged) == content_digest(plain)
    recipe = read_sweep(staged).recipe
    assert [stage["images"] for stage in recipe["stages"]] == [8, 10]
    assert "no refinement" in recipe["stages"][1]["why"] and "no-crossing" in recipe["stages"][1]["why"]
    assert [stage.images for stage, _ in heard] == [8, 10]
    tasks = [sum(row["tasks"] for row in plan["rows"]) for _, plan in heard]
    assert tasks == [2 * 2 * 4 * 4, 2 * 2 * 4], "the pilot's tasks are not run again"
    assert "stages" not in read_sweep(plain).recipe and "target_error" not in read_sweep(plain).recipe


def test_a_crossing_is_refined_until_its_error_is_the_target(tmp_path, crossing):
    out, target = tmp_path / "s.h5", 0.002
    eta = noise_values(0, 0.4, 9)
    tree = physnn.sweep_noise((20, 40, 80), out=out, networks=[str(crossing)], eta=eta, target_error=target)
    recipe = read_sweep(out).recipe
    pilot, final = recipe["stages"]
    assert (pilot["eta"], pilot["images"]) == (eta, 8)
    assert (final["eta"], final["images"]) == (recipe["eta"], recipe["images"])
    assert np.sum(np.abs(np.array(recipe["eta"]) - 0.145) < 0.09) >= 9
    assert recipe["images"] % recipe["batch"] == 0 and recipe["images"] > 8
    assert recipe["images"] * len(recipe["eta"]) <= 64 * 8 * 9
    assert tree["L80"]["rmse"].shape == (len(recipe["eta"]), 4, recipe["images"])
    fit = physnn.fit(out)
    assert fit.verdict == "crossing"
    assert abs(fit.collapse.critical_point.value - 0.145) < 5 * target
    assert planning.error_parts(fit).error() < 1.5 * target


def test_decisions_are_those_of_the_command_fit_on_the_pilot(tmp_path, crossing):
    out, settings = tmp_path / "pilot.h5", {"L": (20, 40, 80), "eta": noise_values(0, 0.4, 9)}
    run(out, crossing, images=8, **settings)
    plan = planning.refine(physnn.fit(out), 0.001, asked=4.0, draws="images")
    recipe = api.recipe("noise", target_error=0.001, networks=[str(crossing)], **settings)
    decided = work.NoiseSample(recipe).decided(stored(out))
    assert plan.refined and decided.eta == plan.values
    assert decided.stages[-1].why == plan.reason
    assert decided.images == math.ceil(math.ceil(8 * plan.factor) / 8) * 8


def test_two_workers_and_two_stages_give_the_sweep_of_the_values_and_images_decided(
    tmp_path, network_file, injected, workers
):
    out, direct = tmp_path / "s.h5", tmp_path / "direct.h5"
    run(out, network_file, jobs=workers, **SMALL)
    run(direct, network_file, eta=list(DECISION.values), images=12, batch=2)
    assert content_digest(out) == content_digest(direct)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["direct.h5", "s.h5"], "no parts, no locks"


def test_a_second_run_does_nothing_and_another_target_is_refused(tmp_path, network_file, flat, injected):
    out = tmp_path / "s.h5"
    assert run(out, network_file, **SMALL) == 2 * (4 * 4 + 3 * 2 + 2 * 6)
    before = out.read_bytes()
    assert run(out, network_file, **SMALL) == 0
    assert out.read_bytes() == before
    changes = {"target_error": 0.02}, {"target_error": None}, {"images": 64}, {"target_observable": "overlap"}
    for change in (*changes, {"eta": [0.0, 0.1, 0.2, 0.4]}):
        with pytest.raises(InputError, match=rf"another recipe \({next(iter(change))}"):
            run(out, network_file, **SMALL | change)
    plain = tmp_path / "plain.h5"
    run(plain, network_file, **SMALL | {"target_error": None})
    for extend in (False, True):
        with pytest.raises(InputError, match="another recipe"):
            run(plain, network_file, extend=extend, **SMALL)


def test_extending_adds_to_what_was_decided(tmp_path, network_file, flat, injected):
    out, direct = tmp_path / "s.h5", tmp_path / "direct.h5"
    run(out, network_file, **SMALL)
    assert run(out, network_file, L=(28,), extend=True) == 5 * 6
    assert run(out, network_file, L=(20, 24, 28), extend=True, **SMALL) == 0, "the pilot's values are not taken up"
    run(out, network_file, extend=True, images=14)
    run(direct, network_file, L=(20, 24, 28), eta=list(DECISION.values), images=14, batch=2)
    assert content_digest(out) == content_digest(direct)
    assert read_sweep(out).recipe["stages"][-1]["images"] == 12, "the record stays"


def test_the_result_does_not_depend_on_where_it_was_interrupted(tmp_path, network_file, injected, monkeypatch):
    run(tmp_path / "whole.h5", network_file, **SMALL)
    out = tmp_path / "cut.h5"
    measure, decide, count, interruptions = work.NoiseSample.run, work.NoiseSample.decided, 0, 0

    def interrupted(sample, task, checkpoint):
        nonlocal count
        count += 1
        if count % 12 == 0:
            raise KeyboardInterrupt
        return measure(sample, task, checkpoint)

    def stop_once(recipe, results):
        monkeypatch.setattr(work.NoiseSample, "decided", decide)
        raise KeyboardInterrupt

    monkeypatch.setattr(work.NoiseSample, "run", interrupted)
    monkeypatch.setattr(work.NoiseSample, "decided", stop_once)
    while not out.exists():
        try:
            run(out, network_file, **SMALL)
        except KeyboardInterrupt:
            interruptions += 1
            recipe = Parts(out).recipe()
            assert ("stages" in recipe) == (interruptions > 3), "the pilot, the decision, then the rest"
            with pytest.raises(InputError, match=r"not decided yet|not done yet"):
                merge(out)
    assert interruptions == 7
    assert content_digest(out) == content_digest(tmp_path / "whole.h5")
    assert read_sweep(out).recipe == read_sweep(tmp_path / "whole.h5").recipe


def test_the_recipe_in_the_file_reproduces_the_data(tmp_path, flat, injected, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "a.h5", flat, **SMALL)
    common = ["sweep-noise", "--config", "a.h5", "--jobs", "1", "--quiet", "--json", "--no-memory"]
    assert command([*common, "--out", "b.h5"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert content_digest("a.h5") == answer["digest"]
    assert [stage["images"] for stage in answer["stages"]] == [8, 12] and answer["target_error"] == 0.01
    assert "target_missing" in answer
    assert read_sweep("b.h5").recipe == read_sweep("a.h5").recipe
    assert command([*common, "--eta", "0", "0.1", "0.2", "0.3", "--images", "4", "--out", "c.h5"]) == 0
    assert "stages" not in read_sweep("c.h5").recipe, "other values than those that were decided"


@pytest.mark.slow  # interruptions at every stage, and random kills of a sweep, stand for it by default
def test_a_kill_and_a_rerun_give_the_same_data(tmp_path):
    words = [sys.executable, "-m", "physnn", "sweep-noise", "--L", "20", "24", "--eta-range", "0", "0.3", "4"]
    words += ["--images", "24", "--batch", "8", "--steps", "4", "--target-error", "0.01", "--quiet", "--jobs", "1"]
    settings = {"eta": noise_values(0, 0.3, 4), "images": 24, "batch": 8, "steps": 4, "target_error": 0.01}
    for count in (8, 40):  # the pilot has 24 tasks of 72
        process = subprocess.Popen([*words, "--out", "cut.h5"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        while len(list(tmp_path.glob("cut.h5.parts/*.h5"))) < count:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "cut.h5").exists()
    for name in ("whole.h5", "cut.h5"):
        run(tmp_path / name, "kuramoto_symmetric", **settings)
    assert content_digest(tmp_path / "cut.h5") == content_digest(tmp_path / "whole.h5")
    assert read_sweep(tmp_path / "cut.h5").recipe == read_sweep(tmp_path / "whole.h5").recipe


def test_the_command_says_what_each_stage_costs_and_what_came_of_it(tmp_path, flat, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["sweep-noise", "--L", "20", "24", "--eta", "0", "0.1", "0.2", "0.3", "--images", "12", "--jobs", "1"]
    words += ["--networks", str(flat), "--target-error", "0.01", "--observable", "overlap", "--no-memory"]
    assert command([*words, "--dry-run"]) == 0
    text = capsys.readouterr().out
    for part in ("4 noise values, 8 images: pilot, of 12 images", "second stage: decided from the pilot", "64 times"):
        assert part in text
    assert command([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["second_stage_at_most"]["seconds"] == pytest.approx(64 * plan["seconds"])
    assert list(tmp_path.iterdir()) == [flat]
    assert command(words) == 0
    captured = capsys.readouterr()
    assert captured.err.count("8 images: pilot") == captured.err.count("12 images: no refinement") == 1
    assert captured.err.count("MB of memory") == 2
    for part in ("stage 1: 4 noise values, 8 images", "stage 2: 4 noise values, 12 images", "target error 0.01: not"):
        assert part in captured.out
    assert read_sweep("sweep-noise.h5").recipe["target_observable"] == "overlap"
    assert command(words) == 0
    captured = capsys.readouterr()
    assert "all is done" in captured.out and captured.err == ""


def test_the_help_says_what_a_target_error_is():
    text = " ".join(CliRunner().invoke(cli, ["sweep-noise", "--help"]).output.split())
    assert "--target-error ERROR" in text and "in units of the Langevin eta (absolute" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--target-error 0", "greater than 0"),
        ("--target-error -1", "must be at least 0"),
        ("--target-error nan", "must be a finite number"),
        ("--target-error small", "not a number"),
        ("--target-error", "requires an argument"),
        ("--target-error 0.1 --L 20", "at least 2 sizes"),
        ("--target-error 0.1 --eta 0 0.1 0.2", "4 noise values"),
        ("--target-error 0.1 --observable no-such", "choose one of"),
        ("--config bad.toml", "stages"),
    ],
)
def test_bad_targets_end_with_one_line_and_status_2(tmp_path, network_file, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("target_error = 0.1\nstages = [{eta = [0.1], images = 0}]\n")
    assert command(["sweep-noise", "--networks", str(network_file), "--jobs", "1", *words.split()]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and message in captured.err and captured.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]
