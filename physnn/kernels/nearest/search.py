"""Exact search for nearest vectors: products of bytes say which ones can be near, double precision decides.

A vector x is written as s k + r, with whole numbers k from -127 to 127 (or 0 to 255), and |r| is known.  For the
product of a query with a vector in memory, |q m - s_q s_m k_q k_m| <= |r_q| |m| + |s_q k_q| |r_m| by the inequality of
Cauchy and Schwarz.  What these bounds cannot leave out is compared in double precision, so that nothing near is lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.errors import InputError
from physnn.kernels.jit import njit
from physnn.kernels.nearest.bytes_code import BYTE_COLUMNS, BYTE_ROWS, BYTES_TOGETHER, byte_products
from physnn.kernels.primitives import aligned_zeros, scratch

QUERY_ROWS = 4 * BYTE_ROWS
"""Queries whose sums are held together."""
INSERTED = 64
"""Numbers that are put in order one by one."""
BOUND_ROUNDING = 4e-6
"""Rounding of bounds in single precision, over the lengths of what they are made of."""
MOST_CHANNELS = 66_000
"""Channels at most: sums of products of bytes have 31 bits."""
ABOUT = {"scale": 0, "rest": 1, "length": 2, "bytes": 3, "sum": 4, "inverse": 5}
"""Columns of numbers about every vector: s, |r|, |x|, s |k + shift|, sum of k, and what x was multiplied with."""
REASSOCIATED = {"reassoc", "nsz", "nnan", "contract"}


@njit(cache=True, nogil=True, fastmath=REASSOCIATED)
def pack_bytes(vectors, unit, kind, group, packed, about):
    """Write vectors ``(n, channels)`` as bytes into panels of a ``group``, and numbers about them into ``about``.

    ``unit``: vectors get length 1.  ``kind``: 0 for -127 to 127, 1 for 0 to 255, 2 for -127 to 127 with 128 added.
    ``packed (panels, depth, group)`` is flat and of int32; see `ABOUT` for ``about (n, 6)``.
    """
    n, channels = vectors.shape
    depth = (channels + 3) // 4
    row = np.zeros(4 * depth, np.uint8)
    words = row.view(np.int32)
    top, shift = (255.0, 0) if kind == 1 else (127.0, 128 if kind == 2 else 0)
    for i in range(n):
        largest, square = np.float32(0), 0.0
        for c in range(channels):
            x = vectors[i, c]
            largest = max(largest, abs(x))
            square += np.float64(x) * np.float64(x)
        length = math.sqrt(square)
        inverse = (1 / length if length > 0 else 0.0) if unit else 1.0
        scale = largest / top
        per = np.float32(1 / scale if scale > 0 else 0.0)
        rest, total, squares = 0.0, 0, 0
        for c in range(channels):
            x = vectors[i, c]
            k = np.int32(np.rint(x * per))
            left = np.float64(x) - k * np.float64(scale)
            rest += left * left
            total += k  # type: ignore[assignment]
            squares += (k + shift) * (k + shift)  # type: ignore[assignment]
            row[c] = np.uint8(k + shift)
        at = (i // group) * depth * group + i % group
        for c in range(depth):
            packed[at + c * group] = words[c]
        about[i, 0] = scale * inverse
        about[i, 1] = math.sqrt(rest) * inverse
        about[i, 2] = length * inverse
        about[i, 3] = scale * inverse * math.sqrt(squares)
        about[i, 4] = total
        about[i, 5] = inverse


@njit(cache=True, nogil=True, fastmath=REASSOCIATED)
def square_distance(a, b, of_a, of_b):
    """|a of_a - b of_b|^2 of vectors in single precision, in double precision."""
    total = 0.0
    for c in range(len(a)):
        d = np.float64(a[c]) * of_a - np.float64(b[c]) * of_b
        total += d * d
    return total


@njit(cache=True, nogil=True)
def keep_smallest(values, numbers, value, number):
    """Insert a value with its number into the smallest ones, in order; of equal ones the lower number comes first."""
    k = len(values) - 1
    if value > values[k] or (value == values[k] and number > numbers[k] >= 0):
        return
    while k > 0 and (values[k - 1] > value or (values[k - 1] == value and numbers[k - 1] > number)):
        values[k], numbers[k] = values[k - 1], numbers[k - 1]
        k -= 1
    values[k], numbers[k] = value, number


@njit(cache=True, nogil=True, fastmath=REASSOCIATED)
def lower_bounds(sums, line, scale, a, b, columns, found, least):
    """Write lower bounds of |m|^2 / 2 - q m to ``found``, and the least of every panel of columns to ``least``.

    The row of ``sums`` begins at ``line``.  ``columns`` has rows of single precision: |m|^2 / 2 less its rounding,
    scale, shift, length and rest.
    """
    for panel in range(len(least)):
        lowest = np.float32(np.inf)
        for j in range(panel * BYTE_COLUMNS, (panel + 1) * BYTE_COLUMNS):
            x = columns[0, j] - scale * (columns[1, j] * np.float32(sums[line + j]) - columns[2, j])
            x -= a * columns[3, j] + b * columns[4, j]
            found[j] = x
            lowest = min(lowest, x)
        least[panel] = lowest


@njit(cache=True, nogil=True)
def order_first(values, numbers, count):
    """Order the first values, and their numbers with them, the smallest first."""
    if count > INSERTED:
        order = np.argsort(values[:count])
        values[:count], numbers[:count] = values[order], numbers[order]
        return
    for i in range(1, count):
        value, number = values[i], numbers[i]
        k = i
        while k > 0 and values[k - 1] > value:
            values[k], numbers[k] = values[k - 1], numbers[k - 1]
            k -= 1
        values[k], numbers[k] = value, number


@njit(cache=True, nogil=True)
def nearest_rows(queries, memory, left, packed, about, of_memory, columns, own, others, indices, squares):
    """Write the nearest vectors of queries, and the squares of their distances.

    Parameters
    ----------
    queries, memory : ndarray of float32, shape (n, channels) and (vectors, channels)
        Vectors as they are.
    left, packed : ndarray of int32
        Their bytes, see `pack_bytes`.
    about, of_memory : ndarray of float64, shape (n, 6) and (vectors, 6)
        Numbers about them.
    columns : ndarray of float32, shape (5, padded vectors)
        See `lower_bounds`.
    own, others : ndarray of int64
        Owners of queries and memory, or of length 0.
    indices, squares : ndarray, shape (n, K)
        Filled with -1 and infinity.
    """
    n, count = indices.shape
    wide = columns.shape[1]
    depth = (queries.shape[1] + 3) // 4
    sums, found = scratch(QUERY_ROWS * wide, left), np.empty(wide, np.float32)
    least = np.empty(wide // BYTE_COLUMNS, np.float32)
    taken, bounds = np.empty(wide, np.int64), np.empty(wide, np.float32)
    upper, nobody = np.empty(count, np.float32), np.zeros(count, np.int64)
    for first in range(0, n, QUERY_ROWS):
        tiles = (min(QUERY_ROWS, n - first) + BYTE_ROWS - 1) // BYTE_ROWS
        part = left[first * depth :]
        byte_products(part, depth, packed, wide // BYTE_COLUMNS, tiles * BYTE_ROWS, sums)  # type: ignore[call-arg]
        for i in range(first, min(first + QUERY_ROWS, n)):
            scale = np.float32(about[i, 0])
            a = np.float32(about[i, 1] + BOUND_ROUNDING * (about[i, 3] + about[i, 2]))
            b = np.float32((about[i, 2] + about[i, 1]) * (1 + BOUND_ROUNDING))
            upper[:] = np.inf
            kept = 0
            lower_bounds(sums, (i - first) * wide, scale, a, b, columns, found, least)
            for panel in range(len(least)):
                if least[panel] > upper[count - 1]:
                    continue
                for j in range(panel * BYTE_COLUMNS, (panel + 1) * BYTE_COLUMNS):
                    low = found[j]
                    if not low <= upper[count - 1] or (len(own) and j < len(others) and own[i] == others[j]):
                        continue
                    if low == np.inf:
                        continue
                    taken[kept], bounds[kept] = j, low
                    kept += 1
                    high = low + 2 * (
                        a * columns[3, j] + b * columns[4, j] + np.float32(BOUND_ROUNDING) * abs(columns[0, j])
                    )
                    keep_smallest(upper, nobody, high, 0)
            square = about[i, 2] ** 2 * (1 - BOUND_ROUNDING)
            few = 0
            for k in range(kept):
                if bounds[k] <= upper[count - 1]:
                    taken[few], bounds[few] = taken[k], bounds[k]
                    few += 1
            order_first(bounds, taken, few)
            for k in range(few):
                if 2 * bounds[k] + square > squares[i, count - 1] * (1 + BOUND_ROUNDING):
                    break  # what follows is farther still
                d = square_distance(queries[i], memory[taken[k]], about[i, 5], of_memory[taken[k], 5])
                keep_smallest(squares[i], indices[i], d, taken[k])


@dataclass(frozen=True)
class ByteMemory:
    """Vectors in memory, as they are and as bytes, ready to be searched.

    Attributes
    ----------
    vectors : ndarray of float32, shape (vectors, channels)
        Vectors as they are.
    packed, about : ndarray
        See `pack_bytes`.
    unit : bool
        Whether vectors are compared at length 1.
    """

    vectors: np.ndarray
    packed: np.ndarray
    about: np.ndarray
    unit: bool

    @classmethod
    def of(cls, vectors: np.ndarray, unit: bool) -> ByteMemory:
        """Memory of vectors ``(vectors, channels)`` in half or single precision.

        Raises
        ------
        InputError
            If there are no channels or more than `MOST_CHANNELS`, or vectors are not finite.
        """
        if vectors.ndim != 2 or not 0 < vectors.shape[1] <= MOST_CHANNELS:
            raise InputError(f"vectors of {vectors.shape[1:]} channels cannot be searched by bytes")
        return cls(*_packed(vectors, unit, 0, BYTE_COLUMNS), unit)

    def nearest(
        self, queries: np.ndarray, count: int, owners: tuple[np.ndarray, np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the nearest vectors of queries ``(n, channels)``, and their distances, both ``(n, count)``.

        The nearest come first, of equal ones that of the lower number; -1 and infinity where there is none.  With
        owners, of queries and of memory, a vector is not matched with one of the same owner.
        """
        n = len(queries)
        kind = 1 if n and np.min(queries) >= 0 else 2
        found, left, about = _packed(queries, self.unit, kind, BYTE_ROWS)
        wide = -(-max(len(self.vectors), 1) // BYTE_COLUMNS) * BYTE_COLUMNS
        columns = np.zeros((5, wide), np.float32)
        columns[0] = np.inf
        mine = self.about
        half = mine[:, 2] ** 2 / 2
        columns[:, : len(mine)] = [
            half * (1 - BOUND_ROUNDING),
            mine[:, 0],
            (128 if kind == 2 else 0) * mine[:, 0] * mine[:, 4],
            mine[:, 2] * (1 + BOUND_ROUNDING),
            (mine[:, 1] + BOUND_ROUNDING * mine[:, 2]) * (1 + BOUND_ROUNDING),
        ]
        own, others = (np.asarray(each, np.int64) for each in owners or (np.empty(0), np.empty(0)))
        indices, squares = np.full((n, count), -1), np.full((n, count), np.inf)
        nearest_rows(found, self.vectors, left, self.packed, about, mine, columns, own, others, indices, squares)
        return indices, np.sqrt(squares)


def _packed(vectors: np.ndarray, unit: bool, kind: int, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors in single precision, their bytes in panels of a group, and numbers about them."""
    plain = np.ascontiguousarray(vectors, np.float32)
    depth, panels = -(-plain.shape[1] // BYTES_TOGETHER), -(-max(len(plain), 1) // group)
    packed, about = aligned_zeros((panels * depth * group,), np.dtype(np.int32)), np.zeros((len(plain), len(ABOUT)))
    pack_bytes(plain, unit, kind, group, packed, about)
    if not np.isfinite(about).all():
        raise InputError("vectors to be compared have to be finite, and their squares too")
    return plain, packed, about
