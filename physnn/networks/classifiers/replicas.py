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
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from torch import nn

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.representations import PointGroupName
from physnn.models.groups.soft import SoftSymmetry, soft_symmetries
from physnn.networks.classifiers.drawn import Tuning, check_soft
from physnn.networks.classifiers.labels import LabelLoss, add_label_head, label_places
from physnn.networks.classifiers.shown import (
    batches,
    drawn_elements,
    dropout_factors,
    dropout_rate,
    every_position,
    image_order,
)
from physnn.networks.classifiers.users import UserClassifier, is_brought
from physnn.networks.classifiers.zoo import NETWORKS, SimpleCNN, build, initialise
from physnn.networks.symmetry.averaging import GroupAveraged
from physnn.networks.symmetry.charges import Charge
from physnn.networks.symmetry.motion import ChargeMotion, DescentRule
from physnn.networks.symmetry.strengths import shrinkage
from physnn.networks.symmetry.tied_charges import classifier_charges
from physnn.networks.tasks.problem import Problem

TrainingEngine = Literal["auto", "compiled", "stacked", "loop"]
"""Name of an engine, or ``auto`` for the fastest that knows a network."""
Arrays = dict[str, np.ndarray]
"""Arrays by name."""
UNITS = 64
"""Number of hidden units of the networks that have dropout."""
RUNNING_STATISTICS = ("running_mean", "running_var")
"""Ends of the names of arrays that no optimiser moves."""
UNWRITTEN: dict[str, Any] = {
    **{"augment": "c1", "average": "c1", "digest": "", "optimiser": "adam", "momentum": 0.0},
    "soft_equivariance": (),
    "charges": False,
    **{"label_loss": "none", "label_weight": 1.0},
}
"""Values of fields that recipes leave out when written, as they did before there were these fields."""
Optimiser = Literal["adam", "sgd"]
LEARNING_RATES: dict[str, float] = {"adam": 1e-3, "sgd": 0.05}
"""Learning rates of optimisers where none is given."""
REPLICA_ARRAYS = ("weights", "statistics", "mean", "square", "soft", "charges")
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

    Adam, or gradient descent with momentum, on the cross-entropy, with weight decay added to the gradient; the last
    batch of an epoch may be smaller.
    With ``pooled`` the last maps are averaged to the places that raw images have, so that expanded images need as many
    weights.

    Two ways of putting in a symmetry: with ``augment`` a random element of that group acts on every image whenever it
    is shown; with ``average`` the logits are means over all elements of that one, in training and afterwards.
    ``network`` names one of the zoo, or a class that was brought, `physnn.networks.classifiers.users`, whose text has
    the ``digest``.  ``soft_equivariance`` has words such as ``flip:auto``: symmetries that weights are drawn to.
    With ``charges``, what gradient flow would keep is followed step by step.
    ``label_loss`` adds ``label_weight`` times the loss of a second output, `physnn.networks.classifiers.labels`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    network: str = "simple"
    epochs: Annotated[int, Field(ge=0)] = 30
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    pooled: bool = True
    augment: PointGroupName = "c1"
    average: PointGroupName = "c1"
    digest: str = ""
    soft_equivariance: tuple[str, ...] = ()
    optimiser: Optimiser = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    charges: bool = False
    label_loss: LabelLoss = "none"
    label_weight: Annotated[float, Field(ge=0)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _rate(cls, settings: Any) -> Any:
        """Settings with the learning rate of their optimiser, if they have none."""
        if isinstance(settings, dict) and settings.get("lr") is None:
            return settings | {"lr": LEARNING_RATES.get(str(settings.get("optimiser", "adam")), 1e-3)}
        return settings

    @field_validator("soft_equivariance")
    @classmethod
    def _symmetries(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one.word for one in soft_symmetries(words))

    @model_serializer(mode="wrap")
    def _leave_out_symmetries(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        usual = {name for name, value in UNWRITTEN.items() if getattr(self, name) == value}
        return {name: value for name, value in plain.items() if name not in usual}

    @property
    def soft(self) -> tuple[SoftSymmetry, ...]:
        """Symmetries that weights are drawn to, with their strengths."""
        return soft_symmetries(self.soft_equivariance)

    def build(self, problem: Problem | ImageShape) -> nn.Module:
        """Untrained network for the images of a problem; `InputError` if these or the last batch do not suit it."""
        if self.momentum and self.optimiser == "adam":
            raise InputError("Adam has averages of its own and takes no momentum; add --optimiser sgd")
        if self.charges and self.soft:
            raise InputError("weights that are drawn to symmetries leave the motion of charges; leave out one of them")
        network = self._built(problem)
        network = network if self.average == "c1" else GroupAveraged(network, self.average)
        if self.soft:
            check_soft(network, problem.side, self.soft)
        if self.label_loss != "none":
            if self.soft or self.charges:
                raise InputError(
                    "soft symmetries and charges are known of the cross-entropy alone; leave out the label"
                )
            add_label_head(network)
        if isinstance(problem, Problem):
            self._check_last_batch(network, problem)
        return network

    def symmetries(self, problem: Problem) -> tuple[Charge, ...]:
        """Charges of learning of the network, see `classifier_charges`; `InputError` if none is known."""
        return classifier_charges(self.build(problem), torch.zeros(2, *problem.images.shape[1:]))

    def _built(self, problem: Problem | ImageShape) -> nn.Module:
        if is_brought(self.network):
            return UserClassifier(self.network, self.digest, problem.channels, problem.side, len(problem.classes))
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
        Adam's averages of the gradient and its square; for gradient descent its velocity, and nothing.
    soft : dict of ndarray
        Strengths of symmetries and deviations from them after every epoch, as files have them.
    charges : dict of ndarray
        State of `ChargeMotion`, empty before the first step and where charges are not followed.
    """

    seeds: tuple[int, ...]
    weights: Arrays
    statistics: Arrays
    mean: Arrays
    square: Arrays
    soft: Arrays = field(default_factory=dict)
    epoch: int = 0
    charges: Arrays = field(default_factory=dict)

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
        self.recipe, self.seeds, self.device = recipe, replicas.seeds, device
        self.network = recipe.build(problem)
        training = recipe.lr, recipe.batch, recipe.epochs
        started = self.network, recipe.soft, problem, training, len(replicas.seeds), replicas.soft
        self.tuning = Tuning.of(*started) if recipe.soft else None
        self.problem = self.tuning.problem if self.tuning else problem
        self.rate = dropout_rate(self.network)
        self.batches = batches(len(self.problem.images), recipe.batch)
        self.shown, self.shown_labels = every_position(self.problem, recipe.augment)
        self.places = np.stack([self._places(seed) for seed in self.seeds])
        self.motion: ChargeMotion | None = None
        if recipe.charges:
            weights = {name: torch.from_numpy(values).to(device) for name, values in replicas.weights.items()}
            rule = DescentRule(recipe.lr, recipe.momentum, recipe.weight_decay, recipe.optimiser == "adam")
            self.motion = ChargeMotion(recipe.symmetries(problem), rule, weights, replicas.charges)

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
                if training.tuning:
                    found = training.arrays()
                    training.tuning.follow(found["weights"], found["statistics"])
                if training.motion:
                    training.motion.mark()
            kept = training.arrays() | {
                "soft": training.tuning.arrays if training.tuning else {},
                "charges": training.motion.arrays() if training.motion else {},
            }
            return Replicas(replicas.seeds, **kept, epoch=replicas.epoch + epochs), loss

    @classmethod
    @abstractmethod
    def logits(
        cls, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
    ) -> np.ndarray:
        """Logits of images, shape (replicas, n, classes)."""

    def _places(self, seed: int) -> np.ndarray:
        """Places of labels in the plane, shape (images shown, 2), or (0, 2) without them."""
        own = label_places(self.recipe.label_loss, seed, self.problem.labels, len(self.problem.classes))
        return np.tile(own, (len(self.shown) // len(self.problem.images), 1))

    @property
    def shrink(self) -> np.ndarray:
        """Share of every deviation that goes in one step, float32, shape (replicas, symmetries, layers)."""
        if self.tuning is None:
            return np.empty((len(self.seeds), 0, 0), np.float32)
        return shrinkage(self.tuning.strength, self.recipe.lr).astype(np.float32)

    def drawn(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Order of the images of one epoch among all that are ``shown``, and `dropout_factors` of its hidden units."""
        n = len(self.problem.images)
        order = image_order(seed, epoch, n) + n * drawn_elements(seed, epoch, n, self.recipe.augment)
        return order, dropout_factors(seed, epoch, n, UNITS, self.rate)


def untrained(network: nn.Module, seeds: Sequence[int], optimiser: Optimiser = "adam") -> Replicas:
    """Replicas of a network with the first weights of their seeds."""
    rows: list[Arrays] = []
    for seed in seeds:
        initialise(network, rng.stream(seed, "weights"))
        rows.append({name: v.detach().numpy().copy() for name, v in network.state_dict().items()})
    trained = {name for name, _ in network.named_parameters()}
    weights = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name in trained}
    statistics = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name.endswith(RUNNING_STATISTICS)}
    zeros = {name: np.zeros_like(v) for name, v in weights.items()}
    square = {k: v.copy() for k, v in zeros.items()} if optimiser == "adam" else {}
    return Replicas(tuple(seeds), weights, statistics, zeros, square)
