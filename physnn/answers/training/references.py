"""Reference configurations of lattice models in equilibrium, and the two thermometers that are made of them."""

from __future__ import annotations

import math

import numpy as np

from physnn import rng
from physnn.analysis.renormalization.thermometer import TwoThermometers
from physnn.models import Ising
from physnn.models.configurations import columns_of_configurations, two_point
from physnn.models.lattice import Potts
from physnn.samplers import SAMPLERS, advance, start, thermalise

REFERENCE = tuple(float(f"{T:.4g}") for T in 1 / np.linspace(1 / 7.0, 1 / 1.2, 32)[::-1])
"""Temperatures of the reference, evenly spaced in 1/T, in units of J / k_B; those of the Ising model."""
REFERENCE_SWEEPS = 1500
"""Configurations of the reference at each."""
STRETCHES_OF_REFERENCE = 30
"""Stretches of the reference whose means are taken to be independent."""


def scaled_temperature(model: Ising | Potts, T: float) -> float:
    """Temperature as far from a model's critical one, as a ratio, as T is from that of the Ising model."""
    return T * model.critical_temperature / Ising().critical_temperature


def reference_configurations(L: int, T: float, count: int, seed: int, model: Ising | Potts | None = None) -> np.ndarray:
    """Configurations of a model on the L x L torus, int8 (count, L, L), by Swendsen-Wang; the Ising model if none."""
    sampler, own = SAMPLERS["swendsen-wang"], Ising() if model is None else model
    words = (L, T) if isinstance(own, Ising) else (own.name, own.q, L, T)
    state = start(sampler, own, (L, L), T, rng.seed_sequence(seed, "chain", "thermometer", *words))
    interval = thermalise(sampler, own, T, state, 100)
    return advance(sampler, own, T, state, count, 2 * interval, 1).snapshots


def reference_thermometer(
    L: int, seed: int = 0, count: int = REFERENCE_SWEEPS, model: Ising | Potts | None = None
) -> TwoThermometers:
    """Thermometers of a model on the L x L torus, from ``count`` configurations at each of its temperatures."""
    own = Ising() if model is None else model
    energies, functions = [], []
    temperatures = [scaled_temperature(own, T) for T in REFERENCE]
    for T in temperatures:
        seen = reference_configurations(L, T, count, seed, own)
        each = two_point(seen, own.q)
        energies.append(_of_stretches(columns_of_configurations(own, seen)["energy"][:, None]))
        functions.append(_of_stretches(each))
    energy, function = np.array(energies)[:, :, 0], np.array(functions)
    return TwoThermometers(np.array(temperatures), energy[:, 0], function[:, 0], function[:, 1], energy[:, 1])


def _of_stretches(each: np.ndarray) -> np.ndarray:
    """Means and errors, (2, columns), of rows one after the other."""
    rows = each.reshape(STRETCHES_OF_REFERENCE, -1, each.shape[1]).mean(axis=1)
    return np.stack([rows.mean(axis=0), rows.std(axis=0, ddof=1) / math.sqrt(len(rows))])
