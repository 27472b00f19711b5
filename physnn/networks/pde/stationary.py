"""Boundary value problems without time: Poisson's equation in several domains, and a cavity with a moving lid.

Domains, coefficients and conditions are those of PINNacle (Z. Hao et al., arXiv:2306.08827, code at commit 6f8d69c9),
but for the three-dimensional one, whose solution is not published: there it is given and the source follows.
"""

from __future__ import annotations

import math

import numpy as np

from physnn.networks.pde.domains import Ball, Region
from physnn.networks.pde.equations import Derivative, Equation, PdeProblem, PointSet, Reference, Sizes, Term, laplacian
from physnn.networks.pde.known import thinned_table

PI = math.pi
KNOWN = 1000
"""Points at which exact solutions are compared."""
PLANE_POINTS = Sizes(8192, 2048, 0)
"""Points of the benchmark in two dimensions."""
U = Derivative(0)


def value(output: int, target: object) -> Equation:
    """An output has a value: a number or a function of the points."""
    return Equation((Term(1.0, (Derivative(output),)),), target)  # type: ignore[arg-type]


def slope(normals: np.ndarray, target: np.ndarray | float) -> Equation:
    """The first output has a derivative along normals ``(n, axes)``."""
    terms = tuple(
        Term(lambda _, k=axis: normals[:, k], (Derivative(0, axis, 1),))  # type: ignore[misc]
        for axis in range(normals.shape[1])
    )
    return Equation(terms, lambda _: np.broadcast_to(target, len(normals)))


def on_boundary(domain: Region, sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Points on the walls of a box and on its holes, by their lengths."""
    walls = round(sizes.boundary * domain.share_of_walls())
    return domain.walls(walls)[0], domain.shores(sizes.boundary - walls)[0]


_SQUARE = Region(
    (-0.5, -0.5), (0.5, 0.5), tuple(Ball(c, 0.1) for c in ((0.3, 0.3), (-0.3, 0.3), (0.3, -0.3), (-0.3, -0.3)))
)


def _poisson(sizes: Sizes) -> tuple[PointSet, ...]:
    walls, shores = on_boundary(_SQUARE, sizes)
    return (
        PointSet(
            "domain",
            np.vstack([_SQUARE.inside(sizes.domain), walls, shores]),
            (Equation((Term(1.0, (laplacian(),)),)),),
        ),
        PointSet("walls", walls, (value(0, 1.0),)),
        PointSet("holes", shores, (value(0, 0.0),)),
    )


_SCREENED = Region(
    (-1, -1),
    (1, 1),
    (Ball((0.5, 0.5), 0.2), Ball((0.4, -0.4), 0.4), Ball((-0.2, -0.7), 0.1), Ball((-0.6, 0.5), 0.3)),
)


def _charge(p: np.ndarray) -> np.ndarray:
    x, y = p.T
    return np.asarray(10 * (1 + x**2 + 16 + y**2) * np.sin(PI * x) * np.sin(4 * PI * y))


def _poisson_boltzmann(sizes: Sizes) -> tuple[PointSet, ...]:
    walls, shores = on_boundary(_SCREENED, sizes)
    inner = np.vstack([_SCREENED.inside(sizes.domain), walls, shores])
    return (
        PointSet("domain", inner, (Equation((Term(-1.0, (laplacian(),)), Term(64.0, (U,))), _charge),)),
        PointSet("walls", walls, (value(0, 0.2),)),
        PointSet("holes", shores, (value(0, 1.0),)),
    )


_CUBE = Region(
    (0, 0, 0),
    (1, 1, 1),
    (
        Ball((0.4, 0.3, 0.6), 0.2),
        Ball((0.6, 0.7, 0.6), 0.2),
        Ball((0.2, 0.8, 0.7), 0.1),
        Ball((0.6, 0.2, 0.3), 0.1),
    ),
)


def _screening(p: np.ndarray) -> np.ndarray:
    return np.where(p[:, 2] < 0.5, 64.0, 100.0)


def _cosines(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.cos(PI * p).prod(1))


def _cosines_slope(p: np.ndarray, normals: np.ndarray) -> np.ndarray:
    c, s = np.cos(PI * p), -PI * np.sin(PI * p)
    parts = [normals[:, k] * s[:, k] * np.delete(c, k, axis=1).prod(1) for k in range(3)]
    return np.asarray(np.sum(parts, axis=0))


def _poisson3d(sizes: Sizes) -> tuple[PointSet, ...]:
    number = round(sizes.boundary * _CUBE.share_of_walls())
    (walls, out), (shores, inwards) = _CUBE.walls(number), _CUBE.shores(sizes.boundary - number)
    surface, normals = np.vstack([walls, shores]), np.vstack([out, inwards])
    balance = Equation(
        (Term(-1.0, (laplacian(),)), Term(_screening, (U,))), lambda p: (3 * PI**2 + _screening(p)) * _cosines(p)
    )
    return (
        PointSet("domain", np.vstack([_CUBE.inside(sizes.domain), surface]), (balance,)),
        PointSet("surface", surface, (slope(normals, _cosines_slope(surface, normals)),)),
    )


_DIMENSIONS = 5


def _sines(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(PI / 2 * p).sum(1))


def _poisson_nd(sizes: Sizes) -> tuple[PointSet, ...]:
    box = Region((0,) * _DIMENSIONS, (1,) * _DIMENSIONS)
    walls = box.walls(sizes.boundary)[0]
    balance = Equation((Term(1.0, (laplacian(),)),), lambda p: -(PI**2) / 4 * _sines(p))
    return (
        PointSet("domain", np.vstack([box.inside(sizes.domain), walls]), (balance,)),
        PointSet("walls", walls, (value(0, _sines),)),
    )


def flow_equations(viscosity: float) -> tuple[Equation, ...]:
    """Momentum and continuity of a steady incompressible flow with the outputs u, v and p in two dimensions."""
    u, v = Derivative(0), Derivative(1)
    momenta = [
        Equation(
            (
                Term(1.0, (u, Derivative(k, 0, 1))),
                Term(1.0, (v, Derivative(k, 1, 1))),
                Term(1.0, (Derivative(2, k, 1),)),
                Term(-viscosity, (laplacian(k),)),
            )
        )
        for k in (0, 1)
    ]
    return (*momenta, Equation((Term(1.0, (Derivative(0, 0, 1),)), Term(1.0, (Derivative(1, 1, 1),)))))


def _lid_driven(sizes: Sizes) -> tuple[PointSet, ...]:
    box = Region((0, 0), (1, 1))
    walls, normals = box.walls(sizes.boundary)
    top = normals[:, 1] > 0
    return (
        PointSet("domain", np.vstack([box.inside(sizes.domain), walls]), flow_equations(0.01)),
        PointSet("lid", walls[top], (value(0, lambda p: 4 * p[:, 0] * (1 - p[:, 0])), value(1, 0.0))),
        PointSet("walls", walls[~top], (value(0, 0.0), value(1, 0.0))),
        PointSet("corner", np.zeros((1, 2)), (value(2, 0.0),)),
    )


def _exact(domain: Region, solution: object, n: int = KNOWN) -> Reference:
    points = domain.inside(n)
    return Reference(points, solution(points)[:, None], "exact")  # type: ignore[operator]


STATIONARY = (
    PdeProblem(
        "poisson",
        "Laplace's equation in a square with four holes",
        ("x", "y"),
        ("u",),
        _SQUARE.low,
        _SQUARE.high,
        (0, 1),
        _poisson,
        lambda: thinned_table("poisson"),
        PLANE_POINTS,
        _SQUARE.holes,
    ),
    PdeProblem(
        "poisson-boltzmann",
        "screened Poisson equation with a charge, in a square with four holes",
        ("x", "y"),
        ("u",),
        _SCREENED.low,
        _SCREENED.high,
        (0, 1),
        _poisson_boltzmann,
        lambda: thinned_table("poisson-boltzmann"),
        PLANE_POINTS,
        _SCREENED.holes,
    ),
    PdeProblem(
        "poisson3d",
        "screened Poisson equation in a cube with four holes, slopes given on the surface",
        ("x", "y", "z"),
        ("u",),
        _CUBE.low,
        _CUBE.high,
        (0, 1, 2),
        _poisson3d,
        lambda: _exact(_CUBE, _cosines),
        Sizes(32768, 8192, 0),
        _CUBE.holes,
    ),
    PdeProblem(
        "poisson-nd",
        "Poisson's equation in five dimensions",
        tuple(f"x{k}" for k in range(1, _DIMENSIONS + 1)),
        ("u",),
        (0,) * _DIMENSIONS,
        (1,) * _DIMENSIONS,
        tuple(range(_DIMENSIONS)),
        _poisson_nd,
        lambda: _exact(Region((0,) * _DIMENSIONS, (1,) * _DIMENSIONS), _sines),
        Sizes(32768, 8192, 0),
    ),
    PdeProblem(
        "lid-driven",
        "steady flow in a cavity whose lid moves, Reynolds number 100",
        ("x", "y"),
        ("u", "v", "p"),
        (0, 0),
        (1, 1),
        (0, 1),
        _lid_driven,
        lambda: thinned_table("lid-driven"),
        PLANE_POINTS,
    ),
)
"""Problems without time."""
