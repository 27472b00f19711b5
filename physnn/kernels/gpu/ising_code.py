# mypy: ignore-errors
"""The Triton kernels of `physnn.kernels.gpu.ising`, where layout and algorithm are explained.

How many digits come first, how wide a tile is and which program works on it are questions of speed alone: a random
word is a function of its counter, so nothing of that changes a spin.
"""

from __future__ import annotations

import triton
import triton.language as tl

GROUP = tl.constexpr(4)
"""Digits decided with the four words of one Philox block."""
ROUNDS = tl.constexpr(10)
BITS = tl.constexpr(32)


@triton.jit
def philox(c0, c1, c2, c3, k0, k1):
    """Return the four words of Philox4x32-10, all arguments and results uint32."""
    for _ in tl.static_range(ROUNDS):
        # A 64-bit product is one instruction, its two halves taken apart are none.
        a, b = c0.to(tl.uint64) * 0xD2511F53, c2.to(tl.uint64) * 0xCD9E8D57
        c0, c2 = (b >> 32).to(tl.uint32) ^ c1 ^ k0, (a >> 32).to(tl.uint32) ^ c3 ^ k1
        c1, c3 = b.to(tl.uint32), a.to(tl.uint32)
        k0 = k0 + 0x9E3779B9
        k1 = k1 + 0xBB67AE85
    return c0, c1, c2, c3


@triton.jit
def _load(at, inside):
    return tl.load(at, mask=inside, other=0).to(tl.uint32, bitcast=True)


@triton.jit
def _random(table, i, inside, colour, sweep, key, group, N, DIGITS: tl.constexpr, TABLE: tl.constexpr):
    """Return the four random words of a group of digits, from their counter or from a table."""
    if TABLE:
        at = table + ((sweep * 2 + colour) * DIGITS + group * GROUP) * N + i
        return _load(at, inside), _load(at + N, inside), _load(at + 2 * N, inside), _load(at + 3 * N, inside)
    else:
        word = i.to(tl.uint32)
        low, high = word * 0 + (sweep & 0xFFFFFFFF).to(tl.uint32), word * 0 + (sweep >> 32).to(tl.uint32)
        return philox(word, low, high, word * 0 + 2 * group + colour, key[0], key[1])


@triton.jit
def _digit(drawn, some, one, none, below, equal):
    """Put one more digit in front of a comparison: masks "the number is below" and "all digits are equal"."""
    digit = (some & one) | (~some & none)
    # The majority of (not drawn, digit, below): one three-operand instruction, like each of the other two.
    return (~drawn & (digit | below)) | (digit & below), equal & ~(drawn ^ digit)


@triton.jit
def _spread(digits, k):
    """Return digit k of 32, the first being the highest, as a word of zeros or ones."""
    return (digits << k >> 31).to(tl.uint32, bitcast=True)


@triton.jit
def _group(drawn, some, one, none, k, below, equal):
    """Put four digits in front, the last of them first; the thresholds' digits begin at k."""
    below, equal = _digit(drawn[3], some, _spread(one, k + 3), _spread(none, k + 3), below, equal)
    below, equal = _digit(drawn[2], some, _spread(one, k + 2), _spread(none, k + 2), below, equal)
    below, equal = _digit(drawn[1], some, _spread(one, k + 1), _spread(none, k + 1), below, equal)
    return _digit(drawn[0], some, _spread(one, k), _spread(none, k), below, equal)


@triton.jit
def _neighbours(words, i, inside, colour, C, K):
    """Return the words of the other colour with the four neighbours of the words i."""
    c, k = i // K, i % K
    other = words + (1 - colour) * C * K
    after, before = tl.where(k == K - 1, i - k, i + 1), tl.where(k == 0, i + K - 1, i - 1)
    left = _load(other + tl.where(c == 0, i + (C - 1) * K, i - K), inside)
    right = _load(other + tl.where(c == C - 1, k, i + K), inside)
    left = tl.where(c == 0, left << 1 | left >> 31, left)
    right = tl.where(c == C - 1, right >> 1 | right << 31, right)
    shifted = _load(other + tl.where((c + colour) % 2 == 1, after, before), inside)
    return _load(other + i, inside), shifted, left, right


@triton.jit
def _update(
    words,
    table,
    i,
    colour,
    sweep,
    key,
    p,
    one,
    none,
    C,
    K,
    FIRST: tl.constexpr,
    DIGITS: tl.constexpr,
    TABLE: tl.constexpr,
):
    """Update the words i of one colour of a lattice."""
    N = C * K
    inside = i < N
    own = _load(words + colour * N + i, inside)
    same, shifted, left, right = _neighbours(words, i, inside, colour, C, K)
    w, x, y, z = own ^ same, own ^ shifted, own ^ left, own ^ right
    two = (w & x) | (y & z) | ((w | x) & (y | z))
    some = w | x | y | z
    below = own ^ own
    equal = tl.where(inside, ~two, below)
    # The lowest digit comes first: a spin whose higher digits are equal keeps what the lower ones said.
    for g in tl.static_range(FIRST // GROUP - 1, -1, -1):
        drawn = _random(table, i, inside, colour, sweep, key, g, N, DIGITS, TABLE)
        below, equal = _group(drawn, some, one, none, g * GROUP, below, equal)
    g = FIRST // GROUP
    while (g < DIGITS // GROUP) & (tl.max(equal, axis=0) != 0):
        drawn = _random(table, i, inside, colour, sweep, key, g, N, DIGITS, TABLE)
        ones, nones = tl.load(p + g * GROUP // BITS), tl.load(p + 2 + g * GROUP // BITS)
        less, alike = _group(drawn, some, ones, nones, g * GROUP % BITS, own ^ own, equal)
        below |= equal & less
        equal = alike
        g += 1
    tl.store(words + colour * N + i, (own ^ (two | below)).to(tl.int32, bitcast=True), mask=inside)


@triton.jit
def _key(keys, chain):
    k0, k1 = tl.load(keys + 2 * chain), tl.load(keys + 2 * chain + 1)
    return k0.to(tl.uint32, bitcast=True), k1.to(tl.uint32, bitcast=True)


# Wider loads than one word would not fit the neighbours and cost exchanges between threads.
@triton.jit(do_not_specialize=["ahead"], do_not_specialize_on_alignment=["words", "table"])
def half_sweep(
    words,
    keys,
    clock,
    p,
    table,
    ahead,
    C: tl.constexpr,
    K: tl.constexpr,
    COLOUR: tl.constexpr,
    FIRST: tl.constexpr,
    DIGITS: tl.constexpr,
    TABLE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Update one colour of every lattice; the programs (:, chain) take turns at the tiles of a lattice."""
    chain = tl.program_id(1).to(tl.int64)
    sweep = tl.load(clock) + ahead
    key, p = _key(keys, chain), p + 4 * chain
    one, none = tl.load(p), tl.load(p + 2)
    for tile in range(tl.program_id(0), tl.cdiv(C * K, BLOCK), tl.num_programs(0)):
        i = tile * BLOCK + tl.arange(0, BLOCK)
        _update(words + 2 * C * K * chain, table, i, COLOUR, sweep, key, p, one, none, C, K, FIRST, DIGITS, TABLE)


@triton.jit(do_not_specialize=["n"], do_not_specialize_on_alignment=["words", "table"])
def whole_sweeps(
    words,
    keys,
    clock,
    p,
    table,
    n,
    C: tl.constexpr,
    K: tl.constexpr,
    FIRST: tl.constexpr,
    DIGITS: tl.constexpr,
    TABLE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Do n sweeps, one program a lattice: no other launch comes in between."""
    chain = tl.program_id(0).to(tl.int64)
    begin = tl.load(clock)
    key, p = _key(keys, chain), p + 4 * chain
    one, none = tl.load(p), tl.load(p + 2)
    for half in range(2 * n):
        for tile in range(tl.cdiv(C * K, BLOCK)):
            i = tile * BLOCK + tl.arange(0, BLOCK)
            sweep, colour = begin + half // 2, half % 2
            _update(words + 2 * C * K * chain, table, i, colour, sweep, key, p, one, none, C, K, FIRST, DIGITS, TABLE)
        tl.debug_barrier()  # the words of this colour are the next half sweep's neighbours


@triton.jit
def _ones(x):
    """Return the number of ones of each word: sums over pairs, fours and bytes, then one product."""
    x = x - ((x >> 1) & 0x55555555)
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333)
    return (((x + (x >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24).to(tl.int32)


@triton.jit
def columns(words, up, broken, C: tl.constexpr, K: tl.constexpr, BLOCK: tl.constexpr):
    """Count up spins of the 32 columns x = c + b C, and unlike bonds from colour 0 of the block c, for one c."""
    c, chain = tl.program_id(0), tl.program_id(1).to(tl.int64)
    words += 2 * C * K * chain
    bits = tl.arange(0, BITS)
    count = tl.zeros((BITS,), tl.int32)
    bonds = tl.zeros((BLOCK,), tl.int32)
    for first in range(0, K, BLOCK):
        k = first + tl.arange(0, BLOCK)
        inside = k < K
        own, last = _load(words + c * K + k, inside), _load(words + (C + c) * K + k, inside)
        count += tl.sum(((own[:, None] >> bits[None, :]) & 1).to(tl.int32), axis=0)
        count += tl.sum(((last[:, None] >> bits[None, :]) & 1).to(tl.int32), axis=0)
        same, shifted, left, right = _neighbours(words, c * K + tl.where(inside, k, 0), inside, 0, C, K)
        bonds += _ones(own ^ same) + _ones(own ^ shifted) + _ones(own ^ left) + _ones(own ^ right)
    tl.store(up + (chain * BITS + bits) * C + c, count)
    tl.store(broken + chain * C + c, tl.sum(bonds, axis=0))


@triton.jit
def rows(words, up, C: tl.constexpr, K: tl.constexpr, BLOCK: tl.constexpr):
    """Count up spins of the rows 2 k and 2 k + 1, for a tile of k."""
    k, chain = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1).to(tl.int64)
    words += 2 * C * K * chain
    inside = k < K
    even, odd = tl.zeros((BLOCK,), tl.int32), tl.zeros((BLOCK,), tl.int32)
    for c in range(0, C, 2):
        even += _ones(_load(words + c * K + k, inside)) + _ones(_load(words + (C + c + 1) * K + k, inside))
        odd += _ones(_load(words + (c + 1) * K + k, inside)) + _ones(_load(words + (C + c) * K + k, inside))
    tl.store(up + chain * 2 * K + 2 * k, even, mask=inside)
    tl.store(up + chain * 2 * K + 2 * k + 1, odd, mask=inside)
