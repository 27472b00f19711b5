"""U4 against xi/L: where data of one universality class fall on one curve, without a critical point or an exponent.

Both are dimensionless, so near a critical point both are functions of (T - T_c) L^(1/nu), and each is a function of the
other that the class fixes (given the shape of the lattice).  Corrections of small sizes and an anisotropy of the
correlations, which acts like another shape, move the curve; `TOLERANCE` allows for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.interpolate import PchipInterpolator

from physnn.analysis.curves.curves import Curves

TOLERANCE = 0.03
"""Difference in U4 that small sizes and anisotropy may make."""
SIGMAS = 3.0
"""Errors beyond `TOLERANCE` from which a plane is rejected."""
RANGE = (0.2, 1.2)
"""Values of xi/L between which planes are compared: below, U4 is small for all; above, it is that of perfect order."""
LEAST = 3
"""Points known better than `TOLERANCE` that an agreement needs."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The curve of a class: ``xi`` increasing, ``binder`` with ``error``, for an order of ``components`` components."""

    name: str
    components: int
    xi: np.ndarray
    binder: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Data of the largest size against a plane.

    Attributes
    ----------
    plane : str
        Name of the class.
    verdict : str
        ``agrees``, ``rejected``, or ``unclear`` where too few points are known well enough, or n differs.
    largest : float
        U4 minus that of the plane where its excess over `TOLERANCE` is largest in errors.
    sigma : float
        That excess in errors; negative where it is within the tolerance.
    L, points : int
        The size, and the points compared.
    """

    plane: str
    verdict: Literal["agrees", "rejected", "unclear"]
    largest: float
    sigma: float
    L: int
    points: int

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"plane": self.plane, "verdict": self.verdict, "largest": self.largest, "sigma": self.sigma,
                "L": self.L, "points": self.points}  # fmt: skip


def on_plane(binder: Curves, xi: Curves, components: int, plane: Plane) -> Comparison:
    """Compare U4 and xi/L of the largest size with a plane.

    Parameters
    ----------
    binder, xi : Curves
        Of the same runs, resampled with the same draws: a fluctuation moves both.
    components : int
        Components of their order parameter; U4 of another n is no test.
    plane : Plane
        What is expected.
    """
    L = xi.sizes[-1]
    inside = (xi.y[L] > max(RANGE[0], plane.xi[0])) & (xi.y[L] < min(RANGE[1], plane.xi[-1]))
    if components != plane.components or not inside.any():
        return Comparison(plane.name, "unclear", np.nan, np.nan, L, 0)
    expected, error = PchipInterpolator(plane.xi, plane.binder), PchipInterpolator(plane.xi, plane.error)
    off = (binder.y[L] - expected(xi.y[L]))[inside]
    draws = (binder.samples[L] - expected(np.clip(xi.samples[L], plane.xi[0], plane.xi[-1])))[:, inside]
    spread = np.hypot(draws.std(0, ddof=1), error(xi.y[L][inside]))
    sigma = (np.abs(off) - TOLERANCE) / np.maximum(spread, 1e-12)
    k = int(np.argmax(sigma))
    known = int((spread < TOLERANCE).sum())
    verdict: Literal["agrees", "rejected", "unclear"] = "agrees" if known >= LEAST else "unclear"
    if sigma[k] > SIGMAS:
        verdict = "rejected"
    return Comparison(plane.name, verdict, float(off[k]), float(sigma[k]), L, int(inside.sum()))
