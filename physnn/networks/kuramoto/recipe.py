"""Recipe of the training of Kuramoto networks on the transmogrifier; importing it loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from physnn.errors import InputError
from physnn.models.groups.representations import PointGroupName
from physnn.models.groups.soft import SoftSymmetry, soft_symmetries

if TYPE_CHECKING:
    from physnn.networks.kuramoto.architecture import Architecture
    from physnn.networks.tasks.transmogrifier import Transmogrifier

FLOW: dict[str, Any] = {"steps": 30, "gamma": 0.125, "depth_spread": 3, "depth_ramp": 0.5}
"""Defaults of the family ``flow`` where they differ."""
FAMILY_FIELDS = ("family", "stability", "depth_spread", "depth_ramp")
"""Fields that recipes of the family ``paper`` leave out when written, as recipes did before there were families."""
USUAL: dict[str, Any] = {"symmetry": "Z2", "layers": "shared", "point_group": "c1"}
"""Values of fields that are left out when written, as recipes did before there were variants."""


class TrainingRecipe(BaseModel):
    """Everything that decides what a trained network will be, its seed apart.

    One epoch is ``pairs_per_epoch`` fresh image pairs.  The learning rate rises linearly from ``lr / 25`` to ``lr``
    over the first ``warm_up`` of all batches and falls along half a cosine to ``lr / 1e4``.  Gradients
    longer than ``clip`` are shortened to it: without that, single steep batches were seen to throw the network into a
    constant output for good.

    The family ``flow`` alone has ``stability`` (the largest bound on s, dimensionless), ``depth_spread`` (the loss is
    taken at a depth drawn uniformly from ``steps +- depth_spread``) and ``depth_ramp`` (over this share of all batches
    the depth grows from a tenth of ``steps``: where the depth was full from the start, networks were seen to relax
    to one uniform state before they had learnt anything, from which no gradient leads away).

    With ``layers`` unshared every step has a coupling (and constant c) of its own, ``steps`` of them, so that depths
    beyond ``steps`` do not exist and ``depth_spread`` is 0; ``flow`` keeps every one of them below ``stability``.
    ``symmetry`` U1 keeps J commuting with the rotation of a plane, and ``point_group`` the same at offsets that turns
    and reflections take into each other; see `physnn.networks.kuramoto.network`.  ``soft_equivariance`` has words such
    as ``flip:auto``, and draws J to what the point group of each would leave as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    L: Annotated[int, Field(ge=1)] = Field(default=32, description="Side of the training images.")
    steps: Annotated[int, Field(ge=1)] = Field(
        default=15, description="Depth: number of time steps [default: 15; flow: 30]."
    )
    components: Annotated[int, Field(ge=2)] = Field(default=16, description="N, components of a unit vector.")
    kernel: Annotated[int, Field(ge=1)] = Field(default=5, description="k, side of the coupling kernel.")
    gamma: Annotated[float, Field(gt=0)] = Field(default=0.25, description="Step size [default: 0.25; flow: 0.125].")
    broken: bool = Field(default=False, description="Break the symmetry x -> -x with a trained constant c.")
    bias_sd: Annotated[float, Field(ge=0)] = Field(default=0.3, description="Standard deviation of c at the start.")
    boundary: Literal["periodic", "zero"] = Field(default="periodic", description="Boundary.")
    density: Literal["matched", "paper"] = Field(default="matched", description="Density of shapes.")
    radius: Annotated[int, Field(ge=2)] = 4
    epochs: Annotated[int, Field(ge=1)] = Field(default=12, description="Epochs; each ends with a checkpoint.")
    pairs_per_epoch: Annotated[int, Field(ge=1)] = Field(default=5632, description="Fresh image pairs per epoch.")
    batch: Annotated[int, Field(ge=1)] = Field(default=16, description="Images per optimiser step.")
    lr: Annotated[float, Field(gt=0)] = Field(default=2e-3, description="Highest learning rate.")
    warm_up: Annotated[float, Field(gt=0, lt=1)] = 0.15
    clip: Annotated[float, Field(gt=0)] = 0.1
    validation_pairs: Annotated[int, Field(ge=1)] = 1024
    family: Literal["paper", "flow"] = Field(
        default="paper", description="paper: the published recipe; flow: kept a stable gradient flow."
    )
    stability: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="flow: largest bound on s = gamma (h - lambda_min)/2."
    )
    depth_spread: Annotated[int, Field(ge=0)] = Field(
        default=0, description="flow: loss at a random depth, T +- this many steps [default: 3]."
    )
    depth_ramp: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="flow: share of training over which depth grows to T [default: 0.5]."
    )
    symmetry: Literal["Z2", "U1"] = Field(
        default="Z2", description="Z2: x -> -x, defects are walls; U1: rotations of a plane, defects are vortices."
    )
    layers: Literal["shared", "unshared"] = Field(
        default="shared", description="unshared: every step has a coupling of its own."
    )
    point_group: PointGroupName = Field(
        default="c1", description="Turns (c) and reflections (d) of offsets that leave the coupling as it is."
    )
    soft_equivariance: tuple[str, ...] = Field(
        default=(),
        title="NAME:STRENGTH...",
        examples=["flip:auto rotation:0.1"],
        description="Symmetries that the coupling is drawn to; auto: as strongly as fresh images ask for.",
    )

    @field_validator("soft_equivariance")
    @classmethod
    def _symmetries(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one.word for one in soft_symmetries(words))

    @property
    def soft(self) -> tuple[SoftSymmetry, ...]:
        """Symmetries that the coupling is drawn to, with their strengths."""
        return soft_symmetries(self.soft_equivariance)

    @model_validator(mode="before")
    @classmethod
    def _family_defaults(cls, given: Any) -> Any:
        if not (isinstance(given, dict) and given.get("family") == "flow"):
            return given
        return FLOW | ({"depth_spread": 0} if given.get("layers") == "unshared" else {}) | given

    @model_serializer(mode="wrap")
    def _leave_out_families(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        hidden = {name for name, value in USUAL.items() if plain[name] == value}
        hidden |= set() if self.soft_equivariance else {"soft_equivariance"}
        hidden |= set() if self.family == "flow" else {*FAMILY_FIELDS}
        return {name: value for name, value in plain.items() if name not in hidden}

    @property
    def architecture(self) -> Architecture:
        """The untrained part of the network."""
        from physnn.networks.kuramoto.architecture import Architecture

        layers = self.steps if self.layers == "unshared" else 0
        shape = self.components, self.kernel, self.gamma, self.broken, self.boundary
        return Architecture(*shape, self.symmetry, layers, self.point_group)

    @property
    def task(self) -> Transmogrifier:
        """The source of training images."""
        from physnn.networks.tasks.transmogrifier import Transmogrifier

        return Transmogrifier(self.L, self.density, self.radius)

    def check(self) -> None:
        """Raise InputError if parts cannot be built, the kernel would wrap round the image, or families are mixed."""
        _ = self.architecture, self.task
        if self.family == "paper" and (self.depth_spread, self.depth_ramp, self.stability) != (0, 0, 0.9):
            raise InputError(
                "stability, depth_spread and depth_ramp are for the family flow; leave them out or take it"
            )
        if self.layers == "unshared" and self.depth_spread:
            raise InputError("layers with weights of their own have no depth beyond T; leave out depth_spread")
        if self.depth_spread >= self.steps:
            raise InputError(f"a depth spread of {self.depth_spread} needs more than {self.steps} steps; take less")
        if self.kernel > self.L:
            raise InputError(f"a kernel of side {self.kernel} is too large for L = {self.L}; take a smaller one")

    @property
    def batches_per_epoch(self) -> int:
        """Optimiser steps in one epoch; a last incomplete batch is not drawn."""
        return max(1, self.pairs_per_epoch // self.batch)
