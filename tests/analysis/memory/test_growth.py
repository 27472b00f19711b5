"""Laws of growth: the planted one is found, and where sizes or losses are too few that is said."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.memory import growth as laws

SIZES = (16, 32, 64, 128)
PLANTED = {
    "exponential": lambda L: 20 * np.exp(L / 30),
    "power": lambda L: 0.5 * L**2.0,
    "saturation": lambda L: 300 * np.exp(-40 / L),
    "from above": lambda L: 30 * np.exp(40 / L),
    "flat": lambda L: 200.0 + 0 * L,
    "shrinks": lambda L: 2e4 / L,
}


def growth(data):
    return laws.growth([laws.fits_of(one) for one in data])


def networks(law, end=1e4, sizes=SIZES, replicas=32, count=3, shape=2.0):
    generator = rng.stream(1, "synthetic", "growth", law, end, len(sizes))
    found = []
    for k in range(count):
        life = {L: (1 + 0.3 * k) * PLANTED[law](float(L)) * generator.weibull(shape, replicas) for L in sizes}
        found.append({L: (np.minimum(t, end), t < end) for L, t in life.items()})
    return found


@pytest.mark.parametrize("law", ["exponential", "power", "saturation", "shrinks"])
def test_the_planted_law_is_found(law):
    assert growth(networks(law)).verdict == law


def test_a_power_law_has_its_exponent():
    found = growth(networks("power"))
    assert found.verdict == "power" and abs(found.z.value - 2) < 4 * found.z.error < 0.5
    assert abs(found.z.value - 1) > 4 * found.z.error  # negative control


def test_censoring_does_not_hide_the_law():
    # At L = 128 most, at the largest exponential lifetimes all, outlive the run.
    assert growth(networks("power", end=6000.0)).verdict == "power"
    assert growth(networks("exponential", end=1000.0)).verdict in ("exponential", "undecided")
    # Negative control: ends of runs taken for losses make the same lifetimes level off.
    wrong = [{L: (t, np.ones(len(t), bool)) for L, (t, _) in data.items()} for data in networks("power", end=300.0)]
    assert growth(wrong).verdict != "power"


def test_lifetimes_may_fall_to_a_constant():
    found = growth(networks("from above"))
    assert found.verdict == "saturation" and found.grows is False and found.z.value < 0


def test_a_constant_lifetime_does_not_grow():
    found = growth(networks("flat"))
    assert found.verdict == "saturation" and "do not grow" in found.reason


def test_too_little_is_said_to_be_too_little():
    assert growth(networks("power", sizes=(16, 32, 64))).verdict == "undecided"
    assert "sizes" in growth(networks("exponential", sizes=(16, 32))).reason
    assert growth(networks("power", replicas=2, count=1)).verdict == "undecided"
    assert growth(networks("flat", end=1.0)).verdict == "kept"


def test_a_network_that_lost_nothing_is_left_out():
    data = networks("power")
    data[2] = {L: (np.full(32, 1e4), np.zeros(32, bool)) for L in SIZES}
    found = growth(data)
    assert found.verdict == "power" and "1 of 3 networks" in found.reason
    assert abs(found.z.value - 2) < 4 * found.z.error < 1
    assert growth(data[2:]).grows is True and growth(networks("flat")).grows is False


def test_networks_that_disagree_make_no_common_law():
    data = [networks(law, count=1)[0] for law in ("power", "shrinks", "shrinks")]
    found = growth(data)
    assert found.verdict == "undecided" and "sign" in found.reason
    slow = [{L: (t * (L / 16) ** -0.2, gone) for L, (t, gone) in one.items()} for one in networks("flat", replicas=64)]
    assert growth(slow).grows is False


def test_what_follows_no_law_is_said_to():
    data = networks("flat", replicas=64)
    bent = [{L: (t * (30 if L == 32 else 1), gone) for L, (t, gone) in one.items()} for one in data]
    assert growth(bent).verdict == "no law"
    assert growth(bent).p_value < 1e-3
