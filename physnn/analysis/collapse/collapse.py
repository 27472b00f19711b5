"""Data collapse: y = L^(zeta/nu) [F(u) + L^-omega G(u)] with u = (x - x_c) L^(1/nu).

For given (x_c, 1/nu, zeta/nu, omega) the master curve F and the amplitude G of the correction are the best Chebyshev
polynomials in the tanh of the scaled control, so only the nonlinear parameters are searched (variable projection,
G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; derivatives after L. Kaufman, BIT 15 (1975) 49).
Residuals are those of the raw data over their errors, so chi2 is a chi2.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev
from scipy import linalg, optimize

from physnn.analysis.curves.points import Form, Points, Solution, solve_upper, whiten

STEEPNESS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""The scaled control of the outermost point over the width of the tanh; chosen by information criterion."""
DEGREES = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14)
"""Degrees of the master curve; chosen by information criterion."""
OMEGA_PRIOR = 1.0, 0.7
"""A fitted omega has a log-normal prior: its median and the standard deviation of ln omega, a factor 2.

Without it omega runs away wherever the correction is small, and takes x_c with it.
"""
SPARE = 2
"""Degrees added to the choice: a master curve that is just flexible enough for its own data biases exponents."""
CORRECTION_DEGREES = (1, 2, 3, 5, 7)
"""Degrees of the amplitude G of the correction, chosen together with that of F; `SPARE_CORRECTION` is added."""
SPARE_CORRECTION = 1
ANALYTIC_DEGREE = 3
"""Degree of the amplitude H of the analytic term."""
BOUNDS = np.array([[0.02, -20.0, 0.05], [20.0, 20.0, 8.0]])
"""Limits of 1/nu, zeta/nu and omega; parameters outside are no answer."""


class Model:
    """Points with a scaling form: evaluates residuals and their derivatives, and solves for the parameters."""

    def __init__(self, points: Points, form: Form) -> None:
        self.points, self.form = points, form
        self.middle = float(points.x.max() + points.x.min()) / 2
        self.half = float(points.x.max() - points.x.min()) / 2 or 1.0
        self.size = points.L / points.L.max()
        self.log_size = np.log(self.size)
        self.factor = points.cholesky()
        self.target = whiten(self.factor, points.error, points.y)
        self.steepness, self.degree, self.correction = 2.0, 6, 3
        self.low, self.high = np.concatenate([[[-form.reach], [form.reach]], BOUNDS], axis=1)

    @property
    def columns(self) -> int:
        """Number of linear coefficients."""
        return self.degree + 1 + sum(degree + 1 for degree in self._extra_degrees())

    def _extra_degrees(self) -> list[int]:
        """Return the degrees of G and H, as far as they are there."""
        corrected = [self.correction] if self.form.corrected else []
        return corrected + ([ANALYTIC_DEGREE] if self.form.analytic else [])

    def internal(self, parameters: np.ndarray) -> np.ndarray:
        """Return parameters with x_c in half ranges from the middle, held ones at their values."""
        held = [p if value is None else value for p, value in zip(parameters, self.form.fixed, strict=True)]
        return np.array([(held[0] - self.middle) / self.half, *held[1:]])

    def external(self, parameters: np.ndarray) -> np.ndarray:
        """Return parameters with x_c in units of the control."""
        return np.concatenate([[self.middle + self.half * parameters[0]], parameters[1:]])

    def scaled(self, parameters: np.ndarray) -> np.ndarray:
        """Return the scaled control (x - x_c) L^(1/nu), x in half ranges and L over the largest."""
        x = (self.points.x - self.middle) / self.half
        return np.asarray((x - parameters[0]) * self.size ** parameters[1])

    def _basis(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return scaled control, tanh of it, the raw basis and the factor L^(zeta/nu)."""
        scaled, zeta_over_nu = self.scaled(parameters), parameters[2]
        t = np.tanh(self.steepness * scaled)
        factor = self.size**zeta_over_nu
        basis = chebyshev.chebvander(t, self.degree) * factor[:, None]
        for weight, degree in zip(self._weights(parameters)[1:], self._extra_degrees(), strict=True):
            basis = np.hstack([basis, chebyshev.chebvander(t, degree) * (factor * weight)[:, None]])
        return scaled, t, basis, factor

    def _weights(self, parameters: np.ndarray) -> list[np.ndarray]:
        """Return what F, G and H are multiplied with."""
        weights = [np.ones_like(self.size)]
        if self.form.corrected:
            weights.append(self.size ** -parameters[3])
        if self.form.analytic:
            weights.append((self.points.x - self.middle) / self.half - parameters[0])
        return weights

    def project(self, parameters: np.ndarray, target: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Return whitened residuals, the orthonormal basis, and the linear coefficients with what they rest on."""
        target = self.target if target is None else target
        scaled, t, basis, factor = self._basis(parameters)
        q, r = np.linalg.qr(whiten(self.factor, self.points.error, basis))
        inner = q.T @ target
        return target - q @ inner, q, r, inner, scaled, t, basis, factor

    def solve(self, start: np.ndarray, target: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (internal parameters, residuals) of the least-squares solution, None where there is none."""
        free = self.form.free()
        full = np.array(start, float)
        cache: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

        def both(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            key = values.tobytes()
            if key not in cache:
                cache.clear()
                full[free] = np.clip(values, 2 * self.low[free] - 1, 2 * self.high[free] + 1)
                cache[key] = self._with_prior(full, *self.residuals_and_jacobian(full, target))
            return cache[key]

        if not free:
            return full, both(full[free])[0]
        try:
            found = optimize.least_squares(
                lambda v: both(v)[0], full[free], lambda v: both(v)[1], method="lm", xtol=1e-7, ftol=1e-9, max_nfev=60
            )
        except (ValueError, linalg.LinAlgError):
            return None
        full[free] = found.x
        inside = (full[free] > self.low[free]).all() and (full[free] < self.high[free]).all()
        return (full, found.fun[: len(self.points)]) if inside and np.isfinite(found.fun).all() else None

    def _with_prior(
        self, parameters: np.ndarray, residuals: np.ndarray, jacobian: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals and derivatives with those of the prior of a fitted omega."""
        free = self.form.free()
        if 3 not in free:
            return residuals, jacobian
        median, deviation = OMEGA_PRIOR
        omega = max(float(parameters[3]), 1e-3)
        row = np.array([[1 / (omega * deviation) if k == 3 else 0.0 for k in free]])
        return np.append(residuals, np.log(omega / median) / deviation), np.vstack([jacobian, row])

    def residuals_and_jacobian(
        self, parameters: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return whitened residuals and their derivatives by the free parameters."""
        residuals, q, r, inner, scaled, t, basis, factor = self.project(parameters, target)
        coefficients, weights = solve_upper(r, inner), self._weights(parameters)
        slope, by_x_c, by_omega = np.zeros_like(t), np.zeros_like(t), np.zeros_like(t)
        parts = np.split(coefficients, np.cumsum([self.degree + 1, *(d + 1 for d in self._extra_degrees())])[:-1])
        for part, weight in zip(parts, weights, strict=True):
            slope += chebyshev.chebval(t, chebyshev.chebder(part)) * weight * factor
        slope *= (1 - t**2) * self.steepness
        if self.form.corrected:
            by_omega = -self.log_size * chebyshev.chebval(t, parts[1]) * weights[1] * factor
        if self.form.analytic:
            by_x_c = -chebyshev.chebval(t, parts[-1]) * factor
        columns = {
            0: by_x_c - slope * self.size ** parameters[1],
            1: slope * scaled * self.log_size,
            2: self.log_size * (basis @ coefficients),
            3: by_omega,
        }
        raw = np.stack([columns[k] for k in columns], axis=1)[:, self.form.free()]
        change = whiten(self.factor, self.points.error, raw)
        return residuals, -(change - q @ (q.T @ change))

    def choose_curve(self, parameters: np.ndarray) -> bool:
        """Choose steepness and degrees of the master curve at given parameters by the corrected criterion of Akaike.

        Returns whether there are points enough for any.
        """
        n, fitted = len(self.points), len(self.form.free())
        scaled = np.abs(self.scaled(parameters)).max()
        best, least = (self.steepness, self.degree, self.correction), np.inf
        square = float(self.target @ self.target)
        for correction in CORRECTION_DEGREES if self.form.corrected else (self.correction,):
            self.correction = correction
            for steepness in STEEPNESS:
                self.steepness, self.degree = steepness / max(scaled, 1e-12), max(DEGREES)
                # The columns of F come last, so one orthogonal decomposition serves all its degrees.
                basis = np.roll(self._basis(parameters)[2], -self.degree - 1, axis=1)[:, :n]
                q = np.linalg.qr(whiten(self.factor, self.points.error, basis))[0]
                left = square - np.cumsum((q.T @ self.target) ** 2)
                for degree in DEGREES:
                    self.degree = degree
                    k = self.columns + fitted
                    if n - k < 3:
                        break
                    criterion = left[self.columns - 1] + 2 * k + 2 * k * (k + 1) / (n - k - 1)
                    if criterion < least:
                        best, least = (self.steepness, degree, correction), criterion
        self.steepness, self.degree, self.correction = best
        self._spare(n - fitted)
        return bool(np.isfinite(least))

    def _spare(self, most: int) -> None:
        """Add the spare degrees of F and G as far as points allow."""
        for _ in range(SPARE):
            self.degree += 1
            if most - self.columns < 3:
                self.degree -= 1
        for _ in range(SPARE_CORRECTION if self.form.corrected else 0):
            self.correction += 1
            if most - self.columns < 3:
                self.correction -= 1

    def solution(self, parameters: np.ndarray) -> Solution:
        """Return everything about a least-squares solution."""
        free = self.form.free()
        residuals, jacobian = self.residuals_and_jacobian(parameters)
        covariance = np.zeros((4, 4))
        unit = np.array([self.half, 1.0, 1.0, 1.0])
        if free:
            known = self._with_prior(parameters, residuals, jacobian)[1]
            covariance[np.ix_(free, free)] = linalg.pinvh(known.T @ known)
        _, _, r, inner, _, _, basis, _ = self.project(parameters)
        return Solution(
            self.external(parameters),
            covariance * np.outer(unit, unit),
            float(residuals @ residuals),
            len(self.points) - self.columns - len(free),
            self.steepness,
            self.degree,
            self.half,
            float(self.points.L.max()),
            residuals,
            basis @ solve_upper(r, inner),
            jacobian / unit[free],
            self.correction,
        )


def fit_from(points: Points, form: Form, start: np.ndarray) -> Solution | None:
    """Fit from a start value, the master curve chosen there and again at the solution; None where there is no fit."""
    if len(points) < len(form.free()) + 7 or len(points.sizes) < 2:
        return None
    model = Model(points, form)
    parameters = np.clip(model.internal(start), model.low + 1e-3, model.high - 1e-3)
    for _ in range(2):
        before = model.steepness, model.degree, model.correction
        if not model.choose_curve(parameters):
            return None
        if before == (model.steepness, model.degree, model.correction):
            break
        if (solved := model.solve(parameters)) is None:
            return None
        parameters = solved[0]
    return model.solution(parameters)


def like(points: Points, form: Form, solution: Solution) -> Model:
    """Return a model of points with the master curve's steepness and degree of a solution."""
    model = Model(points, form)
    model.steepness = solution.steepness * model.half / solution.half * _rescaled(points, solution)
    model.degree, model.correction = solution.degree, solution.correction
    return model


def _rescaled(points: Points, solution: Solution) -> float:
    """Return what the scaled control is multiplied with where the largest size is another one."""
    return float((solution.largest / points.L.max()) ** -solution.parameters[1])


def fit_like(points: Points, form: Form, solution: Solution, start: np.ndarray) -> Solution | None:
    """Fit other points with the master curve's steepness and degree of a solution; None where there is no fit."""
    model = like(points, form, solution)
    solved = model.solve(np.clip(model.internal(start), model.low + 1e-3, model.high - 1e-3))
    return None if solved is None else model.solution(solved[0])


def refit(points: Points, form: Form, solution: Solution, values: np.ndarray) -> np.ndarray:
    """Return parameters fitted to other values of the same points, one row each; NaN where there is no fit."""
    model = like(points, form, solution)
    start = model.internal(solution.parameters)
    found = np.full((len(values), 4), np.nan)
    for k, row in enumerate(values):
        solved = model.solve(start, whiten(model.factor, points.error, row))
        if solved is not None:
            found[k] = model.external(solved[0])
    return found
