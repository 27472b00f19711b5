"""Ensembles of classifiers: train them, compare them, and measure how far apart their replicas are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from physnn.analysis.statistics.pairs import PairedDifference, paired_difference
from physnn.errors import InputError
from physnn.jobs.executors import job_numbers, parse_engine
from physnn.jobs.locks import exclusive
from physnn.jobs.progress import Note, live_notes, manifest
from physnn.jobs.run import Progress, run_tasks, silent
from physnn.jobs.stopping import Checkpoints, stop_signals
from physnn.machine import BASE, PART, check_bytes, check_disk
from physnn.networks.classifiers import stacked
from physnn.networks.classifiers.engines import resolve_engine, train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe, Engine
from physnn.networks.device import check_device, single_thread
from physnn.networks.kuramoto.recipe import Seeds
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.samples.base import validated
from physnn.samples.files import clear
from physnn.store.ensemble_file import ENSEMBLES, MEASURED, Ensemble, EnsembleFile, read_ensembles, write_ensembles
from physnn.store.parts import Parts

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
    with single_thread():
        return train_replicas(
            task.recipe, problem, task.seeds, path, task.engine, task.device, report, Checkpoints().due
        )


PAIRS = (("expanded", "raw"), ("upsampled", "raw"), ("expanded", "upsampled"))
"""Forms of images whose accuracies are compared."""
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
"""What an ensemble may be called: its name becomes part of the names of files."""


def train_ensembles(
    members: Mapping[str, tuple[ClassifierRecipe, ProblemRecipe]],
    seeds: Sequence[int],
    *,
    out: str | Path,
    engine: Engine = "auto",
    jobs: int | None = None,
    device: str = "cpu",
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    executor: str = "process",
    insecure: bool = False,
) -> EnsembleFile:
    """Train one ensemble for every member, all with the same seeds, and write them as one file.

    Parameters
    ----------
    members : mapping
        Name (of letters, digits, ``.``, ``+``, ``-`` and ``_``) to what is trained and on what images.
    seeds : sequence of int
        One replica each; a replica does not depend on the others.
    out : path
        The ensemble file.  Interrupted, the same call continues; a finished file of the same recipe is only read.
    engine : {"auto", "compiled", "stacked", "loop"}
        What trains; see `physnn.networks.classifiers.replicas`.
    jobs, device, restart, max_time, progress
        Processes side by side, ``"cpu"`` or ``"cuda"``, begin anew, seconds allowed, progress callback.
    executor, insecure
        As in `physnn.sweep_noise`.

    Raises
    ------
    InputError
        If images cannot be read, a network does not suit them, memory is short, or ``out`` holds something else.
    TasksFailed, Unfinished
        If trainings failed, or the run was stopped.
    """
    out, running = Path(out), parse_engine(executor, insecure)
    if out.suffix == ".png":
        raise InputError(f"{out} is where the figure would go; choose an --out that ends in .h5")
    for name in members:
        if not NAME.fullmatch(name):
            raise InputError(f"an ensemble cannot be called {name!r}; use up to 64 letters, digits, ., +, - and _")
    if not members:
        raise InputError("there are no ensembles to train; name at least one network")
    load_problem.cache_clear()  # Images on the disk may have changed since the last call.
    chosen = tuple(sorted(set(validated(Seeds, {"seeds": tuple(seeds)}).seeds)))
    tasks = [t for name, (r, p) in members.items() for t in _tasks(name, r, p, chosen, engine, device)]
    recipe = _plain(tasks, chosen, device)
    _check_memory(tasks, min(job_numbers(jobs, running)[0], len(tasks)))
    check_disk(out, sum(_task_disk(task) for task in tasks), "fewer --seeds or replicas")
    with exclusive(out), stop_signals(max_time):
        parts = Parts(out)
        if restart:
            clear(out, ENSEMBLES)
        if out.exists():
            file = read_ensembles(out)
            if file.recipe != recipe:
                raise InputError(f"{out} holds other ensembles: use --restart to begin anew, or another --out")
            return file
        if (found := parts.recipe()) is not None and found != recipe:
            raise InputError(f"{parts.folder} belongs to another recipe: use --restart to begin anew, or another --out")
        check_device(device)
        parts.begin(recipe)
        parts.manifest(manifest(tasks))
        live = live_notes(parts, tasks)
        run_tasks(tasks, run_replica_task, {}, parts, job_numbers(jobs, running)[0], progress, live, running)
        write_ensembles(out, recipe, {name: _assembled(parts, tasks, name) for name in members})
        parts.remove()
    return read_ensembles(out)


def paired_tests(file: EnsembleFile) -> dict[tuple[str, str], PairedDifference]:
    """Return differences of test accuracy between forms of images, the first of two less the second, over seeds."""
    measured = {name: e.measured["test_accuracy"] for name, e in file.ensembles.items()}
    return {
        (a, b): paired_difference(measured[a], measured[b])
        for a, b in PAIRS
        if a in measured and b in measured and len(measured[a]) > 1
    }


def _tasks(
    name: str, recipe: ClassifierRecipe, problem: ProblemRecipe, seeds: Sequence[int], engine: Engine, device: str
) -> list[ReplicaTask]:
    loaded = load_problem(problem)
    found = resolve_engine(engine, recipe, loaded, device)
    # Long trainings go one by one, so that the last of them do not leave cores idle; short ones spare their start.
    images = recipe.epochs * len(loaded.images) * (loaded.side / 8) ** 2
    at_once = stacked.replicas_at_once(recipe, loaded) if found == "stacked" else GROUP if images < 1e6 else 1
    groups = -(-len(seeds) // at_once)
    size = -(-len(seeds) // groups) if found == "stacked" else at_once
    return [
        ReplicaTask(
            ensemble=name,
            recipe=recipe,
            problem=problem,
            identity=loaded.identity,
            seeds=tuple(seeds[k : k + size]),
            engine=found,
            device=device,
        )
        for k in range(0, len(seeds), size)
    ]


def _check_memory(tasks: Sequence[ReplicaTask], workers: int) -> None:
    """Raise InputError if this machine cannot hold the images of all processes, and the stacks they train."""
    needs = []
    for task in {(t.problem, t.recipe, t.engine): t for t in tasks}.values():
        loaded = load_problem(task.problem)
        images = loaded.images.nbytes + loaded.test_images.nbytes
        stack = len(task.seeds) * stacked.replica_bytes(task.recipe, loaded) if task.engine == "stacked" else 0
        # As they are, with channels last, and turned or flipped.
        needs.append(BASE + 3.0 * images + stack)
    check_bytes(workers * max(needs), "fewer --train or --test images, a smaller --expand, or fewer --jobs", workers)


def _task_disk(task: ReplicaTask) -> float:
    """Return about how much space a task takes: its newest state, the one before, one being written, and the file."""
    problem = load_problem(task.problem)
    network = task.recipe.build(problem)
    weights = sum(int(values.numel()) for values in network.state_dict().values())
    return PART + len(task.seeds) * (3 * 3 * 4.0 * weights + 2 * 4.0 * (weights + len(problem.test_images)))


def _plain(tasks: Sequence[ReplicaTask], seeds: Sequence[int], device: str) -> dict[str, Any]:
    """Return the recipe that the file records."""
    members = {}
    for task in tasks:
        plain = task.model_dump(mode="json", include={"recipe", "problem", "identity", "engine"})
        problem = load_problem(task.problem)
        # So that networks can be built, and their first weights made again, without the images.
        plain["images"] = {
            "channels": problem.channels,
            "side": problem.side,
            "raw_side": problem.raw_side,
            "classes": list(problem.classes),
        }
        members[task.ensemble] = plain
    return {"kind": "train-classify", "seeds": list(seeds), "device": device, "ensembles": members}


def _assembled(parts: Parts, tasks: Sequence[ReplicaTask], name: str) -> Ensemble:
    mine = [task for task in tasks if task.ensemble == name]
    rows = [run_replica_task(task, parts.path(task.key), {}) for task in mine]
    arrays = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    seeds = np.array([seed for task in mine for seed in task.seeds], np.int64)
    measured = {key: arrays.pop(key) for key in MEASURED}
    return Ensemble(seeds, arrays, measured)
