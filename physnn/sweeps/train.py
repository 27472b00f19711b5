"""Training as tasks of the one loop: one network per seed, its checkpoint being its part."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from physnn.networks.training import TrainingRecipe, train_network
from physnn.store.parts import Parts
from physnn.sweeps.run import Live


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
    def cost(self) -> float:
        """Work, in batches."""
        return float(self.recipe.epochs * self.recipe.batches_per_epoch)


def run_train_task(task: TrainTask, path: Path, context: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Train the network of a task, or continue it, and return its arrays; the checkpoint at ``path`` is the part."""
    note = path.with_suffix(".progress")
    latest = 0.0

    def report(done: int, total: int, loss: float) -> None:
        nonlocal latest
        if time.monotonic() - latest > 1:
            latest = time.monotonic()
            # Only a message to the bar: losing it costs nothing, so it is not synced, and may fail on a full disk.
            with suppress(OSError):
                note.write_text(json.dumps([done, total, loss]))

    return train_network(task.recipe, task.seed, path, task.device, report)


def live_progress(parts: Parts, tasks: Sequence[TrainTask]) -> Live:
    """Return what tells the loop how far the running trainings are."""

    def look(keys: Sequence[str]) -> tuple[float, str]:
        extra, texts = 0.0, []
        for task in tasks:
            if task.key not in keys:
                continue
            try:
                done, _, loss = json.loads(parts.path(task.key).with_suffix(".progress").read_text())
            except (OSError, ValueError):
                continue
            extra += done
            texts.append(f"seed {task.seed}: RMSE {loss**0.5:.4f}")
        return extra, ", ".join(texts)

    return look
