"""Curves y(x) of every size from Markov chains.

Measurements of a chain are correlated, so errors rest on bins of at least 10 autocorrelation times.  Moments are
averaged over all chains before they are combined; chains at different temperatures are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from physnn.analysis.curves.curves import Curves, disequilibrium, moving, resampled_curves
from physnn.analysis.curves.observables import Observable, rule_of
from physnn.analysis.statistics.resampling import BIN_TIMES, bin_count, bin_edges, redrawn
from physnn.analysis.statistics.series import estimate_time
from physnn.errors import InputError

DISAGREE = 1e-3
"""Probability, over all temperatures of a size, below which chains do not have one mean, a convention: one false alarm
in 1000 sizes."""
SHORTEST = 50.0
"""Least length of all chains of a point together, in autocorrelation times: five bins of 10 times (convention)."""


def curves_of_chains(
    sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    observable: str,
    control: str,
    resamples: int,
    generator: np.random.Generator,
    components: int = 1,
    together: Sequence[str] = (),
) -> Curves:
    """Curves of an observable with bootstrap samples.

    Parameters
    ----------
    sizes : mapping
        L to (control values ``(points,)``, raw arrays by name, each ``(points, chains, measurements)``).
    observable, control : str
        A name of `physnn.analysis.curves.observables.OBSERVABLES`, and that of the control parameter.
    resamples, generator : int, numpy.random.Generator
        Number of bootstrap samples and source of the resampling.
    components : int
        Number of components of the order parameter, for U4.
    together : sequence of str
        Further observables: with the same ones and equal generators, sample b draws the same bins for each of them.

    Raises
    ------
    InputError
        If the observable is unknown, the file lacks what it needs, values are not finite, or chains are too short.
    """
    groups = [arrays for _, arrays in sizes.values()]
    rule = rule_of(observable, control, *groups, components=components)
    others = [rule_of(name, control, *groups, components=components) for name in together if name != observable]
    x, y, samples, bins, apart, frozen = {}, {}, {}, [], [], {}
    said = disequilibrium(sizes, control)
    used = sorted({name for each in (rule, *others) for name in each.raw})
    for L in sorted(sizes):
        order, values = np.argsort(sizes[L][0]), np.asarray(sizes[L][0], float)
        moves = moving([sizes[L][1][name] for name in used])[order]
        if not moves.any():
            raise InputError(f"no chain of L = {L} has moved, so {observable} is unknown there: leave this size out")
        x[L], frozen[L] = values[order[moves]], tuple(values[order[~moves]].tolist())
        series = {name: np.asarray(sizes[L][1][name], float)[order[moves]] for name in used}
        raw = [series[name] for name in rule.raw]
        if not all(np.isfinite(values).all() for values in raw):
            raise InputError(f"{observable} of L = {L} has values that are not finite; the file cannot be fitted")
        scale = rule.scale(float(L), x[L])
        points = []
        for k, value in enumerate(x[L]):
            further = [m for each in others for m in each.moments(*(series[name][k] for name in each.raw))]
            where = f"L = {L}, {control} = {value:.6g}"
            point = _point(rule, [r[k] for r in raw], further, resamples, generator, where, refuse=not said)
            points.append(point)
            bins.append(point[2])
        y[L] = scale * np.array([p[0] for p in points])
        samples[L] = np.stack([p[1] for p in points], axis=1) * scale
        apart.append(_disagreement(L, x[L], [p[3] for p in points], control))
    chains = min(np.shape(next(iter(arrays.values())))[1] for _, arrays in sizes.values())
    return resampled_curves(
        rule,
        observable,
        control,
        (x, y, samples),
        min(bins),
        equilibrium=said or next((a for a in apart if a), ""),
        chains=chains,
        bins=min(bins),
        frozen={L: values for L, values in frozen.items() if values},
    )


def _point(
    rule: Observable,
    raw: list[np.ndarray],
    further: list[np.ndarray],
    resamples: int,
    generator: np.random.Generator,
    where: str,
    refuse: bool = True,
) -> tuple[float, np.ndarray, int, float]:
    """Value, samples, number of bins and p-value of one mean, from arrays ``(chains, measurements)``.

    Bins are long enough for the further series, too.  Chains that are too short are refused, unless nothing will rest
    on their errors.
    """
    moments = rule.moments(*raw)
    chains, length = raw[0].shape
    tau = max(estimate_time(m).tau.value for m in (*moments, *further))
    if not refuse:
        tau = min(tau, length / (2 * BIN_TIMES))
    if refuse and chains * length < SHORTEST * tau:
        raise InputError(
            f"{where}: {chains} chains of {length} measurements are too few for an autocorrelation time of about "
            f"{tau:.3g}; take --sweeps {int(np.ceil(2 * SHORTEST * tau / chains))} or more, with --extend"
        )
    count = bin_count(tau, chains, length)
    edges = bin_edges(length, count)
    lengths = np.tile(np.diff(edges, append=length), chains)
    sums = np.array([np.add.reduceat(m, edges, axis=1).ravel() for m in moments])
    drawn = redrawn(len(lengths), resamples, generator)
    with np.errstate(all="ignore"):  # what is not finite is found by the caller
        value = float(rule.combine(*(sums.sum(1) / lengths.sum())))
        samples = rule.combine(*((drawn @ sums.T) / (drawn @ lengths)[:, None]).T)
    return value, np.asarray(samples), len(lengths), _one_mean((sums[0] / lengths).reshape(chains, count))


def _one_mean(bins: np.ndarray) -> float:
    """Probability that bins ``(chains, bins)`` of one mean differ as much between chains, or at the start.

    An F test between chains, and Student's t test of their first bins against their second halves (as J. Geweke,
    Bayesian Statistics 4 (1992) 169), which sees a start far from equilibrium also where all chains began alike.
    """
    chains, count = bins.shape
    late = bins[:, count // 2 :]
    p_values = [1.0]
    if chains > 1 and count > 1 and (within := float(bins.var(1, ddof=1).mean())) > 0:
        between = count * float(bins.mean(1).var(ddof=1))
        p_values.append(float(special.fdtrc(chains - 1, chains * (count - 1), between / within)))
    if late.size > chains and (spread := float(late.std(ddof=1))) > 0:
        t = float(bins[:, 0].mean() - late.mean()) / (spread * np.sqrt(1 / chains + 1 / late.size))
        p_values.append(float(2 * special.stdtr(late.size - 1, -abs(t))))
    return min(1.0, (len(p_values) - 1) * min(p_values))


def _disagreement(L: int, x: np.ndarray, p_values: list[float], control: str) -> str:
    """Sentence that says where chains of a size do not agree with each other; empty where they do."""
    k = int(np.argmin(p_values))
    if p_values[k] * len(x) > DISAGREE:
        return ""
    return (
        f"chains of L = {L} disagree (p = {p_values[k]:.1g} at {control} = {x[k]:.6g}): they started too far off, or "
        "are stuck; take more --thermalisation or --sweeps"
    )
