"""Values of all layers of a network, and of images that a point group acted on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from physnn.models.groups.representations import PointGroup
from physnn.networks.symmetry.layers import move_pixels

OUTPUT = "output of the network"
"""Name of what a network returns, beside its layers."""


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


def moved_values(
    network: nn.Module, images: NDArray[np.float32], point: PointGroup
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Values of every layer, and those of images that were acted on, with their places moved back.

    Parameters
    ----------
    network : Module
        Takes images; it is put into evaluation mode.
    images : ndarray, shape (images, channels, side, side)
        Square images.
    point : PointGroup
        What acts on them, about their centre.

    Yields
    ------
    str, ndarray, ndarray
        Name of a layer and both values, shape (images, channels, places), for every element but the identity.
    """
    network.eval()
    tensor = torch.from_numpy(images)
    here = layer_values(network, tensor)
    for element in range(1, len(point.matrices)):
        back = int(point.group.inverse[element])
        moved = layer_values(network, move_pixels(point.name, element, tensor).contiguous())
        for name, values in here.items():
            there = moved[name]
            if there.ndim == 4 and there.shape[-1] == there.shape[-2]:
                there = move_pixels(point.name, back, there)
            yield name, _flat(values), _flat(there)


def _flat(values: Tensor) -> NDArray[np.float64]:
    """Values as (images, channels, places)."""
    return values.double().reshape(len(values), values.shape[1], -1).numpy()


def with_weights(network: nn.Module, weights: dict[str, NDArray[np.float32]]) -> Iterator[nn.Module]:
    """A network with the weights of every replica in turn, the first axis of all arrays."""
    for r in range(len(next(iter(weights.values())))):
        network.load_state_dict({name: torch.from_numpy(v[r].copy()) for name, v in weights.items()}, strict=False)
        yield network
