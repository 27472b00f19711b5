"""Errors of correlated series: how often do they hold, and is what they miss said?

AR(1) chains x_t = phi x_{t-1} + noise, whose tau is (1 + phi) / (2 (1 - phi)); the same with a second mode of 1 % of
the variance; and Ising chains of all local and cluster samplers, with exact means (B. Kaufman, Phys. Rev. 76 (1949)
1232; <m> = 0).  Of many series of each kind: the share of means within one error of the truth (68.3 % is right), the
error over the true one, and the share of which the package says that something is wrong: a note, or a chain shorter
than 50 tau.

Run as: python sims/series_errors.py, three minutes of one core.
"""

import time

import numpy as np
from scipy import signal

from physnn import rng
from physnn.analysis.statistics.series import SHORTEST_CHAIN, AutocorrelationTime, estimate_time
from physnn.exact.ising.kaufman import kaufman
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start, thermalise

PHI = (-0.9, -0.5, 0.0, 0.5, 0.9, 0.99)
SLOW = (10.0, 50.0, 1000.0)
"""Autocorrelation times of the slow mode."""
WEIGHT = 0.01
"""Its share of the variance."""
LENGTH, SERIES = 20_000, 400
SIDE, MEASUREMENTS, CHAINS = 16, 2000, 200
TEMPERATURES = (20.0, 3.0, Ising().critical_temperature)


def exponential(generator: np.random.Generator, phi: float) -> np.ndarray:
    """AR(1) series of variance 1 and mean 0, stationary from the start."""
    noise = np.sqrt(1 - phi**2) * generator.normal(size=LENGTH)
    noise[0] = generator.normal()
    return np.asarray(signal.lfilter([1], [1, -phi], noise))


def row(label: str, found: list[AutocorrelationTime], truth: float, error: float = np.nan) -> None:
    """Print coverage, errors over the true one (of the scatter if it is not known) and notes of some series."""
    off = np.array([f.mean.value for f in found]) - truth
    errors = np.array([f.mean.error for f in found])
    ratio = errors / (np.sqrt(np.mean(off**2)) if np.isnan(error) else error)
    low, middle, high = np.quantile(ratio, (0.05, 0.5, 0.95))
    inside = np.mean(np.abs(off) < errors)
    said = np.mean([bool(f.note) or f.samples < SHORTEST_CHAIN * f.tau.value for f in found])
    tau = np.median([f.tau.value for f in found])
    numbers = f"{tau:9.4g} | {middle:5.2f} ({low:.2f} to {high:.2f}) | {100 * inside:5.1f} % | {100 * said:5.1f} %"
    print(f"{label:36} | {numbers}", flush=True)


def main() -> None:
    """Print a row for each kind of series."""
    began = time.time()
    print(f"{'series':36} | {'tau':>9} | error / true (5 to 95 %) | within |  said")
    for phi in PHI:
        generator = rng.stream(0, "synthetic", "series errors", phi)
        found = [estimate_time(exponential(generator, phi)) for _ in range(SERIES)]
        row(f"AR(1), phi = {phi:g}", found, 0.0, np.sqrt((1 + phi) / (1 - phi) / LENGTH))
    for base in (0.0, -0.9):
        for tau in SLOW:
            generator = rng.stream(0, "synthetic", "series errors", base, tau)
            slow = (2 * tau - 1) / (2 * tau + 1)
            mixed = [
                np.sqrt(1 - WEIGHT) * exponential(generator, base) + np.sqrt(WEIGHT) * exponential(generator, slow)
                for _ in range(SERIES)
            ]
            whole = (1 - WEIGHT) * (1 + base) / (1 - base) + 2 * WEIGHT * tau
            found = [estimate_time(series) for series in mixed]
            row(f"phi = {base:g}, 1 % with tau = {tau:g}", found, 0.0, np.sqrt(whole / LENGTH))
    for name in ("metropolis", "metropolis-random", "heat-bath", "wolff", "swendsen-wang"):
        sampler = SAMPLERS[name]
        for T in TEMPERATURES:
            columns: dict[str, list[AutocorrelationTime]] = {"m": [], "energy": []}
            for k in range(CHAINS):
                seeds = rng.seed_sequence(0, "synthetic", "series errors", name, T, k)
                state = start(sampler, Ising(), (SIDE, SIDE), T, seeds)
                interval = thermalise(sampler, Ising(), T, state, 500)
                rows = advance(sampler, Ising(), T, state, MEASUREMENTS, interval)
                for column, times in columns.items():
                    times.append(estimate_time(rows[column]))
            for column, times in columns.items():
                truth = 0.0 if column == "m" else kaufman((SIDE, SIDE), T).energy
                row(f"{name}, T = {T:.4g}, {column}", times, truth)
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
