"""Products of matrices from vector instructions, for the blocks of points of `physnn.kernels.jets.passes`.

A tile of a few rows and vectors of columns has its sums in registers, so that every number loaded is used many times.
BLAS copies both factors of every product into an order of its own; here the weights are brought into that order once
for all blocks, and activations are read where they lie.
"""

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.primitives import data
from physnn.kernels.vectors.langevin_code import (
    INDEX,
    multiply_add,
    number_of,
    splat,
    store_at,
    vector_at,
    wide_registers,
)

ABREAST = 2
"""Vectors of columns of a tile; of three, one or two that are left the tile has all."""
WHOLE_ROWS = 12
"""Rows of a product are a multiple of this: of the rows of every tile."""


def _tile_rows(vectors: int) -> int:
    """Rows of a tile: as many sums as leave some registers for factors, and more than a processor begins at once."""
    return ({1: 12, 2: 12, 3: 6} if wide_registers() else {1: 12, 2: 6, 3: 4})[vectors]


def lanes(itemsize: int) -> int:
    """Numbers in a vector, which fills a register."""
    return (64 if wide_registers() else 32) // itemsize


def vector_of_lanes(context, kind):
    """Type of the vectors of an array's numbers."""
    return ir.VectorType(number_of(context, kind), lanes(kind.dtype.bitwidth // 8))


def _tile(b, vector, shape, begin, count, factors, finish):
    """Sum products over ``count`` steps in registers, and hand the sums to ``finish``.

    ``factors(step)``: a function of the row to a number, and a function of the column to a vector.
    """
    rows, columns = shape
    sums = [[cgutils.alloca_once(b, vector) for _ in range(columns)] for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            b.store(begin(i, j), sums[i][j])
    with cgutils.for_range(b, count, intp=INDEX) as loop:
        number, column = factors(loop.index)
        right = [column(j) for j in range(columns)]
        for i in range(rows):
            left = splat(b, number(i), vector)
            for j in range(columns):
                b.store(multiply_add(b, left, right[j], b.load(sums[i][j])), sums[i][j])
    for i in range(rows):
        for j in range(columns):
            finish(i, j, b.load(sums[i][j]))


def panels(b, vectors, body):
    """Call ``body(first, width)`` for panels of columns: `ABREAST` vectors each, but three in the last of an odd count.

    A single vector would have too few sums under way.
    """
    odd = b.and_(vectors, INDEX(1))
    three = b.and_(odd, b.zext(b.icmp_signed(">", vectors, INDEX(1)), INDEX))
    pairs = b.sub(b.udiv(vectors, INDEX(2)), three)
    with cgutils.for_range(b, pairs, intp=INDEX) as loop:
        body(b.mul(loop.index, INDEX(ABREAST)), ABREAST)
    last = b.mul(pairs, INDEX(ABREAST))
    with b.if_then(b.icmp_signed("==", three, INDEX(1))):
        body(last, 3)
    with b.if_then(b.icmp_signed(">", odd, three)):
        body(last, 1)


def cover(b, count, sizes, body):
    """Call ``body(first, size)`` for tiles that cover ``count``, the largest as often as they fit."""
    at = INDEX(0)
    for size in sizes:
        tiles = b.udiv(b.sub(count, at), INDEX(size))
        with cgutils.for_range(b, tiles, intp=INDEX) as loop:
            body(b.add(at, b.mul(loop.index, INDEX(size))), size)
        at = b.add(at, b.mul(tiles, INDEX(size)))


@intrinsic
def multiply(typing, left, left_at, stride, rows, depth, packed, packed_at, vectors, out, out_at):
    """Fill ``out`` with the product of ``left (rows, depth)`` and a matrix packed by `physnn.kernels.jets.passes.pack`.

    All arrays are flat; ``_at`` is where a matrix begins in its array, ``stride`` the numbers from a row to the next.
    ``rows`` is a multiple of `WHOLE_ROWS`; ``vectors``: vectors in a row of the result, whose rows follow each other.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        vector = vector_of_lanes(context, kinds[0])
        a, w, o = (data(context, b, kinds[i], args[i]) for i in (0, 5, 8))
        a, w, o = (b.gep(base, [at]) for base, at in ((a, args[1]), (w, args[6]), (o, args[9])))
        stride, rows, depth, vectors = (args[i] for i in (2, 3, 4, 7))
        out_stride = b.mul(vectors, INDEX(vector.count))
        zero = ir.Constant(vector, None)

        def panel(first, width):
            weights = b.gep(w, [b.mul(b.mul(first, depth), INDEX(vector.count))])
            column = b.mul(first, INDEX(vector.count))

            def tile(row, size):
                here = b.gep(a, [b.mul(row, stride)])
                there = b.gep(o, [b.add(b.mul(row, out_stride), column)])
                lines = [b.gep(here, [b.mul(stride, INDEX(i))]) for i in range(size)]
                step = INDEX(width * vector.count)

                def factors(k):
                    at = b.mul(k, step)
                    return (
                        lambda i: b.load(b.gep(lines[i], [k])),
                        lambda j: vector_at(b, weights, b.add(at, INDEX(j * vector.count)), vector),
                    )

                def finish(i, j, value):
                    store_at(b, value, there, b.add(b.mul(out_stride, INDEX(i)), INDEX(j * vector.count)))

                _tile(b, vector, (size, width), lambda i, j: zero, depth, factors, finish)

            cover(b, rows, [_tile_rows(width)], tile)

        panels(b, vectors, panel)
        return context.get_dummy_value()

    index = types.int64
    kinds = (left, index, index, index, index, packed, index, index, out, index)
    return types.void(*kinds), code


@intrinsic
def add_product(typing, left, left_at, left_stride, columns, right, right_at, vectors, rows, out, out_at):
    """Add to ``out`` the product of the transpose of ``left (rows, columns)`` and ``right (rows, vectors)``.

    Rows of ``right`` and ``out`` follow each other without a gap.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        vector = vector_of_lanes(context, kinds[0])
        a, d, o = (data(context, b, kinds[i], args[i]) for i in (0, 4, 8))
        a, d, o = (b.gep(base, [at]) for base, at in ((a, args[1]), (d, args[5]), (o, args[9])))
        left_stride, columns, vectors, rows = (args[i] for i in (2, 3, 6, 7))
        stride = b.mul(vectors, INDEX(vector.count))

        def panel(first, width):
            place = b.mul(first, INDEX(vector.count))

            def tile(row, size):
                here, there = b.gep(a, [row]), b.gep(o, [b.add(b.mul(row, stride), place)])
                source = b.gep(d, [place])

                def at(i, j):
                    return b.add(b.mul(stride, INDEX(i)), INDEX(j * vector.count))

                def factors(k):
                    line, begin = b.gep(here, [b.mul(k, left_stride)]), b.mul(k, stride)
                    return (
                        lambda i: b.load(b.gep(line, [INDEX(i)])),
                        lambda j: vector_at(b, source, b.add(begin, INDEX(j * vector.count)), vector),
                    )

                _tile(
                    b,
                    vector,
                    (size, width),
                    lambda i, j: vector_at(b, there, at(i, j), vector),
                    rows,
                    factors,
                    lambda i, j, value: store_at(b, value, there, at(i, j)),
                )

            full = _tile_rows(width)
            cover(b, columns, [full, *(size for size in (4, 2, 1) if size < full)], tile)

        panels(b, vectors, panel)
        return context.get_dummy_value()

    index = types.int64
    kinds = (left, index, index, index, right, index, index, index, out, index)
    return types.void(*kinds), code
