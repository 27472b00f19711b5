from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError, Unfinished
from physnn.store import guard, hdf5
from physnn.store.guard import check_seal, seal
from physnn.store.hdf5 import Variable, content_digest, open_sealed, read_group, write_sealed

ATTRS = {"format": "physnn-test", "format_version": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    group = {
        "x": Variable(("x",), np.arange(3.0), {"units": "dimensionless"}),
        "y": Variable(("x", "sample"), np.arange(6.0).reshape(3, 2)),
    }
    write_sealed(tmp_path / "a.h5", {"/g": group}, ATTRS)
    return tmp_path / "a.h5"


def test_what_is_written_is_read(file):
    with open_sealed(file, "physnn-test", 1) as h5:
        group = read_group(h5["g"])
    assert group["y"].dims == ("x", "sample")
    assert np.array_equal(group["y"].values, np.arange(6.0).reshape(3, 2))
    assert group["x"].attrs == {"units": "dimensionless"}


def test_every_flipped_byte_and_every_truncation_is_seen(file):
    whole = file.read_bytes()
    generator = rng.stream(0, "synthetic", "damage")
    for at in [*range(0, 64), *range(len(whole) - 110, len(whole)), *generator.integers(0, len(whole), 200)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(generator.integers(8))
        file.write_bytes(damaged)
        with pytest.raises(InputError):
            check_seal(file)
        file.write_bytes(whole[:at])
        with pytest.raises(InputError):
            check_seal(file)
    file.write_bytes(whole + b"x")
    with pytest.raises(InputError):
        check_seal(file)
    file.write_bytes(whole)
    check_seal(file)


def test_missing_text_and_foreign_files_are_named(tmp_path):
    cases = (("no", None, "no file"), ("t", b"hello", "not an HDF5"), ("f", None, "no physnn seal"))
    for name, content, words in cases:
        path = tmp_path / f"{name}.h5"
        if name == "f":
            h5py.File(path, "w").close()
        elif content:
            path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            check_seal(path)


def test_other_kinds_and_newer_versions_are_refused(file):
    for kind, version, words in (("physnn-sweep", 1, "kind"), ("physnn-test", 0, "newer")):
        with pytest.raises(InputError, match=words), open_sealed(file, kind, version):
            pass


@pytest.mark.parametrize("trick", ["external link", "soft link", "external storage", "virtual"])
def test_nothing_outside_the_file_is_read_even_with_a_valid_seal(tmp_path, trick):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as h5:
        h5["s"] = np.arange(4)
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w", libver="v110") as h5:
        h5.attrs.update({"format": np.bytes_(b"physnn-test"), "format_version": 1})
        if trick == "external link":
            h5["d"] = h5py.ExternalLink(str(secret), "/s")
        elif trick == "soft link":
            h5["d"] = h5py.SoftLink("/elsewhere")
        elif trick == "external storage":
            h5.create_dataset("d", (4,), "i8", external=[(str(secret), 0, 32)])
        else:
            layout = h5py.VirtualLayout((4,), "i8")
            layout[:] = h5py.VirtualSource(str(secret), "s", (4,))
            h5.create_virtual_dataset("d", layout)
    seal(path)
    with pytest.raises(InputError, match="refused"), open_sealed(path, "physnn-test", 1):
        pass


def test_a_declared_size_beyond_reason_is_refused(tmp_path):
    path = tmp_path / "big.h5"
    with h5py.File(path, "w") as h5:
        h5.attrs.update({"format": np.bytes_(b"physnn-test"), "format_version": 1})
        h5.create_dataset("d", (10**12,), "f8", chunks=(1000,))
    seal(path)
    with pytest.raises(InputError, match="8000 GB"), open_sealed(path, "physnn-test", 1):
        pass


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_failure_at_any_moment_leaves_the_old_file(file, monkeypatch, moment):
    old = file.read_bytes()

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    target = {"write": (hdf5, "_write_group"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[moment]
    monkeypatch.setattr(*target, fail)
    with pytest.raises(Unfinished, match=r"No space.*free some space"):
        write_sealed(file, {"/g": {}}, ATTRS)
    monkeypatch.undo()
    assert file.read_bytes() == old
    assert list(file.parent.iterdir()) == [file]


def test_the_digest_covers_data_and_not_attributes(tmp_path, file):
    def digest(value: float, unit: str) -> str:
        write_sealed(tmp_path / "b.h5", {"/": {"v": Variable(("n",), np.full(2, value), {"units": unit})}}, ATTRS)
        return content_digest(tmp_path / "b.h5")

    assert digest(1.0, "a") == digest(1.0, "b") != digest(2.0, "a")


def test_lengths_that_do_not_fit_are_refused_at_writing(tmp_path):
    group = {"x": Variable(("x",), np.arange(3)), "y": Variable(("x",), np.arange(4))}
    with pytest.raises(ValueError, match="length 4"):
        write_sealed(tmp_path / "c.h5", {"/": group}, ATTRS)
    assert not (tmp_path / "c.h5").exists()


def test_a_file_that_is_as_it_was_is_hashed_once_and_one_that_was_touched_again(tmp_path, monkeypatch):
    path, hashed, digest = tmp_path / "a.h5", [], guard._trailer
    write_sealed(
        path, {"/": {"x": Variable(("x",), np.arange(1000.0))}}, {"format": "physnn-sweep", "format_version": 1}
    )
    monkeypatch.setattr(guard, "_trailer", lambda *words: hashed.append(words) or digest(*words))
    check_seal(path)
    check_seal(path)
    assert len(hashed) == 2  # written just now: a further change might not show in its times
    monkeypatch.setattr(guard, "SETTLED", 0.0)
    time.sleep(0.05)
    check_seal(path)
    check_seal(path)
    assert len(hashed) == 3
    times = path.stat()
    with path.open("r+b") as stream:
        stream.seek(3000)
        stream.write(b"!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    time.sleep(0.05)
    with pytest.raises(InputError, match="damaged"):
        check_seal(path)
