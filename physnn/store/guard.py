"""Limits of what a file may hold, checked before any number is read: a seal proves wholeness, not good will.

A file of ours is a shallow tree of groups and arrays of plain numbers or fixed-length text, each stored once, in the
file itself and without compression.  So nothing in it can be longer than the file, and all else is refused unread:
HDF5 can point to other files, declare terabytes, unpack kilobytes into gigabytes, and run in circles.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
SETTLED = 2.0
"""Seconds after which a further change of a file shows in its times: above the resolution of any file system."""


def settled(path: Path) -> tuple[int, ...]:
    """Numbers that differ once a file is another or was written to; none where it was changed only just now."""
    found = path.stat()
    if time.time() - max(found.st_ctime, found.st_mtime) < SETTLED:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def instead(path: Path) -> str:
    """What to do with a file of another format, by its name."""
    if path.suffix in (".pt", ".pth", ".ckpt", ".bin"):
        how = "save the state dict with safetensors.torch.save_file"
        return f"weights of torch go with their module: {how}, and give it with --module my_net.py:MyNet"
    tables = "; tables go to physnn fit" if path.suffix in (".csv", ".txt", ".dat", ".tsv", ".parquet", ".nc") else ""
    return f"give a file that physnn wrote{tables}"


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

    def _attributes(self, item: Any, name: str) -> None:
        """Check the attributes of a group or dataset without reading them."""
        from h5py import h5a

        count = h5a.get_num_attrs(item)
        if count > MOST_ATTRIBUTES:
            raise self.refuse(f"has more than {MOST_ATTRIBUTES} attributes at {_shown(name)}")
        for k in range(count):
            found = h5a.open(item, index=k)
            key = _text(found.name)
            if key in OF_SCALES:
                continue
            dtype = found.dtype
            self._plain(dtype, f"attribute {_shown(key)}")
            self._declare(math.prod(found.shape) * dtype.itemsize, f"attribute {_shown(key)}")

    def file(self, file: h5py.File) -> None:
        """Check all of a file but the attributes of its root."""
        from h5py import h5o

        self._tree(h5o.open(file.id, b"/"), "/", 0)

    def root(self, file: h5py.File) -> None:
        """Check the attributes of the root of a file."""
        from h5py import h5o

        self._attributes(h5o.open(file.id, b"/"), "/")

    def _tree(self, group: Any, name: str, depth: int) -> None:
        """Check without reading that nothing below a group leads outside or in circles, and all is plain arrays.

        Groups and arrays are opened at h5py's low level: a sweep has thousands of parts, and each is checked.
        """
        from h5py import h5d, h5g, h5l, h5o

        self.objects += len(group)
        if self.objects > MOST_OBJECTS or depth > DEEPEST:
            raise self.refuse(f"holds more than {MOST_OBJECTS} objects, or more than {DEEPEST} levels of groups")
        links = group.links
        for key in group:
            where = f"{name}{_text(key)}"
            if links.get_info(key).type != h5l.TYPE_HARD:
                raise self.refuse(f"holds a link ({_shown(where)}) that may lead outside the file")
            item = h5o.open(group, key)
            address = h5o.get_info(item).addr
            if address in self.seen:
                raise self.refuse(f"holds {_shown(where)} under two names")
            self.seen.add(address)
            if isinstance(item, h5d.DatasetID):
                self._dataset(item, where)
            elif not isinstance(item, h5g.GroupID):
                raise self.refuse(f"holds {_shown(where)}, which is no array")
            self._attributes(item, where)
            if isinstance(item, h5g.GroupID):
                self._tree(item, where + "/", depth + 1)

    def _dataset(self, item: Any, name: str) -> None:
        """Check where and how a dataset is stored, and how much it claims to hold."""
        from h5py import h5d

        shown, stored = _shown(name), item.get_create_plist()
        layout = stored.get_layout()
        if layout == h5d.VIRTUAL or stored.get_external_count():
            raise self.refuse(f"keeps the data of {shown} outside the file")
        dtype, shape = item.dtype, item.shape
        self._plain(dtype, shown)
        if shape is None:
            raise self.refuse(f"has no shape for {shown}")
        if {stored.get_filter(k)[0] for k in range(stored.get_nfilters())} - ALLOWED_FILTERS:
            raise self.refuse(f"keeps {shown} compressed, which physnn does not")
        # In Python's integers: a product of declared lengths may exceed 64 bits.
        length = math.prod(shape) * dtype.itemsize
        chunk = math.prod(stored.get_chunk()) * dtype.itemsize if layout == h5d.CHUNKED else 0
        if max(length, chunk) > LARGEST_DATASET:
            raise self.refuse(f"declares {max(length, chunk) / 1e9:.0f} GB for {shown}")
        if chunk > self.size:
            raise self.refuse(f"declares more for {shown} than the file is long")
        self._declare(length, shown)

    def _plain(self, dtype: object, name: str) -> None:
        if getattr(dtype, "kind", "O") not in PLAIN:
            raise self.refuse(f"has values that are neither numbers nor plain text ({name}, {str(dtype)[:40]})")

    def _declare(self, length: int, name: str) -> None:
        self.declared += length
        if self.declared > self.size:
            raise self.refuse(f"declares more than it is long ({name})")


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _shown(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()[:80]
