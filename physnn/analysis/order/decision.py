"""Rules by which equilibrium data of unit vectors are called Ising, BKT-like, first order, or none of these.

The rules and their numbers were fixed before they were applied to any trained network, and nothing but this code
applies them.  One was tightened since: a rejected plane, which models of many neighbours show on small lattices,
gives no verdict by itself any more.  No network was decided before or after.  The first that holds decides; a rule
whose evidence is missing does not hold.

``not in equilibrium``
    The configurational temperature differs from T, or starts disagree.
``undecided``
    Fewer than three sizes hold the order, or over less than a factor of 2; or the order was not resolved, is
    metastable, or moves.
``first order``
    The fit of U4 or xi/L finds two phases: separate peaks at the largest size, or a U4 that falls below 0, the deeper
    the larger L.
``Ising``
    n = 1; U4 and xi/L cross and share T_c and nu; 1/nu is 1 within 2 sigma and known to 0.2; the plane of Ising
    agrees.
``continuous, not Ising``
    U4 and xi/L cross and share T_c and nu; 1/nu excludes 1 by 3 sigma.
``BKT-like``
    n = 2; xi/L merges; eta where it splits is known to 0.1 and off 1/4 by less than 0.1 plus 3 errors; the plane of XY
    agrees.
``none``
    Neither U4 nor xi/L crosses or merges, and xi/L falls with L at the lowest T: disordered at all T measured.
``undecided``
    Everything else, with the evidence that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.interpolate import PchipInterpolator

from physnn.analysis.curves.curves import Curves
from physnn.analysis.statistics.estimate import Estimate, significance

PLANE_TOLERANCE = 0.03
"""Difference in U4 that small sizes and anisotropy may make (dimensionless), fixed before any network was decided."""
PLANE_SIGMAS = 3.0
"""Errors beyond `PLANE_TOLERANCE` from which a plane is rejected; the usual three sigma."""
RANGE = (0.2, 1.2)
"""Values of xi/L between which planes are compared: below, U4 is small for all; above, it is that of perfect order."""
LEAST_POINTS = 3
"""Points known better than `PLANE_TOLERANCE` that an agreement needs, a convention: a curve, not a lucky point."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Curve U4(xi/L) of a universality class.

    Attributes
    ----------
    name, components : str, int
        Class, and number of components of its order parameter.
    xi, binder, error : ndarray, shape (points,)
        xi/L, increasing, U4 there and the error of U4.
    """

    name: str
    components: int
    xi: np.ndarray
    binder: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class PlaneComparison:
    """Comparison of the largest size with the curve of a class.

    Attributes
    ----------
    plane : str
        Name of the class.
    verdict : str
        ``agrees``, ``rejected``, or ``unclear`` where too few points are known well enough, or n differs.
    largest : float
        U4 minus that of the plane where its excess over `PLANE_TOLERANCE` is largest in errors.
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


def on_plane(binder: Curves, xi: Curves, components: int, plane: Plane) -> PlaneComparison:
    """Comparison of U4 and xi/L of the largest size, resampled with the same draws, with the curve of a class.

    U4 of an order parameter with another number of components is no test: ``unclear``.
    """
    L = xi.sizes[-1]
    inside = (xi.y[L] > max(RANGE[0], plane.xi[0])) & (xi.y[L] < min(RANGE[1], plane.xi[-1]))
    if components != plane.components or not inside.any():
        return PlaneComparison(plane.name, "unclear", np.nan, np.nan, L, 0)
    expected, error = PchipInterpolator(plane.xi, plane.binder), PchipInterpolator(plane.xi, plane.error)
    off = (binder.y[L] - expected(xi.y[L]))[inside]
    draws = (binder.samples[L] - expected(np.clip(xi.samples[L], plane.xi[0], plane.xi[-1])))[:, inside]
    spread = np.hypot(draws.std(0, ddof=1), error(xi.y[L][inside]))
    sigma = (np.abs(off) - PLANE_TOLERANCE) / np.maximum(spread, 1e-12)
    k = int(np.argmax(sigma))
    known = int((spread < PLANE_TOLERANCE).sum())
    verdict: Literal["agrees", "rejected", "unclear"] = "agrees" if known >= LEAST_POINTS else "unclear"
    if sigma[k] > PLANE_SIGMAS:
        verdict = "rejected"
    return PlaneComparison(plane.name, verdict, float(off[k]), float(sigma[k]), L, int(inside.sum()))


ETA_SIZES = 3
"""Number of sizes, the largest, that eta is fitted to; smaller ones have corrections to scaling."""


def anomalous_dimension(curves: Curves) -> dict[float, Estimate]:
    """Anomalous dimension eta of ``<|m|> ~ L^(-eta / 2)`` at every temperature that the largest sizes share.

    Dimensionless; least squares line of ``log <|m|>`` against log L, with the standard deviation of bootstrap samples.
    """
    sizes = curves.sizes[-ETA_SIZES:]
    x, found = np.log(sizes), {}
    for T in sorted(set.intersection(*(set(curves.x[L].tolist()) for L in sizes))):
        at = {L: int(np.flatnonzero(curves.x[L] == T)[0]) for L in sizes}
        y = np.log([curves.y[L][at[L]] for L in sizes])
        samples = np.log(np.stack([curves.samples[L][:, at[L]] for L in sizes], axis=1))
        slopes = np.polyfit(x, np.concatenate([y[None], samples]).T, 1)[0]
        found[T] = Estimate(float(-2 * slopes[0]), float(2 * slopes[1:].std(ddof=1)))
    return found


DecisionKind = Literal[
    "Ising", "BKT-like", "first order", "continuous, not Ising", "none", "not in equilibrium", "undecided"
]
LEAST_HOLDING_SIZES = 3
"""Sizes holding the order that a verdict needs: with two, a drift of crossings cannot be seen."""
LEAST_SPAN = 2.0
"""Ratio of the largest to the smallest of these sizes that a verdict needs, a convention fixed beforehand."""
AGREES = 2.0
"""Sigmas, by Student's distribution, within which 1/nu agrees with 1; the usual 95 %."""
EXCLUDES = 3.0
"""Sigmas, by Student's distribution, beyond which 1/nu excludes 1; as for classes in `physnn compare`."""
KNOWN_NU = 0.2
"""Largest error of 1/nu with which agreement counts; a convention: the distance to 6/5, the 3-state Potts model."""
KOSTERLITZ_THOULESS_ETA = 0.25
"""Exact eta at a Kosterlitz-Thouless transition (J. M. Kosterlitz, J. Phys. C 7, 1046 (1974))."""
AROUND = 0.1
"""Deviation from that eta that logarithmic corrections may make, and the largest error it may have; a convention."""
SHARED = 0.001
"""p-value of U4 and xi/L having one T_c and nu below which they do not; a convention."""
FALLS = 3.0
"""Errors by which xi/L must fall with L; the usual three sigma."""


@dataclass(frozen=True)
class Evidence:
    """Evidence that the rules judge.

    Attributes
    ----------
    components : int
        n, real components of the order parameter.
    sizes : tuple of int
        Sizes that hold the order.
    verdicts : mapping
        Observable (``binder``, ``xi_over_L``) to the verdict of its fit.
    reasons : mapping
        Observable to the sentence of its fit.
    doubts : tuple of str
        Reasons against one order parameter for all sizes and temperatures.
    critical_point, inverse_nu : Estimate or None
        Of both observables together where both cross, or of the one split where xi/L merges (no 1/nu).
    shared : float or None
        p-value of both having one T_c and nu.
    eta : Estimate or None
        From the mean of psi in absolute value, L^(-eta/2), where xi/L splits.
    trend : float
        Difference of xi/L between the largest and the smallest size at the lowest T that both have, in errors; 0 where
        there is none.
    planes : mapping
        Class to comparison with its plane.
    """

    components: int
    sizes: tuple[int, ...]
    verdicts: Mapping[str, str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    critical_point: Estimate | None = None
    inverse_nu: Estimate | None = None
    shared: float | None = None
    eta: Estimate | None = None
    trend: float = 0.0
    planes: Mapping[str, PlaneComparison] | None = None

    def plane(self, name: str) -> str:
        """Verdict on a plane, ``unclear`` where there is none."""
        found = (self.planes or {}).get(name)
        return found.verdict if found else "unclear"


@dataclass(frozen=True)
class Decision:
    """Verdict, and the sentence that gives its reason."""

    kind: DecisionKind
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"verdict": self.kind, "reason": self.reason}


def decision_of(evidence: Evidence) -> Decision:
    """Verdict by the rules of this module."""
    e, verdicts = evidence, set(evidence.verdicts.values())
    if (lack := _lacking(e)) is not None:
        return lack
    if "first-order" in verdicts:
        name = next(name for name, verdict in e.verdicts.items() if verdict == "first-order")
        return Decision("first order", f"{name}: {e.reasons.get(name, 'two phases')}")
    if verdicts == {"crossing"}:
        return _crossing(e)
    if e.verdicts["xi_over_L"] == "merging":
        return _merging(e)
    if not verdicts & {"crossing", "merging"} and e.trend < -FALLS:
        return Decision("none", f"xi/L falls with L at the lowest T already, by {-e.trend:.1f} errors")
    said = ", ".join(f"{name} {verdict}" for name, verdict in e.verdicts.items())
    return Decision("undecided", f"no rule holds: {said}")


def _lacking(e: Evidence) -> Decision | None:
    """Verdict that forbids all others, or None."""
    if "non-equilibrium" in e.verdicts.values():
        return Decision("not in equilibrium", "the configurational temperature differs from T, or starts disagree")
    if len(e.sizes) < LEAST_HOLDING_SIZES or e.sizes[-1] < LEAST_SPAN * e.sizes[0]:
        held = ", ".join(map(str, e.sizes)) or "none"
        need = f"{LEAST_HOLDING_SIZES} sizes over a factor of {LEAST_SPAN:g}"
        return Decision("undecided", f"{need} must hold the order; those that do: {held}")
    return Decision("undecided", "; ".join(e.doubts)) if e.doubts else None


def _crossing(e: Evidence) -> Decision:
    nu = e.inverse_nu
    if nu is None or e.shared is None or not nu.error > 0:
        return Decision("undecided", "U4 and xi/L cross, but have no common fit")
    if e.shared < SHARED:
        return Decision("undecided", f"U4 and xi/L cross, but do not share T_c and nu: p = {e.shared:.2g}")
    z = significance(nu - Estimate(1.0, 0.0))[0]
    plane = e.plane("Ising")
    said = f"U4 and xi/L cross at one T_c, n = {e.components}, 1/nu = {nu}, plane of Ising: {plane}"
    if e.components == 1 and abs(z) < AGREES and nu.error < KNOWN_NU and plane == "agrees":
        return Decision("Ising", said)
    if abs(z) > EXCLUDES:
        return Decision("continuous, not Ising", said)
    return Decision("undecided", said)


def _merging(e: Evidence) -> Decision:
    plane = e.plane("XY")
    said = f"xi/L merges, n = {e.components}, eta = {e.eta or 'unknown'} where it splits, plane of XY: {plane}"
    off = abs(e.eta.value - KOSTERLITZ_THOULESS_ETA) if e.eta is not None and 0 < e.eta.error < AROUND else np.inf
    if e.components == 2 and e.eta is not None and off < AROUND + 3 * e.eta.error and plane == "agrees":
        return Decision("BKT-like", said)
    return Decision("undecided", said)
