"""Convolutional networks whose logits do not change when the image is flipped or turned, by tied weights.

Lattice group convolutions (T. S. Cohen and M. Welling, ICML 2016) over a cyclic group of n elements g that acts on
the square lattice by T_g.  A feature map has a copy for every g, and with a kernel psi,

    (f * psi)(g) = sum_h conv(f(h), T_g psi(g^-1 h)),

so that an image acted on by u gives the copies of the original one, acted on by u and permuted.  The mean over g of
the last hidden layer is invariant.  The network is a `SimpleCNN` with weights that repeat; `tied` returns them.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.networks.classifiers.deep import check_images

SymmetryGroup = Literal["flip", "rotation", "quarter"]
GROUP_ORDERS: dict[SymmetryGroup, int] = {"flip": 2, "rotation": 2, "quarter": 4}
"""Numbers of elements of the groups: horizontal flips, turns by 180 degrees, turns by 90 degrees."""


def act(group: SymmetryGroup, g: int, images: Tensor) -> Tensor:
    """Images or kernels ``(..., H, W)`` acted on by element g, the g-th power of the generator."""
    if group == "flip":
        return images.flip(-1) if g % 2 else images
    return torch.rot90(images, g * (4 // GROUP_ORDERS[group]), (-2, -1))


class TiedCNN(nn.Module):
    """Layers of `SimpleCNN` with weights tied by a group: 16 and 32 maps, 64 hidden units, invariant logits.

    The side of the images must be divisible by 4, or pooling would not commute with the group.
    """

    def __init__(self, channels: int, side: int, classes: int, group: SymmetryGroup) -> None:
        super().__init__()
        check_images(channels, side, classes)
        if side % 4:
            raise InputError(f"an equivariant network needs images with a side divisible by 4, not {side}")
        n = GROUP_ORDERS[group]
        self.group, self.order = group, n
        self.first = nn.Conv2d(channels, 16 // n, 3, padding=1)
        # Copies of the input come as further input channels: map i, copy h at i * n + h.
        self.second = nn.Conv2d(16, 32 // n, 3, padding=1)
        # A layer that sees the whole map is a convolution with a kernel of the map's size.
        self.hidden = nn.Conv2d(32, 64 // n, side // 4)
        self.output = nn.Linear(64 // n, classes)

    def copies(self, weight: Tensor, lifted: bool) -> Tensor:
        """Kernels of all copies, ``(maps * n, inputs, k, k)``, of a layer's own kernels."""
        n = self.order
        out, inputs = weight.shape[:2]
        if not lifted:
            return torch.stack([act(self.group, g, weight) for g in range(n)], 1).flatten(0, 1)
        own = weight.unflatten(1, (inputs // n, n))
        turned = [act(self.group, g, own).roll(g, 2) for g in range(n)]
        return torch.stack(turned, 1).reshape(out * n, inputs, *weight.shape[2:])

    def tied(self) -> dict[str, Tensor]:
        """Weights of the `SimpleCNN` that computes the same, by the names of its parameters."""
        n = self.order
        hidden = self.copies(self.hidden.weight, True)
        layers = {
            "first.weight": self.copies(self.first.weight, False),
            "second.weight": self.copies(self.second.weight, True),
            "hidden.weight": hidden.flatten(1),
            "output.weight": self.output.weight.repeat_interleave(n, 1) / n,
        }
        biases = {
            f"{name}.bias": layer.bias.repeat_interleave(n)
            for name, layer in (("first", self.first), ("second", self.second), ("hidden", self.hidden))
            if layer.bias is not None
        }
        return layers | biases | {"output.bias": self.output.bias}

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of images ``(batch, channels, H, W)``."""
        w = self.tied()
        x = functional.conv2d(images, w["first.weight"], w["first.bias"], padding=1)
        x = functional.max_pool2d(functional.relu(x), 2)
        x = functional.conv2d(x, w["second.weight"], w["second.bias"], padding=1)
        x = functional.max_pool2d(functional.relu(x), 2)
        x = functional.relu(functional.linear(x.flatten(1), w["hidden.weight"], w["hidden.bias"]))
        return functional.linear(x, w["output.weight"], w["output.bias"])
