"""Losses of differential equations and their gradients in compiled code, one network after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physnn.kernels.jets.matrix_code import lanes
from physnn.kernels.jets.passes import (
    PackedNetwork,
    Residuals,
    Streams,
    add_gradient,
    block_of,
    pack_weights,
    room_for,
    unpack_slopes,
    vectors_of,
    weight_places,
)
from physnn.kernels.primitives import aligned_zeros
from physnn.machine import on_one_blas_thread
from physnn.networks.pde.operators import folded
from physnn.networks.pde.streams import PointTable

Named = Mapping[str, np.ndarray]
"""``layer.k.weight`` ``(seeds, inputs, outputs)`` and ``layer.k.bias`` ``(seeds, outputs)`` of all layers."""


@dataclass(frozen=True)
class _Compiled:
    """Set of points as the compiled code wants it."""

    points: np.ndarray
    streams: Streams
    residuals: Residuals

    @property
    def count(self) -> int:
        """Streams that go through a network."""
        return 1 + int(self.streams.orders[:, 0].sum()) + bool(self.streams.operator)


class KernelEngine:
    """Losses and gradients of networks with tanh layers and a linear end, by `physnn.kernels.jets.passes`.

    Parameters
    ----------
    tables : sequence of PointTable
        Sets of points.
    dtype : {"float32", "float64"}
        Precision.

    Attributes
    ----------
    streams : list of int
        Streams that go through a network, of every set.
    """

    def __init__(self, tables: Sequence[PointTable], dtype: str = "float32") -> None:
        self.dtype = dtype
        self.sets = [_Compiled(np.ascontiguousarray(t.points, dtype), *folded(t, dtype)) for t in tables]
        self.streams = [one.count for one in self.sets]
        self._space: tuple[tuple[int, ...], PackedNetwork, list[tuple[int, np.ndarray]], np.ndarray] | None = None

    def _spaces(self, widths: tuple[int, ...]) -> tuple[PackedNetwork, list[tuple[int, np.ndarray]], np.ndarray]:
        """Packed network, block and room of every set, and slopes: memory that is used again and again."""
        if self._space is None or self._space[0] != widths:
            itemsize, sizes = np.dtype(self.dtype).itemsize, np.array(widths)
            places = weight_places(sizes, itemsize)
            packed, slopes = (
                aligned_zeros((int(size),), np.dtype(self.dtype)) for size in (places[-1, 2], places[-1, 0])
            )
            network = PackedNetwork(packed, sizes, vectors_of(sizes, itemsize), places, lanes(itemsize))
            blocks = [block_of(len(one.points), one.count) for one in self.sets]
            rooms = [
                aligned_zeros((room_for(sizes, block, one.count, itemsize),), np.dtype(self.dtype))
                for block, one in zip(blocks, self.sets, strict=True)
            ]
            self._space = widths, network, list(zip(blocks, rooms, strict=True)), slopes
        return self._space[1:]

    def losses_and_gradients(self, weights: Named) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Losses of every set, ``(seeds, sets)``, and the gradients of their sum, in the shapes of the weights."""
        names, widths = _order(weights)
        network, spaces, slopes = self._spaces(widths)
        seeds = len(weights[names[0]])
        flat = np.concatenate([weights[name].reshape(seeds, -1) for name in names], axis=1, dtype=self.dtype)
        gradient, losses = np.empty_like(flat), np.empty((seeds, len(self.sets)))
        for r in range(seeds):
            pack_weights(flat[r], network)
            slopes[:] = 0
            for k, (one, (block, room)) in enumerate(zip(self.sets, spaces, strict=True)):
                losses[r, k] = add_gradient(network, one.streams, one.points, one.residuals, block, room, slopes)
            unpack_slopes(slopes, network, gradient[r])
        ends = np.cumsum([weights[name][0].size for name in names])[:-1]
        parts = np.split(gradient, ends, axis=1)
        return losses, {name: part.reshape(weights[name].shape) for name, part in zip(names, parts, strict=True)}

    @on_one_blas_thread
    def values(self, weights: Named, points: np.ndarray) -> np.ndarray:
        """Outputs at points ``(n, inputs)``: ``(seeds, n, outputs)``."""
        names, h = _order(weights)[0], np.asarray(points, self.dtype)
        for k in range(0, len(names), 2):
            h = (np.tanh(h) if k else h) @ weights[names[k]] + weights[names[k + 1]][:, None]
        return h


def _order(weights: Named) -> tuple[list[str], tuple[int, ...]]:
    """Names layer after layer, and the widths from the inputs to the outputs."""
    names = [f"layer.{k}.{part}" for k in range(len(weights) // 2) for part in ("weight", "bias")]
    widths = weights[names[0]].shape[1], *(weights[name].shape[2] for name in names[::2])
    return names, widths
