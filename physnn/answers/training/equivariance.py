"""How equivariant the layers of trained networks are, beside untrained ones and unrelated images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.order.equivariance import FEWEST_IMAGES, ROUNDED_TO, LayerDeviation, layer_deviation, share
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import to_json
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.networks.classifiers.replicas import ClassifierRecipe, untrained
from physnn.networks.classifiers.users import is_brought
from physnn.networks.device import single_thread
from physnn.networks.source import located, module_digest
from physnn.networks.symmetry.measure import motions_of, moved_values, with_weights
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.store.ensemble_file import read_ensembles

SURE = 3.0
"""Errors below the null that a deviation must have, not to be called unrelated."""


@dataclass(frozen=True)
class LayerRow:
    """Deviations of one layer of an ensemble, 0 (equivariant) to about 1 (unrelated); errors are over images.

    Attributes
    ----------
    still, mixed, unrelated, untrained : Estimate
        With channels as they are; with the rotation of channels that fits best on other images; the same for values of
        another image, which is the null; and for the network before training.
    interpolated : Estimate
        For images that were only rotated there and back: what interpolation between pixels does; 0 where it is exact.
    replicas : Estimate or None
        Mean of ``mixed`` over replicas with its error over replicas, if there are two or more.
    settled : bool
        Whether there are images enough to find a rotation of the channels.
    """

    ensemble: str
    layer: str
    still: Estimate
    mixed: Estimate
    unrelated: Estimate
    untrained: Estimate
    interpolated: Estimate
    replicas: Estimate | None
    settled: bool

    @property
    def verdict(self) -> str:
        """``equivariant`` to rounding, ``in part``, ``no more than unrelated images``, ``constant`` or ``undecided``.

        Undecided are layers with too many channels to find a rotation of them from so few images.  Under rotations
        between pixels a layer is ``equivariant to interpolation`` where it deviates no more than by that alone, and
        less than unrelated images do.
        """
        if self.unrelated.value == 0:
            return "constant"
        least = min(self.still, self.mixed, key=lambda one: one.value)
        if least.value < ROUNDED_TO:
            return "equivariant"
        far = SURE * math.hypot(least.error, self.unrelated.error)
        if self.interpolated.value and least.value < self.unrelated.value - far:
            near = SURE * math.hypot(least.error, self.interpolated.error)
            if least.value < self.interpolated.value + near:
                return "equivariant to interpolation"
        if not self.settled:
            return "undecided (more images needed)"
        far = SURE * math.hypot(self.mixed.error, self.unrelated.error)
        return "in part" if self.unrelated.value - self.mixed.value > far else "no more than unrelated images"


@dataclass(frozen=True)
class Equivariance(Tabled):
    """Deviations of all layers of all ensembles of a file under a point group."""

    group: str
    images: int
    replicas: int
    rows: tuple[LayerRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        rows = [to_json(row) | {"verdict": row.verdict} for row in self.rows]
        return {"group": self.group, "images": self.images, "replicas": self.replicas, "layers": rows}


def measured_equivariance(
    path: Path,
    group: str = "d4",
    images: int = 300,
    replicas: int = 4,
    progress: Progress = silent,
    module: str | None = None,
) -> Equivariance:
    """Deviations from equivariance of the networks of an ensemble file, layer by layer.

    Parameters
    ----------
    path : Path
        File of `physnn train classify`.
    group : str
        What acts on images: one of `POINT_GROUPS` other than ``"c1"``, or ``"so2"``, rotations by angles between those
        of pixels.
    images, replicas : int
        How many test images, and how many networks of every ensemble, the first ones.
    progress : callable, optional
        Called with (done, total, text).
    module : str, optional
        Class of networks that were brought, ``FILE.py:CLASS``, without which their code is not run.

    Raises
    ------
    InputError
        If the file has no ensembles, its images are not those it was trained on any more, there are too few, or the
        group has no element but the identity; and if its networks are of a class that is not named or has changed.
    """
    motions_of(group)  # refuses what is no group
    file, rows, most = read_ensembles(path), [], 0
    for k, (name, ensemble) in enumerate(file.ensembles.items()):
        member = file.recipe["ensembles"][name]
        problem = load_problem(ProblemRecipe(**member["problem"]))
        if problem.identity != member["identity"]:
            raise InputError(f"the images that {name} was trained on have changed; put them back, or train it anew")
        shown = problem.test_images[:images]
        if len(shown) < FEWEST_IMAGES:
            raise InputError(f"{name} has {len(shown)} test images to show; {FEWEST_IMAGES} are needed")
        recipe = _allowed(ClassifierRecipe(**member["recipe"]), path, module)
        seeds = tuple(int(seed) for seed in ensemble.seeds[:replicas])
        most = max(most, len(seeds))
        first = untrained(recipe.build(problem), seeds)
        sets = ({key: v[: len(seeds)] for key, v in ensemble.weights.items()}, first.weights | first.statistics)
        found: list[list[dict[str, LayerDeviation]]] = []
        with single_thread():
            for weights in sets:
                found.append([])
                for network in with_weights(recipe.build(problem), weights):
                    found[-1].append(_deviations(network, shown, group))
                    done = k + (len(found) - 1 + len(found[-1]) / len(seeds)) / len(sets)
                    progress(done, len(file.ensembles), f"layers of {name}")
        rows += [_row(name, layer, *found) for layer in found[0][0]]
    return Equivariance(group, images, most, tuple(rows))


def _allowed(recipe: ClassifierRecipe, path: Path, module: str | None) -> ClassifierRecipe:
    """Recipe whose network may be built; raises InputError for a class that was brought and is not named."""
    if not is_brought(recipe.network):
        return recipe
    if module is None:
        raise InputError(f"{path} has networks of a class of somebody's: allow its code with --module {recipe.network}")
    place = located(module)
    if module_digest(place) != recipe.digest:
        raise InputError(f"{place} is not the class that the networks of {path} were made of, or has changed since")
    return recipe.model_copy(update={"network": place})


def _deviations(network: Any, images: np.ndarray, group: str) -> dict[str, LayerDeviation]:
    """Deviations of all layers, summed over the elements of a group."""
    found: dict[str, LayerDeviation] = {}
    for layer in moved_values(network, images, group):
        one = layer_deviation(layer.here, layer.moved, layer.interpolated)
        found[layer.name] = found[layer.name] + one if layer.name in found else one
    return found


def _row(
    name: str, layer: str, trained: list[dict[str, LayerDeviation]], before: list[dict[str, LayerDeviation]]
) -> LayerRow:
    """Row of a layer from its deviations in every replica, trained and not."""
    own, first = ([one[layer] for one in found] for found in (trained, before))
    total = sum(own[1:], own[0])
    untrained_total = sum(first[1:], first[0])
    each = np.array([share(one.mixed)[0] for one in own])
    sums = total.still, total.mixed, total.unrelated, untrained_total.mixed, total.interpolated
    still, mixed, unrelated, start, between = (Estimate(*share(one)) for one in sums)
    replicas = mean_over(each) if len(each) > 1 else None
    return LayerRow(name, layer, still, mixed, unrelated, start, between, replicas, total.settled)
