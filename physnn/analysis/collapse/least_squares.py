"""Nonlinear least squares of many data sets at once, by the method of Levenberg and Marquardt.

K. Levenberg, Q. Appl. Math. 2 (1944) 164; D. W. Marquardt, J. SIAM 11 (1963) 431; steps scaled as by J. J. More,
Lect. Notes Math. 630 (1978) 105, damping after H. B. Nielsen, report IMM-REP-1999-05 (Technical University of Denmark).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from scipy.linalg import lapack

MOST_EVALUATIONS = 60
"""Most evaluations of one fit (convention: ten are usual)."""
FLAT_COST = 1e-6
"""Relative decrease of the sum of squares promised by a last step, which is not evaluated: for a chi2 of 100 the step
is 0.01 errors or less."""
STILL = 1e-7
"""Relative step from which a fit has converged."""
LEAST_KNOWN = 1e-10
"""Share of the largest element of a triangular matrix's diagonal below which a direction is not determined."""


class LeastSquares(Protocol):
    """Residuals with their derivatives, shapes ``(fits, values)`` and ``(fits, values, free)``."""

    free: list[int]

    def residuals_and_jacobian(
        self, rows: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residuals and derivatives by the free parameters of rows of parameters."""


def levenberg_marquardt(
    problem: LeastSquares, start: np.ndarray, target: Any, limits: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of parameters that make sums of squares least, and these sums.

    Start values are ``(fits, parameters)``; the target, if any, has a row for every fit and is passed on to the
    problem.  Steps end at the limits, the least and largest values of all parameters.
    """
    if len(start) == 1:
        return _alone(problem, start, target, limits)
    free, rows = problem.free, start.copy()
    residuals, jacobian = problem.residuals_and_jacobian(rows, target)
    cost = np.einsum("bn,bn->b", residuals, residuals)
    damping, growth, scale = np.full(len(rows), 1e-3), np.full(len(rows), 2.0), np.zeros((len(rows), len(free)))
    active = np.isfinite(cost) & np.isfinite(jacobian).all((1, 2))
    cost[~active] = np.nan
    for _ in range(MOST_EVALUATIONS):
        at = np.flatnonzero(active)
        if not len(at):
            break
        transposed = np.swapaxes(jacobian[at], 1, 2)
        gradient, square = (transposed @ residuals[at, :, None])[..., 0], transposed @ jacobian[at]
        diagonal = np.einsum("bkk->bk", square)
        scale[at] = np.maximum(scale[at], np.maximum(diagonal, 1e-12 * diagonal.max(1, keepdims=True) + 1e-300))
        trial = rows[at]
        square = square + (damping[at, None] * scale[at])[:, :, None] * np.eye(len(free))
        step = -np.linalg.solve(square, gradient[..., None])[..., 0]
        trial[:, free] = np.clip(trial[:, free] + step, limits[0][free], limits[1][free])
        promised = np.einsum("bk,bk->b", step, damping[at, None] * scale[at] * step - gradient)
        last = promised <= FLAT_COST * cost[at]
        rows[at[last]], active[at[last]] = trial[last], False
        at, trial, step, promised = at[~last], trial[~last], step[~last], promised[~last]
        if not len(at):
            break
        other, slopes = problem.residuals_and_jacobian(trial, None if target is None else target[at])
        changed = np.einsum("bn,bn->b", other, other)
        better = (changed < cost[at]) & np.isfinite(slopes).all((1, 2))
        length = np.sqrt(np.einsum("bk,bk->b", scale[at], step**2))
        size = np.sqrt(np.einsum("bk,bk->b", scale[at], rows[at][:, free] ** 2))
        done = length <= STILL * size
        gain = (cost[at] - changed) / np.maximum(promised, 1e-300)
        damping[at] *= np.where(better, np.maximum(1 / 3, 1 - (2 * np.where(better, gain, 0) - 1) ** 3), growth[at])
        growth[at] = np.where(better, 2.0, 2 * growth[at])
        moved = at[better]
        rows[moved], residuals[moved], jacobian[moved] = trial[better], other[better], slopes[better]
        cost[moved] = changed[better]
        active[at[done]] = False
    return rows, cost


def _alone(
    problem: LeastSquares, start: np.ndarray, target: Any, limits: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """One fit by the same steps: most of the time of few numbers would go to arrays of one row."""
    free, rows = np.array(problem.free), start.copy()
    low, high = limits[0][free], limits[1][free]
    residuals, jacobian = (found[0] for found in problem.residuals_and_jacobian(rows, target))
    cost = float(residuals @ residuals)
    if not (math.isfinite(cost) and np.isfinite(jacobian).all()):
        return rows, np.array([np.nan])
    damping, growth, scale = 1e-3, 2.0, np.zeros(len(free))
    gradient, square = residuals @ jacobian, jacobian.T @ jacobian
    for _ in range(MOST_EVALUATIONS):
        diagonal = square.diagonal()
        scale = np.maximum(scale, np.maximum(diagonal, 1e-12 * diagonal.max() + 1e-300))
        damped = square.copy()
        damped.flat[:: len(free) + 1] += damping * scale
        _, step, failed = lapack.dposv(damped, -gradient)
        if failed:
            step = np.linalg.solve(damped, -gradient)
        trial = rows.copy()
        trial[0, free] = np.minimum(np.maximum(rows[0, free] + step, low), high)
        promised = float(step @ (damping * scale * step - gradient))
        if promised <= FLAT_COST * cost:
            return trial, np.array([cost])
        other, slopes = (found[0] for found in problem.residuals_and_jacobian(trial, target))
        changed = float(other @ other)
        better = changed < cost and bool(np.isfinite(slopes).all())
        length, size = (math.sqrt(scale @ values**2) for values in (step, rows[0, free]))
        done = length <= STILL * size
        gain = (cost - changed) / max(promised, 1e-300)
        damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3) if better else growth
        growth = 2.0 if better else 2 * growth
        if better:
            rows, cost = trial, changed
            gradient, square = other @ slopes, slopes.T @ slopes
        if done:
            break
    return rows, np.array([cost])


def decomposed(basis: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal basis of the columns, the targets' components in it, and their linear coefficients, see below.

    Shapes are ``(fits, points, columns)``, ``(fits, columns)`` and ``(fits, columns)``; targets ``(fits, points)``.
    One basis may serve all targets, and one target all bases.
    """
    fits, n, columns = basis.shape
    if n <= columns:
        q, r = np.linalg.qr(basis)
    elif fits == 1:
        factored, reflections = lapack.dgeqrf(basis[0])[:2]
        q, r = lapack.dorgqr(factored, reflections)[0][None], factored[None, :columns]
    else:
        # Calls of one routine for each of many small matrices cost less than those of a general one for all.
        q, r = np.empty((fits, columns, n)).swapaxes(1, 2), np.empty((fits, columns, columns))
        for one, triangle, rotated in zip(basis, r, q, strict=True):
            factored, reflections = lapack.dgeqrf(one)[:2]
            triangle[:] = factored[:columns]
            rotated[:] = lapack.dorgqr(factored, reflections, overwrite_a=1)[0]
    if fits != 1:
        inner = np.matmul(target[:, None], q)[:, 0]
        return q, inner, solve_upper(np.triu(r), inner)
    inner, diagonal = target @ q[0], np.abs(r[0].diagonal())
    if n > columns and diagonal.min() > LEAST_KNOWN * diagonal.max():
        return q, inner, lapack.dtrtrs(r[0], inner.T)[0].T
    return q, inner, solve_upper(np.broadcast_to(np.triu(r), (len(target), *r.shape[1:])), inner)


def triangles(matrices: np.ndarray) -> np.ndarray:
    """Upper triangle R of each matrix ``(matrices, rows, columns)``, shape ``(matrices, least, columns)``."""
    count, rows, columns = matrices.shape
    found = np.empty((count, min(rows, columns), columns))
    for triangle, matrix in zip(found, matrices, strict=True):
        triangle[:] = lapack.dgeqrf(matrix)[0][: len(triangle)]
    found *= _upper(*found.shape[1:])
    return found


@lru_cache
def _upper(rows: int, columns: int) -> np.ndarray:
    return np.triu(np.ones((rows, columns)))


def solve_upper(r: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Linear coefficients of ``r c = inner``; directions that the points do not determine stay zero."""
    diagonal = np.abs(np.einsum("bkk->bk", r))
    known = diagonal.min(1) > LEAST_KNOWN * diagonal.max(1)
    if known.all():
        return np.asarray(np.linalg.solve(r, inner[..., None])[..., 0])
    found = np.empty_like(inner)
    found[known] = np.linalg.solve(r[known], inner[known][..., None])[..., 0]
    for k in np.flatnonzero(~known):
        found[k] = np.linalg.lstsq(r[k], inner[k], rcond=LEAST_KNOWN)[0]
    return found
