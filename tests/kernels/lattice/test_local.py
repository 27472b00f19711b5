"""The transition matrix of one sweep, exactly, and the compiled sweep against it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.kernels import random
from physnn.kernels.lattice import local as lattice
from physnn.models import Ising, Potts
from physnn.samplers import local
from tests.synthetic.lattice_exact import configurations, energy_and_order

RULES = {"metropolis": local.metropolis_probabilities, "heat-bath": local.heat_bath_probabilities}


def site_matrix(rule, model, shape, T, site) -> np.ndarray:
    """Transition matrix of the update of one site, over all configurations."""
    colours = configurations(model.q, *shape)
    (H, W), (i, j), n = shape, divmod(site, shape[1]), len(colours)
    around = ((i - 1) % H, j), ((i + 1) % H, j), (i, (j - 1) % W), (i, (j + 1) % W)
    key = sum(colours[:, y, x].astype(int) << (2 * k) for k, (y, x) in enumerate(around))
    chance = rule(local.site_energies(model), T)[colours[:, i, j], key]
    matrix = np.zeros((n, n))
    for new in range(model.q):
        target = np.arange(n) + (new - colours[:, i, j].astype(int)) * model.q**site
        matrix[np.arange(n), target] += chance[:, new]
    return matrix


def sweep_matrix(rule, model, shape, T, order) -> np.ndarray:
    N = shape[0] * shape[1]
    sites = [site_matrix(rule, model, shape, T, site) for site in range(N)]
    if order == "random":
        return np.linalg.matrix_power(sum(sites) / N, N)
    even = [s for s in range(N) if sum(divmod(s, shape[1])) % 2 == 0]
    return np.linalg.multi_dot([sites[s] for s in even + [s for s in range(N) if s not in even]])


CASES = [
    (Ising(), (2, 2), "checkerboard"),
    (Ising(), (2, 4), "checkerboard"),
    (Ising(J=-1, h=0.5), (2, 2), "checkerboard"),
    (Ising(), (2, 3), "random"),
    (Potts(3), (2, 2), "checkerboard"),
    (Potts(4), (2, 2), "random"),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("T", [0.7, 2.269, math.inf])
@pytest.mark.parametrize(("model", "shape", "order"), CASES)
def test_a_sweep_keeps_the_boltzmann_distribution_and_reaches_everything(rule, T, model, shape, order):
    matrix = sweep_matrix(RULES[rule], model, shape, T, order)
    energy, _ = energy_and_order(model, configurations(model.q, *shape))
    weight = np.exp(-(energy - energy.min()) / T)
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-12)
    assert np.allclose(weight @ matrix, weight, atol=1e-12 * weight.sum())
    # A positive matrix is irreducible and aperiodic; a random sweep may need one more to visit every site.
    assert (matrix if order == "checkerboard" else np.linalg.matrix_power(matrix, 4)).min() > 0


def test_metropolis_that_always_accepts_is_not_ergodic(monkeypatch):
    monkeypatch.setattr(local, "ACCEPTANCE", 1.0)
    matrix = sweep_matrix(local.metropolis_probabilities, Ising(), (2, 2), math.inf, "checkerboard")
    assert ((matrix == 0) | (matrix == 1)).all()
    assert (np.linalg.matrix_power(matrix + np.eye(16), 16) > 0).sum(axis=1).max() == 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("model", "shape", "order"), CASES)
def test_the_compiled_sweep_has_this_matrix(rule, model, shape, order):
    T, n = 1.3 * model.critical_temperature, 20_000
    exact = sweep_matrix(RULES[rule], model, shape, T, order)
    table = local.transition_table(RULES[rule], model, T)
    generator = random.seeded(rng.seed_sequence(2, "synthetic", rule, order))
    configuration = configurations(model.q, *shape)[7]
    counts, pair, words = np.zeros(len(exact)), lattice.two_colours(table), np.empty(shape[1] // 2, np.uint64)
    power = model.q ** np.arange(configuration.size)
    for _ in range(n):
        colours = configuration.copy()
        if order == "checkerboard":
            lattice.checkerboard(colours, generator, table, pair, words)
        else:
            lattice.random_sites(colours, generator, table)
        counts[int(colours.ravel() @ power)] += 1
    expected = n * exact[7]
    big = expected >= 8
    observed = np.append(counts[big], counts[~big].sum())
    rest = np.append(expected[big], expected[~big].sum())
    assert stats.chisquare(observed[rest > 1e-9], rest[rest > 1e-9]).pvalue > 1e-4
