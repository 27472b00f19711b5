"""Where the cells of a layer lie in the image: computed from the paddings and strides that a network really uses.

A layer of a convolutional network is a grid of cells.  Cell i of an axis is centred at pixel ``start + step * i``: the
middle of the pixels that it sees, wherever these lie beyond the border.  A convolution with kernel k, stride s,
dilation d and p cells of padding on the left takes (start, step) to

    start + step * (d (k - 1) / 2 - p),  step * s,

and all other operations keep it or lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class CellGrid:
    """Centres of the cells along rows and columns, in pixels from the middle of the first one."""

    start: tuple[float, float]
    step: tuple[float, float]

    def moved(self, by: Sequence[float], stride: Sequence[float] = (1, 1)) -> CellGrid:
        """Cells that begin ``by`` cells later, every ``stride`` of them."""
        start = tuple(a + s * float(b) for a, s, b in zip(self.start, self.step, by, strict=True))
        step = tuple(s * float(k) for s, k in zip(self.step, stride, strict=True))
        return CellGrid((start[0], start[1]), (step[0], step[1]))


IMAGE = CellGrid((0.0, 0.0), (1.0, 1.0))
"""Cells of the image itself."""


def _two(value: Any) -> tuple[int, int]:
    """A number for rows and columns, or one for both."""
    both = (value, value) if isinstance(value, int) else tuple(value) * (2 if len(value) == 1 else 1)
    return int(both[0]), int(both[1])


def _window(cells: CellGrid, kernel: Any, stride: Any, padding: Any, dilation: Any) -> CellGrid:
    ks, ds = _two(kernel), _two(dilation)
    if padding == "same":
        ps = tuple((d * (k - 1)) // 2 for k, d in zip(ks, ds, strict=True))
    else:
        ps = (0, 0) if padding == "valid" else _two(padding)
    return cells.moved([d * (k - 1) / 2 - p for k, d, p in zip(ks, ds, ps, strict=True)], _two(stride))


def _convolved(cells: CellGrid, x: Tensor, weight: Tensor, bias: Any = None, *more: Any, **named: Any) -> CellGrid:
    words = dict(zip(("stride", "padding", "dilation", "groups"), more, strict=False)) | named
    window = words.get("stride", 1), words.get("padding", 0), words.get("dilation", 1)
    return _window(cells, weight.shape[2:], *window)


def _pooled(cells: CellGrid, x: Tensor, kernel_size: Any, *more: Any, **named: Any) -> CellGrid:
    words = dict(zip(("stride", "padding", "dilation"), more, strict=False)) | named
    stride = words.get("stride") or kernel_size
    return _window(cells, kernel_size, stride, words.get("padding", 0), words.get("dilation", 1))


def _averaged(cells: CellGrid, x: Tensor, kernel_size: Any, *more: Any, **named: Any) -> CellGrid:
    words = dict(zip(("stride", "padding"), more, strict=False)) | named
    return _window(cells, kernel_size, words.get("stride") or kernel_size, words.get("padding", 0), 1)


def _adaptive(cells: CellGrid, x: Tensor, output_size: Any, *more: Any, **named: Any) -> CellGrid | None:
    sides = [n if k is None else k for k, n in zip(_two_or_none(output_size), x.shape[2:], strict=True)]
    if any(n % k for n, k in zip(x.shape[2:], sides, strict=True)):
        return None  # windows of several widths
    kernel = [n // k for n, k in zip(x.shape[2:], sides, strict=True)]
    return _window(cells, kernel, kernel, 0, 1)


def _two_or_none(value: Any) -> tuple[Any, Any]:
    return (value, value) if value is None or isinstance(value, int) else (value[0], value[1])


def _padded(cells: CellGrid, x: Tensor, pad: Sequence[int], *more: Any, **named: Any) -> CellGrid | None:
    if len(pad) > 4 and any(pad[4:]):
        return None
    above = pad[2] if len(pad) > 2 else 0
    return cells.moved((-above, -pad[0]))


RULES: Mapping[Callable[..., Any], Callable[..., CellGrid | None]] = {
    torch.conv2d: _convolved,
    functional.conv2d: _convolved,
    functional.max_pool2d: _pooled,
    torch.max_pool2d: _pooled,
    functional.avg_pool2d: _averaged,
    functional.adaptive_avg_pool2d: _adaptive,
    functional.adaptive_max_pool2d: _adaptive,
    functional.pad: _padded,
}
"""What operations do to the cells of their first argument."""


class Geometry(TorchFunctionMode):
    """While this is entered, tensors carry where their cells lie, from an image on that was `placed`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, and hand on the cells of its arguments."""
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if not isinstance(found, Tensor) or found.ndim != 4:
            return found
        with torch._C.DisableTorchFunction():
            tensors = [a for arg in args for a in (arg if isinstance(arg, list | tuple) else [arg])]
            known = [(a, a.cells) for a in tensors if isinstance(a, Tensor) and hasattr(a, "cells")]
            if func in RULES:
                x = args[0] if args else kwargs.get("input")
                before = getattr(x, "cells", None)
                rest = {k: v for k, v in kwargs.items() if k != "input"}
                after = None if before is None else RULES[func](before, x, *args[1:], **rest)
            else:
                after = next((cells for a, cells in known if a.shape[2:] == found.shape[2:]), None)
            if after is not None:
                found.cells = after  # type: ignore[attr-defined]
            elif hasattr(found, "cells"):
                del found.cells
        return found


def placed_layers(network: nn.Module, images: Tensor) -> dict[str, tuple[CellGrid, tuple[int, ...]]]:
    """Cells and shape ``(channels, rows, columns)`` of every layer whose output is a map over the image, by name.

    Layers come in the order of first use.  Those whose cells are lost on the way, by resizing say, are left out.
    """
    found: dict[str, tuple[CellGrid, tuple[int, ...]]] = {}

    def keep(name: str, out: Any) -> None:
        if isinstance(out, Tensor) and out.ndim == 4 and hasattr(out, "cells"):
            found.setdefault(name, (out.cells, tuple(out.shape[1:])))

    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: keep(name, out))
        for name, layer in network.named_modules()
        if name
    ]
    images = images.detach().clone()
    images.cells = IMAGE  # type: ignore[attr-defined]
    try:
        with torch.no_grad(), Geometry():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found
