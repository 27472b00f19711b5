"""Time of a noisy step of the Kuramoto lattice, as ratios against eager torch and a convolution in the same run.

And independent draws a second of Metropolis moves, with over-relaxation against without.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from physnn.analysis.order.structure import transform
from physnn.analysis.statistics.series import estimate_time
from physnn.bundled import resolve
from physnn.checks.bench import machine
from physnn.checks.eager import eager_steps
from physnn.jobs.executors import available_cores
from physnn.jobs.run import Progress, silent
from physnn.kernels.vectors import langevin
from physnn.models import couplings
from physnn.models.vectors import normalised
from physnn.networks.device import set_threads
from physnn.networks.kuramoto.network import Architecture, initial_weights
from physnn.rng import counter_key, seed_sequence, stream
from physnn.samplers.vector_metropolis import PlainMetropolis, VectorMetropolis, tuned
from physnn.samplers.vectors import start
from physnn.store.network_file import read_networks

SIZES = (64, 128)
"""Sides of the lattices."""
ARCHITECTURE = Architecture(components=16, kernel=5, gamma=0.25)
ETA = 0.2
STEPS = 10
"""Steps of one short run."""
PAUSE = 0.01
"""Seconds between runs, in which the threads of the run before stop looking for work."""
ROUNDS, SECONDS = 100, 15.0
"""Every run is made so many times, or for so long all together, by turns; the shortest counts: what else runs on the
machine only makes it slower."""
CHAIN = (12, 0.205, 3000, 8)
"""Side, temperature, measurements, and sweeps between them, of Metropolis chains where the bundled `NETWORK` loses its
order, at (1/4, 1/2)."""
NETWORK = ("kuramoto_flow", 2)
Run = Callable[[int], None]


def bench_kuramoto(progress: Progress = silent) -> dict[str, Any]:
    """Return milliseconds per noisy step of N = 16 components under a 5 x 5 kernel, on one and on all threads.

    On one thread it is the thread's own time, in which other programs do not count; on more, time on the wall.

    Returns
    -------
    dict
        ``machine``; ``rows``: name, value, unit, threads; ``ratios``: the fastest eager step over ours, ours over the
        fastest convolution alone, and draws of |psi|^2 with over-relaxation over those without; ``missing``: nothing.
    """
    rows: list[dict[str, Any]] = []
    jobs = [(threads, L) for threads in sorted({1, available_cores()}) for L in SIZES]
    for k, (threads, L) in enumerate(jobs):
        set_threads(threads)
        clock = time.thread_time if threads == 1 else time.perf_counter
        times = shortest(_runs(L, threads), STEPS, clock)
        rows += [
            {"name": f"{name}, L = {L}", "value": 1e3 * t, "unit": "ms/step", "threads": threads}
            for name, t in times.items()
        ]
        progress(k + 1, len(jobs) + 1, f"L = {L}, {threads} threads")
    set_threads(1)
    draws = [_draws(sampler) for sampler in (VectorMetropolis(), PlainMetropolis())]
    progress(len(jobs) + 1, len(jobs) + 1, "Metropolis")
    ratios = _ratios(rows) | {f"Metropolis with over-relaxation / without, L = {CHAIN[0]}": draws[0] / draws[1]}
    rows += [
        {"name": f"Metropolis {name} over-relaxation, L = {CHAIN[0]}", "value": n, "unit": "draws/s", "threads": 1}
        for name, n in zip(("with", "without"), draws, strict=True)
    ]
    return {"machine": machine(), "rows": rows, "ratios": ratios, "missing": []}


def _draws(sampler: VectorMetropolis) -> float:
    """Return independent draws of |psi|^2 a second."""
    (L, T, measurements, interval), (name, number) = CHAIN, NETWORK
    weights = {key: w[number] for key, w in read_networks(resolve(name)).weights.items()}
    model = couplings.from_weights(weights, "periodic")
    state = start(sampler, model, (L, L), "random", seed_sequence(0, "synthetic", "bench", sampler.kind))
    sampler = tuned(sampler, model, T, state)
    sampler.advance(model, T, state, measurements // 10, interval)
    began = time.thread_time()
    kept = sampler.advance(model, T, state, measurements, interval, keep=1).kept
    seconds = time.thread_time() - began
    m2 = (np.abs(transform(kept[0])[:, L // 4, L // 2]) ** 2).sum(-1)
    return estimate_time(m2[None]).effective_samples / seconds


def shortest(runs: dict[str, Run], n: int, clock: Callable[[], float]) -> dict[str, float]:
    """Return the seconds per step of each run's fastest call, all runs by turns."""
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run(n)
    end = time.perf_counter() + SECONDS
    for _ in range(ROUNDS):
        if time.perf_counter() > end:
            break
        for name, run in runs.items():
            time.sleep(PAUSE)
            began = clock()
            run(n)
            best[name] = min(best[name], (clock() - began) / n)
    return best


def _runs(L: int, threads: int) -> dict[str, Run]:
    runs = {f"torch {name}": run for name, run in eager_steps(L, ARCHITECTURE, ETA).items()}
    runs["physnn"] = _ours(L, threads, "retract")
    runs["physnn, geodesic"] = _ours(L, threads, "geodesic")
    runs["physnn, measured at every tenth step"] = _ours(L, threads, "geodesic", every=10)
    runs["physnn, all multiplications"] = _ours(L, threads, "retract", fewer=False)
    runs["physnn, nearest neighbours"] = _ours(L, threads, "geodesic", near=True)
    return runs


def _ours(L: int, threads: int, rule: str, every: int = 0, fewer: bool = True, near: bool = False) -> Run:
    model = couplings.from_weights(initial_weights(ARCHITECTURE, stream(0, "synthetic", "bench"), 0.0), "periodic")
    model = couplings.on(ARCHITECTURE.components) if near else model
    x = normalised(stream(0, "synthetic", "bench").normal(size=(1, L, L, model.components))).astype(np.float32)
    key, onsite = counter_key(0, "synthetic", "bench")[None], model.onsite((L, L))

    def run(n: int) -> None:
        rules = ARCHITECTURE.gamma, ETA, rule == "geodesic", True
        couplings_ = model.coupling, model.near, onsite, model.bias
        langevin.advance(x, *couplings_, key, 0, n, *rules, every, threads, fewer)

    return run


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    found = {}
    for threads in sorted({r["threads"] for r in rows}):
        for L in SIZES:
            times = {r["name"].removesuffix(f", L = {L}"): r["value"] for r in rows if r["threads"] == threads}
            here = {name: value for name, value in times.items() if "L =" not in name}
            plain = min(v for n, v in here.items() if n.startswith(("torch network", "torch lean")))
            convolution = min(v for n, v in here.items() if n.startswith("torch convolution"))
            place = f"L = {L}, {threads} thread" + "s" * (threads > 1)
            found[f"eager torch / physnn, {place}"] = plain / here["physnn"]
            found[f"physnn / convolution, {place}"] = here["physnn"] / convolution
    return found
