"""Averages at other temperatures are those of all 2^16 states of a 4 x 4 lattice, with errors that cover."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import optimize

from physnn import rng
from physnn.analysis.statistics.reweighting import Curve, curve_crossing, reweight, reweighted_curve
from physnn.analysis.statistics.series import tau_int
from physnn.errors import InputError
from tests.synthetic.markov import Ising4, ar1, binder

ISING = Ising4()
T = np.array([1.8, 2.3, 3.0])
GRID = np.array([1.6, 2.0, 2.2, 2.5, 2.8, 3.3])


def exact_binder(T: float) -> float:
    return float(binder(*ISING.means(T, ISING.m**2, ISING.m**4)))


def measured(generator: np.random.Generator, T: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """E, m^2 and m^4 of shape (points, chains, measurements)."""
    return tuple(np.array(x) for x in zip(*[ISING.draw(generator, t, shape) for t in T], strict=True))


def test_the_lattice_is_the_exactly_solved_one():
    """Energy per site of Kaufman's solution, and moments at the critical point of the infinite lattice."""
    assert ISING.means(2.0, ISING.E)[0] / 16 == pytest.approx(-1.75538028878, abs=1e-10)
    T_c = 2 / np.log(1 + np.sqrt(2))
    assert ISING.means(T_c, ISING.m**2)[0] == pytest.approx(0.7613589085687, abs=1e-12)
    assert exact_binder(T_c) == pytest.approx(0.6171993184125, abs=1e-12)


def test_curves_cover_over_200_data_sets():
    """60 to 76 % at every temperature; 95 % widths reported as sigma, and a truth 2 % off in T, must fail."""
    generator = rng.stream(0, "synthetic", "curves")
    exact, off = (np.array([exact_binder(t * f) for t in GRID]) for f in (1.0, 1.02))
    z, z_off = [], []
    for _ in range(200):
        energy, m2, m4 = measured(generator, T, (2, 500))
        curve = reweighted_curve(T, energy, (m2, m4), binder, GRID, 100, generator)
        errors = curve.samples.std(axis=0, ddof=1)
        z.append((curve.values - exact) / errors)
        z_off.append((curve.values - off) / errors)
    covered = np.mean(np.abs(z) < 1, axis=0)
    assert np.all((covered > 0.60) & (covered < 0.76))
    assert np.all(np.mean(np.abs(z) < 1.96, axis=0) > 0.9)
    assert np.all(np.abs(np.mean(z, axis=0)) < 4 / np.sqrt(200))
    assert np.all(np.abs(np.mean(z_off, axis=0)) > 4 / np.sqrt(200))


def test_the_covariance_is_that_between_data_sets():
    generator = rng.stream(1, "synthetic", "covariance")
    values = []
    for _ in range(150):
        energy, m2, m4 = measured(generator, T, (2, 500))
        curve = reweighted_curve(T, energy, (m2, m4), binder, GRID, 200, generator)
        values.append(curve.values)
    between, within = np.corrcoef(np.array(values).T), np.corrcoef(curve.samples.T)
    # A correlation has an error of about 0.1 from 150 and from 200 samples.
    assert np.abs(between - within).max() < 0.35
    assert between[1, 2] > 0.7


@pytest.mark.parametrize("T_0", [2.1, 2.5])
def test_one_temperature_is_reweighted(T_0):
    generator = rng.stream(2, "synthetic", "single")
    energy, m2, _ = ISING.draw(generator, T_0, (4, 20000))
    grid = np.array([2.0, 2.3, 2.6])
    found = reweight(T_0, energy, [energy, m2], grid)
    exact = np.array([ISING.means(t, ISING.E, ISING.m**2) for t in grid]).T
    curve = [reweighted_curve(T_0, energy, (x,), lambda a: a, grid, 200, generator) for x in (energy, m2)]
    errors = np.array([c.samples.std(axis=0, ddof=1) for c in curve])
    np.testing.assert_allclose([c.values for c in curve], found.averages, rtol=1e-3)
    assert np.all(np.abs(found.averages - exact) < 4 * errors)
    # Without the weights the mean at T_0 would be taken for that at T.
    assert np.all(np.abs(ISING.means(T_0, ISING.E)[0] - exact[0]) > 4 * errors[0])


def test_a_temperature_far_off_is_refused_with_its_effective_number():
    generator = rng.stream(3, "synthetic", "far")
    energy, m2, m4 = ISING.draw(generator, 2.3, (2, 1000))
    with pytest.raises(InputError, match=r"at T = 8 only [0-9.]+ effective samples remain .*simulate closer"):
        reweight(2.3, energy, [m2], [2.3, 8.0])
    with pytest.raises(InputError, match=r"stay within T = 2.3 to 2.3"):
        reweighted_curve(2.3, energy, (m2, m4), binder, np.array([2.3, 8.0]), 50, generator)
    assert reweight(2.3, energy, [m2], 2.3).effective == pytest.approx(2000, rel=0.3)


def independent_spins(generator: np.random.Generator, T: float, shape: tuple[int, int]) -> np.ndarray:
    """Total energies of 1000 spins in a field of one."""
    return 1000 - 2.0 * generator.binomial(1000, 1 / (1 + np.exp(-2 / T)), shape)


def test_temperatures_without_overlap_are_refused_and_one_between_mends_it():
    generator = rng.stream(4, "synthetic", "apart")
    for temperatures in ([1.5, 8.0], [8.0, 1.5]):
        energy = [independent_spins(generator, t, (2, 2000)) for t in temperatures]
        with pytest.raises(InputError, match=r"T = 1.5 and T = 8 overlap by .*; add a temperature between"):
            reweight(np.array(temperatures), energy, [energy], 3.0)
    close = 1 / np.linspace(1 / 1.5, 1 / 8, 9)
    energy = [independent_spins(generator, t, (2, 2000)) for t in close]
    found = reweight(close, energy, [energy], 3.0)
    assert found.averages[0, 0] == pytest.approx(-1000 * np.tanh(1 / 3), rel=0.01)


def test_correlated_chains_count_less():
    """A heat bath of independent spins as AR(1) chain: Gaussian energies, var(E) = 250 at every T near 2."""
    generator = rng.stream(5, "synthetic", "correlated")
    T_0, z = 2.0, []
    for _ in range(200):
        energy = np.sqrt(250.0) * ar1(generator, (2, 3000), 8.0)
        curve = reweighted_curve(T_0, energy, (energy,), lambda a: a, np.array([2.04]), 100, generator)
        # Of a Gaussian the mean moves by (1/T_0 - 1/T) var(E).
        z.append((curve.values[0] - 250 * (1 / T_0 - 1 / 2.04)) / curve.samples.std(ddof=1))
    assert 0.60 < np.mean(np.abs(z) < 1) < 0.76
    decorrelated = 6000 / (2 * tau_int(energy).tau.value)
    assert curve.effective[0] == pytest.approx(decorrelated, rel=0.1)
    assert reweight(T_0, energy, [energy], 2.04, decorrelate=False).effective[0] > 5000
    naive = np.sqrt(250 / 6000)
    assert np.mean(np.abs(z) * curve.samples.std(ddof=1) < naive) < 0.45


def test_a_crossing_of_two_curves_covers():
    generator = rng.stream(6, "synthetic", "crossing")
    grid = np.linspace(2.0, 2.7, 15)
    level = 0.6
    truth = optimize.brentq(lambda t: exact_binder(t) - level, 2.0, 2.7)
    flat = Curve(np.full(15, level), np.full((100, 15), level), np.full(15, np.inf))
    z = []
    for _ in range(200):
        energy, m2, m4 = measured(generator, T, (2, 300))
        curve = reweighted_curve(T, energy, (m2, m4), binder, grid, 100, generator)
        at, height, samples = curve_crossing(grid, curve, flat)
        z.append((at.value - truth) / at.error)
        assert height.value == pytest.approx(level) and len(samples) <= 100
    assert 0.60 < np.mean(np.abs(z) < 1) < 0.76
    with pytest.raises(InputError, match="do not cross"):
        curve_crossing(grid, curve, Curve(flat.values + 1, flat.samples + 1, flat.effective))


def test_a_curve_of_a_large_lattice_takes_seconds():
    """Eight temperatures, 8 chains of 5000 measurements, as many energy levels as a lattice of 64 x 64 spins."""
    generator = rng.stream(7, "synthetic", "speed")
    temperatures = np.linspace(2.2, 2.35, 8)
    energy = 4 * np.round(generator.normal(-1450, 45, (8, 8, 5000)) + 4000 * (temperatures[:, None, None] - 2.27) / 2)
    m2 = generator.uniform(size=energy.shape)
    start = time.perf_counter()
    curve = reweighted_curve(temperatures, energy, (m2, m2**2), binder, np.linspace(2.2, 2.35, 100), 200, generator)
    assert time.perf_counter() - start < 10
    assert curve.samples.shape == (200, 100)


def test_wrong_input_is_refused():
    generator = rng.stream(8, "synthetic", "wrong")
    energy, m2, m4 = measured(generator, T, (2, 200))
    with pytest.raises(InputError, match="occurs twice"):
        reweight(np.array([2.0, 2.0, 3.0]), energy, [m2], 2.0)
    with pytest.raises(InputError, match="one series for each"):
        reweight(T[:2], energy, [m2], 2.0)
    with pytest.raises(InputError, match="different lengths"):
        reweight(T, energy, [m2[:, :, :100]], 2.0)
    with pytest.raises(InputError, match="positive"):
        reweight(T, energy, [m2], -1.0)
    with pytest.raises(InputError, match="not finite"):
        reweighted_curve(T, energy, (0 * m2, 0 * m4), binder, GRID, 10, generator)
    slow = ar1(generator, (2, 300), 30.0)
    with pytest.raises(InputError, match="too short for its autocorrelation time"):
        reweight(2.0, slow, [slow], 2.01)
