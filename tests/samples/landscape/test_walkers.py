"""Walkers as tasks: the numbers of the threads, and going on from a checkpoint to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.exact.signs.sampling import sample_landscape
from physnn.jobs.stopping import Stopped
from physnn.samples import files
from physnn.samples.landscape.recipe import SignSampling
from physnn.samples.landscape.walkers import SignSamplingSample, sampled_signs
from physnn.samples.tasks import Checkpoint

RECIPE = SignSampling(layers=(1, 2, 2, 1), points=8, walkers=2, moves=25_000)


def test_walkers_of_a_file_are_those_of_threads(tmp_path):
    files.run(RECIPE, tmp_path / "w.h5", jobs=1)
    whole = sample_landscape(RECIPE.network, RECIPE.problem, walkers=2, moves=25_000, measured=25_000)
    assert sampled_signs(tmp_path / "w.h5").as_json() == whole.as_json()


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_walker_goes_on_to_the_last_bit(tmp_path, after):
    sample, path = SignSamplingSample(RECIPE), tmp_path / "w.h5"
    task = sample.tasks()[1]
    whole = sample.run(task, Checkpoint(None))

    class Halting(Checkpoint):
        calls = 0

        def due(self):
            self.calls += 1
            if self.calls > after:
                raise Stopped("stopped")
            return self.calls == after

    with pytest.raises(Stopped):
        sample.run(task, Halting(path))
    again = sample.run(task, Checkpoint(path))
    assert all(np.array_equal(again[name], whole[name]) for name in whole)
