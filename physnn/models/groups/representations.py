"""Representations by whole numbers: of any finite group, and of the point groups of the square lattice.

A representation is a matrix rho(g) of integers for every element, with rho(g h) = rho(g) rho(h).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.models.groups.finite import FiniteGroup, cyclic, product, semidirect

PointGroupName = Literal["c1", "c2", "c4", "d1", "d2", "d4"]
"""Point group of the square lattice; ``c1`` does nothing."""
POINT_GROUPS: tuple[PointGroupName, ...] = get_args(PointGroupName)
"""Point groups of the square lattice: turns by full, half and quarter turns, and the same with reflections."""
_TURN, _MIRROR = np.array([[0, -1], [1, 0]]), np.array([[1, 0], [0, -1]])


@dataclass(frozen=True, eq=False)
class Representation:
    """Representation of a finite group by matrices of integers.

    Parameters
    ----------
    group : FiniteGroup
        What is represented.
    matrices : ndarray of int, shape (n, d, d)
        Matrix of every element.
    name : str
        What it is called.

    Raises
    ------
    InputError
        If products of matrices are not matrices of products.
    """

    group: FiniteGroup
    matrices: NDArray[np.int64] = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        d = self.matrices.shape[-1]
        shapes = self.matrices.shape == (self.group.order, d, d)
        if not shapes or not np.array_equal(self.matrices[0], np.eye(d, dtype=np.int64)):
            raise InputError(
                f"{self.name or 'this'} does not represent {self.group.name}: give one matrix for each element"
            )
        for g in self.group.generators:
            if not np.array_equal(self.matrices[g] @ self.matrices, self.matrices[self.group.table[g]]):
                raise InputError(f"{self.name or 'this'} does not represent {self.group.name}: products do not agree")

    @property
    def dimension(self) -> int:
        """Number of components."""
        return int(self.matrices.shape[-1])

    @property
    def character(self) -> NDArray[np.int64]:
        """Trace of every matrix, shape (n,)."""
        return np.asarray(np.trace(self.matrices, axis1=1, axis2=2))

    @property
    def permutes(self) -> bool:
        """Whether every matrix permutes components, so that the same function of each component commutes with it."""
        return bool(np.all((self.matrices == 0) | (self.matrices == 1)))

    @property
    def permutes_with_signs(self) -> bool:
        """Whether every matrix permutes components up to signs, so that an odd function of each commutes with it."""
        return bool(np.all(np.abs(self.matrices).sum(axis=1) == 1))

    def decomposed(self) -> NDArray[np.int64]:
        """How often every irreducible representation occurs, in the order of ``group.characters``."""
        traces = self.character[self.group.representatives]
        irreducible = self.group.characters.values
        return np.rint((irreducible.conj() * self.group.class_sizes) @ traces / self.group.order).real.astype(np.int64)


def maps_between(first: Representation, second: Representation) -> int:
    """Dimension of the linear maps that commute with a group, ``1/n sum_g chi(g^-1) chi'(g)``, exact.

    Raises
    ------
    InputError
        If the two represent different groups.
    """
    if first.group is not second.group:
        raise InputError(f"{first.name} and {second.name} represent different groups")
    total = int(first.character[first.group.inverse] @ second.character)
    assert total % first.group.order == 0
    return total // first.group.order


def trivial(group: FiniteGroup) -> Representation:
    """Representation of every element by 1."""
    return Representation(group, np.ones((group.order, 1, 1), np.int64), "trivial")


def regular(group: FiniteGroup) -> Representation:
    """Representation on functions of the group: g takes the component of h to that of g h."""
    matrices = np.zeros((group.order,) * 3, np.int64)
    g, h = np.indices(group.table.shape)
    matrices[g, group.table, h] = 1
    return Representation(group, matrices, "regular")


def induced(group: FiniteGroup, subgroup: Sequence[int], matrices: NDArray[np.int64], name: str = "") -> Representation:
    """Representation induced from one of a subgroup.

    Its components are those at every coset: at ``x = g_x H``, and g takes component v at x to ``rho(h) v`` at y with
    ``g g_x = g_y h``.

    Parameters
    ----------
    group : FiniteGroup
        The large group.
    subgroup : sequence of int
        Elements of the subgroup, the identity first.
    matrices : ndarray of int, shape (len(subgroup), d, d)
        Matrices of these elements.
    name : str, optional
        What it is called.

    Returns
    -------
    Representation
        Of dimension ``d n / len(subgroup)``; cosets by their least element, the slower axis.

    Raises
    ------
    InputError
        If the elements are not those of a subgroup, or the matrices do not represent it.
    """
    members = np.asarray(subgroup)
    where = np.full(group.order, -1)
    where[members] = np.arange(len(members))
    inner = where[group.table[np.ix_(members, members)]]
    if members[0] != 0 or (inner < 0).any():
        raise InputError(f"elements {list(subgroup)} are no subgroup of {group.name}")
    Representation(FiniteGroup("the subgroup", inner), matrices, name)
    first = group.table[:, members].min(axis=1)
    starts = np.unique(first)
    d, cosets = matrices.shape[-1], len(starts)
    found = np.zeros((group.order, cosets, d, cosets, d), np.int64)
    g, x = np.indices((group.order, cosets))
    moved = group.table[g, starts[x]]
    y = np.searchsorted(starts, first[moved])
    h = where[group.table[group.inverse[starts[y]], moved]]
    found[g, y, :, x, :] = matrices[h]
    return Representation(group, found.reshape(group.order, cosets * d, cosets * d), f"induced {name}".strip())


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Point group of the square lattice: matrices of integers that act on offsets (row, column).

    Parameters
    ----------
    name : str
        One of `POINT_GROUPS`.  ``d1`` is the reflection of columns, a flip from left to right; of the others ``c`` are
        turns alone, and ``d`` are turns and reflections.

    Raises
    ------
    InputError
        If there is no such group.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in POINT_GROUPS:
            raise InputError(f"there is no point group {self.name!r}; take one of {', '.join(POINT_GROUPS)}")

    @cached_property
    def matrices(self) -> NDArray[np.int64]:
        """Matrix of every element, shape (n, 2, 2): turns first, then each turn after the reflection."""
        n = int(self.name[1])
        turns = [np.linalg.matrix_power(_TURN, 4 // n * k) for k in range(n)]
        return np.array(turns + [turn @ _MIRROR for turn in turns] * (self.name[0] == "d"))

    @cached_property
    def group(self) -> FiniteGroup:
        """Its multiplication table."""
        codes = self.matrices.reshape(-1, 4) @ 3 ** np.arange(4)
        products = (self.matrices[:, None] @ self.matrices).reshape(-1, 4) @ 3 ** np.arange(4)
        order = np.argsort(codes)
        table = order[np.searchsorted(codes[order], products)].reshape((len(codes),) * 2)
        return FiniteGroup(self.name, table)

    def representation(self, name: str) -> Representation:
        """One of `FIELDS` as a representation of this group.

        Raises
        ------
        InputError
            If there is no such representation.
        """
        if name not in FIELDS:
            raise InputError(f"there is no field {name!r}; take one of {', '.join(FIELDS)}")
        return FIELDS[name](self)

    def torus(self, L: int) -> FiniteGroup:
        """Semidirect product of the translations of an L x L torus and this group; (y, x, p) is ``(p L + y) L + x``."""
        places = np.stack(np.divmod(np.arange(L * L), L), axis=1)
        moved = places @ self.matrices.swapaxes(1, 2) % L
        translations = product(cyclic(L), cyclic(L))  # (column, row): the first factor is the faster one
        return semidirect(translations, self.group, moved[..., 0] * L + moved[..., 1], f"Z_{L}^2 : {self.name}")


def _one(values: Callable[[NDArray[np.int64]], NDArray[np.int64]], name: str) -> Callable[[PointGroup], Representation]:
    """One-dimensional field whose matrix is a function of that of the point group."""
    return lambda point: Representation(point.group, values(point.matrices).reshape(-1, 1, 1), name)


def _determinants(matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    return matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]


def _axes(matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    """+1 where rows stay rows, and -1 where rows and columns change places."""
    return matrices[:, 0, 0] ** 2 - matrices[:, 0, 1] ** 2


FIELDS: dict[str, Callable[[PointGroup], Representation]] = {
    "trivial": _one(lambda matrices: np.ones(len(matrices), np.int64), "trivial"),
    "sign": _one(_determinants, "sign"),
    "axes": _one(_axes, "axes"),
    "diagonals": _one(lambda matrices: _determinants(matrices) * _axes(matrices), "diagonals"),
    "vector": lambda point: Representation(point.group, point.matrices, "vector"),
    "regular": lambda point: regular(point.group),
}
"""Fields on the square lattice by name: what a point group does to the value at a site.

``sign`` is the determinant, as of a curl.  ``axes`` changes its sign when rows become columns, as x^2 - y^2 does, and
``diagonals`` is their product, as x y is.  ``vector`` is (row, column); ``regular`` has a component for each element.
"""
