from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration, potts_density_of_states, potts_enumeration


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (3, 4)])
@pytest.mark.parametrize(("T", "J"), [(1.1, 1.0), (0.8, -1.0), (5.0, 2.0)])
def test_two_states_are_ising_at_half_the_coupling(shape, T, J):
    potts, ising = potts_enumeration(shape, 2, T, J), ising_enumeration(shape, T, J / 2)
    assert potts["energy"] == pytest.approx(ising["energy"] - J, rel=1e-12)
    for name in ("c", "m_abs", "m2", "m4", "binder", "s_kmin"):
        assert potts[name] == pytest.approx(ising[name], rel=1e-11, abs=1e-14), name
    if J > 0:
        assert potts["xi_over_L"] == pytest.approx(ising["xi_over_L"], rel=1e-11)


def test_averages_are_those_of_the_plain_sum():
    H, W, q, T = 2, 3, 4, 0.9
    z, sums = 0.0, np.zeros(5)
    corners = np.eye(q) - 1 / q
    for spins in itertools.product(range(q), repeat=H * W):
        s = np.array(spins).reshape(H, W)
        energy = -sum(
            float(s[r, c] == s[(r + 1) % H, c]) + float(s[r, c] == s[r, (c + 1) % W])
            for r in range(H)
            for c in range(W)
        )
        # The order parameter as the mean of unit vectors to the corners of a simplex.
        vectors = corners[s] / math.sqrt(1 - 1 / q)
        squared = (vectors.mean(axis=(0, 1)) ** 2).sum()
        wave = (np.exp(2j * np.pi * np.arange(W) / W)[:, None] * vectors).sum(axis=(0, 1))
        weight = math.exp(-energy / T)
        z += weight
        sums += weight * np.array([energy, math.sqrt(squared), squared, squared**2, (abs(wave) ** 2).sum() / (H * W)])
    found = potts_enumeration((H, W), q, T)
    names = ("m_abs", "m2", "m4", "s_kmin")
    assert found["energy"] == pytest.approx(sums[0] / z / (H * W), rel=1e-12)
    assert [found[name] for name in names] == pytest.approx(list(sums[1:] / z), rel=1e-11)


def test_counts_and_limits():
    states = potts_density_of_states((3, 3), 3)
    assert states.counts.sum() == 3**9
    # Ground states; one site turned breaks four of the eighteen bonds.
    energies = states.marginal("bonds")
    counted = dict(zip(energies.column("bonds").tolist(), energies.counts.tolist(), strict=True))
    assert counted[18] == 3 and counted[14] == 3 * 9 * 2 and 17 not in counted
    cold, hot = potts_enumeration((3, 3), 3, 0.05), potts_enumeration((3, 3), 3, 1e6)
    assert cold["energy"] == pytest.approx(-2) and cold["m_abs"] == pytest.approx(1)
    assert cold["binder"] == pytest.approx(1 / 2)
    # Independent sites: <m^2> = 1/N, and two bonds per site that agree with probability 1/q.
    assert hot["m2"] == pytest.approx(1 / 9, rel=1e-5) and hot["energy"] == pytest.approx(-2 / 3, rel=1e-5)


def test_specific_heat_is_the_slope_of_the_energy():
    h = 1e-4
    slope = (potts_enumeration((3, 3), 3, 1 + h)["energy"] - potts_enumeration((3, 3), 3, 1 - h)["energy"]) / (2 * h)
    assert potts_enumeration((3, 3), 3, 1.0)["c"] == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: potts_enumeration((4, 4), 3, 1.0), "too many to enumerate"),
        (lambda: potts_enumeration((3, 3), 1, 1.0), "q = 1 states does not exist"),
        (lambda: potts_enumeration((3, 1), 3, 1.0), "two whole sides of 2 or more"),
        (lambda: potts_enumeration((3, 3), 3, -1.0), "temperature is -1.0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
