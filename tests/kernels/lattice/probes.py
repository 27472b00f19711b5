# mypy: disable-error-code="call-arg, var-annotated"
"""Compiled probes of the multi-spin kernel: given decisions instead of random ones, and sums over packed words."""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64
from numba.extending import intrinsic

from physnn.kernels.lattice.multispin_code import WORD_BITS, unlike
from physnn.kernels.lattice.multispin_loops import _close, _places, sweep_part
from physnn.kernels.primitives import COUNTER_SPACING


@intrinsic
def ones(typing, word):
    """Return the number of ones in a word."""

    def code(context, b, signature, args):
        return b.ctpop(args[0])

    return types.uint64(types.uint64), code


@njit
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


@njit
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
    sites = 2 * WORD_BITS * rows * length
    return 2 * (sites - int64(broken)), 2 * int64(up) - sites


@njit
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
    meeting = np.zeros(COUNTER_SPACING + 1, np.int64)
    for i in range(len(out)):
        sweep_part(words, generator, p, every, 0, 1, meeting)
        out[i, 0], out[i, 1] = measure(words)
