"""Brute force in parts: its sum, and going on from a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.answers.describe import describe
from physnn.errors import InputError, Unfinished
from physnn.exact.signs.brute import brute_force
from physnn.jobs.stopping import Stopped
from physnn.samples import files
from physnn.samples.cost import plan
from physnn.samples.landscape import brute_force as brute_force_module
from physnn.samples.landscape.brute_force import SignCountSample, counted_signs
from physnn.samples.landscape.recipe import SignCount
from physnn.samples.tasks import Checkpoint

RECIPE = SignCount(layers=(1, 3, 3, 2, 1), points=8)


def same(found):
    whole = brute_force(RECIPE.network, RECIPE.problem)
    return found.levels.tolist() == whole.levels.tolist() and found.counts.tolist() == whole.counts.tolist()


def test_a_count_is_stopped_and_goes_on(tmp_path):
    path = tmp_path / "c.h5"

    def stop(done: float, total: float, text: str) -> None:
        if done > 4 * total / 16:
            raise Unfinished("stopped")

    with pytest.raises(Unfinished):
        files.run(RECIPE, path, jobs=1, progress=stop)
    assert 0 < files.missing(path) < 16
    with pytest.raises(InputError, match="another recipe"):
        files.run(RECIPE.model_copy(update={"points": 9}), path, jobs=1)
    left = files.missing(path)
    assert files.run(RECIPE, path, jobs=1) == left
    assert same(counted_signs(path))
    assert files.run(RECIPE, path, jobs=1) == 0
    facts = describe(path)
    assert "count[" in str(facts["sizes"]) and "observables" not in facts and facts["recipe"]["kind"] == "landscape"


def test_a_part_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(brute_force_module, "LEAST_PARTS", 1)
    sample, path = SignCountSample(RECIPE.model_copy(update={"points": 64})), tmp_path / "part.h5"
    (task,) = sample.tasks()
    whole = sample.run(task, Checkpoint(None))

    class Halting(Checkpoint):
        calls = 0

        def due(self):
            self.calls += 1
            if self.calls == 2:
                raise Stopped("stopped")
            return True

    with pytest.raises(Stopped):
        sample.run(task, Halting(path))
    kept = Checkpoint(path)
    assert kept.arrays is not None and 0 < kept.arrays["counts"].sum() < 2**20
    again = sample.run(task, kept)
    assert all(np.array_equal(again[name], whole[name]) for name in whole)


def test_a_network_without_hidden_units_is_one_part(tmp_path):
    recipe = RECIPE.model_copy(update={"layers": (1, 1), "constant": 0.3})
    assert files.run(recipe, tmp_path / "c.h5", jobs=1) == 1
    assert counted_signs(tmp_path / "c.h5").counts.tolist() == [1, 1, 1, 1]


def test_the_cost_is_known_before():
    found = plan(RECIPE, 2)
    assert found["rows"][0]["tasks"] == 16 and 0 < found["seconds"] < 60
