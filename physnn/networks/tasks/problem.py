"""Problems of classifiers: labelled images to train and test on, raw, expanded or enlarged, and normalised."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from physnn.errors import InputError
from physnn.networks.tasks.expansion import expand, upsample
from physnn.networks.tasks.images import EMBEDDED, ImageSet, Normalisation, train_and_test

ImageForm = Literal["raw", "expanded", "upsampled"]
"""Images as they are; with pixels at even spacing and a fill between them; enlarged by nearest neighbours."""


class ProblemRecipe(BaseModel):
    """Recipe of the images that a network learns, and of their form.

    ``data`` is ``"digits"`` or the path of a data set; ``train`` and ``test`` are numbers of images, None for all that
    there are.  ``factor`` and ``fill`` matter for forms other than ``raw``; pixels and fill are normalised together,
    by mean and standard deviation of the raw training images, so that pixels are the same numbers in every form.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: str = EMBEDDED
    train: Annotated[int, Field(ge=1)] | None = None
    test: Annotated[int, Field(ge=1)] | None = None
    data_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    side: Annotated[int, Field(ge=1)] | None = None
    form: ImageForm = "raw"
    factor: Annotated[int, Field(ge=2, le=5)] = 2
    fill: float | Literal["random", "pattern"] = 0.5


@dataclass(frozen=True)
class Problem:
    """Normalised images, float32 ``(n, channels, side, side)``, with the class of each.

    ``raw_side`` is the side of the images before they were expanded or enlarged, and ``identity`` 16 hexadecimal digits
    of a SHA-256 over images and labels.
    """

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    raw_side: int
    identity: str

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return int(self.images.shape[1])

    @property
    def side(self) -> int:
        """Side of every image in pixels."""
        return int(self.images.shape[2])


@functools.lru_cache(maxsize=2)
def load_problem(recipe: ProblemRecipe) -> Problem:
    """Images of a recipe; those of the latest recipes are kept in memory."""
    train, test = train_and_test(recipe.data, recipe.train, recipe.test, recipe.data_seed, recipe.side)
    _, height, width = train.shape
    if height != width or test.shape != train.shape:
        raise InputError(f"{train.name} has images of {height} x {width} pixels; square ones of one size are needed")
    normalisation = Normalisation.of(train.images)

    def prepared(part: ImageSet) -> np.ndarray:
        # A random fill has numbers of its own for the test images.
        seed = recipe.data_seed + (recipe.fill == "random" and part is test)
        formed = {
            "raw": lambda: part.images,
            "expanded": lambda: expand(part.images, recipe.factor, recipe.fill, seed),
            "upsampled": lambda: upsample(part.images, recipe.factor),
        }[recipe.form]()
        return normalisation.apply(formed)

    images, test_images = prepared(train), prepared(test)
    sha = hashlib.sha256()
    for array in (images, train.labels, test_images, test.labels):
        sha.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return Problem(images, train.labels, test_images, test.labels, train.classes, height, sha.hexdigest()[:16])
