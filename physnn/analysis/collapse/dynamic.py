"""Dynamic finite-size scaling: y = L^(zeta/nu) F(u, s) with u = (x - x_c) L^(1/nu) and s = t / L^z.

The master function F is a tensor product of Chebyshev polynomials in the tanh of the scaled control u and in ln s,
and is eliminated for given (x_c, 1/nu, zeta/nu, z) and steepness of the tanh as in `physnn.analysis.collapse.collapse`
(variable projection, G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; derivatives after L. Kaufman,
BIT 15 (1975) 49).  The scaling of times follows P. C. Hohenberg and B. I. Halperin, Rev. Mod. Phys. 49 (1977) 435.
Short times and controls far from x_c do not scale, so fits from several smallest times and on several windows are
averaged (W. I. Jay and E. T. Neil, Phys. Rev. D 103 (2021) 114502).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from physnn.analysis.collapse.dynamic_model import GAP, DynamicModel, DynamicPoints, DynamicSolution, Fixed, fit_from
from physnn.analysis.collapse.dynamic_search import search
from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError
from physnn.machine import on_one_blas_thread

SHARES = (1.0, 0.65, 0.4, 0.25)
"""Windows, as shares of the largest scaled distance from the critical point."""
CUTS = (0.0, 0.12, 0.3, 0.5)
"""Smallest times, as shares of the points that are earlier."""
ACCEPTABLE = 0.05
"""Least p-value of a fit that enters the average."""
LARGEST_ERROR = 0.5
"""With a larger error z is not determined, nor is it where another z at twice this distance fits as well."""


@dataclass(frozen=True)
class DynamicFit:
    """The answer of a dynamic scaling fit.

    Attributes
    ----------
    critical_point, inverse_nu, zeta_over_nu, z : Estimate
        Parameters; fixed ones have error 0.  With one control only, ``inverse_nu`` is NaN unless it is fixed.
    chi2_per_dof, p_value : float
        Of the fit with the largest weight, as are the following.
    window : float
        Largest |x - x_c| L^(1/nu).
    t_min : float
        Smallest time.
    degrees : tuple of int
        Degrees of the master function in the control and in the logarithm of the time.
    acceptable : bool
        Whether any fit has an acceptable chi2; otherwise errors are widened by sqrt(chi2/dof).
    samples : ndarray
        Bootstrap samples of (x_c, 1/nu, zeta/nu, z), shape ``(resamples, 4)``; rows without a fit are NaN.
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
        """Return the answer as plain data without the samples; what is not defined is null."""
        estimates = {name: getattr(self, name) for name in ("critical_point", "inverse_nu", "zeta_over_nu", "z")}
        return {
            **{name: e.as_json() if math.isfinite(e.value) else None for name, e in estimates.items()},
            "chi2_per_dof": self.chi2_per_dof,
            "p_value": self.p_value,
            "window": self.window,
            "t_min": self.t_min,
            "degrees": list(self.degrees),
            "acceptable": self.acceptable,
            "n_bootstrap": len(self.samples),
        }


@dataclass(frozen=True)
class _Candidate:
    """One fit: its mask over all points, window, smallest time, and weight in the average."""

    mask: np.ndarray
    window: float
    t_min: float
    solution: DynamicSolution
    weight: float = 0.0


def _candidates(points: DynamicPoints, fixed: Fixed, start: DynamicSolution) -> list[_Candidate]:
    """Return the fits from all smallest times and on all windows, the first one on all points."""
    found: list[_Candidate] = []
    seen: set[bytes] = set()
    for cut in CUTS:
        late = points.t >= np.quantile(points.t, cut, method="higher")
        parameters = start.parameters
        distance = np.abs(points.x - parameters[0]) * points.L ** parameters[1]
        for share in SHARES:
            mask = late & (distance <= share * distance[late].max() * (1 + 1e-12))
            if mask.tobytes() in seen:
                continue
            seen.add(mask.tobytes())
            chosen = points.chosen(mask)
            if _why_not(chosen, fixed):
                break
            solution = start if mask.all() else fit_from(chosen, fixed, parameters, rounds=1)
            if solution is None:
                continue
            window = float((np.abs(chosen.x - solution.parameters[0]) * chosen.L ** solution.parameters[1]).max())
            found.append(_Candidate(mask, window, float(chosen.t.min()), solution))
            parameters = solution.parameters
    return found


def _neighbours(points: DynamicPoints, fixed: Fixed, best: _Candidate) -> list[_Candidate]:
    """Return fits to the same points with other degrees, so that their choice enters the error."""
    chosen, found = points.chosen(best.mask), []
    model = DynamicModel(chosen, fixed)
    model.prior = best.solution.steepness
    start = model.internal(best.solution.parameters)
    largest = model.largest(start)
    for more, longer in itertools.product((-2, -1, 0, 1, 2), (-1, 0, 1)):
        a, b = best.solution.degrees[0] + more, best.solution.degrees[1] + longer
        allowed = model.least[0] <= a <= largest[0] and model.least[1] <= b <= largest[1]
        if (more, longer) == (0, 0) or not allowed or (a + 1) * (b + 1) + len(model.free) > len(chosen) - 3:
            continue
        model.degrees = a, b
        if (solved := model.solve(start)) is None or not chosen.meet(solved[0][3]):
            continue
        if (solution := model.solution(solved[0])) is not None:
            found.append(replace(best, solution=solution))
    return found


def _average(candidates: list[_Candidate], count: int) -> tuple[list[_Candidate], np.ndarray, np.ndarray, bool]:
    """Return weighted fits, average and covariance of their parameters, and whether any is acceptable."""
    acceptable = np.array([c.solution.p_value > ACCEPTABLE for c in candidates])
    fine = bool(acceptable.any())
    ratios = np.array([c.solution.chi2 / c.solution.dof for c in candidates])
    # Where no fit is acceptable the best chi2/dof stands for the errors' unknown scale.
    scale = 1.0 if fine else float(ratios.min())
    criterion = np.array(
        [c.solution.chi2 / scale + 2 * c.solution.coefficients + 2 * (count - c.mask.sum()) for c in candidates]
    )
    if fine:
        criterion[~acceptable] = np.inf
    weights = np.exp(-(criterion - criterion.min()) / 2)
    weights /= weights.sum()
    parameters = np.array([c.solution.parameters for c in candidates])
    mean = weights @ parameters
    widen = np.ones(len(candidates)) if fine else np.maximum(1.0, ratios)
    within = np.einsum("c,cij->ij", weights * widen, np.array([c.solution.covariance for c in candidates]))
    spread = (parameters - mean).T @ (weights[:, None] * (parameters - mean))
    weighted = [replace(c, weight=float(w)) for c, w in zip(candidates, weights, strict=True)]
    return weighted, mean, within + spread, fine


def _bootstrap(
    points: DynamicPoints, fixed: Fixed, candidates: list[_Candidate], count: int, generator: np.random.Generator
) -> np.ndarray:
    """Return parameters fitted to values drawn around the fits, these in proportion to their weights."""
    samples = np.full((count, 4), np.nan)
    numbers = generator.multinomial(count, [c.weight for c in candidates])
    for k, candidate in enumerate(np.repeat(np.arange(len(candidates)), numbers)):
        chosen, solution = points.chosen(candidates[candidate].mask), candidates[candidate].solution
        model = DynamicModel(chosen, fixed)
        model.prior, model.degrees = solution.steepness, solution.degrees
        target = solution.fitted / chosen.error + generator.standard_normal(len(chosen))
        if (solved := model.solve(solution.internal, target)) is not None:
            samples[k] = model.external(solution.internal + solution.stretch @ (solved[0] - solution.internal))
    return samples


def _why_not(points: DynamicPoints, fixed: Fixed) -> str:
    """Return why points cannot be fitted, one sentence, or nothing."""
    free = sum(value is None for value in fixed)
    times = np.array(points.distinct(points.t))
    if len(points.sizes) < 2:
        return "dynamic scaling needs at least two sizes; add points of another L"
    if fixed[3] is None and (times > 1).sum() < 2:
        sizes = np.unique(points.L)
        lines = [np.log([points.t[points.L == L].mean() for L in sizes]), np.log(sizes)]
        slope, offset = np.polyfit(lines[1], lines[0], 1)
        exact = (times == 1).all() and np.abs(lines[0] - slope * lines[1] - offset).max() < GAP
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


def _checked(points: DynamicPoints, fixed: Fixed) -> Fixed:
    """Return what is fixed, x_c and 1/nu too where there is one control only; refuse what cannot be fitted.

    Raises
    ------
    InputError
        See `dynamic_scaling`.
    """
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


def _matters(points: DynamicPoints, fixed: Fixed, full: DynamicSolution, degrees: tuple[int, int]) -> bool:
    """Return whether a master function of lower degrees fits significantly worse."""
    held = [v if value is None else value for v, value in zip(full.parameters, fixed, strict=True)]
    # What the lower degrees leave undetermined is held; zeta/nu makes up for most of what is missing.
    model = DynamicModel(points, (held[0], held[1], fixed[2], held[3]))
    model.prior, model.degrees = full.steepness, degrees
    start = model.internal(full.parameters)
    chi2 = float(np.sum(model.residuals(start) ** 2))
    if (solved := model.solve(start)) is not None:
        chi2 = min(chi2, solved[1])
    gain = (chi2 - full.chi2) / max(1.0, full.chi2 / full.dof)
    fewer = full.coefficients - (degrees[0] + 1) * (degrees[1] + 1)
    return bool(stats.chi2.sf(gain, fewer) < 1e-3)


def _determined(points: DynamicPoints, fixed: Fixed, full: DynamicSolution) -> None:
    """Refuse points that do not determine z, and values that do not depend on the control where its scale is fitted.

    Raises
    ------
    InputError
        If so.
    """
    if fixed[3] is None and not _matters(points, fixed, full, (full.degrees[0], 0)):
        raise InputError("z cannot be determined: the values do not depend on t within errors; add times or fix z")
    scale = max(1.0, full.chi2 / full.dof)
    for z in full.parameters[3] + 2 * LARGEST_ERROR * np.array([-1, 1]) if fixed[3] is None else ():
        other = fit_from(points, (*fixed[:3], float(z)), np.append(full.parameters[:3], z))
        # A likelihood ratio of two standard deviations; the error alone misses that F can follow the noise.
        if other and (other.chi2 - full.chi2) / scale + 2 * (other.coefficients - full.coefficients) < 4:
            raise InputError(
                f"z cannot be determined: {z:.3g} fits as well as {full.parameters[3]:.3g}; "
                "add times or sizes, or fix z or zeta/nu"
            )
    if (fixed[0] is None or fixed[1] is None) and not _matters(points, fixed, full, (0, full.degrees[1])):
        raise InputError(
            "the critical point and 1/nu cannot be determined: the values do not depend on the control within errors; "
            "give other controls"
        )


def _answer(mean: np.ndarray, errors: np.ndarray, best: _Candidate, fine: bool, samples: np.ndarray) -> DynamicFit:
    """Return average, errors and the fit with the largest weight as one answer."""
    x_c, inverse_nu, zeta, z = (Estimate(float(v), float(e)) for v, e in zip(mean, errors, strict=True))
    return DynamicFit(
        critical_point=x_c,
        inverse_nu=inverse_nu,
        zeta_over_nu=zeta,
        z=z,
        chi2_per_dof=best.solution.chi2 / best.solution.dof,
        p_value=best.solution.p_value,
        window=best.window,
        t_min=best.t_min,
        degrees=best.solution.degrees,
        acceptable=fine,
        samples=samples,
    )


@on_one_blas_thread
def dynamic_scaling(
    points: DynamicPoints,
    fixed: Fixed = (None, None, 0.0, None),
    resamples: int = 200,
    *,
    generator: np.random.Generator,
) -> DynamicFit:
    """Return the fit of y = L^(zeta/nu) F((x - x_c) L^(1/nu), t / L^z).

    With one control value only, it is taken as x_c and y = L^(zeta/nu) F(t / L^z) is fitted.  With z fixed and one
    time for each size, t proportional to L^z, this is the ordinary collapse.

    Parameters
    ----------
    points : DynamicPoints
        The data; points are independent.
    fixed : tuple of (float or None)
        Values of (x_c, 1/nu, zeta/nu, z) that are held; None is fitted.
    resamples : int
        Number of bootstrap samples.
    generator : numpy.random.Generator
        For the bootstrap, and to thin out many points in the search for minima.

    Raises
    ------
    InputError
        If there are fewer than two sizes or too few points, if times or errors are not positive or anything is not
        finite, if no fit is found, or if the points do not determine z.
    """
    held = _checked(points, fixed)
    start = search(points, held, generator)
    if start is None:
        raise InputError(
            "no fit is found: these points do not determine all of critical point, 1/nu, zeta/nu and z; "
            "add points or fix some of them"
        )
    _determined(points, held, start)
    candidates = _average(_candidates(points, held, start), len(points))[0]
    candidates += _neighbours(points, held, max(candidates, key=lambda c: c.weight))
    candidates, mean, covariance, fine = _average(candidates, len(points))
    errors = np.sqrt(np.diag(covariance))
    if held[0] is None and not points.x.min() <= mean[0] <= points.x.max():
        raise InputError(f"the critical point would lie near {mean[0]:.4g}, beyond the data: extend the range")
    if held[3] is None and not errors[3] < LARGEST_ERROR:
        raise InputError(f"z cannot be determined: its error is {errors[3]:.2g}; add times or sizes, or fix zeta/nu")
    samples = _bootstrap(points, held, candidates, resamples, generator)
    lone = np.ptp(points.x) == 0 and fixed[1] is None
    for k, value in enumerate((held[0], math.nan if lone else held[1], *held[2:])):
        if value is not None:
            mean[k], errors[k], samples[:, k] = value, 0.0, value
    return _answer(mean, errors, max(candidates, key=lambda c: c.weight), fine, samples)
