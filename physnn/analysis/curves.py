"""Curves y(x) of every size with bootstrap samples, from raw observables of networks and images.

Networks are the independent draws; images shown to one network are a cluster within it.  So a bootstrap sample draws
networks with replacement, the same for all sizes, and within each network and size images with replacement.  Done
plainly that is biased twice.  The scatter of the networks' means already contains the images' scatter, which would be
counted again: so the networks' deviations are shrunk to the part that images do not explain (A. C. Davison and
D. V. Hinkley, "Bootstrap Methods and their Application", section 3.8).  And n draws miss the share 1/n of the
variance: so deviations are scaled by sqrt(n/(n - 1)), those of networks and those of images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from physnn.errors import InputError


@dataclass(frozen=True)
class Observable:
    """How a curve comes from raw arrays: a function of the means of raw quantities over one network's images.

    Parameters
    ----------
    raw : tuple of str
        Names of the raw arrays that must be there.
    moments : callable
        Maps the raw arrays to the quantities that are averaged.
    combine : callable
        Maps the averages to the curve.
    symbol, dimensionless : str, bool
        For axes; whether zeta = 0 by default.
    """

    raw: tuple[str, ...]
    moments: Callable[..., tuple[np.ndarray, ...]]
    combine: Callable[..., np.ndarray]
    symbol: str
    dimensionless: bool = True


def _same(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return arrays


OBSERVABLES: dict[str, Observable] = {
    "rmse": Observable(("rmse",), lambda y: (y**2,), np.sqrt, "RMSE (pooled, pixels 0 and 1)"),
    "rmse_per_image": Observable(("rmse",), _same, lambda y: y, "RMSE (mean over images, pixels 0 and 1)"),
    "overlap": Observable(("overlap",), _same, lambda y: y, "overlap q with the noiseless state"),
    "energy": Observable(("energy",), _same, lambda y: y, "energy per site E"),
    "binder": Observable(("m2", "m4"), _same, lambda m2, m4: 1 - m4 / (3 * m2**2), "Binder cumulant U4"),
    "m_abs": Observable(("m_abs",), _same, lambda y: y, "<|m|>", dimensionless=False),
}
"""What can be fitted.  Averages over networks are taken after ``combine``, averages over images before."""


@dataclass(frozen=True)
class Curves:
    """Curves of all sizes.

    Attributes
    ----------
    sizes : tuple of int
        L, increasing.
    x : dict of ndarray
        Control values of each L, increasing, shape ``(points,)``.
    y : dict of ndarray
        Curve of each L.
    samples : dict of ndarray
        Bootstrap samples, shape ``(resamples, points)``; sample b of all sizes belongs together.
    networks, images : int
        What the errors rest on; ``images`` is the smallest number per network and size.
    control, observable : str
        Names.
    """

    sizes: tuple[int, ...]
    x: dict[int, np.ndarray]
    y: dict[int, np.ndarray]
    samples: dict[int, np.ndarray]
    networks: int
    images: int
    control: str
    observable: str

    def error(self, L: int) -> np.ndarray:
        """Return the standard errors of one curve."""
        return np.asarray(self.samples[L].std(0, ddof=1))

    def span(self) -> float:
        """Range of all curves."""
        return max(float(y.max()) for y in self.y.values()) - min(float(y.min()) for y in self.y.values())


def check_observable(name: str, known: Collection[str] = tuple(OBSERVABLES)) -> None:
    """Raise InputError if there is no such observable."""
    if name not in known:
        raise InputError(f"there is no observable {name!r}; choose one of {', '.join(known)}")


def available(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Return the observables that the raw arrays of a file allow."""
    return [name for name, observable in OBSERVABLES.items() if all(raw in arrays for raw in observable.raw)]


def curves_of(
    sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    observable: str,
    control: str,
    resamples: int,
    generator: np.random.Generator,
) -> Curves:
    """Return the curves of an observable with bootstrap samples.

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

    Raises
    ------
    InputError
        If the observable is unknown, the file lacks what it needs, or values are not finite.
    """
    check_observable(observable)
    rule = OBSERVABLES[observable]
    first = next(iter(sizes.values()))[1]
    if any(raw not in arrays for _, arrays in sizes.values() for raw in rule.raw):
        raise InputError(f"{observable} needs {', '.join(rule.raw)}; this file allows: {', '.join(available(first))}")
    networks = min(arrays[rule.raw[0]].shape[1] for _, arrays in sizes.values())
    weights = _network_weights(networks, resamples, generator)
    x, y, samples, counts = {}, {}, {}, []
    for L in sorted(sizes):
        order = np.argsort(sizes[L][0])
        raw = [np.asarray(sizes[L][1][name], float)[order][:, :networks] for name in rule.raw]
        if not all(np.isfinite(values).all() for values in raw):
            raise InputError(f"{observable} of L = {L} has values that are not finite; the file cannot be fitted")
        x[L] = np.asarray(sizes[L][0], float)[order]
        with np.errstate(all="ignore"):  # what overflows or divides by zero is found below
            moments = rule.moments(*raw)
            y[L] = rule.combine(*(m.mean(2) for m in moments)).mean(1)
            samples[L] = _resampled(rule, moments, weights, generator)
        if not (np.isfinite(y[L]).all() and np.isfinite(samples[L]).all()):
            raise InputError(f"{observable} of L = {L} cannot be formed from these numbers; the file cannot be fitted")
        counts.append(raw[0].shape[2])
    return Curves(tuple(sorted(sizes)), x, y, samples, networks, min(counts), control, observable)


def _network_weights(networks: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    if networks == 1:
        return np.ones((resamples, 1))
    drawn = generator.multinomial(networks, np.full(networks, 1 / networks), resamples) / networks
    return np.asarray(1 / networks + (drawn - 1 / networks) * np.sqrt(networks / (networks - 1)))


def _resampled(
    rule: Observable, moments: tuple[np.ndarray, ...], weights: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    networks, images = moments[0].shape[1:]
    drawn = generator.multinomial(images, np.full(images, 1 / images), (len(weights), networks)) / images
    if images > 1:
        drawn = 1 / images + (drawn - 1 / images) * np.sqrt(images / (images - 1))
    means = [np.einsum("cni,bni->bcn", m, drawn, optimize=True) for m in moments]
    curves, resampled = rule.combine(*(m.mean(2) for m in moments)), rule.combine(*means)
    samples = resampled.mean(2)
    if networks > 1:
        # For each control value on its own: where images dominate at one, they need not at another.
        between, within = curves.var(1, ddof=1), resampled.var(0).mean(1)
        share = np.clip(1 - within / np.where(between > 0, between, np.inf), 0, 1)
        samples = samples + np.sqrt(share) * (weights @ (curves - curves.mean(1, keepdims=True)).T)
    return np.asarray(samples)
