"""Arrays of npz and npy files, whose headers are checked before anything is made of them."""

from __future__ import annotations

import functools
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from physnn.errors import InputError
from physnn.machine import without_warnings

MAX_BYTES = 2**30
"""Largest size in bytes that a file may claim for one array; the largest published IDX file, of EMNIST, has half."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def npz_names(path: Path) -> set[str] | None:
    """Names of the arrays of an npz file, or None if it is none; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return None
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:  # see read_npz
        raise InputError(f"{path} is damaged; save it again with numpy.savez") from None


def _array(path: Path, name: str, opened: Callable[[], IO[bytes]], length: int, kinds: str, most: int) -> np.ndarray:
    """One array of a file of some length, once its header has shown a harmless type and a true size."""
    with opened() as file:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        if dtype.kind not in kinds or dtype.itemsize == 0:
            wanted = "text belongs" if kinds == "U" else "numbers belong"
            raise InputError(f"{name} in {path} holds {str(dtype)[:40]} where {wanted}; save plain arrays")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size > most or file.tell() + size != length:
            raise InputError(
                f"{name} in {path} claims a shape {str(shape)[:40]} that the file does not hold; save it again"
            )
    with opened() as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def read_npy(path: Path, kinds: str, most: int | None = None) -> np.ndarray:
    """Array of an npy file with an allowed kind of dtype, see `read_npz`; raises InputError as that does."""
    try:
        with without_warnings():
            return _array(path, "the array", lambda: path.open("rb"), path.stat().st_size, kinds, most or MAX_BYTES)
    except (InputError, MemoryError, FileNotFoundError, PermissionError):
        raise
    except Exception:
        raise InputError(f"{path} is no npy file, or is damaged; save it again with numpy.save") from None


def read_npz(path: Path, names: dict[str, str], most: int | None = None) -> dict[str, np.ndarray]:
    """Arrays of an npz file by name, each with its allowed kinds of dtype (``"uif"``: numbers, ``"U"``: text).

    Raises
    ------
    InputError
        If the file is damaged, an array is missing, or one has another type or shape than the file holds.
    """
    try:
        with zipfile.ZipFile(path) as archive, without_warnings():
            size = most or MAX_BYTES
            entries = {name: archive.getinfo(f"{name}.npy") for name in names}
            return {
                name: _array(path, name, functools.partial(archive.open, entry), entry.file_size, names[name], size)
                for name, entry in entries.items()
            }
    except (InputError, MemoryError):
        raise
    except Exception:
        # Damaged archives and headers raise nearly anything, down to tokenize.TokenError.
        raise InputError(f"{path} is no npz file, or is damaged; save it again with numpy.savez") from None
