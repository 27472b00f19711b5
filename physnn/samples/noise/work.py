"""Noise sweeps of trained networks: what a task does, how a file is put together, and what a pilot decides."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from physnn import machine, rng
from physnn.bundled import resolve
from physnn.errors import InputError
from physnn.networks.source import Source
from physnn.samples.base import check_finite
from physnn.samples.noise.recipe import NoiseSweep, NoiseTask, Stage, brought_sources, merged, tasks_of
from physnn.store.hdf5 import Variable
from physnn.store.network_file import read_networks
from physnn.store.parts import write_part

__all__ = ["NoiseSweep", "NoiseTask", "Stage", "merged", "tasks_of"]
Recipe = NoiseSweep
ATTRIBUTES = {
    "eta": {"symbol": "eta", "units": "dimensionless", "long_name": "noise strength, Langevin convention"},
    "network": {"long_name": "content identity of the network"},
    "image": {"long_name": "number of the image in the network's own series"},
    "rmse": {
        "symbol": "RMSE",
        "units": "dimensionless",
        "long_name": "root mean squared error of one image, pixels 0 and 1",
    },
    "se_near": {"units": "dimensionless", "long_name": "sum of squared errors within 3 pixels of a shape"},
    "se_far": {"units": "dimensionless", "long_name": "sum of squared errors farther from shapes"},
    "overlap": {
        "symbol": "q",
        "units": "dimensionless",
        "long_name": "mean of x . x_clean over sites at the last step",
    },
    "energy": {"symbol": "E", "units": "dimensionless", "long_name": "energy per site at the last step"},
    "m_abs": {"symbol": "|m|", "units": "dimensionless", "long_name": "length of the network's order parameter"},
    "m2": {"symbol": "m^2", "units": "dimensionless", "long_name": "its square"},
    "m4": {"symbol": "m^4", "units": "dimensionless", "long_name": "its fourth power"},
    "n_order": {"units": "1", "long_name": "components of the order parameter"},
    "n_near": {"units": "pixels", "long_name": "number of pixels within 3 pixels of a shape"},
    "target_sq": {"units": "dimensionless", "long_name": "sum of the squared target, pixels 0 and 1"},
    "n_shapes": {"units": "1", "long_name": "number of shapes in the image"},
}
OF_IMAGE = ("n_near", "target_sq", "n_shapes", "n_order")
"""Observables that do not depend on the noise: stored once per (network, image)."""
PILOT_SHARE, PILOT_LEAST = 4, 8
"""A pilot takes the images asked for over `PILOT_SHARE`, but `PILOT_LEAST` if there are."""


def run_noise_task(task: NoiseTask, files: Mapping[str, str | Source]) -> dict[str, np.ndarray]:
    """Do a task, given where every network is; what a worker calls."""
    from physnn.networks.kuramoto.batch import Batch, kernel_run

    batch = Batch(task.L, task.density, task.radius, task.seed, task.first, task.count)
    place, run = files[task.network_id], (task.network_id, task.device, batch, task.steps, task.eta)
    if task.engine == "kernel" and not isinstance(place, Source):
        return kernel_run(place, *run)
    from physnn.networks.device import single_thread
    from physnn.networks.kuramoto.evaluate import noisy_run

    with single_thread():
        return noisy_run(place, *run)


def network_paths(recipe: NoiseSweep) -> dict[str, str | Source]:
    """Return the file that holds each network of a resolved recipe, or its class and weights if it was brought."""
    paths: dict[str, str | Source] = {}
    if recipe.module and not recipe.networks:
        paths.update(brought_sources(recipe))
    for name in recipe.networks:
        try:
            path = resolve(name)
        except InputError:
            continue  # a file that was moved is not missed if another one holds its networks
        if recipe.module:
            paths.update(brought_sources(recipe, (str(path),)))
        else:
            paths.update({i: str(path) for i in read_networks(path).ids if i not in paths})
    if lost := [i for i in recipe.network_ids if i not in paths]:
        raise InputError(f"network {lost[0]} of the recipe is in none of {', '.join(recipe.networks)}; name its file")
    return {i: paths[i] for i in recipe.network_ids}


OPERATIONS = 1e15
"""Operations per second that no machine of ours exceeds, to say what is beyond waiting for."""
Results = Mapping[str, Mapping[str, np.ndarray]]
"""Arrays of finished tasks, by task key."""


def assemble(recipe: NoiseSweep, results: Results) -> dict[int, dict[str, Variable]]:
    """Return the groups of the sweep file from the arrays of all its tasks.

    Raises
    ------
    KeyError
        If a task has no result.
    """
    sizes: dict[int, dict[str, Variable]] = {}
    place = {e: k for k, e in enumerate(recipe.eta)}, {i: k for k, i in enumerate(recipe.network_ids)}
    by_size: dict[int, list[NoiseTask]] = {L: [] for L in recipe.L}
    for task in tasks_of(recipe):
        by_size[task.L].append(task)
    shape = len(recipe.eta), len(recipe.network_ids), recipe.images
    for L, tasks in by_size.items():
        arrays: dict[str, np.ndarray] = {}
        for task in tasks:
            where = place[0][task.eta], place[1][task.network_id], slice(task.first, task.first + task.count)
            for name, values in results[task.key].items():
                arrays.setdefault(name, np.empty(shape, values.dtype))[where] = values
        group = {
            "eta": Variable(("eta",), np.array(recipe.eta), ATTRIBUTES["eta"]),
            "network": Variable(
                ("network",), np.array([i.encode() for i in recipe.network_ids]), ATTRIBUTES["network"]
            ),
            "image": Variable(("image",), np.arange(recipe.images), ATTRIBUTES["image"]),
        }
        for name, values in arrays.items():
            if name in OF_IMAGE:
                group[name] = Variable(("network", "image"), values[0], ATTRIBUTES[name])
            else:
                group[name] = Variable(("eta", "network", "image"), values, ATTRIBUTES[name])
        sizes[L] = group
    return sizes


def disassemble(
    recipe: NoiseSweep, sizes: Mapping[int, Mapping[str, Variable]]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, arrays) of every task of a finished file: the inverse of `assemble`."""
    for task in tasks_of(recipe):
        c, n = recipe.eta.index(task.eta), recipe.network_ids.index(task.network_id)
        images = slice(task.first, task.first + task.count)
        yield (
            task.key,
            {
                name: variable.values[n, images] if name in OF_IMAGE else variable.values[c, n, images]
                for name, variable in sizes[task.L].items()
                if name not in ("eta", "network", "image")
            },
        )


def pilot(recipe: NoiseSweep) -> tuple[NoiseSweep, Stage]:
    """Return the recipe of the pilot of an undecided recipe, and its record."""
    share = max(PILOT_LEAST, math.ceil(recipe.images / PILOT_SHARE))
    images = min(recipe.images, math.ceil(share / recipe.batch) * recipe.batch)
    first = recipe.model_copy(update={"images": images, "target_error": None})
    return first, Stage(eta=recipe.eta, images=images, why=f"pilot, of {recipe.images} images asked for")


def decided(recipe: NoiseSweep, results: Results) -> NoiseSweep:
    """Return an undecided recipe with what follows from the results of its pilot."""
    from physnn.analysis.collapse.exponents import Settings
    from physnn.analysis.curves.curves import curves_of
    from physnn.analysis.verdict.planning import CAP, Refinement, fit_pilot, refine

    assert recipe.target_error is not None
    first, stage = pilot(recipe)
    asked = recipe.images / first.images
    sizes = {
        L: (group["eta"].values, {name: v.values for name, v in group.items() if v.values.ndim == 3})
        for L, group in assemble(first, results).items()
    }
    try:
        stream = rng.stream(0, "bootstrap", recipe.target_observable)
        found = curves_of(sizes, recipe.target_observable, "eta", Settings().resamples, stream)
        fit = fit_pilot(found, sizes)
        plan = refine(fit, recipe.target_error, asked=asked, draws="images")
    except InputError as error:
        reason = f"no refinement, for the pilot cannot be fitted: {error}"
        plan = Refinement(recipe.eta, asked, False, math.nan, 0, reason)
    images = math.ceil(plan.factor * first.images - 1e-6)
    if images not in (first.images, recipe.images):
        most = min(CAP * len(first.eta) * first.images / len(plan.values), 10**7)
        images = math.ceil(min(images, most) / recipe.batch) * recipe.batch
        images = max(first.images, images if images <= most else images - recipe.batch)
    last = Stage(eta=plan.values, images=images, why=plan.reason)
    update = {"eta": last.eta, "images": images, "asked_images": recipe.images, "stages": (stage, last)}
    return recipe.model_copy(update=update)


def work(task: NoiseTask, path: Path, context: Mapping[str, Any]) -> None:
    """Do one task and write its part; raises NotFinite, and leaves none, if a network's output is not finite."""
    found = run_noise_task(task, context["files"])
    where = f"network {task.network_id}, L = {task.L}, eta = {task.eta:g}, {task.steps} steps"
    check_finite(found, where, "image", task.first)
    write_part(path, found)


def context(recipe: NoiseSweep) -> dict[str, Any]:
    """Return what `work` needs besides the task."""
    return {"files": network_paths(recipe)}


def continued(old: NoiseSweep, recipe: NoiseSweep, done: Results) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield checkpoints of tasks that a shorter recipe has begun: there are none, images are tasks of their own."""
    yield from ()


def need(recipe: NoiseSweep, jobs: int) -> float:
    """Return the bytes a recipe needs at most; raises InputError if this machine does not have them."""
    components, count = _components(recipe), task_count(recipe)
    states = machine.check_memory(recipe.L, recipe.batch, components, jobs)
    held = machine.PER_TASK * count + 3e6 * file_megabytes(recipe)
    machine.check_bytes(held, f"fewer --images, noise values or --L (there are {count:,} tasks)")
    work = sum(L**2 * recipe.depth(L) for L in recipe.L) * len(recipe.eta) * len(recipe.network_ids) * recipe.images
    kernel = _largest(recipe, "kernel")
    machine.check_seconds(
        2.0 * work * (components * kernel) ** 2 / OPERATIONS, "fewer --steps, --images or noise values"
    )
    return machine.check_bytes(states + held, "fewer --images, noise values or --L, or fewer --jobs")


def task_count(recipe: NoiseSweep) -> int:
    """Return the number of tasks of a resolved recipe."""
    batches = math.ceil(recipe.images / recipe.batch)
    return len(recipe.L) * len(recipe.eta) * len(recipe.network_ids) * batches


def _components(recipe: NoiseSweep) -> int:
    """Return the numbers that a state has for every pixel, at most."""
    if not recipe.module:
        return _largest(recipe, "components")
    from physnn.networks.brought import probe

    brought = [source for source in network_paths(recipe).values() if isinstance(source, Source)]
    return math.ceil(max(probe(source, recipe.L[0], recipe.device).numbers for source in brought))


def _largest(recipe: NoiseSweep, name: str) -> int:
    """Return the largest value of something in the architectures of a recipe's networks; 1 if they were brought."""
    if recipe.module:
        return 1
    paths = {str(path) for path in network_paths(recipe).values()}
    return max(int(read_networks(path).architecture[name]) for path in paths)


def seconds_per_cost(recipe: NoiseSweep, tasks: Sequence[NoiseTask]) -> float:
    """Return the seconds that one unit of a task's cost takes here, from one small timed task."""
    files = network_paths(recipe)
    few = {"count": min(4, recipe.batch), "steps": min(50, tasks[-1].steps), "eta": 0.1}
    probe = tasks[-1].model_copy(update=few)
    run_noise_task(probe, files)
    start = time.perf_counter()
    run_noise_task(probe.model_copy(update={"eta": 0.11}), files)
    return (time.perf_counter() - start) / probe.cost


def task_megabytes(recipe: NoiseSweep, L: int) -> float:
    """Return the memory one task of a size takes."""
    return machine.task_bytes(L, recipe.batch, _components(recipe)) / 1e6


def file_megabytes(recipe: NoiseSweep) -> float:
    """Return the size of the file."""
    return len(recipe.L) * len(recipe.eta) * len(recipe.network_ids) * recipe.images * 8 * 6 / 1e6
