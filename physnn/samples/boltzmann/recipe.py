"""Recipe of restricted Boltzmann machines that are trained on snapshots of a lattice sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.models.boltzmann import MOST_STATES
from physnn.samples.base import Growth, Recipe, more, validated

if TYPE_CHECKING:
    from physnn.samples.temperature.recipe import TemperatureSweep

FIRST_MARK = 10
"""First step at which the likelihood is recorded."""
SAME_TEMPERATURE = 1e-9
"""Relative difference of temperatures that are one."""
FEWEST_SNAPSHOTS = 20
"""Snapshots of a size and temperature below which errors are not known."""
MOST_HIDDEN = 4096
"""Hidden units of a layer at most."""
MARKS_PER_DECADE = (1, 2, 5)
"""Marks of a decade of steps."""


class BoltzmannRecipe(Recipe):
    """Recipe of restricted Boltzmann machines, one for every size, temperature and seed.

    With ``mixed`` there is one for every size and seed, trained on the snapshots of all temperatures together.
    ``data_recipe`` is the recipe of the sweep that the snapshots are from.
    """

    control: ClassVar[str] = "T"
    draws: ClassVar[str] = "seed"
    repeats: ClassVar[str] = "measurement"
    grows: ClassVar[Mapping[str, Growth]] = {"seeds": more}
    located: ClassVar[tuple[str, ...]] = ("data",)

    kind: Literal["train-rbm"] = "train-rbm"
    data: str = Field(title="FILE", description="Sweep with snapshots: physnn sweep-temperature --snapshots 1 ...")
    data_digest: str = ""
    data_recipe: dict[str, Any] = Field(default_factory=dict)
    L: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] | None = Field(
        default=None, description="Sizes to train on [default: those of the data]."
    )
    T: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] | None = Field(
        default=None, description="Temperatures to train on [default: those of the data]."
    )
    mixed: bool = Field(default=False, description="One machine for all temperatures together.")
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=MOST_HIDDEN)], ...], Field(min_length=1, max_length=8)] = (
        Field(
            default=(64,), examples=["64 16"], description="Hidden units; several make a stack, trained layer by layer."
        )
    )
    features: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="Hidden units at every site, with the same weights at all sites of a torus; in place of --hidden.",
    )
    method: Literal["cd", "pcd", "tap", "exact"] = Field(
        default="pcd",
        description="Negative phase: steps from the data, persistent chains, mean fields, or all states of a layer.",
    )
    k: Annotated[int, Field(ge=1, le=10**5)] = Field(
        default=10, description="Gibbs steps, or iterations of mean fields, in a step of the training."
    )
    whiten: bool = Field(
        default=False,
        description="Multiply gradients by the inverse covariance of the snapshots: waves of all lengths learn alike.",
    )
    average: bool = Field(default=False, description="Keep the mean of the weights over the last half of the steps.")
    symmetric: bool | None = Field(
        default=None, description="No biases [default: where the data are of an Ising model without field]."
    )
    units: Literal["signs", "bits"] = Field(default="signs", description="Values of units: -1 and 1, or 0 and 1.")
    steps: Annotated[int, Field(ge=1, le=10**9)] = Field(default=20_000, description="Steps of the training.")
    batch: Annotated[int, Field(ge=1, le=10**6)] = Field(default=500, description="Snapshots of a step.")
    chains: Annotated[int, Field(ge=2, le=10**6)] = Field(default=1000, description="Chains of the negative phase.")
    lr: Annotated[float, Field(gt=0, le=100)] = Field(default=0.05, description="Learning rate at first.")
    last_lr: Annotated[float, Field(gt=0, le=100)] = Field(
        default=0.0005, description="Learning rate in the end; it falls exponentially."
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = Field(
        default=(0,), examples=["0 1 2"], description="One machine each, for every size and temperature."
    )
    samples: Annotated[int, Field(ge=100, le=10**8)] = Field(
        default=20_000, description="Configurations of a trained machine that are measured."
    )
    thin: Annotated[int, Field(ge=1, le=10**6)] = Field(default=20, description="Gibbs steps between them.")
    keep: Annotated[int, Field(ge=0, le=10**7)] = Field(
        default=2000, description="Configurations of them that are kept, as snapshots."
    )
    anneal: Annotated[int, Field(ge=10, le=10**7)] = Field(
        default=500, description="Intermediate machines of annealed importance sampling."
    )
    shuffled: bool = Field(
        default=False, description="Shuffle the sites of every snapshot: a null that keeps its magnetisation alone."
    )

    @field_validator("L", "T", "seeds")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    def marks(self) -> tuple[int, ...]:
        """Steps at which the likelihood is recorded: 1, 2 and 5 times powers of ten, and the last."""
        every = [m * 10**k for k in range(1, 10) for m in MARKS_PER_DECADE]
        return (*(t for t in every if FIRST_MARK <= t < self.steps), self.steps)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures of the machines of a resolved recipe: of mixed ones the mean."""
        assert self.T is not None
        return (sum(self.T) / len(self.T),) if self.mixed else self.T

    def layers(self, size: int) -> tuple[int, ...]:
        """Hidden units of every layer of a machine of one size."""
        return self.hidden if self.features is None else (self.features * math.prod(self.data_sweep().shape(size)),)

    def data_sweep(self) -> TemperatureSweep:
        """Recipe of the data."""
        from physnn.samples.temperature.recipe import TemperatureSweep

        return validated(TemperatureSweep, self.data_recipe)

    def resolved(self) -> BoltzmannRecipe:
        """Recipe with what follows from the data.

        Raises
        ------
        InputError
            If the file has no snapshots, or not the sizes and temperatures asked for, or settings do not go together.
        """
        if self.data_digest:
            self._check()
            return self
        from physnn.store.hdf5 import content_digest
        from physnn.store.snapshots import read_snapshots

        path = Path(self.data).absolute()
        kept = read_snapshots(path)
        L = self.L or tuple(kept)
        if missing := [size for size in L if size not in kept]:
            raise InputError(f"{self.data} has no size {missing[0]}; it has {', '.join(map(str, kept))}")
        found = self.T
        for size in L:
            if (number := math.prod(kept[size].colours.shape[1:3])) < FEWEST_SNAPSHOTS:
                raise InputError(
                    f"{self.data} has {number} snapshots of a temperature at L = {size}, and "
                    f"{FEWEST_SNAPSHOTS} are needed: measure more --sweeps or --chains"
                )
            known = tuple(float(f"{T:.12g}") for T in kept[size].T)
            found = known if found is None else found
            if lost := [T for T in found if min(abs(T - other) for other in known) > SAME_TEMPERATURE * T]:
                raise InputError(
                    f"{self.data} has no T = {lost[0]:g} at L = {size}; give temperatures that all sizes have, with --T"
                )
        update: dict[str, Any] = {"data": str(path), "data_digest": content_digest(path), "L": L, "T": found}
        filled = self.model_copy(update=update | {"data_recipe": dict(kept[L[0]].recipe)})
        data = filled.data_sweep()
        if filled.symmetric is None:
            alike = data.model == "ising" and not data.field and self.units == "signs"
            filled = filled.model_copy(update={"symmetric": alike})
        filled._check()
        return filled

    def _check(self) -> None:
        """Raise InputError where settings do not go together."""
        assert self.L is not None
        data = self.data_sweep()
        q = data.model_on(self.L[0]).q
        if q > 16:
            raise InputError(f"machines have at most 16 colours of a site, and these data have {q}")
        if self.symmetric and (q > 2 or self.units == "bits"):
            raise InputError("machines that are symmetric have units of values -1 and 1: leave --symmetric out")
        if self.method == "tap" and (q > 2 or self.units == "bits"):
            raise InputError("the mean fields of tap are those of units -1 and 1; take --method pcd")
        if self.last_lr > self.lr:
            raise InputError(f"the learning rate falls from --lr {self.lr:g}; take a --last-lr below it")
        if self.features is not None:
            self._check_features(data)
        bits = min(math.prod(data.shape(max(self.L))) * math.log2(q), max(self.layers(max(self.L))))
        if self.method == "exact" and bits > MOST_STATES:
            raise InputError(
                f"exact gradients need a layer of at most {MOST_STATES} bits, and the smaller one has {bits:g}"
            )
        if len(self.hidden) > 1 and q > 2:
            raise InputError("layers are stacked on units of two values: give one number with --hidden")

    def _check_features(self, data: TemperatureSweep) -> None:
        """Raise InputError where weights cannot be the same at all sites."""
        assert self.L is not None
        if self.hidden != type(self).model_fields["hidden"].default:
            raise InputError("give either --hidden, or --features, whose hidden units are so many at every site")
        if not data.on_torus:
            raise InputError(
                "weights are the same at all sites of the square torus alone: give --hidden on other lattices"
            )
        if (units := self.layers(max(self.L))[0]) > MOST_HIDDEN:
            raise InputError(
                f"{self.features} features make {units} hidden units at L = {max(self.L)}; {MOST_HIDDEN} are the most"
            )
