"""Series of Markov chains: autocorrelation, integrated autocorrelation time, and the error of a mean.

Convention: tau_int = 1/2 + sum_{t>0} rho(t), so that independent draws have tau = 1/2 and the error of a mean over
n measurements is sqrt(2 tau var / n).  Times are in units of the spacing of measurements.  Series that swing about
their mean, as magnetisations do where most flips are accepted, have tau below 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

SHORTEST_CHAIN = 50.0
"""Least length of a chain in units of tau, a convention: tau is then known to about a third of itself."""
WOLFF_S = 1.5
"""Ratio of the exponential to the integrated time that the choice of the window assumes; Wolff's value."""
FINITE_WINDOW = 3.0
"""Correction of the error of tau for one exponential: Bartlett's formula has 5, the choice of the window costs 2."""
BIN_TIMES = 10.0
"""Least length of a bin, in units of the longest tau, a convention: errors are about 5 % low for one exponential."""
LEAST_BINS = 16
"""Fewest bins whose scatter is compared with the window: tau is then known to a third of itself."""
DISAGREEMENT = 0.02
"""Probability below which window and bins disagree, a convention: at most two false alarms in 100 series."""
CONSTANT = 1e-12
"""Range of a series that never changed, relative to its values: rounding."""


@dataclass(frozen=True)
class AutocorrelationTime:
    """Integrated autocorrelation time of one observable.

    Attributes
    ----------
    tau : Estimate
        tau_int and its error, in measurements; NaN of a series that never changed.
    window : int
        Largest lag summed.
    mean : Estimate
        Mean over all chains, with the error sqrt(2 tau var / n); that is NaN of a series that never changed.
    variance : float
        Variance of a single measurement about the mean of all chains; 0 or inf where doubles do not reach.
    samples : int
        n, the measurements of all chains together.
    note : str
        Empty, or what is wrong: the series never changed, correlations do not decay, or bins see a slow mode.
    bin : int
        Length of the bins whose scatter gave tau; 0 where the window did.
    p_value : float
        Probability that bins scatter by chance as much more than the window explains, 0 to 1.
    """

    tau: Estimate
    window: int
    mean: Estimate
    variance: float
    samples: int
    note: str = ""
    bin: int = 0
    p_value: float = 1.0

    @property
    def span(self) -> float:
        """Time, in measurements, of which bins must hold `BIN_TIMES`; 1/2 of a series that never changed."""
        return 0.5 if math.isnan(self.tau.value) else max(self.tau.value, self.bin / BIN_TIMES)

    @property
    def effective_samples(self) -> float:
        """Number of independent draws that the series is worth, n / (2 tau)."""
        return self.samples / (2 * self.tau.value)


def as_chains(series: np.ndarray) -> np.ndarray:
    """Series ``(measurements,)`` or ``(chains, measurements)`` as a finite float array of the latter shape."""
    try:
        given = np.asarray(series)
        if given.dtype.kind not in "biufO":
            raise TypeError
        chains = np.atleast_2d(given.astype(float, copy=False))
    except (TypeError, ValueError):
        raise InputError("a series consists of real numbers, and all chains have as many") from None
    if chains.ndim != 2 or chains.shape[0] < 1 or chains.shape[1] < 4:
        raise InputError(
            f"a series of shape {np.shape(series)} cannot be analysed; give (chains, measurements) with at least 4 "
            "measurements per chain"
        )
    if not np.isfinite(chains).all():
        raise InputError("the series contains values that are not finite; remove the runs that failed")
    return chains


def _scaled(chains: np.ndarray) -> tuple[np.ndarray, int]:
    """Chains in units of a power of two, so that squares stay within doubles, and its exponent: nothing is rounded."""
    exponent = int(np.frexp(np.abs(chains).max())[1])
    return np.ldexp(chains, -exponent), exponent


def autocovariance(series: np.ndarray) -> np.ndarray:
    """Autocovariance Gamma(t) = <(x_i - m)(x_{i+t} - m)>, averaged over chains, for every lag, (measurements,).

    m is the mean of all chains: chains with means of their own, each stuck elsewhere, show a large tau that their own
    means would hide.  The sum over N - t pairs is divided by N - t.

    Raises
    ------
    InputError
        If it is beyond the range of doubles; or for what `as_chains` refuses.
    """
    scaled, exponent = _scaled(as_chains(series))
    with np.errstate(over="ignore", under="ignore"):
        gamma = np.ldexp(_autocovariance(scaled), 2 * exponent)
    if not np.isfinite(gamma).all():
        raise InputError("squares of the series are beyond the range of numbers; take a larger unit")
    return np.asarray(gamma)


def _autocovariance(chains: np.ndarray) -> np.ndarray:
    from scipy import fft  # fits of tables do without

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
    chains, _ = _scaled(as_chains(series))
    if _constant(chains):
        return np.asarray(np.eye(1, chains.shape[1])[0])
    gamma = _autocovariance(chains)
    return np.asarray(gamma / gamma[0])


def _constant(chains: np.ndarray) -> bool:
    return bool(np.ptp(chains) <= CONSTANT * np.abs(chains).max())


def share_unseen(samples: int) -> float:
    """Upper limit (95 %) of the probability of what n independent measurements never showed, 1 - 0.05^(1/n), about 3/n.

    J. A. Hanley and A. Lippman-Hand, J. Am. Med. Assoc. 249 (1983) 1743.
    """
    return -math.expm1(math.log(0.05) / samples)


def estimate_time(series: np.ndarray) -> AutocorrelationTime:
    """Integrated autocorrelation time whatever the length of the chains; `tau_int` refuses short ones.

    A series that never changed says nothing of its fluctuations: tau and the error of the mean are NaN.
    """
    given = as_chains(series)
    chains, exponent = _scaled(given)
    samples, length = chains.size, chains.shape[1]
    if _constant(chains):
        note = (
            f"the series never changed ({given[0, 0]:.6g}), so its error is unknown; if its {samples} measurements "
            f"are independent, other values have a share below {share_unseen(samples):.2g} (95 %)"
        )
        nothing = Estimate(math.nan, math.nan)
        return AutocorrelationTime(nothing, 0, Estimate(float(given[0, 0]), math.nan), 0.0, samples, note)
    gamma = _autocovariance(chains)
    rho = gamma / gamma[0]
    window, closed = _window(rho, samples)
    # The mean was subtracted that the data have, not the true one: every Gamma(t) is too small by var(mean).
    bias = 1 + (2 * window + 1) / samples
    tau = _summed(rho, window) * bias
    note = "" if closed else f"correlations do not decay within the chain of {length}: tau is a lower bound"
    if tau < 0.5 / samples or (not closed and tau < 0.5):
        tau, note = 0.5, note or "correlations cancel to the accuracy of the series: tau is taken to be 1/2"
    decay = max((2 * tau - 1) / (2 * tau + 1), 0.0)
    # A last lag that counts half has a quarter of its variance.
    lags = window - 0.75 if tau < 0.5 and window > 1 else window
    relative = math.sqrt(max(4 * (lags + 0.5 - tau) - FINITE_WINDOW * tau * decay**2, 1.0) / samples)
    p_value, seen, size = _binned(chains, float(gamma[0]), rho, window)
    if p_value < DISAGREEMENT and seen > tau:
        note = note or (
            f"bins of {size} measurements scatter {seen / tau:.2g} times as much as correlations over {window} explain "
            f"(p = {p_value:.1g}): a slow mode of small weight; tau is that of the bins, a lower bound"
        )
        tau, relative = seen, math.sqrt(2 / (samples // size - 1))
    else:
        size = 0
    variance = float(gamma[0]) * (1 + 2 * tau / samples)
    error = math.sqrt(2 * tau * variance / samples)
    with np.errstate(over="ignore", under="ignore"):
        value, error, variance = np.ldexp([chains.mean(), error, variance], [exponent, exponent, 2 * exponent]).tolist()
    time = Estimate(tau, tau * relative)
    return AutocorrelationTime(time, window, Estimate(value, error), variance, samples, note, size, p_value)


def _summed(rho: np.ndarray, window: int, length: float = math.inf) -> float:
    """Value of tau for means of ``length`` measurements, 1/2 + sum_t (1 - t / length) rho(t) over t up to the window.

    Below 1/2 correlations swing, and with them the sum: the last lag counts half, so that what is cut off cancels.
    """
    lags = np.arange(1, window + 1)
    weight = 1 - lags / length
    whole = 0.5 + float(weight @ rho[1 : window + 1])
    return whole if whole > 0.5 or window == 1 else whole - 0.5 * float(weight[-1] * rho[window])


def _window(rho: np.ndarray, samples: int) -> tuple[int, bool]:
    """Window at which truncation costs as much as noise, and whether there is one within the chain.

    It is Wolff's, which takes the decay from tau(W) where that is above 1/2.  Where it is not, or rho(1) is below 0,
    the decay is at least that of an exponential with the same sum of squares.
    """
    lags = np.arange(1, len(rho))
    partial = 0.5 + np.cumsum(rho[1:])
    # Squares of n lags without correlation add up to n / samples, and rarely to twice that.
    squares = 0.5 + np.maximum(np.cumsum(rho[1:] ** 2) - 2 * lags / samples, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # tau_int = 1 / (2 tanh(1 / (2 tau_exp))) for one exponential, and its square decays twice as fast.
        direct = WOLFF_S / np.log((2 * partial + 1) / (2 * partial - 1))
        swinging = np.where(squares > 0.5, 2 * WOLFF_S / np.log((2 * squares + 1) / (2 * squares - 1)), 0.0)
        swings = (partial <= 0.5) | (rho[1] < 0)
        decay = np.fmax(np.where(partial > 0.5, direct, 0.0), np.where(swings, swinging, 0.0))
        growth = np.where(decay > 0, np.exp(-lags / decay), 0.0) - decay / np.sqrt(lags * samples)
    closed = np.flatnonzero((growth < 0) | (decay <= 0))
    return (int(lags[closed[0]]), True) if len(closed) else (int(lags[-1]), False)


def _binned(chains: np.ndarray, variance: float, rho: np.ndarray, window: int) -> tuple[float, float, int]:
    """p-value of bins that scatter more than the window explains; largest tau of bins, and their length.

    Bins double in length while there are `LEAST_BINS` of them.  The variance of their means, over what rho up to the
    window predicts, is chi-squared per degree of freedom; the least p-value counts as often as lengths are tried.
    """
    deviations = chains - chains.mean()
    # As many degrees of freedom as there are bins, but rare large values count by their number.
    events = float((deviations**2).sum() ** 2 / (deviations**4).sum())
    p_values, seen, best, size = [1.0], 0.0, 0, 1
    means = chains
    while (pairs := means.shape[1] // 2) * len(chains) >= LEAST_BINS:
        means, size = (means[:, : 2 * pairs : 2] + means[:, 1 : 2 * pairs : 2]) / 2, 2 * size
        if size <= window:
            continue
        tau = size * float(means.var(ddof=1)) / (2 * variance)
        predicted = max(_summed(rho, window, size), 0.5 / chains.size)
        freedom = min(means.size - 1, events)
        p_values.append(float(special.chdtrc(freedom, freedom * tau / predicted)))
        seen, best = max((seen, best), (tau, size))
    return min(1.0, min(p_values) * max(1, len(p_values) - 1)), seen, best


def tau_int(series: np.ndarray) -> AutocorrelationTime:
    """Integrated autocorrelation time, with an automatic window.

    The Gamma method of U. Wolff, Comput. Phys. Commun. 156 (2004) 143 (erratum 176 (2007) 383): Gamma(t) is averaged
    over chains about the mean of all of them, the window W minimises the sum of the truncation bias exp(-W/tau) and
    the statistical error 2 sqrt(W/n) of tau, and tau(W) is corrected by the factor 1 + (2W + 1)/n.  Its error is
    tau sqrt((4 (W + 1/2 - tau) - 3 a^2 tau)/n), a = (2 tau - 1)/(2 tau + 1): Wolff's, less what it is too wide for an
    exponential decay.  Sokal's rule, W >= c tau, has a bias exp(-c) that does not shrink with n.

    A slow mode of small weight escapes any window that is chosen from tau(W).  So means of bins of 2, 4, 8, ...
    measurements (H. Flyvbjerg and H. G. Petersen, J. Chem. Phys. 91 (1989) 461) are compared with what the window
    explains; where they scatter more, the largest tau of bins is taken, and the note says so.

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
