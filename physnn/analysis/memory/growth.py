"""Growth of lifetimes with the size L: exponential, a power, or saturation; or undecided.

The laws, for every network with constants of its own,

    exponential:  ln tau = a + L / xi,      xi > 0,
    power:        ln tau = a + z ln L,
    saturation:   ln tau = a - b / L,       from below or from above,

are compared by the likelihood of all lifetimes, censored ones with it (`physnn.analysis.memory.lifetimes`), with
ln k = p + q ln L for the shape in all three.  Each has as many constants as the others, so that their AICc differ by
their likelihoods alone; those of several networks add up.
Source: K. P. Burnham and D. R. Anderson, "Model Selection and Multimodel Inference", 2nd ed., sections 2.4 and 2.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from physnn.analysis.memory.lifetimes import SHAPE_RANGE, lifetime, log_likelihood
from physnn.analysis.statistics.estimate import Estimate, mean_over

LAWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exponential": lambda L: L,
    "power": np.log,
    "saturation": lambda L: -1 / L,
}
"""Function of L that ln tau is linear in, for every law."""
LEAST_SIZES = 4
"""Fewest sizes with which laws are told apart: with three, a correction to one law looks like another."""
CONSTANTS = 4
"""Constants of one network's law, two of tau(L) and two of the shape: with no more losses AICc is not defined."""
AICC_GAP = 6.0
"""Least AICc of the other laws above that of the best, if it is decided: odds of 20 to 1, exp(6/2)."""
FLAT = 0.25
"""Largest |z| of tau ~ L^z, at 95 %, of lifetimes that do not grow; a convention: 2 L gains less than a fifth."""
UNFIT = 1e-3
"""Least p-value of deviations from the best law at which it is accepted; a convention."""
Data = Mapping[int, tuple[np.ndarray, np.ndarray]]
"""Times, and which of them are losses, by L, of one network at one noise value."""


@dataclass(frozen=True)
class Growth:
    """Growth of lifetimes with L, and a sentence with the evidence.

    The verdict is ``exponential``, ``power``, ``saturation``, ``shrinks`` (falls with L), ``kept`` (nothing was lost),
    ``no law`` (none fits), or ``undecided``.  ``z`` is the exponent of the best power law, mean over networks, None
    where too few sizes show losses; ``aicc`` has AICc of every law above that of the best one.  ``p_value`` is the
    probability of larger deviations of tau(L) from the best law; NaN where it was not fitted.
    """

    verdict: str
    reason: str
    z: Estimate | None
    aicc: Mapping[str, float]
    p_value: float

    @property
    def grows(self) -> bool | None:
        """True if lifetimes grow with L or outlast the runs, False if they do not grow, None where that is open."""
        if self.verdict in ("kept", "exponential", "power"):
            return True
        if self.verdict in ("saturation", "shrinks"):
            return False
        low, high = (math.nan, math.nan) if self.z is None else self.z.interval(0.95)
        return True if low > FLAT else False if high < FLAT else None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return vars(self) | {"z": self.z.as_json() if self.z else None, "aicc": dict(self.aicc)}


@dataclass(frozen=True)
class _Fitted:
    log_likelihood: float
    slope: float
    error: float


@dataclass(frozen=True)
class Fits:
    """Fits of one network by law, with the numbers of sizes and of losses at all of them.

    No law is there where memories were lost at fewer than two sizes, so that there is no slope.  ``free`` is the
    logarithm of the likelihood with a tau of its own at every L.
    """

    laws: Mapping[str, _Fitted]
    free: float
    sizes: int
    lost: int


def fits_of(data: Data) -> Fits:
    """Fits of one network."""
    lost = [int(gone.sum()) for _, gone in data.values()]
    if sum(n > 0 for n in lost) < 2:
        return Fits({}, math.nan, len(data), sum(lost))
    return Fits({law: _fit(data, law) for law in LAWS}, _free(data), len(data), sum(lost))


def growth(networks: Sequence[Fits]) -> Growth:
    """Growth of lifetimes with L, from the fits of every network at the same sizes (see `fits_of`)."""
    if not sum(fits.lost for fits in networks):
        why = "nothing was lost at any size: run it longer to see how long it lasts"
        return Growth("kept", why, None, {}, math.nan)
    telling = [fits for fits in networks if fits.laws]
    silent = len(networks) - len(telling)
    if not telling:
        where = "one size alone" if len(networks) == 1 else "one size alone in every network"
        return Growth("undecided", f"memories were lost at {where}", None, {}, math.nan)
    powers = [fits.laws["power"] for fits in telling]
    z = mean_over(np.array([fit.slope for fit in powers]), [fit.error for fit in powers])
    raw = {law: -2 * sum(fits.laws[law].log_likelihood for fits in telling) for law in LAWS}
    least = min(raw.values())
    aicc = {law: value - least for law, value in raw.items()}
    best, dof = min(aicc, key=lambda law: aicc[law]), sum(fits.sizes - 2 for fits in telling)
    deviation = 2 * sum(fits.free for fits in telling) + least
    p_value = float(special.chdtrc(dof, max(0.0, deviation))) if dof > 0 else math.nan
    few = sum(fits.lost for fits in telling) <= CONSTANTS * len(telling) + 1
    verdict, reason = _verdict(telling[0].sizes, z, aicc, best, p_value, few)
    if silent:
        reason += f"; {silent} of {len(networks)} networks lost memories at one size at most and are left out"
    return Growth(verdict, reason, z, aicc, p_value)


def _verdict(
    sizes: int, z: Estimate, aicc: Mapping[str, float], best: str, p_value: float, few: bool
) -> tuple[str, str]:
    low, high = z.interval(0.95)
    others = min(value for law, value in aicc.items() if law != best)
    near = " or ".join(law for law, value in sorted(aicc.items(), key=lambda item: item[1]) if value < AICC_GAP)
    rules = (
        (p_value < UNFIT, "no law", f"no law fits (p = {p_value:.1g} for the best, {best})"),
        (high < -FLAT and (best == "power" or others < AICC_GAP), "shrinks", "lifetimes fall with L"),
        (max(abs(low), abs(high)) < FLAT, "saturation", "lifetimes do not grow with L"),
        (sizes < LEAST_SIZES, "undecided", f"{sizes} sizes do not tell laws apart, {LEAST_SIZES} are needed"),
        (few, "undecided", "fewer memories were lost than laws have constants: more replicas are needed"),
        (others < AICC_GAP, "undecided", f"{near}: AICc differ by {others:.1f}, less than {AICC_GAP:g}"),
        (best == "power" and high < 0, "shrinks", "a power below 0 fits best"),
        (best == "power" and low <= 0, "undecided", "a power fits best, and networks do not agree on its sign"),
        (True, best, f"{best} fits better than the others by {others:.1f} in AICc"),
    )
    verdict, reason = next((word, why) for holds, word, why in rules if holds)
    return verdict, f"{reason}; tau ~ L^z has z = {z}"


def _rows(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """L, time and loss of every lifetime."""
    L = np.concatenate([np.full(len(times), float(L)) for L, (times, _) in data.items()])
    return L, np.concatenate([t for t, _ in data.values()]), np.concatenate([g for _, g in data.values()]).astype(bool)


def _fit(data: Data, law: str) -> _Fitted:
    """Fit of a law to the lifetimes of one network; the slope's error is from the curvature of the likelihood."""
    from scipy import optimize  # a tenth of a second that every command would wait for

    L, t, gone = _rows(data)
    x, scaled = LAWS[law](L), np.log(L)
    middle, width = x.mean(), max(float(np.ptp(x)), 1e-12)
    u, v = (x - middle) / width, scaled - scaled.mean()

    def cost(p: np.ndarray) -> float:
        shape = np.exp(np.clip(p[2] + p[3] * v, *np.log(SHAPE_RANGE)))
        return -log_likelihood(t, gone, p[0] + p[1] * u, shape) + 1e-6 * float(p[3] ** 2)

    ends = {size: lifetime(*data[size]) for size in data}
    places = (LAWS[law](np.array(list(ends), float)) - middle) / width
    slope, level = np.polyfit(places, [cell.log_tau.value for cell in ends.values()], 1)
    shapes = [cell.shape for cell in ends.values() if cell.lost]
    start = np.array([level, slope, float(np.mean(np.log(shapes))) if shapes else 0.0, 0.0])
    bounds = [(None, None), (None, None), tuple(np.log(SHAPE_RANGE)), (-3.0, 3.0)]
    if law == "exponential":
        start[1], bounds[1] = max(start[1], 0.0), (0.0, None)
    best = optimize.minimize(cost, start, bounds=bounds, method="L-BFGS-B")
    if not best.success:
        other = optimize.minimize(cost, start * (1, 1, 0, 1), bounds=bounds, method="L-BFGS-B")
        best = other if other.fun < best.fun else best
    return _Fitted(-float(best.fun), float(best.x[1]) / width, _error(cost, best.x) / width)


def _error(cost: Callable[[np.ndarray], float], at: np.ndarray) -> float:
    """Standard error of the slope: from the second derivatives of the likelihood by level and slope."""
    step, moves = 1e-3, np.eye(len(at))[:3]
    second = np.array(
        [
            [sum(s * r * cost(at + step * (s * a + r * b)) for s in (1, -1) for r in (1, -1)) for a in moves]
            for b in moves
        ]
    ) / (4 * step**2)
    # The shape may lie at the end of its range, where it has no error.
    for kept in (slice(3), slice(2)):
        try:
            inverse = np.linalg.inv(second[kept, kept])
        except np.linalg.LinAlgError:
            continue
        if (np.diag(inverse) > 0).all():
            return float(np.sqrt(inverse[1, 1]))
    return math.inf


def _free(data: Data) -> float:
    """Logarithm of the likelihood with a tau of its own at every L, the shape following its law."""
    from scipy import optimize

    L, t, gone = _rows(data)
    v = np.log(L) - np.log(L).mean()
    place = np.searchsorted(sorted(data), L)
    ends = [lifetime(*data[size]) for size in sorted(data)]
    shapes = [cell.shape for cell in ends if cell.lost]
    # Where nothing was lost the likelihood grows for ever with tau: it is as good as 1 far beyond the times.
    start = [cell.log_tau.value + (10.0 if cell.bound else 0.0) for cell in ends]

    def cost(p: np.ndarray) -> float:
        shape = np.exp(np.clip(p[-2] + p[-1] * v, *np.log(SHAPE_RANGE)))
        return -log_likelihood(t, gone, p[:-2][place], shape)

    first = np.array([*start, float(np.mean(np.log(shapes))) if shapes else 0.0, 0.0])
    bounds = [(None, None)] * len(ends) + [tuple(np.log(SHAPE_RANGE)), (-3.0, 3.0)]
    return -float(optimize.minimize(cost, first, bounds=bounds, method="L-BFGS-B").fun)
