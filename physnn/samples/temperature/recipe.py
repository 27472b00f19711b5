"""Recipe of a temperature sweep of a lattice model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from physnn.errors import InputError
from physnn.models import IMPROVED_QUANTITIES, Clock, Ising, Lattice, LatticeModel, Potts, Tabulated, on_lattice
from physnn.samples.base import Growth, Recipe, longer, more, most
from physnn.samples.temperature.own_model import Energy, ModelTables

if TYPE_CHECKING:
    from physnn.samplers import Sampler

SWEEPS = {"ising": 5000, "potts": 20_000, "clock": 20_000, "own": 20_000}
"""Measurements in a chain at L >= 128 by model, unless asked for otherwise: clusters of Potts models decorrelate more
slowly, and corrections to scaling are larger."""
PLACING_PILOTS = {"given": 0, "acceptance": 2, "feedback": 4}
"""Pilots that place the temperatures of a ladder; those for feedback come after those for equal acceptance."""
INSIDE = 0.9
"""Share of the window in which the critical temperature lies at every size (convention)."""
NARROWING = {"cubic": 1.5874}
"""Power of L by which the default window narrows on a kind of lattice, 1/nu of Ising models there; 1 on others."""
OF_OTHERS = ("q", "coupling", "J2", "field")
"""Settings of other models than those that users bring."""
Temperature = Annotated[float, Field(gt=0, le=1e6)]


def algorithms() -> dict[str, Sampler]:
    """Every sampler by name; that of a GPU is an algorithm of its own, so that devices cannot mix in one file."""
    from physnn.samplers import GPU_SAMPLERS, SAMPLERS

    return {**SAMPLERS, **GPU_SAMPLERS}


class TemperatureStage(BaseModel):
    """What was measured at one time, and why; without ``T`` every size has its own temperatures."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    T: tuple[Temperature, ...] | None
    sweeps: Annotated[int, Field(ge=1, le=10**9)]
    why: str


class PlacedLadder(BaseModel):
    """Temperatures of the ladder of one size, placed by some pilots."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    L: int
    T: tuple[Temperature, ...]
    rounds: int
    why: str


def more_ladders(old: tuple[PlacedLadder, ...], new: tuple[PlacedLadder, ...]) -> tuple[PlacedLadder, ...]:
    """Ladders of all sizes; one that is there stays."""
    found = {ladder.L: ladder for ladder in (*new, *old)}
    return tuple(found[L] for L in sorted(found))


class TemperatureSweep(Recipe):
    """The recipe of a temperature sweep.

    Without ``T`` every size has ``points`` temperatures of its own, T = T_0 (1 + u/L) with u evenly spaced in
    (-``window``, ``window``), u/L^1.5874 on the cubic lattice.  T_0 is the critical temperature rounded to two places,
    or to as many as keep it inside at this size.  There are ``sweeps`` measurements in a chain, about a sweep apart (20
    sweeps for multispin).  By default they are `SWEEPS`, and with ``longer_if_small`` 128/L times as many at L < 128,
    where they cost less and corrections to scaling are seen.

    With ``target_error``, the error wanted of the critical temperature of ``target_observable``, ``T`` and ``sweeps``
    are what is asked for until there are ``stages``; then they are what was decided, and ``asked_sweeps`` are the
    sweeps asked for.

    With ``tempering`` all temperatures of a size make a ladder on which replicas are exchanged after every measurement;
    ``chains`` are independent ladders.  ``ladders`` are those that pilots have placed.

    With ``model`` "own" it is that of ``tables``, which `physnn.samples.temperature.own_model.own_model` made from the
    class that ``module`` names, and ``module_digest`` says what its text was.  Tables are data: no code is needed to
    run, continue or read what they describe.
    """

    control: ClassVar[str] = "T"
    draws: ClassVar[str] = "chain"
    repeats: ClassVar[str] = "measurement"
    further: ClassVar[tuple[str, ...]] = ("field", "J2")
    grows: ClassVar[Mapping[str, Growth]] = {
        "L": more, "T": more, "chains": most, "sweeps": longer, "ladders": more_ladders,
    }  # fmt: skip
    located: ClassVar[tuple[str, ...]] = ("module",)
    decides: ClassVar[str] = "sweeps"

    kind: Literal["temperature"] = "temperature"
    L: Annotated[tuple[Annotated[int, Field(ge=2, le=2**15)], ...], Field(min_length=1)] = Field(
        default=(16, 32, 64, 128), description="Sizes: sides of the lattice, in cells."
    )
    T: Annotated[tuple[Temperature, ...], Field(min_length=1)] | None = Field(
        default=None, examples=["2.2 2.3"], description="Temperatures, J/k_B."
    )
    points: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=13, description="Temperatures of every size where --T is not given."
    )
    window: Annotated[float, Field(gt=0, le=1e3)] = Field(
        default=0.8,
        description="They are T_0 (1 + u/L), |u| up to this; T_0 is the critical temperature to two places or more.",
    )
    model: Literal["ising", "potts", "clock", "own"] = "ising"
    module: str | None = None
    module_digest: str = ""
    tables: ModelTables | None = None
    q: Annotated[int, Field(ge=2, le=64)] = Field(
        default=3, description="Colours of the Potts model, 2 to 4, or directions of the clock model, 2 to 64."
    )
    lattice: Literal["square", "triangular", "honeycomb", "kagome", "cubic"] = Field(
        default="square", description="Kind of lattice."
    )
    aspect: Annotated[float, Field(gt=0, le=1e4)] = Field(
        default=1.0, description="Length of the last side over that of the others, which are L."
    )
    edges: Annotated[tuple[Literal["periodic", "free", "antiperiodic"], ...], Field(min_length=1, max_length=3)] = (
        Field(
            default=("periodic",), description="Edges of every direction, or one for all: periodic, free, antiperiodic."
        )
    )
    J2: Energy | tuple[Energy, ...] = Field(
        default=0.0,
        examples=["-0.4 -0.6"],
        description="Energy J2 of next-nearest neighbours, in place of J; several make an axis of the file.",
    )
    coupling: Energy = Field(default=1.0, description="Energy J.")
    field: Energy | tuple[Energy, ...] = Field(
        default=0.0, examples=["0 0.1"], description="Field h of the Ising model; several make an axis of the file."
    )
    algorithm: str = Field(
        default="wolff",
        description="wolff, swendsen-wang, metropolis or heat-bath (even L), metropolis-random, heat-bath-random, or "
        "multispin (L a multiple of 128; with --device cuda of 64) [default: wolff; with --device cuda multispin].",
    )
    sweeps: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        default=None,
        description="Measurements per chain, a sweep apart, 20 sweeps for multispin [default: 5000, Potts 20000, and "
        "128/L times as many at L < 128].",
    )
    longer_if_small: bool = False
    thermalisation: Annotated[int, Field(ge=0, le=10**9)] = Field(
        default=400, description="Sweeps before the first measurement."
    )
    chains: Annotated[int, Field(ge=1, le=10**4)] = Field(
        default=4, description="Independent chains per size and temperature."
    )
    start: Literal["one", "both"] = Field(
        default="one",
        description="First states: one, ordered below the critical temperature; both, chains of odd number begin "
        "reversed (Ising) or at random.",
    )
    tempering: Literal["given", "acceptance", "feedback"] | None = Field(
        default=None,
        description="Exchange replicas between the temperatures of a size: given, as --T says; acceptance or feedback, "
        "as many between its lowest and highest, placed by pilots for equal swap rates or for many round trips.",
    )
    ladders: tuple[PlacedLadder, ...] = ()
    snapshots: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Keep the configuration of every so many measurements."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    target_error: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        title="ERROR",
        description="Measure until the critical temperature has this error (absolute; half its 68 % interval): a pilot "
        "with a quarter of --sweeps decides sweeps, and with --T also temperatures, at most 64 times its cost.",
    )
    target_observable: Literal["binder", "xi_over_L", "m_abs", "chi"] = "binder"
    asked_sweeps: Annotated[int, Field(ge=1, le=10**9)] | None = None
    stages: tuple[TemperatureStage, ...] = ()

    @field_validator("L", "T")
    @classmethod
    def _distinct(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    @field_validator(*further)
    @classmethod
    def _one_or_several(cls, values: float | tuple[float, ...]) -> float | tuple[float, ...]:
        several = tuple(sorted(set(values))) if isinstance(values, tuple) else (values,)
        return several if len(several) != 1 else several[0]

    @field_validator("edges", mode="before")
    @classmethod
    def _one_word(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("tempering", mode="before")
    @classmethod
    def _bare_option(cls, value: object) -> object:
        return {True: "given", False: None}[value] if isinstance(value, bool) else value

    def extended(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings with those given over them; raises InputError if temperatures are added to ladders."""
        found = super().extended(given)
        if self.tempering and given.get("T") is not None:
            if not {float(T) for T in given["T"]} <= set(self.T or ()):
                raise InputError(
                    "ladders keep their temperatures, for replicas move between all of them, and none can be added: "
                    "leave --T out, or use another --out"
                )
            found["T"] = self.T
        return found

    def unused(self) -> set[str]:
        """Return the fields that a file does not record: those of ladders and lattices where there are none."""
        plain = {"lattice": "square", "aspect": 1.0, "J2": 0.0, "start": "one"}
        same = {name for name, value in plain.items() if getattr(self, name) == value}
        same |= {
            name for name in ("tempering", "ladders", "module", "module_digest", "tables") if not getattr(self, name)
        }
        return super().unused() | same | ({"edges"} if set(self.edges) == {"periodic"} else set())

    def colours(self) -> Ising | Potts | Clock:
        """Return the model without its lattice, at the first of several fields."""
        if self.model == "ising":
            return Ising(self.coupling, self.field if isinstance(self.field, float) else self.field[0])
        return Potts(self.q, self.coupling) if self.model == "potts" else Clock(self.q, self.coupling)

    def model_on(self, L: int) -> LatticeModel:
        """Return the model on the lattice of one size."""
        if (self.model == "own") != (self.tables is not None):
            raise InputError(f"the model {self.model!r} and the tables of this recipe do not belong together")
        if self.tables is not None:
            return self.tables.on(self.lattice_of(L))
        assert isinstance(self.J2, float)
        return on_lattice(self.colours(), self.lattice_of(L), self.J2)

    @property
    def words(self) -> tuple[str | int | float, ...]:
        """Key words of the random numbers of a model, at one value of every control parameter."""
        assert isinstance(self.field, float) and isinstance(self.J2, float)
        found: tuple[str | int | float, ...]
        if self.tables is not None:
            found = self.model, self.module_digest, self.tables.digest(), self.algorithm
        else:
            q = 2 if self.model == "ising" else self.q
            found = self.model, q, self.coupling, self.field, self.algorithm
        if self.on_torus and self.tables is None:
            return found
        return *found, self.lattice, self.aspect, *self.lattice_of(self.L[0]).edges, self.J2

    @property
    def on_torus(self) -> bool:
        """Whether the lattice is the square torus, with nearest neighbours alone."""
        return {"lattice", "aspect", "edges", "J2"} <= self.unused()

    def shape(self, L: int) -> tuple[int, int]:
        """Return rows and columns of a configuration of one size."""
        return self.lattice_of(L).shape

    def lattice_of(self, L: int) -> Lattice:
        """Return the lattice of one size."""
        last = self.aspect * L
        if last != round(last):
            raise InputError(f"the last side is {last:g} at L = {L}, and must be whole: choose another --aspect or --L")
        return Lattice(self.lattice, (L, L, round(last)) if self.lattice == "cubic" else (L, round(last)), self.edges)

    def stored(self, L: int) -> tuple[str, ...]:
        """Return the columns of measurements that are kept for one size; m2 and m4 follow from m.

        Structure factors are those along sides of length L; Swendsen-Wang has improved estimators on the square torus.
        """
        model, third = self.model_on(L), ("structure_z",) if self.lattice == "cubic" else ()
        along = ("structure_x", "structure_y") if self.aspect == 1 else ("structure_y",)
        orders = tuple(model.lattice.waves()) if isinstance(model, Tabulated) else ()
        improved = self.algorithm == "swendsen-wang" and not isinstance(model, Tabulated) and not self.tempering
        return ("energy", "m", *along, *third, *orders, *(IMPROVED_QUANTITIES if improved else ()))

    def ladder(self, L: int) -> PlacedLadder:
        """Return the ladder of one size as far as it is placed."""
        return next((ladder for ladder in self.ladders if ladder.L == L), PlacedLadder(L=L, T=(), rounds=0, why=""))

    @property
    def unplaced(self) -> tuple[int, ...]:
        """Sizes whose ladders wait for a pilot."""
        return tuple(L for L in self.L if self.ladder(L).rounds < PLACING_PILOTS[self.tempering or "given"])

    @property
    def undecided(self) -> bool:
        """Whether a pilot must decide what to measure."""
        return super().undecided or bool(self.unplaced)

    def _as_asked(self, new: TemperatureSweep) -> TemperatureSweep:
        """Recipe that is asked for, with what pilots decided in place of what was asked for at that time."""
        new = super()._as_asked(new)
        if new.tempering != self.tempering or new.T != self.T:
            return new
        return new.model_copy(update={"ladders": more_ladders(self.ladders, new.ladders)})

    def temperatures(self, L: int) -> tuple[float, ...]:
        """Return the temperatures of one size."""
        if placed := self.ladder(L).T:
            return placed
        if self.T is not None:
            return self.T
        exact, places, scale = self.model_on(L).critical_temperature, 2, L ** NARROWING.get(self.lattice, 1)
        while abs(round(exact, places) - exact) > INSIDE * self.window * exact / scale:
            places += 1
        middle, u = round(exact, places), np.linspace(-self.window, self.window, self.points)
        return tuple(float(f"{T:.12g}") for T in middle * (1 + u / scale))

    def measurements(self, L: int) -> int:
        """Return the number of measurements in a chain of one size, of a resolved recipe."""
        assert self.sweeps is not None
        return self.sweeps * (max(1, 128 // L) if self.longer_if_small else 1)

    def resolved(self) -> TemperatureSweep:
        """Return the recipe with its lengths, after checking that the algorithm serves the model everywhere.

        Raises
        ------
        InputError
            If it does not, or the model has no transition to put temperatures around.
        """
        if self.several:
            return self._resolved_each()
        self._check_own()
        models = {L: self.model_on(L) for L in self.L}
        if self.model != "ising" and self.field:
            raise InputError("the field belongs to the Ising model; leave --field out or use --model ising")
        if super().undecided and (len(self.L) < 2 or len(self.T or range(self.points)) < 4):
            raise InputError("a target error needs at least 2 sizes and 4 temperatures, or nothing can cross")
        if self.T is None and (self.coupling < 0 or self.field):
            raise InputError("default temperatures are those of a ferromagnet without field; give yours with --T")
        if self.T is None and not min(model.critical_temperature for model in models.values()):
            raise InputError("the critical temperature of this model is not known; give temperatures with --T")
        samplers = algorithms()
        if self.algorithm not in samplers:
            raise InputError(f"there is no algorithm {self.algorithm[:40]!r}; choose one of {', '.join(samplers)}")
        if self.algorithm == "kawasaki" and self.start == "both":
            raise InputError(
                "kawasaki keeps the composition, so that all chains begin with equal numbers: leave --start out"
            )
        if self.tempering:
            self._check_tempering()
        for L in self.L:
            for T in (min(self.temperatures(L)), max(self.temperatures(L))):
                if T <= 0:
                    raise InputError(f"the window reaches below T = 0 at L = {L}; make it smaller, or give --T")
                samplers[self.algorithm].check(models[L], self.shape(L), T)
        if self.sweeps is None:
            return self.model_copy(update={"sweeps": SWEEPS[self.model], "longer_if_small": True})
        return self

    def _resolved_each(self) -> TemperatureSweep:
        """Recipe resolved for all values of the further control parameters."""
        if self.target_error is not None or self.tempering not in (None, "given"):
            raise InputError("a pilot decides for one line: give one value of --" + " and of --".join(self.several))
        if self.on_gpu:
            raise InputError("on a GPU all chains have one model: give one value of --" + self.several[0])
        values = [getattr(self, name) for name in self.several]
        if isinstance(self.J2, tuple) and 0 in self.J2:
            raise InputError("without --J2 other orders are measured: leave 0 out of several, for a file of its own")
        if not all(values):
            raise InputError(f"--{self.several[0]} needs at least one value")
        first, *_ = [self.at(dict(zip(self.several, v, strict=True))).resolved() for v in itertools.product(*values)]
        return first.model_copy(update={name: getattr(self, name) for name in self.several})

    def _check_own(self) -> None:
        """Raise InputError where a model of a user is named, but not there, or has settings of other models."""
        if self.module and self.tables is None:
            raise InputError(f"these settings run code: allow it with --module {self.module}")
        plain = {name: field.default for name, field in type(self).model_fields.items() if name in OF_OTHERS}
        if self.tables is not None and (wrong := [n for n, value in plain.items() if getattr(self, n) != value]):
            raise InputError(f"--{wrong[0]} belongs to other models: leave it out, and let the class of yours have it")

    def merged(self, new: Self, extend: bool) -> Self:
        """Recipe to run where a file holds this one, see `Recipe.merged`; raises InputError if a class has changed."""
        if self.tables and new.tables and self.module_digest != new.module_digest:
            named = new.module or f"the model {new.tables.name}"
            raise InputError(f"{named} has changed since this began; use --restart to begin anew, or another --out")
        return super().merged(new, extend)

    def _check_tempering(self) -> None:
        """Raise InputError where replicas cannot be exchanged."""
        if len(self.T or range(self.points)) < 2:
            raise InputError("replica exchange needs at least 2 temperatures, as in: --T 2.0 2.2 2.4")
        if self.start != "one":
            raise InputError("replicas of a ladder forget their starts at high temperature: leave --start out")
        if self.on_gpu:
            raise InputError("replicas are exchanged on the CPU alone; take another --algorithm, or no --tempering")
        if self.target_error is not None:
            raise InputError("a target error decides on temperatures, and a ladder has its own; leave one of them out")
        if self.ladders and (self.T is None or any((x.T[0], x.T[-1]) != (self.T[0], self.T[-1]) for x in self.ladders)):
            raise InputError("ladders that were placed keep their temperatures: --T cannot be changed later")

    @property
    def components(self) -> int:
        """Number n of components of the order parameter: 1 for Ising, q - 1 for Potts, 2 for clock models."""
        if self.tables is not None:
            return int(np.linalg.matrix_rank(np.array(self.tables.order)))
        return {"ising": 1, "potts": self.q - 1, "clock": min(2, self.q - 1)}[self.model]

    @property
    def on_gpu(self) -> bool:
        """Whether chains run on a GPU."""
        return self.algorithm == "multispin-gpu"
