# mypy: disable-error-code="call-arg, var-annotated"
"""Compiled loops of `physnn.kernels.lattice.multispin`, where layout and algorithm are explained."""

from __future__ import annotations

import numpy as np
from numba import int64, uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.multispin_code import (
    COMPARED_DIGITS,
    LANES,
    VECTOR,
    WORDS_TOGETHER,
    draw_lane,
    lowest,
    ones,
    unlike,
    update_chunk,
)
from physnn.kernels.primitives import COUNTER_SPACING, arrive, wait_for_neighbours

DIGITS_OF_A_SIDE = 16
"""Binary digits that hold any number of rows."""


@njit(cache=True, nogil=True)
def _finish(words, places, generator, spare, p, rest, mask):
    """Decide the bits that `chunk` left, one by one."""
    own, same, shifted, left, right = places
    while mask:
        t = int64(lowest(mask))
        mask &= mask - uint64(1)
        i = own + t
        _, some = unlike(words[i], words[same + t], words[shifted + t], words[left + t], words[right + t])
        flips, undecided = uint64(0), rest[t]
        while undecided:
            bit = undecided & (~undecided + uint64(1))
            undecided ^= bit
            k = 2 * COMPARED_DIGITS + (2 if rest[WORDS_TOGETHER + t] & bit else 0) + (0 if some & bit else 1)
            if draw_lane(generator, spare) < p[k]:
                flips |= bit
        words[i] ^= flips


@njit(cache=True, nogil=True)
def _places(words, colour, row):
    """Offsets of a row and its neighbours in the flat array: own, same, shifted, left, right."""
    rows, stride = words.shape[1], words.shape[2]
    own = (colour * rows + row) * stride + 1
    same = own + (1 - 2 * colour) * rows * stride
    shifted = same + (1 if (row - 1 + colour) % 2 else -1)
    return own, same, shifted, same - stride, same + stride


@njit(cache=True, nogil=True)
def _close(words, colour, row):
    """Renew the ghosts that copy a row."""
    rows, length = words.shape[1] - 2, words.shape[2] - 2
    own = words[colour, row]
    own[0], own[length + 1] = own[length], own[1]
    if row == 1:
        ghost = words[colour, rows + 1]
        for k in range(1, length + 1):
            ghost[k] = own[k] >> uint64(1) | own[k] << uint64(63)
    if row == rows:
        ghost = words[colour, 0]
        for k in range(1, length + 1):
            ghost[k] = own[k] << uint64(1) | own[k] >> uint64(63)


@njit(cache=True, nogil=True)
def _update_row(words, flat, colour, row, generator, p, rest, tail):
    own, same, shifted, left, right = _places(words, colour, row)
    length = words.shape[2] - 2
    first = (row - 1) * 4 * LANES
    whole = length - length % WORDS_TOGETHER
    for k in range(0, whole, WORDS_TOGETHER):
        places = (own + k, same + k, shifted + k, left + k, right + k)
        mask = update_chunk(flat, places, generator, first, p, rest)
        if mask:
            _finish(flat, places, generator, first + VECTOR, p, rest, mask)
    if whole < length:
        # The last words are worked on in a copy filled up with zeros.
        tail[:] = 0
        more = length - whole
        begins = (own + whole, same + whole, shifted + whole, left + whole, right + whole)
        for j in range(5):
            for k in range(more):
                tail[j * WORDS_TOGETHER + k] = flat[begins[j] + k]
        places = (0, WORDS_TOGETHER, 2 * WORDS_TOGETHER, 3 * WORDS_TOGETHER, 4 * WORDS_TOGETHER)
        mask = update_chunk(tail, places, generator, first, p, rest)
        if mask:
            _finish(tail, places, generator, first + VECTOR, p, rest, mask)
        for k in range(more):
            flat[begins[0] + k] = tail[k]
    _close(words, colour, row)


@njit(cache=True, nogil=True)
def sweep_part(words, generator, p, n, part, parts, meeting):
    """Do one thread's part of n sweeps: the rows from part/parts on.

    The two rows at the edges come first in each half sweep.  Only they touch what another thread works on, and they
    need of it only the edges of the half sweep before: while a thread does its inner rows nobody waits for it.

    Parameters
    ----------
    words, generator, p, n
        See `physnn.kernels.lattice.multispin.sweeps`.
    part, parts : int
        Number of this thread and how many there are.
    meeting : ndarray of int64, shape (COUNTER_SPACING * parts + 1,)
        Zeros, shared by the threads: how many half sweeps' edges each has done; a one at the end makes them give up.
    """
    flat, state = words.reshape(-1), generator.reshape(-1)
    rest, tail = np.empty(2 * WORDS_TOGETHER, np.uint64), np.empty(5 * WORDS_TOGETHER, np.uint64)
    rows = words.shape[1] - 2
    first, last = 1 + part * rows // parts, (part + 1) * rows // parts
    for half in range(2 * n):
        colour = half % 2
        if parts > 1 and not wait_for_neighbours(meeting, part, parts, half):
            return
        _update_row(words, flat, colour, first, state, p, rest, tail)
        if last > first:
            _update_row(words, flat, colour, last, state, p, rest, tail)
        if parts > 1:
            arrive(meeting, COUNTER_SPACING * part)
        for row in range(first + 1, last):
            _update_row(words, flat, colour, row, state, p, rest, tail)


@njit(cache=True, nogil=True)
def count_words(words, in_row, in_column):
    """Count up spins of every row and column of packed words, and return the number of bonds between equal spins.

    ``in_row (H,)`` and ``in_column (W,)``, int32, are overwritten.
    """
    blocks, half = words.shape[1] - 2, words.shape[2] - 2
    digits, unlike_bonds = np.zeros(DIGITS_OF_A_SIDE, np.uint64), uint64(0)
    in_row[:] = 0
    for c in range(blocks):
        digits[:] = uint64(0)
        for colour in range(2):
            odd = (c + colour) % 2
            for k in range(half):
                own = words[colour, 1 + c, 1 + k]
                in_row[2 * k + odd] += np.int32(ones(own))
                # Columns are counted binary digit by digit, 64 at once.
                carry = own
                for d in range(DIGITS_OF_A_SIDE):
                    digits[d], carry = digits[d] ^ carry, digits[d] & carry
                if colour == 0:
                    beside = words[1, 1 + c, 2 + k if odd else k]
                    unlike_bonds += ones(own ^ words[1, 1 + c, 1 + k]) + ones(own ^ beside)
                    unlike_bonds += ones(own ^ words[1, c, 1 + k]) + ones(own ^ words[1, 2 + c, 1 + k])
        for b in range(64):
            count = uint64(0)
            for d in range(DIGITS_OF_A_SIDE):
                count |= ((digits[d] >> uint64(b)) & uint64(1)) << uint64(d)
            in_column[c + b * blocks] = np.int32(count)
    return 256 * blocks * half - int64(unlike_bonds)
