"""Ground states by Boltzmann machines: every task trains one in stages, and measures it after each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.exact.quantum.ground import exact_ground
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.stages import BETWEEN, STEPS_AT_ONCE, Drawn, GroundTraining, StageRule
from physnn.networks.quantum.wave import SpinMachine, untrained_wave
from physnn.samples.quantum.recipe import GroundState
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task

MACHINE = ("weights", "bias", "field")
"""Arrays of a machine in a file; complex ones have a last axis of real and imaginary parts."""
OF_STAGES = {
    "stage_energy": ("E/N", "J", "mean local energy per site"),
    "stage_variance": ("v", "J^2", "variance of the local energy, per site"),
    "stage_order2": ("<m^2>", "1", "mean square of the order parameter"),
    "stage_order4": ("<m^4>", "1", "mean fourth power of the order parameter"),
    "stage_pull": ("2 cov", "J", "twice the covariance of the squared order parameter with the local energy"),
}
"""What is measured after every stage: symbol, unit and meaning."""
EXACT_SPINS = 20
"""Spins up to which exact values are found by diagonalisation; free fermions know those of chains."""


def spin_order(model: QuantumModel, spins: np.ndarray) -> np.ndarray:
    """Order parameter of configurations (n, N): mean of s, with signs of the sublattices where the sum is conserved."""
    places = np.stack(np.unravel_index(np.arange(model.N), model.sides))
    signs = 1 - 2 * (places.sum(axis=0) % 2) if model.conserves else np.ones(model.N)
    return np.asarray(spins @ signs / model.N)


def two_point_along(model: QuantumModel, spins: np.ndarray) -> np.ndarray:
    """Mean of s_i s_j by distance 0 ... L/2 along the axes, over configurations (n, N) and all pairs."""
    lattices = spins.reshape(len(spins), *model.sides).astype(np.float32)
    found = np.zeros((len(model.sides), model.sides[0] // 2 + 1))
    for axis in range(len(model.sides)):
        side = model.sides[axis]
        for r in range(found.shape[1]):
            stop = side if model.periodic else side - r
            there = np.roll(lattices, -r, axis + 1)
            found[axis, r] = (np.moveaxis(lattices * there, axis + 1, 0)[:stop]).mean()
    return np.asarray(found.mean(axis=0))


class GroundStateSample(Sample):
    """Machines by size, parameter of the model, and seed."""

    Recipe = GroundState
    recipe: GroundState
    watched = True
    advice = "fewer --samples or --doublings, a smaller --alpha, fewer --measurements, or fewer --jobs"

    def _rule(self) -> StageRule:
        r = self.recipe
        return StageRule(r.count_of_stages, r.samples, r.steps, r.rate, r.shift)

    def _untrained(self, size: int, value: float, seed: int) -> SpinMachine:
        r = self.recipe
        assert r.symmetry is not None
        model = r.model_at(size, value)
        seeds = rng.seed_sequence(seed, "weights", "wave", r.model, size, value)
        return untrained_wave(model.sides, r.alpha, r.symmetry, seeds, imaginary=bool(r.complex), biased=r.biased)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        recipe, machine = self.recipe, self._untrained(size, self.recipe.values[0], 0)
        name = recipe.control
        found = {
            name: Axis(recipe.values, name, "1" if name == "delta" else "J", "parameter of the model"),
            "seed": Axis(recipe.seeds, meaning="seed of the training"),
            "stage": Axis(recipe.count_of_stages, meaning="stage of the training"),
            "measurement": Axis(self._count(), meaning="number of the measured configuration, chain after chain"),
            "distance": Axis(size // 2 + 1, "r", "lattice constants", "distance along an axis"),
            "feature": Axis(machine.weights.shape[0]),
            "site": Axis(machine.sites),
            "bias_of": Axis(len(machine.bias)),
            "field_of": Axis(len(machine.field)),
        }
        return found | ({"part": Axis(("real", "imaginary"), meaning="part of a number")} if recipe.complex else {})

    def _count(self) -> int:
        """Measured configurations of a machine."""
        return -(-self.recipe.measurements // 256) * 256 if not self.recipe.complex else self.recipe.measurements

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities of trained machines by name."""
        each, recipe = (self.recipe.control, "seed"), self.recipe
        sites = size**recipe.dimension
        chain = {"sites": sites, "chains": self._chains()}
        found = {
            "energy": Measured("e", "J", "local energy per site", (*each, "measurement"), chain),
            recipe.order: Measured("m", "1", "order parameter", (*each, "measurement"), {"components": 1}),
        }
        found |= {name: Measured(*texts, (*each, "stage")) for name, texts in OF_STAGES.items()}
        found["correlation"] = Measured("G(r)", "1", "two-point function of s", (*each, "distance"))
        exact = {"exact_energy": ("E_0/N", "J", "exact energy per site"), "exact_order2": ("<m^2>", "1", "exact value")}
        exact["exact_gap"] = ("gap", "J", "exact distance to the next level with the symmetries of the ground state")
        found |= {name: Measured(*texts, each) for name, texts in exact.items()}
        parts = ("part",) if recipe.complex else ()
        axes = {"weights": ("feature", "site"), "bias": ("bias_of",), "field": ("field_of",)}
        for name in MACHINE if recipe.biased else MACHINE[:1]:
            found[name] = Measured("", "1", f"{name} of the machine", (*each, *axes[name], *parts))
        return found

    def _chains(self) -> int:
        return self._count() if self.recipe.complex else min(256, self._count())

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a training, and its operations."""
        r, sites = self.recipe, size**self.recipe.dimension
        machine = self._untrained(size, r.values[0], 0)
        units, parameters = len(machine.units), len(machine.parameters)
        if r.complex:
            kinds = 2**sites / (len(machine.permutations) * 2)
            operations = r.count_of_stages * r.steps * kinds * (40.0 * units + 4.0 * parameters**2 + sites)
            return Resources(400.0 * 2**sites + 32.0 * parameters**2, operations)
        most = r.samples * 2 ** (r.count_of_stages - 1)
        smaller = min(parameters, most)
        step = 3.0 * sites * units + 2.0 * parameters * smaller / 8 + smaller**3 / most / 30
        measured = (BETWEEN + 1) * sites * units * self._count() * r.count_of_stages
        memory = 16.0 * most * (units + parameters + smaller) + 16.0 * self._count() * sites
        return Resources(memory, r.samples * (2**r.count_of_stages - 1) * r.steps * step + measured)

    def short(self) -> GroundStateSample:
        """One of the largest machines, trained for a few steps."""
        few = {"L": self.sizes()[-1:], "seeds": self.recipe.seeds[:1], "doublings": 0, "steps": 10, "measurements": 256}
        return GroundStateSample(self.recipe.model_copy(update=few | {self.recipe.control: self.recipe.values[-1:]}))

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a training."""
        name = self.recipe.control
        return f"L{size}, {name} = {at[name]:.4g}, seed {at['seed']}"

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train a machine, or go on with one, and measure it after every stage."""
        recipe, value = self.recipe, task[self.recipe.control]
        model = recipe.model_at(task.size, value)
        machine = self._untrained(task.size, value, task["seed"])
        words = ("wave", recipe.model, recipe.dimension, task.size, value)
        seeds = rng.seed_sequence(task["seed"], "chain", *words)
        training = GroundTraining.begin(model, machine, self._rule(), seeds, bool(recipe.complex))
        kept = checkpoint.arrays or {}
        if kept:
            training.restore({n.removeprefix("state_"): v for n, v in kept.items() if n.startswith("state_")})
        found = {name: np.array(kept.get(name, np.zeros(recipe.count_of_stages))) for name in OF_STAGES}
        total = recipe.count_of_stages * recipe.steps
        drawn: Drawn | None = None
        while training.done < total:
            end = (training.stage + 1) * recipe.steps
            training.train(min(end, training.done + STEPS_AT_ONCE))
            text = f"{task.label}, stage {(training.done - 1) // recipe.steps + 1}: {training.energy / model.N:.6f} J"
            checkpoint.note(0.97 * training.done / total, text)
            if training.done % recipe.steps == 0:
                drawn = training.measured(self._count())
                _put(found, training.done // recipe.steps - 1, model, drawn)
            if training.done < total and checkpoint.due():
                state = {f"state_{name}": v for name, v in training.arrays().items()}
                checkpoint.save(found | state)
        drawn = drawn or training.measured(self._count())
        return found | self._judged(model, training.machine, drawn) | _exact(model)

    def _judged(self, model: QuantumModel, machine: SpinMachine, drawn: Drawn) -> dict[str, np.ndarray]:
        """What is kept of a trained machine: measurements, two-point function and weights."""
        order = spin_order(model, drawn.spins)
        found = {
            "energy": drawn.local / model.N,
            self.recipe.order: order,
            "correlation": two_point_along(model, drawn.spins),
        }
        for name in MACHINE if self.recipe.biased else MACHINE[:1]:
            values = getattr(machine, name)
            found[name] = np.stack([values.real, values.imag], axis=-1) if self.recipe.complex else values
        return found


def _put(found: Mapping[str, np.ndarray], stage: int, model: QuantumModel, drawn: Drawn) -> None:
    """Put what is measured after a stage in its place."""
    square = spin_order(model, drawn.spins) ** 2
    local = drawn.local - drawn.local.mean()
    found["stage_energy"][stage] = drawn.local.mean() / model.N
    found["stage_variance"][stage] = (local**2).mean() / model.N
    found["stage_order2"][stage] = square.mean()
    found["stage_order4"][stage] = (square**2).mean()
    found["stage_pull"][stage] = 2 * (local * (square - square.mean())).mean()


def _exact(model: QuantumModel) -> dict[str, np.ndarray]:
    """Exact values of a model; NaN where none are known."""
    chain = model.name == "tfim" and len(model.sides) == 1
    energy = gap = order2 = math.nan
    if chain or model.N <= EXACT_SPINS:
        try:
            exact = exact_ground(model, gap=False)
        except InputError:
            pass  # none are known
        else:
            energy, gap = exact.E0, math.nan if exact.gap_symmetric is None else exact.gap_symmetric
            order = exact.staggered2 if model.conserves else exact.m2
            order2 = math.nan if order is None else order
    return {
        "exact_energy": np.array(energy / model.N),
        "exact_gap": np.array(gap),
        "exact_order2": np.array(order2),
    }
