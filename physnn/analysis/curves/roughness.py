"""Whether points scatter as independent points with their errors do, or are smoother: a sign that they share runs.

Curves measured in the same runs at all control values (histogram reweighting, parallel tempering, percolation with
one sequence of bonds for all p) deviate together.  Their errors are right one by one, but a fit that counts the
points as independent is far too sure of itself, and chi2 is far too small to warn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.curves.points import Points

SMOOTH_LEVEL = 1e-3
"""Probability that independent points are called smooth: one table in 1000 loses points for nothing (convention)."""


@dataclass(frozen=True)
class Roughness:
    """Scatter of points about their neighbours.

    ``ratio`` is the mean square of the deviations from cubic interpolation through four neighbours, over what
    independent errors give: 1 for independent points, larger where curves bend between points, far smaller for points
    that share their runs.  ``p_value`` is the probability that independent points are as smooth; ``smooth`` where it is
    below `SMOOTH_LEVEL` and the ratio below 1/2.
    """

    ratio: float
    p_value: float
    smooth: bool


def roughness(points: Points, generator: np.random.Generator, draws: int = 2000) -> Roughness:
    """Roughness of the curves; with a covariance or fewer than 8 usable points nothing is tested."""
    rows, errors, values = [], [], []
    for L in points.sizes:
        at = np.flatnonzero(points.L == L)
        at = at[np.argsort(points.x[at])]
        for k in range(2, len(at) - 2):
            near = at[[k - 2, k - 1, k + 1, k + 2]]
            weights = _lagrange(points.x[near], points.x[at[k]])
            rows.append((at[k], near, weights))
            values.append(points.y[at[k]] - weights @ points.y[near])
            errors.append(np.sqrt(points.error[at[k]] ** 2 + (weights**2) @ points.error[near] ** 2))
    if points.covariance is not None or len(rows) < 8:
        return Roughness(np.nan, np.nan, False)
    operator = np.zeros((len(rows), len(points)))
    for k, ((i, near, weights), error) in enumerate(zip(rows, errors, strict=True)):
        operator[k, i] = points.error[i] / error
        operator[k, near] = -weights * points.error[near] / error
    ratio = float(np.mean((np.array(values) / errors) ** 2))
    null = ((generator.standard_normal((draws, len(points))) @ operator.T) ** 2).mean(1)
    # The tail beyond the draws is that of a chi2 with the same mean and variance.
    p_value = float((np.count_nonzero(null <= ratio) + 1) / (draws + 1))
    return Roughness(ratio, p_value, bool(p_value < SMOOTH_LEVEL and ratio < 0.5))


def _lagrange(x: np.ndarray, at: float) -> np.ndarray:
    """Weights of values at ``x`` in the value at ``at`` of the polynomial through them."""
    weights = np.ones(len(x))
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                weights[i] *= (at - x[j]) / (x[i] - x[j])
    return weights


def width(points: Points, x_c: float, inverse_nu: float) -> float:
    """Width of the transition in the scaled control: range over steepest slope of the largest size."""
    largest = points.L.max() == points.L
    u = (points.x[largest] - x_c) * points.L[largest] ** inverse_nu
    order = np.argsort(u)
    u, y = u[order], points.y[largest][order]
    slope = float(np.abs(np.gradient(y, u)).max()) if len(u) > 2 else 0.0
    return float(np.ptp(y)) / slope if slope > 0 else float(np.ptp(u))


def thinned(points: Points, x_c: float, inverse_nu: float, spacing: float) -> np.ndarray:
    """Mask of points at least ``spacing`` apart in the scaled control, outward from x_c for every size."""
    keep = np.zeros(len(points), bool)
    u = (points.x - x_c) * points.L**inverse_nu
    for L in points.sizes:
        at = np.flatnonzero(points.L == L)
        at = at[np.argsort(u[at])]
        middle = int(np.argmin(np.abs(u[at])))
        keep[at[middle]] = True
        for side in (at[middle + 1 :], at[:middle][::-1]):
            last = u[at[middle]]
            for k in side:
                if abs(u[k] - last) >= spacing:
                    keep[k], last = True, u[k]
    return keep


def shared_correlation(points: Points, x_c: float, inverse_nu: float, length: float) -> np.ndarray:
    """Correlation of points that share runs: exp(-|u - u'|/length) within a size, 0 between sizes.

    A run that percolates, orders or tunnels at its own control value contributes a step, so the deviations of a curve
    from its mean are correlated like those of an empirical distribution function, over the width of the transition.
    """
    u = (points.x - x_c) * points.L**inverse_nu
    near = np.exp(-np.abs(u[:, None] - u) / max(length, 1e-300))
    return np.where(points.L[:, None] == points.L, near, 0.0)
