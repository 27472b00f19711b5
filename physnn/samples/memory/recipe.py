"""Recipe of a memory sweep: replicas of a domain in each network at each size and noise value."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.samples.base import Growth, Recipe, longer, more
from physnn.samples.named import Words, canonical_words, identity, load_model, split
from physnn.samples.noise.recipe import IMAGES_FOR_PERIOD, bundled_names
from physnn.shipped import resolve

if TYPE_CHECKING:
    from physnn.models.vectors import VectorModel

STEP = 0.16
"""Default step for a known coupling, over the largest eigenvalue of J: as when an order is looked for."""
RELAXED = 8.0
"""Default time in which its walls form, in the same units."""


@dataclass(frozen=True, eq=False)
class Medium:
    """Something with two states.

    Attributes
    ----------
    model : VectorModel
        Coupling, constant and boundary.
    gamma : float
        Step size.
    lifts : ndarray, shape (2, N)
        What foreground and background are lifted to.
    steps, side : int or None
        Depth and side of the training, if there was one.
    """

    model: VectorModel
    gamma: float
    lifts: np.ndarray
    steps: int
    side: int | None


def absolute(networks: Sequence[str]) -> Words:
    """Return network files by absolute path, bundled names as they are, so that a recipe works from any folder."""
    parts = [split(str(name)) for name in networks]
    return tuple(bundled_names([file])[0] + ("" if seed is None else f"/{seed}") for file, seed in parts)


def places(networks: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Return file and number in it of every network, by identity."""
    from physnn.store.network_file import read_networks

    found: dict[str, tuple[str, int]] = {}
    for name in networks:
        path, seed = split(name)
        file = read_networks(resolve(path))
        if seed is not None and seed not in file.seeds:
            raise InputError(f"{name}: the seeds in this file are {', '.join(map(str, file.seeds))}")
        for k, own in enumerate(file.seeds):
            if seed in (None, own):
                found.setdefault(file.ids[k], (str(resolve(path)), k))
    return found


@functools.lru_cache(maxsize=4)
def network_medium(path: str, k: int) -> Medium:
    """Return a network of a file as a medium; kept for the next task."""
    from physnn.networks.kuramoto.lattice import lattice_model
    from physnn.store.network_file import read_networks

    file = read_networks(path)
    return Medium(*lattice_model(path, k), int(file.recipe["steps"]), int(file.recipe["L"]))


@functools.lru_cache(maxsize=4)
def coupling_medium(words: Words, gamma: float | None) -> Medium:
    """Return a known coupling as a medium: its two states begin uniform, along the largest mode of J at k = 0."""
    model = load_model(words)
    vectors = np.linalg.eigh(model.spectrum((1, 1))[0, 0].real)[1]
    largest = float(np.abs(np.linalg.eigvalsh(model.spectrum((16, 16)))).max()) or 1.0
    step = gamma or float(f"{STEP / largest:.3g}")
    v = vectors[:, -1] * (1 if vectors[np.argmax(np.abs(vectors[:, -1])), -1] > 0 else -1)
    return Medium(model, step, np.stack([v, -v]), max(1, round(RELAXED / largest / step)), None)


def coupling_id(words: Words) -> str:
    """Return the content identity of a known coupling."""
    return identity(load_model(words))


def common_period(networks: Sequence[str]) -> int:
    """Return the number of steps after which all networks are where they were; those that never are do not count."""
    from physnn.samples.diagnosis import diagnose, stored_diagnosis

    files = dict.fromkeys(split(name)[0] for name in networks)
    found = [d for name in files for d in (stored_diagnosis(name) or diagnose(name, images=IMAGES_FOR_PERIOD))]
    return math.lcm(*(d.period for d in found if d.period))


Side = Annotated[int, Field(ge=4, le=2**13)]
Noise = Annotated[float, Field(gt=0, le=1e6)]


class MemorySweep(Recipe):
    """The recipe of a memory sweep.

    ``networks`` are files, names of bundled ensembles, or one network of them, FILE/SEED; ``network_ids`` their
    content identities, which alone decide the result.  With ``model``, the words of a known coupling, there are none,
    and ``gamma`` is its step.  Domains relax for ``steps`` (the trained depth) and are then followed for ``longest``
    steps in noise, looked at after whole ``period`` s.  ``memory`` of the file is m at the time
    steps (L / ``side``)^``scaling``.
    """

    control: ClassVar[str] = "eta"
    draws: ClassVar[str] = "network"
    repeats: ClassVar[str] = "replica"
    grows: ClassVar[Mapping[str, Growth]] = {
        "L": more,
        "eta": more,
        "networks": more,
        "network_ids": more,
        "longest": longer,
    }
    located: ClassVar[tuple[str, ...]] = ("networks",)

    kind: Literal["memory"] = "memory"
    L: Annotated[tuple[Side, ...], Field(min_length=1)] = Field(default=(16, 32, 64, 128), description="Sizes.")
    eta: Annotated[tuple[Noise, ...], Field(min_length=1)] = Field(examples=["0.3 0.5"], description="Noise values.")
    networks: tuple[str, ...] = ()
    network_ids: tuple[str, ...] = ()
    model: tuple[str, ...] = Field(
        default=(),
        title="NAME...",
        examples=["diagonal 1 0"],
        description="Instead of networks: xy | on N | diagonal K1 K2... | coupling FILE.npy.",
    )
    gamma: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="Step of --model [default: 0.16 over the largest eigenvalue of J]."
    )
    pattern: Literal["half", "box"] = Field(default="half", description="Half-plane, or box of side L/2.")
    replicas: Annotated[int, Field(ge=2, le=10**4)] = Field(default=8, description="Runs with noise of their own.")
    longest: Annotated[int, Field(ge=2, le=2**31)] = Field(default=2048, description="Steps after which a run ends.")
    steps: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None, description="Steps in which walls form first [default: the trained depth]."
    )
    period: Annotated[int, Field(ge=1, le=10**4)] | None = None
    side: Annotated[int, Field(ge=1)] | None = None
    scaling: Annotated[float, Field(ge=0, le=10)] = Field(
        default=1.0, title="Z", description="memory of the file is m at steps (L / training L)^Z."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    target_observable: ClassVar[str] = "memory"

    @field_validator("L", "eta")
    @classmethod
    def _distinct(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(values)))

    def resolved(self) -> MemorySweep:
        """Return the recipe with identities, depth, period and scale of the sizes filled in.

        Raises
        ------
        InputError
            If a network is not usable, networks and a known coupling are both given or neither is, or the runs are
            shorter than the time at which ``memory`` is kept.
        """
        if bool(self.networks) == bool(self.model):
            raise InputError("name networks, or a known coupling with --model, and not both")
        if self.model and self.model[0] == "network":
            raise InputError("networks are named without --model, as in: physnn memory kuramoto_symmetric")
        if self.networks and self.gamma is not None:
            raise InputError("networks have a step of their own; --gamma belongs to --model")
        update: dict[str, Any] = {"model": canonical_words(self.model) if self.model else ()}
        named = self.model_copy(update=update)
        ids = self.network_ids or tuple(places(self.networks) if self.networks else (coupling_id(named.model),))
        media = [named.medium(i) for i in ids]
        depths, sides = sorted({m.steps for m in media}), sorted({m.side or min(self.L) for m in media})
        if self.steps is None and len(depths) > 1:
            raise InputError(f"the networks were trained at depths {depths}; choose one with --steps")
        update |= {"network_ids": ids, "steps": self.steps or depths[0], "side": self.side or sides[0]}
        update["period"] = self.period or (common_period(self.networks) if self.networks else 1)
        update["gamma"] = media[0].gamma if self.model else None
        found = self.model_copy(update=update)
        if (late := found.time(max(self.L))) > self.longest:
            raise InputError(
                f"memory at L = {max(self.L)} is kept after {late} steps, and runs have {self.longest}: take --longest "
                f"{late} or more, or a smaller --scaling"
            )
        return found

    def medium(self, network_id: str) -> Medium:
        """Return what a network identity stands for."""
        if self.model:
            if self.network_ids and coupling_id(self.model) != network_id:
                raise InputError(f"{' '.join(self.model)} is not the coupling of the recipe any more; restore it")
            return coupling_medium(self.model, self.gamma)
        known = places(self.networks)
        if network_id not in known:
            raise InputError(
                f"network {network_id} of the recipe is in none of {', '.join(self.networks)}; name its file"
            )
        return network_medium(*known[network_id])

    def time(self, L: int) -> int:
        """Return the number of steps after which ``memory`` is kept, at least one, of a resolved recipe."""
        assert self.steps is not None and self.side is not None
        steps: float = self.steps * (L / self.side) ** self.scaling
        return max(1, round(steps))
