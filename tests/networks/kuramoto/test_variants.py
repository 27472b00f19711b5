"""Layers with couplings of their own, and the symmetry U(1) of a plane."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.models.fourier import stability_bound, winding_numbers
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights, turned
from physnn.networks.kuramoto.relaxation import Relaxation, relax
from physnn.networks.kuramoto.training import (
    TrainingRecipe,
    limit_stability,
    start_training,
    train_batch,
    train_network,
)
from physnn.networks.tasks.transmogrifier import Transmogrifier

SMALL = {"components": 6, "kernel": 3}
VARIANTS = {
    "unshared": {"layers": 6},
    "unshared, broken": {"layers": 6, "broken": True},
    "U1": {"symmetry": "U1"},
    "both": {"symmetry": "U1", "layers": 6},
}


def network(gain: float = 4.0, **shape) -> KuramotoNetwork:
    architecture = Architecture(**SMALL | shape)
    weights = initial_weights(architecture, rng.stream(0, "weights"), 0.3)
    weights["coupling"] *= gain
    return KuramotoNetwork(architecture, weights)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(Transmogrifier(20).pairs(rng.stream(0, "synthetic", "images"), 3)[0])


def rotated(x: torch.Tensor, angle: float) -> torch.Tensor:
    return math.cos(angle) * x + math.sin(angle) * turned(x)


def broken_equivariance(net: KuramotoNetwork, images: torch.Tensor, steps: int = 6) -> float:
    """How far raising all pixels, which turns x(0), is from turning x(T); the largest component of any site."""
    with torch.no_grad():
        apart = [
            (net.evolve(images + angle / math.pi, steps) - rotated(net.evolve(images, steps), angle)).abs().max().item()
            for angle in (0.3, math.pi / 2, 2.0)
        ]
    return max(apart)


@pytest.mark.parametrize("layers", [0, 6])
def test_couplings_commute_with_the_rotation_to_the_last_bit(layers):
    J = network(symmetry="U1", layers=layers).symmetric_coupling().detach()
    J = J.reshape(-1, 6, 6, 3, 3)
    assert torch.equal(J, J.flip(3, 4).transpose(1, 2))
    # R J and J R: the rotation acts on the first or on the second of the components.
    left = torch.stack([turned(one[None])[0] for one in J.transpose(1, 2).flatten(0, 1)])
    right = torch.stack([-turned(one[None])[0] for one in J.flatten(0, 1)])
    assert left.shape == right.shape == (len(J) * 6, 6, 3, 3)
    left = left.view(len(J), 6, 6, 3, 3).transpose(1, 2)
    assert torch.equal(left, right.view(len(J), 6, 6, 3, 3))
    plain = network(layers=layers).symmetric_coupling().detach()
    assert (plain - J.view(plain.shape)).abs().max() > 0.1


@pytest.mark.parametrize("layers", [0, 6])
def test_turning_the_input_turns_the_state_before_and_after_training(images, layers):
    net = network(symmetry="U1", layers=layers)
    assert broken_equivariance(net, images) < 1e-4
    shared = "unshared" if layers else "shared"
    recipe = TrainingRecipe(L=20, steps=6, batch=4, lr=0.05, symmetry="U1", layers=shared, **SMALL)
    _, trained, optimiser = start_training(recipe, 0, {}, "cpu")
    before = trained.arrays()["coupling"].copy()
    for batch in range(4):
        train_batch(recipe, 0, 0, batch, trained, optimiser)
    assert np.abs(trained.arrays()["coupling"] - before).max() > 1e-3
    assert broken_equivariance(trained, images) < 1e-4


def test_without_the_blocks_turning_the_input_would_do_something_else(images):
    net = network(symmetry="U1")
    raw = net.get_parameter("coupling").detach()
    net.symmetric_coupling = lambda: (raw + raw.flip(2, 3).transpose(0, 1)) / 2
    assert broken_equivariance(net, images) > 0.1


def test_black_and_white_are_opposite_in_a_plane_and_grey_lies_between():
    net = network(symmetry="U1")
    with torch.no_grad():
        x = net.lift_images(torch.tensor([[[-0.5, 0.5, 0.0, 0.25]]]))[0, :, 0]
    w, iw = (torch.from_numpy(v / np.linalg.norm(v)) for v in net.lift_plane())
    assert (w @ iw).abs() < 1e-6
    assert torch.allclose(x[:, 0], -x[:, 1], atol=1e-6)
    assert torch.allclose(x[:, 2], w, atol=1e-6)
    assert torch.allclose(x[:, 3], (w + iw) / math.sqrt(2), atol=1e-6)


def gradients(net: KuramotoNetwork, final: torch.Tensor) -> dict[str, torch.Tensor]:
    net.zero_grad()
    weights = torch.linspace(-1, 1, final.numel()).view(final.shape)
    (net.read_out(final) ** 2).mean().add((weights * final).mean()).backward()
    return {name: net.get_parameter(name).grad.clone() for name in net.names}


@pytest.mark.parametrize("shape", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_states_and_gradients_are_those_of_the_plain_steps(images, shape, boundary):
    net = network(boundary=boundary, **shape)
    for steps in (1, 6):
        plain, fast = net.evolve(images, steps), relax(net, images, steps)
        assert (plain - fast).abs().max() < 1e-5
        expected, found = gradients(net, plain), gradients(net, fast)
        for name in net.names:
            scale = expected[name].abs().max() + 1e-3
            assert (expected[name] - found[name]).abs().max() < 2e-5 * scale, name
        if net.layers:
            assert (found["coupling"][steps:] == 0).all() and (found["coupling"][:steps] != 0).any()


def test_derivatives_of_single_layers_agree_with_differences_in_double_precision():
    generator = rng.stream(0, "synthetic", "gradient", "layers")
    x, raw, c = (
        torch.from_numpy(generator.normal(size=size)).requires_grad_()
        for size in ((2, 3, 3, 3), (3, 3, 3, 3, 3), (3, 3))
    )

    def run(x, raw, c, fault=0.0):
        J = (raw + raw.flip(-2, -1).transpose(-4, -3)) / 2 + fault * raw
        return Relaxation.apply(x / x.norm(dim=1, keepdim=True), J, c, 0.4, 3, "periodic")

    assert torch.autograd.gradcheck(run, (x, raw, c), eps=1e-6, atol=1e-7, rtol=1e-5)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(lambda x: run(x, raw.detach(), c.detach(), 0.3), x, eps=1e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("broken", [False, True])
def test_equal_layers_are_a_shared_one_and_their_order_matters_else(images, broken):
    one, own = network(broken=broken), network(broken=broken, layers=6)
    with torch.no_grad():
        before = own.evolve(images, 6)
        for name in ("coupling", "bias") if broken else ("coupling",):
            own.get_parameter(name).copy_(own.get_parameter(name).flip(0))
        assert (own.evolve(images, 6) - before).abs().max() > 0.1
        for name in own.names:
            own.get_parameter(name).copy_(one.get_parameter(name).expand_as(own.get_parameter(name)))
        for steps in (3, 6):
            assert torch.equal(own.evolve(images, steps), one.evolve(images, steps))
        x = one.evolve(images, 6)
        assert torch.equal(own.energy(x, 5), one.energy(x))
    for evolve in (KuramotoNetwork.evolve, relax):
        with pytest.raises(InputError, match="6 layers of its own, so there is no depth 7"):
            evolve(own, images, 7)


def test_flow_holds_every_layer_below_its_bound():
    net = network(gain=30.0, layers=3, broken=True)
    assert limit_stability(net, 0.9, 20) == 0.9
    for layer in range(3):
        J, c = net.symmetric_coupling()[layer].detach().numpy(), net.constant(layer).detach().numpy()
        assert stability_bound(J, c, 0.25, 20) == pytest.approx(0.9, rel=1e-5)
    slow = network(gain=0.1, layers=3)
    before = slow.arrays()["coupling"]
    assert limit_stability(slow, 0.9, 20) < 0.9
    assert np.array_equal(slow.arrays()["coupling"], before)


@pytest.mark.parametrize("family", ["paper", "flow"])
def test_a_training_of_every_variant_goes_on_after_an_interruption(tmp_path, family):
    tiny = {"L": 20, "steps": 3, "epochs": 2, "pairs_per_epoch": 8, "batch": 4, "validation_pairs": 8} | SMALL
    recipe = TrainingRecipe(family=family, symmetry="U1", layers="unshared", **tiny)
    assert TrainingRecipe(**recipe.model_dump(mode="json")) == recipe
    whole = train_network(recipe, 5, tmp_path / "whole.h5")
    assert whole["coupling"].shape == (3, 6, 6, 3, 3)

    class Cut(Exception):
        pass

    def cut() -> bool:
        raise Cut

    with pytest.raises(Cut):
        train_network(recipe, 5, tmp_path / "cut.h5", due=lambda: (tmp_path / "cut.h5").exists() and cut())
    found = train_network(recipe, 5, tmp_path / "cut.h5")
    assert all(np.array_equal(found[name], whole[name]) for name in whole)


def test_usual_recipes_are_written_as_before_there_were_variants():
    assert not {"symmetry", "layers"} & TrainingRecipe().model_dump(mode="json").keys()
    assert set(Architecture().plain()) == {"components", "kernel", "gamma", "broken", "boundary"}
    assert Architecture(**Architecture(symmetry="U1", layers=3).plain()) == Architecture(symmetry="U1", layers=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"symmetry": "U1", "components": 5},
        {"symmetry": "U1", "broken": True},
        {"family": "flow", "layers": "unshared", "depth_spread": 2},
    ],
)
def test_what_does_not_go_together_is_refused(wrong):
    with pytest.raises(InputError, match=r"symmetry U1 needs|no depth beyond T"):
        TrainingRecipe(L=20, **wrong).check()


def pair_of_vortices(L: int) -> np.ndarray:
    """Angles with one vortex and one antivortex, L / 2 apart, nearly periodic."""
    r = np.arange(L) - (L - 1) / 2
    rows, columns = np.meshgrid(r, r, indexing="ij")
    return np.arctan2(rows, columns + L / 4) - np.arctan2(rows, columns - L / 4)


def test_windings_are_counted_with_their_sign_and_add_up_to_nothing_on_a_torus():
    found = winding_numbers(pair_of_vortices(16), periodic=False)
    assert found.shape == (15, 15) and np.abs(found).sum() == 2 and found.sum() == 0
    assert winding_numbers(-pair_of_vortices(16), periodic=False).min(axis=1).argmin() == 7
    angles = rng.stream(0, "synthetic", "angles").uniform(-9, 9, (3, 12, 10))
    found = winding_numbers(angles)
    assert (found.sum((1, 2)) == 0).all() and np.abs(found).sum() > 50
    assert np.array_equal(found, winding_numbers(angles + 2.5))
    assert not winding_numbers(np.full((4, 4), 3.0)).any()


def test_vortices_stay_under_u1_and_become_walls_where_an_axis_is_preferred():
    L = 24
    image = torch.from_numpy(pair_of_vortices(L).astype(np.float32) / math.pi)[None]
    axis_share, vortices = {}, {}
    for symmetry in ("U1", "Z2"):
        J = np.zeros((2, 2, 3, 3), np.float32)
        for row, column in ((0, 1), (1, 0), (1, 2), (2, 1)):
            J[:, :, row, column] = np.diag([0.7, 0.4])
        lift = np.array([1.0, 0.0], np.float32)
        weights = {"lift": lift, "coupling": J, "readout": lift, "readout_bias": np.zeros(1, np.float32)}
        start = KuramotoNetwork(Architecture(2, 3, boundary="zero", symmetry="U1"), weights).requires_grad_(False)
        net = KuramotoNetwork(Architecture(2, 3, boundary="zero", symmetry=symmetry), weights).requires_grad_(False)
        x = start.lift_images(image)
        for t in range(80):
            x = net.stepper()(x, t)
        vortices[symmetry] = np.abs(winding_numbers(torch.atan2(x[:, 1], x[:, 0]).numpy(), periodic=False)).sum()
        axis_share[symmetry] = (x[:, 0].abs() > 0.95).float().mean().item()
    assert vortices["U1"] == 2
    assert axis_share["U1"] < 0.4 and axis_share["Z2"] > 0.6, axis_share
