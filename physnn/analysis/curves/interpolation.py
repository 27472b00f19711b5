"""Smooth curves through noisy points: local polynomials or a Gaussian process, chosen by cross-validation.

All are linear in the values, f = S y, so that bootstrap samples of a curve cost one matrix product, and the error of
leaving one point out is (y - f) / (1 - S_ii) (W. S. Cleveland, J. Am. Stat. Assoc. 74 (1979) 829; C. E. Rasmussen and
C. K. I. Williams, "Gaussian Processes for Machine Learning", section 5.4.2).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import linalg

from physnn.analysis.curves.points import Points

NEIGHBOURS = (1.5, 3.0)
"""Points in the window of a local polynomial, as multiples of its number of coefficients (convention)."""
LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Correlation lengths of the Gaussian process, as shares of the range of x (convention)."""
COMPUTED = 10
"""Units of the last decimal that computed control values are apart at least (convention)."""
MOST_DECIMALS = 12
"""Decimals from which rounding is that of the machine."""
INDEPENDENT = 1e-5
"""Share of a column that is independent of those before, from which its squares are safe to work with."""
EQUAL = 1.25
"""Ratio of cross-validation errors up to which two smoothers count as equal (convention)."""


@dataclass(frozen=True)
class Interpolation:
    """A linear smoother of one curve: a matrix ``(asked, points)`` from values at the points to those asked for.

    ``chi2`` is the mean squared error of leaving one inner point out, over the squared errors, without the largest
    tenth; far above 1 the curve bends between points.
    """

    matrix: np.ndarray
    name: str
    chi2: float


def interpolation(x: np.ndarray, y: np.ndarray, error: np.ndarray, at: np.ndarray) -> Interpolation:
    """Least smooth of the smoothers with about the least cross-validation error, evaluated at ``at``.

    Where several predict left-out points equally well, the smoother one may hide a bend of one error, which the errors
    of what is averaged over many points do not cover.  x must increase.
    """
    build, name, score = _smoother(*(np.ascontiguousarray(part, float).tobytes() for part in (x, y, error)))
    return Interpolation(build(at), name, score)


@lru_cache
def _smoother(*parts: bytes) -> tuple[Callable[[np.ndarray], np.ndarray], str, float]:
    """Chosen smoother of x, y and errors, its name and cross-validation error: every size meets many others."""
    x, y, error = (np.frombuffer(part) for part in parts)
    names, builds = zip(*_candidates(x, y, error), strict=True)
    hats = np.array([build(x) for build in builds])
    leverage = np.einsum("sii->si", hats)
    squares = ((y - hats @ y) / np.clip(1 - leverage, 1e-6, None) / error) ** 2
    squares = np.sort(squares[:, 1:-1] if len(x) > 4 else squares, axis=1)
    # Without the largest tenth: a few gaps in the data do not decide for all of them.
    scores = squares[:, : max(1, int(0.9 * squares.shape[1]))].mean(1)
    chosen = int(np.where(scores <= EQUAL * scores.min(), leverage.sum(1), -np.inf).argmax())
    return builds[chosen], names[chosen], float(scores[chosen])


def _candidates(x, y, error):  # type: ignore[no-untyped-def]
    for degree in (1, 3):
        for multiple in NEIGHBOURS:
            count = int(np.ceil(multiple * (degree + 1))) + 1
            if degree + 2 <= count <= len(x):
                name = f"local polynomial, degree {degree}, {count} points"
                yield name, lambda at, d=degree, n=count: _local(x, error, at, d, n)
    if len(x) >= 4:
        for share in LENGTHS:
            name = f"Gaussian process, length {share:g} of the range"
            yield name, lambda at, s=share: _gaussian(x, y, error, at, s)
    if len(x) < 4:
        yield "straight lines", lambda at: np.stack([np.interp(at, x, row) for row in np.eye(len(x))], axis=1)


def _local(x: np.ndarray, error: np.ndarray, at: np.ndarray, degree: int, count: int) -> np.ndarray:
    """Operator of polynomials through the nearest points, weights falling to zero at the window's end."""
    away = x - at[:, None]
    distance, rows = np.abs(away), np.arange(len(at))[:, None]
    near = np.argsort(distance, axis=1, kind="stable")[:, :count]
    apart = distance[rows, near]
    reach = apart[:, -1:] * 1.001 + 1e-300
    part = apart / reach
    weights = 1 - part * part * part
    weights *= np.sqrt(weights) / error[near]
    place = away[rows, near] / reach
    design = np.empty((degree + 1, *near.shape))
    design[0] = weights
    for before, column in itertools.pairwise(design):
        np.multiply(before, place, out=column)
    matrix = np.zeros((len(at), len(x)))
    matrix[rows, near] = _constants(design.transpose(1, 2, 0)) * weights
    return matrix


def _constants(designs: np.ndarray) -> np.ndarray:
    """First row of the pseudo-inverse of each design ``(designs, points, columns)``."""
    square = designs.swapaxes(1, 2) @ designs
    unit = np.sqrt(np.einsum("akk->ak", square))
    square /= unit[:, :, None] * unit[:, None, :]
    try:
        safe = np.einsum("akk->ak", np.linalg.cholesky(square)).min() > INDEPENDENT
    except np.linalg.LinAlgError:
        safe = False
    if not safe:
        return np.asarray(np.linalg.pinv(designs)[:, 0])
    first = np.linalg.solve(square, np.eye(square.shape[1])[:, :1] / unit[:, :1, None]) / unit[..., None]
    return np.asarray((designs @ first)[..., 0])


def _gaussian(x: np.ndarray, y: np.ndarray, error: np.ndarray, at: np.ndarray, share: float) -> np.ndarray:
    """Operator of the posterior mean: a broad constant and a squared-exponential kernel."""
    length, variance = share * float(np.ptp(x)), float(np.var(y)) + float(np.min(error)) ** 2

    def kernel(b: np.ndarray) -> np.ndarray:
        return np.asarray(variance * (100 + np.exp(-((x[:, None] - b) ** 2) / (2 * length**2))))

    middle = kernel(x)
    asked = middle.copy() if at is x else kernel(at)
    middle.flat[:: len(x) + 1] += error**2 + 1e-12 * variance
    solved, failed = linalg.lapack.dposv(middle, asked, overwrite_a=1)[1:]
    if failed:
        raise linalg.LinAlgError("singular covariance")
    return np.asarray(solved.T)


def slopes(points: Points) -> np.ndarray:
    """Slope dy/dx of every point, from a smooth curve through its size, shape ``(points,)``."""
    found = np.empty(len(points))
    for L in points.sizes:
        at = np.flatnonzero(points.L == L)
        at = at[np.argsort(points.x[at])]
        x, y = points.x[at], points.y[at]
        step = 0.01 * float(np.diff(x).min())
        curve = interpolation(x, y, points.error[at], np.concatenate([x - step, x + step])).matrix @ y
        found[at] = (curve[len(x) :] - curve[: len(x)]) / (2 * step)
    return found


def with_control_errors(points: Points, x_error: np.ndarray | float) -> Points:
    """Points whose errors contain those of the control, by the slopes of the curves (effective variance)."""
    assert points.covariance is None
    return replace(points, error=np.hypot(points.error, slopes(points) * x_error))


def rounding(x: np.ndarray, L: np.ndarray) -> float:
    """Unit of the last decimal of control values that look computed and rounded; 0 where they look chosen.

    Chosen values lie on a grid, or have few decimals: then they are less than `COMPUTED` units apart.
    """
    digits = next((d for d in range(MOST_DECIMALS) if np.array_equal(np.round(x, d), x)), None)
    if digits is None:
        return 0.0
    steps = [np.diff(np.sort(np.round(x[size == L] * 10.0**digits))) for size in np.unique(L)]
    computed = min(float(each.min(initial=np.inf)) for each in steps) >= COMPUTED
    return 10.0**-digits if computed and any(np.ptp(each) > 0 for each in steps if len(each)) else 0.0
