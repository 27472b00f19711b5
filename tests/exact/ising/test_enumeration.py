from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_density_of_states, ising_enumeration, ising_probabilities

# Density of states of the 4 x 4 torus, symmetric in E: counted by another program, made for this package.
G_4 = {-32: 2, -24: 32, -20: 64, -16: 424, -12: 1728, -8: 6688, -4: 13568, 0: 20524}


def direct(H, W, T, J, h):
    """Sum over configurations spin by spin, sharing no line with the package."""
    z, sums = 0.0, np.zeros(8)
    for spins in itertools.product((-1, 1), repeat=H * W):
        s = np.array(spins).reshape(H, W)
        energy = sum(
            -J * s[r, c] * (s[(r + 1) % H, c] + s[r, (c + 1) % W]) - h * s[r, c] for r in range(H) for c in range(W)
        )
        m = s.mean()
        wave = np.exp(2j * np.pi * np.arange(max(H, W)) / max(H, W))
        powers = [abs((s.sum(axis=1 - axis) * wave).sum()) ** 2 for axis in (0, 1) if s.shape[axis] == max(H, W)]
        weight = math.exp(-energy / T)
        z += weight
        sums += weight * np.array([energy, energy**2, m, abs(m), m**2, m**4, np.mean(powers) / (H * W), 1])
    e, e2, *rest = sums / z
    return dict(zip(("m", "m_abs", "m2", "m4", "s_kmin"), rest, strict=False)) | {
        "energy": e / (H * W),
        "c": (e2 - e**2) / (H * W * T**2),
    }


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (2, 5)])
@pytest.mark.parametrize(("T", "J", "h"), [(2.0, 1.0, 0.0), (1.3, -0.7, 0.2), (4.0, 2.5, -0.4)])
def test_averages_are_those_of_the_plain_sum(shape, T, J, h):
    expected, found = direct(*shape, T, J, h), ising_enumeration(shape, T, J, h)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-11, abs=1e-13), name
    assert found["binder"] == pytest.approx(1 - found["m4"] / (3 * found["m2"] ** 2), rel=1e-12)


def test_density_of_states_of_four_by_four():
    states = ising_density_of_states((4, 4))
    energies = states.marginal("bonds")
    counted = dict(zip((-energies.column("bonds")).tolist(), energies.counts.tolist(), strict=True))
    assert counted == G_4 | {-e: n for e, n in G_4.items()}
    assert states.counts.dtype == np.int64 and states.counts.sum() == 2**16
    m = states.marginal("magnetisation")
    assert m.levels[:, 0].tolist() == list(range(-16, 17, 2))
    assert m.counts.tolist() == [math.comb(16, k) for k in range(17)]
    table = {(b, m): n for (b, m), n in zip(states.levels.tolist(), states.counts.tolist(), strict=True)}
    assert all(table[b, -m] == n for (b, m), n in table.items())
    assert {m: n for (b, m), n in table.items() if b == 32} == {-16: 1, 16: 1}


def test_known_moments_at_the_critical_temperature():
    # Brute-force sum over 2^16 configurations in 50-digit arithmetic, made for this package by another program.
    found = ising_enumeration((4, 4), 2 / math.log(1 + math.sqrt(2)))
    known = {"energy": -1.56562378764, "c": 0.78326682593, "m_abs": 0.8438604448134, "m2": 0.7613589085687}
    known |= {"m4": 0.6656912132674, "binder": 0.6171993184125, "xi_over_L": 0.953183766417}
    for name, value in known.items():
        assert found[name] == pytest.approx(value, rel=1e-11), name


def test_limits_of_temperature_and_field():
    cold, hot = ising_enumeration((3, 4), 0.05), ising_enumeration((3, 4), 1e6)
    assert cold["energy"] == pytest.approx(-2, abs=1e-15) and cold["m_abs"] == pytest.approx(1, abs=1e-15)
    assert cold["binder"] == pytest.approx(2 / 3) and cold["c"] == pytest.approx(0, abs=1e-15)
    assert hot["energy"] == pytest.approx(0, abs=1e-5) and hot["m2"] == pytest.approx(1 / 12, rel=1e-4)
    assert hot["s_kmin"] == pytest.approx(1, rel=1e-4)
    # No coupling: independent spins, <m> = tanh(h/T), c = (h/T)^2/cosh^2(h/T).
    free = ising_enumeration((3, 4), 2.0, J=0.0, h=1.0)
    assert free["m"] == pytest.approx(math.tanh(0.5), rel=1e-13)
    assert free["c"] == pytest.approx(0.25 / math.cosh(0.5) ** 2, rel=1e-12)


def test_staggered_symmetry_needs_even_sides():
    def energy(shape, J):
        return ising_enumeration(shape, 2.0, J)["energy"]

    assert energy((4, 4), -1.0) == pytest.approx(energy((4, 4), 1.0), rel=1e-13)
    assert energy((3, 4), -1.0) > energy((3, 4), 1.0) + 0.1
    assert math.isnan(ising_enumeration((4, 4), 1.0, -1.0)["xi_over_L"])


def test_probabilities_belong_to_levels():
    p = ising_probabilities((4, 4), 2.5, 1.0, 0.3)
    states = ising_density_of_states((4, 4))
    assert p.sum() == pytest.approx(1) and p.shape == states.counts.shape
    m = states.column("magnetisation") / 16
    assert p @ m == pytest.approx(ising_enumeration((4, 4), 2.5, 1.0, 0.3)["m"], rel=1e-14)


@pytest.mark.parametrize(
    ("shape", "T", "J", "h", "message"),
    [
        ((1, 4), 1.0, 1.0, 0.0, "two whole sides of 2 or more"),
        ((2.5, 4), 1.0, 1.0, 0.0, "two whole sides of 2 or more"),
        ((5, 5), 1.0, 1.0, 0.0, "too many to enumerate"),
        ((3, 3), 0.0, 1.0, 0.0, "temperature is 0.0; give a positive"),
        ((3, 3), math.inf, 1.0, 0.0, "temperature is inf; give a positive"),
        ((3, 3), 1.0, math.nan, 0.0, "coupling J is nan"),
        ((3, 3), 1.0, 1.0, math.inf, "field h is inf"),
    ],
)
def test_bad_input(shape, T, J, h, message):
    with pytest.raises(InputError, match=message):
        ising_enumeration(shape, T, J, h)


@pytest.mark.parametrize("h", [0.0, 0.2, -0.5])
def test_the_susceptibility_is_the_derivative_of_the_magnetisation(h):
    T, step = 2.5, 1e-4
    found = ising_enumeration((4, 4), T, h=h)
    above, below = (ising_enumeration((4, 4), T, h=h + s)["m"] for s in (step, -step))
    assert found["chi_m"] == pytest.approx((above - below) / (2 * step), rel=1e-6)
    assert found["chi_abs"] == pytest.approx(16 * (found["m2"] - found["m_abs"] ** 2) / T)
    assert found["chi"] == found["chi_m" if h else "chi_abs"]
    if h == 0.2:
        assert found["chi"] == pytest.approx(1.9006, abs=5e-5) and found["chi_abs"] < 0.36
