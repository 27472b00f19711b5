"""Samplers of lattice models against exact results at every size, and their dynamics."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves.observables import OBSERVABLES
from physnn.analysis.statistics.resampling import linear_error
from physnn.analysis.statistics.series import estimate_time
from physnn.exact.ising.kaufman import kaufman
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start, thermalise

CRITICAL_TEMPERATURE = Ising().critical_temperature
TEMPERATURES = (1.5, 2.0, 2.2, CRITICAL_TEMPERATURE, 2.3, 2.5, 3.0, 4.0)
U4_CRITICAL = {8: 0.6130453849434, 12: 0.6119178222033}
"""By transfer matrix, as `physnn.exact.ising.transfer` gives them."""
XI_CRITICAL = 0.923686207112


def measured(name: str, L: int, T: float, sweeps: int, interval: int | None = None, seed: int = 0):
    """Columns of a chain after thermalisation."""
    sampler, model = SAMPLERS[name], Ising()
    state = start(sampler, model, (L, L), T, rng.seed_sequence(seed, "synthetic", "physics", name, L, T))
    usual = thermalise(sampler, model, T, state, 200 + sweeps // 20)
    return advance(sampler, model, T, state, sweeps, interval or usual)


def z_scores(name: str, L: int, T: float, sweeps: int, wrong: float = 1.0) -> list[float]:
    """Deviations of energy and specific heat from Kaufman's, in errors; ``wrong`` scales the exact temperature."""
    rows = measured(name, L, T, sweeps)
    exact = kaufman((L, L), T * wrong)
    e = rows["energy"]
    energy = linear_error(lambda x: x, e)
    heat = linear_error(lambda x, xx: L**2 * (xx - x**2) / T**2, e - e.mean(), (e - e.mean()) ** 2)
    return [(energy.value - exact.energy) / energy.error, (heat.value - exact.c) / heat.error]


def test_the_samplers_agree_with_kaufman_and_a_wrong_temperature_does_not():
    z = [score for name in ("metropolis", "wolff", "swendsen-wang") for score in z_scores(name, 16, 2.5, 20_000)]
    assert np.abs(z).max() < 4
    assert abs(z_scores("wolff", 16, 2.5, 20_000, wrong=1.02)[0]) > 10


def sweeps_for(name: str, L: int, T: float) -> int:
    """Enough for the slowest: single-spin updates near the transition."""
    if name in ("wolff", "swendsen-wang"):
        return 20_000 if L < 128 else 8_000
    if name == "multispin":
        return 20_000
    return int(20_000 + (25 if abs(T - 2.27) < 0.1 else 2) * L**2)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", ["metropolis", "heat-bath", "wolff", "swendsen-wang", "multispin"])
def test_energy_and_specific_heat_at_all_sizes_and_temperatures(name):
    sizes = (8, 16, 32, 64, 128) if name != "multispin" else (128, 256)
    z = np.array([z_scores(name, L, T, sweeps_for(name, L, T)) for L in sizes for T in TEMPERATURES])
    assert np.abs(z).max() < 4, z
    # The mean of n squares scatters by sqrt(2/n) about 1; those of one chain's energy and c are correlated.
    assert abs((z**2).mean() - 1) < 4 * np.sqrt(2 / len(z)), (z**2).mean()


@pytest.mark.slow
@pytest.mark.timeout(2000)
@pytest.mark.parametrize(("name", "count"), [("wolff", 6_000_000), ("swendsen-wang", 16_000_000)])
def test_cumulant_and_correlation_length_at_the_critical_point(name, count):
    for L, exact in U4_CRITICAL.items():
        # The correlation length, asked for at L = 8, is noisier than the cumulant.
        rows = measured(name, L, CRITICAL_TEMPERATURE, count if L == 8 else 4_000_000)
        U4 = linear_error(OBSERVABLES["binder"].combine, rows["m2"], rows["m4"])
        assert U4.error < 5e-4 * exact
        assert abs(U4.value - exact) < 3 * U4.error
        if L == 8:
            s = (rows["structure_x"] + rows["structure_y"]) / 2 / L**2
            factor = 1 / (2 * L * np.sin(np.pi / L))
            xi = linear_error(lambda m2, sk: factor * np.sqrt(m2 / sk - 1), rows["m2"], s)  # noqa: B023
            assert xi.error < 5e-4 * XI_CRITICAL
            assert abs(xi.value - XI_CRITICAL) < 3 * xi.error
            assert abs(xi.value - 1.005 * XI_CRITICAL) > 3 * xi.error, "half a per cent would be seen"


def times(name: str, runs: dict[int, tuple[int, int | None]]) -> tuple[np.ndarray, np.ndarray]:
    """tau_int of m2 at T_c in sweeps, with relative errors, from measurements and updates between them by size."""
    found = []
    for L, (count, interval) in runs.items():
        rows = measured(name, L, CRITICAL_TEMPERATURE, count, interval)
        tau = estimate_time(rows["m2"]).tau
        found.append((tau.value * rows["work"].mean(), tau.error / tau.value))
    return np.array(found).T


def exponent(sizes: tuple[int, ...], tau: np.ndarray, relative: np.ndarray) -> tuple[float, float]:
    """Slope of ln tau against ln L, and its error."""
    x = np.log(sizes)
    weight = 1 / relative**2
    middle = (weight * x).sum() / weight.sum()
    scale = (weight * (x - middle) ** 2).sum()
    return float((weight * (x - middle) * np.log(tau)).sum() / scale), float(scale**-0.5)


def test_errors_hold_where_most_flips_are_accepted():
    """Metropolis at T = 20: m swings from sweep to sweep, and its mean is known better than of independent draws."""
    L, T, found = 16, 20.0, {"m": [], "energy": []}
    truth = {"m": 0.0, "energy": kaufman((L, L), T).energy}
    for seed in range(150):
        rows = measured("metropolis", L, T, 2000, seed=seed)
        for name, times in found.items():
            times.append(estimate_time(rows[name]))
    assert np.mean([time.tau.value for time in found["m"]]) < 0.2
    for name, times in found.items():
        off, error = (np.array(x) for x in ([t.mean.value - truth[name] for t in times], [t.mean.error for t in times]))
        z = off / error
        assert 0.56 < np.mean(np.abs(z) < 1) < 0.80 and 0.85 < z.std() < 1.15, name
        assert np.mean(np.abs(z) < 0.5) < 0.56, "errors of half the size would be seen"


LOCAL = {8: (200_000, 1), 16: (200_000, 2), 32: (120_000, 8), 64: (50_000, 32)}
CLUSTERS = dict.fromkeys((8, 16, 32, 64), (100000, None))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_critical_dynamics():
    """z = 2.1667(5) for single-spin updates (M. P. Nightingale and H. W. J. Bloete, Phys. Rev. B 62 (2000) 1089)."""
    sizes = tuple(LOCAL)
    z, error = exponent(sizes, *times("heat-bath", LOCAL))
    assert error < 0.05
    assert abs(z - 2.17) < 0.1 + 2 * error, (z, error)
    # Checkerboard Metropolis moves m2 by more than one mode on small lattices: its exponent comes from below.
    tau, relative = times("metropolis", LOCAL)
    z, error = exponent(sizes, tau, relative)
    assert error < 0.05
    assert 1.85 < z < 2.27, (z, error)
    assert exponent(sizes[2:], tau[2:], relative[2:])[0] > exponent(sizes[:2], tau[:2], relative[:2])[0]
    z, error = exponent((128, 256), *times("multispin", {128: (60_000, 100), 256: (20_000, 400)}))
    assert abs(z - 2.17) < 3 * error, (z, error)
    for name in ("wolff", "swendsen-wang"):
        found, error = exponent(sizes, *times(name, CLUSTERS))
        assert error < 0.05
        assert found < 0.5, (name, found)
