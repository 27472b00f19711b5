"""Markov chain of a lattice model: its state, and blocks of measurements made inside compiled calls."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels import random
from physnn.kernels.lattice import multispin
from physnn.models.lattice import QUANTITIES, Ising, Potts, check_temperature, check_torus
from physnn.models.tabulated import LatticeModel, Tabulated

COLUMNS = tuple(QUANTITIES)
"""Columns of a block of measurements: energy, m, m2, m4, structure_x, structure_y, work."""
SLICE = 0.1
"""Seconds aimed at for one compiled call, so that signals get through; a single longer update is not divided."""
FIRST_SLICE_SITES = 200_000
"""Sites visited by the first compiled call: below a hundredth of a second on any machine."""
PILOT_SWEEPS = 8
"""Sweeps of the pilot that counts clusters per sweep, so that their number is known to about a tenth."""


@dataclass
class State:
    """State of a chain; moved in place by `advance`.

    Attributes
    ----------
    colours : ndarray of int8, shape (H, W), or of uint64
        The configuration; for Ising, ``s = 1 - 2 * colour``.  The sampler ``multispin`` holds words of 64 spins, see
        `physnn.kernels.lattice.multispin.pack`.
    generator : ndarray of uint64
        State of the random generator or generators, e.g. shape (4,).
    extra : dict of str to ndarray
        Whatever else a sampler carries from one update to the next.
    """

    colours: np.ndarray
    generator: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows H and columns W of the configuration."""
        return multispin.sides_of(self.colours) if self.packed else self.colours.shape

    @property
    def packed(self) -> bool:
        """Whether 64 spins are a word."""
        return self.colours.dtype == np.uint64

    @property
    def configuration(self) -> np.ndarray:
        """Colours, int8 (H, W): a copy where they are words."""
        return (1 - multispin.unpack(self.colours)) // 2 if self.packed else self.colours

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all arrays by name; `from_arrays` continues from them bit for bit."""
        return {name: array.copy() for name, array in self.named().items()}

    def named(self) -> dict[str, np.ndarray]:
        """All arrays by name, as they are: they change when the chain moves on."""
        return {"colours": self.colours, "generator": self.generator, **self.extra}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> State:
        """State that `arrays` described."""
        named = {name: np.array(array) for name, array in arrays.items()}
        return cls(named.pop("colours"), named.pop("generator"), named)


Drive = Callable[[int, int, np.ndarray, np.ndarray, np.ndarray, int], None]
"""``drive(interval, budget, progress, rows, snapshots, every)``: one compiled call that updates and measures until
about ``budget`` sites are visited or the rows are full; `physnn.kernels.lattice.observables.record_row` describes the
rest."""

LadderDrive = Callable[[tuple[Any, ...], int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], None]
"""``drive(where, budget, progress, rows, replicas, snapshots, every)`` for all temperatures of a ladder, with ``where``
its (beta, place, swaps, first, intervals); `physnn.kernels.lattice.local.run_local_ladder` describes them."""


@dataclass(frozen=True)
class Sampler(ABC):
    """Markov chain Monte Carlo algorithm; a frozen dataclass of few options.

    Attributes
    ----------
    warm_up : Sampler or None
        None where an update is a sweep; otherwise the sampler that `thermalise` uses before it finds out how many
        updates make a sweep.
    interval : int
        Updates between measurements that are worth their cost, where an update is a sweep.
    packs : bool
        Whether its states hold 64 spins in a word.
    """

    warm_up: ClassVar[Sampler | None] = None
    interval: ClassVar[int] = 1
    packs: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in `physnn.samplers.SAMPLERS`."""

    @abstractmethod
    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `InputError` if the sampler is not right for this model, lattice or temperature."""

    @abstractmethod
    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Function that updates ``state`` in place."""

    def columns(self, model: LatticeModel) -> tuple[str, ...]:
        """Columns of a block of measurements: by default `columns_of` the model."""
        return columns_of(model)

    def initial(
        self, model: LatticeModel, shape: tuple[int, int], generator: np.random.Generator, T: float
    ) -> np.ndarray:
        """First configuration: by default that of the model."""
        return model.initial(shape, generator, T)

    def drive_ladder(
        self, model: LatticeModel, temperatures: Sequence[float], states: Sequence[State]
    ) -> LadderDrive | None:
        """Function that updates replicas at several temperatures in one compiled call; None where there is none."""
        return None

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Initial state of the generators of a chain: by default one of four words."""
        return random.seeded(sequence)


def columns_of(model: LatticeModel) -> tuple[str, ...]:
    """Columns of a block of measurements of a model: `COLUMNS`, and more on lattices that have more."""
    return model.columns if isinstance(model, Tabulated) else COLUMNS


def energies_of(model: Ising | Potts) -> np.ndarray:
    """Energies of a like bond, of a site without any, and of the field, as kernels take them: float64 (3,)."""
    return np.array([model.bond, model.offset, model.field])


@dataclass(frozen=True)
class Rows:
    """Block of measurements.

    Attributes
    ----------
    values : ndarray of float64, shape (measurements, len(columns))
        One row per measurement; symbols and units are in `physnn.models.QUANTITIES`.
    snapshots : ndarray of int8, shape (measurements // snapshot_every, H, W)
        Configurations at every ``snapshot_every``-th measurement; empty if none were asked for.
    columns : tuple of str
        Names of the columns, `Sampler.columns`.
    """

    values: np.ndarray
    snapshots: np.ndarray
    columns: tuple[str, ...] = COLUMNS

    def __getitem__(self, column: str) -> np.ndarray:
        """Column by name; `InputError` if there is none of this name."""
        if column not in self.columns:
            raise InputError(f"there is no column {column!r}; choose one of {', '.join(self.columns)}")
        return np.asarray(self.values[:, self.columns.index(column)])


def start(
    sampler: Sampler, model: LatticeModel, shape: tuple[int, int], T: float, sequence: np.random.SeedSequence
) -> State:
    """First state of a chain; `InputError` if the sampler does not serve this model, lattice or temperature.

    Parameters
    ----------
    sampler, model, shape
        How it moves, what, and rows H and columns W of the torus; ``model.lattice.shape`` of a model that has one.
    T : float
        Temperature in units of J / k_B: below the critical temperature the start is ordered, else random.
    sequence : numpy.random.SeedSequence
        Seeds everything random in the chain (`physnn.rng.seed_sequence`); it is not changed.
    """
    check_configuration(model, shape)
    check_temperature(T)
    sampler.check(model, shape, T)
    colours = sampler.initial(model, shape, rng.generator(rng.child(sequence)), T)
    return State(colours, sampler.generators(sequence, shape))


def check_configuration(model: LatticeModel, shape: tuple[int, int]) -> None:
    """Raise `InputError` unless configurations of a model may have a shape."""
    if not isinstance(model, Tabulated):
        check_torus(shape)
    elif tuple(shape) != model.lattice.shape:
        raise InputError(f"configurations of this lattice have the shape {model.lattice.shape}, not {tuple(shape)}")


def check_block(measurements: int, interval: int, snapshot_every: int) -> None:
    """Raise `InputError` if the numbers that describe a block of measurements are out of range."""
    if measurements < 0 or interval < 1 or snapshot_every < 0:
        raise InputError("a block needs measurements >= 0, an interval >= 1 and snapshot_every >= 0")


def check_state(model: LatticeModel, state: State) -> None:
    """Raise `InputError` unless a state is one of the model's."""
    # Compiled code trusts its arrays: a colour too many would read and write outside of its tables.
    colours = state.colours
    if state.packed:
        check_configuration(model, state.shape)
        multispin.check_packable(*state.shape)
        if model.name != "ising":
            raise InputError("a state of this model has no words of spins; start a chain of its own for it")
    elif colours.ndim != 2 or colours.dtype != np.int8 or not colours.flags.c_contiguous:
        raise InputError("a state needs colours as a contiguous int8 array of H rows and W columns")
    else:
        check_configuration(model, colours.shape)
        if not (colours.min() >= 0 and colours.max() < model.q):
            raise InputError(
                f"a state of this model has colours 0 to {model.q - 1} only; start a chain of its own for it"
            )
    if state.generator.dtype != np.uint64 or not state.generator.any():
        raise InputError("a state needs its generator as uint64 words that are not all zero")


def advance(
    sampler: Sampler,
    model: LatticeModel,
    T: float,
    state: State,
    measurements: int,
    interval: int = 1,
    snapshot_every: int = 0,
) -> Rows:
    """Measurements of a chain, which is moved in place.

    The result depends on the arguments only, not on time: calls of compiled code are cut to about `SLICE` seconds, and
    an update takes no notice of where the cuts are.

    Parameters
    ----------
    sampler, model, T
        How it moves, what, and the temperature in units of J / k_B.
    state : State
        Where it is; updated.
    measurements : int
        Number of rows.
    interval : int
        Updates before each measurement: sweeps, or cluster steps of the Wolff sampler.
    snapshot_every : int
        Measurements per stored configuration; 0 for none.

    Returns
    -------
    Rows
        The raw observables.

    Raises
    ------
    InputError
        If the sampler does not serve this model, lattice or temperature, or a number is out of range.
    """
    check_block(measurements, interval, snapshot_every)
    check_state(model, state)
    check_temperature(T)
    sampler.check(model, state.shape, T)
    if state.packed and not sampler.packs:
        raise InputError(f"{sampler.name} moves colours, and this state has words of spins: start a chain of its own")
    columns = sampler.columns(model)
    rows = np.zeros((measurements, len(columns)))
    kept = measurements // snapshot_every if snapshot_every else 0
    snapshots = np.empty((kept, *state.shape), np.int8)
    run_slices(sampler.drive(model, T, state), measurements, interval, rows, snapshots, snapshot_every)
    return Rows(rows, snapshots, columns)


def run_slices(
    drive: Drive, measurements: int, interval: int, rows: np.ndarray, snapshots: np.ndarray, snapshot_every: int
) -> None:
    """Call ``drive``, about `SLICE` seconds at a time, until all measurements are made."""
    progress = np.zeros(3, np.int64)
    budget = FIRST_SLICE_SITES
    while progress[-1] < measurements:
        begin = time.perf_counter()
        drive(interval, budget, progress, rows, snapshots, snapshot_every)
        elapsed = max(time.perf_counter() - begin, 1e-6)
        budget = max(1, int(budget * min(4.0, SLICE / elapsed)))


def thermalise(sampler: Sampler, model: LatticeModel, T: float, state: State, sweeps: int) -> int:
    """Interval between measurements of a chain, which is moved by ``sweeps`` sweeps in place.

    It is a sweep (or `Sampler.interval` of them), also for a sampler of single clusters.  That one is warmed up by
    another (from a random start its clusters would stay small for long), then a pilot of at least `PILOT_SWEEPS` sweeps
    finds the rounded number of updates per sweep.  Keep the interval fixed afterwards: to measure whenever the clusters
    add up to a sweep would prefer configurations behind large clusters.
    """
    first = sampler.warm_up or sampler
    if sweeps > 0:
        advance(first, model, T, state, 1, sweeps)
    if first is sampler:
        return sampler.interval
    steps, total, block = 0, 0.0, PILOT_SWEEPS
    while total < PILOT_SWEEPS:
        total += float(advance(sampler, model, T, state, 1, block)["work"][0])
        steps, block = steps + block, 2 * block
    return max(1, round(steps / total))
