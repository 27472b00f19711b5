"""Curves from a plain table of values with errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from physnn import rng
from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.collapse.search import search
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.interpolation import interpolation, rounding, with_control_errors
from physnn.analysis.curves.observables import OBSERVABLES
from physnn.analysis.curves.points import Form, Points, draw
from physnn.analysis.curves.roughness import roughness, shared_correlation, width
from physnn.analysis.curves.section import Section, critical_value, section
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.fit import Fit, Omega, fit_curves, omega_of
from physnn.analysis.verdict.size_law import SizeLaw, size_law
from physnn.errors import InputError

LEAST_WITHOUT_ERRORS = 6
"""Points of a size from which errors can be told from the scatter about a smooth curve: a cubic has four numbers."""
WITHOUT_ERRORS = "the table has no errors: they were estimated from the scatter about smooth curves"
CONTROL_ERRORS = "errors of the control parameter are carried into those of the values by the slopes of the curves"
"""Remarks on errors of a table."""
SYMBOLS = {"t": "T", "temperature": "T", "beta": "beta", "eta": "eta", "p": "p", "k": "K"}
"""Symbols of control parameters by their names in small letters."""
KNOWN_OBSERVABLES = {
    "binder": ("binder", True),
    "u4": ("binder", True),
    "u_4": ("binder", True),
    "xi_over_l": ("xi_over_L", True),
    "xi/l": ("xi_over_L", True),
    "rmse": ("rmse", True),
    "overlap": ("overlap", True),
    "m": ("m_abs", False),
    "m_abs": ("m_abs", False),
    "|m|": ("m_abs", False),
    "magnetisation": ("m_abs", False),
    "magnetization": ("m_abs", False),
    "chi": ("chi", False),
    "chi_abs": ("chi_abs", False),
    "chi_m": ("chi_m", False),
    "susceptibility": ("chi", False),
    "c": ("c", False),
    "specific_heat": ("c", False),
}
"""Names of observables, in small letters: what they are called here, and whether they are dimensionless."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table, of equal length, with names, and remarks on changes of the numbers on reading.

    Control values are NaN where the table has none.
    """

    L: np.ndarray
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray | None
    control: str = "x"
    observable: str = "value"
    t: np.ndarray | None = None
    x_error: np.ndarray | None = None
    remarks: tuple[str, ...] = ()


@overload
def fit_arrays(
    L: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    error: ArrayLike | None = None,
    *,
    covariance: ArrayLike | None = None,
    control: str = "x",
    observable: str = "value",
    zeta: float | Literal["free"] | None = None,
    omega: Omega = None,
    critical_point: float | None = None,
    inverse_nu: float | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Fit: ...


@overload
def fit_arrays(
    L: ArrayLike,
    x: ArrayLike | None,
    y: ArrayLike,
    error: ArrayLike | None = None,
    *,
    at_criticality: float | Estimate | Literal[True],
    covariance: ArrayLike | None = None,
    control: str = "x",
    observable: str = "value",
    omega: Omega = None,
) -> SizeLaw: ...


def fit_arrays(
    L: ArrayLike,
    x: ArrayLike | None,
    y: ArrayLike,
    error: ArrayLike | None = None,
    *,
    at_criticality: float | Estimate | Literal[True] | None = None,
    covariance: ArrayLike | None = None,
    control: str = "x",
    observable: str = "value",
    zeta: float | Literal["free"] | None = None,
    omega: Omega = None,
    critical_point: float | None = None,
    inverse_nu: float | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Fit | SizeLaw:
    """Verdict on points (L, x, y), and where curves cross critical point and exponents.

    This is what ``physnn fit TABLE`` does, on arrays; it needs numpy and scipy alone.

    Parameters
    ----------
    L, x, y, error : array_like
        Size, control value, value and standard error of every point, each of shape ``(points,)``.  Without errors
        they are estimated from the scatter about smooth curves.  At criticality x may be None.
    at_criticality : float, Estimate or True, optional
        Fit a power law or a logarithm in L at this control value, or at the only one there is.  An estimate's error is
        carried into the values.
    covariance : array_like, optional
        Covariance of the values, shape ``(points, points)``; takes the place of the errors.
    control, observable : str
        Names.  Observables known not to be dimensionless (``m_abs``, ``chi``, ``c``) have zeta/nu fitted by default.
    zeta, omega, critical_point, inverse_nu, resamples
        As in `physnn.fit`.
    seed : int
        Seed of the resampling.

    Raises
    ------
    InputError
        If lengths differ, numbers are not finite, errors or sizes not positive, points repeated, there is one size, or
        the control value lies outside the data.

    Examples
    --------
    >>> answer = fit_arrays(L, T, U4, U4_error, control="T", observable="binder")
    >>> print(answer.verdict, answer.collapse.critical_point)
    """
    alone = x is None
    sizes, places, values = (np.asarray(c, float).ravel() for c in (L, np.zeros(np.shape(L)) if alone else x, y))
    errors = None if error is None else np.asarray(error, float).ravel()
    table = Columns(sizes, places, values, errors, control, observable)
    _check(table)
    matrix = None if covariance is None else np.asarray(covariance, float)
    if matrix is not None and (matrix.shape != (len(sizes),) * 2 or not np.isfinite(matrix).all()):
        raise InputError(f"the covariance must be {len(sizes)} x {len(sizes)} finite numbers")
    if at_criticality is not None:
        if any(held is not None for held in (zeta, critical_point, inverse_nu)):
            raise InputError("zeta, critical_point and inverse_nu cannot be used with at_criticality")
        table = replace(table, x=np.full_like(places, np.nan) if alone else places)
        return size_law(section_of_table(table, matrix, critical_value(at_criticality)), omega)
    if alone:
        raise InputError("x may be None with at_criticality alone")
    generator = rng.stream(seed, "bootstrap", "arrays")
    curves, remarks = curves_of_table(table, matrix, max(1000, resamples), generator)
    answer = fit_curves(
        curves,
        Settings(zeta, omega_of(curves, omega), critical_point, inverse_nu, resamples, relaxed=omega is None),
        generator,
    )
    return replace(answer, remarks=(*remarks, *answer.remarks))


def _check(table: Columns) -> None:
    L, x, y, error = table.L, table.x, table.y, table.error
    given = [L, x, y] if error is None else [L, x, y, error]
    if len({len(column) for column in given}) != 1 or not len(L):
        raise InputError("L, x, y and error must have the same length, above 0")
    if not all(np.isfinite(column).all() for column in given):
        raise InputError("L, x, y and error must be finite; leave such points out")
    if (L < 1).any() or (np.round(L) != L).any():
        raise InputError("sizes L must be whole numbers from 1")
    if error is not None and (error <= 0).any():
        raise InputError("errors must be above 0; leave such points out")
    if len(set(zip(L.tolist(), x.tolist(), strict=True))) < len(L):
        raise InputError("points of equal L and x are repeated; average them first")


def section_of_table(table: Columns, covariance: np.ndarray | None, at: Estimate | None) -> Section:
    """Values of a table's sizes at one control value, or at the only one.

    The covariance of the values, in the table's order, takes the place of the errors.
    """
    order = np.lexsort((table.x, table.L))
    L, x, y = (column[order].astype(float) for column in (table.L, table.x, table.y))
    remarks: list[str] = []
    if covariance is not None:
        covariance = covariance[np.ix_(order, order)]
        error = np.sqrt(np.diag(covariance))
    elif table.error is not None:
        error = table.error[order].astype(float)
    else:
        error = np.concatenate([_scatter(x[s == L], y[s == L], int(s)) for s in np.unique(L)])
        remarks.append(WITHOUT_ERRORS)
    points = Points(L, x, y, error, covariance)
    if table.x_error is not None and covariance is None:
        if min(np.unique(L, return_counts=True)[1]) > 1:
            points = with_control_errors(points, table.x_error[order].astype(float))
            remarks.append(CONTROL_ERRORS)
        else:
            remarks.append("errors of the control parameter are left out: without neighbours there are no slopes")
    known = KNOWN_OBSERVABLES.get(table.observable.lower(), (table.observable, True))[0]
    symbol = OBSERVABLES[known].symbol if known in OBSERVABLES else known
    found = section(points, at, (SYMBOLS.get(table.control.lower(), table.control), known, symbol))
    return replace(found, remarks=(*table.remarks, *remarks, *found.remarks))


def curves_of_table(
    table: Columns, covariance: np.ndarray | None, resamples: int, generator: np.random.Generator
) -> tuple[Curves, list[str]]:
    """Curves of a table with samples drawn from its errors, and what was done to them.

    The covariance of the values, in the table's order, takes the place of the errors.
    """
    order = np.lexsort((table.x, table.L))
    L, x, y = table.L[order].astype(float), table.x[order].astype(float), table.y[order].astype(float)
    remarks: list[str] = []
    sizes = tuple(int(s) for s in np.unique(L))
    if len(sizes) < 2:
        raise InputError(f"the table holds one size only, L = {sizes[0]}; finite-size scaling needs two, better four")
    few = [s for s in sizes if np.count_nonzero(s == L) < 4]
    if few:
        raise InputError(f"L = {few[0]} has fewer than 4 points; measure more, or leave this size out")
    if covariance is not None:
        covariance = covariance[np.ix_(order, order)]
        error = np.sqrt(np.diag(covariance))
    elif table.error is not None:
        error = table.error[order].astype(float)
    else:
        error = np.concatenate([_scatter(x[s == L], y[s == L], s) for s in sizes])
        remarks.append(WITHOUT_ERRORS)
    points = Points(L, x, y, error, covariance)
    if table.x_error is not None and covariance is None:
        points = with_control_errors(points, table.x_error[order].astype(float))
        error = points.error
        remarks.append(CONTROL_ERRORS)
    known, dimensionless = KNOWN_OBSERVABLES.get(table.observable.lower(), (table.observable, True))
    noise = points
    if roughness(points).smooth:
        noise = _sharing(points, dimensionless)
    samples = draw(noise, y, resamples, generator)
    mine = {s: s == L for s in sizes}
    control = SYMBOLS.get(table.control.lower(), table.control)
    return Curves(
        sizes,
        {s: x[m] for s, m in mine.items()},
        {s: y[m] for s, m in mine.items()},
        {s: samples[:, m] for s, m in mine.items()},
        {s: error[m] for s, m in mine.items()},
        0,
        0,
        control,
        known,
        OBSERVABLES[known].symbol if known in OBSERVABLES else known,
        dimensionless,
        covariance=covariance,
        rounding=rounding(x, L) if covariance is None and table.x_error is None else 0.0,
    ), remarks


def is_dimensionless(observable: str) -> bool:
    """Whether zeta is 0 by default: it is unless a name is known to be otherwise."""
    return KNOWN_OBSERVABLES.get(observable.lower(), (observable, True))[1]


def _sharing(points: Points, dimensionless: bool) -> Points:
    """Points that share runs with the covariance this gives them, as far as the scale of it can be told."""
    found = search(points, Form((None, None, 0.0 if dimensionless else None, None)))
    if found is None:
        return points
    x_c, inverse_nu = found.parameters[:2]
    correlation = shared_correlation(points, x_c, inverse_nu, width(points, x_c, inverse_nu) / 2)
    correlation[np.diag_indices_from(correlation)] += 1e-6
    return Points(points.L, points.x, points.y, points.error, correlation * np.outer(points.error, points.error))


def _scatter(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """One error for all points of a size, from residuals about the smooth curve of least prediction error."""
    if len(x) < LEAST_WITHOUT_ERRORS:
        raise InputError(f"L = {size} has {len(x)} points without errors: give a column of errors")
    hat = interpolation(x, y, np.full(len(x), max(float(np.std(y)) * 1e-3, 1e-12)), x).matrix
    rest = y - hat @ y
    free = max(len(x) - float(np.trace(2 * hat - hat @ hat.T)), 1.0)
    error = float(np.sqrt(rest @ rest / free))
    return np.full(len(x), max(error, 1e-9 * max(float(np.ptp(y)), 1e-300)))
