"""Common mean of several networks, and the test whether they share it.

With estimates y_i of variance s_i^2, Cochran's Q = sum_i (y_i - y)^2 / s_i^2 about their weighted mean y is chi-squared
with n - 1 degrees of freedom if all are equal (W. G. Cochran, Biometrics 10 (1954) 101).  The scatter between networks
is that of R. DerSimonian and N. Laird, Controlled Clinical Trials 7 (1986) 177, and the error of the mean that of
J. Hartung and G. Knapp, Statistics in Medicine 20 (2001) 3875, with Student's distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from physnn.analysis.statistics.estimate import Estimate, deviation
from physnn.analysis.statistics.plain import fields_json


@dataclass(frozen=True)
class PooledMean:
    """Common mean of n networks, weighted, with Student's distribution of n - 1 degrees of freedom.

    ``between`` is the standard deviation between networks, in the unit of the mean; 0 where the errors explain the
    scatter.  ``q`` is Cochran's Q, dimensionless, and ``p_value`` that of networks that are all equal.
    """

    mean: Estimate
    between: float
    q: float
    p_value: float
    count: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)

    def __str__(self) -> str:
        told = f"scatter between networks {self.between:.2g}, " if self.between else ""
        return f"{self.mean} of {self.count} networks ({told}equal: p = {self.p_value:.2g})"


def pooled(found: Sequence[Estimate]) -> PooledMean | None:
    """Common mean of independent estimates; None of fewer than two.

    Parameters
    ----------
    found : sequence of Estimate
        One for each network, each with an error above 0.
    """
    if len(found) < 2:
        return None
    y, variance = np.array([e.value for e in found]), np.array([deviation(e) ** 2 for e in found])
    weight = 1 / variance
    mean = (weight * y).sum() / weight.sum()
    q, dof = float((weight * (y - mean) ** 2).sum()), len(y) - 1
    between = max(0.0, (q - dof) / float(weight.sum() - (weight**2).sum() / weight.sum()))
    weight = 1 / (variance + between)
    mean = (weight * y).sum() / weight.sum()
    # Never below the error that the estimates' own errors give: a lucky agreement is no knowledge.
    scale = max(1.0, float((weight * (y - mean) ** 2).sum()) / dof)
    error = math.sqrt(scale / float(weight.sum()))
    common = Estimate.student(float(mean), error, dof)
    return PooledMean(common, math.sqrt(between), q, float(special.chdtrc(dof, q)), len(y))
