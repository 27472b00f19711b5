"""Equilibrium sweeps of unit vectors with any coupling: what a task does, and how a file is put together.

The chains of one size and temperature move together.  Between moves the state is transformed once, and what needs the
transform is measured from it.  Where a run was cut changes nothing: its state is kept in the file.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.models.vectors import normalised
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.samplers.langevin import Langevin
from physnn.samplers.reflections import CLUSTER_WORDS, Planes, Reflections
from physnn.samplers.vector_metropolis import Mala, VectorMetropolis, tuned
from physnn.samplers.vectors import VectorSampler, VectorState
from physnn.samples.base import check_finite
from physnn.samples.equilibrium.columns import Measuring
from physnn.samples.equilibrium.order import planes, start_state
from physnn.samples.equilibrium.recipe import EquilibriumSweep, usual_step
from physnn.samples.equilibrium.vector_ladder import run_vector_ladder
from physnn.samples.exchanged import exchange_record, ladder_quantities
from physnn.samples.named import lift
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Results, Task
from physnn.store.hdf5 import Group, Variable

BLOCK_SITES = 2e6
"""Moves of single sites between two looks at the clock."""
BLOCK_BYTES = 3e7
"""Bytes of states that wait to be measured."""
REDRAWN = b"lanes"
"""Mark of tasks with clusters, which draw other random numbers than in earlier versions, so that parts do not mix."""


@functools.lru_cache(maxsize=16)
def _measuring(recipe: EquilibriumSweep, size: int, T: float) -> Measuring:
    return Measuring.of(recipe, size, T)


class EquilibriumSample(Sample):
    """Chains of unit vectors with any coupling at several sizes and temperatures."""

    Recipe = EquilibriumSweep
    recipe: EquilibriumSweep
    advice = "fewer or smaller --L, fewer --sweeps or --chains, or fewer --jobs"

    def measuring(self, size: int, T: float | None = None) -> Measuring:
        """What is measured at a size and temperature."""
        return _measuring(self.recipe, size, self.recipe.T[0] if T is None else T)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        recipe, N = self.recipe, self.recipe.lattice().components
        described = {
            "T": Axis(recipe.T, "T", "J/k_B", "temperature"),
            "chain": Axis(recipe.chains, meaning="number of the Markov chain"),
            "measurement": Axis(recipe.sweeps, meaning="number in the chain"),
        }
        numbers = {"row": size, "column": size, "row_number": size, "half_column_number": size // 2 + 1}
        numbers |= {"component": N, "component_in": N, "part": 2, "mode": len(self.measuring(size).modes)}
        return described | {name: Axis(count) for name, count in numbers.items()}

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that chains of a size measure by name."""
        found = self.measuring(size).quantities()
        if not self.recipe.tempering:
            return found
        once = {name: replace(found[name], axes=("T", "chain")) for name in ("state_step", "state_size")}
        return found | once | ladder_quantities(("T", "chain"))

    def split(self, size: int) -> dict[str, int]:
        """The chains of one temperature move together, or a task is one ladder."""
        return {"T": len(self.recipe.T), "chain": 0} if self.recipe.tempering else {"T": 0}

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of the chains, and their moves of one site."""
        recipe, columns = self.recipe, len(self.measuring(size).columns)
        states = 12 * 8.0 * max(recipe.chains, len(recipe.T)) * size**2 * recipe.lattice().components + 2 * BLOCK_BYTES
        count = len(recipe.T) if recipe.tempering else recipe.chains
        moves = size**2 * (recipe.sweeps + recipe.thermalisation) * count * recipe.moves(size)
        return Resources(states + 16.0 * count * recipe.sweeps * columns, float(moves))

    def derived(self, size: int, group: Group) -> Group:
        """Noise of each temperature, the coupling, places of the modes, and the configurational temperature."""
        model, modes = self.recipe.lattice(), np.array(self.measuring(size).modes)
        ratio = group["force"].values.mean(2) / group["curvature"].values.mean(2)
        noise = np.sqrt(2 * np.array(self.recipe.T))
        exchanged = exchange_record(group) if self.recipe.tempering else {}
        return {
            **exchanged,
            "eta": Variable(("T",), noise, {"long_name": "noise, Langevin convention", "symbol": "eta"}),
            "coupling": Variable(("component", "component_in", "offset_row", "offset_column"), model.coupling),
            "bias": Variable(("component",), model.bias),
            "mode_place": Variable(("mode", "axis"), modes, {"long_name": "k L / 2 pi of the modes"}),
            "t_conf": Variable(("T", "chain"), ratio, {"units": "J/k_B", "long_name": "<force> / <curvature>"}),
        }

    def _prefix(self) -> bytes:
        return super()._prefix() + (REDRAWN if self.recipe.clusters else b"")

    def check_grown(self, done: Results) -> None:
        """Raise InputError if a file holds reflected clusters of an earlier version, which drew other numbers."""
        words = [np.shape(chain["state_generator"])[-1] for chain in done.values() if "state_generator" in chain]
        if self.recipe.clusters and words and min(words) <= CLUSTER_WORDS:
            raise InputError(
                "the chains of this file have clusters of an earlier version, and it cannot grow: use --restart to "
                "begin anew, or another --out"
            )

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Measurements, averages and last states of the chains of a task, which go on from a checkpoint.

        Raises NotFinite if a state or a measurement is not finite; the checkpoint before stays.
        """
        if self.recipe.tempering:
            return run_vector_ladder(self, task, checkpoint)
        recipe, measuring = self.recipe, self.measuring(task.size, task["T"])
        run = self.continued_run(checkpoint.arrays, measuring) if checkpoint.arrays else self.begun(task, measuring)
        count = self._block(task.size)
        total = recipe.sweeps + recipe.thermalisation
        while run.done < recipe.sweeps:
            # What is dropped ends with a block.
            todo = min(count, recipe.sweeps - run.done) if run.done >= 0 else min(count, -run.done)
            self.advance(run, task, todo, measuring)
            self.check(run, task)
            checkpoint.note((run.done + recipe.thermalisation) / total)
            if run.done < recipe.sweeps and checkpoint.due():
                checkpoint.save(run.arrays(measuring) | {"done": np.array(run.done)})
        return run.arrays(measuring) | {"energy_map": recipe.lattice().energy_map(run.state.x)}

    def _block(self, size: int) -> int:
        """Measurements between two looks at the clock."""
        chains, N = self.recipe.chains, self.recipe.lattice().components
        by_time = BLOCK_SITES / (chains * size**2 * self.recipe.moves(size))
        by_memory = BLOCK_BYTES / (8.0 * chains * size**2 * N)
        return max(1, int(min(by_time, by_memory)))

    def seeds(self, *further: rng.Word) -> np.random.SeedSequence:
        """Seeds of the chains of the model, with further key words."""
        recipe = self.recipe
        words: list[rng.Word] = [recipe.model_id, recipe.sampler, recipe.gamma or 0.0, recipe.rule, recipe.start]
        words += ["clusters"] if recipe.clusters else []
        return rng.seed_sequence(recipe.seed, "chain", "vectors", *words, *further)

    def begun(self, task: Task, measuring: Measuring, seeds: np.random.SeedSequence | None = None) -> Run:
        """Chains of a task at their start."""
        recipe, T = self.recipe, task["T"]
        sequence = seeds or self.seeds(task.size, T)
        sampler, model = sampler_of(recipe), recipe.lattice()
        x = np.stack([self._first(task.size, chain, sequence) for chain in range(recipe.chains)])
        state = VectorState(np.ascontiguousarray(x, sampler.dtype), sampler.generators(sequence, recipe.chains))
        clean = None
        if recipe.noiseless:
            clean = VectorState(state.x.astype(np.float32), np.zeros((recipe.chains, 2), np.uint32))
        if isinstance(sampler, VectorMetropolis | Mala):
            sampler = tuned(sampler, model, T, state)
        size = getattr(sampler, "size", math.nan)
        if recipe.clusters:
            sampler = Reflections(sampler, planes_of(recipe))
            state.generator = sampler.joined(state.generator, sequence)
        empty = np.empty((recipe.chains, 0, len(measuring.columns)))
        return Run(sampler, size, state, clean, -recipe.thermalisation, [empty], measuring.no_means())

    def _first(self, L: int, chain: int, sequence: np.random.SeedSequence) -> np.ndarray:
        """First state of a chain; ordered ones and images are the same for all chains of a task."""
        recipe = self.recipe
        kind = recipe.start if recipe.start != "both" else ("random" if chain % 2 else "ordered")
        if kind == "random":
            return recipe.lattice().initial("random", (L, L), rng.generator(rng.child(sequence, 0, chain)))
        if kind == "ordered":
            assert recipe.order is not None
            return start_state(recipe.order.order(), L, rng.generator(rng.child(sequence)))
        image = Transmogrifier(L).pair(rng.stream(recipe.seed, "image", recipe.model_id, "matched", L, 0))[0]
        return normalised(np.asarray(image, np.float64)[..., None] * lift(recipe.model))

    def continued_run(self, kept: Arrays, measuring: Measuring) -> Run:
        """Chains where a checkpoint, or a shorter file, left them."""
        state = VectorState.from_arrays({name: kept[f"state_{name}"] for name in ("x", "generator", "step")})
        clean = None
        if "state_clean" in kept:
            clean = VectorState(np.array(kept["state_clean"]), np.zeros((len(state.x), 2), np.uint32))
        size = float(kept["state_size"])
        sampler = sampler_of(self.recipe, size)
        if self.recipe.clusters:
            sampler = Reflections(sampler, planes_of(self.recipe))
        means = {name: np.array(kept[name]) for name in measuring.no_means()}
        values = np.stack([kept[name] for name in measuring.columns], axis=-1)
        return Run(sampler, size, state, clean, int(kept.get("done", values.shape[1])), [values], means)

    def advance(self, run: Run, task: Task, count: int, measuring: Measuring) -> None:
        """Move the chains by ``count`` intervals and measure them before each, unless that is dropped."""
        recipe, model, moves = self.recipe, self.recipe.lattice(), self.recipe.moves(task.size)
        dropped = run.done < 0
        rows = run.sampler.advance(model, task["T"], run.state, count, moves, keep=0 if dropped else 1)
        values = np.empty((recipe.chains, 0 if dropped else count, len(measuring.columns)))
        for k in range(count):
            if not dropped:
                clean = run.clean.x if run.clean is not None else None
                values[:, k] = measuring(rows.values[:, k], rows.kept[:, k], clean, run.done + k, run.means)
            if run.clean is not None:
                step = recipe.gamma or usual_step(model)
                Langevin(step, recipe.rule).advance(model, 0.0, run.clean, 1, moves)
                run.clean.step = 0
        run.values.append(values)
        run.done += count

    def check(self, run: Run, task: Task) -> None:
        """Raise NotFinite unless all numbers of the last block, and the state behind it, are finite."""
        measuring = self.measuring(task.size, task["T"])
        where, values = f"L = {task.size}, T = {task['T']:g}", run.values[-1]
        measured = dict(zip(measuring.columns, np.moveaxis(values, 2, 0), strict=True))
        check_finite(measured, where, "measurement", max(run.done, 0) - values.shape[1])
        check_finite({"a component of the state": run.state.x.reshape(-1, 1)}, where, "measurement", run.done)

    def short(self) -> EquilibriumSample:
        """Short chains of the largest size, a temperature twice to find the sizes of moves first."""
        L = max(self.recipe.L)
        sweeps = max(4, math.ceil(BLOCK_SITES / (self.recipe.chains * L**2 * self.recipe.moves(L))))
        few = {"L": (L,), "T": self.recipe.T[-1:], "sweeps": sweeps, "thermalisation": 0, "tempering": False}
        return EquilibriumSample(self.recipe.model_copy(update=few))


class Run:
    """Where the chains of a task are; ``done`` counts measurements, from below zero while they are dropped."""

    def __init__(
        self,
        sampler: VectorSampler,
        size: float,
        state: VectorState,
        clean: VectorState | None,
        done: int,
        values: list[np.ndarray],
        means: dict[str, np.ndarray],
    ) -> None:
        self.sampler, self.size, self.state, self.clean = sampler, size, state, clean
        self.done, self.values, self.means = done, values, means

    def arrays(self, measuring: Measuring) -> dict[str, np.ndarray]:
        """Measurements, averages and states by name."""
        found = {f"state_{name}": array for name, array in self.state.arrays().items()}
        if self.clean is not None:
            found["state_clean"] = self.clean.x.copy()
        values = np.concatenate(self.values, axis=1)
        found |= {name: values[..., k] for k, name in enumerate(measuring.columns)}
        return found | {"state_size": np.array(self.size)} | self.means


def sampler_of(recipe: EquilibriumSweep, size: float = math.nan) -> VectorSampler:
    """Return the sampler of a recipe, with moves of a size that was found before."""
    if recipe.sampler == "langevin":
        assert recipe.gamma is not None
        return Langevin(recipe.gamma, recipe.rule)
    kind = VectorMetropolis if recipe.sampler == "metropolis" else Mala
    return kind(size) if math.isfinite(size) else kind()


def planes_of(recipe: EquilibriumSweep) -> Planes:
    """Return the planes at which clusters of a resolved recipe are reflected."""
    assert recipe.order is not None
    return planes(recipe.order.order())
