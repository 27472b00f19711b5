"""Quasi-particle masses trained on the equation of state of QCD: one task trains one arm from a few seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.networks.device import single_thread
from physnn.networks.tasks.equation_of_state import ARMS, SPECIES, WIDTH, Masses, evaluated, train_masses
from physnn.samples.base import Growth, Recipe, more
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task

TEMPERATURES = tuple(np.arange(130.0, 400.1, 2.5).tolist())
"""Temperatures in MeV at which trained networks are evaluated: the range of the data."""
FIRST_MARK = 10
"""First step at which errors are recorded."""
STEP_OPERATIONS = 2e7
"""Multiplications of a step of one network: 55 temperatures, with derivatives by T, forwards and back."""
SEEDS_AT_ONCE = 8
"""Seeds that a task trains side by side: a step of one network is mostly calls."""


class StateTraining(Recipe):
    """Recipe of networks trained on the equation of state."""

    size: ClassVar[str] = "width"
    control: ClassVar[str] = "arm"
    draws: ClassVar[str] = "seed"
    repeats: ClassVar[str] = "mark"
    grows: ClassVar[Mapping[str, Growth]] = {"arms": more, "seeds": more}

    kind: Literal["train-eos"] = "train-eos"
    arms: Annotated[tuple[Literal[ARMS], ...], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=ARMS, examples=["raw expanded law"], description=f"Forms of input and first layer: {', '.join(ARMS)}."
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = Field(
        default=tuple(range(8)), examples=["0 1 2"], description="One network each, for every arm."
    )
    constants: Annotated[tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...], Field(min_length=1)] = Field(
        default=(0.265,), description="Appended to T in the arm 'expanded', in GeV; the mean temperature."
    )
    steps: Annotated[int, Field(ge=1, le=10**8)] = Field(default=2000, description="Steps of Adam, on all data.")
    lr: Annotated[float, Field(gt=0, le=10)] = Field(default=1e-3, description="Learning rate of Adam.")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(seeds)))

    @field_validator("arms")
    @classmethod
    def _once(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(arms))

    def marks(self) -> tuple[int, ...]:
        """Steps at which errors are recorded: 1, 2 and 5 times powers of ten from `FIRST_MARK` on, and the last."""
        usual = [m * 10**k for k in range(9) for m in (1, 2, 5) if FIRST_MARK <= m * 10**k < self.steps]
        return (*usual, self.steps)


class StateSample(Sample):
    """Networks of one width, by arm and seed."""

    Recipe = StateTraining
    recipe: StateTraining
    watched = True
    advice = "fewer --seeds or --arms, or fewer --jobs"

    def sizes(self) -> tuple[int, ...]:
        """The width of the networks: all are in one group."""
        return (WIDTH,)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        return {
            "arm": Axis(self.recipe.arms, meaning="form of the input and of the first layer"),
            "seed": Axis(self.recipe.seeds, meaning="seed of the weights"),
            "mark": Axis(self.recipe.marks(), "t", "steps", "steps of the optimiser"),
            "species": Axis(SPECIES, meaning="quasi-particle"),
            "temperature": Axis(TEMPERATURES, "T", "MeV", "temperature"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Errors at every mark, and the equation of state in the end, by name."""
        each, final = ("arm", "seed"), ("arm", "seed", "temperature")
        return {
            "loss": Measured("", "1", "mean squared deviation of p/T^4 and e/T^4", (*each, "mark")),
            "chi2": Measured("chi^2/n", "1", "chi^2 over the number of lattice values", (*each, "mark")),
            "mass": Measured("m", "GeV", "mass of a quasi-particle", (*each, "species", "temperature")),
            "p": Measured("p/T^4", "1", "pressure", final),
            "e": Measured("e/T^4", "1", "energy density", final),
            "s": Measured("s/T^3", "1", "entropy density", final),
            "bag": Measured("B/T^4", "1", "part of the energy density that comes from dm/dT", final),
            "cs2": Measured("c_s^2", "1", "square of the speed of sound", final),
            "weights": Measured("", "1", "weights of the network without constants", (*each, "weight")),
        }

    def split(self, size: int) -> dict[str, int]:
        """Every task has one arm and some seeds."""
        return {"arm": 0, "seed": SEEDS_AT_ONCE}

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory and multiplications of a task."""
        return Resources(5e7, STEP_OPERATIONS * self.recipe.steps * len(at["seed"]))

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{at['arm']}, seeds {at['seed'][0]} to {at['seed'][-1]}"

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train one arm from some seeds, or go on with it."""
        recipe = self.recipe
        label = self.label(task.size, task.at)

        def watch(done: int) -> bool:
            checkpoint.note(done / recipe.steps, label)
            return checkpoint.due()

        model = Masses(task["arm"], task["seed"], recipe.constants)
        with single_thread():
            found = train_masses(model, recipe, recipe.marks(), checkpoint.arrays, watch, checkpoint.save)
        if not np.isfinite(found["loss"][:, -1]).all():
            raise InputError(f"{label}: the training has left all bounds; take a smaller --lr")
        return found | evaluated(model, TEMPERATURES) | {"weights": model.effective()}

    def short(self) -> StateSample:
        """Two trainings of 100 steps."""
        return StateSample(self.recipe.model_copy(update={"arms": ("raw", "other"), "seeds": (0,), "steps": 100}))
