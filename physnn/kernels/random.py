# mypy: disable-error-code="call-arg,var-annotated"
"""Standard normals as a function of a counter, so that noise belongs to a place and a time and not to a draw order.

Philox4x32-10 (J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11) turns the counter
(row, column, step, block) and a 64-bit key into four 32-bit words; Box and Muller's transform turns two words into
two normals.  Block m of a site gives the components 4 m .. 4 m + 3.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types, uint32, uint64
from numba.extending import intrinsic

from physnn.kernels.jit import njit

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
INCREMENTS = (0x9E3779B9, 0xBB67AE85)
PHILOX_ROUNDS = 10
_M0, _M1 = uint64(MULTIPLIERS[0]), uint64(MULTIPLIERS[1])
_W0, _W1, _LOW = uint64(INCREMENTS[0]), uint64(INCREMENTS[1]), uint64(0xFFFFFFFF)


@intrinsic
def _bits(typing, number):
    """Bits of a float32, as an int32."""

    def code(context, b, signature, args):
        return b.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), code


@intrinsic
def _of_bits(typing, bits):
    """The float32 of some bits."""

    def code(context, b, signature, args):
        return b.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), code


@njit(inline="always", nogil=True)
def _rounds(c0, c1, c2, c3, k0, k1):
    """Words of a counter and a key, each in the lower half of 64 bits: what is above is of no account."""
    for _ in range(PHILOX_ROUNDS):
        p0, p1 = _M0 * (c0 & _LOW), _M1 * (c2 & _LOW)
        c0, c1, c2, c3 = (p1 >> uint64(32)) ^ c1 ^ k0, p1, (p0 >> uint64(32)) ^ c3 ^ k1, p0
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def philox(key, words):
    """Replace counters by random words, in place.

    Parameters
    ----------
    key : ndarray of uint32, shape (2,)
        The key.
    words : ndarray of uint32, shape (4, lanes)
        One counter per lane on entry, one block of four words per lane on return.
    """
    k0, k1 = uint64(key[0]), uint64(key[1])
    for lane in range(words.shape[1]):
        c0, c1, c2, c3 = uint64(words[0, lane]), uint64(words[1, lane]), uint64(words[2, lane]), uint64(words[3, lane])
        c0, c1, c2, c3 = _rounds(c0, c1, c2, c3, k0, k1)
        words[0, lane], words[1, lane] = uint32(c0), uint32(c1)
        words[2, lane], words[3, lane] = uint32(c2), uint32(c3)


@njit(cache=True, nogil=True)
def _row_words(key, row, step, places, words):
    """Fill ``words`` with those of a row of sites: `philox` of (row, column, step, block)."""
    k0, k1 = uint64(key[0]), uint64(key[1])
    for lane in range(words.shape[1]):
        column, block = uint64(places[0, lane]), uint64(places[1, lane])
        c0, c1, c2, c3 = _rounds(uint64(row), column, uint64(step), block, k0, k1)
        words[0, lane], words[1, lane] = uint32(c0), uint32(c1)
        words[2, lane], words[3, lane] = uint32(c2), uint32(c3)


@njit(cache=True, nogil=True, error_model="numpy")
def _box_muller(first, second, cosine, sine):
    # Polynomials instead of library calls, and 32 bits throughout, so that the loop becomes vector instructions;
    # absolute error below 1e-6.
    for i in range(first.shape[0]):
        u = (np.float32(np.int32(first[i] >> uint32(8))) + np.float32(0.5)) * np.float32(2.0**-24)
        # log u = e log 2 + log m with m in [sqrt(1/2), sqrt 2), through atanh: log m = 2 atanh((m - 1)/(m + 1)).
        bits = _bits(u)
        e = np.int32(np.int32(bits - np.int32(0x3F3504F3)) >> np.int32(23))
        m = _of_bits(np.int32(bits - np.int32(e << np.int32(23))))
        s = (m - np.float32(1)) / (m + np.float32(1))
        z = s * s
        p = np.float32(2 / 9)
        p = p * z + np.float32(2 / 7)
        p = p * z + np.float32(2 / 5)
        p = p * z + np.float32(2 / 3)
        log = np.float32(e) * np.float32(math.log(2)) + (p * z * s + np.float32(2) * s)
        radius = np.float32(math.sqrt(max(np.float32(0), np.float32(-2) * log)))
        quadrant = uint32(uint32(second[i] + uint32(1 << 29)) >> uint32(30))
        rest = np.int32(uint32(second[i] - uint32(quadrant << uint32(30))))
        a = np.float32(rest) * np.float32(2 * math.pi * 2.0**-32)
        z = a * a
        s = ((np.float32(-1 / 5040) * z + np.float32(1 / 120)) * z - np.float32(1 / 6)) * z * a + a
        c = (
            ((np.float32(1 / 40320) * z - np.float32(1 / 720)) * z + np.float32(1 / 24)) * z * z
            - np.float32(0.5) * z
            + np.float32(1)
        )
        odd = uint32(quadrant & uint32(1)) == uint32(1)
        x = s if odd else c
        y = c if odd else s
        # The sine is negative in quadrants 2 and 3, the cosine in 1 and 2.
        minus_y = np.int32(uint32(uint32(quadrant >> uint32(1)) << uint32(31)))
        minus_x = np.int32(minus_y ^ np.int32(uint32(quadrant << uint32(31))))
        cosine[i] = radius * _of_bits(np.int32(_bits(x) ^ minus_x))
        sine[i] = radius * _of_bits(np.int32(_bits(y) ^ minus_y))


@njit(cache=True, nogil=True)
def places_of(columns, blocks):
    """Column and number of the block of every lane of a row, ``(2, columns * blocks)`` uint32, for `row_normals`."""
    places = np.empty((2, columns * blocks), np.uint32)
    for lane in range(columns * blocks):
        places[0, lane], places[1, lane] = uint32(lane // blocks), uint32(lane % blocks)
    return places


@njit(cache=True, nogil=True)
def row_normals(key, row, step, places, words, normals):
    """Fill ``normals`` with those of a row of sites: component m of site c at ``[m % 4, c * blocks + m // 4]``.

    Parameters
    ----------
    key : ndarray of uint32, shape (2,)
        The key.
    row, step : int
        Row and number of the step.
    places : ndarray of uint32, shape (2, sites * blocks)
        What `places_of` gives for the sites and the blocks of four normals per site.
    words : ndarray of uint32, shape (4, sites * blocks)
        Scratch.
    normals : ndarray of float32, shape (4, sites * blocks)
        Filled in place.
    """
    _row_words(key, row, step, places, words)
    _box_muller(words[0], words[1], normals[0], normals[1])
    _box_muller(words[2], words[3], normals[2], normals[3])


@njit(cache=True, nogil=True)
def counter_normals(keys, step, out):
    """Fill ``out (images, rows, columns, components)`` float32 with the standard normals of one step.

    Parameters
    ----------
    keys : ndarray of uint32, shape (images, 2)
        One key per image.
    step : int
        Number of the step.
    out : ndarray of float32
        Filled in place; element (i, r, c, m) depends on (keys[i], r, c, step, m) alone.
    """
    images, rows, columns, components = out.shape
    blocks = (components + 3) // 4
    places = places_of(columns, blocks)
    words, normals = np.empty((4, columns * blocks), np.uint32), np.empty((4, columns * blocks), np.float32)
    for image in range(images):
        for row in range(rows):
            row_normals(keys[image], row, step, places, words, normals)
            for column in range(columns):
                for component in range(components):
                    lane = column * blocks + component // 4
                    out[image, row, column, component] = normals[component % 4, lane]


UNIFORM_BITS = 53
"""Bits of a uniform number; probabilities are compared as integers of this many bits."""
SHIFT = uint64(64 - UNIFORM_BITS)

_17, _19, _23, _41, _45 = uint64(17), uint64(19), uint64(23), uint64(41), uint64(45)


def seeded(sequence: np.random.SeedSequence) -> np.ndarray:
    """State of one generator, uint64 of shape (4,), from a numpy seed sequence."""
    state: np.ndarray = sequence.generate_state(4, np.uint64)
    assert state.any(), "the state of all zeros is the one that the generator never leaves"
    return state


def probability_thresholds(probability: np.ndarray) -> np.ndarray:
    """Integers t, uint64, for which ``(word >> 11) < t`` has the given probability, to 2^-53."""
    return np.asarray(np.rint(np.clip(probability, 0, 1) * 2.0**UNIFORM_BITS), np.uint64)


@njit(cache=True, nogil=True, inline="always")
def next_word(a, b, c, d):
    """Random word and the next state, of a state in four variables (registers, in a loop)."""
    x = uint64(a + d)
    word = uint64(uint64((x << _23) | (x >> _41)) + a)
    t = b << _17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << _45) | (d >> _19)
    return word, a, b, c, d


@njit(cache=True, nogil=True)
def random_word(state):
    """Next random word; the state advances in place."""
    word, state[0], state[1], state[2], state[3] = next_word(state[0], state[1], state[2], state[3])
    return word


@njit(cache=True, nogil=True)
def fill_words(state, words):
    """Fill a one-dimensional uint64 array with random words and advance the state in place."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    for i in range(words.shape[0]):
        words[i], a, b, c, d = next_word(a, b, c, d)
    state[0], state[1], state[2], state[3] = a, b, c, d


@njit(cache=True, nogil=True)
def uniform(word):
    """Top 53 bits of a word as a double in [0, 1)."""
    return np.float64(word >> SHIFT) * 2.0**-53


@njit(cache=True, nogil=True)
def below(state, n):
    """Integer uniform on 0 .. n-1, n < 2^32, without bias; the state advances in place."""
    # Multiply and shift maps words to integers evenly once the incomplete last group is rejected.
    limit = (uint64(1) << uint64(32)) // uint64(n) * uint64(n)
    while True:
        word = random_word(state) >> uint64(32)
        if word < limit:
            return np.int64(word % uint64(n))
