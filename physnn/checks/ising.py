"""Speed of the Ising kernels and samplers, as ratios against a plain loop and against Metropolis."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.statistics.series import estimate_time
from physnn.checks.bench import BASELINE, Case, over, over_one_thread, per_nanosecond, report, timed
from physnn.jobs.run import Progress, silent
from physnn.kernels.lattice import multispin
from physnn.kernels.lattice.local import plain_sweeps
from physnn.machine import available_cores
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
CLUSTER_SIDES = (256, 1024)
"""Sides of the lattices of clusters besides `SAMPLER_SIDE`."""
MEMORY_SIDES = {"multispin": 16384, "mcising": 2048}
"""Sides of the lattices whose memory is measured: far more than what lies free, and hundreds of megabytes at most."""
SPIN_BYTES = "bytes/spin"
"""Unit of the rows of memory."""
MEASURED_CHAIN = """
import resource, sys
{chain}
def peak():
    try:  # what a process inherits does not count here
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
run(128)
before = peak()
run({L})
print((peak() - before) / {L} ** 2)
"""
"""Program that prints the memory of a chain, given what makes and moves one."""
OWN_CHAIN = """
from physnn import rng
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start
def run(L):
    state = start(SAMPLERS["multispin"], Ising(), (L, L), 2.3, rng.seed_sequence(0, "synthetic", "bench", L))
    advance(SAMPLERS["multispin"], Ising(), 2.3, state, 2)
"""
OTHER_CHAIN = """
import mcising
def run(L):
    lattice = mcising.IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, 1)
    lattice.production_sweeps(2, 1, temperature=2.3, store_configs=False)
"""
"""A chain of `multispin`, and one of another package."""
CRITICAL = Ising().critical_temperature
"""Temperature of all measurements: T_c of the infinite lattice, in units of J / k_B."""


def bench_ising(progress: Progress = silent) -> dict[str, Any]:
    """Attempted flips per nanosecond of every kernel and independent samples per second of every sampler.

    See `physnn.checks.bench.report`; ratios are speeds over the plain loop's and of all threads over one, samples over
    those of Metropolis and of the best other package, and memory of a spin over that of another package; missing are
    packages that were not found.
    """
    cases = [_plain(), *(_multispin(L, n) for L in SIDES for n in sorted({1, available_cores()}))]
    cases += [_sampler(name) for name in SAMPLERS if name not in ("multispin", "kawasaki")]
    cases += [_sampler(name, L) for name in ("swendsen-wang", "wolff") for L in CLUSTER_SIDES]
    more, missing = _other_packages()
    cases += [*more, *(_independent(name, n) for name, n in SAMPLED_SWEEPS.items()), _memory("multispin", OWN_CHAIN)]
    # Of one thread the processor's time counts, which others who work on the machine hardly change.
    rows = timed([replace(c, clock=time.process_time) if c.threads == 1 else c for c in cases], progress)
    ratios = over(rows, BASELINE) | over_one_thread(rows) | over(rows, "metropolis, m2")
    if "mcising" not in missing:
        best = max(
            (r for r in rows if r["name"].startswith("mcising") and r["unit"] == SAMPLES), key=lambda r: r["value"]
        )
        ratios |= over(rows, best["name"]) | over(rows, "mcising, memory")
    return report(rows, ratios, missing)


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


def _sampler(name: str, L: int = 0) -> Case:
    """Sampler without measurements in between: flips attempted, for clusters sites put into clusters."""
    L = L or SAMPLER_SIDE
    sampler, (state, interval) = SAMPLERS[name], _chain(name, L)

    def run(n: int) -> float:
        return float(advance(sampler, Ising(), CRITICAL, state, 1, n * interval)["work"][0]) / n

    # Single clusters differ in size, so the fastest call counts with its own work.
    return Case(f"{name}, L = {L}", FLIPS, run, lambda seconds, work: 1e-9 * work * L * L / seconds)


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
    makers: dict[str, Callable[[], list[Case]]] = {"mcising": _mcising, "peapods": _peapods}
    for name, make in makers.items():
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
        else:
            cases += make()
    return cases, missing


def _mcising() -> list[Case]:
    make = importlib.import_module("mcising").IsingSimulation

    def simulation(L: int, algorithm: str) -> Any:
        lattice = make(L, 1.0, 0.0, 0.0, 0.0, 1, algorithm=algorithm)
        lattice.set_spins(1 - 2 * _equilibrium(L))
        return lattice

    def sweeps(L: int, algorithm: str) -> Case:
        run = functools.partial(simulation(L, algorithm).sweep, temperature=CRITICAL)
        name = "mcising" if algorithm == "metropolis" else f"mcising {algorithm.replace('_', '-')}"
        return Case(f"{name}, L = {L}", FLIPS, run, per_nanosecond(L * L))

    def independent(algorithm: str, L: int = SAMPLED_SIDE) -> Case:
        lattice, value = simulation(L, algorithm), lambda seconds, samples: samples / seconds

        def run(n: int) -> float:
            found = lattice.production_sweeps(n, 1, temperature=CRITICAL, store_configs=False)
            return estimate_time(np.square(found["magnetizations"])).effective_samples / n

        name = f"mcising {algorithm.replace('_', '-')}, m2 at L = {L}"
        return Case(name, SAMPLES, run, value, pieces=SAMPLED_SWEEPS["wolff"], rounds=1)

    cases = [sweeps(SAMPLER_SIDE, "metropolis"), *(sweeps(L, "swendsen_wang") for L in CLUSTER_SIDES)]
    return [*cases, independent("wolff"), independent("swendsen_wang"), _memory("mcising", OTHER_CHAIN)]


def _peapods() -> list[Case]:
    make, T = importlib.import_module("peapods").Ising, np.array([CRITICAL])

    def sweeps(L: int, clusters: int | None) -> Case:
        lattice = make((L, L), temperatures=T)

        def run(n: int) -> None:
            lattice.sample(n, sweep_mode="metropolis", cluster_update_interval=clusters, warmup_ratio=0.0)

        run(WARM_UP)
        name = "peapods swendsen-wang (and a Metropolis sweep)" if clusters else "peapods"
        return Case(f"{name} (measures every sweep), L = {L}", FLIPS, run, per_nanosecond(L * L))

    return [sweeps(SAMPLER_SIDE, None), *(sweeps(L, 1) for L in CLUSTER_SIDES)]


def _memory(name: str, code: str) -> Case:
    """Peak memory of a process that moves and measures one chain, above what it had before: bytes for a spin."""
    L = MEMORY_SIDES[name]

    def run(n: int) -> float:
        words = [sys.executable, "-c", MEASURED_CHAIN.format(chain=code, L=L)]
        return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)  # noqa: S603  (its own program)

    return Case(f"{name}, memory at L = {L}", SPIN_BYTES, run, lambda _, found: found, pieces=1, rounds=1)
