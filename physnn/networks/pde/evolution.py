"""Initial value problems: Burgers, heat, waves and Kuramoto-Sivashinsky.

Domains, coefficients and conditions are those of PINNacle (Z. Hao et al., arXiv:2306.08827, code at commit 6f8d69c9).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from physnn.networks.pde.domains import Region
from physnn.networks.pde.equations import Derivative, Equation, PdeProblem, PointSet, Reference, Sizes, Term, laplacian
from physnn.networks.pde.known import chaotic, cole_hopf, thinned_table
from physnn.networks.pde.stationary import KNOWN, PI, U, value

_VISCOSITY = 0.01 / math.pi
"""Viscosity of Burgers' equation."""
LINE_TIMES = Sizes(8192, 2048, 2048)
"""Points of the benchmark in one dimension and time."""
PLANE_TIMES = Sizes(32768, 8192, 8192)
"""Points of the benchmark in two dimensions and time."""


def _with_time(
    domain: Region, sizes: Sizes, balance: Equation, start: Callable[[np.ndarray], np.ndarray], edge: bool = True
) -> tuple[PointSet, ...]:
    """Sets of a problem that begins as ``start`` and, with ``edge``, vanishes on the walls."""
    walls, initial = domain.walls(sizes.boundary)[0], domain.initial(sizes.initial)
    inner = PointSet("domain", np.vstack([domain.inside(sizes.domain), walls, initial]), (balance,))
    edges = (PointSet("walls", walls, (value(0, 0.0),)),) if edge else ()
    return (inner, PointSet("start", initial, (value(0, start),)), *edges)


_LINE = Region((-1,), (1,), end=1.0)


def _burgers(sizes: Sizes) -> tuple[PointSet, ...]:
    balance = Equation(
        (
            Term(1.0, (Derivative(0, 1, 1),)),
            Term(1.0, (U, Derivative(0, 0, 1))),
            Term(-_VISCOSITY, (Derivative(0, 0, 2),)),
        )
    )
    return _with_time(_LINE, sizes, balance, lambda p: -np.sin(PI * p[:, 0]))


def _burgers_known() -> Reference:
    points = _LINE.inside(KNOWN)
    return Reference(points, cole_hopf(points, _VISCOSITY)[:, None], "exact")


_ALPHA, _BETA, _GAMMA = 100 / 16, 100 / 16**2, 100 / 16**4
"""Coefficients of u u_x, u_xx and u_xxxx of the Kuramoto-Sivashinsky equation."""


def _kuramoto_sivashinsky(sizes: Sizes) -> tuple[PointSet, ...]:
    ring = Region((0,), (2 * PI,), end=1.0)
    balance = Equation(
        (
            Term(1.0, (Derivative(0, 1, 1),)),
            Term(_ALPHA, (U, Derivative(0, 0, 1))),
            Term(_BETA, (Derivative(0, 0, 2),)),
            Term(_GAMMA, (Derivative(0, 0, 4),)),
        )
    )
    return _with_time(ring, sizes, balance, lambda p: np.cos(p[:, 0]) * (1 + np.sin(p[:, 0])), edge=False)


def _kuramoto_sivashinsky_known() -> Reference:
    points, values = chaotic(_ALPHA, _BETA, _GAMMA)
    return Reference(points, values[:, None], "Fourier modes, stepped in time")


_LONG = Region((0, 0), (1, 1), end=100.0)


def _drive(p: np.ndarray) -> np.ndarray:
    x, y, t = p.T
    return np.asarray(-5 * (1 + 2 * np.sin(PI * t / 4)) * np.sin(4 * PI * x) * np.sin(2 * PI * y))


def _heat_long(sizes: Sizes) -> tuple[PointSet, ...]:
    balance = Equation(
        (Term(1.0, (Derivative(0, 2, 1),)), Term(-0.001, (laplacian(),)), Term(_drive, (U, U), sine=True))
    )
    return _with_time(_LONG, sizes, balance, lambda p: np.sin(4 * PI * p[:, 0]) * np.sin(3 * PI * p[:, 1]))


_PLATE = Region((0, 0), (1, 1), end=5.0)
_SLOW, _FAST = 1 / (500 * PI) ** 2, 1 / PI**2


def _multiscale_solution(p: np.ndarray) -> np.ndarray:
    x, y, t = p.T
    rate = _SLOW * (20 * PI) ** 2 + _FAST * PI**2
    return np.asarray(np.sin(20 * PI * x) * np.sin(PI * y) * np.exp(-rate * t))


def _heat_multiscale(sizes: Sizes) -> tuple[PointSet, ...]:
    balance = Equation(
        (
            Term(1.0, (Derivative(0, 2, 1),)),
            Term(-_SLOW, (Derivative(0, 0, 2),)),
            Term(-_FAST, (Derivative(0, 1, 2),)),
        )
    )
    return _with_time(_PLATE, sizes, balance, _multiscale_solution)


_STRING = Region((0,), (1,), end=1.0)


def _wave_solution(p: np.ndarray) -> np.ndarray:
    x, t = p.T
    return np.asarray(np.sin(PI * x) * np.cos(2 * PI * t) + 0.5 * np.sin(4 * PI * x) * np.cos(8 * PI * t))


def _wave(sizes: Sizes) -> tuple[PointSet, ...]:
    balance = Equation((Term(1.0, (Derivative(0, 1, 2),)), Term(-4.0, (Derivative(0, 0, 2),))))
    domain, start, walls = _with_time(_STRING, sizes, balance, _wave_solution)
    still = PointSet("start, slope", start.points, (Equation((Term(1.0, (Derivative(0, 1, 1),)),)),))
    return domain, start, still, walls


def _exact_in_time(domain: Region, solution: Callable[[np.ndarray], np.ndarray]) -> Reference:
    points = domain.inside(KNOWN)
    return Reference(points, solution(points)[:, None], "exact")


EVOLUTION = (
    PdeProblem(
        "burgers",
        "Burgers' equation with a shock, viscosity 0.01/pi",
        ("x", "t"),
        ("u",),
        (-1, 0),
        (1, 1),
        (0,),
        _burgers,
        _burgers_known,
        LINE_TIMES,
    ),
    PdeProblem(
        "kuramoto-sivashinsky",
        "Kuramoto-Sivashinsky equation, given its start alone",
        ("x", "t"),
        ("u",),
        (0, 0),
        (2 * PI, 1),
        (0,),
        _kuramoto_sivashinsky,
        _kuramoto_sivashinsky_known,
        LINE_TIMES,
    ),
    PdeProblem(
        "heat-long",
        "heat in a square with a source that grows and fades, up to t = 100",
        ("x", "y", "t"),
        ("u",),
        (0, 0, 0),
        (1, 1, 100),
        (0, 1),
        _heat_long,
        lambda: thinned_table("heat-long"),
        PLANE_TIMES,
    ),
    PdeProblem(
        "heat-multiscale",
        "heat in a square with two conductivities and a fast wave",
        ("x", "y", "t"),
        ("u",),
        (0, 0, 0),
        (1, 1, 5),
        (0, 1),
        _heat_multiscale,
        lambda: _exact_in_time(_PLATE, _multiscale_solution),
        PLANE_TIMES,
    ),
    PdeProblem(
        "wave",
        "standing waves of two frequencies on a string",
        ("x", "t"),
        ("u",),
        (0, 0),
        (1, 1),
        (0,),
        _wave,
        lambda: _exact_in_time(_STRING, _wave_solution),
        Sizes(8192, 1024, 512),
    ),
)
"""Problems with time."""
