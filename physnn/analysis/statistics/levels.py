"""Raw series of several temperatures, condensed to sums per block of measurements and energy level.

Reweighting asks of a sample its energy only, so all samples of one energy enter by their number and the sums of their
observables.  Of an Ising lattice there are a few thousand energies, however long the chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from physnn.analysis.statistics.resampling import bin_count, bin_edges
from physnn.analysis.statistics.series import as_chains, tau_int
from physnn.errors import InputError

LEVELS = 2**16
"""Most energy levels kept apart."""
FINE = 1e-4
"""Width of an energy level in units of the inverse range of beta, if that makes no more than `LEVELS`."""


@dataclass(frozen=True)
class Condensed:
    """Sums over blocks and energy levels.

    Attributes
    ----------
    beta : ndarray, shape (states,)
        Inverse temperatures.
    energy : ndarray, shape (levels,)
        Energy levels.
    state : ndarray of int, shape (blocks,)
        State that each block was measured at.
    counts : sparse array, shape (blocks, levels)
        Weighted numbers of samples.
    sums : list of sparse arrays, shape (blocks, levels)
        Weighted sums of each observable.
    """

    beta: np.ndarray
    energy: np.ndarray
    state: np.ndarray
    counts: sparse.csr_array
    sums: list[sparse.csr_array]

    @property
    def member(self) -> np.ndarray:
        """1 where a block belongs to a state, shape ``(blocks, states)``."""
        return np.asarray(self.state[:, None] == np.arange(len(self.beta)), dtype=float)


def temperatures(T: np.ndarray | float) -> np.ndarray:
    """Return temperatures as an array; raises InputError unless all are positive numbers."""
    values = np.atleast_1d(np.asarray(T, dtype=float))
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or not np.all(values > 0):
        raise InputError("temperatures must be a list of positive numbers")
    return values


def condense(
    T: np.ndarray | float,
    energy: Sequence[np.ndarray] | np.ndarray,
    observables: Sequence[Sequence[np.ndarray] | np.ndarray],
    target: np.ndarray,
    decorrelate: bool,
    blocks: bool,
) -> Condensed:
    """Sum all series over blocks and energy levels; without `blocks` each state is one block."""
    simulated = temperatures(T)
    if len(np.unique(simulated)) < len(simulated):
        raise InputError("a temperature occurs twice; give its runs as chains of one temperature")
    per_state: list[list[np.ndarray]] = [
        [np.asarray(x) for x in s] if len(simulated) > 1 or np.ndim(s) == 3 else [np.asarray(s)]
        for s in (energy, *observables)
    ]
    if any(len(s) != len(simulated) for s in per_state):
        raise InputError(f"every observable needs one series for each of the {len(simulated)} temperatures")
    energies, block, weight, values = [], [], [], []
    state: list[int] = []
    for k in range(len(simulated)):
        chains = [as_chains(s[k]) for s in per_state]
        if len({c.shape for c in chains}) > 1:
            raise InputError(f"the series at T = {simulated[k]:.6g} have different lengths; give the same measurements")
        tau = max(tau_int(c).tau.value for c in chains) if decorrelate or blocks else 0.5
        members = _blocks(chains[0].shape, tau) if blocks else np.zeros(chains[0].size, int)
        block.append(len(state) + members)
        state += [k] * (int(members.max()) + 1)
        # Anticorrelated samples are worth more than independent ones; more than one each is not claimed.
        weight.append(np.full(chains[0].size, 1 / max(2 * tau, 1) if decorrelate else 1.0))
        energies.append(chains[0].ravel())
        values.append([c.ravel() for c in chains[1:]])
    joined, w, rows = np.concatenate(energies), np.concatenate(weight), np.concatenate(block)
    beta = 1 / simulated
    level, index = energy_levels(joined, np.ptp(np.concatenate([beta, 1 / target])))
    shape = (len(state), len(level))

    def table(data: np.ndarray) -> sparse.csr_array:
        return sparse.coo_array((data, (rows, index)), shape=shape).tocsr()

    sums = [table(w * np.concatenate([v[i] for v in values])) for i in range(len(observables))]
    return Condensed(beta, level, np.array(state), table(w), sums)


def _blocks(shape: tuple[int, ...], tau: float) -> np.ndarray:
    """Return the block of every measurement of a state, chain after chain."""
    chains, length = shape
    count = bin_count(tau, chains, length)
    within = np.searchsorted(bin_edges(length, count), np.arange(length), side="right") - 1
    return np.asarray((np.arange(chains)[:, None] * count + within).ravel())


def energy_levels(energy: np.ndarray, beta_range: float, most: int = LEVELS) -> tuple[np.ndarray, np.ndarray]:
    """Return energy levels and the level of every sample.

    A level holds energies that no temperature tells apart: over its width the Boltzmann factors of any two
    temperatures change their ratio by less than 1e-4 (or it is 1/``most`` of the range of energies), and it lies at the
    mean of its samples, so that averages are exact but for the square of that.
    """
    width = max(FINE / beta_range if beta_range > 0 else 0.0, float(np.ptp(energy)) / most, 1e-12)
    _, index = np.unique(np.round((energy - energy.min()) / width), return_inverse=True)
    members = np.bincount(index)
    return np.bincount(index, weights=energy - energy[0]) / members + energy[0], index
