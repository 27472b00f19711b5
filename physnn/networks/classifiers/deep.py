"""Deeper networks with global pooling, whose number of weights does not depend on the side of the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError

STAGES = (64, 128, 256, 512)
"""Channels of ResNet-18; every stage has two blocks, and all but the first begin with stride 2."""
SQUEEZED = ((1, 8, 1, 1), (4, 12, 2, 2), (4, 20, 2, 2), (4, 32, 1, 2), (4, 48, 1, 2))
"""Stages of the small EfficientNet-like net: factor of widening, channels, blocks, stride of the first block."""
BOTTLENECKS = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 2, 2), (6, 64, 2, 2), (6, 96, 1, 1))
"""Stages of the MobileNet-like net: factor of widening, channels, blocks, stride of the first block."""


TwoOutputs = tuple[Tensor, Tensor]
"""Logits, and the second output of a network that has one."""


def check_images(channels: int, side: int, classes: int) -> None:
    """Raise InputError for images that are too small or without channels or classes."""
    if channels < 1 or classes < 2 or side < 4:
        raise InputError(
            f"a network needs images with a side of at least 4, a channel and two classes, "
            f"not side {side}, {channels} channels, {classes} classes"
        )


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution without constants that keeps the side (up to the stride), and batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs)]


class Residual(nn.Module):
    """x -> activation(shortcut(x) + body(x)); the shortcut is the identity where shapes allow it."""

    def __init__(self, body: Sequence[nn.Module], shortcut: nn.Module, final: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.final = nn.Sequential(*body), shortcut, final

    def forward(self, x: Tensor) -> Tensor:
        """Activation of the sum."""
        return cast("Tensor", self.final(self.shortcut(x) + self.body(x)))


class PooledNetwork(nn.Module):
    """Layers, the mean over all places, and a linear layer."""

    def __init__(self, layers: Sequence[nn.Module], features: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(features, classes)
        self.register_module("label", None)

    def forward(self, images: Tensor) -> Tensor | TwoOutputs:
        """Logits of images ``(batch, channels, H, W)``; in training with the second output, if there is one."""
        return outputs(self, self.layers(images).mean((2, 3)))


def outputs(network: nn.Module, features: Tensor) -> Tensor | TwoOutputs:
    """Logits of features ``(batch, features)``; with the values of a layer ``label``, if any, in training."""
    output, label = cast("nn.Linear", network.output), cast("nn.Linear | None", network.label)
    logits = functional.linear(features, output.weight, output.bias)
    if label is None or not network.training:
        return logits
    return logits, functional.linear(features, label.weight, label.bias)


def resnet18(channels: int, side: int, classes: int, stages: Sequence[int] = STAGES) -> PooledNetwork:
    """ResNet-18 for small images: a 3 x 3 convolution and no pooling before the first stage.

    Source: K. He, X. Zhang, S. Ren and J. Sun, CVPR 2016; ``stages`` are channels.
    """
    check_images(channels, side, classes)
    layers: list[nn.Module] = [*convolution(channels, stages[0], 3), nn.ReLU()]
    inputs = stages[0]
    for number, width in enumerate(stages):
        for block in range(2):
            stride = 2 if block == 0 and number else 1
            body = [*convolution(inputs, width, 3, stride), nn.ReLU(), *convolution(width, width, 3)]
            same = stride == 1 and inputs == width
            shortcut = nn.Identity() if same else nn.Sequential(*convolution(inputs, width, 1, stride))
            layers.append(Residual(body, shortcut, nn.ReLU()))
            inputs = width
    return PooledNetwork(layers, inputs, classes)


def resnet18_small(channels: int, side: int, classes: int) -> PooledNetwork:
    """`resnet18` with an eighth of the channels."""
    return resnet18(channels, side, classes, tuple(width // 8 for width in STAGES))


def mobilenet(channels: int, side: int, classes: int) -> PooledNetwork:
    """Net of inverted residuals in the manner of MobileNetV2, shortened and without early strides.

    Source: M. Sandler et al., CVPR 2018; the stages are `BOTTLENECKS`.
    """
    check_images(channels, side, classes)
    return _inverted(channels, 32, BOTTLENECKS, 256, classes, nn.ReLU6)


class Excitation(nn.Module):
    """Factors of all channels by their means over all places (J. Hu, L. Shen and G. Sun, CVPR 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, squeezed), nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(batch, channels, H, W)`` times their factors, 0 to 1."""
        factors = torch.sigmoid(self.excite(functional.silu(self.squeeze(x.mean((2, 3))))))
        return x * factors[:, :, None, None]


def efficientnet_small(channels: int, side: int, classes: int) -> PooledNetwork:
    """Net of inverted residuals with excitation in the manner of EfficientNet, shortened and narrow.

    Source: M. Tan and Q. V. Le, ICML 2019; the stages are `SQUEEZED`.
    """
    check_images(channels, side, classes)
    return _inverted(channels, 16, SQUEEZED, 128, classes, nn.SiLU, excited=True)


def _inverted(
    channels: int, inputs: int, stages: Sequence[tuple[int, int, int, int]], last: int, classes: int,
    activation: Callable[[], nn.Module], excited: bool = False,
) -> PooledNetwork:  # fmt: skip
    """Net of inverted residuals; a stage is its widening, channels, blocks and the stride of the first block."""
    layers: list[nn.Module] = [*convolution(channels, inputs, 3), activation()]
    for widening, width, blocks, first_stride in stages:
        for block in range(blocks):
            stride, inner = (first_stride if block == 0 else 1), widening * inputs
            body = [*convolution(inputs, inner, 1), activation()] if widening > 1 else []
            body += [*convolution(inner, inner, 3, stride, inner), activation()]
            body += [Excitation(inner, max(1, inputs // 4))] if excited else []
            body += convolution(inner, width, 1)
            same = stride == 1 and inputs == width
            layers.append(Residual(body, nn.Identity(), nn.Identity()) if same else nn.Sequential(*body))
            inputs = width
    layers += [*convolution(inputs, last, 1), activation()]
    return PooledNetwork(layers, last, classes)
