"""Walls, vortices and the helicity modulus of states that can be counted by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order import defects
from physnn.analysis.order.structure import Order
from physnn.models import couplings
from physnn.models.vectors import normalised
from tests.analysis.order.test_structure import EIGHTH, HALF, SPIRAL, UNIFORM, ZERO, noise, order, turned

ISING = order((ZERO, ZERO), (1, 0))
STAGGERED = order((HALF, HALF), (1, 0))


def angles(phase):
    return np.stack([np.cos(phase), np.sin(phase)], axis=-1)


def test_orders_have_the_defects_that_fit_them():
    assert defects.defect_kind(ISING) == defects.defect_kind(STAGGERED) == "walls"
    assert defects.defect_kind(UNIFORM) == defects.defect_kind(SPIRAL) == "vortices"
    assert defects.defect_kind(order((EIGHTH, ZERO), (1, 0))) == "", "a standing wave has no phase at its nodes"
    assert defects.defect_kind(order((ZERO, ZERO), *np.eye(3))) == ""
    assert defects.defect_kind(Order(((ZERO, HALF), (HALF, ZERO)), np.eye(2, dtype=complex))) == ""


def test_walls_are_counted_per_bond():
    s = np.ones((8, 8))
    s[:, 2:5] = -1
    checks = (-1.0) ** np.add.outer(np.arange(8), np.arange(8))
    for o, sign in ((ISING, 1.0), (STAGGERED, checks)):
        x = (s * sign)[..., None] * np.array([0.8, 0.6])
        assert defects.walls(defects.local_order(x[None], o)) == pytest.approx(2 * 8 / 128)
    assert defects.walls(defects.local_order((checks[..., None] * [1.0, 0.0])[None], ISING)) == 1


@pytest.mark.parametrize("gauge", [False, True])
def test_vortices_are_counted_per_plaquette_in_every_gauge(gauge):
    y, x = np.mgrid[:16, :16].astype(float)
    # A vortex and an antivortex, far from the border where the phase is cut.
    phase = np.arctan2(y - 7.5, x - 4.5) - np.arctan2(y - 7.5, x - 10.5)
    state, smooth = angles(phase)[None], angles(0.3 * np.sin(2 * np.pi * x / 16))[None]
    o = SPIRAL if gauge else UNIFORM
    if gauge:
        state, smooth = turned(state, (EIGHTH, ZERO)), turned(smooth, (EIGHTH, ZERO))
    assert defects.vortices(defects.local_order(state, o)) * 256 == pytest.approx(2)
    assert defects.vortices(defects.local_order(smooth, o)) == 0
    random = angles(rng.stream(0, "synthetic", "vortices").uniform(0, 2 * np.pi, (1, 64, 64)))
    assert defects.vortices(defects.local_order(random, UNIFORM)) == pytest.approx(1 / 3, abs=0.03)


def test_the_twist_has_the_derivatives_of_the_energy():
    model = couplings.on(2)
    twist = defects.twist_of(model.coupling, model.bias, UNIFORM)
    x, L = noise(8, "twist", states=2), 8
    stiffness, square = twist.measure(x)
    expected = np.zeros((2, 2))
    for axis in (1, 2):
        there = np.roll(x, -1, axis)
        expected[0] += (x * there).sum((1, 2, 3)) / (2 * L**2)
        cross = (x[..., 0] * there[..., 1] - x[..., 1] * there[..., 0]).sum((1, 2))
        expected[1] += cross**2 / (2 * L**2)
    assert np.allclose(stiffness, expected[0])
    assert np.allclose(square, expected[1])


def test_the_twist_is_the_same_in_every_gauge():
    plain, rotated = couplings.on(2), couplings.gauge_rotated_xy((np.pi / 4, 0))
    x = noise(16, "twist gauge")
    one = defects.twist_of(plain.coupling, plain.bias, UNIFORM).measure(x)
    other = defects.twist_of(rotated.coupling, rotated.bias, SPIRAL).measure(turned(x, (EIGHTH, ZERO)))
    assert np.allclose(one, other)


def test_the_helicity_modulus_is_defined_where_a_rotation_is_a_symmetry():
    assert defects.twist_of(couplings.on(3).coupling, np.zeros(3), order((ZERO, ZERO), *np.eye(3))) is not None
    field = np.array([0.5, 0.0])
    assert defects.twist_of(couplings.on(2).coupling, field, UNIFORM) is None
    ising = couplings.diagonal(np.array([1.0, 0.0]))
    assert defects.twist_of(ising.coupling, ising.bias, ISING) is None
    assert defects.twist_of(ising.coupling, ising.bias, UNIFORM) is None
    g = rng.stream(0, "synthetic", "no symmetry")
    network = couplings.from_weights({"coupling": g.normal(size=(3, 3, 3, 3))}, "periodic")
    spiral = Order(((Fraction(1, 8), ZERO),), normalised(np.array([[1, 1j, 0]])))
    assert defects.twist_of(network.coupling, network.bias, spiral) is None
