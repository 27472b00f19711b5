"""Time of a noisy step of the Kuramoto lattice, as ratios against eager torch and a convolution in the same run.

And independent draws a second of Metropolis moves, with over-relaxation against without.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from physnn.analysis.order.structure import transform
from physnn.analysis.statistics.series import estimate_time
from physnn.checks.bench import BASELINE, Case, TimedRow, per_second, report, timed
from physnn.jobs.run import Progress, silent
from physnn.kernels.vectors import langevin
from physnn.machine import available_cores
from physnn.models import couplings
from physnn.models.vectors import normalised
from physnn.networks.device import set_threads
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.network import KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.kuramoto.training import start_training, train_batch
from physnn.rng import counter_key, seed_sequence, stream
from physnn.samplers.vector_metropolis import PlainMetropolis, VectorMetropolis, tuned
from physnn.samplers.vectors import start_vectors
from physnn.shipped import resolve
from physnn.store.network_file import read_networks

LAYOUTS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
"""Memory layouts of a state by name, of which the faster counts."""


def eager_steps(
    L: int, architecture: Architecture, eta: float, device: str = "cpu"
) -> dict[str, Callable[[int], None]]:
    """Functions that take n steps of a periodic lattice of side L from their last state, by name.

    Each layout in memory has three: ``network``, the step of `KuramotoNetwork` with noise drawn as it lies in memory;
    ``lean``, the same in place and with the step size inside the kernel; ``convolution``, the convolution alone, of a
    state that is padded already.
    """
    weights = initial_weights(architecture, stream(0, "synthetic", "bench"), 0.0)
    network = KuramotoNetwork(architecture, weights).requires_grad_(False).to(device)
    found: dict[str, Callable[[int], None]] = {}
    for name, layout in LAYOUTS.items():
        N, half = architecture.components, architecture.kernel // 2
        x = functional.normalize(torch.randn(1, N, L, L, device=device), dim=1).contiguous(memory_format=layout)
        J = network.symmetric_coupling().contiguous(memory_format=layout)
        wide = functional.pad(x, (half,) * 4, mode="circular").contiguous(memory_format=layout)
        found |= {
            f"network, {name}": _network_steps(network, x, J, eta),
            f"lean, {name}": _lean_steps(architecture, x, J, eta),
            f"convolution, {name}": functools.partial(_convolutions, wide, J),
        }
    return found


def _network_steps(network: KuramotoNetwork, x: Tensor, J: Tensor, eta: float) -> Callable[[int], None]:
    last = x.is_contiguous(memory_format=torch.channels_last)
    shape = x.permute(0, 2, 3, 1).shape if last else x.shape

    @torch.no_grad()
    def run(n: int) -> None:
        y = x
        for _ in range(n):
            xi = torch.randn(shape, device=x.device)
            y = network.step(y, J, xi.permute(0, 3, 1, 2) if last else xi, eta)

    return run


def _lean_steps(architecture: Architecture, x: Tensor, J: Tensor, eta: float) -> Callable[[int], None]:
    half, J = architecture.kernel // 2, J * architecture.gamma
    # Noise of the state's shape and layout is drawn in the order in memory.
    scale, xi = eta * math.sqrt(architecture.gamma), torch.empty_like(x, memory_format=torch.preserve_format)

    @torch.no_grad()
    def run(n: int) -> None:
        y = x
        for _ in range(n):
            v = functional.conv2d(functional.pad(y, (half,) * 4, mode="circular"), J)
            v.add_(xi.normal_(), alpha=scale)
            v.addcmul_((y * v).sum(1, keepdim=True), y, value=-1).add_(y)
            y = v.div_(torch.linalg.vector_norm(v, dim=1, keepdim=True))

    return run


@torch.no_grad()
def _convolutions(wide: Tensor, J: Tensor, n: int) -> None:
    for _ in range(n):
        functional.conv2d(wide, J)


def optimiser_steps(recipe: TrainingRecipe, plain: bool) -> Callable[[int], list[float]]:
    """Function that takes the next n optimiser steps of seed 0 on one thread and returns their losses.

    With ``plain``, torch differentiates the steps of `KuramotoNetwork.step`, which is how trainings were done at first.
    """
    _, network, optimiser = start_training(recipe, 0, {}, "cpu")
    taken = 0

    def run(n: int) -> list[float]:
        nonlocal taken
        before = set_threads(1)
        try:
            batches = range(taken, taken + n)
            evolve = KuramotoNetwork.evolve if plain else None
            losses = [train_batch(recipe, 0, 0, batch, network, optimiser, evolve=evolve) for batch in batches]
        finally:
            set_threads(before)
        taken += n
        return losses

    return run


STEP_SIDES = (64, 128)
"""Sides of the lattices."""
ARCHITECTURE = Architecture(components=16, kernel=5, gamma=0.25)
"""Networks whose steps are measured: N = 16 under a 5 x 5 kernel, a convention."""
STEP_NOISE = 0.2
"""Noise eta of the steps; the time does not depend on it."""
STEPS_PER_CALL = 10
"""Steps of one timed call."""
STEP_ROUNDS = 100
"""Timed calls of every way to step, of which the fastest counts."""
STEP_SECONDS = 15.0
"""Seconds after which no further round of these begins."""
CHAIN = (12, 0.205, 3000, 8)
"""Side, temperature, measurements, and sweeps between them, of Metropolis chains where the bundled `NETWORK` loses its
order, at (1/4, 1/2)."""
NETWORK = ("kuramoto_flow", 2)
"""Bundled file, and the network in it, whose draws are measured."""
Steps = Callable[[int], None]


def bench_kuramoto(progress: Progress = silent) -> dict[str, Any]:
    """Milliseconds per noisy step of N = 16 components under a 5 x 5 kernel, on one and on all threads.

    On one thread it is the thread's own time, in which other programs do not count; on more, time on the wall.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`; ratios are the fastest eager step over ours, ours over the fastest convolution
        alone, and draws of |psi|^2 with over-relaxation over those without.
    """
    rows: list[TimedRow] = []
    ratios: dict[str, float] = {}
    jobs = [(threads, L) for threads in sorted({1, available_cores()}) for L in STEP_SIDES]
    for k, (threads, L) in enumerate(jobs):
        set_threads(threads)
        found = timed([_case(name, L, run, threads) for name, run in _runs(L, threads).items()], seconds=STEP_SECONDS)
        rows, place = rows + found, f"L = {L}, {threads} thread" + "s" * (threads > 1)
        ratios |= step_ratios({row["name"].removesuffix(f", L = {L}"): row["value"] for row in found}, "physnn", place)
        progress(k + 1, len(jobs) + 1, f"L = {L}, {threads} threads")
    set_threads(1)
    draws = timed([_draws("with", VectorMetropolis()), _draws("without", PlainMetropolis())])
    progress(len(jobs) + 1, len(jobs) + 1, "Metropolis")
    ratios[f"Metropolis with over-relaxation / without, L = {CHAIN[0]}"] = draws[0]["value"] / draws[1]["value"]
    return report(rows + draws, ratios)


def _case(name: str, L: int, run: Steps, threads: int) -> Case:
    clock = time.thread_time if threads == 1 else time.perf_counter
    run(STEPS_PER_CALL)  # Kernels are compiled and memory is found.
    name, value = f"{name}, L = {L}", lambda seconds, _: 1e3 * seconds
    return Case(name, "ms/step", run, value, threads, STEPS_PER_CALL, STEP_ROUNDS, clock)


def step_ratios(times: dict[str, float], ours: str, place: str) -> dict[str, float]:
    """Ratios of the fastest eager step over ours, and of ours over the fastest convolution alone."""
    eager = min(t for name, t in times.items() if name.startswith(("torch network", "torch lean")))
    convolution = min(t for name, t in times.items() if name.startswith("torch convolution"))
    return {
        f"eager torch / physnn, {place}": eager / times[ours],
        f"physnn / convolution, {place}": times[ours] / convolution,
    }


def _draws(what: str, sampler: VectorMetropolis) -> Case:
    """Independent draws of |psi|^2, one for every 2 tau of the measurements made."""
    (L, T, measurements, interval), (name, number) = CHAIN, NETWORK
    weights = {key: w[number] for key, w in read_networks(resolve(name)).weights.items()}
    model = couplings.from_weights(weights, "periodic")
    state = start_vectors(sampler, model, (L, L), "random", seed_sequence(0, "synthetic", "bench", sampler.kind))
    moves = tuned(sampler, model, T, state)
    moves.advance(model, T, state, measurements // 10, interval)

    def run(n: int) -> float:
        kept = moves.advance(model, T, state, n, interval, keep=1).kept
        m2 = (np.abs(transform(kept[0])[:, L // 4, L // 2]) ** 2).sum(-1)
        return estimate_time(m2[None]).effective_samples / n

    name, value = f"Metropolis {what} over-relaxation, L = {L}", lambda seconds, samples: samples / seconds
    return Case(name, "draws/s", run, value, pieces=measurements, rounds=1, clock=time.thread_time)


def _runs(L: int, threads: int) -> dict[str, Steps]:
    runs = {f"torch {name}": run for name, run in eager_steps(L, ARCHITECTURE, STEP_NOISE).items()}
    runs["physnn"] = _ours(L, threads, "retract")
    runs["physnn, geodesic"] = _ours(L, threads, "geodesic")
    runs["physnn, measured at every tenth step"] = _ours(L, threads, "geodesic", every=10)
    runs["physnn, all multiplications"] = _ours(L, threads, "retract", fewer=False)
    runs["physnn, nearest neighbours"] = _ours(L, threads, "geodesic", near=True)
    return runs


def _ours(L: int, threads: int, rule: str, every: int = 0, fewer: bool = True, near: bool = False) -> Steps:
    model = couplings.from_weights(initial_weights(ARCHITECTURE, stream(0, "synthetic", "bench"), 0.0), "periodic")
    model = couplings.on(ARCHITECTURE.components) if near else model
    x = normalised(stream(0, "synthetic", "bench").normal(size=(1, L, L, model.components))).astype(np.float32)
    key, onsite = counter_key(0, "synthetic", "bench")[None], model.onsite((L, L))

    def run(n: int) -> None:
        rules = ARCHITECTURE.gamma, STEP_NOISE, rule == "geodesic", True
        couplings_ = model.coupling, model.near, onsite, model.bias
        langevin.advance(x, *couplings_, key, 0, n, *rules, every, threads, fewer)

    return run


TRAININGS = (TrainingRecipe(), TrainingRecipe(family="flow", depth_ramp=0.0), TrainingRecipe(L=64))
"""Trainings that are measured."""
STEP_REPEATS = 8
"""Optimiser steps of each way, of which the fastest counts."""
COMPILED = "compiled passes"
"""Name of the rows of our own way to differentiate a step."""


def bench_kuramoto_training(progress: Progress = silent) -> dict[str, Any]:
    """Image pairs per second of training on one thread, the plain loop and the compiled passes in turn.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`; ratios are speeds over those of the plain loop.
    """
    rows: list[TimedRow] = []
    ratios = {}
    for k, recipe in enumerate(TRAININGS):
        words = f"{recipe.family}, L = {recipe.L}, T = {recipe.steps}, batches of {recipe.batch}"
        plain, compiled = timed([_training(BASELINE, recipe, words), _training(COMPILED, recipe, words)])
        rows += [plain, compiled]
        ratios[f"{COMPILED} / {BASELINE}, {words}"] = compiled["value"] / plain["value"]
        progress(k + 1, len(TRAININGS), words)
    return report(rows, ratios)


def _training(way: str, recipe: TrainingRecipe, words: str) -> Case:
    run, value = optimiser_steps(recipe, way == BASELINE), per_second(recipe.batch)
    run(1)  # Kernels are compiled and memory is found.
    return Case(f"{way}, {words}", "pairs/s", run, value, pieces=1, rounds=STEP_REPEATS)
