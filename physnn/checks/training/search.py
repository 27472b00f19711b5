"""Speed of exact searches for nearest vectors, against sorting and a library's indices in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch

from physnn import rng
from physnn.analysis.bottleneck.neighbours import nearest_vectors
from physnn.checks.bench import Case, TimedRow, per_second, timed
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.kernels.nearest.bytes_code import multiplies_bytes
from physnn.kernels.nearest.search import ByteMemory
from physnn.machine import single_blas_thread
from physnn.networks.pretrained.photographs import photographs
from physnn.networks.pretrained.subjects import subject

FAISS = "faiss (pip install faiss-cpu)"
BYTES = "products of bytes (this processor has no AVX-512 VNNI)"
SEARCH_MEMORY, SEARCH_QUERIES, SEARCH_CHANNELS = 4900, 980, 1280
"""All 7 x 7 vectors of 100 images in memory, and of 20 shown."""
SEARCH_COUNT = 10
SEARCH_TURNS = 6
"""Timed calls, of which the fastest counts."""
GRAPH_LINKS, GRAPH_WIDTH = 32, 64
"""Links of a vector in the approximate index (HNSW), and candidates of its search."""
SEARCHED = "efficientnet-lite0"
SHOWN_DIGITS = 120
Searches = dict[str, Callable[[], Any]]


def search_rows(missing: list[str], progress: Progress = silent) -> tuple[list[TimedRow], dict[str, float]]:
    """Queries per second of searches for the nearest of 4,900 vectors, on one thread, and their ratios.

    ``bytes`` is `ByteMemory`, ``products`` `nearest_vectors`, ``sort`` sorts all distances.  ``flat`` is the exact
    index of faiss, ``graph`` its HNSW, with the share of neighbours that it finds.  Vectors are those of a network
    (`SEARCHED`) for digits, where its weights are installed, and independent numbers, the worst case for bounds.
    """
    g = rng.stream(0, "synthetic", "bench", "search")
    shapes = (SEARCH_MEMORY, SEARCH_CHANNELS), (SEARCH_QUERIES, SEARCH_CHANNELS)
    sets = {"independent": tuple(g.gamma(0.5, size=shape).astype(np.float32) for shape in shapes)}
    try:
        sets = {"network": _of_network()} | sets
    except InputError as error:
        missing.append(str(error))
    if not multiplies_bytes():
        missing.append(BYTES)
    rows: list[TimedRow] = []
    ratios: dict[str, float] = {}
    for name, (memory, queries) in sets.items():
        calls, shares = _searches(memory, queries, missing)
        with single_blas_thread():
            found = timed(
                [_case(f"search, {name}: {way}", call, shares.get(way)) for way, call in calls.items()], progress
            )
        speeds = {way: row["value"] for way, row in zip(calls, found, strict=True)}
        rows += found
        ratios |= {f"search, {name}: {way} / flat, 1 thread": v / speeds["flat"] for way, v in speeds.items()
                   if "flat" in speeds and way != "flat"}  # fmt: skip
        ratios[f"search, {name}: products / sort, 1 thread"] = speeds["products"] / speeds["sort"]
    return rows, ratios


def _of_network() -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the last layer for digits, to remember and to search for."""
    seen, digits = subject(SEARCHED), photographs("digits")
    numbers = list(rng.stream(0, "synthetic", "bench", "digits").permutation(len(digits))[:SHOWN_DIGITS])
    images = seen.prepared(digits.read(numbers, seen.side, seen.channels))
    with torch.no_grad():
        kept = []
        handle = seen.network.get_submodule("head").register_forward_hook(lambda _m, _i, out: kept.append(out))
        for k in range(0, len(images), 4):
            seen.network(images[k : k + 4])
        handle.remove()
    flat = torch.cat(kept).permute(0, 2, 3, 1).reshape(-1, SEARCH_CHANNELS).numpy()
    return np.ascontiguousarray(flat[:SEARCH_MEMORY]), np.ascontiguousarray(flat[SEARCH_MEMORY:])


def _searches(memory: np.ndarray, queries: np.ndarray, missing: list[str]) -> tuple[Searches, dict[str, float]]:
    """Searches by name, and shares of the true neighbours that approximate ones find."""
    calls: Searches = {
        "products": lambda: nearest_vectors(queries, memory, SEARCH_COUNT, "euclidean"),
        "sort": lambda: _sorted(queries, memory),
    }
    if multiplies_bytes():
        kept = ByteMemory.of(memory, False)
        calls = {"bytes": lambda: kept.nearest(queries, SEARCH_COUNT)} | calls
    try:
        faiss = import_module("faiss")
    except ImportError:
        missing += [FAISS] if FAISS not in missing else []
        return calls, {}
    faiss.omp_set_num_threads(1)
    flat, graph = faiss.IndexFlatL2(SEARCH_CHANNELS), faiss.IndexHNSWFlat(SEARCH_CHANNELS, GRAPH_LINKS)
    graph.hnsw.efSearch = GRAPH_WIDTH
    for index in (flat, graph):
        index.add(memory)
    calls |= {"flat": lambda: flat.search(queries, SEARCH_COUNT), "graph": lambda: graph.search(queries, SEARCH_COUNT)}
    true, near = calls["products"]().indices, calls["graph"]()[1]
    return calls, {"graph": float(np.mean([np.isin(a, b).mean() for a, b in zip(near, true, strict=True)]))}


def _sorted(queries: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """The nearest by sorting all distances, as a textbook writes it."""
    distances = (memory**2).sum(1) - 2 * queries @ memory.T
    return np.asarray(np.argsort(distances, axis=1)[:, :SEARCH_COUNT])


def _case(name: str, call: Callable[[], Any], share: float | None) -> Case:
    def run(times: int) -> None:
        for _ in range(times):
            call()

    more: TimedRow = {} if share is None else {"share_found": share}
    value = per_second(SEARCH_QUERIES)
    return Case(name, "queries/s", run, value, 1, 1, SEARCH_TURNS, time.process_time, lambda _: more)
