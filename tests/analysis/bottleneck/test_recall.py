"""Kernel densities from memory against loops, planted vectors, errors that hold, and claims about nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.bottleneck.recall import (
    DESCRIPTORS,
    LEAST_SQUARE,
    claim_of,
    descriptors_of,
    memory_split,
    over_splits_and_classes,
    recalled,
    rivals,
    side,
)
from physnn.analysis.statistics.estimate import Estimate


def looped(shown, memory, labels, classes, count):
    """Equations 1 to 3 of the paper by loops over images, their vectors, and all vectors in memory."""

    def unit(v):
        return v.astype(float) / max(math.sqrt(float((v.astype(float) ** 2).sum())), 1e-300)

    kept = [(unit(v), label) for image, label in zip(memory, labels, strict=True) for v in image]
    told = []
    for image in shown:
        density = [0.0] * classes
        for vector in image:
            near = sorted((float(((unit(vector) - v) ** 2).sum()), label) for v, label in kept)[:count]
            for square, label in near:
                density[label] += math.exp(-square / (near[0][0] + LEAST_SQUARE))
        sizes = [sum(label == k for _, label in kept) for k in range(classes)]
        density = [d / max(n, 1) for d, n in zip(density, sizes, strict=True)]
        told.append(density.index(max(density)))
    return np.array(told)


def planted(g, images, kind, classes=8, cells=9, channels=16):
    """Vectors ``(classes * images, cells, channels)`` and labels; ``kind`` says where a class shows.

    ``anywhere``: one cell at random has the vector of the class, the others clutter that is strong and the image's own.
    ``everywhere``: all cells have the same weak part of the class, under noise of their own.
    """
    marks = np.eye(classes, channels)
    labels = np.repeat(np.arange(classes), images)
    if kind == "everywhere":
        vectors = g.standard_normal((len(labels), cells, channels)) + 0.7 * marks[labels][:, None]
    else:
        vectors = np.zeros((len(labels), cells, channels))
        vectors[:, :, classes:] = 3 * g.standard_normal((len(labels), 1, channels - classes))
        vectors += g.standard_normal(vectors.shape)
        vectors[np.arange(len(labels)), g.integers(0, cells, len(labels))] = 3 * marks[labels]
    return vectors.astype(np.float32), labels


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_equals_a_loop(descriptor):
    g = rng.stream(0, "synthetic", "recall", "loop")
    vectors, labels = g.gamma(0.5, size=(25, 2, 2, 5)), np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    shown, memory = descriptors_of(vectors[:15], descriptor), descriptors_of(vectors[15:], descriptor)
    for count in (1, 3, 50):
        told = recalled(shown, memory, labels, 4, count)
        assert np.array_equal(told, looped(shown, memory, labels, 4, count))


def test_descriptors_are_what_they_say():
    vectors = rng.stream(0, "synthetic", "recall", "means").standard_normal((2, 2, 3, 4)).astype(np.float32)
    flat = vectors.reshape(2, 6, 4)
    assert np.array_equal(descriptors_of(vectors, "pixel"), flat)
    assert np.allclose(descriptors_of(vectors, "average")[:, 0], flat.mean(1))
    assert np.array_equal(descriptors_of(vectors, "max")[:, 0], flat.max(1))
    assert np.array_equal(descriptors_of(vectors, "flattened")[:, 0], flat.reshape(2, -1))
    wanted = (np.maximum(flat, 0).astype(float) ** 3).mean(1) ** (1 / 3)
    assert np.allclose(descriptors_of(vectors, "generalised")[:, 0], wanted, rtol=1e-5)
    large = descriptors_of(vectors.astype(np.float16) * np.float16(1e4), "generalised")  # powers of it are not in range
    assert np.allclose(large[:, 0], 1e4 * wanted, rtol=1e-2)


def test_planted_classes_are_found_by_the_descriptor_that_sees_them():
    """A part at a random place is seen by single vectors alone, a weak one that is everywhere by averages."""
    found = {}
    for kind in ("anywhere", "everywhere"):
        vectors, labels = planted(rng.stream(0, "synthetic", "recall", kind), 40, kind)
        right = {name: np.empty((6, 8)) for name in DESCRIPTORS}
        for split in range(6):
            shown, orders = memory_split(labels, 20, 0, split)
            memory = np.concatenate([order[:5] for order in orders])
            for name, values in right.items():
                told = recalled(
                    descriptors_of(vectors[shown], name), descriptors_of(vectors[memory], name), labels[memory], 8, 3
                )
                values[split] = (told == labels[shown]).reshape(8, -1).mean(1)
        found[kind] = rivals(kind, right, "pixel", len(right) - 1)
    assert found["anywhere"].verdict == "best"
    assert found["everywhere"].verdict == "beaten"
    assert found["everywhere"].differences["average"].value < -0.1
    assert claim_of(list(found.values())) == "depends"


def test_classes_at_random_are_not_told():
    g = rng.stream(0, "synthetic", "recall", "null")
    vectors, labels = planted(g, 60, "anywhere")
    labels = g.permutation(labels)
    right = {name: np.empty((5, 8)) for name in ("pixel", "average")}
    for split in range(5):
        shown, orders = memory_split(labels, 30, 0, split)
        memory = np.concatenate([order[:5] for order in orders])
        for name, values in right.items():
            told = recalled(
                descriptors_of(vectors[shown], name), descriptors_of(vectors[memory], name), labels[memory], 8, 3
            )
            values[split] = (told == labels[shown]).reshape(8, -1).mean(1)
    assert abs(right["pixel"].mean() - 0.125) < 0.05
    assert rivals("null", right, "pixel", 1).verdict == "undecided"


def test_splits_are_disjoint_balanced_and_nested():
    labels = np.repeat([0, 1, 2], 8)
    for split in range(3):
        shown, orders = memory_split(labels, 3, 5, split)
        kept = np.concatenate(orders)
        assert sorted([*shown, *kept]) == list(range(24))
        assert np.array_equal(labels[shown], np.repeat([0, 1, 2], 3))
        assert [set(labels[order]) for order in orders] == [{0}, {1}, {2}]
    assert not np.array_equal(memory_split(labels, 3, 5, 0)[0], memory_split(labels, 3, 5, 1)[0])


def test_errors_over_splits_and_classes_hold():
    """Coverage of 68.3 % intervals with effects of classes, of splits, of both, and of neither."""
    g = rng.stream(0, "synthetic", "recall", "coverage")
    trials, splits, classes = 1500, 8, 12
    for of_class, of_split in ((1.0, 0.0), (0.0, 1.0), (0.7, 0.7), (0.0, 0.0)):
        inside = 0
        noise = g.standard_normal((trials, splits, classes))
        noise += of_class * g.standard_normal((trials, 1, classes)) + of_split * g.standard_normal((trials, splits, 1))
        for values in noise:
            found = over_splits_and_classes(values)
            inside += abs(found.value) < found.error
        assert 0.65 < inside / trials < 0.80, (of_class, of_split, inside / trials)


def test_claims():
    def one(*sides):
        right = {"pixel": np.zeros((3, 9))}
        g = rng.stream(0, "synthetic", "recall", "claims")
        for k, way in enumerate(sides):
            right[f"other {k}"] = -way + 0.01 * g.standard_normal((3, 9))
        return rivals("x", right, "pixel", len(sides))

    best, beaten, open_one = one(1, 1), one(1, -1), one(1, 0)
    assert [each.verdict for each in (best, beaten, open_one)] == ["best", "beaten", "undecided"]
    assert claim_of([best, best]) == "yes"
    assert claim_of([best, beaten]) == "depends"
    assert claim_of([beaten, open_one]) == "no"
    assert claim_of([best, open_one]) == claim_of([open_one]) == claim_of([]) == "undecided"
    assert side(Estimate.student(1.0, 0.45, 8)) == 0  # 2.2 errors, of few draws
    assert side(Estimate.student(1.0, 0.40, 8)) == 1
    assert side(Estimate.student(1.0, 0.40, 8), comparisons=4) == 0
    assert side(Estimate(1.0, math.nan)) == side(Estimate(1.0, 0.0)) == 0
