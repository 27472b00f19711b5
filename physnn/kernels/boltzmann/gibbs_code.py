"""Vector instructions of Gibbs updates, for `physnn.kernels.boltzmann.gibbs`: sixteen units of a layer to a vector."""

from __future__ import annotations

import math

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.lattice.multispin_code import next_words
from physnn.kernels.primitives import data
from physnn.kernels.vectors.langevin_code import INDEX, multiply_add, splat, store_at, vector_at

UNITS_OF_BLOCK = 16
"""Units of a block."""
DRAW_LANES = 8
"""Generators that draw side by side: two units have the halves of a word."""
SUMS_ABREAST = 4
"""Sums of a field under way at once; the number of groups is a multiple of this."""
_BYTE, _WORD, _SHORT = ir.IntType(8), ir.IntType(32), ir.IntType(16)
_VECTOR, _WORDS = ir.VectorType(ir.FloatType(), UNITS_OF_BLOCK), ir.VectorType(_WORD, UNITS_OF_BLOCK)
_STATE = ir.VectorType(ir.IntType(64), DRAW_LANES)
_EDGE = 80.0
"""Logarithm of the odds beyond which a unit is as good as fixed."""
_DEGREE = 6
"""Degree of the polynomial of 2^f, |f| <= 1/2, whose terms beyond are below 2e-7."""


def _numbers(value):
    return ir.Constant(_VECTOR, [ir.Constant(ir.FloatType(), float(value))] * UNITS_OF_BLOCK)


def _integers(value):
    return ir.Constant(_WORDS, [value] * UNITS_OF_BLOCK)


def _emit_sums(b, table, first, states, groups, begin):
    """Field of a block of units: the sum of what every group of the other layer adds in its state."""
    sums = [cgutils.alloca_once(b, _VECTOR) for _ in range(SUMS_ABREAST)]
    for k, place in enumerate(sums):
        b.store(begin if k == 0 else _numbers(0.0), place)
    with cgutils.for_range(b, b.udiv(groups, INDEX(SUMS_ABREAST)), intp=INDEX) as loop:
        for k, place in enumerate(sums):
            group = b.add(b.mul(loop.index, INDEX(SUMS_ABREAST)), INDEX(k))
            code = b.zext(b.load(b.gep(states, [group])), INDEX)
            row = b.add(first, b.mul(b.add(b.mul(group, INDEX(16)), code), INDEX(UNITS_OF_BLOCK)))
            b.store(b.fadd(b.load(place), vector_at(b, table, row, _VECTOR)), place)
    a, c, d, e = (b.load(place) for place in sums)
    return b.fadd(b.fadd(a, c), b.fadd(d, e))


def power_of_two(b, y):
    """2^y of a vector with |y| below 127."""
    rounded = b.fptosi(b.fadd(y, _numbers(127.5)), _WORDS)
    f = b.fsub(y, b.sitofp(b.sub(rounded, _integers(127)), _VECTOR))
    found = _numbers(math.log(2) ** _DEGREE / math.factorial(_DEGREE))
    for k in range(_DEGREE - 1, -1, -1):
        found = multiply_add(b, found, f, _numbers(math.log(2) ** k / math.factorial(k)))
    return b.fmul(found, b.bitcast(b.shl(rounded, _integers(23)), _VECTOR))


def _emit_draw(b, field, gain, words):
    """Bits of units that take their upper value with probability 1/(1 + exp(-gain field)): u (1 + exp) < 1."""
    y = b.fmul(field, gain)
    for sign, edge in (("<", _EDGE), (">", -_EDGE)):
        y = b.select(b.fcmp_ordered(sign, y, _numbers(edge)), y, _numbers(edge))
    power = power_of_two(b, b.fmul(y, _numbers(-math.log2(math.e))))
    bits = b.or_(b.lshr(b.bitcast(words, _WORDS), _integers(9)), _integers(127 << 23))
    u = b.fsub(b.bitcast(bits, _VECTOR), _numbers(1 - 2.0**-24))
    return b.bitcast(b.fcmp_ordered("<", multiply_add(b, u, power, u), _numbers(1.0)), _SHORT)


def _emit_spread(b, bits):
    """Four bytes with four of sixteen bits each."""
    x = b.zext(bits, _WORD)
    x = b.and_(b.or_(x, b.shl(x, _WORD(8))), _WORD(0x00FF00FF))
    return b.and_(b.or_(x, b.shl(x, _WORD(4))), _WORD(0x0F0F0F0F))


def _emit_layer(b, arrays, shape, finish):
    """Call ``finish(chain, block, field)`` for all chains and blocks of units."""
    table, states, bias = arrays
    blocks, groups, chains = shape
    with cgutils.for_range(b, blocks, intp=INDEX) as outer:
        first = b.mul(b.mul(outer.index, groups), INDEX(16 * UNITS_OF_BLOCK))
        begin = vector_at(b, bias, b.mul(outer.index, INDEX(UNITS_OF_BLOCK)), _VECTOR)
        with cgutils.for_range(b, chains, intp=INDEX) as inner:
            own = b.gep(states, [b.mul(inner.index, groups)])
            finish(inner.index, outer.index, _emit_sums(b, table, first, own, groups, begin))


@intrinsic
def sum_layer(typing, table, states, bias, blocks, groups, chains, out):
    """Fill ``out (chains, 16 blocks)`` with the fields of a layer; all arrays are flat, see `draw_layer`."""

    def code(context, b, signature, args):
        kinds = signature.args
        arrays = [data(context, b, kinds[i], args[i]) for i in range(3)]
        out = data(context, b, kinds[6], args[6])

        def finish(chain, block, field):
            place = b.mul(b.add(b.mul(chain, args[3]), block), INDEX(UNITS_OF_BLOCK))
            store_at(b, field, out, place)

        _emit_layer(b, arrays, args[3:6], finish)
        return context.get_dummy_value()

    index = types.int64
    return types.void(table, states, bias, index, index, index, out), code


@intrinsic
def draw_layer(typing, table, states, bias, blocks, groups, chains, gain, generator, out):
    """Draw the units of a layer given the states of the other one.

    ``table`` has sums of weights by block, group, state and unit; ``states`` a byte for every group of every chain;
    ``out`` four bytes for every block of every chain.  ``generator`` has the words of all lanes one after the other.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        arrays = [data(context, b, kinds[i], args[i]) for i in range(3)]
        generator, out = data(context, b, kinds[7], args[7]), data(context, b, kinds[8], args[8])
        gain = splat(b, args[6], _VECTOR)
        places = [b.bitcast(b.gep(generator, [INDEX(k * DRAW_LANES)]), _STATE.as_pointer()) for k in range(4)]
        held = [cgutils.alloca_once(b, _STATE) for _ in range(4)]
        for place, here in zip(places, held, strict=True):
            b.store(b.load(place, align=8), here)

        def finish(chain, block, field):
            state = [b.load(here) for here in held]
            bits = _emit_draw(b, field, gain, next_words(b, state))
            for value, here in zip(state, held, strict=True):
                b.store(value, here)
            place = b.gep(out, [b.mul(b.add(b.mul(chain, args[3]), block), INDEX(4))])
            b.store(_emit_spread(b, bits), b.bitcast(place, _WORD.as_pointer()), align=1)

        _emit_layer(b, arrays, args[3:6], finish)
        for place, here in zip(places, held, strict=True):
            b.store(b.load(here), place, align=8)
        return context.get_dummy_value()

    index = types.int64
    return types.void(table, states, bias, index, index, index, types.float32, generator, out), code
