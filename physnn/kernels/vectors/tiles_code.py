"""Vector instructions of `physnn.kernels.vectors.tiles`: transforms of tiles, and products with matrices.

With real x_0 .. x_11 and t = 2 pi / 12, the transform is R_k = sum_n x_n cos(k n t), k = 0 .. 6, and S_k = sum_n x_n
sin(k n t), k = 1 .. 5, in this order.  Its transpose, x_n = sum_k R_k cos(k n t) + S_k sin(k n t), is the inverse once
factors 2 and 1/12 are in the weights.
"""

from __future__ import annotations

import math

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.primitives import data
from physnn.kernels.vectors.langevin_code import (
    INDEX,
    emit_block,
    multiply_add,
    number_of,
    sites_abreast,
    store_at,
    vector_at,
    vector_of,
    wide_registers,
)
from physnn.kernels.vectors.tiles import KERNELS, LINE, PLANE, PRODUCTS, SIDE, fields_along

_ROOT = math.sqrt(3) / 2
_HALF = 0.5


class _Vectors:
    """Sums and products of vectors of one type, as instructions."""

    def __init__(self, b, vector):
        self.b, self.vector = b, vector

    def constant(self, value):
        return ir.Constant(self.vector, [ir.Constant(self.vector.element, value)] * self.vector.count)

    def plus(self, x, y):
        return self.b.fadd(x, y)

    def minus(self, x, y):
        return self.b.fsub(x, y)

    def scaled(self, factor, x):
        return self.b.fmul(self.constant(factor), x)

    def with_(self, factor, x, y):
        """Return factor x + y."""
        return multiply_add(self.b, self.constant(factor), x, y)


def _transform(v, x):
    """Return R_0 .. R_6, S_1 .. S_5 of 12 numbers: 40 instructions."""
    s = [v.plus(x[n], x[12 - n]) for n in range(1, 6)]
    d = [v.minus(x[n], x[12 - n]) for n in range(1, 6)]
    e = [v.plus(x[0], x[6]), v.plus(s[0], s[4]), v.plus(s[1], s[3]), s[2]]
    o = [v.minus(x[0], x[6]), v.minus(s[0], s[4]), v.minus(s[1], s[3])]
    p = [v.plus(d[0], d[4]), v.plus(d[1], d[3])]
    q = [v.minus(d[0], d[4]), v.minus(d[1], d[3])]
    even, odd = v.plus(e[0], e[2]), v.plus(e[1], e[3])
    a, c = v.with_(-_HALF, e[2], e[0]), v.minus(v.scaled(_HALF, e[1]), e[3])
    w, t = v.with_(_HALF, o[2], o[0]), v.with_(_HALF, p[0], d[2])
    R = [
        v.plus(even, odd),
        v.with_(_ROOT, o[1], w),
        v.plus(a, c),
        v.minus(o[0], o[2]),
        v.minus(a, c),
        v.with_(-_ROOT, o[1], w),
        v.minus(even, odd),
    ]
    S = [
        v.with_(_ROOT, p[1], t),
        v.scaled(_ROOT, v.plus(q[0], q[1])),
        v.minus(p[0], d[2]),
        v.scaled(_ROOT, v.minus(q[0], q[1])),
        v.with_(-_ROOT, p[1], t),
    ]
    return R + S


def _transpose(v, given):
    """Return the 12 numbers x_n of R_0 .. R_6, S_1 .. S_5."""
    R, S = given[:7], [None, *given[7:]]
    p, q, r, s = v.plus(R[0], R[6]), v.minus(R[0], R[6]), v.plus(R[2], R[4]), v.minus(R[2], R[4])
    a = [v.plus(p, r), v.with_(_HALF, s, q), v.with_(-_HALF, r, p), v.minus(q, s)]
    t = v.plus(R[1], R[5])
    c = [v.plus(t, R[3]), v.scaled(_ROOT, v.minus(R[1], R[5])), v.minus(v.scaled(_HALF, t), R[3])]
    E = [v.plus(a[n], c[n]) for n in range(3)] + [a[3]] + [v.minus(a[n], c[n]) for n in (2, 1, 0)]
    u = v.plus(S[1], S[5])
    f = [v.with_(_HALF, u, S[3]), v.scaled(_ROOT, v.minus(S[1], S[5]))]
    g = [v.scaled(_ROOT, v.plus(S[2], S[4])), v.scaled(_ROOT, v.minus(S[2], S[4]))]
    O = [v.plus(f[0], g[0]), v.plus(f[1], g[1]), v.minus(u, S[3]), v.minus(f[1], g[1]), v.minus(f[0], g[0])]  # noqa: E741
    ends = [E[0], *(v.plus(E[n], O[n - 1]) for n in range(1, 6)), E[6]]
    return ends + [v.minus(E[n], O[n - 1]) for n in (5, 4, 3, 2, 1)]


def _three(v, c, d):
    return [c, v.minus(d, c), v.plus(c, d)]


def _two(v, k1, k2, k3):
    return v.minus(k1, k3), v.plus(k1, k2)


def _lanes(n: int, itemsize: int) -> int:
    """Return how many components are transformed at once: a register full where they divide into such."""
    lanes = (64 if wide_registers() else 32) // itemsize
    return lanes if n % lanes == 0 else n


def _pieces(b, n, vector):
    return cgutils.for_range_slice(b, INDEX(0), INDEX(n), INDEX(vector.count), INDEX)


def _loop(b, count):
    return cgutils.for_range_slice(b, INDEX(0), count, INDEX(1), INDEX)


def _part(context, kind, n):
    number = number_of(context, kind)
    return ir.VectorType(number, _lanes(n, 4 if isinstance(number, ir.FloatType) else 8))


@intrinsic
def spread(typing, source, start, stride, taps, bias, out, tiles, begin, count):
    """Store the transforms of a row of ``count`` tiles in ``out``, by product, tile and component; all arrays flat.

    ``start``: where the first tile begins in ``source``; ``stride``: numbers in a row of it; ``out`` has room for
    ``tiles`` tiles, of which these are number ``begin`` and following.  The side of the kernel is the length of the
    tuple ``taps``; nothing happens where tiles do not serve it.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        n, k = kinds[4].count, kinds[3].count
        if k not in KERNELS:
            return context.get_dummy_value()
        vector = _part(context, kinds[0], n)
        v = _Vectors(b, vector)
        src, to = (data(context, b, kinds[i], args[i]) for i in (0, 5))
        lines = cgutils.alloca_once(b, ir.ArrayType(vector, SIDE * SIDE))
        first = b.bitcast(lines, vector.as_pointer())
        size = b.mul(args[6], INDEX(n))

        def line(number, y):
            return b.gep(first, [b.add(b.mul(number, INDEX(SIDE)), y)])

        def column(number):
            return _transform(v, [b.load(line(number, INDEX(y))) for y in range(SIDE)])

        with _loop(b, args[8]) as (tile, _), _pieces(b, n, vector) as (piece, _):
            at = b.add(b.add(args[1], b.mul(tile, INDEX(fields_along(k) * n))), piece)
            place = b.add(b.mul(b.add(args[7], tile), INDEX(n)), piece)

            def put(base, values):
                for i, value in enumerate(values):
                    store_at(b, value, to, b.add(place, b.mul(b.add(base, INDEX(i)), size)))

            with _loop(b, INDEX(SIDE)) as (y, _):
                row = b.add(at, b.mul(y, args[2]))
                x = [vector_at(b, src, b.add(row, INDEX(j * n)), vector) for j in range(SIDE)]
                for i, value in enumerate(_transform(v, x)):
                    b.store(value, line(INDEX(i), y))
            for i, number in enumerate((0, 6)):
                r = column(INDEX(number))
                values = [r[0], r[6]]
                for g in range(1, 6):
                    values += _three(v, r[g], r[6 + g])
                put(INDEX(i * LINE), values)
            with _loop(b, INDEX(5)) as (f, _):
                u, w = column(b.add(f, INDEX(1))), column(b.add(f, INDEX(7)))
                points = [(u[0], w[0])] + [(v.minus(u[g], w[6 + g]), v.plus(u[6 + g], w[g])) for g in range(1, 6)]
                points += [(u[6], w[6])]
                points += [(v.plus(u[g], w[6 + g]), v.minus(w[g], u[6 + g])) for g in (5, 4, 3, 2, 1)]
                values = [value for c, d in points for value in _three(v, c, d)]
                put(b.add(INDEX(2 * LINE), b.mul(f, INDEX(PLANE))), values)
        return context.get_dummy_value()

    number = types.int64
    return types.void(source, number, number, taps, bias, out, number, number, number), code


@intrinsic
def products(typing, spectrum, weights, taps, bias, tiles, count):
    """Replace the transforms of ``count`` tiles, in room for ``tiles``, by their products with ``weights``, flat."""

    def code(context, b, signature, args):
        kinds = signature.args
        n, k = kinds[3].count, kinds[2].count
        if k not in KERNELS:
            return context.get_dummy_value()
        vector = ir.VectorType(number_of(context, kinds[0]), n)
        x, w = (data(context, b, kinds[i], args[i]) for i in (0, 1))
        most = sites_abreast(n, 4 if isinstance(vector.element, ir.FloatType) else 8)
        sizes = [size for size in (16, 8, 4, 2) if size <= most] + [1]
        with _loop(b, INDEX(PRODUCTS)) as (p, _):
            own, begin = b.gep(w, [b.mul(p, INDEX(n * n))]), b.mul(b.mul(p, args[4]), INDEX(n))
            done = INDEX(0)
            # Blocks do not overlap: what a block has read, it replaces.
            for size in sizes:
                end = b.sub(args[5], b.srem(b.sub(args[5], done), INDEX(size)))
                with cgutils.for_range_slice(b, done, end, INDEX(size), INDEX) as (tile, _):
                    place = b.add(begin, b.mul(tile, INDEX(n)))
                    lines = INDEX(1), lambda _, place=place: place, INDEX(n)
                    emit_block(b, vector, size, x, lines, own, ir.Constant(vector, None), x, place)
                done = end
        return context.get_dummy_value()

    return types.void(spectrum, weights, taps, bias, types.int64, types.int64), code


@intrinsic
def gather(typing, spectrum, taps, bias, out, tiles, begin, count):
    """Fill ``out`` with the fields of a row of tiles, by row, column and component; arguments as for `spread`."""

    def code(context, b, signature, args):
        kinds = signature.args
        n, k = kinds[2].count, kinds[1].count
        if k not in KERNELS:
            return context.get_dummy_value()
        vector, m = _part(context, kinds[0], n), fields_along(k)
        v = _Vectors(b, vector)
        src, to = (data(context, b, kinds[i], args[i]) for i in (0, 3))
        lines = cgutils.alloca_once(b, ir.ArrayType(vector, SIDE * m))
        first = b.bitcast(lines, vector.as_pointer())
        constants = cgutils.alloca_once(b, ir.VectorType(vector.element, n))
        b.store(vector_of(b, ir.VectorType(vector.element, n), args[2]), constants)
        constant = b.bitcast(constants, vector.element.as_pointer())
        size, wide = (b.mul(args[i], INDEX(n)) for i in (4, 6))

        def keep(number, x):
            for i in range(m):
                b.store(x[i], b.gep(first, [b.add(b.mul(number, INDEX(m)), INDEX(i))]))

        with _loop(b, args[6]) as (tile, _), _pieces(b, n, vector) as (piece, _):
            place = b.add(b.mul(b.add(args[5], tile), INDEX(n)), piece)

            def got(base, i):
                return vector_at(b, src, b.add(place, b.mul(b.add(base, INDEX(i)), size)), vector)

            for i, number in enumerate((0, 6)):
                base = INDEX(i * LINE)
                pairs = [_two(v, *(got(base, 2 + 3 * g + j) for j in range(3))) for g in range(5)]
                ends = got(base, 0), got(base, 1)
                keep(INDEX(number), _transpose(v, [ends[0], *(r for r, _ in pairs), ends[1], *(s for _, s in pairs)]))
            with _loop(b, INDEX(5)) as (f, _):
                base = b.add(INDEX(2 * LINE), b.mul(f, INDEX(PLANE)))
                Y = [_two(v, *(got(base, 3 * g + j) for j in range(3))) for g in range(SIDE)]
                pairs = [(Y[g], Y[SIDE - g]) for g in range(1, 6)]
                real = [Y[0][0], *(v.plus(y[0], z[0]) for y, z in pairs), Y[6][0]]
                real += [v.minus(y[1], z[1]) for y, z in pairs]
                imaginary = [Y[0][1], *(v.plus(y[1], z[1]) for y, z in pairs), Y[6][1]]
                imaginary += [v.minus(z[0], y[0]) for y, z in pairs]
                keep(b.add(f, INDEX(1)), _transpose(v, real))
                keep(b.add(f, INDEX(7)), _transpose(v, imaginary))
            c = vector_at(b, constant, piece, vector)
            with _loop(b, INDEX(m)) as (y, _):
                given = [b.load(b.gep(first, [b.add(y, INDEX(i * m))])) for i in range(SIDE)]
                row = b.add(b.mul(b.mul(y, wide), INDEX(m)), b.add(b.mul(tile, INDEX(m * n)), piece))
                for j, x in enumerate(_transpose(v, given)[:m]):
                    store_at(b, v.plus(x, c), to, b.add(row, INDEX(j * n)))
        return context.get_dummy_value()

    number = types.int64
    return types.void(spectrum, taps, bias, out, number, number, number), code
