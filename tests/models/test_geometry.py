"""Lattices: neighbours, edges, order parameters."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.lattices import lattice_bonds
from physnn.models import Clock, Ising, Lattice, Potts, on_lattice
from physnn.models.geometry import CELLS, EDGES, measures, neighbours
from physnn.models.tabulated import Tabulated, critical_temperature, tabulated

COORDINATION = {"square": (4, 4), "triangular": (6, 6), "honeycomb": (3, 6), "kagome": (4, 4), "cubic": (6, 12)}
SMALLEST = {"square": (3, 3), "triangular": (3, 4), "honeycomb": (2, 3), "kagome": (2, 2), "cubic": (3, 3)}
"""Side from which on all nearest, or all next-nearest neighbours of a site are distinct."""


def positions(lattice: Lattice) -> np.ndarray:
    cell = lattice.cell
    basis = np.array(cell.basis)[np.arange(lattice.size) % len(cell.basis)] / cell.parts
    return (lattice.cells().T + basis) @ np.array(cell.vectors)


@pytest.mark.parametrize("kind", CELLS)
def test_neighbours_are_the_nearest_sites(kind):
    lattice = Lattice(kind, (7,) * len(CELLS[kind].vectors), ("free",))
    found, where = neighbours(lattice, 2), positions(lattice)
    distance = np.round(np.linalg.norm(where[:, None] - where, axis=2), 6)
    first, second = np.unique(distance[distance > 0])[:2]
    table, kinds = found.table(), found.kinds[found.patterns] % 4
    for site in range(lattice.size):
        for length, of in ((first, 0), (second, 1)):
            there = table[site][(kinds[site] == of) & (table[site] >= 0)]
            assert sorted(there) == np.flatnonzero(distance[site] == length).tolist()


@pytest.mark.parametrize("kind", CELLS)
def test_numbers_of_neighbours_and_the_smallest_lattice_where_they_are_distinct(kind):
    for side in (2, 3, 4, 6):
        lattice = Lattice(kind, (side,) * len(CELLS[kind].vectors))
        found = neighbours(lattice, 2)
        for of, count in enumerate(COORDINATION[kind]):
            for row, kinds in zip(found.table(), found.kinds[found.patterns], strict=True):
                assert (kinds == of).sum() == count
                assert (len(set(row[kinds == of])) == count) == (side >= SMALLEST[kind][of])


@pytest.mark.parametrize("kind", CELLS)
def test_tables_by_pattern_are_those_of_every_bond(kind):
    dims = len(CELLS[kind].vectors)
    for sides in ((2, 2, 2), (3, 4, 3), (6, 7, 5), (2, 8, 3)):
        for edges in (*((edge,) for edge in EDGES), ("free", "antiperiodic", "periodic")[:dims]):
            lattice = Lattice(kind, sides[:dims], edges)
            found = neighbours(lattice, 2)
            table, kinds = found.table(), found.kinds[found.patterns]
            got = Counter(
                (i, int(j), int(k) % 2, 1 - 2 * (int(k) // 2))
                for i in range(lattice.size)
                for j, k in zip(table[i], kinds[i], strict=True)
                if j >= 0
            )
            want: Counter[tuple[int, int, int, int]] = Counter()
            for a, b, k, sign in lattice_bonds(lattice):
                want[a, b, k, sign] += 1
                want[b, a, k, sign] += 1
            assert got == want


def test_order_parameters_of_ordered_configurations_are_one():
    for kind, sides in (("square", (4, 6)), ("honeycomb", (3, 2)), ("cubic", (2, 4, 2))):
        found = measures(Lattice(kind, sides))
        assert np.allclose(abs(found.weights[0]), 1) and np.allclose(found.weights[0].imag, 0)
        table = neighbours(Lattice(kind, sides)).table()
        sign = found.weights[0].real[found.labels]
        assert np.allclose(sign[table], -sign[:, None])
    triangular = Lattice("triangular", (6, 6))
    turns = measures(triangular).weights[0][measures(triangular).labels]
    around = turns[neighbours(triangular).table()] / turns[:, None]
    assert np.allclose(around.real, -0.5) and np.allclose(around.sum(axis=1), -3)
    assert set(Lattice("square", (3, 4)).waves()) == set()
    assert set(Lattice("square", (3, 4), ("free",)).waves()) == {"staggered", "stripe"}
    assert set(Lattice("triangular", (3, 3)).waves()) == {"staggered"}


def test_critical_temperatures():
    known = {"square": 2.269185, "triangular": 4 / math.log(3), "honeycomb": 1.518651, "kagome": 2.143319}
    for kind, T in known.items():
        lattice = Lattice(kind, (3, 3))
        assert critical_temperature(Ising(), lattice) == pytest.approx(T, abs=1e-6)
        assert 2 * critical_temperature(Potts(2), lattice) == pytest.approx(T, abs=1e-6)
        assert critical_temperature(Clock(2), lattice) == 0
        assert 2 * critical_temperature(Clock(4), lattice) == pytest.approx(T, abs=1e-6)
        frustrated = kind in ("triangular", "kagome")
        assert critical_temperature(Ising(-1), lattice) == pytest.approx(0 if frustrated else T, abs=1e-6)
    assert critical_temperature(Potts(3), Lattice("triangular", (3, 3))) == pytest.approx(1.5849, abs=1e-4)
    # A star of the honeycomb lattice is a triangle: (e^K - 1) on one and q over it on the other are duals.
    v, dual = (math.expm1(1 / critical_temperature(Potts(3), Lattice(k, (3, 3)))) for k in ("triangular", "honeycomb"))
    assert v * dual == pytest.approx(3)


def test_a_square_torus_keeps_its_kernels():
    assert on_lattice(Ising(), Lattice("square", (4, 6))) == Ising()
    for other in (Lattice("square", (4, 6), ("free",)), Lattice("triangular", (4, 4))):
        assert isinstance(on_lattice(Ising(), other), Tabulated)
    assert on_lattice(Ising(), Lattice("square", (4, 4)), 0.5).pair[1] == ((-0.5, 0.5), (0.5, -0.5))


class Unsymmetric:
    q = 2

    def bond_energy(self, a, b):
        return a - b


class Infinite(Unsymmetric):
    def bond_energy(self, a, b):
        return math.inf


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lattice("cube", (2, 2, 2)), "no lattice 'cube'"),
        (lambda: Lattice("square", (2, 2, 2)), "2 sides"),
        (lambda: Lattice("square", (1, 2)), "sides of 2 or more"),
        (lambda: Lattice("square", (2, 2), ("open",)), "edges of: periodic, free"),
        (lambda: tabulated(Ising(), Lattice("cubic", (2**10,) * 3)), "at most"),
        (lambda: tabulated(Unsymmetric(), Lattice("square", (3, 3))), "order of its two colours"),
        (lambda: tabulated(Infinite(), Lattice("square", (3, 3))), "not finite"),
        (lambda: tabulated(Ising(), Lattice("square", (3, 3)), math.nan), "J2 must be finite"),
        (lambda: Clock(1), "2 to 64 directions"),
        (lambda: Clock(5, 0.0), "finite J other than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
