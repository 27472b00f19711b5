"""Training all replicas at once: weights stacked over replicas, one step for all by ``torch.func.vmap``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn import functional

from physnn.networks.classifiers.labels import label_distance
from physnn.networks.classifiers.replicas import (
    UNITS,
    Arrays,
    ClassifierRecipe,
    Replicas,
    Trainer,
)
from physnn.networks.classifiers.shown import batches, dropout_rate
from physnn.networks.classifiers.zoo import count_weights
from physnn.networks.device import full_precision
from physnn.networks.sgd import descend
from physnn.networks.symmetry.strengths import Pull
from physnn.networks.tasks.problem import Problem

Tensors = dict[str, Tensor]
"""Tensors by name."""
MEMORY = 8e9
"""Largest size of a stack of replicas in bytes: a fixed number, so that no result depends on what memory is free."""


def replicas_at_once(recipe: ClassifierRecipe, problem: Problem) -> int:
    """Number of replicas that may be stacked."""
    return max(1, int(MEMORY / replica_bytes(recipe, problem)))


def replica_bytes(recipe: ClassifierRecipe, problem: Problem) -> float:
    """Memory of one stacked replica in bytes, about: from the tensors that a batch keeps for back-propagation."""
    network = recipe.build(problem).eval()
    n, weights = len(problem.images), count_weights(network)
    per_image = _kept_bytes(network, problem, 3) - _kept_bytes(network, problem, 2)
    # Weights, slopes, both averages and what a step makes of them; maps and their slopes; dropout of an epoch.
    return 8 * 4 * weights + 2 * per_image * min(recipe.batch, n) + (4 * UNITS * n if dropout_rate(network) else 0)


def _kept_bytes(network: nn.Module, problem: Problem, images: int) -> int:
    """Bytes of all tensors that are kept for the gradient of a batch."""
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
    """All buffers, stacked; counters of batches, which no result depends on, begin at zero."""
    count = len(replicas.seeds)
    found = {}
    for name, buffer in network.named_buffers():
        known = replicas.statistics.get(name)
        stacked = buffer.expand(count, *buffer.shape).clone() if known is None else torch.from_numpy(known.copy())
        found[name] = stacked.to(device)
    return found


class StackedTrainer(Trainer):
    """Replicas trained all at once: one step for all by ``torch.func.vmap``."""

    settings = staticmethod(full_precision)

    def __init__(self, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, device: str = "cpu") -> None:
        super().__init__(recipe, problem, replicas, device)
        network = self.network.to(device).train()
        self.images, self.labels = (torch.from_numpy(a).to(device) for a in (self.shown, self.shown_labels))
        self.pull = Pull(self.tuning.orbits, device) if self.tuning else None
        self.weights, self.mean, self.square = (
            _tensors(a, device) for a in (replicas.weights, replicas.mean, replicas.square)
        )
        self.buffers = _buffers(network, replicas, device)
        self.statistics = tuple(replicas.statistics)

        labelled, weight = recipe.label_loss != "none", recipe.label_weight

        def loss(w: Tensors, b: Tensors, x: Tensor, y: Tensor, keep: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
            out = functional_call(network, (w, b), (x, keep) if self.rate else (x,))
            logits, label = out if labelled else (out, None)
            mean = functional.cross_entropy(logits, y)
            return (mean if label is None else mean + weight * label_distance(label, at)), mean

        self.slopes = vmap(grad_and_value(loss, has_aux=True))

    def epoch(self, epoch: int) -> np.ndarray:
        """Mean cross-entropy of every replica over one more epoch."""
        drawn = [self.drawn(seed, epoch) for seed in self.seeds]
        order, keep = (torch.from_numpy(np.stack(arrays)).to(self.device) for arrays in zip(*drawn, strict=True))
        none = torch.zeros(len(self.seeds), 1, device=self.device)
        loss = torch.zeros(len(self.seeds), dtype=torch.float64, device=self.device)
        shrink, places = (torch.from_numpy(a).to(self.device) for a in (self.shrink, self.places))
        for step, s in enumerate(self.batches, epoch * len(self.batches) + 1):
            x, y = self.images[order[:, s]], self.labels[order[:, s]]
            at = torch.take_along_dim(places, order[:, s, None], 1) if places.shape[1] else none
            slope, (_, value) = self.slopes(self.weights, self.buffers, x, y, keep[:, s] if self.rate else none, at)
            with torch.no_grad():
                if self.recipe.optimiser == "adam":
                    self._adam(slope, step)
                else:
                    self._descend(slope)
            if self.pull:
                self.pull.apply(list(self.weights.values()), shrink)
            if self.motion:
                self.motion.after(self.weights)
            loss += value.double() * ((s.stop - s.start) / order.shape[1])
        return loss.cpu().numpy()

    def _descend(self, slope: Tensors) -> None:
        """Take one step of gradient descent in place."""
        w, v, g = ([arrays[k] for k in self.weights] for arrays in (self.weights, self.mean, slope))
        descend(w, v, g, self.recipe.lr, self.recipe.momentum, self.recipe.weight_decay)

    def _adam(self, slope: Tensors, step: int) -> None:
        """Take one step of Adam (D. P. Kingma and J. Ba, arXiv:1412.6980), in place, all arrays in one call each."""
        w, g, m, v = ([arrays[k] for k in self.weights] for arrays in (self.weights, slope, self.mean, self.square))
        g = list(torch._foreach_add(g, w, alpha=self.recipe.weight_decay))
        torch._foreach_lerp_(m, g, 0.1)
        torch._foreach_mul_(v, 0.999)
        torch._foreach_addcmul_(v, g, g, 0.001)
        root = torch._foreach_sqrt(v)
        torch._foreach_div_(root, (1 - 0.999**step) ** 0.5)
        torch._foreach_add_(root, 1e-8)
        torch._foreach_addcdiv_(w, m, root, -self.recipe.lr / (1 - 0.9**step))

    def arrays(self) -> dict[str, Arrays]:
        """Arrays of all replicas by field and name."""
        return {
            "weights": _arrays(self.weights),
            "statistics": _arrays({name: self.buffers[name] for name in self.statistics}),
            "mean": _arrays(self.mean),
            "square": _arrays(self.square),
        }

    @classmethod
    @full_precision()
    def logits(
        cls, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
    ) -> np.ndarray:
        """Logits of images, shape (replicas, n, classes)."""
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
