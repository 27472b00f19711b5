"""Lifetimes of which some are censored: the run ended before the loss.

The model is Weibull's, P(life > t) = exp(-(t / tau)^k): k = 1 is a constant rate of loss, a large k a loss at a set
time (a domain that shrinks).  tau is in either case the time after which a share 1/e is left.  A lifetime beyond the
end of its run enters the likelihood with P(life > end), so that censoring does not shorten what is found.
Source: J. F. Lawless, "Statistical Models and Methods for Lifetime Data", 2nd ed., section 5.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate, mean_over

SHAPE_RANGE = (0.2, 10.0)
"""Range of the Weibull shape k.  Lifetimes that scatter by less than 1.3/k = 13 % count as if they did by as much: m is
measured every 3 % of the time, and no law of growth holds to the last per cent."""
FEWEST_LOSSES = 3
"""Fewest losses that k is fitted to: tau and k take two, and with fewer k is held at 1."""
NO_LOSS_LIMIT = math.log(20)
"""-ln of 5 %: with k = 1 the total time without a loss is below this times tau with a probability of 95 %."""


@dataclass(frozen=True)
class Lifetime:
    """Lifetime from times of loss of which some may be censored.

    ln tau, with tau in the unit of the times, is the lower limit at 95 % with an error of 0 where nothing was lost; the
    shape is k, then NaN.  ``lost`` and ``count`` are the numbers of losses, and of observed lifetimes.
    """

    log_tau: Estimate
    shape: float
    lost: int
    count: int

    @property
    def bound(self) -> bool:
        """True if tau is a lower limit only."""
        return self.lost == 0

    @property
    def tau(self) -> float:
        """tau, or its lower limit at 95 %, in the unit of the times."""
        return math.exp(self.log_tau.value)


def lifetime(times: np.ndarray, lost: np.ndarray) -> Lifetime:
    """Lifetime of largest likelihood.

    Parameters
    ----------
    times : ndarray of shape (count,)
        Times at which the memory was lost, or its run ended; above 0.
    lost : ndarray of bool, shape (count,)
        True where it was lost.
    """
    t, gone = np.asarray(times, float), np.asarray(lost, bool)
    d = int(gone.sum())
    if not d:
        return Lifetime(Estimate(math.log(t.sum() / NO_LOSS_LIMIT), 0.0), math.nan, 0, len(t))
    shape = 1.0
    if d >= FEWEST_LOSSES:
        from scipy import optimize  # a tenth of a second that every command would wait for

        low, high = np.log(SHAPE_RANGE)
        found = optimize.minimize_scalar(
            lambda k: -_profile(math.exp(k), t, gone), bounds=(low, high), method="bounded"
        )
        shape = math.exp(found.x)
    log_tau = _log_tau(shape, t, d)
    logs = np.log(t) - log_tau
    z = np.exp(shape * logs)
    information = np.array([[shape**2 * z.sum(), -shape * (z * logs).sum()], [0.0, d / shape**2 + (z * logs**2).sum()]])
    information[1, 0] = information[0, 1]
    held = d < FEWEST_LOSSES or not SHAPE_RANGE[0] * 1.01 < shape < SHAPE_RANGE[1] * 0.99
    variance = 1 / information[0, 0] if held else float(np.linalg.inv(information)[0, 0])
    error = math.sqrt(variance)
    # ln tau rests on d losses, two numbers were fitted to them.
    return Lifetime(Estimate.student(log_tau, error, max(1, d - (1 if held else 2))), shape, d, len(t))


def _log_tau(shape: float, t: np.ndarray, d: int) -> float:
    """Ln tau of largest likelihood at a shape: tau^k = sum t^k / d."""
    top = float(np.log(t).max())
    return top + math.log(float(np.exp(shape * (np.log(t) - top)).sum()) / d) / shape


def _profile(shape: float, t: np.ndarray, gone: np.ndarray) -> float:
    log_tau = np.full(len(t), _log_tau(shape, t, int(gone.sum())))
    return log_likelihood(t, gone, log_tau, np.full(len(t), shape))


def log_likelihood(t: np.ndarray, gone: np.ndarray, log_tau: np.ndarray, shape: np.ndarray) -> float:
    """Logarithm of the likelihood of lifetimes, each with its own tau and k; density per ln t, in any unit of t."""
    logs = shape * (np.log(t) - log_tau)
    return float((np.log(shape) + logs)[gone].sum() - np.exp(np.minimum(logs, 600.0)).sum())


def mean_lifetime(cells: list[Lifetime]) -> Lifetime:
    """Geometric mean of the lifetimes of several networks, with an error from their scatter.

    A network of which nothing was lost counts with its lower limit, and the mean is then a lower limit.
    """
    values = np.array([cell.log_tau.value for cell in cells])
    lost, count = sum(cell.lost for cell in cells), sum(cell.count for cell in cells)
    mean = float(values.mean())
    shape = float(np.exp(np.mean(np.log([c.shape for c in cells if c.lost])))) if lost else math.nan
    if any(cell.bound for cell in cells):
        return Lifetime(Estimate(mean, 0.0), shape, 0, count)
    if len(cells) == 1:
        return cells[0]
    return Lifetime(mean_over(values, [cell.log_tau.error for cell in cells]), shape, lost, count)
