"""Energies of seams at T = 0 that are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order.ground import best_twist, ground_cost, ground_state, leading_waves, plane_of, relaxed
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.seam import Seam
from physnn.models.vectors import VectorModel, normalised

GENERATOR = "ground"


def draws() -> np.random.Generator:
    return rng.stream(0, "synthetic", GENERATOR)


def turned(L: int, W: int) -> float:
    """XY with a turn of pi spread over L rows, W columns, over the same without."""
    return L * W * (1 - math.cos(math.pi / L))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_walls_of_one_component_cost_two_bonds_per_column(sign, axis):
    found = ground_cost(couplings.diagonal(np.array([2 * sign, 0.0])), (6, 8), axis, draws())
    assert found.cost == pytest.approx(2 * 2 * (6, 8)[1 - axis], rel=1e-6)
    assert found.sharp == pytest.approx(found.cost, rel=1e-6)
    assert found.spread == pytest.approx(found.cost, rel=1e-6)
    assert found.periodic.energy == pytest.approx(-2 * 2 * 48, rel=1e-8)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("model", "shape"),
    [(couplings.on(2), (8, 6)), (couplings.on(3), (8, 8)), (couplings.gauge_rotated_xy((np.pi / 2, np.pi)), (8, 6))],
    ids=["xy", "o3", "gauge"],
)
def test_a_turn_spreads_where_it_may(model, shape, axis):
    found = ground_cost(model, shape, axis, draws())
    assert found.cost == pytest.approx(turned(shape[axis], shape[1 - axis]), rel=1e-5)
    assert found.spread == pytest.approx(found.cost, rel=1e-5)
    # Cut sharply, all vectors stay on a line: a saddle, at which the seam breaks every bond across it.
    assert found.sharp == pytest.approx(2 * shape[1 - axis], rel=1e-5)


def test_the_cost_of_a_turn_goes_to_its_continuum_value():
    costs = [ground_cost(couplings.on(2), (L, L), 0, draws()).cost for L in (6, 12)]
    extrapolated = (4 * costs[1] - costs[0]) / 3
    assert extrapolated == pytest.approx(np.pi**2 / 2, rel=1e-4)
    assert abs(costs[1] / (np.pi**2 / 2) - 1) > 1e-3


def test_weak_anisotropy_makes_walls_of_finite_width():
    # Between both: a wall is wider than a bond and narrower than the lattice, so it costs less than either.
    L = 12
    found = ground_cost(couplings.diagonal(np.array([1.0, 0.9])), (L, L), 0, draws())
    assert found.cost < 0.99 * 2 * L
    assert found.cost > 1.05 * turned(L, L)


def test_a_pitch_that_does_not_fit_wants_its_twist():
    theta, L = 0.5, 9
    model = couplings.gauge_rotated_xy((theta, 0.0))
    with_twist = ground_cost(model, (L, L), 0, draws(), twist=True)
    assert with_twist.twist == pytest.approx(theta * L % (2 * np.pi), abs=1e-3)
    assert with_twist.periodic.energy == pytest.approx(-2 * L * L, rel=1e-7)
    assert with_twist.cost == pytest.approx(turned(L, L), rel=1e-4)
    without = ground_cost(model, (L, L), 0, draws())
    assert abs(without.cost - turned(L, L)) > 0.1


def test_planes_and_lines():
    x = normalised(rng.stream(1, "synthetic", GENERATOR).normal(size=(4, 4, 1)) * np.array([0.0, 0.6, 0.8]))
    assert plane_of(x).size == 0
    model = couplings.diagonal(np.array([1.0, 0.0]))
    with pytest.raises(InputError, match="plane"):
        best_twist(model, 0, ground_state(Seam(model), (4, 4), draws()))
    flat = np.zeros((5, 5, 3))
    flat[..., :2] = normalised(rng.stream(2, "synthetic", GENERATOR).normal(size=(5, 5, 2)))
    assert np.abs(plane_of(flat)[:, 2]).max() < 1e-12


def test_waves_are_stationary_where_they_are_uniform_and_names_differ():
    model, shape = couplings.gauge_rotated_xy((np.pi / 2, np.pi / 3)), (4, 6)
    found = leading_waves(model, shape)
    first = next(iter(found))
    assert first.startswith("wave (0.5, 0.333) pi")
    assert Seam(model).energy(found[first]) == pytest.approx(-2 * 24, rel=1e-4)
    assert len({name.rsplit(",", 1)[0] for name in found}) == 3


def test_relaxing_never_goes_up_and_ends_at_rest():
    g = rng.stream(3, "synthetic", GENERATOR)
    model = couplings.from_weights({"coupling": g.normal(size=(4, 4, 5, 5)), "bias": g.normal(size=4)}, "periodic")
    seam, x = Seam(model, 1, -1.0), normalised(g.normal(size=(6, 6, 4)))
    energy, state = relaxed(seam, x)
    assert energy < seam.energy(x)
    assert energy == pytest.approx(float(seam.energy(state)), rel=1e-9)
    f = seam.field(state)
    force = f - (state * f).sum(-1, keepdims=True) * state
    assert np.abs(force).max() < 1e-3 * np.abs(f).max()


def test_a_lattice_narrower_than_the_coupling_is_refused():
    with pytest.raises(InputError, match="wider"):
        ground_cost(VectorModel(np.zeros((2, 2, 5, 5))), (2, 8), 0, draws())
