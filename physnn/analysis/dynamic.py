"""Dynamic finite-size scaling: y = L^(zeta/nu) F(u, s) with u = (x - x_c) L^(1/nu) and s = t / L^z.

The master function F is a tensor product of Chebyshev polynomials in the tanh of the scaled control u and in ln s,
and is eliminated for given (x_c, 1/nu, zeta/nu, z) and steepness of the tanh as in `physnn.analysis.collapse`
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
from numpy.polynomial import chebyshev
from scipy import linalg, ndimage, optimize, stats

from physnn.analysis.estimate import Estimate
from physnn.errors import InputError

STEEPNESS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""The scaled control of the outermost point over the width of the tanh; chosen by information criterion."""
CONTROL_DEGREE, TIME_DEGREE, LONE_DEGREE = 10, 9, 12
"""Largest degrees in the control, in the logarithm of the time, and in that where there is one control only."""
COARSE_DEGREES = (5, 3)
"""Degrees while minima are searched."""
BOUNDS = np.array([[-1.3, 0.02, -20.0, -2.0, -4.0], [1.3, 20.0, 20.0, 12.0, 8.0]])
"""Parameters outside (x_c in half ranges from the middle, the logarithm of the steepness last) are no answer."""
PRIOR = math.log(2)
"""Standard deviation of the logarithm of the steepness around the chosen one: a factor of 2."""
SHARES = (1.0, 0.65, 0.4, 0.25)
"""Windows, as shares of the largest scaled distance from the critical point."""
CUTS = (0.0, 0.12, 0.3, 0.5)
"""Smallest times, as shares of the points that are earlier."""
ACCEPTABLE = 0.05
"""Least p-value of a fit that enters the average."""
LARGEST_ERROR = 0.5
"""With a larger error z is not determined, nor is it where another z at twice this distance fits as well."""
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
    """

    parameters: np.ndarray
    covariance: np.ndarray
    chi2: float
    dof: int
    coefficients: int
    steepness: float
    degrees: tuple[int, int]
    fitted: np.ndarray

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
        self.least = (min(3, self.control_degree) if 0 in self.free or 1 in self.free else 0), int(3 in self.free)
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

    def tensor(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return both sets of polynomials and their products over the errors, shape ``(points, columns)``."""
        by_control = chebyshev.chebvander(np.tanh(np.exp(parameters[4]) * self.scaled(parameters)), self.degrees[0])
        by_time = chebyshev.chebvander(self.scaled_time(parameters)[0], self.degrees[1])
        factor = self.size ** parameters[2] / self.points.error
        products = (by_control * factor[:, None])[:, :, None] * by_time[:, None, :]
        return by_control, by_time, products.reshape(len(factor), -1)

    def residuals(self, parameters: np.ndarray) -> np.ndarray:
        """Return residuals over errors with the best master function."""
        q = np.linalg.qr(self.tensor(parameters)[2])[0]
        return np.asarray(self.target - q @ (q.T @ self.target))

    def residuals_and_jacobian(
        self, parameters: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals over errors, that of the steepness last, and their derivatives by the free parameters.

        The second array has the shape ``(points + 1, free)``.
        """
        target = self.target if target is None else target
        by_control, by_time, basis = self.tensor(parameters)
        q, r = np.linalg.qr(basis)
        inner = q.T @ target
        coefficients = _solve_upper(r, inner).reshape(by_control.shape[1], by_time.shape[1])
        factor = self.size ** parameters[2] / self.points.error
        # With degree 1 and more T_1 is the second column; slopes by the tanh, then by the scaled control.
        d = chebyshev.chebder(coefficients, axis=0)
        slope = ((by_control[:, : len(d)] @ d) * by_time).sum(1) * factor
        tanh = by_control[:, 1] if by_control.shape[1] > 1 else 0.0
        slope *= (1 - tanh**2) * np.exp(parameters[4])
        # The map of times to [-1, 1] depends on z too, but that changes no polynomial's degree: F takes it up.
        d = chebyshev.chebder(coefficients, axis=1)
        by_s = ((by_control @ d) * by_time[:, : d.shape[1]]).sum(1) * factor
        columns = {
            0: -slope * self.size ** parameters[1],
            1: slope * self.scaled(parameters) * self.log_size,
            2: self.log_size * (q @ inner),
            3: -by_s * self.log_size / self.scaled_time(parameters)[1],
            4: slope * self.scaled(parameters),
        }
        change = np.stack([columns[k] for k in self.free], axis=1) if self.free else np.empty((len(target), 0))
        residuals = np.append(target - q @ inner, (self.prior - parameters[4]) / PRIOR)
        return residuals, -np.vstack([change - q @ (q.T @ change), np.equal(self.free, 4) / PRIOR])

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
            q, r = np.linalg.qr(self.tensor(np.append(parameters[:4], tried))[2])
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
        covariance = np.zeros((5, 5))
        if self.free:
            norms = np.linalg.norm(jacobian, axis=0)
            _, values, vectors = np.linalg.svd(jacobian / np.where(norms > 0, norms, 1), full_matrices=False)
            if norms.min() <= 0 or values.min() < 1e-7:
                return None
            covariance[np.ix_(self.free, self.free)] = (vectors.T / values**2) @ vectors / np.outer(norms, norms)
        unit = np.array([self.half, 1.0, 1.0, 1.0])
        covariance = covariance[:4, :4] * np.outer(unit, unit)
        k = (self.degrees[0] + 1) * (self.degrees[1] + 1) + len(self.free)
        return DynamicSolution(
            self.external(parameters),
            covariance,
            float(residuals @ residuals),
            len(self.points) - k,
            k,
            self.prior,
            self.degrees,
            (self.target - residuals[:-1]) * self.points.error,
        )


def _solve_upper(r: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the linear coefficients; directions that the points do not determine stay zero."""
    diagonal = np.abs(np.diag(r))
    if diagonal.min() > 1e-10 * diagonal.max():
        return np.asarray(linalg.solve_triangular(r, inner, check_finite=False))
    return np.asarray(np.linalg.lstsq(r, inner, rcond=1e-10)[0])


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


def search(
    points: DynamicPoints, fixed: Fixed, generator: np.random.Generator, most: int = 8
) -> DynamicSolution | None:
    """Return the best of all minima: a coarse grid over (x_c, 1/nu, z), its local minima polished, the best kept."""
    few = points if len(points) <= 400 else points.chosen(np.sort(generator.permutation(len(points))[:400]))
    model = DynamicModel(few, fixed)
    degrees = tuple(min(pair) for pair in zip(COARSE_DEGREES, model.degrees, strict=True))
    model.degrees = degrees[0], degrees[1]
    controls = np.unique(few.x)
    centres = controls[np.unique(np.linspace(0, len(controls) - 1, 11).astype(int)[1:-1])]
    axes = (
        centres if fixed[0] is None else np.array([fixed[0]]),
        np.geomspace(0.2, 5, 6) if fixed[1] is None else np.array([fixed[1]]),
        np.linspace(0, 6, 7) if fixed[3] is None else np.array([fixed[3]]),
    )
    grid = np.full([len(axis) for axis in axes], np.inf)
    zetas = [scale_exponent(few, float(x_c)) if fixed[2] is None else fixed[2] for x_c in axes[0]]
    starts: dict[tuple[int, ...], np.ndarray] = {}
    for where in itertools.product(*(range(len(axis)) for axis in axes)):
        x_c, inverse_nu, z = (float(axis[k]) for axis, k in zip(axes, where, strict=True))
        if not few.meet(z):
            continue
        parameters = model.internal(np.array([x_c, inverse_nu, zetas[where[0]], z]))
        widest = max(float(np.abs(model.scaled(parameters)).max()), 1e-12)
        for steepness in (2.0, 8.0) if model.control_degree else (1.0,):
            parameters[4] = np.log(steepness / widest)
            cost = float(np.sum(model.residuals(parameters) ** 2))
            if cost < grid[where]:
                grid[where], starts[where] = cost, parameters.copy()
    polished = []
    for where in _minima(grid)[:most]:
        parameters, model.prior = starts[where], float(starts[where][4])
        if (solved := model.solve(parameters)) is not None and few.meet(solved[0][3]):
            polished.append((solved[1], model.external(solved[0])))
        else:
            polished.append((grid[where], model.external(parameters)))
    return _best(points, fixed, polished)


def _best(points: DynamicPoints, fixed: Fixed, polished: list[tuple[float, np.ndarray]]) -> DynamicSolution | None:
    """Return the best fit from the three best of all start values that differ."""
    best: DynamicSolution | None = None
    tried: list[np.ndarray] = []
    for _, start in sorted(polished, key=lambda pair: pair[0]):
        if len(tried) == 3 or any(np.allclose(start, other, rtol=1e-2, atol=1e-2) for other in tried):
            continue
        tried.append(start)
        found = fit_from(points, fixed, start)
        if found and (best is None or found.chi2 + 2 * found.coefficients < best.chi2 + 2 * best.coefficients):
            best = found
    return best


def _minima(grid: np.ndarray) -> list[tuple[int, ...]]:
    """Return the positions of local minima of a grid, the deepest first."""
    lowest = ndimage.minimum_filter(grid, 3, mode="nearest")
    where = [tuple(int(k) for k in row) for row in np.argwhere(np.isfinite(grid) & (grid <= lowest))]
    return sorted(where, key=lambda row: float(grid[row]))


def scale_exponent(points: DynamicPoints, x_c: float) -> float:
    """Return the slope of ln|y| on ln L near a control value at late times: a start value for zeta/nu."""
    logs = []
    for L in np.unique(points.L):
        mine = np.flatnonzero((points.L == L) & (points.t >= np.median(points.t[points.L == L])))
        near = mine[np.argsort(np.abs(points.x[mine] - x_c), kind="stable")][: max(1, len(mine) // 3)]
        logs.append(0.5 * np.log(max(float(np.mean(points.y[near] ** 2)), 1e-300)))
    return float(np.clip(np.polyfit(np.log(np.unique(points.L)), logs, 1)[0], -10, 10))


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
        if (solved := model.solve(model.internal(solution.parameters), target)) is not None:
            samples[k] = model.external(solved[0])
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
    if held[3] is None and not errors[3] < LARGEST_ERROR:
        raise InputError(f"z cannot be determined: its error is {errors[3]:.2g}; add times or sizes, or fix zeta/nu")
    samples = _bootstrap(points, held, candidates, resamples, generator)
    lone = np.ptp(points.x) == 0 and fixed[1] is None
    for k, value in enumerate((held[0], math.nan if lone else held[1], *held[2:])):
        if value is not None:
            mean[k], errors[k], samples[:, k] = value, 0.0, value
    return _answer(mean, errors, max(candidates, key=lambda c: c.weight), fine, samples)
