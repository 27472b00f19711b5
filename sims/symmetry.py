"""What linear maps commute with a group, counted three ways, and a convolution that is printed without its inverse.

    python sims/symmetry.py

Maps between fields on tori: by characters of the whole group, by orbits of offsets, and as the null space of all
equations.  Then ``sum_h f(h) psi(g h)`` is tried on several groups: under how many elements does it commute?
Takes 20 s of one core.
"""

from __future__ import annotations

import numpy as np

from physnn import rng
from physnn.cli.output import print_table
from physnn.models.groups.finite import FiniteGroup, cyclic, dihedral, symmetric
from physnn.models.groups.kernels import kernel_basis, null_space
from physnn.models.groups.representations import FIELDS, PointGroup, Representation, induced, maps_between


def on_torus(point: PointGroup, torus: FiniteGroup, L: int, name: str) -> Representation:
    """Field on a torus: induced from what the point group does at the origin."""
    at_origin = [L * L * p for p in range(len(point.matrices))]
    return induced(torus, at_origin, point.representation(name).matrices, name)


def equations(first: Representation, second: Representation) -> np.ndarray:
    """Conditions on a map between two representations, one for every generator and entry."""
    one, two = (np.eye(rho.dimension, dtype=np.int64) for rho in (first, second))
    generators = first.group.generators
    return np.concatenate([np.kron(second.matrices[g], one) - np.kron(two, first.matrices[g].T) for g in generators])


def counted(L: int) -> list[list[str]]:
    """Numbers of maps between fields on an L x L torus with all turns and reflections."""
    point = PointGroup("d4")
    torus, names = point.torus(L), [name for name in FIELDS if name != "regular"]
    fields = {name: on_torus(point, torus, L, name) for name in names}
    rows: list[list[str]] = []
    for first, second in (("trivial", "trivial"), ("trivial", "sign"), ("trivial", "vector"), ("vector", "vector")):
        a, b = fields[first], fields[second]
        orbits = kernel_basis(point, *(point.representation(name) for name in (first, second)), L, torus=True)
        solved = len(null_space(equations(a, b))) if L == 2 else a.dimension * b.dimension - _rank(equations(a, b))
        counts = (maps_between(a, b), orbits.shape[0], solved)
        rows.append([f"{L} x {L}", f"{first} to {second}", *map(str, counts)])
    return rows


def _rank(matrix: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(matrix.astype(float)))


def commuting(group: FiniteGroup, inverse: bool) -> int:
    """Number of elements under which ``sum_h f(h) psi(g h)``, or that with g^-1, is equivariant, at random."""
    f, psi = rng.stream(0, "synthetic", "groups").integers(-9, 10, (2, group.order))
    table = group.table[group.inverse]  # (T_u f)(g) = f(u^-1 g)
    rows = psi[table if inverse else group.table]
    return sum(np.array_equal(rows @ f[table[u]], (rows @ f)[table[u]]) for u in range(group.order))


def main() -> None:
    """Print both tables."""
    header = ["torus", "fields", "by characters", "by orbits", "null space"]
    print_table("maps that commute with all translations, turns and reflections", header, [*counted(2), *counted(4)])
    groups = [cyclic(6), dihedral(4), dihedral(5), symmetric(4), PointGroup("c4").torus(4), PointGroup("d4").torus(4)]
    rows = [[g.name, g.order, len(g.class_sizes), commuting(g, False), commuting(g, True)] for g in groups]
    header = ["group", "elements", "classes", "sum of f(h) psi(g h)", "sum of f(h) psi(g^-1 h)"]
    print_table("elements that a convolution commutes with", header, [[str(cell) for cell in row] for row in rows])


if __name__ == "__main__":
    main()
