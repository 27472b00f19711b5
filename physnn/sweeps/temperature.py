"""Temperature sweeps of lattice models: recipe, tasks (one Markov chain each) and assembly.

A chain depends on its recipe and not on where it was cut: its state is kept in the file, so that a longer run
continues it bit for bit.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from physnn import rng
from physnn.errors import InputError
from physnn.models import QUANTITIES, Ising, Potts
from physnn.samplers import COLUMNS, SAMPLERS, State, advance, start, thermalise
from physnn.store.hdf5 import Variable
from physnn.store.parts import read_part, write_part
from physnn.sweeps.preflight import check_bytes

STORED = ("energy", "m", "structure_x", "structure_y")
"""Columns of measurements that are kept; m2 and m4 follow from m."""
DIMENSIONS = {
    ("state_colours", 2): ("row", "column"),
    ("state_generator", 1): ("word",),
    ("state_generator", 3): ("block", "word", "lane"),
    ("snapshots", 3): ("snapshot", "row", "column"),
}
"""Dimensions of a chain's arrays by name and number of dimensions."""
CHECKPOINT = 10.0
"""Seconds between checkpoints of a chain."""
BLOCK = 200
"""Measurements of the first block between two looks at the clock."""
Temperature = Annotated[float, Field(gt=0, le=1e6)]


class TemperatureSweep(BaseModel):
    """The recipe of a temperature sweep.

    Without ``T`` every size has ``points`` temperatures of its own, T = T_0 (1 + u/L) with u evenly spaced in
    (-``window``, ``window``); T_0 is the critical temperature rounded to two places.  Measurements are about a sweep
    apart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["temperature"] = "temperature"
    L: Annotated[tuple[Annotated[int, Field(ge=2, le=2**15)], ...], Field(min_length=1)] = (16, 32, 64, 128)
    T: tuple[Temperature, ...] | None = None
    points: Annotated[int, Field(ge=2, le=1000)] = 13
    window: Annotated[float, Field(gt=0, le=1e3)] = 1.2
    model: Literal["ising", "potts"] = "ising"
    q: Annotated[int, Field(ge=2, le=4)] = 3
    coupling: float = 1.0
    field: float = 0.0
    algorithm: str = "wolff"
    sweeps: Annotated[int, Field(ge=1, le=10**9)] = 6000
    thermalisation: Annotated[int, Field(ge=0, le=10**9)] = 400
    chains: Annotated[int, Field(ge=1, le=10**4)] = 4
    snapshots: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("L", "T")
    @classmethod
    def _distinct(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    def lattice(self) -> Ising | Potts:
        """Return the model."""
        return Ising(self.coupling, self.field) if self.model == "ising" else Potts(self.q, self.coupling)

    def temperatures(self, L: int) -> tuple[float, ...]:
        """Return the temperatures of one size."""
        if self.T is not None:
            return self.T
        middle = round(self.lattice().critical_temperature, 2)
        u = np.linspace(-self.window, self.window, self.points)
        return tuple(float(f"{T:.12g}") for T in middle * (1 + u / L))

    def resolved(self) -> TemperatureSweep:
        """Return the recipe after checking that the algorithm serves the model at every size and temperature.

        Raises
        ------
        InputError
            If it does not, or the model has no transition to put temperatures around.
        """
        model = self.lattice()
        if self.model == "potts" and self.field:
            raise InputError("the field belongs to the Ising model; leave --field out or use --model ising")
        if self.T is None and (model.critical_temperature <= 0 or self.field):
            raise InputError("without a transition there are no default temperatures; give them with --T")
        if self.algorithm not in SAMPLERS:
            raise InputError(f"there is no algorithm {self.algorithm!r}; choose one of {', '.join(SAMPLERS)}")
        for L in self.L:
            for T in (min(self.temperatures(L)), max(self.temperatures(L))):
                if T <= 0:
                    raise InputError(f"the window reaches below T = 0 at L = {L}; make it smaller, or give --T")
                SAMPLERS[self.algorithm].check(model, (L, L), T)
        return self

    def canonical(self) -> dict[str, Any]:
        """Return the recipe as plain data for JSON."""
        return self.model_dump(mode="json")

    @property
    def components(self) -> int:
        """Number n of components of the order parameter: 1 for Ising, q - 1 for Potts."""
        return 1 if self.model == "ising" else self.q - 1

    @property
    def undecided(self) -> bool:
        """Whether a pilot must decide what to measure."""
        return False

    @property
    def stages(self) -> tuple[Any, ...]:
        """Stages that were decided."""
        return ()


Recipe = TemperatureSweep


class ChainTask(BaseModel):
    """One chain; what a worker gets."""

    model_config = ConfigDict(frozen=True)

    recipe: TemperatureSweep
    L: int
    T: float
    chain: int

    @property
    def key(self) -> str:
        """Stable name of the task: a hash of what the chain depends on, and of its length."""
        own = {"L": self.L, "T": self.T, "chain": self.chain}
        dropped = {"L", "T", "points", "window", "chains", "kind"} | ({"q"} if self.recipe.model == "ising" else set())
        text = json.dumps(own | {"recipe": self.recipe.model_dump(mode="json", exclude=dropped)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def cost(self) -> float:
        """Work, in updates of one site."""
        return float(self.L**2 * (self.recipe.sweeps + self.recipe.thermalisation))


def tasks_of(recipe: TemperatureSweep) -> list[ChainTask]:
    """Return all tasks of a recipe, the largest sizes first."""
    return [
        ChainTask(recipe=recipe, L=L, T=T, chain=chain)
        for L in reversed(recipe.L)
        for T, chain in itertools.product(recipe.temperatures(L), range(recipe.chains))
    ]


def work(task: ChainTask, path: Path, context: Mapping[str, Any]) -> None:
    """Run the chain of a task, or continue it from the checkpoint at ``path``, and leave its part there."""
    recipe, model, sampler = task.recipe, task.recipe.lattice(), SAMPLERS[task.recipe.algorithm]
    if path.exists():
        kept = read_part(path)
        state = State.from_arrays({k.removeprefix("state_"): v for k, v in kept.items() if k.startswith("state_")})
        interval, values, snapshots = int(kept["interval"]), [kept["values"]], [kept["snapshots"]]
    else:
        state = begin(task)
        interval = thermalise(sampler, model, task.T, state, recipe.thermalisation)
        values, snapshots = [np.empty((0, len(COLUMNS)))], [np.empty((0, task.L, task.L), np.int8)]
    done, block, last = len(values[0]), BLOCK, time.monotonic()
    every = recipe.snapshots
    while done < recipe.sweeps:
        # With snapshots a block is a multiple of their distance, so that they do not depend on where blocks end.
        block = max(every, block // every * every) if every else block
        began = time.monotonic()
        rows = advance(sampler, model, task.T, state, min(block, recipe.sweeps - done), interval, every)
        values.append(rows.values)
        snapshots.append(rows.snapshots)
        done += len(rows.values)
        block = max(1, int(block * min(4.0, 0.5 / max(time.monotonic() - began, 1e-3))))
        if time.monotonic() - last > CHECKPOINT and done < recipe.sweeps:
            _leave(path, state, interval, values, snapshots, unfinished=True)
            last = time.monotonic()
    _leave(path, state, interval, values, snapshots, unfinished=False)


def begin(task: ChainTask) -> State:
    """Return the first state of a task's chain."""
    recipe = task.recipe
    what = [recipe.model, recipe.q if recipe.model == "potts" else 2, recipe.coupling, recipe.field, recipe.algorithm]
    seeds = rng.seed_sequence(recipe.seed, "chain", *what, task.L, task.T, task.chain)
    return start(SAMPLERS[recipe.algorithm], recipe.lattice(), (task.L, task.L), task.T, seeds)


def _leave(
    path: Path, state: State, interval: int, values: list[np.ndarray], snapshots: list[np.ndarray], unfinished: bool
) -> None:
    arrays = {f"state_{name}": array for name, array in state.arrays().items()}
    arrays |= {"values": np.concatenate(values), "snapshots": np.concatenate(snapshots)}
    write_part(path, arrays | {"interval": np.array(interval), "unfinished": np.array(int(unfinished))})


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
        found = [
            [results[ChainTask(recipe=recipe, L=L, T=T, chain=chain).key] for chain in range(recipe.chains)]
            for T in grid
        ]
        values = np.array([[arrays["values"] for arrays in row] for row in found])
        group = {
            "T": Variable(("T",), np.array(grid), {"symbol": "T", "units": "J/k_B", "long_name": "temperature"}),
            "chain": Variable(("chain",), np.arange(recipe.chains), {"long_name": "number of the Markov chain"}),
            "measurement": Variable(("measurement",), np.arange(recipe.sweeps), {"long_name": "number in the chain"}),
        }
        for name in STORED:
            group[name] = Variable(
                ("T", "chain", "measurement"), values[..., COLUMNS.index(name)], _attributes(name, recipe)
            )
        # An integer, so that it does not depend on how the chain was cut.
        sites = np.rint(values[..., COLUMNS.index("work")].sum(2) * L * L).astype(np.int64)
        group["updates"] = Variable(("T", "chain"), sites, {"units": "1", "long_name": "updates of single sites"})
        intervals = np.array([[int(arrays["interval"]) for arrays in row] for row in found])
        group["interval"] = Variable(
            ("T", "chain"), intervals, {"units": "1", "long_name": "updates between measurements"}
        )
        for name in sorted(n for n in found[0][0] if n.startswith("state_") or n == "snapshots"):
            stacked = np.array([[arrays[name] for arrays in row] for row in found])
            if stacked.size:
                group[name] = Variable(
                    ("T", "chain", *DIMENSIONS[name, stacked.ndim - 2]),
                    stacked,
                    {"long_name": f"{name.replace('_', ' ')} of the chain"},
                )
        sizes[L] = group
    return sizes


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
            values = np.zeros((recipe.sweeps, len(COLUMNS)))
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
    if recipe.sweeps > old.sweeps:
        for task in tasks_of(recipe):
            arrays = done.get(task.model_copy(update={"recipe": old}).key)
            if arrays is not None:
                yield task.key, {**arrays, "unfinished": np.array(1)}


def merged(old: TemperatureSweep, new: TemperatureSweep, extend: bool) -> TemperatureSweep:
    """Return the recipe to run where ``old`` is on the disk and ``new`` is asked for.

    Raises
    ------
    InputError
        If they differ and ``extend`` is off, or differ in more than sizes, temperatures, chains and sweeps.
    """
    extendable: dict[str, Any] = {
        "L": tuple(sorted({*old.L, *new.L})),
        "T": tuple(sorted({*old.T, *new.T})) if old.T is not None and new.T is not None else old.T,
        "chains": max(old.chains, new.chains),
        "sweeps": max(old.sweeps, new.sweeps),
    }
    before, after = old.canonical(), new.canonical()
    different = [name for name in before if before[name] != after[name]]
    fixed = [n for n in different if n not in extendable or (n == "T" and (old.T is None or new.T is None))]
    if fixed or (different and not extend):
        advice = "use --restart to begin anew, or another --out" if fixed else "add --extend to add to it, or --restart"
        name = (fixed or different)[0]
        change = f"{name} {json.dumps(before[name])}, now {json.dumps(after[name])}"
        raise InputError(f"the file holds another recipe ({change}): {advice}")
    return old.model_copy(update=extendable) if different else old


def need(recipe: TemperatureSweep, jobs: int) -> float:
    """Return the bytes a recipe needs at most; raises InputError if this machine does not have them."""
    states = jobs * (2e8 + 32.0 * max(recipe.L) ** 2)
    return check_bytes(
        states + 3e6 * file_megabytes(recipe), "fewer or smaller --L, fewer --sweeps or --chains, or fewer --jobs"
    )


def seconds_per_cost(recipe: TemperatureSweep, tasks: Sequence[ChainTask]) -> float:
    """Return the seconds that one unit of a task's cost takes here, from short runs of the largest size."""
    task = max(tasks, key=lambda t: t.L)
    model, sampler = recipe.lattice(), SAMPLERS[recipe.algorithm]
    state = begin(task)
    interval = thermalise(sampler, model, task.T, state, 5)
    count = max(2, math.ceil(1e6 / task.L**2))
    began = time.perf_counter()
    rows = advance(sampler, model, task.T, state, count, interval)
    return (time.perf_counter() - began) / (task.L**2 * max(1.0, float(rows["work"].sum())))


def task_megabytes(recipe: TemperatureSweep, L: int) -> float:
    """Return the memory one task of a size takes."""
    return (32.0 * L**2 + 8.0 * recipe.sweeps * len(COLUMNS)) / 1e6


def file_megabytes(recipe: TemperatureSweep) -> float:
    """Return the size of the file before compression."""
    kept = recipe.sweeps // recipe.snapshots if recipe.snapshots else 0
    cells = [len(recipe.temperatures(L)) * (8 * len(STORED) * recipe.sweeps + (1 + kept) * L * L) for L in recipe.L]
    return float(recipe.chains * sum(cells) / 1e6)
