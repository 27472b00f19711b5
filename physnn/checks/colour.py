"""Speed of training diffusion models that colour images, against plain torch on as many threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.checks.bench import Case, per_second, report, timed
from physnn.jobs.run import Progress, silent
from physnn.networks.colour.colouring import WEIGHT_DECAY, ColourTraining
from physnn.networks.colour.pictures import SHAPES, load_pictures
from physnn.networks.colour.rows import ColourSettings
from physnn.networks.colour.unet import time_features
from physnn.networks.colour.unet_shapes import COLOUR_CHANNELS, GREY_CHANNELS, GROUP_CHANNELS, UNetShape
from physnn.networks.device import set_threads

COLOUR_CASES = ((16, 3, 16), (32, 3, 32))
"""Width of the first level, levels, and side of the images: the quick size, and that of CIFAR-10."""
BATCH, MEAN_MEMORY, BENCH_RATE = 16, 0.99, 1e-3
"""Images of a step, memory of the running mean of the weights, and learning rate."""
COLOUR_THREADS = 2
FIRST_LOSSES = 5
"""First steps whose mean loss is told."""


class PlainBlock(nn.Module):
    """Block of a U-Net as it is usually written."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(n // GROUP_CHANNELS, n) for n in (inputs, outputs)])
        self.convs = nn.ModuleList([nn.Conv2d(n, outputs, 3, padding=1) for n in (inputs, outputs)])
        self.time = nn.Linear(embedding, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, h: Tensor, embedded: Tensor) -> Tensor:
        """Maps after the block."""
        inner = self.convs[0](functional.silu(self.norms[0](h))) + self.time(embedded)[:, :, None, None]
        inner = self.convs[1](functional.silu(self.norms[1](inner)))
        found: Tensor = inner + self.skip(h)
        return found


class PlainUNet(nn.Module):
    """U-Net of a shape from torch's modules."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        e, w = shape.embedding, shape.width
        self.times = nn.ModuleList([nn.Linear(w, e), nn.Linear(e, e)])
        self.first = nn.Conv2d(COLOUR_CHANNELS + GREY_CHANNELS, w, 3, padding=1)
        self.blocks = nn.ModuleList([PlainBlock(a, b, e) for _, a, b, _ in shape.blocks()])
        self.norm, self.last = nn.GroupNorm(w // GROUP_CHANNELS, w), nn.Conv2d(w, COLOUR_CHANNELS, 3, padding=1)

    def load(self, arrays: dict[str, Tensor]) -> None:
        """Take over the arrays of the same network by the names of `UNetShape.parameters`."""
        layers: dict[str, nn.Module] = {"time.0": self.times[0], "time.1": self.times[1], "in": self.first}
        for (name, *_), block in zip(self.shape.blocks(), self.blocks, strict=True):
            assert isinstance(block, PlainBlock)
            layers |= {f"{name}.norm.{k}": norm for k, norm in enumerate(block.norms)}
            layers |= {f"{name}.{k}": conv for k, conv in enumerate(block.convs)}
            layers |= {f"{name}.time": block.time, f"{name}.skip": block.skip}
        layers |= {"out.norm": self.norm, "out": self.last}
        with torch.no_grad():
            for name, values in arrays.items():
                layer, _, kind = name.rpartition(".")
                getattr(layers[layer], kind).copy_(values)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        """Noise in images."""
        embedded = time_features(times, self.shape.width)
        for layer in self.times:
            embedded = functional.silu(layer(embedded))
        blocks, h, kept = iter(self.blocks), self.first(x), []
        for level in range(self.shape.levels):
            h = next(blocks)(functional.avg_pool2d(h, 2) if level else h, embedded)
            kept.append(h)
        h = next(blocks)(h, embedded)
        while kept:
            h = next(blocks)(torch.cat([h, kept.pop()], 1), embedded)
            h = functional.interpolate(h, scale_factor=2) if kept else h
        found: Tensor = self.last(functional.silu(self.norm(h)))
        return found


def bench_colour(progress: Progress = silent) -> dict[str, Any]:
    """Images per second of training a diffusion model, batches and noise included, on two threads.

    ``physnn`` is a step of `physnn train colour`: channels last, one fused step of AdamW and one of the running mean
    for all weights.  ``torch`` is the same network as modules in the usual layout, ``torch.optim.AdamW`` without
    ``foreach``, and a loop that makes every running mean anew.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`.  Rows have the mean loss of the first steps, which is equal to rounding.
    """
    before = set_threads(COLOUR_THREADS)
    try:
        cases = [case for width, levels, side in COLOUR_CASES for case in _cases(width, levels, side)]
        rows = timed(cases, progress)
    finally:
        set_threads(before)
    value = {row["name"]: row["value"] for row in rows}
    labels = [name.removeprefix("torch, ") for name in value if name.startswith("torch, ")]
    return report(rows, {f"physnn / torch, {it}": value[f"physnn, {it}"] / value[f"torch, {it}"] for it in labels})


def _cases(width: int, levels: int, side: int) -> list[Case]:
    """Both ways of training a network, after their first steps."""

    def case(name: str, step: Callable[[], float]) -> Case:
        loss = sum(step() for _ in range(FIRST_LOSSES)) / FIRST_LOSSES

        def run(steps: int) -> None:
            for _ in range(steps):
                step()

        label = f"{name}, width {width}, {side} x {side}"
        return Case(label, "images/s", run, per_second(BATCH), threads=COLOUR_THREADS, more=lambda _: {"loss": loss})

    shape, pictures = UNetShape(width, levels), load_pictures(SHAPES, side, 16 * BATCH, 1)
    settings = ColourSettings(1000, BATCH, BENCH_RATE, MEAN_MEMORY, 0.5, "ddim", 1, 2, "loop", "cpu", "float32")
    training, batches = (ColourTraining(shape, "raw", (0,), pictures, settings) for _ in range(2))

    def fast() -> float:
        training.advance()
        return float(training.losses[0])

    return [case("physnn", fast), case("torch", _plain(batches))]


def _plain(training: ColourTraining) -> Callable[[], float]:
    """Step of a network of modules, with the first weights and the batches of a training that takes none itself."""
    shape, networks = training.networks.shape, training.networks
    network = PlainUNet(shape)
    network.load({name: view[0] for name, view in networks.views(networks.flat).items()})
    optimiser = torch.optim.AdamW(network.parameters(), BENCH_RATE, weight_decay=WEIGHT_DECAY, foreach=False)
    means = [weights.detach().clone() for weights in network.parameters()]

    def step() -> float:
        inputs, levels, noise = training.batch(0)
        loss = ((network(inputs, levels) - noise) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        training.steps += 1
        for k, weights in enumerate(network.parameters()):
            means[k] = MEAN_MEMORY * means[k] + (1 - MEAN_MEMORY) * weights.detach()
        return float(loss.detach())

    return step
