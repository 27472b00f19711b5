"""Decay of correlations of units that lie anywhere on a torus, such as blocks of spins or units of a network."""

from __future__ import annotations

import math

import numpy as np


def torus_distances(a: np.ndarray, b: np.ndarray, L: int) -> np.ndarray:
    """Distances of places (n, 2) from others (m, 2) on the L x L torus, (n, m), in lattice constants."""
    apart = np.abs(a[:, None] - b[None])
    return np.asarray(np.sqrt((np.minimum(apart, L - apart) ** 2).sum(axis=2)))


def decay_length(values: np.ndarray, places: np.ndarray, L: int) -> float:
    """Length over which ``|<s s'>|`` of units (n, units) at places falls by e: the fit of a line to its logarithm."""
    n = len(places)
    one, other = np.triu_indices(n, 1)
    together = np.abs(values.T @ values / len(values))[one, other]
    apart = torus_distances(places, places, L)[one, other]
    chosen = (apart <= L / 2) & (together > 0)
    slope = np.polyfit(apart[chosen], np.log(together[chosen]), 1)[0]
    return float(-1 / slope) if slope < 0 else math.inf
