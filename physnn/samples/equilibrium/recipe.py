"""Recipe of an equilibrium sweep of unit vectors: some chains at each size and temperature."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from physnn.errors import InputError
from physnn.samples.base import Growth, Recipe, longer, more

if TYPE_CHECKING:
    from physnn.analysis.order.structure import Order
    from physnn.models.vectors import VectorModel
    from physnn.samples.equilibrium.order import Found

Temperature = Annotated[float, Field(gt=0, le=1e6)]
Sampler = Literal["langevin", "metropolis", "mala"]
Start = Literal["both", "ordered", "random", "image"]
GAMMA = 0.005
"""Default step of Langevin dynamics in units of 4 / |J|, |J| the largest eigenvalue: that of the XY model, where the
configurational temperature is then 1.1 % high."""
TIME = 0.5
"""Default time between measurements at L = `UNIT`, in the same units; eight sweeps of Metropolis or steps of MALA."""
UNIT = 16
"""Size beyond which the time between measurements grows like L^2."""


class OrderRecord(BaseModel):
    """The order parameter of a sweep, the same for every size and temperature, and what it rests on.

    ``wave_vectors`` are k / 2 pi of its modes, as fractions; ``vectors`` are real and imaginary parts; ``T`` and ``L``
    say where it was measured, ``resolved`` whether a peak of S(k) was, and ``metastable`` which starts ended elsewhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    wave_vectors: tuple[tuple[str, str], ...]
    vectors: tuple[tuple[tuple[float, float], ...], ...]
    T: float
    L: int
    resolved: bool = True
    metastable: tuple[str, ...] = ()

    def order(self) -> Order:
        """Return the order parameter."""
        from physnn.analysis.order.structure import Order

        parts = np.array(self.vectors)
        wave_vectors = tuple((Fraction(row), Fraction(column)) for row, column in self.wave_vectors)
        return Order(wave_vectors, parts[..., 0] + 1j * parts[..., 1])


def record(found: Found) -> OrderRecord:
    """Return an order parameter as plain data, numbers to ten digits."""
    return OrderRecord(
        wave_vectors=tuple((str(row), str(column)) for row, column in found.order.wave_vectors),
        vectors=tuple(tuple((round(z.real, 10), round(z.imag, 10)) for z in v) for v in found.order.vectors.tolist()),
        T=found.T,
        L=found.L,
        resolved=found.resolved,
        metastable=found.metastable,
    )


class EquilibriumSweep(Recipe):
    """The recipe of an equilibrium sweep.

    ``model`` are the words of `physnn.samples.named.load_model` and ``model_id`` the content identity of what
    they name; only the identity decides the result.  There are ``sweeps`` measurements in a chain, ``interval`` moves
    apart (steps of size ``gamma``, or sweeps of Metropolis), after ``thermalisation`` further ones that are dropped.
    Without ``interval`` it is `TIME` up to L = `UNIT` and grows like L^2 beyond.  With ``start`` ``both``, chains of
    even number begin ordered and the others at random.  ``order`` is measured when the recipe is resolved.  With
    ``clusters`` the moves before every measurement end with a reflection of clusters, see
    `physnn.samplers.reflections`, and intervals do not grow.  With ``tempering`` all temperatures of a size
    make a ladder on which replicas are exchanged after every measurement; ``chains`` are independent ladders.
    """

    control: ClassVar[str] = "T"
    draws: ClassVar[str] = "chain"
    repeats: ClassVar[str] = "measurement"
    grows: ClassVar[Mapping[str, Growth]] = {"L": more, "T": more, "sweeps": longer}
    located: ClassVar[tuple[str, ...]] = ("model",)

    kind: Literal["equilibrium"] = "equilibrium"
    L: Annotated[tuple[Annotated[int, Field(ge=3, le=2**12)], ...], Field(min_length=1)] = Field(
        default=(8, 16, 32), description="Sizes."
    )
    T: Annotated[tuple[Temperature, ...], Field(min_length=1)] = Field(
        examples=["0.8 0.9"], description="Temperatures."
    )
    model: tuple[str, ...] = Field(
        default=("xy",),
        title="NAME...",
        examples=["xy"],
        description="What runs: xy | on N | diagonal K1 K2... | rotated P/Q P/Q | coupling FILE.npy | "
        "network FILE[/SEED].",
    )
    model_id: str = ""
    sampler: Sampler = Field(default="langevin", description="How it moves.")
    gamma: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="Step of langevin [default: 0.02 over the largest eigenvalue of J]."
    )
    rule: Literal["geodesic", "retract"] = Field(default="geodesic", description="Step rule.")
    start: Start = Field(default="both", description="First state; both: half of the chains ordered, half random.")
    chains: Annotated[int, Field(ge=1, le=10**4)] = Field(default=4, description="Chains per size and temperature.")
    sweeps: Annotated[int, Field(ge=4, le=10**9)] = Field(default=2000, description="Measurements per chain.")
    interval: Annotated[int, Field(ge=1, le=10**7)] | None = Field(
        default=None, description="Moves between measurements [default: grows like L^2 from L = 16]."
    )
    thermalisation: Annotated[int, Field(ge=0, le=10**9)] = Field(
        default=400, description="Measurements dropped first."
    )
    noiseless: bool = Field(default=False, description="Follow the noiseless trajectory of every chain, for overlaps.")
    clusters: bool = Field(
        default=False, description="Reflect clusters before every measurement, for xy, on, diagonal and rotated."
    )
    tempering: bool = Field(
        default=False, description="Exchange replicas between all temperatures of a size, of metropolis or mala."
    )
    order: OrderRecord | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    target_observable: ClassVar[str] = "binder"

    @field_validator("L", "T")
    @classmethod
    def _distinct(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(values)))

    def unused(self) -> set[str]:
        """Return the fields that a file does not record."""
        return super().unused() | (set() if self.tempering else {"tempering"})

    def resolved(self) -> EquilibriumSweep:
        """Return the recipe with the identity of its model, a step size, and the order parameter, measured if need be.

        Raises
        ------
        InputError
            If the model is not usable, or settings do not go together.
        """
        from physnn.networks.tasks.transmogrifier import Transmogrifier
        from physnn.samples.equilibrium.order import find_order, planes
        from physnn.samples.named import canonical_words, identity, load_model

        words = canonical_words(self.model)
        model = load_model(words)
        found = identity(model)
        if self.model_id not in ("", found):
            raise InputError(f"{' '.join(self.model)} is not the model of the recipe any more; restore it")
        if self.start == "image" and words[0] != "network":
            raise InputError(
                "--start image needs a trained network: --model network FILE; others start ordered or random"
            )
        if self.start == "image":
            for L in self.L:
                Transmogrifier(L)
        if self.sampler != "langevin" and self.gamma is not None:
            raise InputError(
                f"--gamma belongs to --sampler langevin; {self.sampler} finds the size of its moves itself"
            )
        if self.tempering and (self.sampler == "langevin" or self.noiseless or len(self.T) < 2):
            raise InputError(
                "--tempering exchanges chains of --sampler metropolis or mala, whose moves have no bias, between two "
                "temperatures or more, without --noiseless"
            )
        if self.clusters and self.noiseless:
            raise InputError(
                "--noiseless follows the moves of a chain without noise, and --clusters are not such moves"
            )
        update: dict[str, Any] = {"model": words, "model_id": found}
        if self.sampler == "langevin" and self.gamma is None:
            update["gamma"] = usual_step(model)
        order = self.order or record(find_order(model, self.L, self.T[0], self.seed, found))
        if self.clusters:
            for L in self.L:
                planes(order.order()).bonds(model, (L, L))
        return self.model_copy(update=update | {"order": order})

    def lattice(self) -> VectorModel:
        """Return the model of a resolved recipe."""
        from physnn.samples.named import checked_model

        return checked_model(self.model, self.model_id)

    def moves(self, L: int) -> int:
        """Return the number of moves between measurements of one size, of a resolved recipe."""
        if self.interval is not None:
            return self.interval
        time = 1.0 if self.clusters else max(1.0, (L / UNIT) ** 2)
        if self.sampler == "langevin":
            assert self.gamma is not None
            return max(1, round(time * TIME * GAMMA / usual_step(self.lattice()) / self.gamma))
        return round(8 * time)


@functools.lru_cache(maxsize=4)
def usual_step(model: VectorModel) -> float:
    """Return the step `GAMMA` in the units of a model."""
    largest = float(np.abs(np.linalg.eigvalsh(model.spectrum((16, 16)))).max())
    return float(f"{GAMMA * 4 / (largest or 4.0):.3g}")
