"""Convolutions by Fourier transforms of tiles: fewer multiplications than the sum over neighbours, and less rounding.

A tile of 12 x 12 sites has (13 - k)^2 fields that depend on it alone.  Its transform is 4 real and 70 complex vectors;
each is multiplied by the transform of the kernel, a complex matrix A + i B, with three real products,

    (A + i B)(c + i d) = k1 - k3 + i (k1 + k2),   k1 = (A + B) c,  k2 = A (d - c),  k3 = B (c + d).

So there are 214 products of a matrix and a vector for 64 fields of a 5 x 5 kernel, in place of 25 for each.
Overlapping tiles: J. W. Cooley and J. W. Tukey's transform as used by T. G. Stockham, Proc. AFIPS 28, 229 (1966).
"""

from __future__ import annotations

import functools

import numpy as np

from physnn.kernels.primitives import aligned

SIDE = 12
"""Sites along a tile: 3 x 4, so that transforms are short, and 8 fields of a 5 x 5 kernel divide usual sizes."""
KERNELS = (3, 5, 7, 9)
"""Sides of kernels that are served: of larger ones a tile has too few fields."""
LINE, PLANE = 17, 36
"""Products of a real line of the transform, frequencies 0 .. 6, and of a complex one, frequencies 0 .. 11."""
PRODUCTS = 2 * LINE + 5 * PLANE


def fields_along(k: int) -> int:
    """Fields of a tile along one side, for a kernel of side k."""
    return SIDE - k + 1


def _three(G: np.ndarray) -> list[np.ndarray]:
    return [G.real + G.imag, G.real, G.imag]


def transformed(kernel: np.ndarray) -> np.ndarray:
    """Matrices ``(214, N, N)``, float32, of all products, of a kernel ``(k, k, N, N)`` (row, column, ...).

    Lines of a tile's rows are 0, 6, then 1 .. 5; in the first two, frequencies along columns are 0, 6, 1 .. 5, in the
    others 0 .. 11.  Frequencies that stand for their opposites as well count twice.
    """
    return _transformed(kernel.tobytes(), kernel.dtype.str, kernel.shape)


@functools.lru_cache(maxsize=8)
def _transformed(numbers: bytes, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    kernel = np.frombuffer(numbers, kind).reshape(shape)
    wide = np.zeros((SIDE, SIDE, *kernel.shape[2:]))
    wide[: kernel.shape[0], : kernel.shape[1]] = kernel
    G = np.fft.fft2(wide, axes=(0, 1)) / SIDE**2
    found = []
    for f in (0, 6):
        found += [G[0, f].real, G[6, f].real]
        for g in range(1, 6):
            found += _three(2 * G[g, f])
    for f in range(1, 6):
        for g in range(SIDE):
            found += _three(2 * G[g, f])
    return aligned(np.array(found, np.float32))
