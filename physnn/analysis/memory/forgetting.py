"""Noise at which a network fails its task, beside that at which it loses a domain written into it.

*Task*: with MSE(eta) the mean squared error over pixels and images (foreground 1) and f the share of foreground pixels,
a constant output has f (1 - f) at best.  eta_task is the least noise at which MSE reaches that.  *Order*: eta_order is
the least noise at which a domain of half the system has lost half of its contrast, m = 1/2, at a depth times
L / L_train, so that the time scales as a signal needs it to cross the system.  Both lie between measured noise values
on straight lines; where that would be between no noise and the least noise, there is a bound only.  Their ratio is
dimensionless; noise variances have its square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.analysis.memory.contrast import LOST
from physnn.analysis.statistics.estimate import ONE_SIGMA, Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.resampling import shares, widened

RESAMPLES = 400
"""Bootstrap samples of images, or of replicas: the error from quantiles is then known to 5 %."""
BOUND_SIGNS = {"": "", "above": "> ", "below": "< "}
"""Sign before the value of each bound that is a number."""


@dataclass(frozen=True)
class NoiseThreshold:
    """Noise at which a task or a domain is lost: eta, Langevin convention, with an error of NaN if not known.

    The bound is ``""``; ``"above"`` where it is not lost at any noise measured; ``"below"`` where it is at the least;
    ``"never there"`` where it is not there without noise.
    """

    eta: Estimate
    bound: str = ""

    def __str__(self) -> str:
        return BOUND_SIGNS[self.bound] + str(self.eta) if self.bound in BOUND_SIGNS else self.bound

    def as_json(self) -> dict[str, Any]:
        """Plain data; the noise is null where there is none."""
        known = self.bound in BOUND_SIGNS
        error = self.eta.error if not self.bound and math.isfinite(self.eta.error) else None
        return {"eta": self.eta.value if known else None, "error": error, "bound": self.bound or None}


@dataclass(frozen=True)
class Forgetting(Tabled):
    """Thresholds of the task and of a domain in one network."""

    network: str
    task: NoiseThreshold
    order: NoiseThreshold

    @property
    def ratio(self) -> NoiseThreshold | None:
        """eta_task / eta_order, dimensionless: a bound where one threshold is, None where two bounds say nothing."""
        opposite = {"above": "below", "below": "above"}
        bounds = {self.task.bound, opposite.get(self.order.bound, self.order.bound)} - {""}
        if len(bounds) > 1 or not bounds <= set(opposite):
            return None
        value = self.task.eta.value / self.order.eta.value
        if bounds:
            return NoiseThreshold(Estimate(value, 0.0), bounds.pop())
        parts = [t.eta.error / t.eta.value for t in (self.task, self.order)]
        return NoiseThreshold(Estimate(value, value * math.hypot(*parts)))

    def table_rows(self) -> list[dict[str, object]]:
        """Row of the network: noise at which its task and its domain are lost, and their ratio."""
        return [{"network": self.network, "task": self.task, "order": self.order, "task / order": self.ratio}]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        ratio = self.ratio
        numbers = {"eta_task": self.task.as_json(), "eta_order": self.order.as_json()}
        return {"network": self.network, **numbers, "ratio": ratio.as_json() if ratio else None}


def first_passage(eta: np.ndarray, y: np.ndarray) -> np.ndarray:
    """First noise at which y, shape ``(..., points)``, rises to 0, by straight lines.

    The first noise where y is not below 0 from the beginning, infinity where it never reaches it.
    """
    above = y >= 0
    k = np.maximum(above.argmax(-1), 1)
    after, before = (np.take_along_axis(y, (k - j)[..., None], -1)[..., 0] for j in (0, 1))
    share = np.clip(-before / np.where(after > before, after - before, 1.0), 0, 1)
    place = eta[k - 1] + share * (eta[k] - eta[k - 1])
    return np.where(above[..., 0], eta[0], np.where(above.any(-1), place, np.inf))


def _threshold(eta: np.ndarray, y: np.ndarray, draws: np.ndarray, count: int) -> NoiseThreshold:
    """First passage of y with an error from draws of so many images or replicas."""
    if y[0] >= 0:
        return NoiseThreshold(Estimate(float(eta[0]), math.nan), "below" if eta[0] else "never there")
    found = float(first_passage(eta, y))
    if not math.isfinite(found):
        return NoiseThreshold(Estimate(float(eta[-1]), math.nan), "above")
    if found <= eta[1] and not eta[0]:
        return NoiseThreshold(Estimate(float(eta[1]), math.nan), "below")
    if count < 2:
        return NoiseThreshold(Estimate(found, math.nan))
    # Draws that never get there count as the last value: quantiles do not mind unless a sixth of them does.
    low, high = np.quantile(np.minimum(first_passage(eta, draws), eta[-1]), [(1 - ONE_SIGMA) / 2, (1 + ONE_SIGMA) / 2])
    return NoiseThreshold(Estimate.student(found, float(high - low) / 2, count - 1))


def task_threshold(
    eta: np.ndarray, squared: np.ndarray, foreground: np.ndarray, generator: np.random.Generator
) -> NoiseThreshold:
    """Threshold eta_task of one network at one size, from increasing noise values ``(points,)``.

    The squared error per pixel is ``(points, images)``, the share of foreground pixels ``(images,)``; the generator
    resamples images.
    """
    weights = widened(shares(len(foreground), (RESAMPLES,), generator))
    f = weights @ foreground
    y = squared.mean(1) - foreground.mean() * (1 - foreground.mean())
    return _threshold(eta, y, weights @ squared.T - (f * (1 - f))[:, None], len(foreground))


def order_threshold(eta: np.ndarray, m: np.ndarray, noiseless: float, generator: np.random.Generator) -> NoiseThreshold:
    """Threshold eta_order of one network at one size, from increasing noise values above 0, ``(points,)``.

    The share m of the contrast that is left is ``(points, replicas)``, and one number without noise; the generator
    resamples replicas.
    """
    replicas = m.shape[1]
    eta, m = np.concatenate([[0.0], eta]), np.concatenate([np.full((1, replicas), noiseless), m])
    weights = widened(shares(replicas, (RESAMPLES,), generator))
    return _threshold(eta, LOST - m.mean(1), LOST - weights @ m.T, replicas)


def common_ratio(found: Sequence[Forgetting]) -> Estimate | None:
    """Geometric mean of the ratios of networks that have one, with Student's error of their scatter.

    None where there are fewer than two.
    """
    logs = [math.log(f.ratio.eta.value) for f in found if f.ratio and not f.ratio.bound and f.ratio.eta.value > 0]
    if len(logs) < 2:
        return None
    log = mean_over(np.array(logs))
    return Estimate(math.exp(log.value), math.exp(log.value) * log.error, log.dof)


def in_words(found: Sequence[Forgetting], L: int) -> str:
    """Sentence with the ratio of all networks."""
    ratio = common_ratio(found)
    missing = sum(1 for f in found if f.ratio is None or f.ratio.bound)
    text = f"eta_task / eta_order at L = {L}: "
    if ratio is None:
        return text + "; ".join(f"{f.network} {f.ratio or 'not known'}" for f in found)
    text += f"{ratio}, geometric mean of {len(found) - missing} networks"
    return text + (f" ({missing} without both thresholds left out)" if missing else "")
