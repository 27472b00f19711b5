"""Cluster samplers: Wolff's single cluster, and all clusters of Swendsen and Wang."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.lattice import graph_clusters, swendsen_wang, wolff
from physnn.kernels.lattice.multispin_code import LANES
from physnn.models.lattice import IMPROVED_QUANTITIES, Ising, Potts
from physnn.models.tabulated import LatticeModel, Tabulated, mirrors
from physnn.samplers.chain import Drive, Sampler, State, energies_of
from physnn.samplers.local import measured


def bond_probability(model: Ising | Potts, T: float) -> float:
    """Probability that a favoured bond is active, ``1 - exp(-|bond| / T)``; for Ising ``1 - exp(-2 |J| / T)``."""
    return -math.expm1(-abs(model.bond) / T)


def activation(model: Tabulated, T: float) -> np.ndarray:
    """Probability that a bond is active, by reflection R, kind and colours: (reflections, 6, q, q).

    ``1 - exp(-max(0, E(R a, b) - E(a, b)) / T)``, so that sites joined by active bonds reflect together (U. Wolff,
    Phys. Rev. Lett. 62, 361 (1989), for vectors; J.-S. Wang, R. H. Swendsen and R. Kotecky, Phys. Rev. Lett. 63, 109
    (1989), for antiferromagnetic Potts models).
    """
    pairs = model.pairs()
    found = np.stack([-np.expm1(-np.maximum(pairs[:, to] - pairs, 0) / T) for to in mirrors(model)])
    # What rounding leaves of equal energies is no bond.
    return np.where(found < 1e-12, 0.0, found)


@dataclass(frozen=True)
class _Clusters(Sampler):
    """Updates of clusters connected by active bonds."""

    kind: ClassVar[int]

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` for a field, and for an antiferromagnet of more than two colours on a square torus."""
        if isinstance(model, Tabulated):
            mirrors(model)
        elif model.field != 0:
            raise InputError(
                f"{self.name} has no field, and h is {model.field:g}; use metropolis or heat-bath, or h = 0"
            )
        elif model.bond < 0 and model.q > 2:
            raise InputError(
                f"{self.name} does not serve a Potts model with J < 0; use metropolis or heat-bath, or J > 0"
            )

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """States of generators that run abreast, and of a spare one: uint64 of shape (4, LANES)."""
        return sequence.generate_state(4 * LANES, np.uint64).reshape(4, LANES)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that updates clusters of a state in place."""
        if state.generator.shape != (4, LANES):
            raise InputError(
                f"a state for {self.name} needs {LANES} generators of four words; a chain of an earlier version cannot "
                "go on: begin it anew"
            )
        return self._on_lattice(model, T, state) if isinstance(model, Tabulated) else self._on_torus(model, T, state)

    def _on_lattice(self, model: Tabulated, T: float, state: State) -> Drive:
        """Function that updates clusters of any lattice, with the spare generator."""
        of_bonds = random.probability_thresholds(activation(model, T)), mirrors(model)
        spare = state.generator[:, -1].copy()
        what = self.kind, state.colours, spare, tuple(model.neighbours), *of_bonds, measured(model)

        def updates(*rest: Any) -> None:
            graph_clusters.run_graph_clusters(*what, *rest)
            state.generator[:, -1] = spare

        return updates

    @abstractmethod
    def _on_torus(self, model: Ising | Potts, T: float, state: State) -> Drive:
        """Function that updates clusters of the square torus."""

    def _rule(self, model: Ising | Potts, T: float) -> tuple[Any, ...]:
        """Threshold of an active bond, sign and number of colours, and energies, as kernels take them."""
        active = random.probability_thresholds(np.array([bond_probability(model, T)]))[0]
        return active, model.bond < 0, model.q, energies_of(model)


@dataclass(frozen=True)
class SwendsenWang(_Clusters):
    """Swendsen-Wang sampler: every cluster gets a random colour; one update is one sweep.

    R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
    """

    name: ClassVar[str] = "swendsen-wang"
    kind: ClassVar[int] = graph_clusters.SWENDSEN_WANG

    def columns(self, model: LatticeModel) -> tuple[str, ...]:
        """Columns of a block of measurements: on a square torus with `IMPROVED_QUANTITIES`, from the same clusters."""
        return super().columns(model) + (() if isinstance(model, Tabulated) else tuple(IMPROVED_QUANTITIES))

    def _on_torus(self, model: Ising | Potts, T: float, state: State) -> Drive:
        return partial(swendsen_wang.run_swendsen_wang, state.colours, state.generator, *self._rule(model, T))


@dataclass(frozen=True)
class Wolff(_Clusters):
    """Wolff sampler: the cluster of a random site gets another colour; U. Wolff, Phys. Rev. Lett. 62, 361 (1989).

    One update is one cluster; `physnn.samplers.thermalise` returns how many make a sweep.
    """

    name: ClassVar[str] = "wolff"
    kind: ClassVar[int] = graph_clusters.WOLFF
    warm_up: ClassVar[Sampler | None] = SwendsenWang()

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` for a field, J < 0 with more than two colours, or infinite temperature."""
        super().check(model, shape, T)
        active = activation(model, T).max() if isinstance(model, Tabulated) else bond_probability(model, T)
        if active < 2.0**-random.UNIFORM_BITS:
            raise InputError(
                f"{self.name} at T = {T:g} would turn exactly one spin per step and never mix both parities; "
                "use heat-bath or swendsen-wang"
            )

    def _on_torus(self, model: Ising | Potts, T: float, state: State) -> Drive:
        bits = np.empty(wolff.HELD if state.colours.size > wolff.HELD**2 else wolff.HELD // 4, np.uint64)
        used = np.array([len(bits)], np.int64)
        return partial(wolff.run_wolff, state.colours, state.generator, bits, used, *self._rule(model, T))
