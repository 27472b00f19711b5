from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.models import Ising, Potts
from physnn.samplers import SAMPLERS, advance, start
from tests.synthetic.lattice_exact import energy_and_order

MODELS = [Ising(), Ising(J=-0.7, h=0.4), Potts(2), Potts(3), Potts(4, J=2.0)]


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (6, 4), (16, 33)])
def test_observables_follow_their_definitions(model, shape):
    sampler, T = SAMPLERS["heat-bath-random"], 1.1 * model.critical_temperature
    state = start(sampler, model, shape, T, rng.seed_sequence(1, "synthetic", "observables"))
    rows = advance(sampler, model, T, state, 6, 2, snapshot_every=1)
    N, q = shape[0] * shape[1], model.q
    energy, order = energy_and_order(model, rows.snapshots)
    density = np.stack([rows.snapshots == a for a in range(q)]) / N
    waves = q / (q - 1) * N * (np.abs(np.fft.fft2(density)) ** 2).sum(axis=0)
    m2 = q / (q - 1) * ((density.sum(axis=(-2, -1)) - 1 / q) ** 2).sum(axis=0)
    assert np.allclose(rows["energy"] * N, energy)
    assert np.allclose(rows["m"] if model.field else rows["m2"], order)
    assert np.allclose(rows["m2"], m2) and np.allclose(rows["m4"], m2**2)
    assert np.allclose(rows["structure_x"], waves[:, 0, 1])
    assert np.allclose(rows["structure_y"], waves[:, 1, 0])
    assert (rows["work"] == 2).all()
    if q == 2:
        s = 1.0 - 2.0 * rows.snapshots
        assert np.allclose(rows["m"], s.mean(axis=(1, 2)))
        assert np.allclose(rows["structure_x"], np.abs(np.fft.fft2(s)[:, 0, 1]) ** 2 / N)
    else:
        assert np.allclose(rows["m"], np.sqrt(m2))


def test_the_axes_are_kept_apart():
    sampler, model = SAMPLERS["metropolis"], Ising()
    state = start(sampler, model, (8, 8), 1e-3, rng.seed_sequence(1, "synthetic", "axes"))
    state.colours[:, 4:] = 1
    stripes = advance(sampler, model, 1e-3, state, 1)
    assert stripes["structure_x"][0] > 20 and stripes["structure_y"][0] < 1e-9
