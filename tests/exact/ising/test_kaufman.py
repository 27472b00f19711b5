from __future__ import annotations

import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_density_of_states, ising_enumeration
from physnn.exact.ising.kaufman import kaufman
from physnn.models import Ising
from tests.synthetic.onsager import onsager, spontaneous_magnetisation

CRITICAL_TEMPERATURE = Ising().critical_temperature

# L, T, energy and specific heat per site: B. Kaufman, Phys. Rev. 76 (1949) 1232, evaluated with 60 digits.
KNOWN = [
    (4, 2.0, -1.7553802887774352, 0.605532657210055),
    (8, CRITICAL_TEMPERATURE, -1.4915891074397065, 1.1455592398944086),
    (8, 4.0, -0.5584911366083886, 0.17425050453898525),
    (16, 1.5, -1.951116573073682, 0.19727454037392467),
    (16, 2.3, -1.406067925599863, 1.544920987597194),
]
# The same at fewer digits, for larger lattices: L, T, energy, specific heat.
LARGE = [
    (32, 2.3, -1.37546580519, 1.9008166133),
    (64, CRITICAL_TEMPERATURE, -1.42393838983, 2.1922113931),
    (128, CRITICAL_TEMPERATURE, -1.41907627208, 2.5363313351),
    (128, 2.5, -1.1060792038, 0.86169836176),
]


@pytest.mark.parametrize(("L", "T", "energy", "c"), KNOWN)
def test_known_values_to_all_digits(L, T, energy, c):
    found = kaufman((L, L), T)
    assert found.energy == pytest.approx(energy, rel=1e-13)
    assert found.c == pytest.approx(c, rel=1e-12)


@pytest.mark.parametrize(("L", "T", "energy", "c"), LARGE)
def test_known_values_of_large_lattices(L, T, energy, c):
    found = kaufman((L, L), T)
    assert (found.energy, found.c) == pytest.approx((energy, c), rel=1e-10)


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (3, 4), (4, 4), (2, 7), (3, 5)])
@pytest.mark.parametrize("T", [0.5, 1.0, 2.0, CRITICAL_TEMPERATURE, 3.0, 30.0])
def test_enumeration_agrees(shape, T):
    found, counted = kaufman(shape, T), ising_enumeration(shape, T)
    assert found.energy == pytest.approx(counted["energy"], abs=1e-13)
    assert found.c == pytest.approx(counted["c"], abs=1e-13)
    states = ising_density_of_states(shape).marginal("bonds")
    z = float(states.counts @ np.exp(states.column("bonds") / T - 2 * math.prod(shape) / T))
    assert found.log_z == pytest.approx(math.log(z) / math.prod(shape) + 2 / T, rel=1e-14)


def test_orientation_units_and_sign():
    one = kaufman((8, 128), 2.2)
    assert kaufman((128, 8), 2.2) == one
    scaled = kaufman((8, 128), 6.6, J=3.0)
    assert (scaled.energy, scaled.c) == pytest.approx((3 * one.energy, one.c), rel=1e-13)
    assert kaufman((8, 128), 2.2, J=-1.0) == one
    assert kaufman((4, 4), 1.3, J=-1.0).energy == pytest.approx(ising_enumeration((4, 4), 1.3, -1.0)["energy"])


@pytest.mark.parametrize("shape", [(8, 8), (64, 64), (1024, 1024), (2, 4096)])
@pytest.mark.parametrize("T", [1.0, 2.0, CRITICAL_TEMPERATURE, 2.2692, 3.0])
def test_derivatives_belong_together(shape, T):
    # Richardson's difference quotients: the step error is of fourth order, a wrong derivative of none.
    def slope(h):
        high, low = kaufman(shape, T + h), kaufman(shape, T - h)
        return (high.energy - low.energy) / (2 * h), T**2 * (high.log_z - low.log_z) / (2 * h)

    h = 1e-3 * min(1.0, 8 / max(min(shape), 8))
    c, energy = (4 * np.array(slope(h / 2)) - np.array(slope(h))) / 3
    found = kaufman(shape, T)
    assert found.c == pytest.approx(c, rel=2e-7)
    assert found.energy == pytest.approx(energy, rel=1e-8)


@pytest.mark.parametrize("T", [0.5, 1.5, 2.0, 2.5, 4.0, 50.0])
def test_large_lattices_approach_the_infinite_one(T):
    finite, infinite = kaufman((1024, 1024), T), onsager(T)
    assert finite.energy == pytest.approx(infinite.energy, abs=3e-14)
    assert finite.c == pytest.approx(infinite.c, abs=3e-14)
    # Below T_c there are two ordered phases on a torus, hence one ln 2 more.
    excess = math.log(2) / 1024**2 if T < CRITICAL_TEMPERATURE else 0
    assert finite.log_z == pytest.approx(infinite.log_z + excess, rel=1e-14)


def test_onsager():
    # L. Onsager, Phys. Rev. 65 (1944) 117, evaluated with 30 digits; -sqrt 2 and 2 G/pi + ln(2)/2 are exact.
    assert onsager(2.0).energy == pytest.approx(-1.7455645753126, rel=1e-13)
    assert onsager(2.3).energy == pytest.approx(-1.3428663876959, rel=1e-13)
    critical = onsager(CRITICAL_TEMPERATURE)
    assert critical.energy == pytest.approx(-math.sqrt(2), rel=1e-14) and critical.c == math.inf
    catalan = 0.915965594177219015
    assert critical.log_z == pytest.approx(2 * catalan / math.pi + math.log(2) / 2, rel=1e-13)
    assert onsager(2.0, J=-1.0) == onsager(2.0)
    # c = -(8/pi) K_c^2 ln|1 - T/T_c| + a constant.
    near, nearer = (onsager(CRITICAL_TEMPERATURE * (1 - d)).c for d in (1e-5, 1e-7))
    assert nearer - near == pytest.approx(8 / math.pi / CRITICAL_TEMPERATURE**2 * math.log(100), rel=1e-3)


def test_spontaneous_magnetisation():
    # C. N. Yang, Phys. Rev. 85 (1952) 808, evaluated with 30 digits.
    assert spontaneous_magnetisation(2.0) == pytest.approx(0.9113193778775, rel=1e-12)
    assert spontaneous_magnetisation(2.2) == pytest.approx(0.78475513138392, rel=1e-12)
    assert spontaneous_magnetisation(0.1) == pytest.approx(1, abs=1e-15) and spontaneous_magnetisation(2.27) == 0
    below, nearer = (spontaneous_magnetisation(CRITICAL_TEMPERATURE * (1 - d)) for d in (1e-6, 1e-8))
    assert math.log(below / nearer) / math.log(100) == pytest.approx(1 / 8, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaufman((1, 8), 2.0), "two whole sides of 2 or more"),
        (lambda: kaufman((8, 8), -1.0), "temperature is -1.0; give a positive"),
        (lambda: kaufman((8, 8), 1e-3), "too low for these formulas; use 0.01 or more"),
        (lambda: kaufman((8, 8), 1.0, 0.0), "coupling J is 0"),
        (lambda: kaufman((7, 8), 1.0, -1.0), "7 x 8 torus is frustrated: use even sides"),
        (lambda: onsager(math.nan), "temperature is nan"),
        (lambda: spontaneous_magnetisation(0.0), "temperature is 0.0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
