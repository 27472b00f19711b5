"""Finite groups: tables, classes and characters against known ones; tables of no group are refused."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.models.groups.finite import FiniteGroup, cyclic, dihedral, product, semidirect, symmetric


@pytest.mark.parametrize(
    ("group", "degrees"),
    [
        (cyclic(1), [1]),
        (cyclic(6), [1] * 6),
        (dihedral(4), [1, 1, 1, 1, 2]),
        (dihedral(5), [1, 1, 2, 2]),
        (symmetric(4), [1, 1, 2, 3, 3]),
        (symmetric(5), [1, 1, 4, 4, 5, 5, 6]),
        (product(dihedral(3), symmetric(3)), [1, 1, 1, 1, 2, 2, 2, 2, 4]),
    ],
)
def test_degrees(group, degrees):
    assert group.characters.degrees.tolist() == degrees


def test_characters_of_s4_are_the_known_ones():
    group = symmetric(4)
    # Classes by the order of their elements and their size: 1, (12), (12)(34), (123), (1234).
    sizes = group.class_sizes.tolist()
    orders = [int(np.argmin(group.powers[g, 1:] != 0)) + 1 for g in group.representatives]
    place = [list(zip(orders, sizes, strict=True)).index(key) for key in ((1, 1), (2, 6), (2, 3), (3, 8), (4, 6))]
    found = {tuple(row) for row in np.rint(group.characters.values.real[:, place]).astype(int).tolist()}
    assert found == {(1, 1, 1, 1, 1), (1, -1, 1, 1, -1), (2, 0, 2, -1, 0), (3, 1, -1, 0, -1), (3, -1, -1, 0, 1)}
    assert not group.characters.values.imag.any() or np.abs(group.characters.values.imag).max() < 1e-12


def test_characters_of_a_cyclic_group_are_roots_of_unity():
    values = cyclic(5).characters.values
    assert sorted(np.round(np.angle(values[:, 1]) * 5 / (2 * np.pi)).astype(int) % 5) == [0, 1, 2, 3, 4]


def test_a_latin_square_that_is_no_group_is_refused():
    # A loop of five elements: rows and columns hold every element once, but products depend on their brackets.
    table = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])
    with pytest.raises(InputError, match="brackets"):
        FiniteGroup("loop", table)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: FiniteGroup("none", np.zeros((2, 2), np.int64)), "every element once"),
        (lambda: FiniteGroup("flat", np.arange(3)), "every element once"),
        (lambda: cyclic(0), "give 1 to 4096"),
        (lambda: symmetric(7), "give 1 to 6"),
        (lambda: product(cyclic(64), cyclic(65)), "at most 4096"),
        (lambda: semidirect(cyclic(3), cyclic(2), np.array([[0, 1, 2], [1, 0, 2]])), "respect"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        call()
