"""Classifiers whose weights are drawn to symmetries of their images, with strengths tuned on images held out.

Channels of all convolutions and the hidden units are copies of the regular field of D4, so that weights without any
deviation are those of `physnn.networks.symmetry.cnn.FieldCNN`, or of a deeper network of the same kind.  Convolutions
commute with translations as they are; weights of the hidden layer do if they are the same at all places.

A convolution with stride 2 sees every other pixel.  Turns and flips take these to each other where the side is odd, and
to those between where it is even; so then no weights make a network with strides equivariant.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.models.groups.soft import (
    SOFT_SYMMETRIES,
    TWO_CONVOLUTIONS,
    SoftSymmetry,
    WeightOrbits,
    filter_orbits,
    moved_channels,
    place_orbits,
)
from physnn.networks.classifiers.deep import Excitation, PooledNetwork
from physnn.networks.classifiers.zoo import SimpleCNN
from physnn.networks.symmetry.strengths import Numbers, StrengthRange, starting_strengths, tuned_strengths
from physnn.networks.tasks.images import shuffled
from physnn.networks.tasks.problem import Problem

HELD_OUT = 0.2
"""Share of the training images that strengths are tuned on, and weights are not trained on; a convention."""
MOST_HELD_OUT = 1000
"""Images held out at most: each is seen after every epoch."""
HELD_PARTS = 8
"""Parts of the images held out, whose scatter is the error of a slope."""


def check_soft(network: nn.Module, side: int, symmetries: Sequence[SoftSymmetry]) -> None:
    """Refuse networks whose weights cannot be drawn to symmetries.

    Raises
    ------
    InputError
        If channels of the network are no plain copies of fields, or pooling or strides do not commute with turns and
        flips on images of that side: pooling needs one divisible by 4, m strides one more than a multiple of 2^m.
    """
    excited = any(isinstance(layer, Excitation) for layer in network.modules())
    if excited or not isinstance(network, SimpleCNN | PooledNetwork):
        raise InputError(
            "soft symmetries are for simple, dropout, batchnorm, flip, rotation, resnet18 and mobilenet "
            "without --average; take one of these"
        )
    if not any(SOFT_SYMMETRIES[one.name] for one in symmetries):
        return
    if isinstance(network, SimpleCNN):
        if side % 4:
            raise InputError(f"pooling commutes with turns and flips where the side is divisible by 4, not {side}")
        return
    halved = 2 ** sum(_strides(block) for block in network.layers)
    if side % halved != 1:
        raise InputError(
            f"strides of this network commute with turns and flips where the side is {halved + 1}, {2 * halved + 1}, "
            f"{3 * halved + 1}, ..., not {side}; images of a folder are resized by --side {2 * halved + 1}"
        )


def _strides(block: nn.Module) -> bool:
    """Whether a block sees every other pixel."""
    return any(layer.stride != (1, 1) for layer in block.modules() if isinstance(layer, nn.Conv2d))


def softened_layers(network: nn.Module) -> dict[str, str]:
    """Layer that each trained array belongs to; gains and shifts of a normalisation count to the layer before.

    A block of a deeper network is one layer.
    """
    names = [name for name, _ in network.named_parameters()]
    if not isinstance(network, PooledNetwork):
        norms = {"norms.0": "first", "norms.1": "second"}
        return {name: norms.get(name[:7]) or name.split(".", maxsplit=1)[0] for name in names}
    labels, blocks = ["output"], 0
    for part in network.layers:
        whole = not isinstance(part, nn.Conv2d) and len(list(part.children())) > 0
        blocks += whole
        labels.append(f"block {blocks}" if whole else "last" if blocks else "first")
    # `layers.k...`, or `output...`
    return {name: labels[1 + int(name.split(".")[1])] if name.startswith("layers.") else "output" for name in names}


def classifier_orbits(network: nn.Module, side: int, symmetries: Sequence[SoftSymmetry]) -> WeightOrbits:
    """Orbits of the trained weights of a classifier, in the order of ``network.named_parameters()``.

    Raises
    ------
    InputError
        As `check_soft`.
    """
    check_soft(network, side, symmetries)
    of, shapes = softened_layers(network), {name: tuple(v.shape) for name, v in network.named_parameters()}
    number = []
    for one in symmetries:
        parts, at = [], 0
        for name, shape in shapes.items():
            parts.append(at + _weight_orbits(SOFT_SYMMETRIES[one.name], of[name], shape))
            at += len(parts[-1])
        number.append(np.unique(np.concatenate(parts), return_inverse=True)[1].astype(np.int64))
    layers = tuple(dict.fromkeys(of.values())) if isinstance(network, PooledNetwork) else TWO_CONVOLUTIONS
    layer = np.repeat([layers.index(of[name]) for name in shapes], [int(np.prod(shape)) for shape in shapes.values()])
    return WeightOrbits(tuple(one.name for one in symmetries), layers, np.stack(number), layer)


def _weight_orbits(point: str, layer: str, shape: tuple[int, ...]) -> np.ndarray:
    """Least weight of every weight's orbit in one array of a layer; no point group stands for translations."""
    regular = layer != "output"
    if len(shape) == 1:
        return moved_channels(point, shape[0], regular).min(axis=0) if point else np.arange(shape[0])
    places = int(np.prod(shape[2:])) if len(shape) > 2 else 1
    inputs = shape[1]
    if layer == "hidden":
        inputs, places = 32, shape[1] // 32
    side = round(places**0.5)
    if point:
        # A convolution of each channel by itself has a filter for every output, which moves along with it.
        return filter_orbits(point, (shape[0], inputs, side), (regular, layer != "first" and inputs > 1))
    return place_orbits((shape[0], inputs, side)) if layer == "hidden" else np.arange(int(np.prod(shape)))


def symmetric_replicas(
    network: nn.Module, side: int, symmetries: Sequence[SoftSymmetry], weights: Mapping[str, np.ndarray]
) -> Iterator[dict[str, np.ndarray]]:
    """Weights of replicas with one symmetry after the other forced on all layers."""
    orbits, names = classifier_orbits(network, side, symmetries), [name for name, _ in network.named_parameters()]
    flat = flat_rows(weights, names)
    ends = np.cumsum([weights[name][0].size for name in names])[:-1]
    for s in range(len(symmetries)):
        parts = np.split(orbits.projected(flat, s).astype(np.float32), ends, axis=1)
        yield {name: part.reshape(weights[name].shape) for name, part in zip(names, parts, strict=True)}


def symmetric_statistics(symmetry: SoftSymmetry, statistics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Running means and variances ``(replicas, channels)`` pooled over the channels that a symmetry makes alike.

    Equivariant weights alone are not enough: where images are not symmetric themselves, channels of an orbit have seen
    different values.
    """
    point, found = SOFT_SYMMETRIES[symmetry.name], dict(statistics)
    for name in statistics if point else ():
        if not name.endswith("running_mean"):
            continue
        spread = name.removesuffix("mean") + "var"
        mean, variance = (statistics[key].astype(np.float64) for key in (name, spread))
        moved = moved_channels(point, mean.shape[1], True)
        pooled = mean[:, moved].mean(1)
        second = (variance + mean**2)[:, moved].mean(1)
        found[name], found[spread] = pooled.astype(np.float32), (second - pooled**2).astype(np.float32)
    return found


def symmetric_start(
    network: nn.Module, side: int, symmetries: Sequence[SoftSymmetry], weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """First weights of replicas without deviations from all symmetries that are tuned; every array keeps its length."""
    found = dict(weights)
    for one in symmetries:
        if one.strength is None:
            found = next(symmetric_replicas(network, side, (one,), found))
    for name, before in weights.items():
        axes = tuple(range(1, before.ndim))
        old, new = (np.sqrt((v.astype(np.float64) ** 2).sum(axes, keepdims=True)) for v in (before, found[name]))
        found[name] = (found[name] * (old / np.where(new > 0, new, 1))).astype(np.float32)
    return found


def flat_rows(weights: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Arrays ``(replicas, ...)`` as one row for every replica."""
    return np.concatenate([weights[name].reshape(len(weights[name]), -1) for name in names], axis=1)


def without_held_out(problem: Problem) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Problem without images held out, and these with their labels; classes in their shares.

    Raises
    ------
    InputError
        If there are fewer than two of them for every part.
    """
    n = len(problem.images)
    count = min(int(HELD_OUT * n), MOST_HELD_OUT)
    if count < 2 * HELD_PARTS:
        raise InputError(f"{n} training images leave {count} to tune strengths on; give at least {10 * HELD_PARTS}")
    order = shuffled(problem.labels, 0, "held out")
    held, kept = order[:count], np.sort(order[count:])
    less = replace(problem, images=problem.images[kept], labels=problem.labels[kept])
    return less, problem.images[held], problem.labels[held]


def calibration(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Factor of logits, 0.05 to 20, at which their cross-entropy is least, by Newton's method.

    A network that learned its images is too sure of others: any smaller weights would be better there, whatever their
    symmetry.  At the factor found the loss does not depend on the scale of the logits.
    """
    z, factor = logits.double(), 1.0
    own = z.gather(1, labels[:, None])[:, 0].mean()
    for _ in range(20):
        p = torch.softmax(factor * z, dim=1)
        mean = (p * z).sum(1)
        curvature = float(((p * z**2).sum(1) - mean**2).mean())
        if curvature < 1e-12:
            break
        step = float(mean.mean() - own) / curvature
        factor = min(max(factor - step, factor / 2, 0.05), factor * 2, 20.0)
        if abs(step) < 1e-6 * factor:
            break
    return factor


@dataclass
class Tuning:
    """Strengths of replicas, how they are tuned, and what became of them.

    Attributes
    ----------
    problem : Problem
        Images to train on: all, or without those held out.
    strength : ndarray, shape (replicas, symmetries, layers)
        Strengths now.
    arrays : dict of ndarray, shapes (replicas, epochs, symmetries, layers)
        Strengths and deviations after every epoch.
    """

    problem: Problem
    orbits: WeightOrbits
    symmetries: Sequence[SoftSymmetry]
    limits: StrengthRange
    network: nn.Module
    unseen: tuple[np.ndarray, np.ndarray]
    strength: Numbers
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(
        cls,
        network: nn.Module,
        symmetries: Sequence[SoftSymmetry],
        problem: Problem,
        training: tuple[float, int, int],
        replicas: int,
        state: Mapping[str, np.ndarray],
    ) -> Tuning:
        """Tuning at the start (empty state) or as a checkpoint left it; ``training`` is (lr, batch, epochs)."""
        orbits = classifier_orbits(network, problem.side, symmetries)
        unseen = problem.images[:0], problem.labels[:0]
        if any(one.strength is None for one in symmetries):
            problem, *unseen_ = without_held_out(problem)
            unseen = unseen_[0], unseen_[1]
        lr, batch, epochs = training
        limits = StrengthRange.of(lr, epochs * -(-len(problem.images) // batch), epochs)
        shape = len(symmetries), len(orbits.layers)
        empty = np.empty((replicas, 0, *shape))
        arrays = {name: np.asarray(state.get(name, empty)) for name in ("soft_strength", "soft_deviation")}
        strength = np.tile(starting_strengths(symmetries, len(orbits.layers), limits), (replicas, 1, 1))
        if arrays["soft_strength"].shape[1]:
            strength = arrays["soft_strength"][:, -1]
        own = copy.deepcopy(network).eval()
        return cls(problem, orbits, symmetries, limits, own, unseen, strength, arrays)

    def follow(self, weights: Mapping[str, np.ndarray], statistics: Mapping[str, np.ndarray]) -> None:
        """Update strengths after an epoch and keep them, with deviations."""
        names = [name for name, _ in self.network.named_parameters()]
        flat = flat_rows(weights, names)
        if len(self.unseen[0]):
            parts = [flat - self.orbits.projected(flat, s) for s in range(len(self.symmetries))]
            rows = []
            for r, before in enumerate(self.strength):
                self._load({name: v[r] for name, v in (*weights.items(), *statistics.items())})
                away = np.stack([part[r] for part in parts])
                products = np.stack([self.orbits.by_layer(slope * away) for slope in self._slopes()])
                rows.append(tuned_strengths(before, products, self.symmetries, self.limits))
            self.strength = np.stack(rows)
        more = {"soft_strength": self.strength, "soft_deviation": self.orbits.deviations(flat)}
        self.arrays = {name: np.concatenate([self.arrays[name], v[:, None]], axis=1) for name, v in more.items()}

    def _load(self, arrays: Mapping[str, np.ndarray]) -> None:
        state = {name: torch.from_numpy(v.copy()) for name, v in arrays.items()}
        self.network.load_state_dict(state, strict=False)

    def _slopes(self) -> Iterator[np.ndarray]:
        """Slopes of the calibrated loss by all weights, shape (P,), on every part of the unseen images in turn."""
        images, labels = (torch.from_numpy(a) for a in self.unseen)
        with torch.no_grad():
            factor = calibration(self.network(images), labels)
        for k in range(HELD_PARTS):
            loss = functional.cross_entropy(factor * self.network(images[k::HELD_PARTS]), labels[k::HELD_PARTS])
            slopes = torch.autograd.grad(loss, list(self.network.parameters()))
            yield torch.cat([g.reshape(-1) for g in slopes]).double().numpy()
