"""Worker processes of this machine, what a task takes along to one, and calls in the process itself."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from physnn.errors import InputError, Unfinished
from physnn.jobs.stopping import TO_STOP
from physnn.machine import Shared

Result = TypeVar("Result")
NO_SEMAPHORES = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS, errno.ENOSPC)
"""What opening a semaphore ends with where ``/dev/shm`` is missing, closed or full."""
QUIET = "ignore:resource_tracker:UserWarning"
LARGEST = 2**26
"""Bytes that a task may take to its worker; there may be a million tasks."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class WorkerDied(RuntimeError):
    """The worker died that ran a task, or where it waited; other workers were not hurt."""


class _Measured:
    """A file that keeps nothing and refuses to become long."""

    def __init__(self) -> None:
        self._bytes = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._bytes += size
        if self._bytes > LARGEST:
            raise InputError(
                f"a task would take more than {LARGEST / 1e6:.0f} MB to its worker; give it the name of a file instead"
            )
        return size


def check_arguments(*arguments: Any) -> None:
    """Look at what a task takes to its worker, before anything is sent.

    Raises
    ------
    InputError
        If it is longer than `LARGEST`, or cannot be sent to another process at all.
    """
    try:
        pickle.Pickler(_Measured(), pickle.HIGHEST_PROTOCOL).dump(arguments)
    except InputError:
        raise
    except Exception as error:  # whatever a class does on the way
        told = " ".join(str(error).split())[:160]
        raise InputError(
            f"a task cannot be sent to a worker ({type(error).__name__}: {told}); "
            "use functions and classes of modules, and plain data"
        ) from None


def portable(error: Exception) -> Exception:
    """Return an exception that survives the way back from a worker: itself if it does, else its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (made in the line itself)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {' '.join(str(error).split())}")
    return error


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
    """Prepare a worker process: signals to stop are its parent's business, and it ends when its parent does."""
    for number in (signal.SIGINT, *TO_STOP):
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        # Nothing is ever sent: the read ends when the parent's end closes, also when the parent was killed.
        with suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def start_tracker() -> None:
    """Start Python's tracker of semaphores so that it outlives the signals that stop a run, and is quiet at the end.

    It removes what a process leaves that ends at once, and need not tell; a signal to the whole group, as batch systems
    send, would end it before that.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return  # Windows, whose semaphores need no tracker
    if QUIET not in sys.warnoptions:
        sys.warnoptions.append(QUIET)  # what Python hands on to the processes it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pool(jobs: int, context: Any, lifeline: Connection) -> ProcessPoolExecutor:
    """Return a pool, which starts no process yet; raises InputError where there are no semaphores for it."""
    try:
        return ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(lifeline,))
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_SEMAPHORES:
            raise
        raise InputError(
            f"worker processes need semaphores in /dev/shm, and there are none ({error}); use --jobs 1, or mount it"
        ) from None


@contextmanager
def _variables() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_one_thread_each = Shared(_variables)
"""Processes that are started inside have one compute thread."""


@contextmanager
def process_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes with one compute thread each; leaving stops them at once, idle or not.

    Raises
    ------
    InputError
        If this machine has no semaphores for it, for example because ``/dev/shm`` is missing.
    """
    start_tracker()
    context = multiprocessing.get_context("spawn")
    lifeline, parents_end = context.Pipe(duplex=False)
    pool = _pool(jobs, context, lifeline)
    with _one_thread_each():
        try:
            yield pool
        finally:
            parents_end.close()
            # A worker that hangs in the system, or was stopped, does not notice; parts are whole whenever it is killed.
            for worker in list((pool._processes or {}).values()):
                worker.kill()
            pool.shutdown(wait=False, cancel_futures=True)
