"""Memory of a domain: how long the contrast of its inside and outside lasts, and how that grows with L.

With A and B the states of a network for images that are all foreground and all background, d = (A - B) / |A - B| at
every site, and C the mean of x . d inside less that outside, m(t) = C(t) / C(0).  A drift of all sites alike does not
count.  A memory is lost when m < 1/2 first: half of what was written, in a domain that shrinks half of its area.  Any
level between the noise of m (of order 1/L) and 1 gives the same dependence on L.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.analysis.memory.growth import Growth, fits_of, growth_of
from physnn.analysis.memory.lifetimes import Lifetime, lifetime, together
from physnn.analysis.statistics.estimate import Estimate

LOST = 0.5
"""m below which a memory is lost."""
SPACING = 32
"""Times are looked at every 1/SPACING of the time."""
WRITTEN = 0.5
"""A domain is written if |C(0)| is at least this, 1 being two opposite states with a sharp wall."""
ONE_SIDED = 0.5
"""A state is preferred if without noise x . d ends beyond this share of its length, whichever state was outside."""


def sample_times(longest: int, period: int) -> np.ndarray:
    """Return the numbers of steps after which m is measured: whole periods, `SPACING` a factor of e, up to longest.

    A longer list begins with a shorter one.
    """
    times = [0]
    while (after := times[-1] + period * max(1, times[-1] // (SPACING * period))) <= longest:
        times.append(after)
    return np.array(times)


def domain(pattern: str, L: int) -> np.ndarray:
    """Return where the inside of a pattern is: ``half``, the upper L/2 rows, or ``box``, a square of side L/2."""
    inside = np.zeros((L, L), bool)
    if pattern == "half":
        inside[: L // 2] = True
    else:
        side = round(L / 2)
        first = (L - side) // 2
        inside[first : first + side, first : first + side] = True
    return inside


def contrast(p: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return half the mean of p = x . d inside less that outside, of ``(..., L, L)``, shape ``(...)``."""
    weights = np.where(inside, 1 / inside.sum(), -1 / (~inside).sum())
    return np.asarray(np.tensordot(np.asarray(p, np.float64), weights, 2) / 2)


def wall_width(p: np.ndarray) -> np.ndarray:
    """Return the mean square deviation of the wall of a half-plane from its mean, sites^2, shape ``(...)``.

    In every column the wall lies where it best divides positive p from negative: where the sum of p above it, over the
    L/2 rows about its first place, is largest.  Sites that noise turns over inside do not move it.
    """
    L = p.shape[-2]
    rows = p[..., L // 2 - L // 4 : L // 2 + L // 4, :]
    sums = np.cumsum(np.concatenate([np.zeros_like(rows[..., :1, :]), rows], axis=-2), axis=-2, dtype=np.float64)
    return np.asarray(np.argmax(sums, axis=-2).var(-1))


def held(curve: np.ndarray) -> np.ndarray:
    """Return m(t), times last, with the last value for times that were not followed any more (NaN)."""
    place = np.where(np.isnan(curve), 0, np.arange(curve.shape[-1]))
    return np.asarray(np.take_along_axis(curve, np.maximum.accumulate(place, axis=-1), -1))


def losses(times: np.ndarray, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return when m fell below `LOST` first, between samples by a straight line, or the last time; and whether it did.

    Parameters
    ----------
    times : ndarray, shape (times,)
        Steps.
    curve : ndarray, shape (..., times)
        m(t); NaN where it was not followed any more.
    """
    below = curve < LOST
    lost, first = np.asarray(below.any(-1)), np.maximum(below.argmax(-1), 1)
    after, before = (np.take_along_axis(curve, (first - k)[..., None], -1)[..., 0] for k in (0, 1))
    share = np.clip((before - LOST) / np.where(before > after, before - after, 1.0), 0, 1)
    when = times[first - 1] + share * (times[first] - times[first - 1])
    return np.where(lost, np.maximum(when, times[1] / 2), float(times[-1])), lost


def at_time(times: np.ndarray, curve: np.ndarray, t: float) -> np.ndarray:
    """Return m, or what else was measured, at a time up to the last one."""
    k = int(np.clip(np.searchsorted(times, t), 1, len(times) - 1))
    share = (t - times[k - 1]) / (times[k] - times[k - 1])
    whole = held(curve[..., : k + 1])
    return np.asarray((1 - share) * whole[..., k - 1] + share * whole[..., k])


@dataclass(frozen=True)
class Memories:
    """What was measured at one size.

    Attributes
    ----------
    times : ndarray, shape (times,)
        Steps.
    curve : ndarray, shape (eta, network, replica, times)
        m(t), NaN where it was not followed any more.
    noiseless : ndarray, shape (network, 2, times)
        The same without noise, A inside and B inside.
    written : ndarray, shape (network,)
        |C(0)|.
    preference : ndarray, shape (network,)
        Mean of x . d at the end without noise, over both ways to write the domain.
    roughness : ndarray or None, shape (eta, network, replica)
        Mean square deviation of the wall, sites^2, at the scaled time.
    """

    times: np.ndarray
    curve: np.ndarray
    noiseless: np.ndarray
    written: np.ndarray
    preference: np.ndarray
    roughness: np.ndarray | None = None


@dataclass(frozen=True)
class AtNoise:
    """The answer at one noise value: lifetimes by L, growth with L of all networks and of each, wall roughness by L."""

    eta: float
    lifetimes: Mapping[int, Lifetime]
    growth: Growth
    own: tuple[Growth, ...]
    roughness: Mapping[int, Estimate]
    roughness_power: Estimate | None


@dataclass(frozen=True)
class MemoryAnswer:
    """How long domains last.

    Attributes
    ----------
    sizes, networks : tuple
        L; identities of networks.
    gammas : tuple of float
        Step size of each network: t = gamma steps.
    rows : tuple of AtNoise
        One for each noise value.
    controls : tuple of str
        What each network does without noise: ``keeps``, ``forgets``, ``prefers one state`` or ``not written``.
    """

    sizes: tuple[int, ...]
    networks: tuple[str, ...]
    gammas: tuple[float, ...]
    rows: tuple[AtNoise, ...]
    controls: tuple[str, ...]

    def edge(self, network: int | None = None) -> tuple[float | None, float | None]:
        """Return the noise up to which lifetimes grow with L, and that from which on they do not; of all or one."""
        verdicts = [(row.eta, (row.growth if network is None else row.own[network]).grows) for row in self.rows]
        growing = []
        for eta, grows in verdicts:
            if grows is not True:
                break
            growing.append(eta)
        ending: list[float] = []
        for eta, grows in reversed(verdicts):
            if grows is not False:
                break
            ending.append(eta)
        return growing[-1] if growing else None, ending[-1] if ending else None

    @property
    def verdict(self) -> str:
        """The answer in a sentence or two."""
        low, high = self.edge()
        parts = []
        kept = all(row.growth.verdict == "kept" for row in self.rows if low is not None and row.eta <= low)
        if low is not None:
            what = "Memory outlives all runs" if kept else "Memory lasts longer in larger systems"
            parts.append(f"{what} up to eta = {low:.4g}")
        if high is not None:
            parts.append(f"{'it' if parts else 'Memory'} gains nothing from size from eta = {high:.4g} on")
        text = ", and ".join(parts) or "How lifetimes grow with L cannot be decided at any noise value"
        bad = [name for name, control in zip(self.networks, self.controls, strict=True) if control != "keeps"]
        if bad:
            text += f". Without any noise {len(bad)} of {len(self.networks)} networks do not keep what is written"
        return text + "."

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON; lower limits of lifetimes have an error of null."""
        return {
            "verdict": self.verdict,
            "sizes": list(self.sizes),
            "edge": list(self.edge()),
            "networks": [
                {"id": name, "gamma": gamma, "without_noise": control, "edge": list(self.edge(k))}
                for k, (name, gamma, control) in enumerate(zip(self.networks, self.gammas, self.controls, strict=True))
            ],
            "eta": [_row_json(row) for row in self.rows],
        }


def _row_json(row: AtNoise) -> dict[str, Any]:
    lifetimes = [
        {
            "L": L,
            "steps": cell.tau,
            "relative_error": None if cell.bound else cell.log_tau.error,
            "lower_limit": cell.bound,
            "shape": cell.shape,
            "lost": cell.lost,
            "count": cell.count,
        }
        for L, cell in row.lifetimes.items()
    ]
    return {
        "eta": row.eta,
        "lifetimes": lifetimes,
        "growth": row.growth.as_json(),
        "growth_of_networks": [own.as_json() for own in row.own],
        "roughness": [{"L": L, **value.as_json()} for L, value in row.roughness.items()],
        "roughness_power": row.roughness_power.as_json() if row.roughness_power else None,
    }


def memory_answer(
    eta: Sequence[float], networks: Sequence[str], gammas: Sequence[float], sizes: Mapping[int, Memories]
) -> MemoryAnswer:
    """Return how long domains last at every noise value and size, and how that grows with L.

    Parameters
    ----------
    eta : sequence of float
        Noise values, Langevin convention.
    networks, gammas : sequence
        Identities and step sizes.
    sizes : mapping
        L to what was measured.
    """
    found = {L: losses(one.times, one.curve) for L, one in sizes.items()}
    rows = []
    for e, value in enumerate(eta):
        own = [{L: (when[e, n], lost[e, n]) for L, (when, lost) in found.items()} for n in range(len(networks))]
        cells = {L: together([lifetime(*data[L]) for data in own]) for L in sizes}
        fits = [fits_of(data) for data in own]
        each, common = tuple(growth_of([one]) for one in fits), growth_of(fits)
        rough = {L: _spread(one.roughness[e]) for L, one in sizes.items() if one.roughness is not None}
        rows.append(AtNoise(float(value), cells, common, each, rough, _power(rough)))
    controls = tuple(_control(sizes, n) for n in range(len(networks)))
    return MemoryAnswer(tuple(sizes), tuple(networks), tuple(gammas), tuple(rows), controls)


def _control(sizes: Mapping[int, Memories], n: int) -> str:
    """Return what a network does without noise, at the size where it does worst."""
    if any(one.written[n] < WRITTEN for one in sizes.values()):
        return "not written"
    forgets = any(losses(one.times, one.noiseless[n])[1].any() for one in sizes.values())
    if forgets and any(abs(one.preference[n]) > ONE_SIDED for one in sizes.values()):
        return "prefers one state"
    return "forgets" if forgets else "keeps"


def _spread(values: np.ndarray) -> Estimate:
    """Return the mean of ``(network, replica)`` with an error from networks, or from replicas where there is one."""
    draws = values.mean(1) if len(values) > 1 else values[0]
    if len(draws) < 2:
        return Estimate(float(draws.mean()), math.nan)
    return Estimate.student(float(draws.mean()), float(draws.std(ddof=1)) / math.sqrt(len(draws)), len(draws) - 1)


def _power(rough: Mapping[int, Estimate]) -> Estimate | None:
    """Return the exponent of w^2 ~ L^(2 chi) by weighted least squares of the logarithms; None below three sizes."""
    good = {L: w for L, w in rough.items() if w.value > 0 and w.error > 0}
    if len(good) < 3:
        return None
    x = np.log(np.array(list(good), float))
    y = np.log([w.value for w in good.values()])
    weight = np.array([(w.value / w.error) ** 2 for w in good.values()])
    u = x - np.average(x, weights=weight)
    slope = float((weight * u * y).sum() / (weight * u**2).sum())
    level = float(np.average(y, weights=weight))
    chi2 = float((weight * (y - level - slope * u) ** 2).sum())
    scale = max(1.0, chi2 / (len(good) - 2))
    return Estimate(slope, math.sqrt(scale / float((weight * u**2).sum())))
