"""Speed of counting the configurations of +-1 networks, as ratios against plain loops measured in the same run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from physnn.checks.bench import BASELINE, Case, over_one_thread, per_second, report, timed
from physnn.exact.signs.brute import brute_force, kernel_arguments
from physnn.exact.signs.count import count_signs
from physnn.jobs.run import Progress, silent
from physnn.kernels.signs.losses import plain_losses
from physnn.machine import available_cores
from physnn.models.signs import SignNetwork, Threshold

VISITED = SignNetwork((1, 3, 3, 2, 1), constant=0.5)
"""Network that brute force is measured on: 2^23 configurations, 385 levels."""
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
"""Networks that counting over functions is measured on."""
COUNTS = 3
"""Times that each of them is counted, and the fastest kept."""
AT_ONCE = 2048
"""Configurations of one call of a plain loop."""
CONFIGURATIONS = "configurations/s"
"""Unit of the speeds."""


def bench_count(progress: Progress = silent) -> dict[str, Any]:
    """Configurations per second of brute force and of plain loops, and seconds of counting over functions.

    See `physnn.checks.bench.report`; ratios are speeds of brute force over those of the plain loops, and of all threads
    over one.
    """
    cases = [_plain_numpy(), _plain_loop(), *(_brute(n) for n in sorted({1, available_cores()}))]
    rows = timed(cases + [_functions(network) for network in COUNTED], progress)
    brute = rows[2]["value"]
    ratios = {f"brute force / {row['name'].split(',')[0]}": brute / row["value"] for row in rows[:2]}
    return report(rows, ratios | over_one_thread(rows))


def layers_and_inputs(network: SignNetwork) -> str:
    """Layers of a network with its constant and biases, in words."""
    words = "-".join(map(str, network.layers))
    words += f", constant {network.constant:g}" if network.constant is not None else ""
    return words + (f", bias {network.bias}" if network.bias else "")


def _repeated(call: Callable[[], object]) -> Callable[[int], None]:
    def run(n: int) -> None:
        for _ in range(n):
            call()

    return run


def _plain_numpy() -> Case:
    task, weights = Threshold(), VISITED.configuration(np.arange(AT_ONCE))
    run = _repeated(lambda: task.losses(VISITED.outputs(weights, task.x)))
    return Case(f"plain numpy, {layers_and_inputs(VISITED)}", CONFIGURATIONS, run, per_second(AT_ONCE))


def _plain_loop() -> Case:
    kinds, out = kernel_arguments(VISITED, Threshold()), np.empty(AT_ONCE)
    run = _repeated(lambda: plain_losses(**kinds, first=0, out=out))
    return Case(f"{BASELINE}, {layers_and_inputs(VISITED)}", CONFIGURATIONS, run, per_second(AT_ONCE))


def _brute(threads: int) -> Case:
    run = _repeated(lambda: brute_force(VISITED, threads=threads))
    name, work = f"brute force, {layers_and_inputs(VISITED)}", per_second(2**VISITED.weights)
    return Case(name, CONFIGURATIONS, run, work, threads)


def _functions(network: SignNetwork) -> Case:
    name, value = f"functions, {layers_and_inputs(network)}", lambda seconds, _: seconds
    return Case(name, "s", _repeated(lambda: count_signs(network)), value, pieces=1, rounds=COUNTS)
