"""Equilibrium sweeps of unit vectors with any coupling: what a task does, and how a file is put together.

The chains of one size and temperature move together.  Between moves the state is transformed once, and what needs the
transform is measured from it.  Where a run was cut changes nothing: its state is kept in the file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.jobs.progress import Note
from physnn.jobs.stopping import Checkpoints
from physnn.machine import PER_TASK, check_bytes
from physnn.models.vectors import normalised
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.samplers.langevin import Langevin
from physnn.samplers.reflections import Planes, Reflections
from physnn.samplers.vector_metropolis import Mala, VectorMetropolis, tuned
from physnn.samplers.vectors import VectorSampler, VectorState
from physnn.samples.base import check_finite
from physnn.samples.equilibrium.columns import Measuring
from physnn.samples.equilibrium.order import planes, start_state
from physnn.samples.equilibrium.recipe import EquilibriumSweep, EquilibriumTask, merged, tasks_of, usual_step
from physnn.samples.named import lift
from physnn.store.hdf5 import Variable
from physnn.store.parts import read_checkpoint, write_part

BLOCK_SITES = 2e6
"""Moves of single sites between two looks at the clock."""
BLOCK_BYTES = 3e7
"""Bytes of states that wait to be measured."""
__all__ = ["EquilibriumSweep", "EquilibriumTask", "merged", "tasks_of"]
Recipe = EquilibriumSweep


def work(task: EquilibriumTask, path: Path, context: Mapping[str, Any]) -> None:
    """Run the chains of a task, or continue them from the checkpoint at ``path``, and leave their part there.

    Raises NotFinite if a state or a measurement is not finite; the checkpoint before stays.
    """
    recipe = task.recipe
    model, measuring = recipe.lattice(), Measuring.of(recipe, task.L, task.T)
    kept = read_checkpoint(path)
    if kept is not None and not int(kept.get("unfinished", 0)):
        return
    run = _continued(task, kept, measuring) if kept is not None else _begun(task, measuring)
    count, checkpoints, note = _block(task), Checkpoints(), Note(path)
    total = recipe.sweeps + recipe.thermalisation
    while run.done < recipe.sweeps:
        # What is dropped ends with a block.
        todo = min(count, recipe.sweeps - run.done) if run.done >= 0 else min(count, -run.done)
        _advance(run, task, todo, measuring)
        _check(run, task, measuring)
        note((run.done + recipe.thermalisation) / total)
        if run.done < recipe.sweeps and checkpoints.due():
            write_part(path, run.arrays(unfinished=True), keep_previous=True)
    last = {"energy_map": model.energy_map(run.state.x)}
    write_part(path, run.arrays(unfinished=False) | last)


def _block(task: EquilibriumTask) -> int:
    chains, N = task.recipe.chains, task.recipe.lattice().components
    by_time = BLOCK_SITES / (chains * task.L**2 * task.moves)
    by_memory = BLOCK_BYTES / (8.0 * chains * task.L**2 * N)
    return max(1, int(min(by_time, by_memory)))


class Run:
    """Where the chains of a task are; ``done`` counts measurements, from below zero while they are dropped."""

    def __init__(
        self,
        sampler: VectorSampler,
        size: float,
        state: VectorState,
        clean: VectorState | None,
        done: int,
        values: list[np.ndarray],
        means: dict[str, np.ndarray],
    ) -> None:
        self.sampler, self.size, self.state, self.clean = sampler, size, state, clean
        self.done, self.values, self.means = done, values, means

    def arrays(self, unfinished: bool) -> dict[str, np.ndarray]:
        """Return everything by name, for a part."""
        found = {f"state_{name}": array for name, array in self.state.arrays().items()}
        if self.clean is not None:
            found["state_clean"] = self.clean.x.copy()
        found |= {"state_size": np.array(self.size), "done": np.array(self.done)}
        found |= {"values": np.concatenate(self.values, axis=1), "unfinished": np.array(int(unfinished))}
        return found | self.means


def sampler_of(recipe: EquilibriumSweep, size: float = math.nan) -> VectorSampler:
    """Return the sampler of a recipe, with moves of a size that was found before."""
    if recipe.sampler == "langevin":
        assert recipe.gamma is not None
        return Langevin(recipe.gamma, recipe.rule)
    kind = VectorMetropolis if recipe.sampler == "metropolis" else Mala
    return kind(size) if math.isfinite(size) else kind()


def planes_of(recipe: EquilibriumSweep) -> Planes:
    """Return the planes at which clusters of a resolved recipe are reflected."""
    assert recipe.order is not None
    return planes(recipe.order.order())


def _begun(task: EquilibriumTask, measuring: Measuring) -> Run:
    recipe = task.recipe
    words: list[rng.Word] = [
        recipe.model_id,
        recipe.sampler,
        recipe.gamma or 0.0,
        recipe.rule,
        recipe.start,
        *(["clusters"] if recipe.clusters else []),
        task.L,
        task.T,
    ]
    sequence = rng.seed_sequence(recipe.seed, "chain", "vectors", *words)
    sampler, model = sampler_of(recipe), recipe.lattice()
    x = np.stack([_first(task, chain, sequence) for chain in range(recipe.chains)])
    state = VectorState(np.ascontiguousarray(x, sampler.dtype), sampler.generators(sequence, recipe.chains))
    clean = None
    if recipe.noiseless:
        clean = VectorState(state.x.astype(np.float32), np.zeros((recipe.chains, 2), np.uint32))
    if isinstance(sampler, VectorMetropolis | Mala):
        sampler = tuned(sampler, model, task.T, state)
    size = getattr(sampler, "size", math.nan)
    if recipe.clusters:
        sampler = Reflections(sampler, planes_of(recipe))
        state.generator = sampler.joined(state.generator, sequence)
    empty = np.empty((recipe.chains, 0, len(measuring.columns)))
    return Run(sampler, size, state, clean, -recipe.thermalisation, [empty], measuring.no_means())


def _first(task: EquilibriumTask, chain: int, sequence: np.random.SeedSequence) -> np.ndarray:
    """Return the first state of a chain; ordered ones and images are the same for all chains of a task."""
    recipe, L = task.recipe, task.L
    kind = recipe.start if recipe.start != "both" else ("random" if chain % 2 else "ordered")
    if kind == "random":
        return recipe.lattice().initial("random", (L, L), rng.generator(rng.child(sequence, 0, chain)))
    if kind == "ordered":
        assert recipe.order is not None
        return start_state(recipe.order.order(), L, rng.generator(rng.child(sequence)))
    image = Transmogrifier(L).pair(rng.stream(recipe.seed, "image", recipe.model_id, "matched", L, 0))[0]
    return normalised(np.asarray(image, np.float64)[..., None] * lift(recipe.model))


def _continued(task: EquilibriumTask, kept: Mapping[str, np.ndarray], measuring: Measuring) -> Run:
    state = VectorState.from_arrays({name: kept[f"state_{name}"] for name in ("x", "generator", "step")})
    clean = None
    if "state_clean" in kept:
        clean = VectorState(np.array(kept["state_clean"]), np.zeros((len(state.x), 2), np.uint32))
    size = float(kept["state_size"])
    sampler = sampler_of(task.recipe, size)
    if task.recipe.clusters:
        sampler = Reflections(sampler, planes_of(task.recipe))
    means = {name: np.array(kept[name]) for name in measuring.no_means()}
    return Run(sampler, size, state, clean, int(kept["done"]), [kept["values"]], means)


def _advance(run: Run, task: EquilibriumTask, count: int, measuring: Measuring) -> None:
    """Move the chains by ``count`` intervals and measure them before each, unless that is dropped."""
    model, recipe = task.recipe.lattice(), task.recipe
    dropped = run.done < 0
    rows = run.sampler.advance(model, task.T, run.state, count, task.moves, keep=0 if dropped else 1)
    values = np.empty((recipe.chains, 0 if dropped else count, len(measuring.columns)))
    for k in range(count):
        if not dropped:
            clean = run.clean.x if run.clean is not None else None
            values[:, k] = measuring(rows.values[:, k], rows.kept[:, k], clean, run.done + k, run.means)
        if run.clean is not None:
            step = recipe.gamma or usual_step(model)
            Langevin(step, recipe.rule).advance(model, 0.0, run.clean, 1, task.moves)
            run.clean.step = 0
    run.values.append(values)
    run.done += count


def _check(run: Run, task: EquilibriumTask, measuring: Measuring) -> None:
    """Raise NotFinite unless all numbers of the last block, and the state behind it, are finite."""
    where, values = f"L = {task.L}, T = {task.T:g}", run.values[-1]
    measured = dict(zip(measuring.columns, np.moveaxis(values, 2, 0), strict=True))
    check_finite(measured, where, "measurement", max(run.done, 0) - values.shape[1])
    check_finite({"a component of the state": run.state.x.reshape(-1, 1)}, where, "measurement", run.done)


def context(recipe: EquilibriumSweep) -> dict[str, Any]:
    """Return what `work` needs besides the task: nothing."""
    return {}


def assemble(
    recipe: EquilibriumSweep, results: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[int, dict[str, Variable]]:
    """Return the groups of the sweep file from the arrays of all its tasks.

    Raises
    ------
    KeyError
        If a task has no result.
    """
    sizes: dict[int, dict[str, Variable]] = {}
    for L in recipe.L:
        measuring = Measuring.of(recipe, L, recipe.T[0])
        found = [results[EquilibriumTask(recipe=recipe, L=L, T=T).key] for T in recipe.T]
        sizes[L] = measuring.group(recipe, L, found)
    return sizes


def disassemble(
    recipe: EquilibriumSweep, sizes: Mapping[int, Mapping[str, Variable]]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, arrays) of every task of a finished file: the inverse of `assemble`."""
    for L, group in sizes.items():
        measuring = Measuring.of(recipe, L, recipe.T[0])
        for t, T in enumerate(recipe.T):
            arrays = measuring.part(group, t) | {"done": np.array(recipe.sweeps), "unfinished": np.array(0)}
            yield EquilibriumTask(recipe=recipe, L=L, T=T).key, arrays


def continued(
    old: EquilibriumSweep, recipe: EquilibriumSweep, done: Mapping[str, Mapping[str, np.ndarray]]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, checkpoint) of every task of a longer recipe that a shorter one has begun."""
    for task in tasks_of(recipe):
        before = task.model_copy(update={"recipe": old})
        arrays = done.get(before.key) if old.sweeps < recipe.sweeps else None
        if arrays is not None:
            yield task.key, {**arrays, "unfinished": np.array(1)}


def pilot(recipe: EquilibriumSweep) -> tuple[EquilibriumSweep, Any]:
    """Return the first stage of an undecided recipe: there is none."""
    raise NotImplementedError


def decided(recipe: EquilibriumSweep, results: Mapping[str, Mapping[str, np.ndarray]]) -> EquilibriumSweep:
    """Return the second stage of an undecided recipe: there is none."""
    raise NotImplementedError


def need(recipe: EquilibriumSweep, jobs: int) -> float:
    """Return the bytes a recipe needs at most; raises InputError if this machine does not have them."""
    states = jobs * (2e8 + 1e6 * task_megabytes(recipe, max(recipe.L)))
    return check_bytes(
        states + 3e6 * file_megabytes(recipe) + PER_TASK * task_count(recipe),
        "fewer or smaller --L, fewer --sweeps or --chains, or fewer --jobs",
    )


def task_count(recipe: EquilibriumSweep) -> int:
    """Return the number of tasks of a resolved recipe."""
    return len(recipe.L) * len(recipe.T)


def seconds_per_cost(recipe: EquilibriumSweep, tasks: Sequence[EquilibriumTask]) -> float:
    """Return the seconds that one unit of a task's cost takes here, from a short run of the largest size."""
    task = max(tasks, key=lambda t: t.L)
    measuring = Measuring.of(recipe, task.L, task.T)
    run = _begun(task, measuring)
    run.done = 0
    _advance(run, task, 1, measuring)
    count = max(2, math.ceil(BLOCK_SITES / (recipe.chains * task.L**2 * task.moves)))
    began = time.perf_counter()
    _advance(run, task, count, measuring)
    return (time.perf_counter() - began) / (task.L**2 * recipe.chains * task.moves * count)


def task_megabytes(recipe: EquilibriumSweep, L: int) -> float:
    """Return the memory one task of a size takes."""
    measuring, N = Measuring.of(recipe, L, recipe.T[0]), recipe.lattice().components
    states = 12 * 8.0 * recipe.chains * L**2 * N + 2 * BLOCK_BYTES
    return (states + 16.0 * recipe.chains * recipe.sweeps * len(measuring.columns)) / 1e6


def file_megabytes(recipe: EquilibriumSweep) -> float:
    """Return the size of the file before compression."""
    N, cells = recipe.lattice().components, 0.0
    for L in recipe.L:
        measuring = Measuring.of(recipe, L, recipe.T[0])
        means = sum(array.size for array in measuring.no_means().values())
        cells += recipe.chains * (recipe.sweeps * len(measuring.columns) + L**2 * (2 * N + 1)) + means
    return 8e-6 * len(recipe.T) * cells
