"""Data collapse, static and dynamic: y = L^(zeta/nu) [F(u, s) + L^-omega G(u) + (x - x_c) H(u)].

Here u = (x - x_c) L^(1/nu), and s = ln(t / L^z) where points have times (P. C. Hohenberg and B. I. Halperin,
Rev. Mod. Phys. 49 (1977) 435).  For given (x_c, 1/nu, zeta/nu, omega or z) the master function F, the amplitude G of
the correction and that of the analytic term H are the best Chebyshev polynomials in tanh(k u) and in s.  So only the
nonlinear parameters are searched (variable projection, G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413;
derivatives after L. Kaufman, BIT 15 (1975) 49).  Residuals are those of the raw data over their errors, so chi2 is a
chi2.

Parameters inside this module are rows (x_c in half ranges from the middle, 1/nu, zeta/nu, ln omega or z, ln k).
Functions take many rows at once, shape ``(fits, 5)``, because bootstrap samples and grids are fitted together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy import linalg

from physnn.analysis.collapse.least_squares import decomposed, levenberg_marquardt
from physnn.analysis.curves.points import TIME_GAP, Curve, Form, Points

CONTROL_DEGREE = 10
"""Largest degree in the control of F(u, s): a product of two polynomials has many coefficients (convention)."""
TIME_DEGREE = 9
"""Largest degree in the logarithm of the time of F(u, s) (convention)."""
LONE_DEGREE = 12
"""Largest degree in the logarithm of the time where there is one control value only (convention)."""
OMEGA_PRIOR = 1.0, 0.7
"""A fitted omega has a log-normal prior: its median and the standard deviation of ln omega, a factor 2.

Without it omega runs away wherever the correction is small, and takes x_c with it.
"""
STEEPNESS_PRIOR = math.log(2)
"""Standard deviation of ln k about the chosen one, where points have times and k is fitted: a factor 2 (convention)."""
ANALYTIC_DEGREE = 3
"""Degree of the amplitude H of the analytic term (convention)."""
BOUNDS = np.array([[0.02, -20.0, 0.05], [20.0, 20.0, 8.0]])
"""Limits of 1/nu, zeta/nu and omega; parameters outside are no answer, for no known class comes near them."""
TIME_BOUNDS = np.array([[-2.0, -4.0], [12.0, 8.0]])
"""Limits of z and of ln k where points have times."""
VALUES_AT_ONCE = 7_500
"""Points times fits that are evaluated together: their arrays fit into a processor's cache."""


@lru_cache
def _slopes(degree: int) -> np.ndarray:
    """Matrix of Chebyshev coefficients of the derivatives of T_0 to T_degree."""
    return np.asarray(chebyshev.chebder(np.eye(degree + 1))) if degree else np.zeros((1, 1))


def chebyshevs(t: np.ndarray, degree: int) -> np.ndarray:
    """Chebyshev polynomials T_0 to T_degree, shape ``t.shape + (degree + 1,)``; the last axis varies slowest."""
    found = np.empty((degree + 1, *t.shape))
    found[0] = 1
    found[1:2] = t
    last = 1
    while last < degree:
        # T_(m+j) = 2 T_m T_j - T_(m-j) doubles their number at every step.
        more = min(last, degree - last)
        new = found[last + 1 : last + more + 1]
        np.multiply(found[1 : more + 1], 2 * found[last], out=new)
        new -= found[last - more : last][::-1]
        last += more
    return found.transpose(*range(1, found.ndim), 0)


def _products(left: np.ndarray, right: np.ndarray | None) -> np.ndarray:
    """Products of all columns of the left with all columns of the right, the left ones outer."""
    if right is None:
        return left
    return np.asarray((left[..., :, None] * right[..., None, :]).reshape(*left.shape[:-1], -1))


def _applied(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products of matrices ``(fits, points, columns)`` with vectors ``(fits, columns)``; one may serve all fits."""
    if len(matrices) == 1:
        return np.asarray(vectors @ matrices[0].T)
    return np.asarray((matrices @ vectors[..., None])[..., 0])


class CollapseModel:
    """Points with a scaling form: evaluates residuals and their derivatives, and solves for the parameters."""

    def __init__(self, points: Points, form: Form) -> None:
        self.points, self.form = points, form
        self.middle = float(points.x.max() + points.x.min()) / 2
        self.half = float(points.x.max() - points.x.min()) / 2 or 1.0
        self.x = (points.x - self.middle) / self.half
        # Powers are taken of each size once.
        sizes, self.which = points.by_size
        self.distinct = sizes / sizes[-1]
        self.log_size = np.log(self.distinct)[self.which]
        self.log_fall = (np.log(max(sizes[-1], 2)) / np.log(np.maximum(sizes, 2)))[self.which]
        self.factor = points.cholesky()
        unit = np.eye(len(points)) if self.factor is not None else None
        self.whitener = None if self.factor is None else linalg.solve_triangular(self.factor, unit, lower=True)
        self.weight = 1 / points.error
        self.target = self.white(points.y)
        self.curve = Curve(2.0, 6)
        self.free = form.free()
        self.center, self.width = np.zeros(5), np.full(5, np.inf)
        self.low = np.array([-form.reach, *BOUNDS[0, :2], math.log(BOUNDS[0, 2]), -np.inf])
        self.high = np.array([form.reach, *BOUNDS[1, :2], math.log(BOUNDS[1, 2]), np.inf])
        if form.timed:
            self._with_times()
        elif form.corrected:
            self.center[3], self.width[3] = math.log(OMEGA_PRIOR[0]), OMEGA_PRIOR[1]

    def _with_times(self) -> None:
        assert self.points.t is not None
        lone = np.ptp(self.points.x) == 0
        self.log_t = np.log(self.points.t)
        self.times, self.time_degree = max(self.points.distinct(self.points.t)), LONE_DEGREE if lone else TIME_DEGREE
        self.control_degree = 0 if lone else min(CONTROL_DEGREE, max(self.points.distinct(self.points.x)))
        if self.control_degree and (0 in self.free or 1 in self.free):
            self.free = [*self.free, 4]
            self.width[4] = STEEPNESS_PRIOR
        self.least = (min(1, self.control_degree) if 0 in self.free or 1 in self.free else 0), int(3 in self.free)
        self.low[3:], self.high[3:] = TIME_BOUNDS
        self.curve = Curve(1.0, self.control_degree, later=min(self.time_degree, self.times - 1))

    def white(self, values: np.ndarray) -> np.ndarray:
        """Values over errors, or decorrelated, so that each has unit variance; points on the last axis but one."""
        if self.whitener is None:
            return np.asarray(values * (self.weight if values.ndim == 1 else self.weight[:, None]))
        return np.asarray(self.whitener @ values)

    def power(self, exponents: np.ndarray) -> np.ndarray:
        """Size over the largest to the power of exponents ``(fits, 1)``, shape ``(fits, points)``."""
        return np.asarray((self.distinct**exponents).take(self.which, axis=1))

    @property
    def columns(self) -> int:
        """Number of linear coefficients."""
        return (self.curve.degree + 1) * (self.curve.later + 1) + sum(degree + 1 for degree in self._extra_degrees())

    def _extra_degrees(self) -> list[int]:
        """Degrees of G and H, as far as they are there."""
        corrected = [self.curve.correction] if self.form.corrected else []
        return corrected + ([ANALYTIC_DEGREE] if self.form.analytic else [])

    def internal(self, parameters: np.ndarray) -> np.ndarray:
        """Row of the model from (x_c, 1/nu, zeta/nu, omega or z), held ones at their values."""
        held = [p if value is None else value for p, value in zip(parameters, self.form.fixed, strict=True)]
        last = held[3] if self.form.timed else math.log(max(held[3], 1e-3))
        return np.array([(held[0] - self.middle) / self.half, *held[1:3], last, math.log(self.curve.steepness)])

    def external(self, rows: np.ndarray) -> np.ndarray:
        """(x_c, 1/nu, zeta/nu, omega or z) from one row or many."""
        found = np.array(rows[..., :4])
        found[..., 0] = self.middle + self.half * found[..., 0]
        if not self.form.timed:
            found[..., 3] = np.exp(found[..., 3])
        return found

    def inside(self, row: np.ndarray) -> np.ndarray:
        """A row moved just inside the limits."""
        moved = row.copy()
        moved[self.free] = np.clip(row, self.low + 1e-3, self.high - 1e-3)[self.free]
        return moved

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Scaled control u, x in half ranges and L over the largest, shape ``(fits, points)``."""
        return np.asarray((self.x - rows[:, :1]) * self.power(rows[:, 1:2]))

    def scaled_time(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln(t / L^z) mapped to [-1, 1], and half its range."""
        s = self.log_t - rows[:, 3:4] * self.log_size
        low, high = s.min(1, keepdims=True), s.max(1, keepdims=True)
        half = np.where(high > low, (high - low) / 2, 1.0)
        return (s - (high + low) / 2) / half, half

    def largest(self, row: np.ndarray) -> tuple[int, int]:
        """Largest degrees: in the time, less than the number of values of t / L^z that are apart."""
        s = np.sort(self.log_t - row[3] * self.log_size)
        apart = max(self.times, 1 + int((np.diff(s) > TIME_GAP).sum()))
        return self.control_degree, min(self.time_degree, apart - 1)

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Degree in the control and factor, shape ``(fits, points)``, of F and as far as they are there G and H."""
        factor = np.ones((len(rows), len(self.x))) if self.form.fixed[2] == 0 else self.power(rows[:, 2:3])
        yield self.curve.degree, factor
        if self.form.corrected:
            fall = self.log_fall if self.form.logarithmic else self.power(-np.exp(rows[:, 3:4]))
            yield self.curve.correction, factor * fall
        if self.form.analytic:
            yield ANALYTIC_DEGREE, factor * (self.x - rows[:, :1])

    def basis(
        self, rows: np.ndarray, blocks: Iterable[tuple[int, np.ndarray]] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Basis ``(fits, points, columns)``, u, the polynomials in tanh(k u), and those in s where there are times."""
        u = self.scaled(rows)
        t = np.tanh(np.exp(rows[:, 4:5]) * u)
        by_control = chebyshevs(t, max(self.curve.degree, 1, *self._extra_degrees()))
        by_time = chebyshevs(self.scaled_time(rows)[0], self.curve.later) if self.form.timed else None
        basis, first = np.empty((len(u), self.columns, u.shape[1])).swapaxes(1, 2), 0
        for degree, factor in blocks or self.blocks(rows):
            part = by_control[..., : degree + 1]
            if by_time is not None:
                part = _products(part, by_time)
            last = first + part.shape[-1]
            np.multiply(part, factor[..., None], out=basis[..., first:last])
            first = last
        return basis, u, by_control, by_time

    def cost(self, row: np.ndarray) -> float:
        """chi2 with the best master function of one row, priors left out."""
        basis = self.white(self.basis(row[None])[0])
        target = np.broadcast_to(self.target, basis.shape[:2])
        return float(np.sum((target - _applied(*decomposed(basis, target)[:2])) ** 2))

    def changes(self, rows: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Basis with times, and of every free parameter its derivative, both of shape ``(fits, points, columns)``."""
        ((degree, factor),) = self.blocks(rows)
        basis, u, by_control, by_time = self.basis(rows)
        assert by_time is not None
        bend = (1 - by_control[..., 1] ** 2) * np.exp(rows[:, 4:5])
        by_u = (by_control[..., : max(degree, 1)] @ _slopes(degree)) * (factor * bend)[..., None]
        by_u = _products(by_u, by_time)
        rate = by_time[..., : max(self.curve.later, 1)] @ _slopes(self.curve.later)
        by_s = _products(by_control[..., : degree + 1] * factor[..., None], rate)
        found = {
            0: (-self.power(rows[:, 1:2]), by_u),
            1: (u * self.log_size, by_u),
            2: (np.broadcast_to(self.log_size, u.shape), basis),
            3: (-self.log_size / self.scaled_time(rows)[1], by_s),
            4: (u, by_u),
        }
        return basis, {name: found[name][0][..., None] * found[name][1] for name in self.free}

    def derivatives(
        self,
        rows: np.ndarray,
        blocks: list[tuple[int, np.ndarray]],
        found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None],
        coefficients: np.ndarray,
    ) -> np.ndarray:
        """Derivatives of the fitted values by the free parameters, the coefficients held, ``(fits, free, points)``."""
        basis, u, by_control, by_time = found
        main = (self.curve.degree + 1) * (self.curve.later + 1)
        if by_time is not None:
            by_u, by_s = self._timed(by_control, by_time, blocks[0], coefficients)
        else:
            by_u, first = np.zeros((len(coefficients), u.shape[1])), 0
            for degree, factor in blocks:
                slopes = coefficients[:, first : first + degree + 1] @ _slopes(degree).T
                by_u += factor * _applied(by_control[..., : max(degree, 1)], slopes)
                first += degree + 1
        by_u *= (1 - by_control[..., 1] ** 2) * np.exp(rows[:, 4:5])
        changes = np.empty((len(coefficients), len(self.free), u.shape[1]))
        for place, name in enumerate(self.free):
            change = changes[:, place]
            if name == 0:
                np.multiply(-self.power(rows[:, 1:2]), by_u, out=change)
                if self.form.analytic:
                    # The analytic term falls when x_c rises.
                    own = coefficients[:, -ANALYTIC_DEGREE - 1 :]
                    change -= blocks[0][1] * _applied(by_control[..., : ANALYTIC_DEGREE + 1], own)
            elif name == 2:
                np.multiply(self.log_size, _applied(basis, coefficients), out=change)
            elif name == 3 and by_time is not None:
                # The map of times to [-1, 1] depends on z too, but that changes no polynomial's degree: F takes it up.
                np.multiply(-self.log_size / self.scaled_time(rows)[1], by_s, out=change)
            elif name == 3:
                part = slice(main, main + self.curve.correction + 1)
                fall = -self.log_size * np.exp(rows[:, 3:4])
                np.multiply(fall, _applied(basis[..., part], coefficients[:, part]), out=change)
            else:
                np.multiply(u * self.log_size if name == 1 else u, by_u, out=change)
        return changes

    def _timed(
        self, by_control: np.ndarray, by_time: np.ndarray, block: tuple[int, np.ndarray], coefficients: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the sum of products by tanh(k u) and by the scaled time."""
        (degree, factor), later = block, self.curve.later
        matrix = coefficients.reshape(len(coefficients), degree + 1, later + 1)
        slope = by_control[..., : max(degree, 1)] @ (_slopes(degree) @ matrix)
        rate = by_time[..., : max(later, 1)] @ _slopes(later)
        return (slope * by_time).sum(-1) * factor, ((by_control[..., : degree + 1] @ matrix) * rate).sum(-1) * factor

    def residuals_and_jacobian(
        self, rows: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whitened residuals ``(fits, points + 5)``, five of them of priors, and their derivatives by what is free."""
        fits, n = len(rows), len(self.points)
        target = self.target[None] if target is None else target
        # Fits of many samples begin in the same row.
        first = rows[:1] if fits > 1 and (rows == rows[0]).all() else rows
        blocks = list(self.blocks(first))
        found = self.basis(first, blocks)
        q, inner, coefficients = decomposed(self.white(found[0]), target)
        residuals = np.empty((fits, n + 5))
        np.subtract(target, _applied(q, inner), out=residuals[:, :n])
        np.divide(self.center - rows, self.width, out=residuals[:, n:])
        change = self.derivatives(first, blocks, found, coefficients)
        change = change * self.weight if self.whitener is None else change @ self.whitener.T
        jacobian = np.zeros((fits, len(self.free), n + 5))
        np.subtract((change @ q) @ q.swapaxes(1, 2), change, out=jacobian[..., :n])
        for place, k in enumerate(self.free):
            jacobian[:, place, n + k] = -1 / self.width[k]
        return residuals, jacobian.swapaxes(1, 2)

    def solve(self, start: np.ndarray, target: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows and sums of squares of least-squares solutions, NaN where there is none inside the limits.

        Start values are ``(5,)`` or ``(fits, 5)``, whitened target values ``(fits, points)``, by default those of the
        points.
        """
        count = len(np.atleast_2d(start)) if target is None else len(target)
        rows = np.array(np.broadcast_to(start, (count, 5)), float)
        if not self.free:
            return rows, np.sum(self.residuals_and_jacobian(rows, target)[0] ** 2, axis=1)
        limits = 2 * self.low - 1, 2 * self.high + 1
        squares = np.empty(count)
        step = max(1, VALUES_AT_ONCE // len(self.points))
        for first in range(0, count, step):
            part = slice(first, first + step)
            own = None if target is None else target[part]
            rows[part], squares[part] = levenberg_marquardt(self, rows[part], own, limits)
        values = rows[:, self.free]
        good = ((values > self.low[self.free]) & (values < self.high[self.free])).all(1) & np.isfinite(squares)
        rows[~good], squares[~good] = np.nan, np.nan
        return rows, squares
