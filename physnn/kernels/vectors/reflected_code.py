"""Vector instructions that draw bonds, for `physnn.kernels.vectors.reflected`: eight bonds to a vector.

A bond is active where ``2^y + v < 2``, with v uniform on [1, 2): with probability ``1 - 2^y`` if y is negative, and
never if it is not.  v has 52 bits, which are those of a random word.
"""

from __future__ import annotations

import math

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from physnn.kernels.lattice.multispin_code import LANES, VECTOR, WORD_BITS, next_words
from physnn.kernels.primitives import data

_NUMBER, _WORD = ir.DoubleType(), ir.IntType(64)
_NUMBERS, _WORDS = ir.VectorType(_NUMBER, VECTOR), ir.VectorType(_WORD, VECTOR)
_FLAGS = ("contract",)
MANTISSA = 52
"""Bits behind the point of a double."""
DEGREE = 12
"""Degree of the polynomial of 2^r, |r| <= 1/2, whose terms beyond are below 2e-16."""
LEAST = -60.0
"""Exponent below which a bond is active but for less than what 52 bits resolve."""


def _numbers(value):
    return _NUMBERS([value] * VECTOR)


def _words(value):
    return _WORDS([value] * VECTOR)


def _multiply_add(b, x, y, z):
    return b.fadd(b.fmul(x, y, flags=_FLAGS), z, flags=_FLAGS)


def _emit_power(b, y):
    """2^y of a vector; of positive y 1, and of y below `LEAST` its value there."""
    y = b.select(b.fcmp_ordered("<", y, _numbers(0.0)), y, _numbers(0.0))
    y = b.select(b.fcmp_ordered(">", y, _numbers(LEAST)), y, _numbers(LEAST))
    # Adding a large number leaves the nearest integer in the lowest bits.
    shift = _numbers(1.5 * 2.0**MANTISSA)
    moved = b.fadd(y, shift)
    r = b.fsub(y, b.fsub(moved, shift))
    terms = [_numbers(math.log(2) ** k / math.factorial(k)) for k in range(DEGREE + 1)]
    # Even and odd powers apart, so that half as many operations wait for each other.
    square, even, odd = b.fmul(r, r), terms[DEGREE], terms[DEGREE - 1]
    for k in range(DEGREE - 2, 0, -2):
        even = _multiply_add(b, even, square, terms[k])
        odd = _multiply_add(b, odd, square, terms[k - 1])
    found = _multiply_add(b, even, square, terms[0])
    found = _multiply_add(b, odd, r, found)
    exponent = b.shl(b.bitcast(moved, _WORDS), _words(MANTISSA))
    return b.bitcast(b.add(b.bitcast(found, _WORDS), exponent), _NUMBERS)


def _emit_uniform(b, drawn):
    """Numbers in [1, 2) from random words."""
    bits = b.or_(b.lshr(drawn, _words(WORD_BITS - MANTISSA)), _words(0x3FF << MANTISSA))
    return b.bitcast(bits, _NUMBERS)


def _at(b, base, index, kind):
    return b.bitcast(b.gep(base, [index]), kind.as_pointer())


def _splat(b, number):
    none = ir.Constant(_NUMBERS, ir.Undefined)
    everywhere = ir.VectorType(ir.IntType(32), VECTOR)([0] * VECTOR)
    return b.shuffle_vector(b.insert_element(none, number, ir.IntType(32)(0)), none, everywhere)


def _emit_bonds(b, one, at, other, to, factor, generator):
    """One word of bonds, drawn by a loop over its vectors with the generators in registers."""
    states = [_at(b, generator, _WORD(i * LANES), _WORDS) for i in range(4)]
    first, strength = [b.load(place, align=8) for place in states], _splat(b, factor)
    entry, loop, done = b.block, b.append_basic_block("vector"), b.append_basic_block("word")
    b.branch(loop)
    b.position_at_end(loop)
    state, k, found = [b.phi(_WORDS) for _ in range(4)], b.phi(_WORD), b.phi(_WORD)
    moved = list(state)
    here = b.load(_at(b, one, b.add(at, k), _NUMBERS), align=8)
    there = b.load(_at(b, other, b.add(to, k), _NUMBERS), align=8)
    power = _emit_power(b, b.fmul(b.fmul(here, strength), there))
    active = b.fcmp_ordered("<", b.fadd(power, _emit_uniform(b, next_words(b, moved))), _numbers(2.0))
    bits = b.shl(b.zext(b.bitcast(active, ir.IntType(VECTOR)), _WORD), k)
    after = [*moved, b.add(k, _WORD(VECTOR)), b.or_(found, bits)]
    for value, before, next_ in zip([*state, k, found], [*first, _WORD(0), _WORD(0)], after, strict=True):
        value.add_incoming(before, entry)
        value.add_incoming(next_, loop)
    b.cbranch(b.icmp_unsigned("<", after[-2], _WORD(WORD_BITS)), loop, done)
    b.position_at_end(done)
    for place, value in zip(states, moved, strict=True):
        b.store(value, place, align=8)
    return after[-1]


@intrinsic
def draw_bonds(typing, one, at, other, to, factor, generator):
    """Word of 64 bonds: bit j is one with probability ``max(0, 1 - 2^(factor one[at + j] other[to + j]))``.

    ``one`` and ``other`` are one-dimensional arrays of float64, and ``generator`` is flat, of `LANES` lanes, of which
    the last is left alone.
    """

    def code(context, b, signature, args):
        p, q, g = (data(context, b, signature.args[i], args[i]) for i in (0, 2, 5))
        return _emit_bonds(b, p, args[1], q, args[3], args[4], g)

    return types.uint64(one, types.int64, other, types.int64, types.float64, generator), code
