"""Whether points scatter as independent points with their errors do, or are smoother: a sign that they share runs.

Curves measured in the same runs at all control values (histogram reweighting, parallel tempering, percolation with
one sequence of bonds for all p) deviate together.  Their errors are right one by one, but a fit that counts the
points as independent is far too sure of itself, and chi2 is far too small to warn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn.analysis.curves.points import Points

LOOSE = 0.3
"""Mean correlation of neighbours below which points that share runs are all kept (convention)."""
SHARED_SPACING = 0.2
"""Distance of points that share runs from which they are kept, in widths of the transition (convention)."""
SHARED_LENGTH = 0.5
"""Correlation length of points that share runs, in widths of the transition, see `shared_correlation`."""
LEAST_DEVIATIONS = 8
"""Deviations from neighbours from which their scatter is tested (convention)."""
PLAUSIBLE = 0.1
"""Ratio from which errors are overstated rather than runs shared: by a factor of 3 at most (convention)."""
SAME_RATIO = 1.4, 2.5
"""Factor within which ratios of near and wide neighbours are alike, below and above `PLAUSIBLE`.

Shared runs make it 2 or more, and 100 points know it to a quarter (convention).
"""
LEAST_ALIKE = 0.02
"""Ratio below which points share runs in any case: nobody overstates errors sevenfold (convention)."""
SMOOTH_LEVEL = 1e-3
"""Probability that independent points are called smooth: one table in 1000 loses points for nothing (convention)."""


@dataclass(frozen=True)
class Roughness:
    """Scatter of points about their neighbours.

    ``ratio`` is the mean square of the deviations from cubic interpolation through four neighbours, over what
    independent errors give: 1 for independent points, larger where curves bend between points, far smaller for points
    that share their runs.  ``wide`` is the same with every second point left out: shared runs make it larger, wrong
    errors do not.  ``p_value`` is the probability that independent points are as smooth.

    ``smooth`` says that points share runs: ``p_value`` is below `SMOOTH_LEVEL`, the ratio below 1/2 and smaller than
    the wide one.  ``errors`` is ``overstated`` or ``understated`` where points scatter less or more than their errors
    say, and as much when every second is left out; else it is empty.
    """

    ratio: float
    p_value: float
    wide: float
    smooth: bool
    errors: str


def roughness(points: Points) -> Roughness:
    """Roughness of the curves; with a covariance or fewer than 8 usable points nothing is tested."""
    if points.covariance is not None or (found := _scatter(points, 1)) is None:
        return Roughness(np.nan, np.nan, np.nan, False, "")
    ratio, dof = found
    wider = _scatter(points, 2)
    wide = wider[0] if wider else np.nan
    # A sum of squares of dependent deviations is nearly chi2, with the degrees of freedom that its variance gives.
    p_value, above = float(special.chdtr(dof, dof * ratio)), float(special.chdtrc(dof, dof * ratio))
    factor = SAME_RATIO[ratio > PLAUSIBLE]
    alike = bool(ratio > LEAST_ALIKE and ratio / factor < wide < factor * ratio)
    low = p_value < SMOOTH_LEVEL and ratio < 0.5
    errors = "overstated" if low and alike else "understated" if above < SMOOTH_LEVEL and ratio > 2 and alike else ""
    return Roughness(ratio, p_value, wide, low and not alike, errors)


def _scatter(points: Points, stride: int) -> tuple[float, float] | None:
    """Mean square deviation from four neighbours ``stride`` apart, over that of independent errors, and its dof."""
    middles, nears = [], []
    for L in points.sizes:
        at = np.flatnonzero(points.L == L)
        at = at[np.argsort(points.x[at])]
        k = np.arange(2 * stride, len(at) - 2 * stride)
        middles.append(at[k])
        nears.append(at[k[:, None] + stride * np.array([-2, -1, 1, 2])])
    middle, near = np.concatenate(middles), np.concatenate(nears)
    if len(middle) < LEAST_DEVIATIONS:
        return None
    weights = _lagrange(points.x[near], points.x[middle])
    errors = np.sqrt(points.error[middle] ** 2 + (weights**2 * points.error[near] ** 2).sum(1))
    values = points.y[middle] - (weights * points.y[near]).sum(1)
    operator = np.zeros((len(middle), len(points)))
    operator[np.arange(len(middle)), middle] = points.error[middle] / errors
    np.put_along_axis(operator, near, -weights * points.error[near] / errors[:, None], axis=1)
    correlation = operator @ operator.T
    return float(np.mean((values / errors) ** 2)), len(middle) ** 2 / float((correlation**2).sum())


def _lagrange(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights of values at rows ``x`` in the values at ``at`` of the polynomials through them."""
    weights = np.ones_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[1]):
            if i != j:
                weights[:, i] *= (at - x[:, j]) / (x[:, i] - x[:, j])
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


def independent_points(
    points: Points, parameters: np.ndarray, rough: Roughness, networks: bool, known: np.ndarray | None = None
) -> tuple[Points, np.ndarray, np.ndarray | None, list[str]]:
    """Points that count as independent, their mask, the correlation of those that share runs, and remarks.

    ``parameters`` begin with x_c and 1/nu of a collapse.  Networks share what their bootstrap draws, so they need no
    correlation.  Where the correlation is ``known`` points share runs, and it takes the place of the assumed one.
    """
    keep, scatter = np.ones(len(points), bool), f"points scatter {np.sqrt(rough.ratio):.2g} times their errors"
    if rough.errors and known is None:
        return (
            points,
            keep,
            None,
            [f"{scatter}, near and far alike: errors look {rough.errors}, and are taken as given"],
        )
    if not rough.smooth and known is None:
        return points, keep, None, []
    if known is not None and len(beside := np.diag(known, 1)[np.diff(points.L) == 0]) and beside.mean() < LOOSE:
        return points, keep, known, []
    x_c, inverse_nu = (float(p) for p in parameters[:2])
    span = width(points, x_c, inverse_nu)
    keep = thinned(points, x_c, inverse_nu, SHARED_SPACING * span)
    points = points.chosen(keep)
    if networks:
        return points, keep, None, []
    if known is not None:
        text = f"points of an L share runs: {keep.sum()} of {len(keep)} are kept, and errors hold for their correlation"
        return points, keep, known[np.ix_(keep, keep)], [text]
    if rough.ratio > 1:
        scatter = "points scatter about the fit far less than their errors, and neighbours alike"
    text = (
        f"{scatter}: they share runs, so {keep.sum()} of {len(keep)} are kept and errors hold for points correlated "
        "within each L"
    )
    return points, keep, shared_correlation(points, x_c, inverse_nu, SHARED_LENGTH * span), [text]
