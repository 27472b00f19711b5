"""Series of Markov chains: autocorrelation, integrated autocorrelation time, and the error of a mean.

Convention: tau_int = 1/2 + sum_{t>0} rho(t), so that independent draws have tau = 1/2 and the error of a mean over
n measurements is sqrt(2 tau var / n).  Times are in units of the spacing of measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

SHORTEST_CHAIN = 50.0
"""Least length of a chain in units of tau, a convention: tau is then known to about a third of itself."""
WOLFF_S = 1.5
"""Ratio of the exponential to the integrated time that the choice of the window assumes; Wolff's value."""
FINITE_WINDOW = 3.0
"""Correction of the error of tau for one exponential: Bartlett's formula has 5, the choice of the window costs 2."""


@dataclass(frozen=True)
class AutocorrelationTime:
    """Integrated autocorrelation time of one observable.

    Attributes
    ----------
    tau : Estimate
        tau_int and its error, in measurements.
    window : int
        Largest lag summed.
    mean : Estimate
        Mean over all chains, with the error sqrt(2 tau var / n).
    variance : float
        Variance of a single measurement about the mean of all chains.
    samples : int
        n, the measurements of all chains together.
    note : str
        Empty, or why the numbers are a convention (a constant series).
    """

    tau: Estimate
    window: int
    mean: Estimate
    variance: float
    samples: int
    note: str = ""

    @property
    def effective_samples(self) -> float:
        """Number of independent draws that the series is worth, n / (2 tau)."""
        return self.samples / (2 * self.tau.value)


def as_chains(series: np.ndarray) -> np.ndarray:
    """Series ``(measurements,)`` or ``(chains, measurements)`` as a finite float array of the latter shape."""
    chains = np.atleast_2d(np.asarray(series, dtype=float))
    if chains.ndim != 2 or chains.shape[0] < 1 or chains.shape[1] < 4:
        raise InputError(
            f"a series of shape {np.shape(series)} cannot be analysed; give (chains, measurements) with at least 4 "
            "measurements per chain"
        )
    if not np.isfinite(chains).all():
        raise InputError("the series contains values that are not finite; remove the runs that failed")
    return chains


def autocovariance(series: np.ndarray) -> np.ndarray:
    """Autocovariance Gamma(t) = <(x_i - m)(x_{i+t} - m)>, averaged over chains, for every lag, (measurements,).

    m is the mean of all chains: chains with means of their own, each stuck elsewhere, show a large tau that their own
    means would hide.  The sum over N - t pairs is divided by N - t.
    """
    from scipy import fft  # fits of tables do without

    chains = as_chains(series)
    length = chains.shape[1]
    padded = fft.next_fast_len(2 * length - 1, real=True)
    # The power spectra are added before the one inverse transform: memory for one chain at a time.
    power = np.zeros(padded // 2 + 1)
    mean = chains.mean()
    for chain in chains:
        amplitude = fft.rfft(chain - mean, padded)
        power += amplitude.real**2 + amplitude.imag**2
    total = fft.irfft(power, padded)[:length]
    return np.asarray(total / (len(chains) * np.arange(length, 0, -1)))


def autocorrelation(series: np.ndarray) -> np.ndarray:
    """Autocorrelation rho(t) = Gamma(t) / Gamma(0) for t = 0, 1, ..., shape (measurements,); see `autocovariance`.

    A series that never changes is uncorrelated by convention: 1, 0, 0, ...
    """
    chains = as_chains(series)
    if np.ptp(chains) == 0:
        return np.asarray(np.eye(1, chains.shape[1])[0])
    gamma = autocovariance(chains)
    return np.asarray(gamma / gamma[0])


def estimate_time(series: np.ndarray) -> AutocorrelationTime:
    """Integrated autocorrelation time whatever the length of the chains; `tau_int` refuses short ones."""
    chains = as_chains(series)
    samples, length = chains.size, chains.shape[1]
    if np.ptp(chains) == 0:
        note = f"the series is constant ({chains[0, 0]:.6g}): tau = 1/2 and error 0 by convention"
        return AutocorrelationTime(Estimate(0.5, 0.0), 0, Estimate(float(chains[0, 0]), 0.0), 0.0, samples, note)
    gamma = autocovariance(chains)
    partial = 0.5 + np.cumsum(gamma[1:]) / gamma[0]
    window, closed = _window(partial, samples)
    # The mean was subtracted that the data have, not the true one: every Gamma(t) is too small by var(mean).
    bias = 1 + (2 * window + 1) / samples
    tau = max(float(partial[window - 1]) * bias, 0.5 / samples)
    variance = float(gamma[0]) * (1 + 2 * tau / samples)
    decay = max((2 * tau - 1) / (2 * tau + 1), 0.0)
    error = tau * math.sqrt(max(4 * (window + 0.5 - tau) - FINITE_WINDOW * tau * decay**2, 1.0) / samples)
    mean = Estimate(float(chains.mean()), math.sqrt(2 * tau * variance / samples))
    note = "" if closed else f"correlations do not decay within the chain of {length}: tau is a lower bound"
    return AutocorrelationTime(Estimate(tau, error), window, mean, variance, samples, note)


def _window(partial: np.ndarray, samples: int) -> tuple[int, bool]:
    """Wolff's window, and whether there is one within the chain."""
    lags = np.arange(1, len(partial) + 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # tau_int = 1 / (2 tanh(1 / (2 tau_exp))) for one exponential; tau_int <= 1/2 decays at once.
        decay = np.where(partial > 0.5, WOLFF_S / np.log((2 * partial + 1) / (2 * partial - 1)), 0.0)
        growth = np.where(decay > 0, np.exp(-lags / decay), 0.0) - decay / np.sqrt(lags * samples)
    closed = np.flatnonzero((growth < 0) | (decay <= 0))
    return (int(lags[closed[0]]), True) if len(closed) else (int(lags[-1]), False)


def tau_int(series: np.ndarray) -> AutocorrelationTime:
    """Integrated autocorrelation time, with an automatic window.

    The Gamma method of U. Wolff, Comput. Phys. Commun. 156 (2004) 143 (erratum 176 (2007) 383): Gamma(t) is averaged
    over chains about the mean of all of them, the window W minimises the sum of the truncation bias exp(-W/tau) and
    the statistical error 2 sqrt(W/n) of tau, and tau(W) is corrected by the factor 1 + (2W + 1)/n.  Its error is
    tau sqrt((4 (W + 1/2 - tau) - 3 a^2 tau)/n), a = (2 tau - 1)/(2 tau + 1): Wolff's, less what it is too wide for an
    exponential decay.  Sokal's rule, W >= c tau, has a bias exp(-c) that does not shrink with n.

    Parameters
    ----------
    series : array, shape (measurements,) or (chains, measurements)
        The observable after thermalisation.

    Raises
    ------
    InputError
        If a chain is shorter than 50 tau, with the length it needs; or for what `as_chains` refuses.
    """
    chains = as_chains(series)
    found = estimate_time(chains)
    length, least = chains.shape[1], SHORTEST_CHAIN * found.tau.value
    if length < least or found.note.startswith("correlations"):
        # A chain that is too short underestimates its tau, so the length it asks for is a lower bound.
        raise InputError(
            f"a chain of {length} measurements is too short for its autocorrelation time of about "
            f"{found.tau.value:.3g} or more; run at least {math.ceil(max(least, 2 * length))} measurements "
            f"({SHORTEST_CHAIN:.0f} tau) per chain"
        )
    return found
