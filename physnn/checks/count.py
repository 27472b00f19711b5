"""Speed of counting the configurations of +-1 networks, as ratios against plain loops measured in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from physnn.checks.bench import BASELINE, machine, rate
from physnn.exact.signs.brute import brute_force, kernel_arguments
from physnn.exact.signs.count import count_signs
from physnn.jobs.executors import available_cores
from physnn.jobs.run import Progress, silent
from physnn.kernels.signs.losses import plain_losses
from physnn.models.signs import SignNetwork, Threshold

NETWORK = SignNetwork((1, 3, 3, 2, 1), constant=0.5)
"""What brute force is measured on: 2^23 configurations, 385 levels."""
COUNTED = (
    SignNetwork((1, 3, 3, 2, 1)),
    SignNetwork((1, 3, 3, 2, 1), constant=0.5),
    SignNetwork((1, 3, 3, 2, 1), bias="first"),
    SignNetwork((1, 3, 3, 2, 1), constant=0.5, bias="first"),
    SignNetwork((1, 4, 4, 4, 1)),
    SignNetwork((1, 4, 4, 3, 1), constant=0.5),
    SignNetwork((1, 5, 5, 5, 1)),
    SignNetwork((1, 6, 6, 6, 1)),
)
"""What counting over functions is measured on."""
BATCH = 2048
"""Configurations of one call of a plain loop."""
SPEED = "configurations/s"


def bench_count(progress: Progress = silent) -> dict[str, Any]:
    """Return configurations per second of brute force and of plain loops, and seconds of counting over functions.

    Returns
    -------
    dict
        ``machine``; ``rows``: name, value, unit, threads; ``ratios``: speeds over those of the plain loops, and of all
        threads over one; ``missing``: nothing.
    """
    jobs: list[Callable[[], dict[str, Any]]] = [_plain_numpy, _plain_loop]
    jobs += [lambda n=n: _brute(n) for n in sorted({1, available_cores()})]  # type: ignore[misc]
    jobs += [lambda network=network: _functions(network) for network in COUNTED]  # type: ignore[misc]
    rows: list[dict[str, Any]] = []
    for k, job in enumerate(jobs):
        rows.append(job())
        progress(k + 1, len(jobs), rows[-1]["name"])
    return {"machine": machine(), "rows": rows, "ratios": _ratios(rows), "missing": []}


def describe(network: SignNetwork) -> str:
    """Return the layers of a network with its constant and biases in words."""
    words = "-".join(map(str, network.layers))
    words += f", constant {network.constant:g}" if network.constant is not None else ""
    return words + (f", bias {network.bias}" if network.bias else "")


def _row(name: str, value: float, unit: str = SPEED, threads: int = 1) -> dict[str, Any]:
    return {"name": name, "value": float(value), "unit": unit, "threads": threads}


def _plain_numpy() -> dict[str, Any]:
    task, weights = Threshold(), NETWORK.configuration(np.arange(BATCH))
    x = task.x

    def run(n: int) -> None:
        for _ in range(n):
            task.losses(NETWORK.outputs(weights, x))

    return _row(f"plain numpy, {describe(NETWORK)}", 1e9 * rate(run, BATCH))


def _plain_loop() -> dict[str, Any]:
    kinds, out = kernel_arguments(NETWORK, Threshold()), np.empty(BATCH)

    def run(n: int) -> None:
        for _ in range(n):
            plain_losses(**kinds, first=0, out=out)

    return _row(f"{BASELINE}, {describe(NETWORK)}", 1e9 * rate(run, BATCH))


def _brute(threads: int) -> dict[str, Any]:
    def run(n: int) -> None:
        for _ in range(n):
            brute_force(NETWORK, threads=threads)

    return _row(f"brute force, {describe(NETWORK)}", 1e9 * rate(run, 2**NETWORK.weights), threads=threads)


def _functions(network: SignNetwork) -> dict[str, Any]:
    """Return the best of three runs, of one run where it takes seconds."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        count_signs(network)
        best = min(best, time.perf_counter() - began)
        if best > 1:
            break
    return _row(f"functions, {describe(network)}", best, "s")


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    speeds = {(r["name"].split(",")[0], r["threads"]): r["value"] for r in rows if r["unit"] == SPEED}
    fast = speeds["brute force", 1]
    found = {f"brute force / {name}": fast / speeds[name, 1] for name in ("plain numpy", BASELINE)}
    for (name, threads), value in speeds.items():
        if threads > 1:
            found[f"{name}: {threads} threads / 1"] = value / fast
    return found
