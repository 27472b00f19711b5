"""Differences of free energies from works forwards and back, and what one direction alone says.

C. Jarzynski, Phys. Rev. Lett. 78, 2690 (1997); C. H. Bennett, J. Comput. Phys. 22, 245 (1976); M. R. Shirts et al.,
Phys. Rev. Lett. 91, 140601 (2003).  Works are in units of k_B T and count what is gained: the mean of exp(work) over
runs forwards is the ratio of the last to the first partition function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from physnn.analysis.statistics.estimate import Estimate

FEW_RUNS = 20.0
"""Effective number of runs below which their error is not known."""


NO_OVERLAP = 1e-6
"""Overlap of both directions, in runs, below which there is none."""


@dataclass(frozen=True)
class Ratio:
    """Logarithm of a ratio of partition functions: from runs forwards, from runs back, and from both together.

    An error is infinite where too few runs carry the mean for it to be known.
    """

    forward: Estimate
    reverse: Estimate
    both: Estimate


def one_way(work: np.ndarray) -> Estimate:
    """``ln <exp(work)>`` with its error to first order, infinite where fewer than `FEW_RUNS` carry the mean."""
    n, top = len(work), float(work.max())
    weight = np.exp(work - top)
    mean, few = float(weight.mean()), weight.sum() ** 2 < FEW_RUNS * (weight**2).sum()
    return Estimate(top + math.log(mean), math.inf if few else float(weight.std(ddof=1)) / math.sqrt(n) / mean)


def log_ratio(forward: np.ndarray, reverse: np.ndarray) -> Ratio:
    """Logarithm of the ratio of the last to the first partition function.

    Parameters
    ----------
    forward : ndarray, shape (n,)
        Works of runs from the first state to the last.
    reverse : ndarray, shape (m,)
        Works of runs from the last state to the first, with the sign of those forwards.
    """
    ahead, behind = one_way(forward), one_way(-reverse)
    shift = math.log(len(forward) / len(reverse))

    def excess(value: float) -> float:
        gained = special.expit(forward - value - shift).sum()
        return float(gained - special.expit(shift + value - reverse).sum())

    edges = [np.concatenate([forward, reverse]).min() - 50, np.concatenate([forward, reverse]).max() + 50]
    value = optimize.brentq(excess, *edges, xtol=1e-10)
    spread = special.expit(np.concatenate([forward, reverse]) - value - shift)
    overlap = float((spread * (1 - spread)).sum())  # 0 where no run of one direction is likely in the other
    variance = (1 / overlap if overlap > NO_OVERLAP else math.inf) - 1 / len(forward) - 1 / len(reverse)
    back = Estimate(-behind.value, behind.error)
    return Ratio(ahead, back, Estimate(float(value), math.sqrt(max(variance, 0.0))))
