"""Ladders of an equilibrium sweep: every task is the replicas of one size at all its temperatures.

Each temperature has a sampler, a generator and averages of its own; what replicas exchange are their vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn import rng
from physnn.kernels import random
from physnn.kernels.exchange import exchange_replicas
from physnn.samplers.tempering import inverse_temperatures
from physnn.samples.tasks import Arrays, Checkpoint, Task

if TYPE_CHECKING:
    from physnn.samples.equilibrium.work import EquilibriumSample, Run

PERIOD = 10
"""Exchanges between two looks at the clock."""
ONCE = ("state_step", "state_size")
"""What the chains of a temperature have once."""


def run_vector_ladder(sample: EquilibriumSample, task: Task, checkpoint: Checkpoint) -> Arrays:
    """Measurements, averages and last states of a ladder, which goes on from a checkpoint.

    Raises NotFinite if a state or a measurement is not finite; the checkpoint before stays.
    """
    recipe, kept = sample.recipe, checkpoint.arrays
    start = recipe.start if recipe.start != "both" else ("random" if task["chain"] % 2 else "ordered")
    single = type(sample)(recipe.model_copy(update={"chains": 1, "start": start, "tempering": False}))
    parts = [replace(task, at={"T": T}) for T in task["T"]]
    ladder = _resumed(single, parts, kept) if kept else _begun(single, sample, task, parts)
    total = recipe.sweeps + recipe.thermalisation
    while (done := ladder["runs"][0].done) < recipe.sweeps:
        for _ in range(min(PERIOD, recipe.sweeps - done)):
            _step(single, parts, ladder)
        for run, part in zip(ladder["runs"], parts, strict=True):
            single.check(run, part)
        done = ladder["runs"][0].done
        checkpoint.note((done + recipe.thermalisation) / total)
        if done < recipe.sweeps and checkpoint.due():
            checkpoint.save(_arrays(single, parts, ladder) | {"done": np.array(done)})
    energies = [recipe.lattice().energy_map(run.state.x)[0] for run in ladder["runs"]]
    return _arrays(single, parts, ladder) | {"energy_map": np.stack(energies)}


def _begun(single: EquilibriumSample, sample: EquilibriumSample, task: Task, parts: list[Task]) -> dict[str, Any]:
    seeds = sample.seeds("tempering", task.size, *task["T"], task["chain"])
    runs = [
        single.begun(part, single.measuring(part.size, part["T"]), rng.child(seeds, 6, k))
        for k, part in enumerate(parts)
    ]
    first = np.empty((len(parts), 0), np.int16)
    return {"runs": runs, "place": np.arange(len(parts)), "swaps": random.seeded(rng.child(seeds, 7)), "seen": [first]}


def _resumed(single: EquilibriumSample, parts: list[Task], kept: Arrays) -> dict[str, Any]:
    done = np.array(kept.get("done", kept["energy"].shape[-1]))
    runs = []
    for k, part in enumerate(parts):
        own = {
            name: array[k] if name in ("state_step", "state_size") else array[k : k + 1] for name, array in _by_T(kept)
        }
        runs.append(single.continued_run(own | {"done": done}, single.measuring(part.size, part["T"])))
    place, swaps = np.array(kept["state_replica"], np.int64), np.array(kept["state_swaps"])
    return {"runs": runs, "place": place, "swaps": swaps, "seen": [np.array(kept["replica"])]}


def _by_T(kept: Arrays) -> list[tuple[str, np.ndarray]]:
    other = ("done", "unfinished", "replica", "state_replica", "state_swaps", "state_exchanges", "energy_map")
    return [(name, np.asarray(array)) for name, array in kept.items() if name not in other]


def _step(single: EquilibriumSample, parts: list[Task], ladder: Mapping[str, Any]) -> None:
    """Measure and move all replicas, unless measurements are dropped still, and let neighbours exchange them."""
    runs, place = ladder["runs"], ladder["place"]
    model, step = single.recipe.lattice(), runs[0].done + single.recipe.thermalisation
    if runs[0].done >= 0:
        ladder["seen"].append(place[:, None].astype(np.int16))
    for run, part in zip(runs, parts, strict=True):
        single.advance(run, part, 1, single.measuring(part.size, part["T"]))
    energies = np.array([float(model.energy_map(run.state.x).sum()) for run in runs])
    moved = np.arange(len(runs))
    beta = inverse_temperatures([part["T"] for part in parts])
    exchange_replicas(energies, beta, moved, ladder["swaps"], step)
    vectors = [runs[k].state.x for k in moved]
    for run, x in zip(runs, vectors, strict=True):
        run.state.x = x
    place[:] = place[moved]


def _arrays(single: EquilibriumSample, parts: list[Task], ladder: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Measurements, averages and states by name, in the order of temperatures."""
    runs: list[Run] = ladder["runs"]
    own = [run.arrays(single.measuring(part.size, part["T"])) for run, part in zip(runs, parts, strict=True)]
    found = {name: np.stack([one[name] if name in ONCE else one[name][0] for one in own]) for name in own[0]}
    return found | {
        "replica": np.concatenate(ladder["seen"], axis=1),
        "state_replica": ladder["place"].astype(np.int16),
        "state_swaps": ladder["swaps"].copy(),
        "state_exchanges": np.array(runs[0].done + single.recipe.thermalisation),
    }
