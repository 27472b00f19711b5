"""Values of all layers of a network, and of images that a group acted on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from physnn.errors import InputError
from physnn.models.groups.circular import disc
from physnn.networks.symmetry.layers import move_pixels, point_group
from physnn.networks.symmetry.steerable import turn_pixels

OUTPUT = "output of the network"
"""Name of what a network returns, beside its layers."""
ROTATIONS = "so2"
"""Name of the group of all rotations of the plane."""
ROTATED_BY = tuple(math.radians(25 + 45 * k) for k in range(8))
"""Angles at which rotations are tried, in radians: none is near a quarter turn, which would be exact."""
SEEN_MARGIN = 1 / 8
"""Margin of the disc within which rotated layers are compared, over their side: edges do not rotate along."""


class Motion(NamedTuple):
    """How an element of a group moves pixels of square images, and back."""

    there: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


def motions_of(group: str) -> list[Motion]:
    """Elements of a point group but the identity, or rotations by `ROTATED_BY`, by what they do to pixels.

    Raises
    ------
    InputError
        If there is no such group, or it has no element but the identity.
    """
    if group == ROTATIONS:
        return [Motion(partial(turn_pixels, angle=a), partial(turn_pixels, angle=-a)) for a in ROTATED_BY]
    inverse = point_group(group).group.inverse
    if len(inverse) == 1:
        raise InputError(f"{group} does nothing to an image; take another group")
    numbers = range(1, len(inverse))
    return [Motion(partial(move_pixels, group, g), partial(move_pixels, group, int(inverse[g]))) for g in numbers]


def layer_values(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Values of every layer without layers of its own, by name, in the order of first use, and of the output.

    A layer that returns no tensor with a row for every image is left out.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str, values: object) -> None:
        if isinstance(values, Tensor) and values.ndim >= 2 and len(values) == len(images):
            found.setdefault(name, values)

    kept = (nn.ParameterDict, nn.ParameterList)  # no layers, but modules to torch
    leaves = [
        (name, layer)
        for name, layer in network.named_modules()
        if name and not isinstance(layer, kept) and all(isinstance(child, kept) for child in layer.children())
    ]
    hooks = [layer.register_forward_hook(lambda _, __, out, name=name: keep(name, out)) for name, layer in leaves]
    try:
        with torch.no_grad():
            keep(OUTPUT, network(images))
    finally:
        for hook in hooks:
            hook.remove()
    return found


class MovedLayer(NamedTuple):
    """Values of a layer, arrays (images, channels, places).

    Attributes
    ----------
    name : str
        Name of the layer.
    here, moved : ndarray
        Values of images, and of images that were acted on, with their places moved back.
    interpolated : ndarray or None
        Values of images whose pixels were rotated there and back, where that is not exact.
    """

    name: str
    here: NDArray[np.float64]
    moved: NDArray[np.float64]
    interpolated: NDArray[np.float64] | None


def moved_values(network: nn.Module, images: NDArray[np.float32], group: str) -> Iterator[MovedLayer]:
    """Values of every layer, and those of images that were acted on, for every motion of a group.

    Parameters
    ----------
    network : Module
        Takes images; it is put into evaluation mode.
    images : ndarray, shape (images, channels, side, side)
        Square images; for rotations only what lies in their inscribed disc is shown.
    group : str
        What acts on them, about their centre: a point group, or ``"so2"``.
    """
    network.eval()
    tensor, exact = torch.from_numpy(images), group != ROTATIONS
    if not exact:
        tensor = tensor * torch.from_numpy(disc(tensor.shape[-1]))
    here = layer_values(network, tensor)
    for motion in motions_of(group):
        turned = motion.there(tensor).contiguous()
        moved = layer_values(network, turned)
        again = None if exact else layer_values(network, motion.back(turned))
        for name, values in here.items():
            there = moved[name]
            kept: slice | NDArray[np.intp] = slice(None)
            if there.ndim == 4 and there.shape[-1] == there.shape[-2]:
                there, side = motion.back(there), there.shape[-1]
                kept = slice(None) if exact or side == 1 else np.flatnonzero(disc(side, SEEN_MARGIN * side))
            between = None if again is None else _flat(again[name])[..., kept]
            yield MovedLayer(name, _flat(values)[..., kept], _flat(there)[..., kept], between)


def _flat(values: Tensor) -> NDArray[np.float64]:
    """Values as (images, channels, places)."""
    return values.double().reshape(len(values), values.shape[1], -1).numpy()


def with_weights(network: nn.Module, weights: dict[str, NDArray[np.float32]]) -> Iterator[nn.Module]:
    """A network with the weights of every replica in turn, the first axis of all arrays."""
    for r in range(len(next(iter(weights.values())))):
        network.load_state_dict({name: torch.from_numpy(v[r].copy()) for name, v in weights.items()}, strict=False)
        yield network
