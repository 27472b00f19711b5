"""Plan of the next measurements: control values and numbers of draws that reach an error, from the fit of a pilot.

A draw is whatever is averaged within a network: an image, or a measurement of a chain.  The variance of a critical
point has two parts.  That of the draws falls as one over their number and depends on where they are taken; that of
networks with critical points of their own falls with the number of networks alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from physnn import rng
from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.crossing import COARSE
from physnn.analysis.curves.curves import Curves
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.design import design_gain, grid_near, master_curve, steep, values_of
from physnn.analysis.verdict.first_order import two_peaks
from physnn.analysis.verdict.fit import Fit, fit_curves, omega_of, widest

CAP = 64.0
"""Largest cost of a second stage, as a multiple of the pilot's (convention)."""
LEAST_STEEP = 4
"""Least number of the pilot's values in the steep region of the largest size for its error to be final (convention)."""
MARGIN = 0.9
"""Share of the wanted error that is planned for: the error that will be found is itself uncertain."""
HETEROGENEOUS = 0.01
"""p-value of networks that share a critical point below which they have their own (convention)."""
DOMINATED = 0.95
"""Share of the planned error from which networks alone, and not draws, are what is missing (convention)."""
ENOUGH = 9.0
"""Ratio of variances, networks over draws, that is planned where networks dominate: draws then add 5 % to the error."""


@dataclass(frozen=True)
class Refinement:
    """Measurements after a pilot, and a sentence with the reason.

    Control values, the same for all sizes, near a crossing if ``refined``, else the pilot's.  The factor is of draws
    per network and value, the error that predicted of the critical point, NaN where nothing is predicted.  Networks are
    those that are needed, 0 where those of the pilot do.
    """

    values: tuple[float, ...]
    factor: float
    refined: bool
    error: float
    networks: int
    reason: str


@dataclass(frozen=True)
class ErrorParts:
    """Parts of the error of a critical point: standard deviations due to draws, and between networks.

    ``spread`` is 0 where none is seen, ``most`` the largest one that the data allow (95 %); ``dof`` are degrees of
    freedom.
    """

    draws: float
    spread: float
    most: float
    networks: int
    dof: float

    def error(self, share: float = 1.0, networks: int = 0) -> float:
        """Error that a fit gives with the draws' variance multiplied, or with another number of networks."""
        now = max(self.networks, 1)
        count = networks or now
        deviation = math.sqrt(self.draws**2 * share * now / count + self.spread**2 / count)
        return Estimate.student(0.0, deviation, count - 1 if self.networks > 1 else self.dof).error

    def networks_for(self, error: float, share: float = 1.0) -> int:
        """Number of networks that have an error, the draws' variance of each multiplied by ``share``."""
        count = max(2, self.networks)
        while self.error(share, count) > error and count < 10**6:
            count = math.ceil(1.02 * count)
        return count


def fit_pilot(found: Curves, sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]]) -> Fit:
    """Answer of `physnn.answers.fit.fit` to a file of these curves and the arrays they are made of."""
    peaks = two_peaks({L: arrays for L, (_, arrays) in sizes.items()})
    generator = rng.stream(0, "bootstrap", "fit", found.observable)
    return fit_curves(found, Settings(omega=omega_of(found, None), relaxed=True), generator, peaks)


def refine(fit: Fit, target_error: float, *, asked: float = 1.0, cap: float = CAP, draws: str = "draws") -> Refinement:
    """Measurements with which the critical point of a pilot's fit is known to an error, half its 68.3 % interval.

    ``asked`` are the draws to take where there is nothing to refine, and ``cap`` the most that new measurements may
    cost, both as multiples of the pilot's; ``draws`` is what the reason calls them.
    """
    found, values = fit.collapse, values_of(fit.curves)
    if fit.verdict != "crossing" or found is None:
        return _unrefined(fit, asked, cap, draws)
    if found.scan.best.form.fixed[0] is not None:
        return Refinement(values, asked, False, 0.0, 0, "no refinement, for the critical point is held")
    reached, parts = found.critical_point.error, error_parts(fit)
    seen = np.abs(np.array(values) - found.critical_point.value) <= steep(found)
    # An error that rests on values beside a steep step is not to be trusted.
    if max(reached, parts.error()) <= target_error and seen.sum() >= LEAST_STEEP:
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


def lengthen(fit: Fit, target_error: float, *, asked: float = 1.0, cap: float = CAP) -> Refinement:
    """Multiple of the pilot's sweeps that gives the wanted error at the pilot's own temperatures; as `refine`."""
    found, values = fit.collapse, values_of(fit.curves)
    if fit.verdict != "crossing" or found is None:
        return _unrefined(fit, asked, cap, "sweeps")
    error = found.critical_point.error
    if error <= target_error:
        return Refinement(values, 1.0, False, error, 0, f"the pilot's error {error:.2g} is small enough")
    factor = (error / (MARGIN * target_error)) ** 2
    short = f", not {target_error:.2g}: limited to {cap:g} times the pilot's cost" if factor > cap else ""
    factor = min(factor, cap)
    reached = error / math.sqrt(factor)
    text = f"the same temperatures, which scale with L; the error should be {reached:.2g}{short}"
    return Refinement(values, factor, False, reached, 0, text)


def missing(fit: Fit, target_error: float, draws: str = "draws") -> str:
    """Sentence that says what an answer lacks to a wanted error; empty where it is reached."""
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


def _unrefined(fit: Fit, asked: float, cap: float, draws: str) -> Refinement:
    """Pilot's own values, with the draws that were asked for or that differences need to be resolved."""
    values, pair = values_of(fit.curves), widest(fit.pairs)
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
    """Share of draws in the variance of the difference of two curves, 1 unless networks are seen in it."""
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
    seen = special.chdtrc(dof * known.sum(), dof * ratio.sum()) < HETEROGENEOUS
    return 1 / float(ratio.mean()) if seen else 1.0


def error_parts(fit: Fit) -> ErrorParts:
    """Parts of the error of the critical point of a fit with a collapse.

    The critical point of every network is one step of the fit from the common solution: linear, so that it exists
    however noisy the network's own curve is.  Scatter beyond that of the draws is the networks' spread.
    """
    assert fit.collapse is not None
    curves, master = fit.curves, master_curve(fit.collapse)
    count, common = curves.networks, master.solution
    variance = float(common.covariance[0, 0])
    if curves.chains:
        # Corrections to scaling are fitted as well, which the master curve of a plan does without.
        variance = max(variance, fit.collapse.critical_point.error**2)
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
    seen = special.chdtrc(dof, dof * scatter / within) < HETEROGENEOUS
    most = dof * scatter / float(special.chdtri(dof, 0.95))
    spread = math.sqrt(max(0.0, scatter - within)) if seen else 0.0
    return ErrorParts(math.sqrt(variance), spread, math.sqrt(max(0.0, most - within)), count, curves.dof)
