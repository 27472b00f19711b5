"""Where the curves of two sizes cross, and whether they cross at all."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from physnn.analysis.curves import Curves
from physnn.analysis.estimate import Estimate
from physnn.errors import InputError

LEVEL = 0.03
"""Probability that curves without any difference show a significant one of a given sign, over all control values."""
COARSE = 0.25
"""Differences must be resolved to this share of the curves' range before `no-crossing` is claimed."""

PairVerdict = Literal["crossing", "no-crossing", "many-crossings", "unresolved"]


@dataclass(frozen=True)
class Pair:
    """The comparison of two sizes.

    Attributes
    ----------
    sizes : (int, int)
        The smaller and the larger L.
    verdict : str
        ``crossing``: the difference is significantly positive on one side and negative on the other, once;
        ``no-crossing``: it never takes both signs significantly; ``many-crossings``: it changes sign significantly
        more than once; ``unresolved``: its errors exceed `COARSE` of the curves' range.
    x, height : Estimate or None
        Control value and height of the crossing.
    positive, negative : float
        Largest significance of either sign, as a share of the simultaneous threshold (above 1 is significant).
    largest : float
        Largest absolute difference, as a share of the curves' range.
    resolution : float
        Half width of the simultaneous band of the difference, as a share of the curves' range.
    samples : ndarray or None
        Crossing of each bootstrap sample that has one.
    """

    sizes: tuple[int, int]
    verdict: PairVerdict
    x: Estimate | None
    height: Estimate | None
    positive: float
    negative: float
    largest: float
    resolution: float
    samples: np.ndarray | None = None


def crossings(curves: Curves) -> list[Pair]:
    """Compare every pair of sizes; raises InputError if there are fewer than two."""
    if len(curves.sizes) < 2:
        raise InputError("a crossing needs at least two sizes; add one with --L or --extend")
    return [compare(curves, a, b) for a, b in itertools.combinations(curves.sizes, 2)]


def compare(curves: Curves, small: int, large: int) -> Pair:
    """Compare two sizes on their common control values; see `Pair` for the rule.

    The threshold is the ``1 - LEVEL`` quantile of the largest standardised deviation over all control values in the
    bootstrap, so that it holds for all points at once, correlated as they are.

    Raises
    ------
    InputError
        If the two sizes share fewer than four control values.
    """
    x = np.intersect1d(curves.x[small], curves.x[large])
    if len(x) < 4:
        raise InputError(
            f"L = {small} and L = {large} share {len(x)} values of {curves.control}; at least 4 are needed"
        )
    i, j = np.isin(curves.x[small], x), np.isin(curves.x[large], x)
    difference = curves.y[large][j] - curves.y[small][i]
    samples = curves.samples[large][:, j] - curves.samples[small][:, i]
    error = samples.std(0, ddof=1)
    # Where both curves are the same constant, nothing can be significant.
    error = np.where(error > 1e-12 * max(curves.span(), 1e-300), error, np.inf)
    threshold = float(np.quantile(((samples - difference) / error).max(1), 1 - LEVEL)) * _small_sample(curves)
    z = difference / error / max(threshold, 1e-12)
    known = np.isfinite(error)
    resolution = threshold * float(np.median(error[known])) / max(curves.span(), 1e-300) if known.any() else 0.0
    if not known.any() and curves.networks * curves.images < 3:
        resolution = np.inf
    signs = np.sign(z[np.abs(z) > 1])
    changes = int((signs[1:] != signs[:-1]).sum())
    verdict: PairVerdict = "no-crossing"
    if changes == 1:
        verdict = "crossing"
    elif changes > 1:
        verdict = "many-crossings"
    elif resolution > COARSE:
        verdict = "unresolved"
    largest = float(np.abs(difference).max()) / max(curves.span(), 1e-300)
    facts = (float(z.max(initial=0)), float((-z).max(initial=0)), largest, resolution)
    if verdict != "crossing":
        return Pair((small, large), verdict, None, None, *facts)
    chosen, low, high = _window(z)
    middle, half = (x[low] + x[high]) / 2, (x[high] - x[low]) / 2
    u, weights = (x[chosen] - middle) / half, 1 / error[chosen]
    degree = _degree(u, difference[chosen], weights)
    root = middle + half * _root(u, difference[chosen], weights, degree)
    found = np.array([middle + half * _root(u, sample[chosen], weights, degree) for sample in samples])
    height = np.interp(root, curves.x[large], curves.y[large])
    heights = np.array([np.interp(r, curves.x[large], s) for r, s in zip(found, curves.samples[large], strict=True)])
    return Pair(
        (small, large),
        verdict,
        Estimate(float(root), float(found.std(ddof=1))),
        Estimate(float(height), float(heights.std(ddof=1))),
        *facts,
        samples=found,
    )


def _small_sample(curves: Curves) -> float:
    """Return how much farther out Student's quantile lies than the normal one: errors from few draws are uncertain.

    The draws are networks, or the images of a single network.
    """
    draws = curves.networks if curves.networks > 1 else curves.images
    if draws < 2:
        return np.inf
    return float(stats.t.ppf(1 - LEVEL, draws - 1) / stats.norm.ppf(1 - LEVEL))


def _window(z: np.ndarray) -> tuple[slice, int, int]:
    """Return the points between the two significant regions with a few neighbours, and the two inner ends."""
    strong = np.flatnonzero(np.abs(z) > 1)
    change = np.flatnonzero(np.sign(z[strong][1:]) != np.sign(z[strong][:-1]))[0]
    low, high = int(strong[change]), int(strong[change + 1])
    pad = max(1, (7 - (high - low + 1)) // 2)
    return slice(max(0, low - pad), high + 1 + pad), low, high


def _degree(u: np.ndarray, difference: np.ndarray, weights: np.ndarray) -> int:
    """Return the degree (1 to 5) of the local polynomial with the least Bayesian information criterion."""
    best, least = 1, np.inf
    for degree in range(1, min(5, len(u) - 2) + 1):
        polynomial = np.polynomial.Polynomial.fit(u, difference, degree, w=weights)
        criterion = float((((difference - polynomial(u)) * weights) ** 2).sum()) + degree * np.log(len(u))
        if criterion < least:
            best, least = degree, criterion
    return best


def _root(u: np.ndarray, difference: np.ndarray, weights: np.ndarray, degree: int) -> float:
    """Return the zero, in -1 .. 1, of a weighted polynomial through the differences; nearest 0 if there are several."""
    polynomial = np.polynomial.Polynomial.fit(u, difference, degree, w=weights)
    roots = polynomial.roots()
    real = roots[np.abs(roots.imag) < 1e-9].real
    inside = real[np.abs(real) <= 1]
    if len(inside):
        return float(inside[np.abs(inside).argmin()])
    # A noisy sample may have no root in between: then the better end of the interval.
    return -1.0 if abs(polynomial(-1.0)) < abs(polynomial(1.0)) else 1.0
