"""What samplers keep or add up on their way equals what is counted anew from the last state, after long runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.exact.signs import sampling
from physnn.kernels.signs import walk as kernel
from physnn.models import Ising, Potts, couplings
from physnn.models.signs import SignNetwork, Threshold
from physnn.samplers import SAMPLERS, advance, start
from physnn.samplers.langevin import Langevin
from physnn.samplers.vector_metropolis import Mala, VectorMetropolis
from physnn.samplers.vectors import start_vectors
from tests.synthetic.lattice_exact import GENERAL, energy_and_order


def sequence(*words):
    return rng.seed_sequence(0, "synthetic", "recount", *words)


@pytest.mark.parametrize(
    ("name", "model", "shape"),
    [
        *((name, model, (6, 8)) for name in GENERAL for model in (Ising(), Potts(3))),
        *((name, Ising(J=0.7, h=0.3), (6, 8)) for name in ("metropolis", "heat-bath-random")),
        ("multispin", Ising(), (4, 128)),
    ],
    ids=repr,
)
def test_energies_of_a_long_chain_are_those_of_its_configurations(name, model, shape):
    sampler, T, N = SAMPLERS[name], 1.05 * model.critical_temperature, math.prod(shape)
    state = start(sampler, model, shape, T, sequence(name))
    rows = [advance(sampler, model, T, state, 500, 7, snapshot_every=10) for _ in range(4)]
    for block in rows:
        energy, order = energy_and_order(model, block.snapshots)
        assert np.allclose(block["energy"][9::10] * N, energy, rtol=0, atol=1e-9)
        assert np.allclose(block["m" if model.field else "m2"][9::10], order, rtol=0, atol=1e-12)
    colours = state.configuration.copy()
    last, _ = energy_and_order(model, colours)
    assert rows[-1]["energy"][-1] * N == pytest.approx(last, abs=1e-9)
    colours[0] = (colours[0] + np.arange(shape[1])) % model.q
    other, _ = energy_and_order(model, colours)
    assert abs(other - last) > 0.1, "a row that was changed unnoticed shows"


@pytest.mark.parametrize("sampler", [VectorMetropolis(0.5), Mala(0.1), Langevin(0.02)], ids=repr)
def test_energies_of_a_long_chain_of_vectors_are_those_of_its_state(sampler):
    model = couplings.on(3)
    state = start_vectors(sampler, model, (5, 4), "random", sequence("vectors"), 2)
    for _ in range(3):
        sampler.advance(model, 0.8, state, 300, 11)
    norms = np.linalg.norm(state.x, axis=-1)
    recounted = model.energy(state.x.astype(np.float64))
    rows = sampler.advance(model, 0.8, state, 1, 1)
    rounding = 1e-5 if state.x.dtype == np.float32 else 1e-12
    assert np.abs(norms - 1).max() < rounding
    assert np.allclose(rows["energy"][:, 0], recounted, rtol=0, atol=rounding)
    assert (np.abs(model.energy(state.x.astype(np.float64)) - recounted) > 100 * rounding).any(), "it moves on"


def test_what_a_walker_through_levels_keeps_is_what_it_would_compute_anew():
    network, task = SignNetwork((1, 3, 3, 1)), Threshold(8)
    walker = sampling.Walker(network, task, 0, 0, 2**10)
    for done in range(0, 100_000, 10_000):
        walker._walk(10_000, (done, sampling.START, False))
    units, inputs, activations, _, _, starts, _, _, w, acts, trial = walker.arguments
    anew = acts.copy()
    anew[1:] = np.nan
    for layer, count in enumerate(units, start=1):
        anew[layer, count:] = acts[layer, count:]
    kernel.propagate(units, inputs, activations, starts, w, anew, 0, -1)
    assert np.array_equal(anew, acts) and np.array_equal(trial, acts)
    loss = task.losses(network.outputs(w[None], task.x))[0]
    assert walker.table[2][walker.at] == pytest.approx(loss, abs=1e-12)
    assert walker.table[4].sum() == 100_000
    w[0] = -w[0]
    kernel.propagate(units, inputs, activations, starts, w, anew, 0, -1)
    assert not np.array_equal(anew, acts), "one weight that was turned unnoticed shows"
