"""Temperature sweeps of lattice models: every task is a Markov chain.

A chain depends on its recipe and not on where it was cut: its state is kept in the file, so that a longer run
continues it bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels.lattice import multispin
from physnn.models import IMPROVED_QUANTITIES, QUANTITIES, Tabulated
from physnn.models.tabulated import ORDERS
from physnn.samplers import COLUMNS, GPU_SAMPLERS, Rows, State, advance, start, thermalise
from physnn.samplers.multispin import advance_together
from physnn.samples.base import check_finite
from physnn.samples.exchanged import exchange_record, ladder_quantities
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Batch, Checkpoint, Measured, Resources, Results, Task
from physnn.samples.temperature.ladder import (
    BLOCK,
    BLOCK_SECONDS,
    first_block,
    ladder_pilot,
    ladder_pilots,
    placed_ladders,
    run_ladder,
)
from physnn.samples.temperature.recipe import TemperatureStage, TemperatureSweep, algorithms
from physnn.store.hdf5 import Group

GENERATORS = {
    "multispin": ("block", "word", "lane"),
    "wolff": ("word", "lane"),
    "swendsen-wang": ("word", "lane"),
}
"""Axes of the states of generators by algorithm, where a chain has several."""
BYTES_OF_A_SITE = {"multispin": 0.3, "swendsen-wang": 64.0}
"""Memory of a chain per site by algorithm, where it is not 32 bytes at most: words and a copy that is written; labels
of clusters with five sums each."""
WORDS = ("sublattice", "column_block", "row_pair")
"""Axes of a configuration that is held as words of 64 spins."""
REWRITTEN = {"wolff": b"lanes", "swendsen-wang": b"lanes"}
"""What marks tasks of algorithms that draw other random numbers than in earlier versions, so that parts do not mix."""
FURTHER = {"field": ("h", "J", "field"), "J2": ("J2", "J", "coupling of next-nearest neighbours")}
"""Symbol, unit and meaning of further control parameters."""
PILOT_SHARE, PILOT_LEAST = 4, 500
"""A pilot takes the sweeps asked for over `PILOT_SHARE`, but `PILOT_LEAST` if there are."""
TOGETHER_SECONDS = 0.5
"""How long a block of a batch should take; between blocks configurations travel to the GPU and back."""
SITES = 2**29
"""Sites of all lattices in a batch at most: two of 16384 x 16384; configurations pass through a byte a site."""


class TemperatureSample(Sample):
    """Markov chains of a lattice model at several sizes and temperatures."""

    Recipe = TemperatureSweep
    recipe: TemperatureSweep
    advice = "fewer or smaller --L, fewer --sweeps or --chains, or fewer --jobs"

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        recipe = self.recipe
        kept = recipe.measurements(size) // recipe.snapshots if recipe.snapshots else 0
        return {
            "T": Axis(recipe.temperatures(size), "T", "J/k_B", "temperature"),
            **{name: Axis(getattr(recipe, name), *FURTHER[name]) for name in recipe.several},
            "chain": Axis(recipe.chains, meaning="number of the Markov chain"),
            "measurement": Axis(recipe.measurements(size), meaning="number in the chain"),
            "snapshot": Axis(kept),
            "row": Axis(recipe.shape(size)[0]),
            "column": Axis(recipe.shape(size)[1]),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that chains of a size measure by name."""
        chain = ("T", *self.recipe.several, "chain")
        words = GENERATORS.get(self.recipe.algorithm, ("word",))
        first = self.recipe.first
        found, model = {}, first.model_on(size)
        for name in first.stored(size):
            column = (QUANTITIES | IMPROVED_QUANTITIES | ORDERS)[name]
            attrs: dict[str, Any] = {"components": self.recipe.components} if name == "m" else {}
            if name == "energy" and (isinstance(model, Tabulated) or self.recipe.aspect != 1):
                attrs = {"sites": math.prod(self.recipe.shape(size))}
            elif isinstance(model, Tabulated) and name in model.lattice.waves():
                attrs = {"components": model.components * sum(2 - w.real for w in model.lattice.waves()[name])}
            found[name] = Measured(column.symbol, column.unit, column.meaning, (*chain, "measurement"), attrs)
        found["updates"] = Measured("", "1", "updates of single sites", chain)
        found["interval"] = Measured("", "1", "updates between measurements", chain)
        sites = WORDS if self.recipe.algorithm == "multispin" else ("row", "column")
        found["state_colours"] = Measured("", "", "state colours of the chain", (*chain, *sites))
        found["state_generator"] = Measured("", "", "state generator of the chain", (*chain, *words))
        kept = (*chain, "snapshot", "row", "column")
        found["snapshots"] = Measured("", "", "snapshots of the chain", kept, width=1.0)
        return found | (ladder_quantities(chain) if self.recipe.tempering else {})

    def split(self, size: int) -> dict[str, int]:
        """Every task has one temperature and one chain, or a whole ladder."""
        together = len(self.recipe.temperatures(size)) if self.recipe.tempering else 0
        return {"T": together, **dict.fromkeys(self.recipe.several, 0), "chain": 0}

    def derived(self, size: int, group: Group) -> Group:
        """Swap rates, round trips and flow of ladders."""
        return exchange_record(group) if self.recipe.tempering else {}

    def disassemble(self, groups: Mapping[Any, Group]) -> Iterator[tuple[str, Arrays]]:
        """Key and arrays of every task; colours of chains that hold words today become words."""
        for key, arrays in super().disassemble(groups):
            found, colours = dict(arrays), arrays.get("state_colours")
            if self.recipe.algorithm == "multispin" and colours is not None and colours.dtype == np.int8:
                found["state_colours"] = multispin.pack(1 - 2 * colours)
            yield key, found

    def _prefix(self) -> bytes:
        return super()._prefix() + REWRITTEN.get(self.recipe.algorithm, b"")

    def check_grown(self, done: Results) -> None:
        """Raise InputError if a file holds chains of clusters of an earlier version, which drew other numbers."""
        axes = len(GENERATORS.get(self.recipe.algorithm, ("word",))) + bool(self.recipe.tempering)
        if any("state_generator" in chain and np.ndim(chain["state_generator"]) != axes for chain in done.values()):
            raise InputError(
                f"the {self.recipe.algorithm} chains of this file are of an earlier version, and it cannot grow: use "
                "--restart to begin anew, or another --out"
            )

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a chain, and its updates of single sites."""
        measurements = self.recipe.measurements(size)
        sweeps = measurements * algorithms()[self.recipe.algorithm].interval + self.recipe.thermalisation
        count, sites = len(at["T"]) if self.recipe.tempering else 1, math.prod(self.recipe.shape(size))
        own = BYTES_OF_A_SITE.get(self.recipe.algorithm, 32.0) * sites
        memory = count * (own + 8.0 * measurements * (len(COLUMNS) + len(IMPROVED_QUANTITIES)))
        return Resources(memory, float(count * sites * sweeps))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Measurements and last state of a chain or a ladder, which goes on from a checkpoint."""
        if self.recipe.several:
            return TemperatureSample(self.recipe.at(task.at)).run(task, checkpoint)
        if self.recipe.tempering:
            return run_ladder(self, task, checkpoint)
        model, sampler, T = self.recipe.model_on(task.size), algorithms()[self.recipe.algorithm], task["T"]
        chain = self.resumed(task, checkpoint)
        if chain is None:
            interval = thermalise(sampler, model, T, state := self.begin(task), self.recipe.thermalisation)
            chain = Chain(task, state, interval, self.recipe.stored(task.size))
            if checkpoint.due():
                checkpoint.save(chain.arrays())
        block, total = first_block(self.recipe, task.size), self.recipe.measurements(task.size)
        while chain.done < total:
            count, every = self.next_block(block, chain.done, total)
            began = time.monotonic()
            chain.add(advance(sampler, model, T, chain.state, count, chain.interval, every))
            block = max(1, int(block * min(4.0, BLOCK_SECONDS / max(time.monotonic() - began, 1e-3))))
            checkpoint.note(chain.done / total)
            if chain.done < total and checkpoint.due():
                checkpoint.save(chain.arrays())
        return chain.arrays()

    def begin(self, task: Task) -> State:
        """First state of a task's chain."""
        recipe, L = self.recipe, task.size
        seeds = self.seeds(L, task["T"], task["chain"])
        state = start(algorithms()[recipe.algorithm], recipe.model_on(L), recipe.shape(L), task["T"], seeds)
        if recipe.start == "both" and task["chain"] % 2:
            q, generator = recipe.model_on(L).q, rng.generator(rng.child(seeds, 1))
            turned = ~state.colours if state.packed else 1 - state.colours
            state.colours = turned if recipe.model == "ising" else generator.integers(0, q, state.shape, np.int8)
        return state

    def seeds(self, *words: rng.Word) -> np.random.SeedSequence:
        """Seeds of a chain or a ladder of the model, with further key words."""
        return rng.seed_sequence(self.recipe.seed, "chain", *self.recipe.words, *words)

    def resumed(self, task: Task, checkpoint: Checkpoint) -> Chain | None:
        """Chain that a checkpoint holds, or None if it holds none."""
        kept = checkpoint.arrays
        if kept is None:
            return None
        own = {k.removeprefix("state_"): v for k, v in kept.items() if k.startswith("state_")}
        state = State(own.pop("colours"), own.pop("generator"), own)  # as read: a copy may be as large as all memory
        names = self.recipe.stored(task.size)
        rows = {name: kept[name] for name in (*names, "snapshots") if name in kept}
        return Chain(task, state, int(kept["interval"]), names, [rows] if rows else [], int(kept["updates"]))

    def next_block(self, block: int, done: int, total: int) -> tuple[int, int]:
        """Number of measurements that come next, ``block`` at most, and how many of them make a snapshot.

        Snapshots are counted from the start of the chain: a block ends at one, or before the next one.
        """
        count, every = min(block, total - done), self.recipe.snapshots
        if not every:
            return count, 0
        lack = every - done % every
        if lack < every:
            return min(count, lack), lack
        return (count - count % every or count), every

    def batched(self, tasks: Sequence[Task]) -> list[Batch] | None:
        """Batches of chains of one size, where chains run on a GPU.

        A lattice of some hundred sites across fills a small part of it, and all lattices of a size together fill it.
        """
        if not self.recipe.on_gpu:
            return None
        found = []
        for L in reversed(self.sizes()):
            chains, count = tuple(task for task in tasks if task.size == L), max(1, SITES // L**2)
            found += [Batch(chains[k : k + count]) for k in range(0, len(chains), count)]
        return found

    def run_together(self, tasks: Sequence[Task], checkpoints: Sequence[Checkpoint]) -> None:
        """Run the chains of a batch; each moves as it would alone, so that data do not depend on the batches."""
        recipe, model = self.recipe, self.recipe.model_on(tasks[0].size)
        sampler, total = GPU_SAMPLERS[recipe.algorithm], recipe.measurements(tasks[0].size)
        place = {task.key: c for task, c in zip(tasks, checkpoints, strict=True) if not c.finished}
        left = [task for task in tasks if task.key in place]
        found = {task.key: self.resumed(task, place[task.key]) for task in left}
        names = recipe.stored(tasks[0].size)
        new = [Chain(task, self.begin(task), sampler.interval, names) for task in left if found[task.key] is None]
        if new and recipe.thermalisation:
            T = [chain.task["T"] for chain in new]
            advance_together(sampler, model, T, [chain.state for chain in new], 1, recipe.thermalisation)
        chains, block = new + [chain for chain in found.values() if chain is not None], BLOCK
        while chains:
            group, count, every = self._next_group(chains, block)
            began = time.monotonic()
            states, T = [chain.state for chain in group], [chain.task["T"] for chain in group]
            rows = advance_together(sampler, model, T, states, count, sampler.interval, every)
            for chain, measured in zip(group, rows, strict=True):
                chain.add(measured)
                place[chain.task.key].note(chain.done / total)
                if chain.done == total:
                    place[chain.task.key].finish(chain.arrays())
            chains = [chain for chain in chains if chain.done < total]
            block = max(1, int(block * min(4.0, TOGETHER_SECONDS / max(time.monotonic() - began, 1e-3))))
            if chains and checkpoints[0].due():
                for chain in chains:
                    place[chain.task.key].save(chain.arrays())

    def _next_group(self, chains: Sequence[Chain], block: int) -> tuple[list[Chain], int, int]:
        """Chains that are farthest behind, how many measurements they make next, and snapshots among them.

        A kill between two checkpoints leaves chains at different places; the others wait until these have caught up.
        """
        least = min(chain.done for chain in chains)
        group = [chain for chain in chains if chain.done == least]
        ahead = [chain.done for chain in chains if chain.done > least]
        count, every = self.next_block(block, least, self.recipe.measurements(group[0].task.size))
        return group, min([count, *(done - least for done in ahead)]), every

    def short(self) -> TemperatureSample:
        """Two short chains of the largest size."""
        L = max(self.recipe.L)
        few = {"L": (L,), "T": (self.recipe.temperatures(L)[-1],), "chains": 2, "thermalisation": 5, "snapshots": 0}
        few |= {"tempering": None, "ladders": (), **{n: getattr(self.recipe, n)[0] for n in self.recipe.several}}
        sweeps = max(2, math.ceil(1e6 / L**2))
        return TemperatureSample(
            self.recipe.model_copy(update=few | {"sweeps": sweeps, "longer_if_small": False, "target_error": None})
        )

    def pilot(self) -> tuple[TemperatureSweep, TemperatureStage]:
        """Recipe of the pilot of an undecided recipe, and its record."""
        recipe = self.recipe
        assert recipe.sweeps is not None
        if recipe.unplaced:
            return ladder_pilot(recipe)
        sweeps = min(recipe.sweeps, max(PILOT_LEAST, math.ceil(recipe.sweeps / PILOT_SHARE)))
        first = recipe.model_copy(update={"sweeps": sweeps, "target_error": None})
        return first, TemperatureStage(T=recipe.T, sweeps=sweeps, why=f"pilot, of {recipe.sweeps} sweeps asked for")

    def pilots(self) -> list[tuple[TemperatureSweep, TemperatureStage]]:
        """Recipes and records of all pilots that place ladders."""
        return ladder_pilots(self.recipe)

    def decided(self, results: Results) -> TemperatureSweep:
        """Recipe with what follows from the results of its pilot."""
        from physnn.analysis.collapse.exponents import Settings
        from physnn.analysis.curves.chains import curves_of_chains
        from physnn.analysis.curves.observables import with_moments
        from physnn.analysis.verdict.planning import Refinement, fit_pilot, lengthen, refine

        recipe = self.recipe
        if recipe.unplaced:
            first, _ = ladder_pilot(recipe)
            return placed_ladders(recipe, {L: TemperatureSample(first).assemble(L, results) for L in first.L})
        assert recipe.target_error is not None and recipe.sweeps is not None
        first, stage = self.pilot()
        asked, name = recipe.sweeps / stage.sweeps, recipe.target_observable
        groups = {L: TemperatureSample(first).assemble(L, results) for L in first.L}
        sizes = {}
        for L, group in groups.items():
            stored = {name: group[name].values for name in first.stored(L)}
            sizes[L] = group["T"].values, with_moments(stored, L, bool(recipe.field), math.prod(first.shape(L)))
        try:
            stream = rng.stream(0, "bootstrap", name)
            found = curves_of_chains(sizes, name, "T", Settings().resamples, stream, recipe.components)
            fit = fit_pilot(found, sizes)
            if recipe.T is None:
                plan = lengthen(fit, recipe.target_error, asked=asked)
            else:
                plan = refine(fit, recipe.target_error, asked=asked, draws="sweeps")
        except InputError as error:
            plan = Refinement((), asked, False, math.nan, 0, f"no refinement, for the pilot cannot be fitted: {error}")
        sweeps = max(stage.sweeps, min(math.ceil(plan.factor * stage.sweeps), 10**9))
        last = TemperatureStage(T=plan.values if plan.refined else recipe.T, sweeps=sweeps, why=plan.reason)
        update = {"T": last.T, "sweeps": sweeps, "asked_sweeps": recipe.sweeps, "stages": (stage, last)}
        return recipe.model_copy(update=update)


@dataclass
class Chain:
    """A chain under way: its state, and what it has measured so far in blocks."""

    task: Task
    state: State
    interval: int
    stored: tuple[str, ...]
    blocks: list[dict[str, np.ndarray]] = field(default_factory=list)
    updates: int = 0

    def add(self, rows: Rows) -> None:
        """Keep a block of measurements; raises NotFinite if one is not a number."""
        task, columns = self.task, dict(zip(rows.columns, rows.values.T, strict=True))
        check_finite(columns, f"L = {task.size}, T = {task['T']:g}, chain {task['chain']}", "measurement", self.done)
        self.blocks.append({name: columns[name] for name in self.stored} | {"snapshots": rows.snapshots})
        # An integer, so that it does not depend on how the chain was cut.
        self.updates += round(float(columns["work"].sum()) * math.prod(self.state.shape))

    @property
    def done(self) -> int:
        """Number of measurements made."""
        return sum(len(block["energy"]) for block in self.blocks)

    def arrays(self) -> dict[str, np.ndarray]:
        """Measurements and state by name."""
        found = {f"state_{name}": array for name, array in self.state.named().items()}
        for name in (*self.stored, "snapshots"):
            values = [block[name] for block in self.blocks if name in block and len(block[name])]
            found |= {name: np.concatenate(values)} if values else {}
        return found | {"interval": np.array(self.interval), "updates": np.array(self.updates)}
