"""Lowest eigenstates of quantum spin models by sparse diagonalisation in a sector of symmetry."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigsh

from physnn.errors import InputError
from physnn.exact.ising.torus import Floats
from physnn.exact.quantum.sectors import Basis, Configurations, Sector, basis_of, group_of, spins_of
from physnn.models.quantum import QuantumModel

SECTOR_STATES = 1 << 20
"""States of a sector that are still diagonalised."""
DENSE_STATES = 256
"""States up to which all eigenvalues are found at once."""
ROWS_AT_ONCE = 1 << 16
"""States whose rows of the matrix are made together."""


class Eigenstate(NamedTuple):
    """Eigenstate of a model in a sector.

    Attributes
    ----------
    energy : float
        Eigenvalue, in units of J.
    vector : ndarray, shape (states,)
        Real amplitudes of the states of the basis, of norm 1.
    basis : Basis
        The states.
    """

    energy: float
    vector: Floats
    basis: Basis


def matrix_of(model: QuantumModel, basis: Basis) -> csr_array:
    """Hamiltonian among the states of a sector; entries of one column may occur several times in a row and add up."""
    data, columns, lengths = [], [], []
    for begin in range(0, len(basis.words), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        values, reached = _elements(model, basis.words[rows])
        column = basis.row[reached]
        values *= basis.sign[reached] * np.sqrt(basis.orbits[rows, None] / basis.orbits[column])
        kept = (values != 0) & (column >= 0)
        kept[:, 0] = True
        data.append(values[kept])
        columns.append(column[kept])
        lengths.append(kept.sum(axis=1))
    ends = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    n = len(basis.words)
    index = np.int32 if ends[-1] < 2**31 else np.int64
    return csr_array((np.concatenate(data), np.concatenate(columns), ends.astype(index)), shape=(n, n))


def _elements(model: QuantumModel, words: Configurations) -> tuple[Floats, Configurations]:
    """Matrix elements and the configurations they lead to: the diagonal first, then exchanges, then flips."""
    bonds, diagonal, exchange, flip = model.terms
    bit = np.int32(1) << (model.N - 1 - np.arange(model.N)).astype(np.int32)
    i, j = bit[bonds.T]
    unequal = ((words[:, None] & i) != 0) != ((words[:, None] & j) != 0)
    parts = [((1 - 2.0 * unequal) @ diagonal)[:, None]]
    reached = [words[:, None]]
    if exchange.any():
        parts.append(unequal * exchange)
        reached.append(words[:, None] ^ np.where(unequal, i | j, 0).astype(np.int32))
    if flip:
        parts.append(np.full((len(words), model.N), flip))
        reached.append(words[:, None] ^ bit)
    return np.concatenate(parts, axis=1), np.concatenate(reached, axis=1)


def eigenstates(model: QuantumModel, sector: Sector | None = None, n: int = 1) -> list[Eigenstate]:
    """Lowest eigenstates in a sector, each found after the ones below were lifted, so that equal levels are not missed.

    Parameters
    ----------
    model : QuantumModel
        The Hamiltonian.
    sector : Sector, optional
        Symmetries of the states; all states unless given.
    n : int
        Eigenstates to find; fewer are returned where the sector has fewer states.

    Raises
    ------
    InputError
        If the sector is none of the model's, or has more than `SECTOR_STATES` states.
    """
    sector = sector or Sector()
    expected = math.comb(model.N, (model.N - sector.total) // 2) if sector.total is not None else 1 << model.N
    if model.N > 40 or expected / len(group_of(model, sector)) > SECTOR_STATES:
        raise InputError(
            f"{expected} states of {model.N} sites are more than {SECTOR_STATES}; choose fewer sites or symmetries."
        )
    basis = basis_of(model, sector)
    matrix = matrix_of(model, basis)
    if len(basis.words) <= DENSE_STATES:
        energies, vectors = np.linalg.eigh(matrix.toarray())
        found = list(zip(energies[:n].tolist(), vectors.T[:n], strict=True))
    else:
        found = []
        for _ in range(n):
            found.append(_lowest(matrix, [vector for _, vector in found]))
    return [Eigenstate(energy, vector * _sign_of(vector), basis) for energy, vector in found]


def _lowest(matrix: csr_array, below: list[Floats]) -> tuple[float, Floats]:
    """Lowest eigenvalue and its vector among states orthogonal to those below, which are lifted above all others."""
    lift = 2 * float(abs(matrix).sum(axis=1).max())
    start = 1 + 0.5 * np.cos(np.arange(matrix.shape[0]))
    for vector in below:
        start -= vector * (vector @ start)

    def times(x: Floats) -> Floats:
        y: Floats = matrix @ x
        for vector in below:
            y += lift * (vector @ x) * vector
        return y

    operator = LinearOperator(matrix.shape, matvec=times, dtype=np.float64)
    energies, vectors = eigsh(operator, k=1, which="SA", v0=start)
    return float(energies[0]), vectors[:, 0]


def _sign_of(vector: Floats) -> float:
    """Sign that makes the largest amplitude positive."""
    return math.copysign(1.0, vector[np.argmax(np.abs(vector))])


def full_vector(state: Eigenstate) -> Floats:
    """Amplitudes of all 2^N configurations, the first site slowest and +1 before -1."""
    basis = state.basis
    amplitudes = state.vector / np.sqrt(basis.orbits)
    return np.where(basis.row >= 0, basis.sign * amplitudes[basis.row], 0.0)


def two_point_of(model: QuantumModel, sector: Sector, state: Eigenstate) -> Floats:
    """<s_i s_j> of all pairs, shape (N, N): that of one configuration per orbit, averaged over the symmetries."""
    found = np.zeros((model.N, model.N))
    for begin in range(0, len(state.vector), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        spins = spins_of(state.basis.words[rows], model.N).astype(np.float64)
        found += (spins.T * state.vector[rows] ** 2) @ spins
    permutations = [list(origins) for origins, _, _ in group_of(model, sector)]
    return np.asarray(np.mean([found[np.ix_(p, p)] for p in permutations], axis=0))


def moment_of(model: QuantumModel, state: Eigenstate, signs: Floats, power: int) -> float:
    """<M^power> of ``M = sum signs_i s_i / N``, where the symmetries change M by a sign and the power is even."""
    total = 0.0
    for begin in range(0, len(state.vector), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        m = spins_of(state.basis.words[rows], model.N) @ signs / model.N
        total += float(state.vector[rows] ** 2 @ m**power)
    return total
