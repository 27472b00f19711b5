"""Convolutions, nonlinearities and pooling of fields on the square lattice that commute with a point group.

A layer's values are *fields*, sections of a bundle over the plane: copies of `representations.FIELDS`, whose components
are channels that follow each other.  The group acts on images ``(batch, channels, H, W)``: it moves pixels about the
centre and mixes components of a field.  `FieldConv` needs of its `Fields` no more than their filters, so that those of
all rotations (`steerable`) are layers of the same kind.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.models.groups.kernels import kernel_basis
from physnn.models.groups.representations import PointGroup, Representation

Padding = Literal["same", "circular", "none"]
"""What lies beyond the edges of an image."""


class FieldCopies(NamedTuple):
    """Copies of a field by its name in `FIELDS`."""

    name: str
    copies: int


class FieldKind(Protocol):
    """What a group does to the value of a field at one place, as far as layers need to know."""

    @property
    def dimension(self) -> int:
        """Number of components."""

    @property
    def permutes(self) -> bool:
        """Whether components are permuted, so that any function of each of them commutes with the group."""


@dataclass(frozen=True)
class Fields(ABC):
    """Fields of one layer: channels in the order of fields, copies, components.

    Parameters
    ----------
    point : str
        Group that acts on places and values.
    fields : tuple of FieldCopies
        What lies at every site.

    Raises
    ------
    InputError
        If a field or the group is unknown, or there are no copies.
    """

    point: str
    fields: tuple[FieldCopies, ...]

    def __post_init__(self) -> None:
        if not self.fields or any(field.copies < 1 for field in self.fields):
            raise InputError("a layer needs at least one field, and at least one copy of each")
        for field in self.fields:
            self.representation(field)

    @abstractmethod
    def representation(self, field: FieldCopies) -> FieldKind:
        """What the group does to one copy of a field."""

    @abstractmethod
    def basis(self, field: FieldCopies, to: FieldCopies, side: int) -> Tensor:
        """Basis of filters between two fields, shape (n, d', d, side, side); squares of each sum to d'."""

    def size(self, field: FieldCopies) -> int:
        """Channels of all copies of a field."""
        return field.copies * self.representation(field).dimension

    @cached_property
    def channels(self) -> int:
        """Channels of the layer."""
        return sum(self.size(field) for field in self.fields)

    def parts(self, values: Tensor) -> list[tuple[FieldKind, Tensor]]:
        """Values ``(batch, channels, ...)`` by field: their kinds, and arrays (batch, copies, d, ...)."""
        blocks = values.split([self.size(field) for field in self.fields], dim=1)
        kinds = [self.representation(field) for field in self.fields]
        return [(rho, block.unflatten(1, (-1, rho.dimension))) for rho, block in zip(kinds, blocks, strict=True)]


@dataclass(frozen=True)
class FieldSpace(Fields):
    """Fields of a point group of the square lattice, one of `POINT_GROUPS`, by their names in `FIELDS`."""

    def representation(self, field: FieldCopies) -> Representation:
        """What the point group does to one copy of a field."""
        return field_of(self.point, field.name)

    def basis(self, field: FieldCopies, to: FieldCopies, side: int) -> Tensor:
        """Basis of filters between two fields: exact, from the null space of the conditions on them."""
        return filter_basis(self.point, field.name, to.name, side)

    def act(self, element: int, values: Tensor) -> Tensor:
        """Values ``(batch, channels, H, W)`` that an element of the point group acted on, about the centre."""
        mixed = []
        for field, (_, block) in zip(self.fields, self.parts(values), strict=True):
            matrix = self.representation(field).matrices[element]
            turned = torch.as_tensor(matrix, dtype=values.dtype, device=values.device)
            mixed.append(torch.einsum("ij,bcjhw->bcihw", turned, block).flatten(1, 2))
        return move_pixels(self.point, element, torch.cat(mixed, 1))


@lru_cache(maxsize=64)
def field_of(point: str, name: str) -> Representation:
    """Representation of a point group by the name of a field."""
    return point_group(point).representation(name)


@lru_cache(maxsize=8)
def point_group(name: str) -> PointGroup:
    """Point group by its name."""
    return PointGroup(name)


def move_pixels(point: str, element: int, images: Tensor) -> Tensor:
    """Images ``(..., H, W)`` whose pixels an element of a point group moved about the centre; H = W if axes change."""
    (a, b), (c, d) = point_group(point).matrices[element].tolist()
    if a == 0:
        images = images.transpose(-1, -2)  # pixel (y, x) moves to (x, y), and then along b and c
        return images.flip([axis for axis, sign in ((-2, b), (-1, c)) if sign < 0])
    return images.flip([axis for axis, sign in ((-2, a), (-1, d)) if sign < 0])


@lru_cache(maxsize=256)
def filter_basis(point: str, first: str, second: str, side: int) -> Tensor:
    """Basis of filters between two fields, shape (n, d', d, side, side); squares of each sum to d'.

    With coefficients of variance 1 over their number an output component has the variance of the inputs.
    """
    found = kernel_basis(point_group(point), field_of(point, first), field_of(point, second), side).dense.astype(float)
    lengths = np.sqrt((found**2).sum(axis=(1, 2, 3, 4), keepdims=True) / found.shape[1])
    return torch.from_numpy((found / lengths).astype(np.float32))


class FieldConv(nn.Module):
    """Convolution from fields to fields that commutes with translations and the group of its fields.

    Its filters are sums of a basis, each with a trained coefficient.  Constants are added to fields that the group
    leaves alone or permutes, one for each copy.  In evaluation, where no gradients are asked for, filters are kept
    until coefficients change.

    Parameters
    ----------
    first, second : Fields
        Fields of input and output, of one group.
    side : int
        Side of the filters.
    padding : {"same", "circular", "none"}
        What lies beyond the edges: zeros, the other side of a torus, or nothing, so that the output is smaller.

    Raises
    ------
    InputError
        If the point groups differ, or an image of the same size has no place for an even side.
    """

    def __init__(self, first: Fields, second: Fields, side: int = 3, padding: Padding = "same") -> None:
        super().__init__()
        if first.point != second.point:
            raise InputError(f"a layer cannot lead from fields of {first.point} to fields of {second.point}")
        if padding != "none" and side % 2 == 0:
            raise InputError(f"a filter of side {side} has no centre at a pixel; choose an odd side")
        self.first, self.second, self.side, self.padding = first, second, side, padding
        self._kept: tuple[tuple[tuple[int, int, torch.dtype], ...], tuple[Tensor, Tensor]] | None = None
        self.coefficients = nn.ParameterDict()
        for n, to in enumerate(second.fields):
            for m, field in enumerate(first.fields):
                basis = first.basis(field, to, side)
                if len(basis):
                    self.coefficients[f"{m}_{n}"] = nn.Parameter(torch.zeros(to.copies, field.copies, len(basis)))
            if second.representation(to).permutes:
                self.coefficients[f"constant_{n}"] = nn.Parameter(torch.zeros(to.copies))

    def draw(self, generator: np.random.Generator) -> None:
        """Set coefficients and constants as torch sets those of a convolution: uniform on ``+- 1/sqrt(fan in)``."""
        for n in range(len(self.second.fields)):
            mine = {name: v for name, v in self.coefficients.items() if name.endswith(f"_{n}")}
            fan_in = sum(v.shape[1] * v.shape[2] for v in mine.values() if v.ndim == 3)
            for values in mine.values():
                drawn = generator.uniform(-1, 1, tuple(values.shape)) / math.sqrt(max(fan_in, 1))
                values.data.copy_(torch.from_numpy(drawn.astype(np.float32)))
        self._kept = None

    def filters(self) -> tuple[Tensor, Tensor]:
        """Filters ``(channels', channels, side, side)`` and constants ``(channels',)`` of a plain convolution."""
        rows, constants = [], []
        like = next(iter(self.coefficients.values()))
        for n, to in enumerate(self.second.fields):
            blocks = [self._block(m, n, like) for m in range(len(self.first.fields))]
            rows.append(torch.cat(blocks, dim=1))
            constant, d = self.coefficients.get(f"constant_{n}"), self.second.representation(to).dimension
            constants.append(like.new_zeros(to.copies * d) if constant is None else constant.repeat_interleave(d))
        return torch.cat(rows), torch.cat(constants)

    def _block(self, m: int, n: int, like: Tensor) -> Tensor:
        """Filters from all copies of field m to all of field n."""
        field, to = self.first.fields[m], self.second.fields[n]
        basis = self.first.basis(field, to, self.side)
        shape = (self.second.size(to), self.first.size(field), self.side, self.side)
        if not len(basis):
            return like.new_zeros(shape)
        mixed = torch.tensordot(self.coefficients[f"{m}_{n}"], basis.to(like), dims=1)
        return torch.as_tensor(mixed.transpose(1, 2).reshape(shape))

    def plain(self) -> nn.Conv2d:
        """Plain convolution with the filters as they are now, for a network that is not trained any more."""
        filters, constants = self.filters()
        mode: Literal["circular", "zeros"] = "circular" if self.padding == "circular" else "zeros"
        around = 0 if self.padding == "none" else self.side // 2
        found = nn.Conv2d(self.first.channels, self.second.channels, self.side, padding=around, padding_mode=mode)
        found.load_state_dict({"weight": filters.detach(), "bias": constants.detach()})
        return found

    def train(self, mode: bool = True) -> FieldConv:
        """Switch to training, or to evaluation with filters that are made anew."""
        self._kept = None
        return super().train(mode)

    def _settled(self, values: Tensor) -> bool:
        """Whether filters may be kept: in evaluation, without gradients, and not in a stack of networks or images."""
        # Within a functional call coefficients are no parameters of this layer.
        own = all(isinstance(v, nn.Parameter) for v in self.coefficients.values())
        return own and not (self.training or torch.is_grad_enabled() or torch._C._functorch.is_batchedtensor(values))

    def _kept_filters(self) -> tuple[Tensor, Tensor]:
        """Filters and constants of the call before if no coefficient was changed since; channels are last in memory."""
        state = tuple((v.data_ptr(), v._version, v.dtype) for v in self.coefficients.values())
        if self._kept is None or self._kept[0] != state:
            filters, constants = self.filters()
            self._kept = state, (filters.contiguous(memory_format=torch.channels_last), constants)
        return self._kept[1]

    def forward(self, values: Tensor) -> Tensor:
        """Values ``(batch, channels', H, W)`` of values ``(batch, channels, H, W)``."""
        if self._settled(values):
            filters, constants = self._kept_filters()
            # Forward alone is faster so, by a third with 128 channels and more with 16; with backward it is not.
            values = values.contiguous(memory_format=torch.channels_last)
        else:
            filters, constants = self.filters()
        around = 0 if self.padding == "none" else self.side // 2
        if self.padding == "circular":
            values, around = functional.pad(values, (around,) * 4, mode="circular"), 0
        return functional.conv2d(values, filters, constants, padding=around)


class FieldReLU(nn.Module):
    """Nonlinearity of fields: ReLU where the group permutes components, tanh where it changes signs as well."""

    def __init__(self, space: FieldSpace) -> None:
        super().__init__()
        self.space = space

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape."""
        parts = [functional.relu(v) if rho.permutes else torch.tanh(v) for rho, v in self.space.parts(values)]
        return torch.cat([part.flatten(1, 2) for part in parts], dim=1)


class FieldPool(nn.Module):
    """Pooling of 2 x 2 pixels: the largest where the group permutes components, the mean where it changes signs."""

    def __init__(self, space: FieldSpace) -> None:
        super().__init__()
        self.space = space

    def forward(self, values: Tensor) -> Tensor:
        """Values of half the sides, which must be even."""
        pooled = [
            (functional.max_pool2d if rho.permutes else functional.avg_pool2d)(part.flatten(1, 2), 2)
            for rho, part in self.space.parts(values)
        ]
        return torch.cat(pooled, dim=1)


def invariants(space: Fields, values: Tensor) -> Tensor:
    """Numbers ``(batch, copies of all fields)`` that translations of tori and the point group leave as they are.

    Means over pixels and components of fields whose components are permuted; of others the squared length of the mean
    over pixels.
    """
    found = []
    for rho, part in space.parts(values):
        mean = part.mean(dim=(-2, -1))
        found.append(mean.mean(-1) if rho.permutes else mean.square().sum(-1))
    return torch.cat(found, dim=1)
