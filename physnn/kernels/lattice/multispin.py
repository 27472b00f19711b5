"""Metropolis sweeps of the 2D Ising model (J > 0, h = 0) on a torus, 64 spins of one lattice to a word.

Both colours of the checkerboard are arrays ``words[colour, 1 + c, 1 + k]`` of 64-bit words.  Bit b is the spin (1 is
up) in column x = c + b W/64 and row y = 2 k + (c + colour) % 2, so all four neighbours of a word are whole words of
the other colour: (c, k), (c, k - 1) or (c, k + 1), (c - 1, k), (c + 1, k).  The frame of ghost words closes the torus;
only there bits are rotated, by one.

A spin whose n neighbours out of four are unlike flips always if n >= 2 and with probability exp(-4 beta J) or
exp(-8 beta J) if n = 1 or 0.  Every spin compares a random number with its threshold, binary digit by digit, and 512
spins at once: `OWN` digits of its own decide all but 2**-OWN of the spins; the few left over in `SHARE` vectors
then use `COMMON` further random words together, one spin per bit; spins that meet there, or are still undecided, get a
64-bit number each.  No random bit ever serves two decisions, and the probabilities are exact to 2**-70.

Each column block c owns a random generator (8 lanes and a spare one of xoshiro256++: D. Blackman and S. Vigna, ACM
Trans. Math. Softw. 47, 36 (2021)), so the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np

from physnn.errors import InputError
from physnn.kernels.lattice.multispin_code import COMPARED_DIGITS, LANES, OWN, WORD_BITS
from physnn.kernels.lattice.multispin_loops import sweep_part
from physnn.kernels.primitives import COUNTER_SPACING

SPINS_PER_THREAD = 2**19
"""Below this a second thread costs more, in waiting and in moving words between cores, than it brings."""


def check_packable(H: int, W: int) -> None:
    """Raise `InputError` unless an H x W torus can be packed: W a multiple of 128, H even and at least 4."""
    if W % (2 * WORD_BITS) or W <= 0 or H % 2 or H < 4:
        raise InputError(
            f"the multispin kernel needs a width divisible by 128 and an even height of at least 4, not {H} x {W}; "
            "use the metropolis kernel for this lattice"
        )


def thresholds(beta_j: float) -> np.ndarray:
    """Acceptance probabilities exp(-4 beta J) and exp(-8 beta J) as the kernel reads them.

    Parameters
    ----------
    beta_j : float
        Coupling over temperature, J / k_B T > 0, dimensionless.

    Returns
    -------
    ndarray of uint64, shape (2 DIGITS + 4,)
        Binary digits of both, each as a word of zeros or ones; then the 64 digits that follow the first `OWN` of
        both and those that follow the first `DIGITS` of both.

    Raises
    ------
    InputError
        If ``beta_j`` is not positive and finite.
    """
    return binary_digits(*acceptance(beta_j))


def acceptance(beta_j: float) -> tuple[Fraction, Fraction]:
    """Probabilities exp(-4 beta J) and exp(-8 beta J); raises `InputError` if ``beta_j`` is not positive and finite."""
    if not 0 < beta_j < math.inf or math.exp(-4 * beta_j) == 1:
        raise InputError(f"the multispin kernel needs J / T > 0, not {beta_j}; use the metropolis kernel")
    return Fraction(math.exp(-4 * beta_j)), Fraction(math.exp(-8 * beta_j))


def binary_digits(one: Fraction, none: Fraction) -> np.ndarray:
    """Probabilities (below 1) for one and for no unlike neighbour in the form of `thresholds`."""
    out: list[int] = []
    for p in (one, none):
        out += [(2**WORD_BITS - 1) * (int(p * 2 ** (k + 1)) % 2) for k in range(COMPARED_DIGITS)]
    for skipped in (OWN, COMPARED_DIGITS):
        out += [int(p * 2 ** (skipped + WORD_BITS)) % 2**WORD_BITS for p in (one, none)]
    return np.array(out, np.uint64)


def generator_state(H: int, W: int, rng: np.random.Generator) -> np.ndarray:
    """Fresh states of the generators of an H x W torus, shape ``(W/64, 4, LANES)``, dtype uint64.

    ``rng`` gives the 256 bits of every lane; sides are those of `check_packable`.
    """
    check_packable(H, W)
    return rng.integers(0, 2**WORD_BITS, (W // WORD_BITS, 4, LANES), np.uint64, endpoint=False)


def pack(spins: np.ndarray) -> np.ndarray:
    """Words of a configuration, uint64 of shape (2, W/64 + 2, H/2 + 2), ghosts included.

    Parameters
    ----------
    spins : ndarray of int8, shape (H, W)
        Spins -1 or +1; for sides and errors see `check_packable`.
    """
    H, W = spins.shape
    check_packable(H, W)
    blocks = W // WORD_BITS
    words = np.zeros((2, blocks + 2, H // 2 + 2), np.uint64)
    up = (spins > 0).reshape(H, WORD_BITS, blocks)
    for colour in range(2):
        for c in range(blocks):
            bits = np.packbits(up[(c + colour) % 2 :: 2, :, c], axis=1, bitorder="little")
            words[colour, 1 + c, 1:-1] = bits.view("<u8")[:, 0]
    _close(words)
    return words


def _close(words: np.ndarray) -> None:
    """Write the ghosts of packed words."""
    inner = words[:, :, 1:-1]
    words[:, :, 0], words[:, :, -1] = words[:, :, -2], words[:, :, 1]
    inner[:, 0] = inner[:, -2] << np.uint64(1) | inner[:, -2] >> np.uint64(63)
    inner[:, -1] = inner[:, 1] >> np.uint64(1) | inner[:, 1] << np.uint64(63)


def sides_of(words: np.ndarray) -> tuple[int, int]:
    """Rows H and columns W of the lattice of packed words."""
    if words.ndim != 3 or words.shape[0] != 2:
        raise InputError("words of spins need three axes: two sublattices, column blocks and pairs of rows")
    return 2 * (words.shape[2] - 2), WORD_BITS * (words.shape[1] - 2)


def pack_parts(shape: tuple[int, int], parts: Iterable[np.ndarray]) -> np.ndarray:
    """Words of a configuration whose rows come in parts of even height, so that it is never there as a whole.

    Parameters
    ----------
    shape : tuple of int
        Rows H and columns W; for errors see `check_packable`.
    parts : iterable of ndarray of int8, shape (rows, W)
        Spins -1 or +1, at least four rows each.
    """
    check_packable(*shape)
    words = np.zeros((2, shape[1] // WORD_BITS + 2, shape[0] // 2 + 2), np.uint64)
    at = 1
    for part in parts:
        words[:, 1:-1, at : at + len(part) // 2] = pack(part)[:, 1:-1, 1:-1]
        at += len(part) // 2
    _close(words)
    return words


def unpack(words: np.ndarray) -> np.ndarray:
    """Spins -1 or +1, dtype int8 and shape (H, W), of a packed configuration; the inverse of `pack`."""
    blocks, H = words.shape[1] - 2, 2 * (words.shape[2] - 2)
    up = np.empty((H, WORD_BITS, blocks), np.int8)
    for colour in range(2):
        for c in range(blocks):
            row = np.ascontiguousarray(words[colour, 1 + c, 1:-1]).astype("<u8")[:, None]
            up[(c + colour) % 2 :: 2, :, c] = np.unpackbits(row.view(np.uint8), axis=1, bitorder="little")
    return (2 * up - 1).reshape(H, WORD_BITS * blocks)


def sweeps(words: np.ndarray, generator: np.ndarray, p: np.ndarray, n: int, threads: int = 1) -> None:
    """Do n checkerboard sweeps in place; the result does not depend on ``threads``.

    A core does about 2 10^10 flips a second with AVX-512 (choose n so that a call takes no longer than 0.2 s: it
    cannot be interrupted).

    Parameters
    ----------
    words : ndarray of uint64, shape (2, W/64 + 2, H/2 + 2)
        See `pack`; changed in place.
    generator : ndarray of uint64, shape (W/64, 4, LANES)
        See `generator_state`; changed in place.  With ``words`` it is the whole state of the chain.
    p : ndarray of uint64
        See `thresholds`.
    n : int
        Sweeps; one updates all sites with (x + y) even, then all others.
    threads : int
        Most threads to use: a thread gets at least one column block and `SPINS_PER_THREAD` spins.
    """
    blocks, spins = words.shape[1] - 2, 2 * WORD_BITS * (words.shape[1] - 2) * (words.shape[2] - 2)
    parts = max(1, min(threads, blocks, spins // SPINS_PER_THREAD))
    meeting = np.zeros(COUNTER_SPACING * parts + 1, np.int64)
    if parts == 1:
        sweep_part(words, generator, p, n, 0, 1, meeting)
        return
    with ThreadPoolExecutor(parts) as pool:
        try:
            tasks = [pool.submit(sweep_part, words, generator, p, n, part, parts, meeting) for part in range(parts)]
        except BaseException:
            meeting[-1] = 1  # the threads that did start would wait for the others for ever
            raise
        for task in tasks:
            task.result()
