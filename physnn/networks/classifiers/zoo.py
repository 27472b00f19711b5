"""Image classifiers that are compared as ensembles of replicas.

Source: "Symmetry breaking in neural network optimization: insights from input dimension expansion", section 6.6, which
leaves widths open; here they are those of `SimpleCNN`.  The ``flip`` and ``rotation`` networks of that source show
transformed images while they train; ``flip_tied``, ``rotation_tied`` and ``quarter_tied`` are invariant by
construction, as are ``d4_fields`` and ``d4_mixed_fields``, and ``so2_fields`` as far as pixels tell; ``d4_averaged`` is
``simple``, averaged over all turned and reflected images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.networks.classifiers.deep import (
    TwoOutputs,
    check_images,
    efficientnet_small,
    mobilenet,
    outputs,
    resnet18,
    resnet18_small,
)
from physnn.networks.classifiers.equivariant import SymmetryGroup, TiedCNN, act
from physnn.networks.classifiers.users import UserClassifier
from physnn.networks.symmetry.averaging import GroupAveraged
from physnn.networks.symmetry.cnn import FieldCNN
from physnn.networks.symmetry.layers import FieldConv
from physnn.networks.symmetry.sphere import SphereConv
from physnn.networks.symmetry.steerable import SteerableCNN


class SimpleCNN(nn.Module):
    """Two 3 x 3 convolutions of 16 and 32 channels, each with ReLU and 2 x 2 max-pooling, 64 hidden units, logits.

    The last maps are averaged to ``grid x grid`` places before they are flattened, so that images of different sides
    need as many weights; without it the hidden layer sees all ``(side // 4)^2`` places.
    """

    def __init__(self, channels: int, side: int, classes: int, grid: int | None = None) -> None:
        super().__init__()
        check_images(channels, side, classes)
        places = side // 4 if grid is None else grid
        if not 1 <= places <= side // 4:
            raise InputError(f"a grid of {places} does not fit images of side {side}; take 1 to {side // 4}")
        self.grid = grid
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.hidden = nn.Linear(32 * places**2, 64)
        self.output = nn.Linear(64, classes)
        self.register_module("label", None)

    def between(self, x: Tensor, layer: int) -> Tensor:
        """Output of convolution ``layer`` (0 or 1) as its ReLU gets it: unchanged."""
        return x

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor | TwoOutputs:
        """Logits ``(batch, classes)`` of images ``(batch, channels, H, W)``; in training with a second output, if any.

        ``keep (batch, 64)`` are factors of the hidden units; without them `DropoutCNN` draws its own in training.
        """
        x = images
        for k, layer in enumerate((self.first, self.second)):
            x = functional.max_pool2d(functional.relu(self.between(layer(x), k)), 2)
        if self.grid is not None:
            x = functional.adaptive_avg_pool2d(x, self.grid)
        hidden = self.leave_out(functional.relu(self.hidden(x.flatten(1))), keep)
        return outputs(self, hidden)

    def leave_out(self, hidden: Tensor, keep: Tensor | None) -> Tensor:
        """Activities of the hidden layer times their factors, if there are any."""
        return hidden if keep is None else hidden * keep


class DropoutCNN(SimpleCNN):
    """`SimpleCNN` with dropout of 0.3 between hidden layer and output, in training."""

    rate = 0.3

    def leave_out(self, hidden: Tensor, keep: Tensor | None) -> Tensor:
        """Activities of the hidden layer after dropout."""
        if keep is None:
            return functional.dropout(hidden, self.rate, self.training)
        return super().leave_out(hidden, keep)


class BatchNormCNN(SimpleCNN):
    """`SimpleCNN` with batch normalisation after each convolution, which has no constants then.

    A constant before a normalisation changes nothing; its gradient is rounding, which Adam would blow up to full steps.
    To train stacked copies under ``torch.func.vmap``, stack the buffers like the weights and pass both to
    ``functional_call``: running statistics are updated in the stacked buffers, in place.
    """

    def __init__(self, channels: int, side: int, classes: int, grid: int | None = None) -> None:
        super().__init__(channels, side, classes, grid)
        self.first.register_parameter("bias", None)
        self.second.register_parameter("bias", None)
        self.norms = nn.ModuleList([nn.BatchNorm2d(16), nn.BatchNorm2d(32)])

    def between(self, x: Tensor, layer: int) -> Tensor:
        """Normalised maps."""
        normalised: Tensor = self.norms[layer](x)
        return normalised


class AugmentedCNN(SimpleCNN):
    """`SimpleCNN` that sees the first half of every batch transformed while it trains (batches are shuffled)."""

    group: SymmetryGroup

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor | TwoOutputs:
        """Logits ``(batch, classes)``; those of images as they are when not training."""
        if self.training:
            half = len(images) // 2
            images = torch.cat([act(self.group, 1, images[:half]), images[half:]])
        return super().forward(images, keep)


class FlipEquivarianceCNN(AugmentedCNN):
    """Half of every batch is flipped horizontally."""

    group = "flip"


class RotationEquivarianceCNN(AugmentedCNN):
    """Half of every batch is turned by 180 degrees."""

    group = "rotation"


NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "simple": SimpleCNN,
    "dropout": DropoutCNN,
    "batchnorm": BatchNormCNN,
    "flip": FlipEquivarianceCNN,
    "rotation": RotationEquivarianceCNN,
    "flip_tied": partial(TiedCNN, group="flip"),
    "rotation_tied": partial(TiedCNN, group="rotation"),
    "quarter_tied": partial(TiedCNN, group="quarter"),
    "d4_fields": partial(FieldCNN, point="d4"),
    "d4_mixed_fields": partial(FieldCNN, point="d4", mixed=True),
    "so2_fields": SteerableCNN,
    "d4_averaged": lambda channels, side, classes: GroupAveraged(SimpleCNN(channels, side, classes), "d4"),
    "resnet18": resnet18,
    "mobilenet": mobilenet,
    "resnet18_small": resnet18_small,
    "efficientnet_small": efficientnet_small,
}
"""Constructors by name; each takes (channels, side, classes)."""


def build(name: str, channels: int, side: int, classes: int) -> nn.Module:
    """Untrained network of the zoo; its weights are torch's own until `initialise` sets them."""
    if name not in NETWORKS:
        raise InputError(f"there is no network {name!r}; take one of {', '.join(NETWORKS)}")
    return NETWORKS[name](channels, side, classes)


def initialise(network: nn.Module, generator: np.random.Generator) -> None:
    """Set a network's weights as torch does by default, from a generator: uniform on ``+- 1/sqrt(fan in)``.

    Weights and constants of convolutions and linear layers; batch normalisation begins as the identity.  Numbers are
    drawn for constants that a layer lacks, too, so that all other weights are those of the layer that has them.
    A network that was brought begins as its class makes it, torch's own numbers seeded by the generator.
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, UserClassifier):
                layer.redraw(generator)
                return
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
            elif isinstance(layer, FieldConv | SphereConv):
                layer.draw(generator)
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                bound = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
                for values in (layer.weight, layer.bias):
                    shape = layer.weight.shape[:1] if values is None else values.shape
                    drawn = generator.uniform(-bound, bound, tuple(shape)).astype(np.float32)
                    if values is not None:
                        values.copy_(torch.from_numpy(drawn))


def count_weights(network: nn.Module) -> int:
    """Number of trained numbers in a network."""
    return sum(values.numel() for values in network.parameters())
