"""How crossings of pairs of sizes drift, and where they go.

To leading order in a correction c L^-omega the curves of L and L' cross at
x*(L, L') = x_c + A (L^-omega - L'^-omega) / (L'^(1/nu) - L^(1/nu)), for L' = b L proportional to L^-(1/nu + omega)
(K. Binder, Z. Phys. B 43 (1981) 119), at the height U* + B L^-omega, up to terms of the same order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from physnn.analysis.curves.crossing import Pair
from physnn.analysis.statistics.estimate import Estimate

OMEGAS = np.linspace(0.4, 4.0, 37)
"""Correction exponents tried, averaged by their likelihoods; known ones lie between 0.5 and 4."""


@dataclass(frozen=True)
class Drift:
    """Crossings of neighbouring sizes extrapolated to infinite size, with their statistical errors.

    The drift errors are the spread between the correction exponents that fit, and a quarter of the way from the last
    crossing: the part that more statistics would not reduce.
    """

    critical_point: Estimate
    height: Estimate
    drift_error: float
    height_drift_error: float
    pairs: tuple[tuple[int, int], ...]


def drift(pairs: list[Pair], sizes: tuple[int, ...], inverse_nu: float) -> Drift | None:
    """Extrapolate the crossings of neighbouring sizes; None with fewer than three of them.

    Parameters
    ----------
    pairs : list of Pair
        All pairs.
    sizes : tuple of int
        All sizes, increasing.
    inverse_nu : float
        1/nu, from the collapse.
    """
    neighbours = set(itertools.pairwise(sizes))
    chosen = [p for p in pairs if p.sizes in neighbours and p.x and p.samples is not None and p.heights is not None]
    if len(chosen) < 3:
        return None
    small, large = np.array([p.sizes for p in chosen], float).T
    reference = small.min()
    falling = (large / reference) ** -OMEGAS[:, None]
    shape = (small / reference) ** -OMEGAS[:, None] - falling
    lever = shape / ((large / reference) ** inverse_nu - (small / reference) ** inverse_nu)
    answers = []
    for name in ("samples", "heights"):
        samples = np.stack([getattr(p, name) for p in chosen], axis=1)
        values = np.array([(p.x if name == "samples" else p.height).value for p in chosen])  # type: ignore[union-attr]
        covariance = np.atleast_2d(np.cov(samples.T)) + 1e-30 * np.eye(len(chosen))
        weights = np.linalg.pinv(covariance)
        column = lever if name == "samples" else falling + lever * (large / reference) ** inverse_nu
        design = np.stack([np.ones_like(column), column], axis=2)
        transposed = design.swapaxes(1, 2)
        normal = np.linalg.pinv(transposed @ weights @ design)
        solution = normal @ transposed @ weights @ values
        rest = values - (design @ solution[..., None])[..., 0]
        value, variance, chi2 = solution[:, 0], normal[:, 0, 0], np.einsum("oa,ab,ob->o", rest, weights, rest)
        share = np.exp(-(chi2 - chi2.min()) / 2)
        share /= share.sum()
        mean = float(share @ value)
        systematic = float(np.sqrt(share @ (value - mean) ** 2 + ((values[-1] - mean) / 4) ** 2))
        answers.append((Estimate(mean, float(np.sqrt(share @ variance))), systematic))
    (x_c, x_drift), (height, height_drift) = answers
    return Drift(x_c, height, x_drift, height_drift, tuple(p.sizes for p in chosen))
