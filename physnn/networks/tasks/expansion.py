"""Input expansion: original pixels at even spacing, everything between them filled; and its controls.

Source: "Symmetry breaking in neural network optimization: insights from input dimension expansion", sections 2.1 and
6.1: factors 2 to 5, filled with 0, 0.25, 0.5, 1 or random numbers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.images import unit_range

FACTORS = range(2, 6)
"""Factors of expansion that are offered, those of the source."""
Fill = float | Literal["random", "pattern"]
"""Number; or ``random``: uniform numbers on [0, 1) for every image; or ``pattern``: the same ones for all images."""


def check_expansion(factor: int, fill: Fill) -> None:
    """Raise InputError unless factor and fill are ones that `expand` knows."""
    if factor not in FACTORS:
        raise InputError(f"an expansion by {factor} is not offered; take a factor of 2, 3, 4 or 5")
    if isinstance(fill, str) and fill not in ("random", "pattern"):
        raise InputError(f"expanded images cannot be filled with {fill!r}; give a number, random or pattern")
    if not isinstance(fill, str) and not np.isfinite(fill):
        raise InputError(f"expanded images cannot be filled with {fill}; give a finite number")


def filling(shape: tuple[int, ...], fill: Fill, seed: int) -> np.ndarray:
    """Background of expanded images ``(n, channels, H, W)``, before the pixels are set: float32.

    The numbers of the first images do not depend on how many follow.
    """
    if not isinstance(fill, str):
        return np.full(shape, fill, np.float32)
    drawn = shape if fill == "random" else (1, *shape[1:])
    return np.broadcast_to(rng.stream(seed, "fill", fill).random(drawn, np.float32), shape).copy()


def expand(images: np.ndarray, factor: int = 2, fill: Fill = 0.5, seed: int = 0) -> np.ndarray:
    """Images (n, channels, factor * H, factor * W), float32, with pixel (i, j) at (factor i, factor j) and a `Fill`.

    Pixels of uint8 are divided by 255 first; the fill is in units of what comes out.  Expanding normalised images fills
    with the number after normalisation.  `InputError` unless the factor is 2 to 5.
    """
    check_expansion(factor, fill)
    n, channels, height, width = images.shape
    expanded = filling((n, channels, factor * height, factor * width), fill, seed)
    expanded[..., ::factor, ::factor] = unit_range(images)
    return expanded


def upsample(images: np.ndarray, factor: int = 2) -> np.ndarray:
    """Images enlarged by nearest neighbours: the control with the size, hence the work, of `expand`'s.

    Pixel (i, j) fills the square from (factor i, factor j) to (factor i + factor - 1, factor j + factor - 1).
    ``torch.nn.Upsample(scale_factor=factor)`` does the same.
    """
    check_expansion(factor, 0.0)
    return unit_range(images).repeat(factor, -2).repeat(factor, -1)


def append_constants(vectors: np.ndarray, count: int = 1, value: float = 0.5) -> np.ndarray:
    """Vectors ``(..., d)`` with ``count`` constant features after their own: ``(..., d + count)``.

    Whole numbers become float32, so that the constant is not cut.  Raises InputError for a count below 1 or a value
    that is not finite.
    """
    if count < 1 or not np.isfinite(value):
        raise InputError(f"{count} features of {value} cannot be appended; give a positive number of finite ones")
    if vectors.dtype.kind != "f":
        vectors = vectors.astype(np.float32)
    constant = np.full((*vectors.shape[:-1], count), value, vectors.dtype)
    return np.concatenate([vectors, constant], axis=-1)


class Expansion(nn.Module):
    """`expand` as the first layer of a network, without trained weights.

    With ``random``, numbers are drawn anew in every call from torch's generator, as dropout does; a number and
    ``pattern`` give what `expand` gives.

    Parameters
    ----------
    channels, side : int
        Of the images that come in; only ``pattern`` depends on them.
    factor, fill, seed
        As for `expand`.
    """

    background: Tensor

    def __init__(self, channels: int, side: int, factor: int = 2, fill: Fill = 0.5, seed: int = 0) -> None:
        super().__init__()
        check_expansion(factor, fill)
        self.factor, self.fill = factor, fill
        shape = (1, channels, factor * side, factor * side) if fill == "pattern" else (1, 1, 1, 1)
        constant = 0.0 if fill == "random" else fill
        self.register_buffer("background", torch.from_numpy(filling(shape, constant, seed)), persistent=False)
        mask = np.zeros((factor, factor), np.float32)
        mask[0, 0] = 1
        self.register_buffer("corner", torch.from_numpy(mask), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Expanded images ``(..., channels, factor * H, factor * W)`` of floating-point images."""
        f = self.factor
        height, width = images.shape[-2:]
        background = self.background.to(images.dtype).squeeze(0)
        corner = self.get_buffer("corner").bool().tile(height, width)
        large = images.repeat_interleave(f, -2).repeat_interleave(f, -1)
        # Chosen by a mask, not written in place, so that the layer works under torch.func.vmap.
        return torch.where(corner, large, torch.rand_like(large) if self.fill == "random" else background)
