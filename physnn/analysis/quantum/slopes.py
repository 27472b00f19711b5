"""Curves of world lines with their derivatives by the transverse field.

Where products with the number of kinks were kept, every value y comes with its derivative y' = dy/dh from the same
updates.  For a fit the two are values at two fields close together, y -+ y' d at h -+ d, with their covariance: the
scaling form at both is that at h and its derivative, up to terms of second order in d.  So slopes weigh as much in the
collapse as they are known.  A curve through values at the same u for all sizes may bend as it likes between them, and
then has no use for slopes: better give every size fields of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag

from physnn.analysis.curves.chains import curves_of_chains
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.observables import OBSERVABLES, SLOPE
from physnn.errors import InputError

FIELD_STEP = 0.01
"""Distance d over that of neighbouring fields: what a curve bends over it is far below errors (convention)."""
LEAST_SAMPLES = 1000
"""Bootstrap samples at least from which covariances of values and derivatives come: correlations to 3 %."""
DERIVATIVES = "derivatives by h, from the number of kinks, enter the collapse"
"""Remark on fits of such curves."""


def sharpened(
    sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    observable: str,
    control: str,
    resamples: int,
    generator: Callable[[], np.random.Generator],
    together: Sequence[str] = (),
) -> Curves | None:
    """Curves with two points for every field, which carry value and derivative; None where there are no derivatives.

    Parameters
    ----------
    sizes, observable, control, resamples
        As of `physnn.analysis.curves.chains.curves_of_chains`.
    generator : callable
        Makes a source of resampling, the same one at each call.
    together : sequence of str
        Further observables that are drawn from the same bins.
    """
    name = f"{SLOPE}{observable}"
    if control != "h" or name not in OBSERVABLES:
        return None
    if not all(raw in arrays for _, arrays in sizes.values() for raw in OBSERVABLES[name].raw):
        return None
    every = dict.fromkeys([*(together or (observable,)), *(f"{SLOPE}{each}" for each in together or (observable,))])
    known = [each for each in every if each in OBSERVABLES]
    count = max(LEAST_SAMPLES, resamples)
    values, slopes = (
        curves_of_chains(sizes, each, control, count, generator(), together=known) for each in (observable, name)
    )
    return with_slopes(values, slopes)


def with_slopes(values: Curves, slopes: Curves) -> Curves:
    """Curves with two points for every field from values and their derivatives, resampled with the same draws.

    Raises
    ------
    InputError
        If a size has one field only, so that there is no distance to compare with.
    """
    x, y, samples, blocks = {}, {}, {}, []
    for L in values.sizes:
        if len(values.x[L]) < 2:
            raise InputError(f"L = {L} has one field only; measure at several")
        d = FIELD_STEP * float(np.diff(values.x[L]).min()) * np.array([-1.0, 1.0])
        x[L] = (values.x[L][:, None] + d).ravel()
        y[L] = (values.y[L][:, None] + slopes.y[L][:, None] * d).ravel()
        moved = values.samples[L][:, :, None] + slopes.samples[L][:, :, None] * d
        samples[L] = moved.reshape(len(moved), -1)
        blocks += [np.cov(moved[:, k], rowvar=False) for k in range(moved.shape[1])]
    errors = {L: rows.std(0, ddof=1) for L, rows in samples.items()}
    return replace(values, x=x, y=y, samples=samples, errors=errors, covariance=block_diag(*blocks))
