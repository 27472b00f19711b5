"""Critical point and exponents of curves that cross: collapse, errors, second opinions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from physnn.analysis.collapse.average import Scan, along_omega, bootstrap
from physnn.analysis.collapse.gaussian_process import GaussianProcessFit, gaussian_process
from physnn.analysis.collapse.groups import TwoLevel, differing, two_level
from physnn.analysis.collapse.quality import alike_residuals, goodness_remarks, quality
from physnn.analysis.collapse.scan import Held, forms_of, scan
from physnn.analysis.collapse.search import rival_minima, search
from physnn.analysis.collapse.single import akaike, fit_from
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.interpolation import with_control_errors
from physnn.analysis.curves.points import Form, Points, Solution
from physnn.analysis.curves.roughness import Roughness, independent_points, roughness
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.plain import fields_json, to_json

FAVOURED = 6.0
"""Gain in chi2 + 2 k + 2 n_cut from which a correction that nobody asked for is taken into the average.

A ratio of likelihoods of exp(3), about 20 to 1: strong evidence on the scale of R. E. Kass and A. E. Raftery, J. Am.
Stat. Assoc. 90 (1995) 773.
"""
TRIED_OMEGAS = (1.0, 2.0)
"""Correction exponents that are tried where none is asked for: leading and analytic ones of common models."""
NOT_EXCLUDED = 12.0
"""Loss in the criterion of `FAVOURED` up to which a correction is not excluded, a ratio of exp(6) (convention)."""
MOVED = 1.5
"""Errors by which such a correction must move x_c to be worth a remark (convention)."""
STABLE = 0.8
"""Share of the bootstrap samples that must have a fit: with 68.3 % intervals fewer would hide their ends."""


@dataclass(frozen=True)
class Settings:
    """Options of a fit.

    Attributes
    ----------
    zeta : float, "free" or None
        zeta/nu is held, fitted, or held at 0 where the observable is dimensionless.
    omega : float, "free", "log" or None
        The correction L^-omega is there with omega held or fitted, or falls as 1/ln L; with None it is there only where
        the data demand it.
    critical_point, inverse_nu : float or None
        Values that are held.
    resamples : int
        Bootstrap samples.
    relaxed : bool
        Whether omega is left to what the data demand where it cannot be fitted.
    """

    zeta: float | Literal["free"] | None = None
    omega: float | Literal["free", "log"] | None = None
    critical_point: float | None = None
    inverse_nu: float | None = None
    resamples: int = 200
    relaxed: bool = False

    def fixed(self, dimensionless: bool) -> Held:
        """Values of (x_c, 1/nu, zeta/nu) that are held."""
        zeta = self.zeta if self.zeta is not None else 0.0 if dimensionless else "free"
        return self.critical_point, self.inverse_nu, None if zeta == "free" else float(zeta)


@dataclass(frozen=True)
class Collapse:
    """Critical point and exponents with everything they rest on.

    The estimates are averages over acceptable fits, with error 0 where a value was held; omega is NaN without a
    correction.  ``samples`` are bootstrap samples of (x_c, 1/nu, zeta/nu, omega), shape ``(resamples, 4)``.
    ``roughness`` says whether points scatter as their errors say, ``networks`` has each network by itself.
    ``quality`` is Houdayer and Hartmann's S on the points of the best fit.
    """

    critical_point: Estimate
    inverse_nu: Estimate
    zeta_over_nu: Estimate
    omega: Estimate
    scan: Scan
    points: Points
    samples: np.ndarray
    roughness: Roughness
    networks: TwoLevel | None
    quality: float
    remarks: tuple[str, ...]

    @property
    def best(self) -> Solution:
        """The fit with the largest weight."""
        return self.scan.best.solution

    @cached_property
    def gaussian_process(self) -> GaussianProcessFit | None:
        """The second method, on the points of the best fit; it is computed when it is first read."""
        best = self.scan.best
        return gaussian_process(self.points.chosen(best.mask), best.form.fixed[:3], best.solution.parameters)

    @property
    def chi2_per_dof(self) -> float:
        """chi2 over degrees of freedom of the best fit."""
        return self.best.chi2_per_dof

    @property
    def p_value(self) -> float:
        """Goodness of the best fit."""
        return self.best.p_value

    @property
    def window(self) -> tuple[float, float]:
        """Control values of the best fit."""
        x = self.points.x[self.scan.best.mask]
        return float(x.min()), float(x.max())

    def as_json(self) -> dict[str, Any]:
        """Evidence as plain data; the estimates are given by `physnn.analysis.verdict.fit.Fit.as_json`."""
        second = self.gaussian_process
        return {
            "omega": to_json(self.omega),
            "quality": self.quality,
            "roughness": fields_json(self.roughness, "smooth"),
            "gaussian_process": {
                name: {"value": float(second.parameters[k]), "error": float(np.sqrt(second.covariance[k, k]))}
                for k, name in enumerate(("critical_point", "inverse_nu", "zeta_over_nu"))
            }
            if second
            else None,
            "networks": to_json(self.networks),
            "scan": [
                {
                    "L_min": c.smallest,
                    "window": c.window,
                    "analytic": c.form.analytic,
                    "omega": float(c.solution.parameters[3]) if c.form.corrected and not c.form.logarithmic else None,
                    "points": int(c.mask.sum()),
                    "critical_point": float(c.solution.parameters[0]),
                    "inverse_nu": float(c.solution.parameters[1]),
                    "zeta_over_nu": float(c.solution.parameters[2]),
                    "chi2_per_dof": c.solution.chi2_per_dof,
                    "p_value": c.solution.p_value,
                    "weight": c.weight,
                }
                for c in self.scan.candidates
            ],
        }


def collapse(curves: Curves, settings: Settings, generator: np.random.Generator) -> Collapse | None:
    """Critical point and exponents with errors; None where nothing can be fitted or the fit is unstable."""
    found = _collapse(curves, settings, generator)
    if found is not None or not settings.relaxed or settings.omega is None:
        return found
    found = _collapse(curves, replace(settings, omega=None, relaxed=False), generator)
    said = "omega cannot be fitted to these data: corrections to scaling are left out of the errors"
    return replace(found, remarks=(*found.remarks, said)) if found else None


def _collapse(curves: Curves, settings: Settings, generator: np.random.Generator) -> Collapse | None:
    forms = forms_of(settings.fixed(curves.dimensionless), settings.omega)
    one = differing(curves, replace(forms[0], corrected=False))
    found = _scanned(curves, one or curves.points(), settings, forms)
    if found is None:
        return None
    points, scanned, correlation = found.points, found.scan, found.correlation
    rows = curves.rows()[:, found.kept] if curves.networks and one is None else None
    count = settings.resamples if rows is None else min(settings.resamples, len(rows))
    whole = scanned if curves.networks else along_omega(points, scanned, correlation)
    samples = bootstrap(points, whole, count, generator, rows, correlation)
    samples = samples[np.isfinite(samples[:, :3]).all(1)]
    own = two_level(curves, scanned, scanned.best.form)
    if len(samples) < STABLE * count or (one is not None and own is None):
        return None
    apart = "networks have critical points of their own: windows and chi2 are those of the middle one"
    estimates, said = _estimates(curves, whole, samples, own)
    inside, parameters = points.chosen(scanned.best.mask), scanned.best.solution.parameters
    return Collapse(
        *estimates,
        scan=scanned,
        points=points,
        samples=samples,
        roughness=found.roughness,
        networks=own,
        quality=quality(inside, *(float(p) for p in parameters[:3])),
        remarks=(*found.remarks, *([apart] if one is not None else []), *said),
    )


@dataclass(frozen=True)
class _Scanned:
    """Points that are fitted, which of all these are, their correlation, and the scan with what is to be said of it."""

    points: Points
    kept: np.ndarray
    correlation: np.ndarray | None
    roughness: Roughness
    scan: Scan
    remarks: list[str]


def _scanned(curves: Curves, every: Points, settings: Settings, forms: Sequence[Form]) -> _Scanned | None:
    """Scan of the points that are independent, with rounding and corrections where the data demand them."""
    rough, known = roughness(every), curves.correlated()
    starts = rival_minima(every, forms[0])
    if not starts:
        return None
    points, kept, correlation, remarks = independent_points(
        every, starts[0].parameters, rough, bool(curves.networks), known
    )
    scanned = scan(points, forms, starts, correlation)
    told = rough.smooth or curves.networks or curves.rounding or known is not None
    if scanned and not told and alike_residuals(points, scanned):
        # Where curves bend more than their errors between points, only the fit shows that runs are shared.
        rough = replace(rough, smooth=True, errors="")
        points, kept, correlation, remarks = independent_points(every, scanned.parameters, rough, False)
        scanned = scan(points, forms, starts, correlation)
    if scanned is None:
        return None
    if curves.rounding and (rounded := _rounded(curves, points, forms, starts, scanned)):
        points, scanned = rounded
        remarks.append(
            f"control values are rounded to {curves.rounding:g}: this is an error of theirs, carried into the values"
        )
    if settings.omega is None:
        scanned, said = _corrected(points, forms[0].fixed[:3], scanned, correlation)
        remarks += said
    return _Scanned(points, kept, correlation, rough, scanned, remarks + goodness_remarks(scanned, points))


def _rounded(
    curves: Curves, points: Points, forms: Sequence[Form], starts: Sequence[Solution], scanned: Scan
) -> tuple[Points, Scan] | None:
    """Points with the rounding of the control in their errors, and their scan, where that makes all likelier."""
    wider = with_control_errors(points, curves.rounding / np.sqrt(12))
    before = scanned.candidates[0].solution
    after = fit_from(wider, scanned.candidates[0].form, before.parameters)
    more = 2 * float(np.log(wider.error / points.error).sum())
    if after is None or before.chi2 - after.chi2 - more <= FAVOURED:
        return None
    found = scan(wider, forms, starts)
    return (wider, found) if found else None


def _corrected(points: Points, fixed: Held, scanned: Scan, correlation: np.ndarray | None) -> tuple[Scan, list[str]]:
    """Scan with corrections to scaling in it where the data demand them, and what to say."""
    if len(points.sizes) < 3:
        return scanned, []
    best = min(_criterion(c.solution, len(points) - int(c.mask.sum())) for c in scanned.candidates)
    forms = [f for omega in TRIED_OMEGAS for f in forms_of(fixed, omega)]
    found = [(form, f) for form in forms if (f := fit_from(points, form, scanned.parameters))]
    least = min((_criterion(f, 0) for _, f in found), default=np.inf)
    if best - least < FAVOURED:
        allowed = [f for form, f in found if not form.analytic and _criterion(f, 0) - best < NOT_EXCLUDED]
        return scanned, _sensitivity(scanned, allowed)
    wider = scan(points, [*forms_of(fixed, None), *forms], [scanned.candidates[0].solution], correlation)
    if wider is None:
        return scanned, []
    share = sum(c.weight for c in wider.candidates if c.form.corrected)
    said = f"corrections to scaling are seen: terms L^-omega carry {share:.0%} of the weight; --omega free fits omega"
    return wider, [said]


def _sensitivity(scanned: Scan, corrected: list[Solution]) -> list[str]:
    """Remarks on corrections that the data neither demand nor exclude."""
    if not corrected or scanned.covariance[0, 0] == 0:
        return []
    error = float(np.sqrt(scanned.covariance[0, 0]))
    worst = max(corrected, key=lambda f: abs(f.parameters[0] - scanned.parameters[0]))
    shift = (worst.parameters[0] - scanned.parameters[0]) / error
    if abs(shift) < MOVED:
        return []
    return [
        f"corrections to scaling are neither seen nor excluded: a term L^-{worst.parameters[3]:g} would move the "
        f"critical point by {shift:+.1f} of its errors; larger sizes or --omega decide"
    ]


def _criterion(solution: Solution, left_out: int) -> float:
    return solution.chi2 + 2 * solution.coefficients + 2 * left_out


def _estimates(
    curves: Curves, scanned: Scan, samples: np.ndarray, own: TwoLevel | None
) -> tuple[tuple[Estimate, Estimate, Estimate, Estimate], list[str]]:
    """Estimates of all four parameters and what to say of their errors."""
    remarks: list[str] = []
    centre, linear = scanned.central()
    low, high = np.nanquantile(samples, [0.158655, 0.841345], axis=0)
    resampled = (high - low) / 2
    if curves.networks:
        deviation = np.maximum(resampled, 1e-12 * np.abs(centre))
    else:
        deviation = np.where(resampled > 1.25 * linear, resampled, linear)
        if (resampled[:2] > 1.25 * linear[:2]).any():
            remarks.append("the bootstrap scatters more than the covariance says: its errors are used")
    held = scanned.best.form.fixed[:3]
    estimates = []
    for k in range(3):
        value = float(centre[k])
        given = held[k]
        if given is not None:
            estimates.append(Estimate(given, 0.0))
        elif own:
            estimates.append((own.critical_point, own.inverse_nu, own.zeta_over_nu)[k].mean)
        else:
            estimates.append(Estimate.student(value, float(deviation[k]), curves.dof))
    return (estimates[0], estimates[1], estimates[2], _omega(scanned)), remarks


def _omega(scanned: Scan) -> Estimate:
    """Weighted mean of omega over the fits with its error; NaN where most of the weight is on none."""
    corrected = [c for c in scanned.candidates if c.form.corrected]
    share = np.array([c.weight for c in corrected])
    if share.sum() < 0.5 or scanned.best.form.logarithmic:
        return Estimate(float("nan"), 0.0)
    values = np.array([c.solution.parameters[3] for c in corrected])
    mean = float(values[0] if np.ptp(values) == 0 else share @ values / share.sum())
    within = np.array([c.solution.covariance[3, 3] for c in corrected])
    return Estimate(mean, float(np.sqrt(share @ (within + (values - mean) ** 2) / share.sum())))


def outside(points: Points, fixed: Held) -> float | None:
    """Critical point of an acceptable collapse if it lies beyond the data, else None."""
    found = search(points, Form((*fixed, None), reach=4.0))
    if found is None or found.p_value < 0.01:
        return None
    x_c = float(found.parameters[0])
    if points.x.min() <= x_c <= points.x.max() or akaike(found.chi2, found.coefficients, len(points)) > sum(
        _smooth(points.chosen(points.L == L)) for L in points.sizes
    ):
        return None
    return x_c


def _smooth(points: Points) -> float:
    """Corrected criterion of Akaike of the best polynomial through one size: collapses that cost more say nothing."""
    x, y = points.x - points.x.mean(), points.y / points.error
    costs = []
    for degree in range(min(6, len(points) - 3)):
        design = np.vander(x / max(np.ptp(x), 1e-300), degree + 1) / points.error[:, None]
        left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        costs.append(akaike(float(left @ left), degree + 1, len(points)))
    return min(costs, default=np.inf)
