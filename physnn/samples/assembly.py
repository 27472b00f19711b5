"""Arrays of a file from those of its tasks: each stands in its place, and none is of another make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.errors import InputError
from physnn.samples.tasks import Axis, Results, Task
from physnn.store.hdf5 import Variable
from physnn.store.parts import Parts, read_part

if TYPE_CHECKING:
    from physnn.samples.sample import Sample


def task_places(axes: Mapping[str, Axis], tasks: Sequence[Task]) -> Callable[[Task], dict[str, Any]]:
    """Function from a task to its indices by axis."""
    used = {name for task in tasks for name in task.at if name in axes}
    number = {name: {value: k for k, value in enumerate(axes[name].numbers())} for name in used}

    def place(task: Task) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in task.at.items():
            if name in number and isinstance(value, tuple):
                found[name] = slice(number[name][value[0]], number[name][value[-1]] + 1)
            elif name in number:
                found[name] = number[name][value]
        return found

    return place


@contextmanager
def of_one_run(sample: Sample, size: Any) -> Iterator[None]:
    """Context that turns what arrays of the wrong make raise into InputError: a seal proves wholeness, not sense.

    Kinds from outside show their own errors.
    """
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        if type(sample).__module__.partition(".")[0] != "physnn":
            raise
        raise InputError(
            f"the results of L = {size} cannot be put together ({type(error).__name__}: {error}): parts are not of "
            "this run, or were changed; use --restart to begin anew"
        ) from error


def gathered(sample: Sample, size: Any, results: Results) -> dict[str, np.ndarray]:
    """Arrays of all quantities of a size by name.

    Raises
    ------
    KeyError
        If a task has no result.
    InputError
        If an array has other axes or another type than that of other tasks, or lacks where others have it.
    """
    axes, quantities, tasks = sample.axes(size), sample.quantities(size), sample.tasks_of(size)
    place, found = task_places(axes, tasks), dict[str, np.ndarray]()
    first, held = dict[str, Task](), dict[str, set[str]]()
    for task in tasks:
        at, measured = place(task), results[task.key]
        held[task.key] = quantities.keys() & measured.keys()
        for name in sorted(held[task.key]):
            dims, values = quantities[name].axes, np.asarray(measured[name])
            if name not in found:
                first[name] = task
                if sum(not isinstance(at.get(d), int) for d in dims) != values.ndim:
                    raise InputError(f"{name} at L = {size} has other axes in this version; run its recipe again")
                inner = iter(values.shape)
                own = [0 if d in at and isinstance(at[d], int) else next(inner) for d in dims]
                shape = [len(axes[d]) if d in at else n for d, n in zip(dims, own, strict=True)]
                if len(tasks) == 1 and values.size == math.prod(shape):  # a single large state is not copied
                    found[name] = values.reshape(shape)
                    continue
                found[name] = sample.room(shape, values.dtype)
            if found[name].dtype.kind == values.dtype.kind == "S":  # a single text is as wide as it is long
                found[name] = found[name].astype(np.promote_types(found[name].dtype, values.dtype), copy=False)
                values = values.astype(found[name].dtype)
            index = tuple(at.get(d, slice(None)) for d in dims)
            if found[name].dtype != values.dtype or found[name][index].shape != values.shape:
                raise _unlike(f"{name} of other types or lengths", size, first[name], task)
            found[name][index] = values
    for task in tasks:
        for name in sorted(found.keys() & set(sample.owned(task)) - held[task.key]):
            raise _unlike(f"{name} or none", size, first[name], task)
    return found


def _unlike(what: str, size: Any, one: Task, other: Task) -> InputError:
    """Error that names two tasks which do not belong together."""
    return InputError(
        f"tasks {one.key} and {other.key} (L = {size}) hold {what}: every task of a kind returns the same ones; if the "
        "part of one was changed, remove it, and the same command makes it again"
    )


class _OnDisk(Mapping[str, Mapping[str, Any]]):
    """Results by task key, each read from its part when it is asked for, unless a finished file has it."""

    def __init__(self, parts: Parts, done: Results) -> None:
        self._parts, self._done = parts, done

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        if key in self._done:
            return self._done[key]
        found = read_part(self._parts.path(key))
        if int(found.get("unfinished", 0)):
            raise InputError(f"task {key} is not done yet; run the same command again")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*self._done, *(key for key in self._parts.listing()[0] if key not in self._done)])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _BySize(Mapping[Any, Mapping[str, Variable]]):
    """Groups of a file, each put together when it is asked for: memory for the largest is enough."""

    def __init__(self, sample: Sample, results: Results) -> None:
        self._sample, self._results = sample, results

    def __getitem__(self, size: Any) -> Mapping[str, Variable]:
        with of_one_run(self._sample, size):
            return self._sample.assemble(size, self._results)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._sample.sizes())

    def __len__(self) -> int:
        return len(self._sample.sizes())


def assemble(sample: Sample, out: Path, done: Mapping[str, Any]) -> None:
    """Write the file ``out`` from its parts and what it holds already, one size after the other."""
    sample.write(out, _BySize(sample, _OnDisk(Parts(out), done)))
