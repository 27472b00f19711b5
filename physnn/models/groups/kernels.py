"""Linear maps between fields on the square lattice that commute with translations and a point group, exact.

A field has the value f(x), a vector, at every site.  A translation t after an element p of the point group takes it
to ``(t p f)(x) = rho(p) f(p^-1 (x - t))``: the representation induced from rho.  Maps that commute with all
translations are ``(K f)(x) = sum_z K(z) f(x + z)``, and with the point group if

    K(p z) = rho'(p) K(z) rho(p)^-1 .

So K is given by its matrices at one offset z of every orbit, and there by those that commute with the elements that
leave z where it is.  No matrix of the whole group is needed, and a side of 64 costs no more than its offsets.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.models.groups.representations import PointGroup, Representation


class KernelBasis(NamedTuple):
    """Basis of the maps between two fields that commute with a group: entries other than 0.

    Attributes
    ----------
    shape : tuple of int
        Numbers of kernels, of components of output and input, and sides of the window.
    places : ndarray of int, shape (5, entries)
        Where each entry lies in an array of that shape.
    entries : ndarray of int, shape (entries,)
        Its value.
    """

    shape: tuple[int, int, int, int, int]
    places: NDArray[np.int64]
    entries: NDArray[np.int64]

    @property
    def dense(self) -> NDArray[np.int64]:
        """All kernels, an array of `shape`."""
        found = np.zeros(self.shape, np.int64)
        found[tuple(self.places)] = self.entries
        return found


def kernel_basis(
    point: PointGroup, first: Representation, second: Representation, side: int, torus: bool = False
) -> KernelBasis:
    """Basis of the maps from one field to another that commute with translations and a point group.

    Parameters
    ----------
    point : PointGroup
        What turns and reflects offsets.
    first, second : Representation
        What it does to values of the input and the output: ``point.representation(...)``.
    side : int
        Side of the window of offsets.
    torus : bool
        Whether offsets are those of a torus of that side, 0 to side - 1.  Else the window lies about the origin, -r
        to r with side 2 r + 1; r is half a whole number where the side is even, as for a filter over all of an image.

    Returns
    -------
    KernelBasis
        Kernels of whole numbers, independent of each other; each is 0 but on one orbit of offsets.

    Raises
    ------
    InputError
        If the side is below 1, or the fields are not those of this point group.
    """
    if side < 1:
        raise InputError(f"the window has side {side}; give at least 1")
    if first.group.order != len(point.matrices) or not np.array_equal(first.group.table, second.group.table):
        raise InputError(f"{first.name} and {second.name} are not fields of the point group {point.name}")
    moved = moved_offsets(point, side, torus)
    starts = np.flatnonzero(moved.min(axis=0) == np.arange(side * side))
    backwards = first.matrices[first.group.inverse]
    kernels, values, places, kept, count = [], [], [], {}, 0
    for z in starts:
        still = tuple(np.flatnonzero(moved[:, z] == z).tolist())
        if still not in kept:
            kept[still] = _commuting(first, second, still)
        at, elements = np.unique(moved[:, z], return_index=True)
        blocks = second.matrices[elements] @ kept[still][:, None] @ backwards[elements]
        n, p, i, j = np.nonzero(blocks)
        kernels.append(n + count)
        places.append(np.stack([i, j, *np.divmod(at[p], side)]))
        values.append(blocks[n, p, i, j])
        count += len(kept[still])
    shape = (count, second.dimension, first.dimension, side, side)
    where = np.concatenate([np.concatenate(kernels)[None], np.concatenate(places, axis=1)])
    return KernelBasis(shape, where, np.concatenate(values))


def moved_offsets(point: PointGroup, side: int, torus: bool = False) -> NDArray[np.int64]:
    """Place that every element takes every offset of a window to, shape (elements, side * side).

    Places are ``row * side + column``; ``side`` and ``torus`` are as in `kernel_basis`.
    """
    # Twice the offsets are whole for even windows, too.
    twice_r = 0 if torus else side - 1
    offsets = 2 * np.stack(np.divmod(np.arange(side * side), side), axis=1) - twice_r
    there = (offsets @ point.matrices.swapaxes(1, 2) + twice_r) // 2
    rows, columns = np.moveaxis(there % side if torus else there, -1, 0)
    return np.asarray(rows * side + columns)


def _commuting(first: Representation, second: Representation, elements: tuple[int, ...]) -> NDArray[np.int64]:
    """Basis of the matrices K with ``rho'(p) K = K rho(p)`` for these elements, shape (basis, d', d)."""
    one, two = (np.eye(d, dtype=np.int64) for d in (first.dimension, second.dimension))
    # Rows of K follow each other in its vector: rho'(p) K - K rho(p) = (rho'(p) x 1 - 1 x rho(p)^T) K.
    conditions = [np.kron(second.matrices[p], one) - np.kron(two, first.matrices[p].T) for p in elements]
    return null_space(np.concatenate(conditions)).reshape(-1, second.dimension, first.dimension)


def null_space(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    """Basis of the vectors that a matrix of whole numbers takes to 0: whole numbers without a common factor.

    Parameters
    ----------
    matrix : ndarray of int, shape (rows, n)
        The matrix; elimination by whole numbers of any length.

    Returns
    -------
    ndarray of int, shape (n - rank, n)
        One vector each for every column that is no pivot, with 0 at the others of these.

    Raises
    ------
    OverflowError
        If a number is beyond 64 bits.
    """
    rows = np.unique(matrix, axis=0).astype(object)
    n = matrix.shape[1]
    pivots: list[int] = []
    for column in range(n):
        free = np.flatnonzero(rows[len(pivots) :][:, column])
        if not len(free):
            continue
        at, k = len(pivots) + free[0], len(pivots)
        rows[[k, at]] = rows[[at, k]]
        pivot = rows[k, column]
        for other in np.flatnonzero(rows[:, column]):
            if other != k:
                row = rows[other] * pivot - rows[k] * rows[other, column]
                rows[other] = row // max(math.gcd(*row), 1)
        pivots.append(column)
    loose = [column for column in range(n) if column not in pivots]
    found = np.zeros((len(loose), n), object)
    for vector, column in zip(found, loose, strict=True):
        scale = math.lcm(*(rows[k, p] for k, p in enumerate(pivots)))
        vector[column] = scale
        for k, p in enumerate(pivots):
            vector[p] = -scale * rows[k, column] // rows[k, p]
        vector[:] = vector // math.gcd(*vector)
    return found.astype(np.int64)
