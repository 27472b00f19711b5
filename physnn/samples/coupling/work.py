"""Sweeps of coupled oscillators: every task is a series of realisations of one size, for all couplings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physnn import rng
from physnn.models.oscillators import Network
from physnn.samplers.oscillators import (
    TABLEAUS,
    Oscillators,
    integrate,
    locked_share,
    neighbour_order,
    random_directions,
    random_phases,
    vortex_share,
)
from physnn.samples.base import check_finite
from physnn.samples.coupling.recipe import CouplingSweep
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task

CALL_TIME = 0.3
"""How long a block of measurements should take: a run that is told to stop waits little longer."""
SUMMED = {
    "r": ("r", "order parameter r = |mean of exp(i theta)|, mean over the time of measurements"),
    "r2": ("r^2", "square of r, mean over the time of measurements"),
    "r4": ("r^4", "fourth power of r, mean over the time of measurements"),
    "local_order": ("r_loc", "length of the sum of neighbours' unit vectors over that of aligned ones, mean"),
    "vortices": ("rho_v", "share of the plaquettes around which the phase turns once, mean"),
}
"""Symbols and meanings of what is summed over measurements."""
LOCKED = "share of oscillators whose phases advance alike, to within a turn in the time of measurements"


class CouplingSample(Sample):
    """Oscillators at several sizes and strengths of the coupling."""

    Recipe = CouplingSweep
    recipe: CouplingSweep
    advice = "fewer or smaller --N, fewer --realisations or --series, shorter times, or fewer --jobs"

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        realisation = "number of the realisation of frequencies in the series; realisations are shared by all K"
        return {
            "K": Axis(self.recipe.couplings(size), "K", "rad/s", "strength of the coupling"),
            "series": Axis(self.recipe.series, meaning="number of the series of realisations"),
            "bin": Axis(self.recipe.realisations, meaning=realisation),
        }

    def _summed(self) -> tuple[str, ...]:
        local = () if self.recipe.network_id == "all" else ("local_order",)
        vortices = ("vortices",) if self.recipe.network_id == "square" and self.recipe.components == 2 else ()
        return ("r", "r2", "r4", *local, *vortices)

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities of oscillators by name, one number a realisation."""
        found = {name: SUMMED[name] for name in self._summed()}
        found |= {"locked": ("f", LOCKED)} if self.recipe.components == 2 else {}
        axes = ("K", "series", "bin")
        return {name: Measured(symbol, "1", meaning, axes) for name, (symbol, meaning) in found.items()}

    def split(self, size: int) -> dict[str, int]:
        """Every task has all strengths and one series."""
        return {"K": len(self.recipe.couplings(size)), "series": 0}

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"N{size}"

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of the states of a run with its checkpoint, and stages of all oscillators in all steps."""
        recipe, n = self.recipe, self.recipe.components
        assert recipe.method is not None
        each = 8.0 * (12 if n == 2 else 8 * n + n * (n - 1))
        steps = (recipe.rows(recipe.warm_up(size)) + recipe.rows(recipe.duration)) * recipe.every
        runs = recipe.realisations * len(recipe.couplings(size))
        # Calls of compiled code take some time, too: as much as a hundred oscillators.
        stages = float(size + 100) * steps * runs * len(TABLEAUS[recipe.method])
        return Resources(1e6 + each * size + 100.0 * recipe.bonds, stages)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Means of the realisations of a series, which goes on from a checkpoint."""
        network, frequencies = self.recipe.graph(), None
        if self.recipe.distribution is None:
            frequencies = self.recipe.own_frequencies()
        shape = len(task["K"]), self.recipe.realisations
        found = {name: np.zeros(shape) for name in self.quantities(task.size)}
        place, kept = 0, checkpoint.arrays
        run = None
        if kept is not None:
            found, place = {name: np.array(kept[name]) for name in found}, int(kept["state_place"])
            run = UnderWay.of(kept)
        while place < found["r"].size:
            b, k = divmod(place, shape[0])
            system, first = self._realisation(task, b, k, network, frequencies)
            run = run or UnderWay(first, sums=np.zeros(len(self._summed())))
            for share in self._measured(run, system, self._key(task, b, k)):
                checkpoint.note((place + share) / found["r"].size)
                if share < 1 and checkpoint.due():
                    checkpoint.save(found | run.arrays() | {"state_place": np.array(place)})
            for name, value in self._result(run, system).items():
                found[name][k, b] = value
            run, place = None, place + 1
            if place < found["r"].size and checkpoint.due():
                checkpoint.save(found | {"state_place": np.array(place)})
        check_finite(found, f"N = {task.size}, series {task['series']}", "realisation")
        return found

    def short(self) -> CouplingSample:
        """Two short series of the largest size."""
        recipe = self.recipe
        N, time = max(recipe.N), recipe.every * recipe.step
        few = {"N": (N,), "K": recipe.couplings(N)[-1:], "series": 2, "realisations": 1, "thermalisation": 0.0}
        rows = max(1, int(1e6 / (N * recipe.every)))
        return CouplingSample(recipe.model_copy(update=few | {"duration": rows * time}))

    def _key(self, task: Task, b: int, k: int) -> np.ndarray:
        words = task.size, task["series"], b, task["K"][k]
        return rng.counter_key(self.recipe.seed, "oscillators", "noise", *words)

    def _realisation(
        self, task: Task, b: int, k: int, network: Network, frequencies: np.ndarray | None
    ) -> tuple[Oscillators, np.ndarray]:
        """Oscillators of a realisation at one strength, and their first state: the same for every strength."""
        recipe, n, N = self.recipe, task.size, self.recipe.components
        generator = rng.stream(recipe.seed, "oscillators", "realisation", n, task["series"], b)
        if N > 2:
            omega = recipe.width * generator.standard_normal((N * (N - 1) // 2, n))
        elif frequencies is not None:
            omega = frequencies
        else:
            assert recipe.distribution is not None
            omega = recipe.distribution.draw(n, generator)
        state = random_phases(n, generator) if N == 2 else random_directions(N, n, generator)
        if recipe.start == "ordered":
            state = np.zeros(n) if N == 2 else np.repeat(np.eye(N, 1), n, axis=1)
        assert recipe.method is not None
        return Oscillators(omega, task["K"][k], recipe.noise, network, recipe.step, recipe.method), state

    def _measured(self, run: UnderWay, system: Oscillators, key: np.ndarray) -> Iterator[float]:
        """Advance a run to its end; yield the share that is done after each block of measurements."""
        recipe, names = self.recipe, self._summed()
        warm = recipe.rows(recipe.warm_up(system.omega.shape[-1]))
        total = warm + recipe.rows(recipe.duration)
        block = 1
        while run.done < total:
            if run.done == warm:
                run.start = run.state.copy()
            end = total if run.done >= warm else warm
            # What is measured of neighbours is measured here, between two calls.
            count = min(block, end - run.done) if len(names) == 3 or run.done < warm else 1
            began = time.perf_counter()
            rows = integrate(system, run.state, key, run.done * recipe.every, recipe.every, count)
            run.done += count
            if run.done > warm:
                r2 = (rows**2).sum(1)
                values = [np.sqrt(r2), r2, r2**2]
                values += [np.array([neighbour_order(system.network, run.state)])] if "local_order" in names else []
                values += [np.array([vortex_share(run.state)])] if "vortices" in names else []
                # One measurement after the other, so that sums do not depend on the blocks.
                run.sums = np.cumsum(np.vstack([run.sums, np.transpose(values)]), axis=0)[-1]
            block = max(1, int(count * min(4.0, CALL_TIME / max(time.perf_counter() - began, 1e-6))))
            yield run.done / total

    def _result(self, run: UnderWay, system: Oscillators) -> dict[str, float]:
        means = run.sums / self.recipe.rows(self.recipe.duration)
        found = dict(zip(self._summed(), means.tolist(), strict=True))
        return found | ({"locked": locked_share(run.start, run.state)} if system.components == 2 else {})


@dataclass
class UnderWay:
    """One realisation at one strength under way.

    Attributes
    ----------
    state : ndarray
        Phases in turns, or unit vectors.
    sums : ndarray
        Sums over the measurements so far.
    start : ndarray
        State at the first measurement; empty before it.
    done : int
        Measurements so far, those of the thermalisation too.
    """

    state: np.ndarray
    sums: np.ndarray
    start: np.ndarray = field(default_factory=lambda: np.zeros(0))
    done: int = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `of` makes the run again."""
        return {f"state_{name}": np.array(value) for name, value in vars(self).items()}

    @classmethod
    def of(cls, arrays: Arrays) -> UnderWay | None:
        """UnderWay under way that a checkpoint holds; None if it was made between two of them."""
        if "state_done" not in arrays:
            return None
        state, sums, start = (np.array(arrays[f"state_{name}"]) for name in ("state", "sums", "start"))
        return cls(state, sums, start, int(arrays["state_done"]))
