"""Maps between fields: numbers by characters, equivariance in integers, completeness, formulas that must fail."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.finite import cyclic
from physnn.models.groups.kernels import kernel_basis, null_space
from physnn.models.groups.representations import (
    FIELDS,
    POINT_GROUPS,
    PointGroup,
    Representation,
    induced,
    maps_between,
    regular,
    trivial,
)

D4 = PointGroup("d4")
TORUS = D4.torus(4)
AT_ORIGIN = [16 * p for p in range(8)]


def on_torus(name: str) -> Representation:
    """Field on the 4 x 4 torus: induced from what D4 does at the origin."""
    return induced(TORUS, AT_ORIGIN, D4.representation(name).matrices, name)


def as_matrices(basis: np.ndarray) -> np.ndarray:
    """Maps of a torus as matrices, components of a site the fastest axis."""
    L = basis.shape[-1]
    places = np.stack(np.divmod(np.arange(L * L), L), 1)
    y, x = np.moveaxis((places[None] - places[:, None]) % L, -1, 0)
    return (
        basis[:, :, :, y, x]
        .transpose(0, 3, 1, 4, 2)
        .reshape(len(basis), L * L * basis.shape[1], L * L * basis.shape[2])
    )


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("trivial", "trivial", 6),
        ("trivial", "sign", 0),
        ("trivial", "vector", 3),
        ("vector", "vector", 10),
        ("axes", "vector", 3),
    ],
)
def test_every_map_commutes_with_all_128_elements_and_there_are_no_others(first, second, count):
    maps = as_matrices(kernel_basis(D4, D4.representation(first), D4.representation(second), 4, torus=True).dense)
    before, after = on_torus(first), on_torus(second)
    assert len(maps) == count == maps_between(before, after)
    for g in range(TORUS.order):
        assert np.array_equal(after.matrices[g] @ maps, maps @ before.matrices[g])
    assert not count or np.linalg.matrix_rank(maps.reshape(count, -1)) == count


def test_number_of_maps_equals_the_null_space_of_all_equations():
    first, second = on_torus("trivial"), on_torus("vector")
    one, two = np.eye(first.dimension, dtype=int), np.eye(second.dimension, dtype=int)
    equations = [np.kron(second.matrices[g], one) - np.kron(two, first.matrices[g].T) for g in TORUS.generators]
    assert first.dimension * second.dimension - np.linalg.matrix_rank(np.concatenate(equations)) == 3


@pytest.mark.parametrize("point", POINT_GROUPS)
def test_fields_are_representations_and_the_regular_one_has_all_others(point):
    group = PointGroup(point)
    for name in FIELDS:
        assert group.representation(name).permutes_with_signs
    assert np.array_equal(group.representation("regular").decomposed(), group.group.characters.degrees)


@pytest.mark.parametrize("side", [2, 3])
def test_filters_commute_with_the_point_group(side):
    first, second = D4.representation("vector"), D4.representation("regular")
    basis = kernel_basis(D4, first, second, side).dense
    for g in range(8):
        moved = np.empty_like(basis)
        for y, x in itertools.product(range(side), repeat=2):
            there = (D4.matrices[g] @ (2 * np.array([y, x]) - (side - 1)) + side - 1) // 2
            turned = second.matrices[g] @ basis[..., y, x] @ first.matrices[D4.group.inverse[g]]
            moved[..., there[0], there[1]] = turned
        assert np.array_equal(moved, basis)
    # Every element moves all offsets but the centre, where all maps from vectors to functions of the group are left.
    assert len(basis) == side * side * 2


def test_large_tori_have_as_many_maps_as_orbits_allow():
    fields = [D4.representation(name) for name in ("vector", "trivial")]
    count = [kernel_basis(D4, field, field, 64, torus=True).shape[0] for field in fields]
    assert count == [4 * 64 * 64 // 8 + 2, 33 * 34 // 2]


def convolved(f: np.ndarray, psi: np.ndarray, inverse: bool) -> np.ndarray:
    """``sum_h f(h) psi(g h)`` as often printed, or ``sum_h f(h) psi(g^-1 h)``."""
    rows = TORUS.table[TORUS.inverse] if inverse else TORUS.table
    return psi[rows] @ f


@pytest.mark.parametrize(("inverse", "count"), [(True, 128), (False, 2)])
def test_the_convolution_needs_an_inverse(inverse, count):
    generator = rng.stream(0, "synthetic", "groups")
    f, psi = generator.integers(-9, 10, (2, TORUS.order))
    moved = TORUS.table[TORUS.inverse]  # (T_u f)(g) = f(u^-1 g)
    plain = convolved(f, psi, inverse)
    same = [np.array_equal(convolved(f[moved[u]], psi, inverse), plain[moved[u]]) for u in range(128)]
    assert sum(same) == count


def test_null_space_of_whole_numbers():
    matrix = np.array([[2, 4, 6, 0], [1, 2, 3, 0], [0, 0, 3, 5]])
    found = null_space(matrix)
    assert found.shape == (2, 4) and not (matrix @ found.T).any()
    assert np.array_equal(np.gcd.reduce(found, axis=1), [1, 1])
    assert null_space(np.eye(3, dtype=np.int64)).shape == (0, 3)


def test_refusals():
    with pytest.raises(InputError, match="products do not agree"):
        Representation(cyclic(3), np.array([1, -1, 1]).reshape(3, 1, 1))
    with pytest.raises(InputError, match="one matrix for each"):
        Representation(cyclic(3), np.array([1, 1]).reshape(2, 1, 1))
    with pytest.raises(InputError, match="no subgroup"):
        induced(cyclic(4), [0, 1], np.ones((2, 1, 1), np.int64))
    with pytest.raises(InputError, match="no point group 'd3'"):
        PointGroup("d3")
    with pytest.raises(InputError, match="different groups"):
        maps_between(trivial(cyclic(2)), regular(cyclic(2)))
    with pytest.raises(InputError, match="not fields of the point group"):
        kernel_basis(D4, trivial(cyclic(2)), trivial(cyclic(2)), 3)
