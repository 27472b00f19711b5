"""The best of all minima of a dynamic collapse: a coarse grid over its parameters, local minima polished."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from physnn.analysis.collapse.dynamic_model import DynamicModel, DynamicPoints, DynamicSolution, Fixed, fit_from

COARSE_DEGREES = (5, 3)
"""Degrees while minima are searched."""


def search(
    points: DynamicPoints, fixed: Fixed, generator: np.random.Generator, most: int = 8
) -> DynamicSolution | None:
    """Return the best of all minima: a coarse grid over (x_c, 1/nu, z), its local minima polished, the best kept."""
    few = points if len(points) <= 400 else points.chosen(np.sort(generator.permutation(len(points))[:400]))
    model = DynamicModel(few, fixed)
    degrees = tuple(min(pair) for pair in zip(COARSE_DEGREES, model.degrees, strict=True))
    model.degrees = degrees[0], degrees[1]
    controls = np.unique(few.x)
    centres = controls[np.unique(np.linspace(0, len(controls) - 1, 11).astype(int)[1:-1])]
    axes = (
        centres if fixed[0] is None else np.array([fixed[0]]),
        np.geomspace(0.2, 5, 6) if fixed[1] is None else np.array([fixed[1]]),
        np.linspace(0, 6, 7) if fixed[3] is None else np.array([fixed[3]]),
    )
    grid = np.full([len(axis) for axis in axes], np.inf)
    zetas = [scale_exponent(few, float(x_c)) if fixed[2] is None else fixed[2] for x_c in axes[0]]
    starts: dict[tuple[int, ...], np.ndarray] = {}
    for where in itertools.product(*(range(len(axis)) for axis in axes)):
        x_c, inverse_nu, z = (float(axis[k]) for axis, k in zip(axes, where, strict=True))
        if not few.meet(z):
            continue
        parameters = model.internal(np.array([x_c, inverse_nu, zetas[where[0]], z]))
        widest = max(float(np.abs(model.scaled(parameters)).max()), 1e-12)
        for steepness in (2.0, 8.0) if model.control_degree else (1.0,):
            parameters[4] = np.log(steepness / widest)
            cost = float(np.sum(model.residuals(parameters) ** 2))
            if cost < grid[where]:
                grid[where], starts[where] = cost, parameters.copy()
    polished = []
    for where in _minima(grid)[:most]:
        parameters, model.prior = starts[where], float(starts[where][4])
        if (solved := model.solve(parameters)) is not None and few.meet(solved[0][3]):
            polished.append((solved[1], model.external(solved[0])))
        else:
            polished.append((grid[where], model.external(parameters)))
    return _best(points, fixed, polished)


def _best(points: DynamicPoints, fixed: Fixed, polished: list[tuple[float, np.ndarray]]) -> DynamicSolution | None:
    """Return the best fit from the three best of all start values that differ."""
    best: DynamicSolution | None = None
    tried: list[np.ndarray] = []
    for _, start in sorted(polished, key=lambda pair: pair[0]):
        if len(tried) == 3 or any(np.allclose(start, other, rtol=1e-2, atol=1e-2) for other in tried):
            continue
        tried.append(start)
        found = fit_from(points, fixed, start)
        if found and (best is None or found.chi2 + 2 * found.coefficients < best.chi2 + 2 * best.coefficients):
            best = found
    return best


def _minima(grid: np.ndarray) -> list[tuple[int, ...]]:
    """Return the positions of local minima of a grid, the deepest first."""
    lowest = ndimage.minimum_filter(grid, 3, mode="nearest")
    where = [tuple(int(k) for k in row) for row in np.argwhere(np.isfinite(grid) & (grid <= lowest))]
    return sorted(where, key=lambda row: float(grid[row]))


def scale_exponent(points: DynamicPoints, x_c: float) -> float:
    """Return the slope of ln|y| on ln L near a control value at late times: a start value for zeta/nu."""
    logs = []
    for L in np.unique(points.L):
        mine = np.flatnonzero((points.L == L) & (points.t >= np.median(points.t[points.L == L])))
        near = mine[np.argsort(np.abs(points.x[mine] - x_c), kind="stable")][: max(1, len(mine) // 3)]
        logs.append(0.5 * np.log(max(float(np.mean(points.y[near] ** 2)), 1e-300)))
    return float(np.clip(np.polyfit(np.log(np.unique(points.L)), logs, 1)[0], -10, 10))
