from __future__ import annotations

import numpy as np
import pytest

import physnn
from physnn import api
from physnn.errors import InputError
from physnn.store.hdf5 import content_digest
from physnn.store.network_file import read_networks

TINY = {"L": 20, "steps": 2, "epochs": 2, "pairs_per_epoch": 8, "batch": 4, "validation_pairs": 8}


def test_an_ensemble_is_its_seeds_however_it_is_trained(tmp_path, workers):
    seen = []
    alone = physnn.train_kuramoto((1,), out=tmp_path / "one.h5", jobs=1, **TINY)  # leaves workers compiled code
    together = physnn.train_kuramoto(
        (0, 1), out=tmp_path / "two.h5", jobs=workers, progress=lambda d, t, _: seen.append(d / t), **TINY
    )
    two, one = read_networks(together), read_networks(alone)
    assert two.ids[1] == one.ids[0]
    assert np.array_equal(two.loss[1], one.loss[0])
    assert two.loss.shape == (2, 2) and two.recipe["steps"] == 2 and two.recipe["kind"] == "train-kuramoto"
    assert seen[-1] == 1 and seen == sorted(seen)
    before = content_digest(together)
    physnn.train_kuramoto((0, 1), out=together, **TINY)
    assert content_digest(together) == before
    with pytest.raises(InputError, match="another recipe"):
        physnn.train_kuramoto((0, 2), out=together, **TINY)


def test_a_broken_ensemble_can_be_swept(tmp_path):
    out = physnn.train_kuramoto((4,), out=tmp_path / "b.h5", jobs=1, broken=True, **TINY)
    tree = api.sweep_noise([20], networks=[str(out)], eta=[0.0, 0.2], images=2)
    assert tree["L20"]["rmse"].shape == (2, 1, 2)


def test_wrong_settings_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="unknown setting 'epoch'"):
        physnn.train_kuramoto((0,), out=tmp_path / "x.h5", epoch=3)
    with pytest.raises(InputError, match="odd"):
        physnn.train_kuramoto((0,), out=tmp_path / "x.h5", kernel=4)
    assert list(tmp_path.iterdir()) == []
