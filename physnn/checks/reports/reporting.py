"""Time of a report of a file like that of the default noise sweep, as a ratio to a bare start of Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import TimedRow, report
from physnn.jobs.run import Progress, silent
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import write_sweep

SIZES, VALUES, DRAWN_NETWORKS, IMAGES = (32, 64, 128), 13, 5, 64
"""Shape of the file: that of ``physnn sweep-noise`` with its defaults."""
TURNS_TAKEN = 3
"""Starts of each process, by turns; the fastest counts."""
PROCESSES = {
    "python -c pass": ["-c", "pass"],
    "physnn --help": ["-m", "physnn", "--help"],
    "physnn report, no crossing": ["-m", "physnn", "report", "flat.h5", "--quiet"],
    "physnn report, crossing": ["-m", "physnn", "report", "crossing.h5", "--quiet"],
}
"""What is timed: words after the name of the interpreter."""


def bench_report(progress: Progress = silent) -> dict[str, Any]:
    """CPU seconds of reports of two files of the default's shape, whose curves are alike, or cross.

    Files have errors of networks that were drawn, and no network ran.  See `physnn.checks.bench.report`; ratios are
    those to ``python -c pass`` in the same run.
    """
    best = dict.fromkeys(PROCESSES, np.inf)
    with tempfile.TemporaryDirectory() as folder:
        for name, power in (("flat", 0.0), ("crossing", 0.8)):
            write_sweep(Path(folder) / f"{name}.h5", {"kind": "drawn", "seed": 0}, drawn_sizes(power))
        for k in range(TURNS_TAKEN):
            for n, (name, words) in enumerate(PROCESSES.items()):
                progress(k * len(PROCESSES) + n, TURNS_TAKEN * len(PROCESSES), name)
                best[name] = min(best[name], _cpu_seconds(words, folder))
    progress(TURNS_TAKEN * len(PROCESSES), TURNS_TAKEN * len(PROCESSES), "")
    rows: list[TimedRow] = [{"name": name, "value": best[name], "unit": "s of CPU", "threads": 1} for name in best]
    bare, *others = best
    return report(rows, {f"{name} / {bare}": best[name] / best[bare] for name in others})


def drawn_sizes(power: float) -> dict[int, dict[str, Variable]]:
    """Groups of a sweep whose RMSE falls off at eta = 0.2 over a width L^-power, in networks that differ by 1 %."""
    generator = rng.stream(0, "synthetic", "report")
    eta, sizes = np.linspace(0.0, 0.4, VALUES), {}
    level = 1 + 0.01 * generator.normal(size=DRAWN_NETWORKS)
    for L in SIZES:
        curve = 0.3 + 0.2 * np.tanh((eta - 0.2) * 10 * (L / SIZES[0]) ** power)
        scatter = 1 + 0.02 * generator.normal(size=(VALUES, DRAWN_NETWORKS, IMAGES))
        sizes[L] = {
            "eta": Variable(("eta",), eta),
            "network": Variable(("network",), np.arange(DRAWN_NETWORKS)),
            "image": Variable(("image",), np.arange(IMAGES)),
            "rmse": Variable(("eta", "network", "image"), curve[:, None, None] * level[:, None] * scatter),
        }
    return sizes


def _cpu_seconds(words: list[str], folder: str) -> float:
    """Seconds of CPU of a process of this Python, on one thread."""
    import resource  # which Windows does not have

    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603  (words of ours)
        [sys.executable, *words], cwd=folder, env=os.environ | alone, stdout=subprocess.DEVNULL, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
