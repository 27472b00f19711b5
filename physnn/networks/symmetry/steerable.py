"""Layers of fields that commute with all rotations of the plane, and an image classifier made of them.

Sources: D. E. Worrall et al., Harmonic networks: deep translation and rotation equivariance (CVPR 2017); for the
complete set of maps between real fields M. Weiler and G. Cesa, General E(2)-equivariant steerable CNNs (NeurIPS 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.models.groups.circular import CircularField, circular_filters, disc, rotation_matrix
from physnn.networks.classifiers.deep import check_images
from physnn.networks.symmetry.layers import FieldConv, FieldCopies, Fields, invariants

Gate = Literal["norm", "gate"]
"""How a field that turns is made smaller: by its own length, or by a number beside it."""
_LEAST = 1e-12
"""Added to squared lengths, so that their roots have slopes."""


@dataclass(frozen=True)
class CircularSpace(Fields):
    """Fields by frequency: ``point`` is ``"so2"``, and the name of a field is its frequency, ``"0"``, ``"1"``, ..."""

    def representation(self, field: FieldCopies) -> CircularField:
        """What rotations do to one copy of a field."""
        if self.point != "so2" or not field.name.isdecimal():
            raise InputError(f"there is no field {field.name!r} of {self.point}; give a frequency of so2, as '1'")
        return CircularField(int(field.name))

    def basis(self, field: FieldCopies, to: FieldCopies, side: int) -> Tensor:
        """Basis of filters between two fields: rings times circular harmonics."""
        return _circular_basis(int(field.name), int(to.name), side)

    def turn(self, angle: float, values: Tensor) -> Tensor:
        """Values ``(batch, channels, side, side)`` rotated by an angle in radians, by cubic splines between pixels."""
        mixed = []
        for field, (_, block) in zip(self.fields, self.parts(values), strict=True):
            matrix = torch.from_numpy(self.representation(field).matrix(angle)).to(values)
            mixed.append(torch.einsum("ij,bcjhw->bcihw", matrix, block).flatten(1, 2))
        return turn_pixels(torch.cat(mixed, 1), angle)


@lru_cache(maxsize=64)
def _circular_basis(first: int, second: int, side: int) -> Tensor:
    return torch.from_numpy(circular_filters(first, second, side)).float()


def turn_pixels(values: Tensor, angle: float) -> Tensor:
    """Images ``(..., side, side)`` whose pixels are rotated about the centre, by cubic splines; 0 beyond the edges."""
    matrix = torch.from_numpy(rotation_matrix(values.shape[-1], angle)).to(values)
    turned: Tensor = (values.flatten(-2) @ matrix.T).reshape(values.shape)
    return turned


class NormReLU(nn.Module):
    """Nonlinearity of fields of frequencies: ReLU of numbers, and ``relu(|f| - b) f / |f|`` of fields that turn.

    With ``"gate"`` a field that turns is multiplied by the sigmoid of a number instead: the last channels of its input
    are these numbers, one for every copy, and `gates` says how many.

    Parameters
    ----------
    space : CircularSpace
        Fields that come out.
    kind : {"norm", "gate"}
        What makes fields that turn smaller.
    """

    def __init__(self, space: CircularSpace, kind: Gate = "norm") -> None:
        super().__init__()
        self.space, self.kind = space, kind
        turning = sum(field.copies for field in space.fields if not space.representation(field).permutes)
        self.gates = turning if kind == "gate" else 0
        if kind == "norm" and turning:
            self.threshold = nn.Parameter(torch.zeros(turning))

    @property
    def takes(self) -> CircularSpace:
        """Fields that go in."""
        gates = (FieldCopies("0", self.gates),) * bool(self.gates)
        return CircularSpace("so2", (*self.space.fields, *gates))

    def forward(self, values: Tensor) -> Tensor:
        """Values ``(batch, channels, H, W)`` of the space."""
        found, at, own = [], 0, self.space.channels
        for rho, part in self.space.parts(values[:, :own]):
            if rho.permutes:
                found.append(functional.relu(part))
                continue
            copies = part.shape[1]
            if self.kind == "gate":
                factor = torch.sigmoid(values[:, own + at : own + at + copies])
            else:
                length = (part.square().sum(2) + _LEAST).sqrt()
                factor = functional.relu(length - self.threshold[at : at + copies, None, None]) / length
            found.append(part * factor[:, :, None])
            at += copies
        return torch.cat([part.flatten(1, 2) for part in found], dim=1)


class SteerableCNN(nn.Module):
    """`SimpleCNN` by fields of frequencies 0, 1 and 2: 16 and 32 channels, 64 hidden ones, logits of invariants.

    Images are seen through their inscribed disc, filters have side 5, pooling is the mean of 2 x 2 pixels.  Logits are
    the same under quarter turns, to rounding, and under other rotations as far as pixels tell.

    Parameters
    ----------
    channels, side, classes : int
        Of the images; the side must be divisible by 4.
    kind : {"norm", "gate"}
        Nonlinearity of fields that turn.

    Raises
    ------
    InputError
        If the side is not divisible by 4.
    """

    def __init__(self, channels: int, side: int, classes: int, kind: Gate = "norm") -> None:
        super().__init__()
        check_images(channels, side, classes)
        if side % 4:
            raise InputError(f"an equivariant network needs images with a side divisible by 4, not {side}")

        def space(numbers: int, turning: int) -> CircularSpace:
            return CircularSpace(
                "so2", (FieldCopies("0", numbers), FieldCopies("1", turning), FieldCopies("2", turning))
            )

        spaces = [CircularSpace("so2", (FieldCopies("0", channels),)), space(4, 3), space(8, 6), space(16, 12)]
        self.side, self.spaces = side, spaces
        self.shaped = nn.ModuleList([NormReLU(one, kind) for one in spaces[1:]])
        takes = [layer.takes for layer in self.shaped if isinstance(layer, NormReLU)]
        self.first = FieldConv(spaces[0], takes[0], 5)
        self.second = FieldConv(spaces[1], takes[1], 5)
        self.hidden = FieldConv(spaces[2], takes[2], side // 4, "none")
        self.output = nn.Linear(sum(field.copies for field in spaces[3].fields), classes)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Values after each of the three layers, as fields of ``spaces[1:]``."""
        seen = images * torch.from_numpy(disc(self.side)).to(images)
        x = functional.avg_pool2d(self.shaped[0](self.first(seen)), 2)
        y = functional.avg_pool2d(self.shaped[1](self.second(x)), 2)
        return [x, y, self.shaped[2](self.hidden(y))]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of images ``(batch, channels, H, W)``."""
        return functional.linear(invariants(self.spaces[3], self.maps(images)[2]), self.output.weight, self.output.bias)
