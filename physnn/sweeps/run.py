"""The one loop: run the tasks that have no result yet, keep what they leave, and stop without losing anything."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import filelock

from physnn.errors import InputError, TasksFailed, Unfinished
from physnn.store.parts import Parts
from physnn.sweeps.executors import executor

ATTEMPTS = 3
"""How often a task is tried before it counts as failed."""


class Task(Protocol):
    """What the loop needs to know of a task."""

    @property
    def key(self) -> str:
        """Stable name, a hash of the content."""
        ...

    @property
    def cost(self) -> float:
        """Work in any unit, for the estimate of time left."""
        ...


Work = Callable[[Any, Path, Mapping[str, Any]], object]
"""A module-level function (task, path of its part, context) that writes the part; runs in a worker."""
Progress = Callable[[float, float, str], None]
"""Called with (cost done, cost in all, a short text)."""
Live = Callable[[Sequence[str]], tuple[float, str]]
"""Called with task keys while tasks run; returns the cost done inside unfinished tasks and a short text."""


def silent(done: float, total: float, text: str) -> None:
    """Show no progress."""


@contextmanager
def single_thread() -> Iterator[None]:
    """Give tensor operations one compute thread, as in every executor: their bits depend on the number."""
    from physnn.networks.device import set_threads

    before = set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


def _do(work: Work, task: Task, path: Path, context: Mapping[str, Any]) -> None:
    with single_thread():
        work(task, path, context)


@contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """Hold the lock of a file under construction.

    Raises
    ------
    InputError
        If its folder is missing or cannot be written, or another process holds the lock.
    """
    if not target.name or target.is_dir():
        raise InputError(f"'{target}' is not the name of a file; choose another --out")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent} for {target.name}; make it or choose another --out")
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(f"another process is writing {target}; wait for it or choose another --out") from None
    except OSError as error:
        raise InputError(f"cannot write in {target.parent} ({error.strerror}); choose another --out") from None
    try:
        yield
    finally:
        # Removed while still held: removed afterwards, it might be another process's lock.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


_pending: list[BaseException] = []
"""What a signal asked for; an exception raised inside a compiler's callback or a destructor is lost, this is not."""


def raise_pending() -> None:
    """Stop now if a signal asked for it."""
    if _pending:
        raise _pending[0]


@contextmanager
def stop_signals(max_time: float | None = None) -> Iterator[None]:
    """Turn SIGTERM, SIGUSR1 and the end of the allowed time (seconds) into `Unfinished`, in the main thread.

    Ctrl-C stays a KeyboardInterrupt.  Each is raised at once, and again between tasks in case it was lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        reason = "the allowed time is over" if number == signal.SIGALRM else signal.Signals(number).name
        text = f"stopped ({reason}); everything finished is saved, the same command continues"
        _pending.append(KeyboardInterrupt() if number == signal.SIGINT else Unfinished(text))
        raise _pending[-1]

    numbers = [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    _pending.clear()
    report_lost = sys.unraisablehook

    def keep_quiet(lost: Any) -> None:
        # Lost inside a callback, but noted: it is raised again before the next task.
        if lost.exc_value not in _pending:
            report_lost(lost)

    sys.unraisablehook = keep_quiet
    before = {number: signal.signal(number, stop) for number in numbers}
    if max_time:
        signal.setitimer(signal.ITIMER_REAL, max_time)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = report_lost
        _pending.clear()


def run_tasks(
    tasks: Sequence[Task],
    work: Work,
    context: Mapping[str, Any],
    parts: Parts,
    jobs: int = 1,
    progress: Progress = silent,
    live: Live | None = None,
) -> int:
    """Run every task that has no part yet, and return how many there were.

    One job runs in this process, except where ``live`` looks from outside how far running tasks are.  A task that
    raises, or whose worker dies, is tried `ATTEMPTS` times; then it counts as failed while all others finish.

    Raises
    ------
    TasksFailed
        If some tasks failed for good.
    """
    total = sum(task.cost for task in tasks)
    todo = [task for task in tasks if not parts.finished(task.key)]
    open_keys = {task.key for task in todo}
    inside = (lambda: live(sorted(open_keys))) if live else (lambda: (0.0, ""))
    queue = [(task, 1) for task in reversed(todo)]
    suspects: list[tuple[Task, int]] = []
    failures: dict[str, str] = {}
    done = total - sum(task.cost for task in todo)
    if todo:
        progress(done, total, "")
    while queue or suspects:
        # A dying worker takes its whole pool along: whoever was in it then runs alone, so that only the guilty fail.
        alone = bool(suspects)
        waiting, workers = ([suspects.pop()], 1) if alone else (queue, min(jobs, len(queue)))
        with executor(workers, in_process=live is None and not alone) as pool:
            for task, attempt, error in _drain(pool, waiting, work, context, parts, workers):
                if task is None:
                    extra, text = inside()
                    progress(done + extra, total, text)
                    continue
                if error is None:
                    done += task.cost
                    open_keys.discard(task.key)
                elif isinstance(error, BrokenExecutor) and not alone:
                    suspects.append((task, attempt))
                elif attempt < ATTEMPTS:
                    (suspects if alone else queue).append((task, attempt + 1))
                else:
                    failures[task.key] = _one_line(error)
                progress(done + inside()[0], total, "")
    if failures:
        text = "; ".join(f"task {key}: {error}" for key, error in failures.items())
        raise TasksFailed(f"{len(failures)} of {len(tasks)} tasks failed, all others are saved: {text}")
    return len(todo)


def _drain(
    pool: Executor,
    queue: list[tuple[Task, int]],
    work: Work,
    context: Mapping[str, Any],
    parts: Parts,
    jobs: int,
) -> Iterator[tuple[Task | None, int, BaseException | None]]:
    """Yield (task, attempt, error or None) as tasks end, and (None, 0, None) while waiting.

    Returns when the queue is empty, or when the pool is broken and has been drained.
    """
    running: dict[Future[None], tuple[Task, int]] = {}
    broken = False
    while running or (queue and not broken):
        raise_pending()
        # Two per worker: one runs, one waits, so that a worker never idles and a stop loses little.
        while queue and not broken and len(running) < (2 * jobs if jobs > 1 else 1):
            task, attempt = queue.pop()
            try:
                running[pool.submit(_do, work, task, parts.path(task.key), context)] = task, attempt
            except BrokenExecutor:
                queue.append((task, attempt))
                broken = True
        finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        if not finished:
            yield None, 0, None
        for future in finished:
            task, attempt = running.pop(future)
            error = future.exception()
            broken |= isinstance(error, BrokenExecutor)
            yield task, attempt, error


def _one_line(error: BaseException) -> str:
    if isinstance(error, BrokenExecutor):
        return "a worker process died"
    return traceback.format_exception_only(error)[-1].strip().splitlines()[0]
