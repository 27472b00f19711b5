"""Speed of phase oscillators, as ratios against a plain loop and other packages in the same run."""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import BASELINE, Case, report, timed
from physnn.jobs.run import Progress, silent
from physnn.kernels.oscillators.phases import circles, plain_phases
from physnn.models.oscillators import Frequencies, Network
from physnn.samplers.oscillators import Oscillators, integrate, random_phases

FEW, MANY = 1000, 16_000
"""Oscillators: those that other packages are compared at, and many times as many."""
LATTICE_SIDE = 125
STEP_TIME, STRENGTH = 0.05, 1.5
"""Step in s and coupling in rad/s; the time of a step does not depend on them."""
PER_STEP = "ns/step"
"""Nanoseconds per oscillator and step."""
OTHERS = ("jaxkuramoto", "kuramoto", "oscillatools")
"""Other packages, each with its own scheme of fourth order, or odeint."""


def bench_oscillators(progress: Progress = silent) -> dict[str, Any]:
    """Nanoseconds per oscillator and step of Runge and Kutta's scheme, on one thread.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`; ratios are times of the plain loop and of each other package that is installed
        over ours, ours over what its cosines and sines alone take, and times of many oscillators over those of few.
    """
    others, missing = _others()
    cases = [*_ours(FEW), *_ours(MANY), _lattice(), *others]
    rows = timed(cases, progress)
    value = {row["name"]: row["value"] for row in rows}
    ratios = {}
    for n in (FEW, MANY):
        ours = value[f"physnn, N = {n}"]
        for name in (BASELINE, *OTHERS):
            if f"{name}, N = {n}" in value:
                ratios[f"{name} / physnn, N = {n}"] = value[f"{name}, N = {n}"] / ours
        ratios[f"physnn / its cosines and sines alone, N = {n}"] = ours / value[f"cosines and sines, N = {n}"]
    ratios[f"physnn, N = {MANY} / N = {FEW}"] = value[f"physnn, N = {MANY}"] / value[f"physnn, N = {FEW}"]
    return report(rows, ratios, missing)


def _problem(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Natural frequencies in rad/s and phases in turns, shapes ``(n,)``."""
    generator = rng.stream(0, "synthetic", "bench", "oscillators", n)
    return Frequencies("gaussian").draw(n, generator), random_phases(n, generator)


def _case(name: str, n: int, run: Callable[[int], Any], own_time: bool = True) -> Case:
    clock = time.thread_time if own_time else time.perf_counter
    return Case(f"{name}, N = {n}", PER_STEP, run, lambda seconds, _: 1e9 * seconds / n, clock=clock)


def _steps(system: Oscillators, state: np.ndarray) -> Callable[[int], Any]:
    key = rng.counter_key(0, "synthetic", "bench")
    return lambda steps: integrate(system, state, key, 0, steps, 1)


def _ours(n: int) -> list[Case]:
    omega, phases = _problem(n)
    cosine, sine, plain = np.empty(n), np.empty(n), phases.copy()

    def alone(steps: int) -> None:
        for _ in range(4 * steps):
            circles(phases, cosine, sine)

    noisy = Oscillators(omega, STRENGTH, 0.1, step=STEP_TIME)
    return [
        _case("physnn", n, _steps(Oscillators(omega, STRENGTH, step=STEP_TIME, method="rk4"), phases)),
        _case("physnn, with noise (heun)", n, _steps(noisy, phases.copy())),
        _case("cosines and sines", n, alone),
        _case(BASELINE, n, functools.partial(plain_phases, plain, omega, STRENGTH, STEP_TIME)),
    ]


def _lattice() -> Case:
    n = LATTICE_SIDE**2
    omega, phases = _problem(n)
    system = Oscillators(omega, STRENGTH, network=Network("square"), step=STEP_TIME, method="rk4")
    return _case("physnn, square lattice", n, _steps(system, phases))


def _others() -> tuple[list[Case], list[str]]:
    """Cases of other packages that are installed, and the names of those that are not."""
    makers = {"jaxkuramoto": _jaxkuramoto, "kuramoto": _kuramoto, "oscillatools": _oscillatools}
    cases, missing = [], []
    for name, make in makers.items():
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
        else:
            # What takes a matrix is not asked for many.
            cases += [make(n) for n in ((FEW, MANY) if name == "jaxkuramoto" else (FEW,))]
    return cases, missing


def _jaxkuramoto(n: int) -> Case:
    """Its field and its scheme, in one compiled loop: its own loop is compiled anew at every call."""
    jax, theirs = importlib.import_module("jax"), importlib.import_module("jaxkuramoto")
    omega, phases = _problem(n)
    model, state = theirs.Kuramoto(jax.numpy.asarray(omega), STRENGTH), jax.numpy.asarray(2 * np.pi * phases)
    step = theirs.solver.runge_kutta
    loop = jax.jit(lambda x, k: jax.lax.fori_loop(0, k, lambda _, y: step(model.vector_fn, 0.0, STEP_TIME, y), x))
    # It takes threads of its own, if there are cores: time on the wall.
    return _case("jaxkuramoto", n, lambda steps: loop(state, steps).block_until_ready(), own_time=False)


def _kuramoto(n: int) -> Case:
    omega, phases = _problem(n)
    pairs = np.ones((n, n)) - np.eye(n)

    def run(steps: int) -> None:
        model = importlib.import_module("kuramoto").Kuramoto(
            STRENGTH, STEP_TIME, STEP_TIME * (steps + 1), natfreqs=omega
        )
        model.run(pairs, 2 * np.pi * phases)

    return _case("kuramoto", n, run)


def _oscillatools(n: int) -> Case:
    omega, phases = _problem(n)
    run = importlib.import_module("oscillatools.accel.diff_kuramoto_rk4").kuramoto_rk4_trajectory
    pairs = np.full((n, n), STRENGTH / n)
    return _case("oscillatools", n, lambda steps: run(2 * np.pi * phases, omega, pairs, STEP_TIME, steps))
