"""Loss levels of +-1 networks by brute force, in parts."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from physnn.exact.landscape import Landscape
from physnn.exact.signs.brute import BIN_COLUMNS, BRUTE_FORCE, Tally, joined, landscape_of, step_numbers, tallies
from physnn.samples.landscape.recipe import SignCount, table_bytes
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Results, Task
from physnn.store.hdf5 import Group, Variable
from physnn.store.sweep_file import read_sweep

LEAST_PARTS = 16
"""Parts of a small count: as many as a machine has cores, about."""
PART_STATES = 2**28
"""Configurations of a part of a large one: seconds with scalar products, five minutes without."""


class SignCountSample(Sample):
    """Loss levels of a +-1 network by brute force: every part of the configurations is a task."""

    Recipe = SignCount
    recipe: SignCount
    advice = "fewer --points or smaller --layers"

    def axes(self, size: int) -> dict[str, Axis]:
        """Parts of the configurations, as many for any number of workers."""
        steps, each = step_numbers(self.recipe.network)
        return {"part": Axis(min(steps, max(LEAST_PARTS, steps * each // PART_STATES)))}

    def quantities(self, size: int) -> dict[str, Measured]:
        """Levels and counts."""
        return {
            "loss": Measured("", self.recipe.loss, "loss of a level", ("level",)),
            "count": Measured("g", "", "configurations on the level", ("level",)),
        }

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of the tables of units, and configurations."""
        recipe = self.recipe
        tables = table_bytes(recipe.layers, recipe.points)
        return Resources(tables, 2.0**size / len(self.axes(size)["part"]))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Bins of the loss of one part: number, configurations, least and largest loss."""
        recipe, before = self.recipe, checkpoint.arrays
        steps, _ = step_numbers(recipe.network)
        first, last = (k * steps // len(self.axes(task.size)["part"]) for k in (task["part"], task["part"] + 1))
        resume = None if before is None else _tally(before)
        for done, counted in tallies(recipe.network, recipe.problem, first, last, resume=resume):
            checkpoint.note((done - first) / (last - first))
            if done < last and checkpoint.due():
                checkpoint.save(_columns(counted()))
        return _columns(counted())

    def assemble(self, size: int, results: Results) -> dict[str, Variable]:
        """Levels of all parts together; raises InputError if they lie too close to be told apart."""
        tally = functools.reduce(lambda a, b: joined([a, b]), (_tally(results[t.key]) for t in self.tasks_of(size)))
        found = landscape_of(self.recipe.network, tally)
        values = {"loss": found.levels, "count": found.counts.astype(np.int64)}
        return {name: Variable(q.axes, values[name], q.attributes()) for name, q in self.quantities(size).items()}

    def disassemble(self, groups: Mapping[Any, Group]) -> Iterator[tuple[str, Arrays]]:
        """Keys of all tasks, each without arrays: a count is whole, and nothing is ever added to it."""
        return ((task.key, {}) for task in self.tasks())

    def seconds_per_operation(self) -> float:
        """Seconds for one configuration, from the beginning of the count."""
        network, clock = self.recipe.network, [(0, time.perf_counter())]
        steps, each = step_numbers(network)
        with closing(tallies(network, self.recipe.problem, 0, steps)) as running:
            clock += [(done, time.perf_counter()) for done, _ in itertools.islice(running, 3)]
        (a, began), (b, ended) = clock[-2:]
        return (ended - began) / ((b - a) * each)


def _tally(arrays: Arrays) -> Tally:
    return Tally(int(arrays["done"]), *(arrays[name] for name in BIN_COLUMNS))


def _columns(tally: Tally) -> dict[str, np.ndarray]:
    return {name: np.asarray(getattr(tally, name)) for name in ("done", *BIN_COLUMNS)}


def counted_signs(out: Path) -> Landscape:
    """Landscape of a file that `SignCountSample` wrote."""
    ((weights, group),) = read_sweep(out).sizes.items()
    return Landscape.build(weights, group["loss"].values, group["count"].values, BRUTE_FORCE)
