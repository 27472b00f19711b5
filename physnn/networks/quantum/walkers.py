"""Chains of |psi|^2 of a machine with real weights, side by side in compiled code, and local energies along them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physnn import rng
from physnn.kernels.quantum.machines import off_diagonal, settle_chains, walk_chains
from physnn.kernels.quantum.machines_code import CHAIN_LANES, UNITS_OF_CHUNK
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.wave import SpinMachine

MOST_THETA = 10.0
"""Modulus at which theta is cut: beyond it cosh is an exponential to 1e-9, and float32 does not overflow below it."""
MOST_FACTOR = 80.0
"""Modulus at which the logarithm of a ratio of amplitudes is cut."""


class Moves(NamedTuple):
    """Moves of a model's chains: sites (moves + 1, 2) and matrix elements; row 0 is none."""

    sites: np.ndarray
    elements: np.ndarray


def moves_of(model: QuantumModel) -> Moves:
    """Single flips where the sum of spins is not conserved, else exchanges of the model's bonds."""
    if model.conserves:
        sites, elements = model.terms.bonds, model.terms.exchange
    else:
        sites = np.repeat(np.arange(model.N)[:, None], 2, axis=1)
        elements = np.full(model.N, model.terms.flip)
    none = np.zeros((1, 2), np.int64)
    return Moves(np.concatenate([none, sites]), np.concatenate([[0.0], elements]))


@dataclass(frozen=True)
class WaveTables:
    """Weights of a machine, and what the moves of a model make of its units, as compiled code takes them."""

    weights: np.ndarray
    thresholds: np.ndarray
    table: np.ndarray
    factors: np.ndarray

    @classmethod
    def of(cls, machine: SpinMachine, moves: Moves) -> WaveTables:
        """Tables of a machine with real weights."""
        units = machine.units
        padded = -(-len(units) // UNITS_OF_CHUNK) * UNITS_OF_CHUNK
        weights = np.zeros((padded, units.shape[1]), np.float32)
        weights[: len(units)] = units
        thresholds = np.zeros((padded, 1), np.float32)
        thresholds[: len(units), 0] = machine.thresholds
        first, second = moves.sites.T
        pair = first != second
        columns = np.ascontiguousarray(weights.T)
        change = columns[first]
        change[pair] -= columns[second[pair]]
        change[0] = 0  # row 0 is no move
        fields = machine.fields[first] - np.where(pair, machine.fields[second], 0)
        logs = np.clip(2 * (change.sum(axis=1) - fields), -MOST_FACTOR, MOST_FACTOR)
        logs[0] = 0
        factors = np.exp(np.stack([logs, -logs], axis=1)).astype(np.float32)
        change *= -4
        np.clip(change, -MOST_FACTOR, MOST_FACTOR, out=change)
        table = np.empty((*change.shape, 2), np.float32)
        table[..., 0] = np.exp(change, out=change)
        np.divide(np.float32(1), change, out=table[..., 1])
        return cls(weights, thresholds, table, factors)


class Walkers:
    """Chains of a machine, moved in place.

    Attributes
    ----------
    spins : ndarray of float32, shape (groups, N, CHAIN_LANES)
        Configurations.
    generators : ndarray of uint64, shape (groups, 4, CHAIN_LANES / 2 + 1)
        States of the random generators.
    """

    def __init__(self, model: QuantumModel, spins: np.ndarray, generators: np.ndarray) -> None:
        self.model, self.moves = model, moves_of(model)
        self._elements = self.moves.elements.astype(np.float32)
        self.spins, self.generators = spins, generators
        self._norm = np.empty((len(spins), CHAIN_LANES), np.float32)
        self._levels = np.empty((len(spins), CHAIN_LANES), np.int32)

    @classmethod
    def begin(cls, model: QuantumModel, chains: int, seeds: np.random.SeedSequence) -> Walkers:
        """Chains that begin at random; their number is rounded up to groups.  The sum of spins is 0 if conserved."""
        groups, generator = math.ceil(chains / CHAIN_LANES), rng.generator(rng.child(seeds, 1))
        if model.conserves:
            order = generator.random((groups, model.N, CHAIN_LANES)).argsort(axis=1).argsort(axis=1)
            spins = np.where(order < model.N // 2, 1, -1)
        else:
            spins = 1 - 2 * generator.integers(0, 2, (groups, model.N, CHAIN_LANES))
        words = rng.child(seeds, 2).generate_state(groups * 4 * (CHAIN_LANES // 2 + 1), np.uint64)
        return cls(model, spins.astype(np.float32), words.reshape(groups, 4, -1))

    @property
    def configurations(self) -> np.ndarray:
        """Configurations of all chains, float32 (chains, N)."""
        return np.ascontiguousarray(self.spins.transpose(0, 2, 1)).reshape(-1, self.model.N)

    def settle(self, tables: WaveTables) -> None:
        """Take up a machine's weights anew, or others; what float32 has lost on the way is found again."""
        self.tables = tables
        theta = np.matmul(tables.weights, self.spins)
        theta += tables.thresholds
        np.clip(theta, -MOST_THETA, MOST_THETA, out=theta)
        theta *= 2
        self.x = np.exp(theta, out=theta)
        settle_chains(self.x, tables.table, self._norm, self._levels)

    def walk(self, proposals: int) -> float:
        """Propose moves to every chain; the share that was taken."""
        t = self.tables
        taken = walk_chains(
            self.x, t.table, t.factors, self.moves.sites, self._norm, self._levels, self.spins, self.generators,
            proposals,
        )  # fmt: skip
        return float(taken) / max(1, proposals * self._norm.size)

    def local_energies(self) -> np.ndarray:
        """(H psi)(s) / psi(s) of every chain, float32 (groups, CHAIN_LANES), in units of J."""
        t, out = self.tables, np.empty(self._norm.shape, np.float32)
        off_diagonal(
            self.x, t.table, t.factors, self.moves.sites, self._norm, self._levels, self.spins,
            self.moves.elements, out,
        )  # fmt: skip
        return np.asarray(out + diagonal_energies(self.model, self.spins))

    def hidden_means(self) -> np.ndarray:
        """tanh(theta) of the hidden units, float32 (groups, units, CHAIN_LANES)."""
        return np.asarray((self.x - 1) / (self.x + 1))


def diagonal_energies(model: QuantumModel, spins: np.ndarray) -> np.ndarray:
    """Diagonal matrix elements of configurations, float32 (groups, N, CHAIN_LANES): an array (groups, CHAIN_LANES)."""
    i, j = model.terms.bonds.T
    products = spins[:, i] * spins[:, j]
    return np.asarray(np.matmul(model.terms.diagonal.astype(np.float32), products))
