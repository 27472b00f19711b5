"""Speed of the maps of all layers of EfficientNet-Lite0, against the plain network, and of the search for vectors."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from physnn import rng
from physnn.checks.bench import Case, per_nanosecond, per_second, report, timed
from physnn.checks.training.search import search_rows
from physnn.jobs.run import Progress, silent
from physnn.networks.device import set_threads
from physnn.networks.pretrained.fold import folded_network, untrained_copy
from physnn.networks.pretrained.lite import LITES, EfficientNetLite
from physnn.networks.pretrained.passes import difference, layer_maps

BENCH_IMAGES = 16
"""Images of a timed call."""
PLAIN_BATCHES = (1, 2, 4)
"""Images that the plain network takes together: the faster way counts."""
FOLDED_BATCH = 4
BENCH_TURNS = 5
"""Timed calls, of which the fastest counts."""
MATRIX_SIDE = 1024
"""Rows and columns of the matrices whose product says what the processor can do."""


def bench_bottleneck(progress: Progress = silent) -> dict[str, Any]:
    """Images per second of one pass that gives the energies of all layers, at 224 x 224 on one thread.

    ``folded`` has normalisations in the weights, channels last and activations in the convolutions; ``plain`` is the
    network as it is written, in evaluation mode.  Weights are drawn, as no work depends on them.  A product of large
    matrices on the same thread says how near the operations of the convolutions come to what is possible.  Then the
    nearest of 4,900 vectors are searched for, see `search_rows`.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`.  Rows have the largest difference of energies from the plain network, relative
        to the largest energy of the layer.
    """
    before = set_threads(1)
    try:
        network = untrained_copy(EfficientNetLite(LITES["0"]), rng.stream(0, "weights"))
        side, layers = LITES["0"].side, network.layers
        assert isinstance(layers, tuple)
        drawn = rng.stream(0, "synthetic", "bench", "bottleneck").standard_normal((BENCH_IMAGES, 3, side, side))
        images = torch.from_numpy(drawn).float()
        fast, last = folded_network(network, layers), images.contiguous(memory_format=torch.channels_last)
        few = slice(0, FOLDED_BATCH)
        apart = difference(layer_maps(network, images[few], layers), layer_maps(fast, last[few], layers), layers)
        cases = [_case(f"plain, {n} together", network, images, layers, n, 0.0) for n in PLAIN_BATCHES]
        rows = timed([*cases, _case("folded", fast, last, layers, FOLDED_BATCH, apart), _product()], progress)
        each = _operations(network, images[:1])
    finally:
        set_threads(before)
    *plain, folded, product = (row["value"] for row in rows)
    used = folded * each / (1e9 * product)
    ratios = {"folded / plain, 1 thread": folded / max(plain), "folded / product, operations": used}
    missing: list[str] = []
    searched, found = search_rows(missing, progress)
    return report([*rows, *searched], ratios | found, missing)


def _product() -> Case:
    shape, g = (2, MATRIX_SIDE, MATRIX_SIDE), rng.stream(0, "synthetic", "bench", "product")
    a, b = torch.from_numpy(g.standard_normal(shape)).float()

    def run(times: int) -> None:
        for _ in range(times):
            torch.mm(a, b)

    name, value = f"product of matrices of side {MATRIX_SIDE}", per_nanosecond(2.0 * MATRIX_SIDE**3)
    return Case(name, "1e9 operations/s", run, value, 1, 4, BENCH_TURNS, time.process_time)


def _operations(network: nn.Module, image: Tensor) -> float:
    """Multiplications and additions of the convolutions, for one image."""
    found: list[float] = []

    def count(layer: nn.Module, _: object, out: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        found.append(2.0 * out.numel() * layer.weight[0].numel())

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    with torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    return sum(found)


def _case(name: str, network: nn.Module, images: Tensor, layers: tuple[str, ...], together: int, apart: float) -> Case:
    def run(times: int) -> None:
        for _ in range(times):
            for k in range(0, len(images), together):
                layer_maps(network, images[k : k + together], layers)

    value = per_second(len(images))
    return Case(name, "images/s", run, value, 1, 1, BENCH_TURNS, time.process_time, lambda _: {"difference": apart})
