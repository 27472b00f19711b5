from __future__ import annotations

import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_density_of_states, ising_enumeration, ising_probabilities
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.transfer import ising_correlations, ising_transfer, magnetisation_distribution
from physnn.models import Ising

CRITICAL_TEMPERATURE = Ising().critical_temperature

# At T_c: <|m|>, <m^2>, <m^4>, U4 and xi/L; another transfer-matrix program, with all 2^L states, made for this package.
CRITICAL = {
    4: (0.8438604448134, 0.7613589085687, 0.6656912132674, 0.6171993184125, 0.953183766417),
    6: (0.8049765584444, 0.6933165911352, 0.5561228635328, 0.6143562391253, 0.933274688876),
    8: (0.7773310927869, 0.6469115749942, 0.4858152341259, 0.6130453849434, 0.923686207112),
    10: (0.7562743729257, 0.6125676827486, 0.4363950440883, 0.6123405339936, 0.918395770870),
}
# At T_c, odd sizes: U4 and xi/L from the same.
ODD = {5: (0.6154755343564, 0.941254857460), 7: (0.6135903937979, 0.927707101941), 9: (0.6126443105875, 0.920690215678)}


@pytest.mark.parametrize("L", CRITICAL)
def test_known_moments_at_the_critical_temperature(L):
    found = ising_transfer((L, L), CRITICAL_TEMPERATURE)
    values = [found[name] for name in ("m_abs", "m2", "m4", "binder", "xi_over_L")]
    assert values == pytest.approx(CRITICAL[L], rel=2e-12)


@pytest.mark.parametrize("L", ODD)
def test_known_ratios_of_odd_sizes(L):
    found = ising_transfer((L, L), CRITICAL_TEMPERATURE)
    assert (found["binder"], found["xi_over_L"]) == pytest.approx(ODD[L], rel=2e-12)


@pytest.mark.slow
def test_known_moments_of_the_widest_lattice():
    found = ising_transfer((12, 12), CRITICAL_TEMPERATURE)
    values = [found[name] for name in ("m_abs", "m2", "m4", "binder")]
    assert values == pytest.approx((0.7394004689611, 0.5856754370189, 0.3993548600295, 0.6119178222033), rel=2e-12)


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (5, 3), (4, 4), (2, 9)])
@pytest.mark.parametrize(("T", "J"), [(1.0, 1.0), (CRITICAL_TEMPERATURE, 1.0), (1.1, 0.5), (9.0, 1.0)])
def test_enumeration_agrees(shape, T, J):
    found, counted = ising_transfer(shape, T, J), ising_enumeration(shape, T, J)
    for name in ("energy", "m_abs", "m2", "m4", "binder", "s_kmin", "xi_over_L"):
        assert found[name] == pytest.approx(counted[name], rel=1e-10, abs=1e-13), name
    states = ising_density_of_states(shape)
    expected = np.bincount((states.column("magnetisation") + math.prod(shape)) // 2, ising_probabilities(shape, T, J))
    total, p = magnetisation_distribution(shape, T, J)
    np.testing.assert_allclose(p, expected, atol=1e-14)
    assert total.tolist() == list(range(-math.prod(shape), math.prod(shape) + 1, 2))


@pytest.mark.parametrize("shape", [(8, 8), (4, 128), (8, 128), (7, 20)])
@pytest.mark.parametrize("T", [1.5, 2.2, CRITICAL_TEMPERATURE, 3.0])
def test_kaufman_agrees(shape, T):
    found, closed = ising_correlations(shape, T), kaufman(shape, T)
    assert (found["energy"], found["log_z"]) == pytest.approx((closed.energy, closed.log_z), rel=1e-12)


def test_two_ways_to_the_second_moment_on_a_long_torus():
    found = ising_transfer((4, 128), 2.3)
    total, p = magnetisation_distribution((128, 4), 2.3)
    assert p.sum() == pytest.approx(1, abs=1e-13) and p.min() > -1e-15
    assert p @ (total / 512) ** 2 == pytest.approx(found["m2"], rel=1e-12)
    # A long strip is a chain: correlations fall with the ratio of the two largest eigenvalues; xi/L is far below 1.
    assert 3 < found["xi_over_L"] * 128 < 6


@pytest.mark.parametrize(
    ("shape", "T", "J", "message"),
    [
        ((14, 20), 2.0, 1.0, "14 wide is too large: use a shorter side of 13"),
        ((1, 4), 2.0, 1.0, "two whole sides of 2 or more"),
        ((4, 4), 0.0, 1.0, "temperature is 0.0"),
        ((4, 4), 1.0, -1.0, "for positive couplings, J is -1.0; use ising_enumeration"),
    ],
)
def test_bad_input(shape, T, J, message):
    with pytest.raises(InputError, match=message):
        ising_transfer(shape, T, J)
