"""Settings of diffusion models, and the arrays of several of them: rows of one tensor, channels last."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from physnn.networks.colour.unet_shapes import UNetShape
from physnn.networks.forms import streams_of


@dataclass(frozen=True)
class ColourSettings:
    """Settings of a training.

    Attributes
    ----------
    times : int
        Steps of the forward process.
    batch, lr, ema : int, float, float
        Images of a step, learning rate, and memory of the running mean of the weights.
    fill : float
        Value between the pixels of expanded images, from 0 to 1.
    sampler, sampling_steps, samples : str, int, int
        ``ddim`` or ``ancestral``, its steps, and samples of every test image.
    engine, device, precision : str
        ``loop``: a network after the other; ``stacked``: all at once.  Where, and in which precision.
    """

    times: int
    batch: int
    lr: float
    ema: float
    fill: float
    sampler: str
    sampling_steps: int
    samples: int
    engine: str
    device: str
    precision: str


class ColourNetworks:
    """Arrays of networks of several seeds, each in a row of one tensor.

    Matrices begin uniform with variance 1 / inputs, the last one and constants at 0, norms as the identity.  Every
    array has a stream of its own, so that all forms of one seed begin alike.

    Attributes
    ----------
    flat : Tensor, shape (seeds, parameters)
        All numbers.
    """

    def __init__(self, shape: UNetShape, word: str, seeds: Sequence[int], dtype: torch.dtype, device: str) -> None:
        self.shape, self.shapes = shape, shape.parameters()
        ends = np.cumsum([0, *(math.prod(each) for each in self.shapes.values())]).tolist()
        self.places = dict(zip(self.shapes, itertools.pairwise(ends), strict=True))
        self.flat = torch.zeros(len(seeds), ends[-1], dtype=dtype, device=device)
        for name, view in self.views(self.flat).items():
            if name.endswith("weight") and view.dim() > 2 and not name.startswith("out."):
                bound = math.sqrt(3 / math.prod(view.shape[2:]))
                drawn = [s.uniform(-bound, bound, view.shape[1:]) for s in streams_of(seeds, "colour", word, name)]
                view.copy_(torch.from_numpy(np.stack(drawn)))
            elif name.endswith("weight") and "norm" in name:
                view.fill_(1)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Arrays by name in rows of numbers, or in one of them, with their shapes; nothing is copied."""
        found, lead = {}, flat.shape[:-1]
        for name, (begin, end) in self.places.items():
            shape = self.shapes[name]
            if len(shape) == 4:
                outputs, inputs, rows, columns = shape
                found[name] = flat[..., begin:end].view(*lead, outputs, rows, columns, inputs).movedim(-1, -3)
            else:
                found[name] = flat[..., begin:end].view(*lead, *shape)
        return found
