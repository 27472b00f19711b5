"""Exact enumeration of small tori, written from the definitions, and the comparison of samples with it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy import stats

from physnn import rng
from physnn.exact.ising.lattices import lattice_enumeration
from physnn.models import Ising
from physnn.models.tabulated import LatticeModel, Tabulated
from physnn.samplers import SAMPLERS, Rows, Sampler, State, advance, start, thermalise

GENERAL = [name for name in SAMPLERS if name not in ("multispin", "kawasaki")]
"""Samplers of every lattice and all configurations: multispin needs 128 columns, Kawasaki conserves the order."""


@cache
def configurations(q: int, H: int, W: int) -> np.ndarray:
    """All q^N configurations, int8 (q^N, H, W)."""
    digits = np.arange(q ** (H * W))[:, None] // q ** np.arange(H * W) % q
    return digits.astype(np.int8).reshape(-1, H, W)


def energy_and_order(model: LatticeModel, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energy and order parameter of configurations (..., H, W): signed M with a field, else m^2."""
    axes = (-2, -1)
    N = colours.shape[-1] * colours.shape[-2]
    if isinstance(model, Ising):
        s = 1.0 - 2.0 * colours
        M = s.sum(axis=axes)
        energy = -model.J * sum((s * np.roll(s, 1, axis=a)).sum(axis=axes) for a in axes) - model.h * M
        return energy, M / N if model.h else (M / N) ** 2
    energy = -model.bond * sum((colours == np.roll(colours, 1, axis=a)).sum(axis=axes) for a in axes)
    density = np.stack([(colours == a).mean(axis=axes) for a in range(model.q)])
    return energy, model.q / (model.q - 1) * ((density - 1 / model.q) ** 2).sum(axis=0)


def labels(energy: np.ndarray, order: np.ndarray) -> np.ndarray:
    """One integer per pair of values, equal where both agree to rounding."""
    return np.rint(energy * 1e4).astype(np.int64) * 10_000_000 + np.rint((order + 1) * 1e6).astype(np.int64)


def exact_histogram(model: LatticeModel, shape: tuple[int, int], T: float) -> dict[int, float]:
    """Probability of every pair of energy and order parameter."""
    if isinstance(model, Tabulated):
        found = lattice_enumeration(model)
        energy, order = found.energy, found.values["m2"]
    else:
        energy, order = energy_and_order(model, configurations(model.q, *shape))
    weight = np.exp(-(energy - energy.min()) / T)
    keys, place = np.unique(labels(energy, order), return_inverse=True)
    return dict(zip(keys.tolist(), np.bincount(place, weight) / weight.sum(), strict=True))


def signed(model: LatticeModel) -> str:
    """Column of the order parameter that is compared: signed on a torus with a field."""
    return "m" if getattr(model, "field", 0) else "m2"


def p_value(model: LatticeModel, shape: tuple[int, int], T: float, rows: Rows) -> float:
    """Chi-square p-value of independent measurements; rare pairs are pooled until 10 are expected."""
    exact = exact_histogram(model, shape, T)
    order = rows[signed(model)]
    n, N = len(order), shape[0] * shape[1]
    seen, counts = np.unique(labels(rows["energy"] * N, order), return_counts=True)
    if not set(seen.tolist()) <= set(exact):
        return 0.0
    found = dict(zip(seen.tolist(), counts.tolist(), strict=True))
    pairs = sorted((n * p, found.get(key, 0)) for key, p in exact.items())
    bins, expected, observed = [], 0.0, 0
    for e, o in pairs:
        expected, observed = expected + e, observed + o
        if expected >= 10:
            bins.append((expected, observed))
            expected, observed = 0.0, 0
    bins[0] = (bins[0][0] + expected, bins[0][1] + observed)
    e, o = np.array(bins).T
    return float(stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1))


def tau(series: np.ndarray) -> float:
    """Integrated autocorrelation time, 1/2 + sum of rho, summed to a window of 6 tau."""
    x = series - series.mean()
    if not x.any():
        return 0.5
    power = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    rho = np.fft.irfft(power)[: len(x)]
    sums = 0.5 + np.cumsum(rho[1:] / rho[0])
    window = int(np.argmax(np.arange(1, len(x)) >= 6 * sums))
    return max(0.5, float(sums[window]))


def chain(
    sampler: Sampler, model: LatticeModel, shape: tuple[int, int], T: float, *words: str | int
) -> tuple[State, int]:
    """A chain after 500 sweeps, and its interval."""
    state = start(sampler, model, shape, T, rng.seed_sequence(0, "synthetic", "chain", *words))
    return state, thermalise(sampler, model, T, state, 500)


def thinned(
    sampler: Sampler,
    model: LatticeModel,
    shape: tuple[int, int],
    T: float,
    *words: str | int,
    n: int = 20_000,
    taus: float = 6,
) -> Rows:
    """Measurements six autocorrelation times apart, of the slower of energy and order parameter."""
    state, interval = chain(sampler, model, shape, T, *words)
    pilot = advance(sampler, model, T, state, 5_000, interval)
    slow = max(tau(pilot["energy"]), tau(pilot[signed(model)]))
    return advance(sampler, model, T, state, n, math.ceil(taus * slow * interval))
