"""Quantum spin models: every matrix element against products of Pauli matrices, signs, refusals."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.models.quantum import QuantumModel

PAULI = {"x": np.array([[0, 1], [1, 0]]), "y": np.array([[0, -1j], [1j, 0]]), "z": np.diag([1, -1])}


def pauli(N: int, **at: int) -> np.ndarray:
    """Product of Pauli matrices; the first site is the slowest, and +1 comes before -1."""
    return functools.reduce(
        np.kron,
        [
            functools.reduce(np.matmul, [PAULI[a[0]] for a, k in at.items() if k == site], np.eye(2))
            for site in range(N)
        ],
    )


def by_matrices(
    name: str, bonds: list[tuple[int, int]], far: list[tuple[int, int]], N: int, value: float
) -> np.ndarray:
    """Hamiltonian by its definition."""
    if name == "tfim":
        return -sum(pauli(N, z1=i, z2=j) for i, j in bonds) - value * sum(pauli(N, x=i) for i in range(N))
    delta = value if name == "xxz" else 1.0
    near = sum(pauli(N, x1=i, x2=j) + pauli(N, y1=i, y2=j) + delta * pauli(N, z1=i, z2=j) for i, j in bonds) / 4
    J2 = value if name == "j1j2" else 0.0
    return near + J2 / 4 * sum(
        (pauli(N, **{f"{a}1": i, f"{a}2": j}) for i, j in far for a in "xyz"), np.zeros((1 << N, 1 << N))
    )


def by_terms(model: QuantumModel) -> np.ndarray:
    """Hamiltonian from diagonal and connected configurations."""
    states = np.array(list(itertools.product([1, -1], repeat=model.N)), np.int8)
    matrix = np.diag(model.diagonal(states))
    for row, spins in enumerate(states):
        found, elements = model.connected(spins)
        np.add.at(matrix, (row, ((1 - found) // 2) @ (1 << np.arange(model.N)[::-1])), elements)
    return matrix


CHAIN = [(i, (i + 1) % 5) for i in range(5)]
SQUARE = [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]
CASES = [
    ("tfim", (5,), True, CHAIN, [], "h"),
    ("tfim", (2, 3), False, SQUARE, [], "h"),
    ("heisenberg", (2, 3), False, SQUARE, [], ""),
    ("xxz", (5,), True, CHAIN, [], "delta"),
    ("j1j2", (5,), True, CHAIN, [(i, (i + 2) % 5) for i in range(5)], "J2"),
    ("j1j2", (2, 3), False, SQUARE, [(0, 4), (1, 5), (1, 3), (2, 4)], "J2"),
]


@pytest.mark.parametrize(("name", "sides", "periodic", "near", "far", "parameter"), CASES)
def test_matrix_elements(name, sides, periodic, near, far, parameter):
    model = QuantumModel(name, sides, periodic=periodic, **({parameter: 0.7} if parameter else {}))
    assert np.allclose(by_terms(model), by_matrices(name, near, far, model.N, 0.7), atol=1e-13)


def test_a_turned_sublattice_makes_exchanges_negative_and_changes_no_energy():
    plain, turned = (QuantumModel("xxz", (6,), delta=0.4, marshall=marshall) for marshall in (False, True))
    assert turned.positive and not plain.positive
    assert np.allclose(np.linalg.eigvalsh(by_terms(plain)), np.linalg.eigvalsh(by_terms(turned)), atol=1e-12)
    assert not QuantumModel("j1j2", (6,), J2=0.5, marshall=True).positive


def test_a_side_of_two_has_two_bonds():
    assert len(QuantumModel("tfim", (2,), h=1.0).terms.bonds) == 2
    assert len(QuantumModel("tfim", (2,), h=1.0, periodic=False).terms.bonds) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "xy", "sides": (4,)}, "no quantum model 'xy'"),
        ({"name": "tfim", "sides": (1,)}, "from 2 on"),
        ({"name": "tfim", "sides": (4,), "delta": 0.5}, "has no delta"),
        ({"name": "tfim", "sides": (4,), "h": float("nan")}, "h is nan"),
        ({"name": "heisenberg", "sides": (5,), "marshall": True}, "no two sublattices"),
    ],
)
def test_refusals(settings, words):
    with pytest.raises(InputError, match=words):
        QuantumModel(**settings)
