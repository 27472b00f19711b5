"""Couplings that turns and reflections leave as they are: exact, in both engines, before and after training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.representations import POINT_GROUPS, PointGroup
from physnn.networks.kuramoto.lattice import symmetric_coupling
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.training import TrainingRecipe, start_training, train_batch
from physnn.networks.symmetry.layers import move_pixels
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.samples.named import load_model
from physnn.store.network_file import write_networks

STEPS = 6


def network(point: str, **shape) -> KuramotoNetwork:
    architecture = Architecture(6, 3, point_group=point, **shape)
    weights = initial_weights(architecture, rng.stream(0, "weights"), 0.3)
    weights["coupling"] *= 4
    return KuramotoNetwork(architecture, weights)


def farthest(net: KuramotoNetwork, point: str) -> float:
    """Largest deviation of a state from that of an image which an element acted on."""
    images = torch.from_numpy(Transmogrifier(20).pairs(rng.stream(0, "synthetic", "images"), 2)[0])
    with torch.no_grad():
        here = net.evolve(images, STEPS)
        moved = [
            (net.evolve(move_pixels(point, g, images), STEPS) - move_pixels(point, g, here)).abs().max()
            for g in range(len(PointGroup(point).matrices))
        ]
    return float(max(moved))


@pytest.mark.parametrize("shape", [{}, {"symmetry": "U1"}, {"layers": 2}])
@pytest.mark.parametrize("point", ["d1", "c4", "d4"])
def test_couplings_have_their_symmetry_to_the_last_bit(point, shape):
    net = network(point, **shape)
    J = net.symmetric_coupling().detach()
    for g in range(len(PointGroup(point).matrices)):
        assert torch.equal(move_pixels(point, g, J), J)
    assert torch.equal(J, J.flip(-2, -1).transpose(-4, -3))
    if "layers" not in shape:
        raw = net.get_parameter("coupling").detach().numpy()
        assert np.array_equal(symmetric_coupling(raw, net.architecture), J.numpy())


def test_states_move_with_images_before_and_after_training():
    recipe = TrainingRecipe(L=20, steps=STEPS, batch=4, lr=0.05, components=6, kernel=3, point_group="d4")
    _, net, optimiser = start_training(recipe, 0, {}, "cpu")
    before = net.arrays()["coupling"].copy()
    assert farthest(net, "d4") < 1e-4
    for batch in range(3):
        train_batch(recipe, 0, 0, batch, net, optimiser)
    assert np.abs(net.arrays()["coupling"] - before).max() > 1e-3
    assert farthest(net, "d4") < 1e-4
    # Turns alone give a kernel of 3 x 3 all reflections: its orbits are the same.
    assert farthest(network("c4"), "d4") < 1e-4
    assert farthest(network("c1"), "d4") > 0.1 and farthest(network("d2"), "d4") > 0.1


def test_couplings_begin_with_the_variance_that_they_have_without():
    # Of offsets apart from the centre, whose symmetric part differs: J(r) = J(-r) here.
    sizes = [
        np.var(KuramotoNetwork(a, initial_weights(a, rng.stream(1, "weights"), 0.3)).get_parameter("coupling").tolist())
        for a in (Architecture(point_group=point) for point in ("c1", "d4"))
    ]
    means = np.var(network_mean(Architecture(point_group="d4")))
    assert means == pytest.approx(sizes[0], rel=0.1) and sizes[1] > 2 * sizes[0]


def network_mean(architecture: Architecture) -> np.ndarray:
    """Means over orbits of untrained couplings, before channels are exchanged."""
    raw = initial_weights(architecture, rng.stream(1, "weights"), 0.3)["coupling"]
    images, number = architecture.orbits
    return raw.reshape(*raw.shape[:2], -1)[..., images].mean(2)[..., number]


def test_usual_architectures_are_written_as_before_and_unknown_groups_are_refused():
    assert "point_group" not in Architecture().plain()
    assert "point_group" not in TrainingRecipe().model_dump(mode="json")
    for point in POINT_GROUPS:
        assert Architecture(**Architecture(point_group=point).plain()).point_group == point
    with pytest.raises(InputError, match="no point group 'd3'"):
        Architecture(point_group="d3")


@pytest.mark.parametrize("shape", [{"point_group": "d4"}, {"symmetry": "U1"}, {}])
def test_equilibrium_is_that_of_the_coupling_in_use(tmp_path, shape):
    architecture = Architecture(6, 3, **shape)
    weights = initial_weights(architecture, rng.stream(0, "weights"), 0.3)
    measured = {"loss": np.zeros(1), "validation_rmse": np.array(0.0)}
    recipe = TrainingRecipe(components=6, kernel=3, epochs=1, **shape).model_dump(mode="json")
    write_networks(tmp_path / "n.h5", architecture.plain(), recipe, [0], [weights | measured])
    J = load_model(("network", str(tmp_path / "n.h5"))).coupling
    assert np.array_equal(J, KuramotoNetwork(architecture, weights).symmetric_coupling().detach().numpy())
    plain = KuramotoNetwork(Architecture(6, 3), weights).symmetric_coupling().detach().numpy()
    assert np.array_equal(J, plain) == (not shape)
