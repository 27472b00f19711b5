"""Whole numbers beyond 64 bits by their remainders: arithmetic modulo several numbers at once, put together at the end.

Counts of configurations reach 2**N.  Sums and products modulo numbers that fit into a machine word are exact, and
the Chinese remainder theorem gives the count from its remainders if the product of the moduli exceeds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def coprime_moduli(bits: int, bound: int) -> list[int]:
    """Return pairwise coprime numbers below 2**bits, largest first, whose product exceeds a bound."""
    moduli: list[int] = []
    candidate, product = 2**bits, 1
    while product <= bound:
        if math.gcd(candidate, product) == 1:
            moduli.append(candidate)
            product *= candidate
        candidate -= 1
    return moduli


def primes_with_roots(order: int, bound: int, bits: int = 31) -> tuple[list[int], list[int]]:
    """Return primes p below 2**bits whose product exceeds a bound, and for each a root of unity modulo p.

    Parameters
    ----------
    order : int
        Order n of the roots: r^n = 1 modulo p, and no smaller positive power is 1.  Such roots exist for
        p = 1 modulo n.
    bound : int
        What the product of the primes must exceed.
    bits : int
        Length of the primes; up to 31, so that the product of two remainders fits into an int64.
    """
    small = [d for d in range(2, math.isqrt(2**bits) + 1) if all(d % e for e in range(2, math.isqrt(d) + 1))]
    divisors = np.array(small)
    primes: list[int] = []
    roots: list[int] = []
    candidate, product = (2**bits - 2) // order * order + 1, 1
    while product <= bound:
        if np.all(candidate % divisors):
            primes.append(candidate)
            roots.append(_root(order, candidate))
            product *= candidate
        candidate -= order
    return primes, roots


def _root(order: int, prime: int) -> int:
    factors = [q for q in range(2, order + 1) if order % q == 0]
    for base in range(2, prime):
        root = pow(base, (prime - 1) // order, prime)
        if all(pow(root, order // q, prime) != 1 for q in factors):
            return root
    raise AssertionError(f"{prime} is no prime of the form 1 + k {order}")


def combine(residues: Integers, moduli: Sequence[int]) -> list[int]:
    """Return the numbers from 0 to below the product of the moduli that have the given remainders.

    Parameters
    ----------
    residues : ndarray of int64, shape (len(moduli), n)
        Remainders of n numbers.
    moduli : sequence of int
        Pairwise coprime moduli.
    """
    product = math.prod(moduli)
    others = [product // modulus for modulus in moduli]
    units = [other * pow(other, -1, modulus) for other, modulus in zip(others, moduli, strict=True)]
    columns = residues.T.tolist()
    return [sum(r * unit for r, unit in zip(column, units, strict=True)) % product for column in columns]
