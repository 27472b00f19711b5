"""A number with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

ONE_SIGMA = 0.6826894921370859
"""Probability within one standard deviation of a normal variable."""


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
        """Return an estimate from a standard error that itself rests on few draws."""
        return cls(float(value), float(deviation * stats.t.ppf((1 + ONE_SIGMA) / 2, dof)), float(dof))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval of a level."""
        quantiles = stats.t.ppf([(1 + level) / 2, (1 + ONE_SIGMA) / 2], self.dof)
        half = self.error * float(quantiles[0] / quantiles[1])
        return self.value - half, self.value + half

    def __str__(self) -> str:
        if not (math.isfinite(self.value) and math.isfinite(self.error)) or self.error <= 0:
            return f"{self.value:.6g}"
        # Two digits of the error where its first is a 1, else one: rounding changes it by a quarter at most.
        digits = 2 if f"{self.error:.0e}"[0] == "1" else 1
        places = digits - 1 - math.floor(math.log10(float(f"{self.error:.{digits - 1}e}")))
        if places <= 0:
            return f"{self.value:.0f}({self.error:.0f})"
        return f"{self.value:.{places}f}({round(self.error * 10**places)})"

    def as_json(self) -> dict[str, float | list[float]]:
        """Return ``{"value": ..., "error": ..., "interval_95": [...]}``."""
        return {"value": self.value, "error": self.error, "interval_95": list(self.interval())}
