"""Networks whose images close to a torus: all paddings are circular while this is entered, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def wrapped(x: Tensor, pad: Sequence[int]) -> Tensor:
    """Maps with cells of the opposite sides around them: as many as (left, right, above, below)."""
    return functional.pad(x, tuple(pad), mode="circular") if any(pad) else x


class CircularPadding(TorchFunctionMode):
    """While this is entered, convolutions and pools pad with the opposite side of the map in place of zeros."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, with the padding around its argument beforehand."""
        kwargs = dict(kwargs or {})
        if func in (torch.conv2d, functional.conv2d):
            args, kwargs = _before(args, kwargs, 4, "padding", tuple(args[1].shape[2:]))
        elif func in (functional.max_pool2d, torch.max_pool2d, functional.avg_pool2d):
            args, kwargs = _before(args, kwargs, 3, "padding", args[1])
        elif func is functional.pad and (args[2] if len(args) > 2 else kwargs.get("mode", "constant")) == "constant":
            return wrapped(args[0], _of_image(args[1] if len(args) > 1 else kwargs["pad"]))
        return func(*args, **kwargs)


def _of_image(pad: Sequence[int]) -> tuple[int, ...]:
    """Padding of both axes."""
    return (*pad, *[0] * (4 - len(pad)))[:4]


def _before(
    args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str, kernel: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with the padding, the one at a place or of a name, taken out and put around the first."""
    padding = args[place] if len(args) > place else kwargs.get(name, 0)
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    if padding == "same":
        dilation = args[5] if len(args) > 5 else kwargs.get("dilation", 1)
        down, across = (dilation, dilation) if isinstance(dilation, int) else dilation
        all_rows, all_columns = down * (rows - 1), across * (columns - 1)
        around = (all_columns // 2, all_columns - all_columns // 2, all_rows // 2, all_rows - all_rows // 2)
    else:
        above, left = (0, 0) if padding == "valid" else _both(padding)
        around = (left, left, above, above)
    changed = list(args)
    changed[0] = wrapped(args[0], around)
    if len(changed) > place:
        changed[place] = 0
    else:
        kwargs[name] = 0
    return tuple(changed), kwargs


def _both(padding: Any) -> tuple[int, int]:
    numbers = (padding,) * 2 if isinstance(padding, int) else tuple(padding) * (2 if len(padding) == 1 else 1)
    return int(numbers[0]), int(numbers[1])
