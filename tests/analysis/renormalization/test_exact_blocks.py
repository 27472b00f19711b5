"""Linearised renormalization and couplings against exact sums, and decimation against its exact recursion."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from physnn.analysis.renormalization.couplings import couplings_of
from physnn.analysis.renormalization.linearised import (
    Moments,
    exponents_of,
    jackknife,
    moments_left_out,
)
from physnn.analysis.renormalization.operators import EVEN, ODD, Operator
from physnn.errors import InputError
from physnn.kernels.blocks import decimated, environments, majority, shape_sums

K = np.array([0.35, 0.06, 0.03])
"""Couplings of nearest and diagonal neighbours and of plaquettes: a model with all operators that 2 x 2 blocks have."""
OPERATORS = EVEN["ising"][:3]


@cache
def states(side: int) -> np.ndarray:
    """Colours of all configurations."""
    bits = np.arange(2 ** (side * side))[:, None] >> np.arange(side * side) & 1
    return bits.astype(np.int8).reshape(-1, side, side)


def sums(colours: np.ndarray, operators=OPERATORS) -> np.ndarray:
    return np.stack([shape_sums(1 - 2 * colours, operator.shapes) for operator in operators], axis=1)


def weights(couplings: np.ndarray) -> np.ndarray:
    exponent = sums(states(4)) @ couplings
    found = np.exp(exponent - exponent.max())
    return found / found.sum()


@cache
def kernel() -> np.ndarray:
    """Probability of every 2 x 2 block configuration given every 4 x 4 one, by the majority rule with drawn ties."""
    spins = (1 - 2 * states(4)).reshape(-1, 2, 2, 2, 2).sum((2, 4)).reshape(-1, 4)
    up = (1 + np.sign(spins)) / 2
    below = (1 - 2 * states(2)).reshape(-1, 4)
    return np.prod(np.where(below[None] > 0, up[:, None], 1 - up[:, None]), axis=2)


def block_couplings(couplings: np.ndarray) -> np.ndarray:
    """Exact couplings of the blocks: their distribution has these operators and no others."""
    logarithm = np.log(weights(couplings) @ kernel())
    design = np.column_stack([sums(states(2)), np.ones(16)])
    found, *_ = np.linalg.lstsq(design, logarithm)
    assert np.allclose(design @ found, logarithm, atol=1e-12), "operators of the blocks are complete"
    return found[:3]


def exact_moments() -> Moments:
    """Exact averages on 4 x 4 sites and 2 x 2 blocks."""
    p, fine, coarse = weights(K), sums(states(4)), sums(states(2))
    mean = kernel() @ coarse
    both = p @ kernel()
    products = (coarse.T * both) @ coarse, (mean.T * p) @ fine
    return Moments(p @ fine, p @ mean, *products)


def test_the_matrix_is_the_derivative_of_exact_block_couplings():
    step = 1e-5
    changes = [block_couplings(K + step * e) - block_couplings(K - step * e) for e in np.eye(3)]
    assert np.allclose(exact_moments().matrix(3), np.array(changes).T / (2 * step), atol=1e-7)


def test_samples_give_the_exact_exponent_and_a_wrong_rule_does_not():
    generator = np.random.default_rng(5)
    drawn = states(4)[generator.choice(2**16, 40_000, p=weights(K))]
    exact = exponents_of(Moments(*(x[None] for x in vars(exact_moments()).values())), 3, 2).values[0, 0]
    found = {}
    for name, blocks in (("majority", majority(drawn, 2, 2, generator)), ("decimation", decimated(drawn, 2))):
        fine, coarse = (sums(x).reshape(1, -1, 3, 1) for x in (drawn, blocks))
        moments = moments_left_out(fine, coarse, np.arange(50) * 800)
        found[name] = exponents_of(moments, 3, 2).estimates[0]
    assert abs(found["majority"].value - exact) < 4 * found["majority"].error < 0.1
    assert abs(found["decimation"].value - exact) > 10 * found["decimation"].error


def test_couplings_solve_callens_identities_exactly():
    fields, colour, counts = environments(states(4), 2, [o.shapes for o in OPERATORS], True, np.arange(2**16))
    halves = np.arange(2**16)[:, None] % 2 == np.arange(2)
    found = couplings_of(fields, colour, counts @ (weights(K)[:, None] * halves))
    assert np.allclose(found.values[0], K, atol=1e-9)
    with pytest.raises(InputError, match=r"never turn|independently"):
        couplings_of(*environments(np.zeros((4, 8, 8), np.int8), 2, [o.shapes for o in OPERATORS], True, np.arange(4)))


CHAIN = Operator("chain", (((0, 0), (0, 1)),))


def test_decimated_chains_follow_their_recursion():
    """Rows are rings of their own, so that tanh K' = tanh^2 K, and dK'/dK = 2 t / (1 + t^2) with t = tanh K."""
    k, generator = 0.8, np.random.default_rng(2)
    turns = generator.random((80_000, 32)) > 1 / (1 + np.exp(-2 * k))
    closed = turns[turns.sum(-1) % 2 == 0][:32_000]
    colours = (closed.cumsum(-1) % 2).astype(np.int8).reshape(4000, 8, 32)
    bins = np.arange(4000) // 100
    blocks = decimated(colours, 2)
    t = np.tanh(k)
    for configurations, exact in ((colours, k), (blocks, np.arctanh(t**2))):
        (found,) = couplings_of(*environments(configurations, 2, [CHAIN.shapes], True, bins)).estimates
        assert abs(found.value - exact) < 4 * found.error < 0.02
    fine, coarse = (sums(x, (CHAIN,)).reshape(1, -1, 1, 1) for x in (colours, blocks))
    (found,) = exponents_of(moments_left_out(fine, coarse, np.arange(40) * 100), 1, 2).estimates
    assert abs(2**found.value - 2 * t / (1 + t**2)) < 4 * found.error < 0.2


def test_jackknife_errors_cover_planted_exponents():
    """S' = R z and S = B' z + noise of independent z: T = A^-1 B is known."""
    generator = np.random.default_rng(8)
    root = np.array([[1.0, 0.3], [0.2, 0.8]])
    A, target = root @ root.T, np.array([[2.0, 0.4], [0.3, 0.7]])
    B = A @ target
    exact = np.log(np.linalg.eigvals(target).max()) / np.log(2)
    inside = correlated = 0
    for _ in range(200):
        z = generator.standard_normal((1, 640, 2))
        coarse = z @ root.T
        fine = coarse @ np.linalg.solve(A, B) + 2 * generator.standard_normal((1, 640, 2))
        for slow in (False, True):
            x, y = (np.repeat(v, 8, axis=1)[:, :640] if slow else v for v in (fine, coarse))
            moments = moments_left_out(x[..., None], y[..., None], np.arange(160) * 4)
            found = exponents_of(moments, 2, 2).estimates[0]
            hit = abs(found.value - exact) < found.error
            inside, correlated = inside + (hit and not slow), correlated + (hit and slow)
    assert 0.60 < inside / 200 < 0.76
    assert correlated / 200 < 0.6, "bins shorter than the correlations must not cover"


def test_matrices_that_cannot_be_inverted_are_refused():
    x = np.random.default_rng(0).standard_normal((1, 40, 1, 1))
    edges = np.arange(4) * 10
    with pytest.raises(InputError, match="do not vary independently"):
        moments_left_out(*([np.concatenate([x, 2 * x], axis=2)] * 2), edges).matrix(2)
    with pytest.raises(InputError, match="never changes"):
        moments_left_out(x, np.ones_like(x), edges).matrix(1)
    assert np.isnan(exponents_of(moments_left_out(-x, x, edges), 1, 2).values).all(), "no exponent of an eigenvalue -1"
    assert np.isclose(jackknife(np.array([1.0, 0.0, 2.0])).value, 1.0)


ALL = {*EVEN["ising"], *EVEN["potts"], *ODD["ising"], *ODD["potts"]}


@pytest.mark.parametrize("operator", sorted(ALL, key=lambda o: o.name), ids=lambda o: o.name)
def test_operators_know_the_lattices_on_which_they_are_distinct(operator):
    for side in range(2, 7):
        products = [
            frozenset(((y + v) % side, (x + u) % side) for v, u in shape)
            for shape in operator.shapes
            for y, x in itertools.product(range(side), repeat=2)
        ]
        distinct = len(set(products)) == len(products) and all(
            len(sites) == len(shape) for sites in products for shape in operator.shapes[:1]
        )
        assert operator.fits(side, side) == distinct
