"""Site percolation on an L x L torus: averages at given occupation probabilities p, all of them from the same runs.

A run occupies one site after the other.  What it shows at n occupied sites counts with the probability of n,
Q(p) = sum_n binomial(N, n) p^n (1 - p)^(N - n) Q_n (M. E. J. Newman and R. M. Ziff, Phys. Rev. E 64 (2001) 016706).
"""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass

import numpy as np

from physnn.kernels.lattice.percolation import (
    BOTH,
    EITHER,
    LARGEST_SQUARES,
    LARGEST_SUM,
    OTHER_SQUARES,
    run_percolation,
)
from physnn.kernels.random import probability_thresholds
from physnn.models.lattice import Quantity
from physnn.samplers.chain import SLICE

CLUSTER_QUANTITIES = {
    "wrap_either": Quantity("R_e", "1", "probability that a cluster wraps around the torus, in either direction"),
    "wrap_both": Quantity("R_b", "1", "probability that a cluster wraps around the torus in both directions"),
    "largest": Quantity("s", "1", "share of the sites that are in the largest cluster"),
    "largest_sq": Quantity("s^2", "1", "square of the largest cluster's share"),
    "cluster_size": Quantity("chi", "1", "sum of the squared sizes of all clusters but the largest, per site"),
}
"""What is measured of clusters.  Wrapping in a given direction has the mean of the first two, for run by run the
directions that wrap are as many as these two say."""
TAIL = 8.0
"""Standard deviations of the number of occupied sites that are taken into account: beyond are 1e-15."""


@dataclass(frozen=True)
class Occupations:
    """Numbers of occupied sites that matter at some occupation probabilities on an L x L torus."""

    L: int
    p: tuple[float, ...]

    @property
    def sites(self) -> int:
        """Number of sites, N = L^2."""
        return self.L**2

    def _beyond(self, p: float, sign: int) -> float:
        return self.sites * p + sign * TAIL * (1 + math.sqrt(self.sites * p * (1 - p)))

    @property
    def first(self) -> int:
        """Least number that matters."""
        return max(0, int(self._beyond(min(self.p), -1)))

    @property
    def last(self) -> int:
        """Largest number that matters."""
        return min(self.sites, math.ceil(self._beyond(max(self.p), 1)))

    @property
    def early(self) -> float:
        """Occupation probability at which hardly ever more than ``first`` sites are occupied."""
        return max(0.0, self._beyond(self.first / self.sites, -1) / self.sites)

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """Probability of each number from ``first`` to ``last`` at each p, shape ``(points, counts)``."""
        n, p = np.arange(self.first + 1, self.last + 1), np.array(self.p)[:, None]
        steps = np.log((self.sites - n + 1) / n) + np.log(p / (1 - p))
        logs = np.concatenate([np.zeros_like(p), np.cumsum(steps, axis=1)], axis=1)
        found = np.exp(logs - logs.max(1, keepdims=True))
        return np.asarray(found / found.sum(1, keepdims=True))

    def nothing(self) -> np.ndarray:
        """Sums of no runs, for `add_runs`."""
        return np.zeros((5, self.last - self.first + 1))

    def averages(self, sums: np.ndarray, runs: int) -> dict[str, np.ndarray]:
        """Averages of `CLUSTER_QUANTITIES` at each p, ``(points,)``, from the sums of runs."""
        at = sums.copy()
        at[EITHER:] = np.cumsum(at[EITHER:], axis=1)  # what wraps once wraps with every further site
        found, N = self.weights @ (at / runs).T, self.sites
        return {
            "wrap_either": found[:, EITHER],
            "wrap_both": found[:, BOTH],
            "largest": found[:, LARGEST_SUM] / N,
            "largest_sq": found[:, LARGEST_SQUARES] / N**2,
            "cluster_size": found[:, OTHER_SQUARES] / N,
        }


def add_runs(at: Occupations, runs: int, generator: np.ndarray, sums: np.ndarray, seconds: float = np.inf) -> int:
    """Number of runs that were added to the sums: ``runs``, or what some ``seconds`` allow and one at least.

    The generator, uint64 of shape (4,), and the sums change in place; where runs are cut changes no number.
    """
    threshold, done, block = probability_thresholds(np.array(at.early))[()], 0, 1
    end = time.perf_counter() + seconds
    while done < runs and (not done or time.perf_counter() < end):
        block = min(block, runs - done)
        began = time.perf_counter()
        run_percolation(at.L, at.first, threshold, block, generator, sums)
        done += block
        elapsed = max(time.perf_counter() - began, 1e-6)
        block = max(1, int(block * min(4.0, SLICE / elapsed)))
    return done
