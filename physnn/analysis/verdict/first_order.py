"""Signs of a first-order transition: a negative dip of the Binder cumulant, and distributions with two peaks.

At a first-order transition two phases coexist, so U4 has a minimum that deepens with L between the phases
(K. Vollmayr, J. D. Reger, M. Scheucher and K. Binder, Z. Phys. B 91 (1993) 113), and the energy or order parameter has
two peaks whose distance stays while they narrow as L^(-d/2) (M. S. S. Challa, D. P. Landau and K. Binder,
Phys. Rev. B 34 (1986) 1841).  At a continuous transition neither can go on with L.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from physnn.analysis.curves.curves import Curves
from physnn.analysis.statistics.series import estimate_time

DIP_SIGMAS = 4.0
"""Standard errors that a dip, and its growth, must exceed: several sizes and control values are tried."""
LEAST_VALUES = 40
"""Fewest values of which a distribution has a shape (convention)."""
SEPARATION = 2.5
"""Distance of two peaks over the root mean square of their widths from which they are apart; two equal normal
peaks have a minimum between them from 2 on."""


def dip(curves: Curves) -> str:
    """Evidence of a negative dip that deepens with L, empty where there is none."""
    depths = []
    for L in curves.sizes:
        x, y, e = curves.x[L], curves.y[L], curves.errors[L]
        k = int(np.argmin(y))
        inside = 0 < k < len(x) - 1
        walls = min(y[:k].max(initial=-np.inf), y[k + 1 :].max(initial=-np.inf)) if inside else -np.inf
        deep = inside and walls - y[k] > DIP_SIGMAS * e[k] and y[k] < -DIP_SIGMAS * e[k]
        depths.append((L, float(y[k]), float(e[k]), deep))
    last = depths[-1]
    others = [d for d in depths[:-1] if d[1] - last[1] > DIP_SIGMAS * np.hypot(d[2], last[2])]
    if not last[3] or len(others) < len(depths) - 1 or not (depths[-2][3] or len(depths) > 2):
        return ""
    return f"the cumulant has a negative minimum that deepens with L, from {depths[0][1]:.3g} to {last[1]:.3g}"


def two_peaks(sizes: Mapping[int, Mapping[str, np.ndarray]]) -> str:
    """Evidence of two peaks that come apart with L, empty where there is none.

    Sizes map L to raw arrays by name, ``(control, draws, measurements)``; ``energy`` and ``m_abs`` are looked at.
    """
    first, last = min(sizes, default=0), max(sizes, default=0)
    for name in ("energy", "m_abs"):
        if len(sizes) < 2 or any(name not in arrays for arrays in sizes.values()):
            continue
        # Most data have no peaks apart at the largest size, and then the smallest does not matter.
        apart = _farthest(sizes[last][name])
        if apart > SEPARATION and apart > 1.2 * (before := _farthest(sizes[first][name])):
            return f"{name} has two peaks {apart:.1f} widths apart at L = {last} ({before:.1f} at L = {first})"
    return ""


def _farthest(draws: np.ndarray) -> float:
    """Largest separation over control values, of arrays ``(control, draws, measurements)``."""
    # In the middle one of the chains or networks: all together they may differ without two phases in any.
    each = [[separation(_thinned(draw)) for draw in row] for row in np.asarray(draws, float)]
    return max((float(np.median(row)) for row in each), default=0.0)


def _thinned(values: np.ndarray, most: int = 1000) -> np.ndarray:
    """Values far enough apart to be independent: what is correlated clumps, and clumps look like peaks."""
    apart = 2 * estimate_time(values).span if len(values) >= LEAST_VALUES else 1.0
    return values[:: max(math.ceil(len(values) / most), math.ceil(apart - 0.5))]


def separation(values: np.ndarray, steps: int = 60) -> float:
    """Distance of two peaks over their width, from a mixture of two normal distributions; 0 for one peak.

    Two are accepted if the Bayesian information criterion prefers them by 20, each holds a tenth at least, and there
    are fewer values between them than at either: a single skewed peak is fitted better by two as well.
    """
    n, spread = len(values), float(values.std())
    if n < LEAST_VALUES or spread == 0:
        return 0.0
    # Start from the split that leaves the least scatter within its halves.
    ordered = np.sort(values)
    sums, squares = np.cumsum(ordered), np.cumsum(ordered**2)
    k = np.arange(1, n)
    within = squares[:-1] - sums[:-1] ** 2 / k + (squares[-1] - squares[:-1]) - (sums[-1] - sums[:-1]) ** 2 / (n - k)
    cut = int(within.argmin()) + 1
    share = np.array([cut / n, 1 - cut / n])
    mean = np.array([ordered[:cut].mean(), ordered[cut:].mean()])
    width = np.maximum([ordered[:cut].std(), ordered[cut:].std()], 1e-3 * spread)
    ones = np.ones(n)
    for _ in range(steps):
        density = np.exp(-(((values - mean[:, None]) / width[:, None]) ** 2) / 2)
        density *= (share / width)[:, None]
        total = np.maximum(density[0] + density[1], 1e-300)
        density /= total
        share = np.maximum(density @ ones / n, 1e-12)
        mean = density @ values / (n * share)
        scatter = [belongs @ (values - m) ** 2 for belongs, m in zip(density, mean, strict=True)]
        width = np.sqrt(np.array(scatter) / (n * share))
        width = np.maximum(width, 1e-3 * spread)
    gain = 2 * (np.log(total / np.sqrt(2 * np.pi)).sum() + n / 2 * (1 + np.log(2 * np.pi * spread**2)))
    if gain < 3 * np.log(n) + 20 or share.min() < 0.1 or not _valley(values, share, mean, width):
        return 0.0
    return float(abs(mean[1] - mean[0]) / np.sqrt((width**2).mean()))


def _valley(values: np.ndarray, share: np.ndarray, mean: np.ndarray, width: np.ndarray) -> bool:
    """Whether values are rarer between two peaks than at both, by three standard errors of their numbers."""
    x = np.linspace(mean.min(), mean.max(), 101)
    density = (share * np.exp(-(((x[:, None] - mean) / width) ** 2) / 2) / width).sum(1)
    places = np.array([mean.min(), x[int(density.argmin())], mean.max()])
    low, between, high = (np.abs(values[:, None] - places) < width.min() / 2).sum(0)
    least = min(low, high)
    return bool(least - between > 3 * math.sqrt(least + between))
