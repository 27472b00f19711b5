"""Annealed importance sampling of restricted Boltzmann machines: works along a path of machines, forwards and back.

R. M. Neal, Stat. Comput. 11, 125 (2001); R. Salakhutdinov and I. Murray, ICML 2008.  A path begins at independent
units, whose partition function is known, and leads over straight lines in weights and biases to further machines: to
one that was trained, or along the machines of its training one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from physnn.models.boltzmann import Machine, log_sums
from physnn.networks.boltzmann.chains import GibbsChains, Tables


def independent(machine: Machine) -> Machine:
    """Machine of the same shape without weights and biases."""
    zeros = [np.zeros_like(each, dtype=np.float64) for each in (machine.weights, machine.visible_bias)]
    return replace(machine, weights=zeros[0], visible_bias=zeros[1], hidden_bias=np.zeros(len(machine.hidden_bias)))


def log_partition_of_independent(machine: Machine) -> float:
    """``ln Z`` of units without weights and biases: the logarithm of the number of states."""
    return machine.sites * math.log(machine.colours) + len(machine.hidden_bias) * math.log(2)


def random_states(machine: Machine, chains: int, generator: np.random.Generator) -> np.ndarray:
    """Visible states of groups, of independent units."""
    colours = generator.integers(0, machine.colours, (chains, machine.sites), np.int8)
    return Tables.of(machine).states_of(colours)


def path_of(machines: Sequence[Machine], steps: int) -> Iterator[Machine]:
    """Machines on straight lines from each to the next, ``steps`` to a line; the first one comes first."""
    yield machines[0]
    for one, other in pairwise(machines):
        for k in range(1, steps + 1):
            x = k / steps
            yield replace(
                one,
                weights=(1 - x) * one.weights + x * other.weights,
                visible_bias=(1 - x) * one.visible_bias + x * other.visible_bias,
                hidden_bias=(1 - x) * one.hidden_bias + x * other.hidden_bias,
            )


def log_weights_of(tables: Tables, visible: np.ndarray) -> np.ndarray:
    """Logarithms of the weights of visible states of groups, float64 (n,): `Machine.log_weight` by tables."""
    machine, found = tables.machine, log_sums(tables.hidden_fields(visible).astype(np.float64), tables.machine.low)
    return found + tables.visible_values(visible) @ machine.visible_bias if machine.visible_bias.any() else found


def works(path: Sequence[Machine], first: np.ndarray, seeds: np.random.SeedSequence, steps: int = 1) -> np.ndarray:
    """Works of chains that are carried along a path, float64 (machines - 1, chains): at every change of the machine.

    The work of a change is the logarithm of the weight after it, less that before it, of the chain's visible state;
    the mean of ``exp(sum of works)`` is ``Z_last / Z_first``.

    Parameters
    ----------
    path : sequence of Machine
        Machines from the first to the last.
    first : ndarray of uint8, shape (chains, groups)
        Visible states that are drawn from the first machine.
    seeds : numpy.random.SeedSequence
        Seeds of the moves.
    steps : int
        Gibbs steps after every change.
    """
    here, spare = Tables.of(path[0]), None
    chains, found = GibbsChains.begin(here, first, seeds), np.zeros((len(path) - 1, len(first)))
    for k, machine in enumerate(path[1:]):
        there = Tables.of(machine, spare)
        found[k] = log_weights_of(there, chains.visible) - log_weights_of(here, chains.visible)
        chains.move(there, steps)
        here, spare = there, here
    return found
