"""One least-squares collapse: the choice of its master function, its solution with errors, and fits like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg

from physnn.analysis.collapse.collapse import CollapseModel, chebyshevs
from physnn.analysis.collapse.least_squares import decomposed, triangles
from physnn.analysis.curves.points import Form, Points, Solution

STEEPNESS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""k u of the outermost point, from nearly straight to a step; one is chosen by information criterion (convention)."""
DEGREES = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14)
"""Degrees of the master curve F(u), chosen by information criterion (convention)."""
SPARE = 2
"""Degrees added to the choice: a master curve that is just flexible enough for its own data biases exponents."""
CORRECTION_DEGREES = (1, 2, 3, 5, 7)
"""Degrees of the amplitude G of the correction, chosen together with that of F (convention)."""
SPARE_CORRECTION = 1
"""Degrees added to the choice of G, for the reason of `SPARE`."""
LEAST_SHARE = 0.1
"""With less than this share of J^T J left without its noise, parameters are not determined (convention)."""


def akaike(chi2: Any, k: Any, count: int) -> Any:
    """Corrected criterion of Akaike, chi2 + 2 k + 2 k (k + 1)/(count - k - 1), of k coefficients and so many points.

    Without its last term a curve through nearly all points would win.
    """
    return chi2 + 2 * k + 2 * k * (k + 1) / np.maximum(count - k - 1, 1)


def choose_curve(model: CollapseModel, row: np.ndarray) -> np.ndarray | None:
    """Row with the steepness that the corrected criterion of Akaike prefers; degrees are set in the model.

    None where the points are too few for any master function.
    """
    n, fitted = len(model.points), len(model.free)
    widest = max(float(np.abs(model.scaled(row[None])).max()), 1e-12)
    timed, curve = model.form.timed, model.curve
    steepness = np.array(STEEPNESS if curve.degree else (1.0,)) / widest
    rows = np.repeat(row[None], len(steepness), axis=0)
    rows[:, 4] = np.log(steepness)
    degrees: tuple[int, ...] = DEGREES
    others: tuple[int, ...] = CORRECTION_DEGREES if model.form.corrected else (curve.correction,)
    if timed:
        largest = model.largest(row)
        degrees, others = tuple(range(model.least[0], largest[0] + 1)), tuple(range(model.least[1], largest[1] + 1))
    found = _nested(model, rows, degrees, others)
    k = found.columns[:, :, None] + fitted
    criteria = np.where(found.known & (n - k >= 3), akaike(found.chi2, k, n), np.inf)
    other, degree, place = np.unravel_index(int(criteria.argmin()), criteria.shape)
    if criteria[other, degree, place] == np.inf:
        model.curve = replace(curve, degree=0)
        return None
    best = replace(curve, degree=degrees[degree], steepness=float(steepness[place]))
    model.curve = replace(best, **{"later" if timed else "correction": others[other]})
    if not timed:
        _spare(model, n - fitted)
    model.center[4] = np.log(model.curve.steepness)
    return np.append(row[:4], model.center[4])


@dataclass(frozen=True)
class _Nested:
    """chi2 with each degree of G or in the time, of F in the control, and row, shape ``(others, degrees, rows)``.

    ``columns``, shape ``(others, degrees)``, is the number of columns; ``known`` says whether they are independent.
    """

    chi2: np.ndarray
    columns: np.ndarray
    known: np.ndarray | bool


def _nested(model: CollapseModel, rows: np.ndarray, degrees: tuple[int, ...], others: tuple[int, ...]) -> _Nested:
    """Least squares of all degrees from one decomposition: the columns of F come last, by degree in the control."""
    timed, degree, most = model.form.timed, max(degrees), max(others)
    model.curve = replace(model.curve, degree=degree, **{"later" if timed else "correction": most})
    basis, main = model.white(model.basis(rows)[0]), (degree + 1) * (model.curve.later + 1)
    whole, place = np.empty((len(rows), model.columns + 1, basis.shape[1])).swapaxes(1, 2), np.arange(model.columns + 1)
    whole[..., : -main - 1], whole[..., -main - 1 : -1] = basis[..., main:], basis[..., :main]
    whole[..., -1] = model.target
    whole = triangles(whole)
    chi2, columns, known, lower = [], [], [], degree - np.array(degrees)
    for other in others:
        # A triangle without some of its columns is soon one again.
        kept = place % (most + 1) <= other if timed else (place <= other) | (place > most)
        kept[-1] = True
        rest = whole[:, other + 1 :, np.flatnonzero(kept & (place > other))]
        if other < most:
            rest = triangles(rest)
        left = np.cumsum(rest[:, ::-1, -1] ** 2, axis=1)[:, ::-1]
        number = np.count_nonzero(kept) - 1 - lower * (other + 1 if timed else 1)
        columns.append(number)
        # Where columns are as many as points nothing is left.
        chi2.append(left[:, np.minimum(number - other - 1, left.shape[1] - 1)].T)
        if timed:
            # Only products of polynomials become dependent long before points run out.
            ends = [np.abs(np.einsum("skk->sk", part[..., : part.shape[1]])) for part in (whole[:, : other + 1], rest)]
            diagonal = np.concatenate(ends, axis=1)[:, : kept.sum() - 1]
            safe = np.minimum.accumulate(diagonal, 1) >= 1e-9 * np.maximum.accumulate(diagonal, 1)
            known.append(safe[:, np.minimum(number, safe.shape[1]) - 1].T)
    return _Nested(np.array(chi2), np.array(columns), np.array(known) if timed else True)


def _spare(model: CollapseModel, most: int) -> None:
    """Add the spare degrees of F and G as far as points allow."""
    for name, spare in (("degree", SPARE), ("correction", SPARE_CORRECTION if model.form.corrected else 0)):
        for _ in range(spare):
            before = model.curve
            model.curve = replace(before, **{name: getattr(before, name) + 1})
            if most - model.columns < 3:
                model.curve = before


def solution(model: CollapseModel, row: np.ndarray) -> Solution | None:
    """Least-squares solution with all that it rests on; None if points with times do not determine all parameters."""
    free, n = model.free, len(model.points)
    residuals, jacobian = (found[0] for found in model.residuals_and_jacobian(row[None]))
    covariance, stretch = np.zeros((5, 5)), np.eye(5)
    block = np.ix_(free, free)
    if model.form.timed and free:
        both = _covariances(jacobian, _noise(model, row))
        if both is None:
            return None
        covariance[block], drawn = both
        stretch[block] = np.linalg.cholesky(covariance[block]) @ np.linalg.inv(np.linalg.cholesky(drawn))
    elif free:
        covariance[block] = _inverse(jacobian.T @ jacobian)
    parameters = model.external(row)
    unit = np.array([model.half, 1.0, 1.0, 1.0 if model.form.timed else parameters[3]])
    named = [k for k in free if k < 4]
    rest = model.target - residuals[:n]
    return Solution(
        parameters=parameters,
        covariance=covariance[:4, :4] * np.outer(unit, unit),
        chi2=float(np.sum((residuals if model.form.timed else residuals[:n]) ** 2)),
        dof=n - model.columns - len(free),
        curve=replace(model.curve, steepness=float(np.exp(model.center[4]))) if model.form.timed else model.curve,
        half=model.half,
        largest=float(model.points.L.max()),
        residuals=residuals[:n],
        fitted=rest * model.points.error if model.factor is None else model.factor @ rest,
        jacobian=jacobian[:n, : len(named)] / unit[named],
        row=row,
        stretch=stretch,
    )


def _inverse(square: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric matrix, without the directions that rounding leaves none of."""
    values, vectors = np.linalg.eigh(square)
    size = np.abs(values)
    kept = size > len(square) * np.finfo(float).eps * size.max()
    return np.asarray((vectors[:, kept] / values[kept]) @ vectors[:, kept].T)


def _noise(model: CollapseModel, row: np.ndarray) -> np.ndarray:
    """Mean of J^T J, J the derivatives, that comes from the errors of the coefficients of F."""
    basis, changes = model.changes(row[None])
    q, r = np.linalg.qr(model.white(basis)[0])
    parts = []
    for each in changes.values():
        change = model.white(each[0])
        part = linalg.solve_triangular(r, change.T, trans="T", check_finite=False).T
        parts.append((part - q @ (q.T @ part)).ravel())
    return np.asarray(np.array(parts) @ np.array(parts).T)


def _covariances(jacobian: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Covariance of the parameters and that of a parametric bootstrap; None if there is none.

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


def fit_from(points: Points, form: Form, start: np.ndarray, rounds: int = 2) -> Solution | None:
    """Fit from start values, the master function chosen there and at every solution but the last.

    None where there is no fit, or where times of different sizes do not meet at the fitted z.
    """
    if not form.timed and (len(points) < len(form.free()) + 7 or len(points.sizes) < 2):
        return None
    model = CollapseModel(points, form)
    row = model.inside(model.internal(start))
    for _ in range(rounds):
        before = model.curve
        chosen = choose_curve(model, row)
        if chosen is None:
            return None
        if before == model.curve:
            break
        row = model.solve(chosen)[0][0]
        if not np.isfinite(row).all():
            return None
    return solution(model, row) if not form.timed or points.meet(row[3]) else None


def like(points: Points, form: Form, found: Solution) -> CollapseModel:
    """Model of points with the master function's steepness and degrees of a solution."""
    model = CollapseModel(points, form)
    rescaled = float((found.largest / points.L.max()) ** -found.parameters[1]) * model.half / found.half
    model.curve = replace(found.curve, steepness=found.curve.steepness * rescaled)
    model.center[4] = np.log(model.curve.steepness)
    return model


def fit_like(points: Points, form: Form, found: Solution, start: np.ndarray) -> Solution | None:
    """Fit other points with the master function's steepness and degrees of a solution; None where there is no fit."""
    model = like(points, form, found)
    row = model.solve(model.inside(model.internal(start)))[0][0]
    return solution(model, row) if np.isfinite(row).all() else None


def fits_along(points: Points, form: Form, found: Solution, omegas: np.ndarray) -> list[tuple[Form, Solution]]:
    """Fits with omega held at each of many values, the master function that of a solution; those there are."""
    forms = [replace(form, fixed=(*form.fixed[:3], float(omega))) for omega in omegas]
    model = like(points, forms[0], found)
    starts = np.repeat(model.inside(model.internal(found.parameters))[None], len(omegas), axis=0)
    starts[:, 3] = np.log(omegas)
    rows = model.solve(starts)[0]
    pairs = zip(forms, rows, strict=True)
    return [(one, each) for one, row in pairs if np.isfinite(row).all() and (each := solution(model, row))]


def refit(points: Points, form: Form, found: Sequence[Solution], values: np.ndarray) -> np.ndarray:
    """Parameters fitted to other values ``(fits, points)`` of the same points, ``(fits, 4)``; NaN without a fit.

    Every row has its solution, all with one master function.  Deviations from a solution are stretched to those with
    its covariance, see `Solution.stretch`.
    """
    model = like(points, form, found[0])
    before, stretch = np.array([s.row for s in found]), np.array([s.stretch for s in found])
    rows = model.solve(before, model.white(values.T).T)[0]
    return model.external(before + np.einsum("fij,fj->fi", stretch, rows - before))


def correction_share(points: Points, form: Form, found: Solution) -> float:
    """Range of the other terms of a fit over that of its master function, dimensionless; the median over sizes."""
    model, main = like(points, form, found), found.curve.degree + 1
    basis, coefficients = _linear(model, found.row)
    order = np.argsort(model.which, kind="stable")
    first = np.flatnonzero(np.diff(model.which[order], prepend=-1))
    parts = np.array([basis[:, main:] @ coefficients[main:], basis[:, :main] @ coefficients[:main]])[:, order]
    rest, own = np.maximum.reduceat(parts, first, axis=1) - np.minimum.reduceat(parts, first, axis=1)
    return float(np.median(rest / np.maximum(own, 1e-300)))


def _linear(model: CollapseModel, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Basis ``(points, columns)`` of one row and its best coefficients."""
    basis = model.basis(row[None])[0]
    return basis[0], decomposed(model.white(basis), model.target[None])[2][0]


def without_corrections(points: Points, form: Form, found: Solution) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Master function of a fit, and what is left of its points without the other terms.

    Returns
    -------
    corrected : ndarray, shape (points,)
        (y L^(-zeta/nu)) less (x - x_c) H(u) and L^-omega G(u): what the eye compares with F.
    u, F : ndarray, shape (200,)
        Scaled control from its least to its largest value, and F(u).
    """
    model, main = like(points, form, found), found.curve.degree + 1
    basis, coefficients = _linear(model, found.row)
    x_c, inverse_nu, zeta = found.parameters[:3]
    rest = basis[:, main:] @ coefficients[main:]
    scaled = (points.x - x_c) * points.L**inverse_nu
    u = np.linspace(scaled.min(), scaled.max(), 200)
    inner = u / (model.half * found.largest**inverse_nu)
    t = np.tanh(np.exp(found.row[4]) * inner)
    curve = chebyshevs(t, max(model.curve.degree, 1))[:, :main] @ coefficients[:main]
    return (points.y - rest) * points.L**-zeta, u, curve * points.L.max() ** -zeta
