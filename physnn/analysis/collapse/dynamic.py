"""Dynamic finite-size scaling: y = L^(zeta/nu) F(u, s) with u = (x - x_c) L^(1/nu) and s = t / L^z.

The collapse is that of `physnn.analysis.collapse.collapse`; what is special here are the windows.  Short times and
controls far from x_c do not scale, so fits from several smallest times and on several windows are averaged as single
fits are (`physnn.analysis.collapse.average`), and points that do not determine z are refused.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from physnn.analysis.collapse.average import Candidate, Scan, average, bootstrap
from physnn.analysis.collapse.collapse import CollapseModel
from physnn.analysis.collapse.search import search
from physnn.analysis.collapse.single import fit_from, solution
from physnn.analysis.curves.points import TIME_GAP, Curve, Fixed, Form, Points, Solution
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.errors import InputError
from physnn.machine import on_one_blas_thread

TIME_SHARES = (1.0, 0.65, 0.4, 0.25)
"""Windows, as shares of the largest scaled distance from the critical point (convention)."""
CUTS = (0.0, 0.12, 0.3, 0.5)
"""Smallest times, as shares of the points that are earlier (convention)."""
LARGEST_ERROR = 0.5
"""With a larger error z is not determined, nor is it where another z at twice this distance fits as well.

Dynamic exponents of known classes are 1.5 to 3: an error of 0.5 tells none of them apart.
"""


@dataclass(frozen=True)
class DynamicFit(Tabled):
    """Answer of a dynamic scaling fit.

    Fixed parameters have error 0; with one control only, ``inverse_nu`` is NaN unless it is fixed.  chi2 over degrees
    of freedom, p-value, largest |x - x_c| L^(1/nu), smallest time and degrees of the master function in the control and
    in the logarithm of the time are those of the fit with the largest weight.  Where no chi2 is acceptable, errors are
    widened by sqrt(chi2/dof).  Bootstrap samples of (x_c, 1/nu, zeta/nu, z) are ``(resamples, 4)``; rows without a fit
    are NaN.
    """

    critical_point: Estimate
    inverse_nu: Estimate
    zeta_over_nu: Estimate
    z: Estimate
    chi2_per_dof: float
    p_value: float
    window: float
    t_min: float
    degrees: tuple[int, int]
    acceptable: bool
    samples: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """Answer as plain data without the samples; what is not defined is null."""
        return fields_json(self, "samples") | {"n_bootstrap": len(self.samples)}


def _candidates(points: Points, form: Form, start: Solution) -> list[Candidate]:
    """Fits from all smallest times and on all windows, the first one on all points."""
    found: list[Candidate] = []
    seen: set[bytes] = set()
    assert points.t is not None
    for cut in CUTS:
        late = points.t >= np.quantile(points.t, cut, method="higher")
        parameters = start.parameters
        distance = np.abs(points.x - parameters[0]) * points.L ** parameters[1]
        for share in TIME_SHARES:
            mask = late & (distance <= share * distance[late].max() * (1 + 1e-12))
            if mask.tobytes() in seen:
                continue
            seen.add(mask.tobytes())
            chosen = points.chosen(mask)
            if _why_not(chosen, form.fixed):
                break
            fitted = start if mask.all() else fit_from(chosen, form, parameters, rounds=1)
            if fitted is None:
                continue
            window = float((np.abs(chosen.x - fitted.parameters[0]) * chosen.L ** fitted.parameters[1]).max())
            found.append(Candidate(form, points.sizes[0], window, mask, fitted))
            parameters = fitted.parameters
    return found


def _neighbours(points: Points, best: Candidate) -> list[Candidate]:
    """Fits to the same points with other degrees, so that their choice enters the error."""
    chosen, found = points.chosen(best.mask), []
    model, curve = CollapseModel(chosen, best.form), best.solution.curve
    model.center[4], start = math.log(curve.steepness), best.solution.row
    largest = model.largest(start)
    for more, longer in itertools.product((-2, -1, 0, 1, 2), (-1, 0, 1)):
        a, b = curve.degree + more, curve.later + longer
        allowed = model.least[0] <= a <= largest[0] and model.least[1] <= b <= largest[1]
        if (more, longer) == (0, 0) or not allowed or (a + 1) * (b + 1) + len(model.free) > len(chosen) - 3:
            continue
        model.curve = replace(curve, degree=a, later=b)
        row = model.solve(start)[0][0]
        if np.isfinite(row).all() and chosen.meet(row[3]) and (fitted := solution(model, row)):
            found.append(replace(best, solution=fitted))
    return found


def _why_not(points: Points, fixed: Fixed) -> str:
    """Reason why points cannot be fitted, one sentence, or nothing."""
    assert points.t is not None
    free = sum(value is None for value in fixed)
    times = np.array(points.distinct(points.t))
    if len(points.sizes) < 2:
        return "dynamic scaling needs at least two sizes; add points of another L"
    if fixed[3] is None and (times > 1).sum() < 2:
        sizes = np.unique(points.L)
        lines = [np.log([points.t[points.L == L].mean() for L in sizes]), np.log(sizes)]
        slope, offset = np.polyfit(lines[1], lines[0], 1)
        exact = (times == 1).all() and np.abs(lines[0] - slope * lines[1] - offset).max() < TIME_GAP
        return (
            "z cannot be determined: at least two sizes need several times each"
            + (f", and here t is one multiple of L^{slope:.3g}" if exact else "")
            + "; add times or fix z"
        )
    if fixed[0] is None and min(points.distinct(points.x)) < 2:
        return "every size needs at least two control values; add points or fix the critical point"
    if len(points) < 3 * free + 6:
        return f"{len(points)} points are too few to fit {free} parameters; give at least {3 * free + 6}"
    if fixed[3] is not None and not points.meet(fixed[3]):
        return f"times of different sizes do not meet in t / L^{fixed[3]:.3g}; add times or choose another z"
    return ""


def _checked(points: Points, fixed: Fixed) -> Fixed:
    """Values that are held, x_c and 1/nu too where there is one control only; what cannot be fitted is refused."""
    assert points.t is not None
    arrays = (points.L, points.x, points.t, points.y, points.error)
    if any(a.ndim != 1 or len(a) != len(points) for a in arrays) or not len(points):
        raise InputError("L, x, t, y and error must be of one length, at least 1")
    if not all(np.isfinite(a).all() for a in arrays) or not all(v is None or math.isfinite(v) for v in fixed):
        raise InputError("sizes, controls, times, values, errors and fixed parameters must be finite; leave others out")
    if (points.L <= 0).any() or (points.t <= 0).any():
        raise InputError("sizes and times must be larger than 0; leave other points out")
    if (points.error <= 0).any():
        raise InputError("errors must be larger than 0; leave points without an error out")
    if np.ptp(points.x) == 0:
        x = float(points.x[0])
        if fixed[0] is not None and fixed[0] != x:
            raise InputError(f"all points are at the control {x:g}, which must be the critical point, not {fixed[0]:g}")
        fixed = (x, 1.0 if fixed[1] is None else fixed[1], fixed[2], fixed[3])
    if reason := _why_not(points, fixed):
        raise InputError(reason)
    return fixed


def _matters(points: Points, form: Form, full: Solution, curve: Curve) -> bool:
    """Whether a master function of lower degrees fits significantly worse, by a likelihood ratio of p < 0.001."""
    held = [v if value is None else value for v, value in zip(full.parameters, form.fixed, strict=True)]
    # What the lower degrees leave undetermined is held; zeta/nu makes up for most of what is missing.
    model = CollapseModel(points, replace(form, fixed=(held[0], held[1], form.fixed[2], held[3])))
    model.curve, model.center[4] = curve, math.log(curve.steepness)
    start = model.internal(full.parameters)
    chi2 = float(np.nanmin([model.cost(start), model.solve(start)[1][0]]))
    gain = (chi2 - full.chi2) / max(1.0, full.chi2_per_dof)
    fewer = full.coefficients - (curve.degree + 1) * (curve.later + 1)
    return bool(special.chdtrc(fewer, gain) < 1e-3)


def _determined(points: Points, form: Form, full: Solution) -> None:
    """Refuse points that do not determine z, and values that do not depend on the control where its scale is fitted."""
    fixed = form.fixed
    if fixed[3] is None and not _matters(points, form, full, replace(full.curve, later=0)):
        raise InputError("z cannot be determined: the values do not depend on t within errors; add times or fix z")
    scale = max(1.0, full.chi2_per_dof)
    for z in full.parameters[3] + 2 * LARGEST_ERROR * np.array([-1, 1]) if fixed[3] is None else ():
        held = replace(form, fixed=(*fixed[:3], float(z)))
        other = fit_from(points, held, np.append(full.parameters[:3], z))
        # A likelihood ratio of two standard deviations; the error alone misses that F can follow the noise.
        if other and (other.chi2 - full.chi2) / scale + 2 * (other.coefficients - full.coefficients) < 4:
            raise InputError(
                f"z cannot be determined: {z:.3g} fits as well as {full.parameters[3]:.3g}; "
                "add times or sizes, or fix z or zeta/nu"
            )
    if (fixed[0] is None or fixed[1] is None) and not _matters(points, form, full, replace(full.curve, degree=0)):
        raise InputError(
            "the critical point and 1/nu cannot be determined: the values do not depend on the control within errors; "
            "give other controls"
        )


def _answer(points: Points, scanned: Scan, errors: np.ndarray, samples: np.ndarray) -> DynamicFit:
    """Average, errors and the fit with the largest weight as one answer."""
    assert points.t is not None
    x_c, inverse_nu, zeta, z = (Estimate(float(v), float(e)) for v, e in zip(scanned.parameters, errors, strict=True))
    best = scanned.best
    found = best.solution
    return DynamicFit(
        critical_point=x_c,
        inverse_nu=inverse_nu,
        zeta_over_nu=zeta,
        z=z,
        chi2_per_dof=found.chi2_per_dof,
        p_value=found.p_value,
        window=best.window,
        t_min=float(points.t[best.mask].min()),
        degrees=(found.curve.degree, found.curve.later),
        acceptable=scanned.acceptable,
        samples=samples,
    )


@on_one_blas_thread
def dynamic_scaling(
    points: Points, fixed: Fixed = (None, None, 0.0, None), resamples: int = 200, *, generator: np.random.Generator
) -> DynamicFit:
    """Fit of y = L^(zeta/nu) F((x - x_c) L^(1/nu), t / L^z).

    With one control value only, it is taken as x_c and y = L^(zeta/nu) F(t / L^z) is fitted.  With z fixed and one
    time for each size, t proportional to L^z, this is the ordinary collapse.

    Parameters
    ----------
    points : Points
        The data with times; points are independent.
    fixed : tuple of (float or None)
        Values of (x_c, 1/nu, zeta/nu, z) that are held; None is fitted.
    resamples : int
        Number of bootstrap samples.
    generator : numpy.random.Generator
        For the bootstrap.

    Raises
    ------
    InputError
        If there are fewer than two sizes or too few points, if times or errors are not positive or anything is not
        finite, if no fit is found, or if the points do not determine z.
    """
    held = _checked(points, fixed)
    form = Form(held, timed=True)
    start = search(points, form)
    if start is None:
        raise InputError(
            "no fit is found: these points do not determine all of critical point, 1/nu, zeta/nu and z; "
            "add points or fix some of them"
        )
    _determined(points, form, start)
    candidates = average(_candidates(points, form, start), len(points)).candidates
    candidates += _neighbours(points, max(candidates, key=lambda c: c.weight))
    scanned = average(candidates, len(points))
    mean, errors = scanned.parameters, np.sqrt(np.diag(scanned.covariance))
    if held[0] is None and not points.x.min() <= mean[0] <= points.x.max():
        raise InputError(f"the critical point would lie near {mean[0]:.4g}, beyond the data: extend the range")
    if held[3] is None and not errors[3] < LARGEST_ERROR:
        raise InputError(f"z cannot be determined: its error is {errors[3]:.2g}; add times or sizes, or fix zeta/nu")
    samples = bootstrap(points, scanned, resamples, generator) if resamples else np.empty((0, 4))
    lone = np.ptp(points.x) == 0 and fixed[1] is None
    for k, value in enumerate((held[0], math.nan if lone else held[1], *held[2:])):
        if value is not None:
            mean[k], errors[k], samples[:, k] = value, 0.0, value
    return _answer(points, scanned, errors, samples)
