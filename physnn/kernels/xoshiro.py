"""The generator of the Markov chains: xoshiro256++ 1.0, compiled.

D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", ACM Trans. Math. Softw. 47, 36 (2021).  The
period is 2^256 - 1; the state is four 64-bit words, stored with the chain so that a chain continues bit for bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

BITS = 53
"""Bits of a uniform number; probabilities are compared as integers of this many bits."""
SHIFT = uint64(64 - BITS)

_17, _19, _23, _41, _45 = uint64(17), uint64(19), uint64(23), uint64(41), uint64(45)


def seeded(sequence: np.random.SeedSequence) -> np.ndarray:
    """Return the state of one generator, uint64 of shape (4,), from a numpy seed sequence."""
    state: np.ndarray = sequence.generate_state(4, np.uint64)
    assert state.any(), "the state of all zeros is the one that the generator never leaves"
    return state


def thresholds(probability: np.ndarray) -> np.ndarray:
    """Return the integers t, uint64, for which ``(word >> 11) < t`` has the given probability, to 2^-53."""
    return np.asarray(np.rint(np.clip(probability, 0, 1) * 2.0**BITS), np.uint64)


@njit(cache=True, nogil=True, inline="always")
def step(a, b, c, d):
    """Return a random word and the next state, of a state in four variables (registers, in a loop)."""
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
def draw(state):
    """Return one random word and advance the state in place."""
    word, state[0], state[1], state[2], state[3] = step(state[0], state[1], state[2], state[3])
    return word


@njit(cache=True, nogil=True)
def fill(state, words):
    """Fill a one-dimensional uint64 array with random words and advance the state in place."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    for i in range(words.shape[0]):
        words[i], a, b, c, d = step(a, b, c, d)
    state[0], state[1], state[2], state[3] = a, b, c, d


@njit(cache=True, nogil=True)
def uniform(word):
    """Return the top 53 bits of a word as a double in [0, 1)."""
    return np.float64(word >> SHIFT) * 2.0**-53


@njit(cache=True, nogil=True)
def below(state, n):
    """Return an integer uniform on 0 .. n-1, n < 2^32, without bias, and advance the state in place."""
    # Multiply and shift maps words to integers evenly once the incomplete last group is rejected.
    limit = (uint64(1) << uint64(32)) // uint64(n) * uint64(n)
    while True:
        word = draw(state) >> uint64(32)
        if word < limit:
            return np.int64(word % uint64(n))
