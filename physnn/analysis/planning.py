"""What to measure next: from the fit of a pilot to the control values and the number of draws that reach an error.

A draw is whatever is averaged within a network: an image, or a measurement of a chain.  The variance of a critical
point has two parts.  That of the draws falls as one over their number and depends on where they are taken; that of
networks with critical points of their own falls with the number of networks alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from physnn import rng
from physnn.analysis.collapse import STEEPNESS, Model
from physnn.analysis.crossing import COARSE
from physnn.analysis.curves import Curves, curves_of
from physnn.analysis.estimate import Estimate
from physnn.analysis.exponents import Collapse, Settings
from physnn.analysis.first_order import two_peaks
from physnn.analysis.fit import Fit, fit_curves, widest
from physnn.analysis.forms import Form, Solution
from physnn.analysis.points import Points

CAP = 64.0
"""Most that a second stage may cost, as a multiple of the pilot."""
INSIDE, AROUND = 9, 9
"""Least number of control values in the steep region of the largest size, and in that of the smallest."""
FEWEST = 4
"""Least number of the pilot's values in the steep region of the largest size for its error to be final."""
MARGIN = 0.9
"""Share of the wanted error that is planned for: the error that will be found is itself uncertain."""
HETEROGENEOUS = 0.01
"""Networks have critical points of their own where their scatter is this improbable without."""
DOMINATED = 0.95
"""Share of the planned error that networks alone may give before they, and not draws, are what is missing."""
DEGREE = 5
"""Degree of the master curve that plans rest on."""
ENOUGH = 9.0
"""Where networks dominate, draws are taken until their part of the variance is this many times smaller."""


@dataclass(frozen=True)
class Refinement:
    """What to measure after a pilot.

    Attributes
    ----------
    values : tuple of float
        Control values, the same for all sizes.
    factor : float
        Draws per network and control value, as a multiple of the pilot's.
    refined : bool
        Whether values were chosen near a crossing; otherwise they are the pilot's.
    error : float
        Predicted error of the critical point; NaN where nothing is predicted.
    networks : int
        Networks that are needed, 0 where those of the pilot do.
    reason : str
        One sentence.
    """

    values: tuple[float, ...]
    factor: float
    refined: bool
    error: float
    networks: int
    reason: str


@dataclass(frozen=True)
class ErrorParts:
    """Where the error of a critical point comes from.

    Attributes
    ----------
    draws : float
        Standard deviation due to draws.
    spread, most : float
        Standard deviation between networks, 0 where none is seen, and the largest one that the data allow (95 %).
    networks : int
        Number of networks.
    dof : float
        Degrees of freedom of the error.
    """

    draws: float
    spread: float
    most: float
    networks: int
    dof: float

    def error(self, share: float = 1.0, networks: int = 0) -> float:
        """Return the error that a fit gives with the draws' variance multiplied, or with another number of networks."""
        now = max(self.networks, 1)
        count = networks or now
        deviation = math.sqrt(self.draws**2 * share * now / count + self.spread**2 / count)
        return Estimate.student(0.0, deviation, count - 1 if self.networks > 1 else self.dof).error

    def networks_for(self, error: float, share: float = 1.0) -> int:
        """Return how many networks have an error, the draws' variance of each multiplied by ``share``."""
        count = max(2, self.networks)
        while self.error(share, count) > error and count < 10**6:
            count = math.ceil(1.02 * count)
        return count


def fit_pilot(sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]], observable: str, control: str) -> Fit:
    """Return what `physnn.report.fit` answers for a file of these arrays; parameters as in `curves_of`."""
    settings = Settings()
    found = curves_of(sizes, observable, control, settings.resamples, rng.stream(0, "bootstrap", observable))
    peaks = two_peaks({L: arrays for L, (_, arrays) in sizes.items()})
    return fit_curves(found, settings, rng.stream(0, "bootstrap", "fit", observable), peaks)


def refine(fit: Fit, target_error: float, *, asked: float = 1.0, cap: float = CAP, draws: str = "draws") -> Refinement:
    """Return what to measure so that the critical point of a pilot's fit is known to an error.

    Parameters
    ----------
    fit : Fit
        The pilot's answer.
    target_error : float
        Error wanted of the critical point, in units of the control: half the 68.3 % interval that a fit gives.
    asked : float
        Draws that were asked for, as a multiple of the pilot's: what to take where there is nothing to refine.
    cap : float
        Most that the new measurements may cost, as a multiple of the pilot.
    draws : str
        What draws are called in the reason.
    """
    found, values = fit.collapse, _values(fit.curves)
    if fit.verdict != "crossing" or found is None:
        return _unrefined(fit, asked, cap, draws)
    if found.scan.best.form.fixed[0] is not None:
        return Refinement(values, asked, False, 0.0, 0, "no refinement, for the critical point is held")
    reached, parts = found.critical_point.error, error_parts(fit)
    seen = np.abs(np.array(values) - found.critical_point.value) <= steep(found)
    # An error that rests on values beside a steep step is not to be trusted.
    if max(reached, parts.error()) <= target_error and seen.sum() >= FEWEST:
        return Refinement(values, 1.0, False, reached, 0, f"the pilot's error {reached:.2g} is small enough")
    grid = grid_near(fit)
    gain, limit = design_gain(found, grid), cap * len(values) / len(grid)
    floor, aim = parts.error(0.0), MARGIN * target_error
    text = f"{len(grid)} values around {fit.curves.control} = {found.critical_point}"
    if floor > DOMINATED * aim:
        factor = min(max(1.0, gain * ENOUGH * parts.draws**2 * parts.networks / parts.spread**2), limit)
        needed = parts.networks_for(aim, gain / factor)
        text += (
            f"; networks dominate: with a spread of {parts.spread:.2g} between {parts.networks} of them the error "
            f"stays above {floor:.2g} with any number of {draws}; about {needed} networks would be needed"
        )
        return Refinement(grid, factor, True, parts.error(gain / factor), needed, text)
    factor = max(1.0, gain * (parts.error() ** 2 - floor**2) / (aim**2 - floor**2))
    short = f", not {target_error:.2g}: limited to {cap:g} times the pilot's cost" if factor > limit else ""
    factor = min(factor, limit)
    error = parts.error(gain / factor)
    text += f"; the error should be {error:.2g}{short}"
    unseen = replace(parts, spread=max(parts.spread, parts.most)).error(0.0)
    if unseen > target_error:
        text += f"; a spread between networks that the pilot cannot see may leave up to {unseen:.2g}"
    return Refinement(grid, factor, True, error, 0, text)


def missing(fit: Fit, target_error: float, draws: str = "draws") -> str:
    """Return what an answer lacks to a wanted error, in one sentence; empty where it is reached."""
    if fit.verdict != "crossing" or fit.collapse is None:
        return f"the verdict is {fit.verdict}, so there is no critical point to be known"
    error, parts = fit.collapse.critical_point.error, error_parts(fit)
    if error <= target_error:
        return ""
    text = f"the error is {error:.2g}"
    if parts.error(0.0) > DOMINATED * target_error:
        needed = parts.networks_for(target_error)
        return f"{text}: networks dominate, about {needed} of them would be needed"
    return f"{text}: about {(error / target_error) ** 2:.2g} times the {draws} would be needed"


def _values(curves: Curves) -> tuple[float, ...]:
    return tuple(sorted({float(x) for L in curves.sizes for x in curves.x[L]}))


def _unrefined(fit: Fit, asked: float, cap: float, draws: str) -> Refinement:
    """Return the pilot's own values, with the draws that were asked for or that differences need to be resolved."""
    values, pair = _values(fit.curves), widest(fit.pairs)
    text = f"no refinement, for the pilot's verdict is {fit.verdict}: {fit.reason}"
    if fit.verdict != "undecided" or pair.verdict != "unresolved" or not math.isfinite(pair.resolution):
        return Refinement(values, asked, False, math.nan, 0, text)
    share, span = draws_share(fit.curves, *pair.sizes), fit.curves.span()
    # The range of curves that scatter is too large, by some three errors.
    error = math.sqrt(np.mean(np.concatenate([fit.curves.errors[L] ** 2 for L in pair.sizes])))
    resolution = pair.resolution * span / max(span - 3 * error, span / 4, 1e-300)
    # Variances in units of the present one of the difference: what networks give stays.
    wanted, stays = (MARGIN * COARSE / resolution) ** 2, 1 - share
    if stays > DOMINATED**2 * wanted:
        count = math.ceil(fit.curves.networks / wanted)
        text += f"; networks dominate, about {count} of them would resolve it"
        return Refinement(values, asked, False, math.nan, count, text)
    factor = share / (wanted - stays)
    text += f"; {factor:.2g} times the {draws} should resolve it"
    if factor > cap:
        text += f", limited to {cap:g} times the pilot's cost"
    return Refinement(values, max(asked, min(factor, cap)), False, math.nan, 0, text)


def draws_share(curves: Curves, small: int, large: int) -> float:
    """Return the share of draws in the variance of the difference of two curves, 1 unless networks are seen in it."""
    common = np.intersect1d(curves.x[small], curves.x[large])
    if curves.networks < 2 or not curves.member_errors or not len(common):
        return 1.0
    at = {L: np.isin(curves.x[L], common) for L in (small, large)}
    each = curves.members[large][:, at[large]] - curves.members[small][:, at[small]]
    within = sum((curves.member_errors[L][:, at[L]] ** 2).mean(0) for L in (small, large))
    known = within > 0
    if not known.any():
        return 1.0
    ratio, dof = each.var(0, ddof=1)[known] / within[known], curves.networks - 1
    seen = stats.chi2.sf(dof * ratio.sum(), dof * known.sum()) < HETEROGENEOUS
    return 1 / float(ratio.mean()) if seen else 1.0


def error_parts(fit: Fit) -> ErrorParts:
    """Return where the error of the critical point of a fit with a collapse comes from.

    The critical point of every network is one step of the fit from the common solution: linear, so that it exists
    however noisy the network's own curve is.  Scatter beyond that of the draws is the networks' spread.
    """
    assert fit.collapse is not None
    curves, master = fit.curves, master_curve(fit.collapse)
    count, common = curves.networks, master.solution
    variance = float(common.covariance[0, 0])
    if count < 2 or not curves.member_errors:
        return ErrorParts(math.sqrt(variance), 0.0, 0.0, count, curves.dof)
    every, inside = curves.points(), master.points
    place = {key: k for k, key in enumerate(zip(every.L.tolist(), every.x.tolist(), strict=True))}
    rows = [place[key] for key in zip(inside.L.tolist(), inside.x.tolist(), strict=True)]
    # The master curve may be that of one network, whose errors are larger than those of the mean.
    variance /= float(np.mean((inside.error / every.error[rows]) ** 2))
    residuals = np.array([(curves.member(n).y[rows] - common.fitted) / inside.error for n in range(count)])
    step = np.linalg.pinv(common.jacobian)[master.form.free().index(0)]
    scatter, within, dof = float((residuals @ step).var(ddof=1)), count * variance, count - 1
    seen = stats.chi2.sf(dof * scatter / within, dof) < HETEROGENEOUS
    most = dof * scatter / float(stats.chi2.ppf(0.05, dof))
    spread = math.sqrt(max(0.0, scatter - within)) if seen else 0.0
    return ErrorParts(math.sqrt(variance), spread, math.sqrt(max(0.0, most - within)), count, curves.dof)


@dataclass(frozen=True)
class Master:
    """The master curve that plans rest on: at the answer's parameters, of low degree and without corrections.

    Curves averaged over networks with critical points of their own do not collapse, and the best fit to them may be
    whatever has the most coefficients; a plan needs no more than the slope.

    Attributes
    ----------
    points : Points
        The points of the best fit's window, in order of size and control.
    form : Form
        The scaling form.
    solution : Solution
        The curve with its derivatives and the covariance that follows.
    u, y : ndarray
        Control less x_c and value on the curve of every point, scaled to the largest size.
    """

    points: Points
    form: Form
    solution: Solution
    u: np.ndarray
    y: np.ndarray


def master_curve(found: Collapse) -> Master:
    """Return the master curve of a collapse."""
    inside = np.flatnonzero(found.scan.best.mask)
    points = found.points.chosen(inside[np.lexsort((found.points.x[inside], found.points.L[inside]))])
    form = Form((*found.scan.best.form.fixed[:3], None))
    x_c, inverse_nu, zeta_over_nu = (e.value for e in (found.critical_point, found.inverse_nu, found.zeta_over_nu))
    parameters = np.array([x_c, inverse_nu, zeta_over_nu, 1.0])
    size = points.L / points.L.max()
    u = (points.x - x_c) * size**inverse_nu
    curves = [_curve(points, form, parameters, steepness / float(np.abs(u).max())) for steepness in STEEPNESS]
    best = min(curves, key=lambda solution: solution.chi2)
    return Master(points, form, best, u, best.fitted * size**-zeta_over_nu)


def _curve(points: Points, form: Form, parameters: np.ndarray, steepness: float) -> Solution:
    """Return the curve of low degree at given parameters, with a steepness per unit of the control."""
    model = Model(points, form)
    model.steepness, model.degree = steepness * model.half, DEGREE
    return model.solution(model.internal(parameters))


def steep(found: Collapse) -> float:
    """Return half the width of the transition at the largest size: the range of the curve over its steepest slope."""
    master = master_curve(found)
    same = np.diff(master.points.L) == 0
    slope = float(np.abs(np.diff(master.y)[same] / np.diff(master.u)[same]).max())
    half = float(np.ptp(master.y)) / slope / 2 if slope > 0 else float(np.abs(master.u).max())
    return max(half, 3 * found.critical_point.error)


def grid_near(fit: Fit) -> tuple[float, ...]:
    """Return control values near the crossing: the pilot's, their intervals halved until enough values are inside.

    Enough are `INSIDE` in the steep region of the largest size and `AROUND` in that of the smallest.  Of the pilot's
    values beyond the next one on either side is kept.
    """
    found, sizes, values = fit.collapse, fit.curves.sizes, _values(fit.curves)
    assert found is not None
    x_c, inner = found.critical_point.value, steep(found)
    outer = inner * (sizes[-1] / sizes[0]) ** found.inverse_nu.value
    chosen: set[float] = set()
    for half, least in ((inner, INSIDE), (outer, AROUND)):
        low, high = max(x_c - half, values[0]), min(x_c + half, values[-1])
        fine = np.array(values)
        while np.count_nonzero((fine >= low) & (fine <= high)) < least and len(fine) < 10**6:
            fine = np.sort(np.concatenate([fine, (fine[1:] + fine[:-1]) / 2]))
        chosen |= {float(f"{x:.12g}") for x in fine[(fine >= low) & (fine <= high)]}
    below, above = [x for x in values if x < min(chosen)], [x for x in values if x > max(chosen)]
    return tuple(sorted({*chosen, *below[-1:], *above[:1]}))


def design_gain(found: Collapse, values: tuple[float, ...]) -> float:
    """Return the variance of the critical point on other control values, over that on the pilot's, per draw.

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
    planned = _curve(design, master.form, before.parameters, before.steepness / Model(pilot, master.form).half)
    gain = float(planned.covariance[0, 0] / before.covariance[0, 0])
    return gain if math.isfinite(gain) and gain > 0 else 1.0
