"""Losses of differential equations and their gradients by torch: derivatives go forwards through the layers.

Networks of several seeds lie side by side.  A layer carries the value and the derivatives that `closed` lists, each
stacked below the other, so that one product serves all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from physnn.networks.pde.equations import ALL_SPACE
from physnn.networks.pde.streams import PointTable

PlainWeights = Mapping[str, np.ndarray]
"""``layer.k.weight`` ``(seeds, inputs, outputs)`` and ``layer.k.bias`` ``(seeds, outputs)`` of all layers."""


class StackedEngine:
    """Losses and gradients of networks with tanh layers and a linear end.

    Parameters
    ----------
    tables : sequence of PointTable
        Sets of points.
    dtype : {"float32", "float64"}
        Precision.
    device : str
        Where it runs.
    """

    def __init__(self, tables: Sequence[PointTable], dtype: str = "float32", device: str = "cpu") -> None:
        self.tables, self.device = tables, torch.device(device)
        self.dtype: torch.dtype = getattr(torch, dtype)
        self.arrays = [[self._tensor(a) for a in (t.points, t.coefficients, t.targets)] for t in tables]

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)

    def losses_and_gradients(self, weights: PlainWeights) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Losses of every set, ``(seeds, sets)``, and the gradients of their sum, in the shapes of the weights."""
        own = {name: self._tensor(values).requires_grad_() for name, values in weights.items()}
        losses = torch.stack(
            [self._loss(own, t, *arrays) for t, arrays in zip(self.tables, self.arrays, strict=True)], 1
        )
        losses.sum().backward()
        found = {name: w.grad.cpu().numpy() for name, w in own.items() if w.grad is not None}
        return losses.detach().cpu().numpy(), found

    @torch.no_grad()
    def values(self, weights: PlainWeights, points: np.ndarray) -> np.ndarray:
        """Outputs at points ``(n, inputs)``: ``(seeds, n, outputs)``."""
        own = {name: self._tensor(values) for name, values in weights.items()}
        only = np.zeros(1, int)
        return jets(own, self._tensor(points), only, only, only)[:, 0].cpu().numpy()

    def _loss(self, weights: Mapping[str, Tensor], t: PointTable, x: Tensor, c: Tensor, targets: Tensor) -> Tensor:
        found = jets(weights, x, t.axes, t.orders, t.space)
        rows = [-target for target in targets]
        for k, row in enumerate(t.equation):
            product = torch.ones_like(c[k])
            for stream, output in zip(t.streams[k], t.outputs[k], strict=True):
                if stream >= 0:
                    product = product * found[:, stream, :, output]
            rows[row] = rows[row] + c[k] * (torch.sin(product) if t.sine[k] else product)
        return t.weight * torch.stack([(row**2).mean(-1) for row in rows]).sum(0)


def jets(weights: Mapping[str, Tensor], x: Tensor, axes: np.ndarray, orders: np.ndarray, space: np.ndarray) -> Tensor:
    """Value and derivatives of networks at points.

    Parameters
    ----------
    weights : mapping
        As `PlainWeights`, of tensors.
    x : Tensor, shape (n, inputs)
        Points.
    axes, orders, space : ndarray of int
        Streams, see `physnn.networks.pde.streams.PointTable`.

    Returns
    -------
    Tensor
        ``(seeds, streams, n, outputs)``.
    """
    place = {(int(a), int(k)): row for row, (a, k) in enumerate(zip(axes, orders, strict=True))}
    first, depth, zero = weights["layer.0.weight"], len(weights) // 2, None
    z = [torch.baddbmm(weights["layer.0.bias"][:, None], x.expand(len(first), -1, -1), first)]
    for axis, order in [*place][1:]:
        zero = torch.zeros_like(z[0]) if zero is None else zero
        z.append(first[:, axis, None].expand_as(z[0]) if order == 1 else zero)
    for k in range(1, depth):
        h = torch.stack(_through_tanh(z, place, space), 1)
        out = torch.bmm(h.flatten(1, 2), weights[f"layer.{k}.weight"]).unflatten(1, h.shape[1:3])
        z = [out[:, 0] + weights[f"layer.{k}.bias"][:, None], *out.unbind(1)[1:]]
    return torch.stack(z, 1)


def _through_tanh(z: list[Tensor], place: Mapping[tuple[int, int], int], space: np.ndarray) -> list[Tensor]:
    """Streams of tanh(z) from those of z, by the formula of Faa di Bruno."""
    t = torch.tanh(z[0])
    f1 = 1 - t * t
    f2 = -2 * t * f1
    found = [t]
    for axis, order in [*place][1:]:
        own = z[place[axis, order]]
        if axis == ALL_SPACE:
            squares = sum(z[place[int(a), 1]] ** 2 for a in space)
            found.append(f2 * squares + f1 * own)
            continue
        z1, z2, z3 = (z[place[axis, k]] if k < order else own for k in (1, 2, 3))
        if order == 1:
            found.append(f1 * own)
        elif order == 2:
            found.append(f2 * z1**2 + f1 * own)
        elif order == 3:
            found.append(f1 * (6 * t * t - 2) * z1**3 + 3 * f2 * z1 * z2 + f1 * own)
        else:
            f3, f4 = f1 * (6 * t * t - 2), t * f1 * (16 - 24 * t * t)
            found.append(f4 * z1**4 + 6 * f3 * z1**2 * z2 + f2 * (3 * z2**2 + 4 * z1 * z3) + f1 * own)
    return found
