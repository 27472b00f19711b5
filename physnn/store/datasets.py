"""Arrays in HDF5, through h5py's low level where they are small: a sweep has thousands of parts of a dozen arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.store.commit import PatientStream, undisturbed

if TYPE_CHECKING:
    import h5py

ONE_CHUNK = 2**13
"""Bytes up to which h5py, too, would store an array in one piece."""


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """Context with an empty HDF5 file, which is closed at its end; raises OSError if the disk could not take it."""
    import h5py

    with path.open("w+b") as raw:
        stream = PatientStream(raw)
        file: h5py.File | None = None
        try:
            with undisturbed():
                file = h5py.File(stream, "w", libver=("v110", "v110"), track_order=True)
            yield file
        finally:
            with undisturbed():
                if file:
                    file.close()
        stream.settle()


def write_array(group: h5py.Group, name: str, values: np.ndarray) -> h5py.Dataset:
    """Dataset whose bytes a checksum covers: its own, or for a single number that of its header."""
    import h5py

    if values.ndim and not 0 < values.nbytes <= ONE_CHUNK:
        options = {"chunks": True, "fletcher32": True} if values.size else {}
        return group.create_dataset(name, data=values, track_times=False, **options)
    inside = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    inside.set_obj_track_times(False)
    if values.ndim:
        inside.set_chunk(values.shape)
        inside.set_fletcher32()
    else:
        inside.set_layout(h5py.h5d.COMPACT)
    kind, space = h5py.h5t.py_create(values.dtype, logical=True), h5py.h5s.create_simple(values.shape)
    dataset = h5py.h5d.create(group.id, name.encode(), kind, space, inside)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(values).reshape(values.shape))
    return h5py.Dataset(dataset)


def native(values: Any) -> Any:
    """Numbers in the order of bytes of this machine, which compiled code takes; a copy only of others."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def read_arrays(group: h5py.Group) -> dict[str, np.ndarray]:
    """Arrays of a group without names of dimensions and attributes: for tasks, of which a sweep has thousands."""
    from h5py import h5d, h5ds, h5o

    found: dict[str, np.ndarray] = {}
    for key in group.id:
        item = h5o.open(group.id, key)
        if isinstance(item, h5d.DatasetID) and not h5ds.is_scale(item):
            found[key.decode(errors="surrogateescape")] = _numbers(item)
    return found


def _numbers(item: Any) -> Any:
    """Numbers of an array that was opened at h5py's low level; a single one without a shape is a numpy scalar."""
    from h5py import h5s

    values = np.empty(item.shape, item.dtype)
    if values.size:
        item.read(h5s.ALL, h5s.ALL, values)
    return native(values[()])
