# mypy: disable-error-code="call-arg"
"""Colours of a torus as bits, 64 columns of a row to a word, and what is measured of them.

Bit b of word k of a row is the site in column ``64 k + b``; bits beyond the last column are zeros.  Two colours have
one plane of bits, three and four have two planes, the lower and the upper digit.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.multispin_code import VECTOR, WORD_BITS, draw_active, ones
from physnn.kernels.lattice.observables import DONE, ROW, SITES, combine
from physnn.kernels.random import SHIFT, UNIFORM_BITS

ONE_BIT, NO_BIT, TOP = uint64(1), uint64(0), uint64(WORD_BITS - 1)
"""The lowest bit, no bit, and the index of the highest bit of a word."""
ALL_BITS = ~uint64(0)
"""All bits of a word."""


@njit(cache=True, nogil=True)
def pack_rows(colours, low, high):
    """Write colours, int8 (H, W), to planes of bits, each uint64 (H, words); ``high`` has no rows for two colours."""
    H, W = colours.shape
    for i in range(H):
        for k in range(low.shape[1]):
            a, b = NO_BIT, NO_BIT
            for j in range(min(WORD_BITS, W - WORD_BITS * k)):
                colour = uint64(colours[i, WORD_BITS * k + j])
                a |= (colour & ONE_BIT) << uint64(j)
                b |= (colour >> ONE_BIT) << uint64(j)
            low[i, k] = a
            if high.shape[0]:
                high[i, k] = b


@njit(cache=True, nogil=True)
def unpack_rows(low, high, colours):
    """Write planes of bits to colours, int8 (H, W): the inverse of `pack_rows`."""
    H, W = colours.shape
    for i in range(H):
        for j in range(W):
            k, bit = j // WORD_BITS, uint64(j % WORD_BITS)
            colour = (low[i, k] >> bit) & ONE_BIT
            if high.shape[0]:
                colour |= ((high[i, k] >> bit) & ONE_BIT) << ONE_BIT
            colours[i, j] = np.int8(colour)


@njit(cache=True, nogil=True)
def columns_in(W, k):
    """Bits of word k of a row that are sites of a lattice of W columns."""
    return ALL_BITS >> uint64(max(0, WORD_BITS * (k + 1) - W))


@njit(cache=True, nogil=True)
def with_right(row, k, W):
    """Word k of a row moved by a site, so that each bit is that of its right neighbour."""
    if k + 1 < row.shape[0]:
        return (row[k] >> ONE_BIT) | (row[k + 1] << TOP)
    return (row[k] >> ONE_BIT) | ((row[0] & ONE_BIT) << uint64((W - 1) % WORD_BITS))


@njit(cache=True, nogil=True)
def fill_active(generator, active, words):
    """Fill words, a multiple of `VECTOR`, with independent bits that are one with probability ``active / 2^53``.

    ``generator`` is flat, of `VECTOR` lanes `LANES` apart.  Digits of a random number are compared with those of the
    probability from the highest on, until no bit of `VECTOR` words is undecided.
    """
    always = ~((active >> uint64(UNIFORM_BITS)) - ONE_BIT)  # a probability of 1 has no digits
    for k in range(0, words.shape[0], VECTOR):
        draw_active(generator, active << SHIFT, words, k)
        for j in range(k, k + VECTOR):
            words[j] |= always


@njit(cache=True, nogil=True)
def like_bonds_of(low, high, W):
    """Number of bonds between equal colours, each site with its right and its lower neighbour."""
    H, words = low.shape
    unlike = NO_BIT
    for i in range(H):
        down = i + 1 if i + 1 < H else 0
        for k in range(words):
            inside = columns_in(W, k)
            right, lower = low[i, k] ^ with_right(low[i], k, W), low[i, k] ^ low[down, k]
            if high.shape[0]:
                right |= high[i, k] ^ with_right(high[i], k, W)
                lower |= high[i, k] ^ high[down, k]
            unlike += ones(right & inside) + ones(lower)
    return 2 * H * W - np.int64(unlike)


@njit(cache=True, nogil=True)
def digits_of(H, words):
    """Work space of `count_bits`: as many binary digits as a count of H sites has, for every column."""
    count = 1
    while 2**count <= H:
        count += 1
    return np.empty((count, words), np.uint64)


@njit(cache=True, nogil=True)
def count_bits(low, high, colour, digits, in_row, in_column):
    """Count sites of a colour above 0 in every row and column: ``in_row (H,)`` and ``in_column (W,)``, int32.

    Columns are counted in ``digits``, see `digits_of`, by additions of whole words.
    """
    H, words = low.shape
    digits[:] = NO_BIT
    for i in range(H):
        count = NO_BIT
        for k in range(words):
            carry = low[i, k]
            if high.shape[0]:
                carry = (carry if colour & 1 else ~carry) & (high[i, k] if colour & 2 else ~high[i, k])
            count += ones(carry)
            for d in range(digits.shape[0]):
                digits[d, k], carry = digits[d, k] ^ carry, digits[d, k] & carry
        in_row[i] = np.int32(count)
    for j in range(in_column.shape[0]):
        k, bit, count = j // WORD_BITS, uint64(j % WORD_BITS), NO_BIT
        for d in range(digits.shape[0]):
            count |= ((digits[d, k] >> bit) & ONE_BIT) << uint64(d)
        in_column[j] = np.int32(count)


@njit(cache=True, nogil=True)
def record_packed(low, high, energies, digits, space, progress, rows, snapshots, every):
    """Measure planes of bits and start the next interval, as `record_row` does with colours.

    ``digits`` is that of `count_bits`, what else is here that of `record_row`.
    """
    row = progress[ROW]
    in_row, in_column, wave_x, wave_y = space
    q, H, W = in_row.shape[0], in_row.shape[1], in_column.shape[1]
    for i in range(H):
        in_row[0, i] = W
    for j in range(W):
        in_column[0, j] = H
    for a in range(1, q):
        count_bits(low, high, a, digits, in_row[a], in_column[a])
        for i in range(H):
            in_row[0, i] -= in_row[a, i]
        for j in range(W):
            in_column[0, j] -= in_column[a, j]
    combine(like_bonds_of(low, high, W), energies, in_row, in_column, wave_x, wave_y, rows[row])
    rows[row, 6] = progress[SITES] / (H * W)
    if every > 0 and (row + 1) % every == 0:
        unpack_rows(low, high, snapshots[(row + 1) // every - 1])
    progress[DONE], progress[SITES], progress[ROW] = 0, 0, row + 1


@njit(cache=True, nogil=True)
def shifted_digits(a, b, one, two, q):
    """Digits of colours whose colour is shifted: by 1 at the bits of ``one``, by 2 at those of ``two``, 3 at both.

    Shifts are additions modulo q, but for four colours exclusive ors, which move a colour as evenly.
    """
    if q != 3:
        return a ^ one, b ^ two
    none = ~(a | b)
    still = ~(one | two)
    return (a & still) | (one & none) | (two & b), (b & still) | (one & a) | (two & none)
