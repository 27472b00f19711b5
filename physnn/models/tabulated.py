"""Models of colours on any lattice, described by tables: the energy of a bond, and that of a site, by colour.

`on_lattice` puts a model on a lattice: `Ising`, `Potts`, `Clock`, or anything with a number of colours ``q`` and a
function ``bond_energy(a, b)``, in plain Python or compiled.  Its functions are called once for each pair of colours.
"""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from physnn.errors import InputError
from physnn.models.geometry import NOWHERE, Lattice, Neighbours, measures, neighbours
from physnn.models.lattice import QUANTITIES, Clock, Ising, Potts, Quantity

MAX_SITES = 2**27
"""Sites of a lattice at most: what is told of every site takes some 20 bytes."""
MOST_COLOURS = 64
"""Colours of a model at most (convention)."""
ORDERS = {
    "structure_z": Quantity("S(k_z)", "1", "structure factor at the smallest wave number along the third direction"),
    "staggered": Quantity("m_s", "1", "order parameter of the sublattices, root of its square"),
    "stripe": Quantity("m_st", "1", "order parameter of stripes in all directions, root of its square"),
}
"""Raw observables of models on lattices besides `physnn.models.QUANTITIES`, where a lattice has them."""
Table = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Tabulated:
    """Model ``H = sum_bonds pair[class](s_i, s_j) + sum_i site(s_i)`` of colours on a lattice; k_B = 1.

    Attributes
    ----------
    lattice : Lattice
        Where it lives.
    name : str
        Name of the model.
    pair : tuple
        Energy of a bond by class (nearest and perhaps next-nearest) and colours, symmetric: (classes, q, q).
    site : tuple of float
        Energy of a site by colour: (q,).
    order : tuple
        Order vector of every colour, (q, n): m^2 is the square of their mean over sites.
    critical_temperature : float
        Critical temperature of the infinite lattice; 0 if it is not known or there is none.
    alternates : bool
        Whether below it two sublattices differ, rather than all sites be alike.
    """

    lattice: Lattice
    name: str
    pair: tuple[Table, ...]
    site: tuple[float, ...]
    order: Table
    critical_temperature: float = 0.0
    alternates: bool = False

    @property
    def q(self) -> int:
        """Number of colours."""
        return len(self.site)

    @property
    def components(self) -> int:
        """Number of independent components of the order vectors."""
        return int(np.linalg.matrix_rank(np.array(self.order)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a block of measurements: those of all lattice models, then those of `ORDERS` that there are."""
        third = ("structure_z",) if len(self.lattice.sides) > 2 else ()
        return (*QUANTITIES, *third, *self.lattice.waves())

    @property
    def neighbours(self) -> Neighbours:
        """Table of neighbours."""
        return neighbours(self.lattice, len(self.pair))

    def pairs(self) -> np.ndarray:
        """Energy of a bond by kind and colours, (6, q, q): classes, with the opposite sign, none."""
        found = np.zeros((NOWHERE + 2, self.q, self.q))
        found[: len(self.pair)] = self.pair
        found[2:4] = -found[:2]
        return found

    def initial(self, shape: tuple[int, int], rng: np.random.Generator, T: float) -> np.ndarray:
        """Colours, int8: ordered below `critical_temperature`, random elsewhere."""
        if self.critical_temperature > T and not self.alternates:
            return np.full(shape, int(np.argmin(self.site)), np.int8)
        if self.critical_temperature > T and "staggered" in self.lattice.waves():
            found = measures(self.lattice)
            second = np.asarray(found.weights[0].real < 0, np.int8)
            return np.asarray(second[found.labels]).reshape(shape)
        return rng.integers(0, self.q, shape, np.int8)


LatticeModel = Ising | Potts | Tabulated
"""What samplers take: ``name``, ``q``, ``critical_temperature``, ``initial``; tables, or the bond of a square torus."""


def on_torus(name: str, model: LatticeModel) -> Ising | Potts:
    """Model of a square torus; raises `InputError`, which names what asks for one, for a model of tables."""
    if isinstance(model, Tabulated):
        raise InputError(f"{name} serves nearest neighbours on a square torus alone; use metropolis or another")
    return model


def on_lattice(model: Any, lattice: Lattice, J2: float = 0.0) -> LatticeModel:
    """Model on a lattice, as samplers take it: itself, for which there are faster kernels, or `tabulated`.

    Ising and Potts models of nearest neighbours on a square torus stay what they are.
    """
    if isinstance(model, Ising | Potts) and lattice.plain and not J2:
        return model
    return tabulated(model, lattice, J2)


def tabulated(model: Any, lattice: Lattice, J2: float = 0.0) -> Tabulated:
    """Tables of a model on a lattice.

    Parameters
    ----------
    model : Ising, Potts, Clock or another
        Has ``q``, ``bond_energy(a, b)``; it may have ``site_energy(a)`` (0), ``next_bond_energy(a, b)`` of
        next-nearest neighbours, ``order(a)``, a number or vector (a corner of a simplex), and ``name``.
    lattice : Lattice
        Where it is put.
    J2 : float
        Coupling of next-nearest neighbours, whose bonds have the energy ``bond_energy`` with J2 in place of J.

    Raises
    ------
    InputError
        If energies or orders are not finite, a bond depends on the order of its colours, orders have several lengths,
        or q is no integer from 2 to `MOST_COLOURS`.
    """
    if not math.isfinite(J2):
        raise InputError(f"the coupling J2 must be finite, not {J2}")
    if lattice.size > MAX_SITES:
        raise InputError(f"a lattice has at most {MAX_SITES} sites here, and this one {lattice.size}; make it smaller")
    q, name = number_of_colours(model), _named(model)
    near = _tabulated(name, model.bond_energy, q, 2)
    pair = [near]
    if hasattr(model, "next_bond_energy"):
        pair.append(_tabulated(name, model.next_bond_energy, q, 2))
    if J2:
        if len(pair) > 1:
            raise InputError(f"the model {name} has energies of next-nearest neighbours of its own: leave J2 out")
        pair.append(near * (J2 / getattr(model, "J", 1.0)))
    site = _tabulated(name, model.site_energy, q, 1) if hasattr(model, "site_energy") else np.zeros(q)
    order = _ordered(name, model.order, q) if hasattr(model, "order") else _simplex(q)
    if not all(np.array_equal(table, table.T) for table in pair):
        raise InputError(f"the energy of a bond of {name} must not depend on the order of its two colours")
    return Tabulated(
        lattice,
        name,
        tuple(_tuples(table) for table in pair),
        tuple(site.tolist()),
        _tuples(order),
        critical_temperature(model, lattice) if len(pair) == 1 and not site.any() else 0.0,
        bool(near[0, 0] > near[0, 1]),
    )


def _tabulated(name: str, energy: Any, q: int, arguments: int) -> np.ndarray:
    """Energies by colours, which must be finite."""
    found = np.empty((q,) * arguments)
    for colours in itertools.product(range(q), repeat=arguments):
        found[colours] = energy(*colours)
    if not np.isfinite(found).all():
        raise InputError(f"the model {name} has energies that are not finite")
    return found


def number_of_colours(model: Any) -> int:
    """Number of colours of a model; raises `InputError` if it is no integer, or too small or too large."""
    try:
        q = operator.index(model.q)
    except TypeError:
        raise InputError(f"the number of colours q of {_named(model)} must be an integer, not {model.q!r}") from None
    if not 2 <= q <= MOST_COLOURS:
        raise InputError(f"the model {_named(model)} needs 2 to {MOST_COLOURS} colours, not {q}")
    return q


def _named(model: Any) -> str:
    return str(getattr(model, "name", type(model).__name__))


def _ordered(name: str, order: Any, q: int) -> np.ndarray:
    """Order vectors by colour, (q, n), which must be finite."""
    vectors = [np.atleast_1d(np.asarray(order(a), float)) for a in range(q)]
    if len({v.shape for v in vectors}) > 1 or vectors[0].ndim > 1:
        raise InputError(f"the order of {name} must be a number, or vectors of one length, for every colour")
    if not np.isfinite(vectors).all():
        raise InputError(f"the model {name} has an order that is not finite")
    return np.array(vectors)


def _tuples(table: np.ndarray) -> Table:
    return tuple(tuple(row) for row in table.tolist())


def _simplex(q: int) -> np.ndarray:
    """Corners of a simplex around 0, of length 1: (q, q)."""
    return np.asarray(math.sqrt(q / (q - 1)) * (np.eye(q) - 1 / q))


def critical_temperature(model: Any, lattice: Lattice) -> float:
    """Critical temperature of nearest neighbours on an infinite lattice, without a field; 0 if it is not known here.

    Of Potts models on the square, triangular and honeycomb lattice with ``v = exp(J/T) - 1``: ``v^2 = q``,
    ``v^3 + 3 v^2 = q``, ``v^3 - 3 q v = q^2`` (F. Y. Wu, Rev. Mod. Phys. 54, 235 (1982)); at q = 2 the Ising values of
    R. M. F. Houtappel, Physica 16, 425 (1950).  Ising on the kagome lattice: ``4 J / ln(3 + 2 sqrt 3)`` (K. Kano and S.
    Naya, Prog. Theor. Phys. 10, 158 (1953)); on the cubic one 4.511523 J, a simulation (A. M. Ferrenberg, J. Xu and
    D. P. Landau, Phys. Rev. E 97, 043301 (2018)).  The clock model of 3 colours is a Potts model, that of 4 colours two
    Ising models.
    """
    J, kind = float(getattr(model, "J", 0.0)), lattice.kind
    if isinstance(model, Clock) and model.q == 4:
        return critical_temperature(Ising(J), lattice) / 2
    if isinstance(model, Clock) and model.q == 3 and J > 0:
        return critical_temperature(Potts(3, 1.5 * J), lattice)
    if not isinstance(model, Ising | Potts) or (J < 0 and (model.q > 2 or kind in ("triangular", "kagome"))):
        return 0.0
    q, unit = model.q, abs(J) * (2 if isinstance(model, Ising) else 1)
    polynomials = {"square": (1, 0, -q), "triangular": (1, 3, 0, -q), "honeycomb": (1, 0, -3 * q, -q * q)}
    if kind in polynomials:
        roots = np.roots(polynomials[kind])
        return unit / math.log1p(float(roots[roots.imag == 0].real.max()))
    if q > 2:
        return 0.0
    return unit * (2 / math.log(3 + 2 * math.sqrt(3)) if kind == "kagome" else 4.511523 / 2)


class Keys(NamedTuple):
    """Numbers of the neighbourhoods of a site, and the energies that belong to them.

    Attributes
    ----------
    strides : ndarray of int32, shape (6, q)
        What a bond adds to the number, by kind and colour of the neighbour.
    energies : ndarray of float64, shape (keys, q)
        Energy of a site by neighbourhood and its own colour.
    """

    strides: np.ndarray
    energies: np.ndarray


MOST_THRESHOLDS = 2**18
"""Thresholds of a transition table at most, 2 MiB: larger ones leave the caches."""


@lru_cache(maxsize=8)
def keys_of(model: Tabulated) -> Keys | None:
    """Neighbourhoods by number; None where a table of them would be too large.

    A neighbourhood is how many bonds of each class lead to each colour, with which sign, or nowhere.  Bonds of the
    usual sign to colour 0 are those that are left, and need no digit.
    """
    kinds, q, pairs = model.neighbours.kinds, model.q, model.pairs()
    turned, cut = bool(((kinds == 2) | (kinds == 3)).any()), bool((kinds >= NOWHERE).any())
    strides, weight, radix = np.zeros((NOWHERE + 2, q), np.int32), 1, []
    gains: list[np.ndarray] = []
    base = np.array(model.site)
    for kind in range(len(model.pair)):
        bonds = int((kinds[0] % 2 == kind).sum())
        base = base + bonds * pairs[kind, 0]
        digits: list[tuple[int, int | slice]] = [(kind, colour) for colour in range(1, q)]
        digits += [(kind + 2, colour) for colour in range(q) if turned]
        digits += [(kind + NOWHERE, slice(None))] if cut else []
        for of_kind, colour in digits:
            strides[of_kind, colour] = weight
            gains.append((0.0 if of_kind >= NOWHERE else pairs[of_kind, colour]) - pairs[kind, 0])
            weight *= bonds + 1
            radix.append(bonds + 1)
            if weight * q * (q - 1) > MOST_THRESHOLDS:
                return None
    counts = np.stack(np.unravel_index(np.arange(weight), radix, order="F"), axis=1)
    return Keys(strides, base + counts @ np.array(gains))


def mirrors(model: Tabulated) -> np.ndarray:
    """Reflections ``a -> (r - a) mod q`` of colours that change no energy, int8 (reflections, q), without the identity.

    Raises
    ------
    InputError
        If they do not lead from every colour to every other, so that clusters would not reach all configurations.
    """
    q, a = model.q, np.arange(model.q)
    chosen = []
    for r in range(q):
        to = (r - a) % q
        pairs_stay = all(np.allclose(np.array(p)[np.ix_(to, to)], p, rtol=0, atol=1e-12) for p in model.pair)
        if pairs_stay and np.array_equal(np.array(model.site)[to], model.site) and (to != a).any():
            chosen.append(to)
    found = np.array(chosen, np.int8).reshape(-1, q)
    reached = {0}
    while more := {int(to[c]) for to in found for c in reached} - reached:
        reached |= more
    if len(reached) < q:
        raise InputError(
            f"clusters do not serve {model.name}: no reflections that keep its energy lead to every colour; use "
            "metropolis or heat-bath, and no field"
        )
    return found
