"""Sets of points as plain arrays: which derivatives go through a network, and how residuals are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from physnn.networks.pde.equations import ALL_SPACE, Derivative, PointSet, at

MOST_FACTORS = 3
"""Derivatives that a term multiplies at most."""


@dataclass(frozen=True)
class PointTable:
    """Set of points as arrays.

    Attributes
    ----------
    points : ndarray, shape (n, inputs)
        Points.
    axes, orders : ndarray of int, shape (streams,)
        Streams that go through hidden layers: derivatives by axis and order, the value (axis 0, order 0) first, then
        every axis with its orders rising, and the Laplacian (axis `ALL_SPACE`, order 2) last.
    space : ndarray of int
        Axes of the Laplacian.
    equation, sine : ndarray of int, shape (terms,)
        Equation that a term belongs to, rising; whether it is a sine.
    streams, outputs : ndarray of int, shape (terms, MOST_FACTORS)
        Stream and output of every factor; -1 where there is none.
    coefficients : ndarray, shape (terms, n)
        Coefficients.
    targets : ndarray, shape (equations, n)
        Targets.
    weight : float
        Weight of the set.
    """

    points: np.ndarray
    axes: np.ndarray
    orders: np.ndarray
    space: np.ndarray
    equation: np.ndarray
    sine: np.ndarray
    streams: np.ndarray
    outputs: np.ndarray
    coefficients: np.ndarray
    targets: np.ndarray
    weight: float


def closed(needed: Sequence[Derivative], space_axes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Axes and orders of the streams that a layer must carry so that it can give those needed.

    By the chain rule order k along an axis needs all lower orders along it, and the Laplacian the first derivatives
    along all space axes.
    """
    most: dict[int, int] = {}
    for d in needed:
        if d.order and d.axis != ALL_SPACE:
            most[d.axis] = max(most.get(d.axis, 0), d.order)
    laplacian = any(d.axis == ALL_SPACE for d in needed)
    for axis in space_axes if laplacian else ():
        most[axis] = max(most.get(axis, 0), 1)
    streams = [(0, 0)] + [(axis, order) for axis in sorted(most) for order in range(1, most[axis] + 1)]
    return (*streams, *([(ALL_SPACE, 2)] if laplacian else []))


def point_table(one: PointSet, space_axes: Sequence[int]) -> PointTable:
    """Arrays of a set of points."""
    terms = [(k, term) for k, equation in enumerate(one.equations) for term in equation.terms]
    streams = closed([factor for _, term in terms for factor in term.factors], space_axes)
    place = {stream: k for k, stream in enumerate(streams)}
    factors, outputs = np.full((2, len(terms), MOST_FACTORS), -1)
    for row, (_, term) in enumerate(terms):
        for column, d in enumerate(term.factors):
            factors[row, column] = place[(d.axis, d.order) if d.order else (0, 0)]
            outputs[row, column] = d.output
    axes, orders = np.array(streams).T
    return PointTable(
        one.points,
        axes,
        orders,
        np.array(space_axes),
        np.array([k for k, _ in terms]),
        np.array([int(term.sine) for _, term in terms]),
        factors,
        outputs,
        np.array([at(term.coefficient, one.points) for _, term in terms]),
        np.array([at(equation.target, one.points) for equation in one.equations]),
        one.weight,
    )
