"""Points (L, x, y) with errors or a covariance, in one row for all sizes; forms that are fitted, and solutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, special

from physnn.errors import InputError

TIME_GAP = 0.1
"""Distance in ln(t / L^z) from which times of different sizes do not meet: 10 % of a time (convention)."""
PAIRED = 0.99
"""Correlation of neighbours from which they stand for a value and its derivative: no exchange of replicas makes it."""


@dataclass(frozen=True)
class Points:
    """Points of all sizes, each array ``(points,)``: size, control value, value, standard error, and time if any.

    The covariance ``(points, points)`` is None if the points are independent.
    """

    L: np.ndarray
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    covariance: np.ndarray | None = None
    t: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def by_size(self) -> tuple[np.ndarray, np.ndarray]:
        """Sizes, increasing, and of every point the position of its own among them."""
        return np.unique(self.L, return_inverse=True)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes, increasing."""
        return tuple(int(L) for L in self.by_size[0])

    def chosen(self, mask: np.ndarray) -> Points:
        """Points where ``mask`` is true, or those at given positions."""
        covariance = None if self.covariance is None else self.covariance[np.ix_(mask, mask)]
        t = None if self.t is None else self.t[mask]
        return Points(self.L[mask], self.x[mask], self.y[mask], self.error[mask], covariance, t)

    def distinct(self, values: np.ndarray) -> list[int]:
        """Numbers of different values of each size, given one value for every point."""
        return [len(np.unique(values[self.L == L])) for L in np.unique(self.L)]

    def meet(self, z: float) -> bool:
        """Whether the sizes' ranges of t / L^z cover one range without gaps."""
        assert self.t is not None
        s = np.log(self.t) - z * np.log(self.L)
        ranges = sorted((s[self.L == L].min(), s[self.L == L].max()) for L in np.unique(self.L))
        reached = np.maximum.accumulate([high for _, high in ranges])
        return all(low <= high + TIME_GAP for (low, _), high in zip(ranges[1:], reached[:-1], strict=True))

    @property
    def carry_derivatives(self) -> bool:
        """Whether neighbours share nearly all of their errors, so that two stand for a value and its derivative.

        Methods that see scatter of single points, or their errors alone, cannot judge such points.
        """
        if self.covariance is None:
            return False
        joint = np.diag(self.covariance, 1)
        own = np.sqrt(np.diag(self.covariance))
        return bool(np.any(joint > PAIRED * own[1:] * own[:-1]))

    def cholesky(self) -> np.ndarray | None:
        """Lower Cholesky factor of the covariance, None if the points are independent."""
        if self.covariance is None:
            return None
        try:
            return np.asarray(linalg.cholesky(self.covariance, lower=True))
        except linalg.LinAlgError:
            raise InputError(
                "the covariance is not positive definite: it may rest on fewer draws than there are points; "
                "give errors alone"
            ) from None


def draw(points: Points, mean: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``count`` rows of values around a mean with the points' errors: a parametric bootstrap."""
    normal = generator.standard_normal((count, len(points)))
    factor = points.cholesky()
    return np.asarray(mean + (normal * points.error if factor is None else normal @ factor.T))


Fixed = tuple[float | None, float | None, float | None, float | None]
"""Values of (x_c, 1/nu, zeta/nu, omega or z) that are held; None is fitted."""


@dataclass(frozen=True)
class Form:
    """The scaling form that is fitted.

    Attributes
    ----------
    fixed : tuple of (float or None)
        Values of (x_c, 1/nu, zeta/nu, omega) that are held, None is fitted; with times z in place of omega.
    corrected : bool
        Whether the term with omega is there.
    analytic : bool
        Whether the term (x - x_c) H(u) is there: amplitudes that change smoothly with the control.
    timed : bool
        Whether the master function depends on t / L^z too; then the steepness of the tanh is fitted with a prior.
    logarithmic : bool
        Whether the correction falls as 1/ln L in place of L^-omega; omega is held then, and means nothing.
    reach : float
        How far from the middle of the data x_c may be, in half their range.
    """

    fixed: Fixed = (None, None, 0.0, None)
    corrected: bool = False
    analytic: bool = False
    timed: bool = False
    logarithmic: bool = False
    reach: float = 1.3

    def free(self) -> list[int]:
        """Positions of fitted parameters."""
        return [k for k, value in enumerate(self.fixed) if value is None and (k < 3 or self.corrected or self.timed)]


@dataclass(frozen=True)
class Curve:
    """Shape of a master function: polynomials in tanh(k u), and in ln(t / L^z) where there are times.

    The steepness is k, with the control in half ranges and L over the largest.  The degrees are those of F in the
    control, of the amplitude G of the correction, and of F in the logarithm of the time.
    """

    steepness: float
    degree: int
    correction: int = 3
    later: int = 0


@dataclass(frozen=True)
class Solution:
    """One least-squares fit.

    The parameters are (x_c, 1/nu, zeta/nu, omega), of points with times z in place of omega, and their covariance is 0
    for fixed ones; ``row`` has them as `physnn.analysis.collapse.collapse.CollapseModel` does.  ``dof`` counts master
    function and parameters, ``half`` is half the range of the control, ``largest`` the largest L.  Residuals are
    whitened; ``jacobian`` has their derivatives by the fitted parameters, x_c in units of the control.  ``stretch``,
    ``(5, 5)``, turns deviations of a parametric bootstrap into those with the covariance.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    chi2: float
    dof: int
    curve: Curve
    half: float
    largest: float
    residuals: np.ndarray
    fitted: np.ndarray
    jacobian: np.ndarray
    row: np.ndarray
    stretch: np.ndarray

    @property
    def chi2_per_dof(self) -> float:
        """chi2 over degrees of freedom."""
        return self.chi2 / self.dof

    @property
    def p_value(self) -> float:
        """Probability of a chi2 at least as large."""
        return float(special.chdtrc(self.dof, self.chi2))

    @property
    def coefficients(self) -> int:
        """Number of fitted numbers, linear ones too."""
        return len(self.residuals) - self.dof
