"""Shapes of the arrays of a small U-Net, and the operations that it takes: numbers alone, no tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

COLOUR_CHANNELS, GREY_CHANNELS = 3, 1
"""Channels of a noisy image, and of the grey one beside it."""
GROUP_CHANNELS = 4
"""Channels that are normalised together: never one alone, whose bias would have no slope."""
MOST_GROWN = 4
"""Largest number of channels of a level, over that of the first."""


class UNetBlock(NamedTuple):
    """Block of two convolutions at one resolution: its name, channels that come in and go out, and its level."""

    name: str
    inputs: int
    outputs: int
    level: int


@dataclass(frozen=True)
class UNetShape:
    """Shape of a U-Net (O. Ronneberger et al., arXiv:1505.04597) with a block for every level down and up.

    Attributes
    ----------
    width : int
        Channels of the first level, a multiple of `GROUP_CHANNELS`; each further level has twice as many, up to
        `MOST_GROWN` times as many.
    levels : int
        Resolutions, each half of that before.
    """

    width: int
    levels: int

    @property
    def embedding(self) -> int:
        """Features of the noise level."""
        return 4 * self.width

    def channels(self, level: int) -> int:
        """Channels of a level, from 0."""
        return self.width * min(1 << level, MOST_GROWN)

    def blocks(self) -> tuple[UNetBlock, ...]:
        """Blocks in the order in which they are passed: down, in the middle, and up."""
        last = self.levels - 1
        down = [UNetBlock(f"down.{k}", self.channels(max(k - 1, 0)), self.channels(k), k) for k in range(self.levels)]
        middle = UNetBlock("middle", self.channels(last), self.channels(last), last)
        up = [
            UNetBlock(f"up.{k}", self.channels(min(k + 1, last)) + self.channels(k), self.channels(k), k)
            for k in range(last, -1, -1)
        ]
        return (*down, middle, *up)

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all arrays by name, outputs before inputs, as torch has them."""
        e, w = self.embedding, self.width
        found: dict[str, tuple[int, ...]] = {}
        for name, inputs in (("time.0", w), ("time.1", e)):
            found |= {f"{name}.weight": (e, inputs), f"{name}.bias": (e,)}
        found |= {"in.weight": (w, COLOUR_CHANNELS + GREY_CHANNELS, 3, 3), "in.bias": (w,)}
        for name, inputs, outputs, _ in self.blocks():
            found |= {f"{name}.norm.0.weight": (inputs,), f"{name}.norm.0.bias": (inputs,)}
            found |= {f"{name}.0.weight": (outputs, inputs, 3, 3), f"{name}.0.bias": (outputs,)}
            found |= {f"{name}.time.weight": (outputs, e), f"{name}.time.bias": (outputs,)}
            found |= {f"{name}.norm.1.weight": (outputs,), f"{name}.norm.1.bias": (outputs,)}
            found |= {f"{name}.1.weight": (outputs, outputs, 3, 3), f"{name}.1.bias": (outputs,)}
            if inputs != outputs:
                found |= {f"{name}.skip.weight": (outputs, inputs, 1, 1), f"{name}.skip.bias": (outputs,)}
        found |= {"out.norm.weight": (w,), "out.norm.bias": (w,)}
        return found | {"out.weight": (COLOUR_CHANNELS, w, 3, 3), "out.bias": (COLOUR_CHANNELS,)}

    def operations(self, side: int) -> float:
        """Multiplications and additions of all products of matrices for one image of a side, forwards."""
        levels = {name: level for name, _, _, level in self.blocks()}
        total = 0.0
        for name, shape in self.parameters().items():
            if len(shape) == 1:
                continue
            products = 2.0
            for n in shape:
                products *= n
            if len(shape) == 4:
                products *= (side // 2 ** levels.get(".".join(name.split(".")[:-2]), 0)) ** 2
            total += products
        return total
