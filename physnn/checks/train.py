"""Speed of training many replicas, as ratios against plain loops over them that do the same work in the same run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import BASELINE, machine
from physnn.jobs.executors import available_cores
from physnn.jobs.run import Progress, silent
from physnn.machine import single_blas_thread
from physnn.networks.classifiers import compiled, loop, stacked
from physnn.networks.classifiers.replicas import ClassifierRecipe, Replicas, untrained
from physnn.networks.device import has_cuda, set_threads
from physnn.networks.tasks.problem import Problem, ProblemRecipe, load_problem

RECIPE = ClassifierRecipe(network="simple", batch=64)
"""What is trained: one epoch of it is one piece of work."""
DIGITS = (1024, 64)
"""Images of 8 x 8 pixels in an epoch, and replicas."""
COLOURED = (256, 4)
"""The same for images of 3 x 32 x 32 pixels."""
ROUNDS, LIMIT = 3, 80.0
"""Every way does the work once a round, and its best counts: what else runs on a machine only makes it slower.  After
so many rounds, or when so many seconds are over at the end of one, it is enough."""
BEST = f"best {BASELINE}"
UNIT = "replica steps/s"
Work = Callable[[Replicas], np.ndarray]
"""Trains replicas, and returns the loss of every one."""


@dataclass(frozen=True)
class Way:
    """One way to do the work of a case, such as ``compiled`` on two threads."""

    name: str
    case: str
    threads: int
    work: Work
    replicas: Replicas
    steps: int


def bench_train(progress: Progress = silent) -> dict[str, Any]:
    """Return replicas x steps per second of every engine and of plain loops, for 8 x 8 digits and 3 x 32 x 32 images.

    The plain loop is `physnn.networks.classifiers.loop` as one would write it, on the threads that torch takes by
    itself; at its
    best it has the fused optimiser and the fastest of two memory layouts, on one thread or on all.

    Returns
    -------
    dict
        ``machine``; ``rows``: name, value, unit, threads, and the loss that came out, the same for the same work;
        ``ratios``: speeds over those of both loops, and of all threads over one; ``missing``: devices not found.
    """
    ways = [way for case, problem, replicas in _cases() for way in _ways(case, problem, replicas)]
    seconds, losses = [math.inf] * len(ways), [math.nan] * len(ways)
    before = set_threads(1)
    try:
        for way in ways:  # Kernels are compiled and memory is found.
            set_threads(way.threads)
            way.work(way.replicas.take([0]))
        start = time.perf_counter()
        for k in range(ROUNDS):
            for j, way in enumerate(ways):
                set_threads(way.threads)
                began = time.perf_counter()
                losses[j] = float(way.work(way.replicas).mean())
                seconds[j] = min(seconds[j], time.perf_counter() - began)
                progress(k * len(ways) + j + 1, ROUNDS * len(ways), f"{way.name}, {way.case}")
            if time.perf_counter() - start > LIMIT:
                break
        progress(1, 1, "")
    finally:
        set_threads(before)
    rows = [
        {"name": f"{w.name}, {w.case}", "value": w.steps / s, "unit": UNIT, "threads": w.threads, "loss": loss}
        for w, s, loss in zip(ways, seconds, losses, strict=True)
    ]
    rows = _fastest(rows)
    return {"machine": machine(), "rows": rows, "ratios": _ratios(rows), "missing": [] if has_cuda() else ["CUDA"]}


def _cases() -> list[tuple[str, Problem, Replicas]]:
    n, replicas = DIGITS
    digits = load_problem(ProblemRecipe(train=n, test=1))
    n, few = COLOURED
    generator = rng.stream(0, "synthetic", "bench", "images")
    images = generator.normal(size=(n, 3, 32, 32)).astype(np.float32)
    labels = generator.integers(0, 10, n)
    coloured = Problem(images, labels, images[:1], labels[:1], digits.classes, 32, "noise")
    cases = (("8 x 8", digits, replicas), ("3 x 32 x 32", coloured, few))
    return [(case, problem, untrained(RECIPE.build(problem), range(count))) for case, problem, count in cases]


def _ways(case: str, problem: Problem, replicas: Replicas) -> list[Way]:
    steps = len(replicas.seeds) * -(-len(problem.images) // RECIPE.batch)
    every = available_cores()

    def way(name: str, engine: ModuleType, threads: int, *device: str, **options: bool) -> Way:
        def work(some: Replicas) -> np.ndarray:
            return np.asarray(engine.advance(RECIPE, problem, some, 1, *device, **options)[1])

        return Way(name, case, threads, work, replicas, steps)

    def pooled(threads: int) -> Way:
        return Way("compiled", case, threads, lambda some: _pooled(problem, some, threads), replicas, steps)

    found = [way(BASELINE, loop, every)]
    for threads in sorted({1, every}):
        found += [way(BEST, loop, threads, channels_last=last, fused=True) for last in (False, True)]
        found += [way("stacked", stacked, threads), pooled(threads)]
    if has_cuda():
        found += [way(f"{BASELINE} on a GPU", loop, 1, "cuda"), way("stacked on a GPU", stacked, 1, "cuda")]
    return found


def _pooled(problem: Problem, replicas: Replicas, threads: int) -> np.ndarray:
    """Return the losses of replicas trained by compiled code, on a number of threads."""

    def work(first: int) -> np.ndarray:
        mine = replicas.take(range(first, len(replicas.seeds), threads))
        return compiled.advance(RECIPE, problem, mine, 1)[1]

    with single_blas_thread(), ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(work, range(min(threads, len(replicas.seeds))))))


def _fastest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with only the fastest of those called best, for every case."""
    found: list[dict[str, Any]] = []
    for row in rows:
        rivals = [r for r in rows if r["name"] == row["name"]] if row["name"].startswith(BEST) else [row]
        if row is max(rivals, key=lambda r: float(r["value"])):
            found.append(row)
    return found


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    speeds = {(row["name"], row["threads"]): row["value"] for row in rows}
    single = {name: value for (name, threads), value in speeds.items() if threads == 1}
    found = {}
    for (name, threads), value in speeds.items():
        way, case = name.split(", ")
        label = f"{name}, {threads} thread" + ("s" if threads > 1 else "")
        loops = [base for base in (BASELINE, BEST) if way not in (base, BASELINE)]
        for base in loops:
            found[f"{label} / {base}"] = value / next(v for (n, _), v in speeds.items() if n == f"{base}, {case}")
        if threads > 1 and way not in (BASELINE, BEST):
            found[f"{name}: {threads} threads / 1"] = value / single[name]
    return found
