"""Training replicas of the small networks in compiled code, one after the other within the cache of a core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from physnn.kernels.cnn.train import predict, train_classifier
from physnn.machine import on_one_blas_thread, single_blas_thread
from physnn.networks.classifiers.equivariant import TiedCNN, act
from physnn.networks.classifiers.labels import PLANE_NUMBERS
from physnn.networks.classifiers.replicas import (
    RUNNING_STATISTICS,
    UNITS,
    Arrays,
    ClassifierRecipe,
    Replicas,
    Trainer,
)
from physnn.networks.classifiers.shown import batches
from physnn.networks.classifiers.zoo import AugmentedCNN, BatchNormCNN, SimpleCNN
from physnn.networks.tasks.problem import Problem

KERNEL_ORDER = tuple(
    f"{layer}.{part}"
    for layer in ("first", "second", "norms.0", "norms.1", "hidden", "output", "label")
    for part in ("weight", "bias")
)
"""Names of a network's arrays in the order of the compiled code's vector."""


def suits(network: nn.Module, side: int) -> bool:
    """Whether compiled code knows a network: two convolutions, a hidden layer, and places that divide evenly."""
    if isinstance(network, SimpleCNN):
        return network.grid is None or (side // 4) % network.grid == 0
    return isinstance(network, TiedCNN)


@dataclass(frozen=True)
class Plan:
    """Map from a network's trained weights, in the order of ``names``, to those of `physnn.kernels.cnn.train`."""

    names: tuple[str, ...]
    tie: np.ndarray
    scale: np.ndarray
    norm: bool
    widths: tuple[int, int, int, int, int, int]


def _plan(network: nn.Module, problem: Problem) -> Plan:
    """Plan of a network that `suits`."""
    side, classes = problem.side, len(problem.classes)
    grid = (network.grid if isinstance(network, SimpleCNN) else None) or side // 4
    numbers, ones = _numbered(network, first=1.0), _numbered(network, first=None)
    reference = SimpleCNN(problem.channels, side, classes, grid)
    indices, scales = [], []
    for name in KERNEL_ORDER:
        if name in numbers:
            scales.append(_kernel_layout(name, ones[name], grid))
            indices.append(_kernel_layout(name, numbers[name], grid) / scales[-1] - 1)
        else:
            # Constants, gains and shifts of its maps, or a second output, that a network lacks.
            layer = reference.first if name.startswith(("first", "norms.0")) else reference.second
            missing = np.zeros(0 if name.startswith("label") else layer.out_channels)
            scales.append(missing)
            indices.append(missing)
    tie = np.rint(np.concatenate(indices)).astype(np.int64)
    scale = np.concatenate(scales).astype(np.float32)
    labels = PLANE_NUMBERS if "label.bias" in numbers else 0
    widths = (reference.first.out_channels, reference.second.out_channels, UNITS, classes, grid, labels)
    names = tuple(name for name, _ in network.named_parameters())
    return Plan(names, tie, scale, isinstance(network, BatchNormCNN), widths)


def _numbered(network: nn.Module, first: float | None) -> dict[str, np.ndarray]:
    """Weights of the untied network if its trained ones are first, first + 1, ..., or all 1 for None."""
    copies, at = {}, 0
    for name, values in network.named_parameters():
        size = values.numel()
        row = torch.ones(size) if first is None else torch.arange(size) + at + first
        copies[name] = row.double().reshape(values.shape)
        at += size
    if isinstance(network, TiedCNN):
        own = {f"net.{name}": v for name, v in copies.items()}
        copies = torch.func.functional_call(_Tied(network), own, ())
    return {name: v.detach().numpy() for name, v in copies.items()}


class _Tied(nn.Module):
    """Module whose output are the weights of a tied network, so that others can be put in their place."""

    def __init__(self, net: TiedCNN) -> None:
        super().__init__()
        self.net = net

    def forward(self) -> dict[str, torch.Tensor]:
        return self.net.tied()


def _kernel_layout(name: str, values: np.ndarray, grid: int) -> np.ndarray:
    """Array in the order of the compiled code: (row, column, maps in, maps out), images channels last."""
    if name in ("first.weight", "second.weight"):
        return values.transpose(2, 3, 1, 0).reshape(-1)
    if name == "hidden.weight":
        return values.reshape(len(values), -1, grid, grid).transpose(2, 3, 1, 0).reshape(-1)
    return values.T.reshape(-1) if name in ("output.weight", "label.weight") else values.reshape(-1)


def _flat(arrays: Arrays, names: tuple[str, ...], r: int) -> np.ndarray:
    """Row of one replica; without numbers if there are no arrays."""
    rows = [arrays[name][r].reshape(-1) for name in names] if arrays else []
    return np.concatenate([*rows, np.empty(0, np.float32)])


def _split(flat: np.ndarray, names: tuple[str, ...], like: Arrays) -> Arrays:
    """Rows ``(replicas, P)`` as arrays with the shapes of others, none if there are none."""
    if not like:
        return {}
    ends = np.cumsum([like[name][0].size for name in names])[:-1]
    parts = np.split(flat, ends, axis=1)
    return {name: part.reshape(like[name].shape).copy() for name, part in zip(names, parts, strict=True)}


RUNNING = tuple(f"norms.{layer}.{kind}" for layer in (0, 1) for kind in RUNNING_STATISTICS)
"""Names of running statistics in the order of the compiled code's rows."""


def _running(replicas: Replicas, r: int, maps: int) -> np.ndarray:
    """Running statistics as the compiled code wants them, shape (4, maps)."""
    running = np.zeros((4, maps), np.float32)
    for row, name in zip(running, RUNNING, strict=True):
        if name in replicas.statistics:
            values = replicas.statistics[name][r]
            row[: len(values)] = values
    return running


def _images(network: nn.Module, shown: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images with channels last and labels, followed by the transformed images if the network wants them."""
    images = _channels_last(shown)
    if not isinstance(network, AugmentedCNN):
        return images, labels
    turned = act(network.group, 1, torch.from_numpy(shown)).numpy()
    return np.concatenate([images, _channels_last(turned)]), np.concatenate([labels, labels])


def _channels_last(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def _augmented(order: np.ndarray, batch: int, transformed: int) -> np.ndarray:
    """Order in which the first half of every batch is transformed: ``transformed`` places later, if that is not 0."""
    order = order.copy()
    for s in batches(len(order), batch) if transformed else ():
        order[s.start : s.start + (s.stop - s.start) // 2] += transformed
    return order


class CompiledTrainer(Trainer):
    """Replicas trained one after the other by `physnn.kernels.cnn.train`."""

    settings = staticmethod(single_blas_thread)

    def __init__(self, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, device: str = "cpu") -> None:
        super().__init__(recipe, problem, replicas, device)
        self.replicas, self.plan = replicas, _plan(self.network, problem)
        self.images, self.labels = _images(self.network, self.shown, self.shown_labels)
        if len(self.images) > len(self.shown):  # followed by their transformed copies
            self.places = np.concatenate([self.places, self.places], axis=1)
        orbits = self.tuning.orbits if self.tuning else None
        self.orbits = orbits.number if orbits else np.empty((0, self.plan.tie.max() + 1), np.int64)
        self.layer = orbits.layer if orbits else np.empty(0, np.int64)
        rows = range(len(replicas.seeds))
        self.weights, self.mean, self.square = (
            np.stack([_flat(arrays, self.plan.names, r) for r in rows])
            for arrays in (replicas.weights, replicas.mean, replicas.square)
        )
        self.running = np.stack([_running(replicas, r, max(self.plan.widths[:2])) for r in rows])

    def epoch(self, epoch: int) -> list[float]:
        """Mean cross-entropy of every replica over one more epoch."""
        transformed = len(self.images) - len(self.shown)  # 0, or as many as are shown
        batch, n, loss = min(self.recipe.batch, len(self.problem.images)), len(self.problem.images), []
        for r, seed in enumerate(self.seeds):
            order, keep = self.drawn(seed, epoch)
            order, steps = _augmented(order, batch, transformed), epoch * len(self.batches)
            if self.motion is None:
                loss.append(self._train(r, steps, order, keep))
                continue
            means = []
            for k, s in enumerate(self.batches):
                means.append(self._train(r, steps + k, order[s], keep[s]) * (s.stop - s.start) / n)
                self.motion.after(self._named(r), r)
            loss.append(sum(means))
        return loss

    def _train(self, r: int, steps: int, order: np.ndarray, keep: np.ndarray) -> float:
        """Mean cross-entropy of one replica over some images, trained on batch after batch."""
        recipe, p, batch = self.recipe, self.plan, min(self.recipe.batch, len(self.problem.images))
        arguments = (
            *(self.weights[r], p.tie, p.scale, self.mean[r], self.square[r], self.running[r], steps),
            *(self.images, self.labels, self.places[r], order, keep, batch),
            *((recipe.lr, recipe.weight_decay, recipe.momentum, recipe.label_weight), p.norm, p.widths),
            *(self.orbits, self.shrink[r][:, self.layer]),
        )
        return float(train_classifier(*arguments))

    def _named(self, r: int) -> dict[str, torch.Tensor]:
        """Trained arrays of one replica by name."""
        like = self.replicas.weights
        parts = _split(self.weights[r : r + 1], self.plan.names, {name: like[name][:1] for name in self.plan.names})
        return {name: torch.from_numpy(values[0]) for name, values in parts.items()}

    def arrays(self) -> dict[str, Arrays]:
        """Arrays of all replicas by field and name."""
        known, names = self.replicas.statistics, [name for name in RUNNING if name in self.replicas.statistics]
        return {
            "weights": _split(self.weights, self.plan.names, self.replicas.weights),
            "mean": _split(self.mean, self.plan.names, self.replicas.mean),
            "square": _split(self.square, self.plan.names, self.replicas.square),
            "statistics": {n: self.running[:, RUNNING.index(n), : known[n].shape[1]].copy() for n in names},
        }

    @classmethod
    @on_one_blas_thread
    def logits(
        cls, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
    ) -> np.ndarray:
        """Logits of images, shape (replicas, n, classes)."""
        p = _plan(recipe.build(problem), problem)
        turned = _channels_last(images)
        found = []
        for r in range(len(replicas.seeds)):
            own, running = _flat(replicas.weights, p.names, r), _running(replicas, r, max(p.widths[:2]))
            found.append(predict(own, p.tie, p.scale, running, turned, 64, p.norm, p.widths))
        return np.stack(found)
