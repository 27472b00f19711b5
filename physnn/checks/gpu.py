"""Speed of the GPU kernels on this machine, beside the CPU's and beside what the instructions allow.

What bounds the multi-spin kernel is counted in docs/lattice.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import Case, TimedRow, over, per_nanosecond, report, timed
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.kernels import gpu
from physnn.kernels.gpu import ising, vectors
from physnn.kernels.lattice import multispin
from physnn.models import Ising, couplings
from physnn.models.vectors import VectorModel, normalised

LATTICES = ((1, 2048), (1, 4096), (1, 8192), (1, 16384), (1, 32768), (264, 256), (1056, 128))
"""Lattices at a time, and their side."""
CPU_SIDE = 4096
"""Side of the lattice for one core of the CPU."""
FIRST_SWEEPS = 100
"""Sweeps from the ordered start: in an ordered lattice no fewer instructions are done, but fewer decisions left."""
GOAL = 1800.0
"""Flips per nanosecond aimed at on one H200; published for multi-spin code in CUDA on one H100: 900."""
LOGIC = 169
"""Logic instructions for a word of 32 spins: the sum of the table in docs/lattice.md."""
LOGIC_LANES = 64
"""Logic instructions that a multiprocessor of Hopper does in a clock."""
VECTOR_SIDES = (64, 128, 256, 512)
"""Sides of the lattices of 16 components under a 5 x 5 kernel."""
COMPONENTS, KERNEL, GAMMA, NOISE = 16, 5, 0.25, 0.2
"""Components, side of the kernel, step size and noise of the vectors: a convention, the same as on the CPU."""
HOPPER_GIGAHERTZ = 1.98
"""Clock assumed if torch does not tell it."""


def bench_ising_cuda(progress: Progress = silent, device: str = "cuda") -> dict[str, Any]:
    """Attempted flips per nanosecond of the multi-spin kernel on a GPU, "cuda" or "cuda:N".

    See `physnn.checks.bench.report`; ratios are speeds over one CPU core's, over what the instructions allow, and over
    `GOAL`.  Raises `Unfinished` without such a GPU, `InputError` under Triton's interpreter.
    """
    words, bound = _device(device)
    rows = timed([_cpu(), *(_gpu(n, L, device) for n, L in LATTICES)], progress)
    ours = {row["name"]: row["value"] for row in rows[1:]}
    ratios = over(rows, "multispin on") | {f"{name} / bound by instructions": v / bound for name, v in ours.items()}
    return report(rows, ratios | {f"fastest / {GOAL:g} flips/ns": max(ours.values()) / GOAL}, device=words)


def _device(device: str) -> tuple[str, float]:
    """GPU in words, and the flips per nanosecond that its logic instructions allow."""
    if gpu.interpreted():
        raise InputError("the interpreter's speed says nothing about a GPU; unset TRITON_INTERPRET")
    gpu.place(device)
    name, processors, clock = gpu.describe(device)
    bound = 32 * processors * (clock or HOPPER_GIGAHERTZ) * LOGIC_LANES / LOGIC
    return f"{name}, {processors} multiprocessors, {clock:g} GHz", bound


def _cpu() -> Case:
    L, p = CPU_SIDE, multispin.thresholds(1 / Ising().critical_temperature)
    words = multispin.pack(np.ones((L, L), np.int8))
    generator = multispin.generator_state(L, L, rng.stream(0, "synthetic", "bench", "gpu", L))
    multispin.sweeps(words, generator, p, FIRST_SWEEPS)
    run = lambda n: multispin.sweeps(words, generator, p, n)  # noqa: E731
    return Case(f"multispin on one core, L = {L}", "flips/ns", run, per_nanosecond(L * L))


def _gpu(lattices: int, L: int, device: str) -> Case:
    """So many lattices at once, without measurements in between."""
    keys = rng.stream(0, "synthetic", "bench", "gpu", lattices, L).integers(1, 2**64, lattices, np.uint64)
    p = np.repeat(ising.acceptance_words(1 / Ising().critical_temperature)[None], lattices, axis=0)
    run = ising.repeated(*ising.upload(np.zeros((lattices, L, L), np.int8), keys, 0, p, device))
    run(FIRST_SWEEPS)

    def finished(n: int) -> None:
        run(n)
        gpu.wait(device)

    several = f"{lattices} lattices of " if lattices > 1 else ""
    return Case(f"multispin-gpu, {several}L = {L}", "flips/ns", finished, per_nanosecond(float(lattices) * L * L))


def bench_kuramoto_cuda(progress: Progress = silent, device: str = "cuda") -> dict[str, Any]:
    """Microseconds per noisy step of one lattice of unit vectors on a GPU, and of eager torch there.

    Ratios are the fastest eager step over ours, and ours over the fastest convolution alone; else as
    `bench_ising_cuda`.
    """
    words, _ = _device(device)
    from physnn.checks.kuramoto import step_ratios

    rows: list[TimedRow] = []
    ratios: dict[str, float] = {}
    for k, L in enumerate(VECTOR_SIDES):
        # The cases of one side are in the GPU's memory together, not those of all.
        found = timed([_steps(name, L, run, device) for name, run in kuramoto_runs(L, device).items()])
        times = {row["name"].removesuffix(f", L = {L}"): row["value"] for row in found}
        ratios |= step_ratios(times, "physnn, geodesic", f"L = {L}")
        rows += found
        progress(k + 1, len(VECTOR_SIDES), rows[-1]["name"])
    return report(rows, ratios, device=words)


def _steps(name: str, L: int, run: Callable[[int], None], device: str) -> Case:
    """Launches of `vectors.RECORDED` steps, with products of full single precision."""
    from physnn.networks.device import full_precision

    def finished(n: int) -> None:
        with full_precision():
            run(n * vectors.RECORDED)
        gpu.wait(device)

    return Case(f"{name}, L = {L}", "us/step", finished, lambda seconds, _: 1e6 * seconds / vectors.RECORDED)


def kuramoto_runs(L: int, device: str) -> dict[str, Callable[[int], None]]:
    """Functions that take n steps of a lattice, n a multiple of `vectors.RECORDED`, by name."""
    from physnn.checks.kuramoto import eager_steps
    from physnn.networks.kuramoto.architecture import Architecture
    from physnn.networks.kuramoto.network import initial_weights

    architecture = Architecture(components=COMPONENTS, kernel=KERNEL, gamma=GAMMA)
    runs = {f"torch {name}": run for name, run in eager_steps(L, architecture, NOISE, gpu.place(device)).items()}
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
        runs[name] = vectors.repeated(vectors.put(x, there), there, key, GAMMA, NOISE, precision=precision)
    return runs
