"""Training as tasks of the one loop: one network per seed, its checkpoint being its part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from physnn.networks.training import TrainingRecipe, train_network
from physnn.sweeps.notes import Note
from physnn.sweeps.stopping import Checkpoints


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

    return train_network(task.recipe, task.seed, path, task.device, report, Checkpoints().due)
