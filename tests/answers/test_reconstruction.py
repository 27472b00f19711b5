"""Flow of Boltzmann machines: spectrum, thermometers, and nulls that are no criticality."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.renormalization.decay import decay_length
from physnn.answers.training.reconstruction import fixed_point, machine_claims
from physnn.answers.training.references import reference_configurations, reference_thermometer, scaled_temperature
from physnn.errors import InputError
from physnn.models import Ising
from physnn.models.boltzmann import Machine, pair_machine
from physnn.models.lattice import Potts
from physnn.networks.boltzmann.spectrum import kernel_spectrum

CRITICAL = Ising().critical_temperature


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_the_spectrum_is_that_of_the_dense_kernel(low):
    g = rng.stream(0, "synthetic", "spectrum")
    machine = Machine(g.standard_normal((7, 5)), 0.3 * g.standard_normal(7), 0.3 * g.standard_normal(5), low)
    v, h = machine.states("visible").astype(float), machine.states("hidden").astype(float)
    joint = np.exp(v @ machine.weights @ h.T + (v @ machine.visible_bias)[:, None] + h @ machine.hidden_bias)
    kernel = (joint / joint.sum(axis=1, keepdims=True)) @ (joint / joint.sum(axis=0, keepdims=True)).T
    dense = np.sort(np.linalg.eigvals(kernel).real)[::-1]
    found = kernel_spectrum(machine, 5)
    np.testing.assert_allclose(found.eigenvalues, dense[:5], atol=2e-6)
    assert dense.min() > -1e-12 and dense.max() < 1 + 1e-12
    assert found.residual < 1e-6


def test_a_spectrum_of_too_many_states_is_refused():
    with pytest.raises(InputError, match="at most 16"):
        kernel_spectrum(Machine(np.zeros((17, 3)), np.zeros(17), np.zeros(3)))


def torus_pairs(L: int) -> np.ndarray:
    sites = np.arange(L * L).reshape(L, L)
    return np.concatenate([np.stack([sites, np.roll(sites, -1, a)], axis=2).reshape(-1, 2) for a in (0, 1)])


def claims_of(machine: Machine, thermometer, starts) -> dict[str, str]:
    _, reading, together = fixed_point(machine, starts, thermometer, 2)
    return machine_claims([reading.energy, reading.likely], [reading], together, None, None)


def test_a_planted_machine_lands_at_its_temperature_and_magnetisation_alone_does_not():
    thermometer = reference_thermometer(4, 0, 600)
    starts = [reference_configurations(4, T, 400, 1) for T in (1.5, 5.0)]
    planted = claims_of(pair_machine(torus_pairs(4), 16, 1 / CRITICAL), thermometer, starts)
    assert planted["it lies at T_c"] == "within errors" and planted["it is a thermal state"].startswith("not excluded")
    # Uniform weights know the magnetisation alone, as machines do whose training's sites were shuffled: there is a
    # temperature with this energy near T_c, but none with this two-point function.
    null = Machine(np.full((16, 8), 0.156), np.zeros(16), np.zeros(8))
    _, reading, _ = fixed_point(null, starts, thermometer, 2)
    assert 1.9 < reading.energy.value < 2.7
    assert not reading.thermal
    assert claims_of(null, thermometer, starts)["it lies at T_c"] == "no"
    assert planted["it is critical"].startswith("no")


@pytest.mark.slow
def test_a_planted_potts_machine_lands_at_its_temperature():
    model, pairs = Potts(3), torus_pairs(4)
    T, thermometer = model.critical_temperature, reference_thermometer(4, 0, 1500, model)
    starts = [reference_configurations(4, scaled_temperature(model, t), 400, 1, model) for t in (1.5, 5.0)]

    def claims(machine: Machine) -> dict[str, str]:
        _, reading, together = fixed_point(machine, starts, thermometer, 2, model=model)
        return machine_claims([reading.energy, reading.likely], [reading], together, None, None, T)

    assert claims(pair_machine(pairs, 16, 1 / T, 3))["it lies at T_c"] == "within errors"
    warmer = claims(pair_machine(pairs, 16, 1 / (1.2 * T), 3))
    assert warmer["it lies at T_c"] == "no" and warmer["it is a thermal state"].startswith("not excluded")
    # The control: with bonds to the next sites but one alone there is no such two-point function.
    far = np.stack([pairs[:, 0], pairs[::-1, 1]], axis=1)
    assert claims(pair_machine(far, 16, 1 / T, 3))["it is a thermal state"].startswith("no")


def test_the_decay_length_of_planted_correlations_is_found():
    g, L = rng.stream(0, "synthetic", "decay"), 16
    places = np.indices((L, L)).reshape(2, -1).T.astype(float)
    gap = np.abs(places[:, None] - places[None])
    distance = np.sqrt((np.minimum(gap, L - gap) ** 2).sum(axis=2))
    root = np.linalg.cholesky(np.exp(-distance / 3) + 0.05 * np.eye(L * L))
    assert decay_length(g.standard_normal((4000, L * L)) @ root.T, places, L) == pytest.approx(3, rel=0.15)
