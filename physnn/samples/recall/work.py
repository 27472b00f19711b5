"""Images told from memory: a task draws a memory and shows other images, under one control."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.bottleneck.neighbours import NUMBERS_TOGETHER, QUERIES_TOGETHER, VECTORS_TOGETHER
from physnn.analysis.bottleneck.recall import POOLED, descriptors_of, memory_split, recalled
from physnn.machine import single_blas_thread
from physnn.samples.recall.recipe import Recall
from physnn.samples.recall.search import fastest_search
from physnn.samples.recall.vectors import labels_in, recipe_in, vectors_in
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task


class RecallSample(Sample):
    """Shares of images told right from memory, by control, split, shots, descriptor and class."""

    Recipe = Recall
    recipe: Recall
    advice = "fewer --splits, --shots or --shown, or fewer --jobs"

    def sizes(self) -> tuple[int, ...]:
        """Side of the images: all is in one group."""
        return (self.recipe.side,)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        recipe = self.recipe
        return {
            "condition": Axis(recipe.conditions, meaning="control under which images are shown"),
            "split": Axis(recipe.splits),
            "shots": Axis(recipe.shots, "", "1", "images of every class in memory"),
            "descriptor": Axis(recipe.descriptors, meaning="what is remembered of an image"),
            "pooled": Axis(self._pooled(), meaning="descriptor of one vector"),
            "class": Axis(recipe.classes, meaning="class"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that tasks measure by name."""
        meaning = "share of the images shown that are told right"
        found = {"right": Measured("", "1", meaning, ("condition", "split", "shots", "descriptor", "class"))}
        if self.recipe.many and self._pooled():
            meaning += f", with {self.recipe.many} images of every class in memory"
            found["right_many"] = Measured("", "1", meaning, ("condition", "split", "pooled", "class"))
        return found

    def _pooled(self) -> tuple[str, ...]:
        return tuple(name for name in POOLED if name in self.recipe.descriptors)

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{at['condition']}, split {at['split']}"

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of the vectors and of a block of products, and operations of all products."""
        recipe = self.recipe
        assert recipe.shown is not None
        image = 4.0 * recipe.cells * recipe.channels
        held = 0.5 * image * recipe.count * recipe.controls
        few = len(recipe.classes) * (recipe.shown + max(recipe.shots))
        many = len(recipe.classes) * max(recipe.shown, recipe.many)
        # Vectors as they are stored, and in single precision; of many images only descriptors stay.
        found = 1.5 * image * max(few, many if self._pooled() else 0)
        if "pixel" in recipe.descriptors:
            queries = len(recipe.classes) * recipe.shown * recipe.cells
            shown, kept = (min(most, few * recipe.cells) for most in (QUERIES_TOGETHER, VECTORS_TOGETHER))
            numbers = min(NUMBERS_TOGETHER, few * recipe.cells * recipe.channels)
            block = 4.0 * (shown * kept + 2 * numbers) + 32.0 * queries * recipe.neighbours
            found = max(found, 1.5 * image * few + block)
        pairs = float(len(recipe.classes)) ** 2 * recipe.shown * sum(recipe.shots)
        products = pairs * recipe.channels * (recipe.cells**2 * ("pixel" in recipe.descriptors) + recipe.cells + 3)
        return Resources(held + found, 4 * products)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Shares told right in one split under one control."""
        recipe = self.recipe
        assert recipe.shown is not None
        maps, path = recipe_in(Path(recipe.data)), Path(recipe.data)
        vectors = vectors_in(path, recipe.layer)
        places, labels = self._images(np.array(labels_in(path)), maps.classes)
        chosen, orders = memory_split(labels, recipe.shown, recipe.seed, task["split"])
        shown, kept = (vectors[maps.conditions.index(name)] for name in (task["condition"], recipe.remembered))
        right = np.empty((len(recipe.shots), len(recipe.descriptors), len(recipe.classes)))
        many = np.empty((len(self._pooled()), len(recipe.classes)))

        def share(name: str, shots: int) -> np.ndarray:
            """Share told right of every class, with so many images in memory."""
            memory = np.concatenate([order[:shots] for order in orders])
            queries = descriptors_of(shown[places[chosen]], name)
            told = recalled(queries, descriptors_of(kept[places[memory]], name), labels[memory],
                            len(recipe.classes), recipe.neighbours, recipe.metric, fastest_search)  # fmt: skip
            return np.asarray((told == labels[chosen]).reshape(len(recipe.classes), -1).mean(1))

        with single_blas_thread():
            for k, name in enumerate(recipe.descriptors):
                for n, shots in enumerate(recipe.shots):
                    right[n, k] = share(name, shots)
                    checkpoint.note((k * len(recipe.shots) + n + 1) / (len(recipe.descriptors) * len(recipe.shots)))
            for k, pooled in enumerate(self._pooled() if recipe.many else ()):
                many[k] = share(pooled, recipe.many)
        return {"right": right} | ({"right_many": many} if recipe.many and self._pooled() else {})

    def _images(self, labels: np.ndarray, known: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the images of the classes to be told, and their classes, or classes at random."""
        recipe = self.recipe
        number = np.full(len(known), -1)
        number[[known.index(name) for name in recipe.classes]] = np.arange(len(recipe.classes))
        places = np.flatnonzero(number[labels] >= 0)
        found = number[labels[places]]
        if recipe.shuffled:
            found = rng.stream(recipe.seed, "subset", "shuffled").permutation(found)
        return places, found

    def short(self) -> RecallSample:
        """Two splits with the fewest images in memory."""
        update = {"splits": 2, "shots": self.recipe.shots[:1], "conditions": self.recipe.conditions[:1]}
        return RecallSample(self.recipe.model_copy(update=update))
