"""Collapses on many windows and from many smallest sizes.

A collapse holds near the critical point and for large L only.  So it is fitted on a series of windows in the scaled
control, from every smallest size that leaves enough, with and without a term for amplitudes that change smoothly with
the control.  Their average is that of `physnn.analysis.collapse.average`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from physnn.analysis.collapse.average import ACCEPTABLE, Candidate, Scan, average
from physnn.analysis.collapse.search import rival_minima
from physnn.analysis.collapse.single import correction_share, fit_from
from physnn.analysis.curves.points import Form, Points, Solution

SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)
"""Windows, as shares of the largest scaled distance from the critical point (convention)."""
LARGEST_SHARE = 1.0
"""Range of corrections over that of what they correct, from which they are none (convention)."""
NEGLIGIBLE = 14.0
"""Loss in the criterion from which a smaller window is not fitted: its weight would be exp(-7), a thousandth."""
Held = tuple[float | None, float | None, float | None]
"""Values of (x_c, 1/nu, zeta/nu) that are held; None is fitted."""


def scan(
    points: Points, forms: Sequence[Form], starts: Sequence[Solution] = (), correlation: np.ndarray | None = None
) -> Scan | None:
    """Fit all candidates and average them; None if nothing can be fitted.

    Parameters
    ----------
    points : Points
        The data.
    forms : sequence of Form
        Scaling forms to try, see `forms_of`.
    starts : sequence of Solution, optional
        Where to start; by default the minima of the first form that the data do not tell apart, see `rival_minima`.
    correlation : ndarray, optional
        Correlation of the points that enters errors but not the fit.
    """
    starts = starts or rival_minima(points, forms[0])
    candidates: list[Candidate] = []
    sizes = points.sizes
    for smallest in sizes[: max(1, len(sizes) - 2)]:
        for form in forms:
            for start in starts:
                candidates += _windows(points, form, smallest, start, candidates)
    return average(candidates, len(points), correlation) if candidates else None


def _same(one: Candidate, other: Candidate) -> bool:
    """Whether two fits came to one minimum from different starts."""
    if one.form != other.form or not np.array_equal(one.mask, other.mask):
        return False
    difference = np.abs(one.solution.parameters - other.solution.parameters)
    return bool((difference[:3] <= 0.1 * np.sqrt(np.diag(one.solution.covariance))[:3] + 1e-12).all())


def forms_of(fixed: Held, omega: float | Literal["free", "log"] | None) -> list[Form]:
    """Scaling forms to try: with and without the analytic term, and with the term L^-omega, or 1/ln L, if asked for.

    The first one is without either.
    """
    if omega == "log":
        form = Form((*fixed, 1.0), corrected=True, logarithmic=True)
    else:
        form = Form((*fixed, None if omega == "free" else omega), corrected=omega is not None)
    return [form, replace(form, analytic=True)]


def _windows(
    points: Points, form: Form, smallest: int, start: Solution, before: Sequence[Candidate]
) -> list[Candidate]:
    """Fits on ever smaller windows, each from the last one's parameters; none that is among those before."""
    candidates: list[Candidate] = []
    parameters, count = start.parameters, -1
    large = smallest <= points.L
    scaled = np.abs(points.x - parameters[0]) * points.L ** parameters[1]
    widest = float(scaled[large].max())
    for share in SHARES:
        mask = large & (scaled <= share * widest * (1 + 1e-12))
        if mask.sum() == count:
            continue
        count = int(mask.sum())
        chosen = points.chosen(mask)
        counts = [np.count_nonzero(chosen.L == L) for L in points.sizes if smallest <= L]
        if min(counts) < 2 or len(chosen) < 3 * len(form.free()) + 6 or _negligible([*before, *candidates], mask):
            break
        found = fit_from(chosen, form, parameters)
        if found is None or not (_known(found) and _small(chosen, form, found) and _tested(found, bool(mask.all()))):
            continue
        candidate = Candidate(form, smallest, share * widest, mask, found)
        if any(_same(candidate, other) for other in before):
            break
        candidates.append(candidate)
        parameters = found.parameters
    return candidates


def _negligible(found: Sequence[Candidate], mask: np.ndarray) -> bool:
    """Whether an acceptable fit leaves no weight to any fit of these points of its own.

    A fit of fewer points lowers what chi2 they have by less than it has coefficients to spend, and saves as many.
    """
    for c in found:
        s = c.solution
        if s.p_value > ACCEPTABLE and not (mask & ~c.mask).any():
            lost = s.residuals[~mask[c.mask]]
            if 2 * len(lost) - float(lost @ lost) - 2 * s.coefficients > NEGLIGIBLE:
                return True
    return False


def _tested(found: Solution, whole: bool) -> bool:
    """Whether chi2 can reject a fit: of parts of the points almost any curve with so many coefficients passes."""
    return found.dof >= (3 if whole else max(3, found.coefficients / 2))


def _small(points: Points, form: Form, found: Solution) -> bool:
    """Whether corrections are smaller than what they correct.

    G grows like F with an exponent larger by omega: where F is flat they change places, and 1/nu is off by omega.
    """
    return not (form.corrected or form.analytic) or correction_share(points, form, found) < LARGEST_SHARE


def _known(found: Solution) -> bool:
    """Whether a fit knows 1/nu, by less than its own value: otherwise nothing sets the scale of the window."""
    return bool(np.sqrt(found.covariance[1, 1]) < found.parameters[1])
