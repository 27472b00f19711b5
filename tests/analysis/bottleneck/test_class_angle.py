"""Class angles: planted ones are found with the errors that are said, and what is no class angle is not called one."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.bottleneck.agreement import composition, following, halves_agree, mirror_test, unhalved
from physnn.analysis.bottleneck.circle import on_circle
from physnn.analysis.bottleneck.class_angle import (
    FALSE_DISCOVERIES,
    angle_of,
    class_angles,
    directions_of,
    discovery_levels,
)
from physnn.analysis.bottleneck.moments import gradient_centroids, map_moments
from physnn.errors import InputError

OFFSET = 15.5
"""Pixels by which paddings move all images alike."""


def points_of(planted: np.ndarray, images: int, g: np.random.Generator, scatter: float = 10.0) -> np.ndarray:
    """Points of images, to the right and down, of classes with deviations ``(classes, 2)`` to the right and upwards."""
    level = planted * [1, -1] + OFFSET
    drawn = g.standard_normal((len(planted) * images, 2)) @ [[1, 0.3], [0, 2]]
    return np.repeat(level, images, axis=0) + scatter * drawn


def ring(classes: int, radius: float, turn: float = 0.2) -> np.ndarray:
    angles = 2 * np.pi * np.arange(classes) / classes + turn
    return radius * np.stack([np.cos(angles), np.sin(angles)], -1)


def test_planted_angles_are_found_in_synthetic_activations():
    """Energies of 7 x 7 maps with a bump that is moved by class and by an offset of all, as by paddings."""
    g, at = rng.stream(0, "synthetic", "activations"), 32.0 * np.arange(7) - 81.0
    planted, labels = ring(6, 12.0), np.repeat(np.arange(6), 20)
    moved = (planted * [1, -1])[labels] + OFFSET + 6 * g.standard_normal((120, 2))
    y, x = at[:, None] - moved[:, 1, None, None], at - moved[:, 0, None, None]
    vectors = np.sqrt(np.exp(-(x**2 + y**2) / (2 * 40.0**2)))[..., None] * np.abs(g.standard_normal((120, 7, 7, 16)))
    found = map_moments((vectors**2).sum(-1), at, at)
    angles = class_angles(np.stack([found["x"], found["y"]], -1), labels, 200)
    assert all(each.told for each in angles.directions)  # planted about a mean of 0: no error over classes
    truth = np.degrees(np.arctan2(planted[:, 1], planted[:, 0]))
    for each, true in zip(angles.directions, truth, strict=True):
        assert abs((each.angle.value - true + 180) % 360 - 180) < 3.5 * each.over_images.error < 40
    none = class_angles(np.stack([found["x"], found["y"]], -1), g.permutation(labels), 200)
    assert none.p_value > 0.01


def test_errors_of_angles_cover_the_truth_over_classes():
    """Classes are a draw of all there might be: angles are to the mean over all of them, not to that of these."""
    g, held = rng.stream(0, "synthetic", "coverage"), []
    for _ in range(60):
        planted = 5.0 * g.standard_normal((12, 2))
        points = points_of(planted, 15, g, 4.0).reshape(12, 15, 2)
        covariances = np.stack([np.cov(each.T) / 15 for each in points])
        found = directions_of(np.arange(12), np.full(12, 15), points.mean(1), covariances)
        truth = np.degrees(np.arctan2(planted[:, 1], planted[:, 0]))
        away = np.abs((np.array([[e.angle.value] for e in found]).T - truth + 180) % 360 - 180)[0]
        held += [[d <= e.angle.error, d <= e.over_images.error] for d, e in zip(away, found, strict=True)]
    share = np.mean(held, axis=0)
    assert 0.63 < share[0] < 0.75
    assert share[1] < 0.63  # of images alone, which all share the mean of the other classes


def test_an_offset_of_all_classes_is_no_class_angle():
    g = rng.stream(0, "synthetic", "offset")
    points, labels = points_of(np.zeros((12, 2)), 20, g, 3.0), np.repeat(np.arange(12), 20)
    found = class_angles(points, labels, 400)
    assert found.p_value > 0.01
    assert not any(each.told for each in found.directions)
    assert found.common[0].value == pytest.approx(OFFSET, abs=2)
    assert found.common[0].value > 10 * found.common[0].over_classes.error
    assert halves_agree(points, points, labels).p_value > 0.01


def test_false_discoveries_are_few_also_where_classes_scatter_differently():
    g, told, p_values = rng.stream(0, "synthetic", "discoveries"), 0, []
    scatter = np.repeat(np.geomspace(1, 6, 10), 12)[:, None]
    for _ in range(60):
        found = class_angles(scatter * g.standard_normal((120, 2)), np.repeat(np.arange(10), 12), 99)
        told += any(each.told for each in found.directions)
        p_values.append(found.p_value)
    assert told / 60 <= FALSE_DISCOVERIES + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert np.mean(np.array(p_values) <= 0.1) < 0.25


def test_levels_of_discoveries_are_those_of_the_steps():
    p = np.array([0.03, 0.001, 0.6, 0.02, 0.2])
    assert np.allclose(discovery_levels(p), [0.05, 0.005, 0.6, 0.05, 0.25])


def test_an_angle_without_length_has_no_error_that_is_known():
    assert np.isinf(angle_of(np.array([0.5, 0.2]), np.eye(2), 50).error)
    sure = angle_of(np.array([0.0, 100.0]), np.diag([4.0, 1.0]), np.inf)
    assert sure.value == 90
    assert sure.error == pytest.approx(np.degrees(np.arctan(2 / 100)), rel=1e-3)


def test_shares_of_variances_equal_a_plain_sum():
    g = rng.stream(0, "synthetic", "shares")
    labels = np.repeat([0, 1, 4], [5, 9, 7])
    points = g.standard_normal((21, 2)) + np.array([[0, 0], [2, 0], [0, 1], [0, 0], [1, 1]])[labels]
    found = class_angles(points, labels, 50).between
    middle = points.mean(0)
    between = sum((labels == k).sum() * (points[labels == k].mean(0) - middle) ** 2 for k in (0, 1, 4))
    whole = ((points - middle) ** 2).sum(0)
    assert found["x"].share.value == pytest.approx(between[0] / whole[0])
    assert found["both"].share.value == pytest.approx(between.sum() / whole.sum())
    assert found["x"].chance == pytest.approx(2 / 20, abs=0.05)


def test_agreement_of_the_same_images_is_not_that_of_classes():
    """Two networks that see the same images agree by these, also where classes mean nothing; halves do not."""
    g, labels = rng.stream(0, "synthetic", "networks"), np.repeat(np.arange(12), 16)
    shared = g.standard_normal((192, 2))
    first, second = (shared + 0.3 * g.standard_normal((192, 2)) for _ in range(2))
    assert unhalved(first, second, (labels, labels)).p_value < 0.01
    assert halves_agree(first, second, labels).p_value > 0.01
    planted = ring(12, 1.0)[labels]
    both = halves_agree(first + planted, second + planted, labels)
    assert both.p_value < 0.01
    assert 0.7 < both.cosine.value < 1


def test_halves_of_classes_that_mean_nothing_seldom_agree():
    g, labels = rng.stream(0, "synthetic", "halves"), np.repeat(np.arange(10), 12)
    p = [halves_agree(points, points, labels).p_value for points in g.standard_normal((30, 120, 2))]
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 2 * np.sqrt(0.09 / 30)


def test_mirrored_images_tell_paddings_from_what_is_shown():
    g, labels = rng.stream(0, "synthetic", "mirror"), np.repeat(np.arange(10), 12)
    shown = points_of(ring(10, 6.0), 12, g, 3.0) - OFFSET + [2.0, 0.0]
    found = mirror_test(shown + OFFSET, shown * [-1, 1] + OFFSET, labels)
    assert found.x.cosine.value < -0.98
    assert found.y.cosine.value > 0.98
    assert found.stays.value == pytest.approx(OFFSET)
    assert abs(found.flips.value - 2) < 4 * found.flips.error
    other = mirror_test(shown + OFFSET, shown + OFFSET, labels)  # a direction that is not in the image
    assert other.x.cosine.value > 0.98
    assert other.flips.value == pytest.approx(0)


def test_composition_is_told_from_what_it_does_not_make():
    g, labels = rng.stream(0, "synthetic", "composition"), np.repeat(np.arange(12), 20)
    shown = 8 * g.standard_normal((12, 2))[labels] + 5 * g.standard_normal((240, 2))
    made = 0.5 * shown + g.standard_normal((240, 2))
    found = composition(made, shown, labels)
    assert found.within.value > 0.9
    assert found.across.value > 0.8
    assert class_angles(found.rest, labels, 200).p_value > 0.01
    apart = composition(0.5 * ring(12, 8.0)[g.permutation(12)][labels] + g.standard_normal((240, 2)), shown, labels)
    assert apart.within.value < 0.3
    assert class_angles(apart.rest, labels, 200).p_value < 0.01


def test_points_that_follow_what_is_moved_have_that_slope():
    g, labels = rng.stream(0, "synthetic", "moved"), np.repeat(np.arange(8), 15)
    moved = 30 * g.standard_normal((120, 2))
    found = following(0.4 * moved + 5 * g.standard_normal((120, 2)) + ring(8, 20)[labels], moved, labels)
    assert abs(found.value - 0.4) < 4 * found.error < 0.15
    assert np.isnan(following(moved, 0 * moved, labels).value)


@pytest.mark.parametrize("name", ["circle", "cloud", "axis"])
def test_circles_clouds_and_axes_are_told_apart(name):
    g = rng.stream(0, "synthetic", "lie", name)
    plane = {"circle": ring(40, 10.0), "cloud": 7 * g.standard_normal((60, 2)),
             "axis": g.standard_normal((20, 2)) * [1, 8]}[name]  # fmt: skip
    noise = np.array([[2.0, 0.5], [0.5, 1.0]])
    drawn = plane + g.multivariate_normal([0, 0], noise, len(plane))
    found = on_circle(drawn - drawn.mean(0), np.broadcast_to(noise, (len(plane), 2, 2)))
    assert found.verdict == name
    if name == "axis":
        assert abs(abs(found.degrees) - 90) < 15
    if name == "circle":
        assert found.fourth.value == pytest.approx(1, abs=0.05)
    assert on_circle(plane[:6], np.zeros((6, 2, 2))).verdict == "undecided"


def test_clouds_are_seldom_called_a_circle_and_turned_classes_seldom_an_axis():
    g = rng.stream(0, "synthetic", "often")
    verdicts = [on_circle(p - p.mean(0), np.zeros((16, 2, 2)), k).verdict
                for k in range(40) for p in [g.standard_normal((16, 2))]]  # fmt: skip
    assert verdicts.count("circle") <= 3
    assert verdicts.count("axis") <= 4


def test_centres_of_gradients_are_where_edges_are():
    images = np.zeros((2, 3, 64, 64))
    images[0, :, 10:16, 40:46] = 1.0
    found = gradient_centroids(images)
    assert np.allclose(found[0], [42.5 - 31.5, 12.5 - 31.5], atol=0.6)
    assert np.allclose(found[1], 0)


def test_too_few_classes_or_images_are_refused():
    with pytest.raises(InputError, match="three classes"):
        class_angles(np.zeros((9, 2)), np.repeat([0, 1, 2], 3))
