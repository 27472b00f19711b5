"""Chains with known answers: AR(1) processes, and Boltzmann draws of the 4 x 4 Ising model from all its states."""

from __future__ import annotations

import numpy as np
from scipy import signal


def ar1(generator: np.random.Generator, shape: tuple[int, int], tau: float, start: float | None = None) -> np.ndarray:
    """Chains of mean 0, variance 1 and integrated autocorrelation time tau = (1 + a) / (2 (1 - a))."""
    a = (2 * tau - 1) / (2 * tau + 1)
    noise = np.sqrt(1 - a**2) * generator.normal(size=shape)
    noise[:, 0] = generator.normal(size=shape[0]) if start is None else start
    return signal.lfilter([1], [1, -a], noise, axis=-1)


class Ising4:
    """Total energy and magnetisation per site of all 2^16 states on the 4 x 4 torus."""

    def __init__(self) -> None:
        spins = 2.0 * (np.arange(2**16)[:, None] >> np.arange(16) & 1).reshape(-1, 4, 4) - 1
        self.E = -(spins * (np.roll(spins, 1, 1) + np.roll(spins, 1, 2))).sum((1, 2))
        self.m = spins.mean((1, 2))

    def probabilities(self, T: float) -> np.ndarray:
        weights = np.exp(-(self.E - self.E.min()) / T)
        return weights / weights.sum()

    def means(self, T: float, *observables: np.ndarray) -> np.ndarray:
        return np.array([self.probabilities(T) @ a for a in observables])

    def draw(self, generator: np.random.Generator, T: float, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """E, m^2 and m^4 of independent states."""
        k = np.searchsorted(np.cumsum(self.probabilities(T))[:-1], generator.random(shape))
        return self.E[k], self.m[k] ** 2, self.m[k] ** 4


def binder(m2: np.ndarray, m4: np.ndarray) -> np.ndarray:
    return 1 - m4 / (3 * m2**2)
