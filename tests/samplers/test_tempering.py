"""Replica exchange of lattice models: exact averages at all temperatures, and what exchanges wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.series import tau_int
from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration, potts_enumeration
from physnn.exact.ising.lattices import lattice_enumeration
from physnn.models import Ising, Lattice, Potts
from physnn.models.tabulated import Tabulated, tabulated
from physnn.samplers import COLUMNS, SAMPLERS, local, tempering
from physnn.samplers.tempering import advance_ladder, intervals_of, start_ladder

CASES = [
    ("metropolis", Ising(), 4, (1.6, 2.1, 2.6, 3.5)),
    ("metropolis-random", Ising(J=-1), 3, (0.8, 1.4, 2.4)),
    ("heat-bath", Ising(h=0.3), 4, (1.5, 2.5, 4.0)),
    ("wolff", Ising(), 3, (1.8, 2.4, 3.4)),
    ("swendsen-wang", Potts(3), 3, (0.8, 1.1, 1.6)),
    ("metropolis-random", Potts(3, J=-1), 3, (0.3, 0.6, 1.2)),
    ("metropolis", tabulated(Ising(-1.0), Lattice("triangular", (3, 3))), 3, (0.6, 1.0, 2.0)),
    ("heat-bath", tabulated(Ising(-1.0), Lattice("square", (4, 4)), -0.7), 4, (0.9, 1.4, 2.4)),
]


def scores(name, model, L, temperatures, measurements=20_000):
    """Deviations from exact averages in standard errors, by temperature and observable."""
    sampler = SAMPLERS[name]
    ladder = start_ladder(sampler, model, (L, L), temperatures, rng.seed_sequence(3, "synthetic", "ladder", name, L))
    intervals = intervals_of(sampler, model, temperatures, ladder, 50)
    advance_ladder(sampler, model, temperatures, ladder, 200, intervals)
    found = advance_ladder(sampler, model, temperatures, ladder, measurements, intervals)
    z = []
    for rows, T in zip(found.values, temperatures, strict=True):
        if isinstance(model, Tabulated):
            levels = lattice_enumeration(model)
            exact = {observable: levels.average(observable, T) for observable in ("energy", "m2", "m4")}
        elif isinstance(model, Potts):
            exact = potts_enumeration((L, L), model.q, T, model.J)
        else:
            exact = ising_enumeration((L, L), T, model.J, model.h)
        for observable in ("energy", "m2", "m4"):
            mean = tau_int(rows[:, COLUMNS.index(observable)]).mean
            z.append((mean.value - exact[observable]) / mean.error)
    return np.array(z), found


@pytest.mark.parametrize(("name", "model", "L", "temperatures"), CASES, ids=lambda x: getattr(x, "name", str(x))[:40])
def test_every_temperature_has_its_exact_averages(name, model, L, temperatures):
    z, found = scores(name, model, L, temperatures)
    assert np.abs(z).max() < 4
    assert all(len(np.unique(replicas)) == len(temperatures) for replicas in found.replicas), "all replicas come by"
    assert (np.sort(found.replicas, axis=0) == np.arange(len(temperatures))[:, None]).all()


@pytest.mark.parametrize("case", [CASES[0], CASES[5]], ids=lambda x: getattr(x, "name", str(x))[:40])
def test_exchanges_with_the_wrong_sign_are_seen(case, monkeypatch):
    right = tempering.inverse_temperatures
    monkeypatch.setattr(tempering, "inverse_temperatures", lambda temperatures: -right(temperatures))
    assert np.abs(scores(*case, measurements=5000)[0]).max() > 10


@pytest.mark.parametrize("name", ["metropolis", "heat-bath-random"])
def test_the_compiled_ladder_is_one_replica_after_the_other(name, monkeypatch):
    T, found = (1.8, 2.3, 2.9), []
    for _ in range(2):
        sampler = SAMPLERS[name]
        ladder = start_ladder(sampler, Ising(), (6, 4), T, rng.seed_sequence(0, "synthetic", "ladder"))
        blocks = [advance_ladder(sampler, Ising(), T, ladder, n, np.array([1, 2, 3]), 4) for n in (40, 8)]
        found.append([ladder.place, ladder.swaps, *(s.colours for s in ladder.states)])
        found[-1] += [array for b in blocks for array in (b.values, b.replicas, b.snapshots)]
        monkeypatch.setattr(local.Metropolis, "drive_ladder", lambda *_: None)
        monkeypatch.setattr(local.HeatBath, "drive_ladder", lambda *_: None)
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    assert found[0][-1].shape == (3, 2, 6, 4)


def test_a_ladder_needs_temperatures_that_the_sampler_serves():
    seeds = rng.seed_sequence(0, "synthetic", "ladder")
    with pytest.raises(InputError, match="at least two"):
        start_ladder(SAMPLERS["wolff"], Ising(), (4, 4), (2.0,), seeds)
    with pytest.raises(InputError, match="above 0"):
        start_ladder(SAMPLERS["wolff"], Ising(), (4, 4), (2.0, 0.0), seeds)
