"""The one loop: run the tasks that have no result yet, keep what they leave, and stop without losing anything."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from physnn.errors import Contested, InputError, NotFinite, TasksFailed, Unfinished
from physnn.jobs.executors import PROCESS, Engine, Slots, executor
from physnn.jobs.stopping import CHECKPOINT, GRACE, Stopped, heeding, pending, raise_pending, stop_flag
from physnn.jobs.workers import WorkerDied, check_arguments, portable
from physnn.machine import single_blas_thread
from physnn.store.parts import Parts

ATTEMPTS = 3
"""How often a task is tried before it counts as failed."""
LISTED = 20
"""Failed tasks that a message names."""


class Runnable(Protocol):
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
Deaths = BrokenExecutor | WorkerDied
"""How the death of a worker shows."""
STILLBORN = 8
"""Workers in a row that may die before they take a task; something kills them all from there on."""
NEVER_BEGAN = (
    "worker processes die before they take a task; what they printed says why, and what is finished is saved: a script "
    "must call physnn below 'if __name__ == \"__main__\":'"
)
FINAL = Contested | NotFinite
"""What another attempt would only repeat."""
Try = tuple[Runnable, int]
"""A task and which attempt at it this is, counted from 1."""


def silent(done: float, total: float, text: str) -> None:
    """Show no progress."""


def _do(work: Work, task: Runnable, path: Path, context: Mapping[str, Any], flag: Path, attempt: int) -> None:
    mark = _mark(path, attempt)
    mark.touch()
    try:
        # A task of this process, or on a worker that others started, has one compute thread like those of our pools.
        with heeding(flag), single_blas_thread():
            work(task, path, context)
    except Exception as error:
        if portable(error) is error:
            raise
        raise portable(error) from None
    finally:
        mark.unlink(missing_ok=True)


def _mark(path: Path, attempt: int) -> Path:
    """Return the file that is there while an attempt runs: a task that waited at a worker that died is not guilty."""
    return path.with_suffix(f".try{attempt}")


@dataclass
class _Accounts:
    """Which tasks were tried how often, and which failed; also on the disk, for whoever looks from outside."""

    parts: Parts
    name: str
    attempts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    stillborn: int = 0

    def note(self, key: str, attempt: int, failure: str | None = None) -> None:
        self.attempts[key] = attempt
        if failure is not None:
            self.failures[key] = failure
        self.parts.record(self.name, {"attempts": self.attempts, "failed": self.failures})

    def begins(self, begun: bool) -> None:
        """Count workers in a row that died before their task began; raise Unfinished if they are too many."""
        self.stillborn = 0 if begun else self.stillborn + 1
        if self.stillborn == STILLBORN:
            raise Unfinished(NEVER_BEGAN)


def run_tasks(
    tasks: Sequence[Runnable],
    work: Work,
    context: Mapping[str, Any],
    parts: Parts,
    jobs: int = 1,
    progress: Progress = silent,
    live: Live | None = None,
    engine: Engine = PROCESS,
    name: str = "attempts",
) -> int:
    """Run every task that has no part yet, and return how many there were; a batch is as many as its ``tasks``.

    One job runs in this process, except where ``live`` looks from outside how far running tasks are.  A task that
    raises, or whose worker dies, is tried `ATTEMPTS` times on every engine; then it counts as failed while all others
    finish.  Tasks tried more than once are recorded beside the parts as ``name``.

    Raises
    ------
    InputError
        If a task cannot be sent to a worker, or takes too much along; nothing has begun then.
    TasksFailed
        If some tasks failed for good.
    Unfinished, KeyboardInterrupt
        If the run was told to stop.
    """
    total = sum(task.cost for task in tasks)
    todo = [task for task in tasks if not parts.finished(task.key)]
    accounts = _Accounts(parts, name)
    parts.forget(name)
    contested = parts.contested()
    for task in tasks:
        if task.key in contested:
            accounts.note(task.key, 1, f"two different results are in {parts.folder}; delete both to repeat it")
    open_keys = {task.key for task in todo}
    inside = (lambda: live(sorted(open_keys))) if live else (lambda: (0.0, ""))
    queue: list[Try] = [(task, 1) for task in reversed(todo) if task.key not in contested]
    suspects: list[Try] = []
    done, saved = total - sum(task.cost for task in todo), time.monotonic()
    if todo:
        _check_sending(work, todo[0], context, jobs > 1 or live is not None or engine != PROCESS)
        progress(done, total, "")
    with stop_flag(parts.folder) as flag:
        while queue or suspects:
            raise_pending()
            # A dying worker takes its whole pool along: what ran in it then runs alone, so that only the guilty fail.
            alone = bool(suspects)
            waiting, workers = ([suspects.pop()], 1) if alone else (queue, min(jobs, len(queue)))
            with executor(workers, in_process=live is None and not alone, engine=engine) as (pool, slots):
                for tried, begun, error in _drain(pool, slots, waiting, work, context, parts, flag):
                    if tried is None:
                        extra, text = inside()
                        progress(done + extra, total, ", ".join(filter(None, (_next_save(saved), text))))
                        continue
                    task, attempt = tried
                    accounts.begins(begun or not isinstance(error, Deaths))
                    if error is None:
                        done, saved = done + task.cost, time.monotonic()
                        open_keys.discard(task.key)
                    elif isinstance(error, Stopped) or (isinstance(error, Deaths) and not begun):
                        (suspects if alone else queue).append(tried)
                    elif isinstance(error, BrokenExecutor) and not alone:
                        suspects.append(tried)
                    elif attempt < ATTEMPTS and not isinstance(error, FINAL):
                        accounts.note(task.key, attempt + 1)
                        (suspects if alone else queue).append((task, attempt + 1))
                    else:
                        accounts.note(task.key, attempt, _one_line(error))
                    progress(done + inside()[0], total, "")
    if accounts.failures:
        raise TasksFailed(_failed(accounts.failures, len(tasks)))
    return sum(len(getattr(task, "tasks", (task,))) for task in todo)


def _next_save(latest: float) -> str:
    """When running tasks write their states next, where something was saved at a time of the monotonic clock."""
    return f"next save in {math.ceil(CHECKPOINT - (time.monotonic() - latest) % CHECKPOINT)} s"


def _check_sending(work: Work, task: Runnable, context: Mapping[str, Any], sent: bool) -> None:
    """Raise InputError if tasks go to workers and cannot; all tasks of a run are of one kind."""
    if sent:
        check_arguments(work, task, context)


def _failed(failures: Mapping[str, str], count: int) -> str:
    listed = [f"task {key}: {error}" for key, error in list(failures.items())[:LISTED]]
    more = [f"and {len(failures) - LISTED} more"] if len(failures) > LISTED else []
    return f"{len(failures)} of {count} tasks failed, all others are saved: {'; '.join(listed + more)}"


def _drain(
    pool: Executor,
    slots: Slots,
    queue: list[Try],
    work: Work,
    context: Mapping[str, Any],
    parts: Parts,
    flag: Path,
) -> Iterator[tuple[Try | None, bool, BaseException | None]]:
    """Yield (task and attempt, whether it ran when its worker died, error or None) as tasks end.

    Yields (None, False, None) while waiting.  Returns when the queue is empty, or the pool is broken and drained.
    """
    running: dict[Future[None], Try] = {}
    broken = False
    while running or (queue and not broken):
        if pending():
            # They hear of it too, and write their state.
            wait(running, timeout=GRACE)
            raise_pending()
        while queue and not broken and len(running) < slots() and not pending():
            task, attempt = queue.pop()
            path = parts.path(task.key).resolve()
            _mark(path, attempt).unlink(missing_ok=True)
            try:
                running[pool.submit(_do, work, task, path, context, flag, attempt)] = task, attempt
            except BrokenExecutor:
                queue.append((task, attempt))
                broken = True
            except Stopped:
                raise_pending()
                raise
        if not running:
            time.sleep(0.1)  # no worker yet
        finished, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
        if not finished:
            slots()  # an engine that is gone says so here, also once nothing waits any more
            yield None, False, None
        for future in finished:
            tried = running.pop(future)
            error = future.exception()
            if isinstance(error, Unfinished) and not isinstance(error, Stopped):
                raise error
            broken |= isinstance(error, BrokenExecutor)
            mark = _mark(parts.path(tried[0].key), tried[1])
            begun = isinstance(error, Deaths) and mark.exists()
            if begun:
                mark.unlink(missing_ok=True)
            yield tried, begun, error


def _one_line(error: BaseException) -> str:
    if isinstance(error, Deaths):
        return "a worker process died"
    if isinstance(error, InputError | FINAL):
        return " ".join(str(error).split())
    return traceback.format_exception_only(error)[-1].strip().splitlines()[0]
