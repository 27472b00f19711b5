"""Bytes of a file from anyone, plain or packed, up to a limit: some kilobytes can unpack to any number of gigabytes."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from physnn.errors import InputError

PACKED: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open}
"""First bytes of packed files, and what unpacks them."""


def read_bytes(source: Path | IO[bytes], most: int) -> bytes:
    """Contents of a file, unpacked if they begin as gzip or xz.

    Raises
    ------
    InputError
        If there are more than ``most`` bytes, before or after unpacking, or they cannot be unpacked; without the name.
    OSError
        If the file cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_bytes(file, most)
    raw = source.read(most + 1)
    for start, unpack in PACKED.items():
        if raw.startswith(start) and len(raw) <= most:
            try:
                with unpack(io.BytesIO(raw)) as packed:
                    raw = packed.read(most + 1)
            except EOFError:
                raise InputError("the compressed file is cut off") from None
            except (gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
                raise InputError(f"the compressed file is damaged ({error})") from None
    if len(raw) > most:
        raise InputError(f"there are more than {most / 2**20:g} MB")
    return raw
