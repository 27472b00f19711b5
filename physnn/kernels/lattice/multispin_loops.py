# mypy: disable-error-code="call-arg, var-annotated"
"""The compiled loops of `physnn.kernels.lattice.multispin`, where layout and algorithm are explained."""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint64

from physnn.kernels.lattice.multispin_code import BITS, CHUNK, DIGITS, LANES, VECTOR, chunk, draw, lowest, ones, unlike
from physnn.kernels.primitives import APART, arrive, wait


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
            k = 2 * DIGITS + (2 if rest[CHUNK + t] & bit else 0) + (0 if some & bit else 1)
            if draw(generator, spare) < p[k]:
                flips |= bit
        words[i] ^= flips


@njit(cache=True, nogil=True)
def _places(words, colour, row):
    """Return where a row and its neighbours begin in the flat array: own, same, shifted, left, right."""
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
    whole = length - length % CHUNK
    for k in range(0, whole, CHUNK):
        places = (own + k, same + k, shifted + k, left + k, right + k)
        mask = chunk(flat, places, generator, first, p, rest)
        if mask:
            _finish(flat, places, generator, first + VECTOR, p, rest, mask)
    if whole < length:
        # The last words are worked on in a copy filled up with zeros.
        tail[:] = 0
        more = length - whole
        begins = (own + whole, same + whole, shifted + whole, left + whole, right + whole)
        for j in range(5):
            tail[j * CHUNK : j * CHUNK + more] = flat[begins[j] : begins[j] + more]
        places = (0, CHUNK, 2 * CHUNK, 3 * CHUNK, 4 * CHUNK)
        mask = chunk(tail, places, generator, first, p, rest)
        if mask:
            _finish(tail, places, generator, first + VECTOR, p, rest, mask)
        flat[begins[0] : begins[0] + more] = tail[:more]
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
    meeting : ndarray of int64, shape (APART * parts + 1,)
        Zeros, shared by the threads: how many half sweeps' edges each has done; a one at the end makes them give up.
    """
    flat, state = words.reshape(-1), generator.reshape(-1)
    rest, tail = np.empty(2 * CHUNK, np.uint64), np.empty(5 * CHUNK, np.uint64)
    rows = words.shape[1] - 2
    first, last = 1 + part * rows // parts, (part + 1) * rows // parts
    for half in range(2 * n):
        colour = half % 2
        if parts > 1 and not wait(meeting, part, parts, half):
            return
        _update_row(words, flat, colour, first, state, p, rest, tail)
        if last > first:
            _update_row(words, flat, colour, last, state, p, rest, tail)
        if parts > 1:
            arrive(meeting, APART * part)
        for row in range(first + 1, last):
            _update_row(words, flat, colour, row, state, p, rest, tail)


@njit(cache=True, nogil=True)
def sweep_with_masks(words, masks):
    """Sweep once with given decisions instead of random numbers, in place.

    Parameters
    ----------
    words : ndarray of uint64, shape (2, W/64 + 2, H/2 + 2)
        See `pack`.
    masks : ndarray of uint64, shape (2, 2, W/64, H/2)
        ``masks[colour, n, c, k]`` has a one where a spin with n = 1 or 0 unlike neighbours flips.
    """
    flat = words.reshape(-1)
    for colour in range(2):
        for row in range(1, words.shape[1] - 1):
            own, same, shifted, left, right = _places(words, colour, row)
            for k in range(words.shape[2] - 2):
                two, some = unlike(flat[own + k], flat[same + k], flat[shifted + k], flat[left + k], flat[right + k])
                flat[own + k] ^= two | some & masks[colour, 1, row - 1, k] | ~some & masks[colour, 0, row - 1, k]
            _close(words, colour, row)


@njit(cache=True, nogil=True)
def measure(words):
    """Return the sum of s_i s_j over the 2 H W bonds and the sum of s_i over the H W sites, both integers.

    Parameters
    ----------
    words : ndarray of uint64, shape (2, W/64 + 2, H/2 + 2)
        See `pack`.
    """
    rows, length = words.shape[1] - 2, words.shape[2] - 2
    broken = up = uint64(0)
    for row in range(1, rows + 1):
        own, same = words[0, row, 1 : length + 1], words[1, row, 1 : length + 1]
        shifted = words[1, row, 2:] if row % 2 == 0 else words[1, row, :length]
        left, right = words[1, row - 1, 1 : length + 1], words[1, row + 1, 1 : length + 1]
        for k in range(length):
            word = own[k]
            broken += ones(word ^ same[k]) + ones(word ^ shifted[k])
            broken += ones(word ^ left[k]) + ones(word ^ right[k])
            up += ones(word) + ones(same[k])
    sites = 2 * BITS * rows * length
    return 2 * (sites - int64(broken)), 2 * int64(up) - sites


@njit(cache=True, nogil=True)
def record(words, generator, p, every, out):
    """Fill ``out`` by `measure` after every ``every`` sweeps, on one thread.

    Parameters
    ----------
    words, generator, p
        See `physnn.kernels.lattice.multispin.sweeps`.
    every : int
        Sweeps between measurements.
    out : ndarray of int64, shape (measurements, 2)
        Filled in place: sums over bonds and over sites.
    """
    meeting = np.zeros(APART + 1, np.int64)
    for i in range(len(out)):
        sweep_part(words, generator, p, every, 0, 1, meeting)
        out[i, 0], out[i, 1] = measure(words)
