"""Curves of ladders: errors hold at every temperature and for all of them together, for they share replicas."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves.chains import curves_of_chains, curves_of_ladders
from physnn.analysis.curves.observables import with_moments
from physnn.errors import InputError
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.transfer import ising_transfer
from physnn.models import Ising
from physnn.samplers import COLUMNS, SAMPLERS
from physnn.samplers.tempering import advance_ladder, start_ladder

L, T = 8, (2.2, 2.3, 2.4, 2.5, 2.6)
NAMES = ("energy", "m", "structure_x", "structure_y")


def ladders(seed: int, sweeps: int = 4000, count: int = 2) -> dict[str, np.ndarray]:
    """Raw arrays (temperatures, ladders, measurements)."""
    sampler, found = SAMPLERS["metropolis"], []
    for k in range(count):
        ladder = start_ladder(sampler, Ising(), (L, L), T, rng.seed_sequence(seed, "synthetic", "curves", k))
        once = np.ones(len(T), np.int64)
        advance_ladder(sampler, Ising(), T, ladder, 100, once)
        found.append(advance_ladder(sampler, Ising(), T, ladder, sweeps, once).values)
    values = np.stack(found, axis=1)
    return with_moments({name: values[..., COLUMNS.index(name)] for name in NAMES}, L)


def curve(arrays, observable, form=curves_of_ladders, values=T):
    return form({L: (np.array(values), arrays)}, observable, "T", 200, rng.stream(0, "bootstrap", "test"))


def test_errors_hold_at_each_temperature_and_of_their_mean():
    exact = [ising_transfer((L, L), t) | {"c": kaufman((L, L), t).c} for t in T]
    single, mean, alone = [], [], []
    for seed in range(50):
        arrays = ladders(seed)
        for name in ("energy", "binder", "c"):
            found = curve(arrays, name)
            off = found.y[L] - [e[name] for e in exact]
            error = found.errors[L]
            single += (off / error).tolist()
            weighted = off / error
            together = found.correlation[L].sum() ** 0.5
            mean.append(weighted.sum() / together)
            alone.append(weighted.sum() / len(T) ** 0.5)
            by_samples = ((found.samples[L] - found.y[L]) / error).sum(1).std()
            assert by_samples == pytest.approx(together, rel=0.25), "samples deviate as the correlation says"
    assert 0.60 <= np.mean(np.abs(single) < 1) <= 0.76
    assert 0.60 <= np.mean(np.abs(mean) < 1) <= 0.76
    assert np.mean(np.abs(alone) < 1) < 0.58, "temperatures taken as independent are seen"


def test_spans_are_the_same_for_all_temperatures_and_long_enough_for_the_slowest():
    arrays = ladders(0)
    found, plain = curve(arrays, "energy"), curve(arrays, "energy", curves_of_chains)
    assert found.y[L] == pytest.approx(plain.y[L])
    assert found.bins <= plain.bins and found.chains == 2 and not found.equilibrium
    assert np.diag(found.correlation[L], 1).min() > 0.3 and not plain.correlation
    np.linalg.cholesky(found.correlation[L])
    backwards = curve({n: a[::-1] for n, a in arrays.items()}, "energy", values=T[::-1])
    assert np.array_equal(backwards.y[L], found.y[L])


def test_what_plain_chains_are_told_ladders_are_told():
    with pytest.raises(InputError, match=r"L = 8, T = .*--sweeps \d+"):
        curve(ladders(0, sweeps=40, count=1), "binder")
    arrays = ladders(1)
    arrays["energy"][2, 0] *= 0.8
    assert "disagree" in curve(arrays, "energy").equilibrium
    arrays = ladders(1)
    arrays["energy"][0] = -2.0
    found = curve(arrays, "energy")
    assert found.frozen == {L: (2.2,)} and len(found.x[L]) == 4
