"""Exact partition functions of the Ising model on an H x W torus, as polynomials with whole coefficients.

With B broken bonds of 2 N (a side of 2 has two bonds between the same sites) and U spins up, N = H W,

    Z = sum_(B, U) g(B, U) x^B y^U exp[2 N K - N h/T],   x = exp(-2 K), y = exp(2 h/T), K = J/T,

and E = -J (2 N - 2 B) - h M with M = 2 U - N.  The transfer matrix of one row of W spins is a product of W + 1
factors: its diagonal x^b y^u, with b broken bonds and u spins up in the row, and a factor 1 + x X_i for each site,
where X_i turns spin i over.  Powers of it are applied to one starting row of each class of rows that shifts and
mirrors turn into each other; the diagonal elements add up to Z.

On a torus B is even.  The broken bonds between rows have the parity of the number of spins in which the row differs
from the first one, so powers of x^2 are enough, with states sorted by this parity.

Without field, Kaufman's formula (`physnn.exact.ising.kaufman`) is a polynomial too: with
P_l = (1 + x^2)^2 - 2 cos(pi l/H) x (1 - x^2), Q = x (1 - x^2), U_0 = 2, U_1 = P, U_(k+1) = P U_k - Q^2 U_(k-1),

    sum_B g(B) x^B = [prod_odd A_l(+) + prod_odd A_l(-) + prod_even A_l(+) + prod_even A_l(-)] / 2,
    A_l(+-) A_(2H-l)(+-) = U_W +- 2 Q^W,  A_0(+-) = (1 - x)^W +- [x (1 + x)]^W,  A_H(+-) = (1 + x)^W +- [x (1 - x)]^W.

Modulo a prime p = 1 + 2 H k the cosines are whole numbers, 2 cos(pi l/H) = r^l + r^-l with a root of unity r of order
2 H, so nothing is rounded.  Source of the expansion (there by computer algebra): P. D. Beale, Phys. Rev. Lett. 76
(1996) 78.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from physnn.exact.ising.torus import Integers


def coprime_moduli(bits: int, bound: int) -> list[int]:
    """Pairwise coprime numbers below 2**bits, largest first, whose product exceeds a bound."""
    moduli: list[int] = []
    candidate, product = 2**bits, 1
    while product <= bound:
        if math.gcd(candidate, product) == 1:
            moduli.append(candidate)
            product *= candidate
        candidate -= 1
    return moduli


def primes_with_roots(order: int, bound: int, bits: int = 31) -> tuple[list[int], list[int]]:
    """Primes p = 1 modulo ``order`` below 2**bits whose product exceeds a bound, and a root of unity modulo each.

    Its powers below the order are not 1.  With up to 31 bits the product of two remainders fits into an int64.
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


def chinese_remainders(residues: Integers, moduli: Sequence[int]) -> list[int]:
    """Numbers below the product of pairwise coprime moduli that have the given remainders, shape (moduli, n)."""
    product = math.prod(moduli)
    units = [product // modulus * pow(product // modulus, -1, modulus) for modulus in moduli]
    return [sum(r * unit for r, unit in zip(column, units, strict=True)) % product for column in residues.T.tolist()]


def transfer_counts(shape: tuple[int, int], field: bool) -> list[list[int]]:
    """Number of configurations with B broken bonds and U spins up, by transfer matrices.

    Entry [B/2][U] for B = 0, 2, .. 2 N and U = 0 .. N; without field all U are together: entry [B/2][0].  Sides are
    at least 2, checked by the caller; time and memory grow as 2**(shorter side).
    """
    width, height = sorted(shape)
    sites = width * height
    # One row of sites multiplies a remainder by up to 2**width, adding up the classes by up to 2 width.
    moduli = coprime_moduli(59 - width, 2**sites)
    residues = [_trace(width, height, field, modulus).ravel() for modulus in moduli]
    counts = chinese_remainders(np.stack(residues), moduli)
    columns = sites + 1 if field else 1
    return [counts[k : k + columns] for k in range(0, len(counts), columns)]


def _trace(width: int, height: int, field: bool, modulus: int) -> Integers:
    """Counts modulo a number, shape (N + 1, N + 1 or 1)."""
    total = np.zeros((width * height + 1, width * height + 1 if field else 1), np.int64)
    # Smallest bit pattern of each class of rows under shifts and mirrors, and the size of the class.
    for row, members in Counter(_smallest(row, width) for row in range(2**width)).items():
        opposite = _smallest(2**width - 1 ^ row, width)
        if opposite < row:
            continue
        found = _loops(row, width, height, field, modulus)
        total += members * found
        if opposite != row:
            total += members * found[:, ::-1]
        total %= modulus
    return total


def _loops(start: int, width: int, height: int, field: bool, modulus: int) -> Integers:
    """Counts of all configurations whose first row is given, modulo a number."""
    states = np.arange(2**width)
    bits = (states[:, None] >> np.arange(width)) & 1
    up, parity = bits.sum(axis=1), bits.sum(axis=1) % 2
    broken = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) // 2
    half = 2 ** (width - 1)
    sites = width * height
    # counts[p, j, e, u]: rows with the last spin fixed by the other spins j and by the parity p.
    counts = np.zeros((2, half, sites + 1, sites + 1 if field else 1), np.int64)
    place = int(parity[start]), start % half
    counts[*place, 0, 0] = 1
    for done in range(height):
        bonds = width * (done + 1) + 1
        seen = counts[:, :, :bonds, : bonds if field else 1]
        same, other = seen[place[0]], seen[1 - place[0]]
        for site in range(width):
            _couple(same, other, site if site < width - 1 else None)
        for state in states:
            values = seen[parity[state], state % half]
            shifted = np.zeros_like(values)
            e, u = broken[state], up[state] if field else 0
            shifted[e:, u:] = values[: bonds - e, : values.shape[1] - u]
            np.remainder(shifted, modulus, out=values)
    return np.asarray(counts[place])


def _couple(same: Integers, other: Integers, site: int | None) -> None:
    """Apply 1 + x X_i; `same` holds even powers of x and `other` odd ones, x^(2 e + 1); the last site is None."""
    if site is not None:
        pairs = (-1, 2, 2**site, *same.shape[1:])
        same, other = same.reshape(pairs), other.reshape(pairs)[:, ::-1]
    before = same.copy()
    same[..., 1:, :] += other[..., :-1, :]
    other += before


def _smallest(row: int, width: int) -> int:
    word = f"{row:0{width}b}"
    return min(int(w[k:] + w[:k], 2) for w in (word, word[::-1]) for k in range(width))


def kaufman_counts(shape: tuple[int, int]) -> list[int]:
    """Number of configurations with B = 0, 2, .. 2 N broken bonds, by Kaufman's formula; the time grows as N^3."""
    H, W = shape
    primes, roots = primes_with_roots(2 * H, 2 ** (H * W))
    p = np.array(primes, np.int64)[:, None]
    total = np.zeros((len(primes), 2 * H * W + 1), np.int64)
    one, x = _polynomial(p, 1), _polynomial(p, 0, 1)
    for odd in (1, 0):
        for sign in (1, -1):
            product = one if odd else _unpaired(one, x, -1, sign, W, p)
            if odd == H % 2:
                product = _times(product, _unpaired(one, x, 1, sign, W, p), p)
            for mode in range(2 - odd, H, 2):
                product = _times(product, _paired(mode, roots, sign, W, p), p)
            total[:, : product.shape[1]] += product
    # The sum of the four products is even; half of it modulo an odd p.
    total = total % p * ((p + 1) // 2) % p
    return chinese_remainders(total[:, ::2], primes)


def _unpaired(one: Integers, x: Integers, slope: int, sign: int, W: int, p: Integers) -> Integers:
    """Polynomial (1 + slope x)^W + sign [x (1 - slope x)]^W."""
    line, against = _added(one, slope * x, p), _added(one, -slope * x, p)
    return _added(_power(line, W, p), sign * _power(_times(x, against, p), W, p), p)


def _paired(mode: int, roots: list[int], sign: int, W: int, p: Integers) -> Integers:
    """Polynomial U_W + 2 sign Q^W of one mode, modulo the primes."""
    # 2 cos(pi l/H)
    c = np.array([(pow(r, mode, q) + pow(r, -mode, q)) % q for r, q in zip(roots, p.ravel().tolist(), strict=True)])
    P = np.stack([np.ones_like(c), -c, np.full_like(c, 2), c, np.ones_like(c)], axis=1) % p
    Q = _polynomial(p, 0, 1, 0, -1)
    minus_square = -_times(Q, Q, p) % p
    before, now = _polynomial(p, 2), P
    for _ in range(W - 1):
        before, now = now, _added(_times(now, P, p), _times(before, minus_square, p), p)
    return _added(now, 2 * sign * _power(Q, W, p), p)


def _polynomial(p: Integers, *coefficients: int) -> Integers:
    """Same polynomial modulo every prime, shape (primes, degree + 1)."""
    return np.array([coefficients], np.int64) % p


def _added(a: Integers, b: Integers, p: Integers) -> Integers:
    """Sum of two polynomials modulo the primes."""
    total = np.zeros((len(p), max(a.shape[1], b.shape[1])), np.int64)
    total[:, : a.shape[1]] += a
    total[:, : b.shape[1]] += b
    return np.asarray(total % p)


def _times(a: Integers, b: Integers, p: Integers) -> Integers:
    """Product of two polynomials modulo the primes."""
    short, long = sorted((a, b), key=lambda polynomial: polynomial.shape[1])
    product = np.zeros((len(p), a.shape[1] + b.shape[1] - 1), np.int64)
    for k in range(short.shape[1]):
        product[:, k : k + long.shape[1]] += short[:, k, None] * long % p
    return np.asarray(product % p)


def _power(a: Integers, n: int, p: Integers) -> Integers:
    return functools.reduce(lambda result, _: _times(result, a, p), range(n), _polynomial(p, 1))
