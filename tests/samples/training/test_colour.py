"""Trainings of networks that colour images: interruptions, more seeds, the answer, and the command."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import api
from physnn.answers.training.colour import colour_answers, colour_arrays
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs import stopping
from physnn.networks.colour.bars import bars
from physnn.networks.colour.colouring import ColourTraining
from physnn.networks.colour.pictures import load_pictures
from physnn.samples import files
from physnn.samples.kinds import sample_of
from physnn.samples.training.colour import COLOUR_PAPER, ColourRecipe
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import rerun
from tests.frames import assert_framed

SMALL = {
    "arms": ("raw", "expanded", "longer"),
    "seeds": (0, 1),
    "steps": 2,
    "side": (4,),
    "width": 4,
    "levels": 1,
    "images": 8,
    "test": 1,
    "batch": 2,
    "times": 20,
    "samples": 2,
    "sampling_steps": 3,
    "precision": "float64",
}


def run(out, extend=False, **settings):
    return files.run(api.recipe("train-colour", out, extend, **SMALL | settings), out, extend=extend, jobs=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("colour") / "whole.h5"
    assert run(out) == 6
    return out


def test_a_training_cut_anywhere_continues_bit_for_bit(whole, tmp_path, monkeypatch):
    calls = [0]

    def often(self):
        """Interrupt after every ninth step, and keep the state after every second: some are done again."""
        calls[0] += 1
        if calls[0] % 9 == 0:
            raise KeyboardInterrupt
        return calls[0] % 2 == 0

    monkeypatch.setattr(stopping.Checkpoints, "due", often)
    rerun(lambda: run(tmp_path / "cut.h5"))
    assert calls[0] > 20 and content_digest(tmp_path / "cut.h5") == content_digest(whole)


def test_further_arms_and_seeds_change_nothing(whole, tmp_path):
    out = tmp_path / "parts.h5"
    run(out, arms=("raw", "expanded"), seeds=(1,))
    assert run(out, extend=True) == 4
    assert content_digest(out) == content_digest(whole)
    with pytest.raises(InputError, match="fill"):
        run(out, extend=True, fill=0.0)


def test_the_answer_is_that_of_the_arrays(whole):
    (answer,) = colour_answers(whole)
    assert_framed(answer, len(answer.loss), "side", "arm", "loss", "crps", value=next(iter(answer.crps.values())))
    arrays = colour_arrays(read_sweep(whole))[4]
    assert answer.marks == (2,) and answer.seeds == 2 and set(answer.diverged.values()) == {0}
    assert answer.bars == bars(load_pictures("shapes", 4, 8, 1))
    for k, arm in enumerate(SMALL["arms"]):
        assert answer.loss[arm].value == pytest.approx(arrays["loss"][k, :, -1].mean())
        score = arrays["error"][k, :, -1] - arrays["diversity"][k, :, -1] / 2
        assert answer.crps[arm].value == pytest.approx(score.mean())
    assert {claim.form for claim in answer.claims["loss"]} == set(SMALL["arms"]) - {"raw"}
    assert arrays["samples"].shape == (3, 2, 1, 2, 3, 4, 4) and arrays["samples"].dtype == np.uint8
    assert np.abs(arrays["truth"] / 255 - load_pictures("shapes", 4, 8, 1).test).max() < 0.003
    assert (arrays["grey"][:, 0] == arrays["grey"][:, 2]).all()
    recipe = ColourRecipe(**SMALL).resolved()
    assert recipe.marks_of("longer") == (8,) and recipe.marks_of("expanded") == (2,)
    assert not np.array_equal(arrays["weights"][0], arrays["weights"][1])


def test_longer_is_raw_with_more_steps(whole, tmp_path):
    recipe = ColourRecipe(**SMALL).resolved()
    run(tmp_path / "raw.h5", arms=("raw",), seeds=(0,), steps=recipe.marks_of("longer")[-1])
    own, other = read_sweep(tmp_path / "raw.h5").sizes[4], read_sweep(whole).sizes[4]
    assert np.array_equal(own["weights"].values[0, 0], other["weights"].values[2, 0])


def test_a_training_that_diverges_is_said(tmp_path, monkeypatch):
    usual = ColourTraining.advance

    def wild(self):
        usual(self)
        if self.arm == "expanded" and self.seeds == (1,):
            self.mean.fill_(np.nan)

    monkeypatch.setattr(ColourTraining, "advance", wild)
    run(tmp_path / "wild.h5", arms=("raw", "expanded"), seeds=(0, 1, 2))
    (answer,) = colour_answers(tmp_path / "wild.h5")
    assert answer.diverged == {"raw": 0, "expanded": 1}
    assert {claim.left_out for claim in answer.claims["error"]} == {1}


def test_what_it_costs_is_told_before(capsys, tmp_path):
    recipes = [ColourRecipe(**settings) for settings in (SMALL, COLOUR_PAPER | {"images": 8})]
    costs = [sample_of(r).resources(r.side[0], {"arm": "raw", "seed": (0,)}).operations for r in recipes]
    assert costs[1] > 1e6 * costs[0]
    words = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if isinstance(value, int)]
    words += ["--side", "4", "--seeds", "0", "--arms", "raw", "--device", "cpu", "--dry-run", "--jobs", "1"]
    assert command(["train", "colour", *words, "--out", str(tmp_path / "no.h5")]) == 0
    told = capsys.readouterr()
    assert "core-hours" in told.out and "with --paper about" in told.err and not (tmp_path / "no.h5").exists()


def test_the_command_draws_and_prints(whole, capsys, tmp_path):
    out = tmp_path / "whole.h5"
    out.write_bytes(whole.read_bytes())
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(read_sweep(whole).recipe))
    assert command(["run", str(settings), "--out", str(out), "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert "claims, paired by seed" in told and "ridge" in told and "a smaller score than raw" in told
    assert out.with_suffix(".png").is_file() and (tmp_path / "whole-pictures.png").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--width", "6"), "multiple of 4"),
        (("--side", "18"), "levels"),
        (("--side", "4", "--levels", "1", "--images", "8"), "--batch 16"),
        (("--data", "none"), "there is nothing at none"),
        (("--samples", "1"), "samples"),
        (("--lr", "nan"), "finite"),
        (("--arms", "large"), "large"),
    ],
)
def test_bad_input_is_refused(words, told, capsys, tmp_path):
    assert command(["train", "colour", *words, "--device", "cpu", "--out", str(tmp_path / "no.h5")]) == 2
    assert told in capsys.readouterr().err


def test_images_that_change_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.linspace(0, 1, 12 * 3 * 16, dtype=np.float32).reshape(12, 3, 4, 4))
    recipe = ColourRecipe(**SMALL | {"data": str(tmp_path / "a.npy")}).resolved()
    changed = recipe.model_copy(update={"digests": ("0" * 16,)})
    with pytest.raises(InputError, match="changed while they were in use"):
        sample_of(changed).derived(4, {})
    assert load_pictures(recipe.data, 4, 8, 1).digest == recipe.digests[0]
