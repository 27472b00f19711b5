"""Ladders of a temperature sweep: every task is the replicas of one size at all its temperatures."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from physnn.analysis.statistics.exchange import placed_for_acceptance, placed_for_flow
from physnn.samplers import State
from physnn.samplers.tempering import Ladder, LadderRows, advance_ladder, intervals_of, start_ladder
from physnn.samples.base import check_finite
from physnn.samples.tasks import Arrays, Checkpoint, Task
from physnn.samples.temperature.recipe import (
    PLACING_PILOTS,
    PlacedLadder,
    TemperatureStage,
    TemperatureSweep,
    algorithms,
    more_ladders,
)
from physnn.store.hdf5 import Group

if TYPE_CHECKING:
    from physnn.samples.temperature.work import TemperatureSample

BLOCK = 50
"""Measurements of the first block between two looks at the clock."""
FIRST_SITES = 10**8
"""Sites visited in such a block at most, about a tenth of a second, unless a single measurement visits more."""
BLOCK_SECONDS = 0.15
"""How long a block should take: a run that is told to stop waits little longer for its chains."""
LADDER_SWEEPS, LADDER_PART = 500, 4
"""A pilot of ladders takes the sweeps over `LADDER_PART`, but `LADDER_SWEEPS` if there are."""


def first_block(recipe: TemperatureSweep, L: int, replicas: int = 1) -> int:
    """Measurements before the first look at the clock: `BLOCK`, or fewer on large lattices, see `FIRST_SITES`."""
    sites = replicas * math.prod(recipe.shape(L)) * algorithms()[recipe.algorithm].interval
    return max(1, min(BLOCK, FIRST_SITES // sites))


def run_ladder(sample: TemperatureSample, task: Task, checkpoint: Checkpoint) -> Arrays:
    """Measurements and last state of a ladder, which goes on from a checkpoint."""
    recipe, T = sample.recipe, task["T"]
    names, model, sampler = recipe.stored(task.size), recipe.model_on(task.size), algorithms()[recipe.algorithm]
    run = LadderRun.resumed(task, names, checkpoint.arrays) if checkpoint.arrays else None
    if run is None:
        seeds = sample.seeds("tempering", task.size, *T, task["chain"])
        ladder = start_ladder(sampler, model, recipe.shape(task.size), T, seeds)
        run = LadderRun(task, names, ladder, intervals_of(sampler, model, T, ladder, recipe.thermalisation))
    dropped = math.ceil(recipe.thermalisation / sampler.interval)
    block, total = first_block(recipe, task.size, len(T)), recipe.measurements(task.size)
    while (done := run.ladder.exchanges - dropped) < total:
        count, every = sample.next_block(block, done, total) if done >= 0 else (min(block, -done), 0)
        began = time.monotonic()
        rows = advance_ladder(sampler, model, T, run.ladder, count, run.intervals, every)
        if done >= 0:
            run.add(rows, done)
        block = max(1, int(block * min(4.0, BLOCK_SECONDS / max(time.monotonic() - began, 1e-3))))
        checkpoint.note((done + count + dropped) / (total + dropped))
        if done + count < total and checkpoint.due():
            checkpoint.save(run.arrays())
    return run.arrays()


@dataclass
class LadderRun:
    """A ladder under way: its state, and what it has measured so far in blocks by temperature."""

    task: Task
    names: tuple[str, ...]
    ladder: Ladder
    intervals: np.ndarray
    blocks: list[dict[str, np.ndarray]] = field(default_factory=list)
    updates: np.ndarray | int = 0

    def add(self, rows: LadderRows, done: int) -> None:
        """Keep a block of measurements; raises NotFinite if one is not a number."""
        columns = dict(zip(rows.columns, np.moveaxis(rows.values, 2, 0), strict=True))
        where = f"L = {self.task.size}, ladder {self.task['chain']}"
        check_finite(columns, where, "measurement", done)
        kept = {name: columns[name] for name in self.names}
        self.blocks.append(kept | {"replica": rows.replicas, "snapshots": rows.snapshots})
        sites = math.prod(self.ladder.states[0].shape)
        # Integers, so that they do not depend on how the ladder was cut.
        self.updates = self.updates + np.rint(columns["work"].sum(1) * sites).astype(np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """Measurements and state by name, all in the order of temperatures."""
        states = [self.ladder.states[r].arrays() for r in self.ladder.place]
        found = {f"state_{name}": np.stack([state[name] for state in states]) for name in states[0]}
        for name in (*self.names, "replica", "snapshots"):
            values = [block[name] for block in self.blocks if name in block and block[name].shape[1]]
            found |= {name: np.concatenate(values, axis=1)} if values else {}
        return found | {
            "state_replica": self.ladder.place.astype(np.int16),
            "state_swaps": self.ladder.swaps.copy(),
            "state_exchanges": np.array(self.ladder.exchanges),
            "interval": self.intervals,
            "updates": np.zeros(len(states), np.int64) + self.updates,
        }

    @classmethod
    def resumed(cls, task: Task, names: tuple[str, ...], kept: Arrays) -> LadderRun:
        """Ladder that a checkpoint holds."""
        own = ("state_replica", "state_swaps", "state_exchanges")
        of_states = [name for name in kept if name.startswith("state_") and name not in own]
        place = np.array(kept["state_replica"], np.int64)
        states = [
            State.from_arrays({name.removeprefix("state_"): kept[name][k] for name in of_states})
            for k in np.argsort(place)
        ]
        rows = {name: np.array(kept[name]) for name in (*names, "replica", "snapshots") if name in kept}
        ladder = Ladder(states, place, np.array(kept["state_swaps"]), int(kept["state_exchanges"]))
        intervals = np.array(kept["interval"], np.int64)
        return cls(task, names, ladder, intervals, [rows] if rows else [], np.array(kept["updates"]))


def ladder_pilot(recipe: TemperatureSweep) -> tuple[TemperatureSweep, TemperatureStage]:
    """Recipe of a pilot of the ladders that are not placed yet, and its record."""
    assert recipe.sweeps is not None
    sizes = recipe.unplaced
    least = min(recipe.ladder(L).rounds for L in sizes)
    sizes = tuple(L for L in sizes if recipe.ladder(L).rounds == least)
    sweeps = min(recipe.sweeps, max(LADDER_SWEEPS, math.ceil(recipe.sweeps / LADDER_PART)))
    update = {"L": sizes, "sweeps": sweeps, "tempering": "given", "snapshots": 0}
    names = ", ".join(map(str, sizes))
    why = f"pilot {least + 1} of the ladders of L = {names}"
    return recipe.model_copy(update=update), TemperatureStage(T=recipe.T, sweeps=sweeps, why=why)


def ladder_pilots(recipe: TemperatureSweep) -> list[tuple[TemperatureSweep, TemperatureStage]]:
    """Recipes and records of all pilots to come, as if none moved a temperature: that changes no cost."""
    found = []
    while recipe.unplaced:
        found.append(ladder_pilot(recipe))
        sizes = found[-1][0].L
        moved = [PlacedLadder(L=L, T=recipe.temperatures(L), rounds=recipe.ladder(L).rounds + 1, why="") for L in sizes]
        left = tuple(ladder for ladder in recipe.ladders if ladder.L not in sizes)
        recipe = recipe.model_copy(update={"ladders": more_ladders(left, tuple(moved))})
    return found


def placed_ladders(recipe: TemperatureSweep, groups: Mapping[int, Group]) -> TemperatureSweep:
    """Recipe with the ladders that follow from the groups of a pilot."""
    found = []
    for L, group in groups.items():
        T, sites = group["T"].values, math.prod(recipe.shape(L))
        rounds = recipe.ladder(L).rounds + 1
        shares = group["flow"].values
        known = np.isfinite(shares).sum(1)
        flow = np.where(np.isfinite(shares), shares, 0).sum(1) / np.maximum(known, 1)
        trips = int(group["round_trips"].values.sum())
        if rounds <= PLACING_PILOTS["acceptance"]:
            T, why = placed_for_acceptance(T, sites * group["energy"].values.mean((1, 2))), "equal acceptance"
        elif trips and known.all():
            T, why = placed_for_flow(T, flow), f"feedback from {trips} round trips"
        else:
            why = "no feedback, for no replica made a round trip"
        # Few digits, so that a ladder does not hang on rounding; the ends are those that were given.
        inner = [float(f"{t:.6g}") for t in T[1:-1]]
        distinct = tuple(sorted({float(T[0]), *inner, float(T[-1])}))
        found.append(PlacedLadder(L=L, T=distinct, rounds=rounds, why=why))
    left = tuple(ladder for ladder in recipe.ladders if ladder.L not in groups)
    return recipe.model_copy(update={"ladders": more_ladders(left, tuple(found))})
