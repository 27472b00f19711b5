from __future__ import annotations

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.models.fourier import stability_bound
from physnn.networks.adam import Adam
from physnn.networks.kuramoto import training
from physnn.networks.kuramoto.training import (
    TrainingRecipe,
    drawn_depth,
    learning_rate,
    mean_depth_share,
    train_network,
)
from physnn.store.parts import read_part, write_state

TINY = TrainingRecipe(L=20, steps=3, epochs=3, pairs_per_epoch=8, batch=4, validation_pairs=8, components=4, kernel=3)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


FLOW = {"family": "flow", "depth_spread": 1, "depth_ramp": 0.5, "stability": 0.05}


@pytest.mark.parametrize("changed", [{}, {"broken": True}, FLOW], ids=["symmetric", "broken", "flow"])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, monkeypatch, changed):
    recipe = TrainingRecipe(**TINY.model_dump() | changed)
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
    write_state(tmp_path / "cut.h5", state)
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


def test_recipes_of_the_paper_family_are_written_as_before_there_were_families():
    written = TrainingRecipe().model_dump(mode="json")
    assert not {"family", "stability", "depth_spread", "depth_ramp"} & written.keys()
    assert written["gamma"] == 0.25 and written["steps"] == 15
    assert TrainingRecipe(**written) == TrainingRecipe(family="paper")


def test_flow_has_defaults_of_its_own_which_can_be_changed():
    flow = TrainingRecipe(family="flow")
    assert (flow.gamma, flow.steps) == (0.125, 30)
    assert TrainingRecipe(**flow.model_dump(mode="json")) == flow
    assert TrainingRecipe(family="flow", steps=20).steps == 20


@pytest.mark.parametrize(
    "wrong", [{"depth_spread": 2}, {"depth_ramp": 0.5}, {"stability": 0.5}, {"family": "flow", "depth_spread": 30}]
)
def test_settings_of_the_other_family_are_refused(wrong):
    with pytest.raises(InputError, match=r"family flow|depth spread"):
        TrainingRecipe(**wrong).check()


@pytest.mark.parametrize("broken", [False, True])
def test_flow_stays_stable_at_every_step_and_paper_does_not(tmp_path, monkeypatch, broken):
    bounds = {}
    step = Adam.step
    for family in ("flow", "paper"):
        seen = bounds[family] = []
        shape = {"family": family, "gamma": 0.25, "steps": 3, "lr": 0.3, "broken": broken}
        recipe = TrainingRecipe(
            **TINY.model_dump(exclude=set(shape)) | shape | ({"depth_spread": 1} if family == "flow" else {})
        )

        def watched(self, *args, seen=seen, **kwargs):
            raw = self.weights[1].detach().numpy()
            c = self.weights[4].detach().numpy() if broken else None
            seen.append(stability_bound((raw + raw[:, :, ::-1, ::-1].swapaxes(0, 1)) / 2, c, 0.25, 20))
            return step(self, *args, **kwargs)

        monkeypatch.setattr(Adam, "step", watched)
        train_network(recipe, 0, tmp_path / f"{family}.h5")
    assert max(bounds["flow"]) < 0.9 + 1e-6
    assert max(bounds["paper"]) > 1


def test_depths_of_flow_cover_their_range_and_depend_on_the_batch_only():
    recipe = TrainingRecipe(family="flow", steps=12, depth_spread=2, depth_ramp=0.5, epochs=2)
    depths = [drawn_depth(recipe, 0, 1, batch) for batch in range(200)]
    assert set(depths) == {10, 11, 12, 13, 14}
    assert depths[7] == drawn_depth(recipe, 0, 1, 7)
    growing = [drawn_depth(recipe, 0, 0, batch) for batch in range(recipe.batches_per_epoch)]
    assert np.mean(growing[:20]) < 3
    assert np.mean(growing) == pytest.approx(6.6, abs=0.5)
    assert drawn_depth(TrainingRecipe(), 0, 0, 0) == 15


@pytest.mark.parametrize("ramp", [0.0, 0.5, 1.0])
def test_the_mean_depth_is_that_of_all_batches(ramp):
    recipe = TrainingRecipe(family="flow", steps=30, depth_ramp=ramp, depth_spread=0, epochs=4, pairs_per_epoch=1600)
    every = [drawn_depth(recipe, 0, e, b) for e in range(recipe.epochs) for b in range(recipe.batches_per_epoch)]
    assert np.mean(every) / recipe.steps == pytest.approx(mean_depth_share(recipe), abs=0.01)
