"""Samplers on every lattice against the enumeration of small ones, and broken ones that must not agree with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.exact.ising.lattices import lattice_enumeration
from physnn.exact.ising.transfer import ising_transfer
from physnn.kernels.lattice import graph, observables
from physnn.models import Clock, Ising, Lattice, Potts
from physnn.models import tabulated as tabulated_module
from physnn.models.tabulated import keys_of, tabulated
from physnn.samplers import SAMPLERS, State, advance, cluster, start
from physnn.samplers.chain import energies_of
from physnn.samplers.local import measured, visits
from tests.synthetic.lattice_exact import p_value, tau, thinned

LOCAL = ["metropolis", "metropolis-random", "heat-bath", "heat-bath-random"]
CLUSTERS = ["wolff", "swendsen-wang"]
LIMIT = 1e-4
"""Smallest p-value that counts as agreement; controls must fall below its square."""

MODELS = {
    "square": (tabulated(Ising(), Lattice("square", (3, 3))), 2.5),
    "J1-J2": (tabulated(Ising(-1.0), Lattice("square", (4, 4)), -0.8), 1.6),
    "triangular": (tabulated(Ising(h=0.3), Lattice("triangular", (3, 3)), -0.5), 2.5),
    "honeycomb": (tabulated(Ising(-1.0), Lattice("honeycomb", (2, 2))), 1.5),
    "kagome": (tabulated(Ising(), Lattice("kagome", (2, 2))), 2.1),
    "cubic": (tabulated(Ising(), Lattice("cubic", (2, 2, 3))), 4.5),
    "free": (tabulated(Ising(), Lattice("cubic", (2, 2, 3), ("free",)), 0.3), 3.0),
    "antiperiodic": (tabulated(Potts(3), Lattice("square", (3, 3), ("antiperiodic", "free"))), 0.8),
    "rectangle": (tabulated(Ising(), Lattice("square", (2, 6), ("free", "antiperiodic"))), 1.5),
    "clock": (tabulated(Clock(5), Lattice("triangular", (2, 3)), -1.0), 1.0),
}


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("what", MODELS)
def test_energy_and_order_have_the_exact_joint_distribution(name, what):
    model, T = MODELS[what]
    rows = thinned(SAMPLERS[name], model, model.lattice.shape, T, name, what, n=6000)
    assert p_value(model, model.lattice.shape, T, rows) > LIMIT


CLUSTERED = {
    **{name: MODELS[name] for name in ("square", "J1-J2", "honeycomb", "kagome", "cubic", "antiperiodic", "clock")},
    "Potts, J < 0": (tabulated(Potts(3, -1.0), Lattice("square", (3, 3))), 0.6),
    "four colours": (tabulated(Potts(4), Lattice("triangular", (3, 2), ("free", "periodic"))), 1.4),
    "clock of six": (tabulated(Clock(6), Lattice("square", (2, 3)), 0.3), 1.2),
}


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("what", CLUSTERED)
def test_clusters_have_the_exact_joint_distribution(name, what):
    model, T = CLUSTERED[what]
    rows = thinned(SAMPLERS[name], model, model.lattice.shape, T, name, what, n=6000)
    assert p_value(model, model.lattice.shape, T, rows) > LIMIT


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_with_wrong_bonds_do_not_agree(name, monkeypatch):
    model, T = MODELS["kagome"]
    right = cluster.activation
    monkeypatch.setattr(cluster, "activation", lambda model, T: right(model, 2 * T))
    rows = thinned(SAMPLERS[name], model, model.lattice.shape, T, name, "wrong", n=6000)
    assert p_value(model, model.lattice.shape, T, rows) < LIMIT**2


def test_clusters_refuse_what_their_reflections_do_not_serve():
    for model in (MODELS["triangular"][0], replace(MODELS["clock"][0], site=(1.0, 0.0, 0.0, 0.0, 1.0))):
        with pytest.raises(InputError, match="no reflections that keep its energy"):
            SAMPLERS["wolff"].check(model, model.lattice.shape, 2.0)
    with pytest.raises(InputError, match="exactly one spin per step"):
        SAMPLERS["wolff"].check(MODELS["kagome"][0], (2, 6), np.inf)
    with pytest.raises(InputError, match="square Ising model"):
        SAMPLERS["multispin"].check(MODELS["kagome"][0], (2, 6), 2.0)


@pytest.mark.parametrize("what", MODELS)
def test_order_parameters_have_their_exact_averages(what):
    model, T = MODELS[what]
    exact = lattice_enumeration(model)
    names = [name for name in ("energy", "m2", "m4", *model.lattice.waves()) if np.ptp(exact.values[name]) > 1e-9]
    rows = thinned(SAMPLERS["heat-bath"], model, model.lattice.shape, T, "orders", what, n=6000)
    for name in names:
        error = rows[name].std(ddof=1) * np.sqrt(2 * tau(rows[name]) / len(rows[name]))
        assert abs(rows[name].mean() - exact.average(name, T)) < 4 * error


@pytest.mark.parametrize("what", ["J1-J2", "triangular", "antiperiodic", "free"])
def test_a_wrong_energy_is_seen(what):
    right, T = MODELS[what]
    wrong = {
        "J1-J2": replace(right, pair=(right.pair[0],)),
        "triangular": replace(right, site=(0.0, 0.0)),
        "antiperiodic": replace(right, lattice=Lattice("square", (3, 3), ("periodic", "free"))),
        "free": replace(right, lattice=Lattice("cubic", (2, 2, 3), ("periodic", "free", "free"))),
    }[what]
    rows = thinned(SAMPLERS["metropolis"], wrong, wrong.lattice.shape, T, what, n=6000)
    assert p_value(right, right.lattice.shape, T, rows) < LIMIT**2


@pytest.mark.parametrize("name", LOCAL)
def test_summed_energies_are_those_of_keys(name, monkeypatch):
    model, T = MODELS["antiperiodic"]
    assert keys_of(model) is not None
    monkeypatch.setattr(tabulated_module, "MOST_THRESHOLDS", 1)
    keys_of.cache_clear()
    assert keys_of(model) is None
    rows = thinned(SAMPLERS[name], model, model.lattice.shape, T, name, "summed", n=6000)
    keys_of.cache_clear()
    assert p_value(model, model.lattice.shape, T, rows) > LIMIT


def test_square_lattices_have_the_averages_of_the_transfer_matrix():
    known = ising_transfer((4, 5), 2.3)
    found = lattice_enumeration(tabulated(Ising(), Lattice("square", (4, 5))))
    for name in ("energy", "m2", "m4"):
        assert found.average(name, 2.3) == pytest.approx(known[name], rel=1e-11)


@pytest.mark.parametrize(("edge", "sign"), [("free", 0), ("periodic", 1), ("antiperiodic", -1)])
def test_a_chain_of_spins_has_its_exact_energy(edge, sign):
    # Eigenvalues of the transfer matrix: Z = (2 cosh K)^n (1 + s tanh^n K), with s = 0 for free ends of n - 1 bonds.
    n, T = 8, 1.3
    K = 1 / T
    t = np.tanh(K)
    bonds = n if sign else n - 1
    energy = -(bonds * t + sign * n * t ** (n - 1) * (1 - t**2) / (1 + sign * t**n))
    model = tabulated(Ising(), Lattice("square", (1, n), ("free", edge)))
    assert n * lattice_enumeration(model).average("energy", T) == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("what", MODELS)
def test_no_two_neighbours_are_updated_together(what):
    model, _ = MODELS[what]
    table, found = model.neighbours.table(), graph.sublattices(*model.neighbours[:2])
    assert not ((found[table] == found[:, None]) & (table >= 0)).any()
    order = visits(model.lattice, len(model.pair))
    assert sorted(order) == list(range(model.lattice.size)) and (np.diff(found[order]) >= 0).all()


def test_kawasaki_has_the_exact_distribution_at_fixed_composition():
    for what, counts in (("J1-J2", (8, 8)), ("kagome", (6, 6)), ("antiperiodic", (3, 3, 3)), ("free", (6, 6))):
        model, T = MODELS[what]
        rows = thinned(SAMPLERS["kawasaki"], model, model.lattice.shape, T, what, n=6000)
        assert np.ptp(rows["m2"]) < 1e-12
        exact = lattice_enumeration(model)
        error = rows["energy"].std(ddof=1) * np.sqrt(2 * tau(rows["energy"]) / len(rows["energy"]))
        assert abs(rows["energy"].mean() - exact.average("energy", T, counts)) < 4 * error
        # All compositions together are another ensemble.
        assert abs(rows["energy"].mean() - exact.average("energy", T)) > 8 * error


def test_kawasaki_serves_the_square_torus():
    rows = thinned(SAMPLERS["kawasaki"], Ising(), (4, 4), 2.0, "torus", n=6000)
    exact = lattice_enumeration(tabulated(Ising(), Lattice("square", (4, 4)))).average("energy", 2.0, (8, 8))
    error = rows["energy"].std(ddof=1) * np.sqrt(2 * tau(rows["energy"]) / len(rows["energy"]))
    assert abs(rows["energy"].mean() - exact) < 4 * error


@pytest.mark.parametrize("name", [*LOCAL, *CLUSTERS, "kawasaki"])
def test_a_chain_that_was_stored_continues_bit_for_bit(name):
    model, T = MODELS["free"]
    begun = start(SAMPLERS[name], model, model.lattice.shape, T, rng.seed_sequence(0, "synthetic", "graph"))
    whole = advance(SAMPLERS[name], model, T, State.from_arrays(begun.arrays()), 20, 3, snapshot_every=4)
    first = advance(SAMPLERS[name], model, T, begun, 8, 3, snapshot_every=4)
    second = advance(SAMPLERS[name], model, T, State.from_arrays(begun.arrays()), 12, 3, snapshot_every=4)
    assert np.array_equal(whole.values, np.concatenate([first.values, second.values]))
    assert np.array_equal(whole.snapshots, np.concatenate([first.snapshots, second.snapshots]))


@pytest.mark.parametrize("model", [Ising(h=0.2), Potts(3)], ids=repr)
def test_measurements_are_those_of_the_torus(model):
    H, W = 4, 6
    colours = rng.stream(0, "synthetic", "colours").integers(0, model.q, (H, W), np.int8)
    on, theirs = tabulated(model, Lattice("square", (H, W))), np.zeros(7)
    ours = np.zeros(len(on.columns))
    graph.observe_graph(colours.reshape(-1), *measured(on), ours)
    observables.observe_colours(colours, energies_of(model), *observables.measuring_space(model.q, H, W), theirs)
    assert np.allclose(ours[:6], theirs[:6])
    striped = np.asarray(np.indices((H, W))[0] % 2, np.int8)
    graph.observe_graph(striped.reshape(-1), *measured(on), ours)
    assert ours[on.columns.index("stripe")] == pytest.approx(1 if model.q == 2 else np.sqrt(0.75))
    assert ours[on.columns.index("staggered")] == pytest.approx(0)


def test_shapes_of_other_lattices_are_refused():
    model, T = MODELS["honeycomb"]
    with pytest.raises(InputError, match="have the shape"):
        start(SAMPLERS["metropolis"], model, (4, 4), T, rng.seed_sequence(0, "synthetic", "graph"))
