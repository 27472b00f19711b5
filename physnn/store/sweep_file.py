"""Sweep files: one group per size, dimensions (control, network, image) or (control, chain, measurement)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.errors import InputError, naming_extras
from physnn.store.claims.check import check_sweep, checked_groups
from physnn.store.hdf5 import Variable, open_sealed, read_attrs
from physnn.store.result_file import read_result, write_result

if TYPE_CHECKING:
    import xarray

FORMAT = "physnn-sweep"
"""Kind of a sweep file."""


@dataclass(frozen=True)
class SweepFile:
    """Sweep: its recipe and, for every size L, the variables of its group."""

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
        Resolved recipe; ``recipe["seed"]`` becomes the attribute ``root_seed``.
    sizes : mapping
        Variables of every L, coordinates first; asked for one after the other.

    Raises
    ------
    Unfinished, InputError
        If the file cannot be written, or would contradict itself.
    """
    groups = ((f"/L{L}", group) for L, group in checked_groups(path, recipe, sizes))
    write_result(path, FORMAT, recipe, groups, {"root_seed": int(recipe.get("seed", 0))})


def read_sweep(path: str | os.PathLike[str], states: bool = True) -> SweepFile:
    """Sweep file in memory; without ``states`` all but last states of chains, which only a longer run needs.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind, or its arrays contradict its recipe, each other, or the
        ranges in which quantities lie.
    """
    found = read_result(path, FORMAT, without=None if states else "state_")
    check_sweep(path, found.recipe, found.attrs, found.groups)
    sizes = {int(name[1:]): group for name, group in found.groups.items()}
    return SweepFile(found.recipe, dict(sorted(sizes.items())), found.attrs)


@contextmanager
def array_of_file(path: str | os.PathLike[str], name: str) -> Iterator[Callable[[Any], np.ndarray]]:
    """Context with a function from an index to a part of an array of a file of one size: large ones are not loaded.

    Raises
    ------
    InputError
        As `read_sweep`, or if there is no such array.
    """
    with open_sealed(path, FORMAT) as file:
        groups = [group for group in file.values() if name in group]
        if len(groups) != 1:
            raise InputError(f"{path} has no {name}; it was made without")
        array = groups[0][name]
        yield lambda index: np.asarray(array[index])


def kind_of(path: str | os.PathLike[str]) -> tuple[str, dict[str, str | int | float]]:
    """Format and root attributes of any physnn file; errors as for `open_sealed`."""
    with open_sealed(path, None) as file:
        attrs = read_attrs(file)
    return str(attrs.get("format", "unknown")), attrs


@naming_extras()
def open_datatree(path: str | os.PathLike[str]) -> xarray.DataTree:
    """Sweep file as an xarray DataTree in memory, one node ``/L32`` per size; errors as for `read_sweep`.

    It is that of `xarray.open_datatree`, in a quarter of the time: netCDF would look up every scale of every array.
    """
    import xarray

    found = read_result(path, FORMAT)
    sizes = {f"/{name}": _dataset(group) for name, group in found.groups.items()}
    return xarray.DataTree.from_dict({"/": xarray.Dataset(attrs=found.attrs)} | sizes)


def _dataset(group: Mapping[str, Variable]) -> xarray.Dataset:
    """Variables of a group, those named like their dimension as coordinates; text is text."""
    import xarray

    text = {name: np.char.decode(v.values, "utf-8") for name, v in group.items() if v.values.dtype.kind == "S"}
    found = {
        name: xarray.Variable(v.dims, text[name].astype(object) if name in text else v.values, v.attrs)
        for name, v in group.items()
    }
    return xarray.Dataset(found).set_coords([name for name, v in group.items() if v.dims == (name,)])
