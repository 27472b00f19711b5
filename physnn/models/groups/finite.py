"""Finite groups as multiplication tables, their classes and irreducible characters.

An element is its number; 0 is the identity, and ``table[g, h]`` is the number of g h.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError

MOST_ELEMENTS = 4096
"""Elements of the largest group whose table is made: 128 MiB."""
_CLOSE = 1e-6


class Characters(NamedTuple):
    """Irreducible characters of a group, exact.

    Attributes
    ----------
    multiplicities : ndarray of int, shape (characters, classes, e)
        How often ``exp(2 pi i k/e)`` is an eigenvalue of the matrix of a class, with e the exponent of the group.
    """

    multiplicities: NDArray[np.int64]

    @property
    def degrees(self) -> NDArray[np.int64]:
        """Dimensions of the irreducible representations."""
        return np.asarray(self.multiplicities[:, 0].sum(axis=1))

    @property
    def values(self) -> NDArray[np.complex128]:
        """Traces, shape (characters, classes)."""
        e = self.multiplicities.shape[2]
        return np.asarray(self.multiplicities @ np.exp(2j * np.pi * np.arange(e) / e))


@dataclass(frozen=True, eq=False)
class FiniteGroup:
    """Finite group by its multiplication table.

    Parameters
    ----------
    name : str
        What it is called.
    table : ndarray of int, shape (n, n)
        Number of the product of every two elements.

    Raises
    ------
    InputError
        If the table is not that of a group with identity 0, or has over `MOST_ELEMENTS` elements.
    """

    name: str
    table: NDArray[np.int64] = field(repr=False)

    def __post_init__(self) -> None:
        n, numbers = len(self.table), np.arange(len(self.table))
        if n > MOST_ELEMENTS:
            raise InputError(f"{self.name} has {n} elements; tables are made for at most {MOST_ELEMENTS}")
        square = self.table.shape == (n, n)
        latin = square and all((np.sort(table, axis=1) == numbers).all() for table in (self.table, self.table.T))
        if not latin or not np.array_equal(self.table[0], numbers):
            raise InputError(f"the table of {self.name} is no group's: rows and columns need every element once")
        # Generators suffice: those g with (g h) k = g (h k) for all h, k are closed under products.
        for g in self.generators:
            if not np.array_equal(self.table[self.table[g]], self.table[g][self.table]):
                raise InputError(f"the table of {self.name} is no group's: products depend on their brackets")

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.table)

    @cached_property
    def generators(self) -> tuple[int, ...]:
        """Elements whose products are all elements, each outside what those before it generate."""
        found: list[int] = []
        reached = np.arange(self.order) == 0
        while not reached.all():
            found.append(int(np.flatnonzero(~reached)[0]))
            reached[found[-1]], before = True, 0
            while before != (before := int(reached.sum())):
                reached[self.table[np.ix_(reached, reached)]] = True
        return tuple(found)

    @cached_property
    def inverse(self) -> NDArray[np.int64]:
        """Number of the inverse of every element."""
        return np.asarray(np.argmin(self.table, axis=1))

    @cached_property
    def powers(self) -> NDArray[np.int64]:
        """Number of every power 0 ... e - 1 of every element, shape (n, e), with e the exponent of the group."""
        columns = [np.zeros(self.order, np.int64), np.arange(self.order)]
        while columns[-1].any():
            columns.append(self.table[columns[-1], np.arange(self.order)])
        return np.stack(columns[:-1], axis=1)

    @cached_property
    def class_of(self) -> NDArray[np.int64]:
        """Number of the conjugacy class of every element; class 0 is that of the identity."""
        least = np.arange(self.order)
        for g in range(self.order):
            np.minimum(least, self.table[self.table[g], self.inverse[g]], out=least)
        return np.asarray(np.unique(least, return_inverse=True)[1])

    @cached_property
    def representatives(self) -> NDArray[np.int64]:
        """First element of every conjugacy class."""
        return np.asarray(np.unique(self.class_of, return_index=True)[1])

    @cached_property
    def class_sizes(self) -> NDArray[np.int64]:
        """Number of elements of every conjugacy class."""
        return np.bincount(self.class_of)

    @cached_property
    def characters(self) -> Characters:
        """Irreducible characters, by degree.

        Sums over classes commute, and their common eigenvectors are the characters (W. Burnside).  Floats find these;
        what is kept are whole numbers, the multiplicities of eigenvalues, and these are held to orthogonality.

        Raises
        ------
        ArithmeticError
            If rounding spoilt them.
        """
        sizes, k = self.class_sizes, len(self.class_sizes)
        weights = np.sqrt(np.arange(2, 2 + 2 * k)).reshape(2, k)  # incommensurate, so that no eigenvalues coincide
        total = np.zeros((k, k), complex)
        for r in range(k):
            members = self.inverse[self.class_of == r]
            to = self.class_of[self.table[np.ix_(members, self.representatives)]]
            counts = np.stack([np.bincount(column, minlength=k) for column in to.T], axis=1)
            normal = counts * np.sqrt(sizes)[None, :] / np.sqrt(sizes)[:, None] / len(members)
            total += weights[0, r] * (normal + normal.T) + 1j * weights[1, r] * (normal - normal.T)
        vectors = np.linalg.eigh(total)[1] / np.sqrt(sizes)[:, None]
        values = (vectors / (vectors[0] / np.abs(vectors[0]))).T * math.sqrt(self.order)
        values = values[np.lexsort(np.round(np.concatenate([values.imag.T[::-1], values.real.T[::-1]]), 6))]
        return Characters(self._multiplicities(values))

    def _multiplicities(self, values: NDArray[np.complex128]) -> NDArray[np.int64]:
        """Whole numbers behind approximate characters, shape (characters, classes)."""
        along = values[:, self.class_of[self.powers[self.representatives]]]
        rough = np.fft.fft(along, axis=2) / along.shape[2]
        exact = np.rint(rough.real).astype(np.int64)
        traces = Characters(exact).values
        overlaps = (traces * self.class_sizes) @ traces.conj().T / self.order
        if np.abs(rough - exact).max() > _CLOSE or np.abs(overlaps - np.eye(len(values))).max() > _CLOSE:
            raise ArithmeticError(f"characters of {self.name} are lost in rounding")
        return np.asarray(exact)


def cyclic(n: int) -> FiniteGroup:
    """Cyclic group Z_n; element k is the k-th power of the generator."""
    _check_number(n, MOST_ELEMENTS)
    k = np.arange(n)
    return FiniteGroup(f"Z_{n}", (k[:, None] + k) % n)


def dihedral(n: int) -> FiniteGroup:
    """Dihedral group D_n of 2 n elements: turns 0 ... n - 1, then reflections, each a reflection before a turn."""
    _check_number(n, MOST_ELEMENTS // 2)
    return semidirect(cyclic(n), cyclic(2), np.stack([np.arange(n), -np.arange(n) % n]), f"D_{n}")


def symmetric(n: int) -> FiniteGroup:
    """Group S_n of all permutations of n <= 6 things, in lexicographic order; g h does h first."""
    _check_number(n, 6)
    every = np.array(list(itertools.permutations(range(n))))
    numbers = every @ n ** np.arange(n)[::-1]
    products = every[:, every] @ n ** np.arange(n)[::-1]
    return FiniteGroup(f"S_{n}", np.searchsorted(numbers, products))


def semidirect(normal: FiniteGroup, acting: FiniteGroup, action: NDArray[np.int64], name: str = "") -> FiniteGroup:
    """Semidirect product with ``(a, p) (b, q) = (a p(b), p q)``; element (a, p) is number ``p n + a``.

    Parameters
    ----------
    normal, acting : FiniteGroup
        Groups of a and b, of n elements, and of p and q.
    action : ndarray of int, shape (acting, n)
        Number of p(b) for every p and b.
    name : str, optional
        What it is called.

    Raises
    ------
    InputError
        If the action does not respect products, or the product is too large.
    """
    n, m = normal.order, acting.order
    if n * m > MOST_ELEMENTS:
        raise InputError(f"{name or 'this product'} has {n * m} elements; tables are made for at most {MOST_ELEMENTS}")
    respects = all(np.array_equal(p[normal.table], normal.table[np.ix_(p, p)]) for p in action)
    if action.shape != (m, n) or not respects or not np.array_equal(action[:, action], action[acting.table]):
        raise InputError(f"the action of {acting.name} on {normal.name} does not respect products")
    # Axes: p, a, q, b.
    first = normal.table[np.arange(n)[None, :, None, None], action[:, None, None, :]]
    second = acting.table[:, None, :, None]
    table = (second * n + first).reshape(n * m, n * m)
    return FiniteGroup(name or f"{normal.name} : {acting.name}", table)


def product(left: FiniteGroup, right: FiniteGroup) -> FiniteGroup:
    """Direct product; element (a, p) is number ``p n + a`` with n the elements of ``left``."""
    still = np.broadcast_to(np.arange(left.order), (right.order, left.order))
    return semidirect(left, right, still, f"{left.name} x {right.name}")


def _check_number(n: int, most: int) -> None:
    if not 1 <= n <= most:
        raise InputError(f"n is {n}; give 1 to {most}, so that a table of products is small enough")
