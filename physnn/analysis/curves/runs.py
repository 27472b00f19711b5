"""Curves y(x) of every size from runs that all control values of a size share, such as those of percolation.

Runs are independent and come in bins; a bin holds the means of its runs at all control values.  A bootstrap sample
draws bins of a size, the same ones for all its control values, so that points deviate together as the data do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physnn.analysis.curves.curves import Curves, moving, resampled_curves
from physnn.analysis.curves.observables import rule_of
from physnn.analysis.statistics.resampling import redrawn
from physnn.errors import InputError


def curves_of_runs(
    sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    observable: str,
    control: str,
    resamples: int,
    generator: np.random.Generator,
) -> Curves:
    """Curves of an observable with bootstrap samples.

    Parameters
    ----------
    sizes : mapping
        L to (control values ``(points,)``, means by name, each ``(points, series, bins)``).
    observable, control : str
        A name of `physnn.analysis.curves.observables.OBSERVABLES`, and that of the control parameter.
    resamples, generator : int, numpy.random.Generator
        Number of bootstrap samples and source of the resampling.

    Raises
    ------
    InputError
        If the observable is unknown, the file lacks what it needs, or values are not finite.
    """
    rule = rule_of(observable, control, *(arrays for _, arrays in sizes.values()))
    x, y, samples, correlation, frozen, bins = {}, {}, {}, {}, {}, []
    for L in sorted(sizes):
        order = np.argsort(sizes[L][0])
        raw = np.array([np.asarray(sizes[L][1][name], float)[order] for name in rule.raw])
        moments = np.array(rule.moments(*raw.reshape(*raw.shape[:2], -1)))
        moves, values = moving(moments), np.asarray(sizes[L][0], float)[order]
        if not moves.any():
            raise InputError(f"all runs of L = {L} are alike, so {observable} is unknown there: leave this size out")
        x[L], moments, frozen[L] = values[moves], moments[:, moves], tuple(values[~moves].tolist())
        count = moments.shape[2]
        drawn = redrawn(count, resamples, generator) / count
        factor = rule.factor(float(L), x[L], sizes[L][1])
        with np.errstate(all="ignore"):  # what is not finite is found below
            y[L] = rule.combine(*moments.mean(2)) * factor
            samples[L] = rule.combine(*(drawn @ moments.transpose(0, 2, 1))) * factor
            left_out = rule.combine(*(moments.sum(2, keepdims=True) - moments) / (count - 1))
        correlation[L] = np.corrcoef(left_out)
        bins.append(count)
    return resampled_curves(
        rule,
        observable,
        control,
        (x, y, samples),
        min(bins),
        bins=min(bins),
        frozen={L: values for L, values in frozen.items() if values},
        correlation=correlation,
    )
