"""Speed of training many replicas, as ratios against plain loops over them that do the same work in the same run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import BASELINE, Case, TimedRow, over_one_thread, per_second, report, timed
from physnn.jobs.run import Progress, silent
from physnn.machine import available_cores, single_blas_thread
from physnn.networks.classifiers.compiled import CompiledTrainer
from physnn.networks.classifiers.loop import LoopTrainer
from physnn.networks.classifiers.replicas import ClassifierRecipe, Replicas, Trainer, untrained
from physnn.networks.classifiers.stacked import StackedTrainer
from physnn.networks.device import has_cuda, set_threads
from physnn.networks.tasks.problem import Problem, ProblemRecipe, load_problem

RECIPE = ClassifierRecipe(network="simple", batch=64)
"""Training of which one epoch is one piece of work."""
SMALL_IMAGES = (1024, 64)
"""Images of 8 x 8 pixels in an epoch, and replicas."""
COLOURED_IMAGES = (256, 4)
"""Images of 3 x 32 x 32 pixels in an epoch, and replicas."""
EPOCHS = 3
"""Times that every way does the work."""
LONGEST_BENCH = 80.0
"""Seconds after which no further epoch begins."""
BEST = f"best {BASELINE}"
"""Name of the plain loop at its best."""
STEPS_PER_SECOND = "replica steps/s"
"""Unit of the speeds."""


def bench_train(progress: Progress = silent) -> dict[str, Any]:
    """Replicas x steps per second of every engine and of plain loops, for 8 x 8 digits and 3 x 32 x 32 images.

    The plain loop is `physnn.networks.classifiers.loop` as one would write it, on the threads that torch takes by
    itself; at its best it has the fused optimiser and the fastest of two memory layouts, on one thread or on all.
    See `physnn.checks.bench.report`; rows have also the loss that came out, the same for the same work; ratios are
    speeds over those of both loops, and of all threads over one; missing are devices not found.
    """
    before = set_threads(1)
    try:
        ways = [way for case, problem, replicas in _problems() for way in _ways(case, problem, replicas)]
        rows = _fastest(timed(ways, progress, LONGEST_BENCH))
    finally:
        set_threads(before)
    return report(rows, _ratios(rows), [] if has_cuda() else ["CUDA"])


def _problems() -> list[tuple[str, Problem, Replicas]]:
    n, replicas = SMALL_IMAGES
    digits = load_problem(ProblemRecipe(train=n, test=1))
    n, few = COLOURED_IMAGES
    generator = rng.stream(0, "synthetic", "bench", "images")
    images = generator.normal(size=(n, 3, 32, 32)).astype(np.float32)
    labels = generator.integers(0, 10, n)
    coloured = Problem(images, labels, images[:1], labels[:1], digits.classes, 32, "noise")
    cases = (("8 x 8", digits, replicas), ("3 x 32 x 32", coloured, few))
    return [(case, problem, untrained(RECIPE.build(problem), range(count))) for case, problem, count in cases]


def _ways(case: str, problem: Problem, replicas: Replicas) -> list[Case]:
    """Ways to train replicas of a problem; a call returns the mean loss."""
    steps, every = len(replicas.seeds) * -(-len(problem.images) // RECIPE.batch), available_cores()

    def way(name: str, threads: int, train: Callable[[Replicas], np.ndarray]) -> Case:
        def run(epochs: int, some: Replicas = replicas) -> float:
            set_threads(threads)
            return float(train(some).mean())

        run(1, replicas.take([0]))  # Kernels are compiled and memory is found.
        loss = lambda mean: {"loss": mean}  # noqa: E731
        return Case(
            f"{name}, {case}", STEPS_PER_SECOND, run, per_second(steps), threads, pieces=1, rounds=EPOCHS, more=loss
        )

    def engine(trainer: type[Trainer], device: str = "cpu", **options: bool) -> Callable[[Replicas], np.ndarray]:
        return lambda some: np.asarray(trainer.advance(RECIPE, problem, some, 1, device, **options)[1])

    found = [way(BASELINE, every, engine(LoopTrainer))]
    for threads in sorted({1, every}):
        found += [way(BEST, threads, engine(LoopTrainer, channels_last=last, fused=True)) for last in (False, True)]
        found += [
            way("stacked", threads, engine(StackedTrainer)),
            way("compiled", threads, on_a_pool(problem, threads)),
        ]
    if has_cuda():
        found += [
            way(f"{BASELINE} on a GPU", 1, engine(LoopTrainer, "cuda")),
            way("stacked on a GPU", 1, engine(StackedTrainer, "cuda")),
        ]
    return found


def on_a_pool(problem: Problem, threads: int) -> Callable[[Replicas], np.ndarray]:
    """Function that returns the losses of replicas trained by compiled code, on a number of threads."""

    def train(replicas: Replicas) -> np.ndarray:
        def share(first: int) -> np.ndarray:
            mine = replicas.take(range(first, len(replicas.seeds), threads))
            return CompiledTrainer.advance(RECIPE, problem, mine, 1)[1]

        with single_blas_thread(), ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(share, range(min(threads, len(replicas.seeds))))))

    return train


def _fastest(rows: list[TimedRow]) -> list[TimedRow]:
    """Rows with only the fastest of those called best, for every case."""
    best: dict[str, float] = {}
    for row in rows:
        best[row["name"]] = max(row["value"], best.get(row["name"], 0.0))
    return [row for row in rows if not row["name"].startswith(BEST) or row["value"] == best[row["name"]]]


def _ratios(rows: list[TimedRow]) -> dict[str, float]:
    """Speeds over those of the plain loops, and of all threads over one."""
    found = {}
    for row in rows:
        name, case = row["name"].split(", ")
        label = f"{row['name']}, {row['threads']} thread" + "s" * (row["threads"] > 1)
        for base in (BASELINE, BEST):
            if name not in (base, BASELINE):
                below = next(r["value"] for r in rows if r["name"] == f"{base}, {case}")
                found[f"{label} / {base}"] = row["value"] / below
    return found | over_one_thread([row for row in rows if not row["name"].startswith((f"{BASELINE},", BEST))])
