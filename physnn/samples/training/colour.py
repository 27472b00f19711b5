"""Diffusion models that colour images: one task trains one arm of one side from one seed, or from a few on a GPU."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from physnn.errors import InputError
from physnn.networks.colour.bars import bars
from physnn.networks.colour.diffusion import NOISE_SHARES
from physnn.networks.colour.pictures import FORM_FACTORS, SHAPES, ColourPictures, grey_of, load_pictures
from physnn.networks.colour.unet_shapes import GROUP_CHANNELS, UNetShape
from physnn.samples.base import Growth, more
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.samples.training.forms import SEEDS_AT_ONCE, FormSample, FormTraining
from physnn.store.hdf5 import Group, Variable

if TYPE_CHECKING:
    from physnn.networks.colour.rows import ColourSettings

COLOUR_ARMS = ("raw", "other", "expanded", "enlarged", "longer")
"""Forms of the images, see `physnn.networks.colour.colouring.ColourTraining`; ``longer`` is raw with more steps, by the
factor of the operations that expanded images take."""
PICTURES, SHOWN_SAMPLES = 8, 2
"""Test images, and samples of each, that a file keeps."""
BACK = 3.0
"""Operations of a step, over those of its answer."""
KEPT_MAPS = 44.0
"""Numbers that back-propagation keeps for a pixel and a channel of the first level."""
SHORT_COLOURING = 3e10
"""Operations of the training by which time is judged."""
COLOUR_PAPER = {
    "side": (64,),
    "width": 64,
    "levels": 4,
    "batch": 32,
    "steps": 100_000,
    "lr": 2e-4,
    "ema": 0.9999,
    "images": None,
    "test": 64,
    "sampling_steps": 100,
    "seeds": tuple(range(8)),
}
"""Settings of a size like the source's, whose text has lost its numbers."""


class ColourRecipe(FormTraining):
    """Recipe of diffusion models that colour images."""

    size: ClassVar[str] = "side"
    grows: ClassVar[Mapping[str, Growth]] = {"arms": more, "seeds": more, "side": more}
    located: ClassVar[tuple[str, ...]] = ("data",)
    first_mark: ClassVar[int] = 100
    pilots: ClassVar[Mapping[str, float]] = {
        "loss or error, raw against raw, 200 steps": 0.04,
        "error, longer against raw, 200 steps": 0.1,
    }

    kind: Literal["train-colour"] = "train-colour"
    data: str = Field(
        default=SHAPES,
        title="PATH",
        description="shapes (built in), or a path: npy, npz, a folder of images, or a set with labels.",
    )
    arms: Annotated[tuple[Literal[COLOUR_ARMS], ...], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=COLOUR_ARMS, examples=["raw expanded"], description=f"Forms of the images: {', '.join(COLOUR_ARMS)}."
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = Field(
        default=(0, 1, 2), examples=["0 1 2"], description="One network each, for every arm."
    )
    side: Annotated[tuple[Annotated[int, Field(ge=4, le=512)], ...], Field(min_length=1)] = Field(
        default=(16,), examples=["16 32"], description="Sides of the images in pixels."
    )
    width: Annotated[int, Field(ge=GROUP_CHANNELS, le=512)] = Field(
        default=16, description=f"Channels of the first level, a multiple of {GROUP_CHANNELS}."
    )
    levels: Annotated[int, Field(ge=1, le=6)] = Field(default=3, description="Resolutions of the U-Net.")
    images: Annotated[int, Field(ge=1)] | None = Field(default=1024, description="Training images.")
    test: Annotated[int, Field(ge=1, le=10**5)] = Field(default=24, description="Test images.")
    steps: Annotated[int, Field(ge=1, le=10**8)] = Field(default=500, description="Steps of AdamW.")
    batch: Annotated[int, Field(ge=1, le=10**5)] = Field(default=16, description="Images of a step.")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="Memory of the running mean of the weights, which samples are drawn by."
    )
    times: Annotated[int, Field(ge=2, le=10**5)] = Field(default=1000, description="Steps from images to noise.")
    sampler: Literal["ddim", "ancestral"] = Field(default="ddim", description="How samples are drawn.")
    sampling_steps: Annotated[int, Field(ge=1, le=10**5)] = Field(default=20, description="Steps of sampling.")
    samples: Annotated[int, Field(ge=2, le=1000)] = Field(default=4, description="Samples of every test image.")
    fill: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5, description="Value between the pixels of expanded images."
    )
    engine: Literal["auto", "loop", "stacked"] = Field(
        default="auto", description="Networks one after the other, or all at once, as on a GPU; equal to rounding."
    )
    precision: Literal["float32", "float64"] = Field(default="float32", description="Precision of the training.")
    device: Literal["cpu", "cuda"] = "cpu"
    digests: tuple[str, ...] = ()

    def resolved(self) -> ColourRecipe:
        """Recipe with what the images are, and the engine.

        Raises
        ------
        InputError
            If the images cannot be read or have other sides, or the network does not suit them.
        """
        sides, halves = tuple(sorted(set(self.side))), 2 ** (self.levels - 1)
        if self.width % GROUP_CHANNELS:
            raise InputError(f"--width {self.width} is no multiple of {GROUP_CHANNELS}; take one")
        if wrong := [side for side in sides if side % halves]:
            raise InputError(
                f"{self.levels} levels halve images {self.levels - 1} times; take a --side that {halves} divides, "
                f"not {wrong[0]}, or fewer --levels"
            )
        load_pictures.cache_clear()  # Images on the disk may have changed since the last call.
        digests = tuple(self.pictures(side).digest for side in sides)
        if (least := min(len(self.pictures(side).train) for side in sides)) < self.batch:
            raise InputError(f"there are {least} training images, fewer than --batch {self.batch}; take a smaller one")
        engine = {"cpu": "loop", "cuda": "stacked"}[self.device] if self.engine == "auto" else self.engine
        place = self.data if self.data == SHAPES else str(Path(self.data).resolve())  # for runs from other folders
        return self.model_copy(update={"data": place, "digests": digests, "side": sides, "engine": engine})

    def pictures(self, side: int) -> ColourPictures:
        """Images of a side."""
        return load_pictures(self.data, side, self.images, self.test)

    def shape(self) -> UNetShape:
        """Shape of the networks."""
        return UNetShape(self.width, self.levels)

    def factor(self, arm: str) -> float:
        """Steps of an arm over those of raw ones: as many as expanded images take operations, or 1."""
        side = self.side[0]
        return self.shape().operations(2 * side) / self.shape().operations(side) if arm == "longer" else 1.0

    def marks_of(self, arm: str) -> tuple[int, ...]:
        """Steps of an arm at the marks: more for ``longer``."""
        return tuple(round(self.factor(arm) * mark) for mark in self.marks())


class ColourSample(FormSample):
    """Diffusion models that colour images, by side, arm and seed."""

    Recipe = ColourRecipe
    recipe: ColourRecipe
    advice = "fewer --seeds or --arms, a smaller --side, --width or --batch, or fewer --jobs"

    def split(self, size: int) -> dict[str, int]:
        """Every task has one arm, and one seed or those that are trained side by side."""
        return {"arm": 0, "seed": SEEDS_AT_ONCE if self.recipe.engine == "stacked" else 1}

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        shown = min(PICTURES, self.recipe.test)
        return super().axes(size) | {
            "level": Axis(NOISE_SHARES, "t", "steps of the forward process", "noise level, as a share of all steps"),
            "picture": Axis(shown, meaning="number of a test image"),
            "sample": Axis(min(SHOWN_SAMPLES, self.recipe.samples), meaning="number of a sample"),
            "bar": Axis(("grey", "chroma", "ridge"), meaning="single answers that need no network"),
            **{name: Axis(n) for name, n in (("colour", 3), ("row", size), ("column", size))},
        }

    def parameters(self, size: int) -> int:
        """Number of weights of a network."""
        return sum(math.prod(each) for each in self.recipe.shape().parameters().values())

    def quantities(self, size: int) -> dict[str, Measured]:
        """Loss and errors at every mark, samples in the end, and weights, by name."""
        each = ("arm", "seed", "mark")
        return {
            "loss": Measured("", "1", "mean squared error of the noise of original pixels", (*each, "level")),
            "error": Measured("", "1", "mean absolute error of one sample", each),
            "mean_error": Measured("", "1", "mean absolute error of the mean of all samples", each),
            "diversity": Measured("", "1", "mean absolute difference of two samples", each),
            "samples": Measured(
                "", "1", "samples, 0 to 255", ("arm", "seed", "picture", "sample", "colour", "row", "column"), width=1.0
            ),
            "weights": replace(
                super().quantities(size)["weights"], width=float(np.dtype(self.recipe.precision).itemsize)
            ),
        }

    def derived(self, size: int, group: Group) -> Group:
        """Test images, and errors that need no network."""
        pictures = self._pictures(size)
        own, errors = pictures.test[:PICTURES], bars(pictures)
        told = {"long_name": "mean absolute error of a single answer", "units": "1"}
        found = Variable(("bar",), np.array([errors[name] for name in self.axes(size)["bar"].numbers()]), told)
        return {"bar_error": found} | {
            name: Variable(("picture", "colour", "row", "column"), _bytes(images), {"long_name": meaning})
            for name, images, meaning in (
                ("truth", own, "test images, 0 to 255"),
                ("grey", np.repeat(grey_of(own), 3, 1), "their grey versions, 0 to 255"),
            )
        }

    def _pictures(self, side: int) -> ColourPictures:
        """Images of a side; raises InputError if they are not those of the recipe any more."""
        found = self.recipe.pictures(side)
        if found.digest not in self.recipe.digests:
            raise InputError(
                f"the images of {self.recipe.data} changed while they were in use; run the same command again"
            )
        return found

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory and operations of a task, measurements included."""
        recipe, arm = self.recipe, at.get("arm", "expanded")
        side = size * FORM_FACTORS.get(arm, 1)
        shape, count = recipe.shape(), len(at["seed"])
        answers = recipe.test * (recipe.samples * min(recipe.sampling_steps, recipe.times) + len(NOISE_SHARES))
        steps = BACK * recipe.batch * recipe.marks_of(arm)[-1]
        operations = shape.operations(side) * (steps + len(recipe.marks()) * answers) * count
        numbers = 8 if recipe.precision == "float64" else 4
        together = count if recipe.engine == "stacked" else 1
        maps = KEPT_MAPS * max(recipe.batch, 64) * together * side**2 * recipe.width
        held = 5.0 * count * self.parameters(size)
        images = 2.0 * (recipe.images or len(self._pictures(size).train)) * 4 * side**2
        return Resources(numbers * (maps + held + images), operations)

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{size} x {size}, {super().label(size, at)}"

    @functools.cached_property
    def _settings(self) -> ColourSettings:
        from physnn.networks.colour.rows import ColourSettings

        return ColourSettings(**{field.name: getattr(self.recipe, field.name) for field in fields(ColourSettings)})

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train one arm from some seeds, or go on with it."""
        from physnn.networks.colour.colouring import ColourTraining
        from physnn.networks.device import full_precision, single_thread

        pictures = self._pictures(task.size)
        # A training that leaves all bounds ends with numbers that are none, which the answer counts.
        with single_thread(), full_precision(), np.errstate(over="ignore", invalid="ignore"):
            training = ColourTraining(self.recipe.shape(), task["arm"], task["seed"], pictures, self._settings)
            found = self.trained(training, task, checkpoint)
            shown = training.samples[:, :PICTURES, :SHOWN_SAMPLES]
        return found | {"weights": training.weights(), "samples": _bytes(shown)}

    def short(self) -> ColourSample:
        """Two trainings of a few steps of the largest images, with few samples."""
        recipe, side = self.recipe, self.sizes()[-1]
        one = BACK * recipe.shape().operations(side * FORM_FACTORS["expanded"])
        batch = int(np.clip(SHORT_COLOURING / (2 * one), 1, recipe.batch))
        steps = int(np.clip(SHORT_COLOURING / (one * batch), 2, 20))
        update = {"arms": ("raw", "expanded"), "seeds": recipe.seeds[:1], "steps": steps, "batch": batch}
        update |= {"images": batch, "test": 1, "samples": 2, "sampling_steps": 2, "side": (side,)}
        few = recipe.model_copy(update=update)
        return ColourSample(few.model_copy(update={"digests": (few.pictures(side).digest,)}))


def _bytes(images: np.ndarray) -> np.ndarray:
    """Images from 0 to 1 as bytes; black where there are no numbers."""
    return np.asarray(np.nan_to_num(255 * images).clip(0, 255).round(), np.uint8)
