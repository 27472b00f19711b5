"""Resampling of bins and draws, and errors of functions of mean raw moments, such as U4 = 1 - <m^4> / (3 <m^2>^2).

All measurements of one time enter together, so the correlations between moments are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.series import BIN_TIMES, as_chains, tau_int
from physnn.errors import InputError

MOST_BINS = 128
"""Number of bins, over all chains, above which bins are made longer instead: the error is then known to 6 %."""

MomentFunction = Callable[..., np.ndarray]
"""From mean moments to a derived quantity, element by element: one array per moment, all of one shape."""


def bin_count(tau: float, chains: int, length: int) -> int:
    """Number of bins per chain: each at least 10 tau long, about 128 in all, at least 2 in all."""
    most = int(length // max(BIN_TIMES * tau, 1))
    if most * chains < 2:
        raise InputError(
            f"a chain of {length} measurements makes no two bins of {BIN_TIMES:.0f} tau at tau = {tau:.3g}; run at "
            f"least {math.ceil(50 * tau)} measurements per chain"
        )
    return max(1, min(most, math.ceil(MOST_BINS / chains)))


def bin_edges(length: int, count: int) -> np.ndarray:
    """First measurements of ``count`` bins of nearly equal length, shape ``(count,)``; no measurement is left out."""
    return np.arange(count) * length // count


def redrawn(bins: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Weights of bins in bootstrap samples, shape ``(resamples, bins)``; rows sum to ``bins``.

    Drawn are n - 1 of n bins with replacement, scaled by n / (n - 1): the variance of a resampled mean is then
    s^2 / n without bias, also for few bins (P. J. McCarthy and C. B. Snowden, Vital Health Stat. 2 (95) (1985)).
    """
    return generator.multinomial(bins - 1, np.full(bins, 1 / bins), size=resamples) * (bins / (bins - 1))


def shares(draws: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Shares of n draws in bootstrap samples, n redrawn with replacement, shape ``(*shape, draws)``."""
    return np.asarray(generator.multinomial(draws, np.full(draws, 1 / draws), shape) / draws)


def widened(drawn: np.ndarray) -> np.ndarray:
    """`shares` with deviations from 1/n times sqrt(n / (n - 1)): means vary by s^2 / n, also for few draws."""
    n = drawn.shape[-1]
    return np.asarray(1 / n + (drawn - 1 / n) * math.sqrt(n / max(1, n - 1)))


def evaluate(function: MomentFunction, moments: np.ndarray) -> np.ndarray:
    """Function at mean moments of shape ``(moments, ...)``; an `InputError` if it is not finite there."""
    with np.errstate(all="ignore"):
        values = np.asarray(function(*moments), dtype=float)
    if not np.isfinite(values).all():
        raise InputError("the function of the mean moments is not finite; give series at which it is defined")
    return values


def slopes_of(function: MomentFunction, means: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Derivatives of a function by mean moments, central differences over steps; 0 where a step is 0."""
    moves = np.diag(steps)
    change = (evaluate(function, means[:, None] + moves) - evaluate(function, means[:, None] - moves)) / 2
    return np.asarray(np.divide(change, steps, out=np.zeros_like(change), where=steps > 0))


def linear_part(function: MomentFunction, *series: np.ndarray) -> tuple[float, np.ndarray]:
    """Function of mean moments, and its linear part in each measurement, ``(chains, measurements)``.

    Parameters and errors are those of `linear_error`, but chains may be short.
    """
    if not series or len({np.shape(s) for s in series}) > 1:
        raise InputError("the moments have different shapes, or there are none; give moments of the same measurements")
    chains = np.array([as_chains(s) for s in series])
    means = chains.mean(axis=(1, 2))
    steps = chains.std(axis=(1, 2)) / math.sqrt(chains[0].size)
    value = float(evaluate(function, means))
    return value, np.tensordot(slopes_of(function, means, steps), chains - means[:, None, None], axes=1)


def linear_error(function: MomentFunction, *series: np.ndarray) -> Estimate:
    """Function of mean moments with the error of its linear part, by the Gamma method.

    error^2 = 2 tau_f var_f / n of the series f_i = sum_k (df/dm_k) (m_{k,i} - m_k); derivatives are central differences
    over one standard deviation of a mean of n independent draws (U. Wolff, Comput. Phys. Commun. 156 (2004) 143).

    Parameters
    ----------
    function : callable
        Takes one array per series, mean moments of any common shape, and returns an array of that shape.
    *series : array, shape (measurements,) or (chains, measurements)
        Raw moments of the same measurements, after thermalisation.

    Raises
    ------
    InputError
        If a chain is shorter than 50 tau_f, shapes differ, or the function is not finite.
    """
    value, projected = linear_part(function, *series)
    return Estimate(value, tau_int(projected).mean.error)
