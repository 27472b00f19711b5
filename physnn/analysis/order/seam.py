"""Free energy of a seam, from measurements at several of its strengths.

The energy is linear in the strength s, E(s) = E_0 + s H.  With s / T for an inverse temperature and H for the energy,
the multi-histogram equations of `physnn.analysis.statistics.mbar` give f(s) = -ln Z(s), and

    Delta F = T (f(-1) - f(1)),        P_anti / P_per = Z(-1) / Z(1) = exp(-Delta F / T).

All measurements enter, and nothing is integrated over s, so there is no error of a rule of integration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn.analysis.statistics.estimate import Estimate, power_law
from physnn.analysis.statistics.mbar import discrepancies, energy_levels, newton, solve
from physnn.analysis.statistics.resampling import bin_count, bin_edges
from physnn.analysis.statistics.series import estimate_time
from physnn.errors import InputError

CROSSING_LEVELS = 2048
"""Most levels of H = dE/ds: over a level, Boltzmann factors vary far less than their noise."""
LEAST_BLOCKS = 5
"""Fewest blocks of ten autocorrelation times, the 50 tau of `physnn.analysis.statistics.series.SHORTEST_CHAIN`: with
fewer the error itself is uncertain by more than a third."""

INCONSISTENT = 1e-4
"""Probability below which series at several strengths do not belong together, a convention: one false alarm in 10^4."""


@dataclass(frozen=True)
class SeamCost:
    """Free energy Delta F of a seam at one temperature, in units of the coupling.

    ``ratio`` is P_anti / P_per = exp(-Delta F / T), ``overlap`` the least of neighbouring strengths, 0 to 1, and
    ``tau`` the longest autocorrelation time of H over the strengths, in measurements.  The error rests on ``blocks`` of
    them.
    """

    cost: Estimate
    ratio: Estimate
    overlap: float
    tau: float
    blocks: int


def seam_cost(T: float, strengths: np.ndarray, crossing: np.ndarray) -> SeamCost:
    """Free energy of a seam, with an error from leaving out blocks of all strengths at once.

    Parameters
    ----------
    T : float
        Temperature, in units of the coupling.
    strengths : ndarray, shape (states,)
        s, one of them 1 and one -1.
    crossing : ndarray, shape (states, measurements)
        H = dE/ds of measurements at each strength, after thermalisation, at equal times.

    Raises
    ------
    InputError
        If series are too short for five blocks of ten autocorrelation times, or neighbouring strengths do not overlap.
    """
    s, H = np.asarray(strengths, float), np.asarray(crossing, float)
    if H.ndim != 2 or len(H) != len(s) or not (T > 0 and np.isfinite(H).all()):
        raise InputError("a seam needs T > 0 and one finite series for each of its strengths")
    ends = [int(np.argmin(np.abs(s - end))) for end in (1.0, -1.0)]
    if np.abs(s[ends] - (1.0, -1.0)).max() > 1e-12:
        raise InputError("a seam is measured at strengths from 1 to -1, both included")
    length = H.shape[1]
    times = [estimate_time(row) for row in H]
    for strength, time in zip(s, times, strict=True):
        if math.isnan(time.tau.value):
            raise InputError(f"seam of strength {strength:g}: {time.note}; take a higher temperature")
    tau = max(time.span for time in times)
    blocks = min(bin_count(tau, 1, length), 32)
    if blocks < LEAST_BLOCKS:
        need = math.ceil(10 * LEAST_BLOCKS * tau)
        raise InputError(f"{length} measurements of a seam are too few at tau = {tau:.3g}; take {need} or more")
    level, index = energy_levels(H.ravel(), float(np.ptp(s)) / T, CROSSING_LEVELS)
    state = np.repeat(np.arange(len(s)), length)
    block = np.tile(np.searchsorted(bin_edges(length, blocks), np.arange(length), side="right") - 1, len(s))
    parts = np.zeros((blocks, len(s), len(level)))
    np.add.at(parts, (block, state, index), 1.0)
    total = parts.sum(axis=0)
    found = solve(s / T, level, total, "strength")
    left = total - parts
    relative = newton(found.boltzmann, left.sum(axis=1), left.sum(axis=2))
    sets, shifts = np.concatenate([total[None], left]), np.concatenate([np.zeros((1, len(s))), relative])
    _check_together(s, discrepancies(found.boltzmann, level, sets, shifts))
    free = found.free + relative
    differences = free[:, ends[1]] - free[:, ends[0]]
    value = float(found.free[ends[1]] - found.free[ends[0]])
    spread = math.sqrt((blocks - 1) / blocks * float(((differences - differences.mean()) ** 2).sum()))
    error, dof, ratio = Estimate.student(value, spread, blocks - 1).error, blocks - 1, math.exp(-value)
    cost = Estimate(T * value, T * error, dof)
    return SeamCost(cost, Estimate(ratio, ratio * error, dof), float(found.overlaps.min()), tau, blocks)


def _check_together(strengths: np.ndarray, off: np.ndarray) -> None:
    """Raise InputError where the mean of H at a strength is not what the series of all strengths say of it.

    ``off`` has the differences ``(1 + blocks, strengths)`` of all blocks, and of all but one.
    """
    blocks = len(off) - 1
    error = np.sqrt((blocks - 1) / blocks * ((off[1:] - off[1:].mean(axis=0)) ** 2).sum(axis=0))
    p_values = 2 * len(strengths) * special.stdtr(blocks - 1, -np.abs(off[0]) / np.maximum(error, 1e-300))
    k = int(np.argmin(p_values))
    if p_values[k] < INCONSISTENT:
        raise InputError(
            f"at strength {strengths[k]:g} the mean of H is off by {off[0][k]:.3g} from what all strengths say of it "
            f"(p = {p_values[k]:.1g}): give dE/ds of the whole lattice, with its sign and in units of T, in equilibrium"
        )


def stiffness(sizes: np.ndarray, cost: np.ndarray, error: np.ndarray | None = None) -> Estimate | None:
    """Stiffness exponent theta of Delta F ~ L^theta.

    In 2D it is 1 for walls of a discrete symmetry, 0 for U(1), below 0 without order.  Slope of ln Delta F by weighted
    least squares (W. L. McMillan, J. Phys. C 17, 3179 (1984)).

    Parameters
    ----------
    sizes, cost : ndarray, shape (n,)
        L and Delta F.
    error : ndarray, shape (n,), optional
        Errors of Delta F; without them the error of theta is that of the scatter, or infinite for two sizes.

    Returns
    -------
    Estimate or None
        None where there are fewer than two sizes or a cost is not above zero (by two of its errors).
    """
    L, F = np.asarray(sizes, float), np.asarray(cost, float)
    sigma = np.zeros(len(F)) if error is None else np.asarray(error, float)
    if len(np.unique(L)) < 2 or not (2 * sigma < F).all() or not (F > 0).all():
        return None
    slope, unit, chi2 = power_law(L, F, F if error is None else sigma)
    if error is not None:
        return Estimate(slope, unit)
    return Estimate(slope, unit * math.sqrt(chi2 / (len(F) - 2)) if len(F) > 2 else math.inf)
