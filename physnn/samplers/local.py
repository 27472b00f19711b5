"""Samplers that update one site at a time, by a table of transition probabilities: Metropolis and heat bath."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.lattice import graph, local
from physnn.models.geometry import Lattice, measures, neighbours
from physnn.models.lattice import Ising, Potts
from physnn.models.tabulated import LatticeModel, Tabulated, keys_of, tabulated
from physnn.samplers.chain import Drive, LadderDrive, Sampler, State, energies_of

UPDATE_ORDERS = {"checkerboard": local.CHECKERBOARD, "random": local.RANDOM}
"""Orders of update by name, as kernels number them."""
Rule = Callable[[np.ndarray, float], np.ndarray]
"""Energies ``(keys, q)`` of a site by its neighbourhood and colour, and T, to probabilities ``(q, keys, q)`` of the new
colour (last) given the old (first)."""


def site_energies(model: Ising | Potts) -> np.ndarray:
    """Energy of a site by neighbourhood and colour, float64 of shape (256, q), in units of J.

    A neighbourhood is a number of four base-4 digits, the colours of the neighbours; digits that are no colour are
    read as the last one.
    """
    digits = np.minimum(np.arange(256)[:, None] >> np.arange(0, 8, 2) & 3, model.q - 1)
    like = (digits[:, :, None] == np.arange(model.q)).sum(axis=1)
    energies = -model.bond * like
    if model.q == 2:
        energies = energies - model.field * np.array([1.0, -1.0])
    return np.asarray(energies, float)


@lru_cache(maxsize=64)
def transition_table(rule: Rule, model: Ising | Potts, T: float) -> np.ndarray:
    """Table of `physnn.kernels.lattice.local` for a rule, a model and a temperature."""
    table = thresholds_of(rule(site_energies(model), T))
    table.flags.writeable = False
    return table


def thresholds_of(probabilities: np.ndarray) -> np.ndarray:
    """Thresholds of the new colour, as kernels take them, from probabilities (q, keys, q), see `Rule`."""
    return np.ascontiguousarray(random.probability_thresholds(np.cumsum(probabilities, axis=2)[:, :, :-1]))


ACCEPTANCE = 15 / 16
"""Largest probability of acceptance.

With 1, a sublattice would flip as a whole wherever no move costs energy: at infinite temperature, and wherever the
neighbours cancel, the chain would follow a deterministic orbit and not reach every configuration.  Below 1, every
configuration is reached from every other within one sweep with positive probability, so the chain is ergodic at every
temperature, on every lattice down to 2 x 2; detailed balance holds for any common factor.  The price is 1/15 more
sweeps per autocorrelation time.
"""


def metropolis_probabilities(energies: np.ndarray, T: float) -> np.ndarray:
    """Probabilities ``P[old, key, new] = ACCEPTANCE / (q-1) min(1, exp(-(E_new - E_old) / T))``, see `Rule`."""
    q = energies.shape[1]
    cost = energies[None, :, :] - energies.T[:, :, None]
    move: np.ndarray = ACCEPTANCE / (q - 1) * np.exp(-np.maximum(cost, 0) / T)
    same = np.arange(q)
    move[same, :, same] = 0
    move[same, :, same] = 1 - move.sum(axis=2)
    return move


def heat_bath_probabilities(energies: np.ndarray, T: float) -> np.ndarray:
    """Probabilities ``P[old, key, new] = exp(-E_new / T) / sum_a exp(-E_a / T)``, see `Rule`."""
    q = energies.shape[1]
    weights = np.exp(-(energies - energies.min(axis=1, keepdims=True)) / T)
    return np.repeat((weights / weights.sum(axis=1, keepdims=True))[None], q, axis=0)


def measured(model: Tabulated) -> tuple[np.ndarray, ...]:
    """What `physnn.kernels.lattice.graph.observe_graph` needs of a model besides a configuration."""
    found = measures(model.lattice)
    waves = np.zeros((len(found.periods), found.periods.max()), complex)
    for wave, period in zip(waves, found.periods, strict=True):
        wave[:period] = np.exp(2j * np.pi * np.arange(period) / period)
    energies = model.pairs(), np.array(model.site), np.array(model.order)
    return *model.neighbours, *energies, found.labels, found.weights, found.orders, found.planes, waves


@lru_cache(maxsize=8)
def visits(lattice: Lattice, classes: int) -> np.ndarray:
    """Sites by sublattice, int32 (N,): no two sites of one are neighbours in the first ``classes`` classes of bonds."""
    found = graph.sublattices(*neighbours(lattice, classes)[:2])
    return np.asarray(np.argsort(found, kind="stable"), np.int32)


@dataclass(frozen=True)
class _SingleSite(Sampler):
    """Sweeps of single-site updates by a rule."""

    order: str = "checkerboard"
    kind: ClassVar[str]
    summed: ClassVar[int]

    @staticmethod
    @abstractmethod
    def rule(energies: np.ndarray, T: float) -> np.ndarray:
        """Transition probabilities, see `Rule`."""

    @property
    def name(self) -> str:
        """Name of the sampler: its kind, with -random in random order."""
        return self.kind if self.order == "checkerboard" else f"{self.kind}-{self.order}"

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` for an order of update that does not exist, and a checkerboard with an odd side."""
        if self.order not in UPDATE_ORDERS:
            raise InputError(f"unknown order of update {self.order!r}; there are {', '.join(UPDATE_ORDERS)}")
        if self.order == "checkerboard" and not isinstance(model, Tabulated) and any(side % 2 for side in shape):
            sides = " x ".join(map(str, shape))
            raise InputError(
                f"a checkerboard needs even sides, not {sides}; "
                f"use {self.kind}-random, wolff or swendsen-wang, or sizes that are even"
            )

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that sweeps a state in place."""
        if isinstance(model, Tabulated):
            by_classes = self.order == "checkerboard"
            sites = visits(model.lattice, len(model.pair)) if by_classes else np.empty(0, np.int32)
            return graph_drive(model, T, state, self.summed, self.rule, sites)
        table, order = transition_table(self.rule, model, T), UPDATE_ORDERS[self.order]
        return partial(local.run_local, state.colours, state.generator, table, order, energies_of(model))

    def drive_ladder(
        self, model: LatticeModel, temperatures: Sequence[float], states: Sequence[State]
    ) -> LadderDrive | None:
        """Function that sweeps and exchanges replicas in place; None on lattices given as data."""
        if isinstance(model, Tabulated):
            return None
        tables = np.stack([transition_table(self.rule, model, T) for T in temperatures])
        colours, generators = np.stack([s.colours for s in states]), np.stack([s.generator for s in states])
        start = partial(
            local.run_local_ladder, colours, generators, tables, UPDATE_ORDERS[self.order], energies_of(model)
        )

        def sweeps(where: tuple[Any, ...], *rest: Any) -> None:
            start(*where, *rest)
            for state, here, words in zip(states, colours, generators, strict=True):
                state.colours[:], state.generator[:] = here, words

        return sweeps


def graph_drive(model: Tabulated, T: float, state: State, rule: int, of_keys: Rule, order: np.ndarray) -> Drive:
    """Function that sweeps a state on any lattice, by the numbers of neighbourhoods where they are few."""
    keys = keys_of(model) if rule != graph.EXCHANGE else None
    rows = model.neighbours.kinds.astype(np.int32) * model.q
    keyed = rows, np.empty(0, np.int32), np.empty((0, 0, 0), np.uint64)
    if keys:
        rule, keyed = graph.BY_KEY, (rows, keys.strides.reshape(-1), thresholds_of(of_keys(keys.energies, T)))
    summed = model.pairs(), np.array(model.site), 1 / T
    nearest = int((model.neighbours.kinds[0] % 2 == 0).sum())
    what = rule, state.colours, state.generator, tuple(model.neighbours), keyed, summed, order, nearest, measured(model)
    return partial(graph.run_graph, *what)


@dataclass(frozen=True)
class Metropolis(_SingleSite):
    """Metropolis sampler: another colour, all alike, is accepted with probability ``15/16 min(1, exp(-dE / T))``.

    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).  One update is one sweep.

    Parameters
    ----------
    order : str
        ``checkerboard``, which needs even sides, or ``random``: N sites drawn with replacement.
    """

    kind: ClassVar[str] = "metropolis"
    summed: ClassVar[int] = graph.SUMMED_METROPOLIS
    rule = staticmethod(metropolis_probabilities)


@dataclass(frozen=True)
class HeatBath(_SingleSite):
    """Heat bath: each colour is drawn from its distribution given the neighbours.

    R. J. Glauber, J. Math. Phys. 4, 294 (1963).  Orders of update are those of `Metropolis`.
    """

    kind: ClassVar[str] = "heat-bath"
    summed: ClassVar[int] = graph.SUMMED_HEAT_BATH
    rule = staticmethod(heat_bath_probabilities)


@dataclass(frozen=True)
class Kawasaki(Sampler):
    """Kawasaki sampler: two neighbours exchange their colours with probability ``min(1, exp(-dE / T))``.

    K. Kawasaki, Phys. Rev. 145, 224 (1966).  The number of sites of every colour is conserved: a chain starts with
    equal numbers of all colours at random places, and averages are those at fixed magnetisation.  One update is N
    attempts, each a random site and a random one of its nearest neighbours.
    """

    name: ClassVar[str] = "kawasaki"

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` never: it serves every model."""

    def initial(
        self, model: LatticeModel, shape: tuple[int, int], generator: np.random.Generator, T: float
    ) -> np.ndarray:
        """Equal numbers of all colours, as far as they divide the sites, at random places."""
        balanced = np.arange(math.prod(shape)) % model.q
        return np.asarray(generator.permutation(balanced), np.int8).reshape(shape)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that exchanges colours of a state in place."""
        on = model if isinstance(model, Tabulated) else tabulated(model, Lattice("square", state.colours.shape))
        return graph_drive(on, T, state, graph.EXCHANGE, metropolis_probabilities, np.empty(0, np.int32))
