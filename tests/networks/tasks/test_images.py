from __future__ import annotations

import gzip
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.images import (
    ImageSet,
    Normalisation,
    load_images,
    published_parts,
    split_images,
    subset,
    train_and_test,
    unit_range,
)


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load_images()


def uneven(n: int = 1000) -> ImageSet:
    """Images that are their own number, of three classes in unlike shares."""
    labels = rng.stream(0, "synthetic", "labels").choice(3, n, p=[0.6, 0.3, 0.1]).astype(np.int64)
    return ImageSet(np.arange(n, dtype=np.float32)[:, None, None, None], labels, ("a", "b", "c"), "uneven")


def numbers(data: ImageSet) -> list[int]:
    return data.images[:, 0, 0, 0].astype(int).tolist()


def write_mnist(folder: Path, train: int, test: int) -> Path:
    for prefix, n in (("train", train), ("t10k", test)):
        pixels = np.arange(n, dtype=np.uint8).repeat(16)
        head = bytes((0, 0, 8, 3)) + struct.pack(">3I", n, 4, 4)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + pixels.tobytes()))
        head = bytes((0, 0, 8, 1)) + struct.pack(">I", n)
        labels = (np.arange(n) % 3).astype(np.uint8)
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + labels.tobytes()))
    return folder


def test_the_embedded_digits(digits):
    assert len(digits) == 1797 and digits.shape == (1, 8, 8) and digits.images.dtype == np.float32
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.images.min() == 0 and digits.images.max() == 1
    # The sum of all pixels as published, and the first row of the first image, a zero.
    assert (digits.images.astype(np.float64) * 16).sum() == 561718
    assert (digits.images[0, 0, 0] * 16).tolist() == [0, 0, 5, 13, 9, 1, 0, 0] and digits.labels[0] == 0


def test_digits_mean_the_embedded_ones_whatever_lies_about(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load_images("digits")) == 1797
    with pytest.raises(InputError, match="is empty"):
        load_images("./digits")
    with pytest.raises(InputError, match="no part 'train'"):
        load_images("digits", "train")


def test_pixels_in_units_of_one():
    assert unit_range(np.array([0, 51, 255], np.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    assert unit_range(np.array([-3, 2.5], np.float64)).tolist() == [-3, 2.5]
    assert unit_range(np.zeros(1, np.uint8)).dtype == unit_range(np.zeros(1)).dtype == np.float32


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_subsets_are_nested_and_depend_on_seed_and_purpose_alone(seed):
    data = uneven()
    chosen = [numbers(subset(data, n, seed)) for n in (1, 10, 100, 1000)]
    for small, large in itertools.pairwise(chosen):
        assert large[: len(small)] == small
    assert sorted(chosen[-1]) == list(range(1000)), "without replacement"
    assert chosen[2] == numbers(subset(data, 100, seed))
    assert chosen[2] != numbers(subset(data, 100, seed + 1))
    assert chosen[2] != numbers(subset(data, 100, seed, "test"))


@pytest.mark.parametrize("n", [1, 7, 100, 500, 1000])
def test_every_subset_has_the_shares_of_the_classes(digits, n):
    for data in (digits, uneven()):
        shares = np.bincount(data.labels) / len(data)
        for seed in range(5):
            assert np.abs(np.bincount(subset(data, n, seed).labels, minlength=len(shares)) - n * shares).max() <= 1


def test_a_plain_draw_would_not_keep_the_shares(digits):
    drawn = digits.take(rng.stream(0, "subset", "control").permutation(len(digits))[:100])
    shares = np.bincount(digits.labels) / len(digits)
    assert np.abs(np.bincount(drawn.labels, minlength=10) - 100 * shares).max() > 1


def test_which_images_of_a_class_are_drawn_is_uniform():
    data = uneven()
    counts = np.zeros(1000)
    for seed in range(400):
        counts[numbers(subset(data, 100, seed))] += 1
    for label in range(3):
        mine = counts[data.labels == label]
        share = mine.mean() / 400
        chi2 = ((mine - mine.mean()) ** 2).sum() / (400 * share * (1 - share))
        # Without replacement the counts' sum is fixed: chi2 has len - 1 degrees of freedom.
        assert abs(chi2 - (len(mine) - 1)) < 4 * np.sqrt(2 * len(mine))


def test_splits_are_disjoint_and_test_images_stay():
    data = uneven()
    train, test = split_images(data, 300, 200, seed=3)
    assert len(train) == 300 and len(test) == 200 and not set(numbers(train)) & set(numbers(test))
    more, same = split_images(data, 800, 200, seed=3)
    assert numbers(same) == numbers(test) and numbers(more)[:300] == numbers(train)
    assert numbers(split_images(data, 300, 200, seed=4)[1]) != numbers(test)
    shares = np.bincount(data.labels) / len(data)
    for part in (train, test):
        assert np.abs(np.bincount(part.labels) - len(part) * shares).max() <= 2


def test_too_few_images_are_refused():
    data = uneven(10)
    for n in (0, 11):
        with pytest.raises(InputError, match="take 1 to 10"):
            subset(data, n, 0)
    for train, test in ((0, 5), (5, 0), (6, 5)):
        with pytest.raises(InputError, match="uneven has 10 images"):
            split_images(data, train, test, 0)


def test_images_to_train_and_to_test_on(tmp_path):
    train, test = train_and_test("digits", 100, 200, seed=1)
    assert len(train) == 100 and len(test) == 200
    train, test = train_and_test("digits")
    assert len(test) == 359 and len(train) == 1797 - 359
    published = write_mnist(tmp_path, 60, 30)
    assert published_parts(published) and not published_parts("digits")
    train, test = train_and_test(published)
    assert numbers(train) == list(range(60)) and numbers(test) == list(range(30)) and train.name == tmp_path.name
    train, test = train_and_test(published, 12, 6, seed=1)
    assert np.bincount(train.labels).tolist() == [4, 4, 4] and np.bincount(test.labels).tolist() == [2, 2, 2]


def test_normalisation():
    generator = rng.stream(0, "synthetic", "colour")
    images = generator.integers(0, 256, (50, 3, 6, 6)).astype(np.uint8)
    images[:, 2] = 7
    of = Normalisation.of(images)
    values = images / 255
    assert of.mean == pytest.approx(values.mean((0, 2, 3)), abs=1e-7)
    assert of.sd[:2] == pytest.approx(values.std((0, 2, 3))[:2], abs=1e-7) and of.sd[2] == 1
    normal = of.apply(images)
    assert normal.dtype == np.float32
    assert np.abs(normal.mean((0, 2, 3))).max() < 1e-6
    assert normal.std((0, 2, 3)) == pytest.approx([1, 1, 0], abs=1e-5)
    constant = np.full((4, 1, 3, 3), 1e6 / 3, np.float32)
    assert Normalisation.of(constant).sd == (1.0,)
    small = (generator.normal(size=(20, 1, 5, 5)) * 1e-8).astype(np.float32)
    assert Normalisation.of(small).apply(small).std() == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="1 channels cannot be normalised by 3"):
        of.apply(images[:, :1])


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((2, 1, 4, 4)), np.zeros(2, np.int64)),
        (np.zeros((2, 1, 4, 4), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, np.int32)),
        (np.zeros((2, 1, 4, 4), np.uint8), np.array([0, 2])),
        (np.zeros((2, 1, 4, 4), np.uint8), np.array([0, -1])),
    ],
)
def test_images_and_labels_must_fit(images, labels):
    with pytest.raises(InputError):
        ImageSet(images, labels, ("a", "b"), "wrong")
