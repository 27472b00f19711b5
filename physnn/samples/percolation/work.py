"""Sweeps of site percolation: every task is a series of runs of one size, for all occupation probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physnn import rng
from physnn.kernels.random import seeded
from physnn.samplers.percolation import CLUSTER_QUANTITIES, Occupations, add_runs
from physnn.samples.percolation.recipe import BINS, PercolationSweep
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task

SERIES_SECONDS = 0.5
"""How long runs are made before the state is looked after: a run that is told to stop waits little longer."""


class PercolationSample(Sample):
    """Clusters of site percolation at several sizes and occupation probabilities."""

    Recipe = PercolationSweep
    recipe: PercolationSweep
    advice = "fewer or smaller --L, fewer --runs or --series, or fewer --jobs"

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        return {
            "p": Axis(self.recipe.probabilities(size), "p", "1", "probability that a site is occupied"),
            "series": Axis(self.recipe.series, meaning="number of the series of runs"),
            "bin": Axis(BINS, meaning="number of the bin of runs in the series; runs are shared by all p"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities of clusters by name, each the mean of the runs of a bin."""
        found = CLUSTER_QUANTITIES.items()
        return {name: Measured(q.symbol, q.unit, q.meaning, ("p", "series", "bin")) for name, q in found}

    def split(self, size: int) -> dict[str, int]:
        """Every task has all occupation probabilities and one series."""
        return {"p": len(self.recipe.probabilities(size)), "series": 0}

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a run with its sums, and the sites of all runs."""
        places = Occupations(size, self.recipe.probabilities(size))
        counts = places.last - places.first + 1
        memory = 12.0 * places.sites + 8.0 * counts * (3 * len(places.p) + 15)
        return Resources(memory, float(places.sites * sum(self.recipe.bins(size))))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Means of the bins of a series, which goes on from a checkpoint."""
        at, bins = Occupations(task.size, task["p"]), self.recipe.bins(task.size)
        if (kept := checkpoint.arrays) is None:
            first = seeded(rng.seed_sequence(self.recipe.seed, "chain", "percolation", task.size, task["series"]))
            kept = {"state_generator": first, "state_sums": at.nothing(), "state_runs": np.array(0)}
        generator, sums = (np.array(kept[f"state_{name}"]) for name in ("generator", "sums"))
        done = int(kept["state_runs"])
        found = {name: list(np.array(kept[name]).T) for name in CLUSTER_QUANTITIES if name in kept}
        found = found or {name: [] for name in CLUSTER_QUANTITIES}
        before = sum(bins[: len(found["largest"])])
        while len(found["largest"]) < BINS:
            count = bins[len(found["largest"])]
            done += add_runs(at, count - done, generator, sums, SERIES_SECONDS)
            checkpoint.note((before + done) / sum(bins))
            if done == count:
                for name, values in at.averages(sums, count).items():
                    found[name].append(values)
                before, done = before + count, 0
                sums[:] = 0
            if len(found["largest"]) < BINS and checkpoint.due():
                state = {"state_generator": generator, "state_sums": sums, "state_runs": np.array(done)}
                checkpoint.save(_stacked(found) | state)
        return _stacked(found)

    def short(self) -> PercolationSample:
        """Two short series of the largest size."""
        L = max(self.recipe.L)
        few = {"L": (L,), "p": self.recipe.probabilities(L), "series": 2, "runs": max(BINS, int(2e6 / L**2))}
        return PercolationSample(self.recipe.model_copy(update=few))


def _stacked(found: Mapping[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays (points, bins) of what bins have measured, as far as there are any."""
    return {name: np.array(rows).T for name, rows in found.items() if rows}
