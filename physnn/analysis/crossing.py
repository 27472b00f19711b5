"""Where the curves of two sizes cross, and whether they cross at all."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

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
    threshold = float(np.quantile(((samples - difference) / error).max(1), 1 - LEVEL))
    z = difference / error / max(threshold, 1e-12)
    band = np.where(np.isfinite(error), threshold * error, 0)
    resolution = float(np.median(band)) / max(curves.span(), 1e-300)
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
    weights = 1 / np.where(np.isfinite(error), error, np.inf)
    height_x, height_y = curves.x[large], curves.y[large]
    root = _root(x, difference, weights, z)
    found = np.array([_root(x, sample, weights, z) for sample in samples])
    heights = np.array([np.interp(r, height_x, s) for r, s in zip(found, curves.samples[large], strict=True)])
    return Pair(
        (small, large),
        verdict,
        Estimate(root, float(found.std(ddof=1))),
        Estimate(float(np.interp(root, height_x, height_y)), float(heights.std(ddof=1))),
        *facts,
        samples=found,
    )


def _root(x: np.ndarray, difference: np.ndarray, weights: np.ndarray, z: np.ndarray) -> float:
    """Zero of a weighted cubic through the differences between the two significant regions and their neighbours."""
    strong = np.flatnonzero(np.abs(z) > 1)
    change = np.flatnonzero(np.sign(z[strong][1:]) != np.sign(z[strong][:-1]))[0]
    low, high = strong[change], strong[change + 1]
    middle, half = (x[low] + x[high]) / 2, max((x[high] - x[low]) / 2, 1e-300)
    pad = max(0, 6 - (high - low + 1))
    chosen = slice(max(0, low - (pad + 1) // 2), high + 1 + (pad + 1) // 2)
    u = (x[chosen] - middle) / half
    degree = min(3, len(u) - 1)
    polynomial = np.polynomial.Polynomial.fit(u, difference[chosen], degree, w=weights[chosen])
    roots = polynomial.roots()
    real = roots[np.abs(roots.imag) < 1e-9].real
    inside = real[np.abs(real) <= 1.0001]
    if len(inside):
        return float(middle + half * inside[np.abs(inside).argmin()])
    # A noisy sample may have no root in between: then the linear one, held to the interval.
    line = np.polynomial.Polynomial.fit(u, difference[chosen], 1, w=weights[chosen]).convert().coef
    slope = line[1] if len(line) > 1 and line[1] else np.inf
    return float(middle + half * np.clip(-line[0] / slope, -1, 1))
