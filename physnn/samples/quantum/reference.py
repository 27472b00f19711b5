"""World lines of Ising spins in a transverse field at several sizes and fields: every task is a Markov chain.

A chain depends on its recipe and not on where it was cut: its state is kept in the file, so that a longer run
continues it bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn import rng
from physnn.samplers.quantum.world_lines import (
    KINK_QUANTITIES,
    WORLD_QUANTITIES,
    WorldLines,
    lines_begin,
    move_lines,
    world_columns,
)
from physnn.samples.base import check_finite
from physnn.samples.quantum.reference_recipe import PathIntegral
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Results, Task
from physnn.store.hdf5 import Variable

MOVE_SECONDS = 0.5
"""How long a block of measurements should take: a run that is told to stop waits little longer."""
BYTES_OF_A_CUT = 60.0
"""Memory of an interval with what is added up of it, and of a kink with its copy in a checkpoint."""
SINGLE = ("m", "m_time")
"""Columns that are kept of the last of several updates: their distribution is wanted, of others the mean alone."""
STATE = ("spins", "offsets", "kinks", "generator", "pairs")
"""Arrays of a state."""
CUTS_OF_A_LINE = 2.0
"""Cuts of a world line at most, in h beta: those that are drawn, and kinks."""


class PathIntegralSample(Sample):
    """World lines at several sizes and transverse fields."""

    Recipe = PathIntegral
    recipe: PathIntegral
    advice = "fewer or smaller --L, a smaller --beta-per-L, fewer --sweeps or --chains, or fewer --jobs"

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        return {
            "h": Axis(self.recipe.fields(size), "h", "J", "transverse field"),
            "chain": Axis(self.recipe.chains, meaning="number of the Markov chain"),
            "measurement": Axis(self.recipe.sweeps, meaning="number in the chain"),
            "distance": Axis(size // 2 + 1, "r", "lattice constants", "distance along an axis"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that chains of a size measure by name, and their states."""
        chain, model = ("h", "chain"), self.recipe.model_at(size, 1.0)
        found = {}
        for name in world_columns(model, self.recipe.slopes):
            column = (WORLD_QUANTITIES | KINK_QUANTITIES)[name]
            attrs = {"sites": model.N, "beta": self.recipe.inverse_temperature(size)} if name == "energy" else {}
            found[name] = Measured(column.symbol, column.unit, column.meaning, (*chain, "measurement"), attrs)
        text = "two-point function of s^z at one imaginary time, mean over the measurements and all signs of clusters"
        found["correlation"] = Measured("G(r)", "1", text, (*chain, "distance"))
        found["state_spins"] = Measured("s^z", "1", "state: spins at imaginary time 0", (*chain, "site"), width=1.0)
        found["state_offsets"] = Measured("", "", "state: first kink of every site", (*chain, "line"))
        at = "state: imaginary times of the kinks, site by site; 0 behind the last one"
        cuts = CUTS_OF_A_LINE * model.N * self.recipe.inverse_temperature(size) * max(self.recipe.fields(size))
        width = 8.0 * max(1.0, cuts)  # an axis whose length is that of the longest chain
        found["state_kinks"] = Measured("t", "1/J", at, (*chain, "kink"), width=width)
        found["state_generator"] = Measured("", "", "state generator of the chain", (*chain, "word"))
        sums = "state: sums of the two-point function by distance, and number of measurements"
        found["state_pairs"] = Measured("", "", sums, (*chain, "sum"))
        return found

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a chain, and what its updates and measurements visit."""
        recipe = self.recipe
        model, beta = recipe.model_at(size, at["h"]), recipe.inverse_temperature(size)
        cuts = CUTS_OF_A_LINE * model.N * (1 + beta * at["h"])
        visits = cuts * (1 + len(model.terms.bonds) / model.N)
        columns = 2 * 8.0 * len(world_columns(model, recipe.slopes)) * recipe.sweeps
        return Resources(
            BYTES_OF_A_CUT * cuts + 300.0 * model.N + columns,
            visits * (recipe.sweeps * recipe.average(size) + recipe.thermalisation),
        )

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Measurements and state of a chain, which goes on from a checkpoint or from a shorter chain."""
        recipe, model = self.recipe, self.recipe.model_at(task.size, task["h"])
        beta, columns = recipe.inverse_temperature(task.size), world_columns(model, recipe.slopes)
        kept, average = checkpoint.arrays, recipe.average(task.size)
        total = recipe.sweeps * average + recipe.thermalisation
        if kept is None:
            words = recipe.model, recipe.dimension, recipe.open, beta, task.size, task["h"], task["chain"]
            sequence = rng.seed_sequence(recipe.seed, "chain", "path-integral", *words)
            state, blocks, updates = lines_begin(model, sequence), [np.empty((0, len(columns)))], 0
        else:
            state = WorldLines.of({name: kept[f"state_{name}"] for name in STATE})
            blocks = [np.stack([np.asarray(kept[name], float) for name in columns], axis=1)]
            updates = int(kept.get("state_updates", recipe.thermalisation + average * len(blocks[0])))
        block = 1
        while updates < total:
            began, warm = time.perf_counter(), recipe.thermalisation - updates
            if warm > 0:
                count = min(block, warm)
                move_lines(model, beta, state, 1, count)
                state.pairs[:] = 0
            else:
                done = -warm // average
                count = average * min(max(1, block // average), recipe.sweeps - done)
                blocks.append(_means(move_lines(model, beta, state, count, slopes=recipe.slopes), columns, average))
                where = f"L = {task.size}, h = {task['h']:g}, chain {task['chain']}"
                check_finite(dict(zip(columns, blocks[-1].T, strict=True)), where, "measurement", done)
            updates += count
            checkpoint.note(updates / total)
            if updates < total and checkpoint.due():
                checkpoint.save(_arrays(columns, blocks, state) | {"state_updates": np.array(updates)})
            block = max(1, int(count * min(4.0, MOVE_SECONDS / max(time.perf_counter() - began, 1e-6))))
        return _arrays(columns, blocks, state)

    def assemble(self, size: int, results: Results) -> dict[str, Variable]:
        """Group of a size; kinks of all chains are as long as those of the longest one."""
        most = max(np.asarray(results[task.key]["state_kinks"]).shape[-1] for task in self.tasks_of(size))
        return super().assemble(size, _Padded(results, most))

    def disassemble(self, groups: Mapping[Any, Mapping[str, Variable]]) -> Iterator[tuple[str, Arrays]]:
        """Key and arrays of every task; kinks end where they end."""
        for key, arrays in super().disassemble(groups):
            found = dict(arrays)
            if "state_kinks" in found:
                found["state_kinks"] = found["state_kinks"][: found["state_offsets"][-1]]
            yield key, found

    def short(self) -> PathIntegralSample:
        """Two short chains of the largest size."""
        L = max(self.recipe.L)
        h = self.recipe.fields(L)[-1]
        visits = self.recipe.model_at(L, h).N * self.recipe.inverse_temperature(L) * h * 4
        few = {"L": (L,), "h": (h,), "chains": 2, "thermalisation": 2, "sweeps": max(2, math.ceil(1e7 / visits))}
        return PathIntegralSample(self.recipe.model_copy(update=few))


def _means(rows: np.ndarray, columns: tuple[str, ...], average: int) -> np.ndarray:
    """Means of so many rows each; of `SINGLE` columns the last of them."""
    if average == 1:
        return rows
    groups = rows.reshape(-1, average, len(columns))
    found = groups.mean(1)
    single = [columns.index(name) for name in SINGLE]
    found[:, single] = groups[:, -1, single]
    return np.asarray(found)


def _arrays(columns: tuple[str, ...], blocks: list[np.ndarray], state: WorldLines) -> dict[str, np.ndarray]:
    """Measurements and state by name."""
    blocks[:] = [np.concatenate(blocks)]
    found = {name: np.ascontiguousarray(values) for name, values in zip(columns, blocks[0].T, strict=True)}
    state_arrays = {f"state_{name}": values for name, values in state.arrays().items()}
    return found | {"correlation": state.correlation} | state_arrays


@dataclass(frozen=True)
class _Padded(Mapping[str, Arrays]):
    """Results with zeros behind the kinks, up to some number of them; each is read when it is asked for."""

    results: Results
    most: int

    def __getitem__(self, key: str) -> Arrays:
        arrays = self.results[key]
        own = np.asarray(arrays["state_kinks"])
        return {**arrays, "state_kinks": np.pad(own, (0, self.most - len(own)))}

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)
