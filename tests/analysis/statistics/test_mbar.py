"""Free energies are those of pymbar, to 1e-6."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.mbar import energy_levels, newton, solve
from physnn.errors import InputError

T = np.array([1.8, 2.0, 2.3, 2.6, 3.0])


def series(continuous: bool) -> list[np.ndarray]:
    """Energies of five temperatures, 300 to 700 samples each."""
    generator = rng.stream(0, "synthetic", "mbar", int(continuous))
    energies = []
    for k, t in enumerate(T):
        n = 300 + 100 * k
        e = generator.normal(-32 / t, 5, n) if continuous else 4.0 * generator.binomial(16, 1 / (1 + np.exp(4 / t)), n)
        energies.append(e if continuous else e - 32)
        generator.normal(size=n)  # the stored numbers were made with an observable drawn here
    return energies


PYMBAR = {
    False: [0.0, 1.395902066, 2.9231189834, 4.0006549886, 5.0015058891],
    True: [0.0, 0.9120224434, 1.875862949, 2.5392576136, 3.1479579577],
}
"""Free energies of pymbar 4.0.3, for discrete and continuous energies."""


def free_energies(energies: list[np.ndarray]) -> np.ndarray:
    level, index = energy_levels(np.concatenate(energies), np.ptp(1 / T), 2**16)
    counts = np.zeros((len(T), len(level)))
    np.add.at(counts, (np.repeat(np.arange(len(T)), [len(e) for e in energies]), index), 1.0)
    return solve(1 / T, level, counts).free


@pytest.mark.parametrize("continuous", [False, True])
def test_stored_numbers_of_pymbar(continuous):
    energies = series(continuous)
    np.testing.assert_allclose(free_energies(energies), PYMBAR[continuous], atol=1e-6)
    # One sample in 2500 that moves by less than the width of its distribution must show.
    energies[2][0] += 4
    assert np.abs(free_energies(energies) - PYMBAR[continuous]).max() > 1e-5


@pytest.mark.parametrize("continuous", [False, True])
def test_pymbar_itself(continuous):
    from pymbar import MBAR

    energies = series(continuous)
    reduced = np.outer(1 / T, np.concatenate(energies))
    # Its default solver passes scipy an unknown option, with a warning.
    solution = MBAR(reduced, [len(e) for e in energies], solver_protocol="robust", relative_tolerance=1e-13)
    np.testing.assert_allclose(free_energies(energies), solution.f_k - solution.f_k[0], atol=1e-6)


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
