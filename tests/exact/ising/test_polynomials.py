from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physnn.exact.ising.enumeration import ising_density_of_states
from physnn.exact.ising.polynomials import (
    chinese_remainders,
    coprime_moduli,
    kaufman_counts,
    primes_with_roots,
    transfer_counts,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2**200), min_size=1, max_size=5), st.integers(20, 61))
def test_numbers_come_back_from_their_remainders(numbers, bits):
    moduli = coprime_moduli(bits, 2**200)
    assert all(math.gcd(a, b) == 1 for k, a in enumerate(moduli) for b in moduli[:k])
    residues = np.array([[n % m for n in numbers] for m in moduli], np.int64)
    assert chinese_remainders(residues, moduli) == numbers
    residues[0, 0] = (residues[0, 0] + 1) % moduli[0]
    assert chinese_remainders(residues, moduli) != numbers


@pytest.mark.parametrize("order", [4, 6, 12, 64])
def test_roots_of_unity_have_their_order(order):
    primes, roots = primes_with_roots(order, 2**100)
    assert math.prod(primes) > 2**100 and len(set(primes)) == len(primes)
    for p, r in zip(primes, roots, strict=True):
        assert p < 2**31 and pow(2, p - 1, p) == 1
        assert len({pow(r, k, p) for k in range(order)}) == order and pow(r, order, p) == 1


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2), (3, 3), (2, 5), (4, 3), (4, 4), (2, 8), (5, 4)])
def test_polynomials_are_those_of_the_enumeration(shape):
    sites = math.prod(shape)
    states = ising_density_of_states(shape)
    expected = {tuple(level): n for level, n in zip(states.levels.tolist(), states.counts.tolist(), strict=True)}
    rows = transfer_counts(shape, True)
    found = {(2 * sites - 4 * k, 2 * u - sites): n for k, row in enumerate(rows) for u, n in enumerate(row) if n}
    assert found == expected
    energies = [sum(row) for row in rows]
    assert [row[0] for row in transfer_counts(shape, False)] == energies
    assert kaufman_counts(shape) == energies


@pytest.mark.parametrize("shape", [(5, 5), (6, 6), (7, 7), (8, 8), (5, 9), (9, 4), (2, 40)])
def test_transfer_matrices_and_kaufman_agree_beyond_enumeration(shape):
    sites = math.prod(shape)
    kaufman = kaufman_counts(shape)
    assert [row[0] for row in transfer_counts(shape, False)] == kaufman
    assert sum(kaufman) == 2**sites
    assert kaufman == kaufman_counts(shape[::-1])


@pytest.mark.parametrize("shape", [(5, 5), (6, 6), (7, 7), (3, 11)])
def test_sums_of_the_counts_in_a_field(shape):
    sites = math.prod(shape)
    rows = transfer_counts(shape, True)
    assert [sum(row) for row in rows] == kaufman_counts(shape)
    assert [sum(column) for column in zip(*rows, strict=True)] == [math.comb(sites, u) for u in range(sites + 1)]
    assert all(row == row[::-1] for row in rows)


def test_all_configurations_of_five_by_five_one_by_one():
    # Bit patterns with the first spin down; the other half has the opposite magnetisation.
    pattern = np.arange(2**24, dtype=np.uint32)
    bits = np.array([k.bit_count() for k in range(2**13)], np.uint8)

    def ones(word):
        return bits[word & 8191] + bits[word >> 13]

    rows = sum(0b11111 << (5 * r) for r in range(5))
    first = sum(1 << (5 * r) for r in range(5))
    right = (pattern >> 1) & (rows & ~(first << 4)) | (pattern & first) << 4
    below = pattern >> 5 | (pattern & 31) << 20
    broken = ones(pattern ^ right) + ones(pattern ^ below)
    key = broken.astype(np.uint16) // 2 * 26 + ones(pattern)
    half = np.bincount(key, minlength=26 * 26).reshape(26, 26)
    assert transfer_counts((5, 5), True) == (half + half[:, ::-1]).tolist()


def test_thirty_two_by_thirty_two():
    counts = kaufman_counts((32, 32))
    assert sum(counts) == 2**1024 and counts == counts[::-1]
    # One spin turned over, two neighbours, and all ways to break 16 bonds: N, 2 N, N (N + 9)/2, and the opposite.
    assert counts[:6] == [2, 0, 2 * 1024, 4 * 1024, 1024 * 1033, 4218880]
