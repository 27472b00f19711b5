"""Sums of products of bytes from vector instructions, which do 64 of them at once."""

from __future__ import annotations

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from physnn.kernels.primitives import data
from physnn.kernels.vectors.langevin_code import INDEX, splat, store_at, vector_at

BYTE_ROWS = 12
"""Rows of a tile; rows of a product are a multiple of it."""
BYTE_COLUMNS = 32
"""Columns of a tile, two registers of sums in every row."""
BYTES_TOGETHER = 4
"""Bytes whose products an instruction adds to one sum."""
_SUMS = ir.VectorType(ir.IntType(32), 16)


def multiplies_bytes() -> bool:
    """Whether this processor has the instruction (AVX-512 VNNI)."""
    named: str = getattr(config, "CPU_FEATURES", None) or llvm.get_host_cpu_features().flatten()
    return {"+avx512f", "+avx512vnni"} <= set(named.split(","))


@intrinsic
def byte_products(typing, left, depth, packed, panels, rows, out):
    """Fill ``out (rows, panels * BYTE_COLUMNS)`` of int32 with sums of products of bytes.

    ``left (rows / BYTE_ROWS, depth, BYTE_ROWS)`` of int32 holds four bytes from 0 to 255 each, and ``packed (panels,
    depth, BYTE_COLUMNS)`` four from -128 to 127 for every column.  All arrays are flat and begin with a cache line.
    """

    def code(context, b, signature, args):
        a, w, o = (data(context, b, signature.args[i], args[i]) for i in (0, 2, 5))
        depth, panels, rows = args[1], args[3], args[4]
        kind = ir.FunctionType(_SUMS, [_SUMS] * 3)
        add = cgutils.get_or_insert_function(b.module, kind, "llvm.x86.avx512.vpdpbusd.512")
        zero, stride = ir.Constant(_SUMS, None), b.mul(panels, INDEX(BYTE_COLUMNS))
        with cgutils.for_range(b, panels, intp=INDEX) as panel:
            weights = b.gep(w, [b.mul(panel.index, b.mul(depth, INDEX(BYTE_COLUMNS)))])
            with cgutils.for_range(b, b.udiv(rows, INDEX(BYTE_ROWS)), intp=INDEX) as tile:
                row = b.mul(tile.index, INDEX(BYTE_ROWS))
                lines = b.gep(a, [b.mul(row, depth)])
                sums = [[cgutils.alloca_once(b, _SUMS) for _ in range(BYTE_COLUMNS // 16)] for _ in range(BYTE_ROWS)]
                for line in sums:
                    for each in line:
                        b.store(zero, each)
                with cgutils.for_range(b, depth, intp=INDEX) as step:
                    at = b.mul(step.index, INDEX(BYTE_COLUMNS))
                    right = [vector_at(b, weights, b.add(at, INDEX(16 * j)), _SUMS) for j in range(BYTE_COLUMNS // 16)]
                    for i in range(BYTE_ROWS):
                        place = b.add(b.mul(step.index, INDEX(BYTE_ROWS)), INDEX(i))
                        bytes_of = splat(b, b.load(b.gep(lines, [place])), _SUMS)
                        for j in range(BYTE_COLUMNS // 16):
                            b.store(b.call(add, [b.load(sums[i][j]), bytes_of, right[j]]), sums[i][j])
                there = b.add(b.mul(row, stride), b.mul(panel.index, INDEX(BYTE_COLUMNS)))
                for i in range(BYTE_ROWS):
                    for j in range(BYTE_COLUMNS // 16):
                        place = b.add(there, b.add(b.mul(stride, INDEX(i)), INDEX(16 * j)))
                        store_at(b, b.load(sums[i][j]), o, place)
        return context.get_dummy_value()

    index = types.int64
    return types.void(left, index, packed, index, index, out), code
