"""Differential equations as data: polynomials of derivatives whose coefficients are functions of the point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from physnn.networks.pde.domains import Ball

PointFunction = Callable[[np.ndarray], np.ndarray]
"""PointFunction of points ``(n, inputs)`` with values ``(n,)``."""
ALL_SPACE = -1
"""Axis of a Laplacian: all space axes together."""

ROUNDED = 1e-3
"""Share of a length by which points of a table may lie off it: few digits, and edges of a grid in place of arcs."""


@dataclass(frozen=True, order=True)
class Derivative:
    """Derivative of one output of a network along one of its inputs.

    Attributes
    ----------
    output : int
        Which output.
    axis : int
        Along which input; `ALL_SPACE` with order 2 is the Laplacian over the space axes of a problem.
    order : int
        0 is the value itself; up to 4 along an axis.
    """

    output: int
    axis: int = 0
    order: int = 0


def laplacian(output: int = 0) -> Derivative:
    """Sum of the second derivatives of an output along all space axes."""
    return Derivative(output, ALL_SPACE, 2)


@dataclass(frozen=True)
class Term:
    """Product of up to three derivatives with a coefficient.

    Attributes
    ----------
    coefficient : float or callable
        Number, or function of the points.
    factors : tuple of Derivative
        What is multiplied.
    sine : bool
        Whether the term is the coefficient times the sine of the product.
    """

    coefficient: float | PointFunction
    factors: tuple[Derivative, ...]
    sine: bool = False


@dataclass(frozen=True)
class Equation:
    """Sum of terms that shall equal a target, a number or a function of the points; the residual is the difference."""

    terms: tuple[Term, ...]
    target: float | PointFunction = 0.0


@dataclass(frozen=True)
class PointSet:
    """Points where equations shall hold: of a domain, its boundary, or the initial time.

    The set adds ``weight`` times the sum over equations of the mean over points of squared residuals to the loss.

    Attributes
    ----------
    name : str
        What the points are.
    points : ndarray, shape (n, inputs)
        Points.
    equations : tuple of Equation
        What shall hold there.
    weight : float
        Weight of the set.
    """

    name: str
    points: np.ndarray
    equations: tuple[Equation, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Sizes:
    """Numbers of points: of the domain, on its boundary, at the initial time."""

    domain: int
    boundary: int
    initial: int


@dataclass(frozen=True)
class Reference:
    """Points of a known solution, ``(n, inputs)``, its values there, ``(n, outputs)``, and where they come from."""

    points: np.ndarray
    values: np.ndarray
    source: str


@dataclass(frozen=True)
class PdeProblem:
    """Boundary value problem of partial differential equations.

    Attributes
    ----------
    name, title : str
        Name of commands; one line on what it is.
    inputs, outputs : tuple of str
        Symbols, dimensionless.
    low, high : tuple of float
        Box around the domain; time is the last input where there is one.
    space_axes : tuple of int
        Inputs that a Laplacian runs over.
    sets : callable
        From `Sizes` to the sets of points with their equations.
    reference : callable
        Known solution: its points and values.
    paper : Sizes
        Numbers of points of the benchmark.
    holes : tuple of Ball
        What is cut out of the box.
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    space_axes: tuple[int, ...]
    sets: Callable[[Sizes], tuple[PointSet, ...]]
    reference: Callable[[], Reference]
    paper: Sizes
    holes: tuple[Ball, ...] = ()

    def outside(self, points: np.ndarray) -> np.ndarray:
        """Whether points ``(n, inputs)`` lie beyond the box or in a hole, by more than tables are rounded."""
        low, high = np.array(self.low), np.array(self.high)
        far: np.ndarray = (np.abs(points - (low + high) / 2) > (0.5 + ROUNDED) * (high - low)).any(1)
        for hole in self.holes:
            far |= hole.distances(points) < (1 - ROUNDED) * hole.radius
        return far

    def means(self) -> tuple[float, ...]:
        """Means of the inputs: the middle of the box."""
        return tuple((a + b) / 2 for a, b in zip(self.low, self.high, strict=True))


def at(what: float | PointFunction, points: np.ndarray) -> np.ndarray:
    """Values of a number or a function at points, ``(n,)``, float64."""
    return np.broadcast_to(what(points) if callable(what) else what, len(points)).astype(float)


def residuals(one: PointSet, jets: Mapping[Derivative, np.ndarray]) -> np.ndarray:
    """Residuals ``(equations, n)`` of a set where every derivative is known, ``(n,)``."""
    rows = []
    for equation in one.equations:
        row = -at(equation.target, one.points)
        for term in equation.terms:
            product = np.prod([jets[factor] for factor in term.factors], axis=0)
            row = row + at(term.coefficient, one.points) * (np.sin(product) if term.sine else product)
        rows.append(row)
    return np.array(rows)
