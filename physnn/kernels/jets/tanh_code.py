"""The chain rule of tanh from vector instructions: derivatives forwards through a layer, and their gradients back.

A layer takes the streams z, z_1 .. z_m along every axis, and at most one stream D of an operator
``sum over axes a and orders k of c_ak d^k/dx_a^k``; it gives those of t = tanh(z).  With f_k the derivatives of tanh,

    t_k = f_1 z_k + n_k,    n_2 = f_2 z_1^2,    n_3 = 3 f_2 z_1 z_2 + f_3 z_1^3,
    n_4 = f_2 (4 z_1 z_3 + 3 z_2^2) + 6 f_3 z_1^2 z_2 + f_4 z_1^4,    Dt = f_1 Dz + sum c_ak n_ak,

so that an operator needs only the derivatives below its order (for the Laplacian: R. Li et al., "A computational
framework for neural network-based variational Monte Carlo with forward Laplacian", Nat. Mach. Intell. 6 (2024) 209).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.jets.matrix_code import cover, vector_of_lanes
from physnn.kernels.primitives import data
from physnn.kernels.vectors.langevin_code import INDEX, multiply_add, splat, store_at, vector_at

HIGHEST = 4
"""Highest order along an axis."""
_LN2_HIGH = math.floor(math.log(2) * 2**12) / 2**12
"""ln 2 with so few digits that small multiples of it are exact; the rest is `_LN2_LOW`."""
_LN2_LOW = math.log(2) - _LN2_HIGH
_EDGE = {32: 20.0, 64: 44.0}
"""2 |z| from where tanh(z) is 1 to the last digit."""
_TERMS = {32: 7, 64: 13}
"""Terms of the series of exp(r) - 1 for |r| <= ln 2 / 2."""


TANHS_AT_ONCE = (4, 2, 1)
"""Vectors whose tanh is found at once."""


class _Value:
    """Vectors in the code that is being made, with sums and products of each; ``x.with_(y, z)`` is x y + z."""

    def __init__(self, b, *values):
        self.b, self.values, self.kind = b, values, values[0].type

    def each(self, function, *others):
        """Results of a function of vectors, for each of them."""
        rows = [other.values if isinstance(other, _Value) else [self._constant(other)] * 99 for other in others]
        return _Value(self.b, *(function(*these) for these in zip(self.values, *rows, strict=False)))

    def _constant(self, number):
        return ir.Constant(self.kind, [ir.Constant(self.kind.element, float(number))] * self.kind.count)

    def _by(self, function, *others):
        return self.each(lambda *these: function(*these, flags=("contract",)), *others)

    def __add__(self, other):
        return self._by(self.b.fadd, other)

    def __sub__(self, other):
        return self._by(self.b.fsub, other)

    def __rsub__(self, other):
        return self.each(lambda x, y: self.b.fsub(y, x, flags=("contract",)), other)

    def __mul__(self, other):
        return self._by(self.b.fmul, other)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        return self.each(self.b.fdiv, other)

    def with_(self, factor, addend):
        return self.each(lambda *these: multiply_add(self.b, *these), factor, addend)

    def called(self, name, *others):
        """Results of an LLVM function of vectors."""
        full = f"llvm.{name}.v{self.kind.count}f{32 if isinstance(self.kind.element, ir.FloatType) else 64}"
        signature = ir.FunctionType(self.kind, [self.kind] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.b.module, signature, full)
        return self.each(lambda *these: self.b.call(function, these), *others)


def _tanh(z):
    """tanh(z) = s e / (e + 2) with e = exp(2 |z|) - 1 and the sign s of z; e = 2^n (exp(r) - 1) + 2^n - 1."""
    b, kind = z.b, z.kind
    bits = 32 if isinstance(kind.element, ir.FloatType) else 64
    whole = ir.VectorType(ir.IntType(bits), kind.count)
    y = (z.called("fabs") * 2.0).called("minnum", _EDGE[bits])
    n = (y * math.log2(math.e)).called("nearbyint")
    r = n.with_(-_LN2_LOW, n.with_(-_LN2_HIGH, y))
    square = r * r
    small = square.with_(_series(r, square, [1 / math.factorial(k) for k in range(2, _TERMS[bits] + 1)]), r)
    digits, middle = (ir.Constant(whole, [number] * kind.count) for number in ((23, 127) if bits == 32 else (52, 1023)))
    power = n.each(lambda x: b.bitcast(b.shl(b.add(b.fptosi(x, whole), middle), digits), kind))
    e = power.with_(small, power - 1.0)
    return (e / (e + 2.0)).called("copysign", z)


def _series(r, square, terms):
    """Sum of ``terms[k] r^k``, by pairs: a pair does not wait for the next."""
    pairs = [terms[k : k + 2] for k in range(0, len(terms), 2)]
    found = None
    for pair in reversed(pairs):
        own = r.with_(pair[1], pair[0]) if len(pair) == 2 else pair[0]
        found = own if found is None else square.with_(found, own)
    return found


def _derivatives(t):
    """f_1 to f_5 of tanh where it is t; what is not used is not computed."""
    f1, square = 1.0 - t * t, t * t
    f2 = t * f1 * -2.0
    f3 = f1 * (square * 6.0 - 2.0)
    f4 = t * f1 * (16.0 - square * 24.0)
    f5 = f1 * (square * (square * 120.0 - 120.0) + 16.0)
    return f1, f2, f3, f4, f5


class _Layer:
    """Streams of a layer in the code that is being made, one row of vectors after the other.

    ``groups``, ``orders``, ``coefficients``: number and tables that the code reads; ``operator``: its stream, or 0;
    ``shape``: rows, vectors in a row.  A group's streams follow each other.
    """

    def __init__(self, b, vector, table, shape):
        self.b, self.vector, self.shape = b, vector, shape
        self.groups, self.orders, self.coefficients, self.operator = table
        self.stride = b.mul(b.mul(*shape), INDEX(vector.count))

    def load(self, base, stream, at, count=1):
        """Some vectors of a stream."""
        places = (self._place(stream, at, k) for k in range(count))
        return _Value(self.b, *(vector_at(self.b, base, place, self.vector) for place in places))

    def store(self, value, base, stream, at):
        for k, one in enumerate(value.values):
            store_at(self.b, one, base, self._place(stream, at, k))

    def _place(self, stream, at, k):
        return self.b.add(self.b.add(self.b.mul(stream, self.stride), at), INDEX(k * self.vector.count))

    def rows(self):
        """Loop over rows, as a context with its index."""
        return cgutils.for_range(self.b, self.shape[0], intp=INDEX)

    def vectors(self, row, body):
        """Call ``body(at, column)`` for the vectors of a row: where they are in a stream, and in the row."""
        self.bundles(row, (1,), lambda at, column, _: body(at, column))

    def bundles(self, row, sizes, body):
        """Call ``body(at, column, size)`` for the vectors of a row, ``size`` of them at once."""
        begin, each = self.b.mul(row.index, self.shape[1]), INDEX(self.vector.count)

        def at(first, size):
            body(self.b.mul(self.b.add(begin, first), each), self.b.mul(first, each), size)

        cover(self.b, self.shape[1], sizes, at)

    def with_operator(self):
        return self.b.if_then(self.b.icmp_signed(">", self.operator, INDEX(0)))

    def each_group(self, row, body):
        """Go through the vectors of a row for every group, by code of its own for every kind of group.

        ``body(group)``: a function as `vectors` takes it.
        """
        b = self.b
        first = cgutils.alloca_once_value(b, INDEX(1))
        with cgutils.for_range(b, self.groups, intp=INDEX) as loop:
            pair, line = b.mul(loop.index, INDEX(2)), b.mul(loop.index, INDEX(HIGHEST))
            order, reach = (b.load(b.gep(self.orders, [b.add(pair, INDEX(i))])) for i in (0, 1))
            begin = b.load(first)
            c = {}
            for k in range(2, HIGHEST + 1):
                place = b.gep(self.coefficients, [b.add(line, INDEX(k - 1))])
                c[k] = _Value(b, splat(b, b.load(place), self.vector))
            for operator in (False, True):
                # Derivatives below the order of the operator are there, so that it reaches one further at most.
                for low, high in [(k, k) for k in range(1, HIGHEST + 1)] + [(k, k + 1) for k in range(1, HIGHEST)]:
                    here = b.and_(b.icmp_signed("==", order, INDEX(low)), b.icmp_signed("==", reach, INDEX(high)))
                    there = b.icmp_signed(">" if operator else "==", self.operator, INDEX(0))
                    if operator or low == high:
                        with b.if_then(b.and_(here, there)):
                            streams = {k: b.add(begin, INDEX(k - 1)) for k in range(1, low + 1)}
                            self.vectors(row, body(_Group(streams, high, operator, c)))
            b.store(b.add(begin, order), first)


@dataclass(frozen=True)
class _Group:
    """Group of streams along an axis: where they are by order, how far it reaches, and what it adds to the operator."""

    streams: dict[int, object]
    reach: int
    operator: bool
    coefficients: dict[int, _Value]


def _rest(k, f, z):
    """n_k: what t_k has beside f_1 z_k."""
    if k == 2:
        return f[2] * (z[1] * z[1])
    if k == 3:
        return z[1] * (3.0 * (f[2] * z[2]) + f[3] * (z[1] * z[1]))
    square = z[1] * z[1]
    return f[2] * (4.0 * (z[1] * z[3]) + 3.0 * (z[2] * z[2])) + square * (6.0 * (f[3] * z[2]) + f[4] * square)


def _rest_back(k, f, z, g):
    """Gradients of g n_k by f_2, f_3, .. and by z_1, z_2, .., as two dictionaries."""
    square = z[1] * z[1]
    if k == 2:
        return {2: g * square}, {1: 2.0 * (f[2] * z[1]) * g}
    if k == 3:
        by_f = {2: 3.0 * (z[1] * z[2]) * g, 3: square * z[1] * g}
        return by_f, {1: 3.0 * (f[2] * z[2] + f[3] * square) * g, 2: 3.0 * (f[2] * z[1]) * g}
    by_f = {2: (4.0 * (z[1] * z[3]) + 3.0 * (z[2] * z[2])) * g, 3: 6.0 * (square * z[2]) * g, 4: square * square * g}
    by_z = {
        1: 4.0 * (f[2] * z[3] + 3.0 * (f[3] * (z[1] * z[2])) + f[4] * (square * z[1])) * g,
        2: 6.0 * (f[2] * z[2] + f[3] * square) * g,
        3: 4.0 * (f[2] * z[1]) * g,
    }
    return by_f, by_z


def _forward(layer, z, t, group, at):
    """Derivatives of t along one axis in one vector, and what they add to the operator."""
    f = dict(enumerate(_derivatives(layer.load(t, INDEX(0), at)), start=1))
    own = {k: layer.load(z, stream, at) for k, stream in group.streams.items()}
    rest = {k: _rest(k, f, own) for k in range(2, group.reach + 1)}
    for k, stream in group.streams.items():
        found = f[1] * own[k]
        layer.store(found + rest[k] if k > 1 else found, t, stream, at)
    if group.operator and rest:
        total = layer.load(t, layer.operator, at)
        for k, n in rest.items():
            total = group.coefficients[k].with_(n, total)
        layer.store(total, t, layer.operator, at)


def _backward(layer, z, t, d, group, at):
    """Replace the gradients by derivatives along one axis, and add to that by the value, in one vector."""
    f = dict(enumerate(_derivatives(layer.load(t, INDEX(0), at)), start=1))
    own, g = ({k: layer.load(base, stream, at) for k, stream in group.streams.items()} for base in (z, d))
    by_z, by_value = {k: f[1] * g[k] for k in g}, layer.load(d, INDEX(0), at)
    for k in g:
        by_value = (f[2] * own[k]).with_(g[k], by_value)
    whole = layer.load(d, layer.operator, at) if group.operator and group.reach > 1 else None
    for k in range(2, group.reach + 1):
        parts = ([g[k]] if k in g else []) + ([group.coefficients[k] * whole] if group.operator else [])
        of_f, of_z = _rest_back(k, f, own, sum(parts[1:], start=parts[0]))
        for i, value in of_f.items():
            by_value = f[i + 1].with_(value, by_value)
        for i, value in of_z.items():
            by_z[i] = by_z[i] + value
    for k, stream in group.streams.items():
        layer.store(by_z[k], d, stream, at)
    layer.store(by_value, d, INDEX(0), at)


def _prepared(context, b, kinds, args, count):
    """Pointers to the first ``count`` arrays at their places, and the `_Layer`; see `tanh_forward` for the order."""
    vector = vector_of_lanes(context, kinds[0])
    bases = [b.gep(data(context, b, kinds[2 * i], args[2 * i]), [args[2 * i + 1]]) for i in range(count)]
    operator, rows, width = args[2 * count + 2 :]
    groups = b.extract_value(context.make_array(kinds[2 * count])(context, b, args[2 * count]).shape, 0)
    tables = [data(context, b, kinds[2 * count + i], args[2 * count + i]) for i in range(2)]
    return bases, _Layer(b, vector, (groups, *tables, operator), (rows, width))


@intrinsic
def tanh_forward(typing, z, z_at, t, t_at, bias, bias_at, orders, coefficients, operator, rows, width):
    """Fill ``t`` with the streams of tanh(z + bias) from those of z.

    Arrays of streams are flat, ``(streams, rows, width)`` with ``width`` in vectors, and begin at ``_at``.

    ``orders (groups, 2)``: of every axis the highest stream, and the highest order at which it adds to that or to the
    operator; ``coefficients (groups, HIGHEST)``: of the operator; ``operator``: its stream, the last, or 0.
    """

    def code(context, b, signature, args):
        (z, t, shift), layer = _prepared(context, b, signature.args, args, 3)
        zero = INDEX(0)

        def value(at, column, size):
            found = _tanh(layer.load(z, zero, at, size) + layer.load(shift, zero, column, size))
            layer.store(found, t, zero, at)
            with layer.with_operator():
                own = layer.load(z, layer.operator, at, size)
                layer.store(_derivatives(found)[0] * own, t, layer.operator, at)

        # Every step of tanh waits for the one before: several vectors at once fill the time.
        with layer.rows() as row:
            layer.bundles(row, TANHS_AT_ONCE, value)
            layer.each_group(row, lambda group: lambda at, column: _forward(layer, z, t, group, at))
        return context.get_dummy_value()

    i = types.int64
    return types.void(z, i, t, i, bias, i, orders, coefficients, i, i, i), code


@intrinsic
def tanh_backward(typing, z, z_at, t, t_at, d, d_at, sums, sums_at, orders, coefficients, operator, rows, width):
    """Replace in ``d`` the gradients by the streams of t with those by the streams of z, and add up those by the bias.

    Parameters as in `tanh_forward`; ``sums``: gradient by the bias, to which is added.
    """

    def code(context, b, signature, args):
        (z, t, d, bias), layer = _prepared(context, b, signature.args, args, 4)
        zero = INDEX(0)

        def value(at, column):
            f1, f2 = _derivatives(layer.load(t, zero, at))[:2]
            found = f1 * layer.load(d, zero, at)
            layer.store(found, d, zero, at)
            with layer.with_operator():
                own = f2 * layer.load(z, layer.operator, at)
                layer.store(own.with_(layer.load(d, layer.operator, at), found), d, zero, at)

        def end(at, column):
            layer.store(layer.load(bias, zero, column) + layer.load(d, zero, at), bias, zero, column)
            with layer.with_operator():
                f1 = _derivatives(layer.load(t, zero, at))[0]
                layer.store(f1 * layer.load(d, layer.operator, at), d, layer.operator, at)

        with layer.rows() as row:
            layer.vectors(row, value)
            layer.each_group(row, lambda group: lambda at, column: _backward(layer, z, t, d, group, at))
            layer.vectors(row, end)
        return context.get_dummy_value()

    i = types.int64
    return types.void(z, i, t, i, d, i, sums, i, orders, coefficients, i, i, i), code
