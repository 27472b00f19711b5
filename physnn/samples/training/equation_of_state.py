"""Quasi-particle masses trained on the equation of state of QCD: one task trains one arm from a few seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from physnn.errors import InputError
from physnn.machine import Footprint
from physnn.networks.forms import ARMS
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.samples.training.forms import FormSample, FormTraining

TEMPERATURES = tuple(np.arange(130.0, 400.1, 2.5).tolist())
"""Temperatures in MeV at which trained networks are evaluated: the range of the data."""
BYTES_OF_SEED = 4.5e6
"""Bytes of one network in training, and of what it leaves; measured."""
STEP_OPERATIONS = 2e7
"""Multiplications of a step of one network: 55 temperatures, with derivatives by T, forwards and back."""


class StateTraining(FormTraining):
    """Recipe of networks trained on the equation of state."""

    pilots: ClassVar[Mapping[str, float]] = {"200 steps": 0.16, "5,000 steps": 0.6}

    kind: Literal["train-eos"] = "train-eos"
    arms: Annotated[tuple[Literal[ARMS], ...], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=ARMS, examples=["raw expanded law"], description=f"Forms of input and first layer: {', '.join(ARMS)}."
    )
    constants: Annotated[tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...], Field(min_length=1)] = Field(
        default=(0.265,), description="Appended to T in the arm 'expanded', in GeV; the mean temperature."
    )


class StateSample(FormSample):
    """Networks of one width, by arm and seed."""

    Recipe = StateTraining
    recipe: StateTraining
    footprint = Footprint(305e6, 170e6, 420e6)

    def sizes(self) -> tuple[int, ...]:
        """The width of the networks: all are in one group."""
        from physnn.networks.tasks.equation_of_state import WIDTH

        return (WIDTH,)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        from physnn.networks.tasks.equation_of_state import SPECIES

        return super().axes(size) | {
            "species": Axis(SPECIES, meaning="quasi-particle"),
            "temperature": Axis(TEMPERATURES, "T", "MeV", "temperature"),
        }

    def parameters(self, size: int) -> int:
        """Number of weights of a network without constants."""
        from physnn.networks.tasks.equation_of_state import MASS_PARAMETERS

        return MASS_PARAMETERS

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
            **super().quantities(size),
        }

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory and multiplications of a task."""
        return Resources(BYTES_OF_SEED * len(at["seed"]), STEP_OPERATIONS * self.recipe.steps * len(at["seed"]))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train one arm from some seeds, or go on with it."""
        from physnn.networks.device import single_thread
        from physnn.networks.tasks.equation_of_state import Masses, MassTraining, evaluated

        model = Masses(task["arm"], task["seed"], self.recipe.constants)
        with single_thread():
            found = self.trained(MassTraining(model, self.recipe.lr), task, checkpoint)
        if not np.isfinite(found["loss"][:, -1]).all():
            raise InputError(f"{task.label}: the training has left all bounds; take a smaller --lr")
        return found | evaluated(model, TEMPERATURES) | {"weights": model.effective()}

    def short(self) -> StateSample:
        """Two trainings of 100 steps."""
        return StateSample(self.recipe.model_copy(update={"arms": ("raw", "other"), "seeds": (0,), "steps": 100}))
