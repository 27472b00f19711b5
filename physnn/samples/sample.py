"""One contract for every sample: its tasks, their work, and how what they measure lies in a file."""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from physnn.errors import InputError
from physnn.machine import FOR_KERNELS, PART, PER_TASK, Footprint, check_bytes, check_seconds, sweep_disk
from physnn.samples.assembly import gathered, task_places
from physnn.samples.base import Recipe, longer
from physnn.samples.tasks import WORD, Arrays, Axis, Batch, Checkpoint, Measured, Resources, Results, Task
from physnn.store.hdf5 import Group, Variable
from physnn.store.sweep_file import FORMAT, read_sweep, write_sweep

OPERATIONS = 1e15
"""Operations per second that no machine of ours exceeds, to say what is beyond waiting for."""


class Sample:
    """A kind of sample with its resolved recipe.

    A kind says `axes`, `quantities`, `resources` and `run`; what else is here follows, or may be said otherwise.
    """

    Recipe: ClassVar[type[Recipe]]
    format: ClassVar[str] = FORMAT
    """Format of the files."""
    advice: ClassVar[str] = "fewer or smaller --L, or fewer --jobs"
    """What to take where memory is short."""
    footprint: ClassVar[Footprint] = FOR_KERNELS
    """Memory of the processes beside what tasks hold."""
    copies: ClassVar[float] = 3.0
    """Copies of the file in memory while it is put together, or read for its answer."""
    watched: ClassVar[bool] = False
    """Whether tasks are so few and long that their notes are shown while they run."""
    keeps: ClassVar[bool] = False
    """Whether `run` itself keeps its state at ``checkpoint.path``, and its result in the end."""
    carried: ClassVar[tuple[str, ...]] = ()
    """Cached properties that travel with a task to its worker."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.recipe,), {name: getattr(self, name) for name in self.carried}

    # What a kind says.

    def axes(self, size: Any) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        raise NotImplementedError

    def quantities(self, size: Any) -> Mapping[str, Measured]:
        """Quantities that tasks of a size may measure by name."""
        raise NotImplementedError

    def resources(self, size: Any, at: Mapping[str, Any]) -> Resources:
        """Memory and operations of a task."""
        raise NotImplementedError

    def cost(self, size: Any, at: Mapping[str, Any]) -> float:
        """Work of a task, in a unit that is the same for all tasks."""
        return self.resources(size, at).operations

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Arrays by name that a task measures; ``checkpoint.arrays`` is what an earlier attempt left, if it did.

        Every task returns the same ones, unless `owned` says otherwise, with the same types and lengths.
        """
        raise NotImplementedError

    # What a kind may say.

    def modules(self) -> tuple[str, ...]:
        """Modules of extras that tasks import."""
        return ()

    def sizes(self) -> Sequence[Any]:
        """Sizes, each with a group of the file."""
        return tuple(getattr(self.recipe, self.recipe.size))

    def split(self, size: Any) -> Mapping[str, int]:
        """Axes that tasks divide, slowest first, with the number of values in a task; 0 for a single one."""
        return {axis: 0 for axis in (self.recipe.control, self.recipe.draws) if axis}

    def label(self, size: Any, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"L{size}"

    def group(self, size: Any, at: Mapping[str, Any]) -> str:
        """What tasks share that are better run by the same worker; nothing if it is empty."""
        return ""

    def owned(self, task: Task) -> Sequence[str]:
        """Quantities that a task measures."""
        return tuple(self.quantities(task.size))

    def room(self, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
        """Array to be filled with what tasks measured."""
        return np.empty(tuple(shape), dtype)

    def derived(self, size: Any, group: Group) -> Group:
        """Variables of the file that follow from others."""
        return {}

    def lengthened(self, task: Task, arrays: Arrays) -> Arrays | None:
        """What a longer task begins with, from the arrays of a shorter one; None if it begins anew."""
        return {**arrays, "unfinished": np.array(1)}

    def check_grown(self, done: Results) -> None:
        """Raise InputError if what a file holds cannot stand beside what this version would add to it."""

    def short(self) -> Sample:
        """A sample of the same kind whose last task takes about a second, once the first has run."""
        return self

    def pilot(self) -> tuple[Any, Any]:
        """Recipe of the first stage of an undecided recipe, and the record of the stage."""
        raise NotImplementedError

    def pilots(self) -> list[tuple[Any, Any]]:
        """Recipes and records of pilots whose number and cost are known before any has run, see `pilot`."""
        return []

    def decided(self, results: Results) -> Any:
        """Recipe with what follows from the results of its pilot."""
        raise NotImplementedError

    def batched(self, tasks: Sequence[Task]) -> Sequence[Batch] | None:
        """Batches of tasks that run together; None where every task runs by itself."""
        return None

    def run_together(self, tasks: Sequence[Task], checkpoints: Sequence[Checkpoint]) -> None:
        """Run a batch; every task leaves its result in its own checkpoint."""
        raise NotImplementedError

    def read(self, out: Path) -> Mapping[Any, Group]:
        """Groups of a finished file by size."""
        return read_sweep(out).sizes

    def write(self, out: Path, groups: Mapping[Any, Group]) -> None:
        """Write the file from its groups, which are put together as they are asked for."""
        write_sweep(out, self.recipe.canonical(), groups)

    # What follows.

    def tasks(self) -> list[Task]:
        """All tasks, the largest sizes first."""
        return [task for size in reversed(self.sizes()) for task in self.tasks_of(size)]

    def tasks_of(self, size: Any) -> list[Task]:
        """Tasks of one size."""
        axes, prefix = self.axes(size), self._prefix()
        return [self._task(size, at, prefix) for at in _cells(axes, self.split(size))]

    def count(self, size: Any) -> int:
        """Number of tasks of one size, without making them."""
        axes = self.axes(size)
        return math.prod(math.ceil(len(axes[name]) / max(1, n)) for name, n in self.split(size).items())

    def _prefix(self) -> bytes:
        return json.dumps(self.recipe.content(), sort_keys=True).encode() + _code(type(self).__module__)

    def check_axes(self) -> None:
        """Raise InputError if a role of the recipe, or an axis that tasks divide, is no axis of the arrays."""
        for size in self.sizes():
            axes, kind = self.axes(size), self.recipe.kind
            roles = {role: getattr(self.recipe, role) for role in ("control", "draws", "repeats")}
            for role, name in (*roles.items(), *(("split", name) for name in self.split(size))):
                if name and name not in axes:
                    raise InputError(f"{kind}: {role} is {name!r}, but axes() has {', '.join(axes)}; name one of these")

    def _task(self, size: Any, at: Mapping[str, Any], prefix: bytes) -> Task:
        words = prefix + json.dumps([size, at], sort_keys=True).encode()
        key = hashlib.sha256(words).hexdigest()[:24]
        return Task(size, at, key, self.cost(size, at), self.label(size, at), self.group(size, at))

    def assemble(self, size: Any, results: Results) -> dict[str, Variable]:
        """Group of a size from the arrays of its tasks; errors as for `physnn.samples.assembly.gathered`."""
        axes, quantities = self.axes(size), self.quantities(size)
        found = gathered(self, size, results)
        group = {name: axis.variable(name) for name, axis in axes.items() if axis.meaning}
        for name, quantity in quantities.items():
            if name in found:
                group[name] = Variable(quantity.axes, found[name], quantity.attributes())
        return group | dict(self.derived(size, group))

    def disassemble(self, groups: Mapping[Any, Group]) -> Iterator[tuple[str, Arrays]]:
        """Key and arrays of every task of a finished file: the inverse of `assemble`.

        Raises
        ------
        InputError
            If the file has other values along an axis than its recipe has in this version.
        """
        for size, group in groups.items():
            tasks, axes = self.tasks_of(size), self.axes(size)
            for name, axis in axes.items():
                # Where defaults have changed since, results would come to stand at values they were not made for.
                if name in group and not _alike(group[name].values, axis.numbers()):
                    raise InputError(
                        f"the file was made with other {name} at L = {size} than its recipe has in this version: "
                        "use --restart to begin anew, or another --out"
                    )
            place = task_places(axes, tasks)
            for task in tasks:
                at, names = place(task), [name for name in self.owned(task) if name in group]
                index = {name: tuple(at.get(d, slice(None)) for d in group[name].dims) for name in names}
                yield task.key, {name: np.asarray(group[name].values[index[name]]) for name in names}

    def continued(self, old: Self, done: Results) -> Iterator[tuple[str, Arrays]]:
        """Key and first state of every task that a shorter recipe has begun."""
        lengths = [name for name, rule in self.recipe.grows.items() if rule is longer]
        if all(getattr(old.recipe, name) == getattr(self.recipe, name) for name in lengths):
            return
        prefix = old._prefix()
        for task in self.tasks():
            arrays = done.get(old._task(task.size, task.at, prefix).key)
            first = None if arrays is None else self.lengthened(task, arrays)
            if first is not None:
                yield task.key, first

    def file_bytes(self) -> float:
        """Size of the file, in bytes."""
        total = 0.0
        for size in self.sizes():
            lengths = {name: len(axis) for name, axis in self.axes(size).items()}
            quantities = self.quantities(size).values()
            total += sum(q.width * math.prod(lengths.get(d, 1) for d in q.axes) for q in quantities)
            # Every axis has its values in the file, or numbers.
            total += WORD * sum(lengths.get(d, 1) for d in {d for q in quantities for d in q.axes}) + PART
        return total

    def disk_bytes(self) -> float:
        """Space on the disk needed at most, with the parts, in bytes."""
        return sweep_disk(self.file_bytes(), sum(map(self.count, self.sizes())))

    def example(self, size: Any) -> Task:
        """First task of a size."""
        axes, at = self.axes(size), {}
        for name, n in self.split(size).items():
            values = axes[name].numbers()[: max(1, n)]
            at[name] = tuple(values) if n else values[0]
        return self._task(size, at, b"")

    def need(self, jobs: int) -> float:
        """Bytes of memory needed at most; raises InputError if they are not there, or if it would take years."""
        self.check_axes()
        counts = {size: self.count(size) for size in self.sizes()}
        held, last = PER_TASK * sum(counts.values()), self.copies * self.file_bytes()
        check_bytes(self.footprint.alone + held + last, f"{self.advice} (there are {sum(counts.values()):,} tasks)")
        examples = {size: self.example(size) for size in counts}
        needs = {size: self.resources(size, task.at) for size, task in examples.items()}
        check_seconds(sum(counts[size] * need.operations for size, need in needs.items()) / OPERATIONS, self.advice)
        most = max(need.bytes for need in needs.values())
        workers = min(jobs, sum(counts.values())) if jobs > 1 or self.watched else 0
        # The file is put together after the last task.
        return check_bytes(self.footprint.need(workers, most, last) + held, self.advice)

    def seconds_per_operation(self) -> float:
        """Seconds that one operation takes here, from short tasks."""
        sample = self.short()
        tasks = sample.tasks()
        sample.run(tasks[0], Checkpoint(None))
        began = time.perf_counter()
        sample.run(tasks[-1], Checkpoint(None))
        return (time.perf_counter() - began) / tasks[-1].cost


@functools.cache
def _code(module: str) -> bytes:
    """Digest of a module whose kinds are brought along, so that parts of two versions of it do not mix."""
    if module.partition(".")[0] == "physnn":
        return b""
    try:
        return hashlib.sha256(inspect.getsource(sys.modules[module]).encode()).digest()
    except (OSError, TypeError):  # made at a prompt
        return b""


def _cells(axes: Mapping[str, Axis], split: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Values along the axes that tasks divide, of one task after the other."""
    choices = []
    for name, n in split.items():
        values = axes[name].numbers()
        choices.append([tuple(values[k : k + n]) for k in range(0, len(values), n)] if n else values)
    return (dict(zip(split, chosen, strict=True)) for chosen in itertools.product(*choices))


def _alike(stored: np.ndarray, values: Sequence[Any]) -> bool:
    """Whether numbers are equal but for rounding, and anything else is as long."""
    numbers = np.asarray(values)
    if stored.shape != numbers.shape or not (stored.dtype.kind in "fiu" and numbers.dtype.kind in "fiu"):
        return len(stored) == len(values)
    return bool(np.allclose(stored, numbers, rtol=1e-6, atol=0.0))


def work(task: Task | Batch, path: Path, context: Mapping[str, Any]) -> None:
    """Do a task of the sample in ``context``, or go on with it, and leave its part at ``path``; runs in a worker."""
    sample: Sample = context["sample"]
    if isinstance(task, Batch):
        checkpoints = [Checkpoint(path.with_name(f"{one.key}.h5")) for one in task.tasks]
        sample.run_together(task.tasks, checkpoints)
    elif not (checkpoint := Checkpoint(path)).finished:
        arrays = sample.run(task, checkpoint)
        if not sample.keeps:
            checkpoint.finish(arrays)
