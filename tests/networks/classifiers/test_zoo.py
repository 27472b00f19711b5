from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.representations import PointGroup
from physnn.networks.classifiers.deep import BOTTLENECKS, SQUEEZED
from physnn.networks.classifiers.equivariant import act
from physnn.networks.classifiers.zoo import NETWORKS, BatchNormCNN, SimpleCNN, build, count_weights, initialise
from physnn.networks.symmetry.cnn import MIXED
from physnn.networks.symmetry.sphere import SphereNet

SMALL = [name for name in NETWORKS if name not in ("resnet18", "mobilenet", "resnet18_small", "efficientnet_small")]
DRAWS = ("dropout", True)
NORMALISED = ("batchnorm", "resnet18", "mobilenet", "resnet18_small", "efficientnet_small")


def pictures(n: int = 6, channels: int = 3, side: int = 8, word: int = 0) -> torch.Tensor:
    values = rng.stream(0, "synthetic", "pictures", side, word).normal(size=(n, channels, side, side))
    return torch.from_numpy(values).float()


def started(name: str, seed: int = 0, channels: int = 3, side: int = 8) -> torch.nn.Module:
    network = build(name, channels, side, 10)
    initialise(network, rng.stream(seed, "weights"))
    return network


def simple_weights(channels: int, side: int, n: int = 1) -> int:
    """Weights and constants of both convolutions, hidden layer and output; tied ones have an n-th of the maps."""
    first = 9 * channels * 16 // n + 16 // n
    second = 9 * 16 * 32 // n + 32 // n
    hidden = 32 * (side // 4) ** 2 * 64 // n + 64 // n
    return first + second + hidden + 64 // n * 10 + 10


def resnet_weights(channels: int, first: int = 64) -> int:
    total, inputs = 9 * channels * first + 2 * first, first
    for width in (first, 2 * first, 4 * first, 8 * first):
        convolutions = 9 * inputs * width + 3 * 9 * width**2
        shortcut = 0 if inputs == width else inputs * width + 2 * width
        total, inputs = total + convolutions + 4 * 2 * width + shortcut, width
    return total + 8 * first * 10 + 10


def mobilenet_weights(channels: int) -> int:
    total, inputs = 9 * channels * 32 + 2 * 32, 32
    for widening, width, blocks, _ in BOTTLENECKS:
        for _ in range(blocks):
            inner = widening * inputs
            widen = inputs * inner + 2 * inner if widening > 1 else 0
            total += widen + 9 * inner + 2 * inner + inner * width + 2 * width
            inputs = width
    return total + inputs * 256 + 2 * 256 + 256 * 10 + 10


def efficientnet_weights(channels: int) -> int:
    total, inputs = 9 * channels * 16 + 2 * 16, 16
    for widening, width, blocks, _ in SQUEEZED:
        for _ in range(blocks):
            inner, squeezed = widening * inputs, max(1, inputs // 4)
            widen = inputs * inner + 2 * inner if widening > 1 else 0
            excite = 2 * inner * squeezed + inner + squeezed
            total += widen + 9 * inner + 2 * inner + excite + inner * width + 2 * width
            inputs = width
    return total + inputs * 128 + 2 * 128 + 128 * 10 + 10


def mixed_weights(channels: int, side: int) -> int:
    """Coefficients by characters: offsets that an element of D4 leaves alone, times the traces of both fields."""
    point = PointGroup("d4")
    mixed = sum(point.representation(name).character for name in MIXED)

    def maps(first: np.ndarray, second: np.ndarray, side: int) -> int:
        odd = side % 2
        # 1, three turns, and reflections of columns, of diagonals, of rows, of diagonals.
        still = np.array([side**2, odd, odd, odd, side * odd, side, side * odd, side])
        return int((first * second * still).sum()) // 8

    places, plain = side // 4, np.ones(8, int) * channels
    layers = maps(plain, 2 * mixed, 3) + maps(2 * mixed, 4 * mixed, 3) + maps(4 * mixed, 8 * mixed, places)
    # Constants are those of trivial fields; a hidden layer of 8 times 6 fields gives 48 numbers.
    return layers + 2 + 4 + 8 + 48 * 10 + 10


WAVES = {2: (1, 1), 5: (3, 2, 2, 1, 1), 8: (4, 4, 3, 3, 2)}
"""Rings of a window by its side that have waves of angular frequency 0, 1, ..."""


def steerable_weights(channels: int, side: int) -> int:
    """Coefficients: two for each wave between fields that turn, one between numbers; constants, thresholds, logits."""

    def maps(first: tuple[int, ...], second: tuple[int, ...], window: int) -> int:
        waves, total = WAVES[window] + (0,) * 5, 0
        for (k, n), (other, m) in itertools.product(enumerate(first), enumerate(second)):
            total += (
                n
                * m
                * ((2 if k or other else 1) * waves[abs(k - other)] + (2 * waves[k + other] if k and other else 0))
            )
        return total

    layers = [(channels,), (4, 3, 3), (8, 6, 6), (16, 12, 12)]
    filters = sum(maps(*pair, s) for pair, s in zip(itertools.pairwise(layers), (5, 5, side // 4), strict=True))
    return filters + sum(map(sum, layers[1:])) + 40 * 10 + 10


COUNTS = {
    "so2_fields": steerable_weights,
    "batchnorm": lambda channels, side: simple_weights(channels, side) + 16 + 32,
    "flip_tied": lambda channels, side: simple_weights(channels, side, 2),
    "rotation_tied": lambda channels, side: simple_weights(channels, side, 2),
    "quarter_tied": lambda channels, side: simple_weights(channels, side, 4),
    "d4_fields": lambda channels, side: simple_weights(channels, side, 8),
    "d4_mixed_fields": mixed_weights,
    "resnet18": lambda channels, side: resnet_weights(channels),
    "mobilenet": lambda channels, side: mobilenet_weights(channels),
    "resnet18_small": lambda channels, side: resnet_weights(channels, 8),
    "efficientnet_small": lambda channels, side: efficientnet_weights(channels),
}


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 32)])
@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_of_weights(name, channels, side):
    assert count_weights(build(name, channels, side, 10)) == COUNTS.get(name, simple_weights)(channels, side)


def test_numbers_of_weights_written_out():
    assert count_weights(build("simple", 3, 32, 10)) == 448 + 4640 + 131_136 + 650 == 136_874
    assert count_weights(build("resnet18", 3, 32, 10)) == 11_173_962, "as commonly quoted for CIFAR-10"


def test_weights_start_as_torchs_do_by_default():
    network = started("simple", 3, 3, 32)
    torch.manual_seed(0)
    default = build("simple", 3, 32, 10)
    for (name, mine), theirs in zip(network.named_parameters(), default.parameters(), strict=True):
        fan_in = {"first": 27, "second": 144, "hidden": 32 * 64, "output": 64}[name.split(".")[0]]
        for values in (mine.detach().numpy(), theirs.detach().numpy()):
            assert np.abs(values).max() <= fan_in**-0.5 * (1 + 1e-6)
            # Variance of uniform numbers on +-b: b^2 / 3, with error b^2 sqrt(4 / 45 / n); |z| < 4.
            mean_square = (values.astype(float) ** 2).mean() * fan_in
            assert abs(mean_square - 1 / 3) < 4 * np.sqrt(4 / 45 / values.size)
            assert abs(values.mean(dtype=float)) * fan_in**0.5 < 4 * np.sqrt(1 / 3 / values.size)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_depend_on_the_seed_alone(name):
    networks = [started(name, seed).state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(networks[0][k], networks[1][k]) for k in networks[0])
    assert not any(torch.equal(networks[0][k], networks[2][k]) for k in networks[0] if k.startswith("output"))


@pytest.mark.parametrize("name", ["dropout", "batchnorm", "flip", "rotation"])
def test_the_papers_networks_start_from_the_same_weights_as_the_simple_one(name):
    simple, other = started("simple").state_dict(), started(name).state_dict()
    shared = [k for k in simple if k in other]
    assert len(shared) == (6 if name == "batchnorm" else 8)
    assert all(torch.equal(simple[k], other[k]) for k in shared)


def test_initialise_resets_batch_normalisation():
    network = started("batchnorm")
    network.train()(pictures())
    assert network.norms[0].num_batches_tracked == 1
    initialise(network, rng.stream(0, "weights"))
    fresh = started("batchnorm").state_dict()
    assert all(torch.equal(v, fresh[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("name", ["flip", "rotation"])
@pytest.mark.parametrize("n", [6, 7])
def test_half_of_the_batch_is_transformed_in_training_only(name, n):
    network, simple, images = started(name), started("simple"), pictures(n)
    seen = []
    network.first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.train()(images)
    changed = [not torch.equal(a, b) for a, b in zip(seen[0], images, strict=True)]
    assert changed == [True] * (n // 2) + [False] * (n - n // 2)
    expected = images.flip(-1) if name == "flip" else images.flip(-1, -2)
    assert torch.equal(seen[0][: n // 2], expected[: n // 2])
    assert torch.equal(seen[0][: n // 2], act(network.group, 1, images[: n // 2]))
    assert torch.equal(network.eval()(images), simple(images))
    assert torch.equal(seen[1], images)


def test_dropout_is_where_and_what_it_should_be():
    network, simple, images = started("dropout"), started("simple"), pictures(64)
    assert torch.equal(network.eval()(images), simple(images))
    seen = []
    network.hidden.register_forward_hook(lambda *call: seen.append(functional.relu(call[2])))
    torch.manual_seed(0)
    network.train()
    with torch.no_grad():
        mean = torch.stack([network(images) for _ in range(200)])
        plain = simple(images)
    # The output layer is linear in what dropout leaves: its mean is the output without, its variance known; |z| < 5.
    variance = (seen[0] ** 2 @ network.output.weight.T**2) * 0.3 / 0.7
    z = (mean.mean(0) - plain) / (variance / 200).sqrt()
    assert z.abs().max() < 5
    assert (mean.var(0) / variance).mean().item() == pytest.approx(1, abs=0.02)


def test_a_grid_makes_weights_independent_of_the_side():
    networks = [SimpleCNN(3, side, 10, grid=2) for side in (8, 16, 32)]
    assert {count_weights(n) for n in networks} == {simple_weights(3, 8)}
    assert [n(pictures(side=s)).shape for n, s in zip(networks, (8, 16, 32), strict=True)] == [(6, 10)] * 3
    assert torch.equal(functional_call(networks[0], {}, (pictures(),)), networks[0](pictures()))
    same = started("simple").state_dict()
    networks[0].load_state_dict(same)
    assert torch.allclose(networks[0](pictures()), started("simple")(pictures()), atol=1e-6), (
        "a full grid is no pooling"
    )
    for grid in (0, 3):
        with pytest.raises(InputError, match="does not fit images of side 8"):
            SimpleCNN(3, 8, 10, grid)


def stacked(name: str, copies: int = 3):
    # In double precision rounding moves no unit across the kink of its ReLU.
    networks = [started(name, seed).double() for seed in range(copies)]
    parameters, buffers = stack_module_state(networks)
    return networks, parameters, buffers


def loss_of(network: torch.nn.Module):
    labels = torch.arange(6)

    def loss(parameters, buffers, images):
        return functional.cross_entropy(functional_call(network, (parameters, buffers), (images,)), labels)

    return loss


# Dropout in training draws other numbers than single networks do; see the test below.
@pytest.mark.parametrize(("name", "training"), [(n, t) for n in NETWORKS for t in (True, False) if (n, t) != DRAWS])
def test_stacked_copies_agree_with_single_networks(name, training):
    copies = 2 if name == "resnet18" else 3
    networks, parameters, buffers = stacked(name, copies)
    for network in networks:
        network.train(training)
    images = torch.stack([pictures(word=k) for k in range(copies)]).double()
    gradients = vmap(grad(loss_of(networks[0])))(parameters, buffers, images)
    labels = torch.arange(6)
    for k, network in enumerate(networks):
        functional.cross_entropy(network(images[k]), labels).backward()
        for key, value in network.named_parameters():
            assert torch.allclose(gradients[key][k], value.grad, rtol=1e-8, atol=1e-10), key
        for key, value in network.named_buffers():
            # Running statistics were updated in the stacked buffers themselves.
            assert torch.allclose(buffers[key][k], value, rtol=1e-8, atol=1e-10), key
    if training and name in NORMALISED:
        assert all((v == 1).all() for k, v in buffers.items() if k.endswith("num_batches_tracked"))


def test_stacked_networks_on_the_sphere_have_the_slopes_of_single_ones():
    networks, signals = (
        [SphereNet(1, 2, 3, 2).double() for _ in range(2)],
        torch.from_numpy(rng.stream(3, "synthetic").normal(size=(2, 1, 16))),
    )
    for seed, network in enumerate(networks):
        initialise(network, rng.stream(seed, "weights"))
    stacked, buffers = stack_module_state(networks)
    assert not buffers

    def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(networks[0], weights, (signals,)).square().sum()

    slopes = vmap(grad(loss))(stacked)
    for k, network in enumerate(networks):
        network(signals).square().sum().backward()
        assert all(torch.allclose(slopes[name][k], v.grad) for name, v in network.named_parameters())


def test_stacked_dropout_differs_between_copies():
    network = started("dropout").train()
    parameters, buffers = stack_module_state([network] * 3)
    images = pictures()
    logits = vmap(
        lambda p, b: functional_call(network, (p, b), (images,)), randomness="different"
    )(parameters, buffers)  # fmt: skip
    assert not torch.equal(logits[0], logits[1])
    gradients = vmap(grad(loss_of(network)), (0, 0, None), randomness="different")(parameters, buffers, images)
    assert all(v.isfinite().all() for v in gradients.values())


def test_batch_normalisation_needs_its_statistics_stacked():
    networks, parameters, _ = stacked("batchnorm")
    images = torch.stack([pictures(word=k) for k in range(3)]).double()
    logits = vmap(lambda p, x: functional_call(networks[0].train(), p, (x,)))
    with pytest.raises(RuntimeError, match="will be updated in place, were not batched"):
        logits(parameters, images)
    networks[0].eval()
    assert vmap(lambda p, x: functional_call(networks[0], p, (x,)))(parameters, images).shape == (3, 6, 10)


@pytest.mark.parametrize("name", NORMALISED)
def test_normalised_networks_use_statistics_of_the_batch_in_training_and_running_ones_after(name):
    network = started(name)
    images = pictures(32)
    assert not torch.allclose(network.train()(images), network.eval()(images), atol=1e-3)
    one = network(images[:1])
    assert torch.allclose(one, network(images)[:1], atol=1e-5), "an image's logits do not depend on its batch"
    assert isinstance(network, BatchNormCNN) == (name == "batchnorm")


@pytest.mark.parametrize("name", NORMALISED[1:])
def test_global_pooling_takes_images_of_any_side(name):
    network = started(name).eval()
    assert [network(pictures(2, side=s)).shape for s in (8, 12, 16)] == [(2, 10)] * 3


@pytest.mark.parametrize("name", SMALL)
def test_every_network_learns_a_few_images(name):
    network = started(name).train()
    images, labels = pictures(), torch.arange(6)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    torch.manual_seed(0)
    first = functional.cross_entropy(network(images), labels).item()
    for _ in range(15):
        optimiser.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.7 * first


def test_wrong_networks_are_refused():
    with pytest.raises(InputError, match="no network 'vgg'; take one of simple"):
        build("vgg", 3, 8, 10)
    for name in NETWORKS:
        for channels, side, classes in ((3, 3, 10), (0, 8, 10), (3, 8, 1)):
            with pytest.raises(InputError, match="a network needs images"):
                build(name, channels, side, classes)
