"""What entropies of cuts will take: seconds from small states that are decomposed first, memory from numbers of states.

The small states have at most `SAMPLED_SITES` sites, so that nothing takes longer than a second.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.answers.quantum.entanglement import ground_entropies
from physnn.answers.quantum.random_machines import random_entropies
from physnn.answers.quantum.stored_waves import (
    SETTLING_SWEEPS,
    SWAP_CHAINS,
    SWEEPS_BETWEEN,
    stored_machines,
    swapped_machine,
)
from physnn.models.quantum import QuantumModel

SAMPLED_SITES, SAMPLED_FREE_SITES = 12, 64
"""Sites of a state that is decomposed to know what others take, at most; the latter of free fermions."""
MORE_PER_SITE = 2.3
"""Factor of time of a site more: singular values of all cuts of 2^N amplitudes, and their sums over units."""
BYTES_PER_AMPLITUDE = 550.0
"""Memory of an amplitude: configurations, sums of units, characters of a sector (measured at 16 to 20 sites)."""
BYTES_OF_LIBRARIES = 1e8
"""Memory of an interpreter that has what is needed."""


def planned_models(models: Sequence[QuantumModel], method: str) -> dict[str, Any]:
    """Plan of the entropies of models' exact ground states, as `physnn.samples.cost.plan` has them."""
    rows = []
    for model in models:
        free = method in ("auto", "free-fermions") and model.name == "tfim" and len(model.sides) == 1
        few = SAMPLED_FREE_SITES if free else SAMPLED_SITES
        sides = (min(model.N, few),) if len(model.sides) == 1 else (2, min(model.N // 2, few // 2))
        small = replace(model, sides=sides if not model.conserves else _even(sides))
        seconds = _seconds(functools.partial(ground_entropies, small, method))
        growth = (model.N / small.N) ** 3 if free else MORE_PER_SITE ** (model.N - small.N)
        rows.append(_row(model.N, 1, seconds * growth, 40.0 * model.N**2 if free else _bytes(model.N)))
    return _plan(rows)


def planned_random(kind: str, sizes: Sequence[int], alpha: int, spreads: int, draws: int) -> dict[str, Any]:
    """Plan of the entropies of random machines: ``draws`` of every size and of each of ``spreads`` spreads."""
    rows = []
    for N in sizes:
        few = min(N, SAMPLED_SITES)
        seconds = _seconds(functools.partial(random_entropies, kind, [few], alpha=alpha, draws=2)) / 2
        rows.append(_row(N, draws * spreads, seconds * MORE_PER_SITE ** (N - few), _bytes(N)))
    return _plan(rows)


def planned_stored(path: Path, method: str, draws: int) -> dict[str, Any]:
    """Plan of the entropies of the machines in a file, from a random one, or from few draws of each size's first."""
    rows: dict[int, dict[str, Any]] = {}
    for L, _, model, machines, way in stored_machines(path, method):
        if L in rows:
            rows[L]["tasks"] += len(machines)
            continue
        N, alpha = model.N, max(1, len(machines[0].units) // model.N)
        if way == "swap":
            each = SETTLING_SWEEPS + SWEEPS_BETWEEN * draws, SETTLING_SWEEPS + SWEEPS_BETWEEN
            seeds = rng.seed_sequence(0, "chain", "entropy", "plan")
            seconds = _seconds(functools.partial(swapped_machine, model, machines[0], 1, seeds)) * each[0] / each[1]
            size = float(SWAP_CHAINS * N * (draws + 4 * len(machines[0].units)))
        else:
            few = min(N, SAMPLED_SITES)
            sample = functools.partial(random_entropies, "gaussian", [few], alpha=alpha, draws=2)
            seconds, size = _seconds(sample) / 2 * MORE_PER_SITE ** (N - few), _bytes(N)
        rows[L] = _row(N, len(machines), seconds, size)
    return _plan(list(rows.values()))


def _even(sides: tuple[int, ...]) -> tuple[int, ...]:
    return (*sides[:-1], max(2, sides[-1] - sides[-1] % 2))


def _bytes(N: int) -> float:
    return BYTES_PER_AMPLITUDE * 2.0**N


def _seconds(work: Callable[[], Any]) -> float:
    found = []
    for _ in range(2):  # at first libraries are loaded and code is compiled
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def _row(N: int, tasks: int, seconds: float, size: float) -> dict[str, Any]:
    return {
        "L": N,
        "tasks": tasks,
        "seconds_per_task": seconds,
        "megabytes_per_task": (BYTES_OF_LIBRARIES + size) / 1e6,
    }


def _plan(rows: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = float(np.sum([row["tasks"] * row["seconds_per_task"] for row in rows]))
    most = max((row["megabytes_per_task"] for row in rows), default=0.0)
    return {"rows": rows, "jobs": 1, "seconds": seconds, "megabytes": most, "file_megabytes": 0.0}
