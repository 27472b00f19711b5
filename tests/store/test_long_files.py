"""Long arrays, read past libhdf5, and seals of blocks: the same numbers, and every change is seen."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time

import h5py
import numpy as np
import pytest

from physnn.errors import InputError
from physnn.store import datasets, guard
from physnn.store.datasets import DIRECT, SLAB, read_array, slab, write_array
from physnn.store.guard import HASHED_BLOCK, TRAILER_LENGTH, check_seal, seal
from physnn.store.hdf5 import Variable, content_digest, open_sealed, read_group, write_bytes, write_sealed
from physnn.store.parts import Parts, read_part, write_part

LONG = {
    "numbers": np.arange(150_000.0).reshape(3, 50, 1000),
    "row": np.arange(250_001, dtype=np.float32),
    "bytes": (np.arange(7 * 50_000) % 251).astype(np.int8).reshape(7, -1),
    "words": np.arange(100_000, dtype=np.uint64)[:, None] * 3,
    "bytes the other way round": np.arange(99_999).astype(">i8"),
}
"""Arrays of more than `DIRECT` bytes, some of several pieces."""
OTHERS = {
    "truth": {"data": np.arange(300_000) % 3 == 0},
    "pieces of another shape": {"data": LONG["numbers"], "chunks": (3, 1, 100)},
    "no checksum": {"data": LONG["row"], "fletcher32": False},
    "shuffled": {"data": LONG["row"], "shuffle": True},
    "nothing written": {"shape": (250_001,), "dtype": "f4"},
}
"""Arrays that libhdf5 reads."""


@pytest.mark.parametrize("shape", [(26, 8, 20_000), (1, 10**6), (131_073,), (5, 262_147), (2, 3, 4), (10**6, 2, 1)])
def test_pieces_lie_in_a_row_and_waste_little(shape):
    pieces = slab(shape, 8)
    split = next((axis for axis, n in enumerate(pieces) if n > 1), len(shape) - 1)
    assert 8 * math.prod(pieces) <= SLAB and pieces[split + 1 :] == shape[split + 1 :]
    stored = math.prod(n * -(-whole // n) for whole, n in zip(shape, pieces, strict=True))
    assert stored < 1.001 * math.prod(shape)


@pytest.fixture
def long_file(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "LONG", HASHED_BLOCK + 1)
    group = {name: Variable(tuple(f"{name}_{k}" for k in range(v.ndim)), v) for name, v in LONG.items()}
    write_sealed(tmp_path / "l.h5", {"/g": group}, {"format": "physnn-test", "format_version": 1}, scales=False)
    return tmp_path / "l.h5"


def test_long_arrays_are_what_h5py_reads(long_file, monkeypatch):
    with h5py.File(long_file) as file:
        for name, values in LONG.items():
            item = file["g"][name]
            direct = np.empty(item.shape, item.dtype)
            assert values.nbytes > DIRECT and datasets._read_directly(item.id, direct), name
            assert np.array_equal(item[()], values) and np.array_equal(direct, values)
    digest = content_digest(long_file)
    monkeypatch.delattr(os, "preadv")  # as on Windows
    with open_sealed(long_file, "physnn-test") as file:
        assert all(np.array_equal(v.values, LONG[name]) for name, v in read_group(file["g"]).items())
    assert content_digest(long_file) == digest


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_stored_otherwise_is_left_to_libhdf5(tmp_path, name):
    options = {"fletcher32": True} | OTHERS[name]
    shape = options["data"].shape if "data" in options else options["shape"]
    width = np.dtype(options.get("dtype", getattr(options.get("data"), "dtype", None))).itemsize
    with h5py.File(tmp_path / "o.h5", "w") as file:
        item = file.create_dataset("y", **{"chunks": slab(shape, width)} | options)
        assert not datasets._read_directly(item.id, np.empty(item.shape, item.dtype))
        found = read_array(item)
    assert np.array_equal(found, options.get("data", np.zeros(shape))) and found.dtype.isnative


def test_a_piece_that_ends_behind_the_file_is_no_array(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        write_array(file, "y", LONG["row"])
        at = file["y"].id.get_chunk_info(0).byte_offset
    whole = (tmp_path / "p.h5").read_bytes()
    with h5py.File(tmp_path / "p.h5") as file:
        os.truncate(tmp_path / "p.h5", at + 1000)
        assert not datasets._read_directly(file["y"].id, np.empty_like(LONG["row"]))
    assert len(whole) > at + 1000


def expected(body: bytes) -> str:
    """Digest that the documentation describes."""
    blocks = [body[k : k + HASHED_BLOCK] for k in range(0, len(body), HASHED_BLOCK)]
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


@pytest.mark.parametrize("cores", [1, 2, 3, 64])
def test_the_seal_of_a_long_file_does_not_depend_on_threads(long_file, monkeypatch, cores):
    whole = long_file.read_bytes()
    body, line = whole[:-TRAILER_LENGTH], whole[-TRAILER_LENGTH:].decode()
    assert line == f"\nPHYSNN2 sha256={expected(body)} len={len(body):020d}\n"
    monkeypatch.setattr(guard, "available_cores", lambda: cores)
    long_file.write_bytes(body)
    seal(long_file)
    assert long_file.read_bytes() == whole
    check_seal(long_file)


def test_a_short_file_is_sealed_by_its_bytes(tmp_path, monkeypatch):
    assert guard.LONG > HASHED_BLOCK
    monkeypatch.setattr(guard, "LONG", HASHED_BLOCK + 1)
    for length, mark in ((HASHED_BLOCK, b"PHYSNN1"), (HASHED_BLOCK + 1, b"PHYSNN2")):
        body = guard.MAGIC + bytes(length - len(guard.MAGIC))
        (tmp_path / "s").write_bytes(body)
        seal(tmp_path / "s")
        check_seal(tmp_path / "s")
        line = (tmp_path / "s").read_bytes()[length:]
        assert line[1:8] == mark
        assert (hashlib.sha256(body).hexdigest().encode() in line) == (mark == b"PHYSNN1")


def test_changes_of_a_long_file_are_seen(long_file):
    whole = long_file.read_bytes()
    assert len(whole) > 3 * HASHED_BLOCK
    second, third = whole[HASHED_BLOCK : 2 * HASHED_BLOCK], whole[2 * HASHED_BLOCK : 3 * HASHED_BLOCK]
    damaged = [
        whole[:HASHED_BLOCK] + third + second + whole[3 * HASHED_BLOCK :],
        whole[:-1],
        whole + b"\n",
        whole[HASHED_BLOCK:],
    ]
    damaged += [
        whole[:HASHED_BLOCK] + whole[2 * HASHED_BLOCK :],
        whole.replace(b"PHYSNN2", b"PHYSNN1"),
        whole[: 3 * HASHED_BLOCK],
    ]
    for at in (
        9,
        HASHED_BLOCK - 1,
        HASHED_BLOCK,
        2 * HASHED_BLOCK + 1,
        len(whole) - TRAILER_LENGTH - 1,
        len(whole) - 60,
    ):
        damaged.append(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    for other in damaged:
        long_file.write_bytes(other)
        with pytest.raises(InputError):
            check_seal(long_file)
    long_file.write_bytes(whole)
    check_seal(long_file)


def test_one_thread_reads_at_a_time(long_file, monkeypatch):
    """All share a position in the file."""
    monkeypatch.setattr(guard, "available_cores", lambda: 4)
    read, at_once, most = guard._read, [0], [0]

    def counted(*words) -> memoryview:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(1e-3)
        at_once[0] -= 1
        return read(*words)

    monkeypatch.setattr(guard, "_read", counted)
    check_seal(long_file)
    assert most[0] == 1


def test_where_no_thread_can_begin_the_seal_is_the_same(long_file, monkeypatch):
    whole = long_file.read_bytes()
    monkeypatch.setattr(guard, "available_cores", lambda: 3)

    def none(*_words: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "_start_new_thread", none)
    check_seal(long_file)
    long_file.write_bytes(whole[:-TRAILER_LENGTH])
    seal(long_file)
    assert long_file.read_bytes() == whole


def test_a_file_that_another_replaces_while_it_is_read_is_not_called_damaged(long_file, tmp_path, monkeypatch):
    """What was opened is read to its end, whatever has its name by then."""
    other, read = tmp_path / "other.h5", guard._read
    other.write_bytes(bytes(3 * HASHED_BLOCK))

    def replaced(stream, start: int, room: memoryview) -> memoryview:
        if other.exists():
            other.replace(long_file)
        return read(stream, start, room)

    monkeypatch.setattr(guard, "_read", replaced)
    check_seal(long_file)
    with pytest.raises(InputError, match="not an HDF5 file"):
        check_seal(long_file)


def test_a_seal_of_a_later_version_is_named_and_its_part_stays(tmp_path):
    parts = Parts(tmp_path / "s.h5")
    parts.folder.mkdir()
    write_part(parts.path("k"), {"y": np.arange(3)})
    parts.path("k").write_bytes(parts.path("k").read_bytes().replace(b"PHYSNN1", b"PHYSNN3"))
    for call in (check_seal, read_part):
        with pytest.raises(InputError, match=r"newer physnn .*upgrade"):
            call(parts.path("k"))
    with pytest.raises(InputError, match="upgrade"):
        parts.finished("k")
    assert parts.path("k").exists()
    with pytest.raises(InputError, match="which other data do not replace"):
        write_bytes(parts.path("k"), b"x")
