"""Where tasks run.  The seam is `concurrent.futures.Executor`; every executor gives a task one compute thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from physnn.errors import Unfinished

Result = TypeVar("Result")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InProcess(Executor):
    """Runs each call at once, in the calling thread."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Call ``fn`` now and return a future that already has its result or exception."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Unfinished:
            raise
        except Exception as error:  # what a worker process would send back
            future.set_exception(error)
        return future


def _start_worker(lifeline: Connection) -> None:
    """Prepare a worker process: Ctrl-C is its parent's business, and it ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        # Nothing is ever sent: the read ends when the parent's end closes, also when the parent was killed.
        with suppress(EOFError):
            lifeline.recv()
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def process_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes with one compute thread each; leaving stops them at once, idle or not."""
    context = multiprocessing.get_context("spawn")
    lifeline, parents_end = context.Pipe(duplex=False)
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(lifeline,))
    try:
        yield pool
    finally:
        parents_end.close()
        pool.shutdown(wait=False, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def executor(jobs: int, in_process: bool = True) -> Iterator[Executor]:
    """Yield the executor for a number of jobs: in this process for one (if allowed), a spawned pool for more."""
    if jobs == 1 and in_process:
        with InProcess() as here:
            yield here
    else:
        with process_pool(jobs) as pool:
            yield pool
