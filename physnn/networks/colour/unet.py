"""U-Net as a function of its arrays, so that copies of it can be stacked; fastest with channels last."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from physnn.networks.colour.unet_shapes import GROUP_CHANNELS, UNetShape

LONGEST_PERIOD = 1e4
"""Longest period of the features of a noise level, over 2 pi."""


def time_features(times: Tensor, count: int) -> Tensor:
    """Cosines and sines ``(n, count)`` of times ``(n,)``, periods in geometric progression up to `LONGEST_PERIOD`."""
    half = count // 2
    rates = torch.exp(-math.log(LONGEST_PERIOD) / half * torch.arange(half, device=times.device, dtype=times.dtype))
    angles = times[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


def written_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalised images, as by ``torch.nn.functional.group_norm``, written out: that asks stacked ones how they lie."""
    flat = x.reshape(len(x), groups, -1)
    variance, mean = torch.var_mean(flat, -1, correction=0, keepdim=True)
    normalised = ((flat - mean) * torch.rsqrt(variance + 1e-5)).reshape(x.shape)
    return normalised * weight[:, None, None] + bias[:, None, None]


def unet(
    arrays: Mapping[str, Tensor],
    shape: UNetShape,
    x: Tensor,
    times: Tensor,
    group_norm: Callable[[Tensor, int, Tensor, Tensor], Tensor] = functional.group_norm,
) -> Tensor:
    """Noise ``(n, 3, side, side)`` that a network sees in images.

    Parameters
    ----------
    arrays : mapping of str to Tensor
        Those of `UNetShape.parameters`.
    shape : UNetShape
        Of the network.
    x : Tensor, shape (n, 4, side, side)
        Noisy colours, and the grey image.
    times : Tensor, shape (n,)
        Noise levels, from 0 to 1000.
    group_norm : callable
        What normalises groups of channels.
    """

    def norm(name: str, h: Tensor) -> Tensor:
        groups = h.shape[1] // GROUP_CHANNELS
        return functional.silu(group_norm(h, groups, arrays[f"{name}.weight"], arrays[f"{name}.bias"]))

    def convolved(name: str, h: Tensor) -> Tensor:
        weight = arrays[f"{name}.weight"]
        return functional.conv2d(h, weight, arrays[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def linear(name: str, h: Tensor) -> Tensor:
        return functional.linear(h, arrays[f"{name}.weight"], arrays[f"{name}.bias"])

    def block(name: str, h: Tensor) -> Tensor:
        inner = convolved(f"{name}.0", norm(f"{name}.norm.0", h)) + linear(f"{name}.time", embedded)[:, :, None, None]
        inner = convolved(f"{name}.1", norm(f"{name}.norm.1", inner))
        return inner + (convolved(f"{name}.skip", h) if f"{name}.skip.weight" in arrays else h)

    embedded = functional.silu(linear("time.0", time_features(times, shape.width)))
    embedded = functional.silu(linear("time.1", embedded))
    h, kept = convolved("in", x), []
    for level in range(shape.levels):
        h = block(f"down.{level}", functional.avg_pool2d(h, 2) if level else h)
        kept.append(h)
    h = block("middle", h)
    for level in range(shape.levels - 1, -1, -1):
        h = block(f"up.{level}", torch.cat([h, kept[level]], 1))
        if level:
            h = functional.interpolate(h, scale_factor=2, mode="nearest")
    return convolved("out", norm("out.norm", h))
