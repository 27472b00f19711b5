"""Training replicas as tasks of the one loop: a few seeds of one ensemble each, their checkpoint being their part."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from physnn.networks.problems import ProblemRecipe, load_problem
from physnn.networks.replica_training import train_replicas
from physnn.networks.replicas import ClassifierRecipe
from physnn.store.parts import Parts
from physnn.sweeps.run import Live

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
    def cost(self) -> float:
        """Work: images seen, expanded ones as many times as they are larger, and a little for testing."""
        size = 1 if self.problem.form == "raw" else self.problem.factor**2
        return float(size * len(self.seeds) * (self.recipe.epochs + 1))


def run_replica_task(task: ReplicaTask, path: Path, context: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Train the replicas of a task, or continue them, and return their arrays; the part at ``path`` is their state."""
    note = path.with_suffix(".progress")
    latest = 0.0

    def report(done: int, total: int, loss: float) -> None:
        nonlocal latest
        if time.monotonic() - latest > 1:
            latest = time.monotonic()
            # Only a message to the bar: losing it costs nothing, so it is not synced, and may fail on a full disk.
            with suppress(OSError):
                note.write_text(json.dumps([done / total, loss]))

    problem = load_problem(task.problem)
    return train_replicas(task.recipe, problem, task.seeds, path, task.engine, task.device, report)


def replica_progress(parts: Parts, tasks: Sequence[ReplicaTask]) -> Live:
    """Return what tells the loop how far the running trainings are."""

    def look(keys: Sequence[str]) -> tuple[float, str]:
        extra, texts = 0.0, []
        for task in tasks:
            if task.key not in keys:
                continue
            try:
                share, loss = json.loads(parts.path(task.key).with_suffix(".progress").read_text())
            except (OSError, ValueError):
                continue
            extra += share * task.cost
            texts.append(f"{task.ensemble}: loss {loss:.3g}")
        return extra, ", ".join(texts)

    return look
