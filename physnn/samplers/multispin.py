"""The multi-spin coded Metropolis sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels.lattice import multispin, observables
from physnn.models.lattice import LatticeModel
from physnn.samplers.chain import Drive, State


@dataclass(frozen=True)
class Multispin:
    """Metropolis of the Ising model on the bits of words; one update is one sweep.

    A measurement, with its structure factor, costs as much as some twenty sweeps: so it is made after that many.
    """

    name: ClassVar[str] = "multispin"
    warm_up: ClassVar[None] = None
    interval: ClassVar[int] = 20

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `physnn.errors.InputError` unless it is the ferromagnet without field on a lattice that fits."""
        if model.name != "ising" or model.bond <= 0 or model.field:
            raise InputError("multispin serves the Ising model with J > 0 and no field; use metropolis for this one")
        multispin.check_shape(*shape)
        multispin.thresholds(model.bond / 2 / T)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the states of the generators, those of every column block."""
        return multispin.generator_state(*shape, rng.generator(sequence))

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that sweeps a state in place."""
        p = multispin.thresholds(model.bond / 2 / T)
        energies = np.array([model.bond, model.offset, model.field])
        space = observables.scratch(2, *state.colours.shape)

        def sweeps(
            interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
        ) -> None:
            words = multispin.pack(1 - 2 * state.colours)
            N = state.colours.size
            while budget > 0 and progress[observables.ROW] < len(rows):
                n = min(max(1, budget // N), interval - int(progress[observables.DONE]))
                multispin.sweeps(words, state.generator, p, n)
                budget -= n * N
                progress[observables.DONE] += n
                progress[observables.SITES] += n * N
                if progress[observables.DONE] == interval:
                    state.colours[:] = (1 - multispin.unpack(words)) // 2
                    observables.record(state.colours, energies, space, progress, rows, snapshots, every)
            state.colours[:] = (1 - multispin.unpack(words)) // 2

        return sweeps
