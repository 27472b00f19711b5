"""The least-squares problem of dynamic scaling: points in (L, x, t), master function of two arguments, solver."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from scipy import linalg, optimize, stats

from physnn.analysis.curves.points import solve_upper

STEEPNESS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""The scaled control of the outermost point over the width of the tanh; chosen by information criterion."""
CONTROL_DEGREE, TIME_DEGREE, LONE_DEGREE = 10, 9, 12
"""Largest degrees in the control, in the logarithm of the time, and in that where there is one control only."""
BOUNDS = np.array([[-1.3, 0.02, -20.0, -2.0, -4.0], [1.3, 20.0, 20.0, 12.0, 8.0]])
"""Parameters outside (x_c in half ranges from the middle, the logarithm of the steepness last) are no answer."""
PRIOR = math.log(2)
"""Standard deviation of the logarithm of the steepness around the chosen one: a factor of 2."""
LEAST_SHARE = 0.1
"""With less than this share of J^T J left without its noise, parameters are not determined."""
GAP = 0.1
"""Distance in ln(t / L^z) from which times of different sizes do not meet."""

Fixed = tuple[float | None, float | None, float | None, float | None]


@dataclass(frozen=True)
class DynamicPoints:
    """Points of all sizes and times.

    Attributes
    ----------
    L, x, t, y, error : ndarray
        Size, control value, time, value and standard error of every point, each of shape ``(points,)``.
    """

    L: np.ndarray
    x: np.ndarray
    t: np.ndarray
    y: np.ndarray
    error: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes, increasing."""
        return tuple(int(L) for L in np.unique(self.L))

    def chosen(self, mask: np.ndarray) -> DynamicPoints:
        """Return the points where ``mask`` is true, or those at given positions."""
        return DynamicPoints(self.L[mask], self.x[mask], self.t[mask], self.y[mask], self.error[mask])

    def distinct(self, values: np.ndarray) -> list[int]:
        """Return how many different values each size has, given one value for every point."""
        return [len(np.unique(values[self.L == L])) for L in np.unique(self.L)]

    def meet(self, z: float) -> bool:
        """Return whether the sizes' ranges of t / L^z cover one range without gaps."""
        s = np.log(self.t) - z * np.log(self.L)
        ranges = sorted((s[self.L == L].min(), s[self.L == L].max()) for L in np.unique(self.L))
        reached = np.maximum.accumulate([high for _, high in ranges])
        return all(low <= high + GAP for (low, _), high in zip(ranges[1:], reached[:-1], strict=True))


@dataclass(frozen=True)
class DynamicSolution:
    """One least-squares fit.

    Attributes
    ----------
    parameters, covariance : ndarray
        (x_c, 1/nu, zeta/nu, z) and their covariance, zero for fixed ones.
    chi2, dof : float, int
        Goodness of fit; ``dof`` counts master function and parameters.
    coefficients : int
        Number of fitted numbers, linear ones too.
    steepness : float
        Logarithm of the chosen steepness of the tanh, around which the fitted one has the width `PRIOR`.
    degrees : tuple of int
        Degrees of the master function in the control and in the logarithm of the time.
    fitted : ndarray
        Fitted values of the points.
    internal : ndarray
        Parameters as the model has them.
    stretch : ndarray
        Matrix that turns deviations of a parametric bootstrap into those with the covariance, shape ``(5, 5)``.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    chi2: float
    dof: int
    coefficients: int
    steepness: float
    degrees: tuple[int, int]
    fitted: np.ndarray
    internal: np.ndarray
    stretch: np.ndarray

    @property
    def p_value(self) -> float:
        """Probability of a chi2 at least as large."""
        return float(stats.chi2.sf(self.chi2, self.dof))


class DynamicModel:
    """Points with fixed parameters: evaluates residuals and their derivatives, and solves for the others."""

    def __init__(self, points: DynamicPoints, fixed: Fixed) -> None:
        self.points = points
        self.middle = float(points.x.max() + points.x.min()) / 2
        self.half = float(points.x.max() - points.x.min()) / 2 or 1.0
        self.size = points.L / points.L.max()
        self.log_size, self.log_t = np.log(self.size), np.log(points.t)
        self.target = points.y / points.error
        lone = np.ptp(points.x) == 0
        self.times, self.time_degree = max(points.distinct(points.t)), LONE_DEGREE if lone else TIME_DEGREE
        self.control_degree = 0 if lone else min(CONTROL_DEGREE, max(points.distinct(points.x)))
        self.free = [k for k, value in enumerate(fixed) if value is None]
        if self.control_degree and (fixed[0] is None or fixed[1] is None):
            self.free.append(4)
        self.least = (min(1, self.control_degree) if 0 in self.free or 1 in self.free else 0), int(3 in self.free)
        self.prior, self.degrees = 0.0, (self.control_degree, min(self.time_degree, self.times - 1))

    def internal(self, parameters: np.ndarray) -> np.ndarray:
        """Return parameters with x_c in half ranges from the middle, the logarithm of the steepness added."""
        return np.array([(parameters[0] - self.middle) / self.half, *parameters[1:], self.prior])

    def external(self, parameters: np.ndarray) -> np.ndarray:
        """Return (x_c, 1/nu, zeta/nu, z), x_c in units of the control."""
        return np.array([self.middle + self.half * parameters[0], *parameters[1:4]])

    def scaled(self, parameters: np.ndarray) -> np.ndarray:
        """Return the scaled control, 1 where the largest size is half a range from x_c."""
        return np.asarray(((self.points.x - self.middle) / self.half - parameters[0]) * self.size ** parameters[1])

    def scaled_time(self, parameters: np.ndarray) -> tuple[np.ndarray, float]:
        """Return ln(t / L^z) mapped to [-1, 1] and half its range."""
        s = self.log_t - parameters[3] * self.log_size
        half = float(np.ptp(s)) / 2 or 1.0
        return (s - (s.max() + s.min()) / 2) / half, half

    def largest(self, parameters: np.ndarray) -> tuple[int, int]:
        """Return the largest degrees: in the time, less than the number of values of t / L^z that are apart."""
        s = np.sort(self.log_t - parameters[3] * self.log_size)
        apart = max(self.times, 1 + int((np.diff(s) > GAP).sum()))
        return self.control_degree, min(self.time_degree, apart - 1)

    def polynomials(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the polynomials in the control, divided by the errors and with L^(zeta/nu), and in the time."""
        by_control = chebyshev.chebvander(np.tanh(np.exp(parameters[4]) * self.scaled(parameters)), self.degrees[0])
        by_time = chebyshev.chebvander(self.scaled_time(parameters)[0], self.degrees[1])
        return by_control * (self.size ** parameters[2] / self.points.error)[:, None], by_time

    def tensor(self, parameters: np.ndarray) -> np.ndarray:
        """Return the products of polynomials, shape ``(points, columns)``."""
        return _products(*self.polynomials(parameters))

    def changes(self, parameters: np.ndarray) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Return what the free parameters change: a factor for each point and products of polynomials; and these."""
        by_control, by_time = self.polynomials(parameters)
        scaled, (_, half), steepness = self.scaled(parameters), self.scaled_time(parameters), np.exp(parameters[4])
        slope = by_control[:, : max(self.degrees[0], 1)] @ chebyshev.chebder(np.eye(self.degrees[0] + 1))
        slope *= steepness * (1 - np.tanh(steepness * scaled)[:, None] ** 2)
        # The map of times to [-1, 1] depends on z too, but that changes no polynomial's degree: F takes it up.
        rate = by_time[:, : max(self.degrees[1], 1)] @ chebyshev.chebder(np.eye(self.degrees[1] + 1))
        basis, by_u, by_s = _products(by_control, by_time), _products(slope, by_time), _products(by_control, rate)
        every = [
            (-(self.size ** parameters[1]), by_u),
            (scaled * self.log_size, by_u),
            (self.log_size, basis),
            (-self.log_size / half, by_s),
            (scaled, by_u),
        ]
        return [every[k] for k in self.free], basis

    def residuals(self, parameters: np.ndarray) -> np.ndarray:
        """Return residuals over errors with the best master function."""
        q = np.linalg.qr(self.tensor(parameters))[0]
        return np.asarray(self.target - q @ (q.T @ self.target))

    def residuals_and_jacobian(
        self, parameters: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals over errors, that of the steepness last, and their derivatives by the free parameters.

        The second array has the shape ``(points + 1, free)``.
        """
        target = self.target if target is None else target
        changes, basis = self.changes(parameters)
        q, r = np.linalg.qr(basis)
        inner = q.T @ target
        coefficients = solve_upper(r, inner)
        change = np.zeros((len(target), len(self.free)))
        for k, (factor, products) in enumerate(changes):
            change[:, k] = factor * (products @ coefficients)
        residuals = np.append(target - q @ inner, (self.prior - parameters[4]) / PRIOR)
        return residuals, -np.vstack([change - q @ (q.T @ change), np.equal(self.free, 4) / PRIOR])

    def noise(self, parameters: np.ndarray) -> np.ndarray:
        """Return by how much the errors of F's coefficients enlarge the mean of J^T J, J the derivatives."""
        changes, basis = self.changes(parameters)
        q, r = np.linalg.qr(basis)
        parts = []
        for factor, products in changes:
            part = linalg.solve_triangular(r, (factor[:, None] * products).T, trans="T", check_finite=False).T
            parts.append((part - q @ (q.T @ part)).ravel())
        return np.asarray(np.array(parts) @ np.array(parts).T)

    def solve(self, start: np.ndarray, target: np.ndarray | None = None) -> tuple[np.ndarray, float] | None:
        """Return (internal parameters, chi2) of the least-squares solution, None where there is none."""
        free, full = self.free, np.array(start, float)
        cache: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

        def both(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            key = values.tobytes()
            if key not in cache:
                cache.clear()
                full[free] = np.clip(values, 2 * BOUNDS[0, free] - 1, 2 * BOUNDS[1, free] + 1)
                cache[key] = self.residuals_and_jacobian(full, target)
            return cache[key]

        if not free:
            return full, float(np.sum(self.residuals_and_jacobian(full, target)[0] ** 2))
        try:
            found = optimize.least_squares(
                lambda v: both(v)[0], full[free], lambda v: both(v)[1], method="lm", xtol=1e-7, ftol=1e-9, max_nfev=60
            )
        except (ValueError, linalg.LinAlgError):
            return None
        full[free] = found.x
        inside = (full[free] > BOUNDS[0, free]).all() and (full[free] < BOUNDS[1, free]).all()
        return (full, 2 * float(found.cost)) if inside and np.isfinite(found.cost) else None

    def choose_function(self, parameters: np.ndarray) -> np.ndarray | None:
        """Choose steepness and degrees by the corrected criterion of Akaike.

        Return the parameters with this steepness; None if the points are too few for any function.
        """
        n, fitted, least = len(self.points), len(self.free), np.inf
        largest = self.largest(parameters)
        rows, columns = largest[0] + 1, largest[1] + 1
        widest = max(np.abs(self.scaled(parameters)).max(), 1e-12)
        best = None
        for steepness in STEEPNESS if rows > 1 else (1.0,):
            self.degrees, tried = largest, float(np.log(steepness / widest))
            q, r = np.linalg.qr(self.tensor(np.append(parameters[:4], tried)))
            inner = q.T @ self.target
            total = float(self.target @ self.target)
            for b in range(self.least[1], columns):
                # Columns ordered by the degree in the control: one decomposition serves all of them.
                q, part = np.linalg.qr(r.reshape(-1, rows, columns)[:, :, : b + 1].reshape(len(r), -1))
                explained = np.cumsum((q.T @ inner) ** 2)
                diagonal = np.abs(np.diag(part))
                for a in range(self.least[0], rows):
                    k = (a + 1) * (b + 1) + fitted
                    if n - k < 3 or diagonal[: k - fitted].min() < 1e-9 * diagonal[: k - fitted].max():
                        break
                    criterion = total - explained[k - fitted - 1] + 2 * k + 2 * k * (k + 1) / (n - k - 1)
                    if criterion < least:
                        best, least = (tried, (a, b)), criterion
        if best is None:
            return None
        self.prior, self.degrees = best
        return np.append(parameters[:4], self.prior)

    def solution(self, parameters: np.ndarray) -> DynamicSolution | None:
        """Return everything about a least-squares solution; None if the points do not determine all parameters."""
        residuals, jacobian = self.residuals_and_jacobian(parameters)
        covariance, stretch = np.zeros((5, 5)), np.eye(5)
        if self.free:
            if (both := _covariances(jacobian, self.noise(parameters))) is None:
                return None
            block = np.ix_(self.free, self.free)
            covariance[block], drawn = both
            stretch[block] = np.linalg.cholesky(covariance[block]) @ np.linalg.inv(np.linalg.cholesky(drawn))
        unit = np.array([self.half, 1.0, 1.0, 1.0])
        k = (self.degrees[0] + 1) * (self.degrees[1] + 1) + len(self.free)
        return DynamicSolution(
            parameters=self.external(parameters),
            covariance=covariance[:4, :4] * np.outer(unit, unit),
            chi2=float(residuals @ residuals),
            dof=len(self.points) - k,
            coefficients=k,
            steepness=self.prior,
            degrees=self.degrees,
            fitted=(self.target - residuals[:-1]) * self.points.error,
            internal=parameters,
            stretch=stretch,
        )


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the products of all columns of the left with all columns of the right, the left ones outer."""
    return np.asarray((left[:, :, None] * right[:, None, :]).reshape(len(left), -1))


def _covariances(jacobian: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the covariance of the parameters and that of a parametric bootstrap; None if there is none.

    F follows the noise and looks steeper than it is, so J^T J overestimates the curvature of the mean chi2 by the
    noise of the derivatives (P. A. Bekker, Econometrica 62 (1994) 657).
    """
    norms = np.linalg.norm(jacobian, axis=0)
    if not (np.isfinite(norms).all() and norms.min() > 0):
        return None
    square = (jacobian / norms).T @ (jacobian / norms)
    excess = noise / np.outer(norms, norms)
    if np.linalg.eigvalsh(square)[0] < 1e-13 or linalg.eigvalsh(square - excess, square)[0] < LEAST_SHARE:
        return None
    curvature, flat = np.linalg.inv(square - excess), np.linalg.inv(square)
    scale = np.outer(norms, norms)
    return curvature @ square @ curvature / scale, flat @ (square + excess) @ flat / scale


def fit_from(points: DynamicPoints, fixed: Fixed, start: np.ndarray, rounds: int = 2) -> DynamicSolution | None:
    """Fit from a start value, the master function chosen there and at every solution but the last.

    None where there is no fit, or where times of different sizes do not meet at the fitted z.
    """
    model = DynamicModel(points, fixed)
    parameters = model.internal(start)
    parameters[model.free] = np.clip(parameters, BOUNDS[0] + 1e-3, BOUNDS[1] - 1e-3)[model.free]
    for _ in range(rounds):
        chosen = model.choose_function(parameters)
        if chosen is None or (solved := model.solve(chosen)) is None:
            return None
        parameters = solved[0]
    return model.solution(parameters) if points.meet(parameters[3]) else None
