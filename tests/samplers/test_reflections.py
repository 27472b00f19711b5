"""Clusters of reflected vectors: they sample what single-site moves sample, and refuse what they cannot."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy.special import iv

from physnn import rng
from physnn.api import sweep_equilibrium
from physnn.errors import InputError
from physnn.exact.ising.transfer import ising_transfer
from physnn.kernels.lattice.multispin_code import LANES, VECTOR
from physnn.kernels.vectors.reflected_code import draw_bonds
from physnn.models.couplings import diagonal, gauge_rotated_xy, on
from physnn.samplers.langevin import Langevin
from physnn.samplers.reflections import CLUSTER_WORDS, Planes, Reflections
from physnn.samplers.vector_metropolis import VectorMetropolis
from physnn.samplers.vectors import VectorSampler, VectorState, start_vectors
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.synthetic.vector_chain import on_chain

OLD = Path(__file__).parents[1] / "samples/equilibrium/fixtures/reflected.h5"
"""File of 0.1.0."""
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


def measured(model, sampler, T, L, sweeps=250, chains=16):
    """Mean of E, |m|^2 and |m|^4 in every chain, shape (chains, 3); bonds wrong by 30 % are six errors or more."""
    state = start_vectors(
        sampler, model, (L, L), "random", rng.seed_sequence(1, "chain", str(type(sampler)), L), chains
    )
    sampler.advance(model, T, state, 1, 200)
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
        assert worst(one, measured(model, Reflections(VectorMetropolis(1.2), planes), T, L)) > 6


@pytest.mark.parametrize(("components", "length", "exact"), [(2, 8, 0.721628), (2, 130, 0), (3, 130, 0), (4, 65, 0)])
def test_a_ring_has_its_exact_correlation(components, length, exact):
    """<cos> of neighbours on a ring at K / T = 2, from modified Bessel functions; on long rings their ratio."""
    exact = exact or iv(components / 2, 2.0) / iv(components / 2 - 1, 2.0)
    model = on_chain(components)
    sampler = Reflections(VectorMetropolis(1.0), Planes(np.zeros((components, 2)), np.eye(components)))
    state = start_vectors(sampler, model, (1, length), "random", rng.seed_sequence(2, "chain", "ring"), 16)
    energy = sampler.advance(model, 0.5, state, 7200 // length + 100)["energy"][:, 100:].mean(1)
    assert abs(-energy.mean() - exact) < 4 * energy.std(ddof=1) / 4


class Still(VectorSampler):
    """Moves nothing, so that clusters are alone."""

    dtype = np.float64

    def generators(self, sequence, chains):
        return np.zeros((chains, 1), np.uint64)

    def fill(self, *rest):
        pass


def signs(shape, T, bonds, n=4000):
    """Worst of energy and m^2 of vectors along one axis, whose only moves are clusters, in errors from exact values."""
    model, sampler = on(2), Reflections(Still(), Planes(ZERO, UP))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Planes, "bonds", lambda *_: bonds)
        state = start_vectors(sampler, model, shape, "random", rng.seed_sequence(0, "chain", "signs", *shape))
        state.x[...] = (1.0, 0.0)
        x = sampler.advance(model, T, state, n, keep=1).kept[0, n // 10 :, ..., 0]
    energy = -(x * (np.roll(x, 1, 1) + np.roll(x, 1, 2))).mean((1, 2))
    exact = ising_transfer(shape, T)
    series = {"energy": energy, "m2": x.mean((1, 2)) ** 2}
    means = {name: y[: len(y) // 50 * 50].reshape(50, -1).mean(1) for name, y in series.items()}
    return max(abs(y.mean() - exact[name]) / y.std(ddof=1) * 50**0.5 for name, y in means.items())


NEAR, FAR = [(0, 1), (1, 0)], [(0, -1), (-1, 0)]
"""The same bonds, as clusters of runs and as bonds of any kind."""


@pytest.mark.parametrize("bonds", [NEAR, FAR], ids=["near", "far"])
@pytest.mark.parametrize("shape", [(3, 64), (2, 65), (4, 130), (6, 5)], ids=str)
def test_signs_agree_with_transfer_matrices(bonds, shape):
    assert signs(shape, 1.7, (np.array(bonds), np.ones(2))) < 4


@pytest.mark.parametrize("bonds", [NEAR, FAR], ids=["near", "far"])
def test_bonds_of_signs_that_are_a_little_too_weak_show(bonds):
    assert signs((4, 130), 1.7, (np.array(bonds), np.full(2, 0.97)), 10_000) > 6


def test_bonds_are_drawn_as_told():
    """Against the same words, added by numpy; the power is right to 1e-14, so no bond differs."""
    n, draws = 64 * 50, np.random.default_rng(5)
    state = draws.integers(0, 2**63, (4, LANES), np.uint64)
    one, other = draws.normal(size=n), np.append(draws.normal(size=n) * np.exp(3 * draws.normal(size=n)), np.zeros(8))
    other[:10] = 0.0
    words, generator = words_of(state[:, :VECTOR], n), state.reshape(-1).copy()
    drawn = [np.uint64(drawn_bonds(one, k, other, k + 3, -1.5, generator)) for k in range(0, n, 64)]
    bits = (np.array(drawn)[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    power = np.exp2(np.minimum(-1.5 * one * other[3 : n + 3], 0.0))
    v = 1 + (words >> np.uint64(12)) * 2.0**-52
    assert np.array_equal(bits.reshape(-1) == 1, power + v < 2)
    assert np.array_equal(generator.reshape(4, LANES)[:, -1], state[:, -1]), "the spare lane is left alone"


def words_of(state, n):
    """Words of generators abreast, xoshiro256++ after D. Blackman and S. Vigna."""
    a, b, c, d = (state[k].copy() for k in range(4))
    found = []
    turned = lambda x, k: (x << np.uint64(k)) | (x >> np.uint64(64 - k))  # noqa: E731
    for _ in range(n // VECTOR):
        found.append(turned(a + d, 23) + a)
        shifted = b << np.uint64(17)
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c, d = c ^ shifted, turned(d, 45)
    return np.concatenate(found)


@njit
def drawn_bonds(one, at, other, to, factor, generator):
    return draw_bonds(one, at, other, to, factor, generator)


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


@pytest.mark.parametrize("sampler", ["metropolis", "langevin"])
def test_sweeps_with_clusters_continue_and_do_not_depend_on_jobs(tmp_path, quick, sampler, workers):
    settings = {"T": (1.2, 1.3), "model": ("diagonal", "1", "0"), "sampler": sampler, "chains": 2, "clusters": True}
    sweep_equilibrium((4, 8), out=tmp_path / "a.h5", sweeps=12, thermalisation=4, jobs=1, **settings)
    sweep_equilibrium((4, 8), out=tmp_path / "b.h5", sweeps=7, thermalisation=4, jobs=1, **settings)
    sweep_equilibrium((4, 8), out=tmp_path / "b.h5", sweeps=12, thermalisation=4, jobs=workers, extend=True, **settings)
    assert content_digest(tmp_path / "a.h5") == content_digest(tmp_path / "b.h5")
    with pytest.raises(InputError, match="another recipe"):
        sweep_equilibrium((4, 8), out=tmp_path / "a.h5", sweeps=12, thermalisation=4, **settings | {"clusters": False})


@pytest.mark.parametrize("change", [{"L": (4, 6)}, {"sweeps": 9}])
def test_clusters_of_an_earlier_version_are_read_and_not_continued(tmp_path, change):
    out = tmp_path / "old.h5"
    out.write_bytes(OLD.read_bytes())
    before, own = content_digest(out), read_sweep(out).recipe
    settings = {"T": (1.2, 1.3), "model": ("diagonal", "1", "0"), "clusters": True, "sampler": "metropolis"}
    settings |= {"L": (4,), "chains": 2, "sweeps": 8, "thermalisation": 2, "order": own["order"]}
    sweep_equilibrium(out=out, jobs=1, **settings)
    assert content_digest(out) == before, "nothing is missing"
    with pytest.raises(InputError, match="clusters of an earlier version, and it cannot grow: use --restart"):
        sweep_equilibrium(out=out, jobs=1, extend=True, **settings | change)
    assert content_digest(out) == before
    state = read_sweep(out).sizes[4]["state_generator"].values[0]
    chains = VectorState(np.tile([1.0, 0.0], (2, 4, 4, 1)), state)
    with pytest.raises(InputError, match="earlier version cannot go on"):
        Reflections(VectorMetropolis(1.2), MODELS["one component"][1]).advance(
            MODELS["one component"][0], 1.2, chains, 1
        )


def test_what_clusters_cannot_do_is_refused(quick):
    for model, extra in ((("network", "kuramoto_symmetric/0"), {}), (("xy",), {"noiseless": True})):
        with pytest.raises(InputError, match="clusters"):
            sweep_equilibrium((8,), T=(0.5,), model=model, clusters=True, sweeps=4, **extra)


def test_langevin_keys_survive():
    sampler = Reflections(Langevin(0.01), MODELS["xy"][1])
    sequence = rng.seed_sequence(4, "chain", "keys")
    state = start_vectors(sampler, on(2), (4, 4), "random", sequence, 3)
    before = state.generator[:, CLUSTER_WORDS:].copy()
    sampler.advance(on(2), 1.0, state, 2, 3)
    assert np.array_equal(before, state.generator[:, CLUSTER_WORDS:]) and state.step == 6
    assert np.array_equal(before, Langevin(0.01).generators(rng.seed_sequence(4, "chain", "keys"), 3))
