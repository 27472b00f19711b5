"""Training classifiers one after the other by torch's own optimiser: slow, plain, and what other engines must equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from physnn.networks.classifiers.replicas import (
    UNITS,
    Arrays,
    ClassifierRecipe,
    Replicas,
    batches,
    dropout_factors,
    dropout_rate,
    image_order,
)
from physnn.networks.device import full_precision
from physnn.networks.tasks.problem import Problem


def load(network: nn.Module, replicas: Replicas, r: int) -> None:
    """Give a network the weights and running statistics of one replica."""
    state = {name: torch.from_numpy(v[r].copy()) for name, v in (replicas.weights | replicas.statistics).items()}
    network.load_state_dict(state, strict=False)


def optimiser_of(
    network: nn.Module, recipe: ClassifierRecipe, replicas: Replicas, r: int, steps: int, fused: bool = False
) -> torch.optim.Adam:
    """Return Adam in the state of one replica after a number of steps."""
    fusion = True if fused else None
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=fusion)
    for name, weights in network.named_parameters():
        optimiser.state[weights] = {
            "step": torch.tensor(float(steps), device=weights.device if fused else "cpu"),
            # In the layout of the weights: a fused step reads all arrays as they lie in memory.
            "exp_avg": torch.empty_like(weights.detach()).copy_(torch.from_numpy(replicas.mean[name][r])),
            "exp_avg_sq": torch.empty_like(weights.detach()).copy_(torch.from_numpy(replicas.square[name][r])),
        }
    return optimiser


@full_precision()
def advance(
    recipe: ClassifierRecipe,
    problem: Problem,
    replicas: Replicas,
    epochs: int,
    device: str = "cpu",
    *,
    channels_last: bool = False,
    fused: bool = False,
) -> tuple[Replicas, np.ndarray]:
    """Return replicas after some more epochs, and the mean cross-entropy of each epoch, shape (replicas, epochs).

    ``channels_last`` and ``fused`` choose torch's other memory layout and its fused optimiser, which may be faster.
    """
    n = len(problem.images)
    slices = batches(n, recipe.batch)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images, labels = (torch.from_numpy(a).to(device) for a in (problem.images, problem.labels))
    rows: list[tuple[Arrays, Arrays, Arrays, Arrays]] = []
    loss = np.zeros((len(replicas.seeds), epochs))
    for r, seed in enumerate(replicas.seeds):
        network = recipe.build(problem).to(device, memory_format=layout)  # type: ignore[call-overload]
        load(network, replicas, r)
        optimiser = optimiser_of(network, recipe, replicas, r, replicas.epoch * len(slices), fused)
        network.train()
        rate = dropout_rate(network)
        for e in range(epochs):
            epoch = replicas.epoch + e
            order = torch.from_numpy(image_order(seed, epoch, n)).to(device)
            keep = torch.from_numpy(dropout_factors(seed, epoch, n, UNITS, rate)).to(device)
            for s in slices:
                optimiser.zero_grad()
                chosen = images[order[s]].contiguous(memory_format=layout)
                logits = network(chosen, keep[s]) if rate else network(chosen)
                mean = functional.cross_entropy(logits, labels[order[s]])
                mean.backward()
                optimiser.step()
                loss[r, e] += mean.item() * (s.stop - s.start) / n
        rows.append(_state(network, optimiser))
    stacked = [{name: np.stack([row[k][name] for row in rows]) for name in rows[0][k]} for k in range(4)]
    weights, statistics, mean_, square = stacked
    return replace(
        replicas, weights=weights, statistics=statistics, mean=mean_, square=square, epoch=replicas.epoch + epochs
    ), loss


def _state(network: nn.Module, optimiser: torch.optim.Adam) -> tuple[Arrays, Arrays, Arrays, Arrays]:
    named = dict(network.named_parameters())
    buffers = {k: v for k, v in network.named_buffers() if v.dtype == torch.float32}
    return (
        {k: v.numpy(force=True).copy() for k, v in named.items()},
        {k: v.numpy(force=True).copy() for k, v in buffers.items()},
        {k: optimiser.state[v]["exp_avg"].numpy(force=True).copy() for k, v in named.items()},
        {k: optimiser.state[v]["exp_avg_sq"].numpy(force=True).copy() for k, v in named.items()},
    )


@full_precision()
def logits(
    recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
) -> np.ndarray:
    """Return logits of images, shape (replicas, n, classes)."""
    found = np.empty((len(replicas.seeds), len(images), len(problem.classes)), np.float32)
    tensors = torch.from_numpy(images)
    network = recipe.build(problem).to(device)
    with torch.no_grad():
        network.eval()
        for r in range(len(replicas.seeds)):
            load(network, replicas, r)
            for s in batches(len(images), 256):
                found[r, s] = network(tensors[s].to(device)).cpu().numpy()
    return found
