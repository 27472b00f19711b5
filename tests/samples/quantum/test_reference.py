from __future__ import annotations

import json
import re

import numpy as np
import pytest

import physnn.answers.fit
from physnn import api
from physnn.cli import run as command
from physnn.jobs import stopping
from physnn.samples import files
from physnn.samples.quantum import reference
from physnn.samples.quantum.reference_recipe import PathIntegral
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"h": (0.8, 1.3), "sweeps": 20, "thermalisation": 5, "chains": 2}


def run(out, L=(3, 4), extend=False, jobs=1, **settings):
    return files.run(api.recipe("path-integral", out, extend, L=L, **settings), out, extend=extend, jobs=jobs)


def test_the_library_gives_the_numbers_of_the_command(tmp_path):
    one = tmp_path / "one.h5"
    assert run(one, **SMALL) == 2 * 2 * 2
    group = read_sweep(one).sizes[4]
    assert group["energy"].dims == ("h", "chain", "measurement") and group["energy"].attrs["sites"] == 4
    assert group["energy"].attrs["beta"] == 24.0
    assert group["correlation"].values.shape == (2, 2, 3) and np.all(group["correlation"].values[..., 0] == 1)
    assert np.all(group["state_pairs"].values[..., -1] == 20), "updates before the first measurement are not counted"
    whole = api.sweep("path-integral", L=(3, 4), **SMALL)["L4"]
    assert np.array_equal(whole["energy"].values, group["energy"].values)
    assert not np.array_equal(*group["energy"].values.transpose(1, 0, 2)), "equal seeds would give equal chains"


def test_extending_equals_running_at_once(tmp_path):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    run(parts, L=(4,), **SMALL | {"h": (0.8,), "sweeps": 7, "chains": 1})
    run(parts, L=(4,), extend=True, sweeps=20)
    assert run(parts, L=(4,), extend=True, h=(1.3,), chains=2) == 3
    assert run(parts, L=(3,), extend=True) == 4
    run(whole, **SMALL)
    assert content_digest(parts) == content_digest(whole)


def test_measurements_are_means_over_updates(tmp_path):
    settings = SMALL | {"L": (4,), "h": (1.0,), "chains": 1, "beta": 2.0, "slopes": True}
    each = api.sweep("path-integral", **settings | {"sweeps": 24})["L4"]
    # A volume of 3 updates: 4 sites, beta = 2.
    run(tmp_path / "means.h5", **settings | {"sweeps": 5, "volume": 24.0})
    run(tmp_path / "means.h5", L=(4,), extend=True, sweeps=8)
    means = read_sweep(tmp_path / "means.h5").sizes[4]
    for name in ("energy", "m2_improved", "s_space_kinks"):
        assert np.allclose(means[name].values, each[name].values.reshape(1, 1, 8, 3).mean(3), rtol=1e-12)
    assert np.array_equal(means["m"].values, each["m"].values[:, :, 2::3])
    assert "kinks" not in api.sweep("path-integral", L=(3,), **SMALL)["L3"]


def test_a_chain_cut_anywhere_continues_bit_for_bit(tmp_path, monkeypatch):
    settings = SMALL | {"L": (4,), "h": (1.0,), "chains": 1, "dimension": 2, "open": True}
    run(tmp_path / "whole.h5", **settings)
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(reference, "MOVE_SECONDS", 0.0)
    calls = interrupt(monkeypatch, reference, "move_lines", 4)
    rerun(lambda: run(tmp_path / "cut.h5", **settings))
    assert 25 < calls[0] < 40, "what was done is not done again"
    assert content_digest(tmp_path / "cut.h5") == content_digest(tmp_path / "whole.h5")


def test_fields_and_temperatures_follow_the_size():
    recipe = PathIntegral(L=(8, 32)).resolved()
    assert np.allclose(recipe.fields(32), 1 + np.linspace(-1, 1, 9) / 32) and recipe.inverse_temperature(32) == 192
    square = PathIntegral(dimension=2, L=(8,)).resolved()
    assert np.isclose(np.mean(square.fields(8)), 3.044) and square.inverse_temperature(8) == 16
    assert PathIntegral(beta=2.5).resolved().inverse_temperature(8) == 2.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--L 1", ">= 2"),
        ("--h 0", "h, value 1: input should be greater than 0"),
        ("--beta 2 --beta-per-L 3", "exclude each other"),
        ("--window 9", "below h = 0 at L = 8"),
        ("--L 32768 --dimension 2 --h 3", "more than 1e\\+09 kinks at L = 32768"),
        ("--observable rmse", "binder_time"),
        ("--device cuda", "on the CPU"),
    ],
)
def test_what_cannot_be_sampled_is_said(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(["path-integral", *words.split()]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_the_command_samples_and_fits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["path-integral", "--L", "4", "8", "--sweeps", "300", "--points", "5", "--beta-per-L", "1", "--chains", "2"]
    assert command([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["file_megabytes"] > 0.1
    assert command([*words, "--jobs", "1", "--quiet", "--json"]) in (0, 3)
    found = json.loads(capsys.readouterr().out)
    assert found["tasks_run"] == 20 and (tmp_path / "path-integral.png").is_file()
    for observable in ("binder_time", "xi_time", "xi_space"):
        # The ordered side is the one of small fields.
        y = physnn.answers.fit.curves("path-integral.h5", observable, resamples=20).y[8]
        assert y[0] > y[-1] > 0
