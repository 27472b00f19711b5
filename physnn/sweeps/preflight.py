"""What a run will take, and whether this machine has it, before anything is allocated."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from pathlib import Path

from physnn.errors import InputError

ARRAYS_PER_TASK = 8
"""State, padded state, field, noise and temporary arrays of one noisy step, and the noiseless state kept beside."""
BASE = 400e6
"""Bytes a worker takes with its libraries loaded."""


def available_memory() -> float:
    """Return the bytes this process may still take: free memory, control group and address-space limits."""
    limits = []
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            limits.append(float(line.split()[1]) * 1024)
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        top, now = _lines(limit), _lines(used)
        if top and now and top[0].isdigit():
            limits.append(float(top[0]) - float(now[0]))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(float(soft))
    return min(limits, default=float("inf"))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def task_bytes(L: int, batch: int, components: int) -> float:
    """Return the memory one task of a noise sweep takes, in bytes."""
    return 4.0 * L**2 * batch * components * ARRAYS_PER_TASK


def check_memory(sizes: Iterable[int], batch: int, components: int, jobs: int) -> float:
    """Return the bytes a sweep needs at most.

    Raises
    ------
    InputError
        If this machine does not have them; the message names need, supply and the largest L that fits.
    """
    largest = max(sizes)
    need, have = jobs * (BASE + task_bytes(largest, batch, components)), available_memory()
    if need > have:
        fits = int((max(0.0, have / jobs - BASE) / task_bytes(1, batch, components)) ** 0.5)
        raise InputError(
            f"L = {largest} needs {need / 1e9:.3g} GB of memory for the states of {jobs} tasks of {batch} images; "
            f"{have / 1e9:.3g} GB are available: take L <= {fits}, or a smaller --batch or --jobs"
        )
    return need


def check_bytes(need: float, advice: str) -> float:
    """Return the bytes needed; raises InputError with advice if this machine does not have them."""
    have = available_memory()
    if need > have:
        raise InputError(f"this needs {need / 1e9:.3g} GB of memory, {have / 1e9:.3g} GB are available: take {advice}")
    return need
