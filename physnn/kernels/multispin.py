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
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
from llvmlite import ir
from numba import int64, njit, types, uint64
from numba.extending import intrinsic

from physnn.errors import InputError

BITS = 64
VECTOR = 8
SHARE = 4
CHUNK = VECTOR * SHARE
OWN = 6
COMMON = 6
DIGITS = OWN + COMMON
LANES = VECTOR + 1
_WORD = ir.IntType(64)
_WORDS = ir.VectorType(_WORD, VECTOR)


def check_shape(H: int, W: int) -> None:
    """Raise `InputError` unless an H x W torus can be packed: W a multiple of 128, H even and at least 4."""
    if W % (2 * BITS) or W <= 0 or H % 2 or H < 4:
        raise InputError(
            f"the multispin kernel needs a width divisible by 128 and an even height of at least 4, not {H} x {W}; "
            "use the metropolis kernel for this lattice"
        )


def thresholds(beta_j: float) -> np.ndarray:
    """Return the acceptance probabilities exp(-4 beta J) and exp(-8 beta J) as the kernel reads them.

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
    if not 0 < beta_j < math.inf or math.exp(-4 * beta_j) == 1:
        raise InputError(f"the multispin kernel needs J / T > 0, not {beta_j}; use the metropolis kernel")
    out: list[int] = []
    fractions = [Fraction(math.exp(-4 * beta_j)), Fraction(math.exp(-8 * beta_j))]
    for p in fractions:
        out += [(2**BITS - 1) * (int(p * 2 ** (k + 1)) % 2) for k in range(DIGITS)]
    for skipped in (OWN, DIGITS):
        out += [int(p * 2 ** (skipped + BITS)) % 2**BITS for p in fractions]
    return np.array(out, np.uint64)


def generator_state(H: int, W: int, rng: np.random.Generator) -> np.ndarray:
    """Return fresh states of the generators of an H x W torus, shape ``(W/64, 4, LANES)``, dtype uint64.

    Parameters
    ----------
    H, W : int
        Height and width, see `check_shape`.
    rng : numpy.random.Generator
        Gives the 256 bits of every lane.
    """
    check_shape(H, W)
    return rng.integers(0, 2**BITS, (W // BITS, 4, LANES), np.uint64, endpoint=False)


def pack(spins: np.ndarray) -> np.ndarray:
    """Return the words of a configuration, ghosts included.

    Parameters
    ----------
    spins : ndarray of int8, shape (H, W)
        Spins -1 or +1.

    Returns
    -------
    ndarray of uint64, shape (2, W/64 + 2, H/2 + 2)

    Raises
    ------
    InputError
        If the shape does not fit, see `check_shape`.
    """
    H, W = spins.shape
    check_shape(H, W)
    blocks = W // BITS
    words = np.zeros((2, blocks + 2, H // 2 + 2), np.uint64)
    up = (spins > 0).reshape(H, BITS, blocks)
    for colour in range(2):
        for c in range(blocks):
            bits = np.packbits(up[(c + colour) % 2 :: 2, :, c], axis=1, bitorder="little")
            words[colour, 1 + c, 1:-1] = bits.view("<u8")[:, 0]
    words[:, :, 0], words[:, :, -1] = words[:, :, -2], words[:, :, 1]
    words[:, 0] = words[:, -2] << np.uint64(1) | words[:, -2] >> np.uint64(63)
    words[:, -1] = words[:, 1] >> np.uint64(1) | words[:, 1] << np.uint64(63)
    return words


def unpack(words: np.ndarray) -> np.ndarray:
    """Return the spins -1 or +1, dtype int8 and shape (H, W), of a packed configuration; the inverse of `pack`."""
    blocks, H = words.shape[1] - 2, 2 * (words.shape[2] - 2)
    up = np.empty((H, BITS, blocks), np.int8)
    for colour in range(2):
        for c in range(blocks):
            row = np.ascontiguousarray(words[colour, 1 + c, 1:-1]).astype("<u8")[:, None]
            up[(c + colour) % 2 :: 2, :, c] = np.unpackbits(row.view(np.uint8), axis=1, bitorder="little")
    return (2 * up - 1).reshape(H, BITS * blocks)


# Vectors of words are no numba type: the code for them is emitted as LLVM instructions, which any CPU runs in registers
# as wide as it has, with the same result.  The functions below emit for words and for vectors of words alike.


def _constant(kind, n):
    return kind([n] * VECTOR) if kind == _WORDS else kind(n)


def _rotated(b, x, n):
    return b.or_(b.shl(x, _constant(x.type, n)), b.lshr(x, _constant(x.type, BITS - n)))


def _emit_draw(b, s):
    """Advance xoshiro256++ with state list ``s`` and return its number."""
    drawn = b.add(_rotated(b, b.add(s[0], s[3]), 23), s[0])
    shifted = b.shl(s[1], _constant(s[1].type, 17))
    s[2], s[3] = b.xor(s[2], s[0]), b.xor(s[3], s[1])
    s[1], s[0] = b.xor(s[1], s[2]), b.xor(s[0], s[3])
    s[2], s[3] = b.xor(s[2], shifted), _rotated(b, s[3], 45)
    return drawn


def _emit_unlike(b, own, neighbours):
    """Return the masks "at least two neighbours are unlike" and "at least one is"."""
    w, x, y, z = (b.xor(own, other) for other in neighbours)
    some, others = b.or_(w, x), b.or_(y, z)
    two = b.or_(b.or_(b.and_(w, x), b.and_(y, z)), b.and_(some, others))
    return two, b.or_(some, others)


def _emit_below(b, s, some, undecided, digits):
    """Compare one random number per bit with its threshold; return the masks "below" and "all digits equal"."""
    below = _constant(some.type, 0)
    for one, none in digits:
        drawn = _emit_draw(b, s)
        digit = b.or_(b.and_(some, one), b.and_(b.not_(some), none))
        differs = b.xor(drawn, digit)
        below = b.or_(b.and_(differs, digit), b.and_(b.not_(differs), below))
        undecided = b.and_(undecided, b.not_(differs))
    return below, undecided


def _data(context, builder, kind, array):
    return context.make_array(kind)(context, builder, array).data


def _place(b, base, index, kind):
    return b.bitcast(b.gep(base, [index]), kind.as_pointer())


def _load(b, base, index, kind=_WORDS):
    return b.load(_place(b, base, index, kind), align=8)


def _store(b, value, base, index):
    b.store(value, _place(b, base, index, value.type), align=8)


def _emit_chunk(b, words, places, generator, first, digits, rest):
    """Update CHUNK words; leave the undecided bits in ``rest``; return one bit per word that has any."""
    number = ir.IntType(64)
    s = [_load(b, generator, b.add(first, number(i * LANES))) for i in range(4)]
    splat = [_emit_splat(b, _load(b, digits, number(i), _WORD)) for i in range(2 * DIGITS)]
    pairs = [(splat[i], splat[DIGITS + i]) for i in reversed(range(DIGITS))]
    taken = chosen = _constant(_WORDS, 0)
    vectors = []
    for q in range(SHARE):
        at = [b.add(place, number(q * VECTOR)) for place in places]
        own = _load(b, words, at[0])
        two, some = _emit_unlike(b, own, [_load(b, words, i) for i in at[1:]])
        below, undecided = _emit_below(b, s, some, b.not_(two), pairs[COMMON:])
        mine = b.and_(undecided, b.not_(taken))
        chosen = b.or_(chosen, b.and_(mine, some))
        taken = b.or_(taken, undecided)
        vectors.append((at[0], own, b.or_(two, below), undecided, mine))
    below, late = _emit_below(b, s, chosen, taken, pairs[:COMMON])
    mask = number(0)
    for q, (at, own, flips, undecided, mine) in enumerate(vectors):
        _store(b, b.xor(own, b.or_(flips, b.and_(mine, below))), words, at)
        mine_late = b.and_(mine, late)
        left = b.or_(mine_late, b.and_(undecided, b.not_(mine)))
        _store(b, left, rest, number(q * VECTOR))
        _store(b, mine_late, rest, number(CHUNK + q * VECTOR))
        bits = b.bitcast(b.icmp_unsigned("!=", left, _constant(_WORDS, 0)), ir.IntType(VECTOR))
        mask = b.or_(mask, b.shl(b.zext(bits, number), number(q * VECTOR)))
    for i in range(4):
        _store(b, s[i], generator, b.add(first, number(i * LANES)))
    return mask


def _emit_splat(b, word):
    lane = b.insert_element(ir.Constant(_WORDS, ir.Undefined), word, ir.IntType(32)(0))
    return b.shuffle_vector(lane, ir.Constant(_WORDS, ir.Undefined), ir.VectorType(ir.IntType(32), VECTOR)([0] * VECTOR))


@intrinsic
def _chunk(typing, words, places, generator, first, digits, rest):
    """Update CHUNK words of ``words`` at ``places`` (own, same, shifted, left, right)."""

    def code(context, b, signature, args):
        kinds = signature.args
        w, g, d, r = (_data(context, b, kinds[i], args[i]) for i in (0, 2, 4, 5))
        where = [b.extract_value(args[1], i) for i in range(5)]
        return _emit_chunk(b, w, where, g, args[3], d, r)

    return types.uint64(words, types.UniTuple(types.int64, 5), generator, types.int64, digits, rest), code


@intrinsic
def _unlike(typing, own, same, shifted, left, right):
    """Return the masks "at least two neighbours are unlike" and "at least one is"."""

    def code(context, b, signature, args):
        return context.make_tuple(b, signature.return_type, _emit_unlike(b, args[0], args[1:]))

    return types.UniTuple(types.uint64, 2)(*[types.uint64] * 5), code


@intrinsic
def _draw(typing, generator, first):
    """Return the next number of the generator whose four words begin at ``first``, LANES apart."""

    def code(context, b, signature, args):
        base = _data(context, b, signature.args[0], args[0])
        at = [b.add(args[1], ir.IntType(64)(i * LANES)) for i in range(4)]
        s = [_load(b, base, i, _WORD) for i in at]
        drawn = _emit_draw(b, s)
        for i in range(4):
            _store(b, s[i], base, at[i])
        return drawn

    return types.uint64(generator, types.int64), code


@intrinsic
def _ones(typing, word):
    """Return the number of ones in a word."""

    def code(context, b, signature, args):
        return b.ctpop(args[0])

    return types.uint64(types.uint64), code


@intrinsic
def _lowest(typing, word):
    """Return the index of the lowest one of a word that is not zero."""

    def code(context, b, signature, args):
        return b.cttz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), code


@njit(cache=True, nogil=True)
def _finish(words, places, generator, spare, p, rest, mask):
    """Decide the bits that `_chunk` left, one by one."""
    own, same, shifted, left, right = places
    while mask:
        t = int64(_lowest(mask))
        mask &= mask - uint64(1)
        i = own + t
        _, some = _unlike(words[i], words[same + t], words[shifted + t], words[left + t], words[right + t])
        flips, undecided = uint64(0), rest[t]
        while undecided:
            bit = undecided & (~undecided + uint64(1))
            undecided ^= bit
            k = 2 * DIGITS + (2 if rest[CHUNK + t] & bit else 0) + (0 if some & bit else 1)
            if _draw(generator, spare) < p[k]:
                flips |= bit
        words[i] ^= flips


@njit(cache=True, nogil=True)
def _places(words, colour, row):
    """Return where the words of a row and of its neighbours begin in the flat array: own, same, shifted, left, right."""
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
        mask = _chunk(flat, places, generator, first, p, rest)
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
        mask = _chunk(tail, places, generator, first, p, rest)
        if mask:
            _finish(tail, places, generator, first + VECTOR, p, rest, mask)
        flat[begins[0] : begins[0] + more] = tail[:more]
    _close(words, colour, row)


@njit(cache=True, nogil=True)
def _sweeps(words, generator, p, n):
    flat, state = words.reshape(-1), generator.reshape(-1)
    rest, tail = np.empty(2 * CHUNK, np.uint64), np.empty(5 * CHUNK, np.uint64)
    for _ in range(n):
        for colour in range(2):
            for row in range(1, words.shape[1] - 1):
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
                two, some = _unlike(flat[own + k], flat[same + k], flat[shifted + k], flat[left + k], flat[right + k])
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
    flat = words.reshape(-1)
    rows, length = words.shape[1] - 2, words.shape[2] - 2
    unlike = up = uint64(0)
    for row in range(1, rows + 1):
        own, same, shifted, left, right = _places(words, 0, row)
        for k in range(length):
            word = flat[own + k]
            unlike += _ones(word ^ flat[same + k]) + _ones(word ^ flat[shifted + k])
            unlike += _ones(word ^ flat[left + k]) + _ones(word ^ flat[right + k])
            up += _ones(word) + _ones(flat[same + k])
    sites = 2 * BITS * rows * length
    return 2 * (sites - int64(unlike)), 2 * int64(up) - sites
