"""Training as tasks of the one loop: one network per seed, its checkpoint being its part."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from physnn.jobs.progress import Note
from physnn.jobs.stopping import Checkpoints
from physnn.machine import BASE, PART, check_bytes, check_disk, check_seconds
from physnn.networks.device import single_thread
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.kuramoto.training import mean_depth_share, train_network


def training_bytes(recipe: TrainingRecipe) -> float:
    """Return about how many bytes the training of one network takes.

    The derivative keeps about 7 arrays of the size of the state for every step, and there are some 18 more; measured
    for L = 20 to 128, 4 and 16 components, 1 to 15 steps.  Weights are held about 8 times: with gradient, averages of
    the optimiser and checkpoint.
    """
    states = 4.0 * recipe.batch * recipe.components * recipe.L**2 * (7 * recipe.steps + 18)
    images = 16.0 * max(recipe.batch, recipe.validation_pairs) * recipe.L**2
    return states + images + 8.0 * weight_bytes(recipe) + 8.0 * recipe.epochs


def weight_bytes(recipe: TrainingRecipe) -> float:
    """Return about how many bytes the weights of one network are."""
    return 4.0 * (recipe.architecture.layers or 1) * (recipe.components * recipe.kernel) ** 2


def training_operations(recipe: TrainingRecipe) -> float:
    """Return the multiplications of the convolutions alone, forwards and back."""
    per_image = 3.0 * recipe.steps * (recipe.L * recipe.components * recipe.kernel) ** 2
    return recipe.epochs * recipe.batches_per_epoch * recipe.batch * per_image


FASTEST = {"cpu": 1e12, "cuda": 1e15}
"""Operations per second that no device exceeds, to say what is beyond waiting for."""


class TrainTask(BaseModel):
    """One network to train."""

    model_config = ConfigDict(frozen=True)

    recipe: TrainingRecipe
    seed: int
    device: str

    @property
    def key(self) -> str:
        """Stable name: a hash of the content; the seed stays readable."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return f"seed{self.seed}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def label(self) -> str:
        """What a table of tasks calls it."""
        return f"seed {self.seed}"

    @property
    def cost(self) -> float:
        """Work, in batches."""
        return float(self.recipe.epochs * self.recipe.batches_per_epoch)


def run_train_task(task: TrainTask, path: Path, context: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Train the network of a task, or continue it, and return its arrays; the checkpoint at ``path`` is the part."""
    note = Note(path)

    def report(done: int, total: int, loss: float) -> None:
        note(done / total, f"seed {task.seed}: RMSE {loss**0.5:.4f}")

    with single_thread():
        return train_network(task.recipe, task.seed, path, task.device, report, Checkpoints().due)


def check_training(tasks: Sequence[TrainTask], out: Path, jobs: int) -> float:
    """Return the bytes of memory that trainings side by side need.

    Raises
    ------
    InputError
        If memory or space on the disk are short, or it would take years.
    """
    recipe, workers = tasks[0].recipe, min(jobs, len(tasks))
    advice = "a smaller --batch, --L, --steps or --components, or fewer --jobs"
    need = check_bytes(workers * (BASE + training_bytes(recipe)), advice, workers)
    kept = weight_bytes(recipe)
    # Of each network the newest state, the one before and one being written, with two averages; then the file.
    check_disk(out, len(tasks) * (10 * kept + PART), "fewer --seeds or --components")
    rate = FASTEST["cuda" if tasks[0].device.startswith("cuda") else "cpu"]
    rounds = math.ceil(len(tasks) / workers)
    check_seconds(rounds * training_operations(recipe) / rate, "fewer --epochs or --pairs-per-epoch, or fewer --steps")
    return need


def plan_training(tasks: Sequence[TrainTask], out: Path, jobs: int) -> dict[str, Any]:
    """Return what trainings will take: ``networks``, ``jobs``, ``seconds``, ``megabytes`` and ``file_megabytes``.

    The time is that of two short trainings of two batches; raises InputError as `check_training`.
    """
    need = check_training(tasks, out, jobs)
    task = tasks[0]
    # At full depth: where the depth grows, the first batches say little of the others.
    pairs = 2 * task.recipe.batch
    few = {"epochs": 1, "pairs_per_epoch": pairs, "validation_pairs": 1, "depth_ramp": 0.0, "depth_spread": 0}
    short = task.recipe.model_copy(update=few)
    with tempfile.TemporaryDirectory() as folder, single_thread():
        for name in ("first", "second"):
            began = time.perf_counter()
            train_network(short, task.seed, Path(folder) / name, task.device)
            seconds = (time.perf_counter() - began) / short.batches_per_epoch
    rounds = math.ceil(len(tasks) / min(jobs, len(tasks)))
    return {
        "networks": len(tasks),
        "jobs": min(jobs, len(tasks)),
        "seconds": rounds * task.cost * seconds * mean_depth_share(task.recipe),
        "megabytes": need / 1e6,
        "file_megabytes": 1e-6 * len(tasks) * weight_bytes(task.recipe),
    }
