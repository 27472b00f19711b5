"""The best of all minima of a collapse: a coarse grid over (x_c, 1/nu, z), every local minimum of it polished."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from physnn import rng
from physnn.analysis.collapse.collapse import VALUES_AT_ONCE, CollapseModel, chebyshevs
from physnn.analysis.collapse.single import STEEPNESS, akaike, fit_from
from physnn.analysis.curves.points import Form, Points, Solution

RIVAL = 6.0
"""Loss in the corrected criterion of Akaike from which a minimum is no rival: a ratio of exp(3), see `FAVOURED`."""
MOST_RIVALS = 3
"""Most minima from which fits begin (convention)."""
GRID_POINTS = 150, 600
"""Points on which the grid is evaluated, without and with times; more cost time and move no minimum (convention)."""
SHALLOW = 30.0
"""chi2 of a minimum of the grid, over the least, from which it is not polished.

Rivals lie a few steps of the grid from its points as the best one does, and have up to 5 times its chi2 there.
"""
CENTRES = 40
"""Most values of x_c on the grid (convention)."""
GRID_DEGREE = 8
"""Degree of the master curve on the grid, a third of the number of points at most (convention)."""
RIDGE = 1e-12
"""Addition to the unit diagonal of normal equations: above rounding, below what a coarse grid is for."""
COARSE_DEGREES = (5, 3)
"""Degrees in the control and the logarithm of the time on the grid (convention)."""


def search(points: Points, form: Form, most: int = 6) -> Solution | None:
    """Best of all minima by the corrected criterion of Akaike, see `minima`; None where there is no fit."""
    return next(iter(minima(points, form, most)), None)


def minima(points: Points, form: Form, most: int = 6) -> list[Solution]:
    """All minima, the best by the corrected criterion of Akaike first.

    Parameters
    ----------
    points, form : Points, Form
        What is fitted.
    most : int
        Local minima of the grid that are polished, the deepest first.
    """
    model = _coarse(points, form)
    starts, costs = _grid(model, form)[-1]
    return _polished(points, form, model, starts, costs, most)


def _coarse(points: Points, form: Form) -> CollapseModel:
    """Model of as many points as the grid takes."""
    most = GRID_POINTS[form.timed]
    if len(points) > most:
        points = points.chosen(np.sort(rng.stream(0, "subset", "collapse").permutation(len(points))[:most]))
    return CollapseModel(points, form)


def _polished(
    points: Points, form: Form, model: CollapseModel, starts: np.ndarray, costs: np.ndarray, most: int = 6
) -> list[Solution]:
    """Fits from the deepest minima of a grid, the best first."""
    deep = _minima(costs)[: most + 2 * form.timed]
    rows = [starts[where] for where in deep if form.timed or costs[where] < SHALLOW * costs[deep[0]]]
    if form.timed and rows:
        rows = _coarsely_polished(model, np.array(rows))
    found = [fit_from(points, form, model.external(row), rounds=1) for row in rows]
    kept: list[Solution] = []
    for solution in sorted((s for s in found if s), key=_criterion):
        if all(_apart(solution, other) for other in kept):
            kept.append(solution)
    # The master function is chosen anew at the minimum, as `fit_from` does.
    again = [fit_from(points, form, s.parameters, rounds=1) for s in kept]
    return sorted((s for s in again if s), key=_criterion)


def rival_minima(points: Points, form: Form) -> list[Solution]:
    """Minima that the data do not tell apart, without and with a correction L^-1, the best first.

    Where corrections dominate, the best collapse without them lies far from the right one, and no fit of omega would
    come from there.  Minima are rivals that lose less than `RIVAL` in the corrected criterion of Akaike, and differ in
    x_c or 1/nu by more than an error; the best without a correction is always one.
    """
    forms = [replace(form, corrected=False, analytic=False, fixed=(*form.fixed[:3], None))]
    if form.corrected and len(points.sizes) > 2:
        held = 1.0 if form.fixed[3] is None else form.fixed[3]
        forms.append(replace(form, analytic=False, fixed=(*form.fixed[:3], held)))
    model = _coarse(points, forms[-1])
    each = [_polished(points, one, model, *grid) for one, grid in zip(forms, _grid(model, forms[-1]), strict=True)]
    plain, found = each[0], [s for some in each for s in some]
    kept: list[Solution] = []
    for solution in sorted(found, key=_criterion):
        # The best without a correction is always one: with them other minima pass for a collapse.
        close = not kept or solution is plain[0] or _criterion(solution) - _criterion(kept[0]) < RIVAL
        few = len(kept) < MOST_RIVALS or solution is plain[0]
        if close and few and all(_apart(solution, other) for other in kept):
            kept.append(solution)
    return kept


def _apart(one: Solution, other: Solution) -> bool:
    """Whether minima differ in x_c or 1/nu by more than the smaller of their errors."""
    difference = np.abs(one.parameters - other.parameters)[:2]
    errors = np.sqrt(np.minimum(np.diag(one.covariance), np.diag(other.covariance)))[:2]
    return bool((difference > errors).any())


def _criterion(solution: Solution) -> float:
    return float(akaike(solution.chi2, solution.coefficients, len(solution.residuals)))


def _axes(model: CollapseModel, form: Form) -> list[np.ndarray]:
    """Values of x_c, of 1/nu and of omega or z on the grid."""
    x = np.unique(model.points.x)
    if form.timed:
        centres = x[np.unique(np.linspace(0, len(x) - 1, 11).astype(int)[1:-1])]
        usual = [centres, np.geomspace(0.2, 5, 6), np.linspace(0, 6, 7)]
    else:
        # Between values too: where these are far apart, the transition of the largest size lies between two of them.
        centres = np.interp(np.linspace(0, len(x) - 1, min(CENTRES, 2 * len(x) - 1)), np.arange(len(x)), x)
        if form.reach > 1.5:
            far = np.linspace(1.1, form.reach, 8)
            centres = np.sort(np.concatenate([centres, model.middle + model.half * np.concatenate([-far, far])]))
        usual = [centres, np.geomspace(0.15, 6, 12), np.array([1.0])]
    held = (form.fixed[0], form.fixed[1], form.fixed[3])
    return [axis if value is None else np.array([value]) for axis, value in zip(usual, held, strict=True)]


def _grid(model: CollapseModel, form: Form) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of parameters on the grid and their chi2 with the best steepness, infinite where sizes do not meet.

    Where the form has a correction, first without and then with it.
    """
    few, axes = model.points, _axes(model, form)
    scale = _scale_exponent if not form.timed else _late_exponent
    zetas = [scale(few, float(x_c)) if form.fixed[2] is None else form.fixed[2] for x_c in axes[0]]
    shape = tuple(len(axis) for axis in axes)
    rows = np.full((*shape, 5), math.log(model.curve.steepness))
    rows[..., 0] = (axes[0][:, None, None] - model.middle) / model.half
    rows[..., 1] = axes[1][:, None]
    rows[..., 2] = np.array(zetas)[:, None, None]
    rows[..., 3] = axes[2] if form.timed else np.log(np.maximum(axes[2], 1e-3))
    allowed = np.array([not form.timed or few.meet(float(z)) for z in axes[2]])
    flat = rows[:, :, allowed].reshape(-1, 5)
    steepness = np.array([1.0])
    if form.timed:
        degrees = [min(pair) for pair in zip(COARSE_DEGREES, (model.curve.degree, model.curve.later), strict=True)]
        model.curve = replace(model.curve, degree=degrees[0], later=degrees[1])
        if degrees[0]:
            steepness = np.array([2.0, 8.0])
    else:
        model.curve = replace(model.curve, degree=min(GRID_DEGREE, max(2, len(few) // 3)))
        # Every other one: a polynomial of this degree in tanh(k u) follows a curve half or twice as steep as well.
        steepness = np.array(STEEPNESS[2::2])
    widest = np.maximum(np.abs(model.scaled(flat)).max(1), 1e-12)
    tried = np.repeat(flat[:, None], len(steepness), axis=1)
    tried[..., 4] = np.log(steepness / widest[:, None])
    counts = (model.curve.degree + 1, model.columns) if form.corrected else (model.columns,)
    grids = []
    for found in costs_of(model, tried.reshape(-1, 5), *counts).reshape(len(counts), len(flat), len(steepness)):
        best, own, costs = found.argmin(1), rows.copy(), np.full(shape, np.inf)
        costs[:, :, allowed] = found.min(1).reshape(costs[:, :, allowed].shape)
        own[:, :, allowed] = tried[np.arange(len(flat)), best].reshape(own[:, :, allowed].shape)
        grids.append((own, costs))
    return grids


def costs_of(model: CollapseModel, rows: np.ndarray, *leading: int) -> np.ndarray:
    """chi2 of many rows with the best coefficients of so many leading columns of the basis, ``(numbers, fits)``.

    They come from normal equations, so a chi2 far below `RIDGE` times that of no function at all is not seen.
    """
    found = []
    step = max(1, VALUES_AT_ONCE // len(model.points))
    independent = model.whitener is None and not (model.form.timed or model.form.analytic)
    # Where one size rules by its factor, as a fitted zeta/nu may have it, sums lose too many digits.
    summed = independent and 2 not in model.free
    for first in range(0, len(rows), step):
        some = rows[first : first + step]
        try:
            left = _left(_sums(model, some) if summed else _products(model, some))
        except np.linalg.LinAlgError:
            left = _left(_products(model, some))
        found.append([left[:, count:].sum(1) for count in leading])
    return np.concatenate(found, axis=1)


def _left(products: np.ndarray) -> np.ndarray:
    """Squares of the last column along each of the others, and at the end what is left of it, from their products."""
    unit = np.sqrt(np.maximum(np.einsum("fkk->fk", products), 1e-300))
    square = products / (unit[:, :, None] * unit[:, None, :])
    square += RIDGE * np.eye(square.shape[1])
    return np.asarray(np.linalg.cholesky(square)[:, -1] ** 2 * unit[:, -1:] ** 2)


def _products(model: CollapseModel, rows: np.ndarray) -> np.ndarray:
    """Products of all whitened columns of the basis and, as the last one, the target, ``(fits, columns, columns)``."""
    basis = model.white(model.basis(rows)[0])
    last = np.broadcast_to(model.target[:, None], (*basis.shape[:2], 1))
    both = np.concatenate([basis, last], axis=2)
    return np.asarray(both.swapaxes(1, 2) @ both)


def _sums(model: CollapseModel, rows: np.ndarray) -> np.ndarray:
    """The same from sums of polynomials over the points of every size: 2 T_a T_b = T_(a+b) + T_|a-b|.

    Only the lower triangle is there.
    """
    of_size = np.unique(model.which, return_index=True)[1]
    blocks = [(degree, factor[:, of_size]) for degree, factor in model.blocks(rows)]
    most = max(degree for degree, _ in blocks)
    polynomials = chebyshevs(np.tanh(np.exp(rows[:, 4:5]) * model.scaled(rows)), 2 * most).transpose(2, 0, 1)
    own = np.where(model.which[:, None] == np.arange(len(of_size)), model.weight[:, None] ** 2, 0)
    sums, with_target = polynomials @ own, polynomials[: most + 1] @ (own * model.points.y[:, None])
    square, starts = np.zeros((model.columns + 1, model.columns + 1, len(rows))), [0]
    square[-1, -1] = model.target @ model.target
    for degree, factor in blocks:
        mine, a = slice(starts[-1], starts[-1] + degree + 1), np.arange(degree + 1)[:, None]
        for (other, rival), start in zip(blocks, starts, strict=False):
            both, b = (sums * (factor * rival)).sum(-1), np.arange(other + 1)
            square[mine, start : start + other + 1] = (both[a + b] + both[abs(a - b)]) / 2
        square[-1, mine] = (with_target[: degree + 1] * factor).sum(-1)
        starts.append(mine.stop)
    return square.transpose(2, 0, 1)


def _coarsely_polished(model: CollapseModel, starts: np.ndarray) -> list[np.ndarray]:
    """The three best solutions that differ, of coarse degrees, where there are times: full ones cost far more."""
    found = []
    for start in starts:
        model.center[4] = start[4]
        rows, squares = model.solve(start)
        good = bool(np.isfinite(squares[0])) and model.points.meet(float(rows[0, 3]))
        found.append((float(squares[0]), rows[0]) if good else (model.cost(start), start))
    kept: list[np.ndarray] = []
    for _, row in sorted(found, key=lambda pair: pair[0]):
        if len(kept) < 3 and not any(np.allclose(row[:4], other[:4], rtol=1e-2, atol=1e-2) for other in kept):
            kept.append(row)
    return kept


def _minima(grid: np.ndarray) -> list[tuple[int, ...]]:
    """Positions of local minima of a grid of three axes, the deepest first."""
    padded = np.pad(grid, 1, constant_values=np.inf)
    shifts = [shift for shift in itertools.product((-1, 0, 1), repeat=3) if any(shift)]
    around = np.min([np.roll(padded, shift, (0, 1, 2)) for shift in shifts], axis=0)[1:-1, 1:-1, 1:-1]
    where = [tuple(int(k) for k in row) for row in np.argwhere(np.isfinite(grid) & (grid <= around))]
    return sorted(where, key=lambda row: float(grid[row]))


def _scale_exponent(points: Points, x_c: float) -> float:
    """Slope of ln|y| on ln L at a control value, from linear interpolation of every size: a start for zeta/nu."""
    values = []
    for L in points.sizes:
        mine = points.L == L
        order = np.argsort(points.x[mine])
        values.append(abs(float(np.interp(x_c, points.x[mine][order], points.y[mine][order]))))
    return _slope(points, values)


def _late_exponent(points: Points, x_c: float) -> float:
    """Slope of ln|y| on ln L near a control value at late times: a start for zeta/nu."""
    assert points.t is not None
    values = []
    for L in points.sizes:
        mine = np.flatnonzero((points.L == L) & (points.t >= np.median(points.t[points.L == L])))
        near = mine[np.argsort(np.abs(points.x[mine] - x_c), kind="stable")][: max(1, len(mine) // 3)]
        values.append(float(np.sqrt(np.mean(points.y[near] ** 2))))
    return _slope(points, values)


def _slope(points: Points, values: list[float]) -> float:
    logs = np.log(np.maximum(values, 1e-300))
    return float(np.clip(np.polyfit(np.log(points.sizes), logs, 1)[0], -10, 10))
