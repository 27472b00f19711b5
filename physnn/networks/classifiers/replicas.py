"""Replicas: copies of one classifier that differ in their seeds, trained side by side.

A replica's seed decides its first weights, the order of its images in every epoch, and what dropout leaves out.  So a
replica is the same whichever others are trained with it, and by whichever engine, to rounding:

    compiled   two convolutions and a hidden layer, in compiled code (`physnn.networks.classifiers.compiled`); the
               fastest on a CPU
    stacked    any network, all replicas at once by ``torch.func.vmap`` (`physnn.networks.classifiers.stacked`); for
               a GPU
    loop       any network, one after the other by ``torch.optim`` (`physnn.networks.classifiers.loop`); the reference
               that the others equal
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.zoo import NETWORKS, SimpleCNN, build, initialise
from physnn.networks.tasks.problem import Problem

TrainingEngine = Literal["auto", "compiled", "stacked", "loop"]
"""Name of an engine, or ``auto`` for the fastest that knows a network."""
Arrays = dict[str, np.ndarray]
"""Arrays by name."""
UNITS = 64
"""Number of hidden units of the networks that have dropout."""
RUNNING_STATISTICS = ("running_mean", "running_var")
"""Ends of the names of arrays that no optimiser moves."""
REPLICA_ARRAYS = ("weights", "statistics", "mean", "square")
"""Fields of `Replicas` with arrays by name."""


@dataclass(frozen=True)
class ImageShape:
    """Channels, side and classes of images, and their side before they were expanded or enlarged."""

    channels: int
    side: int
    raw_side: int
    classes: Sequence[str]


class ClassifierRecipe(BaseModel):
    """Recipe of a trained classifier, its images and its seed apart.

    Adam on the cross-entropy, with weight decay added to the gradient; the last batch of an epoch may be smaller.
    With ``pooled`` the last maps are averaged to the places that raw images have, so that expanded images need as many
    weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    network: str = "simple"
    epochs: Annotated[int, Field(ge=0)] = 30
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    pooled: bool = True

    def build(self, problem: Problem | ImageShape) -> nn.Module:
        """Untrained network for the images of a problem; `InputError` if these or the last batch do not suit it."""
        network = self._built(problem)
        if isinstance(problem, Problem):
            self._check_last_batch(network, problem)
        return network

    def _built(self, problem: Problem | ImageShape) -> nn.Module:
        if self.pooled and problem.side != problem.raw_side:
            kind = NETWORKS.get(self.network)
            if isinstance(kind, type) and issubclass(kind, SimpleCNN):
                if problem.raw_side < 4:
                    raise InputError(
                        f"images of side {problem.raw_side} leave no place to pool to; take larger ones or --no-pooled"
                    )
                return kind(problem.channels, problem.side, len(problem.classes), problem.raw_side // 4)
            if self.network.endswith(("_tied", "_fields")):
                raise InputError(f"{self.network} has no pooling to as many weights; train it with --no-pooled")
        return build(self.network, problem.channels, problem.side, len(problem.classes))

    def _check_last_batch(self, network: nn.Module, problem: Problem) -> None:
        """Raise InputError if a last batch of one image cannot be normalised: one number has no variance."""
        last = len(problem.images) % self.batch or min(len(problem.images), self.batch)
        if last > 1 or not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()):
            return
        image = torch.zeros(1, *problem.images.shape[1:])
        try:
            copy.deepcopy(network).train()(image)
        except ValueError:
            n, batch = len(problem.images), min(self.batch, len(problem.images))
            raise InputError(
                f"{n} images in batches of {batch} leave a last batch of one, which {self.network} cannot normalise; "
                "take another --batch"
            ) from None


@dataclass(frozen=True)
class Replicas:
    """Weights of replicas and the state of their optimisers after some epochs.

    Attributes
    ----------
    weights, statistics : dict of ndarray of float32, shapes (replicas, ...)
        Trained arrays by name; running means and variances of batch normalisations.
    mean, square : dict of ndarray of float32, shapes (replicas, ...)
        Adam's averages of the gradient and its square.
    """

    seeds: tuple[int, ...]
    weights: Arrays
    statistics: Arrays
    mean: Arrays
    square: Arrays
    epoch: int = 0

    def take(self, chosen: Sequence[int]) -> Replicas:
        """Copies of some replicas, by their places."""
        rows = list(chosen)
        kinds = {kind: {name: v[rows] for name, v in getattr(self, kind).items()} for kind in REPLICA_ARRAYS}
        return Replicas(tuple(self.seeds[k] for k in rows), **kinds, epoch=self.epoch)


class Trainer(ABC):
    """Replicas in training by one engine; weights and averages that it begins from are copied."""

    settings: ClassVar[Callable[[], AbstractContextManager[None]]]
    """Context of all computations: threads and precision."""

    def __init__(self, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, device: str = "cpu") -> None:
        self.recipe, self.problem, self.seeds, self.device = recipe, problem, replicas.seeds, device
        self.network = recipe.build(problem)
        self.rate = dropout_rate(self.network)
        self.batches = batches(len(problem.images), recipe.batch)

    @abstractmethod
    def epoch(self, epoch: int) -> Any:
        """Mean cross-entropy of every replica over one more epoch, numbered from 0: shape (replicas,)."""

    @abstractmethod
    def arrays(self) -> dict[str, Arrays]:
        """Arrays of `Replicas` by field: ``weights``, ``statistics``, ``mean`` and ``square``."""

    @classmethod
    def advance(
        cls,
        recipe: ClassifierRecipe,
        problem: Problem,
        replicas: Replicas,
        epochs: int,
        device: str = "cpu",
        **way: bool,
    ) -> tuple[Replicas, np.ndarray]:
        """Replicas after some more epochs, and the mean cross-entropy of each epoch, shape (replicas, epochs)."""
        with cls.settings():
            training = cls(recipe, problem, replicas, device, **way)
            loss = np.zeros((len(replicas.seeds), epochs))
            for e in range(epochs):
                loss[:, e] = training.epoch(replicas.epoch + e)
            return Replicas(replicas.seeds, **training.arrays(), epoch=replicas.epoch + epochs), loss

    @classmethod
    @abstractmethod
    def logits(
        cls, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
    ) -> np.ndarray:
        """Logits of images, shape (replicas, n, classes)."""

    def drawn(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Order of the images of one epoch, and `dropout_factors` of its hidden units."""
        n = len(self.problem.images)
        return image_order(seed, epoch, n), dropout_factors(seed, epoch, n, UNITS, self.rate)


def untrained(network: nn.Module, seeds: Sequence[int]) -> Replicas:
    """Replicas of a network with the first weights of their seeds."""
    rows: list[Arrays] = []
    for seed in seeds:
        initialise(network, rng.stream(seed, "weights"))
        rows.append({name: v.detach().numpy().copy() for name, v in network.state_dict().items()})
    trained = {name for name, _ in network.named_parameters()}
    weights = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name in trained}
    statistics = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name.endswith(RUNNING_STATISTICS)}
    zeros = {name: np.zeros_like(v) for name, v in weights.items()}
    return Replicas(tuple(seeds), weights, statistics, zeros, {k: v.copy() for k, v in zeros.items()})


def image_order(seed: int, epoch: int, images: int) -> np.ndarray:
    """Order in which a replica sees the images in one epoch: a permutation of 0 to ``images - 1``."""
    return np.asarray(rng.stream(seed, "order", epoch).permutation(images))


def dropout_factors(seed: int, epoch: int, images: int, units: int, rate: float) -> np.ndarray:
    """Factors of hidden units for each image of an epoch, 0 with probability ``rate``, else 1/(1 - rate).

    Shape (images, units) in the order of the epoch; (0, units) for a rate of 0.
    """
    if rate == 0:
        return np.empty((0, units), np.float32)
    drawn = rng.stream(seed, "dropout", epoch).random((images, units), np.float32)
    return np.where(drawn < rate, 0, 1 / (1 - rate)).astype(np.float32)


def dropout_rate(network: nn.Module) -> float:
    """Rate of dropout of a network's hidden layer, 0 without dropout."""
    return float(getattr(network, "rate", 0.0))


def batches(images: int, batch: int) -> list[slice]:
    """Places of each batch in the order of an epoch."""
    return [slice(start, min(start + batch, images)) for start in range(0, images, batch)]
