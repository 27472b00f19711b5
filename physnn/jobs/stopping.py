"""How a run is told to stop: signals and the allowed time, and how its tasks hear of it wherever they run."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from physnn.errors import Unfinished

GRACE = 0.5
"""Seconds that tasks have for writing their state once a run is told to stop."""
CHECKPOINT = 10.0
"""Seconds between checkpoints of a long task."""
LOOK = 0.1
"""Seconds between two looks of a task at the flag that says stop."""
SLURM_MARGIN = 60.0
"""Seconds before the end of a Slurm job at which a run stops by itself."""


class Stopped(Unfinished):
    """What a task raises that has saved its state because its run stops."""


_pending: list[BaseException] = []
"""What a signal asked for; an exception raised inside a compiler's callback or a destructor is lost, this is not."""
_flag: list[Path] = []
"""The file whose existence tells tasks to stop: in the process that runs the loop, and in its workers."""


def raise_pending() -> None:
    """Stop now if a signal asked for it."""
    if _pending:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise _pending[0]


def pending() -> bool:
    """Whether a signal asked to stop."""
    return bool(_pending)


def allowed_seconds(max_time: float | None) -> float | None:
    """Return how long a run may take: what is given, else up to a minute before the end of the Slurm job, if any."""
    if max_time is not None:
        return max_time
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    return max(1e-3, int(end) - time.time() - SLURM_MARGIN) if re.fullmatch("[0-9]{1,15}", end) else None


def _leave_now() -> None:
    """End this process at once; its workers notice that it is gone, and end too."""
    show_cursor = b"\x1b[?25h\n" if sys.stderr.isatty() else b""
    text = b"Stopped: interrupted twice; everything saved so far is whole, the same command continues\n"
    with suppress(OSError):
        os.write(2, show_cursor + text)
    os._exit(130)


@contextmanager
def stop_signals(max_time: float | None = None) -> Iterator[None]:
    """Turn SIGTERM, SIGUSR1 and the end of the allowed time (seconds) into `Unfinished`, in the main thread.

    Ctrl-C stays a KeyboardInterrupt, and a second one ends the process at once.  A stop is noted first, so that tasks
    can save their state and the loop stops in order; after `GRACE` seconds it is raised wherever the program is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        if number == signal.SIGALRM and _pending:
            raise _pending[0]
        if number == signal.SIGINT and any(isinstance(asked, KeyboardInterrupt) for asked in _pending):
            _leave_now()
        reason = "the allowed time is over" if number == signal.SIGALRM else signal.Signals(number).name
        text = f"stopped ({reason}); everything finished is saved, the same command continues"
        _pending.insert(0, KeyboardInterrupt() if number == signal.SIGINT else Unfinished(text))
        _raise_flag()
        signal.setitimer(signal.ITIMER_REAL, GRACE)

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
    if (seconds := allowed_seconds(max_time)) is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
        raise_pending()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = report_lost
        _pending.clear()


def _raise_flag() -> None:
    for path in _flag:
        with suppress(OSError):
            path.touch()


@contextmanager
def stop_flag(folder: Path) -> Iterator[Path]:
    """Yield the path of the file that will tell this run's tasks to stop, on every machine that sees the folder."""
    path = folder.resolve() / f".stop-{os.uname().nodename}-{os.getpid()}"
    path.unlink(missing_ok=True)
    _flag[:] = [path]
    if _pending:
        _raise_flag()
    try:
        yield path
    finally:
        _flag.clear()
        if not _pending:
            path.unlink(missing_ok=True)


@contextmanager
def heeding(flag: Path) -> Iterator[None]:
    """Let what runs inside hear of a stop through the file ``flag``, see `stop_requested`."""
    before = list(_flag)
    _flag[:] = [flag]
    try:
        yield
    finally:
        _flag[:] = before


def stop_requested() -> bool:
    """Whether the run that this task belongs to stops."""
    return bool(_pending) or any(path.exists() for path in _flag)


class Checkpoints:
    """When a long task writes its state: every `CHECKPOINT` seconds, and when its run is told to stop."""

    def __init__(self) -> None:
        self._latest = self._looked = time.monotonic()
        self._stopping = False

    def due(self) -> bool:
        """Whether to write the state now.

        Raises
        ------
        Stopped
            If the run stops and the state has been written, which is what True was the answer for last time.
        """
        if self._stopping:
            raise Stopped("stopped; the state is saved")
        now = time.monotonic()
        if now - self._looked > LOOK:
            self._looked = now
            self._stopping = stop_requested()
        if self._stopping or now - self._latest > CHECKPOINT:
            self._latest = now
            return True
        return False
