"""Chains of |psi|^2 of a machine with real weights, side by side in compiled code, and local energies along them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physnn import rng
from physnn.kernels.primitives import aligned, aligned_zeros
from physnn.kernels.quantum.machines import measure_energies, settle_chains, tabulate_moves, walk_chains
from physnn.kernels.quantum.machines_code import CHAIN_LANES, UNITS_OF_CHUNK
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.wave import SpinMachine


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
    slopes: np.ndarray

    @classmethod
    def of(cls, machine: SpinMachine, moves: Moves) -> WaveTables:
        """Tables of a machine with real weights."""
        units = machine.units
        padded = -(-len(units) // UNITS_OF_CHUNK) * UNITS_OF_CHUNK
        weights, thresholds = np.zeros((padded, units.shape[1]), np.float32), np.zeros(padded, np.float32)
        weights[: len(units)] = units
        thresholds[: len(units)] = machine.thresholds
        rows = len(moves.sites)
        numbers = -(-rows * padded // CHAIN_LANES) * CHAIN_LANES
        table, factors = np.empty((numbers, 2), np.float32), np.empty((rows, 4), np.float32)
        columns, fields = np.ascontiguousarray(weights.T), machine.fields.astype(np.float32)
        tabulate_moves(columns, fields, moves.sites, np.zeros(numbers, np.float32), table.ravel(), factors)
        # ln cosh(theta) = ln((1 + exp(2 theta)) / 2) - theta
        slopes = fields - weights.sum(axis=0)
        return cls(weights, thresholds, table[: rows * padded].reshape(rows, padded, 2), factors, slopes)


class Walkers:
    """Chains of a machine, moved in place.

    Attributes
    ----------
    spins : ndarray of float32, shape (groups, N, CHAIN_LANES)
        Configurations.
    x : ndarray of float32, shape (groups, units, CHAIN_LANES)
        exp(2 theta) of the hidden units.
    generators : ndarray of uint64, shape (groups, 4, CHAIN_LANES / 2 + 1)
        States of the random generators.
    """

    def __init__(self, model: QuantumModel, spins: np.ndarray, generators: np.ndarray) -> None:
        self.model, self.moves = model, moves_of(model)
        self._elements = self.moves.elements.astype(np.float32)
        self._diagonal = model.terms.diagonal.astype(np.float32)
        self.spins, self.generators = aligned(spins), generators
        self.x = np.empty((0, 0, CHAIN_LANES), np.float32)
        self._rooms: dict[str, np.ndarray] = {}
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
        shape = len(self.spins), len(tables.weights), CHAIN_LANES
        if self.x.shape != shape:
            self.x = aligned_zeros(shape, np.dtype(np.float32))
        settle_chains(tables.weights, tables.thresholds, self.spins, self.x, self._norm, self._levels)

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
        measure_energies(
            self.x, t.table, t.factors, self.moves.sites, self._norm, self._levels, self.spins,
            self._elements, self.model.terms.bonds, self._diagonal, out,
        )  # fmt: skip
        return out

    def log_amplitudes(self) -> np.ndarray:
        """Logarithm of |psi(s)| of every chain up to a constant of the machine, float64 (chains,)."""
        linear = np.matmul(self.tables.slopes, self.spins)
        return np.asarray(math.log(2) * self._levels - np.log(self._norm) + linear).ravel()

    def hidden_means(self) -> np.ndarray:
        """tanh(theta) of the hidden units, float32 (units, chains)."""
        means = self.flat("means", self.x)
        beside = self.room("beside", means.shape)
        np.add(means, 1, out=beside)
        means -= 1
        means /= beside
        return means

    def room(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Work space, float32, that is kept from call to call: fresh memory takes longer than what is done in it."""
        if name not in self._rooms or self._rooms[name].shape != shape:
            self._rooms[name] = aligned_zeros(shape, np.dtype(np.float32))
        return self._rooms[name]

    def flat(self, name: str, values: np.ndarray) -> np.ndarray:
        """Numbers (groups, rows, lanes) as (rows, chains), in a `room`."""
        groups, rows, lanes = values.shape
        found = self.room(name, (rows, groups * lanes))
        np.copyto(found.reshape(rows, groups, lanes), values.transpose(1, 0, 2))
        return found
