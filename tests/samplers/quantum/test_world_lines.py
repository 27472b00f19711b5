from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.series import estimate_time
from physnn.checks.quantum.world_lines import plain_update
from physnn.errors import InputError
from physnn.models.quantum import QuantumModel
from physnn.samplers import chain
from physnn.samplers.quantum.world_lines import WorldLines, lines_begin, move_lines, world_columns
from tests.synthetic.quantum_thermal import (
    dense_hamiltonian,
    open_chain_energy,
    periodic_chain_energy,
    thermal_averages,
)

CASES = [
    ((6,), 1.0, 3.0, True),
    ((5,), 0.5, 2.0, False),
    ((2, 3), 2.0, 1.5, True),
    ((2, 3), 3.0, 1.0, False),
    ((2,), 1.3, 4.0, True),
]
"""Sides, field, inverse temperature, and whether bonds return on the other side: a side of 2 has double bonds."""
LIMIT = 4.0


def begin(model, *words):
    return lines_begin(model, rng.seed_sequence(3, "synthetic", "world lines", *words))


def sampled(model, beta, sweeps, chains=4, spoil=None, slopes=False):
    """Measurements (chains, sweeps, columns) after some updates; ``spoil`` changes a state before every update."""
    found = []
    for c in range(chains):
        state = begin(model, str(model.sides), model.h, beta, c)
        move_lines(model, beta, state, 1, 50)
        if spoil is None:
            found.append(move_lines(model, beta, state, sweeps, slopes=slopes))
            continue
        rows = []
        for _ in range(sweeps):
            spoil(state)
            rows.append(move_lines(model, beta, state, 1)[0])
        found.append(np.array(rows))
    return np.array(found)


def scores(model, rows, exact):
    """Differences from exact averages in errors, which allow for autocorrelation, by column."""
    found = {}
    for k, name in enumerate(world_columns(model)):
        mean = estimate_time(rows[:, :, k]).mean
        found[name] = (mean.value - exact[name]) / mean.error
    return found


@pytest.mark.parametrize(("sides", "h", "beta", "periodic"), CASES)
def test_all_averages_are_those_of_dense_matrices(sides, h, beta, periodic):
    model = QuantumModel("tfim", sides, h=h, periodic=periodic)
    exact, rows = thermal_averages(model, beta), sampled(model, beta, 2000, slopes=True)
    z = scores(model, rows, exact)
    assert set(z) == set(world_columns(model)) and max(map(abs, z.values())) < LIMIT, z
    columns, d = world_columns(model, slopes=True), 1e-3
    beside = [thermal_averages(QuantumModel("tfim", sides, h=h + s * d, periodic=periodic), beta) for s in (-1, 1)]
    known = np.mean([model.N * beta * each["sigma_x"] for each in beside])
    column = {name: rows[:, :, k] for k, name in enumerate(columns)}
    z, apart = {}, []
    for name in ("m_time2", "m_time4", "s_time", "s_space")[: 4 if periodic else 3]:
        slope = (beside[1][name] - beside[0][name]) / (2 * d)
        # Products of averages over signs lack what both share.
        for product in (column[f"{name}_kinks"], column[name] * column["kinks"]):
            mean = estimate_time(product - known * column[name] - exact[name] * (column["kinks"] - known)).mean
            apart.append((mean.value - slope) / mean.error)
        z[name] = apart[-2]
    assert max(map(abs, z.values())) < LIMIT, z
    assert max(map(abs, apart[1::2])) > 2 * LIMIT, "products without the joint part would not be caught"


def exact_two_point(model, beta):
    """Thermal mean of s_i s_j by distance along the axes, over all pairs."""
    spins, H = dense_hamiltonian(model)
    E, U = np.linalg.eigh(H)
    p = (U**2) @ np.exp(-beta * (E - E[0]))
    lattices, found = spins.reshape(-1, *model.sides), []
    for r in range(model.sides[0] // 2 + 1):
        pairs = []
        for axis, side in enumerate(model.sides, start=1):
            products = np.moveaxis(lattices * np.roll(lattices, -r, axis), axis, 1)
            products = products if model.periodic else products[:, : side - r]
            pairs.append(products.reshape(len(spins), -1))
        found.append(float(p @ np.concatenate(pairs, axis=1).mean(axis=1) / p.sum()))
    return np.array(found)


@pytest.mark.parametrize(("sides", "h", "beta", "periodic"), [CASES[0], CASES[3]])
def test_two_point_functions_are_those_of_dense_matrices(sides, h, beta, periodic):
    model, means = QuantumModel("tfim", sides, h=h, periodic=periodic), []
    state = begin(model, "pairs")
    move_lines(model, beta, state, 50)
    for _ in range(60):
        state.pairs[:] = 0
        move_lines(model, beta, state, 60)
        means.append(state.correlation)
    mean, error = np.mean(means, axis=0), np.std(means, axis=0, ddof=1) / np.sqrt(len(means))
    assert mean[0] == 1 and error[1:].max() < 0.01
    z = (mean - exact_two_point(model, beta))[1:] / error[1:]
    assert np.abs(z).max() < LIMIT, z
    other = QuantumModel("tfim", sides, h=1.1 * h, periodic=periodic)
    assert np.abs((mean - exact_two_point(other, beta))[1:] / error[1:]).max() > LIMIT


def test_world_lines_of_another_field_are_caught():
    model, beta = QuantumModel("tfim", (6,), h=1.0), 3.0
    other = QuantumModel("tfim", (6,), h=1.04)
    z = scores(model, sampled(other, beta, 2500), thermal_averages(model, beta))
    assert max(map(abs, z.values())) > LIMIT


def forget_kinks(state: WorldLines) -> None:
    """Forget the last two kinks of the first site."""
    if state.offsets[1] >= 2:
        end = state.offsets[1]
        state.kinks = np.delete(state.kinks[: state.offsets[-1]], [end - 2, end - 1])
        state.offsets[1:] -= 2


def test_world_lines_that_forget_kinks_are_caught():
    model, beta = QuantumModel("tfim", (5,), h=1.0), 3.0
    z = scores(model, sampled(model, beta, 600, spoil=forget_kinks), thermal_averages(model, beta))
    assert max(map(abs, z.values())) > LIMIT


def test_free_fermions_agree_with_dense_matrices():
    for h in (0.7, 1.0, 1.6):
        for periodic, energy in ((True, periodic_chain_energy), (False, open_chain_energy)):
            E = np.linalg.eigvalsh(dense_hamiltonian(QuantumModel("tfim", (6,), h=h, periodic=periodic))[1])
            weight = np.exp(-1.7 * (E - E[0]))
            assert energy(6, h, 1.7) == pytest.approx(weight @ E / weight.sum() / 6, rel=1e-8)


@pytest.mark.parametrize(("L", "h", "beta", "periodic", "sweeps"), [
    (32, 1.0, 12.0, True, 500),
    (32, 0.8, 12.0, False, 500),
    pytest.param(32, 0.95, 192.0, True, 3000, marks=pytest.mark.slow),
    pytest.param(64, 1.0, 128.0, True, 4000, marks=pytest.mark.slow),
    pytest.param(64, 1.1, 64.0, False, 4000, marks=pytest.mark.slow),
])  # fmt: skip
def test_energies_of_long_chains_are_those_of_free_fermions(L, h, beta, periodic, sweeps):
    model = QuantumModel("tfim", (L,), h=h, periodic=periodic)
    mean = estimate_time(sampled(model, beta, sweeps)[:, :, 0]).mean
    exact = (periodic_chain_energy if periodic else open_chain_energy)(L, h, beta)
    assert mean.error < 2e-3 and abs(mean.value - exact) < LIMIT * mean.error


def test_array_operations_of_the_benchmark_make_the_same_update():
    model, beta, generator = QuantumModel("tfim", (5,), h=1.2), 2.0, rng.stream(3, "synthetic", "plain")
    state, exact, found = begin(model), thermal_averages(model, beta), []
    for _ in range(1000):
        plain_update(model, beta, state, generator)
        found.append([state.spins.mean() ** 2, state.offsets[-1] / (model.N * model.h * beta)])
    means = [estimate_time(column).mean for column in np.array(found[50:]).T]
    z = [(e.value - exact[name]) / e.error for e, name in zip(means, ("m2_improved", "sigma_x"), strict=True)]
    assert max(map(abs, z)) < LIMIT, z


def test_where_calls_are_cut_changes_nothing(monkeypatch):
    model, beta = QuantumModel("tfim", (3, 3), h=3.0), 2.0
    whole = begin(model)
    rows = move_lines(model, beta, whole, 12, 2)
    monkeypatch.setattr(chain, "FIRST_SLICE_SITES", 1)
    monkeypatch.setattr(chain, "SLICE", 0.0)
    state = begin(model)
    parts = [move_lines(model, beta, state, 5, 2)]
    state = WorldLines.of({name: np.append(v, 7.0) if name == "kinks" else v for name, v in state.arrays().items()})
    parts.append(move_lines(model, beta, state, 7, 2))
    assert np.array_equal(np.concatenate(parts), rows)
    assert all(np.array_equal(v, state.arrays()[name]) for name, v in whole.arrays().items())


def test_what_is_no_model_of_world_lines_is_refused():
    tfim = QuantumModel("tfim", (4,), h=1.0)
    for model in (QuantumModel("heisenberg", (4,)), QuantumModel("tfim", (4,))):
        with pytest.raises(InputError, match="tfim in a field h > 0"):
            begin(model)
    for beta in (0.0, np.inf, np.nan):
        with pytest.raises(InputError, match="one above 0"):
            move_lines(tfim, beta, begin(tfim), 1)
    with pytest.raises(InputError, match="world lines of 4 sites"):
        move_lines(tfim, 1.0, begin(QuantumModel("tfim", (5,), h=1.0)), 1)
    with pytest.raises(InputError, match="an interval"):
        move_lines(tfim, 1.0, begin(tfim), 1, 0)
