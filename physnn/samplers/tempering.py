"""Replica exchange: replicas of a lattice model move at a ladder of temperatures and change places with neighbours.

All replicas are measured, then pairs of neighbours (0, 1), (2, 3), ... or (1, 2), (3, 4), ... by turns may exchange
their places.  Together they sample the product of the Boltzmann distributions of all temperatures.  K. Hukushima and
K. Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.exchange import exchange_replicas
from physnn.kernels.lattice.observables import ROW
from physnn.models.lattice import check_temperature
from physnn.models.tabulated import LatticeModel
from physnn.samplers.chain import (
    COLUMNS,
    Drive,
    LadderDrive,
    Sampler,
    State,
    check_block,
    check_state,
    columns_of,
    run_slices,
    start,
    thermalise,
)


@dataclass
class Ladder:
    """Replicas on a ladder of temperatures; moved in place by `advance_ladder`.

    Attributes
    ----------
    states : list of State
        Configuration and generator of every replica.
    place : ndarray of int64, shape (temperatures,)
        Number of the replica at each temperature.
    swaps : ndarray of uint64, shape (4,)
        Generator of the exchanges.
    exchanges : int
        Number of rounds of exchanges so far.
    """

    states: list[State]
    place: np.ndarray
    swaps: np.ndarray
    exchanges: int = 0


@dataclass(frozen=True)
class LadderRows:
    """Block of measurements by temperature.

    Attributes
    ----------
    values : ndarray of float64, shape (temperatures, measurements, columns)
        Columns are those of the model, as in `physnn.samplers.Rows`.
    replicas : ndarray of int16, shape (temperatures, measurements)
        Number of the replica that was measured.
    snapshots : ndarray of int8, shape (temperatures, measurements // snapshot_every, H, W)
        Configurations.
    columns : tuple of str
        Names of the columns.
    """

    values: np.ndarray
    replicas: np.ndarray
    snapshots: np.ndarray
    columns: tuple[str, ...] = COLUMNS


def start_ladder(
    sampler: Sampler,
    model: LatticeModel,
    shape: tuple[int, int],
    temperatures: Sequence[float],
    sequence: np.random.SeedSequence,
) -> Ladder:
    """First state of a ladder, each replica started as a chain at its temperature; parameters and errors of `start`."""
    if len(temperatures) < 2:
        raise InputError("replica exchange needs at least two temperatures")
    seeds = [rng.child(sequence, 1, k) for k in range(len(temperatures))]
    states = [start(sampler, model, shape, T, seed) for T, seed in zip(temperatures, seeds, strict=True)]
    return Ladder(states, np.arange(len(states)), random.seeded(rng.child(sequence, 2)))


def intervals_of(
    sampler: Sampler, model: LatticeModel, temperatures: Sequence[float], ladder: Ladder, sweeps: int
) -> np.ndarray:
    """Updates between measurements at each temperature, int64 (temperatures,), of a ladder that has not begun to move.

    Where it takes a pilot to find them, replicas are warmed up by ``sweeps`` sweeps, see `physnn.samplers.thermalise`.
    """
    first = sweeps if sampler.warm_up else 0
    pairs = zip(temperatures, ladder.states, strict=True)
    return np.array([thermalise(sampler, model, T, state, first) for T, state in pairs])


def advance_ladder(
    sampler: Sampler,
    model: LatticeModel,
    temperatures: Sequence[float],
    ladder: Ladder,
    measurements: int,
    intervals: np.ndarray,
    snapshot_every: int = 0,
) -> LadderRows:
    """Measurements of a ladder, which is moved in place; neighbours exchange replicas after each.

    The result depends on the arguments only; where compiled calls are cut changes nothing.

    Parameters
    ----------
    sampler, model
        How replicas move, and what.
    temperatures : sequence of float, length (temperatures,)
        In units of J / k_B.
    ladder : Ladder
        Where it is; updated.
    measurements, snapshot_every : int
        Number of rows, and measurements per stored configuration; 0 for none.
    intervals : ndarray of int64, shape (temperatures,)
        Updates before each measurement.

    Raises
    ------
    InputError
        If the sampler does not serve this model, lattice or temperature, or a number is out of range.
    """
    check_block(measurements, int(min(intervals)), snapshot_every)
    shape = ladder.states[0].shape
    for T, state in zip(temperatures, ladder.states, strict=True):
        check_state(model, state)
        check_temperature(T)
        sampler.check(model, shape, T)
    count, kept = len(temperatures), measurements // snapshot_every if snapshot_every else 0
    rows = np.zeros((count, measurements, len(columns_of(model))))
    replicas, snapshots = np.empty((count, measurements), np.int16), np.empty((count, kept, *shape), np.int8)
    drive = sampler.drive_ladder(model, temperatures, ladder.states)
    drive = drive or drive_each(sampler, model, temperatures, ladder.states)
    where = inverse_temperatures(temperatures), ladder.place, ladder.swaps, ladder.exchanges, intervals

    def moves(
        interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
    ) -> None:
        drive(where, budget, progress, rows, replicas, snapshots, every)

    run_slices(moves, measurements, 0, rows, snapshots, snapshot_every)
    ladder.exchanges += measurements
    return LadderRows(rows, replicas, snapshots, columns_of(model))


def inverse_temperatures(temperatures: Sequence[float]) -> np.ndarray:
    """1 / T of every temperature."""
    return 1 / np.asarray(temperatures, float)


def drive_each(
    sampler: Sampler, model: LatticeModel, temperatures: Sequence[float], states: Sequence[State]
) -> LadderDrive:
    """Function that updates one replica after the other by any sampler, see `LadderDrive`."""
    drives: dict[tuple[int, int], Drive] = {}
    N = math.prod(states[0].shape)

    def moves(
        where: tuple[Any, ...],
        budget: int,
        progress: np.ndarray,
        rows: np.ndarray,
        replicas: np.ndarray,
        snapshots: np.ndarray,
        every: int,
    ) -> None:
        beta, place, swaps, first, intervals = where
        spent = 0.0
        while spent < budget and progress[ROW] < rows.shape[1]:
            row = int(progress[ROW])
            kept = bool(every) and (row + 1) % every == 0
            here = (row + 1) // every - 1 if kept else 0
            for k, r in enumerate(place.tolist()):
                if (k, r) not in drives:
                    drives[k, r] = sampler.drive(model, temperatures[k], states[r])
                own = np.zeros(3, np.int64)
                while not own[ROW]:
                    room = snapshots[k, here : here + 1]
                    drives[k, r](int(intervals[k]), budget, own, rows[k, row : row + 1], room, int(kept))
            replicas[:, row] = place
            spent += N * float(rows[:, row, COLUMNS.index("work")].sum() + len(place))
            exchange_replicas(N * rows[:, row, 0], beta, place, swaps, first + row)
            progress[ROW] = row + 1

    return moves
