"""Verdict on a flow of blocks: does it come to rest at a critical fixed point, run away, or is that open?

Near a critical fixed point what blocks do changes less from step to step; away from it, the distance grows with every
step, and eigenvalues measured on the way belong to no fixed point, whatever they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from physnn.analysis.renormalization.couplings import Couplings
from physnn.analysis.renormalization.linearised import Exponents, jackknife
from physnn.analysis.statistics.estimate import Estimate

CLOSE = 0.04
"""Change of an exponent that is none, 2 % of the dimension (convention)."""
CLOSE_COUPLINGS = 0.1
"""Change of all couplings in a step, relative to their size, that is none (convention)."""
SIGMAS = 3.0
"""Errors from which a change is there (convention of the field)."""
FIXED, AWAY, OPEN = "critical fixed point", "not at a critical fixed point", "undecided"


@dataclass(frozen=True)
class Step:
    """Exponents of one block step.

    Attributes
    ----------
    level : int
        Steps before this one.
    side : int
        Side of the lattice of its blocks.
    even, odd : tuple of Exponents
        By number of operators, from 1 on; as many as there are on this lattice and vary independently.
    note : str
        Why there are no more, or empty.
    """

    level: int
    side: int
    even: tuple[Exponents, ...]
    odd: tuple[Exponents, ...]
    note: str = ""


@dataclass(frozen=True)
class Judgement:
    """Verdict with its reasons, and the largest exponents of the last step.

    Attributes
    ----------
    verdict : str
        `FIXED`, `AWAY` or `OPEN`.
    reasons : tuple of str
        What speaks against a fixed point, or what is missing; for one, what came to rest.
    y_t, y_h : Estimate
        Largest exponents of even and of odd operators in the last step, NaN where there are none.
    change : float
        Larger change of the two in the last step, without a sign; infinite where it is not known.
    """

    verdict: str
    reasons: tuple[str, ...]
    y_t: Estimate
    y_h: Estimate
    change: float


def judge(steps: Sequence[Step], couplings: Sequence[Couplings]) -> Judgement:
    """Verdict on block steps, and on the couplings before the first of them and after each, as far as they are known.

    All values left out the same bins.
    """
    chosen = [[row.values[:, 0] for row in rows] for rows in _chosen(steps)]
    last = [jackknife(rows[-1]) if rows else Estimate(np.nan, np.nan) for rows in chosen]
    change = float(np.max([abs(rows[-1][0] - rows[-2][0]) if len(rows) > 1 else np.inf for rows in chosen]))
    told = last[0], last[1], change if np.isfinite(change) else np.inf
    if len(steps) < 2:
        return Judgement(OPEN, ("there are fewer than two block steps to compare: take larger lattices",), *told)
    found: list[tuple[str, str]] = []
    for name, rows, estimate in zip(("y_t", "y_h"), chosen, last, strict=True):
        if not rows:
            found.append((OPEN, f"{name} is not known at every step"))
            continue
        found.append(_settles(name, np.stack(rows), CLOSE))
        kept = (steps[-1].even, steps[-1].odd)[name == "y_h"]
        if len(kept) > 1:
            both = np.stack([each.values[:, 0] for each in kept[-2:]])
            found.append(_settles(f"{name} with one more operator", both, CLOSE))
        if estimate.value < SIGMAS * estimate.error:
            found.append((AWAY, f"{name} = {estimate} is not above 0: nothing there is relevant"))
    found.append(_at_rest(couplings))
    for verdict in (AWAY, OPEN):
        if any(each == verdict for each, _ in found):
            return Judgement(verdict, tuple(text for each, text in found if each == verdict), *told)
    return Judgement(FIXED, tuple(text for _, text in found), *told)


def _chosen(steps: Sequence[Step]) -> tuple[list[Exponents], list[Exponents]]:
    """Exponents of even and of odd operators at every step, with as many operators as all steps have."""
    found = []
    for kinds in ([step.even for step in steps], [step.odd for step in steps]):
        count = min(map(len, kinds), default=0)
        found.append([each[count - 1] for each in kinds] if count else [])
    return found[0], found[1]


def _settles(name: str, values: np.ndarray, close: float) -> tuple[str, str]:
    """Verdict on values of successive steps, (steps, 1 + bins), and it in words."""
    if not np.isfinite(values[-2:, 0]).all():
        return AWAY, f"{name}: the largest eigenvalue is no real number above 0"
    if not np.isfinite(values[-2:]).all():
        return OPEN, f"{name} has no error, for an eigenvalue is real in some bins and not in others"
    changes = np.diff(values, axis=0)
    last, text = jackknife(changes[-1]), f"{name} changes by {jackknife(changes[-1])} in the last step"
    if abs(last.value) - SIGMAS * last.error > close:
        return AWAY, text
    if len(changes) > 1 and np.isfinite(changes[-2]).all() and abs(last.value) > SIGMAS * last.error:
        before = jackknife(changes[-2])
        growth = jackknife(np.abs(changes[-1]) - np.abs(changes[-2]))
        if growth.value > SIGMAS * growth.error:
            return AWAY, f"{text}, more than by {before} in the one before"
    if abs(last.value) + 2 * last.error < close:
        return FIXED, text
    return OPEN, f"{text}: not known well enough"


def _at_rest(couplings: Sequence[Couplings]) -> tuple[str, str]:
    """Verdict on the couplings: they come to rest, or run away."""
    count = min((each.values.shape[1] for each in couplings), default=0)
    if len(couplings) < 3 or not count:
        return OPEN, "couplings are known at fewer than three levels: take larger lattices"
    values = np.stack([each.values[:, :count] for each in couplings])
    size = np.linalg.norm(values, axis=2)
    changes = np.linalg.norm(np.diff(values, axis=0), axis=2)
    last, growth = jackknife(changes[-1] / size[-1]), jackknife(changes[-1] - changes[-2])
    text = f"couplings change by {100 * last.value:.1f} % in the last step"
    if growth.value > SIGMAS * growth.error or last.value - SIGMAS * last.error > 3 * CLOSE_COUPLINGS:
        return AWAY, text
    # Where both changes are noise, either may be the larger one.
    if last.value + 2 * last.error < CLOSE_COUPLINGS and growth.value < 2 * growth.error:
        return FIXED, text
    return OPEN, f"{text}: not known well enough"
