"""Training replicas as tasks of the one loop: a few seeds of one ensemble each, their checkpoint being their part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from physnn.errors import InputError
from physnn.jobs.notes import Note
from physnn.jobs.stopping import Checkpoints
from physnn.networks.classifiers.engines import train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe, load_problem

GROUP = 8
"""Seeds in one task on a CPU; no result depends on it."""


class ReplicaTask(BaseModel):
    """Some replicas of one ensemble to train."""

    model_config = ConfigDict(frozen=True)

    ensemble: str
    recipe: ClassifierRecipe
    problem: ProblemRecipe
    identity: str
    seeds: tuple[int, ...]
    engine: Literal["compiled", "stacked", "loop"]
    device: str

    @property
    def key(self) -> str:
        """Stable name: a hash of the content; ensemble and first seed stay readable."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.ensemble}-{self.seeds[0]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def label(self) -> str:
        """What a table of tasks calls it."""
        return self.ensemble

    @property
    def cost(self) -> float:
        """Work: images seen, expanded ones as many times as they are larger, and a little for testing."""
        size = 1 if self.problem.form == "raw" else self.problem.factor**2
        return float(size * len(self.seeds) * (self.recipe.epochs + 1))


def run_replica_task(task: ReplicaTask, path: Path, context: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Train the replicas of a task, or continue them, and return their arrays; the part at ``path`` is their state."""
    note = Note(path)

    def report(done: int, total: int, loss: float) -> None:
        note(done / total, f"{task.ensemble}: loss {loss:.3g}")

    problem = load_problem(task.problem)
    if problem.identity != task.identity:
        raise InputError(
            f"the images of {task.problem.data} changed while they were in use; run the same command again"
        )
    return train_replicas(task.recipe, problem, task.seeds, path, task.engine, task.device, report, Checkpoints().due)
