"""Memory of a domain: lifetime of the contrast between its inside and outside, and its growth with L.

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

from physnn.analysis.memory.growth import Growth, fits_of, growth
from physnn.analysis.memory.lifetimes import Lifetime, lifetime, mean_lifetime
from physnn.analysis.statistics.estimate import Estimate, mean_over, power_law
from physnn.analysis.statistics.frames import Tabled

LOST = 0.5
"""m below which a memory is lost (see the head of this module)."""
SPACING = 32
"""Measurements of m in a factor e of time."""
WRITTEN = 0.5
"""Least |C(0)| of a domain that is written, a convention; two opposite states with a sharp wall have 1."""
ONE_SIDED = 0.5
"""Least mean |x . d| at the end without noise, whichever state was outside, of a preferred state; a convention."""


def sample_times(longest: int, period: int) -> np.ndarray:
    """Numbers of steps after which m is measured: whole periods, `SPACING` in a factor e of time, up to the longest.

    A longer list begins with a shorter one.
    """
    times = [0]
    while (after := times[-1] + period * max(1, times[-1] // (SPACING * period))) <= longest:
        times.append(after)
    return np.array(times)


def domain(pattern: str, L: int) -> np.ndarray:
    """Sites inside a pattern, shape (L, L): ``half``, the upper L/2 rows, or ``box``, a square of side L/2."""
    inside = np.zeros((L, L), bool)
    if pattern == "half":
        inside[: L // 2] = True
    else:
        side = round(L / 2)
        first = (L - side) // 2
        inside[first : first + side, first : first + side] = True
    return inside


def domain_contrast(p: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Contrast C: half of the mean of p = x . d inside less that outside, from ``(..., L, L)``, shape ``(...)``."""
    weights = np.where(inside, 1 / inside.sum(), -1 / (~inside).sum())
    return np.asarray(np.tensordot(np.asarray(p, np.float64), weights, 2) / 2)


def wall_width(p: np.ndarray) -> np.ndarray:
    """Mean square deviation of the wall of a half-plane from its mean, sites^2, shape ``(...)``.

    In every column the wall lies where it best divides positive p from negative: where the sum of p above it, over the
    L/2 rows about its first place, is largest.  Sites that noise turns over inside do not move it.
    """
    L = p.shape[-2]
    rows = p[..., L // 2 - L // 4 : L // 2 + L // 4, :]
    sums = np.cumsum(np.concatenate([np.zeros_like(rows[..., :1, :]), rows], axis=-2), axis=-2, dtype=np.float64)
    return np.asarray(np.argmax(sums, axis=-2).var(-1))


def held(curve: np.ndarray) -> np.ndarray:
    """m(t), times last, with NaN after the end of a run replaced by its last value."""
    place = np.where(np.isnan(curve), 0, np.arange(curve.shape[-1]))
    return np.asarray(np.take_along_axis(curve, np.maximum.accumulate(place, axis=-1), -1))


def losses(times: np.ndarray, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First times (steps) at which m falls below `LOST`, or the ends of the runs; and whether it fell.

    The curve m(t) is ``(..., times)``, joined by straight lines, with NaN after the end of a run.
    """
    below = curve < LOST
    lost, first = np.asarray(below.any(-1)), np.maximum(below.argmax(-1), 1)
    after, before = (np.take_along_axis(curve, (first - k)[..., None], -1)[..., 0] for k in (0, 1))
    share = np.clip((before - LOST) / np.where(before > after, before - after, 1.0), 0, 1)
    when = times[first - 1] + share * (times[first] - times[first - 1])
    return np.where(lost, np.maximum(when, times[1] / 2), float(times[-1])), lost


def at_time(times: np.ndarray, curve: np.ndarray, t: float) -> np.ndarray:
    """m, or another observable with times last, interpolated at a time up to the last one."""
    k = int(np.clip(np.searchsorted(times, t), 1, len(times) - 1))
    share = (t - times[k - 1]) / (times[k] - times[k - 1])
    whole = held(curve[..., : k + 1])
    return np.asarray((1 - share) * whole[..., k - 1] + share * whole[..., k])


@dataclass(frozen=True)
class Memories:
    """Measurements of a memory sweep at one size, at times in steps.

    ``curve`` is m(t), ``(eta, network, replica, times)``, NaN after the end of a run; ``noiseless`` the same without
    noise, with A and with B inside, ``(network, 2, times)``.  ``written`` is |C(0)| and ``preference`` the mean of x .
    d at the end without noise, over both ways to write the domain, of each network.  ``roughness`` is the mean square
    deviation of the wall, sites^2, at the scaled time, ``(eta, network, replica)``.
    """

    times: np.ndarray
    curve: np.ndarray
    noiseless: np.ndarray
    written: np.ndarray
    preference: np.ndarray
    roughness: np.ndarray | None = None


@dataclass(frozen=True)
class AtNoise:
    """Lifetimes by L at one noise value, their growth for all networks and for each, and the wall roughness by L."""

    eta: float
    lifetimes: Mapping[int, Lifetime]
    growth: Growth
    own: tuple[Growth, ...]
    roughness: Mapping[int, Estimate]
    roughness_power: Estimate | None


@dataclass(frozen=True)
class MemoryAnswer(Tabled):
    """Lifetimes of domains at every noise value and size, and their growth with L.

    Attributes
    ----------
    sizes, networks : tuple
        L; identities of networks.
    gammas : tuple of float
        Step size of each network: t = gamma steps.
    rows : tuple of AtNoise
        One for each noise value.
    controls : tuple of str
        Fate of a domain without noise in each network: ``keeps``, ``forgets``, ``prefers one state``, ``not written``.
    """

    sizes: tuple[int, ...]
    networks: tuple[str, ...]
    gammas: tuple[float, ...]
    rows: tuple[AtNoise, ...]
    controls: tuple[str, ...]

    def edge(self, network: int | None = None) -> tuple[float | None, float | None]:
        """Largest noise up to which lifetimes grow with L, and least from which on they do not, of all or of one."""
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
        """Answer in a sentence or two."""
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

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the noise values and sizes: lifetimes in steps, a ``bound`` from below where all domains last."""
        return [
            {"eta": row.eta, "L": L, "lifetime": Estimate(cell.tau, cell.tau * cell.log_tau.error), "bound": cell.bound}
            | {"z": row.growth.z, "growth": row.growth.verdict}
            for row in self.rows
            for L, cell in row.lifetimes.items()
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data; lower limits of lifetimes have an error of null."""
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
        {"L": L, "steps": cell.tau, "relative_error": None if cell.bound else cell.log_tau.error}
        | {"lower_limit": cell.bound, "shape": cell.shape, "lost": cell.lost, "count": cell.count}
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


def domain_lifetimes(
    eta: Sequence[float], networks: Sequence[str], gammas: Sequence[float], sizes: Mapping[int, Memories]
) -> MemoryAnswer:
    """Lifetimes of domains at every noise value (Langevin convention) and size, and their growth with L."""
    found = {L: losses(one.times, one.curve) for L, one in sizes.items()}
    rows = []
    for e, value in enumerate(eta):
        own = [{L: (when[e, n], lost[e, n]) for L, (when, lost) in found.items()} for n in range(len(networks))]
        cells = {L: mean_lifetime([lifetime(*data[L]) for data in own]) for L in sizes}
        fits = [fits_of(data) for data in own]
        each, common = tuple(growth([one]) for one in fits), growth(fits)
        rough = {L: _spread(one.roughness[e]) for L, one in sizes.items() if one.roughness is not None}
        rows.append(AtNoise(float(value), cells, common, each, rough, _power(rough)))
    controls = tuple(_control(sizes, n) for n in range(len(networks)))
    return MemoryAnswer(tuple(sizes), tuple(networks), tuple(gammas), tuple(rows), controls)


def _control(sizes: Mapping[int, Memories], n: int) -> str:
    """Fate of a domain in a network without noise, at the worst size."""
    if any(one.written[n] < WRITTEN for one in sizes.values()):
        return "not written"
    forgets = any(losses(one.times, one.noiseless[n])[1].any() for one in sizes.values())
    if forgets and any(abs(one.preference[n]) > ONE_SIDED for one in sizes.values()):
        return "prefers one state"
    return "forgets" if forgets else "keeps"


def _spread(values: np.ndarray) -> Estimate:
    """Mean of ``(network, replica)`` with an error from networks, or from replicas where there is one network."""
    return mean_over(values.mean(1) if len(values) > 1 else values[0])


def _power(rough: Mapping[int, Estimate]) -> Estimate | None:
    """Exponent of w^2 ~ L^(2 chi) by weighted least squares of the logarithms; None below three sizes."""
    good = {L: w for L, w in rough.items() if w.value > 0 and w.error > 0}
    if len(good) < 3:
        return None
    values, errors = (np.array([getattr(w, name) for w in good.values()]) for name in ("value", "error"))
    slope, error, chi2 = power_law(np.array(list(good), float), values, errors)
    return Estimate(slope, error * math.sqrt(max(1.0, chi2 / (len(good) - 2))))
