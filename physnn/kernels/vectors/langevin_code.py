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
from physnn.kernels.vectors.winograd import KERNELS, OUTPUTS, matrices

_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


def sites_abreast(components: int, itemsize: int) -> int:
    """Return how many sites have their sums in registers at once: enough to hide the time of a multiplication."""
    wide = "+avx512f" in (config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()).split(",")
    width, registers = (64, 16) if wide else (32, 8)
    each = -(-components * itemsize // width)
    return max(1, registers // each)


def _number(context, kind):
    return context.get_value_type(kind.dtype)


def _vector_at(b, base, index, vector):
    # Only the alignment of one number is promised.
    align = 4 if isinstance(vector.element, ir.FloatType) else 8
    return b.load(b.bitcast(b.gep(base, [index]), vector.as_pointer()), align=align)


def _store_at(b, value, base, index):
    align = 4 if isinstance(value.type.element, ir.FloatType) else 8
    b.store(value, b.bitcast(b.gep(base, [index]), value.type.as_pointer()), align=align)


def _splat(b, number, vector):
    none = ir.Constant(vector, ir.Undefined)
    everywhere = ir.VectorType(_LANE, vector.count)([0] * vector.count)
    return b.shuffle_vector(b.insert_element(none, number, _LANE(0)), none, everywhere)


def _vector_of(b, vector, numbers):
    """Return the vector of a tuple's numbers."""
    made = ir.Constant(vector, ir.Undefined)
    for i in range(vector.count):
        made = b.insert_element(made, b.extract_value(numbers, i), _LANE(i))
    return made


def _multiply_add(b, x, y, z):
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


def _emit_block(b, vector, sites, source, lines, weights, bias, out, to):
    """Store the fields of ``sites`` neighbouring sites; the sums are kept in registers.

    ``lines``: how many stretches of the source count, a function of their number to where each begins, and the numbers
    in each.
    """
    n, one, zero = vector.count, _INDEX(1), _INDEX(0)
    count, begin, run = lines
    sums = [cgutils.alloca_once(b, vector) for _ in range(sites)]
    for s in sums:
        b.store(bias, s)
    with cgutils.for_range_slice(b, zero, count, one, _INDEX) as (line, _):
        here = begin(line)
        there = b.mul(b.mul(line, run), _INDEX(n))
        with cgutils.for_range_slice(b, zero, run, one, _INDEX) as (j, _):
            w = _vector_at(b, weights, b.add(there, b.mul(j, _INDEX(n))), vector)
            at = b.add(here, j)
            for i, s in enumerate(sums):
                x = b.load(b.gep(source, [b.add(at, _INDEX(i * n))]))
                b.store(_multiply_add(b, _splat(b, x, vector), w, b.load(s)), s)
    for i, s in enumerate(sums):
        _store_at(b, b.load(s), out, b.add(to, _INDEX(i * n)))


def _emit_row(b, vector, width, block):
    """Call ``block(first, sites)`` for blocks that cover a row, as large as registers and row allow."""
    itemsize = 4 if isinstance(vector.element, ir.FloatType) else 8
    sizes = sorted({sites_abreast(vector.count, itemsize), 4, 1})
    done = b.append_basic_block("row_done")
    for size in reversed(sizes):
        with b.if_then(b.icmp_signed(">=", width, _INDEX(size))):
            last = b.sub(width, _INDEX(size))
            with cgutils.for_range_slice(b, _INDEX(0), width, _INDEX(size), _INDEX) as (i, _):
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
        vector = ir.VectorType(_number(context, kinds[0]), n)
        src, w, to = (data(context, b, kinds[i], args[i]) for i in (0, 3, 6))
        constant = _vector_of(b, vector, args[5])
        run = b.mul(args[4], _INDEX(n))

        def block(first, sites):
            place = b.mul(first, _INDEX(n))
            begin = b.add(args[1], place)
            lines = (args[4], lambda line: b.add(begin, b.mul(line, args[2])), run)
            _emit_block(b, vector, sites, src, lines, w, constant, to, place)

        _emit_row(b, vector, args[7], block)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, weights, types.int64, bias, out, types.int64), code


def _combine(b, vector, row, vectors):
    """Return the sum of vectors with constant factors."""
    total = None
    for factor, v in zip(row, vectors, strict=True):
        if factor:
            c = ir.Constant(vector, [ir.Constant(vector.element, float(factor))] * vector.count)
            total = b.fmul(c, v) if total is None else _multiply_add(b, c, v, total)
    return total


def _first_of_tile(b, tile, width):
    """Return the first site of a tile; the last tile begins early enough to end with the row."""
    first, last = b.mul(tile, _INDEX(OUTPUTS)), b.sub(width, _INDEX(OUTPUTS))
    return b.select(b.icmp_signed("<", first, last), first, last)


@intrinsic
def spread(typing, source, start, taps, bias, out, to, tiles, width):
    """Store in ``out``, from ``to`` on, a padded row transformed by Winograd's B: by point, tile and component.

    The number of taps is the length of the tuple ``taps``; nothing happens where no transform serves it.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        n, k = kinds[3].count, kinds[2].count
        vector = ir.VectorType(_number(context, kinds[0]), n)
        src, there = (data(context, b, kinds[i], args[i]) for i in (0, 4))
        if k in KERNELS:
            B = matrices(k)[2]
            with cgutils.for_range_slice(b, _INDEX(0), args[6], _INDEX(1), _INDEX) as (tile, _):
                at = b.add(args[1], b.mul(_first_of_tile(b, tile, args[7]), _INDEX(n)))
                d = [_vector_at(b, src, b.add(at, _INDEX(j * n)), vector) for j in range(len(B))]
                for p, row in enumerate(B):
                    place = b.add(args[5], b.mul(b.add(tile, b.mul(_INDEX(p), args[6])), _INDEX(n)))
                    _store_at(b, _combine(b, vector, row, d), there, place)
        return context.get_dummy_value()

    number = types.int64
    return types.void(source, number, taps, bias, out, number, number, number), code


@intrinsic
def products(typing, ring, oldest, weights, taps, bias, out, tiles):
    """Fill ``out`` with the products of transformed rows and weights, by point, tile and component.

    ``ring``: transformed rows, the line number ``oldest`` is the first; ``weights``: by point, row of the kernel,
    component of the source, component of the field.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        n, k = kinds[4].count, kinds[3].count
        vector = ir.VectorType(_number(context, kinds[0]), n)
        src, w, to = (data(context, b, kinds[i], args[i]) for i in (0, 2, 5))
        if k not in KERNELS:
            return context.get_dummy_value()
        points = k + OUTPUTS - 1
        size = b.mul(args[6], _INDEX(n))
        with cgutils.for_range_slice(b, _INDEX(0), _INDEX(points), _INDEX(1), _INDEX) as (p, _):
            own = b.gep(w, [b.mul(p, _INDEX(k * n * n))])
            line_size = b.mul(_INDEX(points), size)

            def block(first, sites):
                place = b.add(b.mul(p, size), b.mul(first, _INDEX(n)))

                def begin(line):
                    slot = b.add(args[1], line)
                    slot = b.select(b.icmp_signed(">=", slot, _INDEX(k)), b.sub(slot, _INDEX(k)), slot)
                    return b.add(b.mul(slot, line_size), place)

                lines = (_INDEX(k), begin, _INDEX(n))
                _emit_block(b, vector, sites, src, lines, own, ir.Constant(vector, None), to, place)

            _emit_row(b, vector, args[6], block)
        return context.get_dummy_value()

    return types.void(ring, types.int64, weights, taps, bias, out, types.int64), code


@intrinsic
def gather(typing, parts, taps, bias, out, tiles, width):
    """Fill ``out`` with the fields of a row, from products of transformed rows and weights, and the bias."""

    def code(context, b, signature, args):
        kinds = signature.args
        n, k = kinds[2].count, kinds[1].count
        vector = ir.VectorType(_number(context, kinds[0]), n)
        src, to = (data(context, b, kinds[i], args[i]) for i in (0, 3))
        constant = _vector_of(b, vector, args[2])
        if k in KERNELS:
            A = matrices(k)[0]
            size = b.mul(args[4], _INDEX(n))
            with cgutils.for_range_slice(b, _INDEX(0), args[4], _INDEX(1), _INDEX) as (tile, _):
                at = b.mul(tile, _INDEX(n))
                place = b.mul(_first_of_tile(b, tile, args[5]), _INDEX(n))
                m = [_vector_at(b, src, b.add(at, b.mul(_INDEX(p), size)), vector) for p in range(A.shape[1])]
                for i, row in enumerate(A):
                    y = b.fadd(_combine(b, vector, row, m), constant)
                    _store_at(b, y, to, b.add(place, _INDEX(i * n)))
        return context.get_dummy_value()

    return types.void(parts, taps, bias, out, types.int64, types.int64), code


def _emit_normals(b, normals, row, lane, vector):
    """Return a site's normals, of which component m is in line m % 4 of ``normals``, block m // 4."""
    blocks = -(-vector.count // 4)
    part = ir.VectorType(ir.FloatType(), blocks)
    lines = [_vector_at(b, normals, b.add(b.mul(row, _INDEX(i)), lane), part) for i in range(4)]
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
        vector = ir.VectorType(_number(context, kinds[0]), kinds[4].count)
        n = vector.count
        states, f, xi, squares = (data(context, b, kinds[i], args[i]) for i in (0, 2, 3, 7))
        line = b.extract_value(context.make_array(kinds[3])(context, b, args[3]).shape, 1)
        gamma_, scale_ = (_splat(b, args[i], vector) for i in (5, 6))
        with cgutils.for_range_slice(b, _INDEX(0), args[8], _INDEX(1), _INDEX) as (site, _):
            place = b.mul(site, _INDEX(n))
            here = _vector_at(b, states, b.add(args[1], place), vector)
            noise = _emit_normals(b, xi, line, b.mul(site, _INDEX(-(-n // 4))), vector)
            v = b.fmul(gamma_, _vector_at(b, f, place, vector))
            v = _multiply_add(b, scale_, noise, v)
            parallel = b.fneg(_sum(b, b.fmul(here, v)))
            v = _multiply_add(b, _splat(b, parallel, vector), here, v)
            _store_at(b, v, f, place)
            b.store(_sum(b, b.fmul(v, v)), b.gep(squares, [site]))
        return context.get_dummy_value()

    number = x.dtype
    return types.void(x, types.int64, field, normals, bias, number, number, length2, types.int64), code


@intrinsic
def moved(typing, x, start, tangent, keep, go, bias, new, width):
    """Store in ``new``, from ``start`` on, the states ``keep x + go v`` of a row, normalised."""

    def code(context, b, signature, args):
        kinds = signature.args
        number = _number(context, kinds[0])
        vector = ir.VectorType(number, kinds[5].count)
        states, v, a, c, to = (data(context, b, kinds[i], args[i]) for i in (0, 2, 3, 4, 6))
        name = f"llvm.sqrt.f{32 if isinstance(number, ir.FloatType) else 64}"
        root = cgutils.get_or_insert_function(b.module, ir.FunctionType(number, [number]), name)
        with cgutils.for_range_slice(b, _INDEX(0), args[7], _INDEX(1), _INDEX) as (site, _):
            place = b.mul(site, _INDEX(vector.count))
            at = b.add(args[1], place)
            y = b.fmul(_splat(b, b.load(b.gep(c, [site])), vector), _vector_at(b, v, place, vector))
            y = _multiply_add(b, _splat(b, b.load(b.gep(a, [site])), vector), _vector_at(b, states, at, vector), y)
            length = b.call(root, [_sum(b, b.fmul(y, y))])
            y = b.fmul(y, _splat(b, b.fdiv(ir.Constant(number, 1.0), length), vector))
            _store_at(b, y, to, at)
        return context.get_dummy_value()

    return types.void(x, types.int64, tangent, keep, go, bias, new, types.int64), code
