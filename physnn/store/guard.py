"""Seals, and limits of what a file may hold, checked before any number is read.

A seal is a line behind the HDF5 end with the SHA-256 of everything before it: that of the bytes, or in long files that
of the digests of their blocks, which several cores take at once.

A seal proves wholeness, not good will.  A file of ours is a shallow tree of groups and arrays of plain numbers or
fixed-length text, each stored once, in the file itself and without compression.  So nothing in it can be longer than
the file, and all else is refused unread: HDF5 can point to other files, declare terabytes, unpack kilobytes into
gigabytes, and run in circles.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physnn.errors import InputError
from physnn.machine import available_cores

if TYPE_CHECKING:
    import h5py

MAGIC = b"\x89HDF\r\n\x1a\n"
"""First bytes of an HDF5 file (HDF5 File Format Specification, section II.A)."""
OF_BYTES, OF_BLOCKS = "PHYSNN1", "PHYSNN2"
"""Marks of seals: of the bytes themselves, and of the digests of blocks."""
TRAILER_LENGTH = 106
"""Length of the sealing line in bytes: mark, 64 hexadecimal digits, length of the body, line ends."""
SEALED = re.compile(rb"\nPHYSNN[0-9] sha256=")
"""Beginning of the sealing line of this or a later version."""
LONG = 2**23
"""Bytes from which on a file is sealed by blocks: shorter ones, as most parts, are hashed in milliseconds."""
HASHED_BLOCK = 2**20
"""Bytes of a block: beginning to hash it costs nothing beside hashing it."""
HASHERS = 4
"""Threads that hash at most: with more of them the memory is the limit."""
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
FILES_KNOWN = 64
"""Sealing lines that are kept at most."""
_lines: dict[tuple[object, ...], bytes] = {}
"""Sealing lines of files that are as they were: a command opens its file up to five times, and hashes it once."""


class _Newer(InputError):
    """A seal of a later version, whose file may well be whole."""


def forget_lines() -> None:
    """Hash every file anew that is opened from now on."""
    _lines.clear()


def seal(path: Path) -> None:
    """Seal a file by a line behind its end."""
    with path.open("r+b", buffering=0) as stream:
        length = stream.seek(0, os.SEEK_END)
        line = _trailer(stream, length, OF_BYTES if length < LONG else OF_BLOCKS)
        stream.seek(length)
        stream.write(line)


def check_seal(path: Path) -> None:
    """Raise InputError unless ``path`` is a whole physnn file: HDF5, and its contents match its seal."""
    try:
        if not path.is_file():
            raise InputError(f"{path} is not a file" if path.exists() else f"there is no file {path}; check the name")
        # Opened once: another file may take its name while it is read.
        with path.open("rb", buffering=0) as stream:
            _check_open(path, stream)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from None


def _check_open(path: Path, stream: FileIO) -> None:
    """Check the seal of an open file; raises as `check_seal`."""
    found = os.fstat(stream.fileno())
    body = found.st_size - TRAILER_LENGTH
    if _read(stream, 0, memoryview(bytearray(len(MAGIC)))) != MAGIC:
        raise InputError(f"{path} is not an HDF5 file; {instead(path)}")
    trailer = bytes(_read(stream, max(0, body), memoryview(bytearray(TRAILER_LENGTH))))
    form = trailer[1:8].decode(errors="replace")
    if not SEALED.match(trailer) or body <= 0:
        reason = "it was cut off, appended to, or written by other software, whose tables physnn fit reads"
        raise InputError(f"{path} carries no physnn seal: {reason}")
    if form not in (OF_BYTES, OF_BLOCKS):
        raise _Newer(f"{path} was written by a newer physnn (seal {form}): upgrade physnn")
    # Numbers that differ once a file is another, or was written to; one that was changed only just now may be again.
    mark = found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, body, form
    settled = time.time() - max(found.st_ctime, found.st_mtime) >= SETTLED
    line = _lines.get(mark) if settled else None
    if line is None:
        line = _trailer(stream, body, form)
        if settled:
            if len(_lines) >= FILES_KNOWN:
                _lines.clear()
            _lines[mark] = line
    if trailer != line:
        raise InputError(f"{path} is damaged: its contents do not match its seal; restore it or make it again")


def is_sealed(path: Path) -> bool:
    """Whether ``path`` is a whole physnn file, or one of a later version."""
    try:
        check_seal(path)
    except _Newer:
        return True
    except InputError:
        return False
    return True


def _trailer(stream: FileIO, length: int, form: str) -> bytes:
    """Sealing line of the first bytes of a file."""
    starts = range(0, length, HASHED_BLOCK)
    if form == OF_BYTES:
        digest, room = hashlib.sha256(), memoryview(bytearray(min(HASHED_BLOCK, length)))
        for start in starts:
            digest.update(_read(stream, start, room[: length - start]))
    else:
        digest = hashlib.sha256(b"".join(_digests(stream, starts, length)))
    return f"\n{form} sha256={digest.hexdigest()} len={length:020d}\n".encode()


def _digests(stream: FileIO, starts: range, length: int) -> list[bytes]:
    """SHA-256 of blocks, of which every thread takes some in a row: the library hashes without Python's lock."""
    one_reads = threading.Lock()

    def hashed(share: range) -> list[bytes]:
        found, room = [], memoryview(bytearray(HASHED_BLOCK))
        for start in share:
            with one_reads:
                block = _read(stream, start, room[: length - start])
            found.append(hashlib.sha256(block).digest())
        return found

    threads = max(1, min(HASHERS, available_cores(), len(starts)))
    shares = [starts[k * len(starts) // threads : (k + 1) * len(starts) // threads] for k in range(threads)]
    try:
        with ThreadPoolExecutor(threads) as pool:
            return [digest for found in pool.map(hashed, shares) for digest in found]
    except RuntimeError:  # no thread can begin: there are too many, or the program ends
        return hashed(starts)


def _read(stream: FileIO, start: int, room: memoryview) -> memoryview:
    """Bytes of a file that fill some memory, fewer where the file ends."""
    stream.seek(start)
    there = 0
    while there < len(room) and (read := stream.readinto(room[there:])):
        there += read
    return room[:there]


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
        if item.get_storage_size() < length:
            raise self.refuse(f"keeps less of {shown} than it declares, for which libhdf5 would make up zeros")
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
