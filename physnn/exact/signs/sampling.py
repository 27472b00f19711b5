"""Densities of levels of +-1 networks too large to count: independent Wang-Landau and multicanonical walkers."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.exact.landscape import exact_json
from physnn.exact.signs.brute import LEVEL_GAP, kernel_arguments, no_progress
from physnn.kernels import random
from physnn.kernels.signs import losses as kernel
from physnn.kernels.signs import walk
from physnn.models.signs import SignNetwork, Threshold

if TYPE_CHECKING:
    import pandas

MOVES_PER_CALL = 10_000
"""Moves of one compiled call."""
START = 1.0
"""First ln f."""
MOST_LEVELS = 2**16
"""Levels that a walker has room for."""


@dataclass(frozen=True, eq=False)
class SampledLandscape:
    """Levels that walkers found, with the estimated fraction of configurations on each.

    Attributes
    ----------
    levels : ndarray of float64, shape (distinct,)
        Losses found by any walker, ascending.
    fractions : ndarray of float64, shape (walkers, distinct)
        Estimates of each walker, which sum to 1; 0 for a level that it did not visit while measuring.
    visits : ndarray of int64, shape (walkers, distinct)
        Measurements on each level.
    refinement : ndarray of float64, shape (walkers,)
        Last ``ln f`` before measuring.
    inverse_time : ndarray of bool, shape (walkers,)
        Whether the walker reached the 1/t stage: all levels known were visited at every ``ln f`` before it.
    """

    weights: int
    levels: np.ndarray
    fractions: np.ndarray
    visits: np.ndarray
    refinement: np.ndarray
    inverse_time: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Fraction of configurations on each level, averaged over walkers."""
        return np.asarray(self.fractions.mean(axis=0))

    @property
    def error(self) -> np.ndarray:
        """Standard error of `mean`, from the scatter of the walkers."""
        return np.asarray(self.fractions.std(axis=0, ddof=1) / math.sqrt(len(self.fractions)))

    @property
    def found_by(self) -> np.ndarray:
        """Number of walkers that measured on each level."""
        return np.asarray((self.visits > 0).sum(axis=0))

    def to_dataframe(self) -> pandas.DataFrame:
        """Levels with the fraction of configurations on each, its error, and the walkers that found it."""
        import pandas

        columns = {"loss": self.levels, "fraction": self.mean, "fraction_error": self.error, "walkers": self.found_by}
        return pandas.DataFrame(columns | {"configurations": self.mean * 2.0**self.weights})

    @property
    def complete(self) -> bool:
        """Whether every walker reached the 1/t stage and measured on every level that any walker found.

        That no level is missing for all of them cannot be known from inside.
        """
        return bool(self.inverse_time.all() and (self.visits > 0).all())

    def as_json(self) -> dict[str, Any]:
        """Plain data; counts are fractions times 2^weights, as far as float64 holds them."""
        scale = 2.0**self.weights if self.weights < 1000 else math.inf
        columns = zip(self.levels.tolist(), self.mean.tolist(), self.error.tolist(), self.found_by, strict=True)
        return {
            "weights": self.weights,
            "configurations": exact_json(2**self.weights),
            "distinct": len(self.levels),
            "max_degeneracy": float(self.mean.max()) * scale,
            "method": "sampling",
            "walkers": len(self.fractions),
            "complete": self.complete,
            "levels": [
                {"loss": loss, "count": share * scale, "fraction": share, "error": error, "walkers": int(walkers)}
                for loss, share, error, walkers in columns
            ],
        }


def sample_landscape(
    network: SignNetwork,
    task: Threshold | None = None,
    *,
    walkers: int = 16,
    moves: int = 4_000_000,
    measured: int = 4_000_000,
    seed: int = 0,
    threads: int = 1,
    max_levels: int = MOST_LEVELS,
    progress: Callable[[float, float, str], None] = no_progress,
) -> SampledLandscape:
    """Estimated fraction of configurations on every level of the loss.

    Each walker flips single weights and is accepted with ``min(1, g(old) / g(new))``.  While it learns, ``ln g`` of
    the level visited grows by ln f, which starts at 1, is halved whenever every level known has been visited, and is
    ``levels / moves`` once that is larger (F. Wang, D. P. Landau, Phys. Rev. Lett. 86, 2050 (2001); R. E. Belardinelli,
    V. D. Pereyra, Phys. Rev. E 75, 046701 (2007)).  Then g is fixed and visits H are counted, so that the fraction of
    a level is proportional to ``H g`` without the bias of a g that still changes (B. A. Berg, T. Neuhaus, Phys. Rev.
    Lett. 68, 9 (1992)).

    Parameters
    ----------
    network, task
        As for `physnn.exact.signs.count.count_signs`.
    walkers : int
        Independent walkers, at least two: errors come from their scatter.
    moves, measured : int
        Moves of each walker while it learns and while it measures.
    seed : int
        Root seed.
    threads : int
        Compute threads; the result does not depend on it.
    max_levels : int
        Levels that a walker has room for.

    Raises
    ------
    InputError
        If there are fewer than two walkers, no moves, more levels than ``max_levels``, or levels too close to be told
        apart.
    """
    if walkers < 2 or moves < 1 or measured < 1:
        raise InputError("sampling needs at least 2 walkers and some moves to learn and to measure; try 16 walkers")
    task = task or Threshold()
    found = [Walker(network, task, seed, n, max_levels) for n in range(walkers)]
    stop = threading.Event()

    def run(walker: Walker) -> None:
        for _ in walker.run(moves, measured):
            if stop.is_set():
                return

    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for n, _ in enumerate(pool.map(run, found)):
                progress(n + 1, walkers, f"walker {n + 1} of {walkers}")
        finally:
            stop.set()
    return sampled([walker.result() for walker in found], network.weights)


class Walked(NamedTuple):
    """Losses, fractions and visits of the levels that a walker found, its last ln f, and if that fell like 1/t."""

    losses: np.ndarray
    fractions: np.ndarray
    visits: np.ndarray
    refinement: float
    inverse_time: bool


class Walker:
    """Walker with its configuration and its estimate of the density of levels."""

    def __init__(self, network: SignNetwork, task: Threshold, seed: int, number: int, room: int) -> None:
        kinds = kernel_arguments(network, task)
        units, inputs = kinds["units"], kinds["inputs"]
        starts = np.concatenate([[0], np.cumsum(units * inputs)[:-1]])
        layer_of = np.repeat(np.arange(len(units)), units * inputs)
        unit_of = np.concatenate([np.repeat(np.arange(n), m) for n, m in zip(units, inputs, strict=True)])
        sequence = rng.seed_sequence(seed, "chain", "signs", repr(network), repr(task), "wang-landau", number)
        self.generator = random.seeded(sequence)
        w = rng.generator(rng.child(sequence)).choice([-1.0, 1.0], network.weights)
        acts = np.ones((len(units) + 1, max(inputs.max(), 1), task.points))
        acts[0, 0] = task.x
        if network.constant is not None:
            acts[0, 1] = network.constant
        fixed = (units, inputs, kinds["activations"])
        walk.propagate(*fixed, starts, w, acts, 0, -1)
        self.arguments = (*fixed, kinds["loss"], kinds["y"], starts, layer_of, unit_of, w, acts, acts.copy())
        places = 1 << (4 * room - 1).bit_length()
        hashed = np.full(places, kernel.EMPTY, np.int64), np.zeros(places, np.int64)
        self.table: tuple[Any, ...] = (*hashed, *np.zeros((2, room)), np.zeros(room, np.int64), np.zeros(1, np.int64))
        self.at, self.done, self.log_f, self.inverse = -1, 0, START, False

    def run(self, moves: int, measured: int) -> Iterator[int]:
        """Moves done, after each of the calls that learn and then measure."""
        visits = self.table[4]
        while self.done < moves:
            n = min(MOVES_PER_CALL, moves - self.done)
            self._walk(n, (self.done, self.log_f, self.inverse))
            self.done += n
            known = int(self.table[5][0])
            if not self.inverse and (visits[:known] > 0).all():
                visits[:] = 0
                self.log_f /= 2
                self.inverse = self.log_f <= known / self.done
            if self.inverse:
                self.log_f = known / self.done
            if self.done == moves:
                visits[:] = 0
            yield self.done
        while self.done < moves + measured:
            n = min(MOVES_PER_CALL, moves + measured - self.done)
            self._walk(n, (0, 0.0, False))
            self.done += n
            yield self.done

    def _walk(self, moves: int, stage: tuple[int, float, bool]) -> None:
        self.at = walk.walk(*self.arguments, self.generator, self.table, self.at, (moves, *stage))
        if self.at < 0:
            raise InputError(f"a walker found more than {len(self.table[3])} levels; raise max_levels")

    def state(self) -> dict[str, np.ndarray]:
        """All that a walker needs to go on, by name."""
        numbers = np.array([self.at, self.done, self.log_f, self.inverse], float)
        arrays = (*self.arguments[-3:], self.generator, *self.table)
        return {"numbers": numbers} | {f"array_{k}": values for k, values in enumerate(arrays)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state."""
        at, done, self.log_f, inverse = state["numbers"].tolist()
        self.at, self.done, self.inverse = int(at), int(done), bool(inverse)
        for k, values in enumerate((*self.arguments[-3:], self.generator, *self.table)):
            values[...] = state[f"array_{k}"]

    def result(self) -> Walked:
        """Result of the walker."""
        known = int(self.table[5][0])
        _, _, losses, log_g, visits, _ = (array[:known] for array in self.table)
        seen = visits > 0
        logs = np.full(known, -np.inf)
        logs[seen] = np.log(visits[seen]) + log_g[seen]
        fractions = np.exp(logs - logs.max())
        return Walked(losses, fractions / fractions.sum(), visits, self.log_f, self.inverse)


def sampled(walks: Sequence[Walked], weights: int) -> SampledLandscape:
    """Landscape from what walkers found in a network with some number of weights."""
    every = np.sort(np.concatenate([one.losses for one in walks]))
    gaps = np.diff(every) / (1 + np.abs(every[1:]))
    if ((gaps > LEVEL_GAP / 10) & (gaps < LEVEL_GAP)).any():
        raise InputError("levels of this network lie closer than rounding lets walkers tell apart; use other data")
    levels = every[np.append(True, gaps >= LEVEL_GAP)]
    fractions = np.zeros((len(walks), len(levels)))
    visits = np.zeros(fractions.shape, np.int64)
    edges = (levels[1:] + levels[:-1]) / 2
    for n, one in enumerate(walks):
        at = np.searchsorted(edges, one.losses)
        np.add.at(fractions[n], at, one.fractions)
        np.add.at(visits[n], at, one.visits)
    refinement, inverse = np.array([one.refinement for one in walks]), np.array([one.inverse_time for one in walks])
    return SampledLandscape(weights, levels, fractions, visits, refinement, inverse)
