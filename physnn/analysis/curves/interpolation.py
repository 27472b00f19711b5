"""Smooth curves through noisy points: local polynomials or a Gaussian process, chosen by cross-validation.

All are linear in the values, f = S y, so that bootstrap samples of a curve cost one matrix product, and the error of
leaving one point out is (y - f) / (1 - S_ii) (W. S. Cleveland, J. Am. Stat. Assoc. 74 (1979) 829; C. E. Rasmussen and
C. K. I. Williams, "Gaussian Processes for Machine Learning", section 5.4.2).
"""

from __future__ import annotations

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
    found = []
    for name, build in _candidates(x, y, error):
        hat = build(x)
        leverage = np.clip(1 - np.diag(hat), 1e-6, None)
        left_out = (y - hat @ y) / leverage
        squares = np.sort((left_out / error)[1:-1] ** 2 if len(x) > 4 else (left_out / error) ** 2)
        # Without the largest tenth: a few gaps in the data do not decide for all of them.
        score = float(squares[: max(1, int(0.9 * len(squares)))].mean())
        found.append((score, float(np.trace(hat)), name, build))
    least = min(score for score, *_ in found)
    score, _, name, build = max((f for f in found if f[0] <= EQUAL * least), key=lambda f: f[1])
    return build, name, score


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
    distance = np.abs(x - at[:, None])
    near = np.argsort(distance, axis=1, kind="stable")[:, :count]
    apart = np.take_along_axis(distance, near, axis=1)
    reach = apart.max(1, keepdims=True) * 1.001 + 1e-300
    weights = (1 - (apart / reach) ** 3) ** 1.5 / error[near]
    design = ((x[near] - at[:, None]) / reach)[..., None] ** np.arange(degree + 1)
    matrix = np.zeros((len(at), len(x)))
    values = np.linalg.pinv(design * weights[..., None])[:, 0] * weights
    np.put_along_axis(matrix, near, values, axis=1)
    return matrix


def _gaussian(x: np.ndarray, y: np.ndarray, error: np.ndarray, at: np.ndarray, share: float) -> np.ndarray:
    """Operator of the posterior mean: a broad constant and a squared-exponential kernel."""
    length, variance = share * float(np.ptp(x)), float(np.var(y)) + float(np.min(error)) ** 2

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(variance * (100 + np.exp(-((a[:, None] - b) ** 2) / (2 * length**2))))

    middle = kernel(x, x) + np.diag(error**2 + 1e-12 * variance)
    return np.asarray(linalg.solve(middle, kernel(x, at), assume_a="pos").T)


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
