"""Trainings of networks in several forms of the input, paired by seed: what their recipes and samples share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from physnn.analysis.statistics.claims import EFFECTS, ONLY_CONTROLS
from physnn.analysis.statistics.power import Power, power_table
from physnn.machine import FOR_TRAINING
from physnn.networks.forms import Trainee, train_to_marks
from physnn.samples.base import Growth, Recipe, more
from physnn.samples.sample import Sample
from physnn.samples.tasks import Axis, Checkpoint, Measured, Task

SEEDS_AT_ONCE = 8
"""Seeds that a task trains side by side: a step of one small network is mostly calls."""


class FormTraining(Recipe):
    """Recipe of networks trained in several forms from the same seeds."""

    size: ClassVar[str] = "width"
    control: ClassVar[str] = "arm"
    draws: ClassVar[str] = "seed"
    repeats: ClassVar[str] = "mark"
    grows: ClassVar[Mapping[str, Growth]] = {"arms": more, "seeds": more}
    first_mark: ClassVar[int] = 10
    """First step at which errors are recorded."""
    effects: ClassVar[Mapping[str, float]] = EFFECTS
    """Sizes of effects by meaning, in the unit of the claims."""
    pilots: ClassVar[Mapping[str, float]] = {}
    """Standard deviations of paired differences of single seeds by what they were seen in."""
    judged_alone: ClassVar[bool] = False
    """Whether every arm is judged by itself."""

    arms: tuple[str, ...]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = Field(
        default=tuple(range(8)), examples=["0 1 2"], description="One network each, for every arm."
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
        """Steps at which errors are recorded: 1, 2 and 5 times powers of ten from the first mark on, and the last."""
        every = [m * 10**k for k in range(9) for m in (1, 2, 5)]
        return (*(t for t in every if self.first_mark <= t < self.steps), self.steps)

    def power(self) -> tuple[Power, ...]:
        """Seeds that show the effects, before there are data: with the scatter that pilots or bounds say."""
        return power_table(self.effects, self.pilots, len(self.seeds), self.comparisons())

    def comparisons(self) -> int:
        """How many differences are judged together: at every mark, of one arm or of all that may be."""
        judged = sum(arm not in ONLY_CONTROLS for arm in self.arms) - 1
        return len(self.marks()) * (1 if self.judged_alone else max(1, judged))

    def marks_of(self, arm: str) -> tuple[int, ...]:
        """Steps of an arm at the marks, where it takes others."""
        return self.marks()


class FormSample(Sample):
    """Networks by arm and seed."""

    recipe: Any
    watched = True
    copies = 2.0
    footprint = FOR_TRAINING
    advice = "fewer --seeds or --arms, or fewer --jobs"

    def modules(self) -> tuple[str, ...]:
        """Modules of extras that tasks import."""
        return ("torch",)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        return {
            "arm": Axis(self.recipe.arms, meaning="form of the input and of the first layer"),
            "seed": Axis(self.recipe.seeds, meaning="seed of the weights"),
            "mark": Axis(self.recipe.marks(), "t", "steps", "steps of the optimiser"),
            "weight": Axis(self.parameters(size)),
        }

    def parameters(self, size: int) -> int:
        """Number of weights of a network without constants."""
        raise NotImplementedError

    def quantities(self, size: int) -> dict[str, Measured]:
        """Weights in the end."""
        weights = Measured("", "1", "weights of the network without constants", ("arm", "seed", "weight"))
        return {"weights": weights}

    def split(self, size: int) -> dict[str, int]:
        """Every task has one arm and some seeds."""
        return {"arm": 0, "seed": SEEDS_AT_ONCE}

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{at['arm']}, seeds {at['seed'][0]} to {at['seed'][-1]}"

    def trained(self, trainee: Trainee, task: Task, checkpoint: Checkpoint) -> dict[str, np.ndarray]:
        """Errors at every mark of the networks of a task, which are trained in place, or on from a checkpoint."""
        label, marks = self.label(task.size, task.at), self.recipe.marks_of(task["arm"])

        def watch(done: int) -> bool:
            checkpoint.note(done / marks[-1], label)
            return checkpoint.due()

        save: Callable[[Mapping[str, np.ndarray]], None] = checkpoint.save
        return train_to_marks(trainee, marks, checkpoint.arrays, watch, save)
