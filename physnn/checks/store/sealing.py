"""Cost of keeping sweeps safe: the share of a run, and opening a sealed file against plain h5py."""

from __future__ import annotations

import hashlib
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from physnn.checks.bench import Case, TimedRow, report, timed
from physnn.jobs.run import Progress, silent
from physnn.store.guard import forget_lines
from physnn.store.sweep_file import read_sweep

FILE = "sweep-temperature.h5"
"""What the default sweep is called."""
KEEPING = {
    "sealing": {("guard.py", "seal")},
    "syncing": {("~", "<built-in method posix.fsync>")},
    "locking": {("locks.py", name) for name in ("exclusive", "sharing", "briefly", "holders")},
    "checking": {
        *(("guard.py", name) for name in ("check_seal", "root", "file")),
        ("check.py", "_first"),
        ("sample.py", "need"),
    },
}
"""Functions, by file and name, whose time with all that they call is what keeping takes beside writing and reading."""
STORING = {"writing and syncing": {("commit.py", "commit")}, "reading parts": {("parts.py", "read_part")}}
"""The same of all that parts and files take, with what `KEEPING` counts."""


def bench_store(progress: Progress = silent) -> dict[str, Any]:
    """Seconds of sealing, syncing, locking and checking in the default ``sweep-temperature``, and of opening its file.

    The command runs with one job under a profiler; ratios are shares of its time.  Its file, of 130 MB, is opened by
    turns with h5py, which reads the same arrays with the same checksums.  See `physnn.checks.bench.report`.
    """
    with tempfile.TemporaryDirectory() as folder:
        progress(0, 2, "sweep-temperature, 1 job")
        rows, ratios = run_shares(Path(folder), [])
        opened = _opened(Path(folder) / FILE, lambda done, total, name: progress(total + done, 2 * total, name))
    first, again, plain, _ = (row["value"] for row in opened)
    ratios |= {"first opening / h5py": first / plain, "opening again / h5py": again / plain}
    return report([*rows, *opened], ratios)


def run_shares(folder: Path, words: list[str]) -> tuple[list[TimedRow], dict[str, float]]:
    """Seconds of ``sweep-temperature`` with some words and one job, of what keeps it safe, and shares of its time."""
    command = ["-m", "physnn", "sweep-temperature", "--jobs", "1", "--quiet"]
    for profiled in (["--L", "4", "--T", "2", "--chains", "1", "--sweeps", "10", "--out", "warm.h5"], words):
        begun = [sys.executable, "-m", "cProfile", "-o", "profile", *command, *profiled]
        done = subprocess.run(begun, cwd=folder, capture_output=True, check=False, text=True)  # noqa: S603
        if done.returncode not in (0, 3):  # 3: the fit of few points is undecided
            raise RuntimeError(f"sweep-temperature ended with status {done.returncode}: {done.stderr}")
    stats: Any = pstats.Stats(str(folder / "profile"))
    seconds = {name: _cumulative(stats.stats, places) for name, places in (KEEPING | STORING).items()}
    rows = [{"name": "sweep-temperature", "value": stats.total_tt, "unit": "s", "threads": 1}]
    rows += [{"name": name, "value": value, "unit": "s", "threads": 1} for name, value in seconds.items()]
    shares = {f"{name} / sweep-temperature": seconds[name] / stats.total_tt for name in KEEPING}
    return rows, shares | {"all of these / sweep-temperature": sum(shares.values())}


def _cumulative(stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]], places: set[Any]) -> float:
    """Seconds in some functions with all that they call."""
    return sum(row[3] for (file, _, name), row in stats.items() if (Path(file).name, name) in places)


def _opened(path: Path, progress: Progress) -> list[TimedRow]:
    """Seconds of opening a large sweep, of opening it again, of h5py alone, and of its SHA-256 alone."""
    import h5py

    length = path.stat().st_size

    def ours(_: int) -> int:
        return len(read_sweep(path).sizes)

    def first(_: int) -> int:
        forget_lines()
        return ours(_)

    def plain(_: int) -> int:
        found: list[np.ndarray] = []
        with h5py.File(path) as file:
            file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
        return len(found)

    def hashed(_: int) -> str:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    named = {"first opening": first, "opening again": ours, "h5py": plain, "SHA-256": hashed}
    cases = [
        Case(f"{name}, {length / 1e6:.0f} MB", "s", run, lambda seconds, _: seconds, pieces=1)
        for name, run in named.items()
    ]
    return timed(cases, progress)
