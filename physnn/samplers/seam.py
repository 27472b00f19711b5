"""Markov chains of a torus with a seam, at strengths from +1 to -1 that swap their states."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.vectors import moves
from physnn.kernels.vectors import seam as seam_moves
from physnn.models.seam import ANTIPERIODIC, PERIODIC, Seam
from physnn.models.vectors import Shape, normalised
from physnn.samplers.chain import SLICE

FIRST_CHAINS = 5
"""Strengths to begin with, evenly spaced."""
LEAST_SWAPS = 0.3
"""Share of accepted swaps below which a strength is put between two others."""
MOST_CHAINS = 65
"""Largest number of strengths: the first ones halved four times."""
ROUND_MEASUREMENTS = 60
"""Measurements of a round, after which moves are tuned and strengths are added."""
TUNING_ROUNDS = 12
"""Largest number of rounds: enough to double the number of strengths until swaps are accepted."""
WANTED = 0.4
"""Share of accepted moves that tuning aims at."""


COOLING_SWEEPS = 400
"""Sweeps of a cooling, a convention."""
HOTTEST = 0.5
"""Temperature at which a cooling begins, over the largest eigenvalue of J(k): above any order."""
COLDEST = 0.005
"""Temperature at which a cooling ends, over the same: fluctuations of some per cent of a vector's length."""


@dataclass(frozen=True)
class SeamSeries:
    """Measurements of a seam at a temperature T.

    Attributes
    ----------
    strengths : ndarray, shape (chains,)
        s, from 1 down to -1.
    crossing : ndarray, shape (chains, measurements)
        dE/ds of each strength, in units of the coupling.
    accepted, swapped : ndarray, shape (chains,), (chains - 1,)
        Shares of accepted moves and swaps.
    """

    T: float
    strengths: np.ndarray
    crossing: np.ndarray
    accepted: np.ndarray
    swapped: np.ndarray


def _tables(seam: Seam, shape: Shape) -> moves.Coupling:
    seam.check(shape)
    half = seam.model.kernel // 2
    onsite = np.ascontiguousarray(seam.model.coupling[:, :, half, half])
    displacements, matrices = seam.bonds()
    transposed, bias = np.ascontiguousarray(matrices.swapaxes(2, 3)), seam.model.bias.copy()
    return moves.Coupling(displacements, transposed, onsite, bias, True, seam.axis, seam.strength)


def cooled(seam: Seam, shape: Shape, sequence: np.random.SeedSequence, sweeps: int = COOLING_SWEEPS) -> np.ndarray:
    """State ``(H, W, N)`` cooled from a random one, at temperatures that fall by a constant factor."""
    coupling, generator = _tables(seam, shape), random.seeded(rng.child(sequence, 1))
    x, size = seam.model.initial("random", shape, rng.generator(rng.child(sequence))), 0.5
    top = float(np.linalg.eigvalsh(seam.model.spectrum(shape)).max())
    for T in np.geomspace(HOTTEST * top, COLDEST * top, sweeps):
        accepted = moves.metropolis(x, generator, coupling, T, size, True)
        size = min(10.0, size * math.exp(accepted - WANTED))
    return normalised(x)


class _Chains:
    """States, generators and move sizes by strength; strengths may be added."""

    def __init__(self, seam: Seam, shape: Shape, T: float, sequence: np.random.SeedSequence) -> None:
        self.coupling, model = _tables(seam, shape), seam.model
        self.shifts = not model.bias.any() and not seam.twist
        self.T, self.sequence, self.born, self.rows = T, sequence, FIRST_CHAINS, 0
        self.strengths = np.linspace(PERIODIC, ANTIPERIODIC, FIRST_CHAINS)
        one = model.initial("ordered", shape, rng.generator(rng.child(sequence)))
        self.x = np.repeat(one[None], FIRST_CHAINS, axis=0)
        self.generators = [self._generator(k) for k in range(FIRST_CHAINS)]
        self.swaps = random.seeded(rng.child(sequence, 2))
        self.sizes = np.full(FIRST_CHAINS, 0.5)

    def _generator(self, number: int) -> np.ndarray:
        return random.seeded(rng.child(self.sequence, 1, number))

    def advance(self, measurements: int, interval: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives dE/ds (measurements, chains), and shares of accepted moves and swaps."""
        count = len(self.strengths)
        rows, accepted, swapped = np.empty((measurements, count)), np.zeros(count), np.zeros(count - 1)
        generators, done, size = np.stack([*self.generators, self.swaps]), 0, 1
        while done < measurements:
            began, part = time.perf_counter(), rows[done : done + size]
            numbers = self.coupling, self.strengths, self.T, self.sizes, interval, self.shifts, self.rows
            seam_moves.exchange(self.x, generators, *numbers, part, accepted, swapped)
            done, self.rows = done + len(part), self.rows + len(part)
            size = max(1, int(size * min(4.0, SLICE / max(time.perf_counter() - began, 1e-6))))
        self.generators, self.swaps = list(generators[:-1]), generators[-1]
        # Each pair has its turn at every other measurement.
        return rows, accepted / (measurements * interval), swapped / max(measurements / 2, 1)

    def tune(self, accepted: np.ndarray) -> None:
        self.sizes = np.minimum(self.sizes * np.clip(np.exp(2 * (accepted - WANTED)), 0.5, 2.0), 10.0)

    def insert(self, wanting: np.ndarray) -> None:
        """Put a strength behind each of these, with the state and size of moves there."""
        for k in wanting[::-1]:
            between = (self.strengths[k] + self.strengths[k + 1]) / 2
            self.strengths = np.insert(self.strengths, k + 1, between)
            self.x = np.insert(self.x, k + 1, self.x[k], axis=0)
            self.sizes = np.insert(self.sizes, k + 1, self.sizes[k])
            self.generators.insert(k + 1, self._generator(self.born))
            self.born += 1


def seam_series(
    seam: Seam,
    shape: Shape,
    T: float,
    sequence: np.random.SeedSequence,
    measurements: int = 2000,
    interval: int = 2,
    thermalisation: int | None = None,
) -> SeamSeries:
    """Series of dE/ds at strengths s from 1 to -1 (the seam's own is not used), as many as swaps need.

    Single-site Metropolis, which has no step size to extrapolate; after each measurement chains at neighbouring
    strengths may swap states, so that a wall that is there at s = -1 need not be nucleated at s = 1, and states at
    s = 1 and -1 are shifted along the axis, which is a symmetry there (without bias and twist).

    Parameters
    ----------
    seam, shape, T, sequence
        What, how large (H and W), at which temperature (above 0, in units of the coupling), and what seeds everything.
    measurements, interval : int
        Measurements of each strength and sweeps before each.
    thermalisation : int, optional
        Measurements left out after strengths and moves are settled; a fifth if not given.

    Raises
    ------
    InputError
        If a number is out of range, or `MOST_CHAINS` strengths are too few for swaps.
    """
    if not (math.isfinite(T) and T > 0):
        raise InputError(f"a seam is sampled at temperatures above 0, not {T}")
    if measurements < 2 or interval < 1:
        raise InputError("a seam needs at least two measurements and one sweep before each")
    chains = _Chains(seam, shape, T, sequence)
    for _ in range(TUNING_ROUNDS):
        _, accepted, swapped = chains.advance(ROUND_MEASUREMENTS, interval)
        chains.tune(accepted)
        wanting = np.flatnonzero(swapped < LEAST_SWAPS)
        if len(chains.strengths) + len(wanting) > MOST_CHAINS:
            raise InputError(f"{MOST_CHAINS} strengths of the seam are too few at T = {T:g}; take a higher temperature")
        chains.insert(wanting)
    chains.advance(max(1, measurements // 5 if thermalisation is None else thermalisation), interval)
    rows, accepted, swapped = chains.advance(measurements, interval)
    return SeamSeries(T, chains.strengths, np.ascontiguousarray(rows.T), accepted, swapped)
