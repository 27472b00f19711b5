"""What a fit starts from: points (L, x, y) with errors or a covariance, in one row for all sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

from physnn.errors import InputError


@dataclass(frozen=True)
class Points:
    """Points of all sizes.

    Attributes
    ----------
    L, x, y, error : ndarray
        Size, control value, value and standard error of every point, each of shape ``(points,)``.
    covariance : ndarray or None
        Covariance of the values, shape ``(points, points)``; None if the points are independent.
    """

    L: np.ndarray
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    covariance: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes, increasing."""
        return tuple(int(L) for L in np.unique(self.L))

    def chosen(self, mask: np.ndarray) -> Points:
        """Return the points where ``mask`` is true."""
        covariance = None if self.covariance is None else self.covariance[np.ix_(mask, mask)]
        return Points(self.L[mask], self.x[mask], self.y[mask], self.error[mask], covariance)

    def cholesky(self) -> np.ndarray | None:
        """Return the lower Cholesky factor of the covariance, None if the points are independent.

        Raises
        ------
        InputError
            If the covariance is not positive definite.
        """
        if self.covariance is None:
            return None
        try:
            return np.asarray(linalg.cholesky(self.covariance, lower=True))
        except linalg.LinAlgError:
            raise InputError(
                "the covariance is not positive definite: it may rest on fewer draws than there are points; "
                "give errors alone"
            ) from None


def whiten(factor: np.ndarray | None, error: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values over errors, or decorrelated by a Cholesky factor, so that each has unit variance."""
    if factor is None:
        return np.asarray(values / (error if values.ndim == 1 else error[:, None]))
    return np.asarray(linalg.solve_triangular(factor, values, lower=True, check_finite=False))


def solve_upper(r: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the linear coefficients; directions that the points do not determine stay zero."""
    diagonal = np.abs(np.diag(r))
    if diagonal.min() > 1e-10 * diagonal.max():
        return np.asarray(linalg.solve_triangular(r, inner, check_finite=False))
    return np.asarray(np.linalg.lstsq(r, inner, rcond=1e-10)[0])


def draw(points: Points, mean: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return ``count`` rows of values around a mean with the points' errors: a parametric bootstrap."""
    normal = generator.standard_normal((count, len(points)))
    factor = points.cholesky()
    return np.asarray(mean + (normal * points.error if factor is None else normal @ factor.T))


@dataclass(frozen=True)
class Form:
    """The scaling form that is fitted.

    Attributes
    ----------
    fixed : tuple of (float or None)
        Values of (x_c, 1/nu, zeta/nu, omega) that are held; None is fitted.
    corrected : bool
        Whether the term with omega is there.
    analytic : bool
        Whether the term (x - x_c) H(u) is there: amplitudes that change smoothly with the control.
    reach : float
        How far from the middle of the data x_c may be, in half their range.
    """

    fixed: tuple[float | None, float | None, float | None, float | None] = (None, None, 0.0, None)
    corrected: bool = False
    analytic: bool = False
    reach: float = 1.3

    def free(self) -> list[int]:
        """Return the positions of fitted parameters."""
        return [k for k, value in enumerate(self.fixed) if value is None and (k < 3 or self.corrected)]


@dataclass(frozen=True)
class Solution:
    """One least-squares fit.

    Attributes
    ----------
    parameters : ndarray
        (x_c, 1/nu, zeta/nu, omega).
    covariance : ndarray
        Of the parameters, shape ``(4, 4)``; zero for fixed ones.
    chi2, dof : float, int
        Goodness of fit; ``dof`` counts master curve and parameters.
    steepness, degree, half, largest : float, int, float, float
        The master curve: tanh(steepness (x - x_c)/half (L/largest)^(1/nu)) is the argument of the polynomial.
    residuals : ndarray
        Whitened residuals of the points.
    fitted : ndarray
        Fitted values of the points.
    jacobian : ndarray
        Derivatives of the whitened residuals by the fitted parameters, x_c in units of the control.
    correction : int
        Degree of the amplitude G of the correction.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    chi2: float
    dof: int
    steepness: float
    degree: int
    half: float
    largest: float
    residuals: np.ndarray
    fitted: np.ndarray
    jacobian: np.ndarray
    correction: int = 3

    @property
    def chi2_per_dof(self) -> float:
        """chi2 over degrees of freedom."""
        return self.chi2 / self.dof

    @property
    def p_value(self) -> float:
        """Probability of a chi2 at least as large."""
        return float(stats.chi2.sf(self.chi2, self.dof))

    @property
    def coefficients(self) -> int:
        """Number of fitted numbers, linear ones too."""
        return len(self.residuals) - self.dof
