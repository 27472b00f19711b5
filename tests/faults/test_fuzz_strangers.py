"""Mutants of files that others write, safetensors and images: refused, or sound numbers; no crash, no hang."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from physnn import rng
from tests.faults.fuzz import changed, outcomes


def drawn(*shape: int) -> np.ndarray:
    return rng.stream(0, "synthetic", "strangers").integers(0, 256, shape).astype(np.uint8)


def idx(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, images=drawn(4, 3, 3), labels=np.arange(4))
    return file.getvalue()


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(drawn(6, 6) // (1 + shade)).save(file, "png")
    return file.getvalue()


WEIGHTS = {"J": drawn(3, 3, 2).astype(np.float32), "c": np.ones(5, np.float16), "n": np.arange(4)}
KINDS: dict[str, dict[str, Callable[[], bytes]]] = {
    "weights.safetensors": {"": lambda: save(WEIGHTS)},
    "idx": {
        "train-images-idx3-ubyte": lambda: idx(drawn(6, 4, 3)),
        "train-labels-idx1-ubyte": lambda: idx(np.arange(6, dtype=np.uint8)),
    },
    "idx-packed": {
        "train-images-idx3-ubyte.gz": lambda: gzip.compress(idx(drawn(6, 4, 3))),
        "train-labels-idx1-ubyte.gz": lambda: gzip.compress(idx(np.arange(6, dtype=np.uint8))),
    },
    "cifar-batch": {"": lambda: pickle.dumps({b"data": drawn(2, 3072), b"labels": [3, 5]}, 2)},
    "images.npz": {"": npz},
    "folders": {f"{name}/{k}.png": lambda k=k: png(k) for name in ("cat", "dog") for k in (1, 2)},
}
"""A file or a folder of each kind: names inside it, and what they hold."""


def repacked(whole: bytes, generator: np.random.Generator) -> bytes:
    """Change what lies inside a packed file, whose checksums are right again; a file that is not packed itself."""
    if whole[:2] == b"\x1f\x8b":
        return gzip.compress(changed(gzip.decompress(whole), generator))
    if whole[:2] == b"PK":
        file, archive = io.BytesIO(), zipfile.ZipFile(io.BytesIO(whole))
        victim = archive.namelist()[generator.integers(len(archive.namelist()))]
        with zipfile.ZipFile(file, "w") as new:
            for name in archive.namelist():
                content = archive.read(name)
                new.writestr(name, changed(content, generator) if name == victim else content)
        return file.getvalue()
    return changed(whole, generator)


def write(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        target = path / name if name else path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def found_in_mutants(kind: str, count: int, folder: Path) -> Counter[str]:
    files = {name: content() for name, content in KINDS[kind].items()}
    original = write(folder / "original" / kind, files)
    generator, paths = rng.stream(0, "synthetic", "mutants", kind), []
    for k in range(count):
        victim = sorted(files)[generator.integers(len(files))]
        change = repacked if k % 2 else changed
        paths.append(write(folder / str(k) / kind, files | {victim: change(files[victim], generator)}))
    found = Counter(outcomes([original, *paths], original))
    print(kind, dict(found))
    return found


@pytest.mark.parametrize(
    ("kind", "count"),
    [(kind, 60) for kind in KINDS] + [pytest.param(kind, 3000, marks=pytest.mark.slow) for kind in KINDS],
)
def test_mutants_are_refused_or_sound(tmp_path, kind, count):
    found = found_in_mutants(kind, count, tmp_path)
    assert found.keys() <= {"refused", "same", "other"} and found["same"] >= 1
    assert found["refused"] > count / 10
    if kind != "cifar-batch":
        assert found["other"] >= 1, "without a seal some changes make other sound numbers"
