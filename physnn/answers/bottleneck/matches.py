"""What a file with vectors says about where their nearest ones lie, in the same class and in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.bottleneck.agreement import Agreement
from physnn.analysis.bottleneck.class_angle import FEWEST_OF_CLASS, ClassDirection
from physnn.analysis.bottleneck.decomposition import ALPHA
from physnn.analysis.bottleneck.matches import (
    MatchMoments,
    SameAndOther,
    cell_matches,
    drifts,
    match_moments,
    match_table,
    same_and_other,
)
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.answers.bottleneck.angles import AngleVerdict, energy_points, layer_places
from physnn.answers.bottleneck.energy import energy_file
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.store.sweep_file import array_of_file


@dataclass(frozen=True)
class MatchAnswer(Tabled):
    """Matches of a layer's vectors.

    Attributes
    ----------
    images : int
        Images of every class, in queries; each has a memory of one less.
    others : tuple of str
        Class that each class's other memory is of.
    numbers : dict of str to SameAndOther
        By the names of `physnn.analysis.bottleneck.matches.MOMENTS`.
    directions, closest : tuple of ClassDirection
        Of the mean of x_nn - x_i in the same class, pixels; and of x_nn of the closest match of every image.
    halves, energy : Agreement
        Of the mean of x_nn - x_i between halves of the images, and with centres of energy of the other half.
    closest_halves, closest_energy : Agreement
        The same of the closest matches.
    places : ndarray, shape (cells, 2)
        Of the cells, pixels to the right of and below the middle of the image.
    same, other : ndarray, shape (cells, cells)
        p(x_nn | x_i), mean over classes.
    """

    network: str
    layer: str
    images: int
    names: tuple[str, ...]
    others: tuple[str, ...]
    numbers: dict[str, SameAndOther]
    directions: tuple[ClassDirection, ...]
    halves: Agreement
    energy: Agreement
    closest: tuple[ClassDirection, ...]
    closest_halves: Agreement
    closest_energy: Agreement
    places: np.ndarray
    same: np.ndarray
    other: np.ndarray

    @property
    def verdicts(self) -> tuple[AngleVerdict, ...]:
        """What follows for claims."""
        square, radius = self.numbers["square"], self.numbers["radius"]
        near = square.same.interval()[1] < square.chance
        return (
            AngleVerdict(
                "vectors are matched near their own place",
                "yes" if near else "undecided",
                f"mean squared distance {square.same} pixels^2 in the same class, {square.chance:.0f} by chance; the "
                f"same place for {self.numbers['stays'].same}, {self.numbers['stays'].chance:.3f} by chance",
            ),
            AngleVerdict(
                "matches with another class scatter more",
                _below(square),
                f"mean squared distance {square.other} pixels^2, in the same class {square.difference} more",
            ),
            AngleVerdict(
                "closest matches of a class are nearer to the middle than those with another",
                _below(radius),
                f"{radius.same} and {radius.other} pixels from it, {radius.chance:.0f} by chance",
            ),
            _drifts("matches of a class are displaced to one side", self.directions, self.halves, self.energy),
            _drifts("closest matches are on one side", self.closest, self.closest_halves, self.closest_energy),
        )

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the numbers: matches in the same class and in another, and by chance."""
        return [
            {"number": name, "same class": each.same, "another": each.other, "difference": each.difference}
            | {"chance": each.chance}
            for name, each in self.numbers.items()
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self) | {"verdicts": [fields_json(each) for each in self.verdicts]}


def _below(found: SameAndOther) -> str:
    low, high = found.difference.interval()
    return "yes" if high < 0 else "no" if low > 0 else "undecided"


def _drifts(claim: str, found: Sequence[ClassDirection], halves: Agreement, energy: Agreement) -> AngleVerdict:
    seen = halves.p_value < ALPHA and halves.cosine.value > 0
    told = sum(each.told for each in found)
    reason = (
        f"cosine {halves.cosine} of halves that share nothing, p = {halves.p_value:.2g}, and {energy.cosine} with "
        f"centres of energy; {told} of {len(found)} classes have a direction"
    )
    return AngleVerdict(claim, "yes" if seen else "not seen", reason)


def match_answer(
    path: Path, layer: str | None = None, most: int = 60, seed: int = 0, progress: Progress = silent
) -> MatchAnswer:
    """Answer of a finished file that `physnn energy-map --vectors` made, for images as they are.

    Parameters
    ----------
    path, layer : Path, str, optional
        File, and the layer by name; the deepest without one.
    most : int
        Images of every class, the first ones, at most; all classes have as many.
    seed : int
        Root seed of which class is another's other one, of halves and permutations.
    progress : callable
        Takes classes done, their number, and a text.

    Raises
    ------
    InputError
        If there is no such layer, there are no vectors, or too few classes and images.
    """
    file = energy_file(path)
    k, recipe, labels = layer_places(file, layer), file.recipe, file["label"]
    if not recipe.vectors:
        raise InputError(f"{path} holds no vectors; make it with: physnn energy-map --vectors")
    points, name = energy_points(file, "none", k), recipe.places[k].name
    known = np.flatnonzero(np.bincount(labels, minlength=len(recipe.classes)) >= FEWEST_OF_CLASS)
    if len(known) < 3 or most < FEWEST_OF_CLASS:
        raise InputError(
            f"matches need three classes of {FEWEST_OF_CLASS} images or more; take images in class folders"
        )
    count = min(most, int(np.bincount(labels)[known].min()))
    numbers = [np.flatnonzero(labels == label)[:count] for label in known]
    y, x = (np.array(recipe.places[k].centres(axis, recipe.side, stored=False)) for axis in (0, 1))
    places = np.stack([np.tile(x, len(y)), np.repeat(y, len(x))], -1)
    turn = rng.stream(seed, "subset", "other classes").permutation(len(known))
    after = np.empty(len(known), int)
    after[turn] = np.roll(turn, -1)
    condition = recipe.conditions.index("none")
    same, tables = [], np.zeros((2, len(places), len(places)))
    moments: tuple[list[MatchMoments], list[MatchMoments]] = ([], [])
    with array_of_file(path, f"vectors_{name}") as read:

        def vectors(c: int) -> np.ndarray:
            return read((condition, numbers[c])).reshape(count, len(places), -1)

        every = np.ones(count, bool)
        for c in range(len(known)):
            own = vectors(c)
            for j, memory in enumerate((own, vectors(after[c]))):
                found = cell_matches(own, memory)
                cells, distances = found.nearest(every)
                moments[j].append(match_moments(cells, distances, places))
                tables[j] += match_table(cells) / len(known)
                if j == 0:
                    same.append(found)
            progress(c + 1, len(known), "classes")
    of_energy = [points[each] for each in numbers]
    drift, near = (drifts(same, places, of_energy, seed, closest) for closest in (False, True))
    return MatchAnswer(
        recipe.network or str(recipe.module),
        name,
        count,
        tuple(recipe.classes[c] for c in known),
        tuple(recipe.classes[known[c]] for c in after),
        same_and_other(*moments, places),
        tuple(drift.directions(known)),
        *drift.agree(seed),
        tuple(near.directions(known)),
        *near.agree(seed),
        places,
        *tables,
    )
