"""Sweep files: one group per size, dimensions (control, network, image) or (control, chain, measurement)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physnn.errors import InputError
from physnn.store.hdf5 import Variable, open_sealed, read_attrs, read_group, write_sealed
from physnn.store.provenance import provenance

if TYPE_CHECKING:
    import xarray

FORMAT, VERSION = "physnn-sweep", 1


@dataclass(frozen=True)
class SweepFile:
    """What a sweep file holds: the recipe and, for every size L, the variables of its group."""

    recipe: dict[str, Any]
    sizes: dict[int, dict[str, Variable]]
    attrs: dict[str, str | int | float]


def write_sweep(path: Path, recipe: Mapping[str, Any], sizes: Mapping[int, Mapping[str, Variable]]) -> None:
    """Write a sweep file, sealed and atomically.

    Parameters
    ----------
    path : Path
        Where.
    recipe : mapping
        The resolved recipe; ``recipe["seed"]`` becomes the attribute ``root_seed``.
    sizes : mapping
        For every L the variables of its group, coordinates first; asked for one after the other.
    """
    groups = ((f"/L{L}", sizes[L]) for L in sorted(sizes))
    attrs = {"format": FORMAT, "format_version": VERSION, "recipe": json.dumps(dict(recipe), sort_keys=True)}
    write_sealed(path, groups, attrs | {"root_seed": int(recipe.get("seed", 0))} | provenance())


def read_sweep(path: str | os.PathLike[str]) -> SweepFile:
    """Read a whole sweep file into memory; raises InputError if it is missing, damaged or of another kind."""
    with open_sealed(path, FORMAT, VERSION) as file:
        attrs = read_attrs(file)
        names = [name for name in file if re.fullmatch("L[1-9][0-9]{0,8}", name)]
        sizes = {int(name[1:]): read_group(file[name]) for name in names}
        recipe = json.loads(str(attrs["recipe"]))
        if not isinstance(recipe, dict):
            raise InputError(f"{path} holds no recipe; it was not written by physnn")
    return SweepFile(recipe, dict(sorted(sizes.items())), attrs)


def kind_of(path: str | os.PathLike[str]) -> tuple[str, dict[str, str | int | float]]:
    """Return the format and the root attributes of any physnn file; raises InputError if it is not whole."""
    with open_sealed(path, None, VERSION) as file:
        attrs = read_attrs(file)
    return str(attrs.get("format", "unknown")), attrs


def open_datatree(path: str | os.PathLike[str]) -> xarray.DataTree:
    """Return the file as an xarray DataTree in memory, one node ``/L32`` per size, after checking the seal."""
    import xarray

    with open_sealed(path, FORMAT, VERSION):
        pass  # sealed and harmless: what follows does not look
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()
