"""A network under a control, made ready once for all batches of images."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from physnn import rng
from physnn.networks.device import check_device
from physnn.networks.pretrained.controls import SHOWN_AS
from physnn.networks.pretrained.fold import folded_network, untrained_copy
from physnn.networks.pretrained.passes import LayerMaps, layer_maps
from physnn.networks.pretrained.subjects import Subject


@dataclass(frozen=True)
class Viewer:
    """A network, folded, with the layers to look at."""

    network: nn.Module
    layers: tuple[str, ...]
    wraps: bool
    device: str

    @classmethod
    def of(cls, subject: Subject, layers: tuple[str, ...], control: str, seed: int, device: str) -> Viewer:
        """Network of a subject under a control; the latest ones stay in memory."""
        check_device(device)
        return _viewer(_Key(subject), layers, SHOWN_AS[control].wraps, SHOWN_AS[control].trained, seed, device)

    def look(self, images: Tensor, vectors: bool = False) -> dict[str, LayerMaps]:
        """Maps of images as the network takes them, see `layer_maps`."""
        placed = images.to(self.device, memory_format=torch.channels_last)
        return layer_maps(self.network, placed, self.layers, vectors, self.wraps)


class _Key:
    """A subject that is known by its digest."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def __hash__(self) -> int:
        return hash(self.subject.digest)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Key) and self.subject.digest == other.subject.digest


@functools.lru_cache(maxsize=2)
def _viewer(key: _Key, layers: tuple[str, ...], wraps: bool, trained: bool, seed: int, device: str) -> Viewer:
    network = key.subject.network
    if not trained:
        network = untrained_copy(network, rng.stream(seed, "weights"))
    return Viewer(folded_network(network, layers, wraps).to(device), layers, wraps, device)
