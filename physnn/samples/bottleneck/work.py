"""Energy maps: a task shows a batch of images to a network under one control."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from physnn.analysis.bottleneck.moments import WAVE_ORDERS, coarser, map_moments
from physnn.machine import Footprint
from physnn.networks.pretrained.controls import SHOWN_AS, shown_as
from physnn.samples.base import check_finite
from physnn.samples.bottleneck.recipe import EnergyMaps, LayerPlace
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.hdf5 import Group, Variable

IMAGES_TOGETHER = {"cpu": 4, "cuda": 256}
"""Images that go through a network together, at most: few maps stay in a processor's cache."""
HELD_IN_MEMORY = 2**23
"""Bytes of an array from which on it is put together on the disk."""
SCALARS = {
    "energy": ("E", "squared activation", "mean energy of the cells"),
    "centre": ("E_c", "squared activation", "mean energy of the cells in the middle, a seventh of each side"),
    "border": ("E_b", "squared activation", "mean energy of the cells at the border, a seventh of the side wide"),
    "x": ("x", "pixels", "centre of energy, to the right of the image's middle"),
    "y": ("y", "pixels", "centre of energy, below the image's middle"),
    "spread": ("", "pixels", "root mean squared distance from the centre of energy"),
}
"""Numbers of every image and layer: symbol, unit, meaning."""
EACH = ("condition", "image", "layer")


class EnergyMapSample(Sample):
    """Energy maps of the layers of a network, of every image and control."""

    Recipe = EnergyMaps
    recipe: EnergyMaps
    advice = "smaller --batch or --cells, fewer --layers, no --vectors, or fewer --jobs"
    footprint = Footprint(310e6, 185e6, 455e6)
    copies = 0.0  # large arrays are put together on the disk

    def sizes(self) -> tuple[int, ...]:
        """Side of the images: all is in one group."""
        return (self.recipe.side,)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        recipe = self.recipe
        found = {
            "condition": Axis(recipe.conditions, meaning="control"),
            "image": Axis(recipe.count),
            "layer": Axis([place.name for place in recipe.places], meaning="layer"),
            "order": Axis(WAVE_ORDERS, "l", "1", "order of a harmonic"),
            "part": Axis(("real", "imaginary"), meaning="part of a complex number"),
            "class": Axis(recipe.classes, meaning="class"),
        }
        for place in recipe.places:
            (row, column), channel = _cells(place), f"channel_{place.name}"
            found |= {row: Axis(place.stored[0]), column: Axis(place.stored[1]), channel: Axis(place.channels)}
            if recipe.vectors:
                row, column = _cells(place, "all_")
                found |= {row: Axis(place.sides[0]), column: Axis(place.sides[1])}
        return found

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that tasks measure by name."""
        found = {name: Measured(*told, EACH, width=4.0) for name, told in SCALARS.items()}
        waves = "harmonics c_l of the energy about the middle of the grid, less those of a flat map"
        found["harmonics"] = Measured("c_l", "1", waves, (*EACH, "order", "part"), width=4.0)
        found["label"] = Measured("", "1", "place of the class", ("image",))
        places = self.recipe.places
        for place in places:
            meaning = f"energy |I(x, y)|^2 of the cells of {place.name}"
            axes = ("condition", "image", *_cells(place))
            found[f"map_{place.name}"] = Measured("E(x, y)", "squared activation", meaning, axes, width=4.0)
        last = self.recipe.last
        meaning = f"vectors of {last.name}, averaged over its cells"
        channels = ("condition", "image", f"channel_{last.name}")
        found["average"] = Measured("", "activation", meaning, channels, width=4.0)
        for place in places if self.recipe.vectors else ():
            each = ("condition", "image", *_cells(place, "all_"), f"channel_{place.name}")
            meaning = f"vectors of the cells of {place.name}"
            found[f"vectors_{place.name}"] = Measured("I(x, y)", "activation", meaning, each, width=2.0)
        return found

    def split(self, size: int) -> dict[str, int]:
        """Every task has one control and a batch of images."""
        return {"condition": 0, "image": self.recipe.batch}

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{at['condition']}, images {at['image'][0]} to {at['image'][-1]}"

    def group(self, size: int, at: Mapping[str, Any]) -> str:
        """Tasks that need the same network, which a worker keeps."""
        return str(at["condition"])

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a batch, and operations as those of the largest maps: a network's true number is not known."""
        recipe, n = self.recipe, len(at["image"])
        together = min(n, IMAGES_TOGETHER[recipe.device])
        cells = sum(place.channels * math.prod(place.sides) for place in recipe.places)
        widest = 8 * max(place.channels * math.prod(place.sides) for place in recipe.places)
        pixels = recipe.input_channels * recipe.side**2
        sides = [4.0 * math.prod(p.sides) * (1 + recipe.vectors * p.channels / 2) for p in recipe.places]
        kept = sum(sides)
        held = 4.0 * together * (4 * widest + cells + 4 * pixels) + n * (3 * kept + 12.0 * pixels)
        wraps = 1.0 + SHOWN_AS[at["condition"]].wraps
        return Resources(held, 100.0 * n * wraps * cells)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Maps of a batch of images; raises NotFinite if a number is not finite."""
        from physnn.networks.device import full_precision, single_thread
        from physnn.networks.pretrained.photographs import photographs
        from physnn.networks.pretrained.subjects import subject
        from physnn.networks.pretrained.viewing import Viewer

        recipe, control, numbers = self.recipe, task["condition"], list(task["image"])
        pictures, seen = photographs(recipe.images, recipe.per_class), subject(recipe.network, recipe.module)
        images = pictures.read(numbers, recipe.side, recipe.input_channels, recipe.fit)
        images = shown_as(control, images, numbers, recipe.seed)
        found: list[dict[str, np.ndarray]] = []
        with single_thread(), full_precision():
            viewer = Viewer.of(seen, tuple(p.name for p in recipe.places), control, recipe.seed, recipe.device)
            for k in range(0, len(images), IMAGES_TOGETHER[recipe.device]):
                part = seen.prepared(images[k : k + IMAGES_TOGETHER[recipe.device]])
                found.append(self._measured(viewer.look(part, recipe.vectors)))
                checkpoint.note((k + len(part)) / len(images))
        whole = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        check_finite({n: v.reshape(len(v), -1).T for n, v in whole.items()}, task.label, "image", numbers[0])
        return whole | {"label": pictures.labels[numbers]}

    def _measured(self, maps: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Arrays of a few images, from the maps of all layers."""
        recipe = self.recipe
        found: dict[str, np.ndarray] = {}
        by_layer = []
        for place in recipe.places:
            kept = maps[place.name]
            y, x = (np.array(place.centres(axis, recipe.side, stored=False)) for axis in (0, 1))
            by_layer.append(map_moments(kept.energy, y, x))
            found[f"map_{place.name}"] = coarser(kept.energy, place.cells).astype(np.float32)
            if kept.vectors is not None:
                found[f"vectors_{place.name}"] = kept.vectors
        found["average"] = maps[recipe.last.name].average
        return found | {n: np.stack([m[n] for m in by_layer], 1).astype(np.float32) for n in by_layer[0]}

    def room(self, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
        """Array to be filled: on the disk if it is large, so that memory does not grow with the images."""
        if math.prod(shape) * dtype.itemsize < HELD_IN_MEMORY:
            return np.empty(tuple(shape), dtype)
        with tempfile.TemporaryFile() as file:  # without a name: it goes with the array
            return np.memmap(file, dtype, "w+", shape=tuple(shape))

    def derived(self, size: int, group: Group) -> Group:
        """Mean maps of every control and class, and where the cells of every layer lie."""
        recipe, labels = self.recipe, np.asarray(group["label"].values)
        found: dict[str, Variable] = {}
        for place in recipe.places:
            maps, (row, column) = group[f"map_{place.name}"].values, _cells(place)
            sums = np.zeros((len(recipe.conditions), len(recipe.classes), *place.stored))
            few = max(1, HELD_IN_MEMORY // (8 * len(recipe.conditions) * math.prod(place.stored)))
            for k in range(0, len(labels), few):
                chunk, mine = np.asarray(maps[:, k : k + few], float), labels[k : k + few]
                for label in np.unique(mine):
                    sums[:, label] += chunk[:, mine == label].sum(1)
            counts = np.bincount(labels, minlength=len(recipe.classes))
            means = sums / np.maximum(counts, 1)[:, None, None]
            attrs = {"units": "squared activation", "long_name": f"mean energy map of {place.name} over a class"}
            found[f"mean_{place.name}"] = Variable(("condition", "class", row, column), means, attrs)
            for name, dim, axis in (("y", row, 0), ("x", column, 1)):
                told = {"units": "pixels", "long_name": f"centres of the cells of {place.name} from the image's middle"}
                found[f"{name}_{place.name}"] = Variable((dim,), np.array(place.centres(axis, recipe.side)), told)
        return found

    def short(self) -> EnergyMapSample:
        """A few images under two controls that cost as much."""
        few = min(self.recipe.count, IMAGES_TOGETHER["cpu"])
        update = {"conditions": ("none", "mirror"), "count": few, "batch": few}
        return EnergyMapSample(self.recipe.model_copy(update=update))

    def file_bytes(self) -> float:
        """Size of the file, in bytes, with the mean maps of the classes."""
        recipe = self.recipe
        cells = sum(math.prod(place.stored) for place in recipe.places)
        return super().file_bytes() + 8.0 * len(recipe.conditions) * len(recipe.classes) * cells


@functools.cache
def _cells(place: LayerPlace, which: str = "") -> tuple[str, str]:
    """Names of the axes of a layer's cells, stored or all: layers of one shape share them."""
    rows, columns = place.sides if which else place.stored
    return f"{which}row_{rows}", f"{which}column_{columns}"
