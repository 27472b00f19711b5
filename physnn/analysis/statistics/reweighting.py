"""Averages at temperatures that were not simulated, from raw series of the total energy and other observables.

One temperature (A. M. Ferrenberg and R. H. Swendsen, Phys. Rev. Lett. 61 (1988) 2635) or several
(`physnn.analysis.statistics.mbar`):
<A>(T) = sum_n w_n A_n / sum_n w_n with w_n = exp(-E_n / T) / D(E_n).  k_B = 1; E is the total energy, not per site.

Correlated samples count as n / (2 tau) each temperature, tau being the longest of its series: states that decorrelate
slowly get less weight, and effective numbers of samples are those of independent draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.levels import Condensed, condense, temperatures
from physnn.analysis.statistics.mbar import Pooled, newton, solve
from physnn.analysis.statistics.resampling import evaluate, redrawn
from physnn.errors import InputError

FEWEST = 100.0
"""Least effective number of samples at a temperature; below it the tail that carries the average is hardly sampled."""
WORK = 4_000_000
"""Numbers held at once per array while resamples are evaluated."""


@dataclass(frozen=True)
class Reweighted:
    """Averages at other temperatures.

    Attributes
    ----------
    T : ndarray, shape (grid,)
        Temperatures.
    averages : ndarray, shape (observables, grid)
        Mean of each observable.
    effective : ndarray, shape (grid,)
        Kish's effective number of samples, (sum w)^2 / sum w^2.
    free_energy : ndarray, shape (points,)
        -ln Z of the simulated temperatures, relative to the first.
    overlaps : ndarray, shape (points - 1,)
        Overlap of neighbouring energy distributions, in the order of temperature.
    """

    T: np.ndarray
    averages: np.ndarray
    effective: np.ndarray
    free_energy: np.ndarray
    overlaps: np.ndarray


class Curve(NamedTuple):
    """A derived quantity as a smooth function of temperature.

    Attributes
    ----------
    values : ndarray, shape (grid,)
        From all data.
    samples : ndarray, shape (resamples, grid)
        From resampled blocks; ``numpy.cov(samples.T)`` is the covariance of the curve.
    effective : ndarray, shape (grid,)
        Kish's effective number of independent samples at each temperature.
    """

    values: np.ndarray
    samples: np.ndarray
    effective: np.ndarray


def reweight(
    T: np.ndarray | float,
    energy: Sequence[np.ndarray] | np.ndarray,
    observables: Sequence[Sequence[np.ndarray] | np.ndarray],
    grid: np.ndarray | float,
    decorrelate: bool = True,
) -> Reweighted:
    """Return averages at the temperatures of a grid.

    Parameters
    ----------
    T : float or array, shape (points,)
        Temperatures of the simulations, in units of J; one makes it single-histogram reweighting.
    energy : array, shape (points, chains, measurements), or one array per temperature
        Total energy in units of J; an array of one temperature is (measurements,) or (chains, measurements).
    observables : sequence
        Each of the shape of `energy`.
    grid : float or array, shape (grid,)
        Temperatures wanted.
    decorrelate : bool
        Whether a sample counts 1 / (2 tau); otherwise 1, as for independent samples.

    Raises
    ------
    InputError
        If neighbouring temperatures do not overlap, a chain is shorter than 50 tau, shapes differ, or fewer than
        100 effective samples remain at a temperature of the grid.
    """
    target = temperatures(grid)
    data = condense(T, energy, observables, target, decorrelate, blocks=False)
    pooled, numbers = _solved(data)
    counts = data.counts.sum(axis=0)
    sums = np.array([table.sum(axis=0) for table in data.sums])
    effective = _effective(pooled, numbers, counts, target)
    averages = _averages(pooled, target, numbers[None], np.zeros((1, len(numbers))), counts[None], sums[:, None])
    return Reweighted(target, averages[:, 0], effective, pooled.free, pooled.overlaps)


def reweighted_curve(
    T: np.ndarray | float,
    energy_total: Sequence[np.ndarray] | np.ndarray,
    moments: tuple[Sequence[np.ndarray] | np.ndarray, ...],
    combine: Callable[..., np.ndarray],
    grid: np.ndarray,
    resamples: int,
    generator: np.random.Generator,
) -> Curve:
    """Return a function of mean moments, such as U4, over a grid of temperatures with its sampling distribution.

    Blocks of at least 10 tau (of the slowest series of their temperature) are redrawn together for all observables,
    separately at every temperature, and the equations of the free energies are solved anew for each resample.

    Parameters
    ----------
    T : float or array, shape (points,)
        Temperatures of the simulations, in units of J; their chains must be independent of each other.
    energy_total : array, shape (points, chains, measurements)
        Total energy in units of J.
    moments : tuple of arrays, each of the shape of `energy_total`
        Raw moments, such as m^2 and m^4.
    combine : callable
        Takes one array per moment, their means, and returns an array of the same shape.
    grid : array, shape (grid,)
        Temperatures wanted.
    resamples : int
        Number of resamples, at least 2.
    generator : numpy.random.Generator
        Draws the blocks.

    Returns
    -------
    Curve
        ``(values, samples, effective)``; shapes ``(grid,)``, ``(resamples, grid)``, ``(grid,)``.

    Raises
    ------
    InputError
        As for `reweight`, and if `combine` is not finite somewhere.
    """
    target = temperatures(grid)
    data = condense(T, energy_total, moments, target, decorrelate=True, blocks=True)
    pooled, numbers = _solved(data)
    states = len(numbers)
    drawn = np.empty((resamples + 1, len(data.state)))
    drawn[0] = 1
    for k in range(states):
        mine = data.state == k
        drawn[1:, mine] = redrawn(int(mine.sum()), resamples, generator)
    sizes = data.counts.sum(axis=1)
    chunk = max(1, WORK // (states * len(data.energy)))
    parts = []
    for start in range(0, resamples + 1, chunk):
        rows = drawn[start : start + chunk]
        counts, sums = rows @ data.counts, np.array([rows @ table for table in data.sums])
        each = (rows * sizes) @ data.member
        free = newton(pooled.boltzmann, counts, each)
        parts.append(_averages(pooled, target, each, free, counts, sums))
        if start == 0:
            effective = _effective(pooled, numbers, counts[0], target)
    curves = evaluate(combine, np.concatenate(parts, axis=1))
    return Curve(curves[0], curves[1:], effective)


def curve_crossing(grid: np.ndarray, first: Curve, second: Curve) -> tuple[Estimate, Estimate, np.ndarray]:
    """Return where two curves on one grid cross, the height there, and the crossings of all resamples.

    The difference is linear between grid points.  Of several zeros of the full data the steepest is meant, and of each
    resample the one nearest to it.

    Parameters
    ----------
    grid : ndarray, shape (grid,)
        Increasing temperatures.
    first, second : Curve
        Curves of independent simulations, with equal numbers of resamples.

    Raises
    ------
    InputError
        If the curves do not cross on the grid, or 1 % of the resamples do not.
    """
    differences = np.vstack([first.values, first.samples]) - np.vstack([second.values, second.samples])
    heights = np.vstack([first.values, first.samples])
    left, right = differences[:, :-1], differences[:, 1:]
    changes = (left == 0) | (left * right < 0)
    if not changes[0].any():
        raise InputError(f"the curves do not cross between {grid[0]:.6g} and {grid[-1]:.6g}; widen the grid")
    share = np.divide(left, left - right, out=np.zeros_like(left), where=changes & (left != right))
    at = grid[:-1] + share * np.diff(grid)
    crossings = at[0, changes[0]]
    steep = np.abs((left - right)[0, changes[0]])
    centre = crossings[int(np.argmax(steep))]
    nearest = np.argmin(np.where(changes, np.abs(at - centre), np.inf), axis=1)
    found = changes.any(axis=1)
    if found[1:].mean() < 0.99:
        raise InputError(
            f"only {found[1:].sum()} of {len(found) - 1} resamples cross on the grid; widen it or measure longer"
        )
    rows = np.arange(len(at))
    x = at[rows, nearest]
    y = heights[rows, nearest] + share[rows, nearest] * (heights[rows, nearest + 1] - heights[rows, nearest])
    x_estimate = Estimate(float(x[0]), float(np.std(x[1:][found[1:]], ddof=1)))
    return x_estimate, Estimate(float(y[0]), float(np.std(y[1:][found[1:]], ddof=1))), x[1:][found[1:]]


def _solved(data: Condensed) -> tuple[Pooled, np.ndarray]:
    counts = data.member.T @ data.counts
    return solve(data.beta, data.energy, counts), counts.sum(axis=1)


def _effective(pooled: Pooled, numbers: np.ndarray, counts: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return Kish's effective number of samples, refusing temperatures where it is small."""
    effective = np.empty(len(target))
    for i, T in enumerate(target):
        weights = pooled.weights(1 / T, numbers)
        effective[i] = (counts @ weights) ** 2 / (counts @ weights**2)
    poor = effective < FEWEST
    if poor.any():
        worst = int(np.argmin(effective))
        good = target[~poor]
        reach = f"stay within T = {good.min():.6g} to {good.max():.6g}, or " if len(good) else ""
        raise InputError(
            f"at T = {target[worst]:.6g} only {effective[worst]:.3g} effective samples remain (at least {FEWEST:.0f} "
            f"are needed); {reach}simulate closer to it or longer"
        )
    return effective


def _averages(
    pooled: Pooled, target: np.ndarray, numbers: np.ndarray, free: np.ndarray, counts: np.ndarray, sums: np.ndarray
) -> np.ndarray:
    """Return averages (observables, sets, grid) from level sums (sets, levels) and (observables, sets, levels)."""
    inverse = 1 / ((numbers * np.exp(free)) @ pooled.boltzmann)
    scaled_counts, scaled_sums = counts * inverse, sums * inverse
    averages = np.empty((*sums.shape[:-1], len(target)))
    for i, T in enumerate(target):
        exponent = -pooled.energy / T - pooled.shift
        weights = np.exp(exponent - exponent.max())
        averages[..., i] = (scaled_sums @ weights) / (scaled_counts @ weights)
    return averages
