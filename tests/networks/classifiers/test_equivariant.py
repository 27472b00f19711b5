"""Tied networks are invariant before and after training; networks without ties, or of another group, are not."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.equivariant import GROUP_ORDERS, TiedCNN, act
from physnn.networks.classifiers.zoo import SimpleCNN, count_weights, initialise
from physnn.networks.tasks.images import load_images, subset

GROUPS = tuple(GROUP_ORDERS)
TOLERANCE = 1e-5


def pictures(n: int = 8, channels: int = 3, side: int = 8) -> torch.Tensor:
    values = rng.stream(0, "synthetic", "pictures", side).normal(size=(n, channels, side, side))
    return torch.from_numpy(values).float()


def trained(network: torch.nn.Module, steps: int) -> torch.nn.Module:
    """Adam on 64 digits, seeded weights."""
    initialise(network, rng.stream(0, "weights"))
    data = subset(load_images(), 64, 0)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    first = functional.cross_entropy(network(images), labels).item()
    for _ in range(steps):
        optimiser.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        optimiser.step()
    assert steps == 0 or loss.item() < 0.8 * first, "the network must have learned something"
    return network.eval()


def variation(network: torch.nn.Module, group: str, images: torch.Tensor) -> float:
    """Largest change of any logit under any element of the group."""
    with torch.no_grad():
        logits = network(images)
        return max((network(act(group, g, images)) - logits).abs().max().item() for g in range(GROUP_ORDERS[group]))


@pytest.mark.parametrize("steps", [0, 20])
@pytest.mark.parametrize("group", GROUPS)
def test_invariant_before_and_after_training(group, steps):
    network = trained(TiedCNN(1, 8, 10, group), steps)
    images = torch.from_numpy(load_images().images[:200])
    assert variation(network, group, images) < TOLERANCE
    assert network(images).std(0).min() > 1e-3, "it does see its images"


@pytest.mark.parametrize("steps", [0, 20])
@pytest.mark.parametrize("group", GROUPS)
def test_a_network_without_ties_is_not_invariant(group, steps):
    network = trained(SimpleCNN(1, 8, 10), steps)
    assert variation(network, group, torch.from_numpy(load_images().images[:200])) > 1000 * TOLERANCE


@pytest.mark.parametrize(("tied", "other"), [("flip", "rotation"), ("rotation", "flip"), ("rotation", "quarter")])
def test_ties_of_one_group_give_no_invariance_under_another(tied, other):
    network = trained(TiedCNN(1, 8, 10, tied), 0)
    assert variation(network, other, torch.from_numpy(load_images().images[:200])) > 100 * TOLERANCE


def test_turns_by_90_degrees_contain_those_by_180():
    network = trained(TiedCNN(1, 8, 10, "quarter"), 0)
    assert variation(network, "rotation", torch.from_numpy(load_images().images[:200])) < TOLERANCE


@pytest.mark.parametrize("side", [4, 12, 28])
@pytest.mark.parametrize("group", GROUPS)
def test_other_sides_and_colours(group, side):
    network = TiedCNN(3, side, 5, group)
    initialise(network, rng.stream(1, "weights"))
    assert variation(network, group, pictures(side=side)) < TOLERANCE


@pytest.mark.parametrize("group", GROUPS)
def test_it_is_a_simple_network_with_tied_weights(group):
    network, simple = TiedCNN(3, 8, 10, group), SimpleCNN(3, 8, 10)
    tied = network.tied()
    assert {k: v.shape for k, v in tied.items()} == {k: v.shape for k, v in simple.named_parameters()}
    assert torch.equal(functional_call(simple, tied, (pictures(),)), network(pictures()))
    n = GROUP_ORDERS[group]
    assert count_weights(network) < (count_weights(simple) - 10) / n + 11


@pytest.mark.parametrize("group", GROUPS)
def test_the_layers_commute_with_the_group(group):
    network, images, n = TiedCNN(3, 8, 10, group), pictures(), GROUP_ORDERS[group]
    tied = network.tied()

    def maps(x: torch.Tensor) -> torch.Tensor:
        x = functional.conv2d(x, tied["first.weight"], tied["first.bias"], padding=1)
        x = functional.conv2d(functional.relu(x), tied["second.weight"], tied["second.bias"], padding=1)
        return x.unflatten(1, (-1, n))

    for u in range(n):
        # Copy g of the image acted on by u is copy g - u of the original, acted on by u.
        expected = act(group, u, maps(images)).roll(u, 2)
        assert torch.allclose(maps(act(group, u, images)), expected, atol=1e-6)


@pytest.mark.parametrize("group", GROUPS)
def test_the_action_is_that_of_a_cyclic_group(group):
    images, n = pictures(), GROUP_ORDERS[group]
    for g in range(n):
        assert torch.equal(act(group, 1, act(group, g, images)), act(group, (g + 1) % n, images))
        assert torch.equal(act(group, g, images), images) == (g == 0)
    mirrored = {"flip": images.flip(-1), "rotation": images.flip(-1, -2), "quarter": images.transpose(-1, -2).flip(-2)}
    assert torch.equal(act(group, 1, images), mirrored[group])


@pytest.mark.parametrize("group", GROUPS)
def test_invariant_under_vmap(group):
    replicas = [TiedCNN(3, 8, 10, group) for _ in range(3)]
    parameters, _ = stack_module_state(replicas)
    logits = vmap(lambda p, x: functional_call(replicas[0], p, (x,)), (0, None))
    images = pictures()
    plain = torch.stack([replica(images) for replica in replicas])
    assert torch.allclose(logits(parameters, images), plain, atol=TOLERANCE)
    assert torch.allclose(logits(parameters, act(group, 1, images)), plain, atol=TOLERANCE)


@pytest.mark.parametrize("side", [6, 9, 30])
def test_sides_that_pooling_would_cut_are_refused(side):
    with pytest.raises(InputError, match="divisible by 4"):
        TiedCNN(1, side, 10, "flip")
