"""Several observables that share x_c and nu, each with a master curve and zeta/nu of its own.

Every observable brings the forms, windows and smallest sizes that carry weight in its own average.  For every
combination of them one x_c and one 1/nu are fitted, with a zeta/nu and an omega of each observable where those are
fitted; the combinations are averaged as single fits are (`physnn.analysis.collapse.average`).  Observables of the
same runs are
correlated, which chi2 leaves out but errors must not: they come from bootstrap samples that draw the same runs for all.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, special

from physnn.analysis.collapse.average import ANALYTIC_COST, Candidate, model_weights
from physnn.analysis.collapse.collapse import CollapseModel
from physnn.analysis.collapse.exponents import Collapse
from physnn.analysis.collapse.least_squares import levenberg_marquardt
from physnn.analysis.collapse.single import like
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.points import Points, draw
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.errors import InputError
from physnn.machine import on_one_blas_thread

COMBINED_SHARE = 0.05
"""Least weight of a fit that enters combinations, as a share of the largest of its observable (as `scan.OCCAM`)."""
MOST_COMBINED = 3
"""Most fits of one observable that enter combinations: their number grows as a power of it (convention)."""
SHARED_GRID = 5
"""Values of x_c, and of 1/nu, between the single fits that are tried (convention)."""
POLISHED = 4
"""Start values of the grid that are polished (convention)."""


@dataclass(frozen=True)
class Joint(Tabled):
    """A common fit of several observables, with x_c and 1/nu in common and a zeta/nu of each, error 0 where held.

    ``chi2_per_dof`` and ``p_value`` are of the combination with the largest weight, of ``combinations`` that carry any.
    ``agreement`` is the p-value that all observables have one x_c and nu, from the increase of chi2 over fits one by
    one.  Each of these has the form and window of its own best fit: of all combinations those that agree would choose
    themselves.  ``samples`` are bootstrap samples of (x_c, 1/nu), shape ``(resamples, 2)``.
    """

    observables: tuple[str, ...]
    critical_point: Estimate
    inverse_nu: Estimate
    zeta_over_nu: tuple[Estimate, ...]
    chi2_per_dof: float
    p_value: float
    agreement: float
    combinations: int
    samples: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """Answer as plain data, without the samples."""
        return fields_json(self, "samples")


class _Common:
    """One fit of each observable: x_c and 1/nu in common, zeta/nu and omega of each where they are fitted.

    Rows are (x_c in half ranges of the first observable, 1/nu, and what belongs to one observable as its model has it).
    """

    def __init__(self, points: list[Points], choice: tuple[Candidate, ...]) -> None:
        self.choice = choice
        self.points = [p.chosen(c.mask) for p, c in zip(points, choice, strict=True)]
        self.models: list[CollapseModel] = [
            like(p, c.form, c.solution) for p, c in zip(self.points, choice, strict=True)
        ]
        own = [(k, name) for k, c in enumerate(choice) for name in c.form.free() if name > 1]
        self.place = {key: 2 + position for position, key in enumerate(own)}
        self.free = list(range(2 + len(own)))
        self.half = self.models[0].half

    def starts(self) -> np.ndarray:
        """Start rows: x_c and 1/nu on a grid between the single fits and their mean, the best `POLISHED` of them."""
        single = np.array([c.solution.parameters[:2] / (self.half, 1) for c in self.choice])
        errors = np.array([np.sqrt(np.diag(c.solution.covariance)[:2]) / (self.half, 1) for c in self.choice])
        x_c = np.linspace(single[:, 0].min(), single[:, 0].max(), SHARED_GRID)
        slopes = np.geomspace(single[:, 1].min(), single[:, 1].max(), SHARED_GRID)
        weights = 1 / np.maximum(errors, 1e-150) ** 2
        shared = np.array([*itertools.product(x_c, slopes), (single * weights).sum(0) / weights.sum(0)])
        own = [self.choice[k].solution.row[name] for k, name in self.place]
        rows = np.hstack([shared, np.tile(own, (len(shared), 1))])
        cost = np.sum(self.residuals_and_jacobian(rows)[0] ** 2, axis=1)
        return rows[np.argsort(cost, kind="stable")[:POLISHED]]

    def places(self, k: int) -> list[int]:
        """Columns of the common rows that hold what is fitted of observable k."""
        return [name if name < 2 else self.place[k, name] for name in self.models[k].free]

    def full(self, k: int, rows: np.ndarray) -> np.ndarray:
        """Rows as the model of observable k has them."""
        model, found = self.models[k], np.tile(self.choice[k].solution.row, (len(rows), 1))
        found[:, model.free] = rows[:, self.places(k)]
        found[:, 0] = (found[:, 0] * self.half - model.middle) / model.half
        found[:, 4] = np.log(model.curve.steepness)
        return found

    def residuals_and_jacobian(
        self, rows: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whitened residuals of all observables with those of priors, and their derivatives, for many rows."""
        residuals, slopes, first = [], [], 0
        for k, model in enumerate(self.models):
            full, places = self.full(k, rows), self.places(k)
            own = None if target is None else target[:, first : first + len(model.points)]
            rest, jacobian = model.residuals_and_jacobian(full, own)
            slope = np.zeros((*rest.shape, len(self.free)))
            slope[..., places] = jacobian
            slope[..., 0] *= self.half / model.half
            first += len(model.points)
            residuals.append(rest)
            slopes.append(slope)
        return np.concatenate(residuals, axis=1), np.concatenate(slopes, axis=1)

    def solve(self, start: np.ndarray, target: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows of least-squares solutions near start values, and their sums of squares."""
        low, high = np.full(len(self.free), -np.inf), np.full(len(self.free), np.inf)
        for (k, name), place in self.place.items():
            low[place], high[place] = self.models[k].low[name], self.models[k].high[name]
        low[1], high[1] = self.models[0].low[1], self.models[0].high[1]
        return levenberg_marquardt(self, start, target, (low, high))


@dataclass(frozen=True)
class _Fitted:
    """The solution of one combination; chi2 and dof without the prior of omega."""

    common: _Common
    row: np.ndarray
    covariance: np.ndarray
    chi2: float
    dof: int
    cost: float

    @property
    def alone(self) -> float:
        """chi2 of the observables one by one."""
        return sum(c.solution.chi2 for c in self.common.choice)


def _fitted(points: list[Points], choice: tuple[Candidate, ...]) -> _Fitted:
    common = _Common(points, choice)
    rows, squares = common.solve(common.starts())
    best = rows[int(np.argmin(np.where(np.isfinite(squares), squares, np.inf)))]
    jacobian = common.residuals_and_jacobian(best[None])[1][0]
    full = [common.full(k, best[None])[0] for k in range(len(choice))]
    chi2 = float(sum(m.cost(row) for m, row in zip(common.models, full, strict=True)))
    count = sum(len(p) for p in common.points)
    linear = sum(c.solution.coefficients - len(c.form.free()) for c in choice)
    cost: float = 2 * (linear + len(best)) + 2 * (sum(len(p) for p in points) - count)
    cost += ANALYTIC_COST * sum(c.form.analytic for c in choice)
    return _Fitted(common, best, linalg.pinvh(jacobian.T @ jacobian), chi2, count - linear - len(best), cost)


@on_one_blas_thread
def joint(parts: list[tuple[Curves, Collapse]], resamples: int, generator: np.random.Generator) -> Joint:
    """Common fit of x_c and 1/nu to two or more observables, which must not hold them, each with its own fit.

    Curves of networks or chains must be resampled with the same draws.
    """
    collapses = [c for _, c in parts]
    if len(parts) < 2:
        raise InputError("a common fit needs two observables at least")
    if any(value is not None for c in collapses for value in c.scan.best.form.fixed[:2]):
        raise InputError("a common fit fits the critical point and 1/nu: do not hold them")
    points, rows = [c.points for c in collapses], [_rows(curves, c.points) for curves, c in parts]
    fits = [_fitted(points, choice) for choice in itertools.product(*(_chosen(c) for c in collapses))]
    weights, fine = model_weights(
        np.array([f.chi2 for f in fits]),
        np.array([f.dof for f in fits]),
        np.array([f.cost for f in fits]),
        np.array([any(c.form.corrected for c in f.common.choice) for f in fits]),
    )
    samples = _samples(fits, weights, rows, resamples, generator)
    parameters = np.array([_shared_and_own(f, f.row[None])[0] for f in fits])
    mean = weights @ parameters
    widen = np.array([1.0 if fine else max(1.0, f.chi2 / f.dof) for f in fits])
    within = (weights * widen) @ np.array([_variances(f) for f in fits])
    linear = np.sqrt(within + weights @ (parameters - mean) ** 2)
    low, high = np.quantile(samples, [0.158655, 0.841345], axis=0)
    resampled = (high - low) / 2 * (1.0 if fine else np.sqrt(weights @ widen))
    drawn_together = all(r is not None for r in rows)
    deviation = np.where(drawn_together | (resampled > 1.25 * linear), resampled, linear)
    deviation[:2] *= max(_shared(c) for c in collapses)
    freedom = min(curves.dof for curves, _ in parts)
    estimates = [Estimate.student(float(v), float(d), freedom) for v, d in zip(mean, deviation, strict=True)]
    best, own = fits[int(np.argmax(weights))], fits[0]
    held = [c.scan.best.form.fixed[2] is not None for c in collapses]
    zetas = tuple(c.zeta_over_nu if h else e for e, c, h in zip(estimates[2:], collapses, held, strict=True))
    return Joint(
        tuple(curves.observable for curves, _ in parts),
        estimates[0],
        estimates[1],
        zetas,
        best.chi2 / best.dof,
        float(special.chdtrc(best.dof, best.chi2)),
        float(special.chdtrc(2 * (len(parts) - 1), max(0.0, own.chi2 - own.alone))),
        int(np.count_nonzero(weights)),
        samples[:, :2],
    )


def _chosen(found: Collapse) -> list[Candidate]:
    """Fits of one observable that enter combinations, the one with the largest weight first."""
    ordered = sorted(found.scan.candidates, key=lambda c: -c.weight)
    return [c for c in ordered[:MOST_COMBINED] if c.weight >= COMBINED_SHARE * ordered[0].weight]


def _shared(found: Collapse) -> float:
    """Factor by which points that share runs widen errors of x_c or 1/nu, 1 where they do not."""
    if not found.roughness.smooth:
        return 1.0
    single = np.diag(found.best.covariance)[:2]
    return float(np.sqrt(np.maximum(1.0, np.diag(found.scan.covariance)[:2] / single).max()))


def _shared_and_own(fit: _Fitted, rows: np.ndarray) -> np.ndarray:
    """x_c, 1/nu and zeta/nu of every observable from rows of a combination; held ones as they are held."""
    zetas = [
        rows[:, fit.common.place[k, 2]] if (k, 2) in fit.common.place else np.full(len(rows), c.solution.parameters[2])
        for k, c in enumerate(fit.common.choice)
    ]
    return np.stack([rows[:, 0] * fit.common.half, rows[:, 1], *zetas], axis=1)


def _variances(fit: _Fitted) -> np.ndarray:
    """Variances of x_c, 1/nu and zeta/nu of every observable; 0 of held ones."""
    each, place = np.diag(fit.covariance), fit.common.place
    own = [each[place[k, 2]] if (k, 2) in place else 0.0 for k in range(len(fit.common.choice))]
    return np.array([each[0] * fit.common.half**2, each[1], *own])


def _rows(curves: Curves, points: Points) -> np.ndarray | None:
    """Bootstrap samples of the points that were fitted; None for a table, whose points stand alone."""
    if not (curves.networks or curves.chains or curves.correlation):
        return None
    every = curves.points()
    place = {key: k for k, key in enumerate(zip(every.L, every.x, strict=True))}
    columns = [place[key] for key in zip(points.L, points.x, strict=True)]
    if not np.array_equal(every.y[columns], points.y):
        raise InputError("networks have critical points of their own: fit each observable by itself")
    return curves.rows()[:, columns]


def _samples(
    fits: list[_Fitted], weights: np.ndarray, rows: list[np.ndarray | None], count: int, generator: np.random.Generator
) -> np.ndarray:
    """Bootstrap samples of x_c, 1/nu and zeta/nu, combinations drawn in proportion to their weights."""
    count = min([count, *(len(r) for r in rows if r is not None)])
    samples: list[np.ndarray] = []
    for fit, number in zip(fits, generator.multinomial(count, weights), strict=True):
        common, used = fit.common, len(samples)
        values = [
            draw(points, candidate.solution.fitted, int(number), generator)
            if row is None
            else row[used : used + number][:, candidate.mask]
            for points, candidate, row in zip(common.points, common.choice, rows, strict=True)
        ]
        target = np.hstack([m.white(v.T).T for m, v in zip(common.models, values, strict=True)])
        rows_found = common.solve(np.tile(fit.row, (int(number), 1)), target)[0]
        samples.extend(_shared_and_own(fit, rows_found))
    return np.array(samples)
