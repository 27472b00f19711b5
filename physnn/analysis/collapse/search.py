"""The best of all minima of a collapse: a coarse grid over (x_c, 1/nu), every local minimum of it polished."""

from __future__ import annotations

import numpy as np

from physnn.analysis.collapse.collapse import STEEPNESS, Model, fit_from
from physnn.analysis.curves.points import Form, Points, Solution


def search(points: Points, form: Form, most: int = 6) -> Solution | None:
    """Return the best of all minima: a coarse grid over (x_c, 1/nu), its local minima polished, the best kept."""
    few = points if len(points) <= 600 else _thinned(points, 600)
    model = Model(few, form)
    centres = np.unique(few.x) if form.fixed[0] is None else np.array([form.fixed[0]])
    centres = centres[np.unique(np.linspace(0, len(centres) - 1, 40).astype(int))]
    if form.fixed[0] is None and form.reach > 1.5:
        far = np.linspace(1.1, form.reach, 8)
        centres = np.sort(np.concatenate([centres, model.middle + model.half * np.concatenate([-far, far])]))
    slopes = np.geomspace(0.15, 6, 12) if form.fixed[1] is None else np.array([form.fixed[1]])
    omega = 1.0 if form.fixed[3] is None else form.fixed[3]
    starts, costs = [], []
    for x_c in centres:
        zeta = scale_exponent(few, x_c) if form.fixed[2] is None else form.fixed[2]
        for slope in slopes:
            parameters = model.internal(np.array([x_c, slope, zeta, omega]))
            widest = max(float(np.abs(model.scaled(parameters)).max()), 1e-12)
            cost = np.inf
            for steepness in STEEPNESS[1:]:
                model.steepness, model.degree = steepness / widest, min(8, max(2, len(few) // 3))
                residuals = model.project(parameters)[0]
                cost = min(cost, float(residuals @ residuals))
            starts.append(model.external(parameters))
            costs.append(cost)
    best: Solution | None = None
    grid = np.array(costs).reshape(len(centres), len(slopes))
    for k in _minima(grid)[:most]:
        found = fit_from(points, form, starts[k])
        if found and (best is None or _criterion(found) < _criterion(best)):
            best = found
    return best


def _criterion(solution: Solution) -> float:
    """Corrected criterion of Akaike; without its last term a curve through nearly all points would win."""
    k = solution.coefficients
    return solution.chi2 + 2 * k + 2 * k * (k + 1) / max(solution.dof - 1, 1)


def _minima(grid: np.ndarray) -> list[int]:
    """Return the flat positions of local minima of a grid, the deepest first."""
    padded = np.pad(grid, 1, constant_values=np.inf)
    around = np.min(
        [np.roll(padded, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)], axis=0
    )[1:-1, 1:-1]
    flat = np.flatnonzero((grid <= around).ravel())
    return [int(k) for k in flat[np.argsort(grid.ravel()[flat])]]


def _thinned(points: Points, most: int) -> Points:
    keep = np.zeros(len(points), bool)
    keep[np.unique(np.linspace(0, len(points) - 1, most).astype(int))] = True
    return points.chosen(keep)


def scale_exponent(points: Points, x_c: float) -> float:
    """Return the slope of ln|y| on ln L at a control value, from linear interpolation of every size."""
    logs, values = [], []
    for L in points.sizes:
        mine = points.L == L
        order = np.argsort(points.x[mine])
        y = float(np.interp(x_c, points.x[mine][order], points.y[mine][order]))
        logs.append(np.log(L))
        values.append(np.log(max(abs(y), 1e-300)))
    return float(np.clip(np.polyfit(logs, values, 1)[0], -10, 10))
