"""Files of strangers that claim or unpack to far more than they are: refused in one line, within 300 MB and seconds.

One for each place where a file from anyone is read, `PLACES`; those of HDF5 are in `tests/store/test_guard.py`.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn.cli.call import read_config
from physnn.errors import InputError
from physnn.jobs.progress import read_note
from physnn.networks.pde import known
from physnn.networks.pde.problems import PROBLEMS
from physnn.networks.sentiment import reviews
from physnn.samples import named
from physnn.store.tables import cells
from physnn.store.tables.packed import read_bytes

ZEROS = bytes(10**8)
DEEP = "[" * 10**5


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side: int) -> bytes:
    """A picture that claims to be a square."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")


def npy(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    """An array of numbers that claims a shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def npz(**arrays: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def idx(*shape: int) -> bytes:
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)


LINES = "\n".join(f"{L} {x} 0.5 0.1" for L in (8, 16) for x in (1, 2, 3, 4))
"""A table that is sound, for what goes beside one."""
SEAM, IMAGES, WAIT = "seam --L 4 --T 1 --model coupling ", "train classify --data ", " --dry-run"
PLACES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "table, gzip of zeros": ("t.csv", lambda: gzip.compress(ZEROS), "fit t.csv"),
    "table, xz of zeros": ("t.csv", lambda: lzma.compress(ZEROS, preset=1), "fit t.csv"),
    "table of 10^7 columns": ("t.csv", lambda: b"1," * 10**7, "fit t.csv"),
    "table of a million short lines": ("t.csv", lambda: b"1\n" * 10**6, "fit t.csv"),
    "table, names in 10^7 columns": ("t.csv", lambda: b"a;" * 10**7, "report t.csv"),
    "covariance that claims much": ("c.npy", lambda: npy((10**5, 10**5)), "fit lines.txt --covariance c.npy"),
    "covariance, gzip of zeros": ("c.txt", lambda: gzip.compress(ZEROS), "fit lines.txt --covariance c.txt"),
    "coupling that claims much": ("j.npy", lambda: npy((2**20, 2**10, 3, 3)), SEAM + "j.npy"),
    "coupling, npz of zeros": ("j.npz", lambda: npz(coupling=npy((1, 1, 1, 125 * 10**5), ZEROS)), SEAM + "j.npz"),
    "settings, deep JSON": ("s.json", DEEP.encode, "sweep-temperature --config s.json"),
    "settings, deep TOML": ("s.toml", ("a = " + DEEP).encode, "sweep-temperature --config s.toml"),
    "settings of 100 MB": ("s.toml", lambda: ZEROS, "sweep-temperature --config s.toml"),
    "networks, zeros": ("n.h5", lambda: ZEROS, "sweep-noise --networks n.h5"),
    "picture of 50,000 x 50,000": ("images/a/1.png", lambda: png(50_000), IMAGES + "images"),
    "picture of 25,000 x 25,000": ("images/a/1.png", lambda: png(25_000), IMAGES + "images"),
    "packed IDX": ("i.gz", lambda: gzip.compress(idx(2**16, 2**8, 2**8) + ZEROS), IMAGES + "i.gz"),
    "images, npz that claims much": (
        "i.npz", lambda: npz(images=npy((2**30, 8)), labels=npy((9,))), IMAGES + "i.npz"
    ),
    "CIFAR, a pickle that repeats": ("batch", lambda: b"\x80\x04]" + b"(" * 10**6 + b"l.", IMAGES + "batch"),
    "reference, xz of zeros": ("r.xz", lambda: lzma.compress(ZEROS, preset=1), "train pde burgers --reference r.xz"),
    "reviews, xz of one line": ("r.xz", lambda: lzma.compress(ZEROS, preset=1), "train sentiment r.xz"),
    "reviews, deep JSON": ("r.jsonl", DEEP.encode, "train sentiment r.jsonl"),
    "weights, zeros": ("w.safetensors", lambda: ZEROS, "diagnose w.safetensors"),
    "notes of a run, deep": ("s.h5.parts/recipe.json", DEEP.encode, "status s.h5"),
    "to verify, gzip of zeros": ("v.h5", lambda: gzip.compress(ZEROS), "verify --untrusted v.h5"),
    "to verify, npz": ("v.npz", lambda: npz(a=ZEROS), "verify --untrusted v.npz"),
}  # fmt: skip
"""File, what is in it, and the command that reads it."""
RUN = """
import json, os, resource, sys, time
import h5py, matplotlib.figure, numba, PIL.Image, scipy.optimize, scipy.stats, torch
import physnn.cli
for folder, words in json.loads(sys.stdin.read()):
    if os.fork() == 0:  # a process of its own, in which libraries are loaded already
        os.chdir(folder)
        before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            status = physnn.cli.run(words)
        except BaseException as error:
            status = repr(error)
        sys.stderr.flush()
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps([status, used / 1024, time.process_time() - begin]), flush=True)
        print("next", file=sys.stderr, flush=True)
        os._exit(0)
    os.wait()
"""
MEGABYTES, SECONDS = 300, 20


@pytest.mark.slow
def test_whatever_a_stranger_packs_is_refused_in_one_line_within_bounds(tmp_path):
    calls = []
    for k, (name, made, words) in enumerate(PLACES.values()):
        place = tmp_path / str(k) / name
        place.parent.mkdir(parents=True)
        place.write_bytes(made())
        (tmp_path / str(k) / "lines.txt").write_text(LINES)
        calls.append((str(tmp_path / str(k)), words.split()))
    path = os.pathsep.join(filter(None, [str(Path(physnn.__file__).parent.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(calls),
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    found, said = [json.loads(line) for line in done.stdout.splitlines()], done.stderr.split("next\n")
    wrong = {
        name: (status, used, seconds, text)
        for name, (status, used, seconds), text in zip(PLACES, found, said, strict=False)
        if status != 2 or used > MEGABYTES or seconds > SECONDS or text.count("\n") != 1 or "could not be" in text
        or "Error" not in text or len(text) > 400
    }  # fmt: skip
    assert len(found) == len(PLACES) and not wrong, wrong


def refused(call: Callable[[], object], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        call()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_what_unpacks_to_more_than_its_reader_takes_is_not_unpacked(tmp_path, monkeypatch):
    """The same at small limits, where nothing large is made."""
    file, zeros = tmp_path / "file", bytes(10**6)
    for pack in (gzip.compress, lzma.compress, bytes):
        file.write_bytes(pack(zeros))
        refused(lambda: read_bytes(file, 10**5), "there are more than 0.09")
        assert read_bytes(file, 10**6) == zeros
        file.write_bytes(pack(zeros)[:-8])
        if pack is not bytes:
            refused(lambda: read_bytes(file, 10**6), "the compressed file is (cut off|damaged)")
    monkeypatch.setattr(cells, "MOST_CELLS", 1000)
    for line in ("1," * 3000, "a;" * 3000, "1 " * 3000, "1\t" * 3000, "1 2 3\n" * 1000):
        refused(lambda line=line: cells.cells_of(line), "more than 1,000 numbers: average points first")
    monkeypatch.setattr(reviews, "LONGEST_LINE", 1000)
    (tmp_path / "r.xz").write_bytes(lzma.compress(zeros))
    refused(lambda: reviews.read_reviews(tmp_path / "r.xz"), "line 1 of .* is longer than 1,000 bytes")
    monkeypatch.setattr(known, "LARGEST_REFERENCE", 1000)
    (tmp_path / "p.xz").write_bytes(lzma.compress(zeros))
    refused(lambda: known.read_reference(tmp_path / "p.xz", PROBLEMS["burgers"]), "there are more than 0.00")
    monkeypatch.setattr(named, "LARGEST_COUPLING_FILE", 1000)
    for name, data in (("j.npz", npz(coupling=npy((1, 1, 1, 1000), bytes(8000)))), ("j.npy", npy((2**40,)))):
        (tmp_path / name).write_bytes(data)
        refused(lambda name=name: named.load_model(("coupling", str(tmp_path / name))), "that the file does not hold")
    monkeypatch.setattr("physnn.cli.call.LARGEST_SETTINGS", 1000)
    for name, text in (("s.toml", "# " * 1000), ("s.json", " " * 2000)):
        (tmp_path / name).write_text(text)
        refused(lambda name=name: read_config(tmp_path / name), "longer than 0 MB, which no settings are")
    assert read_note(DEEP) == (0.0, "")
