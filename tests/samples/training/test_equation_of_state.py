"""Trainings on the equation of state: the law, interruptions, workers, and the command."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn.answers.training.equation_of_state import state_answer
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.frames import assert_framed
from tests.samples.training.both import check_cut, check_law, train

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"arms": ("raw", "expanded", "law", "init"), "seeds": (0, 1), "steps": 20, "constants": (2.0, -1.0)}


def run(out, extend=False, jobs=1, **settings):
    return train("train-eos", SMALL | settings, out, extend, jobs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("eos") / "whole.h5"
    assert run(out) == 4
    return out


def test_constants_are_another_bias(whole):
    group = read_sweep(whole).sizes[32]
    loss = check_law(group, SMALL["arms"])
    assert loss["expanded"].shape == (2, 2)
    assert (loss["raw"][:, -1] < loss["raw"][:, 0]).all()
    # The speed of sound is that of differences of the stored pressure and energy.
    T, p, e = group["temperature"].values, group["p"].values, group["e"].values
    steps = np.diff(p * T**4) / np.diff(e * T**4)
    middle = (group["cs2"].values[..., 1:] + group["cs2"].values[..., :-1]) / 2
    assert np.abs(steps / middle - 1).max() < 1e-3


def test_a_training_cut_anywhere_continues_bit_for_bit(whole, tmp_path, monkeypatch):
    check_cut("train-eos", SMALL, whole, tmp_path / "cut.h5", monkeypatch, calls=80)


def test_workers_and_further_arms_change_nothing(whole, tmp_path, workers):
    out = tmp_path / "parts.h5"
    run(out, jobs=workers, arms=("raw", "expanded"))
    assert run(out, extend=True, arms=("law", "init")) == 2
    assert content_digest(out) == content_digest(whole)
    with pytest.raises(InputError, match="steps 20, now 21"):
        run(out, extend=True, steps=21)


def test_the_command_prints_claims_and_draws(whole, capsys, tmp_path, rendered):
    settings = ["--steps", "20", "--arms", "raw", "expanded", "law", "--seeds", "0", "1", "--jobs", "1"]
    assert command(["train", "eos", *settings, "--json", "--out", str(tmp_path / "a.h5")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [c["mark"] for c in answer["claims"]] == [10, 20] and (tmp_path / "a.png").stat().st_size > 10_000
    assert {c.form for c in state_answer(whole).claims} == {"expanded"}
    assert_framed(state_answer(whole), 4, "arm", "loss", "chi2", "bag")
    assert command(["show", str(whole)]) == 0
    assert "weights[4, 2, " in capsys.readouterr().out
    for wrong, words in (
        (["--arms", "none"], "not one of"),
        (["--lr", "20"], "less than or equal to 10"),
        (["--constants", "nan"], "constants"),
        (["--device", "cuda"], "run on the CPU"),
    ):
        assert command(["train", "eos", *wrong, "--out", str(tmp_path / "b.h5")]) == 2
        assert words in capsys.readouterr().err
