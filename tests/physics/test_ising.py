"""Means on larger lattices against Kaufman's exact sums and transfer matrices."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance
from tests.synthetic.lattice_exact import GENERAL, chain

T_C = Ising().critical_temperature
ENERGY = {
    (16, 2.0): -1.7455306689909191,
    (16, T_C): -1.453064852813477,
    (16, 2.5): -1.1313179844107288,
    (32, T_C): -1.4336584661462484,
    (32, 2.5): -1.107291660977511,
}
"""Exact energy per site of the L x L torus: B. Kaufman, Phys. Rev. 76, 1232 (1949), evaluated with 60 digits."""
EIGHT = {"m2": 0.6469115749942, "m4": 0.4858152341259, "xi_over_L": 0.923686207112}
"""L = 8 at the critical temperature, from transfer matrices; xi = sqrt(S(0)/S(k) - 1) / (2 sin(pi/L))."""


def z_score(series: np.ndarray, exact: float, bins: int = 50) -> float:
    means = series[: len(series) // bins * bins].reshape(bins, -1).mean(axis=1)
    return float((means.mean() - exact) / (means.std(ddof=1) / np.sqrt(bins)))


def sites(name: str, T: float) -> float:
    """Visited sites of a chain; two per cent of temperature are eight errors at least."""
    return 1e7 if T == T_C and name not in ("wolff", "swendsen-wang") else 4e6


def run(name: str, L: int, T: float, visits: float):
    sampler = SAMPLERS[name]
    state, interval = chain(sampler, Ising(), (L, L), T, name, L)
    return advance(sampler, Ising(), T, state, int(visits / L**2), interval)


@pytest.mark.parametrize(("L", "T"), ENERGY)
@pytest.mark.parametrize("name", GENERAL)
def test_energies_are_kaufmans(name, L, T):
    assert abs(z_score(run(name, L, T, sites(name, T))["energy"], ENERGY[L, T])) < 4


@pytest.mark.parametrize("name", ["heat-bath", "swendsen-wang"])
def test_two_per_cent_of_temperature_are_seen(name):
    assert abs(z_score(run(name, 16, 0.98 * T_C, sites(name, T_C))["energy"], ENERGY[16, T_C])) > 8


@pytest.mark.parametrize("name", GENERAL)
def test_moments_and_structure_factor_at_criticality(name):
    rows = run(name, 8, T_C, 1.4e7)
    assert abs(z_score(rows["m2"], EIGHT["m2"])) < 4
    assert abs(z_score(rows["m4"], EIGHT["m4"])) < 4
    structure = 64 * EIGHT["m2"] / (1 + (EIGHT["xi_over_L"] * 8 * 2 * np.sin(np.pi / 8)) ** 2)
    for axis in ("structure_x", "structure_y"):
        assert abs(z_score(rows[axis], structure)) < 4
        assert abs(z_score(rows[axis], 1.1 * structure)) > 4
