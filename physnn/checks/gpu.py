"""Speed of the GPU kernels on this machine, beside the CPU's and beside what the instructions allow.

What bounds the multi-spin kernel, on an H200 (132 multiprocessors at 1.98 GHz), compiled by Triton 3.9 for sm_90.  A
word of 32 spins takes, at the critical temperature and with 16 digits in any case (16.2 on average, that is half a
random word a spin, in blocks of four from Philox4x32-10),

    =========================================  =====  ===================
    instructions for a word                    logic  products of 64 bits
    =========================================  =====  ===================
    Philox: 5 and 5 a random word, fewer
    where the counter's words are scalars         80                   66
    digits: select, below, equal                  48
    neighbours, their sum, the decision           15
    places in memory, rotations, loop             24
    loop for undecided spins, in 5 % of tiles      2                    1
    =========================================  =====  ===================

that is 169 of logic, 67 products and 261 in all.  A multiprocessor does 64 lanes of logic a clock, which allows
132 x 64 x 1.98 GHz x 32 / 169 = 3170 flips/ns; to start all instructions, 128 lanes a clock, allows 4100, and the
products, if 32 lanes a clock, 4000.  Memory is not the bound: a flip reads and writes 0.4 bytes, 0.7 TB/s of 4.8 at
1800 flips/ns.  So `TARGET` is 57 % of what logic allows.  `physnn.kernels.gpu.instructions` counts on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import machine, rate
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.kernels import gpu
from physnn.kernels.gpu import instructions, ising, vectors
from physnn.kernels.lattice import multispin
from physnn.models import Ising, couplings
from physnn.models.vectors import VectorModel, normalised

CASES = ((1, 2048), (1, 4096), (1, 8192), (1, 16384), (1, 32768), (264, 256), (1056, 128))
"""Lattices at a time, and their side."""
BASELINE = 4096
"""Side of the lattice for one core of the CPU."""
WARM_UP = 100
"""Sweeps from the ordered start: in an ordered lattice no fewer instructions are done, but fewer decisions left."""
TARGET = 1800.0
"""Flips per nanosecond aimed at on one H200; published for multi-spin code in CUDA on one H100: 900."""
KURAMOTO_SIZES = (64, 128, 256, 512)
"""Sides of the lattices of 16 components under a 5 x 5 kernel."""
COMPONENTS, KERNEL, GAMMA, ETA = 16, 5, 0.25, 0.2
HOPPER_GIGAHERTZ = 1.98
"""Clock assumed if torch does not tell it."""


def bench_ising_cuda(progress: Progress = silent, device: str = "cuda") -> dict[str, Any]:
    """Return attempted flips per nanosecond of the multi-spin kernel on a GPU.

    Parameters
    ----------
    progress : callable
        Called with jobs done, all jobs and the name of the last row.
    device : str
        "cuda" or "cuda:N".

    Returns
    -------
    dict
        ``machine``, ``device``; ``rows``: name, value, unit, threads; ``ratios``: speeds over one CPU core's, over what
        the instructions allow, and over `TARGET`; ``missing``: what could not be measured.

    Raises
    ------
    InputError
        If there is no such GPU, or Triton's interpreter is asked for: its speed says nothing.
    """
    if gpu.interpreted():
        raise InputError("the interpreter's speed says nothing about a GPU; unset TRITON_INTERPRET")
    gpu.place(device)
    name, processors, clock = gpu.describe(device)
    jobs: list[Callable[[], list[dict[str, Any]]]] = [_baseline, lambda: _bound(processors, clock or HOPPER_GIGAHERTZ)]
    jobs += [lambda n=n, L=L: _kernel(n, L, device) for n, L in CASES]  # type: ignore[misc]
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    for k, job in enumerate(jobs):
        try:
            rows += job()
        except InputError as reason:
            missing.append(str(reason))
        progress(k + 1, len(jobs), rows[-1]["name"])
    found = {"machine": machine(), "device": f"{name}, {processors} multiprocessors, {clock:g} GHz", "rows": rows}
    return found | {"ratios": _ratios(rows), "missing": missing}


def _row(name: str, value: float, unit: str = "flips/ns") -> dict[str, Any]:
    return {"name": name, "value": float(value), "unit": unit, "threads": 1}


def _baseline() -> list[dict[str, Any]]:
    L, p = BASELINE, multispin.thresholds(1 / Ising().critical_temperature)
    words = multispin.pack(np.ones((L, L), np.int8))
    generator = multispin.generator_state(L, L, rng.stream(0, "synthetic", "bench", "gpu", L))
    multispin.sweeps(words, generator, p, WARM_UP)
    speed = rate(lambda n: multispin.sweeps(words, generator, p, n), L * L)
    return [_row(f"multispin on one core, L = {L}", speed)]


def _bound(processors: int, clock: float) -> list[dict[str, Any]]:
    """Return the instructions for a flip and the speed they allow."""
    found = instructions.count()
    counts = {"logic instructions": found.logic, "64-bit products": found.wide, "instructions": found.all}
    rows = [_row(f"{name} by one thread", value, "per 32 flips") for name, value in counts.items()]
    return [*rows, _row(f"bound by instructions, Hopper at {clock:g} GHz", found.flips(processors, clock))]


def _kernel(lattices: int, L: int, device: str) -> list[dict[str, Any]]:
    """Return the speed on so many lattices at once, without measurements in between."""
    keys = rng.stream(0, "synthetic", "bench", "gpu", lattices, L).integers(1, 2**64, lattices, np.uint64)
    p = np.repeat(ising.thresholds(1 / Ising().critical_temperature)[None], lattices, axis=0)
    run = ising.repeated(*ising.upload(np.zeros((lattices, L, L), np.int8), keys, 0, p, device))
    run(WARM_UP)

    def finished(n: int) -> None:
        run(n)
        gpu.wait(device)

    several = f"{lattices} lattices of " if lattices > 1 else ""
    return [_row(f"multispin-gpu, {several}L = {L}", rate(finished, float(lattices) * L * L))]


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    speeds = {row["name"]: row["value"] for row in rows if row["unit"] == "flips/ns"}
    base = next(name for name in speeds if name.startswith("multispin on"))
    bound = next((value for name, value in speeds.items() if name.startswith("bound")), None)
    ours = {name: value for name, value in speeds.items() if name.startswith("multispin-gpu")}
    found = {f"{name} / {base}": value / speeds[base] for name, value in ours.items()}
    if bound:
        found |= {f"{name} / bound by instructions": value / bound for name, value in ours.items()}
    return found | {f"fastest / {TARGET:g} flips/ns": max(ours.values()) / TARGET}


def bench_kuramoto_cuda(progress: Progress = silent, device: str = "cuda") -> dict[str, Any]:
    """Return microseconds per noisy step of one lattice of unit vectors on a GPU, and of eager torch there.

    Parameters and errors are those of `bench_ising_cuda`.

    Returns
    -------
    dict
        ``machine``, ``device``; ``rows``: name, value, unit, threads; ``ratios``: the fastest eager step over ours, and
        ours over the fastest convolution alone; ``missing``: nothing.
    """
    if gpu.interpreted():
        raise InputError("the interpreter's speed says nothing about a GPU; unset TRITON_INTERPRET")
    gpu.place(device)
    name, processors, clock = gpu.describe(device)
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    for k, L in enumerate(KURAMOTO_SIZES):
        runs = {what: _waiting(run, device) for what, run in kuramoto_runs(L, device).items()}
        times = {what: 1e-3 / rate(run, vectors.RECORDED) for what, run in runs.items()}
        rows += [_row(f"{what}, L = {L}", value, "us/step") for what, value in times.items()]
        eager = min(v for n, v in times.items() if n.startswith(("torch network", "torch lean")))
        ratios[f"eager torch / physnn, L = {L}"] = eager / times["physnn, geodesic"]
        convolution = min(v for n, v in times.items() if n.startswith("torch convolution"))
        ratios[f"physnn / convolution, L = {L}"] = times["physnn, geodesic"] / convolution
        progress(k + 1, len(KURAMOTO_SIZES), rows[-1]["name"])
    found = {"machine": machine(), "device": f"{name}, {processors} multiprocessors, {clock:g} GHz", "rows": rows}
    return found | {"ratios": ratios, "missing": []}


def _waiting(run: Callable[[int], None], device: str) -> Callable[[int], None]:
    """Return a function that takes `kuramoto.RECORDED` steps n times, with products of full single precision."""
    from physnn.networks.device import full_precision

    def finished(n: int) -> None:
        with full_precision():
            run(n * vectors.RECORDED)
        gpu.wait(device)

    return finished


def kuramoto_runs(L: int, device: str) -> dict[str, Callable[[int], None]]:
    """Return functions that take n steps of a lattice, n a multiple of `kuramoto.RECORDED`, by name."""
    from physnn.checks.kuramoto import eager_steps
    from physnn.networks.kuramoto.network import Architecture, initial_weights

    architecture = Architecture(components=COMPONENTS, kernel=KERNEL, gamma=GAMMA)
    runs = {f"torch {name}": run for name, run in eager_steps(L, architecture, ETA, gpu.place(device)).items()}
    trained = initial_weights(architecture, rng.stream(0, "synthetic", "bench"), 0.0)
    key = rng.counter_key(0, "synthetic", "bench")[None]
    dense = couplings.from_weights(trained, "periodic")
    cases: tuple[tuple[str, VectorModel, vectors.Precision], ...] = (
        ("physnn, geodesic", dense, "ieee"),
        ("physnn, tf32x3", dense, "tf32x3"),
        ("physnn, nearest neighbours", couplings.on(COMPONENTS), "ieee"),
    )
    for name, model, precision in cases:
        there = vectors.upload(model.coupling, model.near, model.onsite((L, L)), model.bias, True, device)
        x = normalised(rng.stream(0, "synthetic", "bench").normal(size=(1, L, L, COMPONENTS))).astype(np.float32)
        runs[name] = vectors.repeated(vectors.put(x, there), there, key, GAMMA, ETA, precision=precision)
    return runs
