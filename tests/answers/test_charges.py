"""Charges of learning of trained classifiers: followed, resumed, stored, told."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner

from physnn.analysis.replicas.charges import ChargeCourse, charge_row
from physnn.answers.symmetry.charges import charge_answer
from physnn.cli import cli, run
from physnn.errors import InputError
from physnn.figures.training.charges import charges_figure
from physnn.networks.classifiers import engines
from physnn.networks.classifiers.engines import train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.samples import files
from physnn.samples.training.classifiers import train_ensembles
from physnn.store.ensemble_file import CHARGED, read_ensembles
from tests.frames import assert_framed

FEW = ProblemRecipe(train=24, test=10)
SGD = {"epochs": 2, "batch": 12, "optimiser": "sgd", "momentum": 0.9, "weight_decay": 1e-2}
FOLLOWED = ClassifierRecipe(network="batchnorm", charges=True, **SGD)
BENT = """
import torch
from torch import nn


class Bent(nn.Module):
    def __init__(self, channels, side, classes):
        super().__init__()
        self.out = nn.Linear(channels * side * side, classes)

    def forward(self, images):
        return torch.tanh(self.out(images.flatten(1)))
"""


@pytest.fixture
def in_process(monkeypatch):
    """Tasks run one after the other in this process, which starts no others."""

    def run_tasks(tasks, work, context, parts, *_):
        for task in tasks:
            work(task, parts.path(task.key), context)
        return 0

    monkeypatch.setattr(files, "run_tasks", run_tasks)


def test_charges_go_through_a_file_to_the_command(tmp_path, in_process):
    out, adam = tmp_path / "c.h5", ClassifierRecipe(epochs=2, batch=12, charges=True)
    members = {"sgd": (FOLLOWED, FEW), "adam": (adam, FEW), "none": (ClassifierRecipe(epochs=0), FEW)}
    train_ensembles(members, (0, 1), out=out, engine="loop")
    file = read_ensembles(out).ensembles
    assert file["sgd"].charges.keys() == CHARGED.keys() and not file["none"].charges
    norm = np.square(file["sgd"].weights["second.weight"].astype(float)).reshape(2, 32, -1).sum(-1)
    at = [k for k, word in enumerate(file["sgd"].components) if word.startswith("scale second ")]
    assert np.allclose(file["sgd"].charges["charge_measured"][:, -1, at], norm, rtol=1e-14)
    assert "charge_measured" not in file["sgd"].weights
    ended = CliRunner().invoke(cli, ["charges", str(out), "--json", "--quiet"], standalone_mode=False)
    assert ended.return_value == 0
    answer = charge_answer(out)
    assert_framed(
        answer, len(answer.rows), "ensemble", "charge", "drift", "verdict", "in_errors", value=answer.rows[0].flow
    )
    found = json.loads(ended.output)
    verdicts = {(row["ensemble"], row["charge"]): row["verdict"] for row in found["charges"]}
    assert {v for (name, _), v in verdicts.items() if name == "adam"} == {"broken"}
    for (name, charge), verdict in verdicts.items():
        assert name == "adam" or verdict == ("nearly" if charge.startswith("scale") else "holds")
    assert found["training"]["sgd"] == {"optimiser": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
    row = next(row for row in found["charges"] if row["charge"] == "scale second")
    assert abs(row["drift"]["value"]) < 1e-3 * abs(row["measured"]["value"] - row["flow"]["value"])


@pytest.mark.parametrize(
    "engine", ["loop", *(pytest.param(e, marks=pytest.mark.slow) for e in ("compiled", "stacked"))]
)
def test_followed_trainings_are_the_same_and_resumed_bit_for_bit(tmp_path, monkeypatch, engine):
    problem = load_problem(FEW)
    whole = train_replicas(FOLLOWED, problem, (3, 4), tmp_path / "whole.h5", engine)
    plain = FOLLOWED.model_copy(update={"charges": False})
    unseen = train_replicas(plain, problem, (3, 4), tmp_path / "plain.h5", engine)
    for name, values in unseen.items():
        # Compiled code adds up the loss of an epoch batch by batch here.
        assert np.allclose(whole[name], values, rtol=1e-12 if name == "loss" else 0, atol=0), name
    assert whole.keys() - unseen.keys() == CHARGED.keys() and whole["charge_steps"].tolist() == [[0, 2, 4]] * 2
    monkeypatch.setattr(engines, "EPOCHS_SECONDS", 0.0)
    write = engines.write_part

    def stop(path, state, **options):
        write(path, state, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "write_part", stop)
    with pytest.raises(KeyboardInterrupt):
        train_replicas(FOLLOWED, problem, (3, 4), tmp_path / "cut.h5", engine)
    monkeypatch.setattr(engines, "write_part", write)
    again = train_replicas(FOLLOWED, problem, (3, 4), tmp_path / "cut.h5", engine)
    assert again.keys() == whole.keys() and all(np.array_equal(again[name], whole[name]) for name in whole)


def course(drift: float, rounding: float = 1e-14, steps: int = 9) -> ChargeCourse:
    values = np.zeros((3, 2, 1)) + np.arange(3)[:, None, None]
    noise = np.array([1.0, -1.0, 1.0])[:, None] * np.sqrt(rounding)
    predicted = values.copy()
    predicted[:, 1] -= drift + noise
    size = np.full((3, 1), rounding)
    return ChargeCourse("scale a", ("0",), np.array([0, steps]), values, predicted, np.ones((3, 1)), size, 0.01)


def test_verdicts_follow_what_is_left():
    assert charge_row("a", course(0)).verdict == "holds"
    assert charge_row("a", course(1e-5)).verdict == "nearly"
    broken = charge_row("a", course(0.1))
    assert broken.verdict == "broken" and broken.drift.value == pytest.approx(0.1, rel=1e-5)
    assert broken.in_errors > 1e5 and broken.flow.value == pytest.approx(np.exp(-0.09))
    assert charge_row("a", course(0.1, rounding=1e-4)).verdict.startswith("undecided")
    figure = charges_figure({"a": (course(0.1),)}, {"a": "simple, sgd"})
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 2, 2], "measured, predicted, gradient flow"
    with pytest.raises(InputError, match="no step"):
        charge_row("a", course(0, steps=0))
    pairs = dataclasses.replace(course(0), units=("1 2",))
    assert pairs.single == [] and dataclasses.replace(pairs, units=("2 2",)).single == [0]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["train", "classify", "--module", "net.py:Bent", "--charges"], "no charge of learning is known"),
        (["train", "classify", "--momentum", "0.9"], "--optimiser sgd"),
        (["train", "classify", "--charges", "--soft-equivariance", "flip:auto"], "leave the motion of charges"),
        (["charges", "nothing.h5"], "nothing.h5"),
    ],
)
def test_what_has_no_charges_is_refused_in_one_line(capsys, tmp_path, monkeypatch, words, part):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(BENT)
    assert run([*words, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1 and part in error


def test_a_file_without_charges_says_what_to_do(capsys, tmp_path, in_process):
    train_ensembles({"a": (ClassifierRecipe(epochs=0), FEW)}, (0,), out=tmp_path / "a.h5", engine="loop")
    assert run(["charges", str(tmp_path / "a.h5")]) == 2
    assert "physnn train classify --charges" in capsys.readouterr().err
