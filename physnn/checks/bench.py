"""Speed of this installation on this machine, as ratios against a named baseline measured in the same run."""

from __future__ import annotations

import functools
import importlib
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.statistics.series import estimate_time
from physnn.jobs.executors import available_cores
from physnn.jobs.run import Progress, silent
from physnn.kernels.lattice import multispin
from physnn.kernels.lattice.plain import plain_sweeps
from physnn.models import Ising
from physnn.samplers import SAMPLERS, State, advance, start, thermalise

SIZES = (128, 1024, 2048, 4096)
"""Sides of the lattices for kernels that depend on it."""
SAMPLED = 64
"""Side of the lattice for effective samples."""
MEASURED = {"metropolis": 400_000, "heat-bath": 400_000, "wolff": 20_000, "swendsen-wang": 20_000}
"""Sweeps behind the independent samples of each sampler: hundreds of its autocorrelation times."""
WARM_UP = 200
"""Sweeps before a measured run, of clusters or by the package measured."""
REPEATS = 12
"""The best of so many short runs counts: what else runs on a machine only makes it slower."""
TARGET = 0.15
"""Seconds of one short run."""
BASELINE = "plain loop"


def machine() -> str:
    """Return processor, cores and Python of this machine in words."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {available_cores()} cores available, Python {platform.python_version()}, {platform.system()}"


def rate(run: Callable[[int], object], work: float) -> float:
    """Return units of work per nanosecond of ``run(n)``, which does n times ``work``: the best of short runs."""
    run(1)
    n, elapsed = 1, 0.0
    while elapsed < TARGET / 4:
        began = time.perf_counter()
        run(n)
        elapsed = time.perf_counter() - began
        n = n if elapsed >= TARGET / 4 else max(n + 1, math.ceil(n * min(8.0, TARGET / 3 / max(elapsed, 1e-6))))
    n = max(1, round(n * TARGET / elapsed))
    best = math.inf
    for _ in range(REPEATS):
        began = time.perf_counter()
        run(n)
        best = min(best, time.perf_counter() - began)
    return work * n / best / 1e9


def bench_ising(progress: Progress = silent) -> dict[str, Any]:
    """Return attempted flips per nanosecond of every kernel and effective samples per second of every sampler.

    Returns
    -------
    dict
        ``machine``; ``rows``: name, value, unit, threads; ``ratios``: speeds over the plain loop's, of two threads
        (or all) over one, and effective samples over those of Metropolis; ``missing``: packages that were not found.
    """
    jobs: list[Callable[[], list[dict[str, Any]]]] = [_baseline]
    jobs += [lambda L=L: _multispin(L) for L in SIZES]  # type: ignore[misc]
    jobs += [lambda name=name: _sampler(name) for name in SAMPLERS if name != "multispin"]  # type: ignore[misc]
    jobs += [lambda name=name, n=n: _effective(name, n) for name, n in MEASURED.items()]  # type: ignore[misc]
    others, missing = _others()
    jobs += others
    rows: list[dict[str, Any]] = []
    for k, job in enumerate(jobs):
        rows += job()
        progress(k + 1, len(jobs), rows[-1]["name"])
    return {"machine": machine(), "rows": rows, "ratios": _ratios(rows), "missing": missing}


def _row(name: str, value: float, unit: str = "flips/ns", threads: int = 1) -> dict[str, Any]:
    return {"name": name, "value": float(value), "unit": unit, "threads": threads}


@functools.cache
def _equilibrium(L: int) -> np.ndarray:
    """Return colours near equilibrium at T_c: in an ordered lattice loops run faster, decisions being predictable."""
    T, sampler = Ising().critical_temperature, SAMPLERS["swendsen-wang"]
    state = start(sampler, Ising(), (L, L), T, rng.seed_sequence(0, "synthetic", "bench", "equilibrium", L))
    thermalise(sampler, Ising(), T, state, WARM_UP)
    return state.colours


def _chain(name: str, L: int) -> tuple[State, int]:
    """Return a chain near equilibrium at T_c and the updates that make a sweep."""
    T, sampler = Ising().critical_temperature, SAMPLERS[name]
    state = start(sampler, Ising(), (L, L), T, rng.seed_sequence(0, "synthetic", "bench", name, L))
    state.colours[:] = _equilibrium(L)
    return state, thermalise(sampler, Ising(), T, state, 20)


def _baseline() -> list[dict[str, Any]]:
    L, beta = 1024, 1 / Ising().critical_temperature
    spins = 1 - 2 * _equilibrium(L)
    acceptance = np.minimum(1, np.exp(-2 * beta * np.arange(-4, 5, 2)))
    return [_row(f"{BASELINE}, L = {L}", rate(lambda n: plain_sweeps(spins, acceptance, n), L * L))]


def _multispin(L: int) -> list[dict[str, Any]]:
    p = multispin.thresholds(1 / Ising().critical_temperature)
    found = []
    for threads in sorted({1, available_cores()}):
        words = multispin.pack(np.tile(1 - 2 * _equilibrium(min(L, 1024)), (max(1, L // 1024), max(1, L // 1024))))
        generator = multispin.generator_state(L, L, rng.stream(0, "synthetic", "bench", L))
        multispin.sweeps(words, generator, p, 50, threads)
        speed = rate(lambda n: multispin.sweeps(words, generator, p, n, threads), L * L)  # noqa: B023
        found.append(_row(f"multispin, L = {L}", speed, threads=threads))
    return found


def _sampler(name: str, L: int = 512) -> list[dict[str, Any]]:
    """Return the speed without measurements in between: flips attempted, for clusters sites put into clusters."""
    model, sampler = Ising(), SAMPLERS[name]
    T, (state, interval) = model.critical_temperature, _chain(name, L)
    work = float(advance(sampler, model, T, state, 1, 10 * interval)["work"][0]) / 10

    def run(n: int) -> None:
        advance(sampler, model, T, state, 1, n * interval)

    return [_row(f"{name}, L = {L}", rate(run, work * L * L))]


def _effective(name: str, sweeps: int) -> list[dict[str, Any]]:
    """Return the independent samples of m^2 per second at T_c, 1 / (2 tau) of the measurements made."""
    model, sampler = Ising(), SAMPLERS[name]
    T, (state, interval) = model.critical_temperature, _chain(name, SAMPLED)
    began = time.perf_counter()
    rows = advance(sampler, model, T, state, sweeps, interval)
    seconds = time.perf_counter() - began
    found = estimate_time(rows["m2"])
    return [_row(f"{name}, m2 at L = {SAMPLED}", found.effective_samples / seconds, "independent samples/s")]


def _others() -> tuple[list[Callable[[], list[dict[str, Any]]]], list[str]]:
    """Return jobs for other packages that are installed, and the names of those that are not."""
    jobs: list[Callable[[], list[dict[str, Any]]]] = []
    missing = []
    for name, job in (("mcising", _mcising), ("peapods", _peapods)):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
        else:
            jobs.append(job)
    return jobs, missing


def _mcising(L: int = 512) -> list[dict[str, Any]]:
    mcising = importlib.import_module("mcising")
    T = Ising().critical_temperature
    lattice = mcising.IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, 1)
    lattice.sweep(5 * WARM_UP, temperature=T)
    return [_row(f"mcising, L = {L}", rate(lambda n: lattice.sweep(n, temperature=T), L * L))]


def _peapods(L: int = 512) -> list[dict[str, Any]]:
    peapods = importlib.import_module("peapods")
    lattice = peapods.Ising((L, L), temperatures=np.array([Ising().critical_temperature]))
    run = lambda n: lattice.sample(n_sweeps=n, sweep_mode="metropolis", warmup_ratio=0.0)  # noqa: E731
    run(5 * WARM_UP)
    return [_row(f"peapods (measures every sweep), L = {L}", rate(run, L * L))]


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    speeds = {(r["name"], r["threads"]): r["value"] for r in rows if r["unit"] == "flips/ns"}
    base = next(value for (name, _), value in speeds.items() if name.startswith(BASELINE))
    found = {
        f"{name} / {BASELINE}": value / base
        for (name, threads), value in speeds.items()
        if threads == 1 and not name.startswith(BASELINE)
    }
    for (name, threads), value in speeds.items():
        if threads > 1:
            found[f"{name}: {threads} threads / 1"] = value / speeds[name, 1]
    effective = {r["name"]: r["value"] for r in rows if r["unit"] == "independent samples/s"}
    slow = next((v for n, v in effective.items() if n.startswith("metropolis")), math.nan)
    found |= {f"{name} / metropolis": v / slow for name, v in effective.items() if not name.startswith("metropolis")}
    return found
