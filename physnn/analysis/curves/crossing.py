"""Where the curves of two sizes cross, and whether they cross at all."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import special

from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.interpolation import interpolation
from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

CROSSING_LEVEL = 0.03
"""Probability that curves without any difference show a significant one of a given sign, over all control values.

Below the usual 5 %, for a crossing needs both signs (convention).
"""
COARSE = 0.25
"""Share of the curves' range to which differences must be resolved before `no-crossing` is claimed (convention)."""

PairVerdict = Literal["crossing", "no-crossing", "many-crossings", "unresolved"]


@dataclass(frozen=True)
class Pair:
    """The comparison of two sizes, the smaller L first.

    The verdict is ``crossing``: the difference is significantly positive on one side and negative on the other, once;
    ``no-crossing``: it never takes both signs significantly; ``many-crossings``: it changes sign significantly more
    than once; or ``unresolved``: its errors exceed `COARSE` of the curves' range.

    ``x`` and ``height`` are control value and height of the crossing, ``samples`` and ``heights`` those in each
    bootstrap sample.  ``p_value`` is the probability that curves without a difference of one sign or the other look so
    much like crossing.  ``positive`` and ``negative`` are the largest significances of either sign, as shares of the
    simultaneous threshold (above 1 is significant).  ``largest`` is the largest absolute difference and ``resolution``
    the half width of its simultaneous band, as shares of the curves' range.  ``signs`` are those of the difference at
    each control value in ``at``, 0 where it is not significant.

    Of a crossing, ``weaker`` is the largest significant difference of the weaker sign over that of the stronger, and
    ``joined`` the share of the range that lies before the stronger sign is seen.
    """

    sizes: tuple[int, int]
    verdict: PairVerdict
    x: Estimate | None
    height: Estimate | None
    p_value: float
    positive: float
    negative: float
    largest: float
    resolution: float
    signs: np.ndarray
    at: np.ndarray
    interpolated: str = ""
    samples: np.ndarray | None = None
    heights: np.ndarray | None = None
    weaker: float = 1.0
    joined: float = 0.0


@dataclass(frozen=True)
class Difference:
    """The difference of two curves, larger minus smaller size, with bootstrap samples (samples, points)."""

    x: np.ndarray
    values: np.ndarray
    samples: np.ndarray
    interpolated: str


def crossings(curves: Curves) -> list[Pair]:
    """Compare every pair of sizes; raises InputError if there are fewer than two."""
    if len(curves.sizes) < 2:
        raise InputError("a crossing needs at least two sizes; add one")
    return [compare_sizes(curves, a, b) for a, b in itertools.combinations(curves.sizes, 2)]


def curve_difference(curves: Curves, small: int, large: int) -> Difference:
    """Difference of two curves on common control values, or with the smaller size interpolated."""
    x, y = curves.x, curves.y
    if len(x[small]) >= 4 and np.array_equal(x[small], x[large]):
        return Difference(x[small], y[large] - y[small], curves.samples[large] - curves.samples[small], "")
    common = np.intersect1d(x[small], x[large])
    low, high = max(x[small].min(), x[large].min()), min(x[small].max(), x[large].max())
    inside = (x[large] >= low) & (x[large] <= high)
    if len(common) >= 4 and len(common) >= 0.7 * inside.sum():
        i, j = np.isin(x[small], common), np.isin(x[large], common)
        samples = curves.samples[large][:, j] - curves.samples[small][:, i]
        return Difference(common, y[large][j] - y[small][i], samples, "")
    if inside.sum() < 4 or len(x[small]) < 4:
        raise InputError(
            f"L = {small} and L = {large} share {len(common)} values of {curves.control} and too little of its range; "
            "measure at least 4 values of each size in the same range"
        )
    found = interpolation(x[small], y[small], curves.errors[small], x[large][inside])
    smooth = curves.samples[small] @ found.matrix.T
    mean = found.matrix @ y[small]
    # Where leaving points out misses by more than their errors, interpolation adds an error of its own.
    spread = (smooth - smooth.mean(0)) * np.sqrt(max(1.0, found.chi2))
    samples = curves.samples[large][:, inside] - (mean + spread)
    return Difference(x[large][inside], y[large][inside] - mean, samples, found.name)


def compare_sizes(curves: Curves, small: int, large: int) -> Pair:
    """Compare two sizes; see `Pair` for the rule.

    Every run of 1, 2, 4, ... neighbouring control values is a test of its own, so that weak differences that persist
    are seen.  The threshold is the ``1 - CROSSING_LEVEL`` quantile of the largest standardised deviation over all runs
    in the bootstrap: it holds for all at once, correlated as they are.

    Raises
    ------
    InputError
        If the two sizes share too few control values.
    """
    found = curve_difference(curves, small, large)
    span = max(curves.span(), 1e-300)
    null = found.samples - found.samples.mean(0)
    covariance = null.T @ null / (len(null) - 1)
    error = np.sqrt(covariance.diagonal())
    # Where both curves are the same constant, nothing can be significant.
    known = error > 1e-12 * span
    error = np.where(known, error, np.inf)
    runs = _runs(error)
    total = runs @ np.where(known, found.values, 0)
    # The covariance of the runs follows from that of the points, which are fewer.
    variance = np.einsum("rp,rp->r", runs @ covariance, runs)
    deviation = np.where(variance > 0, np.sqrt(np.maximum(variance, 0)), np.inf)
    most = (null @ (runs / deviation[:, None]).T).max(1)
    threshold = float(np.quantile(most, 1 - CROSSING_LEVEL)) if known.any() else np.inf
    widen = _small_sample(curves.dof)
    z = total / deviation / max(threshold * widen, 1e-12)
    resolution = threshold * widen * float(np.median(error[known])) / span if known.any() else 0.0
    if not known.any() and curves.dof < 2:
        resolution = np.inf
    signs = _signs(runs, z, np.where(known, found.values, 0))
    marked = signs[signs != 0]
    changes = int((marked[1:] != marked[:-1]).sum())
    verdict: PairVerdict = "unresolved" if resolution > COARSE else "no-crossing"
    if changes:
        verdict = "crossing" if changes == 1 else "many-crossings"
    effective = CROSSING_LEVEL / float(special.ndtr(-threshold)) if np.isfinite(threshold) else 1.0
    both = min(float((total / deviation).max(initial=0)), float((-total / deviation).max(initial=0)))
    p_value = float(min(1.0, effective * special.stdtr(max(curves.dof, 1e-3), -both)))
    largest = float(np.abs(found.values).max()) / span
    facts = (p_value, float(z.max(initial=0)), float((-z).max(initial=0)), largest, resolution, signs, found.x)
    place = _locate(curves, small, large, found, signs) if verdict == "crossing" else None
    if place is None:
        return Pair((small, large), verdict, None, None, *facts, interpolated=found.interpolated)
    root, height, roots, heights, name = place
    weaker, joined = _weaker(found, signs)
    return Pair(
        (small, large),
        verdict,
        Estimate.student(root, _spread(roots), curves.dof),
        Estimate.student(height, _spread(heights), curves.dof),
        *facts,
        interpolated=name,
        samples=roots,
        heights=heights,
        weaker=weaker,
        joined=joined,
    )


def _weaker(found: Difference, signs: np.ndarray) -> tuple[float, float]:
    """Ratio of the weaker to the stronger sign of a crossing, and the weaker one's share of the range; see `Pair`."""
    most = {sign: float(np.abs(found.values[signs == sign]).max()) for sign in (1, -1)}
    strong = found.x[signs == max(most, key=most.__getitem__)]
    before = max(strong.min() - found.x[0], found.x[-1] - strong.max())
    return min(most.values()) / max(most.values()), float(before / np.ptp(found.x))


def _spread(samples: np.ndarray) -> float:
    """Half the central 68.3 % range: samples that miss the crossing do not count as far away."""
    ordered, last = np.sort(samples), len(samples) - 1
    low, high = np.interp([0.158655 * last, 0.841345 * last], np.arange(len(samples)), ordered)
    return float(high - low) / 2


def _runs(error: np.ndarray) -> np.ndarray:
    """Weights of all runs of 1, 2, 4, ... neighbours, shape ``(runs, points)``."""
    return np.asarray(_neighbours(len(error)) * np.where(np.isfinite(error), 1 / error**2, 0))


@lru_cache
def _neighbours(count: int) -> np.ndarray:
    """Runs of 1, 2, 4, ... neighbours among so many points in a row, 1 for each point of a run and else 0."""
    rows, length, place = [], 1, np.arange(count)
    while length <= max(1, count // 2):
        step = max(1, length // 4)
        first = np.array(sorted({*range(0, count - length + 1, step), count - length}))[:, None]
        rows.append((first <= place) & (place < first + length))
        length *= 2
    return np.concatenate(rows).astype(float)


def _signs(runs: np.ndarray, z: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sign of each difference that is in a significant run of its own sign, 0 of the others.

    Runs that hold a shorter significant one say nothing of their other points and are left out.
    """
    signs, own = np.zeros(runs.shape[1], int), np.sign(values)
    chosen = np.flatnonzero(np.abs(z) > 1)
    inside = runs[chosen] != 0
    ends = zip(inside.argmax(1).tolist(), (inside.shape[1] - 1 - inside[:, ::-1].argmax(1)).tolist(), strict=True)
    kept: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for (first, last), mine, up in zip(ends, inside, (z[chosen] > 0).tolist(), strict=True):
        # Runs come in order of length.
        for begin, end in kept[up]:
            if first <= begin and end <= last:
                break
        else:
            kept[up].append((first, last))
            sign = 1 if up else -1
            signs[mine & (own == sign) & (signs == 0)] = sign
    return signs


def _small_sample(dof: float) -> float:
    """Ratio of Student's quantile to the normal one: errors from few draws are uncertain."""
    if dof < 1:
        return np.inf
    return float(special.stdtrit(dof, 1 - CROSSING_LEVEL) / special.ndtri(1 - CROSSING_LEVEL))


def _locate(
    curves: Curves, small: int, large: int, found: Difference, signs: np.ndarray
) -> tuple[float, float, np.ndarray, np.ndarray, str] | None:
    """Crossing and height with their samples, from both curves interpolated between the significant regions."""
    strong = np.flatnonzero(signs)
    change = np.flatnonzero(signs[strong][1:] != signs[strong][:-1])[0]
    # One point farther out on either side: the curves may cross beside the first significant difference.
    low, high = found.x[max(0, strong[change] - 1)], found.x[min(len(signs) - 1, strong[change + 1] + 1)]
    grid = np.linspace(low, high, 61)
    mean, samples, names = [], [], []
    for L in (small, large):
        near = _near(curves.x[L], low, high)
        if near.sum() < 3:
            return None
        smooth = interpolation(curves.x[L][near], curves.y[L][near], curves.errors[L][near], grid)
        mean.append(smooth.matrix @ curves.y[L][near])
        samples.append(curves.samples[L][:, near] @ smooth.matrix.T)
        names.append(smooth.name)
    root = _root(grid, (mean[1] - mean[0])[None], (low + high) / 2)[0]
    if not np.isfinite(root):
        return None
    roots = _root(grid, samples[1] - samples[0], root)
    kept = np.isfinite(roots)
    if kept.sum() < max(3, 0.5 * len(roots)):
        return None
    before = np.clip(np.searchsorted(grid, roots[kept], "right") - 1, 0, len(grid) - 2)
    left, right = (samples[1][kept, before + k] for k in (0, 1))
    heights = left + (right - left) * (roots[kept] - grid[before]) / (grid[before + 1] - grid[before])
    # Samples without a crossing in between take the median, so that sample b still belongs to draw b.
    full, tall = roots.copy(), np.empty(len(roots))
    tall[kept] = heights
    if not kept.all():
        full[~kept], tall[~kept] = np.median(roots[kept]), np.median(heights)
    return float(root), float(np.interp(root, grid, mean[1])), full, tall, "; ".join(dict.fromkeys(names))


def _near(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Points between two values with as many on either side, 12 in all at least if there are."""
    first, last = int(np.searchsorted(x, low)), int(np.searchsorted(x, high, "right"))
    pad = max(2, (12 - (last - first)) // 2, (last - first) // 2)
    mask = np.zeros(len(x), bool)
    mask[max(0, first - pad) : last + pad] = True
    return mask


def _root(grid: np.ndarray, values: np.ndarray, near: float) -> np.ndarray:
    """For each row the zero nearest to a value, from straight lines between grid points; NaN without one."""
    below = np.signbit(values)
    rows, before = np.nonzero(below[:, 1:] != below[:, :-1])
    left, right = values[rows, before], values[rows, before + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = grid[before] + (grid[before + 1] - grid[before]) * left / (left - right)
    # Of equal distances the first in the row is taken: the last that is written.
    order = np.argsort(-np.abs(at - near)[::-1], kind="stable")
    found = np.full(len(values), np.nan)
    found[rows[::-1][order]] = at[::-1][order]
    return found
