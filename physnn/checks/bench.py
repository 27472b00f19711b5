"""Benchmark harness: timed cases, and speeds as ratios against a named baseline measured in the same run."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physnn.jobs.run import Progress, silent
from physnn.machine import available_cores

BASELINE = "plain loop"
"""Name of the rows that others are compared with: one piece of work after another, as a textbook writes it."""
TIMED_CALLS = 12
"""Timed calls of a case, of which the fastest counts: what else runs on a machine only makes it slower."""
TARGET = 0.15
"""Seconds of one timed call: far above the clock's resolution, short enough to fall between interruptions."""
PAUSE = 0.01
"""Seconds before a timed call, in which threads of the call before stop looking for work."""

TimedRow = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Measured call, and the row of the table that its time becomes.

    Attributes
    ----------
    name, unit : str
        Of the row.
    run : callable
        ``run(n)`` does n pieces of work; the value may depend on what it returns.
    value : callable
        Number in the row, from the seconds of one piece of work and what the call returned.
    threads : int
        Compute threads that the call uses.
    pieces : int
        Pieces of work of a timed call; 0: as many as take `TARGET` seconds.
    rounds : int
        Timed calls, of which the fastest counts; 0: `TIMED_CALLS`.
    clock : callable
        Time in seconds: on the wall, or a thread's own.
    more : callable
        Further columns of the row, from what the call returned.
    """

    name: str
    unit: str
    run: Callable[[int], Any]
    value: Callable[[float, Any], float]
    threads: int = 1
    pieces: int = 0
    rounds: int = 0
    clock: Callable[[], float] = time.perf_counter
    more: Callable[[Any], TimedRow] = lambda found: {}


def per_second(work: float) -> Callable[[float, Any], float]:
    """Value of a `Case` whose unit is pieces of work, each worth ``work``, per second."""
    return lambda seconds, _: work / seconds


def per_nanosecond(work: float) -> Callable[[float, Any], float]:
    """Value of a `Case` whose unit is pieces of work, each worth ``work``, per nanosecond."""
    return lambda seconds, _: 1e-9 * work / seconds


def timed(cases: Sequence[Case], progress: Progress = silent, seconds: float = math.inf) -> list[TimedRow]:
    """Rows of cases: name, value, unit and threads, each from the fastest of some calls.

    Cases are called by turns, so that whatever slows the machine down for a while slows down all of them; after some
    ``seconds`` no further round begins.
    """
    best: list[tuple[float, Any]] = [(math.inf, None)] * len(cases)
    pieces, rounds = [case.pieces or _pieces(case) for case in cases], [case.rounds or TIMED_CALLS for case in cases]
    done, end = 0, time.perf_counter() + seconds
    for turn in range(max(rounds)):
        for k, case in enumerate(cases):
            if turn < rounds[k]:
                best[k] = min(best[k], _call(case, pieces[k]), key=lambda call: call[0])
                done += 1
                progress(done, sum(rounds), case.name)
        if time.perf_counter() > end:
            break
    progress(sum(rounds), sum(rounds), "")
    return [
        {"name": case.name, "value": float(case.value(*call)), "unit": case.unit, "threads": case.threads}
        | case.more(call[1])
        for case, call in zip(cases, best, strict=True)
    ]


def _call(case: Case, pieces: int) -> tuple[float, Any]:
    """Seconds of one piece of work, and what the call returned."""
    time.sleep(PAUSE)
    began = case.clock()
    found = case.run(pieces)
    return (case.clock() - began) / pieces, found


def _pieces(case: Case) -> int:
    """Pieces of work that take `TARGET` seconds."""
    case.run(1)  # Kernels are compiled.
    n, elapsed = 1, 0.0
    while elapsed < TARGET / 4:
        began = time.perf_counter()
        case.run(n)
        elapsed = time.perf_counter() - began
        n = n if elapsed >= TARGET / 4 else max(n + 1, math.ceil(n * min(8.0, TARGET / 3 / max(elapsed, 1e-6))))
    return max(1, round(n * TARGET / elapsed))


def over(rows: Sequence[TimedRow], base: str) -> dict[str, float]:
    """Ratios of rows on one thread over the first row whose name begins with ``base``, where units agree."""
    below = next(row for row in rows if row["name"].startswith(base))
    return {
        f"{row['name']} / {base.split(', ', maxsplit=1)[0]}": row["value"] / below["value"]
        for row in rows
        if row["threads"] == 1 and row["unit"] == below["unit"] and row is not below
    }


def over_one_thread(rows: Sequence[TimedRow]) -> dict[str, float]:
    """Ratios of rows on several threads over the same on one thread."""
    single = {row["name"]: row["value"] for row in rows if row["threads"] == 1}
    return {
        f"{row['name']}: {row['threads']} threads / 1": row["value"] / single[row["name"]]
        for row in rows
        if row["threads"] > 1 and row["name"] in single
    }


def report(rows: list[TimedRow], ratios: dict[str, float], missing: Sequence[str] = (), **more: str) -> dict[str, Any]:
    """Result of a benchmark, ready for JSON.

    ``machine``: this one in words; ``rows``: name, value, unit, threads; ``ratios``: quotients of rows by name;
    ``missing``: what could not be measured; and what else is given.
    """
    return {"machine": machine(), **more, "rows": rows, "ratios": ratios, "missing": list(missing)}


def machine() -> str:
    """Processor, cores and Python of this machine in words."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {available_cores()} cores available, Python {platform.python_version()}, {platform.system()}"
