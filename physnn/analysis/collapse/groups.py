"""Networks with critical points of their own: a two-level model.

Every network is fitted by itself, x_n with error s_n.  The population mean and its error follow the random-effects
model x_n = mu + N(0, tau^2) + N(0, s_n^2): tau^2 after R. C. Paule and J. Mandel, J. Res. NBS 87 (1982) 377, the
error of mu after G. Knapp and J. Hartung, Stat. Med. 22 (2003) 2693, which follows Student's distribution with one
degree of freedom less than there are networks.  Whether tau^2 differs from 0 is Cochran's Q test.  Different windows
shift all networks alike, so the spread between fits enters the error of the mean, not those of the networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from physnn.analysis.collapse.average import Candidate, Scan
from physnn.analysis.collapse.search import search
from physnn.analysis.collapse.single import fit_like
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.points import Form, Points, Solution
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.plain import fields_json

REPEATED_WEIGHT = 0.05
"""Least weight of a fit of the mean curves that is repeated for every network (convention)."""
HETEROGENEITY_LEVEL = 0.05
"""Significance level of the heterogeneity test (convention)."""
BEYOND_DOUBT = 1e-4
"""p-value of the heterogeneity test below which mean curves are not fitted (convention)."""


@dataclass(frozen=True)
class Population:
    """A parameter over a population of networks: its mean with Student's error, and the value and error of each.

    ``spread`` is tau, the standard deviation between networks; ``p_value`` the probability of differences at least as
    large if all networks shared one value.
    """

    mean: Estimate
    spread: float
    p_value: float
    values: np.ndarray
    errors: np.ndarray


def population(values: np.ndarray, errors: np.ndarray) -> Population:
    """random-effects mean of at least two values with their errors."""
    count = len(values)

    def generalised(tau2: float) -> tuple[float, float, np.ndarray]:
        weights = 1 / (errors**2 + tau2)
        mean = float(weights @ values / weights.sum())
        return float(weights @ (values - mean) ** 2), mean, weights

    q, tau2 = generalised(0.0)[0], 0.0
    if q > count - 1:
        # Importing it takes a tenth of a second, and most fits have no groups.
        from scipy import optimize

        upper = float(np.ptp(values)) ** 2 * count + 1e-300
        tau2 = float(optimize.brentq(lambda t: generalised(t)[0] - (count - 1), 0.0, upper))
    scatter, mean, weights = generalised(tau2)
    deviation = float(np.sqrt(scatter / ((count - 1) * weights.sum())))
    p_value = float(special.chdtrc(count - 1, q))
    return Population(Estimate.student(mean, deviation, count - 1), float(np.sqrt(tau2)), p_value, values, errors)


@dataclass(frozen=True)
class TwoLevel:
    """Critical point, 1/nu and zeta/nu over a population; zeta/nu has no spread where it is fixed."""

    critical_point: Population
    inverse_nu: Population
    zeta_over_nu: Population

    def as_json(self) -> dict[str, Any]:
        """Answer as plain data, with what the heterogeneity tests say."""
        return fields_json(self, "zeta_over_nu") | {
            "own_critical_points": self.critical_point.p_value < HETEROGENEITY_LEVEL,
            "own_exponents": self.inverse_nu.p_value < HETEROGENEITY_LEVEL,
        }


def _members(curves: Curves) -> list[Points]:
    """Points of every network; none where any has no errors of its own."""
    found = [curves.member(n) for n in range(curves.networks if curves.member_errors else 0)]
    return found if all((m.error > 0).all() for m in found) else []


def differing(curves: Curves, form: Form) -> Points | None:
    """Points of the network in the middle if networks have critical points of their own beyond doubt.

    Then the mean curves are smeared and collapse nowhere; windows and degrees must come from one network.
    """
    members = _members(curves)
    if len(members) < 3 or 0 not in form.free():
        return None
    found = [search(m, form, most=2) for m in members]
    if any(s is None for s in found):
        return None
    values = np.array([s.parameters[0] for s in found if s])
    errors = np.sqrt(np.array([s.covariance[0, 0] * max(1.0, s.chi2_per_dof) for s in found if s]))
    # Not for one fit that went astray either: the scatter of the middle half must exceed the errors.
    scatter = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.35
    if population(values, errors).p_value > BEYOND_DOUBT or scatter < 2 * float(np.median(errors)):
        return None
    return members[int(np.argsort(values)[len(values) // 2])]


def two_level(curves: Curves, scanned: Scan, form: Form) -> TwoLevel | None:
    """Fit every network by itself; None where there is one network or the networks' own curves are too noisy.

    Each network is fitted on the windows and from the smallest sizes that carry weight for the mean curves, the
    window moved to its own critical point.
    """
    members = _members(curves)
    if len(members) < 2:
        return None
    fits: list[list[Solution]] = []
    weights = []
    for candidate in scanned.candidates:
        found = [_moved(m, candidate) for m in members] if candidate.weight >= REPEATED_WEIGHT else []
        complete = [s for s in found if s is not None]
        if found and len(complete) == len(members):
            fits.append(complete)
            weights.append(candidate.weight)
    if sum(weights) < 0.5:
        return None
    share = np.array(weights) / sum(weights)
    results = [_averaged(fits, share, k, held=k not in form.free()) for k in range(3)]
    # Networks that hardly know their own exponent would enter with biased ones.
    slope = results[1]
    if (slope.errors > 0.3 * np.abs(slope.values)).any():
        return None
    return TwoLevel(*results)


def _averaged(fits: list[list[Solution]], share: np.ndarray, k: int, held: bool) -> Population:
    """One parameter over the networks, averaged over fits (outer list) with their weights."""
    values = np.array([[s.parameters[k] for s in row] for row in fits])
    if held:
        return Population(Estimate(float(values[0, 0]), 0.0), 0.0, 1.0, values[0], np.zeros(len(values[0])))
    widen = np.array([[max(1.0, s.chi2_per_dof) if s.p_value < 0.05 else 1.0 for s in row] for row in fits])
    errors = np.sqrt(np.array([[s.covariance[k, k] for s in row] for row in fits]) * widen)
    each = [population(v, e) for v, e in zip(values, errors, strict=True)]
    means = np.array([p.mean.value for p in each])
    mean = float(share @ means)
    between = float(share @ (means - mean) ** 2)
    best = each[int(share.argmax())]
    within, spread = (float(share @ np.array(v)) for v in ([p.mean.error**2 for p in each], [p.spread for p in each]))
    common = Estimate(mean, float(np.sqrt(within + between)), best.mean.dof)
    return Population(common, spread, best.p_value, share @ values, np.sqrt(share @ errors**2))


def _moved(points: Points, candidate: Candidate) -> Solution | None:
    """Fit of one network on the window of a fit of the mean curves, moved to the network's own x_c.

    The master curve keeps its steepness and degree: chosen anew from fewer data it would be too smooth in all networks
    alike, and their mean biased.
    """
    start = candidate.solution.parameters
    solution = None
    for _ in range(2):
        scaled = np.abs(points.x - start[0]) * points.L ** start[1]
        mask = (candidate.smallest <= points.L) & (scaled <= candidate.window * 1.05)
        chosen = points.chosen(mask)
        if len(chosen) <= candidate.solution.coefficients + 3 or len(chosen.sizes) < 2:
            return None
        solution = fit_like(chosen, candidate.form, candidate.solution, start)
        if solution is None:
            return None
        start = np.concatenate([solution.parameters[:1], start[1:]])
    return solution
