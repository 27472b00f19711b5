from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.levels import field_levels, ising_counts, ising_landscape, random_energies

# Density of states of the 4 x 4 torus, symmetric in E: counted by another program, made for this package.
G_4 = {-32: 2, -24: 32, -20: 64, -16: 424, -12: 1728, -8: 6688, -4: 13568, 0: 20524}


def by_energy(counts):
    return {-bonds: n for bonds, n in zip(counts.bonds, counts.counts, strict=True)}


@pytest.mark.parametrize("method", ["auto", "enumeration", "transfer", "kaufman"])
def test_four_by_four(method):
    assert by_energy(ising_counts((4, 4), method=method)) == G_4 | {-e: n for e, n in G_4.items()}


def test_five_by_five_and_six_by_six():
    five, six = by_energy(ising_counts((5, 5))), by_energy(ising_counts((6, 6)))
    assert list(five.items())[:6] == [(-50, 2), (-42, 50), (-38, 100), (-34, 850), (-30, 3140), (-26, 16300)]
    assert list(six.items())[:6] == [(-72, 2), (-64, 72), (-60, 144), (-56, 1620), (-52, 6048), (-48, 35148)]
    assert six[0] == 13_172_279_424


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (4, 4), (5, 5), (6, 6)])
def test_sums_over_the_magnetisation_are_the_counts_without_field(shape):
    joint = ising_counts(shape, field=True)
    total = Counter()
    for bonds, count in zip(joint.bonds, joint.counts, strict=True):
        total[bonds] += count
    assert total == dict(zip(ising_counts(shape).bonds, ising_counts(shape).counts, strict=True))
    assert sum(joint.counts) == 2 ** math.prod(shape)


def direct(H, W, J, h):
    """Energies of all configurations spin by spin, in fractions."""
    found = Counter()
    for s in itertools.product((-1, 1), repeat=H * W):
        bonds = sum(
            s[r * W + c] * (s[(r + 1) % H * W + c] + s[r * W + (c + 1) % W]) for r in range(H) for c in range(W)
        )
        found[-J * bonds - h * sum(s)] += 1
    return found


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (3, 4)])
@pytest.mark.parametrize(("J", "h"), [("1", "1"), ("1", "1/3"), ("-1", "2"), ("0.7", "0.1"), ("0", "1"), ("1", "0")])
def test_levels_in_a_field_are_those_of_the_plain_sum(shape, J, h):
    levels = field_levels(ising_counts(shape, field=True), h, J)
    assert {level.energy: level.count for level in levels} == direct(*shape, Fraction(J), Fraction(h))
    energies = [level.energy for level in levels]
    assert energies == sorted(set(energies))


def test_a_field_splits_levels_and_a_rational_one_merges_some():
    counts = ising_counts((4, 4), field=True)
    plain, third, generic = (field_levels(counts, h) for h in (0, "1/3", "0.0123"))
    assert [level.count for level in plain] == list(ising_counts((4, 4)).counts)
    assert len(plain) == 15 < len(third) < len(generic) == len(counts.counts)
    assert len(field_levels(counts, "1/3", generic=True)) == len(generic)
    # A negative control: in floats, levels that coincide at h/J = 3 differ in their last digits.
    exact = field_levels(counts, 0.3, 0.1)
    rounded = {-0.1 * bonds - 0.3 * m for level in exact for bonds, m in level.members}
    assert len(exact) == len(field_levels(counts, 3)) < len(rounded)


def test_the_ground_states_are_split_by_the_field():
    levels = field_levels(ising_counts((6, 6), field=True), h="0.01")
    assert (levels[0].energy, levels[0].count, levels[0].members) == (Fraction(-7236, 100), 1, ((72, 36),))
    assert (levels[1].energy, levels[1].count, levels[1].members) == (Fraction(-7164, 100), 1, ((72, -36),))


def test_landscapes_carry_the_exact_counts():
    without, within = ising_landscape((6, 6)), ising_landscape((6, 6), h=0.25)
    assert without.weights == 36 and without.levels[0] == -72 and without.max_degeneracy == 13_172_279_424
    assert within.configurations == 2**36 and within.distinct > without.distinct
    assert within.max_degeneracy < without.max_degeneracy and within.entropy > without.entropy
    large = ising_landscape((12, 12))
    assert large.configurations == 2**144 and large.as_json("energy")["levels"][0] == {"energy": -288.0, "count": 2}


def test_random_energies_are_seeded_and_distributed_like_the_counts():
    drawn = random_energies((4, 4), (0.0, 0.5), configurations=1000, seed=3)
    assert drawn.shape == (2, 1000) and (np.diff(drawn, axis=1) >= 0).all()
    np.testing.assert_array_equal(drawn, random_energies((4, 4), (0.0, 0.5), configurations=1000, seed=3))
    assert (drawn != random_energies((4, 4), (0.0, 0.5), configurations=1000, seed=4)).any()
    for energies, h, wrong in zip(drawn, (0, 0.5), (0.3, 0.2), strict=True):
        landscape, other = ising_landscape((4, 4), h), ising_landscape((4, 4), wrong)
        assert set(energies) <= set(landscape.levels)
        assert abs(deviation(energies, landscape)) < 4
        assert not set(energies) <= set(other.levels), "a wrong field must be seen"
        assert abs(deviation(energies + 0.02 * 16, landscape)) < 4 < abs(deviation(energies + 0.1 * 16, landscape))


def deviation(energies, landscape):
    """z of the mean of independent energies (the mean of all configurations is 0)."""
    p = landscape.probabilities
    return energies.mean() / math.sqrt(p @ landscape.levels**2 / len(energies))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ising_counts((1, 4)), "two whole sides"),
        (lambda: ising_counts((5, 5), method="enumeration"), "use at most 22 spins"),
        (lambda: ising_counts((11, 11), method="transfer"), "a shorter side of 10"),
        (lambda: ising_counts((10, 10), field=True), "use at most 81 spins"),
        (lambda: ising_counts((50, 50)), "use at most 2304 spins"),
        (lambda: ising_counts((4, 4), field=True, method="kaufman"), "knows no field"),
        (lambda: ising_counts((4, 4), method="guess"), "use auto, enumeration"),
        (lambda: field_levels(ising_counts((4, 4)), 1), "ising_counts\\(field=True\\)"),
        (lambda: field_levels(ising_counts((2, 2), True), math.nan), "finite number"),
        (lambda: field_levels(ising_counts((2, 2), True), 1, math.inf), "finite number"),
        (lambda: random_energies((4, 4), (math.inf,)), "finite numbers"),
        (lambda: random_energies((4, 4), configurations=0), "one or more"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
