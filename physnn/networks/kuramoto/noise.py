"""The noise of a network's dynamics: normals keyed by (image key, row, column, step, component), on any device."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from physnn.kernels import random


class KeyedNoise:
    """Standard normals for the steps of a batch of images; call with the step number.

    The same key, place and step give the same number at every L and in every batch.

    Parameters
    ----------
    keys : ndarray of uint32, shape (images, 2)
        One counter key per image.
    components, L : int
        Shape of the state, ``(images, components, L, L)``.
    device : str
        ``"cpu"`` (compiled loop) or ``"cuda"`` (the same words from integer tensor operations).
    """

    def __init__(self, keys: np.ndarray, components: int, L: int, device: str = "cpu") -> None:
        self.keys, self.components, self.L, self.device = keys, components, L, device

    def __call__(self, step: int) -> Tensor:
        """Return the normals of one step, shape ``(images, components, L, L)`` (components fastest in memory)."""
        if self.device != "cpu":
            return tensor_normals(
                torch.from_numpy(self.keys.astype(np.int64)).to(self.device), step, self.components, self.L
            )
        out = np.empty((len(self.keys), self.L, self.L, self.components), np.float32)
        random.counter_normals(self.keys, step, out)
        return torch.from_numpy(out).permute(0, 3, 1, 2)


def tensor_normals(keys: Tensor, step: int, components: int, L: int) -> Tensor:
    """Return what `KeyedNoise` returns, from int64 tensor operations on the device of ``keys (images, 2)``."""
    device, low = keys.device, 0xFFFFFFFF
    blocks = (components + 3) // 4
    shape = (len(keys), L, L, blocks)
    w = [
        torch.arange(L, device=device).view(1, L, 1, 1).expand(shape),
        torch.arange(L, device=device).view(1, 1, L, 1).expand(shape),
        torch.full(shape, step, device=device),
        torch.arange(blocks, device=device).view(1, 1, 1, blocks).expand(shape),
    ]
    key = [keys[:, k].view(-1, 1, 1, 1) for k in (0, 1)]
    for _ in range(random.PHILOX_ROUNDS):
        # A product of two 32-bit words wraps in int64, but its 64 bits are right: mask after the shift.
        product = [w[0] * random.MULTIPLIERS[0], w[2] * random.MULTIPLIERS[1]]
        high = [(p >> 32) & low for p in product]
        w = [high[1] ^ w[1] ^ key[0], product[1] & low, high[0] ^ w[3] ^ key[1], product[0] & low]
        key = [(k + increment) & low for k, increment in zip(key, random.INCREMENTS, strict=True)]
    normals = []
    for first, second in ((w[0], w[1]), (w[2], w[3])):
        radius = torch.sqrt(-2 * torch.log(((first >> 8).float() + 0.5) * 2.0**-24))
        angle = second.double().mul(2 * math.pi * 2.0**-32).float()
        normals += [radius * torch.cos(angle), radius * torch.sin(angle)]
    return torch.stack(normals, -1).reshape(*shape[:3], 4 * blocks)[..., :components].permute(0, 3, 1, 2)
