"""EfficientNet-Lite: inverted residuals without squeezing, ReLU6, and paddings that begin right and below.

Source: M. Tan and Q. V. Le, ICML 2019, and the notes of the Lite variants, which leave out squeeze-and-excitation, take
ReLU6 for the activation, and keep stem and head at one width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

STEM, HEAD, LITE_CLASSES = 32, 1280, 1000
"""Channels of the first and of the last convolution, and classes."""
LITE_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first block, factor of widening, channels: of every stage."""
DIVISOR = 8
"""Channels come in multiples of this."""
NORM_EPSILON = 1e-3
"""Added to variances in the normalisations."""


@dataclass(frozen=True)
class LiteShape:
    """Factors of channels and blocks, and the side of images (pixels)."""

    width: float
    depth: float
    side: int


LITES = {"0": LiteShape(1.0, 1.0, 224), "1": LiteShape(1.0, 1.1, 240), "2": LiteShape(1.1, 1.2, 260)}
"""Variants by number."""


class SameConv(nn.Conv2d):
    """Convolution whose output has ``ceil(side / stride)`` places; an odd row of padding is below and to the right."""

    def around(self, x: Tensor) -> tuple[int, int, int, int]:
        """Padding left, right, above and below."""
        totals = [
            max((math.ceil(n / s) - 1) * s + k - n, 0)
            for n, s, k in zip(x.shape[:1:-1], self.stride[::-1], self.kernel_size[::-1], strict=True)
        ]
        (left, right), (above, below) = ((n // 2, n - n // 2) for n in totals)
        return left, right, above, below

    def forward(self, x: Tensor) -> Tensor:
        """Convolved values ``(batch, channels, rows, columns)``."""
        left, right, above, below = self.around(x)
        padding = above, left
        if left != right or above != below:
            x, padding = functional.pad(x, (left, right, above, below)), (0, 0)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def same(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution without constants, and batch normalisation."""
    layer = SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs, NORM_EPSILON)]


class InvertedResidual(nn.Module):
    """Widen, filter every channel, narrow; the input is added where shapes allow it.  The output is linear."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        inner = widening * inputs
        self.expand = nn.Sequential(*same(inputs, inner, 1), nn.ReLU6()) if widening > 1 else nn.Identity()
        self.depthwise = nn.Sequential(*same(inner, inner, kernel, stride, inner), nn.ReLU6())
        self.project = nn.Sequential(*same(inner, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Values of the next block."""
        y = self.project(self.depthwise(self.expand(x)))
        return cast("Tensor", x + y if self.adds else y)


class EfficientNetLite(nn.Module):
    """Classifier of images with pixels (x - 127) / 128.

    Layers worth a look are ``stem``, ``blocks.0``, ``blocks.1``, ... and ``head``.
    """

    def __init__(self, shape: LiteShape, classes: int = LITE_CLASSES) -> None:
        super().__init__()
        self.stem = nn.Sequential(*same(3, STEM, 3, 2), nn.ReLU6())
        blocks, inputs = [], STEM
        for k, (count, kernel, first, widening, channels) in enumerate(LITE_STAGES):
            ends = k in (0, len(LITE_STAGES) - 1)
            outputs = in_eights(channels * shape.width)
            for n in range(count if ends else math.ceil(count * shape.depth)):
                blocks.append(InvertedResidual(inputs, outputs, kernel, first if n == 0 else 1, widening))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(*same(inputs, HEAD, 1), nn.ReLU6())
        self.output = nn.Linear(HEAD, classes)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers worth a look, from the image on."""
        return ("stem", *(f"blocks.{k}" for k in range(len(self.blocks))), "head")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of images ``(batch, 3, side, side)``."""
        logits: Tensor = self.output(self.head(self.blocks(self.stem(images))).mean((2, 3)))
        return logits


def in_eights(channels: float) -> int:
    """Nearest multiple of 8 that is not more than a tenth smaller."""
    found = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return found + DIVISOR if found < 0.9 * channels else found


RENAMED = (
    ("_conv_stem.", "stem.0."),
    ("_conv_head.", "head.0."),
    ("_fc.", "output."),
    ("_blocks.", "blocks."),
    ("._expand_conv.", ".expand.0."),
    ("._depthwise_conv.", ".depthwise.0."),
    ("._project_conv.", ".project.0."),
    ("._bn0.", ".expand.1."),
    ("._bn1.", ".depthwise.1."),
    ("._bn2.", ".project.1."),
    ("_bn0.", "stem.1."),
    ("_bn1.", "head.1."),
)
"""Parts of the names in weight files, and where they go here; the first ones count first."""


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a file by the names of `EfficientNetLite`."""
    found = {}
    for name, values in weights.items():
        here = name
        for theirs, ours in RENAMED:
            here = here.replace(theirs, ours)
        found[here] = values
    return found


def lite(number: str, weights: Mapping[str, Tensor]) -> EfficientNetLite:
    """Network with the weights of a file; raises RuntimeError if they are not those of this variant."""
    network = EfficientNetLite(LITES[number])
    network.load_state_dict(renamed(weights))
    return network.eval()
