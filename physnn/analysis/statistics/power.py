"""Power of comparisons over paired seeds: how many seeds show an effect, before there are data and after.

The mean of n paired differences with standard deviation s is seen, where it is d, with the probability `POWER` if

    (t_(1 - a/2m) + t_POWER) s / sqrt(n) <= d,

with Student's quantiles of n - 1 degrees of freedom, level a and m comparisons (J. Cohen, "Statistical Power Analysis
for the Behavioral Sciences", 1988; the usual approximation of the noncentral distribution).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import special

LEVEL = 0.05
"""Probability of a false alarm among all comparisons that are judged together (convention)."""
POWER = 0.8
"""Probability with which a difference of the smallest size that matters is to be seen (convention)."""
MOST = 10**9
"""Number that no count goes beyond."""


@dataclass(frozen=True)
class Power:
    """Seeds that show an effect where paired differences scatter by so much; sizes are in the unit of a claim table.

    Attributes
    ----------
    effect : float
        Size of the effect.
    meaning : str
        What has this size.
    scatter : float
        Standard deviation of paired differences of single seeds.
    source : str
        Where it is from: a pilot, a bound, or the data.
    seeds : int
        Seeds that show the effect with the probability `POWER`.
    visible : float
        Smallest effect that the seeds at hand show with it; infinite with one seed.
    """

    effect: float
    meaning: str
    scatter: float
    source: str
    seeds: int
    visible: float


def visible_effect(scatter: float, n: int, comparisons: int = 1) -> float:
    """Smallest mean of n differences of a standard deviation that is seen with the probability `POWER`."""
    if n < 2:
        return math.inf
    quantiles = special.stdtrit(n - 1, [1 - LEVEL / (2 * comparisons), POWER])
    return scatter * float(quantiles.sum()) / math.sqrt(n)


def draws_needed(scatter: float, effect: float, comparisons: int = 1) -> int:
    """Smallest number of differences of a standard deviation that shows a mean with the probability `POWER`."""
    high = 2
    while visible_effect(scatter, high, comparisons) > effect and high < MOST:
        high *= 2
    low = max(1, high // 2)
    while high - low > 1:  # the effect is visible with high, and not with low
        middle = (low + high) // 2
        low, high = (low, middle) if visible_effect(scatter, middle, comparisons) <= effect else (middle, high)
    return min(high, MOST)


def power_table(
    effects: Mapping[str, float], scatters: Mapping[str, float], seeds: int, comparisons: int
) -> tuple[Power, ...]:
    """Power for all effects by meaning and scatters by source, with so many seeds, and comparisons judged together."""
    return tuple(
        Power(effect, meaning, s, source, draws_needed(s, effect, comparisons), visible_effect(s, seeds, comparisons))
        for meaning, effect in effects.items()
        for source, s in scatters.items()
    )


def binomial_scatter(share: float, n: int) -> float:
    """Standard deviation of the difference of two shares, each of n things, that are independent of each other.

    It is sqrt(2 p (1 - p) / n); networks that share things or mistakes differ by less.
    """
    return math.sqrt(2 * share * (1 - share) / n)
