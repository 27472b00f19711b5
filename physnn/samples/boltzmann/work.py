"""Restricted Boltzmann machines: every task trains one on snapshots, and measures what it generates and how likely."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.machine import Footprint
from physnn.models import QUANTITIES
from physnn.models.boltzmann import Machine
from physnn.models.configurations import columns_of_configurations, two_point, two_point_distances
from physnn.models.tabulated import Tabulated
from physnn.networks.boltzmann.chains import Tables
from physnn.networks.boltzmann.divergence import BLOCK_OF_STEPS, BoltzmannTraining, TrainingRule, untrained_machine
from physnn.networks.boltzmann.translations import Translations
from physnn.samples.boltzmann.judge import (
    ANNEALED,
    ESTIMATORS,
    SAMPLE_CHAINS,
    gap,
    generated,
    hidden_colours,
    judged_likelihood,
    judged_stack,
    known_truth,
    with_error,
)
from physnn.samples.boltzmann.recipe import BoltzmannRecipe
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.hdf5 import content_digest
from physnn.store.snapshots import read_snapshots

GENERATED_COLUMNS = ("energy", "m", "structure_x", "structure_y")
"""Columns of `physnn.models.QUANTITIES` that are measured of generated configurations."""
LAYER = ("weights", "visible_bias", "hidden_bias")
"""Arrays of a machine in a file; those of the second layer of a stack end in ``_2``, and so on."""
ADDITIONS = 20.0
"""Operations of a unit that is drawn, besides the sums for its field."""
TIMED_OPERATIONS = 2e10
"""Operations of the training by which time is judged."""


def layer_names(layer: int) -> tuple[str, ...]:
    """Names of the arrays of a layer, the first one is 0."""
    return tuple(name + (f"_{layer + 1}" if layer else "") for name in LAYER)


def machine_of(arrays: Mapping[str, np.ndarray], names: Sequence[str], low: float, colours: int) -> Machine:
    """Machine of the arrays with these names: weights, visible and hidden biases."""
    weights, visible, hidden = (np.asarray(arrays[name], float) for name in names)
    return Machine(weights, visible, hidden, low, colours)


def machines_of(arrays: Mapping[str, np.ndarray], low: float, colours: int) -> list[Machine]:
    """Machines of a stack, the first layer first, from arrays by name as files have them."""
    found: list[Machine] = []
    while (names := layer_names(len(found)))[0] in arrays:
        found.append(machine_of(arrays, names, low, 2 if found else colours))
    return found


class BoltzmannSample(Sample):
    """Restricted Boltzmann machines by size, temperature and seed."""

    Recipe = BoltzmannRecipe
    recipe: BoltzmannRecipe
    watched = True
    footprint = Footprint(214e6, 80e6, 245e6)
    advice = "fewer --samples or --hidden units, a smaller --batch, fewer --chains, or fewer --jobs"

    @property
    def _low(self) -> float:
        return -1.0 if self.recipe.units == "signs" else 0.0

    def _count(self) -> int:
        return -(-self.recipe.samples // SAMPLE_CHAINS) * SAMPLE_CHAINS

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        recipe, shape = self.recipe, self.recipe.data_sweep().shape(size)
        layers = {f"unit_{k + 1}": Axis(n) for k, n in enumerate(recipe.layers(size))}
        return {
            "T": Axis(recipe.temperatures, "T", "J/k_B", "temperature of the snapshots"),
            "seed": Axis(recipe.seeds, meaning="seed of the training"),
            "mark": Axis(recipe.marks(), "t", "steps", "steps of the training"),
            "estimator": Axis(ESTIMATORS, meaning="way to the partition function"),
            "part": Axis(("training", "test"), meaning="snapshots that were trained on, and others"),
            "measurement": Axis(self._count(), meaning="number of the generated configuration"),
            "distance": Axis(tuple(two_point_distances(*shape).tolist()), "r", "lattice constants", "distance"),
            "snapshot": Axis(min(recipe.keep, self._count())),
            "row": Axis(shape[0]),
            "column": Axis(shape[1]),
            "unit_0": Axis(math.prod(shape) * (1 if self._colours() == 2 else self._colours())),
            **layers,
        }

    def _colours(self) -> int:
        assert self.recipe.L is not None
        return self.recipe.data_sweep().model_on(self.recipe.L[0]).q

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities of trained machines by name."""
        each, data = ("T", "seed"), self.recipe.data_sweep()
        names = ("energy", "m") if isinstance(data.model_on(size), Tabulated) else GENERATED_COLUMNS
        found = {
            name: Measured(
                QUANTITIES[name].symbol, QUANTITIES[name].unit, QUANTITIES[name].meaning, (*each, "measurement")
            )
            for name in names
        }
        found["m"] = replace(found["m"], attrs={"components": data.components})
        if isinstance(data.model_on(size), Tabulated) or data.aspect != 1:
            found["energy"] = replace(found["energy"], attrs={"sites": math.prod(data.shape(size))})
        told = {
            "log_z": ("ln Z", "logarithm of the partition function", (*each, "estimator")),
            "log_likelihood": ("ln p", "mean logarithm of the probability of a snapshot", (*each, "part")),
            "mark_log_likelihood": ("ln p", "the same in the course of the training", (*each, "mark")),
            "kl": ("D", "divergence from the distribution of the data to that of the machine, in nats", each),
            "correlation": ("G(r)", "two-point function of generated configurations", (*each, "distance")),
            "data_correlation": ("G(r)", "two-point function of the snapshots", (*each, "distance")),
        }
        for name, (symbol, meaning, axes) in told.items():
            found[name] = Measured(symbol, "1", meaning, axes)
            found[f"{name}_error"] = Measured("", "1", f"error of {name}", axes)
        gaps = "in errors: chains that began at snapshots and at random", "in errors: chains of the training and others"
        found["start_gap"], found["chain_gap"] = (Measured("", "1", f"difference, {text}", each) for text in gaps)
        found["snapshots"] = Measured("", "", "generated configurations", (*each, "snapshot", "row", "column"))
        for layer in range(len(self.recipe.hidden)):
            arrays, both = layer_names(layer), [f"unit_{layer}", f"unit_{layer + 1}"]
            for name, inner in zip(arrays, (both, both[:1], both[1:]), strict=True):
                found[name] = Measured("", "1", f"{name} of the machine", (*each, *inner))
            if layer == 0:
                text = "in the course of the training"
                found |= {
                    f"mark_{name}": Measured("", "1", f"{name} {text}", (*each, "mark", *found[name].axes[2:]))
                    for name in LAYER
                }
        return found

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a training, and its operations."""
        recipe, sites = self.recipe, self._visible(size)
        units = (sites, *recipe.layers(size))
        drawn = sum(a * b / 4 + ADDITIONS * (a + b) for a, b in pairwise(units))
        steps = recipe.steps * (recipe.chains * recipe.k + 4 * recipe.batch)
        steps += recipe.samples * recipe.thin + 4 * ANNEALED * recipe.anneal
        white = 0.1 * recipe.steps * sum(a * a * b for a, b in pairwise(units)) if recipe.whiten else 0.0
        weights = 4.0 * sites * units[1] * (len(recipe.marks()) + (4 if recipe.features else 0))
        # What is generated is held with its hidden units, whose sums and logarithms judge it; measured.
        held = recipe.samples * (25.0 * sites + 170.0 * sum(units[1:]))
        return Resources(4 * weights + held, drawn * steps + white)

    def short(self, steps: int = 1) -> BoltzmannSample:
        """One of the largest machines, trained for some steps."""
        recipe = self.recipe
        update = {"L": self.sizes()[-1:], "seeds": recipe.seeds[:1], "samples": SAMPLE_CHAINS, "thin": 1, "anneal": 10}
        update |= {"keep": 0, "steps": steps} | ({} if recipe.mixed or recipe.T is None else {"T": recipe.T[-1:]})
        return BoltzmannSample(recipe.model_copy(update=update))

    def seconds_per_operation(self) -> float:
        """Seconds that one operation takes here: what a short training takes besides its steps does not count."""
        first, second = (self.short(n).tasks()[0].cost for n in (1, 2))
        more = self.short(2 + int(min(TIMED_OPERATIONS / (second - first), 1000)))
        took = []
        for sample in (more, self.short(), more):  # kernels are compiled in the first
            began = time.perf_counter()
            sample.run(sample.tasks()[0], Checkpoint(None))
            took.append(time.perf_counter() - began)
        return max(took[2] - took[1], 1e-6) / (more.tasks()[0].cost - first)

    def _visible(self, size: int) -> int:
        return math.prod(self.recipe.data_sweep().shape(size)) * (1 if self._colours() == 2 else self._colours())

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a training."""
        return f"L{size}, T = {at['T']:.4g}, seed {at['seed']}"

    def snapshots(self, size: int, T: float) -> np.ndarray:
        """Snapshots that a machine is trained on, int8 (n, rows, columns), in an order of their own.

        Raises
        ------
        InputError
            If the file is not that of the recipe any more.
        """
        recipe, path = self.recipe, Path(self.recipe.data)
        kept = read_snapshots(path)[size]
        if content_digest(path) != recipe.data_digest:
            raise InputError(f"the data {path} changed while they were in use; run the same command again")
        assert recipe.T is not None
        rows = [int(np.argmin(np.abs(kept.T - one))) for one in (recipe.T if recipe.mixed else (T,))]
        found = kept.colours[rows].reshape(-1, *kept.colours.shape[-2:])
        generator = rng.stream(0, "subset", "snapshots", size, T)
        found = found[generator.permutation(len(found))]
        if recipe.shuffled:
            flat = found.reshape(len(found), -1)
            found = generator.permuted(flat, axis=1).reshape(found.shape)
        return np.ascontiguousarray(found)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train the layers of a machine, or go on with them; then generate configurations and judge them."""
        colours = self.snapshots(task.size, task["T"])
        test = max(1, len(colours) // 10)
        flat, low, q = colours.reshape(len(colours), -1), self._low, self._colours()
        kept = checkpoint.arrays or {}
        begun, stack = int(kept.get("layer", 0)), machines_of(kept, low, q)
        found = {name: v for name, v in kept.items() if not name.startswith("state_") and name != "layer"}
        data = flat[test:]
        for layer, hidden in enumerate(self.recipe.layers(task.size)):
            key = (task["seed"], "rbm", task.size, task["T"], layer)
            machine = untrained_machine(data.shape[1], 2 if layer else q, hidden, low, key)
            if layer >= begun:
                states = Tables.of(machine).states_of(data)
                training = BoltzmannTraining(machine, states, self._rule(), key, self._alike(task.size))
                if layer == begun and kept:
                    training.restore({n.removeprefix("state_"): v for n, v in kept.items() if n.startswith("state_")})
                found |= self._trained(training, layer, found, task, checkpoint)
                stack.append(training.result)
            if layer + 1 < len(self.recipe.hidden):
                data = hidden_colours(stack[layer], data, rng.seed_sequence(key[0], "chain", *key[1:], "up"))
        stack = machines_of(found, low, q)
        return found | self._judged(task, stack, found, (flat[test:], flat[:test]), training.chains.visible)

    def _alike(self, size: int) -> Translations | None:
        """Translations that leave the weights alike."""
        recipe, q = self.recipe, self._colours()
        shape = recipe.data_sweep().shape(size)
        return Translations(shape, 1 if q == 2 else q, recipe.features) if recipe.features else None

    def _rule(self) -> TrainingRule:
        r = self.recipe
        return TrainingRule(
            r.method, r.k, r.steps, r.batch, r.chains, r.lr, r.last_lr, not r.symmetric, r.whiten, r.average
        )

    def _trained(
        self,
        training: BoltzmannTraining,
        layer: int,
        found: Mapping[str, np.ndarray],
        task: Task,
        checkpoint: Checkpoint,
    ) -> dict[str, np.ndarray]:
        """Arrays of a layer after its training, with those of the marks of the first layer."""
        marks, new = self.recipe.marks(), dict(found)
        text = self.label(task.size, task.at) + (f", layer {layer + 1}" if layer else "")
        for mark in marks:
            while training.done < mark:
                training.train(min(mark, training.done - training.done % BLOCK_OF_STEPS + BLOCK_OF_STEPS))
                share = (layer + training.done / marks[-1]) / len(self.recipe.hidden)
                checkpoint.note(0.9 * share, text)
                if training.done < marks[-1] and checkpoint.due():
                    state = {f"state_{name}": v for name, v in training.arrays().items()}
                    checkpoint.save(self._at_mark(new, training, layer) | state | {"layer": np.array(layer)})
            new = self._at_mark(new, training, layer)
        machine = training.result
        if not np.isfinite(machine.weights).all():
            raise InputError(f"{text}: the training has left all bounds; take a smaller --lr")
        return new | {own: getattr(machine, name) for own, name in zip(layer_names(layer), LAYER, strict=True)}

    def _at_mark(
        self, found: Mapping[str, np.ndarray], training: BoltzmannTraining, layer: int
    ) -> dict[str, np.ndarray]:
        """What was found, with the machine of a mark where the training of the first layer is at one."""
        marks = self.recipe.marks()
        if layer or training.done not in marks:
            return dict(found)
        machine, number = training.result, marks.index(training.done)
        arrays = {name: getattr(machine, name) for name in LAYER}
        before = {
            name: found.get(f"mark_{name}", np.zeros((len(marks), *arrays[name].shape), np.float32)) for name in LAYER
        }
        new = {f"mark_{name}": rows.copy() for name, rows in before.items()}
        for name in LAYER:
            new[f"mark_{name}"][number] = arrays[name]
        return dict(found) | new

    def _judged(
        self,
        task: Task,
        stack: Sequence[Machine],
        found: Mapping[str, np.ndarray],
        snapshots: tuple[np.ndarray, np.ndarray],
        negative: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """What a trained machine generates, and how likely it finds snapshots, those of the training and others."""
        recipe, data = self.recipe, self.recipe.data_sweep()
        model, shape, q = data.model_on(task.size), data.shape(task.size), self._colours()
        words = ("rbm", task.size, task["T"])
        configurations, visible = generated(
            stack, snapshots[0], self._count(), recipe.thin, rng.seed_sequence(task["seed"], "chain", *words, "samples")
        )
        lattices = configurations.reshape(-1, *shape)
        columns = {
            name: v for name, v in columns_of_configurations(model, lattices).items() if name in GENERATED_COLUMNS
        }
        keep = np.linspace(0, len(lattices) - 1, min(recipe.keep, len(lattices))).astype(int)
        arrays = {**columns, "snapshots": lattices[keep]}
        correlation = two_point(lattices, q)
        arrays |= with_error("correlation", correlation.reshape(SAMPLE_CHAINS, -1, correlation.shape[1]).mean(axis=1))
        data_function = two_point(snapshots[0].reshape(-1, *shape), q)
        arrays |= with_error("data_correlation", data_function)
        energies = columns["energy"].reshape(SAMPLE_CHAINS, -1)
        arrays["start_gap"] = np.array(gap(energies[::2].mean(axis=1), energies[1::2].mean(axis=1)))
        if recipe.method == "pcd" and len(stack) == 1:
            own = columns_of_configurations(model, Tables.of(stack[0]).colours_of(negative).reshape(-1, *shape))[
                "energy"
            ]
            arrays["chain_gap"] = np.array(gap(own, energies.mean(axis=1)))
        else:
            arrays["chain_gap"] = np.array(math.nan)
        plain = not (recipe.mixed or recipe.shuffled)
        truth = known_truth(data, task.size, task["T"]) if plain else None
        seeds = rng.seed_sequence(task["seed"], "chain", *words, "anneal")
        if len(stack) > 1:
            return arrays | judged_stack(stack, snapshots, visible, truth, recipe.anneal, seeds)
        each = [{name: found[f"mark_{name}"][k] for name in LAYER} for k in range(len(recipe.marks()))]
        marks = [machine_of(one, LAYER, self._low, q) for one in each]
        return arrays | judged_likelihood(marks, snapshots, visible, truth, recipe.anneal, seeds)
