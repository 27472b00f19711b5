"""Loss landscapes of +-1 networks by visiting every configuration: the check of the counting over functions."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.exact.landscape import Landscape
from physnn.kernels.signs import losses as kernel
from physnn.models.signs import ACTIVATIONS, LOSSES, SignNetwork, Threshold

BRUTE_FORCE = "brute force"
"""Method of these landscapes."""
MOST_WEIGHTS = 36
"""Weights: an hour of one core where scalar products serve, a day where outputs are evaluated point by point."""
VISITS_PER_SECOND = 2e7
"""Configurations per second of one core, to say how long something would take."""
VISIT_SECONDS = 0.1
"""Seconds of one compiled call, so that an interruption gets through."""
LEVEL_WIDTH = 1e-12
"""Widest spread of one level by rounding, over 1 + loss: some thousand times the spacing of float64."""
LEVEL_GAP = 1e-11
"""Least gap, over 1 + loss, between two levels that can be told apart: ten times `LEVEL_WIDTH`."""
TABLE = 2**22
"""Largest number of codes of a unit: its table holds that many times points."""
GRAM = 2**8
"""Largest table of which all scalar products are taken."""
BIN_COLUMNS = ("keys", "counts", "low", "high")
"""Columns of a tally: number of each bin, configurations, least and largest loss."""

CountProgress = Callable[[float, float, str], None]


@dataclass(frozen=True, eq=False)
class Tally:
    """State of an unfinished count: steps done, and the bins of the loss in use, see `BIN_COLUMNS`."""

    done: int
    keys: np.ndarray
    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray


def no_progress(done: float, total: float, text: str) -> None:
    """Show no progress."""


def brute_force(
    network: SignNetwork, task: Threshold | None = None, threads: int = 1, progress: CountProgress = no_progress
) -> Landscape:
    """Landscape of a +-1 network: every configuration is evaluated.

    Losses are sorted into bins of 2^-38; bins that touch are joined.  Losses within rounding, `LEVEL_WIDTH`, are one
    level.  Levels must lie further apart than `LEVEL_GAP`; otherwise nothing is returned.

    Parameters
    ----------
    network, task
        As for `physnn.exact.signs.count.count_signs`.
    threads : int
        Compute threads.  The result does not depend on it.
    progress : callable
        Called with configurations done, all configurations, and a text.

    Raises
    ------
    InputError
        If there are more than `MOST_WEIGHTS` weights, a unit has too many, or levels lie closer than rounding can tell.
    """
    refuse(network)
    steps, each = step_numbers(network)
    for done, counted in tallies(network, task or Threshold(), 0, steps, threads):  # noqa: B007 (the last one is used)
        progress(done * each, steps * each, f"{2**network.weights:.3g} configurations")
    return landscape_of(network, counted())


def tallies(
    network: SignNetwork, task: Threshold, first: int, last: int, threads: int = 1, resume: Tally | None = None
) -> Generator[tuple[int, Callable[[], Tally]]]:
    """Steps done and the way to their tally, about every `VISIT_SECONDS`, until all are done.

    Parameters
    ----------
    network, task, threads
        As for `brute_force`.
    first, last : int
        Steps to visit, of those of `step_numbers`.
    resume : Tally, optional
        Continue from here.
    """
    if len(network.layers) == 2:
        yield 1, lambda: _few(network, task)
        return
    kinds, (_, each) = kernel_arguments(network, task), step_numbers(network)
    tables = [Bins.empty(network) for _ in range(max(1, threads))]
    done, size = first, max(1, 5_000_000 // (each * task.points))
    if resume is not None:
        tables[0].restore(resume)
        done = resume.done
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        while done < last:
            began = time.perf_counter()
            starts = [done + k * size for k in range(len(tables)) if done + k * size < last]
            jobs = [(t, s, min(size, last - s)) for t, s in zip(tables, starts, strict=False)]
            for _ in pool.map(lambda job: job[0].visit(kinds, job[1], job[2]), jobs):
                pass
            done = min(last, done + size * len(tables))
            size = max(1, round(size * min(4.0, VISIT_SECONDS / max(1e-4, time.perf_counter() - began))))
            yield done, functools.partial(collect, tables, done)
    finally:
        # A thread that compiles cannot be stopped: whoever interrupts does not wait for it.
        pool.shutdown(wait=done >= last, cancel_futures=True)


def refuse(network: SignNetwork) -> None:
    """Raise InputError with the time and memory it would take if brute force is out of reach."""
    if network.weights > MOST_WEIGHTS:
        years = 2.0**network.weights / VISITS_PER_SECOND / 3.156e7
        memory = min(2.0**network.weights, 1e300) * 64 / 1e9
        raise InputError(
            f"brute force over {network.weights} weights would take about {years:.1g} years of one core and, if every"
            f" loss differs, {memory:.1g} GB; the limit is {MOST_WEIGHTS} weights, so count over functions instead"
        )
    widest = max(network.inputs[:-1], default=0)
    if 2**widest > TABLE:
        raise InputError(
            f"a hidden unit with {widest} weights has too many choices for brute force (at most"
            f" {TABLE.bit_length() - 1} weights), so count over functions instead"
        )


def kernel_arguments(network: SignNetwork, task: Threshold) -> dict[str, Any]:
    """Network and task as the kernels take them."""
    layers = len(network.layers) - 1
    output = kernel.TANH if network.output == "tanh" else kernel.LINEAR
    return {
        "units": np.array(network.layers[1:], np.int64),
        "inputs": np.array(network.inputs, np.int64),
        "biased": np.array([network.has_bias(k) for k in range(layers)], np.int64),
        "activations": np.array([ACTIVATIONS.index(network.hidden)] * (layers - 1) + [output], np.int64),
        "loss": LOSSES.index(task.loss),
        "x": task.x,
        "y": task.y,
        "constant": float(network.constant or 0),
    }


def step_numbers(network: SignNetwork) -> tuple[int, int]:
    """Number of steps and the configurations of each."""
    inner = sum(network.inputs[-2:])
    return 2 ** (network.weights - inner), 2**inner


class Bins:
    """Hash table of losses of one thread."""

    def __init__(self, places: int) -> None:
        self.used, keys = 0, np.full(places, kernel.EMPTY, np.int64)
        self.arrays = keys, np.zeros(places, np.int64), np.zeros(places), np.zeros(places)

    @classmethod
    def empty(cls, network: SignNetwork) -> Bins:
        """Table that holds at least two steps."""
        return cls(max(2**12, 8 * step_numbers(network)[1]))

    def visit(self, kinds: dict[str, Any], first: int, steps: int) -> None:
        """Count some steps."""
        names = ("units", "inputs", "biased", "activations", "loss", "y")
        rows = [kinds["x"], np.full_like(kinds["x"], kinds["constant"]), np.ones_like(kinds["x"])]
        bias, fed = int(kinds["biased"][0]), int(kinds["inputs"][0])
        fixed = (*(kinds[name] for name in names), np.array(rows[: fed - bias] + rows[2:] * bias))
        gram = bool(
            kinds["loss"] == kernel.MSE
            and kinds["activations"][-1] == kernel.LINEAR
            and kinds["units"][-2] > 1
            and 2 ** kinds["inputs"][-2] <= GRAM
        )
        while steps:
            arguments = (*fixed, first, steps, gram, self.used, self.arrays)
            done, self.used = kernel.visit(*arguments)
            first, steps = first + done, steps - done
            if steps:
                self._grow()

    def _grow(self) -> None:
        larger = Bins(2 * len(self.arrays[0]))
        kernel.absorb(*self.arrays, *larger.arrays)
        self.arrays, self.used = larger.arrays, int((larger.arrays[0] != kernel.EMPTY).sum())

    def restore(self, tally: Tally) -> None:
        """Take in what was counted before."""
        while len(self.arrays[0]) < 4 * len(tally.keys):
            self._grow()
        kernel.absorb(tally.keys, tally.counts, tally.low, tally.high, *self.arrays)
        self.used = int((self.arrays[0] != kernel.EMPTY).sum())


def collect(tables: Sequence[Bins], done: int) -> Tally:
    """Tally of the threads' tables."""
    filled = [t.arrays[0] != kernel.EMPTY for t in tables]
    return joined([Tally(done, *(a[f] for a in t.arrays)) for t, f in zip(tables, filled, strict=True)])


def joined(tallies: Sequence[Tally]) -> Tally:
    """Sum of tallies, with the bins in order."""
    keys, *others = (np.concatenate([getattr(t, name) for t in tallies]) for name in BIN_COLUMNS)
    keys, place = np.unique(keys, return_inverse=True)
    total, least, largest = np.zeros(len(keys), np.int64), np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
    for ufunc, out, values in zip((np.add, np.minimum, np.maximum), (total, least, largest), others, strict=True):
        ufunc.at(out, place, values)
    return Tally(max(t.done for t in tallies), keys, total, least, largest)


def landscape_of(network: SignNetwork, tally: Tally) -> Landscape:
    """Join bins that touch into levels, and check that levels can be told apart."""
    scale = 1 + np.abs(tally.high)
    apart = tally.low[1:] - tally.high[:-1]
    starts = np.flatnonzero(np.append(True, apart > LEVEL_WIDTH * scale[1:]))
    low, high = np.minimum.reduceat(tally.low, starts), np.maximum.reduceat(tally.high, starts)
    widest = float(((high - low) / (1 + high)).max())
    nearest = float(((low[1:] - high[:-1]) / (1 + high[1:])).min(initial=math.inf))
    if widest > LEVEL_WIDTH or nearest < LEVEL_GAP:
        raise InputError(
            f"levels of this network lie closer than rounding lets brute force tell apart (gap {nearest:.1g}, width"
            f" {widest:.1g}), so count over functions instead"
        )
    return Landscape.build(network.weights, (low + high) / 2, np.add.reduceat(tally.counts, starts), BRUTE_FORCE)


def _few(network: SignNetwork, task: Threshold) -> Tally:
    """Tally of a network without hidden layers: eight configurations at most, each in a bin of its own."""
    every = network.configuration(np.arange(2**network.weights))
    losses = np.sort(task.losses(network.outputs(every, task.x)))
    return Tally(1, np.arange(len(losses)), np.ones(len(losses), np.int64), losses, losses)
