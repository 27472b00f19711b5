"""Curves y(x) of every size from Markov chains.

Measurements of a chain are correlated, so errors rest on bins of at least 10 autocorrelation times.  Moments are
averaged over all chains before they are combined; chains at different temperatures are independent, unless they are
ladders that exchange replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from physnn.analysis.curves.curves import Curves, disequilibrium, moving, resampled_curves
from physnn.analysis.curves.observables import Observable, rule_of
from physnn.analysis.statistics.resampling import bin_count, bin_edges, redrawn
from physnn.analysis.statistics.series import BIN_TIMES, AutocorrelationTime, estimate_time, share_unseen
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
    x, y, samples, bins, apart, frozen, slow = {}, {}, {}, [], [], {}, []
    said = disequilibrium(sizes, control)
    used = sorted({name for each in (rule, *others) for name in each.raw})
    for L in sorted(sizes):
        x[L], frozen[L], series = _moved(L, *sizes[L], used, observable)
        raw = [series[name] for name in rule.raw]
        if not all(np.isfinite(values).all() for values in raw):
            raise InputError(f"{observable} of L = {L} has values that are not finite; the file cannot be fitted")
        scale = rule.factor(float(L), x[L], sizes[L][1])
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
        slow.append(_slow_modes(L, x[L], [p[4] for p in points], control))
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
        slow=next((said for said in slow if said), ""),
    )


def _moved(
    L: int, control: np.ndarray, arrays: Mapping[str, np.ndarray], names: Sequence[str], observable: str
) -> tuple[np.ndarray, tuple[float, ...], dict[str, np.ndarray]]:
    """Control values at which chains moved, increasing, those at which none did, and series by name at the former.

    Raises
    ------
    InputError
        If none has moved anywhere.
    """
    order, values = np.argsort(control), np.asarray(control, float)
    moves = moving([arrays[name] for name in names])[order]
    if not moves.any():
        raise InputError(f"no chain of L = {L} has moved, so {observable} is unknown there: leave this size out")
    series = {name: np.asarray(arrays[name], float)[order[moves]] for name in names}
    return values[order[moves]], tuple(values[order[~moves]].tolist()), series


def curves_of_ladders(
    sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    observable: str,
    control: str,
    resamples: int,
    generator: np.random.Generator,
    components: int = 1,
    together: Sequence[str] = (),
) -> Curves:
    """Curves of an observable of ladders that exchange replicas; parameters and errors as of `curves_of_chains`.

    A replica that goes from one temperature to another takes along what it remembers.  So bins are the same spans of
    time at all temperatures of a size, ten times as long as the longest autocorrelation time of the series at any one
    temperature, and a bootstrap sample draws the same ones for all.
    """
    groups = [arrays for _, arrays in sizes.values()]
    rule = rule_of(observable, control, *groups, components=components)
    others = [rule_of(name, control, *groups, components=components) for name in together if name != observable]
    used = sorted({name for each in (rule, *others) for name in each.raw})
    said, apart, bins, slow = disequilibrium(sizes, control), [], [], []
    x, y, samples, frozen, correlation = {}, {}, {}, {}, {}
    for L in sorted(sizes):
        x[L], frozen[L], raw = _moved(L, *sizes[L], used, observable)
        if not all(np.isfinite(series).all() for series in raw.values()):
            raise InputError(f"{observable} of L = {L} has values that are not finite; the file cannot be fitted")
        moments = np.array(rule.moments(*(raw[name] for name in rule.raw)))
        further = [m for each in others for m in each.moments(*(raw[name] for name in each.raw))]
        means, spans, no_slow = _common_spans(moments, further, f"L = {L}", (control, x[L]), refuse=not said)
        y[L], samples[L], left_out = _drawn_together(rule, means, spans, resamples, generator)
        y[L], samples[L] = y[L] * (scale := rule.factor(float(L), x[L], sizes[L][1])), samples[L] * scale
        correlation[L] = _shrunk_correlation(left_out)
        bins.append(len(spans))
        ladders = moments.shape[2]
        apart.append(_disagreement(L, x[L], [_one_mean(m.reshape(ladders, -1)) for m in means[0]], control))
        slow.append(_slow_modes(L, x[L], no_slow, control))
    return resampled_curves(
        rule,
        observable,
        control,
        (x, y, samples),
        min(bins),
        equilibrium=said or next((a for a in apart if a), ""),
        chains=min(np.shape(next(iter(arrays.values())))[1] for _, arrays in sizes.values()),
        bins=min(bins),
        frozen={L: values for L, values in frozen.items() if values},
        correlation=correlation,
        slow=next((said for said in slow if said), ""),
    )


def _common_spans(
    moments: np.ndarray, further: Sequence[np.ndarray], size: str, points: tuple[str, np.ndarray], refuse: bool
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Means of moments ``(moments, points, ladders, measurements)`` in spans of time, how long these are, and p-values.

    The p-values are those of no slow mode at every point.

    The spans of all ladders are one axis, long enough for every point and for the further series.
    """
    ladders, length = moments.shape[2:]
    times = [[estimate_time(m[k]) for m in (*moments, *further)] for k in range(moments.shape[1])]
    taus = [max(time.span for time in each) for each in times]
    slowest = int(np.argmax(taus))
    where = f"{size}, {points[0]} = {points[1][slowest]:.6g}"
    count = bin_count(_bin_time(taus[slowest], ladders, length, where, refuse), ladders, length)
    edges = bin_edges(length, count)
    spans = np.diff(edges, append=length)
    means = np.add.reduceat(moments, edges, axis=3) / spans
    no_slow = [_no_slow_mode(each) for each in times]
    return means.reshape(*means.shape[:2], -1), np.tile(spans, ladders).astype(float), no_slow


def _drawn_together(
    rule: Observable, means: np.ndarray, spans: np.ndarray, resamples: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, bootstrap samples, and values with one span left out each, of all points from the same spans."""
    drawn, total = redrawn(len(spans), resamples, generator) * spans, means @ spans
    with np.errstate(all="ignore"):  # what is not finite is found by the caller
        values = rule.combine(*(total / spans.sum()))
        samples = rule.combine(*(drawn @ means.transpose(0, 2, 1) / drawn.sum(1)[:, None]))
        left_out = rule.combine(*(total[..., None] - means * spans) / (spans.sum() - spans))
    return values, samples, left_out


def _shrunk_correlation(rows: np.ndarray) -> np.ndarray:
    """Correlation of points from rows ``(points, draws)``, less what so many draws hardly know.

    Correlations are shrunk towards 0 by the ratio of the sum of their variances, (1 - r^2)^2 / (n - 1), to that of
    their squares.  J. Schaefer and K. Strimmer, Stat. Appl. Genet. Mol. Biol. 4, 32 (2005).
    """
    found, one = np.atleast_2d(np.corrcoef(rows)), np.eye(len(rows))
    other = found[one == 0]
    noise = float(((1 - other**2) ** 2).sum()) / (rows.shape[1] - 1)
    return np.asarray(one + max(0.0, 1 - noise / max(float((other**2).sum()), 1e-300)) * (found - one))


def _bin_time(tau: float, chains: int, length: int, where: str, refuse: bool) -> float:
    """Autocorrelation time that bins are made for; chains that are too short for it are refused if need be."""
    if not refuse:
        return min(tau, length / (2 * BIN_TIMES))
    if chains * length < SHORTEST * tau:
        raise InputError(
            f"{where}: {chains} chains of {length} measurements are too few for an autocorrelation time of about "
            f"{tau:.3g}; take --sweeps {int(np.ceil(2 * SHORTEST * tau / chains))} or more, with --extend, or "
            "with --restart if the file is of an earlier version"
        )
    return tau


def _point(
    rule: Observable,
    raw: list[np.ndarray],
    further: list[np.ndarray],
    resamples: int,
    generator: np.random.Generator,
    where: str,
    refuse: bool = True,
) -> tuple[float, np.ndarray, int, float, float]:
    """Value, samples, number of bins, p-values of one mean and of no slow mode, from arrays ``(chains, measurements)``.

    Bins are long enough for the further series, too.  Chains that are too short are refused, unless nothing will rest
    on their errors.
    """
    moments = rule.moments(*raw)
    chains, length = raw[0].shape
    times = [estimate_time(m) for m in (*moments, *further)]
    tau = _bin_time(max(time.span for time in times), chains, length, where, refuse)
    count = bin_count(tau, chains, length)
    edges = bin_edges(length, count)
    lengths = np.tile(np.diff(edges, append=length), chains)
    sums = np.array([np.add.reduceat(m, edges, axis=1).ravel() for m in moments])
    drawn = redrawn(len(lengths), resamples, generator)
    with np.errstate(all="ignore"):  # what is not finite is found by the caller
        value = float(rule.combine(*(sums.sum(1) / lengths.sum())))
        samples = rule.combine(*((drawn @ sums.T) / (drawn @ lengths)[:, None]).T)
    one_mean = _one_mean((sums[0] / lengths).reshape(chains, count))
    return value, np.asarray(samples), len(lengths), one_mean, _no_slow_mode(times)


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


def _no_slow_mode(times: Sequence[AutocorrelationTime]) -> float:
    """Probability that bins of some series scatter as much more by chance as those of one of them do."""
    return min(1.0, len(times) * min(time.p_value for time in times))


def _slow_modes(L: int, x: np.ndarray, p_values: list[float], control: str) -> str:
    """Sentence that says where bins of a size see a slow mode that the window does not; empty where they do not."""
    k = int(np.argmin(p_values))
    if p_values[k] * len(x) > DISAGREE:
        return ""
    return (
        f"bins at L = {L}, {control} = {x[k]:.6g} scatter more than the autocorrelation time explains (p = "
        f"{p_values[k]:.1g}): a slow mode of small weight, so errors rest on longer bins; take more --sweeps"
    )


def unmoved(found: Curves, sizes: Mapping[int, Mapping[str, np.ndarray]]) -> str:
    """Remark on control values that are left out because no chain moved there, or all runs are alike."""
    where: dict[str, list[str]] = {}
    for L, values in found.frozen.items():
        where.setdefault(", ".join(f"{x:g}" for x in values), []).append(str(L))
    places = "; ".join(f"{found.control} = {values} (L = {', '.join(sizes)})" for values, sizes in where.items())
    what = "all runs are alike" if found.correlation and not found.chains else "no chain moved"
    measurements = min(next(iter(sizes[L].values()))[0].size for L in found.frozen)
    return (
        f"{what} at {places}: such points are unknown, not exact, and left out; if measurements are independent, other "
        f"values have a share below {share_unseen(measurements):.2g} (95 %)"
    )
