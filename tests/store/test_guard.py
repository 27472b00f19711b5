"""Hostile HDF5 under a valid seal: nothing outside is read, nothing large is made, nothing runs in circles."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from physnn.errors import InputError
from physnn.store import guard
from physnn.store.hdf5 import content_digest, open_sealed, read_attrs, read_group
from physnn.store.inspect import read_everything


def nest(file: h5py.File, depth: int) -> None:
    group = file
    for _ in range(depth):
        group = group.create_group("g")


def circle(file: h5py.File) -> None:
    file.create_group("g")["h"] = file["/"]


def twice(file: h5py.File) -> None:
    file["d"] = np.zeros(9)
    file["e"] = file["d"]


def user_defined(file: h5py.File) -> None:
    file["d"] = h5py.SoftLink("/d")


def references(file: h5py.File) -> None:
    file["x"] = np.zeros(3)
    file.create_dataset("d", data=np.array([file["x"].ref] * 3, h5py.ref_dtype), dtype=h5py.ref_dtype)


def region(file: h5py.File) -> None:
    file["x"] = np.zeros(3)
    file.create_dataset("d", data=np.array([file["x"].regionref[:2]], h5py.regionref_dtype), dtype=h5py.regionref_dtype)


def bomb(file: h5py.File) -> None:
    file.create_dataset("d", data=np.zeros(2 * 10**7), chunks=(10**6,), compression="gzip")


def unallocated(file: h5py.File) -> None:
    file.create_dataset("d", (10**9,), "f8", chunks=(1000,))


def overflow(file: h5py.File) -> None:
    file.create_dataset("d", (2**40, 2**40), "f8", chunks=(8, 8))


def chunk(file: h5py.File) -> None:
    file.create_dataset("d", (1,), "u1", maxshape=(None,), chunks=(2**32 - 2**20,))


HOSTILE = {
    "25,000 groups": lambda f: [f.create_group(str(k)) for k in range(25_000)],
    "deep nesting": lambda f: nest(f, 1000),
    "a group in itself": circle,
    "one array under two names": twice,
    "a soft link to itself": user_defined,
    "object references": references,
    "region references": region,
    "text of any length": lambda f: f.create_dataset("d", data=["a", "b"], dtype=h5py.string_dtype()),
    "arrays of any length": lambda f: f.create_dataset("d", (3,), h5py.vlen_dtype(np.int32)),
    "compound": lambda f: f.create_dataset("d", data=np.zeros(3, [("a", "i4"), ("b", "f8")])),
    "complex": lambda f: f.create_dataset("d", data=np.zeros(3, complex)),
    "opaque": lambda f: f.create_dataset("d", data=np.zeros(3, h5py.opaque_dtype(np.dtype("M8[s]")))),
    "arrays in arrays": lambda f: f.create_dataset("d", (3,), np.dtype("(4,)i4")),
    "a named type": lambda f: f.__setitem__("d", np.dtype("f8")),
    "no shape": lambda f: f.create_dataset("d", data=h5py.Empty("f8")),
    "a gzip bomb": bomb,
    "10^9 numbers that are not there": unallocated,
    "2^80 numbers": overflow,
    "a chunk of 4 GB": chunk,
    "other compression": lambda f: f.create_dataset("d", data=np.zeros(99), compression="lzf"),
    "numbers that were never written": lambda f: f.create_dataset("d", (4,), "i8"),
    "a piece that was never written": lambda f: f.create_dataset("d", (8,), "i8", chunks=(4,)).__setitem__(0, 1),
    "a thousand attributes": lambda f: [f.attrs.__setitem__(f"a{k}", k) for k in range(1000)],
    "an attribute of references": lambda f: f.attrs.__setitem__("a", f.create_group("g").ref),
    "an attribute of text of any length": lambda f: f.attrs.__setitem__("a", "text"),
}


def hostile(path: Path, make) -> Path:
    with h5py.File(path, "w", libver=("v110", "v110"), track_order=True) as file:
        file.attrs.update({"format": np.bytes_(b"physnn-part"), "format_version": 1})
        make(file)
    guard.seal(path)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_at_once(tmp_path, name):
    path = hostile(tmp_path / "h.h5", HOSTILE[name])
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(InputError), open_sealed(path, None, 1) as file:
        read_attrs(file), read_group(file)
    with pytest.raises(InputError):
        content_digest(path)
    assert not read_everything(path).whole
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kB taken"


def test_a_plain_file_passes_the_same_checks(tmp_path):
    path = hostile(tmp_path / "h.h5", lambda f: f.create_dataset("d", data=np.zeros(99), fletcher32=True))
    with open_sealed(path, "physnn-part", 1) as file:
        assert read_group(file)["d"].values.shape == (99,)


def test_odd_names_do_not_spoil_the_message(tmp_path):
    def odd(file: h5py.File) -> None:
        file.id.links.create_soft(b"/x", b"bad\xff\n\x1b[31mname")

    with pytest.raises(InputError, match="refused") as error, open_sealed(hostile(tmp_path / "h.h5", odd), None, 1):
        pass
    str(error.value).encode("utf-8", "backslashreplace")
