"""Vector instructions of chains of a wave function, for `physnn.kernels.quantum.machines`: a chain to a lane.

A hidden unit of a chain is kept as x = exp(2 theta).  A move multiplies it by a number E of a table, so the amplitude
changes by the product of (1 + x E) / (1 + x) over units: multiplications alone, and no division until the end.
Products are cut into a number in [1, 2) and a power of two after every `UNITS_OF_CHUNK` units.
"""

from __future__ import annotations

import math

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.boltzmann.gibbs_code import power_of_two
from physnn.kernels.jets.matrix_code import cover
from physnn.kernels.lattice.multispin_code import next_words
from physnn.kernels.primitives import data
from physnn.kernels.vectors.langevin_code import INDEX, multiply_add, splat, store_at, vector_at

CHAIN_LANES = 16
"""Chains of a group, which move side by side."""
UNITS_OF_CHUNK = 4
"""Units between two cuts; their number is a multiple of this.  With |theta| <= 10 no product of so many overflows."""
MOST_THETA = 10.0
"""Modulus at which theta is cut: beyond it cosh is an exponential to 1e-9, and float32 does not overflow below it."""
MOST_FACTOR = 80.0
"""Modulus at which the logarithm of what a move makes of a hidden unit is cut."""
SITES_ABREAST = 4
"""Derivatives by the weights of so many sites are added up at once, so that a hidden mean is loaded once for them."""
_VECTOR, _WORDS = ir.VectorType(ir.FloatType(), CHAIN_LANES), ir.VectorType(ir.IntType(32), CHAIN_LANES)
_STATE = ir.VectorType(ir.IntType(64), CHAIN_LANES // 2)
_SHORT = ir.IntType(CHAIN_LANES)
_MANTISSA, _ONE_BITS = 0x7FFFFF, 127 << 23


def _numbers(value):
    return ir.Constant(_VECTOR, [ir.Constant(ir.FloatType(), float(value))] * CHAIN_LANES)


def _integers(value):
    return ir.Constant(_WORDS, [value] * CHAIN_LANES)


def _at(b, row):
    """Index of the first lane of a row."""
    return b.mul(row, INDEX(CHAIN_LANES))


def _emit_product(b, units, terms):
    """Product of 1 + y over units: a vector in [1, 2), and exponents with a bias that all products share.

    ``terms(unit)``: the y of a chunk that begins with a unit.
    """
    total, powers = cgutils.alloca_once(b, _VECTOR), cgutils.alloca_once(b, _WORDS)
    b.store(_numbers(1.0), total)
    b.store(_integers(0), powers)
    with cgutils.for_range(b, b.udiv(units, INDEX(UNITS_OF_CHUNK)), intp=INDEX) as loop:
        chunk = None
        for y in terms(b.mul(loop.index, INDEX(UNITS_OF_CHUNK))):
            chunk = b.fadd(y, _numbers(1.0)) if chunk is None else multiply_add(b, chunk, y, chunk)
        bits = b.bitcast(b.fmul(b.load(total), chunk), _WORDS)
        b.store(b.add(b.load(powers), b.lshr(bits, _integers(23))), powers)
        b.store(b.bitcast(b.or_(b.and_(bits, _integers(_MANTISSA)), _integers(_ONE_BITS)), _VECTOR), total)
    return b.load(total), b.load(powers)


def _emit_moved(b, x, row, units, up, keep):
    """Product over units of 1 + x E; lanes in ``up`` take the first of two E, which ``row`` points to for every unit.

    x E is stored at ``keep``, if that is not None.
    """

    def terms(first):
        found = []
        for k in range(UNITS_OF_CHUNK):
            unit = b.add(first, INDEX(k))
            pair = b.mul(unit, INDEX(2))
            one, other = (splat(b, b.load(b.gep(row, [b.add(pair, INDEX(n))])), _VECTOR) for n in range(2))
            found.append(b.fmul(vector_at(b, x, _at(b, unit), _VECTOR), b.select(up, one, other)))
            if keep is not None:
                store_at(b, found[-1], keep, _at(b, unit))
        return found

    return _emit_product(b, units, terms)


def _emit_cut(b, values, most):
    """Values between ``-most`` and ``most``; NaN stays, for it tells of a training that is lost."""
    for sign, edge in ((">", most), ("<", -most)):
        values = b.select(b.fcmp_ordered(sign, values, _numbers(edge)), _numbers(edge), values)
    return values


def _emit_exponentials(b, weights, thresholds, spins, sites, first):
    """exp(2 theta) of a chunk of units that begins with ``first``."""
    units = [b.add(first, INDEX(k)) for k in range(UNITS_OF_CHUNK)]
    rows, sums = [b.mul(unit, sites) for unit in units], [cgutils.alloca_once(b, _VECTOR) for _ in units]
    for unit, place in zip(units, sums, strict=True):
        b.store(splat(b, b.load(b.gep(thresholds, [unit])), _VECTOR), place)
    with cgutils.for_range(b, sites, intp=INDEX) as loop:
        s = vector_at(b, spins, _at(b, loop.index), _VECTOR)
        for row, place in zip(rows, sums, strict=True):
            w = splat(b, b.load(b.gep(weights, [b.add(row, loop.index)])), _VECTOR)
            b.store(multiply_add(b, w, s, b.load(place)), place)
    found = []
    for place in sums:
        theta = _emit_cut(b, b.load(place), MOST_THETA)
        found.append(power_of_two(b, b.fmul(theta, _numbers(2 * math.log2(math.e)))))
    return units, found


def _emit_ratio(b, total, powers, norm, levels, factors, move, up):
    """Amplitude after a move over that before it; what hidden units do not make of it is in ``factors``."""
    own = [b.load(b.gep(factors, [b.add(b.mul(move, INDEX(4)), INDEX(k))])) for k in range(4)]
    exponents = [splat(b, b.fptosi(value, ir.IntType(32)), _WORDS) for value in own[2:]]
    step = b.add(b.sub(powers, vector_at_words(b, levels)), b.select(up, *exponents))
    for sign, edge in ((">", 126), ("<", -126)):
        step = b.select(b.icmp_signed(sign, step, _integers(edge)), _integers(edge), step)
    power = b.bitcast(b.shl(b.add(step, _integers(127)), _integers(23)), _VECTOR)
    factor = b.select(up, *(splat(b, value, _VECTOR) for value in own[:2]))
    return b.fmul(b.fmul(b.fmul(total, vector_at(b, norm, INDEX(0), _VECTOR)), factor), power)


def vector_at_words(b, base):
    """Vector of integers that begins at a pointer."""
    return b.load(b.bitcast(base, _WORDS.as_pointer()), align=4)


def _store_words(b, value, base):
    b.store(value, b.bitcast(base, _WORDS.as_pointer()), align=4)


def _emit_open(b, spins, first, second):
    """Spins of the first site, lanes where they are up, and those where a move exists: always, or where spins differ.

    A move of one site has it for both.
    """
    here, there = (vector_at(b, spins, _at(b, site), _VECTOR) for site in (first, second))
    single = b.icmp_signed("==", first, second)
    alike = b.select(single, _numbers(2.0), there)
    return here, b.fcmp_ordered(">", here, _numbers(0.0)), b.fcmp_ordered("!=", here, alike), single


@intrinsic
def settle_group(typing, weights, thresholds, spins, sites, x, units, norm, levels):
    """Fill ``x``, the reciprocal product ``norm`` and the exponents ``levels`` of the chains of a group."""

    def code(context, b, signature, args):
        kinds = signature.args
        weights, thresholds, spins = (data(context, b, kinds[k], args[k]) for k in range(3))
        x, norm, levels = (data(context, b, kinds[k], args[k]) for k in (4, 6, 7))

        def terms(first):
            rows, found = _emit_exponentials(b, weights, thresholds, spins, args[3], first)
            for unit, value in zip(rows, found, strict=True):
                store_at(b, value, x, _at(b, unit))
            return found

        total, powers = _emit_product(b, args[5], terms)
        store_at(b, b.fdiv(_numbers(1.0), total), norm, INDEX(0))
        _store_words(b, powers, levels)
        return context.get_dummy_value()

    index = types.int64
    return types.void(weights, thresholds, spins, index, x, index, norm, levels), code


@intrinsic
def exponentiate(typing, change, count, table):
    """Fill ``table`` with exp(-4 w) and exp(4 w), one after the other, of ``count`` vectors of numbers w.

    What is beyond exp(+-`MOST_FACTOR`) is cut.
    """

    def code(context, b, signature, args):
        change, table = (data(context, b, signature.args[k], args[k]) for k in (0, 2))
        with cgutils.for_range(b, args[1], intp=INDEX) as loop:
            y = b.fmul(vector_at(b, change, _at(b, loop.index), _VECTOR), _numbers(-4 * math.log2(math.e)))
            found = power_of_two(b, _emit_cut(b, y, MOST_FACTOR * math.log2(math.e)))
            both, half = (found, b.fdiv(_numbers(1.0), found)), CHAIN_LANES // 2
            for k in range(2):
                order = [place for lane in range(k * half, (k + 1) * half) for place in (lane, lane + CHAIN_LANES)]
                mixed = b.shuffle_vector(*both, ir.VectorType(ir.IntType(32), CHAIN_LANES)(order))
                store_at(b, mixed, table, _at(b, b.add(b.mul(loop.index, INDEX(2)), INDEX(k))))
        return context.get_dummy_value()

    return types.void(change, types.int64, table), code


@intrinsic
def measure_group(typing, x, table, units, norm, levels, factors, move, spins, first, second, element, out):
    """Add matrix element times ratio of amplitudes of a move to ``out``, in lanes where there is the move."""

    def code(context, b, signature, args):
        kinds = signature.args
        x, table, norm, levels, factors = (data(context, b, kinds[k], args[k]) for k in (0, 1, 3, 4, 5))
        spins, out = data(context, b, kinds[7], args[7]), data(context, b, kinds[11], args[11])
        units, move, first, second, element = args[2], args[6], args[8], args[9], args[10]
        _, up, free, _ = _emit_open(b, spins, first, second)
        row = b.gep(table, [b.mul(b.mul(move, units), INDEX(2))])
        total, powers = _emit_moved(b, x, row, units, up, None)
        ratio = _emit_ratio(b, total, powers, norm, levels, factors, move, up)
        term = b.select(free, b.fmul(ratio, splat(b, element, _VECTOR)), _numbers(0.0))
        store_at(b, b.fadd(vector_at(b, out, INDEX(0), _VECTOR), term), out, INDEX(0))
        return context.get_dummy_value()

    index = types.int64
    kinds = (x, table, index, norm, levels, factors, index, spins, index, index, types.float32, out)
    return types.void(*kinds), code


@intrinsic
def move_group(typing, x, moved, table, units, norm, levels, factors, move, spins, first, second, generator):
    """Propose a move to all chains of a group, and return how many took it.

    It is taken with the squared ratio of amplitudes as its probability, where that is below 1.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        x, moved, table, norm, levels, factors = (data(context, b, kinds[k], args[k]) for k in (0, 1, 2, 4, 5, 6))
        spins, generator = data(context, b, kinds[8], args[8]), data(context, b, kinds[11], args[11])
        units, move, first, second = args[3], args[7], args[9], args[10]
        here, up, free, single = _emit_open(b, spins, first, second)
        row = b.gep(table, [b.mul(b.mul(move, units), INDEX(2))])
        total, powers = _emit_moved(b, x, row, units, up, moved)
        ratio = _emit_ratio(b, total, powers, norm, levels, factors, move, up)
        places = [b.bitcast(b.gep(generator, [INDEX(k * CHAIN_LANES // 2)]), _STATE.as_pointer()) for k in range(4)]
        state = [b.load(place, align=8) for place in places]
        words = b.bitcast(next_words(b, state), _WORDS)
        for value, place in zip(state, places, strict=True):
            b.store(value, place, align=8)
        bits = b.or_(b.lshr(words, _integers(9)), _integers(_ONE_BITS))
        u = b.fsub(b.bitcast(bits, _VECTOR), _numbers(1.0))
        taken = b.and_(free, b.fcmp_ordered("<", u, b.fmul(ratio, ratio)))
        count = b.ctpop(b.bitcast(taken, _SHORT))
        with b.if_then(b.icmp_unsigned("!=", count, _SHORT(0))):
            # All of a chunk is read before it is written: stores under a mask take longer on some processors.
            with cgutils.for_range(b, b.udiv(units, INDEX(UNITS_OF_CHUNK)), intp=INDEX) as loop:
                first_unit = b.mul(loop.index, INDEX(UNITS_OF_CHUNK))
                rows = [_at(b, b.add(first_unit, INDEX(k))) for k in range(UNITS_OF_CHUNK)]
                pairs = [(vector_at(b, moved, at, _VECTOR), vector_at(b, x, at, _VECTOR)) for at in rows]
                for at, (new, old) in zip(rows, pairs, strict=True):
                    store_at(b, b.select(taken, new, old), x, at)
            reciprocal = b.fdiv(_numbers(1.0), total)
            store_at(b, b.select(taken, reciprocal, vector_at(b, norm, INDEX(0), _VECTOR)), norm, INDEX(0))
            _store_words(b, b.select(taken, powers, vector_at_words(b, levels)), levels)
            turned = b.select(taken, b.fsub(_numbers(0.0), here), here)
            store_at(b, turned, spins, _at(b, first))
            with b.if_then(b.not_(single)):
                there = vector_at(b, spins, _at(b, second), _VECTOR)
                store_at(b, b.select(taken, here, there), spins, _at(b, second))
        return b.zext(count, INDEX)

    index = types.int64
    kinds = (x, moved, table, index, norm, levels, factors, index, spins, index, index, generator)
    return index(*kinds), code


@intrinsic
def correlate_group(typing, means, spins, permutations, features, operations, sites, out, stride):
    """Fill ``out`` with the sums over operations g of hidden means t_fg times spins s_g(i), for all f and i.

    Numbers (f, i) lie ``stride`` apart, the lanes of a group side by side.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        means, spins, permutations, out = (data(context, b, kinds[k], args[k]) for k in (0, 1, 2, 6))
        features, operations, sites, stride = args[3], args[4], args[5], args[7]

        def add(f, i, size):
            sums, first = [cgutils.alloca_once(b, _VECTOR) for _ in range(size)], b.mul(f, operations)
            for place in sums:
                b.store(_numbers(0.0), place)
            with cgutils.for_range(b, operations, intp=INDEX) as g:
                t, row = vector_at(b, means, _at(b, b.add(first, g.index)), _VECTOR), b.add(b.mul(g.index, sites), i)
                for k, place in enumerate(sums):
                    site = b.load(b.gep(permutations, [b.add(row, INDEX(k))]))
                    s = vector_at(b, spins, _at(b, site), _VECTOR)
                    b.store(multiply_add(b, t, s, b.load(place)), place)
            for k, place in enumerate(sums):
                at = b.add(b.add(b.mul(f, sites), i), INDEX(k))
                store_at(b, b.load(place), out, b.mul(at, stride))

        with cgutils.for_range(b, features, intp=INDEX) as loop:
            cover(b, sites, (SITES_ABREAST, 1), lambda i, size: add(loop.index, i, size))
        return context.get_dummy_value()

    index = types.int64
    return types.void(means, spins, permutations, index, index, index, out, index), code
