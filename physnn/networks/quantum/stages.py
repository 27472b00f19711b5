"""Training of a machine to a ground state in stages, each with twice the samples, and what is measured after each.

A stage ends with the mean of its parameters over its second half, in which the noise of single steps averages out; the
next one goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.machine import on_one_blas_thread
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.complete import Classes, Summed, drawn_configurations, is_even, summed_over, summed_step
from physnn.networks.quantum.reconfiguration import StepRule, sampled_step
from physnn.networks.quantum.walkers import Walkers, WaveTables
from physnn.networks.quantum.wave import SpinMachine

SETTLING = 50
"""Sweeps of chains before they are used, where a machine is new to them."""
MEASURED_CHAINS = 256
"""Chains along which a trained machine is measured, at most."""
BETWEEN = 4
"""Sweeps between measurements of a chain."""
LEAST_SHIFT = 1e-3
"""Shift of the diagonal from the second stage on, unless it is smaller at first; in the first it falls to a tenth.

With less the noise of some thousand samples moves what they hardly know.
"""
LOST_TRAINING = "a training has left all bounds; take a smaller --rate, more --samples or a larger --shift"
"""What is said of a training whose numbers are none any more."""
STEPS_AT_ONCE = 20
"""Steps between looks at the clock."""


class StageRule(NamedTuple):
    """Stages of a training: their number, samples of the first, steps of each, first rate and shift."""

    stages: int
    samples: int
    steps: int
    rate: float
    shift: float

    def at(self, done: int) -> StepRule:
        """Step number ``done``: the rate halves with every stage, the shift falls to a tenth."""
        t = done / self.steps
        return StepRule(self.rate * 0.5**t, max(min(self.shift, LEAST_SHIFT), self.shift * 0.1**t))

    def samples_of(self, stage: int) -> int:
        """Samples of a step of a stage."""
        return self.samples << stage


class Drawn(NamedTuple):
    """Configurations of a machine, int8 (n, N), chain after chain, and their local energies (n,) in units of J."""

    spins: np.ndarray
    local: np.ndarray


@dataclass
class GroundTraining:
    """A machine in training: its steps so far, chains, and the sum of parameters that its stage will end with.

    ``classes`` are there where sums over all configurations take the place of chains.
    """

    model: QuantumModel
    machine: SpinMachine
    rule: StageRule
    seeds: np.random.SeedSequence
    classes: Classes | None = None
    done: int = 0

    def __post_init__(self) -> None:
        self.total = np.zeros_like(self.machine.parameters)
        self.walkers: Walkers | None = None
        self.energy = math.nan
        self._settled: SpinMachine | None = None

    @classmethod
    def begin(
        cls, model: QuantumModel, machine: SpinMachine, rule: StageRule, seeds: np.random.SeedSequence, summed: bool
    ) -> GroundTraining:
        """Training that has not begun, with sums over all configurations or chains."""
        classes = Classes.of(model, machine.permutations, is_even(machine)) if summed else None
        return cls(model, machine, rule, seeds, classes)

    @property
    def stage(self) -> int:
        """Stage that the next step belongs to."""
        return self.done // self.rule.steps

    def arrays(self) -> dict[str, np.ndarray]:
        """State, from which `restore` goes on."""
        found = {"done": np.array(self.done), "parameters": self.machine.parameters, "total": self.total}
        if self.walkers is not None:
            found |= {"spins": self.walkers.spins.astype(np.int8), "generators": self.walkers.generators}
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `arrays` gave."""
        self.done, self.total = int(arrays["done"]), np.array(arrays["total"])
        self.machine = self.machine.moved(arrays["parameters"] - self.machine.parameters)
        if "spins" in arrays:
            spins = np.ascontiguousarray(arrays["spins"], np.float32)
            self.walkers = Walkers(self.model, spins, np.array(arrays["generators"]))

    @on_one_blas_thread
    def train(self, until: int) -> None:
        """Make steps up to a number within one stage; the last step of a stage puts the mean parameters in place.

        Raises
        ------
        InputError
            If parameters have left all bounds.
        """
        while self.done < until:
            within = self.done % self.rule.steps
            if within == 0 and self.classes is None:
                self._take_chains()
            try:
                self._step()
            except np.linalg.LinAlgError:  # a matrix that is not positive has numbers beyond all bounds
                raise InputError(LOST_TRAINING) from None
            self.done += 1
            half = self.rule.steps // 2
            if within >= half:
                self.total = self.total + self.machine.parameters
            if within == self.rule.steps - 1:
                mean = self.total / (self.rule.steps - half)
                self.machine, self.total = self.machine.moved(mean - self.machine.parameters), np.zeros_like(mean)
        if not np.isfinite(self.machine.parameters).all():
            raise InputError(LOST_TRAINING)

    def _take_chains(self) -> None:
        """Chains of a stage: as many as samples; those of the stage before go on, each in several copies."""
        old, stage = self.walkers, self.stage
        self.walkers = new = Walkers.begin(self.model, self.rule.samples_of(stage), rng.child(self.seeds, 1, stage))
        if old is not None:
            new.spins[:] = np.resize(old.spins, new.spins.shape)
        new.settle(WaveTables.of(self.machine, new.moves))
        new.walk(SETTLING * self.model.N)
        self._settled = None

    def _step(self) -> None:
        rule = self.rule.at(self.done)
        if self.classes is not None:
            self.machine, found = summed_step(self.machine, self.classes, rule)
            self.energy = found.energy
            return
        assert self.walkers is not None
        if self._settled is not self.machine:
            self.walkers.settle(WaveTables.of(self.machine, self.walkers.moves))
        self.energy, self.machine = sampled_step(self.machine, self.walkers, rule)
        self._settled = self.machine

    @on_one_blas_thread
    def measured(self, count: int, look: Callable[[float], None] = lambda share: None) -> Drawn:
        """Configurations of the machine as it is, their number rounded up to whole chains."""
        seeds = rng.child(self.seeds, 2, self.done)
        if self.classes is not None:
            found: Summed = summed_over(self.machine, self.classes)
            even, generator = is_even(self.machine), rng.generator(seeds)
            drawn = drawn_configurations(found, self.classes, self.machine.permutations, even, count, generator)
            return Drawn(*drawn)
        walkers = Walkers.begin(self.model, min(MEASURED_CHAINS, count), seeds)
        if self.walkers is not None:
            walkers.spins[:] = np.resize(self.walkers.spins, walkers.spins.shape)
        tables = WaveTables.of(self.machine, walkers.moves)
        walkers.settle(tables)
        walkers.walk(SETTLING * self.model.N)
        rounds, spins, local = -(-count // walkers.local_energies().size), [], []
        for k in range(rounds):
            walkers.settle(tables)
            walkers.walk(BETWEEN * self.model.N)
            spins.append(walkers.configurations.astype(np.int8))
            local.append(walkers.local_energies().ravel())
            look((k + 1) / rounds)
        chains = np.stack(spins, axis=1), np.stack(local, axis=1)
        return Drawn(chains[0].reshape(-1, self.model.N), chains[1].ravel().astype(float))
