"""Exact ground states against dense matrices: free fermions, and every model in every sector."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.quantum import FreeFermions, Sector, diagonal, eigenstates, exact_ground, full_vector
from physnn.models.quantum import QuantumModel


def configurations(N: int) -> np.ndarray:
    return np.array(list(itertools.product([1, -1], repeat=N)), np.int8)


def dense(model: QuantumModel) -> np.ndarray:
    """Hamiltonian, by the configurations that each one leads to."""
    spins = configurations(model.N)
    matrix = np.diag(model.diagonal(spins))
    for row, s in enumerate(spins):
        found, elements = model.connected(s)
        np.add.at(matrix, (row, ((1 - found) // 2) @ (1 << np.arange(model.N)[::-1])), elements)
    return matrix


def entropies(psi: np.ndarray, N: int) -> np.ndarray:
    """Von Neumann and Renyi-2 entropies of all cuts, from singular values."""
    p = [np.linalg.svd(psi.reshape(1 << n, -1), compute_uv=False) ** 2 for n in range(1, N)]
    p = [q[q > 1e-16] for q in p]
    return np.array([[-(q * np.log(q)).sum() for q in p], [-np.log((q**2).sum()) for q in p]])


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("h", [0.5, 1.0, -1.7])
@pytest.mark.parametrize("L", [2, 7])
def test_free_fermions_are_dense_matrices(L, h, periodic):
    energies, vectors = np.linalg.eigh(dense(QuantumModel("tfim", (L,), h=h, periodic=periodic)))
    chain, spins, psi = FreeFermions(L, h, periodic), configurations(L), vectors[:, 0]
    m = spins.mean(axis=1)
    parity = np.einsum("sk,sk->k", vectors, vectors[::-1])
    even = np.abs(parity - parity[0]) < 1e-6
    sigma_x = psi @ psi[np.arange(1 << L) ^ (1 << (L - 1))]
    exact = [energies[0], *(energies[1], energies[even][1]) - energies[0], psi**2 @ m**2, psi**2 @ m**4]
    assert np.allclose([chain.E0, chain.gap, chain.gap_even, chain.m2, chain.m4], exact, rtol=0, atol=1e-10)
    assert chain.sigma_x[0] == pytest.approx(sigma_x, abs=1e-10)
    assert np.allclose(chain.two_point, (spins.T * psi**2) @ spins, rtol=0, atol=1e-10)
    assert np.allclose(chain.entropies(), entropies(psi, L), rtol=0, atol=1e-10)


def test_without_a_field_both_orders_are_ground_states():
    assert FreeFermions(7, 0.0).gap == pytest.approx(0, abs=1e-12) and FreeFermions(7, 0.0).m4 == pytest.approx(1)


@pytest.mark.parametrize("h", [0.5, 1.0, 3.0])
def test_products_of_four_spins_are_single_determinants(monkeypatch, h):
    """Elimination keeps its digits where correlations are small, too."""
    quick = FreeFermions(14, h).m4
    monkeypatch.setattr("physnn.exact.quantum.free_fermions.SMALL_PIVOT", np.inf)
    assert quick == pytest.approx(FreeFermions(14, h).m4, abs=1e-12)


def test_long_chains():
    """Known limits: 4/pi a spin, <sigma^x> = 2/pi at h = 1; order (1 - h^2)^(1/4) below; gap 2 (h - 1) above."""
    critical = FreeFermions(512, 1.0)
    assert abs(critical.E0 / 512 + 4 / np.pi + np.pi / (6 * 512**2)) < 1e-8
    assert critical.gap * 512 == pytest.approx(np.pi / 2, rel=1e-4)
    assert critical.sigma_x[0] == pytest.approx(2 / np.pi, abs=1e-5)
    assert FreeFermions(512, 0.5).two_point[0, 256] == pytest.approx((1 - 0.5**2) ** 0.25, abs=1e-13)
    assert FreeFermions(512, 1.5).gap == pytest.approx(1.0, abs=1e-12)


CASES = [
    QuantumModel("tfim", (8,), h=0.7),
    QuantumModel("tfim", (3, 3), h=-2.0),
    QuantumModel("tfim", (2, 4), h=1.3, periodic=False),
    QuantumModel("heisenberg", (8,)),
    QuantumModel("heisenberg", (9,), periodic=False),
    QuantumModel("heisenberg", (6,), marshall=True),
    QuantumModel("xxz", (2, 4), delta=-0.4, periodic=False),
    QuantumModel("xxz", (7,), delta=0.6),
    QuantumModel("j1j2", (8,), J2=0.5),
    QuantumModel("j1j2", (2, 4), J2=0.6, marshall=True),
]


@pytest.mark.parametrize("iterative", [False, True])
@pytest.mark.parametrize("model", CASES, ids=lambda m: f"{m.name}{m.sides}")
def test_ground_states_are_dense_ones(monkeypatch, model, iterative):
    if iterative:
        monkeypatch.setattr(diagonal, "DENSE_STATES", 4)
    matrix, spins = dense(model), configurations(model.N)
    if model.conserves:
        keep = np.flatnonzero(spins.sum(axis=1) == model.N % 2)
        energies = np.linalg.eigvalsh(matrix[np.ix_(keep, keep)])
    else:
        energies = np.linalg.eigvalsh(matrix)
    ground = exact_ground(model)
    psi = ground.vector()
    assert abs(ground.E0 - energies[0]) < 1e-10
    assert ground.gap == pytest.approx(energies[1] - energies[0], abs=1e-9)
    assert np.linalg.norm(matrix @ psi - ground.E0 * psi) < 1e-7 and psi @ psi == pytest.approx(1)
    m = spins.mean(axis=1)
    assert [ground.m2, ground.m4] == pytest.approx([psi**2 @ m**2, psi**2 @ m**4], abs=1e-10)
    assert np.allclose(ground.two_point, (spins.T * psi**2) @ spins, atol=1e-9)
    stagger = (-1) ** np.indices(model.sides).sum(axis=0).ravel()
    if ground.staggered2 is not None:
        m = spins @ stagger / model.N
        exact = [psi**2 @ m**2, psi**2 @ m**4]
        assert [ground.staggered2, ground.staggered4] == pytest.approx(exact, abs=1e-10)
    if model.h:
        flips = sum(psi @ psi[np.arange(len(psi)) ^ (1 << k)] for k in range(model.N)) / model.N
        assert ground.sigma_x == pytest.approx(flips, abs=1e-10)


def test_sectors_together_are_all_states():
    """Levels of all characters that a chain of 2 x 2 spins has; those of a sector are states of the Hamiltonian."""
    model = QuantumModel("tfim", (2, 2), h=0.9)
    levels = np.linalg.eigvalsh(dense(model))
    found = []
    for flip, x, y in itertools.product([1, -1], repeat=3):
        for state in eigenstates(model, Sector(flip=flip, shift=(x, y)), 16):
            psi = full_vector(state)
            assert np.linalg.norm(dense(model) @ psi - state.energy * psi) < 1e-10
            found.append(state.energy)
    assert np.allclose(np.sort(found), levels, atol=1e-10)


def test_symmetries_of_frustrated_rings():
    """The ground state of a ring of 6 has momentum pi in the plain basis: the sector of momentum 0 is above it."""
    ring = QuantumModel("heisenberg", (6,))
    E0 = exact_ground(ring).E0
    at = {k: eigenstates(ring, Sector(total=0, shift=(k,)))[0].energy for k in (1, -1)}
    assert at[-1] == pytest.approx(E0, abs=1e-10) and at[1] > E0 + 0.1


@pytest.mark.parametrize(
    ("model", "sector", "words"),
    [
        (QuantumModel("tfim", (4,), h=1), Sector(total=0), "does not conserve"),
        (QuantumModel("heisenberg", (4,)), Sector(total=1), "cannot have the sum"),
        (QuantumModel("heisenberg", (4,)), Sector(total=2, flip=1), "changes their sum"),
        (QuantumModel("tfim", (5,), h=1), Sector(shift=(-1,)), "contradict"),
        (QuantumModel("tfim", (5,), h=1, periodic=False), Sector(shift=(1,)), "no shifts"),
        (QuantumModel("tfim", (2, 3), h=1), Sector(swap=1), "no axes to exchange"),
        (QuantumModel("tfim", (2, 3), h=1), Sector(mirror=(1,)), "does not fit"),
        (QuantumModel("tfim", (2,), h=1), Sector(flip=1, shift=(-1,), mirror=(1,)), "contradict|No state"),
        (QuantumModel("tfim", (5, 5), h=1), Sector(), "choose fewer sites"),
    ],
)
def test_sectors_that_do_not_exist_are_refused(model, sector, words):
    with pytest.raises(InputError, match=words):
        eigenstates(model, sector)


@pytest.mark.parametrize(
    "model", [QuantumModel("j1j2", (8,), J2=0.4, marshall=True), QuantumModel("j1j2", (8,), J2=0.7)]
)
def test_the_next_level_with_the_symmetries_of_a_frustrated_ground_state(model):
    """The states that a ground state's own symmetries leave as they are, or turn as they turn it."""
    spins = configurations(model.N)
    zero = spins.sum(axis=1) == 0
    kept, matrix = spins[zero], dense(model)[np.ix_(zero, zero)]
    place = {tuple(s): k for k, s in enumerate(kept.tolist())}
    moves = [[place[tuple(s)] for s in moved.tolist()] for moved in (np.roll(kept, 1, axis=1), kept[:, ::-1], -kept)]
    turns = [np.eye(len(kept))[move] for move in moves]
    # Symmetries tell levels apart that are equal.
    split = sum(size * (turn + turn.T) / 2 for size, turn in zip((1e-3, 3e-4, 1e-4), turns, strict=True))
    _, vectors = np.linalg.eigh(matrix + split)
    energies = np.einsum("sk,st,tk->k", vectors, matrix, vectors)
    vectors = vectors[:, np.argsort(energies)]
    characters = np.array([np.einsum("sk,st,tk->k", vectors, turn, vectors) for turn in turns])
    assert np.abs(characters[:, 0]) == pytest.approx(1)
    alike = np.sort(energies)[np.all(np.abs(characters - characters[:, :1]) < 1e-6, axis=0)]
    assert exact_ground(model, gap=False).gap_symmetric == pytest.approx(alike[1] - alike[0], abs=1e-8)
