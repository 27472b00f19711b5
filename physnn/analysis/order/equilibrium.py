"""Evidence for equilibrium of long runs: configurational temperature, length of chains, agreement of starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from physnn.analysis.order.structure import (
    FINENESS,
    RESOLVED_CONTRAST,
    Order,
    at_order,
    fits,
    fitting_sizes,
    peak,
    peak_contrast,
    placed,
    written,
)
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.series import as_chains, estimate_time
from physnn.errors import InputError

THERMOMETER_TOLERANCE = 0.02
"""Relative difference between t_conf and T beyond which a run is not in equilibrium; a convention, as
far off as the temperatures of the tests' negative controls."""
THERMOMETER_SIGMAS = 4
"""Standard errors by which a difference must exceed the tolerance: one false alarm in 10^4 runs."""


@dataclass(frozen=True)
class Thermometer:
    """Configurational temperature of a run that was meant to have the temperature T, with a verdict and its reason.

    ``t_conf`` is ``<(Pi_x f)^2> / <(N - 1) x . f - tr J_00 + x . J_00 x>``, in units of T.  The verdict is
    ``equilibrium``: within `THERMOMETER_TOLERANCE`, and the error is small enough to say so; ``non-equilibrium``:
    beyond it by more than the error allows; or ``undecided``: too short a run.
    """

    t_conf: Estimate
    T: float
    verdict: str
    reason: str

    @property
    def ratio(self) -> Estimate:
        """t_conf / T, dimensionless."""
        return Estimate(self.t_conf.value / self.T, self.t_conf.error / self.T)


def thermometer(force: np.ndarray, curvature: np.ndarray, T: float) -> Thermometer:
    """Configurational temperature of a run (H. H. Rugh, Phys. Rev. Lett. 78, 772 (1997)).

    Agreement excludes step-size and cycle artefacts only: the test is local and blind to metastable states.

    Parameters
    ----------
    force, curvature : arrays of shape (measurements,) or (chains, measurements)
        (Pi_x f)^2 and its divergence per site, after thermalisation.
    T : float
        The temperature meant, eta^2 / 2.

    Raises
    ------
    InputError
        If T is not positive or a series is too short.
    """
    if not T > 0:
        raise InputError(f"the thermometer needs a temperature above 0, not {T:g}")
    forces, curvatures = as_chains(force), as_chains(curvature)
    value = float(forces.mean() / curvatures.mean())
    # The linear part of the ratio; a slow run must be told so, not refused, so that short series are allowed.
    error = estimate_time((forces - value * curvatures) / curvatures.mean()).mean.error
    t_conf = Estimate(value, error)
    off = abs(t_conf.value / T - 1)
    doubt = t_conf.error / T
    if off > THERMOMETER_TOLERANCE and off - THERMOMETER_TOLERANCE > THERMOMETER_SIGMAS * doubt:
        verdict, why = "non-equilibrium", "static exponents do not describe it; use a smaller gamma"
    elif off <= THERMOMETER_TOLERANCE and doubt <= THERMOMETER_TOLERANCE / 2:
        verdict, why = "equilibrium", "step size and cycles do not disturb it"
    else:
        verdict, why = "undecided", "run longer"
    reason = f"t_conf / T = {Estimate(t_conf.value / T, doubt)}, allowed are 1 +- {THERMOMETER_TOLERANCE:g}: {why}"
    return Thermometer(t_conf, T, verdict, reason)


WATCHED = ("energy", "m2")
"""Observables whose autocorrelation times and starts are compared: the slowest ones of the stored columns."""
BESIDE = 0.001
"""p-value, by Student's t over chains, below which S(k) peaks beside k*; a convention."""


@dataclass(frozen=True)
class EquilibriumCheck(Tabled):
    """Evidence for equilibrium of the chains of one size and temperature.

    ``tau`` is the longest integrated autocorrelation time of the energy and of |psi|^2, in measurements, and
    ``effective_samples`` how many independent draws all chains together are worth by it; NaN where one of them never
    changed.  ``hot_cold`` is the difference of the means from random and from ordered starts, in standard errors: the
    larger one of both; NaN where all chains began alike, or never changed.
    """

    L: int
    T: float
    thermometer: Thermometer
    tau: float
    effective_samples: float
    hot_cold: float

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        ratio = self.thermometer.ratio
        found = {"t_conf_over_T": {"value": ratio.value, "error": ratio.error}, "thermometer": self.thermometer.verdict}
        numbers = {"tau": self.tau, "effective_samples": self.effective_samples, "hot_cold_z": self.hot_cold}
        known = {name: None if np.isnan(value) else value for name, value in numbers.items()}
        return {"L": self.L, "T": self.T, **found, **known}


def checks(sizes: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]], both: bool) -> list[EquilibriumCheck]:
    """Evidence for equilibrium of the chains of every size and temperature.

    Sizes map L to (temperatures, raw arrays by name), each array ``(temperatures, chains, measurements)``; ``both`` is
    True if chains of even number began ordered and the others at random.
    """
    found = []
    for L in sorted(sizes):
        values, arrays = sizes[L]
        for k, T in enumerate(values):
            series = [np.asarray(arrays[name][k], float) for name in WATCHED]
            slowest = max((estimate_time(s) for s in series), key=lambda time: _unknown_first(time.tau.value))
            split = both and len(series[0]) > 1
            z = max((_apart(s[::2], s[1::2]) for s in series), key=_unknown_first) if split else np.nan
            reading = thermometer(arrays["force"][k], arrays["curvature"][k], float(T))
            found.append(EquilibriumCheck(L, float(T), reading, slowest.tau.value, slowest.effective_samples, float(z)))
    return found


def _unknown_first(value: float) -> float:
    """Order of values by size, those that are unknown before all others."""
    return np.inf if np.isnan(value) else abs(value)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    first, second = estimate_time(one).mean, estimate_time(other).mean
    error = float(np.hypot(first.error, second.error))
    return (first.value - second.value) / error


def check_rows(found: list[EquilibriumCheck]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table of checks."""
    headings = ["L", "T", "t_conf / T", "tau", "independent", "hot - cold", "thermometer"]
    lines = []
    for c in found:
        z = "" if np.isnan(c.hot_cold) else f"{c.hot_cold:.1f} sigma"
        numbers = ["unknown"] * 2 if np.isnan(c.tau) else [f"{c.tau:.3g}", f"{c.effective_samples:.0f}"]
        lines.append([str(c.L), f"{c.T:.6g}", str(c.thermometer.ratio), *numbers, z, c.thermometer.verdict])
    return headings, lines


def compatible_sizes(order: Order, sizes: list[int]) -> tuple[list[int], str]:
    """Sizes that may be fitted together, and a sentence on the others; an `InputError` if they leave fewer than two."""
    left = [L for L in sizes if fits(order.wave_vectors, L)]
    lost = [L for L in sizes if L not in left]
    if not lost:
        return left, ""
    waves = " and ".join(written(k) for k in dict.fromkeys(order.wave_vectors))
    others = ", ".join(map(str, fitting_sizes(order.wave_vectors, 4, max(32, 2 * max(sizes)))))
    text = (
        f"L = {', '.join(map(str, lost))} {'does' if len(lost) == 1 else 'do'} not hold whole waves of the order, "
        f"k* / 2 pi = {waves}, and {'is' if len(lost) == 1 else 'are'} not fitted with other sizes"
    )
    if len(left) < 2 <= len(sizes):
        raise InputError(f"{text}: take sizes such as L = {others or 'multiples of the wave length'}")
    return left, f"{text}; sizes such as L = {others} fit"


def strayed(order: Order, structure: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Sizes and temperatures at which S(k) has a clear peak elsewhere than at k*, as sentences.

    The structure maps L to (temperatures, trace of S(k)), the latter ``(temperatures, chains, L, L // 2 + 1)``.
    """
    found = []
    for L, (values, traces) in structure.items():
        for T, trace in zip(values, traces.mean(1), strict=True):
            full = whole_zone(trace)
            place = peak(full)
            if peak_contrast(full) >= RESOLVED_CONTRAST and not at_order(place, order, L):
                k = written((Fraction(place[0], L), Fraction(place[1], L)))
                found.append(f"at L = {L}, T = {T:.6g} S(k) peaks at {k}")
    return found


def drifted(order: Order, structure: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Sentence that S(k) of the largest size, as in `strayed`, peaks beside k*, between wave vectors; or none.

    It concerns the highest temperature with a clear peak at k*.  Order that is locked to the lattice below a transition
    may melt into waves of another length, and exponents of sizes that cannot hold those are not of a class.
    """
    held = [L for L in structure if fits(order.wave_vectors, L)]
    if not held or len(structure[max(held)][1][0]) < 2:
        return []
    L = max(held)
    values, traces = structure[L]
    for T, trace in sorted(zip(values, traces, strict=True), key=lambda pair: -pair[0]):
        S = np.array([whole_zone(chain) for chain in trace])
        place = peak(S.mean(0))
        if peak_contrast(S.mean(0)) < RESOLVED_CONTRAST or not at_order(place, order, L):
            continue
        # Of each chain apart: they are independent.
        found = np.array([placed(chain, *place) for chain in S])
        errors = found.std(0, ddof=1) / len(S) ** 0.5
        k = [Estimate.student(m, e, len(S) - 1) for m, e in zip(found.mean(0), errors, strict=True)]
        off = [
            abs(one.value - at / L) * L > FINENESS and not low <= at / L <= high
            for one, at in zip(k, place, strict=True)
            for low, high in [one.interval(1 - 2 * BESIDE)]
        ]
        if any(off):
            return [
                f"at L = {L}, T = {T:.6g} S(k) peaks beside k*, at k / 2 pi = ({k[0]}, {k[1]}): order that the lattice"
                " holds melts into other waves"
            ]
        return []
    return []


def whole_zone(half: np.ndarray) -> np.ndarray:
    """Even function of k, shape (L, L), from its columns 0 to L // 2."""
    L = half.shape[0]
    columns = np.arange(L)
    mirrored = half[-np.arange(L) % L][:, np.minimum(columns, L - columns)]
    return np.where(columns <= L // 2, half[:, np.minimum(columns, L - columns)], mirrored)
