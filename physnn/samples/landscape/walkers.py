"""Loss levels of +-1 networks by Wang-Landau walkers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physnn.exact.signs.sampling import MOST_LEVELS, MOVES_PER_CALL, SampledLandscape, Walked, Walker, sampled
from physnn.samples.landscape.recipe import SignSampling, walker_bytes
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Results, Task
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import read_sweep

WALKED = ("loss", "fraction", "visits", "refinement", "inverse_time")
"""Names in a file of the fields of `Walked`."""


class SignSamplingSample(Sample):
    """The same by Wang-Landau walkers, each of them a task."""

    Recipe = SignSampling
    recipe: SignSampling
    advice = "fewer --points or fewer --jobs"

    def axes(self, size: int) -> dict[str, Axis]:
        """Walkers, by number."""
        return {"walker": Axis(self.recipe.walkers, meaning="number of the walker")}

    def quantities(self, size: int) -> dict[str, Measured]:
        """Levels of every walker, and how far it came."""
        place, nothing = ("walker", "place"), "; NaN where a walker found fewer levels than another"
        return {
            "loss": Measured("", self.recipe.loss, "loss of a level" + nothing, place),
            "fraction": Measured("", "", "estimated fraction of configurations on the level", place),
            "visits": Measured("H", "", "measurements on the level", place),
            "refinement": Measured("ln f", "", "last ln f before measuring", ("walker",)),
            "inverse_time": Measured("", "", "whether the walker reached the 1/t stage", ("walker",)),
        }

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a walker, and points evaluated."""
        recipe = self.recipe
        return Resources(walker_bytes(recipe.layers, recipe.points), 2.0 * recipe.moves * recipe.points)

    def short(self) -> SignSamplingSample:
        """Sample with few moves."""
        return type(self)(self.recipe.model_copy(update={"moves": min(self.recipe.moves, 2 * MOVES_PER_CALL)}))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """What one walker finds."""
        recipe = self.recipe
        walker = Walker(recipe.network, recipe.problem, recipe.seed, task["walker"], MOST_LEVELS)
        if checkpoint.arrays is not None:
            walker.restore(checkpoint.arrays)
        for done in walker.run(recipe.moves, recipe.moves):
            checkpoint.note(done / (2 * recipe.moves))
            if done < 2 * recipe.moves and checkpoint.due():
                checkpoint.save(walker.state())
        return dict(zip(WALKED, map(np.asarray, walker.result()), strict=True))

    def assemble(self, size: int, results: Results) -> dict[str, Variable]:
        """Arrays of all walkers, as long as the longest."""
        found = {task.key: results[task.key] for task in self.tasks_of(size)}
        most = max(len(arrays["loss"]) for arrays in found.values())
        return super().assemble(size, {key: _padded(arrays, most) for key, arrays in found.items()})


def _padded(arrays: Arrays, length: int) -> Arrays:
    """Arrays of a walker with room for more levels."""
    fill = {"loss": math.nan, "fraction": 0.0, "visits": 0}
    if len({len(arrays[name]) for name in fill}) > 1:
        raise ValueError("a walker has levels without a fraction or visits")
    more = {name: np.full(length - len(arrays[name]), value, arrays[name].dtype) for name, value in fill.items()}
    return {name: np.append(values, more[name]) if name in fill else values for name, values in arrays.items()}


def sampled_signs(out: Path) -> SampledLandscape:
    """Landscape of a file that `SignSamplingSample` wrote; raises InputError as `sampled`."""
    ((weights, group),) = read_sweep(out).sizes.items()
    walks = []
    for loss, fraction, visits, log_f, inverse in zip(*(group[name].values for name in WALKED), strict=True):
        known = ~np.isnan(loss)
        walks.append(Walked(loss[known], fraction[known], visits[known], float(log_f), bool(inverse)))
    return sampled(walks, weights)
