"""Addresses of arrays, atomic counters and waiting threads inside compiled loops.

Threads work on neighbouring bands of a lattice.  Their *meeting* is an array of int64 with a counter for every band,
`COUNTER_SPACING` apart, and last a sign to give up.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physnn.kernels.jit import njit

SPIN = 1000
"""Looks at the other bands before a thread lets go of its core."""
COUNTER_SPACING = 8
"""Counters lie so many 64-bit numbers apart: each in a cache line of its own."""


def data(context, builder, kind, array):
    """Pointer to the first element of an array, in the code that is being made."""
    return context.make_array(kind)(context, builder, array).data


CACHE_LINE = 64
"""Bytes that come from memory together; vectors that cross their bounds take twice the time."""


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros that begin with a cache line."""
    size = math.prod(shape) * dtype.itemsize
    room = np.zeros(size + CACHE_LINE, np.uint8)
    first = -room.ctypes.data % CACHE_LINE
    return room[first : first + size].view(dtype).reshape(shape)


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins with a cache line."""
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


@njit(cache=True, nogil=True)
def scratch(size, like):
    """Zeros of the type of ``like (n,)``, which begin with a cache line."""
    room = np.zeros(size + CACHE_LINE // like.itemsize, like.dtype)
    first = (-room.ctypes.data % CACHE_LINE) // like.itemsize
    return room[first : first + size]


@njit(cache=True, nogil=True)
def copy(source, target):
    """Copy an array of two dimensions to another of its shape.

    ``target[...] = source`` would be compiled with what numba says when shapes differ: seconds of formatting text.
    """
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@intrinsic
def arrive(typing, meeting, index):
    """Add one to ``meeting[index]``, atomically, and return what it was."""

    def code(context, b, signature, args):
        base = data(context, b, signature.args[0], args[0])
        return b.atomic_rmw("add", b.gep(base, [args[1]]), ir.IntType(64)(1), "seq_cst")

    return types.int64(meeting, types.int64), code


@intrinsic
def read_counter(typing, meeting, index):
    """``meeting[index]``, atomically."""

    def code(context, b, signature, args):
        base = data(context, b, signature.args[0], args[0])
        return b.load_atomic(b.gep(base, [args[1]]), "seq_cst", 8)

    return types.int64(meeting, types.int64), code


@intrinsic
def give_way(typing):
    """Let another thread run, where the system has a call for it."""

    def code(context, b, signature, args):
        if sys.platform != "win32":
            kind = ir.FunctionType(ir.IntType(32), [])
            b.call(cgutils.get_or_insert_function(b.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), code


@njit(cache=True, nogil=True)
def wait_for_neighbours(meeting, band, bands, rounds):
    """Wait until both neighbouring bands have arrived so many times; return False when told to give up."""
    for other in ((band - 1) % bands, (band + 1) % bands):
        tries = 0
        while read_counter(meeting, COUNTER_SPACING * other) < rounds:  # type: ignore[call-arg]
            if read_counter(meeting, COUNTER_SPACING * bands):
                return False
            tries += 1
            if tries > SPIN:
                give_way()
    return True
