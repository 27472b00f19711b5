"""What a file of energy maps says: centre over border and centroid by layer and control, and what makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.bottleneck.decomposition import (
    NEEDED_CONTROLS,
    Decomposition,
    RadialShape,
    WithBoth,
    decomposition,
    radial_shape,
    ratio_of,
    with_both,
)
from physnn.analysis.bottleneck.heads import held_out_accuracy
from physnn.analysis.bottleneck.moments import WAVE_ORDERS
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.errors import InputError
from physnn.samples.bottleneck.recipe import EnergyMaps
from physnn.store.hdf5 import Variable
from physnn.store.result_file import read_result
from physnn.store.sweep_file import FORMAT

LARGE = ("map_", "vectors_")
"""Beginnings of the names of arrays that an answer does without."""
MOST_TOLD = 4000
"""Images whose classes are told, at most: the time of a ridge regression grows with their third power."""


@dataclass(frozen=True)
class MapRow:
    """A layer under a control.

    Attributes
    ----------
    middle : tuple of float
        x and y of the middle of the grid of cells, in pixels from that of the image: what paddings and strides say.
    ratio : WithBoth
        Mean energy in the centre over that at the border.
    x, y : WithBoth
        Centre of energy, in pixels from the middle of the image, to the right and below.
    harmonics : dict of int to WithBoth
        Length of the mean harmonic of each order, about the middle of the grid.
    """

    layer: str
    control: str
    cells: tuple[int, int]
    middle: tuple[float, float]
    ratio: WithBoth
    x: WithBoth
    y: WithBoth
    harmonics: dict[int, WithBoth]
    shape: RadialShape


@dataclass(frozen=True)
class EnergyAnswer(Tabled):
    """Rows of all layers and controls, what makes the energies, and how well classes are told under each control."""

    network: str
    images: int
    classes: int
    controls: tuple[str, ...]
    layers: tuple[str, ...]
    rows: tuple[MapRow, ...]
    parts: tuple[Decomposition, ...]
    accuracy: dict[str, dict[str, Estimate]]
    lacking: tuple[str, ...]

    def row(self, layer: str, control: str) -> MapRow:
        """Row of a layer under a control."""
        return next(row for row in self.rows if (row.layer, row.control) == (layer, control))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


@dataclass(frozen=True)
class EnergyFile:
    """Recipe and small arrays of a file."""

    recipe: EnergyMaps
    arrays: Mapping[str, Variable]

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self.arrays[name].values)


def energy_file(path: Path) -> EnergyFile:
    """Recipe and arrays of a file of energy maps, but for the maps of single images; errors as for `read_result`."""
    found = read_result(path, FORMAT, without=LARGE)
    if found.recipe.get("kind") != "energy-map":
        raise InputError(f"{path} holds no energy maps; make some with: physnn energy-map")
    return EnergyFile(EnergyMaps(**found.recipe), next(iter(found.groups.values())))


def energy_answer(path: Path) -> EnergyAnswer:
    """Answer of a finished file; errors as for `read_result`."""
    file = energy_file(path)
    recipe, labels = file.recipe, file["label"]
    rows = tuple(_row(file, k, c, labels) for k in range(len(recipe.places)) for c in range(len(recipe.conditions)))
    lacking = tuple(name for name in NEEDED_CONTROLS if name not in recipe.conditions)
    parts: tuple[Decomposition, ...] = ()
    if not lacking:
        chosen = [recipe.conditions.index(name) for name in NEEDED_CONTROLS]
        parts = tuple(
            decomposition(place.name, file["centre"][chosen, :, k], file["border"][chosen, :, k], labels)
            for k, place in enumerate(recipe.places)
        )
    few, averages = even_share(labels, MOST_TOLD), file["average"]
    accuracy = {name: held_out_accuracy(averages[c, few], labels[few]) for c, name in enumerate(recipe.conditions)}
    names = tuple(place.name for place in recipe.places)
    network = recipe.network or str(recipe.module)
    return EnergyAnswer(
        network, len(labels), len(np.unique(labels)), recipe.conditions, names, rows, parts, accuracy, lacking
    )


def even_share(labels: np.ndarray, most: int) -> np.ndarray:
    """Numbers of so many images at most, the first ones of every class and alike many of each as far as they go."""
    place = np.empty(len(labels), int)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        place[mine] = np.arange(len(mine))
    return np.sort(np.argsort(place, kind="stable")[:most])


def sheet_file(figure: Path) -> Path:
    """File of the sheet of maps beside a figure."""
    return figure.with_name(f"{figure.stem}-sheet{figure.suffix}")


MOST_DRAWN = 9
"""Layers on a sheet of maps, at most; they are spread over the depth, the last one among them."""


def drawn_layers(file: EnergyFile) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, mean maps ``(controls, rows, columns)`` over classes, and centres of the cells (y, x) of some layers."""
    places = file.recipe.places
    chosen = np.unique(np.round(np.linspace(0, len(places) - 1, min(MOST_DRAWN, len(places)))).astype(int))
    present = np.unique(file["label"])
    names = [places[k].name for k in chosen]
    return [(n, file[f"mean_{n}"][:, present].mean(1), file[f"y_{n}"], file[f"x_{n}"]) for n in names]


def _row(file: EnergyFile, k: int, c: int, labels: np.ndarray) -> MapRow:
    place, side = file.recipe.places[k], file.recipe.side
    draws = np.stack([file["centre"][c, :, k], file["border"][c, :, k]], -1).astype(float)
    moved = {name: file[name][c, :, k, None].astype(float) for name in ("x", "y")}
    waves = file["harmonics"][c, :, k].astype(float)
    means = file[f"mean_{place.name}"][c]
    present = np.unique(labels)
    rows, columns = (np.mean(place.centres(axis, side)) for axis in (0, 1))
    return MapRow(
        place.name,
        file.recipe.conditions[c],
        place.sides,
        (float(columns), float(rows)),
        with_both(ratio_of, draws, labels),
        with_both(lambda m: m[..., 0], moved["x"], labels),
        with_both(lambda m: m[..., 0], moved["y"], labels),
        {
            order: with_both(lambda m: np.hypot(m[..., 0], m[..., 1]), waves[:, n], labels)
            for n, order in enumerate(WAVE_ORDERS)
        },
        radial_shape(means[present]),
    )
