"""Scaling forms, and what a least-squares fit of one returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


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
