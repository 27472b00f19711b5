"""Clusters of reflected vectors: they sample what single-site moves sample, and refuse what they cannot."""

from functools import cache

import numpy as np
import pytest

from physnn import rng
from physnn.api import sweep_equilibrium
from physnn.errors import InputError
from physnn.models.couplings import diagonal, gauge_rotated_xy, on
from physnn.samplers.langevin import Langevin
from physnn.samplers.reflections import Planes, Reflections
from physnn.samplers.vector_metropolis import VectorMetropolis
from physnn.samplers.vectors import start_vectors
from physnn.store.hdf5 import content_digest
from tests.synthetic.vector_chain import on_chain

UP, BOTH = np.array([[1, 0]]), np.eye(2)
ZERO = np.zeros((1, 2))
SPIRAL = Planes(np.array([[1 / 8, 0]]), np.array([[1, -1j]]) / np.sqrt(2))
MODELS = {
    "one component": (diagonal(np.array([1.0, 0.0])), Planes(ZERO, UP), 1.28, 4),
    "staggered": (diagonal(np.array([-1.0, 0.0])), Planes(ZERO + 0.5, UP), 1.28, 4),
    "xy": (on(2), Planes(np.zeros((2, 2)), BOTH), 0.9, 5),
    "rotated": (gauge_rotated_xy((np.pi / 4, 0.0)), SPIRAL, 0.9, 8),
    "side of two": (on(2), Planes(np.zeros((2, 2)), BOTH), 0.9, 2),
}


def measured(model, sampler, T, L, sweeps=500, chains=16):
    """Mean of E, |m|^2 and |m|^4 in every chain, shape (chains, 3); bonds wrong by 30 % are eight errors or more."""
    state = start_vectors(
        sampler, model, (L, L), "random", rng.seed_sequence(1, "chain", str(type(sampler)), L), chains
    )
    sampler.advance(model, T, state, 1, 300)
    rows = sampler.advance(model, T, state, sweeps, 2, keep=1)
    m2 = (rows.kept.mean((2, 3)) ** 2).sum(-1)
    return np.stack([rows["energy"].mean(1), m2.mean(1), (m2**2).mean(1)], axis=1)


def worst(one, other):
    """Largest difference of two means over chains, in errors."""
    error = np.sqrt((one.var(0, ddof=1) + other.var(0, ddof=1)) / len(one))
    return float((np.abs(one.mean(0) - other.mean(0)) / error).max())


@cache
def alone(name):
    """What `measured` finds without clusters."""
    model, _, T, L = MODELS[name]
    return measured(model, VectorMetropolis(1.2), T, L)


@pytest.mark.parametrize("name", MODELS)
def test_clusters_do_not_change_what_is_sampled(name):
    model, planes, T, L = MODELS[name]
    assert worst(alone(name), measured(model, Reflections(VectorMetropolis(1.2), planes), T, L)) < 4.5


def test_bonds_that_are_too_strong_or_weak_show(monkeypatch):
    model, planes, T, L = MODELS["xy"]
    one, right = alone("xy"), Planes.bonds
    for factor in (0.7, 1.3):
        monkeypatch.setattr(
            Planes, "bonds", lambda self, *a, factor=factor: (right(self, *a)[0], factor * right(self, *a)[1])
        )
        assert worst(one, measured(model, Reflections(VectorMetropolis(1.2), planes), T, L)) > 8


def test_a_ring_of_eight_has_its_exact_correlation():
    """<cos> of neighbours of an XY ring of 8 at K / T = 2, from the modified Bessel functions."""
    model = on_chain(2)
    sampler = Reflections(VectorMetropolis(1.0), MODELS["xy"][1])
    state = start_vectors(sampler, model, (1, 8), "random", rng.seed_sequence(2, "chain", "ring"), 16)
    energy = sampler.advance(model, 0.5, state, 1000)["energy"][:, 100:].mean(1)
    assert abs(-energy.mean() - 0.721628) < 4 * energy.std(ddof=1) / 4


def test_every_bond_is_met_once():
    for L, expected in ((5, 1.0), (2, 1.0)):
        displacements, strengths = MODELS["xy"][1].bonds(on(2), (L, L))
        assert len(displacements) == 2 and np.allclose(strengths, expected)
    d, kappa = SPIRAL.bonds(MODELS["rotated"][0], (8, 8))
    assert sorted(map(tuple, d.tolist())) == [(0, 1), (1, 0)] and np.allclose(kappa, 1)


def test_only_reflections_that_leave_the_energy_are_taken():
    for model, planes, L in (
        (diagonal(np.array([2.0, 1.0])), Planes(np.zeros((2, 2)), BOTH), 4),
        (MODELS["rotated"][0], SPIRAL, 12),
        (MODELS["rotated"][0], Planes(np.zeros((2, 2)), BOTH), 8),
        (on(2, boundary="zero"), Planes(np.zeros((2, 2)), BOTH), 4),
        (on(2), Planes(np.array([[1 / 4, 0]]), UP), 4),
    ):
        with pytest.raises(InputError, match="no reflection"):
            planes.bonds(model, (L, L))


def test_large_lattices_forget_sooner():
    """After 60 sweeps at T_c ordered starts of 24 x 24 remember, unless clusters are turned."""
    model, planes, T, _ = MODELS["one component"]
    left = {}
    for name, sampler in (("alone", VectorMetropolis(1.2)), ("clusters", Reflections(VectorMetropolis(1.2), planes))):
        state = start_vectors(sampler, model, (24, 24), "ordered", rng.seed_sequence(3, "chain", name), 32)
        first = np.sign(state.x[..., 0].mean((1, 2)))
        sampler.advance(model, T, state, 60)
        left[name] = float((first * np.sign(state.x[..., 0].mean((1, 2)))).mean())
    assert left["alone"] > 0.8 and abs(left["clusters"]) < 0.6


@pytest.fixture
def quick(monkeypatch):
    """A search for the order that is coarse: nothing here rests on its statistics."""
    monkeypatch.setattr("physnn.samples.equilibrium.order.MEASUREMENTS", 20)


@pytest.mark.parametrize(("sampler", "jobs"), [("metropolis", 2), ("langevin", 1)])
def test_sweeps_with_clusters_continue_and_do_not_depend_on_jobs(tmp_path, quick, sampler, jobs):
    settings = {"T": (1.2, 1.3), "model": ("diagonal", "1", "0"), "sampler": sampler, "chains": 2, "clusters": True}
    sweep_equilibrium((4, 8), out=tmp_path / "a.h5", sweeps=12, thermalisation=4, jobs=1, **settings)
    sweep_equilibrium((4, 8), out=tmp_path / "b.h5", sweeps=7, thermalisation=4, jobs=1, **settings)
    sweep_equilibrium((4, 8), out=tmp_path / "b.h5", sweeps=12, thermalisation=4, jobs=jobs, extend=True, **settings)
    assert content_digest(tmp_path / "a.h5") == content_digest(tmp_path / "b.h5")
    with pytest.raises(InputError, match="another recipe"):
        sweep_equilibrium((4, 8), out=tmp_path / "a.h5", sweeps=12, thermalisation=4, **settings | {"clusters": False})


def test_what_clusters_cannot_do_is_refused(quick):
    for model, extra in ((("network", "kuramoto_symmetric/0"), {}), (("xy",), {"noiseless": True})):
        with pytest.raises(InputError, match="clusters"):
            sweep_equilibrium((8,), T=(0.5,), model=model, clusters=True, sweeps=4, **extra)


def test_langevin_keys_survive():
    sampler = Reflections(Langevin(0.01), MODELS["xy"][1])
    sequence = rng.seed_sequence(4, "chain", "keys")
    state = start_vectors(sampler, on(2), (4, 4), "random", sequence, 3)
    before = state.generator[:, 4:].copy()
    sampler.advance(on(2), 1.0, state, 2, 3)
    assert np.array_equal(before, state.generator[:, 4:]) and state.step == 6
    assert np.array_equal(before, Langevin(0.01).generators(rng.seed_sequence(4, "chain", "keys"), 3))
