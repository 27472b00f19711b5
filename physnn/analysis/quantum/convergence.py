"""Whether a trained wave function may be asked for its order: a rule that uses no exact order.

A small error of the energy says little about order: the weight outside the ground state is bounded by (E - E_0) / gap,
and gaps close where order sets in.  What tells is the covariance of the squared order parameter with the local energy.
It is 0 in an eigenstate.  In imaginary time the order changes at the rate -2 cov, and the change dies out like
exp(-gap t): so what is left of it is about 2 cov / gap, the *pull*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn.analysis.statistics.estimate import Estimate

LEAST_SEEDS = 4
"""Machines whose scatter enters errors, at least."""
DISAGREE_BY_CHANCE = 0.0455
"""Probability that stages which agree are called different at some point: that of two errors, by Student's law."""
CLEAR_PULL = 2.0
"""Errors of the pull from which it is one."""
PULLED = 1.0
"""Errors of the order that its pull may be: more would take intervals off their coverage."""
ALLOWED_INFIDELITY = 1e-3
"""Weight outside the ground state that is allowed where it is bounded (convention)."""
ALLOWED_BY_VARIANCE = 1e-2
"""The same where the variance of the energy bounds it, var / gap^2, and no exact energy is known (convention)."""
OPEN_GAP = 4.0
"""Gap over J/L that is taken where none is known: critical chains have 2 pi v x / L, with v and x near 1."""
NOT_CONVERGED = "order not converged"
"""What an undecided verdict begins with."""


@dataclass(frozen=True)
class Convergence:
    """Whether order has converged at one size and parameter.

    Attributes
    ----------
    L : int
        Size.
    value : float
        Parameter of the model.
    order2 : Estimate
        Mean square of the order parameter, with an error from the scatter of machines.
    drift : Estimate
        Its change from the stage before to the last one, machine by machine.
    pull : Estimate
        What is left to change, 2 cov / gap.
    extrapolated : Estimate
        Order at no variance of the energy, by a line through the last two stages; unknown where it did not fall.
    variance : float
        Variance of the local energy per site, in J^2.
    infidelity : float
        Bound of the weight outside the ground state: (E - E_0) / gap, or var / gap^2 where no exact energy is known.
    assumed : bool
        Whether the gap is `OPEN_GAP` over L instead of an exact one.
    reasons : tuple of str
        Why order has not converged; empty where it has.
    """

    L: int
    value: float
    order2: Estimate
    drift: Estimate
    pull: Estimate
    extrapolated: Estimate
    variance: float
    infidelity: float
    assumed: bool
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``converged``, or ``undecided``."""
        return "undecided" if self.reasons else "converged"


def mean_of_machines(values: np.ndarray) -> Estimate:
    """Mean over machines with the error that their scatter gives; without an error of a single one."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan)


def converged_order(
    L: int,
    value: float,
    order2: np.ndarray,
    pull: np.ndarray,
    variance: np.ndarray,
    exact: tuple[float, float] = (math.nan, math.nan),
    points: int = 1,
    sites: int = 1,
) -> Convergence:
    """Judge one point.

    Parameters
    ----------
    L, value : int, float
        Size, and parameter of the model.
    order2, variance : ndarray, shape (machines, stages)
        Mean square of the order parameter, and variance of the local energy per site.
    pull : ndarray, shape (machines,)
        Twice the covariance of the squared order parameter with the local energy, after the last stage.
    exact : tuple of float
        Energy above the exact one, and exact distance to the next level of the same symmetry, both in J; NaN where
        they are not known.
    points : int
        Points that are judged together: among many, some differ by two errors although all agree.
    sites : int
        Number of spins.
    """
    excess, gap = exact
    assumed = not (math.isfinite(gap) and gap > 0)
    last = mean_of_machines(order2[:, -1])
    distance = OPEN_GAP / L if assumed else gap
    remains = mean_of_machines(pull / distance)
    several = order2.shape[1] > 1
    drift = mean_of_machines(order2[:, -1] - order2[:, -2]) if several else Estimate(math.nan, math.nan)
    limit = float(special.stdtrit(max(1, len(order2) - 1), 1 - DISAGREE_BY_CHANCE / (2 * points)))
    bounded = assumed or not math.isfinite(excess)
    outside = float(variance[:, -1].mean()) * sites / distance**2 if bounded else max(excess, 0.0) / gap
    reasons = []
    if len(order2) < LEAST_SEEDS:
        reasons.append(f"{len(order2)} machines, and the scatter of at least {LEAST_SEEDS} is an error")
    if not several:
        reasons.append("a single stage, which nothing can agree with")
    elif abs(drift.value) > limit * drift.error:
        reasons.append(f"the last two stages differ by {drift} in the squared order")
    if last.error >= 0 and abs(remains.value) > max(PULLED * last.error, CLEAR_PULL * remains.error):
        reasons.append(f"a pull of {remains} is left, and the error is {last.error:.2g}")
    if outside > (ALLOWED_BY_VARIANCE if bounded else ALLOWED_INFIDELITY):
        reasons.append(f"up to {outside:.2g} of the state may lie outside the ground state")
    return Convergence(
        L, value, last, drift, remains, _extrapolated(order2, variance), float(variance[:, -1].mean()), outside,
        assumed, tuple(reasons),
    )  # fmt: skip


def _extrapolated(order2: np.ndarray, variance: np.ndarray) -> Estimate:
    """Order at no variance, machine by machine from its last two stages."""
    if order2.shape[1] < 2:
        return Estimate(math.nan, math.nan)
    if not variance[:, -1].any():
        return mean_of_machines(order2[:, -1])
    before, after = variance[:, -2].mean(), variance[:, -1].mean()
    if before <= 1.2 * after:
        return Estimate(math.nan, math.nan)
    return mean_of_machines(order2[:, -1] + (order2[:, -1] - order2[:, -2]) * after / (before - after))
