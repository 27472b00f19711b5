"""Arrays in HDF5, through h5py's low level: a sweep has thousands of parts of a dozen arrays."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.store.commit import PatientStream, undisturbed

if TYPE_CHECKING:
    import h5py

SLAB = 2**20
"""Bytes of the pieces of an array at most, where an item has no more: as many as libhdf5 keeps in memory by default."""
DIRECT = 2**18
"""Bytes from which an array is read past libhdf5: below, asking where its pieces lie takes longer."""
AS_IN_MEMORY = "iuf"
"""Kinds of dtypes whose numbers lie in files as in memory."""
CHECKSUM = 4
"""Bytes behind a piece that HDF5's filter ``fletcher32`` adds (HDF5 File Format Specification, section IV.A.2.l)."""


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

    inside = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    inside.set_obj_track_times(False)
    if values.size and values.ndim:
        inside.set_chunk(slab(values.shape, values.itemsize))
        inside.set_fletcher32()
    elif values.size:
        inside.set_layout(h5py.h5d.COMPACT)
    kind, space = h5py.h5t.py_create(values.dtype, logical=True), h5py.h5s.create_simple(values.shape)
    dataset = h5py.h5d.create(group.id, name.encode(), kind, space, inside)
    if values.size:
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(values).reshape(values.shape))
    return h5py.Dataset(dataset)


def slab(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Shape of the pieces of an array: whole in the last axes, so that what one holds lies in a row in memory."""
    found, room = list(shape), max(1, SLAB // itemsize)
    for axis in reversed(range(len(shape))):
        found[axis] = -(-shape[axis] // -(-shape[axis] // room))  # alike, for the last one is stored in full
        room = max(1, room // shape[axis])
    return tuple(found)


def read_array(item: h5py.Dataset) -> Any:
    """Array, or single number, of a dataset of a sealed file."""
    return _numbers(item.id) if item.dtype.kind in AS_IN_MEMORY else native(item[()])


def _numbers(item: Any) -> Any:
    """Numbers of an array that was opened at h5py's low level; a single one without a shape is a numpy scalar.

    Those of a long array are read from where its pieces lie: libhdf5 would copy each of them twice and compute its
    checksum, which tells nothing that the seal does not.
    """
    from h5py import h5s

    values = np.empty(item.shape, item.dtype)
    if not (values.nbytes >= DIRECT and _read_directly(item, values)) and values.size:
        item.read(h5s.ALL, h5s.ALL, values)
    return native(values[()])


def _read_directly(item: Any, values: np.ndarray) -> bool:
    """Fill an array from pieces that lie in the file as `write_array` leaves them; return False where they do not."""
    from h5py import h5d, h5i, h5t, h5z

    stored = item.get_create_plist()
    plain = [stored.get_filter(k)[0] for k in range(stored.get_nfilters())] == [h5z.FILTER_FLETCHER32]
    numbers = values.dtype.kind in AS_IN_MEMORY and item.get_type() == h5t.py_create(values.dtype)
    if not (plain and numbers and stored.get_layout() == h5d.CHUNKED and hasattr(os, "preadv")):
        return False
    chunk, file = stored.get_chunk(), h5i.get_file_id(item).get_vfd_handle()
    if chunk != slab(values.shape, values.itemsize):
        return False
    memory, size = values.reshape(-1).view(np.uint8).data, math.prod(chunk) * values.itemsize
    for corner in np.ndindex(*(-(-whole // piece) for whole, piece in zip(values.shape, chunk, strict=True))):
        begin = tuple(k * piece for k, piece in zip(corner, chunk, strict=True))
        found = item.get_chunk_info_by_coord(begin)
        at = int(np.ravel_multi_index(begin, values.shape)) * values.itemsize
        if found.byte_offset is None or found.size != size + CHECKSUM:
            return False
        if not _fill(file, memory[at : at + size], found.byte_offset):
            return False
    return True


def _fill(file: int, memory: memoryview, at: int) -> bool:
    """Fill memory with bytes of a file; return whether there are as many."""
    while memory and (read := os.preadv(file, [memory], at)):
        memory, at = memory[read:], at + read
    return not memory


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
