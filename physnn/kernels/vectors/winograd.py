"""Convolutions with fewer multiplications: exact matrices of Toom, Cook and Winograd's minimal filters.

Four neighbouring outputs of a filter of k taps need k + 3 multiplications in place of 4 k, once inputs and taps are
transformed: ``y = A ((G g) (B d))``, products number by number.  S. Winograd, Arithmetic Complexity of Computations
(SIAM 1980); A. Lavin and S. Gray, arXiv:1509.09308.  Here only along rows: rounding grows with the number of points,
and that of a filter in both directions would square it.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

OUTPUTS = 4
"""Neighbouring outputs that share their products."""
POINTS = tuple(Fraction(p, 2) for p in (0, 2, -2, 4, -4, 1, -1))
"""Where polynomials are evaluated, besides at infinity: numbers that keep rounding small."""
KERNELS = (3, 5)
"""Numbers of taps that are served; longer filters would lose digits."""


def _powers(points: tuple[Fraction, ...], n: int) -> list[list[Fraction]]:
    """Return the powers 0 .. n-1 of all points, and those of infinity."""
    return [[p**j for j in range(n)] for p in points] + [[Fraction(int(j == n - 1)) for j in range(n)]]


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    n = len(matrix)
    rows = [row + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(j for j in range(i, n) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j in range(n):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[n:] for row in rows]


@cache
def matrices(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A, G and B of filters of k taps, float64.

    Parameters
    ----------
    k : int
        A number of `KERNELS`.

    Returns
    -------
    tuple of ndarray
        A ``(4, k + 3)``, G ``(k + 3, k)``, B ``(k + 3, k + 3)``: ``A ((G g) (B d))`` is
        ``sum_j g_j d_(i + j)`` for i = 0 .. 3.
    """
    n = k + OUTPUTS - 1
    points = POINTS[: n - 1]
    back = _inverse(_powers(points, n))
    B = [[back[j][i] for j in range(n)] for i in range(n)]
    # Rows of B with largest entry 1, so that transformed inputs are as large as inputs.
    size = [max(map(abs, row)) for row in B]
    G = [[s * v for v in row] for s, row in zip(size, _powers(points, k), strict=True)]
    B = [[v / s for v in row] for s, row in zip(size, B, strict=True)]
    A = np.array(_powers(points, OUTPUTS), float).T
    return A, np.array(G, float), np.array(B, float)


def transformed(kernel: np.ndarray) -> np.ndarray:
    """Return the transformed weights ``(k + 3, k, N, N)`` of a kernel ``(k, k, N, N)`` (row, column, ...), float32."""
    G = matrices(kernel.shape[0])[1]
    return np.asarray(np.einsum("pj,yjab->pyab", G, kernel.astype(np.float64)), np.float32)
