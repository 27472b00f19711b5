"""Tasks of a sample: their place in the arrays, what they measure, what they take, and their state on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physnn.jobs.progress import Note, write_note
from physnn.jobs.stopping import Checkpoints
from physnn.store.hdf5 import Variable
from physnn.store.parts import read_checkpoint, write_part

Arrays = Mapping[str, np.ndarray]
WORD = 8.0
"""Bytes of a number in a file, at most."""


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
