"""Claims about forms of training, judged at every mark from differences over paired seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pairs import PairedDifference, paired_difference
from physnn.errors import InputError

LEVEL = 0.05
"""Probability of a false alarm over all marks of a comparison (convention; Bonferroni)."""
POWER = 0.8
"""Probability with which a difference of the smallest size that matters is to be seen (convention)."""
MATTERS = 0.05
"""Smallest difference that matters, in log10 of an error: 12 % (convention)."""
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
        Mean of log10(error of the form / error of the baseline) over seeds, with its error.
    p_value : float
        Of no difference, times the number of marks, 1 at most.
    verdict : str
        ``confirmed`` (smaller), ``refuted`` (larger), ``absent (smaller than x)`` with x below what matters,
        ``explained by CONTROL`` or ``undecided (n seeds needed)``.
    left_out : int
        Seeds that are not compared: a training of the form, the baseline or a control left all bounds.
    """

    form: str
    baseline: str
    mark: int
    difference: Estimate
    p_value: float
    verdict: str
    left_out: int = 0


def claims(
    errors: Mapping[str, np.ndarray],
    marks: Sequence[int],
    form: str,
    baseline: str,
    controls: Sequence[str] = (),
    matters: float = MATTERS,
) -> tuple[Claim, ...]:
    """Judgement of a form at every mark.

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
        Smallest difference of log10(error) that matters.

    Raises
    ------
    InputError
        If a form is missing, an error is not above 0, or there are fewer than two seeds.
    """
    if missing := [name for name in (form, baseline, *controls) if name not in errors]:
        raise InputError(f"there is no {missing[0]!r} among {', '.join(errors)}")
    if any(not (np.isfinite(e).all() and (e > 0).all()) for e in errors.values()):
        raise InputError("errors are compared by their logarithms and must be finite and above 0")
    logs = {name: np.log10(errors[name]) for name in (form, baseline, *controls)}
    found = []
    for k, mark in enumerate(marks):
        d = paired_difference(logs[form][:, k], logs[baseline][:, k])
        p = min(1.0, d.p_value * len(marks))
        found.append(Claim(form, baseline, mark, d.estimate, p, _verdict(d, p, logs, k, len(marks), matters)))
    return tuple(found)


def _verdict(d: PairedDifference, p: float, logs: Mapping[str, np.ndarray], k: int, marks: int, matters: float) -> str:
    """Verdict of a difference; the first two of the logarithms are those of the form and the baseline."""
    form, baseline, *controls = logs
    low, high = d.estimate.interval(0.95)
    # Also where it is surely not 0: what is too small to matter is no claim.
    if (most := max(0.0, -low, high)) < matters:
        return f"absent (smaller than {most:.2g})"
    if p < LEVEL:
        for name in controls:
            own = paired_difference(logs[name][:, k], logs[baseline][:, k])
            rest = paired_difference(logs[form][:, k], logs[name][:, k])
            below, above = rest.estimate.interval(0.95)
            same = own.p_value * marks < LEVEL and own.estimate.value * d.estimate.value > 0
            if same and max(-below, above) < max(matters, abs(d.estimate.value) / 2) and below <= 0 <= above:
                return f"explained by {name}"
        return "confirmed" if d.estimate.value < 0 else "refuted"
    return f"undecided ({seeds_needed(d, matters, marks)} seeds needed)"


def seeds_needed(d: PairedDifference, matters: float = MATTERS, marks: int = 1) -> int:
    """Number of seeds from which a difference that matters is seen with the probability `POWER`."""
    scatter = d.estimate.error * math.sqrt(d.n) / float(special.stdtrit(d.estimate.dof, 0.841345))
    quantiles = -float(special.ndtri(LEVEL / (2 * marks))) + float(special.ndtri(POWER))
    return max(d.n + 1, math.ceil((quantiles * scatter / matters) ** 2))


def arm_claims(errors: Mapping[str, np.ndarray], marks: Sequence[int], every: bool = False) -> tuple[Claim, ...]:
    """Judgements of all arms against ``raw`` at every mark; none without it, or with one seed.

    Parameters
    ----------
    errors : mapping
        Errors by arm, ``(seeds, marks)``.  An arm is judged over the seeds whose errors are finite and above 0 in it,
        in ``raw`` and in its controls, and not at all where fewer than two are left.
    marks : sequence of int
        Steps at which they were recorded.
    every : bool
        Whether the controls of others are judged, too.
    """
    if "raw" not in errors:
        return ()
    sound = {arm: np.isfinite(each).all(1) & (each > 0).all(1) for arm, each in errors.items()}
    found: list[Claim] = []
    for arm in errors:
        if arm == "raw" or (arm in ONLY_CONTROLS and not every):
            continue
        controls = [name for name in CONTROLS.get(arm, ()) if name in errors]
        compared = (arm, "raw", *controls)
        seeds = np.all([sound[name] for name in compared], axis=0)
        if seeds.sum() >= 2:
            kept = {name: errors[name][seeds] for name in compared}
            told = claims(kept, marks, arm, "raw", controls)
            found += [replace(claim, left_out=int((~seeds).sum())) for claim in told]
    return tuple(found)
