"""Tasks of a sample: their place in the arrays, what they measure, what they take, and their state on the disk.

Shards: one run of a job array does its share of them, with no word to the others but through the folder.  Every shard
deals out the same tasks in the same way, so that they need not agree on anything.  The last one to finish puts the file
together.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physnn.errors import InputError
from physnn.jobs.progress import Note, write_note
from physnn.jobs.stopping import Checkpoints
from physnn.store.hdf5 import Variable
from physnn.store.parts import read_checkpoint, write_part

Arrays = Mapping[str, np.ndarray]
WORD = 8.0
"""Bytes of a number in a file, at most."""
Results = Mapping[str, Arrays]
"""Arrays of finished tasks, by task key."""
GROUPS_ENOUGH = 8
"""Groups per shard from which on tasks that share their preparation stay together."""


@dataclass(frozen=True)
class Axis:
    """Values along an axis of the arrays, or how many numbers 0, 1, 2, ... there are; with a meaning it is stored."""

    values: Sequence[Any] | int
    symbol: str = ""
    unit: str = ""
    meaning: str = ""

    def __len__(self) -> int:
        return self.values if isinstance(self.values, int) else len(self.values)

    def numbers(self) -> Sequence[Any]:
        """Values along the axis."""
        return range(self.values) if isinstance(self.values, int) else self.values

    def variable(self, name: str) -> Variable:
        """Coordinate of a file."""
        values = [v.encode() if isinstance(v, str) else v for v in self.numbers()]
        return Variable((name,), np.array(values), _attributes(self.symbol, self.unit, self.meaning))


@dataclass(frozen=True)
class Measured:
    """A quantity that tasks measure: symbol, unit, meaning, axes along which it is kept, bytes of a number at most."""

    symbol: str
    unit: str
    meaning: str
    axes: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    width: float = WORD

    def attributes(self) -> dict[str, Any]:
        """Attributes in a file."""
        return _attributes(self.symbol, self.unit, self.meaning) | dict(self.attrs)


def _attributes(symbol: str, unit: str, meaning: str) -> dict[str, Any]:
    found = {"symbol": symbol, "units": unit, "long_name": meaning}
    return {name: text for name, text in found.items() if text}


class Resources(NamedTuple):
    """Memory that a task takes, in bytes, and its operations."""

    bytes: float
    operations: float


@dataclass(frozen=True)
class Task:
    """One piece of work: its place in the arrays by size and values along axes, its name, and what it costs."""

    size: Any
    at: Mapping[str, Any]
    key: str
    cost: float
    label: str
    group: str

    def __getitem__(self, axis: str) -> Any:
        """Value along an axis, or all of them where the task has several."""
        return self.at[axis]


@dataclass(frozen=True)
class Batch:
    """Tasks that run together."""

    tasks: tuple[Task, ...]

    @property
    def key(self) -> str:
        """Stable name: a hash of the names of the tasks; no part has it."""
        return hashlib.sha256("".join(task.key for task in self.tasks).encode()).hexdigest()[:24]

    @property
    def cost(self) -> float:
        """Operations."""
        return sum(task.cost for task in self.tasks)


class Checkpoint:
    """State of a task on the disk, and when it is due; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._when = Checkpoints()
        self._note = Note(path) if path else None
        self.arrays = read_checkpoint(path) if path else None

    @property
    def finished(self) -> bool:
        """Whether the task is done."""
        return self.arrays is not None and not int(self.arrays.get("unfinished", 0))

    def due(self) -> bool:
        """Whether to save the state now; raises Stopped once that is done and the run stops."""
        return self.path is not None and self._when.due()

    def save(self, arrays: Arrays) -> None:
        """Keep a state from which the task can go on: `arrays` of the next attempt."""
        if self.path:
            write_part(self.path, {**arrays, "unfinished": np.array(1)}, keep_previous=True)

    def finish(self, arrays: Arrays) -> None:
        """Keep the result."""
        if self.path:
            write_part(self.path, {**arrays, "unfinished": np.array(0)})

    def begins(self, text: str) -> None:
        """Show what a task does before it has anything to count."""
        if self.path:
            write_note(self.path, 0.0, text)

    def note(self, share: float, text: str = "") -> None:
        """Show how much is done, from 0 to 1."""
        if self._note:
            self._note(share, text)


@dataclass(frozen=True)
class Shard:
    """Number ``index`` (from 0) of ``count`` shares of a sample."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def share(self, tasks: Sequence[Task]) -> list[Task]:
        """Tasks of this shard in their order; all shards together have each task once, and about equal costs."""
        groups: dict[str, list[Task]] = {}
        for task in tasks:
            groups.setdefault(task.group or task.key, []).append(task)
        if len(groups) < GROUPS_ENOUGH * self.count:
            groups = {task.key: [task] for task in tasks}
        costs = {name: sum(task.cost for task in group) for name, group in groups.items()}
        loads = [0.0] * self.count
        mine: set[str] = set()
        # The largest first, each to whom has least; equal ones by name, which is a hash.
        for name in sorted(groups, key=lambda name: (-costs[name], name)):
            poorest = loads.index(min(loads))
            loads[poorest] += costs[name]
            if poorest == self.index:
                mine.update(task.key for task in groups[name])
        return [task for task in tasks if task.key in mine]


def parse_shard(text: str) -> Shard:
    """Shard that ``i/n`` names, i from 0 to n - 1; raises InputError if there is none."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not int(found[1]) < int(found[2]):
        raise InputError(f"--shard is i/n with i from 0 to n - 1, as in 0/4, not {text[:30]!r}")
    return Shard(int(found[1]), int(found[2]))
