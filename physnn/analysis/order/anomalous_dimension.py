"""The anomalous dimension eta from how the order parameter shrinks with L."""

from __future__ import annotations

import numpy as np

from physnn.analysis.curves.curves import Curves
from physnn.analysis.statistics.estimate import Estimate

LARGEST = 3
"""Sizes that are taken, the largest."""


def anomalous_dimension(curves: Curves) -> dict[float, Estimate]:
    """Return eta of <|m|> ~ L^(-eta / 2) at every temperature that the largest sizes share.

    Dimensionless; the least squares line of log <|m|> against log L, with the standard deviation of bootstrap samples.

    Parameters
    ----------
    curves : Curves
        Of ``m_abs``.
    """
    sizes = curves.sizes[-LARGEST:]
    x, found = np.log(sizes), {}
    for T in sorted(set.intersection(*(set(curves.x[L].tolist()) for L in sizes))):
        at = {L: int(np.flatnonzero(curves.x[L] == T)[0]) for L in sizes}
        y = np.log([curves.y[L][at[L]] for L in sizes])
        samples = np.log(np.stack([curves.samples[L][:, at[L]] for L in sizes], axis=1))
        slopes = np.polyfit(x, np.concatenate([y[None], samples]).T, 1)[0]
        found[T] = Estimate(float(-2 * slopes[0]), float(2 * slopes[1:].std(ddof=1)))
    return found
