"""Temperature sweeps of lattice models: what a task does, and how a file is put together.

A chain depends on its recipe and not on where it was cut: its state is kept in the file, so that a longer run
continues it bit for bit.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.jobs.progress import Note
from physnn.jobs.stopping import Checkpoints
from physnn.machine import PER_TASK, check_bytes
from physnn.models import QUANTITIES
from physnn.samplers import COLUMNS, Rows, State, advance, start, thermalise
from physnn.samples.base import check_finite
from physnn.samples.temperature.recipe import (
    ChainTask,
    TemperatureStage,
    TemperatureSweep,
    algorithms,
    merged,
    tasks_of,
)
from physnn.store.hdf5 import Variable
from physnn.store.parts import read_checkpoint, write_part

STORED = ("energy", "m", "structure_x", "structure_y")
"""Columns of measurements that are kept; m2 and m4 follow from m."""
DIMENSIONS = {
    ("state_colours", 2): ("row", "column"),
    ("state_generator", 1): ("word",),
    ("state_generator", 3): ("block", "word", "lane"),
    ("snapshots", 3): ("snapshot", "row", "column"),
}
"""Dimensions of a chain's arrays by name and number of dimensions."""
PILOT_SHARE, PILOT_LEAST = 4, 500
"""A pilot takes the sweeps asked for over `PILOT_SHARE`, but `PILOT_LEAST` if there are."""
BLOCK = 50
"""Measurements of the first block between two looks at the clock."""
BLOCK_SECONDS = 0.15
"""How long a block should take: a run that is told to stop waits little longer for its chains."""
__all__ = ["ChainTask", "TemperatureSweep", "merged", "tasks_of"]
Recipe = TemperatureSweep


def work(task: ChainTask, path: Path, context: Mapping[str, Any]) -> None:
    """Run the chain of a task, or continue it from the checkpoint at ``path``, and leave its part there."""
    model, sampler = task.recipe.lattice(), algorithms()[task.recipe.algorithm]
    chain = resumed(task, path)
    if chain is None:
        interval = thermalise(sampler, model, task.T, state := begin(task), task.recipe.thermalisation)
        chain = Chain(task, path, state, interval)
    elif chain.finished:
        return
    block, checkpoints, note = BLOCK, Checkpoints(), Note(path)
    while chain.done < task.measurements:
        count, every = next_block(block, chain.done, task)
        began = time.monotonic()
        chain.add(advance(sampler, model, task.T, chain.state, count, chain.interval, every))
        block = max(1, int(block * min(4.0, BLOCK_SECONDS / max(time.monotonic() - began, 1e-3))))
        note(chain.done / task.measurements)
        if chain.done < task.measurements and checkpoints.due():
            chain.leave()
    chain.leave()


@dataclass
class Chain:
    """A chain under way: its state, and what it has measured so far in blocks."""

    task: ChainTask
    path: Path
    state: State
    interval: int
    blocks: list[Rows] = field(default_factory=list)
    finished: bool = False

    def add(self, rows: Rows) -> None:
        """Keep a block of measurements; raises NotFinite if one is not a number, and the checkpoint before stays."""
        task, columns = self.task, dict(zip(COLUMNS, rows.values.T, strict=True))
        check_finite(columns, f"L = {task.L}, T = {task.T:g}, chain {task.chain}", "measurement", self.done)
        self.blocks.append(rows)

    @property
    def done(self) -> int:
        """Number of measurements made."""
        return sum(len(rows.values) for rows in self.blocks)

    def leave(self) -> None:
        """Write the part: a checkpoint unless all measurements are made."""
        unfinished = self.done < self.task.measurements
        arrays = {f"state_{name}": array for name, array in self.state.arrays().items()}
        arrays["values"] = np.concatenate([rows.values for rows in self.blocks])
        arrays["snapshots"] = np.concatenate([rows.snapshots for rows in self.blocks])
        arrays |= {"interval": np.array(self.interval), "unfinished": np.array(int(unfinished))}
        write_part(self.path, arrays, keep_previous=unfinished)


def resumed(task: ChainTask, path: Path) -> Chain | None:
    """Return the chain that the part of a task holds, or None if there is none."""
    kept = read_checkpoint(path)
    if kept is None:
        return None
    state = State.from_arrays({k.removeprefix("state_"): v for k, v in kept.items() if k.startswith("state_")})
    rows = Rows(kept["values"], kept["snapshots"])
    return Chain(task, path, state, int(kept["interval"]), [rows], not int(kept.get("unfinished", 0)))


def next_block(block: int, done: int, task: ChainTask) -> tuple[int, int]:
    """Return how many measurements come next, ``block`` at most, and how many of them make a snapshot.

    Snapshots are counted from the start of the chain: a block ends at one, or before the next one.
    """
    count, every = min(block, task.measurements - done), task.recipe.snapshots
    if not every:
        return count, 0
    missing = every - done % every
    if missing < every:
        return min(count, missing), missing
    return (count - count % every or count), every


def begin(task: ChainTask) -> State:
    """Return the first state of a task's chain."""
    recipe = task.recipe
    what = [recipe.model, recipe.q if recipe.model == "potts" else 2, recipe.coupling, recipe.field, recipe.algorithm]
    seeds = rng.seed_sequence(recipe.seed, "chain", *what, task.L, task.T, task.chain)
    return start(algorithms()[recipe.algorithm], recipe.lattice(), (task.L, task.L), task.T, seeds)


def context(recipe: TemperatureSweep) -> dict[str, Any]:
    """Return what `work` needs besides the task: nothing."""
    return {}


def assemble(
    recipe: TemperatureSweep, results: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[int, dict[str, Variable]]:
    """Return the groups of the sweep file from the arrays of all its tasks.

    Raises
    ------
    KeyError
        If a task has no result.
    """
    sizes: dict[int, dict[str, Variable]] = {}
    for L in recipe.L:
        grid = recipe.temperatures(L)
        stacked = _stacked(recipe, L, grid, results)
        group = {
            "T": Variable(("T",), np.array(grid), {"symbol": "T", "units": "J/k_B", "long_name": "temperature"}),
            "chain": Variable(("chain",), np.arange(recipe.chains), {"long_name": "number of the Markov chain"}),
            "measurement": Variable(
                ("measurement",), np.arange(recipe.measurements(L)), {"long_name": "number in the chain"}
            ),
        }
        for name in STORED:
            group[name] = Variable(("T", "chain", "measurement"), stacked.pop(name), _attributes(name, recipe))
        for name, meaning in (("updates", "updates of single sites"), ("interval", "updates between measurements")):
            group[name] = Variable(("T", "chain"), stacked.pop(name), {"units": "1", "long_name": meaning})
        for name, values in sorted(stacked.items()):
            if values.size:
                dimensions = "T", "chain", *DIMENSIONS[name, values.ndim - 2]
                group[name] = Variable(dimensions, values, {"long_name": f"{name.replace('_', ' ')} of the chain"})
        sizes[L] = group
    return sizes


def _stacked(
    recipe: TemperatureSweep, L: int, grid: Sequence[float], results: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return what is kept of all chains of a size, ``(T, chain, ...)``, reading one after the other."""
    found: dict[str, np.ndarray] = {}
    for (t, T), chain in itertools.product(enumerate(grid), range(recipe.chains)):
        arrays = results[ChainTask(recipe=recipe, L=L, T=T, chain=chain).key]
        values = arrays["values"]
        kept: dict[str, Any] = {name: values[:, COLUMNS.index(name)] for name in STORED}
        # An integer, so that it does not depend on how the chain was cut.
        kept["updates"] = np.rint(values[:, COLUMNS.index("work")].sum() * L * L).astype(np.int64)
        kept["interval"] = np.int64(arrays["interval"])
        kept |= {name: v for name, v in arrays.items() if name.startswith("state_") or name == "snapshots"}
        for name, value in kept.items():
            if name not in found:
                found[name] = np.empty((len(grid), recipe.chains, *np.shape(value)), np.asarray(value).dtype)
            found[name][t, chain] = value
    return found


def _attributes(name: str, recipe: TemperatureSweep) -> dict[str, Any]:
    quantity = QUANTITIES[name]
    found = {"symbol": quantity.symbol, "units": quantity.unit, "long_name": quantity.meaning}
    return found | ({"components": recipe.components} if name == "m" else {})


def disassemble(
    recipe: TemperatureSweep, sizes: Mapping[int, Mapping[str, Variable]]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, arrays) of every task of a finished file: the inverse of `assemble`."""
    for L, group in sizes.items():
        for (t, T), chain in itertools.product(enumerate(recipe.temperatures(L)), range(recipe.chains)):
            values = np.zeros((recipe.measurements(L), len(COLUMNS)))
            for name in STORED:
                values[:, COLUMNS.index(name)] = group[name].values[t, chain]
            values[0, COLUMNS.index("work")] = group["updates"].values[t, chain] / L**2
            kept = {name: v.values[t, chain] for name, v in group.items() if name.startswith("state_")}
            snapshots = group["snapshots"].values[t, chain] if "snapshots" in group else np.empty((0, L, L), np.int8)
            arrays = {"values": values, "snapshots": snapshots, "interval": group["interval"].values[t, chain]}
            yield ChainTask(recipe=recipe, L=L, T=T, chain=chain).key, kept | arrays


def continued(
    old: TemperatureSweep, recipe: TemperatureSweep, done: Mapping[str, Mapping[str, np.ndarray]]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, checkpoint) of every chain of a longer recipe that a shorter one has begun."""
    for task in tasks_of(recipe):
        before = task.model_copy(update={"recipe": old})
        if before.measurements < task.measurements:
            arrays = done.get(before.key)
            if arrays is not None:
                yield task.key, {**arrays, "unfinished": np.array(1)}


def pilot(recipe: TemperatureSweep) -> tuple[TemperatureSweep, TemperatureStage]:
    """Return the recipe of the pilot of an undecided recipe, and its record."""
    assert recipe.sweeps is not None
    sweeps = min(recipe.sweeps, max(PILOT_LEAST, math.ceil(recipe.sweeps / PILOT_SHARE)))
    first = recipe.model_copy(update={"sweeps": sweeps, "target_error": None})
    return first, TemperatureStage(T=recipe.T, sweeps=sweeps, why=f"pilot, of {recipe.sweeps} sweeps asked for")


def decided(recipe: TemperatureSweep, results: Mapping[str, Mapping[str, np.ndarray]]) -> TemperatureSweep:
    """Return an undecided recipe with what follows from the results of its pilot."""
    from physnn.analysis.collapse.exponents import Settings
    from physnn.analysis.curves.chains import curves_of_chains
    from physnn.analysis.curves.observables import with_moments
    from physnn.analysis.verdict.planning import Refinement, fit_pilot, lengthen, refine

    assert recipe.target_error is not None and recipe.sweeps is not None
    first, stage = pilot(recipe)
    asked, name = recipe.sweeps / stage.sweeps, recipe.target_observable
    sizes = {
        L: (group["T"].values, with_moments({n: group[n].values for n in STORED}, L))
        for L, group in assemble(first, results).items()
    }
    try:
        stream = rng.stream(0, "bootstrap", name)
        found = curves_of_chains(sizes, name, "T", Settings().resamples, stream, recipe.components)
        fit = fit_pilot(found, sizes)
        if recipe.T is None:
            plan = lengthen(fit, recipe.target_error, asked=asked)
        else:
            plan = refine(fit, recipe.target_error, asked=asked, draws="sweeps")
    except InputError as error:
        plan = Refinement((), asked, False, math.nan, 0, f"no refinement, for the pilot cannot be fitted: {error}")
    sweeps = max(stage.sweeps, min(math.ceil(plan.factor * stage.sweeps), 10**9))
    last = TemperatureStage(T=plan.values if plan.refined else recipe.T, sweeps=sweeps, why=plan.reason)
    update = {"T": last.T, "sweeps": sweeps, "asked_sweeps": recipe.sweeps, "stages": (stage, last)}
    return recipe.model_copy(update=update)


def need(recipe: TemperatureSweep, jobs: int) -> float:
    """Return the bytes a recipe needs at most; raises InputError if this machine does not have them."""
    states = jobs * (2e8 + 32.0 * max(recipe.L) ** 2)
    return check_bytes(
        states + 3e6 * file_megabytes(recipe) + PER_TASK * task_count(recipe),
        "fewer or smaller --L, fewer --sweeps or --chains, or fewer --jobs",
    )


def task_count(recipe: TemperatureSweep) -> int:
    """Return the number of tasks of a resolved recipe."""
    return recipe.chains * sum(len(recipe.temperatures(L)) for L in recipe.L)


def seconds_per_cost(recipe: TemperatureSweep, tasks: Sequence[ChainTask]) -> float:
    """Return the seconds that one unit of a task's cost takes here, from short runs of the largest size."""
    task = max(tasks, key=lambda t: t.L)
    model, sampler = recipe.lattice(), algorithms()[recipe.algorithm]
    state = begin(task)
    interval = thermalise(sampler, model, task.T, state, 5)
    count = max(2, math.ceil(1e6 / task.L**2))
    began = time.perf_counter()
    rows = advance(sampler, model, task.T, state, count, interval)
    return (time.perf_counter() - began) / (task.L**2 * max(1.0, float(rows["work"].sum())))


def task_megabytes(recipe: TemperatureSweep, L: int) -> float:
    """Return the memory one task of a size takes."""
    return (32.0 * L**2 + 8.0 * recipe.measurements(L) * len(COLUMNS)) / 1e6


def file_megabytes(recipe: TemperatureSweep) -> float:
    """Return the size of the file before compression."""
    cells = 0.0
    for L in recipe.L:
        count = recipe.measurements(L)
        kept = count // recipe.snapshots if recipe.snapshots else 0
        cells += len(recipe.temperatures(L)) * (8 * len(STORED) * count + (1 + kept) * L * L)
    return recipe.chains * cells / 1e6
