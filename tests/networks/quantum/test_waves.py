"""Wave functions by Boltzmann machines against dense matrices, finite differences and enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.complete import (
    Classes,
    configurations_of,
    drawn_configurations,
    is_even,
    summed_over,
    summed_step,
)
from physnn.networks.quantum.reconfiguration import (
    StepRule,
    reconfigured,
    sampled_derivatives,
    sampled_step,
    step_of,
)
from physnn.networks.quantum.walkers import Walkers, WaveTables
from physnn.networks.quantum.wave import SpinMachine, lattice_symmetries, untrained_wave

MODELS = (
    QuantumModel("tfim", (8,), h=0.7),
    QuantumModel("tfim", (2, 3), h=1.3, periodic=False),
    QuantumModel("heisenberg", (8,), marshall=True),
    QuantumModel("xxz", (6,), delta=0.4, periodic=False),
    QuantumModel("j1j2", (2, 4), J2=0.3, marshall=True),
)
ENOUGH = 1e-4
"""Probability below which a sampler is called wrong."""


def dense_hamiltonian(model: QuantumModel) -> np.ndarray:
    """Matrix of a Hamiltonian over all 2^N configurations of a few spins, by the model's own connections."""
    states = configurations_of(np.arange(2**model.N), model.N)
    found = np.diag(model.diagonal(states))
    powers = 2 ** np.arange(model.N)
    for row, spins in enumerate(states):
        reached, elements = model.connected(spins)
        np.add.at(found[row], ((reached < 0) @ powers).astype(int), elements)
    return found


def machine_on(model: QuantumModel, symmetry: str = "none", *, biased: bool = True, scale: float = 20) -> SpinMachine:
    seeds = rng.seed_sequence(1, "synthetic", "wave", model.name, symmetry)
    small = untrained_wave(model.sides, 1, symmetry, seeds, biased=biased)
    return small.moved((scale - 1) * small.parameters)


def walkers_of(model: QuantumModel, machine: SpinMachine, chains: int = 64) -> Walkers:
    found = Walkers.begin(model, chains, rng.seed_sequence(2, "synthetic", "walkers", model.name))
    found.settle(WaveTables.of(machine, found.moves))
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.name}-{model.N}")
def test_local_energies_are_those_of_dense_matrices(model):
    machine = machine_on(model)
    walkers = walkers_of(model, machine)
    walkers.walk(50)
    psi = np.exp(machine.log_amplitude(configurations_of(np.arange(2**model.N), model.N)))
    numbers = (walkers.configurations < 0) @ (1 << np.arange(model.N))
    exact = (dense_hamiltonian(model) @ psi / psi)[numbers]
    assert walkers.local_energies().ravel() == pytest.approx(exact, rel=2e-4, abs=2e-4)


def test_ratios_whose_parts_are_beyond_float32_are_right():
    """All weights have one sign: what hundreds of units have in common is far larger than the ratio."""
    model = QuantumModel("tfim", (4, 4), h=1.0)
    machine = untrained_wave((4, 4), 4, "lattice", rng.seed_sequence(1, "synthetic", "wave"))
    machine = machine.moved(0.1 + 0 * machine.parameters)
    walkers = walkers_of(model, machine)
    spins, ratio = walkers.configurations, 0.0
    for i in range(model.N):
        turned = spins * np.where(np.arange(model.N) == i, -1, 1)
        ratio = ratio + np.exp(machine.log_amplitude(turned) - machine.log_amplitude(spins))
    exact = model.diagonal(spins) - ratio
    seen = np.abs(exact) < 1e30
    assert seen.sum() > 30
    assert walkers.local_energies().ravel()[seen] == pytest.approx(exact[seen], rel=5e-3)


def test_derivatives_are_finite_differences():
    spins = configurations_of(np.arange(64), 6)
    for imaginary in (False, True):
        machine = untrained_wave(
            (6,), 2, "lattice", rng.seed_sequence(1, "synthetic"), imaginary=imaginary, biased=True
        )
        machine = machine.moved(20 * machine.parameters)
        found, step = machine.derivatives(spins), 1e-5
        for k in range(len(machine.parameters)):
            each = step * np.eye(1, len(machine.parameters), k)[0]
            difference = machine.moved(each).log_amplitude(spins) - machine.moved(-each).log_amplitude(spins)
            assert found[:, k] == pytest.approx(difference / (2 * step), abs=1e-8)


@pytest.mark.parametrize("symmetry", ["none", "translations"])
def test_derivatives_along_chains_are_those_of_the_machine(symmetry):
    machine = machine_on(MODELS[0], symmetry)
    walkers = walkers_of(MODELS[0], machine)
    walkers.walk(50)
    found = sampled_derivatives(machine, walkers).T
    assert found == pytest.approx(machine.derivatives(walkers.configurations), abs=1e-4)


def test_amplitudes_along_chains_are_those_of_the_machine():
    for model, symmetry in ((MODELS[0], "translations"), (MODELS[3], "none")):
        machine = machine_on(model, symmetry)
        walkers = walkers_of(model, machine)
        walkers.walk(50)
        apart = walkers.log_amplitudes() - machine.log_amplitude(walkers.configurations)
        assert apart.std() < 1e-4


def counts_of(model: QuantumModel, machine: SpinMachine, tables: WaveTables, rounds: int) -> tuple[float, int]:
    """Chi squared of configurations along chains against |psi|^2, and its degrees of freedom."""
    walkers = Walkers.begin(model, 512, rng.seed_sequence(3, "synthetic", "counts", model.name))
    walkers.settle(tables)
    walkers.walk(400)
    found = np.zeros(2**model.N)
    for _ in range(rounds):
        walkers.walk(31 if not model.conserves else 101)
        numbers = (walkers.configurations < 0) @ (1 << np.arange(model.N))
        found += np.bincount(numbers, minlength=len(found))
    every = np.arange(2**model.N)
    weight = np.exp(2 * machine.log_amplitude(configurations_of(every, model.N)))
    if model.conserves:
        weight[np.bitwise_count(every) != model.N // 2] = 0
    expected = found.sum() * weight / weight.sum()
    seen = expected > 0
    assert not found[~seen].any()
    return float(((found - expected)[seen] ** 2 / expected[seen]).sum()), int(seen.sum()) - 1


@pytest.mark.parametrize("model", [MODELS[1], MODELS[3]], ids=lambda model: model.name)
def test_chains_are_distributed_like_the_square_of_the_amplitude(model):
    machine = machine_on(model, scale=8)
    tables = WaveTables.of(machine, walkers_of(model, machine).moves)
    squares, freedom = counts_of(model, machine, tables, 60)
    assert stats.chi2.sf(squares, freedom) > ENOUGH
    # Ratios that are 4 % off for spins that are up are seen.
    tables.factors[:, 0] *= 1.04
    squares, freedom = counts_of(model, machine, tables, 60)
    assert stats.chi2.sf(squares, freedom) < ENOUGH


def test_a_symmetric_machine_is_a_full_one_with_tied_weights():
    machine = machine_on(MODELS[0], "lattice")
    full = SpinMachine(machine.units, machine.thresholds, np.repeat(machine.field, 8), lattice_symmetries((8,), "none"))
    spins = configurations_of(np.arange(256), 8)
    assert full.log_amplitude(spins) == pytest.approx(machine.log_amplitude(spins), abs=1e-12)
    for permutation in machine.permutations:
        assert machine.log_amplitude(spins[:, permutation]) == pytest.approx(machine.log_amplitude(spins), abs=1e-9)
    assert len(machine.permutations) == 16
    assert len(lattice_symmetries((4, 4), "lattice")) == 128


def test_both_gram_matrices_give_the_same_step():
    model = MODELS[0]
    rule = StepRule(0.05, 0.01)
    for symmetry, chains in (("none", 64), ("translations", 64), ("translations", 16)):
        machine = machine_on(model, symmetry, biased=symmetry == "none", scale=10)
        walkers = walkers_of(model, machine, chains)
        walkers.walk(200)
        energies = walkers.local_energies()
        rows = machine.derivatives(walkers.configurations)
        rows = rows - rows.mean(axis=0)
        local = energies.ravel() - energies.mean()
        expected = step_of(rows.T @ rows / len(rows), rows.T @ local / len(rows), rule)
        found = reconfigured(machine, walkers, energies, rule).parameters - machine.parameters
        assert found == pytest.approx(expected, abs=0.01 * np.abs(expected).max())
        near = reconfigured(machine, walkers, energies, rule._replace(radius=1e-3)).parameters - machine.parameters
        assert np.sqrt(((rows @ near) ** 2).mean()) == pytest.approx(1e-3, rel=0.02)


def test_a_large_symmetry_does_not_lose_its_training():
    """512 units share 64 weights: a step that is small in S changes amplitudes by orders of magnitude."""
    model = QuantumModel("heisenberg", (4, 4), marshall=True)
    machine = untrained_wave((4, 4), 4, "lattice", rng.seed_sequence(2, "synthetic"))
    walkers = walkers_of(model, machine, 256)
    walkers.walk(400)
    for k in range(60):
        energy, machine = sampled_step(machine, walkers, StepRule(0.1, 0.01 * 0.1 ** (k / 60)))
    assert energy / 16 == pytest.approx(-0.70178, abs=2e-3)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=lambda model: model.name)
def test_sums_are_those_of_dense_matrices(model):
    machine = machine_on(model, "translations", biased=False)
    classes = Classes.of(model, machine.permutations, is_even(machine))
    found = summed_over(machine, classes)
    states = configurations_of(np.arange(2**model.N), model.N)
    psi = np.exp(machine.log_amplitude(states))
    if model.conserves:
        psi[states.sum(axis=1) != 0] = 0
    psi /= np.linalg.norm(psi)
    moved = dense_hamiltonian(model) @ psi
    assert found.energy == pytest.approx(psi @ moved, rel=1e-12)
    assert found.variance == pytest.approx(moved @ moved - found.energy**2, rel=1e-9)
    spins, local = drawn_configurations(
        found, classes, machine.permutations, True, 4000, rng.stream(0, "synthetic", "drawn")
    )
    error = local.std() / np.sqrt(len(local))
    assert abs(local.mean() - found.energy) < 4 * error
    square = (psi**2 * states.mean(axis=1) ** 2).sum()
    drawn = spins.mean(axis=1) ** 2
    assert abs(drawn.mean() - square) <= 4 * drawn.std() / np.sqrt(len(drawn)) + 1e-12


def test_steps_lead_to_the_ground_state_and_an_eigenstate_has_no_variance():
    model = QuantumModel("j1j2", (8,), J2=0.2, marshall=True)
    machine = untrained_wave(model.sides, 2, "translations", rng.seed_sequence(0, "weights", "wave"), imaginary=True)
    classes = Classes.of(model, machine.permutations, True)
    for k in range(150):
        machine, found = summed_step(machine, classes, StepRule(0.1, 1e-2 * max(1e-2, 0.95**k)))
    exact = np.linalg.eigvalsh(dense_hamiltonian(model))[0]
    assert found.energy == pytest.approx(exact, abs=1e-6)
    assert found.energy >= exact - 1e-12
    pair = QuantumModel("heisenberg", (2,), periodic=False, marshall=True)
    flat = untrained_wave((2,), 1, "none", rng.seed_sequence(0, "weights"))
    singlet = summed_over(flat, Classes.of(pair, flat.permutations, True))
    assert (singlet.energy, singlet.variance) == (-0.75, 0.0)
