"""What a fit starts from: points (L, x, y) with errors or a covariance, in one row for all sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

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
