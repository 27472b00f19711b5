"""Recipe of a classification from memory: which vectors, what is remembered of an image, how many images of a class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from physnn.analysis.bottleneck.recall import DESCRIPTORS
from physnn.errors import InputError
from physnn.samples.base import Growth, Recipe, more, most

if TYPE_CHECKING:
    from physnn.samples.bottleneck.recipe import EnergyMaps

Described = Literal["pixel", "average", "max", "generalised", "flattened"]
assert set(Described.__args__) == set(DESCRIPTORS)  # type: ignore[attr-defined]
FEWEST_TOLD = 2
"""Classes at least."""


class Recall(Recipe):
    """Recipe of images told from the vectors of other images in memory.

    What is in the file of vectors is found out once, and is part of the recipe from then on.
    """

    control: ClassVar[str] = "condition"
    draws: ClassVar[str] = "split"
    size: ClassVar[str] = "side"
    grows: ClassVar[Mapping[str, Growth]] = {"conditions": more, "splits": most}
    located: ClassVar[tuple[str, ...]] = ("data",)

    kind: Literal["recall"] = "recall"
    data: str = Field(title="FILE", description="File of vectors: physnn energy-map --vectors ...")
    data_digest: str = ""
    layer: str = Field(default="", title="NAME", description="Layer whose vectors are taken [default: the last one].")
    descriptors: Annotated[tuple[Described, ...], Field(min_length=1)] = Field(
        default=tuple(DESCRIPTORS),  # type: ignore[arg-type]
        examples=["pixel average"],
        description="What is remembered of an image: all vectors, their average, largest or generalised mean, or one "
        "long vector.",
    )
    neighbours: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Nearest vectors K that vote for every vector shown."
    )
    metric: Literal["cosine", "euclidean"] = Field(
        default="cosine", description="Distance of vectors of length 1, or as they are."
    )
    shots: Annotated[tuple[Annotated[int, Field(ge=1, le=10**6)], ...], Field(min_length=1)] = Field(
        default=(1, 2, 5), description="Images of every class in memory."
    )
    shown: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None, description="Images of every class that are shown [default: what is left over, 10 at most]."
    )
    splits: Annotated[int, Field(ge=1, le=10**4)] = Field(
        default=10, description="Draws of the images in memory and of those shown."
    )
    conditions: tuple[str, ...] = ()
    remembered: str = Field(
        default="", title="CONTROL", description="Control under which memory has its images [default: none]."
    )
    classes: tuple[str, ...] = Field(
        default=(), examples=["cat dog"], description="Classes to tell from each other [default: all]."
    )
    shuffled: bool = Field(default=False, description="Images get classes at random: a null that tells none.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    side: int = 0
    cells: int = 0
    channels: int = 0
    least: int = 0
    count: int = 0
    controls: int = 0

    @field_validator("shots")
    @classmethod
    def _in_order(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(values)))

    @property
    def many(self) -> int:
        """Images of a class that are remembered by one vector each in place of one image by all of its vectors.

        As many as an image has cells, or as there are; 0 where these are no more than the largest number of shots.
        """
        assert self.shown is not None
        found = min(self.cells, self.least - self.shown)
        return found if found > max(self.shots) else 0

    def resolved(self) -> Recall:
        """Recipe with what follows from the file of vectors.

        Raises
        ------
        InputError
            If the file has no such layer, control or class, or too few images.
        """
        if self.data_digest:
            self._check()
            return self
        from physnn.samples.recall.vectors import labels_in, recipe_in
        from physnn.store.hdf5 import content_digest

        path = Path(self.data).absolute()
        maps = recipe_in(path)
        layer = self.layer or maps.last.name
        place = next((each for each in maps.places if each.name == layer), None)
        if place is None:
            raise InputError(f"{self.data} has no layer {layer!r}; it has {', '.join(p.name for p in maps.places)}")
        classes = self.classes or maps.classes
        if lost := [name for name in classes if name not in maps.classes]:
            raise InputError(f"{self.data} has no class {lost[0]!r}; it has {', '.join(maps.classes)}")
        labels = labels_in(path)
        counts = {name: int((labels == maps.classes.index(name)).sum()) for name in classes}
        if not self.classes:  # a class without an image is none
            classes = tuple(name for name in classes if counts[name])
        least = min(counts[name] for name in classes)
        shown = self.shown or max(1, min(10, least - max(self.shots)))
        update: dict[str, Any] = {"data": str(path), "data_digest": content_digest(path), "layer": layer}
        update |= {
            "classes": classes,
            "least": least,
            "count": len(labels),
            "shown": shown,
            "controls": len(maps.conditions),
        }
        update |= {"side": maps.side, "cells": place.sides[0] * place.sides[1], "channels": place.channels}
        filled = self.model_copy(update=update | self._controls(maps))
        filled._check()
        return filled

    def _controls(self, maps: EnergyMaps) -> dict[str, Any]:
        """Controls of images shown and remembered, by default those that leave the network as it is."""
        from physnn.networks.pretrained.controls import SHOWN_AS

        plain = tuple(n for n in maps.conditions if SHOWN_AS[n].trained and not SHOWN_AS[n].wraps)
        conditions = self.conditions or plain or maps.conditions
        remembered = self.remembered or ("none" if "none" in maps.conditions else conditions[0])
        for name in (*conditions, remembered):
            if name not in maps.conditions:
                raise InputError(f"{self.data} has no control {name!r}; it has {', '.join(maps.conditions)}")
        return {"conditions": tuple(dict.fromkeys(conditions)), "remembered": remembered}

    def _check(self) -> None:
        """Raise InputError where there are too few images or classes."""
        assert self.shown is not None
        if len(self.classes) < FEWEST_TOLD or len(set(self.classes)) < len(self.classes):
            raise InputError("images are told from each other by class: two different ones are the fewest")
        if self.least < self.shown + max(self.shots):
            raise InputError(
                f"a class has {self.least} images, and {max(self.shots)} in memory and {self.shown} shown are more: "
                "lower --shots or --shown"
            )
