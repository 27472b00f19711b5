"""A torus with a seam: its energy, its gradient, and where the seam lies does not matter."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.seam import Seam
from physnn.models.vectors import VectorModel, normalised


def random_model(N: int, k: int, bias: bool = False) -> VectorModel:
    g = rng.stream(4, "synthetic", "seam", N, k)
    raw = {"coupling": g.normal(size=(N, N, k, k))}
    if bias:
        raw["bias"] = g.normal(size=N)
    return couplings.from_weights(raw, "periodic")


def random_state(shape, N: int) -> np.ndarray:
    return normalised(rng.stream(5, "synthetic", "seam").normal(size=(*shape, N)))


def plane(N: int) -> np.ndarray:
    return np.linalg.qr(rng.stream(6, "synthetic", "plane").normal(size=(N, 2)))[0].T


def plain_energy(seam: Seam, x: np.ndarray) -> float:
    """Every bond by itself, from its definition."""
    H, W, _N = x.shape
    half, total = seam.model.kernel // 2, -float((x @ seam.model.bias).sum())
    for r, c, dr, dc in itertools.product(range(H), range(W), *[range(-half, half + 1)] * 2):
        turns = ((r + dr) // H, (c + dc) // W)[seam.axis]
        R, J = seam.rotation(turns), seam.model.coupling[:, :, dr + half, dc + half]
        J = (R @ J + J @ R) / 2 * (seam.strength if turns else 1.0)
        total -= 0.5 * x[r, c] @ J @ x[(r + dr) % H, (c + dc) % W]
    return total


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("strength", [1.0, -1.0, 0.3])
@pytest.mark.parametrize(("N", "k", "twist"), [(2, 3, 0.0), (3, 5, 0.0), (3, 5, 0.7), (2, 3, 2.0)])
def test_energy_field_and_bonds_are_those_of_the_definition(axis, strength, N, k, twist):
    seam = Seam(random_model(N, k, bias=True), axis, strength, twist, plane(N))
    x = random_state((5, 4), N)
    assert seam.energy(x) == pytest.approx(plain_energy(seam, x), rel=1e-12)
    step = 1e-6 * rng.stream(7, "synthetic", "seam").normal(size=x.shape)
    assert seam.energy(x - step) - seam.energy(x + step) == pytest.approx(2 * (seam.field(x) * step).sum(), rel=1e-6)
    assert seam.energy(np.stack([x, -x])).shape == (2,)
    crossing = plain_energy(replace(seam, strength=1.0), x) - plain_energy(replace(seam, strength=0.0), x)
    assert seam.crossing(x) == pytest.approx(crossing, rel=1e-10)


def test_strength_one_is_the_torus():
    model, x = random_model(3, 5, bias=True), random_state((6, 5), 3)
    assert Seam(model).energy(x) == pytest.approx(30 * model.energy(x), rel=1e-12)
    assert np.allclose(Seam(model, 1).field(x), model.field(x), atol=1e-12)
    assert not np.allclose(Seam(model, strength=-1.0).field(x), model.field(x), atol=1e-2)


@pytest.mark.parametrize("axis", [0, 1])
def test_an_antiperiodic_seam_can_be_anywhere_unless_a_bias_breaks_the_symmetry(axis):
    for bias, same in ((False, True), (True, False)):
        seam, x = Seam(random_model(3, 3, bias), axis, -1.0), random_state((6, 5), 3)
        moved = np.roll(x, 2, axis)
        moved[(slice(None),) * axis + (slice(0, 2),)] *= -1
        assert np.allclose(seam.energy(moved), seam.energy(x), rtol=1e-12) == same


def test_half_a_turn_of_two_components_is_minus_one_and_a_whole_turn_is_nothing():
    for N, same in ((2, True), (3, False)):
        model, x = random_model(N, 3), random_state((5, 5), N)
        half, whole = (Seam(model, 0, 1.0, angle, plane(N)) for angle in (np.pi, 2 * np.pi))
        assert np.isclose(half.energy(x), Seam(model, 0, -1.0).energy(x), rtol=1e-10) == same
        assert whole.energy(x) == pytest.approx(float(Seam(model).energy(x)), rel=1e-10)


def test_a_twist_undoes_a_pitch_that_does_not_fit():
    theta, L, x = 0.5, 7, random_state((7, 6), 2)
    turn = theta * np.arange(L)[:, None]
    c, s = np.cos(turn), np.sin(turn)
    rotated = np.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]], axis=-1)
    for sign, fits in ((1, True), (-1, False)):
        seam = Seam(couplings.gauge_rotated_xy((theta, 0.0)), 0, 1.0, sign * theta * L, np.eye(2))
        assert np.isclose(seam.energy(rotated), L * 6 * couplings.on(2).energy(x), rtol=1e-10) == fits


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Seam(couplings.on(2, boundary="zero")), "periodic"),
        (lambda: Seam(couplings.on(2), 2), "axis"),
        (lambda: Seam(couplings.on(2), twist=1.0), "plane"),
        (lambda: Seam(couplings.on(2), twist=1.0, plane=np.ones((2, 2))), "plane"),
        (lambda: Seam(couplings.on(2)).energy(random_state((1, 4), 2)), "wider"),
    ],
)
def test_what_makes_no_seam_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
