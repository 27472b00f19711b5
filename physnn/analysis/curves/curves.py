"""Curves y(x) of every size with bootstrap samples, from raw observables of networks and images.

Networks are the independent draws; images shown to one network are a cluster within it.  So a bootstrap sample draws
networks with replacement, the same for all sizes, and within each network and size images with replacement.  Done
plainly that is biased twice.  The scatter of the networks' means already contains the images' scatter, which would be
counted again: so the networks' deviations are shrunk to the part that images do not explain (A. C. Davison and
D. V. Hinkley, "Bootstrap Methods and their Application", section 3.8).  And n draws miss the share 1/n of the
variance: so deviations are scaled by sqrt(n/(n - 1)), those of networks and those of images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from physnn.analysis.curves.observables import TEMPERATURE, Observable, rule_of
from physnn.analysis.curves.points import Points
from physnn.analysis.statistics.resampling import shares, widened
from physnn.errors import InputError


@dataclass(frozen=True)
class Curves:
    """Curves of all sizes L, increasing; dictionaries are by L.

    Control values x increase; curves y and their standard errors have their shape, bootstrap samples are ``(resamples,
    points)``, and sample b of all sizes belongs together.  Errors rest on networks and images (the smallest number per
    network and size), or on Markov chains (``bins`` is the smallest number of all chains); all are 0 for a plain table.
    ``dof`` are the degrees of freedom of the errors: independent draws less one; infinite where errors were given.

    ``members`` are the curves of each network, with errors from images alone, ``(networks, points)``; empty for a
    table.  ``covariance`` is that of all values, sizes in order, where a table came with one.  ``equilibrium`` says why
    these are no equilibrium data; empty where nothing speaks against it.  ``frozen`` are control values that are left
    out because no chain moved there, by size.  ``slow`` says where chains have a slow mode of small weight.
    ``rounding`` is the unit of the last decimal of control values that are rounded, else 0.  If dimensionless, zeta = 0
    unless something else is asked for.
    """

    sizes: tuple[int, ...]
    x: dict[int, np.ndarray]
    y: dict[int, np.ndarray]
    samples: dict[int, np.ndarray]
    errors: dict[int, np.ndarray]
    networks: int
    images: int
    control: str
    observable: str
    symbol: str
    dimensionless: bool = True
    dof: float = np.inf
    members: dict[int, np.ndarray] = field(default_factory=dict)
    member_errors: dict[int, np.ndarray] = field(default_factory=dict)
    covariance: np.ndarray | None = None
    equilibrium: str = ""
    chains: int = 0
    bins: int = 0
    frozen: dict[int, tuple[float, ...]] = field(default_factory=dict)
    slow: str = ""
    correlation: dict[int, np.ndarray] = field(default_factory=dict)
    rounding: float = 0.0

    def points(self) -> Points:
        """All points in one row; errors are those of images alone where every network has several.

        Deviations that a network shows at every L and control value are no scatter of points: they enter the errors
        of what is fitted through the bootstrap over networks.
        """
        within = {L: np.sqrt((e**2).mean(0) / len(e)) for L, e in self.member_errors.items()}
        errors = within if within and all((e > 0).all() for e in within.values()) else self.errors
        return Points(
            np.concatenate([np.full(len(self.x[L]), float(L)) for L in self.sizes]),
            np.concatenate([self.x[L] for L in self.sizes]),
            np.concatenate([self.y[L] for L in self.sizes]),
            np.concatenate([errors[L] for L in self.sizes]),
            self.covariance,
        )

    def member(self, network: int) -> Points:
        """Points of one network, with errors from images.

        They are those of all networks together, scaled to this one: errors from the few images of one point would
        fluctuate too much for weights.
        """
        every = self.points()
        errors = [np.sqrt((self.member_errors[L] ** 2).mean(0)) for L in self.sizes]
        own = np.concatenate([self.member_errors[L][network] for L in self.sizes])
        together = np.concatenate(errors)
        scale = np.sqrt(np.mean((own / np.where(together > 0, together, 1)) ** 2))
        values = np.concatenate([self.members[L][network] for L in self.sizes])
        return Points(every.L, every.x, values, together * scale)

    def rows(self) -> np.ndarray:
        """Bootstrap samples of all points, shape ``(resamples, points)``."""
        return np.concatenate([self.samples[L] for L in self.sizes], axis=1)

    def correlated(self) -> np.ndarray | None:
        """Correlation of all points, ``(points, points)``, where those of a size share runs; None where they do not."""
        return block_diag(*(self.correlation[L] for L in self.sizes)) if self.correlation else None

    def scaled(self, zeta_over_nu: float) -> Curves:
        """Curves of y L^(-zeta/nu), L over the largest so that the scale stays that of the data."""
        factor = {L: (L / max(self.sizes)) ** -zeta_over_nu for L in self.sizes}
        each: dict[str, Any] = {
            name: {L: values * factor[L] for L, values in getattr(self, name).items()}
            for name in ("y", "samples", "errors", "members", "member_errors")
        }
        return replace(self, **each, covariance=None)

    def span(self) -> float:
        """Range of all curves."""
        return max(float(y.max()) for y in self.y.values()) - min(float(y.min()) for y in self.y.values())


def curves_of(
    sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    observable: str,
    control: str,
    resamples: int,
    generator: np.random.Generator,
    components: int = 1,
) -> Curves:
    """Curves of an observable with bootstrap samples.

    Parameters
    ----------
    sizes : mapping
        L to (control values ``(points,)``, raw arrays by name, each ``(points, networks, images)``).
    observable : str
        A name of `OBSERVABLES`.
    control : str
        Name of the control parameter.
    resamples : int
        Number of bootstrap samples.
    generator : numpy.random.Generator
        Source of the resampling.
    components : int
        Number of components of the order parameter, for U4.

    Raises
    ------
    InputError
        If the observable is unknown, the file lacks what it needs, or values are not finite.
    """
    rule = rule_of(observable, control, *(arrays for _, arrays in sizes.values()), components=components)
    networks = min(arrays[rule.raw[0]].shape[1] for _, arrays in sizes.values())
    weights = widened(shares(networks, (resamples,), generator))
    x, y, samples, counts = {}, {}, {}, []
    members, member_errors = {}, {}
    for L in sorted(sizes):
        order = np.argsort(sizes[L][0])
        raw = [np.asarray(sizes[L][1][name], float)[order][:, :networks] for name in rule.raw]
        if not all(np.isfinite(values).all() for values in raw):
            raise InputError(f"{observable} of L = {L} has values that are not finite; the file cannot be fitted")
        x[L] = np.asarray(sizes[L][0], float)[order]
        with np.errstate(all="ignore"):  # what overflows or divides by zero is found below
            moments = rule.moments(*raw)
            y[L] = rule.combine(*(m.mean(2) for m in moments)).mean(1)
            samples[L], members[L], member_errors[L] = _resampled(rule, moments, weights, generator)
        counts.append(raw[0].shape[2])
    several, draws = min(counts) > 1, networks if networks > 1 else min(counts)
    return resampled_curves(
        rule,
        observable,
        control,
        (x, y, samples),
        draws,
        networks=networks,
        images=min(counts),
        members=members if several else {},
        member_errors=member_errors if several else {},
        equilibrium=disequilibrium(sizes, control),
    )


def moving(series: Iterable[np.ndarray]) -> np.ndarray:
    """Mask of the control values at which every series ``(points, ...)`` has more than one value.

    Where chains never moved, or all runs are alike, an error of 0 would call exact what is unknown.
    """
    mask: Any = True
    for values in series:
        flat = np.asarray(values, float).reshape(len(values), -1)
        # Values that are not finite are refused by the caller.
        mask = mask & ~(np.ptp(flat, axis=1) <= 1e-12 * np.abs(flat).max(1))
    return np.asarray(mask)


def resampled_curves(
    rule: Observable,
    observable: str,
    control: str,
    curves: tuple[dict[int, np.ndarray], dict[int, np.ndarray], dict[int, np.ndarray]],
    draws: int,
    **more: Any,
) -> Curves:
    """Curves whose errors are those of bootstrap samples from so many independent draws.

    Parameters
    ----------
    rule, observable, control : Observable, str, str
        What was measured, its name, and that of the control parameter.
    curves : tuple of dict
        Control values, curves and samples, see `Curves`.
    draws : int
        Smallest number of independent draws of a point.
    **more
        Further attributes.

    Raises
    ------
    InputError
        If values are not finite.
    """
    x, y, samples = curves
    for L in x:
        if not (np.isfinite(y[L]).all() and np.isfinite(samples[L]).all()):
            raise InputError(f"{observable} of L = {L} cannot be formed from these numbers; the file cannot be fitted")
    more = {"networks": 0, "images": 0} | more
    return Curves(
        tuple(sorted(x)),
        x,
        y,
        samples,
        {L: rows.std(0, ddof=1) for L, rows in samples.items()},
        control=control,
        observable=observable,
        symbol=rule.symbol,
        dimensionless=rule.dimensionless,
        dof=draws - 1,
        **more,
    )


def _resampled(
    rule: Observable, moments: tuple[np.ndarray, ...], weights: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bootstrap samples of the mean curve, and the networks' own curves with their errors from images."""
    networks, images = moments[0].shape[1:]
    drawn = shares(images, (len(weights), networks), generator)
    curves = rule.combine(*(m.mean(2) for m in moments))
    resampled = _drawn(rule, moments, widened(drawn))
    if not (known := np.isfinite(resampled)).all():
        # Weights below 0 can make the mean of a few unlike squares negative: there the curve itself is scaled.
        scale = np.sqrt(images / (images - 1))
        resampled = np.where(known, resampled, curves + (_drawn(rule, moments, drawn) - curves) * scale)
    samples = resampled.mean(2)
    within = resampled.var(0)
    if networks > 1:
        # For each control value on its own: where images dominate at one, they need not at another.
        between = curves.var(1, ddof=1)
        share = np.clip(1 - within.mean(1) / np.where(between > 0, between, np.inf), 0, 1)
        samples = samples + np.sqrt(share) * (weights @ (curves - curves.mean(1, keepdims=True)).T)
    return samples, curves.T, np.sqrt(within).T


def _drawn(rule: Observable, moments: tuple[np.ndarray, ...], weights: np.ndarray) -> np.ndarray:
    """Networks' curves with weighted images, (resamples, points, networks)."""
    return rule.combine(*(np.einsum("cni,bni->bcn", m, weights, optimize=True) for m in moments))


def disequilibrium(sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]], control: str) -> str:
    """Sentence that says where the configurational temperature is not that of the noise; empty where nothing is off."""
    if control not in TEMPERATURE or not any({"force", "t_conf"} & set(arrays) for _, arrays in sizes.values()):
        return ""
    # Only data that carry a thermometer load what reads it.
    from physnn.analysis.order.equilibrium import THERMOMETER_TOLERANCE

    for L, (values, arrays) in sizes.items():
        T = TEMPERATURE[control](np.asarray(values, float))
        if "force" in arrays and "curvature" in arrays:
            if said := _worst(L, control, np.asarray(values), T, arrays):
                return said
            continue
        if "t_conf" not in arrays:
            continue
        measured = np.asarray(arrays["t_conf"], float)
        mean, count = measured.mean((1, 2)), measured[0].size
        error = measured.std((1, 2)) / np.sqrt(max(1, count - 1))
        off = (np.abs(mean - T) > THERMOMETER_TOLERANCE * T) & (np.abs(mean - T) > 3 * error) & (T > 0)
        if off.any():
            k = int(np.argmax(np.where(off, np.abs(mean - T) / np.where(T > 0, T, np.inf), 0)))
            return (
                f"at L = {L}, {control} = {values[k]:.6g} the configurational temperature is {mean[k]:.4g}, "
                f"that of the noise {T[k]:.4g}: no equilibrium, so no static exponents"
            )
    return ""


def _worst(L: int, control: str, values: np.ndarray, T: np.ndarray, arrays: Mapping[str, np.ndarray]) -> str:
    """Sentence that says where chains are farthest from the temperature of their noise; empty where none is off."""
    from physnn.analysis.order.equilibrium import thermometer

    readings = [
        (k, thermometer(arrays["force"][k], arrays["curvature"][k], float(each)))
        for k, each in enumerate(T)
        if each > 0
    ]
    off = [(k, r) for k, r in readings if r.verdict == "non-equilibrium"]
    if not off:
        return ""
    k, reading = max(off, key=lambda found: abs(found[1].t_conf.value / found[1].T - 1))
    return f"at L = {L}, {control} = {values[k]:.6g} {reading.reason}"
