"""What a file of images told from memory says: which descriptor tells best, and what it costs in memory and time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.bottleneck.recall import (
    POOLED,
    Rivals,
    claim_of,
    descriptors_of,
    over_splits_and_classes,
    recalled,
    rivals,
    side,
)
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.errors import InputError
from physnn.machine import single_blas_thread
from physnn.samples.recall.recipe import Recall
from physnn.samples.recall.search import fastest_search
from physnn.store.sweep_file import read_sweep

CLAIMED = "pixel"
"""Descriptor that the claim is about."""
TIMED_IMAGES = 4
"""Images that are shown while the time is taken."""
HALF_PRECISION = 2
"""Bytes of a number in memory."""


@dataclass(frozen=True)
class RecallRow:
    """A descriptor in one setting.

    Attributes
    ----------
    images : int
        Images of every class in memory.
    right : Estimate
        Share told right, over splits and classes.
    right_by_class : Estimate
        The same with the error over classes alone, and ``right_by_split`` over splits alone.
    vectors : int
        Vectors in memory.
    megabytes : float
        Memory that they take in half precision.
    """

    condition: str
    images: int
    descriptor: str
    right: Estimate
    right_by_class: Estimate
    right_by_split: Estimate
    vectors: int
    megabytes: float


@dataclass(frozen=True)
class Worth:
    """Pixel vectors beside averages.

    Attributes
    ----------
    gain : Estimate
        Share told right by pixel vectors, less that by averages of the same images.
    memory, time : float
        Memory, and time of an image that is shown, over those of averages.
    equal_images : int
        Images of every class whose averages take the place of one image's pixel vectors; 0: there are no more images.
    equal_gain : Estimate or None
        Share told right by pixel vectors of one image, less that by the averages of so many.
    verdict : str
        Whether pixel vectors are worth their memory: ``yes`` where they tell better than as many averages, ``no`` where
        averages in as much memory or less tell better, else ``undecided``.
    """

    condition: str
    gain: dict[int, Estimate]
    memory: float
    time: float
    equal_images: int
    equal_gain: Estimate | None
    verdict: str


@dataclass(frozen=True)
class RecallAnswer(Tabled):
    """Rows of all settings, rivals of pixel vectors, the verdict on their being best, and what they are worth.

    Attributes
    ----------
    chance : float
        Share told right by guessing.
    seconds : dict of str to float
        Time that an image takes on one thread of this machine, with the most images in memory, by descriptor.
    claim : str
        Whether pixel vectors tell best: see `claim_of`; empty where there is nothing to compare.
    """

    layer: str
    remembered: str
    classes: int
    shown: int
    splits: int
    neighbours: int
    metric: str
    shuffled: bool
    chance: float
    rows: tuple[RecallRow, ...]
    seconds: dict[str, float]
    found: tuple[Rivals, ...]
    claim: str
    worth: tuple[Worth, ...]

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if not self.claim:
            return "pixel vectors are not compared with anything"
        counts = {name: sum(each.verdict == name for each in self.found) for name in ("best", "beaten", "undecided")}
        told = ", ".join(f"{name} in {count}" for name, count in counts.items())
        return f"pixel vectors classify best from memory: {self.claim} (of {len(self.found)} settings: {told})"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self) | {"sentence": self.sentence}


def recall_answer(path: Path) -> RecallAnswer:
    """Answer of a finished file; errors as for `read_sweep`, and InputError if it is of another kind."""
    recipe, arrays = recall_arrays(path)
    right, descriptors = arrays["right"], recipe.descriptors
    rows = []
    for c, condition in enumerate(recipe.conditions):
        for n, shots in enumerate(recipe.shots):
            rows += [_row(recipe, condition, shots, d, right[c, :, n, k]) for k, d in enumerate(descriptors)]
        if "right_many" in arrays:
            pooled = [d for d in POOLED if d in descriptors]
            many = arrays["right_many"][c]
            rows += [_row(recipe, condition, recipe.many, d, many[:, k]) for k, d in enumerate(pooled)]
    seconds: dict[str, float] = {name: recall_seconds(recipe, name) for name in descriptors}
    found: tuple[Rivals, ...] = ()
    if CLAIMED in descriptors and len(descriptors) > 1:
        comparisons = len(recipe.conditions) * len(recipe.shots) * (len(descriptors) - 1)
        found = tuple(
            rivals(f"{condition}, {shots}", dict(zip(descriptors, right[c, :, n].swapaxes(0, 1), strict=True)), CLAIMED,
                   comparisons)
            for c, condition in enumerate(recipe.conditions)
            for n, shots in enumerate(recipe.shots)
        )  # fmt: skip
    return RecallAnswer(
        recipe.layer,
        recipe.remembered,
        len(recipe.classes),
        int(recipe.shown or 0),
        recipe.splits,
        recipe.neighbours,
        recipe.metric,
        recipe.shuffled,
        1 / len(recipe.classes),
        tuple(rows),
        seconds,
        found,
        claim_of(found) if found else "",
        _worth(recipe, arrays, seconds),
    )


def recall_arrays(path: Path) -> tuple[Recall, dict[str, np.ndarray]]:
    """Recipe and arrays of a finished file."""
    sweep = read_sweep(path)
    if sweep.recipe.get("kind") != "recall":
        raise InputError(f"{path} holds no images told from memory; they are made by: physnn recall")
    group = next(iter(sweep.sizes.values()))
    return Recall(**sweep.recipe), {name: np.asarray(v.values) for name, v in group.items()}


def recall_seconds(recipe: Recall, descriptor: str) -> float:
    """Seconds that an image takes to be told from memory on one thread here, by vectors drawn at random."""
    g, classes, shots = rng.stream(0, "synthetic", "recall"), len(recipe.classes), max(recipe.shots)
    drawn = [
        descriptors_of(g.random((n, recipe.cells, recipe.channels), np.float32), descriptor)
        for n in (TIMED_IMAGES, classes * shots)
    ]
    labels, best = np.repeat(np.arange(classes), shots), float("inf")
    with single_blas_thread():
        for _ in range(3):
            began = time.perf_counter()
            recalled(drawn[0], drawn[1], labels, classes, recipe.neighbours, recipe.metric, fastest_search)
            best = min(best, time.perf_counter() - began)
    return best / TIMED_IMAGES


def _row(recipe: Recall, condition: str, images: int, descriptor: str, right: np.ndarray) -> RecallRow:
    whole = descriptor in ("pixel", "flattened")
    numbers = images * len(recipe.classes) * recipe.channels * (recipe.cells if whole else 1)
    vectors = images * len(recipe.classes) * (recipe.cells if descriptor == "pixel" else 1)
    both = over_splits_and_classes(right)
    of_classes = over_splits_and_classes(right.mean(0, keepdims=True))
    of_splits = over_splits_and_classes(right.mean(1)[None])
    return RecallRow(
        condition, images, descriptor, both, of_classes, of_splits, vectors, HALF_PRECISION * numbers / 1e6
    )


def _worth(recipe: Recall, arrays: Mapping[str, np.ndarray], seconds: Mapping[str, float]) -> tuple[Worth, ...]:
    """What pixel vectors are worth beside averages under every control."""
    descriptors: Sequence[str] = recipe.descriptors
    if CLAIMED not in descriptors or "average" not in descriptors:
        return ()
    own, other = (arrays["right"][:, :, :, descriptors.index(name)] for name in (CLAIMED, "average"))
    found = []
    for c, condition in enumerate(recipe.conditions):
        gain = {s: over_splits_and_classes(own[c, :, n] - other[c, :, n]) for n, s in enumerate(recipe.shots)}
        equal = None
        if "right_many" in arrays and recipe.shots[0] == 1:
            equal = over_splits_and_classes(own[c, :, 0] - arrays["right_many"][c, :, 0])
        ratio = seconds[CLAIMED] / seconds["average"]
        way = side(equal, len(recipe.conditions)) if equal else 0
        # More memory and a better answer say nothing.
        verdict = "no" if way < 0 else "yes" if way > 0 and recipe.many == recipe.cells else "undecided"
        found.append(Worth(condition, gain, float(recipe.cells), ratio, recipe.many, equal, verdict))
    return tuple(found)
