"""Entropies of cuts: known states, swaps against singular values, bounds, the central charge."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.quantum.entropy import (
    central_charge,
    central_charge_by_swaps,
    rank_bound,
    state_entropies,
    swap_entropies,
)
from physnn.errors import InputError
from physnn.exact.quantum import FreeFermions

N = 8
SPINS = np.array(list(itertools.product([1, -1], repeat=N)), np.int8)
POWERS = 1 << np.arange(N)[::-1]


def number(spins: np.ndarray) -> np.ndarray:
    return ((1 - spins.astype(int)) // 2) @ POWERS


def machine(reach: int = N, spread: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a random machine with complex weights that reach some sites, and its amplitudes."""
    generator = rng.stream(3, "synthetic", "entropy", reach)
    weights = spread * (generator.standard_normal((N, N)) + 1j * generator.standard_normal((N, N)))
    weights[np.abs(np.arange(N)[:, None] - np.arange(N)) > reach] = 0
    psi = np.cosh(SPINS @ weights.T).prod(axis=1)
    return weights, psi / np.linalg.norm(psi)


def draws(psi: np.ndarray, pairs: int, count: int, *words: int) -> np.ndarray:
    """Exact draws of |psi|^2, shape (2, pairs, count, N)."""
    generator = rng.stream(4, "synthetic", "swap", *words)
    return SPINS[generator.choice(len(psi), (2, pairs, count), p=np.abs(psi) ** 2)]


def test_known_states():
    singlet = np.array([0, 1, -1, 0]) / math.sqrt(2)
    assert np.allclose(state_entropies(singlet), math.log(2))  # 0.693 in nats, not 1 in bits
    product = np.kron(np.kron([1, 2j], [3, 4]), [0, 1])
    assert np.allclose(state_entropies(product), 0, atol=1e-12)
    cat = np.zeros(32, complex)
    cat[[0, 31]] = 1, 1j
    assert np.allclose(state_entropies(cat), math.log(2))
    uneven = np.sqrt([0.9, 0, 0, 0.1])
    assert state_entropies(uneven).von_neumann[0] == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert state_entropies(uneven).renyi2[0] == pytest.approx(-math.log(0.82))
    for wrong in (np.ones(3), np.zeros(4), np.array([1, np.nan, 0, 0]), np.ones((2, 2)), np.ones(2)):
        with pytest.raises(InputError):
            state_entropies(wrong)


def test_swaps_are_singular_values_with_errors_that_hold():
    """1-sigma intervals hold Renyi's entropy in 68 % of 150 sets of draws; amplitudes without phases give another."""
    _, psi = machine()
    logs, cuts, pairs = np.log(psi), [2, 4], 10
    exact = state_entropies(psi).renyi2[[c - 1 for c in cuts]]
    held, z = [], []
    for k in range(150):
        first, second = draws(psi, pairs, 40, k)
        found = swap_entropies(lambda s: logs[number(s)], first, second, cuts)
        held += [abs(f.entropy.value - e) < f.entropy.error for f, e in zip(found, exact, strict=True) if f.entropy]
        z += [(f.entropy.value - e) / f.entropy.error for f, e in zip(found, exact, strict=True) if f.entropy]
    assert len(held) > 280
    assert 0.60 < np.mean(held) < 0.76
    assert abs(np.mean(z)) < 0.25
    first, second = draws(psi, pairs, 4000)
    with_phases, without = (
        swap_entropies(lambda s, p=p: p[number(s)], first, second, [4])[0].entropy for p in (logs, logs.real + 0j)
    )
    assert abs(with_phases.value - exact[1]) < 4 * with_phases.error
    assert abs(without.value - exact[1]) > 8 * without.error


def test_draws_that_depend_on_each_other_are_wrong():
    """The negative control: a configuration swapped with itself says that every state is a product."""
    _, psi = machine()
    first, _ = draws(psi, 4, 50)
    assert swap_entropies(lambda s: np.log(psi)[number(s)], first, first, [4])[0].entropy.value == pytest.approx(0)


def test_swaps_that_few_draws_do_not_resolve_are_undecided():
    generator = rng.stream(5, "synthetic", "entropy")
    psi = generator.standard_normal(256) + 1j * generator.standard_normal(256)
    psi /= np.linalg.norm(psi)
    first, second = draws(psi, 4, 4)
    found = swap_entropies(lambda s: np.log(psi)[number(s)], first, second, [4])[0]
    assert found.entropy is None and "more draws" in found.note
    assert central_charge_by_swaps([found, found], N) is None
    with pytest.raises(InputError, match="pairs"):
        swap_entropies(lambda s: np.log(psi)[number(s)], first[:2], second[:2], [4])
    with pytest.raises(InputError, match="leave no part"):
        swap_entropies(lambda s: np.log(psi)[number(s)], first, second, [8])


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_short_weights_bound_entropies(reach):
    weights, psi = machine(reach, spread=1.0)
    bound = rank_bound(weights)
    assert (state_entropies(psi).von_neumann <= bound + 1e-12).all()
    assert bound.max() == pytest.approx(math.log(2) * [0, 2, 4][reach])
    # Weights that reach farther break the bound of short ones.
    if reach == 0:
        assert state_entropies(machine(1)[1]).von_neumann.max() > bound.max() + 0.05


def test_the_bound_is_reached():
    """Two units that touch a pair of sites each: cosh(i pi/4 (s + s')) entangles them wholly, together with a field."""
    weights = np.zeros((2, 4), complex)
    weights[0, [0, 3]] = weights[1, [1, 2]] = 1j * math.pi / 4
    spins = np.array(list(itertools.product([1, -1], repeat=4)))
    psi = np.cosh(spins @ weights.T).prod(axis=1)
    assert (
        state_entropies(psi).von_neumann[1] == pytest.approx(rank_bound(weights)[1]) == pytest.approx(2 * math.log(2))
    )


def test_units_on_one_side_do_not_entangle():
    weights = np.zeros((2, 6))
    weights[0], weights[1, :2] = 1, 1
    assert rank_bound(weights)[2] == pytest.approx(math.log(2))


def test_central_charges():
    cuts = np.arange(16, 49)
    critical = FreeFermions(64, 1.0).entropies(cuts)[0]
    assert central_charge(cuts, critical, 64) == pytest.approx(0.5, abs=1e-4)
    ordered = FreeFermions(64, 0.6).entropies(cuts)[0]
    assert abs(central_charge(cuts, ordered, 64)) < 0.01
    cuts = np.arange(32, 97, 8)
    ends = FreeFermions(128, 1.0, periodic=False).entropies(cuts)[0]
    assert central_charge(cuts, ends, 128, periodic=False) == pytest.approx(0.5, abs=0.01)
    renyi = FreeFermions(128, 1.0).entropies(cuts)[1]
    assert central_charge(cuts, renyi, 128, order=2) == pytest.approx(0.5, abs=5e-3)
    with pytest.raises(InputError, match="same chord"):
        central_charge(np.array([3, 5]), np.ones(2), 8)


def test_central_charges_by_swaps_have_the_jackknifes_error():
    """Of a state of 8 spins: as from its Renyi entropies, within three errors; and not without any error."""
    _, psi = machine()
    cuts = [2, 3, 4]
    exact = central_charge(np.array(cuts), state_entropies(psi).renyi2[[1, 2, 3]], N, order=2)
    first, second = draws(psi, 40, 200, 999)
    found = central_charge_by_swaps(swap_entropies(lambda s: np.log(psi)[number(s)], first, second, cuts), N)
    assert 0 < found.error < 0.5 * abs(exact) + 0.5 and abs(found.value - exact) < 3 * found.error
