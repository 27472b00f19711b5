"""Matches of vectors: planted displacements, spreads and directions are found, and chance is told as such."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.bottleneck.matches import (
    by_chance,
    cell_matches,
    drifts,
    match_moments,
    match_table,
    same_and_other,
)

SIDE = 5
AT = 32.0 * (np.arange(SIDE) - (SIDE - 1) / 2)
PLACES = np.stack([np.tile(AT, SIDE), np.repeat(AT, SIDE)], -1)
"""x and y of the cells, row by row, to the right and down."""


def images_of(g: np.random.Generator, count: int, noise: float, pull: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Vectors that tell where their cell is, ``(images, cells, channels)``; half of the images are pulled aside.

    A pulled image has at each place what others have a part of a cell beside.
    """
    code = PLACES / 32
    code = np.repeat(code[None], count, axis=0)
    code[::2] += pull
    waves = np.exp(1j * code @ np.array([[0.9, 0.0, 0.7, 0.7], [0.0, 0.9, 0.7, -0.7]]))
    vectors = np.concatenate([waves.real, waves.imag], -1)
    return (vectors + noise * g.standard_normal(vectors.shape)).astype(np.float16)


def test_matches_are_those_of_a_double_loop_and_never_in_the_image_itself():
    g = rng.stream(0, "synthetic", "pairs")
    a, b = (g.standard_normal((6, 4, 3)) for _ in range(2))
    for memory in (a, b):
        found = cell_matches(a, memory)
        kept = np.array([True, True, False, True, False, True])
        cells, distances = found.nearest(kept)
        for row, i in enumerate(np.flatnonzero(kept)):
            for p in range(4):
                q = a[i, p] / np.linalg.norm(a[i, p])
                best = min(
                    (float(np.linalg.norm(q - memory[j, r] / np.linalg.norm(memory[j, r]))), r)
                    for j in np.flatnonzero(kept) if j != i for r in range(4)
                )  # fmt: skip
                assert distances[row, p] == pytest.approx(best[0], abs=1e-6)
                assert cells[row, p] == best[1]


def test_a_vector_that_is_zero_matches_nothing_and_nothing_it():
    g = rng.stream(0, "synthetic", "zeros")
    vectors = g.standard_normal((5, 4, 6))
    vectors[1, 2] = 0
    found = cell_matches(vectors, vectors)
    assert not ((found.owners == 1) & (found.cells == 2)).any()
    cells, distances = found.nearest(np.ones(5, bool))
    assert cells[1, 2] == -1
    assert (cells >= 0).sum() == 19
    places = PLACES[:4]
    moments = match_moments(cells, distances, places)
    assert np.isfinite(list(vars(moments).values())).all()
    assert moments.square == pytest.approx(np.mean([
        ((places[cells[i, p]] - places[p]) ** 2).sum() for i in range(5) for p in range(4) if cells[i, p] >= 0
    ]))  # fmt: skip
    assert match_table(cells).sum() == pytest.approx(4)
    nothing = cell_matches(0 * vectors, vectors)
    assert (nothing.cells == -1).all()


def test_vectors_that_tell_their_place_are_matched_there_and_others_anywhere():
    g = rng.stream(0, "synthetic", "places")
    told, blind = images_of(g, 12, 0.05), g.standard_normal((12, SIDE**2, 8))
    every, chance = np.ones(12, bool), by_chance(PLACES)
    near = match_moments(*cell_matches(told, told).nearest(every), PLACES)
    far = match_moments(*cell_matches(blind, blind).nearest(every), PLACES)
    assert near.stays > 0.9
    assert near.square < 0.1 * chance.square
    assert far.square == pytest.approx(chance.square, rel=0.15)
    assert far.stays == pytest.approx(chance.stays, abs=0.03)
    assert chance.square == pytest.approx(2 * 2 * 32**2 * (SIDE**2 - 1) / 12)
    table = match_table(cell_matches(told, told).nearest(every)[0])
    assert np.allclose(table.sum(1), 1)
    assert np.trace(table) / SIDE**2 == pytest.approx(near.stays)


def test_spreads_along_and_across_the_direction_from_the_middle_are_told_apart():
    """Places are mixed up with those beside them, along one of both directions."""
    g, r = rng.stream(0, "synthetic", "spreads"), np.maximum(np.hypot(*PLACES.T), 1)[:, None]
    moved = PLACES - PLACES[:, None]
    radial, tangential = (np.abs((moved * (axis / r)[:, None]).sum(-1)) for axis in (PLACES, PLACES[:, ::-1] * [-1, 1]))
    close = (moved**2).sum(-1) < (1.5 * 32) ** 2
    for along, across, larger, smaller in (
        (radial, tangential, "radial", "tangential"),
        (tangential, radial, "tangential", "radial"),
    ):
        groups = [np.flatnonzero(row) for row in close & (along >= 1.9 * across)]
        found = np.array([[g.choice(group) for group in groups] for _ in range(200)])
        moments = match_moments(found, np.ones(found.shape), PLACES)
        assert getattr(moments, larger) > 3 * getattr(moments, smaller) > 0


def test_planted_directions_of_matches_are_found_and_chance_is_not():
    """Vectors that are less blurred near some place are found from everywhere: matches drift there."""
    g, drawn = rng.stream(0, "synthetic", "hubs"), {}
    sharp = [2, 10, 14, 22, 2, 10, 14, 22]
    for planted in (True, False):
        matches, points = [], []
        for hub in sharp:
            far = np.hypot(*(PLACES - PLACES[hub]).T) / 32
            blur = 0.4 + 0.8 * far if planted else np.full(len(PLACES), 1.0)
            vectors = images_of(g, 16, 0.0).astype(float)
            vectors += blur[:, None] * g.standard_normal(vectors.shape)
            vectors = np.concatenate([vectors, np.full((16, len(PLACES), 1), 4.0)], -1)  # what all have in common
            matches.append(cell_matches(vectors, vectors))
            points.append(PLACES[hub] + 20 * g.standard_normal((16, 2)))
        found = drifts(matches, PLACES, points)
        drawn[planted] = found.directions(np.arange(8)), found.agree()
        if planted:
            near = drifts(matches, PLACES, points, closest=True)
            assert near.agree()[0].p_value < 0.01
            assert near.agree()[1].cosine.value > 0.8
    for each, hub in zip(drawn[True][0], sharp, strict=True):
        true = np.degrees(np.arctan2(-PLACES[hub][1], PLACES[hub][0]))
        assert each.told
        assert abs((each.angle.value - true + 180) % 360 - 180) < min(30, 3 * each.angle.error + 5)
    near = drifts(matches, PLACES, points, closest=True)
    assert near.agree()[0].p_value > 0.05
    halves, energy = drawn[True][1]
    assert halves.p_value < 0.01
    assert min(halves.cosine.value, energy.cosine.value) > 0.8
    assert drawn[False][1][0].p_value > 0.05
    assert sum(each.told for each in drawn[False][0]) <= 1


def test_errors_of_drifts_are_those_of_fresh_images():
    g, matches = rng.stream(0, "synthetic", "drifts"), []
    for _ in range(30):
        vectors = images_of(g, 12, 0.6)
        matches.append(cell_matches(vectors, vectors))
    found = drifts(matches, PLACES, [np.zeros((12, 2))] * 30)
    claimed = np.einsum("cii->c", found.covariances()).mean()
    assert claimed == pytest.approx((found.whole**2).sum(1).mean(), rel=0.4)


def test_numbers_of_the_same_and_another_class_are_compared_class_by_class():
    g = rng.stream(0, "synthetic", "compared")
    every, same, other = np.ones(10, bool), [], []
    for noise in (0.2, 0.3, 0.4, 0.5):
        own = images_of(g, 10, noise)
        same.append(match_moments(*cell_matches(own, own).nearest(every), PLACES))
        other.append(match_moments(*cell_matches(own, images_of(g, 10, 2.0)).nearest(every), PLACES))
    found = same_and_other(same, other, PLACES)
    assert found["square"].difference.interval()[1] < 0
    assert found["stays"].difference.interval()[0] > 0
    assert found["square"].difference.value == pytest.approx(found["square"].same.value - found["square"].other.value)
    assert np.isnan(found["distance"].chance)
