"""Recipe of a noise sweep.

A recipe says what is measured; it expands into tasks whose keys are hashes of their content.  The result depends on
the recipe alone, so files can be extended by the tasks that are new.

A recipe with a target error has two stages: a pilot with a share of the images, and what is decided from it.  The
decision depends on the pilot's data and the recipe alone, and is then part of the recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from physnn.errors import InputError
from physnn.samples.base import Growth, Recipe, more, most
from physnn.shipped import resolve

if TYPE_CHECKING:
    from physnn.networks.source import Source

IMAGES_FOR_PERIOD = 8
"""Images that show the period of a network whose file does not have it."""
Images = Annotated[int, Field(ge=1, le=10**7)]


class Stage(BaseModel):
    """What was measured at one time, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    eta: Annotated[tuple[Annotated[float, Field(ge=0, le=1e6)], ...], Field(min_length=1)]
    images: Images
    why: str


class NoiseSweep(Recipe):
    """The recipe of a noise sweep.

    ``networks`` are files (or names of bundled ensembles) and ``network_ids`` the content identities of what is in
    them; only the identities decide the result.  ``batch`` images are evolved together, and stay together, because
    the bits of a convolution may depend on it.

    With ``steps_scaling`` z the depth grows like (L / ``training_side``)^z, from ``steps`` in whole periods of the
    networks, see `depth`.

    With ``target_error``, the error wanted of the critical point of ``target_observable`` in units of eta, ``eta`` and
    ``images`` are what is asked for until there are ``stages``; then they are what was decided, and ``asked_images``
    are the images asked for.

    ``engine`` takes the steps: the compiled ``kernel``, on a CPU or a GPU, for networks whose layers share a coupling,
    else ``torch``.  Files of a time without kernel do not say, and mean torch.

    ``module`` names a class of networks that are brought, ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS``, see
    `physnn.networks.brought`; ``networks`` are then files of weights, or none, and ``module_digest`` says what the
    class was.
    """

    control: ClassVar[str] = "eta"
    draws: ClassVar[str] = "network"
    repeats: ClassVar[str] = "image"
    grows: ClassVar[Mapping[str, Growth]] = {
        "L": more,
        "eta": more,
        "images": most,
        "networks": more,
        "network_ids": more,
    }
    located: ClassVar[tuple[str, ...]] = ("networks", "module")
    decides: ClassVar[str] = "images"

    kind: Literal["noise"] = "noise"
    L: Annotated[tuple[Annotated[int, Field(ge=1, le=10**8)], ...], Field(min_length=1)] = Field(
        examples=["32 64 128"], description="Sizes, in pixels [default: 32 64 128]."
    )
    eta: Annotated[tuple[Annotated[float, Field(ge=0, le=1e6)], ...], Field(min_length=1)] = Field(
        examples=["0 0.1 0.2"], description="Noise values."
    )
    networks: tuple[str, ...] = Field(
        default=("kuramoto_symmetric",),
        title="FILE...",
        examples=["mine.h5"],
        description="Network files, or names of bundled ensembles [default: kuramoto_symmetric; with --module: none].",
    )
    module: str | None = None
    module_digest: str | None = None
    network_ids: tuple[str, ...] = ()
    images: Images = Field(default=32, description="Images per network and size.")
    steps: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        default=None, description="Depth [default: the trained one]."
    )
    steps_scaling: Annotated[float, Field(ge=0, le=10)] | None = Field(
        default=None,
        title="Z",
        description="Let the depth grow like (L / training L)^Z, in whole periods of the networks.",
    )
    training_side: Annotated[int, Field(ge=1)] | None = None
    period: Annotated[int, Field(ge=1)] | None = None
    density: Literal["matched", "paper"] = Field(default="matched", description="Density of shapes.")
    radius: Annotated[int, Field(ge=2)] = 4
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    batch: Annotated[int, Field(ge=1)] = Field(default=8, description="Images evolved together; part of the recipe.")
    device: Literal["cpu", "cuda"] = "cpu"
    engine: Literal["kernel", "torch"] | None = None
    target_error: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        title="ERROR",
        description="Measure until the critical point has this error, in units of the Langevin eta (absolute; half "
        "its 68 % interval): a pilot with a quarter of --images decides noise values and images, at most 64 times its "
        "cost.",
    )
    target_observable: Literal["rmse", "rmse_per_image", "overlap", "energy"] = "rmse"
    asked_images: Images | None = None
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if given.get("network_ids") and not given.get("engine"):
            given = given | {"engine": "torch"}  # resolved before there was a choice
        return {"networks": ()} | given if given.get("module") else given

    @model_validator(mode="after")
    def _some_network(self) -> NoiseSweep:
        if not self.networks and not self.module:
            raise ValueError("networks must name at least one file")
        return self

    @field_validator("L", "eta")
    @classmethod
    def _distinct(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(values)))

    def resolved(self) -> NoiseSweep:
        """Return the recipe with network identities and depth filled in from the network files.

        Raises
        ------
        InputError
            If a size is too small for the shapes, a file is unusable, the networks were trained at different depths
            and ``steps`` is not given, a recorded identity is in none of the files, or there is too little to compare
            for a target error.
        """
        if self.undecided and (len(self.L) < 2 or len(self.eta) < 4):
            raise InputError("a target error needs at least 2 sizes and 4 noise values, or nothing can cross")
        from physnn.networks.tasks.transmogrifier import Transmogrifier
        from physnn.store.network_file import read_networks

        for L in self.L:
            Transmogrifier(L, self.density, self.radius)
        if self.module:
            return self._resolved_brought()
        files = [read_networks(resolve(name)) for name in self.networks]
        ids = self.network_ids or tuple(dict.fromkeys(i for file in files for i in file.ids))
        lost = [i for i in ids if not any(i in file.ids for file in files)]
        if lost:
            raise InputError(f"network {lost[0]} of the recipe is in none of {', '.join(self.networks)}")
        depths = sorted({int(file.recipe["steps"]) for file in files})
        if self.steps is None and len(depths) > 1:
            raise InputError(f"the networks were trained at depths {depths}; choose one with --steps")
        update: dict[str, Any] = {"network_ids": ids, "steps": self.steps or depths[0]}
        if self.steps_scaling is not None:
            sides = sorted({int(file.recipe["L"]) for file in files})
            if self.training_side is None and len(sides) > 1:
                raise InputError(f"the networks were trained at L = {sides}: their depth has no common scale")
            update["training_side"] = self.training_side or sides[0]
            update["period"] = self.period or _common_period(self.networks)
        found = self.model_copy(update=update)
        deepest = max(found.depth(L) for L in found.L)
        layers = [int(file.architecture.get("layers", 0)) for file in files]
        if least := [n for n in layers if 0 < n < deepest]:
            raise InputError(
                f"a network has {min(least)} layers of its own, so there is no depth {deepest}; take --steps less"
            )
        if self.engine == "kernel" and any(layers):
            raise InputError("networks with layers of their own are stepped by torch; leave the engine out")
        if self.engine is None:
            serves = not any(layers) and (self.device == "cpu" or find_spec("triton") is not None)
            found = found.model_copy(update={"engine": "kernel" if serves else "torch"})
        return found

    def depth(self, L: int) -> int:
        """Return the number of steps at one size, of a resolved recipe: ``steps`` and whole periods more or less."""
        assert self.steps is not None
        if self.steps_scaling is None:
            return self.steps
        assert self.training_side is not None and self.period is not None
        more: float = self.steps * ((L / self.training_side) ** self.steps_scaling - 1) / self.period
        if not more < 10**9:
            raise InputError(f"--steps-scaling {self.steps_scaling:g} makes too many steps at L = {L}; take less")
        return self.steps + self.period * max(round(more), -((self.steps - 1) // self.period))

    def _resolved_brought(self) -> NoiseSweep:
        """Return the recipe for networks that were brought, after one step of each."""
        from physnn.networks.brought import probe
        from physnn.networks.source import module_digest

        assert self.module is not None
        if self.steps_scaling is not None:
            raise InputError("--steps-scaling needs the period and the side of a training of ours; give --steps")
        digest = module_digest(self.module)
        if self.module_digest not in (None, digest):
            raise InputError(
                f"{self.module} has changed since the recipe was made: use --restart to begin anew, or another --out"
            )
        found = self.model_copy(update={"module_digest": digest, "engine": "torch"})
        sources = brought_sources(found)
        depths = {probe(source, self.L[0], self.device).steps for source in sources.values()}
        steps = self.steps or (depths.pop() if len(depths) == 1 else None)
        if steps is None or steps < 1:
            raise InputError(f"{self.module} does not say one depth for its networks; give it with --steps")
        lost = [i for i in self.network_ids if i not in sources]
        if lost:
            raise InputError(f"network {lost[0]} of the recipe is in none of {', '.join(self.networks) or self.module}")
        return found.model_copy(update={"network_ids": self.network_ids or tuple(sources), "steps": steps})

    def unused(self) -> set[str]:
        """Fields that a file does not record: a depth that does not scale, a class, and the engine torch."""
        found = super().unused()
        found |= set() if self.steps_scaling is not None else {"steps_scaling", "training_side", "period"}
        found |= set() if self.module else {"module", "module_digest"}
        return found if self.engine == "kernel" else found | {"engine"}

    def merged(self, new: Self, extend: bool) -> Self:
        """Recipe to run where a file holds this one, see `Recipe.merged`; it goes on with the engine it began with."""
        return super().merged(new.model_copy(update={"engine": self.engine}), extend)


def _common_period(networks: Sequence[str]) -> int:
    """Return the number of steps after which all networks are where they were, far beyond their depth."""
    from physnn.samples.diagnosis import diagnose, stored_diagnosis

    found = [d for name in networks for d in (stored_diagnosis(name) or diagnose(name, images=IMAGES_FOR_PERIOD))]
    if lost := [d.name for d in found if not d.period]:
        raise InputError(f"{lost[0]} moves without a period, so its depth cannot change by whole ones; use --steps")
    return math.lcm(*(d.period for d in found if d.period))


def brought_sources(recipe: NoiseSweep, files: tuple[str, ...] | None = None) -> dict[str, Source]:
    """Return class and weights of every network that was brought, by identity; ``files`` of the recipe's, or all."""
    from physnn.networks.source import sources

    assert recipe.module is not None and recipe.module_digest is not None
    return sources(recipe.module, recipe.module_digest, recipe.networks if files is None else files)


def noise_values(low: float, high: float, count: int) -> list[float]:
    """Return ``count`` evenly spaced noise values, rounded to 12 digits so that a printed value names the same task."""
    return [float(f"{value:.12g}") for value in np.linspace(low, high, count)]


def bundled_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return network files as absolute paths, bundled names as they are, so that a recipe works from any folder."""
    return tuple(str(Path(name).resolve()) if Path(name).is_file() else name for name in names)
