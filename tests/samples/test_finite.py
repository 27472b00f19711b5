"""NaN and infinity born in the middle of a sweep are told with their place, and nothing of them is stored."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from physnn import api
from physnn.cli import run as command
from physnn.errors import NotFinite, TasksFailed
from physnn.jobs import stopping
from physnn.networks.kuramoto.lattice import LatticeNetwork
from physnn.networks.kuramoto.training import TrainingRecipe, train_network
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.samples import files
from physnn.samples.base import check_finite
from physnn.samples.equilibrium import work
from physnn.samples.equilibrium.recipe import OrderRecord
from physnn.samples.temperature import work as temperature
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part

pytestmark = pytest.mark.usefixtures("unrendered")

CHAINS = {"L": (8,), "T": [2.1, 2.3], "sweeps": 300, "chains": 1, "algorithm": "metropolis"}
XY = OrderRecord(wave_vectors=(("0", "0"),), vectors=(((1.0, 0.0), (0.0, 1.0)),), T=1.2, L=16)


def attempts(out: Path) -> dict:
    return json.loads((Parts(out).folder / "attempts.json").read_text())


def test_the_first_number_that_is_none_is_named():
    check_finite({"energy": np.zeros(3), "number": np.arange(3)}, "here", "measurement")
    values = np.array([[0.0, 1.0, 2.0, np.inf], [0.0, 1.0, np.nan, 3.0]])
    with pytest.raises(NotFinite, match=r"^m2 is nan at measurement 12 \(here\); what was saved before stays"):
        check_finite({"energy": np.zeros((2, 4)), "m2": values}, "here", "measurement", 10)


def test_a_chain_stops_where_its_energy_is_no_number_and_its_checkpoint_stays(tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.h5", tmp_path / "s.h5"
    files.run(api.recipe("temperature", whole, **CHAINS), whole, jobs=1)
    monkeypatch.setattr(temperature, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    move, made = temperature.advance, 0

    def broken(sampler, model, T, state, count, *rest):
        nonlocal made
        rows = move(sampler, model, T, state, count, *rest)
        made += count * (T == 2.3)
        if made > 200:
            rows.values[-1, 0] = np.nan
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(temperature, "advance", broken)
        with pytest.raises(
            TasksFailed, match=r"1 of 2 tasks failed.*energy is nan at measurement 200 .*T = 2.3"
        ) as told:
            files.run(api.recipe("temperature", out, **CHAINS), out, jobs=1)
    assert "\n" not in str(told.value) and not out.exists()
    parts = [read_part(path) for path in Parts(out).folder.glob("*.h5")]
    assert sorted(len(part["energy"]) for part in parts) == [200, 300]
    assert all(np.isfinite(part["energy"]).all() for part in parts)
    (failed,) = attempts(out)["failed"]
    assert attempts(out)["attempts"] == {failed: 1}, "the same again would come of another attempt"
    files.run(api.recipe("temperature", out, **CHAINS), out, jobs=1)
    assert content_digest(out) == content_digest(whole), "it goes on from the checkpoint"


def test_a_network_whose_output_is_no_number_leaves_no_part(tmp_path, monkeypatch, network_file, capsys):
    out, words = tmp_path / "s.h5", ["sweep-noise", "--L", "20", "24", "--eta", "0", "0.1", "0.2", "0.3"]
    words += [
        "--images",
        "4",
        "--networks",
        str(network_file),
        "--jobs",
        "1",
        "--quiet",
        "--no-memory",
        "--out",
        str(out),
    ]
    step = LatticeNetwork.evolve

    def broken(self, inputs, steps, keys, eta, *rest):
        x = step(self, inputs, steps, keys, eta, *rest)
        if eta == 0.2 and inputs.shape[-1] == 24:
            x[1, 5, 5, 0] = math.inf
        return x

    with monkeypatch.context() as patch:
        patch.setattr(LatticeNetwork, "evolve", broken)
        assert command(words) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "2 of 16 tasks failed" in error
    assert "rmse is inf at image 1 (network" in error and "L = 24, eta = 0.2, 4 steps" in error
    assert not out.exists() and len(list(Parts(out).folder.glob("*.h5"))) == 14
    assert command(words) == 0


@pytest.mark.parametrize("dropped", [0, 60])
def test_vectors_stop_before_a_state_that_is_no_number_is_saved(tmp_path, monkeypatch, dropped):
    out = tmp_path / "s.h5"
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(work.EquilibriumSample, "_block", lambda sample, size: 10)
    settings = {"L": (4,), "T": (0.9,), "model": ("xy",), "sweeps": 40, "thermalisation": dropped, "interval": 2}
    recipe = api.recipe("equilibrium", out, **settings, order=XY, chains=2)
    move = work.Langevin.advance

    def broken(self, model, T, state, count, *rest, **options):
        rows = move(self, model, T, state, count, *rest, **options)
        if state.step >= 30 * moves:
            state.x[1, 2, 2, 0] = np.nan
        return rows

    moves = recipe.moves(4)
    monkeypatch.setattr(work.Langevin, "advance", broken)
    with pytest.raises(TasksFailed, match="a component of the state is nan at measurement"):
        files.run(recipe, out, jobs=1)
    (kept,) = [read_part(path) for path in Parts(out).folder.glob("*.h5")]
    assert int(kept["done"]) == 20 - dropped
    assert np.isfinite(kept["state_x"]).all()


def test_a_training_that_diverges_is_named_and_goes_on_from_what_was_saved(tmp_path, monkeypatch):
    recipe = TrainingRecipe(
        L=20, steps=3, epochs=3, pairs_per_epoch=16, batch=4, validation_pairs=8, components=4, kernel=3
    )
    whole, part = train_network(recipe, 0, tmp_path / "whole.h5"), tmp_path / "n.h5"
    pairs, drawn = Transmogrifier.pairs, []

    def broken(self, generator, count):
        inputs, *rest = pairs(self, generator, count)
        drawn.append(count)
        if len(drawn) == 7:
            inputs[1, 5, 5] = math.nan
        return inputs, *rest

    with monkeypatch.context() as patch:
        patch.setattr(Transmogrifier, "pairs", broken)
        with pytest.raises(
            NotFinite, match=r"loss is nan .*batch 2 of epoch 1 \(seed 0\); what was saved before stays"
        ):
            train_network(recipe, 0, part)
    kept = read_part(part)
    assert int(kept["epoch"]) == 1 and np.isfinite(kept["coupling"]).all()
    again = train_network(recipe, 0, part)
    assert all(np.array_equal(again[name], whole[name]) for name in whole), "it goes on from the checkpoint"
