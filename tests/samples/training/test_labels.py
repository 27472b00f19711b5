"""Trainings with labels in the plane: interruptions, planted effects and none, the command, and what it refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from physnn import api, rng
from physnn.analysis.statistics.power import draws_needed
from physnn.answers.bottleneck.labels import label_answer
from physnn.cli import run as command
from physnn.errors import InputError, TasksFailed
from physnn.jobs import stopping
from physnn.networks.classifiers import engines
from physnn.networks.classifiers.labels import label_places
from physnn.networks.classifiers.replicas import Trainer
from physnn.networks.tasks.problem import load_problem
from physnn.samples import files
from physnn.samples.tasks import Checkpoint
from physnn.samples.training import labels
from physnn.store.sweep_file import read_sweep, write_sweep
from tests.conftest import rerun
from tests.frames import assert_framed

SMALL = {
    **{"arms": ("one-hot", "u1", "other"), "seeds": (0, 1), "rates": (1e-3, 1e-2), "train": 110, "test": 40},
    **{"epochs": 2, "batch": 32},
}
NAMES = ("validation_accuracy", "validation_loss", "train_loss", "test_accuracy", "test_loss", "best_rate")


def run(out, extend=False, **settings):
    return files.run(api.recipe("train-labels", out, extend, **SMALL | settings), out, extend=extend, jobs=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("labels") / "whole.h5"
    assert run(out) == 6
    return out


def arrays(path):
    return {name: variable.values for name, variable in read_sweep(path).sizes[8].items()}


def test_rates_are_chosen_on_images_held_out(whole):
    found = arrays(whole)
    assert found["validation_accuracy"].shape == (3, 2, 2) and found["test_accuracy"].shape == (3, 2)
    for k, rates in enumerate(found["validation_accuracy"].reshape(6, 2)):
        loss = found["validation_loss"].reshape(6, 2)[k]
        best = max((0, 1), key=lambda r: (rates[r], -loss[r]))
        assert found["best_rate"].reshape(6)[k] == SMALL["rates"][best]
    # 88 images are trained on and 22 held out; a share of 40 test images is a multiple of 1/40.
    assert read_sweep(whole).recipe["images"] == {"train": 88, "test": 40, "side": 8}
    assert np.allclose(found["validation_accuracy"] * 22 % 1, 0, atol=1e-9) and np.allclose(
        found["test_accuracy"] * 40 % 1, 0, atol=1e-9
    )


def test_test_images_are_seen_once_by_each_pair(monkeypatch, tmp_path):
    seen = []
    real = engines._tested
    monkeypatch.setattr(engines, "_tested", lambda *a: seen.append(len(a[2].test_images)) or real(*a))
    sample = labels.LabelSample(api.recipe("train-labels", **SMALL))
    sample.run(sample.tasks()[0], Checkpoint(tmp_path / "task.h5"))
    assert seen == [22, 22, 40]
    assert [path.name for path in tmp_path.iterdir()] == ["task.h5"], "states of single rates are gone"


def test_every_seed_draws_images_of_its_own_unless_they_are_fixed(whole, tmp_path):
    recipe = api.recipe("train-labels", **SMALL)
    first, second = (load_problem(recipe.images_of(seed)) for seed in (0, 1))
    assert first.identity != second.identity and not np.array_equal(first.test_images, second.test_images)
    fixed = api.recipe("train-labels", **SMALL | {"data_seed": 1})
    assert fixed.images_of(0) == fixed.images_of(1) == recipe.images_of(1)
    assert label_answer(whole).own_images


def test_a_training_with_labels_cut_anywhere_continues_bit_for_bit(whole, tmp_path, monkeypatch):
    calls = [0]

    def often(self):
        calls[0] += 1
        if calls[0] % 3 == 0:
            raise KeyboardInterrupt
        return calls[0] % 2 == 0

    monkeypatch.setattr(stopping.Checkpoints, "due", often)
    monkeypatch.setattr(engines, "EPOCHS_SECONDS", 0)
    out = tmp_path / "cut.h5"
    rerun(lambda: run(out, arms=("u1",), seeds=(1,)))
    assert calls[0] > 5
    found, known = arrays(out), arrays(whole)
    assert all(np.array_equal(found[name][0, 0], known[name][1, 1]) for name in NAMES)


def test_arms_and_seeds_are_added(whole, tmp_path):
    out = tmp_path / "grown.h5"
    assert run(out, arms=("one-hot",), seeds=(1,)) == 1
    assert run(out, True, arms=("u1", "other"), seeds=(0,)) == 5
    found, known = arrays(out), arrays(whole)
    assert all(np.array_equal(found[name], known[name]) for name in NAMES)
    with pytest.raises(InputError, match="another recipe"):
        run(out, True, rates=(1e-3,))


def test_what_diverges_is_no_best_rate(tmp_path):
    run(tmp_path / "far.h5", arms=("one-hot", "u1"), optimiser="sgd", rates=(0.05, 100.0), weight_decay=1.0)
    found, answer = arrays(tmp_path / "far.h5"), label_answer(tmp_path / "far.h5")
    assert np.isnan(found["validation_accuracy"][..., 1]).all() and (found["best_rate"] == 0.05).all()
    assert answer.chosen["one-hot"] == (2, 0) and np.isnan(answer.validation["u1"][1].value)
    assert {claim.mark for claim in answer.at_rates} == {1}


def planted(whole, out, gains, seeds=20, scatter=0.008):
    """File with given gains of test and held out images over one-hot, and seeds that scatter by so much."""
    sweep, g = read_sweep(whole), rng.stream(0, "synthetic", "labels", *map(str, gains))
    group, shape = dict(sweep.sizes[8]), (len(gains), seeds)
    shares = 0.9 + 0.02 * g.standard_normal((1, seeds)) + scatter * g.standard_normal(shape) / np.sqrt(2)
    test = shares + np.array(list(gains.values()))[:, None]
    wide = {"seed": np.arange(seeds), "test_accuracy": test, "test_loss": 1 - test, "best_rate": np.full(shape, 1e-3)}
    names = ("validation_accuracy", "validation_loss", "train_loss", "train_accuracy")
    wide |= {name: np.stack([test, shares], -1) for name in names}
    wide["arm"] = np.array([name.encode() for name in gains])
    for name, values in wide.items():
        group[name] = group[name].__class__(group[name].dims, np.ascontiguousarray(values), group[name].attrs)
    write_sweep(out, {**sweep.recipe, "arms": list(gains), "seeds": list(range(seeds))}, {8: group})
    return label_answer(out)


def test_a_planted_benefit_is_found_and_none_is_not(whole, tmp_path):
    found = planted(whole, tmp_path / "planted.h5", {"one-hot": 0, "u1": 0.02, "zero": 0, "other": 0})
    told = {claim.form: claim.verdict for claim in found.claims}
    assert told["u1"] == "confirmed" and told["other"].startswith("absent") and told["zero"].startswith("absent")
    assert found.gain["u1"].value == pytest.approx(2, abs=4 * found.gain["u1"].error)
    by_rate = {(claim.form, claim.mark): claim.verdict for claim in found.at_rates}
    assert by_rate["u1", 1] == "confirmed" and by_rate["u1", 2].startswith("absent")
    assert found.largest["u1"].value == pytest.approx(2, abs=1) and "other" not in found.largest
    row = next(r for r in found.power if r.effect == 0.2 and r.source == "u1, measured")
    assert row.seeds == draws_needed(row.scatter, 0.2, 3) and 0.5 < row.scatter < 1.2


def test_a_benefit_that_labels_without_classes_have_is_explained_by_them(whole, tmp_path):
    found = planted(whole, tmp_path / "zero.h5", {"one-hot": 0, "u1": 0.02, "zero": 0.02})
    assert {claim.form: claim.verdict for claim in found.claims} == {"u1": "explained by zero", "zero": "confirmed"}


def test_the_paper_s_worst_case_is_told(whole, tmp_path):
    """A benefit at one rate alone: no gain where each has its best rate, though one rate for both has one."""
    answer = planted(whole, tmp_path / "a.h5", {"one-hot": 0, "u1": -0.03})
    assert answer.claims[0].verdict == "refuted" and answer.at_rates[1].verdict.startswith("absent")


@pytest.mark.slow
def test_a_label_that_knows_what_the_classes_do_not_helps_and_is_found(tmp_path, monkeypatch):
    """Seven of ten training labels are drawn anew; the places of the label are those of the true classes."""
    real, known = labels.load_problem, {}

    def noised(recipe):
        problem = real(recipe)
        known.update({x.tobytes(): int(c) for x, c in zip(problem.images, problem.labels, strict=True)})
        g = rng.stream(recipe.data_seed, "synthetic", "noised")
        drawn = np.where(g.random(len(problem.labels)) < 0.7, g.integers(0, 10, len(problem.labels)), problem.labels)
        return dataclasses.replace(problem, labels=drawn)

    def true_places(self, seed):
        true = np.array([known[x.tobytes()] for x in self.problem.images])
        return label_places(self.recipe.label_loss, seed, true, 10)

    noised.cache_clear = real.cache_clear
    monkeypatch.setattr(labels, "load_problem", noised)
    out, seeds = tmp_path / "planted.h5", tuple(range(8))
    settings = {"arms": ("one-hot", "u1", "other", "zero"), "seeds": seeds, "train": None, "epochs": 20}
    monkeypatch.setattr(Trainer, "_places", true_places)
    run(out, **settings, rates=(3e-3,), test=None)
    answer = label_answer(out)
    assert_framed(answer, len(answer.accuracy), "arm", "accuracy", "gain", value=next(iter(answer.accuracy.values())))
    told = {claim.form: claim.verdict for claim in answer.claims}
    assert told["u1"] == "confirmed" and answer.gain["u1"].value > 5, answer.gain
    assert told["other"] != "confirmed" and told["zero"] != "confirmed", told


WORDS = [
    "train",
    "classify",
    "--label-loss",
    "u1",
    "other",
    "--seeds",
    "0",
    "1",
    "--lr",
    "1e-3",
    "1e-2",
    "--train",
    "110",
]
WORDS += ["--test", "40", "--epochs", "2", "--batch", "32", "--device", "cpu", "--jobs", "1"]


def test_the_command_tells_power_and_prints_what_labels_do(whole, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole.h5").write_bytes(whole.read_bytes())
    assert command([*WORDS, "--out", "whole.h5"]) == 0
    told = capsys.readouterr()
    assert "power before data" in told.err and "power, by the measured scatter" in told.out
    assert "each at its own best rate; errors over seeds and draws of images" in told.out
    assert "u1 at its best rate less one-hot at its worst" in told.out and (tmp_path / "whole.png").is_file()
    assert command([*WORDS, "--out", "whole.h5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"] == 2 and len(found["claims"]) == 2 and len(found["at_rates"]) == 4
    assert {row["effect"] for row in found["power"]} == {0.2, 1.6, 15.5}
    assert command(["plot", "whole.h5", "--out", "again.png"]) == 0 and (tmp_path / "again.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label-loss", "u1", "--charges"], "--charges is not for trainings with labels"),
        (["--label-loss", "u1", "--soft-equivariance", "flip:auto"], "--soft-equivariance is not for trainings"),
        (["--label-loss", "u1", "--average", "d4"], "--average is not for trainings with labels"),
        (["--label-loss", "u1", "--expand", "2"], "--expand is not for trainings with labels"),
        (["--label-loss", "u1", "--network", "flip_tied"], "a label in the plane is for simple"),
        (["--label-loss", "u1", "--momentum", "0.9"], "add --optimiser sgd"),
        (["--label-loss", "u1", "--train", "40"], "give at least"),
        (["--label-loss", "u1", "--lr", "0"], "greater than 0"),
        (["--label-loss", "u2"], "u2"),
        (["--label-weight", "2"], "--label-weight belongs to trainings with labels"),
        (["--extend"], "--extend belongs to trainings with labels"),
        (["--dry-run"], "--dry-run belongs to trainings with labels"),
        (["--lr", "1e-3", "1e-2"], "2 learning rates are compared with --label-loss alone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_refused_in_one_line(words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert command(["train", "classify", *words]) == 2
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told and len(told.strip().splitlines()) <= 4
    assert list(tmp_path.iterdir()) == []


def test_images_that_changed_are_refused(tmp_path, monkeypatch):
    recipe = api.recipe("train-labels", **SMALL)
    with pytest.raises(InputError, match="not those of the recipe"):
        recipe.model_copy(update={"identity": "0" * 16}).resolved()
    with pytest.raises(TasksFailed, match="changed while they were in use"):
        files.run(recipe.model_copy(update={"identity": "0" * 16}), tmp_path / "changed.h5", jobs=1)
