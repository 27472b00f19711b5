"""Multi-spin coded Metropolis samplers of the Ising ferromagnet, on a CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels import gpu
from physnn.kernels.lattice import multispin, multispin_loops, observables
from physnn.models.lattice import Ising, check_temperature
from physnn.models.tabulated import LatticeModel, on_torus
from physnn.samplers.chain import (
    COLUMNS,
    Drive,
    Rows,
    Sampler,
    State,
    check_block,
    check_state,
    energies_of,
    run_slices,
)

if TYPE_CHECKING:
    from torch import Tensor


def ferromagnet(name: str, model: LatticeModel, other: str) -> Ising:
    """Ising ferromagnet without a field; raises `InputError`, which names another sampler, for any other model."""
    if not isinstance(model, Ising) or model.bond <= 0 or model.field:
        raise InputError(f"{name} serves the square Ising model with J > 0 and no field; use {other} for this one")
    return model


@dataclass(frozen=True)
class Multispin(Sampler):
    """Metropolis of the Ising model on the bits of words; one update is one sweep.

    A measurement, with its structure factor, costs as much as some twenty sweeps: so it is made after that many.
    """

    name: ClassVar[str] = "multispin"
    interval: ClassVar[int] = 20
    packs: ClassVar[bool] = True

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` unless it is the ferromagnet without field on a lattice that fits."""
        found = ferromagnet(self.name, model, "metropolis")
        multispin.check_packable(*shape)
        multispin.thresholds(found.bond / 2 / T)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """States of the generators, those of every column block."""
        return multispin.generator_state(*shape, rng.generator(sequence))

    def initial(
        self, model: LatticeModel, shape: tuple[int, int], generator: np.random.Generator, T: float
    ) -> np.ndarray:
        """First configuration as words: that of the model, which is never there as colours."""
        H, W = shape
        if model.critical_temperature > T:
            return multispin.pack_parts(shape, (np.ones((n, W), np.int8) for n in _heights(H)))
        return multispin.pack_parts(shape, (1 - 2 * generator.integers(0, 2, (n, W), np.int8) for n in _heights(H)))

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that sweeps a state in place."""
        ising = on_torus(self.name, model)
        p = multispin.thresholds(ising.bond / 2 / T)
        energies, (H, W) = energies_of(ising), state.shape
        space = observables.measuring_space(2, H, W)

        def sweeps(
            interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
        ) -> None:
            words = state.colours if state.packed else multispin.pack(1 - 2 * state.colours)
            while budget > 0 and progress[observables.ROW] < len(rows):
                n = min(max(1, budget // (H * W)), interval - int(progress[observables.DONE]))
                multispin.sweeps(words, state.generator, p, n)
                budget -= n * H * W
                progress[observables.DONE] += n
                progress[observables.SITES] += n * H * W
                if progress[observables.DONE] == interval:
                    _record_words(words, energies, space, progress, rows, snapshots, every)
            if not state.packed:
                state.colours[:] = (1 - multispin.unpack(words)) // 2

        return sweeps


ROWS_TOGETHER = 64
"""Rows of colours that are packed together."""


def _heights(H: int) -> list[int]:
    """Heights of the parts of a lattice that are packed one by one, at least four rows each."""
    last = H % ROWS_TOGETHER
    parts = [ROWS_TOGETHER] * (H // ROWS_TOGETHER)
    if last >= 4 or not parts:
        return [*parts, last] if last else parts
    return [*parts[:-1], ROWS_TOGETHER + last] if last else parts


def _record_words(
    words: np.ndarray,
    energies: np.ndarray,
    space: tuple[np.ndarray, ...],
    progress: np.ndarray,
    rows: np.ndarray,
    snapshots: np.ndarray,
    every: int,
) -> None:
    """Measure words, as `physnn.kernels.lattice.observables.record_row` does with colours."""
    row = progress[observables.ROW]
    in_row, in_column, wave_x, wave_y = space
    like = multispin_loops.count_words(words, in_row[0], in_column[0])
    H, W = in_row.shape[1], in_column.shape[1]
    in_row[1], in_column[1] = W - in_row[0], H - in_column[0]
    observables.combine(like, energies, in_row, in_column, wave_x, wave_y, rows[row])
    rows[row, 6] = progress[observables.SITES] / (H * W)
    if every > 0 and (row + 1) % every == 0:
        snapshots[(row + 1) // every - 1] = (1 - multispin.unpack(words)) // 2
    progress[observables.DONE], progress[observables.SITES], progress[observables.ROW] = 0, 0, row + 1


CLOCK_BITS = 62
"""Bits of the number of sweeps of a chain, which is a signed 64-bit number on the device."""


@dataclass(frozen=True)
class MultispinGpu(Sampler):
    """Metropolis of the Ising model on the bits of words, see `physnn.kernels.gpu.ising`; one update is one sweep.

    It serves what `physnn.samplers.Multispin` does, and widths that are multiples of 64.  The two follow the same
    rules with other random numbers: their chains agree in distribution.  A chain does not depend on the kind of GPU.
    Counting is done on the device too, and with its transfer costs some sweeps: so it is done after twenty.

    Parameters
    ----------
    device : str
        "cuda" or "cuda:N".  Where TRITON_INTERPRET=1 is set, Triton's interpreter takes its place, for tests.
    """

    device: str = "cuda"
    name: ClassVar[str] = "multispin-gpu"
    interval: ClassVar[int] = 20

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` unless it is the ferromagnet without field on a lattice that fits."""
        from physnn.kernels.gpu import ising

        found = ferromagnet(self.name, model, "metropolis on the CPU")
        ising.check_shape(*shape)
        ising.acceptance_words(found.bond / 2 / T)
        gpu.check(self.device)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Key of a chain and the sweeps that it has done, uint64 of shape (2,)."""
        key = rng.generator(sequence).integers(1, 2**64, dtype=np.uint64, endpoint=False)
        return np.array([key, 0], np.uint64)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that sweeps a state in place."""
        together = self.drive_together(model, (T,), (state,))
        return lambda interval, budget, progress, rows, snapshots, every: together(
            interval, budget, progress, rows[None], snapshots[None], every
        )

    def drive_together(self, model: LatticeModel, temperatures: Sequence[float], states: Sequence[State]) -> Drive:
        """Function that sweeps states of one shape and clock in place; rows and snapshots by state."""
        from physnn.kernels.gpu import ising

        if any(s.generator.shape != (2,) or s.generator[1] >= 2**CLOCK_BITS for s in states):
            raise InputError("a state for multispin-gpu needs a generator of two words, a key and the sweeps done")
        if len({(s.colours.shape, int(s.generator[1])) for s in states}) != 1:
            raise InputError("chains move together only if their lattices are equal and have done the same sweeps")
        of_torus = on_torus(self.name, model)
        energies = energies_of(of_torus)
        H, W = states[0].colours.shape
        waves = observables.longest_wave(W), observables.longest_wave(H)
        p, N = np.stack([ising.acceptance_words(of_torus.bond / 2 / T) for T in temperatures]), H * W
        keys = np.array([s.generator[0] for s in states])
        words, *rest = ising.upload(np.stack([s.colours for s in states]), keys, 0, p, self.device)
        clock, run = rest[1], ising.repeated(words, *rest)

        def sweeps(
            interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
        ) -> None:
            # The memory stays the same, because launches are recorded with it.
            ising.replace(words, clock, np.stack([s.colours for s in states]), int(states[0].generator[1]))
            while budget > 0 and progress[observables.ROW] < rows.shape[1]:
                n = min(max(1, budget // (N * len(states))), interval - int(progress[observables.DONE]))
                run(n)
                budget -= n * N * len(states)
                progress[observables.DONE] += n
                progress[observables.SITES] += n * N
                if progress[observables.DONE] == interval:
                    _record(words, energies, waves, progress, rows, snapshots, every)
            for state, colours in zip(states, ising.colours_of(words).cpu().numpy(), strict=True):
                state.colours[:] = colours
                state.generator[1] = clock.item()

        return sweeps


def advance_together(
    sampler: MultispinGpu,
    model: LatticeModel,
    temperatures: Sequence[float],
    states: Sequence[State],
    measurements: int,
    interval: int = 1,
    snapshot_every: int = 0,
) -> list[Rows]:
    """Measurements of chains of one lattice size, which are moved side by side in place.

    Each of them moves as `physnn.samplers.advance`, which explains the parameters, would move it alone, to the last
    bit.  All chains have done the same number of sweeps.  Raises `Unfinished` if there is no GPU here.
    """
    check_block(measurements, interval, snapshot_every)
    for T, state in zip(temperatures, states, strict=True):
        check_state(model, state)
        check_temperature(T)
        sampler.check(model, state.colours.shape, T)
    kept = measurements // snapshot_every if snapshot_every else 0
    rows = np.zeros((len(states), measurements, len(COLUMNS)))
    snapshots = np.empty((len(states), kept, *states[0].colours.shape), np.int8)
    drive = sampler.drive_together(model, temperatures, states)
    run_slices(drive, measurements, interval, rows, snapshots, snapshot_every)
    return [Rows(*both) for both in zip(rows, snapshots, strict=True)]


def _record(
    words: Tensor,
    energies: np.ndarray,
    waves: tuple[np.ndarray, np.ndarray],
    progress: np.ndarray,
    rows: np.ndarray,
    snapshots: np.ndarray,
    every: int,
) -> None:
    """Measure every lattice, as `physnn.kernels.lattice.observables.record_row` does with colours."""
    from physnn.kernels.gpu import ising

    row = progress[observables.ROW]
    for k, (like, in_row, in_column) in enumerate(zip(*ising.observe(words), strict=True)):
        H, W = len(in_row), len(in_column)
        by_row, by_column = np.stack([in_row, W - in_row]), np.stack([in_column, H - in_column])
        observables.combine(int(like), energies, by_row, by_column, waves[0], waves[1], rows[k, row])
        rows[k, row, 6] = progress[observables.SITES] / (H * W)
    if every > 0 and (row + 1) % every == 0:
        snapshots[:, (row + 1) // every - 1] = ising.colours_of(words).cpu().numpy()
    progress[observables.DONE], progress[observables.SITES], progress[observables.ROW] = 0, 0, row + 1
