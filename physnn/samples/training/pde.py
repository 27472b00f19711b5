"""Networks trained on differential equations: one task trains one arm of one width from a few seeds."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from physnn.errors import InputError
from physnn.machine import Footprint
from physnn.networks.forms import ARMS
from physnn.networks.pde.descent import BLOCK_POINTS, FACTORS_OF_STEP, JetEngine, PdeNetworks, PdeTraining
from physnn.networks.pde.equations import PdeProblem, Reference, Sizes
from physnn.networks.pde.known import read_reference
from physnn.networks.pde.problems import PROBLEMS
from physnn.networks.pde.streams import PointTable, point_table
from physnn.samples.base import Growth, more
from physnn.samples.tasks import Arrays, Checkpoint, Measured, Resources, Task
from physnn.samples.training.forms import FormSample, FormTraining

NAMES, PDE_ARMS = tuple(PROBLEMS), (*ARMS, *FACTORS_OF_STEP)
PASSES = 6.0
"""Multiplications and additions of a weight at a point and derivative: forwards, and twice back."""
ARRAYS_HELD, ARRAYS_PACKED = 6, 5
"""Arrays of all parameters that a training holds at most: Adam's three, twice while they are saved.

Beside them there are those of one network: packed weights, slopes, and copies of them; measured.
"""
SHORT_WORK = 2e10
"""Operations of the training by which time is judged."""
PAPER = {"width": (100,), "depth": 5, "steps": 20_000, "seeds": tuple(range(30))}
"""Settings of the source; the points are the benchmark's."""


class PdeRecipe(FormTraining):
    """Recipe of networks trained on a differential equation."""

    grows: ClassVar[Mapping[str, Growth]] = {"arms": more, "seeds": more, "width": more}
    located: ClassVar[tuple[str, ...]] = ("reference",)
    first_mark: ClassVar[int] = 100
    judged_alone: ClassVar[bool] = True
    pilots: ClassVar[Mapping[str, float]] = {"Burgers, 1,000 steps": 0.02, "five dimensions, 1,000 steps": 0.25}

    kind: Literal["train-pde"] = "train-pde"
    problem: Literal[NAMES]  # type: ignore[valid-type]
    arms: Annotated[tuple[Literal[PDE_ARMS], ...], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=("raw", "other", "expanded", "law", "init", "step", "scaled"),
        examples=["raw expanded law"],
        description=f"Forms of input and first layer: {', '.join(PDE_ARMS)}.",
    )
    constants: Annotated[tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...], Field(min_length=1)] | None = Field(
        default=None, examples=["0 0.5"], description="Appended to the inputs in the arm 'expanded' [default: means]."
    )
    width: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1)] = Field(
        default=(32,), examples=["16 32 64"], description="Widths of the tanh layers."
    )
    depth: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="Number of tanh layers.")
    points: Annotated[int, Field(ge=1, le=10**7)] = Field(
        default=512, description="Points inside the domain; those on its boundary and at its start in proportion."
    )
    steps: Annotated[int, Field(ge=1, le=10**8)] = Field(default=5000, description="Steps of Adam, on all points.")
    reference: str | None = Field(
        default=None, title="FILE", description="Solution to compare with: rows of inputs and outputs [default: ours]."
    )
    engine: Literal["kernel", "torch"] = Field(
        default="kernel", description="What computes gradients: compiled code, or torch; equal to rounding."
    )
    precision: Literal["float32", "float64"] = Field(default="float32", description="Precision of the training.")
    device: Literal["cpu", "cuda"] = "cpu"
    reference_digest: str = ""

    def least_points(self) -> int:
        """Smallest number of points that leaves no set of the problem without one."""
        sizes = (self.model_copy(update={"points": n}).point_sizes() for n in itertools.count(1))
        # The sets grow with their sizes, so that all larger numbers do, too.
        counts = (min(len(one.points) for one in PROBLEMS[self.problem].sets(each)) for each in sizes)
        return next(n for n, least in enumerate(counts, 1) if least)

    def resolved(self) -> PdeRecipe:
        """Recipe with the constants and what the reference is.

        Raises
        ------
        InputError
            If the reference cannot be read, or a part of the boundary has no point.
        """
        digest, place, problem = "", None, PROBLEMS[self.problem]
        if self.points < (least := self.least_points()):
            raise InputError(f"--points {self.points} leave a boundary of {self.problem} empty; use {least} or more")
        if self.reference is not None:
            path = Path(self.reference).resolve()  # of a run that goes on from another folder, too
            read_reference(path, problem)
            digest, place = hashlib.sha256(path.read_bytes()).hexdigest(), str(path)
        if self.engine == "kernel" and self.device == "cuda":
            raise InputError("the engine 'kernel' runs on the CPU; add --engine torch, or leave --device out")
        constants = problem.means() if self.constants is None else self.constants
        return self.model_copy(
            update={
                "constants": constants,
                "reference": place,
                "reference_digest": digest,
                "width": tuple(sorted(set(self.width))),
            }
        )

    def point_sizes(self) -> Sizes:
        """Numbers of points, in the benchmark's proportions."""
        paper = PROBLEMS[self.problem].paper
        boundary, initial = (-(-self.points * n // paper.domain) for n in (paper.boundary, paper.initial))
        return Sizes(self.points, boundary, initial)


class PdeSample(FormSample):
    """Networks that solve a differential equation, by width, arm and seed."""

    Recipe = PdeRecipe
    recipe: PdeRecipe
    footprint = Footprint(257e6, 212e6, 406e6)
    advice = "fewer --points, --seeds or --arms, a smaller --width, or fewer --jobs"

    @property
    def _problem(self) -> PdeProblem:
        return PROBLEMS[self.recipe.problem]

    @functools.cached_property
    def _tables(self) -> list[PointTable]:
        return [point_table(one, self._problem.space_axes) for one in self._problem.sets(self.recipe.point_sizes())]

    def _reference(self) -> Reference:
        """Known solution; raises InputError if its file is not that of the recipe any more."""
        if self.recipe.reference is None:
            return self._problem.reference()
        path = Path(self.recipe.reference)
        found = read_reference(path, self._problem)
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.recipe.reference_digest:
            raise InputError(f"the reference {path} changed while it was in use; run the same command again")
        return found

    def parameters(self, size: int) -> int:
        """Number of weights of a network without constants."""
        depth, inputs, outputs = self.recipe.depth, len(self._problem.inputs), len(self._problem.outputs)
        return size * ((depth - 1) * size + inputs + outputs + depth) + outputs

    def quantities(self, size: int) -> dict[str, Measured]:
        """Errors at every mark, and weights, by name."""
        each = ("arm", "seed", "mark")
        return {
            "loss": Measured("", "1", "sum of the mean squared residuals of all sets of points", each),
            "error": Measured("", "1", "relative L2 error of the solution", each),
            "mean_error": Measured("", "1", "mean absolute error of the solution", each),
            "max_error": Measured("", "1", "largest absolute error of the solution", each),
            "weights": replace(super().quantities(size)["weights"], width=self._word),
        }

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory and operations of a task."""
        streams, seeds = sum(len(t.points) * len(t.axes) for t in self._tables), len(at["seed"])
        depth, ends = self.recipe.depth, len(self._problem.inputs) + len(self._problem.outputs)
        step = PASSES * streams * size * ((depth - 1) * size + ends)
        # Compiled code goes through blocks of points; torch holds every stream of every layer.
        numbers = 10.0 * streams * (1 if self.recipe.engine == "kernel" else seeds * size * depth)
        numbers += 3.0 * BLOCK_POINTS * size * seeds + (ARRAYS_HELD * seeds + ARRAYS_PACKED) * self.parameters(size)
        return Resources(numbers * self._word, step * self.recipe.steps * seeds)

    @property
    def _word(self) -> float:
        """Bytes of a weight."""
        return float(np.dtype(self.recipe.precision).itemsize)

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{self.recipe.problem}, {super().label(size, at)}"

    def _engine(self) -> JetEngine:
        if self.recipe.engine == "kernel":
            from physnn.networks.pde.jets import KernelEngine

            return KernelEngine(self._tables, self.recipe.precision)
        from physnn.networks.pde.stacked_jets import StackedEngine

        return StackedEngine(self._tables, self.recipe.precision, self.recipe.device)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train one arm from some seeds, or go on with it."""
        from physnn.networks.device import single_thread

        recipe, arm = self.recipe, task["arm"]
        assert recipe.constants is not None
        shape = task.size, recipe.depth, recipe.constants, recipe.precision
        networks = PdeNetworks(self._problem, arm, task["seed"], *shape)
        if recipe.engine == "kernel":
            checkpoint.begins(f"{task.label}: first step, kernels are compiled once")
        # A training that leaves all bounds ends with numbers that are none, which the answer counts.
        with single_thread(), np.errstate(over="ignore", invalid="ignore"):
            training = PdeTraining(networks, self._engine(), self._reference(), recipe.lr)
            found = self.trained(training, task, checkpoint)
        return found | {"weights": networks.effective()}

    def short(self) -> PdeSample:
        """Two trainings of a few steps of the largest networks."""
        size, seeds = self.sizes()[-1], self.recipe.seeds[:1]
        one = self.resources(size, {"seed": seeds}).operations / self.recipe.steps
        steps = int(np.clip(SHORT_WORK / one, 2, 1000))
        update = {"arms": ("raw", "other"), "seeds": seeds, "steps": steps, "width": (size,)}
        return PdeSample(self.recipe.model_copy(update=update))
