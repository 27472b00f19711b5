"""Chains that share a GPU: as if each were alone, and continued where they were left."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import api, rng
from physnn.errors import InputError, Unfinished
from physnn.jobs.stopping import Stopped
from physnn.kernels import gpu
from physnn.models import Ising
from physnn.samplers import advance, start
from physnn.samplers.multispin import MultispinGpu, advance_together
from physnn.samples import files
from physnn.samples.sample import work
from physnn.samples.tasks import Batch
from physnn.samples.temperature import work as temperature
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part
from physnn.store.sweep_file import read_sweep

try:
    PLACE = gpu.place()
except (InputError, Unfinished) as missing:
    pytest.skip(f"{missing}; TRITON_INTERPRET=1 runs it without", allow_module_level=True)


def states(shape: tuple[int, int], T: float, count: int) -> list:
    sampler = MultispinGpu()
    return [start(sampler, Ising(), shape, T, rng.seed_sequence(0, "chain", "together", k)) for k in range(count)]


def test_side_by_side_is_as_alone():
    sampler, model, T = MultispinGpu(), Ising(), (2.2, 3.0)
    together, alone = states((4, 64), 2.2, 2), states((4, 64), 2.2, 2)
    found = advance_together(sampler, model, T, together, 2, 1, 2)
    for k in range(2):
        rows = advance(sampler, model, T[k], alone[k], 2, 1, 2)
        assert np.array_equal(rows.values, found[k].values) and np.array_equal(rows.snapshots, found[k].snapshots)
        assert np.array_equal(alone[k].colours, together[k].colours)
        assert np.array_equal(alone[k].generator, together[k].generator)
    alone[0].generator[1] += 1
    with pytest.raises(InputError, match="the same sweeps"):
        advance_together(sampler, model, T, alone, 1)


def recipe(out, sweeps, thermalisation):
    settings = {"L": (64,), "T": [2.4, 3.0], "chains": 1, "algorithm": "multispin-gpu"}
    return api.recipe("temperature", out, **settings, sweeps=sweeps, thermalisation=thermalisation)


@pytest.fixture
def short(monkeypatch):
    """One sweep between measurements: the interpreter is slow."""
    for sampler in (temperature.GPU_SAMPLERS["multispin-gpu"],):
        monkeypatch.setattr(type(sampler), "interval", 1)


def test_a_sweep_in_batches_has_the_data_of_its_chains(tmp_path, monkeypatch, short):
    out = tmp_path / "s.h5"
    assert files.run(recipe(out, 1, 1), out) == 2
    sample = temperature.TemperatureSample(recipe(out, 1, 1))
    for t, task in enumerate(sorted(sample.tasks(), key=lambda task: (task["T"], task["chain"]))):
        work(task, path := tmp_path / f"{task.key}.h5", {"sample": sample})
        energy = read_sweep(out).sizes[64]["energy"].values
        assert np.array_equal(read_part(path)["energy"], energy[t, 0])
    whole = content_digest(out)
    monkeypatch.setattr(temperature, "SITES", 64**2)  # one lattice a batch
    assert files.run(recipe(out, 1, 1), again := tmp_path / "again.h5", jobs=1) == 2
    assert content_digest(again) == whole


def test_chains_left_at_different_places_catch_up(tmp_path, monkeypatch, short):
    whole, out = tmp_path / "whole.h5", tmp_path / "s.h5"
    files.run(recipe(whole, 3, 0), whole)
    asked = iter([True, False])

    class Stopping:
        def due(self) -> bool:
            if next(asked, False):
                return True
            raise Stopped("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("physnn.samples.tasks.Checkpoints", Stopping)
        patch.setattr(temperature, "BLOCK", 1)
        patch.setattr(temperature, "TOGETHER_SECONDS", 0.0)
        with pytest.raises(Unfinished):
            files.run(recipe(out, 3, 0), out)
    kept = sorted(Parts(out).folder.glob("*.h5"))
    assert len(kept) == 2 and all(len(read_part(path)["energy"]) == 1 for path in kept)
    kept[0].unlink()
    sample = temperature.TemperatureSample(recipe(out, 3, 0))
    (batch,) = sample.batched(sample.tasks())
    assert isinstance(batch, Batch) and len(batch.tasks) == 2
    files.run(recipe(out, 3, 0), out)
    assert content_digest(out) == content_digest(whole)
