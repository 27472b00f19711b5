"""Threads of linear algebra, and the memory, disk space and time of this machine, checked before a call begins."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from physnn.errors import InputError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_Function = TypeVar("_Function", bound=Callable[..., Any])


ARRAYS_PER_TASK = 6.5
"""State, padded state, field, noise and temporary arrays of one noisy step, and the noiseless state kept beside."""
PER_TASK = 5e3
"""Bytes of memory that the loop keeps of every task: its description, its result and its name."""
PART = 16e3
"""Bytes on the disk of a part beside its numbers: headers, and blocks that are not full."""
COPIES_OF_SAMPLES = 4
"""Arrays (bootstrap samples, points) that a fit holds, measured at 200 to 2,000 rows."""
MATRICES = 5
"""Matrices (points, points) that a fit holds, measured likewise."""
LONGEST = 10 * 3.156e7
"""Longest time in seconds that is waited for an answer: ten years, a convention."""


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Footprint(NamedTuple):
    """Bytes of the processes of a command beside what its tasks hold, measured on Linux.

    Attributes
    ----------
    parent : float
        Process that hands out tasks, with all libraries: their pages are shared, and count once.
    worker : float
        Each worker, without libraries.
    alone : float
        One process that runs tasks and answers, with all libraries.
    """

    parent: float
    worker: float
    alone: float

    def need(self, workers: int, task: float, last: float) -> float:
        """Bytes at most, of tasks that hold so much while they run, and of an answer that holds ``last``.

        No ``workers``: tasks run in the one process.
        """
        running = self.parent + workers * (self.worker + task) if workers else self.alone + task
        return max(running, self.alone + last)


FOR_KERNELS = Footprint(173e6, 80e6, 250e6)
"""Commands whose tasks are compiled kernels."""
FOR_TRAINING = Footprint(193e6, 200e6, 466e6)
"""Commands whose tasks train networks with torch, which only their workers load."""
FOR_TRAINING_HERE = Footprint(407e6, 215e6, 460e6)
"""The same where the parent loads it too."""
FOR_MEMORY = Footprint(474e6, 88e6, 516e6)
"""Commands whose tasks are compiled kernels, and whose parent asks torch about networks."""


class Shared:
    """Setting of the whole process that several threads may need at once: the first makes it, the last undoes it.

    If each of two threads put back what it found, the one that began last would put back the other's setting.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make, self._lock, self._users = make, threading.Lock(), 0
        self._made: AbstractContextManager[Any] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Context in which the setting holds."""
        with self._lock:
            if not self._users:
                self._made = self._make()
                self._made.__enter__()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._made is not None:
                    self._made.__exit__(None, None, None)


@contextmanager
def _silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


without_warnings = Shared(_silenced)
"""Context without warnings."""


@contextmanager
def _single_blas_thread() -> Iterator[None]:
    # Kernels take their BLAS from scipy, and only a library that is loaded already can be limited.
    import scipy.linalg.cython_blas  # noqa: F401
    import threadpoolctl  # noqa: F401

    with _blas_libraries(len(sys.modules)).limit(limits=1):
        yield


single_blas_thread = Shared(_single_blas_thread)
"""Context in which every BLAS has one thread, also the one that compiled kernels call.

Matrices are small here: threads would wait for each other longer than they work.
"""


@lru_cache(maxsize=1)
def _blas_libraries(_modules: int) -> Any:
    """Controller of every BLAS that is loaded: to look for them takes milliseconds, so only where more is imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def on_one_blas_thread(function: _Function) -> _Function:
    """Function that does the same with one BLAS thread."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with single_blas_thread():
            return function(*args, **kwargs)

    return run  # type: ignore[return-value]


def check_no_link(path: Path) -> None:
    """Raise InputError if a name to be written to is a symbolic link: what it leads to is not ours to replace."""
    try:
        there = str(path.readlink())
    except OSError:
        return
    raise InputError(
        f"{path} is a symbolic link to {there!r}, and nothing is written through links: give the file itself, or "
        "remove the link"
    )


def check_figure(path: Path) -> None:
    """Raise InputError if a figure cannot be written there."""
    check_no_link(path)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"a figure is written as .png, .pdf or .svg, not as {path.name}; choose another name")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} for {path.name}; make it or choose another place")


def check_folder(out: Path) -> None:
    """Raise InputError if a file has no name, or the folder that it goes into is not there."""
    if not out.name:
        raise InputError("the name of the file to write is empty; choose another --out")
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent} for {out.name}; make it or choose another --out")


def available_memory() -> float:
    """Available memory in bytes: the least of what is free and what control groups allow."""
    return max(0.0, min((*_free_memory(), *_control_groups()), default=float("inf")))


def own_limit() -> float:
    """Bytes that one process may still take (ulimit -v, ulimit -d)."""
    size, _, _, _, _, data = [*_numbers("/proc/self/statm"), *6 * [0.0]][:6]
    found = float("inf")
    if resource is None:
        return found
    for kind, used in ((resource.RLIMIT_AS, size), (resource.RLIMIT_DATA, data)):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            found = min(found, max(0.0, soft - used * resource.getpagesize()))
    return found


def _supply(workers: int) -> float:
    return min(available_memory(), workers * own_limit())


def _free_memory() -> Iterator[float]:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield float(line.split()[1]) * 1024


def _control_groups() -> Iterator[float]:
    """Bytes that each control group of this process, and each above it, still allows."""
    for line in ["0::/", "0:memory:/", *_lines("/proc/self/cgroup")]:
        _, kinds, group = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        root = Path("/sys/fs/cgroup/memory" if kinds else "/sys/fs/cgroup")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
        folder = root / group.lstrip("/")
        for place in (folder, *folder.parents):
            if not place.is_relative_to(root):
                break
            top, now = (_numbers(str(place / name)) for name in names)
            if top and now:
                yield top[0] - now[0] + _cached(place / "memory.stat")


def _cached(statistics: Path) -> float:
    """Bytes of a group that are copies of files, which the kernel gives back when asked."""
    for line in _lines(str(statistics)):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return float(value)
    return 0.0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _numbers(path: str) -> list[float]:
    return [float(word) for line in _lines(path)[:1] for word in line.split() if word.isdigit()]


def task_bytes(L: int, batch: int, components: int) -> float:
    """Bytes of memory that one task of a noise sweep takes."""
    return 4.0 * L**2 * batch * components * ARRAYS_PER_TASK


def check_memory(sizes: Iterable[int], batch: int, components: int, jobs: int) -> float:
    """Bytes of memory that the tasks of a noise sweep need at most.

    Raises
    ------
    InputError
        If this machine does not have them; the message names need, supply and the largest L that fits.
    """
    largest = max(sizes)
    need = FOR_KERNELS.need(jobs, task_bytes(largest, batch, components), 0.0)
    have, bare = _supply(jobs), FOR_KERNELS.need(jobs, 0.0, 0.0)
    if need > have:
        fits = int((max(0.0, have - bare) / jobs / task_bytes(1, batch, components)) ** 0.5)
        raise InputError(
            f"L = {largest} needs {need / 1e9:.3g} GB of memory for the states of {jobs} tasks of {batch} images; "
            f"{have / 1e9:.3g} GB are available: take L <= {fits}, or a smaller --batch or --jobs"
        )
    return need


def check_bytes(need: float, advice: str, workers: int = 1) -> float:
    """Bytes needed; raises InputError with advice if this machine does not have them."""
    have = _supply(workers)
    if need > have:
        raise InputError(f"this needs {need / 1e9:.3g} GB of memory, {have / 1e9:.3g} GB are available: take {advice}")
    return need


def check_disk(out: Path, need: float, advice: str) -> None:
    """Raise InputError with advice if a file of so many bytes, its parts with it, does not fit where it should go."""
    try:
        have = float(shutil.disk_usage(out.absolute().parent).free)
    except OSError:
        return  # That the folder cannot be used is said where it is used.
    if need > have:
        raise InputError(
            f"{out} and its parts need {need / 1e9:.3g} GB on the disk, {have / 1e9:.3g} GB are free there: "
            f"take {advice}, or another --out"
        )
    if resource is None:
        return
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if resource.RLIM_INFINITY != largest < need / 2:
        raise InputError(
            f"{out} needs {need / 2e9:.3g} GB, this process may write files of {largest / 1e9:.3g} GB (ulimit -f): "
            f"allow more, or take {advice}"
        )


def sweep_disk(file_bytes: float, tasks: int) -> float:
    """Bytes on the disk when a sweep is put together: every number in a part and in the file."""
    return 2 * file_bytes + PART * tasks


def check_seconds(least: float, advice: str) -> None:
    """Raise InputError with advice if even the least time that something takes is beyond waiting for."""
    if least > LONGEST:
        raise InputError(f"this takes {least / 3.156e7:.2g} years or more: take {advice}")


def check_fit(points: int, resamples: int) -> float:
    """Bytes that a fit of so many points needs; raises InputError if this machine does not have them."""
    need = 8.0 * points * (COPIES_OF_SAMPLES * max(1000, resamples) + MATRICES * points)
    return check_bytes(need, f"fewer --resamples, or average neighbouring points (there are {points:,})")
