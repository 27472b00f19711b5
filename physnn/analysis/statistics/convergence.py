"""Have the chains forgotten where they began, and do they agree with each other?"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from physnn.analysis.statistics.series import as_chains, estimate_time
from physnn.errors import InputError

BATCH = 5
"""Measurements per batch of the MSER-5 rule."""
MARGIN = 3.0
"""Further measurements dropped, in units of tau: what is left of the start shrinks by another factor of 20."""


def thermalisation(*series: np.ndarray) -> int:
    """Return how many measurements to drop from the beginning of every chain.

    MSER-5 (K. P. White, M. J. Cobb and S. C. Spratt, Proc. Winter Simulation Conf. (2000) 755) on the mean over
    chains: the cut d among the multiples of 5 minimises sum_{i >= d} (x_i - mean)^2 / (n - d)^2.  It stops where what
    is left of the start is about the noise of one measurement, so 3 tau are added, tau being that of the chains after
    the cut.  Several observables give the largest of their cuts.

    Parameters
    ----------
    *series : array, shape (measurements,) or (chains, measurements)
        Observables from the very start of the chains; chains that began alike should be analysed together.

    Raises
    ------
    InputError
        If the cut lies beyond half of the chain: it has not thermalised; or if there is no series.
    """
    if not series:
        raise InputError("no series given; give at least one observable")
    return max(_cut(as_chains(s)) for s in series)


def _cut(chains: np.ndarray) -> int:
    length = chains.shape[1]
    mean = chains.mean(axis=0)
    if np.ptp(chains) == 0 or length < 4 * BATCH:
        return 0
    batches = mean[: length // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1) - mean[length // 2 :].mean()
    remaining = np.arange(len(batches), 0, -1)
    sums, squares = np.cumsum(batches[::-1])[::-1], np.cumsum(batches[::-1] ** 2)[::-1]
    score = (squares - sums**2 / remaining) / remaining**2
    # The last few batches always agree with one another: beyond three quarters the rule has nothing to say.
    best = int(np.argmin(score[: 3 * len(batches) // 4]))
    cut = BATCH * best
    if cut < length / 2:
        cut += math.ceil(MARGIN * estimate_time(chains[:, cut:]).tau.value)
    if cut >= length / 2:
        raise InputError(
            f"the chain of {length} measurements still remembers its start after {min(cut, length)} of them; run at "
            f"least {4 * length} measurements or begin closer to equilibrium"
        )
    return cut


def split_rhat(series: np.ndarray) -> float:
    """Return the rank-normalised split R-hat of one observable; 1 where chains agree, suspicious above 1.01.

    The larger of two ratios sqrt(((n - 1)/n W + B/n) / W), with the variances within (W) and between (B/n) chains cut
    in halves: one of the normal scores of the ranks, and one of those of ``|x - median|``, which sees chains of
    different spread.  A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Buerkner, Bayesian Anal. 16 (2021) 667.

    Parameters
    ----------
    series : array, shape (measurements,) or (chains, measurements)
        The observable after thermalisation; independent chains that began far apart.

    Returns
    -------
    float
        1 for a constant series; infinite for constant chains that differ.

    Raises
    ------
    InputError
        For what `physnn.analysis.statistics.series.as_chains` refuses.
    """
    chains = as_chains(series)
    half = chains.shape[1] // 2
    halves = np.concatenate([chains[:, :half], chains[:, -half:]])
    if np.ptp(halves) == 0:
        return 1.0
    return max(_rhat(_normal_scores(halves)), _rhat(_normal_scores(np.abs(halves - np.median(halves)))))


def _normal_scores(halves: np.ndarray) -> np.ndarray:
    ranks = stats.rankdata(halves, axis=None).reshape(halves.shape)
    return np.asarray(stats.norm.ppf((ranks - 0.375) / (halves.size + 0.25)))


def _rhat(scores: np.ndarray) -> float:
    n = scores.shape[1]
    if np.ptp(scores) == 0:
        return 1.0
    within, between = float(scores.var(axis=1, ddof=1).mean()), float(scores.mean(axis=1).var(ddof=1))
    return math.sqrt((n - 1) / n + between / within) if within > 0 else math.inf
