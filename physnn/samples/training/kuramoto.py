"""Ensembles of Kuramoto networks: one task trains one network, and its checkpoint is its part."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from physnn.machine import FOR_TRAINING_HERE, PART, check_bytes, check_seconds
from physnn.networks.device import single_thread
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.kuramoto.training import mean_depth_share, train_network
from physnn.samples.base import Growth, Recipe, more
from physnn.samples.diagnosis import diagnose_weights
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.hdf5 import Group, Variable
from physnn.store.network_file import NETWORKS, dimensions, read_networks, write_networks


def training_bytes(recipe: TrainingRecipe) -> float:
    """Bytes that the training of one network takes, about.

    The derivative keeps 6 or 7 arrays of the size of the state for every step, and there are 8 more, or 25 in all;
    measured for L = 20 to 128, 4 and 16 components, 1 to 15 steps.  Weights are held about 8 times: with gradient,
    averages of the optimiser and checkpoint.
    """
    states = 4.0 * recipe.batch * recipe.components * recipe.L**2 * max(6.6 * recipe.steps + 8, 25)
    images = 16.0 * max(recipe.batch, recipe.validation_pairs) * recipe.L**2
    return states + images + 8.0 * weight_bytes(recipe) + 8.0 * recipe.epochs


def weight_bytes(recipe: TrainingRecipe) -> float:
    """Bytes of the weights of one network, about."""
    return 4.0 * (recipe.architecture.layers or 1) * (recipe.components * recipe.kernel) ** 2


def training_operations(recipe: TrainingRecipe) -> float:
    """Multiplications of the convolutions alone, forwards and back."""
    per_image = 3.0 * recipe.steps * (recipe.L * recipe.components * recipe.kernel) ** 2
    return recipe.epochs * recipe.batches_per_epoch * recipe.batch * per_image


FASTEST = {"cpu": 1e12, "cuda": 1e15}
"""Operations per second that no device exceeds, to say what is beyond waiting for."""


class KuramotoTraining(Recipe, TrainingRecipe):
    """Recipe of an ensemble: what is trained, from which seeds, one network each, and where."""

    draws: ClassVar[str] = "network"
    grows: ClassVar[Mapping[str, Growth]] = {"seeds": more}

    kind: Literal["train-kuramoto"] = "train-kuramoto"
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = (0,)
    device: str = "cpu"

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(seeds)))

    def resolved(self) -> KuramotoTraining:
        """Recipe after checking that its parts go together; raises InputError if they do not."""
        self.check()
        return self


class KuramotoSample(Sample):
    """Kuramoto networks trained on the transmogrifier."""

    Recipe = KuramotoTraining
    recipe: KuramotoTraining
    format = NETWORKS
    watched = True
    keeps = True
    footprint = FOR_TRAINING_HERE
    advice = "a smaller --batch, --L, --steps or --components, or fewer --jobs"

    def sizes(self) -> tuple[int, ...]:
        """Side of the training images: all networks are in one group."""
        return (self.recipe.L,)

    def axes(self, size: int) -> dict[str, Axis]:
        """Networks by seed."""
        return {"network": Axis(self.recipe.seeds)}

    def quantities(self, size: int) -> dict[str, Measured]:
        """Weights, loss and validation error by name."""
        dims = dimensions(bool(self.recipe.architecture.layers))
        kept = {name: inner for name, inner in dims.items() if self.recipe.soft or not name.startswith("soft_")}
        return {name: Measured("", "", name, ("network", *inner)) for name, inner in kept.items()}

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory and multiplications of one training."""
        return Resources(training_bytes(self.recipe), training_operations(self.recipe))

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a training."""
        return f"seed {at['network']}"

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train the network of a seed, or go on with it."""
        seed, path = task["network"], checkpoint.path
        assert path is not None

        def report(done: int, total: int, loss: float) -> None:
            checkpoint.note(done / total, f"seed {seed}: RMSE {loss**0.5:.4f}")

        with single_thread():
            return train_network(self.recipe, seed, path, self.recipe.device, report, checkpoint.due)

    def need(self, jobs: int) -> float:
        """Bytes of memory needed at most; raises InputError if they are not there, or if it would take years."""
        recipe, workers = self.recipe, min(jobs, len(self.recipe.seeds))
        need = check_bytes(self.footprint.need(workers, training_bytes(recipe), 0.0), self.advice, workers)
        rate = FASTEST["cuda" if recipe.device.startswith("cuda") else "cpu"]
        rounds = math.ceil(len(recipe.seeds) / workers)
        advice = "fewer --epochs or --pairs-per-epoch, or fewer --steps"
        check_seconds(rounds * training_operations(recipe) / rate, advice)
        return need

    def file_bytes(self) -> float:
        """Size of the file, about, in bytes."""
        return len(self.recipe.seeds) * weight_bytes(self.recipe)

    def disk_bytes(self) -> float:
        """Space of each newest state, the one before and one being written, with two averages; then the file."""
        return len(self.recipe.seeds) * (10 * weight_bytes(self.recipe) + PART)

    def read(self, out: Path) -> Mapping[int, Group]:
        """Arrays of a network file as one group."""
        file, quantities = read_networks(out), self.quantities(self.recipe.L)
        arrays = {**file.weights, **file.tuned, "loss": file.loss, "validation_rmse": file.validation_rmse}
        return {self.recipe.L: {name: Variable(quantities[name].axes, values) for name, values in arrays.items()}}

    def write(self, out: Path, groups: Mapping[int, Group]) -> None:
        """Write the network file, with a diagnosis of every network."""
        recipe, group = self.recipe.canonical(), groups[self.recipe.L]
        architecture = self.recipe.architecture.plain()
        trained = [{name: v.values[k] for name, v in group.items()} for k in range(len(self.recipe.seeds))]
        measured = [
            diagnose_weights(str(seed), architecture, arrays, recipe).measured
            for seed, arrays in zip(self.recipe.seeds, trained, strict=True)
        ]
        write_networks(out, architecture, recipe, self.recipe.seeds, trained, measured)

    def seconds_per_operation(self) -> float:
        """Seconds of a multiplication here, from two short trainings of two batches at full depth."""
        pairs = 2 * self.recipe.batch
        few = {"epochs": 1, "pairs_per_epoch": pairs, "validation_pairs": 1, "depth_ramp": 0.0, "depth_spread": 0}
        short = self.recipe.model_copy(update=few)
        with tempfile.TemporaryDirectory() as folder, single_thread():
            for name in ("first", "second"):
                began = time.perf_counter()
                train_network(short, self.recipe.seeds[0], Path(folder) / name, self.recipe.device)
                seconds = time.perf_counter() - began
        return seconds * mean_depth_share(self.recipe) / training_operations(short)


def plan_training(recipe: KuramotoTraining, jobs: int) -> dict[str, Any]:
    """Cost of a training: ``networks``, ``jobs``, ``seconds``, ``megabytes`` and ``file_megabytes``.

    Raises
    ------
    InputError
        If memory is short, or it would take years.
    """
    sample, networks = KuramotoSample(recipe), len(recipe.seeds)
    need, workers = sample.need(jobs), min(jobs, networks)
    seconds = math.ceil(networks / workers) * training_operations(recipe) * sample.seconds_per_operation()
    costs = {"seconds": seconds, "megabytes": need / 1e6, "file_megabytes": sample.file_bytes() / 1e6}
    return {"networks": networks, "jobs": workers, **costs}
