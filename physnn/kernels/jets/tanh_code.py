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

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.jets.matrix_code import vector_of_lanes
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


class _Value:
    """Vector in the code that is being made, with sums and products; ``x.with_(y, z)`` is x y + z."""

    def __init__(self, b, value):
        self.b, self.value = b, value

    def _other(self, other):
        if isinstance(other, _Value):
            return other.value
        kind = self.value.type
        return ir.Constant(kind, [ir.Constant(kind.element, float(other))] * kind.count)

    def _new(self, value):
        return _Value(self.b, value)

    def __add__(self, other):
        return self._new(self.b.fadd(self.value, self._other(other), flags=("contract",)))

    def __sub__(self, other):
        return self._new(self.b.fsub(self.value, self._other(other), flags=("contract",)))

    def __rsub__(self, other):
        return self._new(self.b.fsub(self._other(other), self.value, flags=("contract",)))

    def __mul__(self, other):
        return self._new(self.b.fmul(self.value, self._other(other), flags=("contract",)))

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        return self._new(self.b.fdiv(self.value, self._other(other)))

    def with_(self, factor, addend):
        return self._new(multiply_add(self.b, self.value, self._other(factor), self._other(addend)))

    def called(self, name, *others):
        """Result of an LLVM function of vectors."""
        kind = self.value.type
        full = f"llvm.{name}.v{kind.count}f{32 if isinstance(kind.element, ir.FloatType) else 64}"
        signature = ir.FunctionType(kind, [kind] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.b.module, signature, full)
        return self._new(self.b.call(function, [self.value, *map(self._other, others)]))


def _tanh(z):
    """tanh(z) = s e / (e + 2) with e = exp(2 |z|) - 1 and the sign s of z; e = 2^n (exp(r) - 1) + 2^n - 1."""
    b, kind = z.b, z.value.type
    bits = 32 if isinstance(kind.element, ir.FloatType) else 64
    whole = ir.VectorType(ir.IntType(bits), kind.count)
    y = (z.called("fabs") * 2.0).called("minnum", _EDGE[bits])
    n = (y * math.log2(math.e)).called("nearbyint")
    r = n.with_(-_LN2_LOW, n.with_(-_LN2_HIGH, y))
    series = r * 0.0 + 1 / math.factorial(_TERMS[bits])
    for k in range(_TERMS[bits] - 1, 1, -1):
        series = series.with_(r, 1 / math.factorial(k))
    small = (r * r).with_(series, r)
    fraction, middle = (23, 127) if bits == 32 else (52, 1023)
    exponent = b.add(b.fptosi(n.value, whole), ir.Constant(whole, [middle] * kind.count))
    power = _Value(b, b.bitcast(b.shl(exponent, ir.Constant(whole, [fraction] * kind.count)), kind))
    e = power.with_(small, power - 1.0)
    return (e / (e + 2.0)).called("copysign", z)


def _derivatives(t):
    """f_1 to f_5 of tanh where it is t; what is not used is not computed."""
    f1, square = 1.0 - t * t, t * t
    f2 = t * f1 * -2.0
    f3 = f1 * (square * 6.0 - 2.0)
    f4 = t * f1 * (16.0 - square * 24.0)
    f5 = f1 * (square * (square * 120.0 - 120.0) + 16.0)
    return f1, f2, f3, f4, f5


class _Layer:
    """Streams of a layer in the code that is being made.

    ``orders (groups,)`` and ``coefficients (groups, HIGHEST)`` are tables that the code reads; ``stride``: numbers
    from a stream to the next.  A group's streams follow each other, and the operator comes last.
    """

    def __init__(self, b, vector, table, stride):
        self.b, self.vector, self.stride = b, vector, stride
        self.groups, self.orders, self.coefficients, self.operator = table

    def load(self, base, stream, at):
        place = self.b.add(self.b.mul(stream, self.stride), at)
        return _Value(self.b, vector_at(self.b, base, place, self.vector))

    def store(self, value, base, stream, at):
        store_at(self.b, value.value, base, self.b.add(self.b.mul(stream, self.stride), at))

    def variable(self):
        place = cgutils.alloca_once(self.b, self.vector)
        self.b.store(ir.Constant(self.vector, None), place)
        return place

    def add(self, place, value):
        self.b.store((_Value(self.b, self.b.load(place)) + value).value, place)

    def each_group(self, body):
        """Call ``body(first, order, reach, c)`` for the groups: their first stream, order, reach and coefficients.

        ``reach``: the highest order at which the group adds to anything; ``c(k)``: coefficient at order k.
        """
        b = self.b
        stream = cgutils.alloca_once_value(b, INDEX(1))
        with cgutils.for_range(b, self.groups, intp=INDEX) as loop:
            pair = b.mul(loop.index, INDEX(2))
            order, reach = (b.load(b.gep(self.orders, [b.add(pair, INDEX(i))])) for i in (0, 1))
            line = b.mul(loop.index, INDEX(HIGHEST))

            def c(k):
                place = b.gep(self.coefficients, [b.add(line, INDEX(k - 1))])
                return _Value(b, splat(b, b.load(place), self.vector))

            first = b.load(stream)
            body(first, order, reach, c)
            b.store(b.add(first, order), stream)

    def at_least(self, number, k):
        return self.b.if_then(self.b.icmp_signed(">=", number, INDEX(k)))


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


def _forward(layer, z, t, bias, at):
    """Streams of t from those of z in one vector, which is at number ``at`` of every stream."""
    zero = INDEX(0)
    value = _tanh(layer.load(z, zero, at) + bias)
    layer.store(value, t, zero, at)
    f = dict(enumerate(_derivatives(value), start=1))
    total = layer.variable()

    def group(first, order, reach, c):
        def stream(k):
            return layer.b.add(first, INDEX(k - 1))

        def step(k):
            # Lower orders are there wherever this one is.
            lower = {i: layer.load(z, stream(i), at) for i in range(1, k)}
            n = _rest(k, f, lower) if k > 1 else None
            if n is not None:
                layer.add(total, c(k) * n)
            with layer.at_least(order, k):
                linear = f[1] * layer.load(z, stream(k), at)
                layer.store(linear if n is None else linear + n, t, stream(k), at)

        for k in range(1, HIGHEST + 1):
            with layer.at_least(reach, k):
                step(k)

    layer.each_group(group)
    with layer.at_least(layer.operator, 1):
        found = f[1] * layer.load(z, layer.operator, at) + _Value(layer.b, layer.b.load(total))
        layer.store(found, t, layer.operator, at)


def _backward(layer, z, t, d, at):
    """Replace the gradients by t with those by z in one vector; return that by the value."""
    b, zero = layer.b, INDEX(0)
    f = dict(enumerate(_derivatives(layer.load(t, zero, at)), start=1))
    sums = {k: layer.variable() for k in range(1, HIGHEST + 1)}
    by_operator = layer.variable()
    with layer.at_least(layer.operator, 1):
        g = layer.load(d, layer.operator, at)
        b.store(g.value, by_operator)
        layer.add(sums[1], g * layer.load(z, layer.operator, at))
        layer.store(f[1] * g, d, layer.operator, at)

    def group(first, order, reach, c):
        def stream(k):
            return b.add(first, INDEX(k - 1))

        by_z = {k: layer.variable() for k in range(1, HIGHEST + 1)}

        def step(k):
            g = layer.variable()
            with layer.at_least(order, k):
                own = layer.load(d, stream(k), at)
                layer.add(g, own)
                layer.add(by_z[k], f[1] * own)
                layer.add(sums[1], own * layer.load(z, stream(k), at))
            if k > 1:
                lower = {i: layer.load(z, stream(i), at) for i in range(1, k)}
                layer.add(g, c(k) * _Value(b, b.load(by_operator)))
                of_f, of_z = _rest_back(k, f, lower, _Value(b, b.load(g)))
                for places, found in ((sums, of_f), (by_z, of_z)):
                    for i, value in found.items():
                        layer.add(places[i], value)

        for k in range(1, HIGHEST + 1):
            with layer.at_least(reach, k):
                step(k)
        for k in range(1, HIGHEST + 1):
            with layer.at_least(order, k):
                layer.store(_Value(b, b.load(by_z[k])), d, stream(k), at)

    layer.each_group(group)
    found = f[1] * layer.load(d, zero, at)
    for k in range(1, HIGHEST + 1):
        found = found + f[k + 1] * _Value(b, b.load(sums[k]))
    layer.store(found, d, zero, at)
    return found


def _each_vector(b, rows, width, vector, body):
    """Call ``body(at, column)`` for the vectors of a matrix of ``width`` vectors a row."""
    with cgutils.for_range(b, rows, intp=INDEX) as row:
        begin = b.mul(row.index, width)
        with cgutils.for_range(b, width, intp=INDEX) as inner:
            size = INDEX(vector.count)
            body(b.mul(b.add(begin, inner.index), size), b.mul(inner.index, size))


def _prepared(context, b, kinds, args, count):
    """Pointers to the first ``count`` arrays at their places, and the `_Layer`; see `tanh_forward` for the order."""
    vector = vector_of_lanes(context, kinds[0])
    bases = [b.gep(data(context, b, kinds[2 * i], args[2 * i]), [args[2 * i + 1]]) for i in range(count)]
    operator, rows, width = args[2 * count + 2 :]
    groups = b.extract_value(context.make_array(kinds[2 * count])(context, b, args[2 * count]).shape, 0)
    tables = [data(context, b, kinds[2 * count + i], args[2 * count + i]) for i in range(2)]
    stride = b.mul(b.mul(rows, width), INDEX(vector.count))
    return vector, bases, _Layer(b, vector, (groups, *tables, operator), stride)


@intrinsic
def tanh_forward(typing, z, z_at, t, t_at, bias, bias_at, orders, coefficients, operator, rows, width):
    """Fill ``t`` with the streams of tanh(z + bias) from those of z.

    Arrays of streams are flat, ``(streams, rows, width)`` with ``width`` in vectors, and begin at ``_at``.

    ``orders (groups, 2)``: of every axis the highest stream, and the highest order at which it adds to that or to the
    operator; ``coefficients (groups, HIGHEST)``: of the operator; ``operator``: its stream, the last, or 0.
    """

    def code(context, b, signature, args):
        vector, (z, t, shift), layer = _prepared(context, b, signature.args, args, 3)

        def each(at, column):
            _forward(layer, z, t, _Value(b, vector_at(b, shift, column, vector)), at)

        _each_vector(b, args[9], args[10], vector, each)
        return context.get_dummy_value()

    i = types.int64
    return types.void(z, i, t, i, bias, i, orders, coefficients, i, i, i), code


@intrinsic
def tanh_backward(typing, z, z_at, t, t_at, d, d_at, sums, sums_at, orders, coefficients, operator, rows, width):
    """Replace in ``d`` the gradients by the streams of t with those by the streams of z, and add up those by the bias.

    Parameters as in `tanh_forward`; ``sums``: gradient by the bias, to which is added.
    """

    def code(context, b, signature, args):
        vector, (z, t, d, bias), layer = _prepared(context, b, signature.args, args, 4)

        def each(at, column):
            found = _backward(layer, z, t, d, at)
            before = _Value(b, vector_at(b, bias, column, vector))
            store_at(b, (before + found).value, bias, column)

        _each_vector(b, args[11], args[12], vector, each)
        return context.get_dummy_value()

    i = types.int64
    return types.void(z, i, t, i, d, i, sums, i, orders, coefficients, i, i, i), code
