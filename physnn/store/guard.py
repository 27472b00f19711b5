"""Limits of what a file may hold, checked before any number is read: a seal proves wholeness, not good will.

A file of ours is a shallow tree of groups and arrays of plain numbers or fixed-length text, each stored once, in the
file itself and without compression.  So nothing in it can be longer than the file, and all else is refused unread:
HDF5 can point to other files, declare terabytes, unpack kilobytes into gigabytes, and run in circles.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from physnn.errors import InputError

if TYPE_CHECKING:
    import h5py

LARGEST_DATASET = 2**34
"""Largest size that one dataset may declare, in bytes (16 GiB); a convention, far above any sweep."""
MOST_OBJECTS = 20_000
"""Largest number of groups and datasets in one file; the largest ensemble of the zoo has some thousands."""
DEEPEST = 4
"""Largest depth of groups within groups; those of physnn are one deep."""
MOST_ATTRIBUTES = 200
"""Largest number of attributes of one group or dataset; those of physnn have fewer than 20."""
PLAIN = "biufS"
"""Kinds of dtypes that an array may have: Booleans, numbers and fixed-length text."""
ALLOWED_FILTERS = {2, 3}
"""Numbers of HDF5's filters ``shuffle`` and ``fletcher32``: order of bytes and checksums; no compression."""
OF_SCALES = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
"""Attributes that mark dimension scales: for other readers, and for files of version 1 without ``dimensions``."""


class Guard:
    """Checks of one open file, whose size bounds everything in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.declared = 0
        self.objects = 0
        self.seen: set[int] = set()

    def refuse(self, what: str) -> InputError:
        """Error that refuses the file."""
        return InputError(f"{self.path} {what}; refused")

    def attributes(self, item: h5py.Group | h5py.Dataset, name: str) -> None:
        """Check the attributes of a group or dataset without reading them."""
        count = len(item.attrs)
        if count > MOST_ATTRIBUTES:
            raise self.refuse(f"has more than {MOST_ATTRIBUTES} attributes at {_shown(name)}")
        for key in item.attrs if count else ():
            if key in OF_SCALES:
                continue
            found = item.attrs.get_id(key)
            self._plain(found.dtype, f"attribute {_shown(key)}")
            self._declare(math.prod(found.shape) * found.dtype.itemsize, f"attribute {_shown(key)}")

    def tree(self, group: h5py.Group, name: str = "/", depth: int = 0) -> None:
        """Check without reading that nothing below a group leads outside or in circles, and all is plain arrays."""
        import h5py

        self.objects += len(group)
        if self.objects > MOST_OBJECTS or depth > DEEPEST:
            raise self.refuse(f"holds more than {MOST_OBJECTS} objects, or more than {DEEPEST} levels of groups")
        for key in group:
            where = f"{name}{key}"
            if group.id.links.get_info(key.encode(errors="surrogateescape")).type != h5py.h5l.TYPE_HARD:
                raise self.refuse(f"holds a link ({_shown(where)}) that may lead outside the file")
            item = group[key]
            address = h5py.h5o.get_info(item.id).addr
            if address in self.seen:
                raise self.refuse(f"holds {_shown(where)} under two names")
            self.seen.add(address)
            if isinstance(item, h5py.Dataset):
                self.dataset(item, where)
            elif not isinstance(item, h5py.Group):
                raise self.refuse(f"holds {_shown(where)}, which is no array")
            self.attributes(item, where)
            if isinstance(item, h5py.Group):
                self.tree(item, where + "/", depth + 1)

    def dataset(self, item: h5py.Dataset, name: str) -> None:
        """Check where and how a dataset is stored, and how much it claims to hold."""
        shown = _shown(name)
        if item.is_virtual or item.external:
            raise self.refuse(f"keeps the data of {shown} outside the file")
        self._plain(item.dtype, shown)
        if item.shape is None:
            raise self.refuse(f"has no shape for {shown}")
        stored = item.id.get_create_plist()
        if {stored.get_filter(k)[0] for k in range(stored.get_nfilters())} - ALLOWED_FILTERS:
            raise self.refuse(f"keeps {shown} compressed, which physnn does not")
        width = item.dtype.itemsize
        # In Python's integers: a product of declared lengths may exceed 64 bits.
        for length in (math.prod(item.shape) * width, math.prod(item.chunks or (0,)) * width):
            if length > LARGEST_DATASET:
                raise self.refuse(f"declares {length / 1e9:.0f} GB for {shown}")
        if math.prod(item.chunks or (0,)) * width > self.size:
            raise self.refuse(f"declares more for {shown} than the file is long")
        self._declare(math.prod(item.shape) * width, shown)

    def _plain(self, dtype: object, name: str) -> None:
        if getattr(dtype, "kind", "O") not in PLAIN:
            raise self.refuse(f"has values that are neither numbers nor plain text ({name}, {str(dtype)[:40]})")

    def _declare(self, length: int, name: str) -> None:
        self.declared += length
        if self.declared > self.size:
            raise self.refuse(f"declares more than it is long ({name})")


def _shown(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()[:80]
