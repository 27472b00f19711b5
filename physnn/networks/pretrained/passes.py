"""Maps of all layers in one pass: each is reduced to its energies as soon as it is there."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from physnn.networks.pretrained.circular import CircularPadding


@dataclass(frozen=True)
class LayerMaps:
    """What is kept of a layer, for every image.

    Attributes
    ----------
    energy : ndarray of float32, shape (images, rows, columns)
        E(x, y) = |I(x, y)|^2, summed over channels (units of squared activations).
    average : ndarray of float32, shape (images, channels), or None
        Mean of the vectors over the map, of the last layer alone.
    vectors : ndarray of float16, shape (images, rows, columns, channels), or None
        The vectors themselves, within the range of half precision.
    """

    energy: np.ndarray
    average: np.ndarray | None
    vectors: np.ndarray | None


class _EnoughSeen(Exception):
    """Raised where no later layer is asked for."""


def layer_maps(
    network: nn.Module, images: Tensor, layers: Sequence[str], vectors: bool = False, wraps: bool = False
) -> dict[str, LayerMaps]:
    """Maps of some layers, in the order in which the network uses them; it stops after the last one.

    Parameters
    ----------
    network : Module
        In evaluation mode, on the device of the images.
    images : Tensor, shape (images, channels, side, side)
        As the network takes them.
    layers : sequence of str
        Names of layers whose output is ``(images, channels, rows, columns)``.
    vectors : bool
        Whether to keep the vectors too.
    wraps : bool
        Whether every padding is circular.
    """
    found: dict[str, LayerMaps] = {}
    left = set(layers)

    def keep(name: str, values: Tensor) -> None:
        if name in left:
            left.discard(name)
            found[name] = _reduced(values, vectors, not left)
        if not left:
            raise _EnoughSeen

    named = dict(network.named_modules())
    hooks = [
        named[name].register_forward_hook(lambda _, __, out, name=name: keep(name, out))
        for name in dict.fromkeys(layers)
    ]
    try:
        with torch.inference_mode(), CircularPadding() if wraps else contextlib.nullcontext():
            network(images)
    except _EnoughSeen:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return {name: found[name] for name in layers}


def _reduced(values: Tensor, vectors: bool, averaged: bool) -> LayerMaps:
    last = values.detach().permute(0, 2, 3, 1)
    energy = torch.linalg.vector_norm(last, dim=-1).square_().float().cpu().numpy()  # keeps no map of squares
    average = last.mean((1, 2)).float().cpu().numpy() if averaged else None
    kept = None
    if vectors:
        kept = last.clamp(-65504, 65504).half().cpu().contiguous().numpy()
    return LayerMaps(energy, average, kept)


def difference(first: dict[str, LayerMaps], second: dict[str, LayerMaps], layers: Collection[str]) -> float:
    """Largest difference of the energies of two passes, relative to the largest energy of the layer."""
    return max(
        float(np.abs(first[name].energy - second[name].energy).max() / np.abs(first[name].energy).max())
        for name in layers
    )
