"""Sealed HDF5 files: one way to write them and one way to read them.

A file is written under a temporary name in its own folder, sealed by a line after the HDF5 end, synced and renamed; so
a name that exists is a whole file.  A reader checks the seal before libhdf5 sees a byte.  Groups follow the netCDF-4
conventions (dimension scales), so xarray opens them.  h5py is imported where a file is opened: commands that read plain
tables do without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import operator
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.errors import InputError
from physnn.store.commit import Publish, commit, undisturbed
from physnn.store.datasets import new_file, read_array, write_array
from physnn.store.guard import MAGIC, OF_SCALES, Guard, check_seal, is_sealed, seal

if TYPE_CHECKING:
    import h5py

VERSION = 1
"""Newest format version of every kind of file."""
DIMENSION_NAMES = "dimensions"
"""Attribute with the names of an array's dimensions as a JSON list: unlike those of scales it needs no references."""
ENCODING = "_Encoding"
"""Attribute of text that is stored as single bytes along a last dimension, as netCDF and its readers have it."""
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""Beginning of the name of a scale that stands for a length alone (netCDF-4 File Format)."""

Attributes = Mapping[str, Any]
"""Text and numbers by name."""


@dataclass(frozen=True)
class Variable:
    """Array with named dimensions and text or number attributes; a coordinate is named like its dimension."""

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: Attributes = field(default_factory=dict)


Group = Mapping[str, Variable]
"""Variables of one HDF5 group by name."""


def numbered(name: str, values: np.ndarray, *first: str) -> Variable:
    """Variable with named first dimensions and numbered others: ``first..., name_1, name_2, ...``."""
    return Variable((*first, *(f"{name}_{k}" for k in range(len(first), np.ndim(values)))), np.asarray(values))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file so that it is either absent or whole, whatever happens.

    Raises
    ------
    InputError
        If a sealed file is there, which holds more than what would replace it; errors to write as for
        `physnn.store.commit.commit`.
    """
    if is_sealed(path):
        raise InputError(f"{path} is a file of physnn, which other data do not replace; choose another name")
    commit(path, lambda temporary: temporary.write_bytes(data))


def write_sealed(
    path: Path,
    groups: Mapping[str, Group] | Iterator[tuple[str, Group]],
    attrs: Attributes,
    scales: bool = True,
    keep_previous: bool = False,
    publish: Publish | None = None,
) -> None:
    """Write groups of variables and root attributes as one sealed file, atomically.

    Parameters
    ----------
    groups : mapping or iterator of pairs
        Group path (``"/"`` for the root, ``"/L32"``) to its variables.
    attrs : mapping
        Attributes of the root.
    scales : bool
        Whether dimensions become HDF5 dimension scales, as xarray needs; parts do without.
    path, keep_previous, publish
        As for `physnn.store.commit.commit`, also for errors.
    """

    def write(temporary: Path) -> None:
        count = itertools.count() if scales else None
        with new_file(temporary) as file:
            with undisturbed():
                _set_attrs(file, attrs)
            for name, group in groups.items() if isinstance(groups, Mapping) else groups:
                with undisturbed():
                    _write_group(file if name == "/" else file.create_group(name, track_order=True), group, count)
        seal(temporary)

    commit(path, write, keep_previous, publish)


def _set_attrs(item: h5py.Group | h5py.Dataset, attrs: Attributes) -> None:
    for key, value in attrs.items():
        # Fixed-length bytes: no variable-length heap, and every reader decodes them to text.
        item.attrs[key] = np.bytes_(value.encode()) if isinstance(value, str) else value


def _write_group(group: h5py.Group, variables: Group, count: Iterator[int] | None) -> None:
    """Write variables; with a count of the file's dimensions, which become scales, in the conventions of netCDF-4."""
    sizes: dict[str, int] = {}
    dims: dict[str, tuple[str, ...]] = {}
    for name, variable in variables.items():
        values, dims[name], marks = np.asarray(variable.values), variable.dims, {}
        if values.ndim != len(variable.dims):
            raise ValueError(f"{name} has {values.ndim} dimensions, named {variable.dims}")
        if count is not None:
            marks = {DIMENSION_NAMES: json.dumps(variable.dims)}
        if count is not None and values.ndim and values.dtype.kind == "S":
            # Text of fixed length is bytes to some readers, and text to others; of single bytes all of them make text.
            values = np.ascontiguousarray(values)[..., None].view("S1")
            dims[name], marks[ENCODING] = (*variable.dims, f"string{values.shape[-1]}"), "utf-8"
        for dim, size in zip(dims[name], values.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"{name} has length {size} along {dim}, not {sizes[dim]}")
        _set_attrs(write_array(group, name, values), {**variable.attrs, **marks})
    if count is not None:
        _make_scales(group, sizes, dims, count)


def _make_scales(
    group: h5py.Group, sizes: Mapping[str, int], dims: Mapping[str, tuple[str, ...]], count: Iterator[int]
) -> None:
    """Make a scale of every dimension of a group, and attach it to what lies along it."""
    numbers = {dim: next(count) for dim in sizes}
    lengths = {names[-1] for name, names in dims.items() if ENCODING in group[name].attrs}
    for dim, size in sizes.items():
        if dim not in dims:
            _set_attrs(write_array(group, dim, np.arange(size)), {DIMENSION_NAMES: json.dumps([dim])})
        group[dim].make_scale(f"{NO_VARIABLE}{size:10d}" if dim in lengths else dim)
        group[dim].attrs["_Netcdf4Dimid"] = np.int32(numbers[dim])
    for name, names in dims.items():
        if name in sizes and len(names) > 1:
            # A scale carries no scales: of a coordinate of text netCDF looks up the dimensions by number.
            group[name].attrs["_Netcdf4Coordinates"] = np.array([numbers[dim] for dim in names], np.int32)
        elif names != (name,):
            for axis, dim in enumerate(names):
                group[name].dims[axis].attach_scale(group[dim])


@contextlib.contextmanager
def malformed(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever a sealed file of the wrong make-up raises into InputError: a seal proves wholeness, not sense."""
    kinds = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)
    try:
        yield
    except InputError:
        raise
    except kinds as error:
        raise InputError(f"{path} is not a valid physnn file ({type(error).__name__}: {error})") from None


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@contextlib.contextmanager
def open_sealed(path: str | os.PathLike[str], kind: str | None, version: int = VERSION) -> Iterator[h5py.File]:
    """Open physnn file of a format such as ``"physnn-sweep"`` (None: any) and of no newer version.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind or newer, or holds links or storage outside itself.
    """
    import h5py

    path = Path(path)
    check_seal(path)
    with malformed(path), h5py.File(path, "r") as file:
        guard = Guard(path)
        guard.root(file)
        found = read_attrs(file)
        if kind not in (None, found.get("format")):
            raise InputError(f"{path} is a file of kind {str(found.get('format', 'unknown'))[:40]!r}, not {kind!r}")
        written = operator.index(found.get("format_version", 0))  # type: ignore[arg-type]
        if written > version:
            by = f"physnn {str(found.get('physnn_version', ''))[:20]}".strip()
            raise InputError(
                f"{path} was written by a newer physnn ({by}, format {written}; this one reads up to {version}): "
                "upgrade physnn"
            )
        if written < 1:
            raise InputError(f"{path} has format version {written}, which never was; it was not written by physnn")
        guard.file(file)
        yield file


def read_attrs(item: h5py.Group | h5py.Dataset) -> dict[str, str | int | float]:
    """Text and number attributes of a group or dataset, without those that mark dimension scales."""
    hidden = OF_SCALES | {DIMENSION_NAMES, ENCODING}
    values = {key: item.attrs[key] for key in item.attrs if key not in hidden} if len(item.attrs) else {}
    return {
        key: value.decode() if isinstance(value, bytes) else value.item() if hasattr(value, "item") else value
        for key, value in values.items()
    }


def _is_array(item: h5py.Group | h5py.Dataset) -> bool:
    """Whether an object is an array and not a scale that stands for a length alone."""
    import h5py

    scale = isinstance(item, h5py.Dataset) and item.is_scale and h5py.h5ds.get_scale_name(item.id)
    return isinstance(item, h5py.Dataset) and not (scale and scale.startswith(NO_VARIABLE.encode()))


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    return ((name, item) for name, item in group.items() if _is_array(item))


def read_group(group: h5py.Group, without: str | tuple[str, ...] | None = None) -> dict[str, Variable]:
    """Variables of a group with the names of their dimensions, but for those whose name begins as ``without``."""
    wanted = (each for each in _datasets(group) if without is None or not each[0].startswith(without))
    return {name: Variable(_dims(name, item), _values(item), read_attrs(item)) for name, item in wanted}


def _values(item: h5py.Dataset) -> np.ndarray:
    """Array as it was given to be written: single bytes become text of their length."""
    values = read_array(item)
    if ENCODING in item.attrs and values.dtype == "S1" and values.ndim and values.shape[-1]:
        return np.ascontiguousarray(values).view(f"S{values.shape[-1]}")[..., 0]
    return np.asarray(values) if item.ndim else values


def _dims(name: str, item: h5py.Dataset) -> tuple[str, ...]:
    """Names of dimensions: as written beside the array, else, in older files, from its scales."""
    if DIMENSION_NAMES in item.attrs:
        named = json.loads(item.attrs[DIMENSION_NAMES])
        known = item.ndim - (ENCODING in item.attrs)
        if not isinstance(named, list) or len(named) != known or not all(isinstance(n, str) for n in named):
            raise ValueError(f"the dimensions of {name} are not those of its shape")
        return tuple(named)
    if item.is_scale:
        return (name,)
    return tuple(dim[0].name.rsplit("/", 1)[-1] if len(dim) else f"{name}_{k}" for k, dim in enumerate(item.dims))


def content_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 over sorted paths, dtypes, shapes and bytes of a sealed file's arrays; attributes are left out.

    Two files with the same digest hold the same data, whenever and by however many workers they were made.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds what no physnn file does.
    """
    import h5py

    path = Path(path)
    check_seal(path)
    sha = hashlib.sha256()
    with malformed(path), h5py.File(path, "r") as file:
        guard = Guard(path)
        guard.root(file)
        guard.file(file)
        datasets: dict[str, h5py.Dataset] = {}
        file.visititems(lambda name, item: datasets.update({name: item}) if _is_array(item) else None)
        for name in sorted(datasets):
            values = np.ascontiguousarray(_values(datasets[name]))
            sha.update(f"/{name}\0{values.dtype.str}\0{values.shape}\0".encode())
            sha.update(values.reshape(-1).view(np.uint8).data)  # as they are: a copy may be as large as all memory
    return sha.hexdigest()
