"""Training all replicas at once: weights stacked over replicas, one step for all by ``torch.func.vmap``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
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
from physnn.networks.classifiers.zoo import count_weights
from physnn.networks.device import full_precision
from physnn.networks.tasks.problem import Problem

Tensors = dict[str, Tensor]
MEMORY = 8e9
"""Bytes that a stack of replicas may take: a fixed number, so that no result depends on what memory is free."""


def replicas_at_once(recipe: ClassifierRecipe, problem: Problem) -> int:
    """Return how many replicas may be stacked."""
    return max(1, int(MEMORY / replica_bytes(recipe, problem)))


def replica_bytes(recipe: ClassifierRecipe, problem: Problem) -> float:
    """Return about how many bytes one of stacked replicas takes, from what a batch leaves behind for the way back."""
    network = recipe.build(problem).eval()
    n, weights = len(problem.images), count_weights(network)
    per_image = _kept_bytes(network, problem, 3) - _kept_bytes(network, problem, 2)
    # Weights, slopes, both averages and what a step makes of them; maps and their slopes; dropout of an epoch.
    return 8 * 4 * weights + 2 * per_image * min(recipe.batch, n) + (4 * UNITS * n if dropout_rate(network) else 0)


def _kept_bytes(network: nn.Module, problem: Problem, images: int) -> int:
    """Return the bytes of all tensors that are kept for the slopes of a batch."""
    sizes = []

    def keep(tensor: Tensor) -> Tensor:
        sizes.append(tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.zeros(images, *problem.images.shape[1:]))
    return sum(sizes)


def _tensors(arrays: Arrays, device: str) -> Tensors:
    return {name: torch.from_numpy(v.copy()).to(device) for name, v in arrays.items()}


def _arrays(tensors: Tensors) -> Arrays:
    return {name: v.numpy(force=True).copy() for name, v in tensors.items()}


def _buffers(network: nn.Module, replicas: Replicas, device: str) -> Tensors:
    """Return all buffers, stacked; counters of batches, which no result depends on, begin at zero."""
    count = len(replicas.seeds)
    found = {}
    for name, buffer in network.named_buffers():
        known = replicas.statistics.get(name)
        stacked = buffer.expand(count, *buffer.shape).clone() if known is None else torch.from_numpy(known.copy())
        found[name] = stacked.to(device)
    return found


@full_precision()
def advance(
    recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, epochs: int, device: str = "cpu"
) -> tuple[Replicas, np.ndarray]:
    """Return replicas after some more epochs, and the mean cross-entropy of each epoch, shape (replicas, epochs)."""
    network = recipe.build(problem).to(device).train()
    n, count, rate = len(problem.images), len(replicas.seeds), dropout_rate(network)
    images, labels = (torch.from_numpy(a).to(device) for a in (problem.images, problem.labels))
    weights, mean, square = (_tensors(a, device) for a in (replicas.weights, replicas.mean, replicas.square))
    buffers = _buffers(network, replicas, device)

    def cross_entropy(w: Tensors, b: Tensors, x: Tensor, y: Tensor, keep: Tensor) -> Tensor:
        out = functional_call(network, (w, b), (x, keep) if rate else (x,))
        return functional.cross_entropy(out, y)

    slopes = vmap(grad_and_value(cross_entropy))
    slices = batches(n, recipe.batch)
    loss = torch.zeros(epochs, count, dtype=torch.float64, device=device)
    step = replicas.epoch * len(slices)
    for e in range(epochs):
        epoch = replicas.epoch + e
        order = torch.from_numpy(np.stack([image_order(seed, epoch, n) for seed in replicas.seeds])).to(device)
        drawn = np.stack([dropout_factors(seed, epoch, n, UNITS, rate) for seed in replicas.seeds])
        keep = torch.from_numpy(drawn).to(device)
        for s in slices:
            step += 1
            x, y = images[order[:, s]], labels[order[:, s]]
            slope, value = slopes(weights, buffers, x, y, keep[:, s] if rate else keep[:, :1].new_zeros(count, 1))
            with torch.no_grad():
                adam(recipe, weights, slope, mean, square, step)
            loss[e] += value.double() * ((s.stop - s.start) / n)
    statistics = {name: v for name, v in buffers.items() if name in replicas.statistics}
    return replace(
        replicas,
        weights=_arrays(weights),
        statistics=_arrays(statistics),
        mean=_arrays(mean),
        square=_arrays(square),
        epoch=replicas.epoch + epochs,
    ), loss.cpu().numpy().T


def adam(recipe: ClassifierRecipe, weights: Tensors, slope: Tensors, mean: Tensors, square: Tensors, step: int) -> None:
    """Take one step of Adam (D. P. Kingma and J. Ba, arXiv:1412.6980), in place, all arrays in one call each."""
    names = list(weights)
    w, g = [weights[k] for k in names], [slope[k] for k in names]
    m, v = [mean[k] for k in names], [square[k] for k in names]
    g = list(torch._foreach_add(g, w, alpha=recipe.weight_decay))
    torch._foreach_lerp_(m, g, 0.1)
    torch._foreach_mul_(v, 0.999)
    torch._foreach_addcmul_(v, g, g, 0.001)
    root = torch._foreach_sqrt(v)
    torch._foreach_div_(root, (1 - 0.999**step) ** 0.5)
    torch._foreach_add_(root, 1e-8)
    torch._foreach_addcdiv_(w, m, root, -recipe.lr / (1 - 0.9**step))


@full_precision()
def logits(
    recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
) -> np.ndarray:
    """Return logits of images, shape (replicas, n, classes)."""
    network = recipe.build(problem).to(device).eval()
    weights, buffers = _tensors(replicas.weights, device), _buffers(network, replicas, device)
    tensors = torch.from_numpy(images)

    def answer(w: Tensors, b: Tensors, x: Tensor) -> Tensor:
        found: Tensor = functional_call(network, (w, b), (x,))
        return found

    with torch.no_grad():
        parts = [
            vmap(answer, in_dims=(0, 0, None))(weights, buffers, tensors[s].to(device)).cpu().numpy()
            for s in batches(len(images), 64)
        ]
    return np.concatenate(parts, axis=1)
