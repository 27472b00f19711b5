"""Speed of the exact search for nearest vectors, against plain numpy and a library's flat index in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.bottleneck.neighbours import nearest_vectors
from physnn.checks.bench import Case, TimedRow, per_second, timed
from physnn.jobs.run import Progress, silent
from physnn.machine import single_blas_thread

FAISS = "faiss (pip install faiss-cpu)"
SEARCH_MEMORY, SEARCH_QUERIES, SEARCH_CHANNELS = 4900, 980, 1280
"""All 7 x 7 vectors of 100 images in memory, and of 20 shown."""
SEARCH_COUNT = 10
SEARCH_TURNS = 6
"""Timed calls, of which the fastest counts."""


def search_rows(missing: list[str], progress: Progress = silent) -> tuple[list[TimedRow], dict[str, float]]:
    """Queries per second of searches for the nearest of 4,900 vectors, on one thread, and their ratios.

    ``exact`` is `nearest_vectors`; ``sort`` sorts all distances; ``flat`` is faiss' exact index.
    """
    g = rng.stream(0, "synthetic", "bench", "search")
    memory, queries = (
        g.gamma(0.5, size=(n, SEARCH_CHANNELS)).astype(np.float32) for n in (SEARCH_MEMORY, SEARCH_QUERIES)
    )
    calls: dict[str, Callable[[], Any]] = {
        "exact": lambda: nearest_vectors(queries, memory, SEARCH_COUNT, "euclidean"),
        "sort": lambda: _sorted(queries, memory),
    }
    try:
        faiss = import_module("faiss")
    except ImportError:
        missing.append(FAISS)
    else:
        faiss.omp_set_num_threads(1)
        flat = faiss.IndexFlatL2(SEARCH_CHANNELS)
        flat.add(memory)
        calls["flat"] = lambda: flat.search(queries, SEARCH_COUNT)
    with single_blas_thread():
        rows = timed([_case(name, call) for name, call in calls.items()], progress)
    speeds = {name: row["value"] for name, row in zip(calls, rows, strict=True)}
    return rows, {f"search: exact / {name}, 1 thread": speeds["exact"] / speeds[name] for name in list(speeds)[1:]}


def _sorted(queries: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """The nearest by sorting all distances, as a textbook writes it."""
    distances = (memory**2).sum(1) - 2 * queries @ memory.T
    return np.asarray(np.argsort(distances, axis=1)[:, :SEARCH_COUNT])


def _case(name: str, call: Callable[[], Any]) -> Case:
    def run(times: int) -> None:
        for _ in range(times):
            call()

    return Case(f"search, {name}", "queries/s", run, per_second(SEARCH_QUERIES), 1, 1, SEARCH_TURNS, time.process_time)
