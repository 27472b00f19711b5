"""Speed of training diffusion models that colour images, against plain torch on as many threads, and what limits it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
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
COLOUR_THREADS = (1, 2)
FIRST_LOSSES = 5
"""First steps whose mean loss is told."""
MEMORY_ORDERS = {"channels last": torch.channels_last, "usual layout": torch.contiguous_format}
"""Orders in memory by name."""
TIMED_LAYERS = {"convolutions": nn.Conv2d, "norms": nn.GroupNorm}
"""Layers whose time is measured alone, by name; norms with the SiLU after them."""


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
    """Images per second of training a diffusion model, batches and noise included.

    ``physnn`` is a step of `physnn train colour`: channels last, one fused step of AdamW and one of the running mean
    for all weights.  ``torch`` is the same network as modules in the usual layout, ``torch.optim.AdamW`` without
    ``foreach``, and a loop that makes every running mean anew.

    ``convolutions`` and ``norms`` of the largest network are those layers alone, forwards and backwards.  The ratio
    ``limit / torch`` is of a step in which nothing else takes time, and each of these has its faster layout.

    One thread is measured by processor time, two by the clock on the wall, which other work makes slower.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`.  Rows have the mean loss of the first steps, which is equal to rounding.
    """
    rows, ratios = [], dict[str, float]()
    for threads in COLOUR_THREADS:
        before = set_threads(threads)
        try:
            cases = [case for width, levels, side in COLOUR_CASES for case in _cases(width, levels, side, threads)]
            rows += (own := timed(cases + _parts(*COLOUR_CASES[-1], threads), progress))
        finally:
            set_threads(before)
        ratios |= _ratios({row["name"]: row["value"] for row in own}, f"{threads} thread{'s'[: threads - 1]}")
    return report(rows, ratios)


def _ratios(value: dict[str, float], threads: str) -> dict[str, float]:
    """Speeds over those of plain modules, by what is compared."""
    labels = [name.removeprefix("torch, ") for name in value if name.startswith("torch, ")]
    found = {f"physnn / torch, {it}, {threads}": value[f"physnn, {it}"] / value[f"torch, {it}"] for it in labels}
    fastest = [max(v for name, v in value.items() if name.startswith(part)) for part in TIMED_LAYERS]
    limit = 1 / sum(1 / v for v in fastest)
    return found | {f"limit / torch, {labels[-1]}, {threads}": limit / value[f"torch, {labels[-1]}"]}


def _case(name: str, step: Callable[[], Any], threads: int, **more: float) -> Case:
    def run(steps: int) -> None:
        for _ in range(steps):
            step()

    clock = time.process_time if threads == 1 else time.perf_counter
    return Case(name, "images/s", run, per_second(BATCH), threads, clock=clock, more=lambda _: more)


def _cases(width: int, levels: int, side: int, threads: int) -> list[Case]:
    """Both ways of training a network, after their first steps."""

    def case(name: str, step: Callable[[], float]) -> Case:
        loss = sum(step() for _ in range(FIRST_LOSSES)) / FIRST_LOSSES
        return _case(f"{name}, width {width}, {side} x {side}", step, threads, loss=loss)

    shape, pictures = UNetShape(width, levels), load_pictures(SHAPES, side, 16 * BATCH, 1)
    settings = ColourSettings(1000, BATCH, BENCH_RATE, MEAN_MEMORY, 0.5, "ddim", 1, 2, "loop", "cpu", "float32")
    training, batches = (ColourTraining(shape, "raw", (0,), pictures, settings) for _ in range(2))

    def fast() -> float:
        training.advance()
        return float(training.losses[0])

    return [case("physnn", fast), case("torch", _plain(batches))]


def _parts(width: int, levels: int, side: int, threads: int) -> list[Case]:
    """Layers of a network alone, in each layout."""
    found = []
    for layout, order in MEMORY_ORDERS.items():
        network, met = PlainUNet(UNetShape(width, levels)), list[tuple[nn.Module, Tensor]]()
        network.to(memory_format=order)  # type: ignore[call-overload]

        def keep(layer: nn.Module, given: tuple[Tensor], _: Any, met: list[tuple[nn.Module, Tensor]] = met) -> None:
            met.append((layer, given[0].detach()))

        for layer in network.modules():
            if isinstance(layer, tuple(TIMED_LAYERS.values())):
                layer.register_forward_hook(keep)
        shape = BATCH, COLOUR_CHANNELS + GREY_CHANNELS, side, side
        network(torch.linspace(-1, 1, math.prod(shape)).view(shape), torch.ones(BATCH))
        for part, kind in TIMED_LAYERS.items():
            label = f"{part}, {layout}, width {width}, {side} x {side}"
            own = [(layer, x.contiguous(memory_format=order)) for layer, x in met if isinstance(layer, kind)]
            found.append(_case(label, _passes(own), threads))
    return found


def _passes(layers: Sequence[tuple[nn.Module, Tensor]]) -> Callable[[], None]:
    """Way through layers, each by itself, forwards and backwards; images themselves need no gradient."""
    ready = []
    for layer, given in layers:
        x = given.requires_grad_(given.shape[1] != COLOUR_CHANNELS + GREY_CHANNELS)
        slopes = torch.ones_like(layer(x))
        ready.append((layer, x, slopes, [each for each in (x, *layer.parameters()) if each.requires_grad]))

    def both() -> None:
        for layer, x, slopes, by in ready:
            y = layer(x)
            torch.autograd.grad(functional.silu(y) if isinstance(layer, nn.GroupNorm) else y, by, slopes)

    return both


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
