"""Free energies, averages and effective numbers of samples are pymbar's, to 1e-6."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.mbar import newton, solve
from physnn.analysis.statistics.reweighting import reweight
from physnn.errors import InputError

T = np.array([1.8, 2.0, 2.3, 2.6, 3.0])
GRID = np.array([1.7, 1.9, 2.15, 2.5, 2.9, 3.2])


def series(continuous: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Energies of five temperatures, 300 to 700 samples each, and an observable that depends on them."""
    generator = rng.stream(0, "synthetic", "mbar", int(continuous))
    energies, observables = [], []
    for k, t in enumerate(T):
        n = 300 + 100 * k
        e = generator.normal(-32 / t, 5, n) if continuous else 4.0 * generator.binomial(16, 1 / (1 + np.exp(4 / t)), n)
        energies.append(e if continuous else e - 32)
        observables.append(np.tanh(e / 20) + 0.1 * generator.normal(size=n))
    return energies, observables


PYMBAR = {
    False: (
        [0.0, 1.395902066, 2.9231189834, 4.0006549886, 5.0015058891],
        [0.2482861662, 0.3088933653, 0.3784890843, 0.461335801, 0.535597048, 0.5793314049],
        [1455.9200876139, 1900.27192721, 2315.50658569, 2459.7599060642, 2142.4941598141, 1785.9477008354],
    ),
    True: (
        [0.0, 0.9120224434, 1.875862949, 2.5392576136, 3.1479579577],
        [-0.6927477849, -0.648797702, -0.6008323686, -0.5452071132, -0.4948061573, -0.4641004932],
        [1380.3878302006, 1955.7429882663, 2371.7850715799, 2459.3771834998, 2212.4937084523, 1963.3025040733],
    ),
}
"""Free energies, averages and effective numbers of pymbar 4.0.3, for discrete and continuous energies."""


@pytest.mark.parametrize("continuous", [False, True])
def test_stored_numbers_of_pymbar(continuous):
    energies, observables = series(continuous)
    found = reweight(T, energies, [observables], GRID, decorrelate=False)
    free, averages, effective = PYMBAR[continuous]
    np.testing.assert_allclose(found.free_energy, free, atol=1e-6)
    np.testing.assert_allclose(found.averages[0], averages, atol=1e-6)
    np.testing.assert_allclose(found.effective, effective, rtol=1e-6)
    # One sample in 2500 changed by as little as a tenth must show.
    observables[2][0] += 0.1
    changed = reweight(T, energies, [observables], GRID, decorrelate=False)
    assert np.abs(changed.averages[0] - averages).max() > 1e-5


@pytest.mark.parametrize("continuous", [False, True])
def test_pymbar_itself(continuous):
    from pymbar import MBAR

    energies, observables = series(continuous)
    reduced = np.outer(1 / np.concatenate([T, GRID]), np.concatenate(energies))
    numbers = np.array([len(e) for e in energies] + [0] * len(GRID))
    # Its default solver passes scipy an unknown option, with a warning.
    solution = MBAR(reduced, numbers, solver_protocol="robust", relative_tolerance=1e-13)
    averages = solution.compute_expectations(np.concatenate(observables))["mu"]
    found = reweight(T, energies, [observables], GRID, decorrelate=False)
    np.testing.assert_allclose(found.free_energy, solution.f_k[: len(T)] - solution.f_k[0], atol=1e-6)
    np.testing.assert_allclose(found.averages[0], averages[len(T) :], atol=1e-6)
    np.testing.assert_allclose(found.effective, solution.compute_effective_sample_number()[len(T) :], rtol=1e-6)


def histograms(beta: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact mean histograms of 200 independent two-level sites, and their free energies."""
    energy = np.arange(0, 201, dtype=float)
    from scipy.special import gammaln

    log_g = gammaln(201) - gammaln(energy + 1) - gammaln(201 - energy)
    log_p = log_g - beta[:, None] * energy
    free = -np.logaddexp.reduce(log_p, axis=1)
    return energy, numbers[:, None] * np.exp(log_p + free[:, None]), free - free[0]


def test_exact_histograms_give_exact_free_energies_in_any_order():
    beta, numbers = np.array([0.9, 0.2, 0.5, 0.35, 0.7]), np.array([100.0, 5000.0, 20.0, 1e6, 300.0])
    energy, counts, free = histograms(beta, numbers)
    pooled = solve(beta, energy, counts)
    np.testing.assert_allclose(pooled.free, free, atol=1e-9)
    np.testing.assert_allclose(pooled.free, -200 * np.log((1 + np.exp(-beta)) / (1 + np.exp(-beta[0]))), atol=1e-9)
    assert np.all((pooled.overlaps > 0.05) & (pooled.overlaps < 1))


def test_many_close_temperatures_and_large_energies():
    beta = np.linspace(0.4, 0.5, 40)
    energy, counts, free = histograms(beta, np.full(40, 1e4))
    # Energies 1e5 below zero, as those of a large lattice: exponents of 5e4.
    pooled = solve(beta, energy - 1e5, counts)
    np.testing.assert_allclose(pooled.free, free - 1e5 * (beta - beta[0]), atol=1e-6)
    assert pooled.overlaps.min() > 0.95


def test_newton_finds_the_solution_from_far_away():
    beta, numbers = np.linspace(0.2, 0.9, 8), np.full(8, 1000.0)
    energy, counts, free = histograms(beta, numbers)
    exponent = -beta[:, None] * energy
    far = newton(np.exp(exponent - exponent.max(axis=0)), counts.sum(axis=0)[None], numbers[None])[0]
    np.testing.assert_allclose(far, free, atol=1e-8)


def test_histograms_apart_are_refused():
    beta = np.array([0.05, 3.0])
    energy, counts, _ = histograms(beta, np.full(2, 1e4))
    with pytest.raises(InputError, match=r"overlap by .* only .* add a temperature between them"):
        solve(beta, energy, counts)
