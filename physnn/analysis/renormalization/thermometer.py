"""Temperatures of configurations: by their energy, and by the most likely of reference two-point functions.

A law that is not thermal has a temperature by either thermometer, and only a thermal one has the same by both: the
quality of the best two-point function says whether there is any temperature at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import interpolate, optimize, stats

from physnn.analysis.statistics.estimate import Estimate

FINE = 400
"""Temperatures at which a reference is looked at between its own."""
CUT = 1e-10
"""Part of the largest variance below which a direction of the covariance is left out."""


@dataclass(frozen=True)
class Reading:
    """Temperatures in units of J / k_B.

    Attributes
    ----------
    energy : Estimate
        Temperature at which the reference has this energy; infinite values stand at the ends of the reference.
    likely : Estimate
        Temperature of the most likely two-point function.
    p_value : float
        Probability that a thermal law fits as badly as the best one does.
    """

    energy: Estimate
    likely: Estimate
    p_value: float

    @property
    def thermal(self) -> bool:
        """Whether the law may be thermal: the function fits, and both temperatures agree within 3 errors."""
        gap = abs(self.energy.value - self.likely.value)
        error = math.hypot(self.energy.error, self.likely.error)
        return self.p_value > 1e-3 and gap < 3 * error


class TwoThermometers:
    """Reference energies and two-point functions over temperatures.

    Parameters
    ----------
    T : ndarray, shape (n,)
        Temperatures, increasing, in units of J / k_B.
    energy : ndarray, shape (n,)
        Energy per site at each.
    function : ndarray, shape (n, distances)
        Two-point function at each.
    function_error : ndarray, shape (n, distances)
        Its errors.
    energy_error : ndarray, optional
        Errors of the energies, shape (n,).
    """

    def __init__(
        self,
        T: np.ndarray,
        energy: np.ndarray,
        function: np.ndarray,
        function_error: np.ndarray,
        energy_error: np.ndarray | None = None,
    ) -> None:
        self.T = np.linspace(T[0], T[-1], FINE)
        self.energy = interpolate.PchipInterpolator(T, energy)
        self.energy_noise = interpolate.PchipInterpolator(T, np.zeros_like(T) if energy_error is None else energy_error)
        smooth = [
            interpolate.make_smoothing_spline(T, y, w=1 / np.maximum(error, 1e-4) ** 2)
            for y, error in zip(function.T, function_error.T, strict=True)
        ]
        self.function = lambda t: np.array([one(t) for one in smooth])
        self.noise = np.median(function_error, axis=0) / 2  # smoothing averages over some neighbours

    def read(self, energy: np.ndarray, function: np.ndarray) -> Reading:
        """Temperatures of independent configurations or chains: energies (n,), functions (n, distances)."""
        n = len(energy)
        mean, error = float(energy.mean()), float(energy.std(ddof=1)) / math.sqrt(n)
        low, high = self.T[0], self.T[-1]
        if self.energy(low) < mean < self.energy(high):
            t = float(optimize.brentq(lambda x: float(self.energy(x)) - mean, low, high))
        else:
            t = float(low if mean <= self.energy(low) else high)
        error = math.hypot(error, float(self.energy_noise(t)))
        by_energy = Estimate(t, error / max(abs(float(self.energy.derivative()(t))), 1e-9))
        covariance = np.atleast_2d(np.cov(function.T)) / n + np.diag(self.noise**2)
        values, vectors = np.linalg.eigh(covariance)
        kept = values > CUT * values[-1]
        root = vectors[:, kept] / np.sqrt(values[kept])
        goal = function.mean(axis=0)

        def chi2(x: float) -> float:
            return float((((goal - self.function(x)) @ root) ** 2).sum())

        grid = np.array([chi2(x) for x in self.T])
        k = int(np.argmin(grid))
        inner = optimize.minimize_scalar(
            chi2, bounds=(self.T[max(k - 1, 0)], self.T[min(k + 1, FINE - 1)]), method="bounded"
        )
        best, step = float(inner.x), 0.01
        slope = (self.function(best + step) - self.function(best - step)) / (2 * step)
        information = float(((slope @ root) ** 2).sum())
        likely = Estimate(best, 1 / math.sqrt(max(information, 1e-12)))
        dof = max(1, int(kept.sum()) - 1)
        return Reading(by_energy, likely, float(stats.chi2.sf(inner.fun, dof)))
