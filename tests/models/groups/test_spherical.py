"""Spherical harmonics, rotations and couplings against values at points; circular filters against quarter turns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.circular import CircularField, circular_filters, disc, rotation_matrix
from physnn.models.groups.spherical import (
    angles_of,
    coupling,
    harmonics,
    rotation_of,
    sphere_grid,
    wigner_matrix,
)

TURN = (0.7, 1.9, -2.3)


def test_coefficients_rotate_as_values_at_points_do():
    degree, Q = 16, rotation_of(TURN)
    a = rng.stream(0, "synthetic").normal(size=(degree + 1) ** 2)
    turned = np.concatenate([wigner_matrix(k, TURN) @ a[k * k : (k + 1) ** 2] for k in range(degree + 1)])
    x = rng.stream(1, "synthetic").normal(size=(50, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    there = harmonics(degree, *angles_of(x)) @ turned
    assert np.allclose(there, harmonics(degree, *angles_of(x @ Q)) @ a, atol=1e-11)  # x Q = Q^-1 x
    assert not np.allclose(there, harmonics(degree, *angles_of(x @ Q.T)) @ a, atol=0.1)


def test_matrices_of_rotations_are_orthogonal_to_rounding_and_those_of_vectors():
    for degree in (1, 16, 64):
        D = wigner_matrix(degree, TURN)
        assert np.allclose(D @ D.T, np.eye(2 * degree + 1), atol=1e-12)
    # Degree 1 is (y, z, x).
    order = np.ix_([1, 2, 0], [1, 2, 0])
    assert np.allclose(wigner_matrix(1, TURN), rotation_of(TURN)[order], atol=1e-14)


def test_grids_integrate_products_of_harmonics_exactly():
    degree = 6
    grid = sphere_grid(2 * degree)
    waves = harmonics(degree, grid.polar, grid.azimuth)
    assert np.allclose(waves.T @ (waves * grid.weights[:, None]), np.eye((degree + 1) ** 2), atol=1e-13)
    coarse = sphere_grid(2 * degree - 1)
    waves = harmonics(degree, coarse.polar, coarse.azimuth)
    assert not np.allclose(waves.T @ (waves * coarse.weights[:, None]), np.eye((degree + 1) ** 2), atol=1e-3)


def test_couplings_are_complete_and_commute_with_rotations():
    first, second = 3, 2
    pairs = (2 * first + 1) * (2 * second + 1)
    every = np.concatenate(
        [coupling(first, second, k).reshape(pairs, -1) for k in range(first - second, first + second + 1)], axis=1
    )
    assert np.allclose(every @ every.T, np.eye(pairs), atol=1e-13)
    a, b = rng.stream(2, "synthetic").normal(size=(2, 7))
    for k in range(1, 6):
        together = np.einsum("ijk,i,j->k", coupling(3, 2, k), a, b[:5])
        turned = np.einsum("ijk,i,j->k", coupling(3, 2, k), wigner_matrix(3, TURN) @ a, wigner_matrix(2, TURN) @ b[:5])
        assert np.allclose(turned, wigner_matrix(k, TURN) @ together, atol=1e-13)


@pytest.mark.slow
def test_couplings_of_degree_16_are_orthonormal():
    for one, two in itertools.product((8, 16), repeat=2):
        for k in range(abs(one - two), min(16, one + two) + 1):
            mixing = coupling(one, two, k)
            assert np.allclose(np.einsum("ijk,ijn->kn", mixing, mixing), np.eye(2 * k + 1), atol=1e-9), (one, two, k)


WAVES = {0: 3, 1: 2, 2: 2, 3: 1, 4: 1}
"""Rings of a window of side 5 that have a wave of each angular frequency."""


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (2, 0), (1, 1), (1, 2), (2, 2)])
def test_circular_filters_commute_with_quarter_turns_exactly_and_are_independent(first, second):
    filters = circular_filters(first, second, 5)
    count = WAVES[abs(second - first)] * (2 if first or second else 1)
    assert len(filters) == count + (2 * WAVES[second + first] if first and second else 0)
    assert np.linalg.matrix_rank(filters.reshape(len(filters), -1)) == len(filters)
    before, after = CircularField(first).matrix(np.pi / 2), CircularField(second).matrix(np.pi / 2)
    # K(R z) = rho'(R) K(z) rho(R)^-1, where a quarter turn takes (y, x) to (-x, y).
    moved = np.einsum("ij,njkyx,lk->nilyx", after, filters, before).swapaxes(-1, -2)[..., ::-1, :]
    assert np.allclose(moved, filters, atol=1e-12)
    assert first == second or not np.allclose(filters.swapaxes(-1, -2)[..., ::-1, :], filters, atol=0.1)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_filters_of_a_frequency_do_not_take_other_waves_for_theirs(m):
    real, imaginary = (circular_filters(0, m, 5)[k, :, 0] for k in range(2))
    y, x = np.indices((5, 5)) - 2
    for angle in (0.3, 1.0):
        # A smooth image, x^2 - y^2 and its like, turned by any angle: the answer turns m times as far.
        wave = ((y + 1j * x) * np.exp(-1j * angle)) ** m
        answer = [complex(*(filters * wave.real).sum(axis=(1, 2))) for filters in (real, imaginary)]
        still = [complex(*(filters * ((y + 1j * x) ** m).real).sum(axis=(1, 2))) for filters in (real, imaginary)]
        assert np.allclose(answer, np.array(still) * np.exp(1j * m * angle), atol=1e-10) and abs(still[0]) > 0.1
        assert np.allclose((real * np.ones((5, 5))).sum(), 0, atol=1e-10)


def test_rotations_of_images_are_exact_at_quarter_turns_and_close_between_them():
    side = 24
    y, x = np.indices((side, side)) - (side - 1) / 2
    blob = np.exp(-((y - 4) ** 2 + (x + 2) ** 2) / 8)
    for angle, most in ((np.pi / 2, 1e-6), (0.5, 2e-3)):
        c, s = np.cos(angle), np.sin(angle)
        exact = np.exp(-((y - (4 * c + 2 * s)) ** 2 + (x - (4 * s - 2 * c)) ** 2) / 8)
        for order in (3, 1):
            turned = (rotation_matrix(side, angle, order) @ blob.ravel()).reshape(side, side)
            assert (np.abs(turned - exact)[disc(side)].max() < most) == (order == 3 or angle > 1)


def test_refusals():
    with pytest.raises(InputError, match="no filters of side 3"):
        circular_filters(-1, 0, 3)
    with pytest.raises(InputError, match="too large to be rotated"):
        rotation_matrix(97, 0.1)
    with pytest.raises(InputError, match="do not couple"):
        coupling(1, 1, 3)
    with pytest.raises(InputError, match="highest degree is -1"):
        sphere_grid(-1)
