"""Critical coupling from blocks of two sizes: after one step more, the larger lattice must look like the smaller one.

At the critical point blocks of L x L after n steps and of L/b x L/b after n - 1 steps agree in every average, but for
what has not died out yet.  Where they differ, the derivatives of both averages by K say by how much K is off
(K. G. Wilson's two-lattice matching; R. H. Swendsen, in Real-Space Renormalization, Springer 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.renormalization.linearised import jackknife
from physnn.analysis.statistics.estimate import Estimate


@dataclass(frozen=True)
class Matching:
    """Critical temperature at which two sizes would match.

    Attributes
    ----------
    sizes : tuple of int
        Smaller and larger size.
    T : float
        Temperature at which both were measured, in units of J / k_B.
    side : int
        Side of the lattices of blocks that are compared.
    critical_temperature : Estimate
        In units of J / k_B, to first order in its difference from T.
    """

    sizes: tuple[int, int]
    T: float
    side: int
    critical_temperature: Estimate


def response(blocks: np.ndarray, nearest: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean of an operator S' of blocks and its derivative by K, of all and of all but each bin, (1 + bins, 2).

    ``blocks`` is S', ``nearest`` S of nearest neighbours before any step, both ``(chain, measurement)``; K multiplies
    the latter, so that d<S'>/dK = <S' S> - <S'><S>.  ``edges`` are first measurements of bins.
    """
    n, lengths = blocks.size, np.tile(np.diff([*edges, blocks.shape[1]]), len(blocks))
    centre = blocks.mean(), nearest.mean()
    x, y = blocks - centre[0], nearest - centre[1]
    sums = np.stack([np.add.reduceat(each, edges, axis=1).ravel() for each in (x, y, x * y)])
    total = sums.sum(1, keepdims=True)
    means = np.concatenate([total / n, (total - sums) / (n - lengths)], axis=1)
    return np.stack([means[0] + centre[0], means[2] - means[0] * means[1]], axis=1)


def shift(larger: np.ndarray, smaller: np.ndarray) -> Estimate:
    """Change of K at which two independent sizes match, from their `response`; the error adds those of both."""

    def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray((b[:, 0] - a[:, 0]) / (a[:, 1] - b[:, 1]))

    first = jackknife(change(larger, smaller[:1]))
    second = jackknife(change(larger[:1], smaller))
    return Estimate(first.value, float(np.hypot(first.error, second.error)), min(first.dof, second.dof))
