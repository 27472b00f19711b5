"""Moments, shapes, decompositions and classifiers of energy maps, on maps whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.bottleneck.decomposition import (
    decomposition,
    radial_profile,
    radial_shape,
    ratio_of,
    with_both,
)
from physnn.analysis.bottleneck.heads import RIDGES, held_out_accuracy, ridge_head
from physnn.analysis.bottleneck.moments import WAVE_ORDERS, coarser, map_moments


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(side) - (side - 1) / 2
    return at[:, None] + 0 * at, at[None, :] + 0 * at[:, None]


def test_moments_of_a_planted_bump():
    y, x = grid(41)
    maps = np.exp(-((x - 3) ** 2 + (y + 2) ** 2) / 20)[None]
    at = 10 * (np.arange(41) - 20) + 5.0
    found = map_moments(maps, at, at)
    assert found["x"][0] == pytest.approx(35, abs=0.05)
    assert found["y"][0] == pytest.approx(-15, abs=0.05)
    assert found["spread"][0] == pytest.approx(10 * np.sqrt(20), rel=1e-3)
    one = found["harmonics"][0, 0]
    assert np.degrees(-np.arctan2(one[1], one[0])) == pytest.approx(np.degrees(np.arctan2(2, 3)), abs=1.0)


def moments_of(map_: np.ndarray) -> dict[str, np.ndarray]:
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in map_.shape)
    return {name: value[0] for name, value in map_moments(map_[None], rows, columns).items()}


def test_harmonics_of_flat_and_planted_maps():
    y, x = grid(31)
    theta = np.arctan2(-y, x)
    for k, order in enumerate(WAVE_ORDERS):
        flat, wave, other, none = (
            np.hypot(*moments_of(map_)["harmonics"][k])
            for map_ in (
                np.ones((31, 31)),
                1 + np.cos(order * (theta - 0.3)),
                1 + np.cos((order + 2) * theta),
                np.zeros((5, 5)),
            )
        )
        assert flat < 1e-12
        assert wave == pytest.approx(0.5, abs=0.01)
        assert other < 0.05
        assert none == 0
    phase = np.arctan2(*moments_of(1 + np.cos(theta - 0.3))["harmonics"][0, ::-1])
    assert -phase == pytest.approx(0.3, abs=0.01)


def test_moments_of_a_grid_that_is_no_square_equal_sums_over_its_cells():
    map_ = rng.stream(0, "synthetic", "oblong").random((6, 9))
    found, total, wave, cells = moments_of(map_), 0.0, 0j, []
    for i in range(6):
        for j in range(9):
            up, right = -(i - 2.5) / 6, (j - 4) / 9
            if np.hypot(up, right) <= 0.5:
                cells.append(np.exp(-2j * np.arctan2(up, right)))
                total, wave = total + map_[i, j], wave + map_[i, j] * cells[-1]
    assert complex(*found["harmonics"][1]) == pytest.approx(wave / total - np.mean(cells))
    assert found["energy"] == pytest.approx(map_.mean())
    assert found["centre"] == pytest.approx(map_[2:4, 4].mean())
    assert found["border"] == pytest.approx((map_.sum() - map_[1:-1, 1:-1].sum()) / 26)


def test_centre_and_border_count_the_same_share_of_every_side():
    for side in (7, 14, 28, 112):
        y, x = grid(side)
        map_ = np.where(np.maximum(abs(y), abs(x)) < side / 14, 5.0, 1.0)
        map_[np.maximum(abs(y), abs(x)) > side * 5 / 14] = 0.5
        assert [float(moments_of(map_)[name]) for name in ("centre", "border")] == pytest.approx([5.0, 0.5])
    assert coarser(map_, (4, 4)).shape == (28, 28)
    assert coarser(map_, (4, 4)).mean() == pytest.approx(map_.mean())


def planted(name: str, classes: int, noise: float, g: np.random.Generator, side: int = 7) -> np.ndarray:
    y, x = grid(side)
    r = np.hypot(x, y) / (side / 2)
    forms = {"bump": np.exp(-2 * r**2), "ring": np.exp(-20 * (r - 0.5) ** 2), "dip": 0.5 + r**2, "flat": 1 + 0 * r,
             "hat": np.exp(-12 * r**2) + r**4}  # fmt: skip
    return forms[name] + noise * g.standard_normal((classes, side, side))


@pytest.mark.parametrize("name", ["bump", "ring", "hat", "dip", "flat"])
def test_planted_shapes_are_told_apart(name):
    for side in (7, 14):
        assert radial_shape(planted(name, 20, 0.1, rng.stream(0, "synthetic", name), side)).verdict == name


def test_a_flat_map_is_seldom_called_a_shape_and_few_classes_decide_nothing():
    g = rng.stream(0, "synthetic", "flat maps")
    verdicts = [radial_shape(planted("flat", 12, 0.3, g)).verdict for _ in range(250)]
    assert sum(verdict != "flat" for verdict in verdicts) <= 8  # 1 % of 250, and three deviations more
    assert radial_shape(planted("bump", 4, 0.01, g)).verdict == "undecided"
    radii, profile = radial_profile(np.ones((3, 7, 7)))
    assert np.allclose(profile, 1)
    assert radii[0] == 0


def test_errors_over_classes_cover_the_truth():
    """68 % intervals over classes hold the ratio in 68 % of sets; those over images, which share classes, do not."""
    g, held = rng.stream(0, "synthetic", "classes"), np.zeros(2)
    labels = np.repeat(np.arange(12), 10)
    sets = 400
    for _ in range(sets):
        levels = np.exp(0.4 * g.standard_normal((12, 2)) - 0.08)[labels]
        draws = np.array([3.0, 1.0]) * levels * (1 + 0.1 * g.standard_normal((120, 2)))
        found = with_both(ratio_of, draws, labels)
        each = found.over_classes, found.over_images
        held += [abs(e.value - 3) < e.error for e in each]
    assert 0.60 < held[0] / sets < 0.76
    assert held[1] / sets < 0.4


def test_a_planted_decomposition_is_found():
    g, labels = rng.stream(0, "synthetic", "parts"), np.repeat(np.arange(10), 8)
    logs = {"none": 0.9, "circular": 0.5, "zero-roll": 0.2, "circular-roll": 0.0}
    border = np.exp(0.2 * g.standard_normal((4, 80)))
    centre = border * np.exp(np.array(list(logs.values()))[:, None] + 0.05 * g.standard_normal((4, 80)))
    found = decomposition("head", centre, border, labels)
    for name, truth in (("total", 0.9), ("content", 0.5), ("padding", 0.2), ("both", 0.2), ("neither", 0.0)):
        part = getattr(found, name)
        assert abs(part.value - truth) < 4 * part.over_classes.error < 0.2, name
    parts = found.content.value + found.padding.value + found.both.value + found.neither.value
    assert parts == pytest.approx(found.total.value)


def test_ridge_leaves_out_what_it_says():
    """The closed form of leaving each vector out equals doing so, and weights are those of the primal form."""
    g = rng.stream(0, "synthetic", "ridge")
    labels = np.repeat([0, 1, 2], 6)
    scale = np.array([1, 1, 1, 8, 8])  # a ridge that is neither the smallest nor the largest is best
    vectors = g.standard_normal((18, 5)) * scale + 1.2 * np.eye(5)[labels]
    shown = g.standard_normal((200, 5)) * scale + 1.2 * np.eye(5)[np.arange(200) % 3]
    errors = {}
    values = np.maximum(np.linalg.eigvalsh((vectors - vectors.mean(0)) @ (vectors - vectors.mean(0)).T), 0)
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    x, t = vectors - vectors.mean(0), targets - targets.mean(0)
    answers = {}
    for strength in RIDGES:
        penalty = strength * values.mean() * np.eye(5)

        def weights(rows, penalty=penalty):
            return np.linalg.solve(x[rows].T @ x[rows] + penalty, x[rows].T @ t[rows])

        left_out = [t[k] - x[k] @ weights(np.arange(18) != k) for k in range(18)]
        errors[strength] = float(np.square(left_out).sum())
        answers[strength] = np.argmax((shown - vectors.mean(0)) @ weights(np.arange(18)) + targets.mean(0), axis=1)
    best = min(errors, key=errors.get)
    assert best == 0.1
    assert sum(np.array_equal(answers[best], each) for each in answers.values()) == 1
    assert np.array_equal(ridge_head(vectors, labels, shown), answers[best])


def test_accuracy_is_of_images_that_were_held_out():
    g = rng.stream(0, "synthetic", "heads")
    labels = np.repeat(np.arange(5), 12)
    noise = g.standard_normal((60, 40))
    chance = held_out_accuracy(noise, labels)
    told = held_out_accuracy(noise + 6 * np.eye(40)[labels], labels)
    for name in ("nearest class mean", "ridge"):
        assert told[name].value > 0.95
        assert abs(chance[name].value - 0.2) < 0.15
    assert held_out_accuracy(noise, np.zeros(60, int)) == {}
