"""Quality of a collapse: S, of order one where data collapse and without a master curve, and remarks on fits.

J. Houdayer and A. K. Hartmann, Phys. Rev. B 70 (2004) 014418, after N. Kawashima and N. Ito, J. Phys. Soc. Jpn. 62
(1993) 435.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from physnn.analysis.collapse.average import Scan
from physnn.analysis.curves.points import Points
from physnn.analysis.curves.roughness import SMOOTH_LEVEL

APPROXIMATION = 1e-4
"""Errors, over the range of curves, below which the polynomials themselves show in a bad fit (convention)."""
RIVAL_SHARE = 0.05
"""Weight from which a fit is named beside others that differ: the share of Occam's window, see `average.OCCAM`."""
LOGARITHMIC = 0.5
"""Fitted omega below which, by an error, logarithms are suspected: 1/ln L falls as L^-0.4 to L^-0.2 from L = 12 on."""


def quality(points: Points, x_c: float, inverse_nu: float, zeta_over_nu: float) -> float:
    """Mean of (y - Y)^2/(dy^2 + dY^2) over all points that have a master curve Y.

    The master curve at a point is the weighted straight line through the two neighbours of the point in scaled control,
    one on either side, of every other size that has both.  Points of one size share neighbours, so S has a larger
    scatter than a chi2 per point, and it grows where the lines cut corners of the curve.

    Parameters
    ----------
    points : Points
        Data; a covariance is not used, the errors are.
    x_c, inverse_nu, zeta_over_nu : float
        Where to scale: u = (x - x_c) L^(1/nu), Y = y L^(-zeta/nu).

    Returns
    -------
    float
        S; NaN where no point has neighbours in another size.
    """
    size = points.L / points.L.max()
    u = (points.x - x_c) * size**inverse_nu
    shrink = size**-zeta_over_nu
    y, variance = points.y * shrink, (points.error * shrink) ** 2
    sums = np.zeros((5, len(points)))
    for L in points.sizes:
        mine = np.flatnonzero(points.L == L)
        if len(mine) < 2:
            continue
        mine = mine[np.argsort(u[mine], kind="stable")]
        others = np.flatnonzero(points.L != L)
        right = np.clip(np.searchsorted(u[mine], u[others]), 1, len(mine) - 1)
        left, right = mine[right - 1], mine[right]
        between = (u[left] <= u[others]) & (u[others] <= u[right]) & (u[left] < u[right])
        others, left, right = others[between], left[between], right[between]
        for end in (left, right):
            weight, distance = 1 / variance[end], u[end] - u[others]
            sums[:, others] += weight * np.array(
                [np.ones_like(distance), distance, y[end], distance**2, distance * y[end]]
            )
    determinant = sums[0] * sums[3] - sums[1] ** 2
    used = determinant > 1e-12 * sums[0] * sums[3]
    if not used.any():
        return float("nan")
    (_, k_x, k_y, k_xx, k_xy), determinant = sums[:, used], determinant[used]
    line, line_variance = (k_xx * k_y - k_x * k_xy) / determinant, k_xx / determinant
    return float(np.mean((y[used] - line) ** 2 / (variance[used] + line_variance)))


def alike_residuals(points: Points, scanned: Scan) -> bool:
    """Whether points scatter far less about the best fit than independent ones do, and alike with their neighbours.

    Overstated errors make chi2 small, too, but leave neighbours independent.
    """
    best = scanned.best
    if points.covariance is not None or special.chdtr(best.solution.dof, best.solution.chi2) > SMOOTH_LEVEL:
        return False
    chosen, pairs = points.chosen(best.mask), []
    for L in chosen.sizes:
        at = np.flatnonzero(chosen.L == L)
        residuals = best.solution.residuals[at[np.argsort(chosen.x[at])]]
        pairs.append(np.stack([residuals[1:], residuals[:-1]]))
    one, other = np.concatenate(pairs, axis=1)
    # After a fit independent neighbours have opposite signs more often than not, by about two standard deviations.
    return bool(one @ other > 0)


def goodness_remarks(scanned: Scan, points: Points) -> list[str]:
    """Remarks on the goodness of the fits, and on exponents and errors that a power cannot have."""
    best, whole, remarks = scanned.best, scanned.candidates[0], []
    if not scanned.acceptable:
        remarks.append(
            f"no window has an acceptable chi2 (best chi2/dof {best.solution.chi2_per_dof:.2f}): errors are widened by "
            "its root; look for errors that are too small, or corrections to scaling"
        )
    elif best.mask.sum() < 0.9 * len(points) and whole.solution.p_value < 0.05:
        remarks.append(
            f"all points do not collapse (chi2/dof = {whole.solution.chi2_per_dof:.2f}): the answer rests on "
            f"|x - x_c| L^(1/nu) < {best.window:.3g} and L >= {best.smallest}"
        )
    fine = float(np.median(points.error)) / max(float(np.ptp(points.y)), 1e-300)
    if remarks and fine < APPROXIMATION:
        remarks.append(
            f"errors are {fine:.1g} of the curves' range: further corrections to scaling and the polynomials' own "
            "approximation show, so errors of the answer are lower bounds"
        )
    omega, error = best.solution.parameters[3], np.sqrt(best.solution.covariance[3, 3])
    if best.form.corrected and best.form.fixed[3] is None and omega + error < LOGARITHMIC:
        remarks.append(
            f"omega = {omega:.2g}: over these sizes so small an exponent cannot be told from logarithms, which move "
            "x_c and 1/nu by more than their errors; --correction log has them"
        )
    weighted = [c.solution for c in scanned.candidates if c.weight > RIVAL_SHARE]
    values = sorted(s.parameters[1] for s in weighted)
    if (
        values
        and values[-1] > 1.1 * values[0]
        and values[-1] - values[0] > 3 * min(np.sqrt(s.covariance[1, 1]) for s in weighted)
    ):
        remarks.append(
            f"collapses with 1/nu from {values[0]:.3g} to {values[-1]:.3g} are about as good: exponents and "
            "corrections are not told apart, and the errors contain that; more sizes, or --omega held, decide"
        )
    return remarks
