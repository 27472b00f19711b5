from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.kernels import kernel_basis
from physnn.models.groups.representations import PointGroup
from physnn.models.groups.soft import (
    WeightOrbits,
    filter_orbits,
    moved_channels,
    place_orbits,
    soft_symmetries,
)


def orbits_of(*rows: np.ndarray) -> WeightOrbits:
    number = np.stack([np.unique(row, return_inverse=True)[1] for row in rows])
    return WeightOrbits(tuple("ab"[: len(rows)]), ("all",), number, np.zeros(number.shape[1], np.int64))


def test_words_are_read_or_refused_in_one_sentence():
    found = soft_symmetries(["flip:auto", "rotation:0.1", "translation:2"])
    assert [tuple(one) for one in found] == [("flip", None), ("rotation", 0.1), ("translation", 2.0)]
    assert [one.word for one in found] == ["flip:auto", "rotation:0.1", "translation:2"]
    for words in (["mirror:auto"], ["flip"], ["flip:-1"], ["flip:nan"], ["flip:much"], ["flip:1", "flip:auto"]):
        with pytest.raises(InputError):
            soft_symmetries(words)


@pytest.mark.parametrize("point", ["d1", "c2", "c4", "d2", "d4"])
@pytest.mark.parametrize("regular", [(True, False), (True, True), (False, True)])
def test_orbits_are_as_many_as_the_exact_basis_has_filters(point, regular):
    for side in (2, 3):
        shape = tuple(8 if one else 2 for one in regular)
        n = len(np.unique(filter_orbits(point, (*shape, side), regular)))
        group = PointGroup(point)
        # The regular field of D4 is as many of a smaller group as it has cosets.
        kinds = [group.representation("regular" if one else "trivial") for one in (regular[1], regular[0])]
        copies = [8 // len(group.matrices) if one else 2 for one in regular]
        assert n == kernel_basis(group, *kinds, side).shape[0] * copies[0] * copies[1]


def test_projected_filters_commute_with_the_group_and_others_do_not():
    weights = rng.stream(0, "synthetic", "filters").normal(size=(8, 8, 3, 3))
    orbits = orbits_of(filter_orbits("c4", (8, 8, 3), (True, True)))
    even = orbits.projected(weights.reshape(1, -1), 0).reshape(weights.shape)
    turn = moved_channels("c4", 8, True)[1]

    def turned(w: np.ndarray) -> np.ndarray:
        found = np.empty_like(w)
        found[np.ix_(turn, turn)] = np.rot90(w, 1, (2, 3))
        return found

    assert np.allclose(turned(even), even) and not np.allclose(turned(weights), weights)
    assert np.allclose(orbits.projected(even.reshape(1, -1), 0), even.reshape(1, -1))


def test_deviations_are_in_units_of_random_weights_and_projections_of_groups_commute():
    flip, turns = (filter_orbits(point, (16, 8, 3), (True, True)) for point in ("d1", "c4"))
    orbits = orbits_of(flip, turns)
    weights = rng.stream(1, "synthetic", "filters").normal(size=(40, flip.size))
    found = orbits.deviations(weights)[..., 0]
    assert np.all(np.abs(found.mean(0) - 1) < 4 * found.std(0, ddof=1) / np.sqrt(40))
    one, other = (orbits.projected(orbits.projected(weights, a), b) for a, b in ((0, 1), (1, 0)))
    assert np.allclose(one, other)
    even = orbits.deviations(one)[..., 0]
    assert np.all(even < 1e-28)


def test_places_of_a_layer_that_sees_all_of_them_are_one_orbit():
    assert place_orbits((2, 3, 2)).reshape(2, 3, 4).tolist() == [
        [[4 * (3 * a + b)] * 4 for b in range(3)] for a in (0, 1)
    ]


def test_channels_that_are_no_copies_are_refused():
    with pytest.raises(InputError, match="12 channels"):
        moved_channels("d1", 12, True)
