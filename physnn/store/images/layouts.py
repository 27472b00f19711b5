"""Labelled images in the layouts in which data sets are published; the layout is found from what lies at a path.

CIFAR-10 and CIFAR-100 (python batches), MNIST-like IDX files (plain or gzip), folders of class images, npz.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np

from physnn.errors import InputError
from physnn.store.images.arrays import MAX_BYTES, npz_names, read_npz
from physnn.store.images.folder import class_names, read_folder
from physnn.store.images.unpickle import PickledArray, unpickle_data

Part = Literal["train", "test", "all"]
"""Published part of a data set."""
Labelled = tuple[np.ndarray, np.ndarray]
"""Images ``(n, channels, H, W)``, uint8 or float32, and labels ``(n,)``, int64."""
MAX_BATCH = 2**28
"""Largest size of a pickled batch in bytes; the largest, of CIFAR-100, has 155 million."""
MAX_CLASSES = 100_000
"""Largest number of classes; a convention, far above published sets."""


@dataclass(frozen=True)
class Layout:
    """Layout of a data set: its kind and published parts, a reader of a part, and a reader of the names of classes."""

    kind: str
    parts: tuple[str, ...]
    read: Callable[[str], Labelled]
    classes: Callable[[], tuple[str, ...]]


def read_images(
    path: Path, part: Part = "all", side: int | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images, labels and names of classes of a published part of a data set, or of all, training images first.

    The path is the folder that a published archive unpacks to (or the one around it), or a file.  Folders of images are
    resized to squares of a side (pixels).

    Raises
    ------
    InputError
        If nothing that is known is there, the part does not exist, or a file is damaged or unsafe.
    """
    layout = find_layout(path, side)
    if part != "all" and part not in layout.parts:
        raise InputError(f"{path} has no part {part!r}; take all of it and split it by a seed")
    with _readable(path, "the files are whole and yours to read"):
        read = [layout.read(name) for name in layout.parts if part in ("all", name)]
        if len({(images.shape[1:], images.dtype) for images, _ in read}) > 1:
            raise InputError(f"the parts of {path} hold images of different shapes or types; read one of them")
        images, labels = read[0] if len(read) == 1 else tuple(map(np.concatenate, zip(*read, strict=True)))
        classes = layout.classes()
    if len(images) == 0:
        raise InputError(f"there are no images in {path}; give another path")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise InputError(
            f"labels in {path} reach from {labels.min()} to {labels.max()} where there are {len(classes)} classes; "
            "fetch the files again"
        )
    return images, labels, classes


@contextmanager
def _readable(path: Path, needed: str) -> Iterator[None]:
    try:
        yield
    except OSError:
        raise InputError(f"{path} cannot be read; check that {needed}") from None
    except MemoryError:
        raise InputError(
            f"the images in {path} do not fit into memory; read one part, or take a smaller side"
        ) from None


def find_layout(path: Path, side: int | None = None) -> Layout:
    """Layout of the data set at a path; raises InputError if it is none that is known."""
    if side is not None and not 1 <= side <= 4096:
        raise InputError(f"images cannot have a side of {side} pixels; take 1 to 4096")
    with _readable(path, "it is yours to read"):
        if path.is_dir():
            return _cifar_folder(path) or _idx_folder(path) or _class_folders(path, side)
        if not path.is_file():
            raise InputError(f"there is nothing at {path}; give the folder or file of a data set")
        with path.open("rb") as file:
            start = file.read(4)
    if start[:2] == b"PK":
        return _npz(path)
    if start[:2] == b"\x1f\x8b" or start[:3] == b"\0\0\x08":
        return _idx({"all": path})
    if start[:1] == b"\x80":
        return Layout("cifar", ("all",), lambda _: _batch(path), lambda: _numbers([_batch(path)[1]]))
    raise InputError(f"{path} is in no known layout; give CIFAR batches, IDX files, an npz file or folders of images")


def _numbers(labels: Iterable[np.ndarray]) -> tuple[str, ...]:
    """Names of classes without names: "0", "1", ... up to the largest label."""
    largest = max((int(values.max()) for values in labels if len(values)), default=0)
    if largest >= MAX_CLASSES:
        raise InputError(f"there is a label {largest}; labels count classes from 0 and stay below {MAX_CLASSES}")
    return tuple(map(str, range(largest + 1)))


def _paired(images: np.ndarray, labels: np.ndarray, path: Path, advice: str) -> Labelled:
    """Images with their labels; raises InputError if they are not as many."""
    if len(images) != len(labels):
        raise InputError(f"{path} holds {len(labels)} labels for {len(images)} images; {advice}")
    return images, labels.astype(np.int64)


# CIFAR: pickled dictionaries with rows of 3 x 32 x 32 bytes.

CIFAR10 = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}
"""Files of training and of test images; names of classes are in ``batches.meta``."""
CIFAR100 = {"train": ["train"], "test": ["test"]}
"""Files of training and of test images; names of classes are in ``meta``."""


def _cifar_folder(path: Path) -> Layout | None:
    for folder in (path, path / "cifar-10-batches-py", path / "cifar-100-python"):
        if (folder / "data_batch_1").is_file() or (folder / "batches.meta").is_file():
            return _cifar(folder, "cifar10", CIFAR10, "batches.meta", "label_names")
        if all((folder / name).is_file() for name in ("train", "test", "meta")):
            return _cifar(folder, "cifar100", CIFAR100, "meta", "fine_label_names")
    return None


def _cifar(folder: Path, kind: str, files: dict[str, list[str]], meta: str, key: str) -> Layout:
    def read(part: str) -> Labelled:
        images, labels = zip(*(_batch(folder / name) for name in files[part]), strict=True)
        return np.concatenate(images), np.concatenate(labels)

    return Layout(kind, tuple(files), read, lambda: _names(folder / meta, key))


def _load(path: Path) -> dict[object, object]:
    try:
        if path.stat().st_size > MAX_BATCH:
            raise InputError(f"{path} is larger than any batch of CIFAR; give the published files")
        content = unpickle_data(path.read_bytes())
    except OSError:
        raise InputError(f"{path} cannot be read; fetch all files of the data set") from None
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is no batch of CIFAR; give the published files")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}


def _batch(path: Path) -> Labelled:
    content = _load(path)
    data, labels = content.get("data"), content.get("labels", content.get("fine_labels"))
    try:
        rows = data.array() if isinstance(data, PickledArray) else None
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from None
    if rows is None or rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 3072:
        raise InputError(f"{path} holds no rows of 3072 bytes under 'data'; give the published files of CIFAR")
    if not isinstance(labels, list) or not all(type(v) is int and 0 <= v < MAX_CLASSES for v in labels):
        raise InputError(f"{path} holds no list of whole numbers as labels; give the published files of CIFAR")
    return _paired(rows.reshape(-1, 3, 32, 32), np.array(labels, np.int64), path, "fetch it again")


def _names(path: Path, key: str) -> tuple[str, ...]:
    names = _load(path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise InputError(f"{path} holds no list {key!r}; fetch it again")
    return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)


# IDX: two zero bytes, type (8: unsigned bytes), number of dimensions, dimensions as big-endian words, values.


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Array of unsigned bytes in an IDX file, plain or gzip."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if packed else plain
            magic = file.read(4)
            if magic != bytes((0, 0, 8, dimensions)):
                raise InputError(f"{path} is no IDX file of bytes in {dimensions} dimensions; give the published files")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            size = math.prod(shape)
            if size > MAX_BYTES:
                raise InputError(f"{path} claims {size} bytes, more than {MAX_BYTES}; fetch it again")
            values = bytearray()
            while len(values) <= size and (chunk := file.read(min(2**24, size + 1 - len(values)))):
                values += chunk
    except (OSError, EOFError, zlib.error, struct.error):
        raise InputError(f"{path} is missing, cut short or damaged; fetch it again") from None
    if len(values) != size:
        found = "more" if len(values) > size else f"only {len(values)}"
        raise InputError(f"{path} claims {size} values and holds {found}; fetch it again")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _labels_beside(path: Path) -> Path:
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path:
        raise InputError(f"{path} is not named like a file of images; name it ...images-idx3-ubyte")
    return beside


def _idx(files: dict[str, Path]) -> Layout:
    def read(part: str) -> Labelled:
        images, beside = _read_idx(files[part], 3), _labels_beside(files[part])
        return _paired(images[:, None], _read_idx(beside, 1), beside, "fetch both again")

    def classes() -> tuple[str, ...]:
        return _numbers(_read_idx(_labels_beside(path), 1) for path in files.values())

    return Layout("idx", tuple(files), read, classes)


def _idx_folder(folder: Path) -> Layout | None:
    found: dict[str, Path] = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        names = [f"{prefix}-images{mark}idx3-ubyte{end}" for mark in "-." for end in ("", ".gz")]
        files = [folder / name for name in names if (folder / name).is_file()]
        found |= {part: files[0]} if files else {}
    return _idx(found) if found else None


# Folders of class images, with or without folders train and test around them.


def _class_folders(folder: Path, side: int | None) -> Layout:
    names = class_names(folder)
    if not names:
        raise InputError(f"{folder} is empty; give CIFAR batches, IDX files or folders of images")
    if set(names) != {"train", "test"}:
        return Layout("folders", ("all",), lambda _: read_folder(folder, names, side), lambda: names)
    classes = tuple(sorted(set(class_names(folder / "train")) | set(class_names(folder / "test"))))
    return Layout("folders", ("train", "test"), lambda part: read_folder(folder / part, classes, side), lambda: classes)


# npz: arrays x or images, y or labels; or x_train, y_train, x_test, y_test; classes if there are names.


def shaped_images(path: Path, images: np.ndarray) -> np.ndarray:
    """Images as ``(n, channels, H, W)``, uint8 or float32; raises InputError if they are none."""
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"images in {path} have shape {images.shape}; save (n, H, W) or (n, channels, H, W)")
    if images.dtype.kind == "f":
        with np.errstate(over="ignore"):
            images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise InputError(f"images in {path} hold values that are not finite; save finite float32 numbers")
    elif images.min() < 0 or images.max() > 255:
        raise InputError(f"images in {path} hold whole numbers outside 0 to 255; save uint8 or float32")
    else:
        images = images.astype(np.uint8)
    return np.ascontiguousarray(images)


def _labels(path: Path, name: str) -> np.ndarray:
    labels = read_npz(path, {name: "iu"})[name]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or (len(labels) and not 0 <= labels.min() <= labels.max() < MAX_CLASSES):
        raise InputError(
            f"{name} in {path} is no list of classes counted from 0; save one whole number for every image"
        )
    return labels.astype(np.int64)


def _npz(path: Path) -> Layout:
    names = npz_names(path) or set()
    pairs = {
        part: (x + end, y + end)
        for end, part in (("", "all"), ("_train", "train"), ("_test", "test"))
        for x, y in (("images", "labels"), ("x", "y"))
        if {x + end, y + end} <= names
    }
    if not pairs or ("all" in pairs and len(pairs) > 1):
        raise InputError(f"{path} must hold arrays images and labels, or x and y, or x_train, y_train, x_test, y_test")

    def read(part: str) -> Labelled:
        x, y = pairs[part]
        return _paired(shaped_images(path, read_npz(path, {x: "uif"})[x]), _labels(path, y), path, "save as many")

    def classes() -> tuple[str, ...]:
        if "classes" in names:
            given = read_npz(path, {"classes": "U"})["classes"]
            if given.ndim != 1 or len(given) >= MAX_CLASSES:
                raise InputError(f"classes in {path} have shape {given.shape}; save a list of names")
            return tuple(map(str, given))
        return _numbers(_labels(path, y) for _, y in pairs.values())

    return Layout("npz", tuple(pairs), read, classes)
