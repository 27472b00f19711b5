"""Vectors of a file of energy maps, as far as they are asked for."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.samples.base import validated
from physnn.samples.bottleneck.recipe import EnergyMaps
from physnn.store.result_file import ResultFile, read_result
from physnn.store.sweep_file import FORMAT

ALL_BUT_LABELS = ("map_", "mean_", "average", "vectors_", "harmonics", "energy", "centre", "border", "spread")
"""Beginnings of the names of arrays that are not needed for a recipe."""


@functools.lru_cache(maxsize=2)
def _small(path: Path, _changed: int) -> ResultFile:
    return read_result(path, FORMAT, without=ALL_BUT_LABELS)


def _small_of(path: Path) -> ResultFile:
    try:
        return _small(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; make it with physnn energy-map --vectors") from None


def recipe_in(path: Path) -> EnergyMaps:
    """Recipe of a file of vectors; raises InputError if it holds none."""
    found = _small_of(path)
    if found.recipe.get("kind") != "energy-map" or not found.recipe.get("vectors"):
        raise InputError(f"{path} holds no vectors of layers; make some with physnn energy-map --vectors")
    return validated(EnergyMaps, found.recipe)


def labels_in(path: Path) -> np.ndarray:
    """Classes of the images of a file of vectors, as places in its recipe."""
    return np.asarray(next(iter(_small_of(path).groups.values()))["label"].values)


def vectors_in(path: Path, layer: str) -> np.ndarray:
    """Vectors of a layer, float16 ``(conditions, images, rows, columns, channels)``; the latest stay in memory."""
    return _vectors(path, layer, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _vectors(path: Path, layer: str, _changed: int) -> np.ndarray:
    wanted = f"vectors_{layer}"
    others = (f"vectors_{place.name}" for place in recipe_in(path).places)
    left_out = tuple(name for name in ("map_", "mean_", *others) if not wanted.startswith(name))
    found = read_result(path, FORMAT, without=left_out)
    return np.asarray(next(iter(found.groups.values()))[wanted].values)
