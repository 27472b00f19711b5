from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.networks.kuramoto.drawn_coupling import SoftCoupling, coupling_orbits
from physnn.networks.kuramoto.network import KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.kuramoto.training import train_network

SMALL = TrainingRecipe(
    **{"L": 11, "radius": 2, "steps": 2, "components": 2, "kernel": 3, "epochs": 2, "pairs_per_epoch": 40, "batch": 4},
    validation_pairs=4,
    soft_equivariance=("flip:auto", "rotation:5", "translation:auto"),
)


def network_of(recipe: TrainingRecipe) -> KuramotoNetwork:
    return KuramotoNetwork(recipe.architecture, initial_weights(recipe.architecture, rng.stream(3, "weights"), 0.3))


def test_projected_couplings_are_those_of_the_point_group():
    recipe = SMALL.model_copy(update={"components": 4, "kernel": 5, "soft_equivariance": ("rotation:auto",)})
    network, orbits = network_of(recipe), coupling_orbits(recipe)
    raw = network.get_parameter("coupling").detach().numpy().copy()
    turned = recipe.model_copy(update={"point_group": "c4"}).architecture
    assert np.allclose(orbits.projected(raw.reshape(1, -1), 0).reshape(raw.shape), turned.averaged(raw), atol=1e-6)
    SoftCoupling.of(recipe, network, {})
    now = network.symmetric_coupling().detach().numpy()
    assert np.allclose(now, turned.averaged(now), atol=1e-6) and not np.allclose(raw, turned.averaged(raw), atol=1e-2)


def test_layers_of_their_own_have_strengths_of_their_own():
    recipe = SMALL.model_copy(update={"layers": "unshared"})
    orbits = coupling_orbits(recipe)
    assert orbits.layers == ("step 1", "step 2") and orbits.deviating.shape == (3, 2)
    assert (orbits.deviating[2] == 0).all() and (orbits.deviating[:2] > 0).all()


def test_a_killed_training_goes_on_to_the_same_strengths(tmp_path):
    whole = train_network(SMALL, 1, tmp_path / "whole.h5")
    assert whole["soft_strength"].shape == whole["soft_deviation"].shape == (2, 3, 1)
    assert (whole["soft_strength"][:, 1] == 5).all() and whole["soft_cost"].shape == (3,)
    assert whole["soft_strength"][0, 0, 0] != whole["soft_strength"][1, 0, 0], "tuned, from 8 batches each"
    assert (whole["soft_deviation"][:, 2] == 0).all() and (whole["soft_deviation"][:, 1] > 1e-3).all()

    class Killed(Exception):
        pass

    seen = []

    def due() -> bool:
        seen.append(0)
        if len(seen) == 14:  # four batches into the second epoch, six heard since the last update
            raise Killed
        return len(seen) == 13

    with pytest.raises(Killed):
        train_network(SMALL, 1, tmp_path / "cut.h5", due=due)
    again = train_network(SMALL, 1, tmp_path / "cut.h5")
    assert set(again) == set(whole) and all(np.array_equal(again[name], whole[name]) for name in whole)


def test_a_coupling_without_symmetries_trains_as_before(tmp_path):
    plain = train_network(SMALL.model_copy(update={"soft_equivariance": ()}), 1, tmp_path / "plain.h5")
    none = train_network(SMALL.model_copy(update={"soft_equivariance": ("flip:0",)}), 1, tmp_path / "none.h5")
    assert not any(name.startswith("soft_") for name in plain)
    assert all(np.array_equal(none[name], values) for name, values in plain.items())
