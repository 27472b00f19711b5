"""Differences between two treatments of the same subjects, such as accuracies of networks with the same seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference of pairs, and whether it can be chance.

    Attributes
    ----------
    estimate : Estimate
        Mean of first minus second, in their unit, with Student's distribution of n - 1 degrees of freedom.
    p_value : float
        Probability of a mean at least as far from zero without any effect: the paired t-test, two-sided.
    n : int
        Number of pairs.
    """

    estimate: Estimate
    p_value: float
    n: int


def paired_difference(first: np.ndarray, second: np.ndarray) -> PairedDifference:
    """Return the mean of ``first - second`` over pairs, with its error and the p-value of the paired t-test.

    Parameters
    ----------
    first, second : array, shape (n,)
        What was measured of the same n subjects, in the same order.

    Raises
    ------
    InputError
        If there are fewer than two pairs, or the numbers of values differ.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise InputError("a paired test needs at least two pairs; train at least two seeds of each")
    apart = a - b
    n, mean = len(apart), float(apart.mean())
    error = float(apart.std(ddof=1) / np.sqrt(n))
    if error == 0:
        return PairedDifference(Estimate(mean, 0.0, n - 1), 1.0 if mean == 0 else 0.0, n)
    p = float(2 * stats.t.sf(abs(mean / error), n - 1))
    return PairedDifference(Estimate.student(mean, error, n - 1), p, n)


def mean_over(values: np.ndarray) -> Estimate:
    """Return the mean of independent values with its standard error; of one value, with an error of nan."""
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return Estimate(float(x.mean()), float("nan"))
    return Estimate.student(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))), len(x) - 1)
