"""Average of fits on many windows with its errors: the variance within fits and between them, and a bootstrap.

Acceptable fits have the weights exp(-(chi2 + 2 k + 2 n_cut)/2), k coefficients and n_cut points left out (W. I. Jay and
E. T. Neil, Phys. Rev. D 103 (2021) 114502).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from physnn.analysis.collapse.collapse import BOUNDS, OMEGA_PRIOR
from physnn.analysis.collapse.single import fits_along, refit
from physnn.analysis.curves.points import Form, Points, Solution, draw

ACCEPTABLE = 0.01
"""Least p-value of a fit that enters the average: the usual level of a test (convention)."""
ANALYTIC_COST = 4.6
"""Addition of the analytic term to chi2 + 2 k + 2 n_cut, -2 ln 0.1: a prior weight of 0.1 (convention)."""
OCCAM = 0.05
"""Share of the largest weight below which fits with a correction leave the average.

With errors many times larger they would make up all of its error.  D. Madigan and A. E. Raftery, J. Am. Stat. Assoc. 89
(1994) 1535, whose window is 1/20; where omega is fitted, fits with the analytic term leave also if the same fit without
it has more weight.
"""
KNOWN_OMEGA = 0.1
"""Relative error of omega up to which its likelihood counts as normal (convention)."""
STEPS = np.linspace(-4.0, 4.0, 13)
"""Places along omega at which fits are made, in errors of ln omega."""
NORMAL = special.ndtr(np.arange(-2.0, 3.0))
"""Share of a normal distribution below -2 to 2 standard deviations."""


@dataclass(frozen=True)
class Candidate:
    """One fit of a scan, to the points of a mask: sizes from ``smallest``, |x - x_c| L^(1/nu) up to ``window``.

    Its weight in the average is 0 if it is not acceptable.
    """

    form: Form
    smallest: int
    window: float
    mask: np.ndarray
    solution: Solution
    weight: float = 0.0


@dataclass(frozen=True)
class Scan:
    """All fits of a scan, the first one on all points, with their average.

    The parameters are (x_c, 1/nu, zeta/nu, omega), and the spread between fits is in their covariance.  Where no fit
    has an acceptable chi2, errors are widened by sqrt(chi2/dof).  ``errors`` are those of every fit, ``(fits, 4)``.
    """

    candidates: list[Candidate]
    parameters: np.ndarray
    covariance: np.ndarray
    errors: np.ndarray
    acceptable: bool

    def central(self) -> tuple[np.ndarray, np.ndarray]:
        """Median of each parameter over all fits, normal ones with their weights, and its error.

        Half the central 68.3 % interval, or that of 95.4 % over two if it is wider: a fit of little weight that knows
        nothing would rule the variance.
        """
        weights = np.array([c.weight for c in self.candidates])
        used = weights > 0
        weights, errors = weights[used, None, None], np.maximum(self.errors[used], 1e-300)[..., None]
        values = np.array([c.solution.parameters for c in self.candidates])[used][..., None]
        low, high = (values - 6 * errors).min(0) * np.ones(5), (values + 6 * errors).max(0) * np.ones(5)
        for _ in range(60):
            middle = (low + high) / 2
            below = (weights * special.ndtr((middle - values) / errors)).sum(0) < NORMAL
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        ends = (low + high) / 2
        return ends[:, 2], np.maximum(ends[:, 3] - ends[:, 1], (ends[:, 4] - ends[:, 0]) / 2) / 2

    @property
    def best(self) -> Candidate:
        """The fit with the largest weight."""
        return max(self.candidates, key=lambda c: c.weight)


def average(candidates: list[Candidate], count: int, correlation: np.ndarray | None = None) -> Scan:
    """Weighted average of fits to ``count`` points or fewer."""
    solutions = [c.solution for c in candidates]
    # The analytic term costs more than its coefficients: it is there for the data that demand it.
    left_out = [2 * (count - c.mask.sum()) + ANALYTIC_COST * c.form.analytic for c in candidates]
    costs = [2 * s.coefficients + more for s, more in zip(solutions, left_out, strict=True)]
    weights, fine = model_weights(
        np.array([s.chi2 for s in solutions]),
        np.array([s.dof for s in solutions]),
        np.array(costs),
        np.array([c.form.corrected for c in candidates]),
    )
    weights = _simplest(candidates, weights)
    candidates = [replace(c, weight=float(w)) for c, w in zip(candidates, weights, strict=True)]
    return _mixture(candidates, fine, correlation)


def _mixture(candidates: list[Candidate], fine: bool, correlation: np.ndarray | None) -> Scan:
    """Average of fits that have their weights."""
    parameters = np.array([c.solution.parameters for c in candidates])
    weights = np.array([c.weight for c in candidates])
    mean = weights @ parameters
    each = np.zeros((len(candidates), 4, 4))
    for k in np.flatnonzero(weights):
        c = candidates[k]
        each[k] = (1.0 if fine else max(1.0, c.solution.chi2_per_dof)) * _covariance(c, correlation)
    spread = (parameters - mean).T @ (weights[:, None] * (parameters - mean))
    covariance = np.tensordot(weights, each, 1) + spread
    return Scan(candidates, mean, covariance, np.sqrt(np.einsum("fkk->fk", each)), fine)


def along_omega(points: Points, scanned: Scan, correlation: np.ndarray | None = None) -> Scan:
    """Average in which every fit that hardly knows omega is replaced by fits along it, with their likelihoods.

    Such a likelihood is far from a normal one: the smaller omega, the better it seems to be known, and x_c and 1/nu go
    with it.
    """
    found: list[Candidate] = []
    for c in scanned.candidates:
        omega, error = c.solution.parameters[3], float(np.sqrt(c.solution.covariance[3, 3]))
        if not c.weight or error < KNOWN_OMEGA * omega:
            found.append(c)
            continue
        chosen, widen = points.chosen(c.mask), 1.0 if scanned.acceptable else max(1.0, c.solution.chi2_per_dof)
        values = np.clip(omega * np.exp(STEPS * min(error / omega, OMEGA_PRIOR[1])), *BOUNDS[:, 2])
        along, costs = [], []
        for form, fitted in fits_along(chosen, c.form, c.solution, values):
            along.append(replace(c, form=form, solution=fitted))
            prior = (np.log(fitted.parameters[3] / OMEGA_PRIOR[0]) / OMEGA_PRIOR[1]) ** 2
            costs.append(fitted.chi2 / widen + prior)
        shares = np.exp(-(np.array(costs) - min(costs, default=0.0)) / 2)
        found += [
            replace(one, weight=c.weight * float(share))
            for one, share in zip(along, shares / shares.sum(), strict=True)
        ] or [c]
    return _mixture(found, scanned.acceptable, correlation)


def _simplest(candidates: list[Candidate], weights: np.ndarray) -> np.ndarray:
    """Weights without fits of omega and the analytic term where the same fit of omega has more weight."""
    kept = weights.copy()
    for k, c in enumerate(candidates):
        if c.form.corrected and c.form.analytic and c.form.fixed[3] is None:
            simpler = replace(c.form, analytic=False)
            rivals = [
                w for o, w in zip(candidates, weights, strict=True) if o.form == simpler and (o.mask == c.mask).all()
            ]
            if max(rivals, default=0.0) > weights[k]:
                kept[k] = 0.0
    return np.asarray(kept / kept.sum())


def model_weights(
    chi2: np.ndarray, dof: np.ndarray, cost: np.ndarray, corrected: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Weights of fits in an average, each array ``(fits,)``, and whether any has an acceptable chi2.

    The cost is added to chi2 in the criterion: 2 k + 2 n_cut and whatever else.  Fits with a correction leave the
    average where they have hardly any weight.
    """
    acceptable = special.chdtrc(dof, chi2) > ACCEPTABLE
    fine = bool(acceptable.any())
    # Where no fit is acceptable the best chi2/dof stands for the errors' unknown scale.
    criterion = chi2 / (1.0 if fine else (chi2 / dof).min()) + cost
    criterion[~(acceptable | (not fine))] = np.inf
    weights = np.exp(-(criterion - criterion.min()) / 2)
    weights[(weights < OCCAM) & corrected] = 0.0
    return weights / weights.sum(), fine


def _covariance(candidate: Candidate, correlation: np.ndarray | None) -> np.ndarray:
    """Covariance of a fit's parameters; with correlated points that of the same least-squares estimator."""
    solution = candidate.solution
    if correlation is None:
        return solution.covariance
    free = candidate.form.free()
    mask = candidate.mask
    estimator = solution.covariance[np.ix_(free, free)] @ solution.jacobian.T
    correlated = solution.covariance.copy()
    correlated[np.ix_(free, free)] = estimator @ correlation[np.ix_(mask, mask)] @ estimator.T
    # Never below what independent points would give.
    return correlated if np.trace(correlated) > np.trace(solution.covariance) else solution.covariance


def bootstrap(
    points: Points,
    scanned: Scan,
    count: int,
    generator: np.random.Generator,
    rows: np.ndarray | None = None,
    correlation: np.ndarray | None = None,
) -> np.ndarray:
    """Bootstrap samples of the parameters, fits drawn by their weights, shape ``(count, 4)``; NaN without a fit.

    Rows are samples of the points' values, ``(count, points)``; by default values are drawn around each fit with the
    points' errors, and the correlation if given.
    """
    if correlation is not None:
        noise = replace(points, covariance=correlation * np.outer(points.error, points.error))
    else:
        noise = points
    used = 0
    weights = np.array([c.weight for c in scanned.candidates])
    numbers = generator.multinomial(count, weights)
    drawn = [(c, int(number)) for c, number in zip(scanned.candidates, numbers, strict=True) if number]
    samples = []
    for _, group in itertools.groupby(drawn, key=lambda pair: _together(pair[0])):
        values: list[np.ndarray] = []
        solutions: list[Solution] = []
        for c, number in group:
            if rows is None:
                values.append(draw(noise.chosen(c.mask), c.solution.fitted, number, generator))
            else:
                values.append(rows[used : used + number][:, c.mask])
                used += number
            solutions += [c.solution] * number
        samples.append(refit(points.chosen(c.mask), c.form, solutions, np.concatenate(values)))
    return np.concatenate(samples)


def _together(c: Candidate) -> tuple[object, ...]:
    """What fits have in common that differ in a held omega only: they are solved in one go."""
    form = c.form
    return id(c.mask), form.free(), form.corrected, form.analytic, form.logarithmic, c.solution.curve
