"""Where tasks run.  The seam is `concurrent.futures.Executor`; every executor gives a task one compute thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from physnn.errors import InputError
from physnn.jobs import dask
from physnn.jobs.workers import InProcess, process_pool
from physnn.machine import available_cores

UNLIMITED = 10**6
"""More workers than any cluster has."""


@dataclass(frozen=True)
class Engine:
    """What runs tasks, as ``--executor`` names it.

    Attributes
    ----------
    name : {"process", "dask"}
        Processes of this machine, or Dask.
    address : str
        Address or scheduler file of a Dask cluster that someone runs; empty for one of our own on this machine.
    insecure : bool
        Whether a cluster on other machines may be used without encryption: whoever reaches it can run anything.
    """

    name: str = "process"
    address: str = ""
    insecure: bool = False


PROCESS = Engine()


def parse_engine(text: str, insecure: bool = False) -> Engine:
    """Return the engine that ``process``, ``dask``, ``dask:ADDRESS`` or ``dask:FILE`` names.

    Raises
    ------
    InputError
        If it is none of these, a scheduler file is missing, a plain address is not on this machine, or Dask is not
        installed.
    """
    name, colon, address = text.partition(":")
    if name not in ("process", "dask") or (colon and (name == "process" or not address)):
        raise InputError(f"there is no executor {text!r}; choose process, dask, dask:ADDRESS or dask:FILE")
    engine = Engine(name, address, insecure)
    if name == "dask":
        dask.check_address(engine)
        dask.load()
    return engine


def job_numbers(jobs: int | None, engine: Engine) -> tuple[int, int]:
    """Return how many tasks may run at a time, and how many of them on this machine; all workers of a cluster."""
    if engine.address:
        return jobs or UNLIMITED, 1
    return jobs or available_cores(), jobs or available_cores()


Slots = Callable[[], int]
"""Returns how many tasks an executor should have at a time; it may change while workers come and go."""


@contextmanager
def executor(jobs: int, in_process: bool = True, engine: Engine = PROCESS) -> Iterator[tuple[Executor, Slots]]:
    """Yield the executor of an engine, and how many tasks it takes at a time.

    One job runs in this process (if allowed), more in a spawned pool.  A worker gets two tasks: one runs, one waits, so
    that it never idles and a stop loses little.
    """
    if engine.name == "dask":
        with dask.dask_executor(engine, jobs) as (client, slots):
            yield client, slots
    elif jobs == 1 and in_process:
        with InProcess() as here:
            yield here, lambda: 1
    else:
        with process_pool(jobs) as pool:
            yield pool, lambda: 2 * jobs if jobs > 1 else 1
