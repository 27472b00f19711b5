"""Curves that join and stay together: a power law against a Kosterlitz-Thouless form.

Beyond the point x_c where the curves split, at the distance t, the correlation length is t^-nu or exp(b / sqrt(t))
(J. M. Kosterlitz, J. Phys. C 7 (1974) 1046), so y depends on ln L + nu ln t or on ln L - b / sqrt(t); where they are
joined, y depends on x alone.  Both forms have the same number of coefficients, so their likelihoods compare them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special
from scipy.linalg import lapack

from physnn.analysis.collapse.collapse import CollapseModel, chebyshevs
from physnn.analysis.curves.crossing import Pair
from physnn.analysis.curves.points import Form, Points
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.plain import fields_json

JOINED = 0.2
"""Least share of the range over which curves must be joined (convention)."""
ACCEPTABLE_FORM = 0.01
"""Least p-value of a form (convention: forms hold near the splitting only)."""
DECISIVE = 6.0
"""Difference of 2 ln(likelihood) from which one form is favoured: about 20 to 1 (Kass and Raftery 1995: strong)."""
SPLIT_STEEPNESS = (0.3, 0.6, 1.0, 1.6)
"""Steepness values of the tanh that are tried (convention)."""
SPLIT_DEGREE = 9
"""Degree of the polynomial beyond the splitting (convention)."""
COARSE_SPLIT_DEGREE = 6
"""Degree beyond the splitting while minima are searched."""
JOINED_DEGREE = 3
"""Degree of the polynomial on the joined side (convention)."""
FORM_LIMITS = {"power": (0.2, 8.0), "kosterlitz-thouless": (0.05, 20.0)}
"""Values of nu and of b (in units of the square root of half the range) that are tried."""

Name = Literal["power", "kosterlitz-thouless"]


@dataclass(frozen=True)
class Joined:
    """One form fitted to joining curves, which split at the critical point (error from the profile of chi2).

    The exponent is nu, or b in units of the control's square root.
    """

    name: Name
    critical_point: Estimate
    exponent: float
    chi2: float
    dof: int

    @property
    def p_value(self) -> float:
        """Probability of a chi2 at least as large."""
        return float(special.chdtrc(self.dof, self.chi2))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "critical_point": self.critical_point.as_json(),
            "nu" if self.name == "power" else "b": self.exponent,
            "chi2_per_dof": self.chi2 / self.dof,
            "p_value": self.p_value,
            "log_likelihood": -self.chi2 / 2,
        }


@dataclass(frozen=True)
class Merging:
    """Both forms side by side; ``favoured`` is None where neither is by `DECISIVE`."""

    power: Joined
    kosterlitz_thouless: Joined
    favoured: Name | None

    @property
    def best(self) -> Joined:
        """The form with the larger likelihood."""
        return min(self.power, self.kosterlitz_thouless, key=lambda j: j.chi2)

    def as_json(self) -> dict[str, Any]:
        """Both forms as plain data."""
        return fields_json(self)


def split_sides(pair: Pair) -> list[int]:
    """Sides on which two curves may differ beyond a joined part: +1 for large control values, -1 for small.

    They must differ with one sign only and be indistinguishable over a fifth of the range at the other end.
    """
    marked = np.flatnonzero(pair.signs)
    if len(marked) == 0 or len(set(pair.signs[marked])) > 1:
        return []
    x = pair.at
    least = JOINED * (x[-1] - x[0])
    joined = ((1, x[marked[0]] - x[0]), (-1, x[-1] - x[marked[-1]]))
    return [side for side, length in joined if length >= least]


def merging(points: Points, pair: Pair) -> Merging | None:
    """Fit both forms to curves that join; None where they do not, or neither form is acceptable."""
    found = [fit for side in split_sides(pair) if (fit := _both(points, pair, side)) is not None]
    return min(found, key=lambda m: m.best.chi2, default=None)


def _both(points: Points, pair: Pair, side: int) -> Merging | None:
    """Fit both forms with the curves split on one side."""
    marked = np.flatnonzero(pair.signs)
    edge = float(pair.at[marked[0] if side > 0 else marked[-1]])
    power, kosterlitz = _fit(points, side, edge, "power"), _fit(points, side, edge, "kosterlitz-thouless")
    if power is None or kosterlitz is None or max(power.p_value, kosterlitz.p_value) < ACCEPTABLE_FORM:
        return None
    apart = power.chi2 - kosterlitz.chi2
    favoured: Name | None = None if abs(apart) < DECISIVE else "kosterlitz-thouless" if apart > 0 else "power"
    return Merging(power, kosterlitz, favoured)


def _fit(points: Points, side: int, edge: float, name: Name) -> Joined | None:
    middle = (points.x.max() + points.x.min()) / 2
    half = float(np.ptp(points.x)) / 2
    s = side * (points.x - middle) / half
    model = CollapseModel(points, Form())
    # The splitting point lies below the first significant difference and inside the data.
    first = side * (edge - middle) / half
    places = np.linspace(-0.95, min(0.9, first + 0.05), 32)

    def chi2(x_c: float, exponent: float, steepness: float, degree: int) -> float:
        basis = _basis(s, points.L, x_c, exponent, steepness, name, degree)
        if len(basis) <= basis.shape[1]:
            return 0.0
        # The last column of the triangle ends with the length of what the others leave of the target.
        triangle = lapack.dgeqrf(np.column_stack([model.white(basis), model.target]))[0]
        return float(triangle[basis.shape[1], basis.shape[1]] ** 2)

    low, high = np.log(FORM_LIMITS[name])
    coarse = np.linspace(low, high, 12)
    table = np.array(
        [[[chi2(x_c, np.exp(e), k, COARSE_SPLIT_DEGREE) for k in SPLIT_STEEPNESS] for e in coarse] for x_c in places]
    )
    dof = len(points) - (SPLIT_DEGREE + JOINED_DEGREE + 1) - 3
    if dof < 3:
        return None

    from scipy import optimize  # a tenth of a second that fits which cross do without

    def cost(v: np.ndarray) -> float:
        outside = max(0.0, abs(v[0]) - 0.97) + max(0.0, low - v[1], v[1] - high) + max(0.0, abs(v[2]) - 3)
        x_c, exponent, steepness = np.clip(v, [-0.99, low, -3], [0.99, high, 3]).tolist()
        found = chi2(x_c, math.exp(exponent), math.exp(steepness), SPLIT_DEGREE)
        return found + 1e6 * float(outside)

    best = None
    for k in np.argsort(table.min((1, 2)))[:3]:
        e, steepness = np.unravel_index(int(table[k].argmin()), table[k].shape)
        start = np.array([places[k], coarse[e], np.log(SPLIT_STEEPNESS[steepness])])
        simplex = start + np.array([[0, 0, 0], [0.03, 0, 0], [0, 0.1, 0], [0, 0, 0.2]])
        options = {"initial_simplex": simplex, "maxfev": 400, "fatol": 1e-3}
        found = optimize.minimize(cost, start, method="Nelder-Mead", options=options)
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    error = _error(cost, best.x) * np.sqrt(max(1.0, float(best.fun) / dof))
    exponent = float(np.exp(best.x[1])) * (1.0 if name == "power" else np.sqrt(half))
    place = Estimate(float(middle + side * half * best.x[0]), float(half * error))
    return Joined(name, place, exponent, float(best.fun), dof)


def _error(cost: Callable[[np.ndarray], float], at: np.ndarray) -> float:
    """Error of the first parameter: half the width of its profile at a chi2 larger by 1."""
    from scipy import optimize

    least = cost(at)

    def profile(x_c: float) -> float:
        rest = optimize.minimize(
            lambda v: cost(np.array([x_c, *v])), at[1:], method="Nelder-Mead", options={"maxfev": 80, "fatol": 0.02}
        )
        return float(rest.fun) - least

    widths = []
    for direction in (1, -1):
        step = 1e-3
        while step < 0.5 and profile(at[0] + direction * step) < 1:
            step *= 1.6
        widths.append(step / 1.3)
    return float(np.mean(widths))


def _basis(
    s: np.ndarray, L: np.ndarray, x_c: float, exponent: float, steepness: float, name: Name, degree: int
) -> np.ndarray:
    """Polynomial on the joined side, beyond a function of L over the correlation length too, from 0."""
    t = s - x_c
    beyond = np.maximum(t, 1e-12)
    ratio = np.log(L / L.max()) + (exponent * np.log(beyond) if name == "power" else -exponent / np.sqrt(beyond))
    # The largest size at the far end of the data is well beyond its correlation length.
    far = 2 - x_c if x_c < 0 else 1 - x_c
    top = exponent * np.log(far) if name == "power" else -exponent / np.sqrt(far)
    z = np.tanh(steepness * (np.clip(ratio - top, -300, 300) + 2.0))
    split = chebyshevs(z, degree)[:, 1:] - (-1.0) ** np.arange(1, degree + 1)
    joined = np.minimum(t, 0)[:, None] ** np.arange(JOINED_DEGREE + 1)
    joined[:, 1] = t  # the slope of the joined curve goes on beyond
    return np.hstack([joined, np.where(t[:, None] > 0, split, 0.0)])
