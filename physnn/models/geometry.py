"""Lattices as data: a unit cell, how many cells there are, and what happens at the edges.

A kind of lattice is a row of `CELLS`.  Bonds follow from the positions of sites: class 0 are pairs at the shortest
distance, class 1 those at the next one.  What samplers need is the table of neighbours of a `Lattice`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from physnn.errors import InputError

EDGES = ("periodic", "free", "antiperiodic")
"""What happens to bonds that leave a lattice in a direction: they return on the other side, are cut, or return with
the opposite sign of their energy."""
CELLS_APART = 2
"""Cells between the two sites of a bond along any direction, at most, among nearest and next-nearest neighbours."""
NOWHERE = 4
"""Kind of a nearest bond that a free edge cuts; a next-nearest one has the number after it."""
HALF, THIRD = Fraction(1, 2), Fraction(1, 3)


class Wave(NamedTuple):
    """Order ``v = 1/N sum_i exp(2 pi i (k.x_i + phase_b)) s_i`` of sites in cells x with the number b in the cell.

    Attributes
    ----------
    k : tuple of Fraction
        Wave vector, one number per direction, in turns per cell.
    phases : tuple of Fraction
        Phase of every site of a cell, in turns; empty for none.
    """

    k: tuple[Fraction, ...]
    phases: tuple[Fraction, ...] = ()

    @property
    def real(self) -> bool:
        """Whether the weights of all sites are +1 or -1, so that v is real."""
        return all((2 * part).denominator == 1 for part in (*self.k, *self.phases))


class Cell(NamedTuple):
    """Unit cell of a kind of lattice.

    Attributes
    ----------
    vectors : tuple of tuple of float
        Primitive vectors, in units of their length, the slowest direction first: of a row, then within it.
    parts : int
        Sites of a cell lie at multiples of the primitive vectors over ``parts``.
    basis : tuple of tuple of int
        These multiples, one tuple per site.
    orders : dict of str to tuple of Wave
        Order parameters by name: ``m^2 = sum over waves of |v|^2``.
    """

    vectors: tuple[tuple[float, ...], ...]
    parts: int
    basis: tuple[tuple[int, ...], ...]
    orders: dict[str, tuple[Wave, ...]]


_ROWS = ((0.0, 1.0), (1.0, 0.0))
_SLANTED = ((0.5, math.sqrt(0.75)), (1.0, 0.0))
_CUBE = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
CELLS = {
    "square": Cell(
        _ROWS,
        1,
        ((0, 0),),
        {"staggered": (Wave((HALF, HALF)),), "stripe": (Wave((HALF, HALF * 0)), Wave((HALF * 0, HALF)))},
    ),
    "triangular": Cell(
        _SLANTED,
        1,
        ((0, 0),),
        {
            "staggered": (Wave((THIRD, 2 * THIRD)),),
            "stripe": (Wave((HALF, HALF * 0)), Wave((HALF * 0, HALF)), Wave((HALF, HALF))),
        },
    ),
    "honeycomb": Cell(_SLANTED, 3, ((0, 0), (1, 1)), {"staggered": (Wave((HALF * 0, HALF * 0), (HALF * 0, HALF)),)}),
    "kagome": Cell(
        _SLANTED,
        2,
        ((0, 0), (1, 0), (0, 1)),
        {"staggered": (Wave((HALF * 0, HALF * 0), (HALF * 0, THIRD, 2 * THIRD)),)},
    ),
    "cubic": Cell(
        _CUBE,
        1,
        ((0, 0, 0),),
        {
            "staggered": (Wave((HALF, HALF, HALF)),),
            "stripe": tuple(Wave(tuple(HALF * (d == axis) for d in range(3))) for axis in range(3)),
        },
    ),
}
"""Unit cells by the kind of lattice.

The order ``staggered`` alternates between the sublattices that an antiferromagnet of nearest neighbours has: two of the
square, honeycomb and cubic lattices, three of the triangular (the sqrt 3 x sqrt 3 order) and kagome ones (the order of
wave number 0).  ``stripe`` alternates between lines of the lattice, or planes of the cubic one, in any direction.
"""


class CellBond(NamedTuple):
    """Bond between sites ``a`` and ``b`` of cells that are ``offset`` apart, of class 0 (nearest) or 1 (next)."""

    a: int
    b: int
    offset: tuple[int, ...]
    kind: int


@cache
def cell_bonds(kind: str) -> tuple[CellBond, ...]:
    """Bonds of nearest and next-nearest neighbours that belong to a cell, every bond once."""
    cell, found = CELLS[kind], []
    vectors, basis = np.array(cell.vectors), np.array(cell.basis) / cell.parts
    for offset in itertools.product(range(-CELLS_APART, CELLS_APART + 1), repeat=len(vectors)):
        for a, b in itertools.product(range(len(basis)), repeat=2):
            # Of a bond and its reverse the one that leads forward counts.
            if (offset, b) > ((0,) * len(vectors), a):
                length = float(np.linalg.norm((offset + basis[b] - basis[a]) @ vectors))
                found.append((round(length, 9), a, b, offset))
    lengths = sorted({bond[0] for bond in found})[:2]
    chosen = [CellBond(a, b, offset, lengths.index(r)) for r, a, b, offset in found if r in lengths]
    return tuple(sorted(chosen, key=lambda bond: (bond.kind, bond.a, bond.offset, bond.b)))


class Neighbours(NamedTuple):
    """Neighbours of all sites, by pattern: sites of a pattern have theirs at the same places relative to themselves.

    The bonds of a site are numbered, nearest ones first.  A pattern is a site of the cell and how far it is from edges,
    so there are few; neighbours of site i are ``i + offsets[patterns[i]]``.

    Attributes
    ----------
    patterns : ndarray of int16, shape (N,)
        Pattern of every site.
    offsets : ndarray of int32, shape (patterns, z)
        Numbers of neighbours less that of the site; 0 where a free edge has none.
    kinds : ndarray of int8, shape (patterns, z)
        Class of every bond, 0 or 1; plus 2 where its energy has the opposite sign, `NOWHERE` where there is none.
    """

    patterns: np.ndarray
    offsets: np.ndarray
    kinds: np.ndarray

    def table(self) -> np.ndarray:
        """Neighbours of every site, int64 (N, z), -1 where there is none."""
        sites = np.arange(len(self.patterns))[:, None] + self.offsets[self.patterns]
        return np.where(self.kinds[self.patterns] >= NOWHERE, -1, sites)


@dataclass(frozen=True)
class Lattice:
    """Lattice of ``sides`` cells; sites are numbered cell by cell, the last direction fastest.

    On a periodic side of 2 two bonds may lead to the same neighbour, and both count; a periodic side of 1 is refused.
    Nearest neighbours are distinct from sides of 3 on, those of honeycomb and kagome from 2 on; with next-nearest ones
    all are distinct from 3 on, those of triangular from 4 and those of kagome from 2 on.

    Parameters
    ----------
    kind : str
        ``square``, ``triangular``, ``honeycomb``, ``kagome`` or ``cubic``, see `CELLS`.
    sides : tuple of int
        Cells along each direction: rows and columns, of the cubic lattice planes first.
    edges : tuple of str
        One of `EDGES` for each direction, or one for all.  Antiperiodic edges turn the sign of the energy of bonds
        that leave on one side and return on the other.

    Raises
    ------
    InputError
        If there is no such kind or edge, or sides are too few, too many or too short.
    """

    kind: str
    sides: tuple[int, ...]
    edges: tuple[str, ...] = ("periodic",)

    def __post_init__(self) -> None:
        if self.kind not in CELLS:
            raise InputError(f"there is no lattice {self.kind!r}; choose one of {', '.join(CELLS)}")
        dims = len(CELLS[self.kind].vectors)
        if len(self.edges) == 1:
            object.__setattr__(self, "edges", self.edges * dims)
        if len(self.edges) != dims or not set(self.edges) <= set(EDGES):
            raise InputError(f"a {self.kind} lattice needs one or {dims} edges of: {', '.join(EDGES)}")
        least = [1 if edge == "free" else 2 for edge in self.edges]
        if len(self.sides) != dims or any(n < low for n, low in zip(self.sides, least, strict=False)):
            raise InputError(f"a {self.kind} lattice needs {dims} sides of 2 or more, not {self.sides}")

    @property
    def cell(self) -> Cell:
        """Unit cell."""
        return CELLS[self.kind]

    @property
    def size(self) -> int:
        """Number N of sites."""
        return math.prod(self.sides) * len(self.cell.basis)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the array of a configuration: the first side, and the sites that share a place on it."""
        return self.sides[0], self.size // self.sides[0]

    @property
    def plain(self) -> bool:
        """Whether it is a square lattice on a torus."""
        return self.kind == "square" and set(self.edges) == {"periodic"}

    def cells(self) -> np.ndarray:
        """Cell of every site by direction, int32 (dimensions, N)."""
        places = np.indices(self.sides, np.int32).reshape(len(self.sides), -1)
        return np.repeat(places, len(self.cell.basis), axis=1)

    def waves(self) -> dict[str, tuple[Wave, ...]]:
        """Order parameters by name, of those whose waves fit between edges that are not free."""
        turning = [d for d, edge in enumerate(self.edges) if edge != "free"]
        fits = {n: all((self.sides[d] * w.k[d]).denominator == 1 for w in o for d in turning) for n, o in self._named}
        return {name: order for name, order in self._named if fits[name]}

    @property
    def _named(self) -> tuple[tuple[str, tuple[Wave, ...]], ...]:
        return tuple(self.cell.orders.items())


class Measures(NamedTuple):
    """What the order parameters and structure factors of a lattice need, by site.

    Attributes
    ----------
    labels : ndarray of int32, shape (N,)
        Number of the place of a site in the period of all orders.
    weights : ndarray of complex, shape (waves, labels)
        Weight of a site by label, of the waves of all orders one after the other.
    orders : ndarray of int64, shape (waves,)
        Order, by its number in `Lattice.waves`, that a wave belongs to.
    planes : ndarray of int32, shape (dimensions, N)
        Place of a site along each direction, in units of the cell over `Cell.parts`.
    periods : ndarray of int64, shape (dimensions,)
        Places along each direction: the smallest wave number is 2 pi over these.
    """

    labels: np.ndarray
    weights: np.ndarray
    orders: np.ndarray
    planes: np.ndarray
    periods: np.ndarray


@lru_cache(maxsize=8)
def measures(lattice: Lattice) -> Measures:
    """Labels, weights and places of all sites of a lattice."""
    cell, cells, waves = lattice.cell, lattice.cells(), lattice.waves()
    dims, count = len(cell.vectors), len(cell.basis)
    period = math.lcm(*(part.denominator for order in waves.values() for wave in order for part in wave.k))
    basis = np.tile(np.arange(count), math.prod(lattice.sides))
    labels = np.ravel_multi_index((*(cells % period), basis), (*(period,) * dims, count)).astype(np.int32)
    places = np.indices((*(period,) * dims, count)).reshape(dims + 1, -1)
    weights = [
        np.exp(2j * math.pi * (np.array(wave.k, float) @ places[:-1] + _phases(wave, count)[places[-1]]))
        for order in waves.values()
        for wave in order
    ]
    orders = np.repeat(np.arange(len(waves)), [len(order) for order in waves.values()])
    planes = cells * cell.parts + np.array(cell.basis, np.int32).T[:, basis]
    periods = np.array(lattice.sides) * cell.parts
    return Measures(
        labels,
        np.array(weights, complex).reshape(-1, places.shape[1]),
        orders,
        np.ascontiguousarray(planes % periods[:, None], np.int32),
        periods,
    )


def _phases(wave: Wave, count: int) -> np.ndarray:
    return np.array(wave.phases, float) if wave.phases else np.zeros(count)


@lru_cache(maxsize=8)
def neighbours(lattice: Lattice, classes: int = 1) -> Neighbours:
    """Neighbours on a lattice, the nearest ones alone or with 2 classes also the next-nearest ones."""
    count, sides = len(lattice.cell.basis), np.array(lattice.sides)
    ways: list[list[tuple[int, tuple[int, ...], int]]] = [[] for _ in range(count)]
    for bond in cell_bonds(lattice.kind):
        if bond.kind < classes:
            ways[bond.a].append((bond.b, bond.offset, bond.kind))
            ways[bond.b].append((bond.a, tuple(-n for n in bond.offset), bond.kind))
    # Places that differ in their neighbours: those within reach of an edge, and one between them.
    reach = [min(side, 2 * CELLS_APART + 1) for side in lattice.sides]
    places = np.indices(reach).reshape(len(reach), -1)
    cells = np.where(places <= CELLS_APART, places, sides[:, None] - np.array(reach)[:, None] + places)
    offsets = np.empty((places.shape[1], count, len(ways[0])), np.int32)
    kinds = np.empty(offsets.shape, np.int8)
    for b, of_site in enumerate(ways):
        for slot, (other, offset, kind) in enumerate(sorted(of_site, key=lambda way: way[2])):
            times, inside = np.divmod(cells + np.array(offset)[:, None], sides[:, None])
            cut = (times != 0)[np.array(lattice.edges) == "free"].any(axis=0)
            turned = np.abs(times)[np.array(lattice.edges) == "antiperiodic"].sum(axis=0) % 2
            far = (np.ravel_multi_index(inside, sides) - np.ravel_multi_index(cells, sides)) * count + other - b
            offsets[:, b, slot] = np.where(cut, 0, far)
            kinds[:, b, slot] = np.where(cut, NOWHERE + kind, kind + 2 * turned)
    index = [
        np.where(x <= CELLS_APART, x, np.maximum(x - side + n, min(CELLS_APART, n - 1)))
        for x, side, n in _lines(sides, reach)
    ]
    of_cells = np.ravel_multi_index(np.ix_(*index), reach).reshape(-1)
    patterns = (of_cells[:, None] * count + np.arange(count)).reshape(-1)
    return Neighbours(patterns.astype(np.int16), offsets.reshape(-1, len(ways[0])), kinds.reshape(-1, len(ways[0])))


def _lines(sides: np.ndarray, reach: list[int]) -> list[tuple[np.ndarray, int, int]]:
    return [(np.arange(side), int(side), n) for side, n in zip(sides, reach, strict=True)]
