"""Speed of site percolation, as ratios against runs in random order throughout."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import BASELINE, Case, report, timed
from physnn.jobs.run import Progress, silent
from physnn.kernels.lattice.percolation import run_percolation
from physnn.kernels.random import probability_thresholds, seeded
from physnn.samplers.percolation import Occupations, add_runs

TORI = (64, 256, 1024)
"""Sides of the tori: in the first cache, in the second, and in neither."""


def bench_percolation(progress: Progress = silent) -> dict[str, Any]:
    """Nanoseconds per site of a run that serves 13 occupation probabilities, on one thread.

    The plain loop occupies all sites in random order, as M. E. J. Newman and R. M. Ziff do.  See
    `physnn.checks.bench.report`; ratios are times of the plain loop over ours.
    """
    cases = [case for L in TORI for case in _cases(L)]
    rows = timed(cases, progress)
    pairs = zip(TORI, rows[::2], rows[1::2], strict=True)
    return report(rows, {f"{BASELINE} / percolation, L = {L}": b["value"] / a["value"] for L, a, b in pairs})


def _cases(L: int) -> list[Case]:
    # As many probabilities as a sweep has by default, over the width of the transition.
    at = Occupations(L, tuple((0.593 + np.linspace(-0.8, 0.8, 13) / L**0.75).tolist()))
    generator, sums = seeded(rng.seed_sequence(0, "synthetic", "bench", "percolation", L)), at.nothing()
    never = probability_thresholds(np.array(0.0))[()]
    ours = functools.partial(add_runs, at, generator=generator, sums=sums)
    plain = functools.partial(run_percolation, L, at.first, never, state=generator, sums=sums)
    value = lambda seconds, _: 1e9 * seconds / L**2  # noqa: E731
    return [
        Case(f"percolation, L = {L}", "ns/site", ours, value, clock=time.thread_time),
        Case(f"{BASELINE}, L = {L}", "ns/site", lambda runs: plain(runs=runs), value, clock=time.thread_time),
    ]
