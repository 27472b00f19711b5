"""Layers of fields: equivariant before and after training, under every element; layers that are not are found out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.kernels import kernel_basis
from physnn.models.groups.representations import POINT_GROUPS
from physnn.networks.classifiers.zoo import initialise
from physnn.networks.symmetry.cnn import FieldCNN
from physnn.networks.symmetry.layers import FieldConv, FieldCopies, FieldSpace, field_of, move_pixels, point_group

SIDE = 8


def drawn(network: torch.nn.Module) -> torch.nn.Module:
    """Network with random coefficients."""
    initialise(network, rng.stream(0, "weights"))
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


@pytest.mark.parametrize(("name", "other"), [("vector", "regular"), ("regular", "sign")])
def test_layers_of_whole_numbers_commute_with_all_128_elements_exactly(name, other):
    generator, side = rng.stream(2, "synthetic"), 4
    first, second = (FieldSpace("d4", (FieldCopies(each, 2),)) for each in (name, other))
    layer, values = FieldConv(first, second, 3, "circular"), generator.integers(-9, 10, (1, first.channels, side, side))
    whole = kernel_basis(point_group("d4"), *(field_of("d4", each) for each in (name, other)), 3).dense
    lengths = np.sqrt((whole**2).sum(axis=(1, 2, 3, 4)) / whole.shape[1])
    for coefficients in (v for v in layer.coefficients.values() if v.ndim == 3):
        coefficients.data.copy_(torch.from_numpy(generator.integers(-9, 10, tuple(coefficients.shape)) * lengths))
    through, values = layer.plain().double(), torch.from_numpy(values).double()
    assert torch.allclose(through.weight, through.weight.round(), atol=1e-4)
    through.weight.data.round_()  # sums of whole numbers are exact
    through.bias.data.zero_()

    def counted() -> int:
        found = 0
        with torch.no_grad():
            here = through(values)
            for g, y, x in itertools.product(range(8), range(side), range(side)):
                moved = through(first.act(g, values).roll((y, x), (-2, -1)))
                found += torch.equal(moved, second.act(g, here).roll((y, x), (-2, -1)))
        return found

    assert counted() == 128
    # Filters turned over, as where the inverse of an element is left out, commute with fewer.
    through.weight.data[:] = through.weight.data.transpose(-1, -2).contiguous()
    assert counted() < 128


def test_filters_are_kept_in_evaluation_until_coefficients_change():
    space = FieldSpace("d4", (FieldCopies("regular", 1),))
    layer = drawn(FieldConv(space, space)).eval()
    with torch.no_grad():
        first, kept = layer(images(8)), layer._kept
        assert torch.equal(layer(images(8)), first) and layer._kept is kept is not None
        layer.load_state_dict({name: 2 * v for name, v in layer.state_dict().items()})
        assert torch.allclose(layer(images(8)), 2 * first, atol=1e-6)
        drawn(layer)
        assert torch.equal(layer(images(8)), first)
    assert layer(images(8)).requires_grad


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
