"""Sums over all configurations of few spins: energies, derivatives and steps without sampling, complex weights too.

Configurations are numbers whose bit i is 1 where spin i is down.  Those that lattice symmetries of a machine, and the
reversal of all spins, make of each other have one amplitude, so that sums run over one of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.reconfiguration import StepRule, step_of
from physnn.networks.quantum.walkers import moves_of
from physnn.networks.quantum.wave import SpinMachine

MOST_SUMMED = 20
"""Spins whose configurations are summed over at most."""
_CHUNK_BITS, _AT_ONCE = 10, 2**22


def configurations_of(numbers: np.ndarray, N: int) -> NDArray[np.int8]:
    """Configurations of +-1, shape (n, N), of numbers (n,)."""
    return np.asarray(1 - 2 * ((np.asarray(numbers)[:, None] >> np.arange(N)) & 1), np.int8)


def permuted_numbers(numbers: np.ndarray, permutation: np.ndarray) -> NDArray[np.int64]:
    """Numbers of the configurations s' with s'_i = s_permutation(i), looked up by groups of bits."""
    place = np.argsort(permutation)
    found = np.zeros(len(numbers), np.int64)
    for first in range(0, len(permutation), _CHUNK_BITS):
        width = min(_CHUNK_BITS, len(permutation) - first)
        bits = (np.arange(2**width)[:, None] >> np.arange(width)) & 1
        found |= (bits << place[first : first + width]).sum(axis=1)[(numbers >> first) & (2**width - 1)]
    return found


@dataclass(frozen=True)
class Classes:
    """Kinds of configurations of a model that have one amplitude.

    Attributes
    ----------
    numbers : ndarray of int, shape (kinds,)
        The smallest number of each kind.
    sizes : ndarray of int, shape (kinds,)
        Configurations of each kind.
    targets : ndarray of int32, shape (moves, kinds)
        Kind that each move leads to; -1 where there is no move.
    elements : ndarray, shape (moves,)
        Matrix elements of the moves.
    diagonal : ndarray, shape (kinds,)
        Diagonal matrix elements.
    """

    model: QuantumModel
    numbers: np.ndarray
    sizes: np.ndarray
    targets: np.ndarray
    elements: np.ndarray
    diagonal: np.ndarray

    @classmethod
    def of(cls, model: QuantumModel, permutations: np.ndarray, even: bool) -> Classes:
        """Kinds under some permutations of sites, and the reversal of all spins if amplitudes are even.

        Raises
        ------
        InputError
            If there are more than `MOST_SUMMED` spins.
        """
        N = model.N
        if N > MOST_SUMMED:
            raise InputError(f"{N} spins have too many configurations to sum over; take at most {MOST_SUMMED}")
        every = np.arange(2**N)
        if model.conserves:
            every = every[np.bitwise_count(every) == N // 2]
        least = every.copy()
        for permutation in permutations:
            turned = permuted_numbers(every, permutation)
            np.minimum(least, turned, out=least)
            if even:
                np.minimum(least, turned ^ (2**N - 1), out=least)
        numbers, kinds, sizes = np.unique(least, return_inverse=True, return_counts=True)
        kind = np.full(2**N, -1, np.int32)
        kind[every] = kinds
        sites, elements = moves_of(model)
        targets = []
        for (i, j), element in zip(sites, elements, strict=True):
            if element:
                reached = kind[numbers ^ ((1 << i) | (1 << j))]
                open_move = (i == j) | (((numbers >> i) ^ (numbers >> j)) & 1 == 1)
                targets.append(np.where(open_move, reached, -1))
        diagonal = model.diagonal(configurations_of(numbers, N))
        own = np.array(targets, np.int32).reshape(-1, len(numbers))
        return cls(model, numbers, sizes, own, elements[elements != 0].astype(float), diagonal)

    def applied(self, psi: np.ndarray) -> np.ndarray:
        """Hamiltonian times a vector over kinds."""
        found = self.diagonal * psi
        for targets, element in zip(self.targets, self.elements, strict=True):
            found = found + element * np.where(targets >= 0, psi[targets], 0)
        return np.asarray(found)

    def parts(self, columns: int) -> Iterator[slice]:
        """Slices of the kinds, so short that a matrix with as many columns is small."""
        step = max(1, _AT_ONCE // columns)
        return (slice(k, k + step) for k in range(0, len(self.numbers), step))


@dataclass(frozen=True)
class Summed:
    """What sums over all configurations say of a machine.

    Attributes
    ----------
    probabilities : ndarray, shape (kinds,)
        Of each kind, all its configurations together.
    local : ndarray, shape (kinds,)
        Local energies, in units of J.
    energy, variance : float
        Mean and variance of the energy; the latter is exactly 0 where rounding is all there is.
    """

    probabilities: np.ndarray
    local: np.ndarray
    energy: float
    variance: float


def summed_over(machine: SpinMachine, classes: Classes) -> Summed:
    """Energy and its variance of a machine."""
    logs = np.concatenate(
        [
            machine.log_amplitude(configurations_of(classes.numbers[part], machine.sites))
            for part in classes.parts(len(machine.units))
        ]
    )
    psi = np.exp(logs - logs.real.max())
    weights = classes.sizes * np.abs(psi) ** 2
    probabilities = weights / weights.sum()
    tiny = np.abs(psi) == 0
    local = np.where(tiny, 0, classes.applied(psi) / np.where(tiny, 1, psi))
    energy = float((probabilities * local).sum().real)
    variance = float((probabilities * np.abs(local - energy) ** 2).sum())
    rounding = np.finfo(float).eps * float(np.abs(local).max()) ** 2
    return Summed(probabilities, local, energy, variance if variance > rounding else 0.0)


def summed_step(machine: SpinMachine, classes: Classes, rule: StepRule) -> tuple[SpinMachine, Summed]:
    """Machine after a step of stochastic reconfiguration without sampling, and what it was before."""
    found = summed_over(machine, classes)
    size = len(machine.parameters)
    complex_weights = np.iscomplexobj(machine.weights)
    kind = complex if complex_weights else float
    mean, force, gram = np.zeros(size, kind), np.zeros(size, kind), np.zeros((size, size), kind)
    for part in classes.parts(max(size, len(machine.units) * 2)):
        rows = machine.derivatives(configurations_of(classes.numbers[part], machine.sites))
        p, local = found.probabilities[part], found.local[part] - found.energy
        weighted = rows.conj() * p[:, None]
        mean += weighted.conj().sum(axis=0)
        gram += weighted.T @ rows
        force += weighted.T @ (local if complex_weights else local.real)
    gram -= np.outer(mean.conj(), mean)
    return machine.moved(step_of(gram, force, rule)), found


def drawn_configurations(
    found: Summed, classes: Classes, permutations: np.ndarray, even: bool, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Independent configurations, int8 (count, N), with their probabilities, and real parts of local energies."""
    N, chosen = classes.model.N, generator.choice(len(found.probabilities), count, p=found.probabilities)
    spins = configurations_of(classes.numbers[chosen], N)
    turned = permutations[generator.integers(0, len(permutations), count)]
    spins = np.take_along_axis(spins, turned, axis=1)
    if even:
        spins = spins * (1 - 2 * generator.integers(0, 2, (count, 1), np.int8))
    return spins.astype(np.int8), found.local[chosen].real


def is_even(machine: SpinMachine) -> bool:
    """Whether amplitudes do not change where all spins are reversed."""
    return not len(machine.bias) and not len(machine.field)
