"""Data collapse: y = L^(zeta/nu) F((x - x_c) L^(1/nu)) with a master curve that is eliminated by linear algebra.

For given (x_c, 1/nu, zeta/nu) the master curve F is the best Chebyshev polynomial in tanh of the scaled control, so
only the nonlinear parameters are searched (variable projection, G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10
(1973) 413).  Residuals are those of the raw data over their errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from physnn.analysis.curves import Curves
from physnn.analysis.estimate import Estimate

DEGREE = 9
"""Degree of the master curve."""
SATURATION = 1.5
"""The scaled control of the largest size spans tanh(-1.5) .. tanh(1.5): master curves flatten far from x_c."""


@dataclass(frozen=True)
class Collapse:
    """A fitted collapse.

    Attributes
    ----------
    critical_point, inverse_nu, zeta_over_nu : Estimate
        Parameters; errors from the bootstrap.  A fixed zeta/nu has error 0.
    chi2_per_dof, p_value : float
        Goodness of fit at the data's errors, points counted as independent.
    window : (float, float)
        Control values used.
    degree : int
        Degree of the master curve.
    samples : ndarray
        Bootstrap samples of (x_c, 1/nu, zeta/nu), shape ``(resamples, 3)``.
    """

    critical_point: Estimate
    inverse_nu: Estimate
    zeta_over_nu: Estimate
    chi2_per_dof: float
    p_value: float
    window: tuple[float, float]
    degree: int
    samples: np.ndarray


@dataclass(frozen=True)
class _Points:
    """All points of all sizes in one row, with L and x scaled to order one for conditioning."""

    x: np.ndarray
    L: np.ndarray
    y: np.ndarray
    error: np.ndarray
    middle: float
    half: float
    largest: float
    degree: int

    def residuals(self, parameters: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Residuals over errors after the best master curve has been taken out."""
        y = self.y if y is None else y
        x_c, inverse_nu, zeta_over_nu = parameters
        size = self.L / self.largest
        scaled = ((self.x - self.middle) / self.half - x_c) * size**inverse_nu
        basis = np.polynomial.chebyshev.chebvander(np.tanh(SATURATION * scaled), self.degree)
        basis *= (size**zeta_over_nu / self.error)[:, None]
        q, _ = np.linalg.qr(basis)
        target = y / self.error
        return np.asarray(target - q @ (q.T @ target))


def collapse(curves: Curves, guess: float, window: tuple[float, float], zeta_free: bool) -> Collapse | None:
    """Fit a collapse on a window of control values.

    Parameters
    ----------
    curves : Curves
        The data with bootstrap samples.
    guess : float
        Start value of x_c.
    window : (float, float)
        Control values to use.
    zeta_free : bool
        Whether zeta/nu is fitted; otherwise 0.

    Returns
    -------
    Collapse or None
        None if the window holds too few points for a master curve.
    """
    chosen = {L: (curves.x[L] >= window[0]) & (curves.x[L] <= window[1]) for L in curves.sizes}
    L = np.concatenate([np.full(int(chosen[s].sum()), float(s)) for s in curves.sizes])
    x = np.concatenate([curves.x[s][chosen[s]] for s in curves.sizes])
    free = 3 if zeta_free else 2
    degree = min(DEGREE, len(x) // 3 - 1)
    if degree < 2 or len(x) <= degree + 1 + free:
        return None
    y = np.concatenate([curves.y[s][chosen[s]] for s in curves.sizes])
    samples = np.concatenate([curves.samples[s][:, chosen[s]] for s in curves.sizes], axis=1)
    error = samples.std(0, ddof=1)
    error = np.maximum(error, 1e-6 * max(curves.span(), 1e-300))
    half = (window[1] - window[0]) / 2
    points = _Points(x, L, y, error, (window[0] + window[1]) / 2, half, float(L.max()), degree)
    start = (guess - points.middle) / half
    grid = [(start, a, 0.0) for a in (0.25, 0.5, 1.0, 1.5, 2.5)]
    fits = [_polish(points, p, y, zeta_free) for p in grid]
    best, cost = min(fits, key=lambda fit: fit[1])
    found = np.array([_polish(points, best, sample, zeta_free)[0] for sample in samples])
    found[:, 0] = points.middle + half * found[:, 0]
    spread = found.std(0, ddof=1)
    dof = len(y) - degree - 1 - free
    return Collapse(
        Estimate(float(points.middle + half * best[0]), float(spread[0])),
        Estimate(float(best[1]), float(spread[1])),
        Estimate(float(best[2]), float(spread[2])),
        2 * cost / dof,
        float(stats.chi2.sf(2 * cost, dof)),
        window,
        degree,
        found,
    )


def _polish(
    points: _Points, start: tuple[float, ...] | np.ndarray, y: np.ndarray, zeta_free: bool
) -> tuple[np.ndarray, float]:
    free = slice(0, 3 if zeta_free else 2)
    full = np.array(start, float)

    def residuals(parameters: np.ndarray) -> np.ndarray:
        full[free] = parameters
        return points.residuals(full, y)

    low, high = np.array([-1.5, 0.01, -5.0])[free], np.array([1.5, 8.0, 5.0])[free]
    begin = np.clip(full[free], low + 1e-6, high - 1e-6)
    fit = optimize.least_squares(residuals, begin, bounds=(low, high), x_scale=np.array([0.1, 0.3, 0.1])[free])
    found = np.zeros(3)
    found[free] = fit.x
    return found, float(fit.cost)
