from __future__ import annotations

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.networks import training
from physnn.networks.training import TrainingRecipe, learning_rate, train_network
from physnn.store.parts import read_part

TINY = TrainingRecipe(L=20, steps=3, epochs=3, pairs_per_epoch=8, batch=4, validation_pairs=8, components=4, kernel=3)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("broken", [False, True])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, monkeypatch, broken):
    recipe = TINY.model_copy(update={"broken": broken})
    whole = train_network(recipe, 5, tmp_path / "whole.h5")
    write = training.write_part
    for epoch in (1, 2):

        def stop(path, state, epoch=epoch, **options):
            write(path, state, **options)
            if state["epoch"] == epoch:
                raise KeyboardInterrupt

        monkeypatch.setattr(training, "write_part", stop)
        with pytest.raises(KeyboardInterrupt):
            train_network(recipe, 5, tmp_path / "cut.h5")
    monkeypatch.setattr(training, "write_part", write)
    assert equal(whole, train_network(recipe, 5, tmp_path / "cut.h5"))
    assert equal(read_part(tmp_path / "whole.h5"), read_part(tmp_path / "cut.h5"))
    assert equal(whole, train_network(recipe, 5, tmp_path / "cut.h5")), "a finished training is returned as it is"


def test_forgetting_the_optimisers_state_would_be_seen(tmp_path, monkeypatch):
    whole = train_network(TINY, 5, tmp_path / "whole.h5")
    train_network(TINY.model_copy(update={"epochs": 3}), 5, tmp_path / "cut.h5")
    state = read_part(tmp_path / "whole.h5")
    state |= {"epoch": np.array(1), "unfinished": np.array(2)}
    training.write_part(tmp_path / "cut.h5", state)
    assert not equal(whole, train_network(TINY, 5, tmp_path / "cut.h5"))


def test_seeds_make_different_networks_and_losses_fall(tmp_path):
    recipe = TINY.model_copy(update={"epochs": 6, "pairs_per_epoch": 64, "lr": 5e-3})
    first, second = (train_network(recipe, seed, tmp_path / f"{seed}.h5") for seed in (0, 1))
    assert not np.array_equal(first["coupling"], second["coupling"])
    for trained in (first, second):
        assert trained["loss"].shape == (6,)
        assert trained["loss"][-1] < trained["loss"][0]
        assert 0 < trained["validation_rmse"] < 1


def test_the_learning_rate_goes_up_and_down_once():
    n = TINY.epochs * TINY.batches_per_epoch
    recipe = TINY.model_copy(update={"epochs": 100})
    rates = [learning_rate(recipe, k) for k in range(100 * recipe.batches_per_epoch)]
    assert max(rates) == pytest.approx(recipe.lr, rel=1e-3)
    assert rates[0] == pytest.approx(recipe.lr / 25)
    assert rates[-1] < recipe.lr / 1e3
    assert (np.diff(np.sign(np.diff(rates))) != 0).sum() == 1
    assert n == 6


def test_images_too_small_for_the_shapes_are_refused():
    with pytest.raises(InputError, match="too small"):
        TINY.model_copy(update={"L": 10}).check()


def test_a_kernel_wider_than_the_image_is_refused():
    with pytest.raises(InputError, match="too large for L = 20"):
        TINY.model_copy(update={"kernel": 21}).check()
    TINY.model_copy(update={"kernel": 19}).check()
