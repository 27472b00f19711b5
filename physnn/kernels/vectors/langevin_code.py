"""Vector instructions on the components of one site, for `physnn.kernels.vectors.langevin_loops`.

The N components of a site are one LLVM vector, so that a site of 16 components is one register of AVX-512 and two of
AVX2; any CPU runs the same code.  N is known when the code is made: it is the length of the tuple ``bias``.
"""

from __future__ import annotations

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from physnn.kernels.primitives import data

INDEX = ir.IntType(64)
"""Type of indices."""
_LANE = ir.IntType(32)


def wide_registers() -> bool:
    """Return whether code is made for registers of 512 bits."""
    named: str = getattr(config, "CPU_FEATURES", None) or llvm.get_host_cpu_features().flatten()
    return "+avx512f" in named.split(",")


def sites_abreast(components: int, itemsize: int) -> int:
    """Return how many sites have their sums in registers at once: enough to hide the time of a multiplication."""
    width, registers = (64, 16) if wide_registers() else (32, 8)
    each = -(-components * itemsize // width)
    return max(1, registers // each)


def number_of(context, kind):
    """Type of the numbers of an array."""
    return context.get_value_type(kind.dtype)


def vector_at(b, base, index, vector):
    """The vector whose first number is number ``index`` behind ``base``."""
    # Only the alignment of one number is promised.
    align = 4 if isinstance(vector.element, ir.FloatType) else 8
    return b.load(b.bitcast(b.gep(base, [index]), vector.as_pointer()), align=align)


def store_at(b, value, base, index):
    """Store a vector where `vector_at` would find it."""
    align = 4 if isinstance(value.type.element, ir.FloatType) else 8
    b.store(value, b.bitcast(b.gep(base, [index]), value.type.as_pointer()), align=align)


def splat(b, number, vector):
    """Return the vector with the same number everywhere."""
    none = ir.Constant(vector, ir.Undefined)
    everywhere = ir.VectorType(_LANE, vector.count)([0] * vector.count)
    return b.shuffle_vector(b.insert_element(none, number, _LANE(0)), none, everywhere)


def vector_of(b, vector, numbers):
    """Return the vector of a tuple's numbers."""
    made = ir.Constant(vector, ir.Undefined)
    for i in range(vector.count):
        made = b.insert_element(made, b.extract_value(numbers, i), _LANE(i))
    return made


def multiply_add(b, x, y, z):
    """Return ``x y + z``, in one instruction where there is one."""
    kind = x.type
    name = f"llvm.fmuladd.v{kind.count}f{32 if isinstance(kind.element, ir.FloatType) else 64}"
    function = cgutils.get_or_insert_function(b.module, ir.FunctionType(kind, [kind] * 3), name)
    return b.call(function, [x, y, z])


def _sum(b, x):
    """Return the sum of a vector's numbers, in an order that the compiler may choose."""
    kind = x.type
    name = f"llvm.vector.reduce.fadd.v{kind.count}f{32 if isinstance(kind.element, ir.FloatType) else 64}"
    signature = ir.FunctionType(kind.element, [kind.element, kind])
    function = cgutils.get_or_insert_function(b.module, signature, name)
    return b.call(function, [ir.Constant(kind.element, 0.0), x], fastmath=("reassoc",))


def emit_block(b, vector, sites, source, lines, weights, bias, out, to):
    """Store the fields of ``sites`` neighbouring sites; the sums are kept in registers.

    ``lines``: how many stretches of the source count, a function of their number to where each begins, and the numbers
    in each.
    """
    n, one, zero = vector.count, INDEX(1), INDEX(0)
    count, begin, run = lines
    sums = [cgutils.alloca_once(b, vector) for _ in range(sites)]
    for s in sums:
        b.store(bias, s)
    with cgutils.for_range_slice(b, zero, count, one, INDEX) as (line, _):
        here = begin(line)
        there = b.mul(b.mul(line, run), INDEX(n))
        with cgutils.for_range_slice(b, zero, run, one, INDEX) as (j, _):
            w = vector_at(b, weights, b.add(there, b.mul(j, INDEX(n))), vector)
            at = b.add(here, j)
            for i, s in enumerate(sums):
                x = b.load(b.gep(source, [b.add(at, INDEX(i * n))]))
                b.store(multiply_add(b, splat(b, x, vector), w, b.load(s)), s)
    for i, s in enumerate(sums):
        store_at(b, b.load(s), out, b.add(to, INDEX(i * n)))


def _emit_row(b, vector, width, block):
    """Call ``block(first, sites)`` for blocks that cover a row, as large as registers and row allow."""
    itemsize = 4 if isinstance(vector.element, ir.FloatType) else 8
    sizes = sorted({sites_abreast(vector.count, itemsize), 4, 1})
    done = b.append_basic_block("row_done")
    for size in reversed(sizes):
        with b.if_then(b.icmp_signed(">=", width, INDEX(size))):
            last = b.sub(width, INDEX(size))
            with cgutils.for_range_slice(b, INDEX(0), width, INDEX(size), INDEX) as (i, _):
                # The last block begins early enough to end with the row.
                block(b.select(b.icmp_signed("<", i, last), i, last), size)
            b.branch(done)
    b.branch(done)
    b.position_at_end(done)


@intrinsic
def fields(typing, source, start, stride, weights, kernel, bias, out, width):
    """Fill ``out`` with the fields of a row, bias + sum of weights and states, all arrays flat.

    ``start``: where the neighbourhood of the first site begins in ``source``; ``stride``: numbers in a row of it;
    ``weights``: by row and column of the kernel, component of the source, component of the field; ``kernel``: its side.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        n = kinds[5].count
        vector = ir.VectorType(number_of(context, kinds[0]), n)
        src, w, to = (data(context, b, kinds[i], args[i]) for i in (0, 3, 6))
        constant = vector_of(b, vector, args[5])
        run = b.mul(args[4], INDEX(n))

        def block(first, sites):
            place = b.mul(first, INDEX(n))
            begin = b.add(args[1], place)
            lines = (args[4], lambda line: b.add(begin, b.mul(line, args[2])), run)
            emit_block(b, vector, sites, src, lines, w, constant, to, place)

        _emit_row(b, vector, args[7], block)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, weights, types.int64, bias, out, types.int64), code


def _emit_normals(b, normals, row, lane, vector):
    """Return a site's normals, of which component m is in line m % 4 of ``normals``, block m // 4."""
    blocks = -(-vector.count // 4)
    part = ir.VectorType(ir.FloatType(), blocks)
    lines = [vector_at(b, normals, b.add(b.mul(row, INDEX(i)), lane), part) for i in range(4)]
    joined = ir.VectorType(_LANE, 2 * blocks)(list(range(2 * blocks)))
    pairs = [b.shuffle_vector(lines[i], lines[i + 1], joined) for i in (0, 2)]
    order = ir.VectorType(_LANE, vector.count)([m % 4 * blocks + m // 4 for m in range(vector.count)])
    xi = b.shuffle_vector(pairs[0], pairs[1], order)
    return xi if vector == xi.type else b.fpext(xi, vector)


@intrinsic
def tangents(typing, x, start, field, normals, bias, gamma, scale, length2, width):
    """Replace the fields of a row by tangent steps ``v = Pi_x(gamma f + scale xi)``, and fill ``length2`` with |v|^2.

    ``normals``: float32 of shape (4, sites x blocks), see `physnn.kernels.random.row_normals`.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        vector = ir.VectorType(number_of(context, kinds[0]), kinds[4].count)
        n = vector.count
        states, f, xi, squares = (data(context, b, kinds[i], args[i]) for i in (0, 2, 3, 7))
        line = b.extract_value(context.make_array(kinds[3])(context, b, args[3]).shape, 1)
        gamma_, scale_ = (splat(b, args[i], vector) for i in (5, 6))
        with cgutils.for_range_slice(b, INDEX(0), args[8], INDEX(1), INDEX) as (site, _):
            place = b.mul(site, INDEX(n))
            here = vector_at(b, states, b.add(args[1], place), vector)
            noise = _emit_normals(b, xi, line, b.mul(site, INDEX(-(-n // 4))), vector)
            v = b.fmul(gamma_, vector_at(b, f, place, vector))
            v = multiply_add(b, scale_, noise, v)
            parallel = b.fneg(_sum(b, b.fmul(here, v)))
            v = multiply_add(b, splat(b, parallel, vector), here, v)
            store_at(b, v, f, place)
            b.store(_sum(b, b.fmul(v, v)), b.gep(squares, [site]))
        return context.get_dummy_value()

    number = x.dtype
    return types.void(x, types.int64, field, normals, bias, number, number, length2, types.int64), code


@intrinsic
def moved(typing, x, start, tangent, keep, go, bias, new, width):
    """Store in ``new``, from ``start`` on, the states ``keep x + go v`` of a row, normalised."""

    def code(context, b, signature, args):
        kinds = signature.args
        number = number_of(context, kinds[0])
        vector = ir.VectorType(number, kinds[5].count)
        states, v, a, c, to = (data(context, b, kinds[i], args[i]) for i in (0, 2, 3, 4, 6))
        name = f"llvm.sqrt.f{32 if isinstance(number, ir.FloatType) else 64}"
        root = cgutils.get_or_insert_function(b.module, ir.FunctionType(number, [number]), name)
        with cgutils.for_range_slice(b, INDEX(0), args[7], INDEX(1), INDEX) as (site, _):
            place = b.mul(site, INDEX(vector.count))
            at = b.add(args[1], place)
            y = b.fmul(splat(b, b.load(b.gep(c, [site])), vector), vector_at(b, v, place, vector))
            y = multiply_add(b, splat(b, b.load(b.gep(a, [site])), vector), vector_at(b, states, at, vector), y)
            length = b.call(root, [_sum(b, b.fmul(y, y))])
            y = b.fmul(y, splat(b, b.fdiv(ir.Constant(number, 1.0), length), vector))
            store_at(b, y, to, at)
        return context.get_dummy_value()

    return types.void(x, types.int64, tangent, keep, go, bias, new, types.int64), code


@intrinsic
def retracted(typing, x, start, field, normals, bias, gamma, scale, new, width):
    """Store in ``new`` the states of a row after ``v = Pi_x(gamma f + scale xi)``, ``(x + v) / |x + v|``.

    What `tangents` and `moved` do along a geodesic, in one pass; both arrays of states from ``start`` on.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        number = number_of(context, kinds[0])
        vector = ir.VectorType(number, kinds[4].count)
        n = vector.count
        states, f, xi, to = (data(context, b, kinds[i], args[i]) for i in (0, 2, 3, 7))
        line = b.extract_value(context.make_array(kinds[3])(context, b, args[3]).shape, 1)
        gamma_, scale_ = (splat(b, args[i], vector) for i in (5, 6))
        name = f"llvm.sqrt.f{32 if isinstance(number, ir.FloatType) else 64}"
        root = cgutils.get_or_insert_function(b.module, ir.FunctionType(number, [number]), name)
        with cgutils.for_range_slice(b, INDEX(0), args[8], INDEX(1), INDEX) as (site, _):
            place = b.mul(site, INDEX(n))
            at = b.add(args[1], place)
            here = vector_at(b, states, at, vector)
            noise = _emit_normals(b, xi, line, b.mul(site, INDEX(-(-n // 4))), vector)
            v = multiply_add(b, scale_, noise, b.fmul(gamma_, vector_at(b, f, place, vector)))
            parallel = b.fneg(_sum(b, b.fmul(here, v)))
            y = b.fadd(here, multiply_add(b, splat(b, parallel, vector), here, v))
            length = b.call(root, [_sum(b, b.fmul(y, y))])
            store_at(b, b.fmul(y, splat(b, b.fdiv(ir.Constant(number, 1.0), length), vector)), to, at)
        return context.get_dummy_value()

    number = x.dtype
    return types.void(x, types.int64, field, normals, bias, number, number, new, types.int64), code
