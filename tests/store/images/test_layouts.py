"""Data sets written here in their published layouts are read; damaged and hostile ones end in one clear sentence."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from physnn import rng
from physnn.errors import InputError
from physnn.store.images import arrays, layouts
from physnn.store.images import folder as image_folder
from physnn.store.images.layouts import find_layout, read_images


def drawn(name: str, *shape: int) -> np.ndarray:
    return rng.stream(0, "synthetic", name).integers(0, 256, shape).astype(np.uint8)


def refused(path: Path, match: str, **options) -> None:
    """Reading raises InputError with one sentence that matches."""
    with pytest.raises(InputError, match=match) as caught:
        read_images(path, **options)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400 + 2 * len(str(path))


# CIFAR


def write_cifar10(folder: Path, n: int = 4, protocol: int = 2) -> np.ndarray:
    folder.mkdir(parents=True)
    rows = drawn("cifar", 6 * n, 3072)
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        batch = {
            b"batch_label": b"part",
            b"data": rows[k * n : (k + 1) * n],
            b"labels": [(k * n + i) % 10 for i in range(n)],
            b"filenames": [b"x.png"] * n,
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol))
    meta = {b"num_cases_per_batch": n, b"label_names": [f"name{i}".encode() for i in range(10)], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    return rows


@pytest.mark.parametrize("protocol", [2, 5])
def test_cifar10(tmp_path, protocol):
    rows = write_cifar10(tmp_path / "cifar-10-batches-py", protocol=protocol)
    for path in (tmp_path, tmp_path / "cifar-10-batches-py"):
        train, labels, classes = read_images(path, "train")
        assert train.dtype == np.uint8 and train.shape == (20, 3, 32, 32)
        # Each row: the red channel, row by row, then green, then blue.
        assert train[7, 1, 2, 3] == rows[7, 1024 + 2 * 32 + 3]
        assert labels.dtype == np.int64 and labels.tolist() == [i % 10 for i in range(20)]
        assert classes == tuple(f"name{i}" for i in range(10))
    test, labels, _ = read_images(path, "test")
    assert np.array_equal(test.reshape(4, -1), rows[20:]) and labels.tolist() == [0, 1, 2, 3]
    every, _, _ = read_images(path)
    assert np.array_equal(every.reshape(24, -1), rows)
    one, labels, _ = read_images(path / "data_batch_2")
    assert np.array_equal(one.reshape(4, -1), rows[4:8]) and labels.tolist() == [4, 5, 6, 7]


def test_cifar100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name, n in (("train", 5), ("test", 3)):
        batch = {
            b"data": drawn(name, n, 3072),
            b"fine_labels": list(range(95, 95 + n)),
            b"coarse_labels": [0] * n,
        }
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    names = [f"fine{i}".encode() for i in range(100)]
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": names, b"coarse_label_names": [b"c"]}, 2))
    every, labels, classes = read_images(tmp_path)
    assert every.shape == (8, 3, 32, 32) and labels.tolist() == [95, 96, 97, 98, 99, 95, 96, 97]
    assert len(classes) == 100 and classes[95] == "fine95"


class Runs:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_a_cifar_batch_with_code_is_refused_and_nothing_runs(tmp_path):
    write_cifar10(tmp_path / "c")
    batch = {b"data": drawn("code", 4, 3072), b"labels": [0, 1, 2, 3], b"filenames": Runs(tmp_path / "it-ran")}
    (tmp_path / "c" / "data_batch_3").write_bytes(pickle.dumps(batch, 2))
    refused(tmp_path / "c", r"data_batch_3 is refused: .*'posix\.system', which is no data; fetch")
    refused(tmp_path / "c" / "data_batch_3", "which is no data")
    assert not (tmp_path / "it-ran").exists()


GOOD_ROWS = drawn("rows", 2, 3072)


@pytest.mark.parametrize(
    ("batch", "match"),
    [
        ({b"data": GOOD_ROWS, b"labels": [1]}, "1 labels for 2 images"),
        ({b"data": GOOD_ROWS, b"labels": [1, -1]}, "no list of whole numbers"),
        ({b"data": GOOD_ROWS, b"labels": [1, 2**70]}, "no list of whole numbers"),
        ({b"data": GOOD_ROWS, b"labels": [1, True]}, "no list of whole numbers"),
        ({b"data": GOOD_ROWS, b"labels": [1, 10]}, "labels in .* reach from .* 10 classes"),
        ({b"data": GOOD_ROWS}, "no list of whole numbers"),
        ({b"data": GOOD_ROWS[:, 1:], b"labels": [1, 2]}, "rows of 3072 bytes"),
        ({b"data": GOOD_ROWS.astype(np.int64), b"labels": [1, 2]}, "rows of 3072 bytes"),
        ({b"data": [[0] * 3072] * 2, b"labels": [1, 2]}, "rows of 3072 bytes"),
        ({b"data": np.array([None, {}]), b"labels": [1, 2]}, "data_batch_1 is refused: an array .* not of numbers"),
        ([1, 2], "is no batch of CIFAR"),
    ],
)
def test_wrong_batches(tmp_path, batch, match):
    write_cifar10(tmp_path / "c", n=2)
    (tmp_path / "c" / "data_batch_1").write_bytes(pickle.dumps(batch, 2))
    refused(tmp_path / "c", match)


def test_missing_and_cut_batches(tmp_path, monkeypatch):
    write_cifar10(tmp_path / "c")
    file = tmp_path / "c" / "test_batch"
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    refused(tmp_path / "c", "test_batch is refused: .*cut short")
    file.unlink()
    refused(tmp_path / "c", "test_batch cannot be read; fetch all files")
    file.write_bytes(whole)
    (tmp_path / "c" / "batches.meta").write_bytes(pickle.dumps({b"label_names": [1, 2]}, 2))
    refused(tmp_path / "c", "no list 'label_names'")
    monkeypatch.setattr(layouts, "MAX_BATCH", 1000)
    refused(tmp_path / "c", "larger than any batch")


# IDX


def idx(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_mnist(folder: Path, packed: bool, mark: str = "-") -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    pixels, labels = drawn("mnist", 9, 28, 28), np.arange(9, dtype=np.uint8)
    for prefix, chosen in (("train", slice(0, 6)), ("t10k", slice(6, 9))):
        for kind, values in (("images-idx3", pixels[chosen]), ("labels-idx1", labels[chosen])):
            name = f"{prefix}-{kind.replace('-', mark)}-ubyte" + (".gz" if packed else "")
            (folder / name).write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return pixels, labels


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("mark", ["-", "."])
def test_idx(tmp_path, packed, mark):
    pixels, labels = write_mnist(tmp_path, packed, mark)
    found, numbers, classes = read_images(tmp_path)
    assert found.shape == (9, 1, 28, 28) and found.dtype == np.uint8
    assert np.array_equal(found[:, 0], pixels) and np.array_equal(numbers, labels)
    assert classes == tuple("012345678")
    found, numbers, classes = read_images(tmp_path, "train")
    assert np.array_equal(found[:, 0], pixels[:6]) and len(classes) == 9, "classes are those of all parts"
    (file,) = tmp_path.glob("t10k-images*")
    found, numbers, _ = read_images(file)
    assert np.array_equal(found[:, 0], pixels[6:]) and numbers.tolist() == [6, 7, 8]


IMAGES = drawn("idx", 6, 28, 28)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (idx(IMAGES)[:-1], "claims 4704 values and holds only 4703"),
        (idx(IMAGES)[:10], "cut short"),
        (idx(IMAGES) + b"x", "claims 4704 values and holds more"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1), r"claims \d+ bytes, more than"),
        (b"\0\0\x0d\x03" + idx(IMAGES)[4:], "no IDX file of bytes in 3 dimensions"),
        (idx(IMAGES[0]), "no IDX file of bytes in 3 dimensions"),
        (idx(IMAGES[:0]), "0 images"),
        (gzip.compress(idx(IMAGES))[:-4], "cut short or damaged"),
        (gzip.compress(idx(IMAGES))[:-8] + b"\0" * 8, "cut short or damaged"),
        (gzip.compress(idx(IMAGES))[:900] + b"\xff" * 500, "cut short or damaged"),
        (gzip.compress(idx(IMAGES) + bytes(10**7)), "holds more"),
        (b"", "no IDX file"),
    ],
)
def test_damaged_idx(tmp_path, content, match):
    write_mnist(tmp_path, packed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    refused(tmp_path, match)


def test_wrong_idx_labels(tmp_path):
    write_mnist(tmp_path, packed=False)
    file = tmp_path / "train-labels-idx1-ubyte"
    refused(file, "no IDX file|not named like")
    file.write_bytes(idx(np.arange(7, dtype=np.uint8)))
    refused(tmp_path, "7 labels for 6 images; fetch both again")
    file.unlink()
    refused(tmp_path, "train-labels-idx1-ubyte is missing")
    other = tmp_path / "renamed"
    other.write_bytes(idx(IMAGES))
    refused(other, "not named like a file of images")


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    write_mnist(tmp_path, packed=True)
    monkeypatch.setattr(layouts, "MAX_BYTES", 2**20)
    bomb = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**21, 1, 1) + bytes(2**21)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bomb))
    refused(tmp_path, "claims 2097152 bytes, more than 1048576")


# Folders


def write_folders(folder: Path, mode: str = "RGB", size: tuple[int, int] = (6, 4)) -> dict[str, np.ndarray]:
    saved = {}
    for k, name in enumerate(["cat", "dog", "owl"]):
        (folder / name).mkdir(parents=True)
        for i in range(k + 1):
            shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
            saved[f"{name}/{i}.png"] = values = drawn(f"{name}{i}", *shape)
            Image.fromarray(values).save(folder / name / f"{i}.png")
    return saved


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_folders_of_class_images(tmp_path, mode):
    saved = write_folders(tmp_path, mode)
    (tmp_path / ".DS_Store").write_text("hidden files do not count")
    found, labels, classes = read_images(tmp_path)
    assert classes == ("cat", "dog", "owl") and labels.tolist() == [0, 1, 1, 2, 2, 2]
    assert found.shape == (6, 3 if mode == "RGB" else 1, 4, 6) and found.dtype == np.uint8
    for image, name in zip(found, sorted(saved), strict=True):
        assert np.array_equal(image, saved[name].transpose(2, 0, 1) if mode == "RGB" else saved[name][None])
    assert read_images(tmp_path, side=5)[0].shape[2:] == (5, 5)


def test_parts_in_folders(tmp_path):
    for part in ("train", "test"):
        write_folders(tmp_path / part)
    (tmp_path / "train" / "yak").mkdir()
    found, labels, classes = read_images(tmp_path, "test")
    assert len(found) == 6 and labels.max() == 2 and classes == ("cat", "dog", "owl", "yak")
    assert len(read_images(tmp_path)[0]) == 12


def test_a_png_named_jpg_is_read(tmp_path):
    saved = write_folders(tmp_path)
    (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / "0.JPEG")
    assert np.array_equal(read_images(tmp_path)[0][0], saved["cat/0.png"].transpose(2, 0, 1))


def png(width: int, height: int) -> bytes:
    """A PNG file of which nothing but the header is there."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", zipfile.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + end + struct.pack(">I", 0) + b"IDAT" + bytes(4)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("cat/notes.txt", b"some text", r"notes\.txt is no image"),
        ("cat/evil.png", b"some text", r"evil\.png cannot be read as an image"),
        ("cat/a/b.png", b"", "a is no image"),
        ("README.txt", b"some text", r"README\.txt lies beside folders of images"),
        ("cat/postscript.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read as an image"),
        ("cat/bomb.png", png(60_000, 60_000), "too many pixels"),
        ("cat/large.png", png(5000, 5000), "5000 x 5000 pixels; images may have"),
        ("cat/empty.png", png(6, 4), "is damaged"),
        ("cat/cut.png", encoded(Image.effect_noise((6, 4), 50))[:60], "is damaged|cannot be read"),
        ("cat/other.png", encoded(Image.new("RGB", (3, 3))), "another size than images before it; give a side"),
        ("cat/deep.png", encoded(Image.new("I;16", (6, 4))), "more than 8 bits"),
        ("cat/deep.tif", encoded(Image.new("F", (6, 4)), "TIFF"), "more than 8 bits"),
    ],
)
def test_hostile_folders(tmp_path, name, content, match):
    write_folders(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    refused(tmp_path, match)


def test_folders_without_images_or_too_many(tmp_path, monkeypatch):
    refused(tmp_path, "is empty; give")
    (tmp_path / "cat").mkdir()
    refused(tmp_path, "there are no images in")
    refused(tmp_path / "nothing", "there is nothing at")
    write_folders(tmp_path / "all")
    refused(tmp_path / "all", "take 1 to 4096", side=0)
    refused(tmp_path / "all", "has no part 'test'", part="test")
    monkeypatch.setattr(image_folder, "MAX_DECODED", 100)
    refused(tmp_path / "all", "more than 100 bytes; give a smaller side")


# npz


def saved(path: Path, **contents) -> Path:
    np.savez_compressed(path, **contents)
    return path


X, Y = drawn("npz", 5, 8, 8), np.array([0, 1, 2, 2, 1])


def test_npz(tmp_path):
    found, labels, classes = read_images(saved(tmp_path / "a.npz", images=X, labels=Y))
    assert np.array_equal(found[:, 0], X) and np.array_equal(labels, Y) and classes == ("0", "1", "2")
    colour = drawn("colour", 5, 8, 8, 3)
    path = saved(tmp_path / "b.npz", x_train=colour[:3], y_train=Y[:3, None], x_test=colour[3:], y_test=Y[3:])
    found, labels, _ = read_images(path, "train")
    assert np.array_equal(found, colour[:3].transpose(0, 3, 1, 2)) and labels.tolist() == [0, 1, 2]
    assert len(read_images(path)[0]) == 5
    path = saved(tmp_path / "c.npz", x=X[:, None] / 255, y=Y.astype(np.uint8), classes=np.array(["a", "b", "é"]))
    found, _, classes = read_images(path)
    assert found.dtype == np.float32 and np.array_equal(found, (X[:, None] / 255).astype(np.float32))
    assert classes == ("a", "b", "é")
    found, _, _ = read_images(saved(tmp_path / "d.npz", images=X.astype(np.int64), labels=Y))
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    ("contents", "match"),
    [
        ({"images": np.array([{}, []] * 5, object), "labels": Y}, "images in .* holds object where numbers belong"),
        ({"images": X, "labels": np.array([[], {}], object)}, "labels in .* holds object"),
        ({"images": X, "labels": Y, "classes": np.array([{}, {}, {}], object)}, "holds object where text belongs"),
        ({"images": X + 1j, "labels": Y}, "where numbers belong"),
        ({"images": X, "labels": Y / 2}, "where numbers belong"),
        ({"images": X, "labels": Y[:4]}, "4 labels for 5 images"),
        ({"images": X, "labels": Y - 1}, "no list of classes counted from 0"),
        ({"images": X, "labels": np.full(5, 2**62)}, "no list of classes counted from 0"),
        ({"images": X, "labels": Y, "classes": np.array(["a", "b"])}, "2 classes"),
        ({"images": X, "labels": Y, "classes": np.array([["a", "b"]])}, "save a list of names"),
        ({"images": X[0], "labels": Y}, r"images in .* have shape \(8, 8\)"),
        ({"images": X[:, :0], "labels": Y}, "have shape"),
        ({"images": X[:0], "labels": Y[:0]}, "have shape"),
        ({"images": X.astype(int) * 2, "labels": Y}, "outside 0 to 255"),
        ({"images": X * np.nan, "labels": Y}, "not finite"),
        ({"images": X * 1e300, "labels": Y}, "not finite"),
        ({"pictures": X, "labels": Y}, "must hold arrays images and labels"),
        ({"images": X, "labels": Y, "x_train": X, "y_train": Y}, "must hold arrays images and labels"),
    ],
)
def test_wrong_npz(tmp_path, contents, match):
    refused(saved(tmp_path / "a.npz", **contents), match)


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def described(kind: str, shape: str) -> str:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n"


@pytest.mark.parametrize(
    "content",
    [
        npy(described("|u1", "(1099511627776, 4, 4)"), bytes(16)),
        npy(described("|u1", "(2, -4, -4)"), bytes(32)),
        npy(described("|u1", "(2, 4, 5)"), bytes(32)),
        npy(described("|u1", "(2, 4, 4)"), bytes(33)),
        npy(described("<U0", "(99999999999999999, 4, 4)")),
        npy(described("|O", "(2,)"), pickle.dumps([1, 2])),
        npy("(" * 64),
        npy("[" * 9000 + "]" * 9000),
        npy("__import__('os').abort()\n"),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_npz_with_a_false_header(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", content)
        archive.writestr("labels.npy", npy(described("<i8", "(2,)"), bytes(16)))
    refused(tmp_path / "a.npz", "damaged|does not hold|where numbers belong")


def test_damaged_npz(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.npz", images=X, labels=Y)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "damaged")
    flipped = bytearray(whole)
    flipped[100] ^= 255
    path.write_bytes(flipped)
    refused(path, "damaged|does not hold|where numbers belong")
    path.write_bytes(whole)
    monkeypatch.setattr(arrays, "MAX_BYTES", 100)
    refused(path, r"claims a shape \(5, 8, 8\)")


def test_other_files(tmp_path):
    path = tmp_path / "a"
    for content in (b"", b"hello", b"\x89HDF"):
        path.write_bytes(content)
        refused(path, "no known layout")


def test_layouts_are_recognised(tmp_path):
    write_cifar10(tmp_path / "cifar")
    write_mnist(tmp_path / "mnist", packed=True)
    write_folders(tmp_path / "folders")
    saved(tmp_path / "a.npz", images=X, labels=Y)
    assert [find_layout(p).kind for p in sorted(tmp_path.iterdir())] == ["npz", "cifar10", "folders", "idx"]
