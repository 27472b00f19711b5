"""Several observables that share x_c and nu, each with a master curve and zeta/nu of its own.

Every observable brings the window, smallest size and master curve of its best fit; the parameters are then fitted to
all of them at once.  Where observables come from the same runs, bootstrap samples draw the same runs for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize, stats

from physnn.analysis.collapse import Model, like
from physnn.analysis.curves import Curves
from physnn.analysis.estimate import Estimate
from physnn.analysis.exponents import Collapse
from physnn.analysis.points import draw, whiten
from physnn.errors import InputError


@dataclass(frozen=True)
class Joint:
    """A common fit.

    Attributes
    ----------
    observables : tuple of str
        Names.
    critical_point, inverse_nu : Estimate
        Shared by all observables.
    zeta_over_nu : tuple of Estimate
        Of each observable; error 0 where it was held.
    chi2_per_dof, p_value : float
        Goodness of the common fit.
    agreement : float
        p-value that all observables have one x_c and nu, from the increase of chi2 over fits one by one.
    samples : ndarray
        Bootstrap samples of (x_c, 1/nu), shape ``(resamples, 2)``.
    """

    observables: tuple[str, ...]
    critical_point: Estimate
    inverse_nu: Estimate
    zeta_over_nu: tuple[Estimate, ...]
    chi2_per_dof: float
    p_value: float
    agreement: float
    samples: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "observables": list(self.observables),
            "critical_point": self.critical_point.as_json(),
            "inverse_nu": self.inverse_nu.as_json(),
            "zeta_over_nu": [z.as_json() for z in self.zeta_over_nu],
            "chi2_per_dof": self.chi2_per_dof,
            "p_value": self.p_value,
            "agreement": self.agreement,
        }


class _Common:
    """All observables' models: residuals and derivatives by (x_c, 1/nu, zeta/nu of each that is fitted)."""

    def __init__(self, parts: list[Collapse]) -> None:
        self.parts = parts
        self.points = [p.points.chosen(p.scan.best.mask) for p in parts]
        self.models: list[Model] = [
            like(points, p.scan.best.form, p.best) for points, p in zip(self.points, parts, strict=True)
        ]
        self.zetas = [k for k, p in enumerate(parts) if p.scan.best.form.fixed[2] is None]
        self.unit = np.array([self.models[0].half, 1.0] + [1.0] * len(self.zetas))

    def start(self) -> np.ndarray:
        """Return the mean of the single fits' parameters, weighted by their errors."""
        values = np.array([p.best.parameters[:2] for p in self.parts])
        weights = np.array([1 / np.maximum(np.diag(p.best.covariance)[:2], 1e-300) for p in self.parts])
        shared = (values * weights).sum(0) / weights.sum(0)
        return np.array([*shared, *(self.parts[k].best.parameters[2] for k in self.zetas)])

    def residuals(
        self, parameters: np.ndarray, targets: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return whitened residuals of all observables and their derivatives."""
        rows, slopes = [], []
        for k, (model, part) in enumerate(zip(self.models, self.parts, strict=True)):
            zeta = parameters[2 + self.zetas.index(k)] if k in self.zetas else part.best.parameters[2]
            full = model.internal(np.array([parameters[0], parameters[1], zeta, part.best.parameters[3]]))
            rest, jacobian = model.residuals_and_jacobian(full, targets[k] if targets else None)
            slope = np.zeros((len(rest), len(parameters)))
            for column, name in enumerate(model.form.free()):
                if name < 2:
                    slope[:, name] = jacobian[:, column] / (model.half if name == 0 else 1.0)
                elif name == 2:
                    slope[:, 2 + self.zetas.index(k)] = jacobian[:, column]
            rows.append(rest)
            slopes.append(slope)
        return np.concatenate(rows), np.vstack(slopes)

    def solve(self, start: np.ndarray, targets: list[np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters and residuals of the least-squares solution."""
        found = optimize.least_squares(
            lambda v: self.residuals(v * self.unit, targets)[0],
            start / self.unit,
            lambda v: self.residuals(v * self.unit, targets)[1] * self.unit,
            method="lm",
            max_nfev=60,
        )
        return found.x * self.unit, found.fun


def joint(parts: list[tuple[Curves, Collapse]], resamples: int, generator: np.random.Generator) -> Joint:
    """Fit x_c and 1/nu to several observables at once.

    Parameters
    ----------
    parts : list of (Curves, Collapse)
        The observables with their own fits; curves of networks must be resampled with the same draws.
    resamples, generator : int, numpy.random.Generator
        Bootstrap samples and their source.

    Raises
    ------
    InputError
        If there are fewer than two observables, or x_c or 1/nu is held.
    """
    collapses = [c for _, c in parts]
    if len(parts) < 2:
        raise InputError("a common fit needs two observables at least")
    if any(value is not None for c in collapses for value in c.scan.best.form.fixed[:2]):
        raise InputError("a common fit fits the critical point and 1/nu: do not hold them")
    common = _Common(collapses)
    best, residuals = common.solve(common.start())
    jacobian = common.residuals(best)[1]
    covariance = linalg.pinvh(jacobian.T @ jacobian)
    chi2, alone = float(residuals @ residuals), sum(c.best.chi2 for c in collapses)
    linear = sum(c.best.coefficients - len(c.scan.best.form.free()) for c in collapses)
    dof = len(residuals) - linear - len(best)
    samples = _samples(common, parts, best, resamples, generator)
    # The windows are those of the best fits: their choice widens errors as it does for each observable alone.
    wide = [np.diag(c.scan.covariance)[:2] / np.diag(c.best.covariance)[:2] for c in collapses]
    shares = np.array([1 / np.diag(c.best.covariance)[:2] for c in collapses])
    factor = np.maximum(1.0, (np.array(wide) * shares).sum(0) / shares.sum(0))
    shared = samples[:, :2].std(0, ddof=1) if parts[0][0].networks else np.sqrt(np.diag(covariance)[:2])
    shared = shared * np.sqrt(factor * (max(1.0, chi2 / dof) if stats.chi2.sf(chi2, dof) < 0.05 else 1.0))
    freedom = min(curves.dof for curves, _ in parts)
    zetas = [c.zeta_over_nu for c in collapses]
    for place, k in enumerate(common.zetas, 2):
        zetas[k] = Estimate(float(best[place]), float(np.sqrt(covariance[place, place])))
    return Joint(
        tuple(curves.observable for curves, _ in parts),
        Estimate.student(float(best[0]), float(shared[0]), freedom),
        Estimate.student(float(best[1]), float(shared[1]), freedom),
        tuple(zetas),
        chi2 / dof,
        float(stats.chi2.sf(chi2, dof)),
        float(stats.chi2.sf(max(0.0, chi2 - alone), 2 * (len(parts) - 1))),
        samples[:, :2],
    )


def _samples(
    common: _Common, parts: list[tuple[Curves, Collapse]], best: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Return bootstrap samples of the parameters: from the curves' own resampling, or values drawn around the fit."""
    rows = []
    for (curves, found), points in zip(parts, common.points, strict=True):
        if curves.networks:
            place = {key: k for k, key in enumerate(zip(curves.points().L, curves.points().x, strict=True))}
            columns = [place[key] for key in zip(points.L, points.x, strict=True)]
            rows.append(curves.rows()[:, columns])
        else:
            rows.append(draw(points, found.best.fitted, count, generator))
    samples = []
    for b in range(min(count, *(len(r) for r in rows))):
        targets = [whiten(m.factor, p.error, r[b]) for m, p, r in zip(common.models, common.points, rows, strict=True)]
        samples.append(common.solve(best, targets)[0])
    return np.array(samples)
