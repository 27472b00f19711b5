"""Where to measure: control values near a crossing, and what they gain over those of a pilot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.analysis.collapse.collapse import CollapseModel
from physnn.analysis.collapse.exponents import Collapse
from physnn.analysis.collapse.single import STEEPNESS, solution
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.points import Curve, Form, Points, Solution
from physnn.analysis.verdict.fit import Fit

INSIDE_STEEP = 9
"""Least number of control values in the steep region of the largest size (convention)."""
AROUND_STEEP = 9
"""Least number of control values in the steep region of the smallest size (convention)."""
PLAN_DEGREE = 5
"""Degree of the master curve that plans rest on: they need its slope only (convention)."""


def values_of(curves: Curves) -> tuple[float, ...]:
    """Control values of all sizes."""
    return tuple(sorted({float(x) for L in curves.sizes for x in curves.x[L]}))


@dataclass(frozen=True)
class Master:
    """The master curve that plans rest on: at the answer's parameters, of low degree and without corrections.

    Curves averaged over networks with critical points of their own do not collapse, and the best fit to them may be
    whatever has the most coefficients; a plan needs no more than the slope.  The points are those of the best fit's
    window, in order of size and control; ``u`` and ``y`` are the control less x_c and the value on the curve, scaled to
    the largest size.
    """

    points: Points
    form: Form
    solution: Solution
    u: np.ndarray
    y: np.ndarray


def master_curve(found: Collapse) -> Master:
    """Master curve of a collapse."""
    inside = np.flatnonzero(found.scan.best.mask)
    points = found.points.chosen(inside[np.lexsort((found.points.x[inside], found.points.L[inside]))])
    form = Form((*found.scan.best.form.fixed[:3], None))
    x_c, inverse_nu, zeta_over_nu = (e.value for e in (found.critical_point, found.inverse_nu, found.zeta_over_nu))
    parameters = np.array([x_c, inverse_nu, zeta_over_nu, 1.0])
    size = points.L / points.L.max()
    u = (points.x - x_c) * size**inverse_nu
    curves = [_curve(points, form, parameters, steepness / float(np.abs(u).max())) for steepness in STEEPNESS]
    best = min(curves, key=lambda each: each.chi2)
    return Master(points, form, best, u, best.fitted * size**-zeta_over_nu)


def _curve(points: Points, form: Form, parameters: np.ndarray, steepness: float) -> Solution:
    """Curve of low degree at given parameters, with a steepness per unit of the control."""
    model = CollapseModel(points, form)
    model.curve = Curve(steepness * model.half, PLAN_DEGREE)
    found = solution(model, model.internal(parameters))
    assert found is not None
    return found


def steep(found: Collapse) -> float:
    """Half the width of the transition at the largest size: the range of the curve over its steepest slope."""
    master = master_curve(found)
    same = np.diff(master.points.L) == 0
    slope = float(np.abs(np.diff(master.y)[same] / np.diff(master.u)[same]).max())
    half = float(np.ptp(master.y)) / slope / 2 if slope > 0 else float(np.abs(master.u).max())
    return max(half, 3 * found.critical_point.error)


def grid_near(fit: Fit) -> tuple[float, ...]:
    """Control values near the crossing: the pilot's, their intervals halved until enough values are inside.

    Enough are `INSIDE_STEEP` in the steep region of the largest size and `AROUND_STEEP` in that of the smallest.  Of
    the pilot's values beyond the next one on either side is kept.
    """
    found, sizes, values = fit.collapse, fit.curves.sizes, values_of(fit.curves)
    assert found is not None
    x_c, inner = found.critical_point.value, steep(found)
    outer = inner * (sizes[-1] / sizes[0]) ** found.inverse_nu.value
    chosen: set[float] = set()
    for half, least in ((inner, INSIDE_STEEP), (outer, AROUND_STEEP)):
        low, high = max(x_c - half, values[0]), min(x_c + half, values[-1])
        fine = np.array(values)
        while np.count_nonzero((fine >= low) & (fine <= high)) < least and len(fine) < 10**6:
            fine = np.sort(np.concatenate([fine, (fine[1:] + fine[:-1]) / 2]))
        chosen |= {float(f"{x:.12g}") for x in fine[(fine >= low) & (fine <= high)]}
    below, above = [x for x in values if x < min(chosen)], [x for x in values if x > max(chosen)]
    return tuple(sorted({*chosen, *below[-1:], *above[:1]}))


def design_gain(found: Collapse, values: tuple[float, ...]) -> float:
    """Variance of the critical point on other control values, over that on the pilot's, per draw.

    It is that of the same master curve without scatter, with the pilot's errors.
    """
    master = master_curve(found)
    pilot, before = master.points, master.solution
    x_c, inverse_nu, zeta_over_nu = before.parameters[:3]
    order, grid, rows = np.argsort(master.u), np.array(values), []
    for size in pilot.sizes:
        mine = np.equal(pilot.L, size)
        scale = size / pilot.L.max()
        u = (grid - x_c) * scale**inverse_nu
        near = (u >= master.u.min()) & (u <= master.u.max())
        clean = np.interp(u[near], master.u[order], master.y[order]) * scale**zeta_over_nu
        error = np.interp(grid[near], pilot.x[mine], pilot.error[mine])
        rows.append((np.full(len(clean), float(size)), grid[near], clean, error))
    design = Points(*(np.concatenate(column) for column in zip(*rows, strict=True)))
    planned = _curve(design, master.form, before.parameters, before.curve.steepness / before.half)
    gain = float(planned.covariance[0, 0] / before.covariance[0, 0])
    return gain if math.isfinite(gain) and gain > 0 else 1.0
