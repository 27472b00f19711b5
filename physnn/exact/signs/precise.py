"""Losses beyond float64, and the decision which levels are equal."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from physnn.models.signs import SignNetwork, Threshold

DECIMAL_DIGITS = 60
"""Decimal digits of the arithmetic."""
SAME = Decimal("1e-48")
"""Losses that differ by less are equal: rounding in `DECIMAL_DIGITS` stays below, different functions far above."""
DOUBTFUL = 1e-11
"""Relative gap below which float64 losses are not trusted to differ, nor to be in order; their error is below 1e-13."""

ExactLoss = Decimal | Fraction


def tanh(u: Decimal) -> Decimal:
    """Hyperbolic tangent of u in the current decimal context."""
    decay = (-2 * abs(u)).exp()
    return ((1 - decay) / (1 + decay)).copy_sign(u)


def loss(network: SignNetwork, task: Threshold, sums: Sequence[Decimal]) -> Decimal:
    """Loss of the output unit's sums at the points, in the current decimal context."""
    outputs = [tanh(u) for u in sums] if network.output == "tanh" else sums
    labels = task.y
    if task.loss == "mse":
        return sum(((f - int(y)) ** 2 for f, y in zip(outputs, labels, strict=True)), Decimal(0)) / task.points
    terms = ((1 + f.exp()).ln() - int(y) * f for f, y in zip(outputs, labels, strict=True))
    return sum(terms, Decimal(0)) / task.points


def rational_loss(task: Threshold, sums: Sequence[int], scale: int) -> Fraction:
    """Mean squared error of outputs ``sums / scale`` as an exact rational."""
    squares = sum((v - int(y) * scale) ** 2 for v, y in zip(sums, task.y, strict=True))
    return Fraction(squares, task.points * scale**2)


def settle(
    levels: np.ndarray, counts: np.ndarray, exact: Callable[[np.ndarray], Sequence[ExactLoss]]
) -> tuple[np.ndarray, np.ndarray]:
    """Levels (float64) in ascending order, equal ones merged, and their counts (object).

    ``exact`` gives losses with given indices as rationals, or in `DECIMAL_DIGITS` digits; it is called only where two
    levels are closer than `DOUBTFUL`.
    """
    order = np.argsort(levels, kind="stable")
    levels, counts = levels[order], counts[order]
    close = np.diff(levels) <= DOUBTFUL * (1 + np.abs(levels[1:]))
    if not close.any():
        return levels, counts
    doubtful = np.append(close, False)
    doubtful[1:] |= close
    members = np.flatnonzero(doubtful)
    values = exact(order[members])
    with localcontext(prec=DECIMAL_DIGITS):
        # Runs of doubtful levels lie far apart, so sorting all of them sorts each run.
        rank = sorted(range(len(members)), key=values.__getitem__)
        counts[members] = counts[members][rank]
        levels[members] = [float(values[r]) for r in rank]
        same = [_equal(values[a], values[b]) for a, b in itertools.pairwise(rank)]
    first = np.ones(len(levels), bool)
    first[members[1:]] = ~np.array(same, bool)
    starts = np.flatnonzero(first)
    return levels[starts], np.add.reduceat(counts, starts)


def _equal(a: ExactLoss, b: ExactLoss) -> bool:
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return abs(a - b) < SAME * (1 + abs(a))
    return a == b
