"""Deviations from equivariance: planted mixings, partial breaking, unrelated values, errors that cover."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order.equivariance import ROUNDED_TO, layer_deviation, share
from physnn.errors import InputError


def values(seed: int, n: int = 60) -> np.ndarray:
    return rng.stream(seed, "synthetic", "equivariance").normal(size=(n, 6, 9))


def test_moving_along_is_exact_and_a_mixing_of_channels_is_found():
    y = values(0)
    same = layer_deviation(y, y.copy())
    assert share(same.still)[0] == 0 and share(same.mixed)[0] < ROUNDED_TO
    rotation = np.linalg.qr(rng.stream(1, "synthetic").normal(size=(6, 6)))[0]
    mixed = layer_deviation(y, np.einsum("cd,ndp->ncp", rotation, y))
    assert share(mixed.still)[0] > 0.3 and share(mixed.mixed)[0] < ROUNDED_TO
    assert share(mixed.unrelated)[0] == pytest.approx(1, abs=0.15)


def test_a_mixing_that_squeezes_is_no_symmetry():
    y = values(0)
    squeezed = layer_deviation(y, y * np.array([3, 1, 1, 1, 1, 0.1])[None, :, None])
    assert share(squeezed.mixed)[0] > 0.05


def test_planted_deviations_are_found_with_errors_that_cover():
    # z = y + e with e of variance s^2: the deviation is s^2 / (2 + s^2).
    found, generator = [], rng.stream(0, "synthetic", "covered")
    for _ in range(150):
        y = generator.normal(size=(40, 6, 9))
        found.append(share(layer_deviation(y, y + 0.5 * generator.normal(size=y.shape)).still))
    z = np.array([(value - 0.25 / 2.25) / error for value, error in found])
    assert 0.55 < (np.abs(z) < 1).mean() < 0.8 and abs(z.mean()) < 0.4


def test_fewer_images_than_channels_need_do_not_fake_a_symmetry():
    y, z = values(0, 8), values(1, 8)
    assert share(layer_deviation(y, z).mixed)[0] > 0.7


def test_constants_have_nothing_to_compare():
    flat = np.ones((8, 2, 3))
    assert share(layer_deviation(flat, flat).still) == (0.0, 0.0)


def test_refusals():
    with pytest.raises(InputError, match="too few"):
        layer_deviation(values(0, 4), values(1, 4))
    with pytest.raises(InputError, match="cannot be held"):
        layer_deviation(values(0, 8), values(1, 9))
