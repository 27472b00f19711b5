"""Values of all sizes at one control value: measured there, or interpolated between neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from physnn.analysis.curves.interpolation import MOST_DECIMALS, interpolation
from physnn.analysis.curves.points import Points
from physnn.analysis.curves.roughness import roughness
from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

WITHIN_STEP = 1e-3
"""Share of the distance to the next control value by which one that is asked for may be rounded (convention)."""
EQUAL_CONTROL = 1e-9
"""Relative difference of control values that are the same number, above rounding by the machine."""
NOISE_LEFT_OUT = 2.0
"""Mean squared error of leaving out a point, in squared errors, that noise makes: its own and its neighbours'."""
BENT = 0.5
"""Errors by which a curve may leave its tangent within the error of the control value (convention)."""


@dataclass(frozen=True)
class Section:
    """Values of all sizes at one control value.

    Attributes
    ----------
    L, y : ndarray
        Sizes, increasing, and values, shape ``(sizes,)``.
    covariance : ndarray
        That of the values, ``(sizes, sizes)``; an error of the control value is in it, the same one for all sizes.
    at : Estimate or None
        The control value, with error 0 where it is exact; None where the data have no control.
    control, observable, symbol : str
        Names.
    dof : float
        Degrees of freedom of the errors, as in `physnn.analysis.curves.curves.Curves`.
    remarks : tuple of str
        What was done to the numbers.
    """

    L: np.ndarray
    y: np.ndarray
    covariance: np.ndarray
    at: Estimate | None = None
    control: str = "x"
    observable: str = "value"
    symbol: str = "value"
    dof: float = np.inf
    remarks: tuple[str, ...] = ()

    @property
    def error(self) -> np.ndarray:
        """Standard errors of the values."""
        return np.sqrt(np.diag(self.covariance))

    def place(self) -> str:
        """Control value in words, as in ``T = 2.2692(3)``."""
        return f"{self.control} = {self.at}" if self.at else "one control value"


def critical_value(at: float | Estimate | Literal[True]) -> Estimate | None:
    """Control value that is asked for, with error 0 if it has none; None for the only one there is.

    Raises
    ------
    InputError
        If it is not finite, or its error is negative.
    """
    if at is True:
        return None
    found = at if isinstance(at, Estimate) else Estimate(float(at), 0.0)
    if not (np.isfinite(found.value) and np.isfinite(found.error) and found.error >= 0):
        raise InputError(f"the critical value must be a finite number with an error from 0, not {at}")
    return found


def section(
    points: Points, at: Estimate | None, names: tuple[str, str, str], samples: np.ndarray | None = None,
    dof: float = np.inf,
) -> Section:  # fmt: skip
    """Values at one control value with their covariance.

    Parameters
    ----------
    points : Points
        All points; control values are NaN where there is no control.
    at : Estimate or None
        The control value; None if the points have one only.
    names : tuple of str
        Control, observable and symbol of the observable.
    samples : ndarray, optional
        Bootstrap samples of all points, ``(resamples, points)``, where values of different sizes are correlated.
    dof : float
        Degrees of freedom of the errors.

    Raises
    ------
    InputError
        If there is one size only, the control value is not said or lies outside the data of a size.
    """
    if len(points.sizes) < 2:
        raise InputError(f"there is one size only, L = {points.sizes[0]}; a law in L needs three, better five")
    at = at or _only(points, names[0])
    rows, weights = [], np.zeros((3, len(points.sizes), len(points)))
    for k, L in enumerate(points.sizes):
        mine = np.flatnonzero(points.L == L)
        mine = mine[np.argsort(points.x[mine])]
        rows.append(_row(points.chosen(mine), at, names[0]))
        weights[:, k, mine] = rows[k].weights
    value = weights[0]
    if samples is not None:
        covariance = np.atleast_2d(np.cov(samples @ value.T, rowvar=False))
    elif points.covariance is not None:
        covariance = value @ points.covariance @ value.T
    elif roughness(points).smooth:  # shared runs: what is averaged does not average out
        covariance = np.diag((np.abs(value) @ points.error) ** 2)
    else:
        covariance = np.diag(value**2 @ points.error**2)
    covariance = covariance + np.diag([row.bias for row in rows])
    remarks = _interpolated(points.sizes, rows, at, names[0])
    if at and at.error:
        change, bend = weights[1:] @ points.y * [[at.error], [at.error**2]]
        remarks += _carried(points.sizes, rows, bend, np.hypot(change, np.sqrt(np.diag(covariance))), names[0])
        covariance = covariance + np.outer(change, change)
    return Section(np.array(points.sizes, float), value @ points.y, covariance, at, *names, dof, tuple(remarks))


@dataclass(frozen=True)
class _Row:
    """How the value of one size comes from its points.

    ``weights`` are those of the value, of its slope and of half its curvature in the control, ``(3, points)``; the
    latter two are 0 without neighbours.  ``bias`` is the variance of what the interpolation may miss.
    """

    weights: np.ndarray
    bias: float = 0.0
    interpolated: bool = False


def _only(points: Points, control: str) -> Estimate | None:
    """Control value that all points share; None where there is no control."""
    x = points.x
    if np.isnan(x).all():
        return None
    low, high = float(x.min()), float(x.max())
    if high - low > EQUAL_CONTROL * max(abs(low), abs(high)):
        raise InputError(
            f"there are {len(np.unique(x))} values of {control}, {low:.6g} to {high:.6g}: say which one is critical"
        )
    return Estimate(low, 0.0)


def _row(points: Points, at: Estimate | None, control: str) -> _Row:
    """Weights of one size, whose control values increase or are not known."""
    L, count, x = points.sizes[0], len(points), points.x
    lone = _Row(np.array([[1.0], [0.0], [0.0]]))
    if np.isnan(x).all():
        if count > 1:
            raise InputError(f"L = {L} has {count} rows without a control value: average them first")
        return lone
    assert at is not None
    measured = _measured(x, at.value)
    if measured is None and not x[0] <= at.value <= x[-1]:
        where = f"{x[0]:.6g}" if count == 1 else f"{x[0]:.6g} to {x[-1]:.6g}"
        raise InputError(f"{control} = {at.value:.6g} is outside the data of L = {L}: {where}")
    if count == 1:
        return lone
    step = min(at.error or 0.01 * float(np.diff(x).min()), float(np.ptp(x)) / 2)
    middle = float(np.clip(at.value, x[0] + step, x[-1] - step))
    places = np.array([at.value, middle - step, middle, middle + step])
    matrix, bias = _smooth(points, places)
    slope, bend = (matrix[3] - matrix[1]) / (2 * step), (matrix[3] + matrix[1] - 2 * matrix[2]) / (2 * step**2)
    if measured is None:
        return _Row(np.stack([matrix[0], slope, bend]), bias, True)
    return _Row(np.stack([np.eye(count)[measured], slope, bend]))


def _smooth(points: Points, places: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights ``(places, points)`` of a smooth curve through one size, and the variance of its bias at the first."""
    if len(points) > 3:
        curve = interpolation(points.x, points.y, points.error, places)
        return curve.matrix, max(0.0, curve.chi2 - NOISE_LEFT_OUT) * float(np.mean(points.error**2))
    matrix = _polynomial(points.x, places)
    if len(points) == 2:
        return matrix, 0.0
    near = np.argsort(np.abs(points.x - places[0]))[:2]
    line = _polynomial(points.x[near], places[:1])[0] @ points.y[near]
    return matrix, float(matrix[0] @ points.y - line) ** 2


def _polynomial(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights ``(asked, points)`` of the polynomial through all points."""
    inner, asked = (np.vander((each - x[0]) / np.ptp(x), len(x)) for each in (x, at))
    return np.asarray(np.linalg.solve(inner.T, asked.T).T)


def _measured(x: np.ndarray, value: float) -> int | None:
    """Position of the control value that is the one asked for, within the decimals of either; None if there is none."""
    k = int(np.argmin(np.abs(x - value)))
    others = np.delete(x, k)
    apart = float(np.abs(others - x[k]).min()) if len(others) else abs(value)
    half = 0.5 * 10.0 ** -min(_decimals(x), _decimals(np.array([value])))
    return k if abs(x[k] - value) <= max(EQUAL_CONTROL * abs(value), min(half, WITHIN_STEP * apart)) else None


def _decimals(x: np.ndarray) -> int:
    return next((d for d in range(MOST_DECIMALS) if np.array_equal(np.round(x, d), x)), MOST_DECIMALS)


def _interpolated(sizes: Sequence[int], rows: Sequence[_Row], at: Estimate | None, control: str) -> list[str]:
    """Remarks on sizes that were not measured at the control value."""
    found = [L for L, row in zip(sizes, rows, strict=True) if row.interpolated]
    if not found or at is None:
        return []
    remarks = [f"values of L = {_list(found)} at {control} = {at.value:.9g} are interpolated between neighbours"]
    if straight := [L for L, row in zip(sizes, rows, strict=True) if row.interpolated and row.weights.shape[1] == 2]:
        remarks.append(f"L = {_list(straight)}: two control values do not tell whether the curve bends between them")
    return remarks


def _carried(
    sizes: Sequence[int], rows: Sequence[_Row], bend: np.ndarray, error: np.ndarray, control: str
) -> list[str]:
    """Remarks on an error of the control value; bends of the curves within it and errors are ``(sizes,)``."""
    lone = [L for L, row in zip(sizes, rows, strict=True) if row.weights.shape[1] == 1]
    if lone:
        return [f"L = {_list(lone)}: no neighbouring values give the slope by which the error of {control} would enter"]
    far = [L for L, each, limit in zip(sizes, np.abs(bend), BENT * error, strict=True) if each > limit]
    remarks = [f"the error of {control} is carried into the values of all sizes together, by their slopes"]
    if far:
        remarks.append(f"L = {_list(far)}: the curve is not straight within the error of {control}: errors are rough")
    return remarks


def _list(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))
