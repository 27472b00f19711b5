"""Recipe of energy maps: which network, which images, which layers, and under which controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from physnn.errors import InputError
from physnn.networks.pretrained.controls import SHOWN_AS
from physnn.samples.base import Growth, Recipe, more

CONTROL_NAMES = tuple(SHOWN_AS)
"""Names of the controls."""


class LayerPlace(BaseModel):
    """A layer of a resolved recipe: its shape, and where its cells lie (pixels from the middle of the first one).

    ``cells`` of each side together are one cell of the stored map.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    channels: int
    sides: tuple[int, int]
    start: tuple[float, float]
    step: tuple[float, float]
    cells: tuple[int, int] = (1, 1)

    @property
    def stored(self) -> tuple[int, int]:
        """Rows and columns of the stored map."""
        return self.sides[0] // self.cells[0], self.sides[1] // self.cells[1]

    def centres(self, axis: int, side: int, stored: bool = True) -> list[float]:
        """Centres of the cells along rows (0) or columns (1), in pixels from the middle of an image of a side."""
        n = self.cells[axis] if stored else 1
        first = self.start[axis] + self.step[axis] * (n - 1) / 2 - (side - 1) / 2
        return [first + self.step[axis] * n * k for k in range(self.sides[axis] // n)]


def joined_cells(side: int, most: int) -> int:
    """Cells that are averaged to one, so that a side has at most so many; 1 where no number of them divides it."""
    least = math.ceil(side / most)
    return next((n for n in range(least, side // 2 + 1) if side % n == 0), 1) if least > 1 else 1


class EnergyMaps(Recipe):
    """Recipe of the energy maps of a network's layers.

    What is in the images and the network is found out once, and is part of the recipe from then on.
    """

    control: ClassVar[str] = "condition"
    repeats: ClassVar[str] = "image"
    size: ClassVar[str] = "side"
    grows: ClassVar[Mapping[str, Growth]] = {"conditions": more}
    located: ClassVar[tuple[str, ...]] = ("images", "network", "module")

    kind: Literal["energy-map"] = "energy-map"
    network: str = Field(
        default="",
        title="NAME|FILE",
        description="efficientnet-lite0 (1, 2), a file of physnn train classify, or with --module weights as "
        "safetensors [default: efficientnet-lite0; with --module: none].",
    )
    module: str | None = None
    module_digest: str | None = None
    images: str = Field(
        default="digits",
        title="FOLDER|FILE",
        description="Folder of images or of class folders, a data set, or digits.",
    )
    per_class: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Images of every class, the first ones [default: all]."
    )
    fit: Literal["squash", "crop"] = Field(
        default="squash", description="Whole images made square, or the square in their middle."
    )
    layers: tuple[str, ...] = Field(
        default=("all",), examples=["blocks.10 head"], description="Layers by name, or all."
    )
    conditions: Annotated[tuple[Literal[CONTROL_NAMES], ...], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=("none",), examples=["none circular"], description="Controls."
    )
    vectors: bool = Field(
        default=False, description="Keep the vectors of all cells too, in half precision; --dry-run says how much."
    )
    cells: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=32, description="Cells along a side of a stored map at most; finer maps are averaged."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    batch: Annotated[int, Field(ge=1, le=4096)] = Field(default=32, description="Images of a task; part of the recipe.")
    device: Literal["cpu", "cuda"] = "cpu"
    side: int = 0
    input_channels: int = 0
    count: int = 0
    classes: tuple[str, ...] = ()
    image_digest: str = ""
    network_digest: str = ""
    places: tuple[LayerPlace, ...] = ()

    def resolved(self) -> EnergyMaps:
        """Recipe with classes and digests of images, and shapes and places of the layers.

        Raises
        ------
        InputError
            If network or images are not there or have changed, or a layer has no place in the image.
        """
        from physnn.networks.pretrained.photographs import photographs
        from physnn.networks.pretrained.subjects import subject
        from physnn.networks.source import module_digest

        network = self.network or ("" if self.module else "efficientnet-lite0")
        file, colon, member = network.partition(":")
        network = f"{Path(file).resolve()}{colon}{member}" if Path(file).is_file() else network
        images = str(Path(self.images).resolve()) if Path(self.images).exists() else self.images
        found, seen = subject(network, self.module), photographs(images, self.per_class)
        layers = tuple(
            LayerPlace(
                name=name,
                channels=shape[0],
                sides=(shape[1], shape[2]),
                start=cells.start,
                step=cells.step,
                cells=(joined_cells(shape[1], self.cells), joined_cells(shape[2], self.cells)),
            )
            for name, (cells, shape) in found.cells(self.layers).items()
        )
        if not layers:
            raise InputError(f"{network or self.module} has no layer whose output is a map over the image")
        for name, old, new in (
            ("images", self.image_digest, seen.digest),
            ("network", self.network_digest, found.digest),
        ):
            if old not in ("", new):
                raise InputError(f"the {name} changed since the recipe was made: put them back, or use --restart")
        update: dict[str, Any] = {"network": network, "images": images, "count": len(seen), "classes": seen.classes}
        update |= {"side": found.side, "input_channels": found.channels, "places": layers}
        update |= {"image_digest": seen.digest, "network_digest": found.digest}
        update |= {"module_digest": module_digest(self.module) if self.module else None}
        return self.model_copy(update=update)

    @property
    def last(self) -> LayerPlace:
        """Deepest layer, whose averaged vectors are kept for a classification."""
        return self.places[-1]
