"""How a run is told to stop: signals and the allowed time, and how its tasks hear of it wherever they run.

Several threads of a program may each have a run.  Signals are heard by the main thread alone, which is Python's rule;
the allowed time holds in each.
"""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
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


class _Told(threading.local):
    """What one thread knows, be it the one of a loop or that of a task.

    Attributes
    ----------
    asked : list of BaseException
        What it was asked for; an exception raised inside a compiler's callback or a destructor is lost, this is not.
    flags : list of Path
        The file whose existence tells tasks to stop.
    end : float
        When the allowed time is over where no alarm says so, in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.asked: list[BaseException] = []
        self.flags: list[Path] = []
        self.end = math.inf


_told = _Told()
TIMED = hasattr(signal, "setitimer")
"""Whether this system has alarms; Windows has none."""
TO_STOP = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""Signals that stop a run, besides Ctrl-C, as far as this system has them."""


def _alarm(seconds: float) -> float:
    """Set the alarm of this process, 0 for none, and return what was left of the one before."""
    return signal.setitimer(signal.ITIMER_REAL, seconds)[0] if TIMED else 0.0


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def raise_pending() -> None:
    """Stop now if a signal, or the end of the allowed time, asked for it."""
    if pending():
        if _in_main_thread():
            _alarm(0)
        raise _told.asked[0]


def pending() -> bool:
    """Whether a signal, or the end of the allowed time, asked to stop."""
    if not _told.asked and time.monotonic() > _told.end:
        _told.asked.append(_stopped("the allowed time is over"))
        _raise_flag()
    return bool(_told.asked)


def _stopped(reason: str) -> Unfinished:
    return Unfinished(f"stopped ({reason}); everything finished is saved, the same command continues")


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


def _taken(handler: Any) -> bool:
    """Whether Ctrl-C is ours: where it raises KeyboardInterrupt, or would wait for an event loop that we hold."""
    inner = getattr(handler, "func", handler)
    return inner is signal.default_int_handler or str(getattr(inner, "__module__", "")).startswith("asyncio.")


@contextmanager
def stop_signals(max_time: float | None = None) -> Iterator[None]:
    """Turn SIGTERM, SIGUSR1 and the end of the allowed time (seconds) into `Unfinished`.

    Ctrl-C stays a KeyboardInterrupt, and a second one ends the process at once.  A stop is noted first, so that tasks
    can save their state and the loop stops in order; after `GRACE` seconds it is raised wherever the program is.
    Handlers and alarms are as before afterwards.  In another thread than the main one there are no signals, and the
    allowed time is looked at whenever a task could save its state.
    """
    seconds = allowed_seconds(max_time)
    _told.asked.clear()
    if not _in_main_thread() or not TIMED:
        _told.end = math.inf if seconds is None else time.monotonic() + seconds
    try:
        with _handlers(seconds) if _in_main_thread() else nullcontext():
            yield
            raise_pending()
    finally:
        _told.asked.clear()
        _told.end = math.inf


@contextmanager
def _handlers(seconds: float | None) -> Iterator[None]:
    def stop(number: int, _frame: object) -> None:
        alarm = TIMED and number == signal.SIGALRM
        if alarm and _told.asked:
            raise _told.asked[0]
        if number == signal.SIGINT and any(isinstance(asked, KeyboardInterrupt) for asked in _told.asked):
            _leave_now()
        told = _stopped("the allowed time is over" if alarm else signal.Signals(number).name)
        _told.asked.insert(0, KeyboardInterrupt() if number == signal.SIGINT else told)
        _raise_flag()
        _alarm(GRACE)

    report_lost = sys.unraisablehook

    def keep_quiet(lost: Any) -> None:
        # Lost inside a callback, but noted: it is raised again before the next task.
        if lost.exc_value not in _told.asked:
            report_lost(lost)

    numbers = [*TO_STOP, signal.SIGALRM] if TIMED else list(TO_STOP)
    if _taken(signal.getsignal(signal.SIGINT)):
        numbers.append(signal.SIGINT)
    begun, callers_alarm = time.monotonic(), _alarm(0)
    sys.unraisablehook = keep_quiet
    before = {number: signal.signal(number, stop) for number in numbers}
    if seconds is not None:
        _alarm(seconds)
    try:
        yield
    finally:
        _alarm(0)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        sys.unraisablehook = report_lost
        if callers_alarm:
            _alarm(max(1e-3, callers_alarm - (time.monotonic() - begun)))


def _raise_flag() -> None:
    for path in _told.flags:
        with suppress(OSError):
            path.touch()


@contextmanager
def stop_flag(folder: Path) -> Iterator[Path]:
    """Yield the path of the file that will tell this run's tasks to stop, on every machine that sees the folder."""
    path = folder.resolve() / f".stop-{socket.gethostname()}-{os.getpid()}-{threading.get_native_id()}"
    path.unlink(missing_ok=True)
    _told.flags = [path]
    if pending():
        _raise_flag()
    try:
        yield path
    finally:
        _told.flags = []
        if not _told.asked:
            path.unlink(missing_ok=True)


@contextmanager
def heeding(flag: Path) -> Iterator[None]:
    """Let what runs inside hear of a stop through the file ``flag``, see `stop_requested`."""
    before, _told.flags = _told.flags, [flag]
    try:
        yield
    finally:
        _told.flags = before


def stop_requested() -> bool:
    """Whether the run that this task belongs to stops."""
    return pending() or any(path.exists() for path in _told.flags)


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
