"""Estimates with errors: means, differences, ratios and their significance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

ONE_SIGMA = 0.6826894921370859
"""Probability of a normal variable to lie within one standard deviation of its mean."""


@dataclass(frozen=True)
class Estimate:
    """A value and its error; prints as ``2.26919(4)``.

    Attributes
    ----------
    value, error : float
        The value, and the half width of its 68.3 % interval.
    dof : float
        Degrees of freedom of Student's distribution that the error follows; infinite where it is well known.
    """

    value: float
    error: float
    dof: float = math.inf

    @classmethod
    def student(cls, value: float, deviation: float, dof: float) -> Estimate:
        """Estimate from a standard error that itself rests on few draws."""
        return cls(float(value), float(deviation * special.stdtrit(dof, (1 + ONE_SIGMA) / 2)), float(dof))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Central confidence interval of a level."""
        quantiles = special.stdtrit(self.dof, [(1 + level) / 2, (1 + ONE_SIGMA) / 2])
        half = self.error * float(quantiles[0] / quantiles[1])
        return self.value - half, self.value + half

    def __sub__(self, other: Estimate) -> Estimate:
        """Difference of independent estimates."""
        return Estimate.student(self.value - other.value, *_joint(self, other, 1.0))

    def __str__(self) -> str:
        if not (math.isfinite(self.value) and math.isfinite(self.error)) or self.error <= 0:
            return f"{self.value:.6g}" + ("(?)" if math.isinf(self.error) else "")  # an error that is not known
        # Two digits of the error where its first is a 1, else one: rounding changes it by a quarter at most.
        digits = 2 if f"{self.error:.0e}"[0] == "1" else 1
        places = digits - 1 - math.floor(math.log10(float(f"{self.error:.{digits - 1}e}")))
        if places <= 0:
            return f"{self.value:.0f}({self.error:.0f})"
        return f"{self.value:.{places}f}({round(self.error * 10**places)})"

    def as_json(self) -> dict[str, float | list[float]]:
        """Plain data ``{"value": ..., "error": ..., "interval_95": [...]}``."""
        return {"value": self.value, "error": self.error, "interval_95": list(self.interval())}


def mean_over(values: np.ndarray, errors: Sequence[float] = ()) -> Estimate:
    """Mean of independent values, one for each draw such as a network, with Student's error of their scatter.

    Where errors of the values are known, the error of the mean is never below what they give, since a small scatter of
    few values can be chance.  The error of one value without an error is NaN.
    """
    x = np.asarray(values, dtype=float)
    mean, within = float(x.mean()), math.sqrt(float(np.sum(np.square(errors)))) / len(x) if len(errors) else math.nan
    if len(x) < 2:
        return Estimate(mean, within)
    between = Estimate.student(mean, float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1)
    return Estimate(mean, within) if within >= between.error else between


def power_law(sizes: np.ndarray, y: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """Exponent a of y ~ L^a with its standard error, and chi squared, from values y > 0 with errors, ``(n,)``.

    Weighted least squares of ln y against ln L.
    """
    weight = (y / errors) ** 2
    x, log_y = np.log(sizes), np.log(y)
    u = x - np.average(x, weights=weight)
    rest = log_y - np.average(log_y, weights=weight)
    square = float((weight * u**2).sum())
    slope = float((weight * u * rest).sum()) / square
    return slope, square**-0.5, float((weight * (rest - slope * u) ** 2).sum())


def deviation(estimate: Estimate) -> float:
    """Standard error, which `Estimate.error` widens to half of Student's 68.3 % interval."""
    return estimate.error / float(special.stdtrit(estimate.dof, (1 + ONE_SIGMA) / 2))


def _joint(a: Estimate, b: Estimate, factor: float) -> tuple[float, float]:
    """Standard error of a - factor b and its degrees of freedom (Welch and Satterthwaite)."""
    first, second = deviation(a) ** 2, (factor * deviation(b)) ** 2
    below = first**2 / a.dof + second**2 / b.dof
    return math.sqrt(first + second), (first + second) ** 2 / below if below > 0 else math.inf


def ratio(a: Estimate, b: Estimate) -> tuple[Estimate, tuple[float, float]] | None:
    """Ratio a / b of independent estimates with its 95 % interval; None where b may be 0.

    The interval is E. C. Fieller's (J. R. Stat. Soc. B 16 (1954) 175), and the error half of his 68.3 % interval; both
    are those of linear propagation where b is well known.
    """
    value, ends = a.value / b.value if b.value else math.inf, []
    dof = _joint(a, b, value)[1] if b.value else math.inf
    for level in (ONE_SIGMA, 0.95):
        t = float(special.stdtrit(dof, (1 + level) / 2))
        square, product = b.value**2 - (t * deviation(b)) ** 2, a.value * b.value
        if square <= 0:
            return None
        root = math.sqrt(max(product**2 - square * (a.value**2 - (t * deviation(a)) ** 2), 0.0))
        ends.append(((product - root) / square, (product + root) / square))
    return Estimate(value, (ends[0][1] - ends[0][0]) / 2, dof), ends[1]


def significance(estimate: Estimate) -> tuple[float, float]:
    """z-score and two-sided p-value of the hypothesis that the true value is 0.

    z is the signed deviation of a normal variable with the same p-value.
    """
    p = float(estimate.value == 0)
    if estimate.error > 0:
        p = float(2 * special.stdtr(estimate.dof, -abs(estimate.value) / deviation(estimate)))
    return math.copysign(sigmas(p), estimate.value), p


def sigmas(p_value: float) -> float:
    """Absolute z-score of a normal variable with a two-sided p-value, at most 37."""
    return abs(float(special.ndtri(max(p_value, 1e-300) / 2)))
