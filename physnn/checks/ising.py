"""Speed of the Ising kernels and samplers, as ratios against a plain loop and against Metropolis."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.statistics.series import estimate_time
from physnn.checks.bench import BASELINE, Case, over, over_one_thread, per_nanosecond, report, timed
from physnn.jobs.executors import available_cores
from physnn.jobs.run import Progress, silent
from physnn.kernels.lattice import multispin
from physnn.kernels.lattice.local import plain_sweeps
from physnn.models import Ising
from physnn.samplers import SAMPLERS, State, advance, start, thermalise

SIDES = (128, 1024, 2048, 4096)
"""Sides of the lattices of the multi-spin kernel, whose speed depends on them."""
PLAIN_SIDE, SAMPLER_SIDE = 1024, 512
"""Sides of the lattices of the plain loop, and of samplers and other packages without measurements in between."""
SAMPLED_SIDE = 64
"""Side of the lattice for independent samples."""
SAMPLED_SWEEPS = {"metropolis": 400_000, "heat-bath": 400_000, "wolff": 20_000, "swendsen-wang": 20_000}
"""Sweeps behind the independent samples of each sampler: hundreds of its autocorrelation times."""
WARM_UP = 200
"""Sweeps before a measured run, of clusters or by the package measured."""
FLIPS, SAMPLES = "flips/ns", "independent samples/s"
"""Units of the rows: speed of kernels, and of samplers at one lattice."""
CRITICAL = Ising().critical_temperature
"""Temperature of all measurements: T_c of the infinite lattice, in units of J / k_B."""


def bench_ising(progress: Progress = silent) -> dict[str, Any]:
    """Attempted flips per nanosecond of every kernel and independent samples per second of every sampler.

    See `physnn.checks.bench.report`; ratios are speeds over the plain loop's and of all threads over one, and samples
    over those of Metropolis; missing are packages that were not found.
    """
    cases = [_plain(), *(_multispin(L, n) for L in SIDES for n in sorted({1, available_cores()}))]
    cases += [_sampler(name) for name in SAMPLERS if name not in ("multispin", "kawasaki")]
    others, missing = _other_packages()
    cases += [*others, *(_independent(name, n) for name, n in SAMPLED_SWEEPS.items())]
    rows = timed(cases, progress)
    return report(rows, over(rows, BASELINE) | over_one_thread(rows) | over(rows, "metropolis, m2"), missing)


@functools.cache
def _equilibrium(L: int) -> np.ndarray:
    """Colours near equilibrium at T_c: in an ordered lattice loops run faster, decisions being predictable."""
    sampler = SAMPLERS["swendsen-wang"]
    state = start(sampler, Ising(), (L, L), CRITICAL, rng.seed_sequence(0, "synthetic", "bench", "equilibrium", L))
    thermalise(sampler, Ising(), CRITICAL, state, WARM_UP)
    return state.colours


def _chain(name: str, L: int) -> tuple[State, int]:
    """Chain near equilibrium at T_c, and the updates that make a sweep."""
    state = start(SAMPLERS[name], Ising(), (L, L), CRITICAL, rng.seed_sequence(0, "synthetic", "bench", name, L))
    state.colours[:] = _equilibrium(L)
    return state, thermalise(SAMPLERS[name], Ising(), CRITICAL, state, 20)


def _plain() -> Case:
    L = PLAIN_SIDE
    spins, acceptance = 1 - 2 * _equilibrium(L), np.minimum(1, np.exp(-2 / CRITICAL * np.arange(-4, 5, 2)))
    return Case(f"{BASELINE}, L = {L}", FLIPS, lambda n: plain_sweeps(spins, acceptance, n), per_nanosecond(L * L))


def _multispin(L: int, threads: int) -> Case:
    p = multispin.thresholds(1 / CRITICAL)
    copies = max(1, L // PLAIN_SIDE)
    words = multispin.pack(np.tile(1 - 2 * _equilibrium(min(L, PLAIN_SIDE)), (copies, copies)))
    generator = multispin.generator_state(L, L, rng.stream(0, "synthetic", "bench", L))
    multispin.sweeps(words, generator, p, 50, threads)
    run = functools.partial(multispin.sweeps, words, generator, p, threads=threads)
    return Case(f"multispin, L = {L}", FLIPS, run, per_nanosecond(L * L), threads)


def _sampler(name: str) -> Case:
    """Sampler without measurements in between: flips attempted, for clusters sites put into clusters."""
    L = SAMPLER_SIDE
    sampler, (state, interval) = SAMPLERS[name], _chain(name, L)
    work = float(advance(sampler, Ising(), CRITICAL, state, 1, 10 * interval)["work"][0]) / 10

    def run(n: int) -> None:
        advance(sampler, Ising(), CRITICAL, state, 1, n * interval)

    return Case(f"{name}, L = {L}", FLIPS, run, per_nanosecond(work * L * L))


def _independent(name: str, sweeps: int, L: int = SAMPLED_SIDE) -> Case:
    """Independent samples of m^2 at T_c, one for every 2 tau of the measurements made."""
    sampler, (state, interval) = SAMPLERS[name], _chain(name, L)

    def run(n: int) -> float:
        return estimate_time(advance(sampler, Ising(), CRITICAL, state, n, interval)["m2"]).effective_samples / n

    value = lambda seconds, samples: samples / seconds  # noqa: E731
    return Case(f"{name}, m2 at L = {L}", SAMPLES, run, value, pieces=sweeps, rounds=1)


def _other_packages() -> tuple[list[Case], list[str]]:
    """Cases of other packages that are installed, and the names of those that are not."""
    cases, missing = [], []
    makers: dict[str, Callable[[], Case]] = {"mcising": _mcising, "peapods": _peapods}
    for name, make in makers.items():
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
        else:
            cases.append(make())
    return cases, missing


def _mcising() -> Case:
    L = SAMPLER_SIDE
    lattice = importlib.import_module("mcising").IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, 1)
    run = functools.partial(lattice.sweep, temperature=CRITICAL)
    run(5 * WARM_UP)
    return Case(f"mcising, L = {L}", FLIPS, run, per_nanosecond(L * L))


def _peapods() -> Case:
    L = SAMPLER_SIDE
    lattice = importlib.import_module("peapods").Ising((L, L), temperatures=np.array([CRITICAL]))
    run = lambda n: lattice.sample(n_sweeps=n, sweep_mode="metropolis", warmup_ratio=0.0)  # noqa: E731
    run(5 * WARM_UP)
    return Case(f"peapods (measures every sweep), L = {L}", FLIPS, run, per_nanosecond(L * L))
