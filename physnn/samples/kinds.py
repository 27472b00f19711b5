"""Kinds of sweeps: what a module offers that defines one, and the modules there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel

from physnn.samples.equilibrium import work as equilibrium
from physnn.samples.memory import work as memory
from physnn.samples.noise import work as noise
from physnn.samples.temperature import work as temperature
from physnn.store.hdf5 import Variable

Results = Mapping[str, Mapping[str, Any]]
"""Arrays of finished tasks, by task key."""


class Kind(Protocol):
    """What a module offers that defines a kind of sweep."""

    Recipe: type[BaseModel]

    def tasks_of(self, recipe: Any) -> list[Any]:
        """All tasks of a recipe."""

    def work(self, task: Any, path: Path, context: Mapping[str, Any]) -> None:
        """Do one task and write its part; runs in a worker."""

    def context(self, recipe: Any) -> dict[str, Any]:
        """What `work` needs besides the task."""

    def assemble(self, recipe: Any, results: Results) -> dict[int, dict[str, Variable]]:
        """The groups of the file from the arrays of all tasks."""

    def disassemble(self, recipe: Any, sizes: Mapping[int, Mapping[str, Variable]]) -> Iterator[tuple[str, Any]]:
        """(task key, arrays) of every task of a finished file."""

    def merged(self, old: Any, new: Any, extend: bool) -> Any:
        """The recipe to run where another one is on the disk."""

    def continued(self, old: Any, recipe: Any, done: Results) -> Iterator[tuple[str, Any]]:
        """(task key, checkpoint) of tasks that a shorter recipe has begun."""

    def pilot(self, recipe: Any) -> tuple[Any, Any]:
        """The first stage of an undecided recipe, and its record."""

    def decided(self, recipe: Any, results: Results) -> Any:
        """An undecided recipe with what follows from its pilot."""

    def need(self, recipe: Any, jobs: int) -> float:
        """Bytes needed at most; an InputError where they are not there."""

    def seconds_per_cost(self, recipe: Any, tasks: Sequence[Any]) -> float:
        """Seconds for one unit of cost, measured."""

    def task_megabytes(self, recipe: Any, L: int) -> float:
        """Memory of one task."""

    def file_megabytes(self, recipe: Any) -> float:
        """Size of the file."""

    def task_count(self, recipe: Any) -> int:
        """Number of tasks, without making them."""


KINDS: dict[str, Kind] = {
    "noise": cast(Kind, noise),
    "temperature": cast(Kind, temperature),
    "equilibrium": cast(Kind, equilibrium),
    "memory": cast(Kind, memory),
}
"""Kinds of sweeps by the name in their recipe."""
