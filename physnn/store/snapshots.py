"""Configurations that a temperature sweep has kept, as what is learned from them or blocked takes them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.machine import check_bytes
from physnn.store.hdf5 import open_sealed, read_attrs
from physnn.store.sweep_file import FORMAT

AXES = ("T", "chain", "snapshot", "row", "column")
"""Axes of the configurations of one size."""


@dataclass(frozen=True)
class Snapshots:
    """Configurations of one size.

    Attributes
    ----------
    T : ndarray of float64, shape (T,)
        Temperatures in units of J / k_B.
    colours : ndarray of int8, shape (T, chain, snapshot, row, column)
        Colours from 0 to ``q - 1``; neighbouring snapshots of a chain lie the same number of measurements apart.
    q : int
        Number of colours.
    recipe : mapping
        Recipe of the sweep as it is recorded: model, lattice, edges, coupling, sweeps between two snapshots.
    """

    T: np.ndarray
    colours: np.ndarray
    q: int
    recipe: Mapping[str, Any]

    @property
    def spins(self) -> np.ndarray:
        """Ising spins ``1 - 2 * colour``, int8 of the shape of the colours; raises InputError for other models."""
        if self.q != 2:
            raise InputError(f"the model has {self.q} colours, and no spins +1 and -1: take the colours")
        return np.asarray(1 - 2 * self.colours, np.int8)


def read_snapshots(path: str | os.PathLike[str]) -> dict[int, Snapshots]:
    """Configurations that a sweep file holds, by size L.

    Nothing else of the file is read into memory.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind, has several fields or couplings, or holds no configurations,
        or more than there is memory for.
    """
    found = {}
    with open_sealed(path, FORMAT) as file:
        recipe = json.loads(str(read_attrs(file)["recipe"]))
        if recipe.get("kind") != "temperature":
            raise InputError(f"{path} holds a {recipe.get('kind')} sweep; use a file of sweep-temperature")
        further = [name for name in ("field", "J2") if isinstance(recipe.get(name), list)]
        if further:
            raise InputError(f"{path} has several values of --{further[0]}: take a file with one")
        q = _colours(recipe)
        kept = [name for name in file if "snapshots" in file[name]]
        held = sum(file[name]["snapshots"].nbytes for name in kept)
        check_bytes(2.0 * held, f"a file with fewer configurations than {path}")
        for name in kept:
            T, colours = file[name]["T"][()], file[name]["snapshots"][()]
            sound = colours.ndim == len(AXES) and colours.dtype == np.int8 and T.shape == colours.shape[:1]
            if not (sound and np.isfinite(T).all()):
                raise InputError(f"{path} holds configurations in {name} without temperatures, or of another shape")
            if colours.size and not (colours.min() >= 0 and colours.max() < q):
                raise InputError(f"{path} holds colours in {name} that are not 0 to {q - 1}")
            if colours.size:
                found[int(name[1:])] = Snapshots(T, colours, q, recipe)
    if not found:
        raise InputError(
            f"{path} holds no configurations: make it with sweep-temperature --snapshots EVERY, a number of "
            "measurements, as in --snapshots 20"
        )
    return dict(sorted(found.items()))


def _colours(recipe: Mapping[str, Any]) -> int:
    """Number of colours of a recorded model."""
    if recipe["model"] == "ising":
        return 2
    return len(recipe["tables"]["order"]) if recipe["model"] == "own" else int(recipe["q"])
