"""Convolutional classifier of fields whose logits do not change under a point group."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.networks.classifiers.deep import check_images
from physnn.networks.symmetry.layers import (
    FieldConv,
    FieldCopies,
    FieldPool,
    FieldReLU,
    FieldSpace,
    invariants,
    point_group,
)

MIXED = ("trivial", "sign", "axes", "diagonals", "vector", "vector")
"""Fields with as many components, 8, as the regular one of D4 has, and as often as it contains them."""


class FieldCNN(nn.Module):
    """`SimpleCNN` by fields of a point group: 16 and 32 channels, 64 hidden units, invariant logits.

    Every layer has copies of the regular field or, with ``mixed``, of the irreducible fields in its place.  The side of
    the images must be divisible by 4, or pooling would not commute with the group.

    Parameters
    ----------
    channels, side, classes : int
        Of the images.
    point : str
        Point group, one of `POINT_GROUPS`.
    mixed : bool
        Whether fields are irreducible; for ``"d4"`` alone.

    Raises
    ------
    InputError
        If the side is not divisible by 4, or the point group does not have these fields.
    """

    def __init__(self, channels: int, side: int, classes: int, point: str = "d4", mixed: bool = False) -> None:
        super().__init__()
        check_images(channels, side, classes)
        if side % 4:
            raise InputError(f"an equivariant network needs images with a side divisible by 4, not {side}")
        if mixed and point != "d4":
            raise InputError(f"fields in place of the regular one are known for d4, not for {point}")
        order = len(point_group(point).matrices)

        def space(channels: int) -> FieldSpace:
            copies = channels // order
            if not mixed:
                return FieldSpace(point, (FieldCopies("regular", copies),))
            names = dict.fromkeys(MIXED)
            return FieldSpace(point, tuple(FieldCopies(name, copies * MIXED.count(name)) for name in names))

        spaces = [FieldSpace(point, (FieldCopies("trivial", channels),)), space(16), space(32), space(64)]
        self.spaces = spaces
        self.first = FieldConv(spaces[0], spaces[1])
        self.second = FieldConv(spaces[1], spaces[2])
        self.hidden = FieldConv(spaces[2], spaces[3], side // 4, "none")
        self.shaped = nn.ModuleList([FieldReLU(one) for one in spaces[1:]])
        self.pooled = nn.ModuleList([FieldPool(one) for one in spaces[1:3]])
        self.output = nn.Linear(sum(field.copies for field in spaces[3].fields), classes)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Values after each of the three layers, as fields of ``spaces[1:]``."""
        x = self.pooled[0](self.shaped[0](self.first(images)))
        y = self.pooled[1](self.shaped[1](self.second(x)))
        return [x, y, self.shaped[2](self.hidden(y))]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of images ``(batch, channels, H, W)``."""
        return functional.linear(invariants(self.spaces[3], self.maps(images)[2]), self.output.weight, self.output.bias)
