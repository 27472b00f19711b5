"""Time of a noisy step of the Kuramoto lattice, as ratios against eager torch and a convolution in the same run.

And independent draws a second of Metropolis moves, with over-relaxation against without.
"""

from __future__ import annotations

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
from physnn.bundled import resolve
from physnn.checks.bench import BASELINE, machine
from physnn.jobs.executors import available_cores
from physnn.jobs.run import Progress, silent
from physnn.kernels.vectors import langevin
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
from physnn.store.network_file import read_networks

LAYOUTS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}


def eager_steps(
    L: int, architecture: Architecture, eta: float, device: str = "cpu"
) -> dict[str, Callable[[int], None]]:
    """Return functions that take n steps from their last state, by name.

    Each layout in memory has three: ``network``, the step of `KuramotoNetwork` with noise drawn as it lies in memory;
    ``lean``, the same in place and with the step size inside the kernel; ``convolution``, the convolution alone, of a
    state that is padded already.

    Parameters
    ----------
    L : int
        Side of the lattice.
    architecture : Architecture
        The network's, periodic.
    eta : float
        Noise.
    device : str
        Where.
    """
    weights = initial_weights(architecture, stream(0, "synthetic", "bench"), 0.0)
    network = KuramotoNetwork(architecture, weights).requires_grad_(False).to(device)
    found: dict[str, Callable[[int], None]] = {}
    for name, layout in LAYOUTS.items():
        N, half = architecture.components, architecture.kernel // 2
        x = functional.normalize(torch.randn(1, N, L, L, device=device), dim=1).contiguous(memory_format=layout)
        J = network.symmetric_coupling().contiguous(memory_format=layout)
        found[f"network, {name}"] = _network_steps(network, x, J, eta)
        found[f"lean, {name}"] = _lean_steps(architecture, x, J, eta)
        wide = functional.pad(x, (half,) * 4, mode="circular").contiguous(memory_format=layout)
        found[f"convolution, {name}"] = _convolutions(wide, J)
    return found


def _normals(x: Tensor) -> Tensor:
    """Return room for noise of the state's shape and layout; filled in the order in memory."""
    return torch.empty_like(x, memory_format=torch.preserve_format)


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
    scale, xi = eta * math.sqrt(architecture.gamma), _normals(x)

    @torch.no_grad()
    def run(n: int) -> None:
        y = x
        for _ in range(n):
            v = functional.conv2d(functional.pad(y, (half,) * 4, mode="circular"), J)
            v.add_(xi.normal_(), alpha=scale)
            v.addcmul_((y * v).sum(1, keepdim=True), y, value=-1).add_(y)
            y = v.div_(torch.linalg.vector_norm(v, dim=1, keepdim=True))

    return run


def _convolutions(wide: Tensor, J: Tensor) -> Callable[[int], None]:
    @torch.no_grad()
    def run(n: int) -> None:
        for _ in range(n):
            functional.conv2d(wide, J)

    return run


def optimiser_steps(recipe: TrainingRecipe, plain: bool) -> Callable[[int], list[float]]:
    """Return what takes the next n optimiser steps of seed 0 on one thread and returns their losses.

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
    state = start_vectors(sampler, model, (L, L), "random", seed_sequence(0, "synthetic", "bench", sampler.kind))
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


RECIPES = (TrainingRecipe(), TrainingRecipe(family="flow", depth_ramp=0.0), TrainingRecipe(L=64))
"""What is measured."""
REPEATS = 8
"""Each way takes a step in turn so often, and its fastest counts: what else runs on a machine only makes it slower."""
SPEED = "pairs/s"
WAYS = {BASELINE: True, "compiled passes": False}


def bench_kuramoto_training(progress: Progress = silent) -> dict[str, Any]:
    """Return image pairs per second of training on one thread, the plain loop and the compiled passes in turn.

    Returns
    -------
    dict
        ``machine``; ``rows``: name, value, unit, threads; ``ratios``: speeds over those of the plain loop;
        ``missing``: nothing.
    """
    rows: list[dict[str, Any]] = []
    ratios = {}
    for k, recipe in enumerate(RECIPES):
        speeds = _speeds(recipe)
        words = describe(recipe)
        rows += [{"name": f"{way}, {words}", "value": v, "unit": SPEED, "threads": 1} for way, v in speeds.items()]
        ratios[f"compiled passes / {BASELINE}, {words}"] = speeds["compiled passes"] / speeds[BASELINE]
        progress(k + 1, len(RECIPES), words)
    return {"machine": machine(), "rows": rows, "ratios": ratios, "missing": []}


def describe(recipe: TrainingRecipe) -> str:
    """Return what of a recipe decides the speed in words."""
    return f"{recipe.family}, L = {recipe.L}, T = {recipe.steps}, batches of {recipe.batch}"


def _speeds(recipe: TrainingRecipe) -> dict[str, float]:
    runs = {way: optimiser_steps(recipe, plain) for way, plain in WAYS.items()}
    best = dict.fromkeys(WAYS, float("inf"))
    for run in runs.values():
        run(1)
    for _ in range(REPEATS):
        for way, run in runs.items():
            began = time.perf_counter()
            run(1)
            best[way] = min(best[way], time.perf_counter() - began)
    return {way: recipe.batch / seconds for way, seconds in best.items()}
