"""Claims about forms of training, judged at every mark from differences over paired seeds.

Several comparisons are judged together, so that chance alone makes a claim anywhere in a table with the probability
`LEVEL` at most.  P-values of one form count its marks (Bonferroni); those of a table go by Holm's steps (S. Holm,
Scand. J. Statist. 6, 65 (1979)).  Both hold however comparisons depend on each other, as those with one baseline do.
Intervals have the level 1 - `LEVEL` / comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate, deviation
from physnn.analysis.statistics.pairs import PairedDifference, paired_difference
from physnn.analysis.statistics.power import LEVEL, Power, draws_needed, power_table
from physnn.errors import InputError

MATTERS = 0.05
"""Smallest difference that matters, in log10 of an error: 12 % (convention)."""
EFFECTS = {"smallest that matters": MATTERS, "half the error": math.log10(2)}
"""Sizes of effects in log10 of an error, by meaning, where the source of a claim gives none in numbers."""
CONTROLS = {"expanded": ("law", "init", "step")}
"""Forms that may be explained by others, and by which."""
ONLY_CONTROLS = ("law", "init", "step")
"""Forms that are judged only where nothing asks for them as controls: they are parts of ``expanded``."""


@dataclass(frozen=True)
class Claim:
    """Judgement of "the form has a smaller error than the baseline" at one mark.

    Attributes
    ----------
    form, baseline : str
        What is compared.
    mark : int
        Steps of training.
    difference : Estimate
        Mean over seeds of log10(error of the form / error of the baseline), or of the difference itself.
    p_value : float
        Of no difference, for all comparisons that are judged together: one of them falls below x by chance with the
        probability x at most.
    verdict : str
        ``confirmed`` (smaller), ``refuted`` (larger), ``absent (smaller than x)`` with x below what matters,
        ``explained by CONTROL`` or ``undecided (n seeds needed)``.  Differences are smaller than their x all together:
        x is the far end of an interval at the level 1 - `LEVEL` / comparisons.
    left_out : int
        Seeds that are not compared: a training of the form, the baseline or a control left all bounds.
    comparisons : int
        How many are judged together: all marks, of this form or of all forms of a table.
    """

    form: str
    baseline: str
    mark: int
    difference: Estimate
    p_value: float
    verdict: str
    left_out: int = 0
    comparisons: int = 1


def claims(
    errors: Mapping[str, np.ndarray],
    marks: Sequence[int],
    form: str,
    baseline: str,
    controls: Sequence[str] = (),
    matters: float = MATTERS,
    logs: bool = True,
) -> tuple[Claim, ...]:
    """Judgement of a form at every mark.

    Where the true differences are as large as what matters, in one direction, a form is called absent at any mark with
    the probability `LEVEL` / 2 at most.  Where there are none, it is confirmed or refuted with `LEVEL` at most.

    A control explains a difference that it shows too: it differs from the baseline with the same sign, and neither does
    the form differ from it nor may it by what matters.

    Parameters
    ----------
    errors : mapping
        Errors by form, above 0, each ``(seeds, marks)``; seed by seed they are paired.
    marks : sequence of int
        Steps at which they were recorded.
    form, baseline, controls : str, str, sequence of str
        What is judged, against what, and what may explain it.
    matters : float
        Smallest difference that matters.
    logs : bool
        Whether logarithms of errors are compared, which is scale free, or the errors themselves.

    Raises
    ------
    InputError
        If a form is missing, an error is not above 0, or there are fewer than two seeds.
    """
    if missing := [name for name in (form, baseline, *controls) if name not in errors]:
        raise InputError(f"there is no {missing[0]!r} among {', '.join(errors)}")
    if any(not (np.isfinite(e).all() and (not logs or (e > 0).all())) for e in errors.values()):
        raise InputError("errors are compared by their logarithms and must be finite and above 0")
    compared = {name: _scaled(errors[name], logs) for name in (form, baseline, *controls)}
    return tuple(_judged(_compared(compared, marks), matters))


@dataclass(frozen=True)
class _Comparison:
    """Difference of a form and its baseline at one mark, with the values of both and of the controls, by name."""

    values: dict[str, np.ndarray]
    mark: int
    difference: PairedDifference
    left_out: int = 0


def _compared(by: Mapping[str, np.ndarray], marks: Sequence[int], left_out: int = 0) -> list[_Comparison]:
    """Comparisons at all marks; the first two of what is given are the form and the baseline."""
    form, baseline, *_ = by
    return [
        _Comparison(
            {name: each[:, k] for name, each in by.items()},
            mark,
            paired_difference(by[form][:, k], by[baseline][:, k]),
            left_out,
        )
        for k, mark in enumerate(marks)
    ]


def _judged(family: Sequence[_Comparison], matters: float, stepwise: bool = False) -> list[Claim]:
    """Claims of comparisons that are judged together: p-values times their number, or by Holm's steps."""
    count, p_values = len(family), np.array([each.difference.p_value for each in family])
    order, factors = np.argsort(p_values, kind="stable"), np.full(count, float(count))
    if stepwise:
        # The k-th smallest counts the comparisons from there on, and is no smaller than those before.
        factors[order] = np.arange(count, 0, -1)
    held = np.empty(count)
    held[order] = np.minimum(1.0, np.maximum.accumulate((p_values * factors)[order]))
    found = []
    for each, p, factor in zip(family, held.tolist(), factors.tolist(), strict=True):
        form, baseline, *_ = each.values
        verdict = _verdict(each, p, factor, count, matters)
        found.append(Claim(form, baseline, each.mark, each.difference.estimate, p, verdict, each.left_out, count))
    return found


def _verdict(of: _Comparison, p: float, factor: float, count: int, matters: float) -> str:
    """Verdict of a comparison among some; controls count as many of them as it does itself."""
    (form, baseline, *controls), by, d = of.values, of.values, of.difference
    together = 1 - LEVEL / count
    low, high = d.estimate.interval(together)
    # Also where it is surely not 0: what is too small to matter is no claim.
    if (most := max(0.0, -low, high)) < matters:
        return f"absent (smaller than {most:.2g})"
    if p < LEVEL:
        for name in controls:
            own, rest = paired_difference(by[name], by[baseline]), paired_difference(by[form], by[name])
            below, above = rest.estimate.interval(together)
            same = own.p_value * factor < LEVEL and own.estimate.value * d.estimate.value > 0
            if same and max(-below, above) < max(matters, abs(d.estimate.value) / 2) and below <= 0 <= above:
                return f"explained by {name}"
        return "confirmed" if d.estimate.value < 0 else "refuted"
    return f"undecided ({seeds_needed(d, matters, count)} seeds needed)"


def seeds_needed(d: PairedDifference, matters: float = MATTERS, comparisons: int = 1) -> int:
    """Number of seeds from which a difference that matters is seen with `physnn.analysis.statistics.power.POWER`."""
    return max(d.n + 1, draws_needed(deviation(d.estimate) * math.sqrt(d.n), matters, comparisons))


def power_of(told: Sequence[Claim], effects: Mapping[str, float] = EFFECTS) -> tuple[Power, ...]:
    """Seeds that show effects by meaning, given the scatter of every form at the last mark of its claims."""
    last = {claim.form: claim for claim in told}
    return tuple(
        row
        for form, claim in last.items()
        for row in power_table(
            effects,
            {f"{form}, measured": deviation(claim.difference) * math.sqrt(claim.difference.dof + 1)},
            round(claim.difference.dof) + 1,
            claim.comparisons,
        )
    )


def arm_claims(
    errors: Mapping[str, np.ndarray],
    marks: Sequence[int],
    every: bool = False,
    baseline: str = "raw",
    controls: Mapping[str, Sequence[str]] = CONTROLS,
    matters: float = MATTERS,
    logs: bool = True,
    together: bool = True,
) -> tuple[Claim, ...]:
    """Judgements of all arms against a baseline at every mark; none without it, or with one seed.

    Parameters
    ----------
    errors : mapping
        Errors by arm, ``(seeds, marks)``.  An arm is judged over the seeds whose errors are sound in it, in the
        baseline and in its controls, and not at all where fewer than two are left: finite, and above 0 for logarithms.
    marks : sequence of int
        Steps at which they were recorded.
    every : bool
        Whether the controls of others are judged, too.
    baseline, controls : str, mapping
        What arms are compared with, and what may explain each.
    matters, logs : float, bool
        See `claims`.
    together : bool
        Whether all arms are judged together, or each by itself, where one of them is the question.
    """
    if baseline not in errors:
        return ()
    sound = {arm: (np.isfinite(each) & ((each > 0) | (not logs))).all(1) for arm, each in errors.items()}
    found: list[list[_Comparison]] = []
    for arm in errors:
        if arm == baseline or (arm in ONLY_CONTROLS and not every):
            continue
        compared = (arm, baseline, *(name for name in controls.get(arm, ()) if name in errors))
        seeds = np.all([sound[name] for name in compared], axis=0)
        if seeds.sum() >= 2:
            kept = {name: _scaled(errors[name][seeds], logs) for name in compared}
            found.append(_compared(kept, marks, int((~seeds).sum())))
    families = [[each for arm in found for each in arm]] if together else found
    return tuple(claim for family in families for claim in _judged(family, matters, together))


def _scaled(errors: np.ndarray, logs: bool) -> np.ndarray:
    return np.log10(errors) if logs else errors
