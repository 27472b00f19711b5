"""Recipe of ground states of quantum spins that Boltzmann machines are trained to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.models.quantum import QUANTUM_MODELS, QuantumModel
from physnn.samples.base import Growth, Recipe, more

ParameterValues = Annotated[tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...], Field(min_length=1)]
USUAL_VALUES: dict[str, tuple[float, ...]] = {
    "h": (0.9, 0.95, 1.0, 1.05, 1.1),
    "delta": (1.0,),
    "J2": (0.0, 0.2, 0.4),
}
"""Default values of a model's parameter."""
SUMMED_SPINS = 20
"""Spins up to which sums over all configurations take the place of chains where weights are complex."""


class GroundState(Recipe):
    """Recipe of machines trained to ground states, one for every size, value of the model's parameter, and seed.

    The parameter is h, delta or J2; a model without one has delta = 1.  Weights are real and amplitudes positive where
    the model allows it, with the sublattice turned where there are two; elsewhere weights are complex and energies are
    sums over all configurations.
    """

    draws: ClassVar[str] = "seed"
    repeats: ClassVar[str] = "measurement"
    grows: ClassVar[Mapping[str, Growth]] = {"L": more, "h": more, "delta": more, "J2": more, "seeds": more}

    kind: Literal["ground-state"] = "ground-state"
    model: Literal["tfim", "heisenberg", "xxz", "j1j2"] = Field(default="tfim", description="Hamiltonian.")
    L: Annotated[tuple[Annotated[int, Field(ge=2, le=512)], ...], Field(min_length=1)] = Field(
        default=(8, 16), description="Sizes: spins of a chain, or side of a square lattice."
    )
    h: ParameterValues | None = Field(
        default=None, examples=["0.9 1 1.1"], description="Transverse fields of tfim [default: 0.9 0.95 1 1.05 1.1]."
    )
    delta: ParameterValues | None = Field(
        default=None, examples=["0.5 1"], description="Anisotropies of xxz [default: 1]."
    )
    J2: ParameterValues | None = Field(
        default=None,
        examples=["0 0.4"],
        description="ParameterValues of next-nearest neighbours of j1j2 [default: 0 0.2 0.4].",
    )
    dimension: Literal[1, 2] = Field(default=1, description="1: chains; 2: square lattices.")
    open: bool = Field(default=False, description="No bonds around the lattice.")
    alpha: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Hidden units over sites; with a symmetry, features."
    )
    symmetry: Literal["none", "translations", "lattice"] | None = Field(
        default=None,
        description="What amplitudes are symmetric under [default: translations, or none where --open].",
    )
    complex: bool | None = Field(
        default=None, description="Complex weights, by sums over all configurations [default: where signs demand it]."
    )
    biased: bool = Field(default=False, description="Biases and fields, so that amplitudes need not be even.")
    samples: Annotated[int, Field(ge=16, le=10**6)] = Field(
        default=512, description="Samples of a step in the first stage of the training."
    )
    doublings: Annotated[int, Field(ge=0, le=11)] = Field(
        default=2, description="Further stages, each with twice the samples of the one before."
    )
    steps: Annotated[int, Field(ge=2, le=10**6)] = Field(default=200, description="Steps of a stage.")
    rate: Annotated[float, Field(gt=0, le=10)] = Field(
        default=0.1, description="Imaginary time of a step at first, in 1/J; it halves with every stage."
    )
    shift: Annotated[float, Field(gt=0, le=10)] = Field(
        default=0.01, description="Shift of the diagonal at first; it falls to 0.001 at least."
    )
    measurements: Annotated[int, Field(ge=64, le=10**8)] = Field(
        default=8192, description="Configurations of a machine that are measured after every stage."
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = Field(
        default=(0, 1, 2, 3, 4), examples=["0 1 2 3"], description="One machine each, for every size and parameter."
    )

    @field_validator("L", "h", "delta", "J2", "seeds")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    @property
    def control(self) -> str:  # type: ignore[override]
        """Parameter of the model that varies."""
        return QUANTUM_MODELS[self.model] or "delta"

    @property
    def values(self) -> tuple[float, ...]:
        """Values of the parameter, of a resolved recipe."""
        found: tuple[float, ...] = getattr(self, self.control)
        return found

    @property
    def order(self) -> str:
        """Order parameter that is measured."""
        return "m" if self.model == "tfim" else "staggered"

    @property
    def target_observable(self) -> str:
        """Observable that is fitted unless another one is named."""
        return "binder" if self.order == "m" else f"binder_{self.order}"

    def model_at(self, L: int, value: float) -> QuantumModel:
        """Model of one size and parameter, its sublattice turned where it has two."""
        sides = (L,) * self.dimension
        turned = self.model != "tfim" and (self.open or L % 2 == 0)
        return QuantumModel(self.model, sides, periodic=not self.open, marshall=turned, **{self.control: value})

    @property
    def count_of_stages(self) -> int:
        """Stages of the training."""
        return self.doublings + 1

    def resolved(self) -> GroundState:
        """Recipe with its defaults.

        Raises
        ------
        InputError
            If settings do not go together, or there are too many spins for what signs demand.
        """
        for name in ("h", "delta", "J2"):
            if name != self.control and getattr(self, name) is not None:
                raise InputError(f"the model {self.model} has no {name}; leave --{name} out")
        symmetry = self.symmetry or ("none" if self.open else "translations")
        if self.open and symmetry != "none":
            raise InputError("an open lattice has no translations; leave --symmetry out, or --open")
        filled = self.model_copy(
            update={self.control: getattr(self, self.control) or USUAL_VALUES[self.control], "symmetry": symmetry}
        )
        models = {(L, value): filled.model_at(L, value) for L in filled.L for value in filled.values}
        if odd := [L for (L, _), model in models.items() if model.conserves and model.N % 2]:
            raise InputError(f"spins cannot cancel on {odd[0]} sites; take an even --L")
        signs = not all(model.positive for model in models.values())
        if signs and self.complex is False:
            raise InputError("the ground state is not positive here: weights must be complex")
        filled = filled.model_copy(update={"complex": signs if self.complex is None else self.complex})
        largest = max(model.N for model in models.values())
        if filled.complex and largest > SUMMED_SPINS:
            raise InputError(
                f"complex weights are trained by sums over all configurations, of at most {SUMMED_SPINS} spins and "
                f"not {largest}: take a smaller --L, or a model whose ground state is positive"
            )
        return filled
