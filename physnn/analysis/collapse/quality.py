"""Quality S of a collapse, of order one where the data collapse: no master curve is fitted.

J. Houdayer and A. K. Hartmann, Phys. Rev. B 70 (2004) 014418, after N. Kawashima and N. Ito, J. Phys. Soc. Jpn. 62
(1993) 435.
"""

from __future__ import annotations

import numpy as np

from physnn.analysis.curves.points import Points


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
