"""Layers of fields: equivariant before and after training, under every element; layers that are not are found out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.representations import POINT_GROUPS
from physnn.networks.symmetry.cnn import FieldCNN
from physnn.networks.symmetry.layers import FieldConv, FieldCopies, FieldSpace, move_pixels, point_group

SIDE = 8


def drawn(network: torch.nn.Module) -> torch.nn.Module:
    """Network with random coefficients."""
    for number, layer in enumerate(network.modules()):
        if isinstance(layer, FieldConv):
            layer.draw(rng.stream(number, "weights"))
    return network


def images(channels: int = 1) -> torch.Tensor:
    return torch.from_numpy(rng.stream(1, "synthetic").normal(size=(3, channels, SIDE, SIDE)).astype(np.float32))


def farthest(network: FieldCNN) -> float:
    """Largest deviation of logits, or of a layer's values, from those of images that an element acted on."""
    with torch.no_grad():
        here, logits = network.maps(images()), network(images())
        deviations = []
        for g in range(len(point_group(network.spaces[0].point).matrices)):
            moved = network.spaces[0].act(g, images())
            deviations.append((network(moved) - logits).abs().max())
            for space, one, other in zip(network.spaces[1:], here, network.maps(moved), strict=True):
                deviations.append((space.act(g, one) - other).abs().max())
    return float(max(deviations))


@pytest.mark.parametrize(("point", "mixed"), [*((point, False) for point in POINT_GROUPS), ("d4", True)])
def test_networks_are_equivariant_before_and_after_training(point, mixed):
    network = drawn(FieldCNN(1, SIDE, 3, point, mixed))
    assert farthest(network) < 1e-5
    before = network(images()).detach()
    for _ in range(5):
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(images()), torch.tensor([0, 1, 2])).backward()
        for values in network.parameters():
            values.data -= 0.1 * values.grad
    assert (network(images()) - before).abs().max() > 0.01
    assert farthest(network) < 1e-5


def test_a_layer_with_one_weight_of_its_own_is_found_out():
    network = drawn(FieldCNN(1, SIDE, 3))
    network.second = network.second.plain()
    assert farthest(network) < 1e-5
    network.second.weight.data[0, 0, 0, 0] += 0.01
    assert farthest(network) > 1e-4


def test_a_torus_commutes_with_translations_and_zeros_at_its_edges_do_not():
    space = FieldSpace("d4", (FieldCopies("vector", 2), FieldCopies("sign", 1)))
    for padding, equal in (("circular", True), ("same", False)):
        layer = drawn(FieldConv(space, space, 3, padding))
        with torch.no_grad():
            moved, here = layer(images(5).roll((2, 5), (-2, -1))), layer(images(5)).roll((2, 5), (-2, -1))
        assert torch.allclose(moved, here, atol=1e-6) == equal


def test_outputs_have_the_variance_of_a_plain_convolution():
    first, second = (FieldSpace("d4", (FieldCopies("regular", n),)) for n in (4, 2))
    filters = drawn(FieldConv(first, second)).filters()[0].detach()
    assert float(filters.std()) == pytest.approx(1 / np.sqrt(3 * 32 * 9), rel=0.05)


def test_pixels_move_as_offsets_do():
    image = torch.arange(9.0).reshape(3, 3)
    for g, matrix in enumerate(point_group("d4").matrices):
        moved = move_pixels("d4", g, image)
        for y in range(3):
            for x in range(3):
                there = matrix @ [y - 1, x - 1] + 1
                assert moved[there[0], there[1]] == image[y, x]


def test_refusals():
    one, other = (FieldSpace(point, (FieldCopies("trivial", 1),)) for point in ("d4", "c4"))
    with pytest.raises(InputError, match="cannot lead from fields of d4"):
        FieldConv(one, other)
    with pytest.raises(InputError, match="odd side"):
        FieldConv(one, one, 4)
    with pytest.raises(InputError, match="no field 'spinor'"):
        FieldSpace("d4", (FieldCopies("spinor", 1),))
    with pytest.raises(InputError, match="at least one field"):
        FieldSpace("d4", ())
    with pytest.raises(InputError, match="divisible by 4"):
        FieldCNN(1, 10, 2)
    with pytest.raises(InputError, match="not for c4"):
        FieldCNN(1, 8, 2, "c4", mixed=True)
