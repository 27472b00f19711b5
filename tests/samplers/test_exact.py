"""Every sampler against the enumeration of small tori, and broken ones that must not agree with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numba import njit
from scipy import stats

from physnn.kernels import random
from physnn.kernels.lattice import local as lattice
from physnn.kernels.lattice.observables import DONE, ROW, SITES, measuring_space, record_row
from physnn.models import Ising, Potts
from physnn.samplers import SAMPLERS, Metropolis, SwendsenWang, Wolff, advance, local
from tests.synthetic.lattice_exact import GENERAL, chain, p_value, tau, thinned

LOCAL = ["metropolis", "metropolis-random", "heat-bath", "heat-bath-random"]
ODD = ["metropolis-random", "heat-bath-random", "wolff", "swendsen-wang"]
ANY = ["heat-bath-random", "wolff", "swendsen-wang"]
LIMIT = 1e-4
"""Smallest p-value that counts as agreement, some 70 tests together; controls must fall below its square."""

CASES = [
    *((name, Ising(), (4, 4), T) for name in GENERAL for T in (1.8, 2.27, 3.0)),
    *((name, Ising(J=-1), (4, 4), 2.27) for name in GENERAL),
    *((name, Ising(h=0.2), (4, 4), 2.5) for name in LOCAL),
    *((name, Ising(J=-1, h=0.7), (4, 4), 1.5) for name in LOCAL),
    *((name, Ising(), (2, 2), 3.0) for name in GENERAL),
    *((name, Ising(J=-1), (2, 4), 2.0) for name in GENERAL),
    *((name, Ising(), (3, 3), 2.27) for name in ODD),
    *((name, Ising(J=-1), (3, 3), 2.0) for name in ODD),
    *((name, Ising(J=-1), (2, 5), 1.5) for name in ANY),
    *((name, Ising(), (5, 3), 2.5) for name in ANY),
    *((name, Potts(3), (3, 3), 1.0) for name in ODD),
    *((name, Potts(3), (2, 4), 1.0) for name in GENERAL),
    *((name, Potts(4), (4, 2), 0.9) for name in GENERAL),
    *((name, Potts(2), (4, 2), 1.1) for name in GENERAL),
    *((name, Potts(3, J=-1), (2, 4), 0.6) for name in LOCAL),
    *((name, Ising(), (4, 4), np.inf) for name in ("metropolis", "heat-bath", "swendsen-wang")),
]


@pytest.mark.parametrize(("name", "model", "shape", "T"), CASES, ids=str)
def test_energy_and_order_have_the_exact_joint_distribution(name, model, shape, T):
    rows = thinned(SAMPLERS[name], model, shape, T, name)
    assert p_value(model, shape, T, rows) > LIMIT


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_two_per_cent_of_temperature_are_seen(name, factor):
    rows = thinned(SAMPLERS[name], Ising(), (4, 4), factor * 2.27, name)
    assert p_value(Ising(), (4, 4), 2.27, rows) < LIMIT**2


def three_neighbours(energies, T):
    """Metropolis that forgets the fourth neighbour (J = 1)."""
    last = np.arange(256)[:, None] >> 6
    return local.metropolis_probabilities(energies + 2.0 * (np.minimum(last, 1) == np.arange(2)), T)


def wrong_corner(energies, T):
    """Metropolis with exp(-4 J / T) where exp(-8 J / T) belongs."""
    good = local.metropolis_probabilities(energies, T)
    weak = local.metropolis_probabilities(energies / 2, T)
    cost = np.abs(energies[:, 1] - energies[:, 0])
    return np.where((cost == 8)[None, :, None], weak, good)


@dataclass(frozen=True)
class WithRule(Metropolis):
    rule: object = None


@njit
def shared_words(colours, state, pair, energies, interval, budget, progress, rows, snapshots, every):
    """Heat bath whose two words per row of a sublattice are one."""
    space, words = measuring_space(2, 4, 4), np.empty(2, np.uint64)
    for _ in range(budget):
        if progress[ROW] == rows.shape[0]:
            return
        for parity in range(2):
            for i in range(4):
                words[:] = random.random_word(state)
                lattice._row_of_two(colours[i - 1], colours[i], colours[(i + 1) % 4], (i + parity) & 1, pair, words)
        progress[DONE] += 1
        progress[SITES] += 16
        if progress[DONE] == interval:
            record_row(colours, energies, space, progress, rows, snapshots, every)


class WordsTwice(Metropolis):
    def drive(self, model, T, state):
        pair = lattice.two_colours(local.transition_table(local.heat_bath_probabilities, model, T))
        energies = np.array([model.bond, model.offset, model.field])
        return lambda *rest: shared_words(state.colours, state.generator, pair, energies, *rest)


@dataclass(frozen=True)
class _Wrong:
    """Clusters with any bond probability, along like bonds."""

    scale: float = 1.0

    def _rule(self, model, T):
        active = random.probability_thresholds(-np.expm1(-self.scale * np.abs([model.bond]) / T))[0]
        return active, False, *super()._rule(model, T)[2:]


@dataclass(frozen=True)
class WrongWolff(_Wrong, Wolff):
    warm_up: ClassVar[None] = None


@dataclass(frozen=True)
class WrongSwendsenWang(_Wrong, SwendsenWang):
    pass


BROKEN = {
    "a neighbour missing": (WithRule(rule=three_neighbours), Ising()),
    "exp(-4J/T) for exp(-8J/T)": (WithRule(rule=wrong_corner), Ising()),
    "one word used twice": (WordsTwice(), Ising()),
    "Wolff with 1-exp(-J/T)": (WrongWolff(0.5), Ising()),
    "Swendsen-Wang with 1-exp(-J/T)": (WrongSwendsenWang(0.5), Ising()),
    "Wolff, J < 0, like bonds": (WrongWolff(), Ising(J=-1)),
    "Swendsen-Wang, J < 0, like bonds": (WrongSwendsenWang(), Ising(J=-1)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_samplers_do_not_agree(what):
    sampler, model = BROKEN[what]
    assert p_value(model, (4, 4), 2.27, thinned(sampler, model, (4, 4), 2.27, what)) < LIMIT**2


@pytest.mark.parametrize(
    "sampler",
    [WithRule(rule=local.metropolis_probabilities), WrongWolff(), WrongSwendsenWang()],
    ids=["local", "Wolff", "Swendsen-Wang"],
)
def test_the_harness_of_the_broken_samplers_is_right_itself(sampler):
    assert p_value(Ising(), (4, 4), 2.27, thinned(sampler, Ising(), (4, 4), 2.27, "right")) > LIMIT


def seeds_p_value(name: str, taus: float, seeds: int = 400, n: int = 2000) -> float:
    """KS p-value of the chi-square p-values of many seeds."""
    sampler, model, T = SAMPLERS[name], Ising(), 2.27
    state, interval = chain(sampler, model, (4, 4), T, name, "tau")
    pilot = advance(sampler, model, T, state, 50_000, interval)
    step = max(1, round(taus * interval * max(tau(pilot["energy"]), tau(pilot["m2"]))))
    values = []
    for seed in range(seeds):
        state, _ = chain(sampler, model, (4, 4), T, name, seed)
        values.append(p_value(model, (4, 4), T, advance(sampler, model, T, state, n, step)))
    return float(stats.kstest(values, "uniform").pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERAL)
def test_p_values_of_many_seeds_are_uniform(name):
    assert seeds_p_value(name, 6) > 0.01 / len(GENERAL)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metropolis", "heat-bath-random"])
def test_measurements_one_tau_apart_are_not_independent(name):
    assert seeds_p_value(name, 1) < 0.01 / len(GENERAL)
