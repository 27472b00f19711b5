"""Networks made faster without another result: normalisations in the weights, activations in the convolutions.

A convolution that batch normalisation follows is one convolution, with weights ``g w / s`` and constants
``b - g m / s`` for normalisation (g, b), mean m and ``s = sqrt(variance + epsilon)``.  oneDNN clamps what it has just
computed, so that no layer goes through memory twice; maps are kept with channels last.  A block whose inner maps are
large takes so few images at once that what one convolution wrote is still in the cache when the next one reads it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.networks.pretrained.circular import wrapped
from physnn.networks.pretrained.lite import InvertedResidual, SameConv

FUSED: dict[type[nn.Module], tuple[str, tuple[float, ...]]] = {
    nn.ReLU: ("relu", ()),
    nn.ReLU6: ("hardtanh", (0.0, 6.0)),
}
"""Activations that a convolution may end with, in oneDNN's words."""
CACHE_BYTES = 2**22
"""Bytes of maps, before and after one convolution, that are taken for what a processor's cache holds of them."""
MOST_IN_A_BLOCK = 6
"""Convolutions of a block that takes few images at once, at most: the widest of them says how few."""


class Folded(nn.Module):
    """A convolution with normalisation and activation in one."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, activation: nn.Module | None, wraps: bool) -> None:
        super().__init__()
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        if norm is not None:
            assert norm.running_mean is not None and norm.running_var is not None
            scale = torch.rsqrt(norm.running_var.double() + norm.eps)
            scale = scale if norm.weight is None else scale * norm.weight.double()
            shift = -norm.running_mean.double() if bias is None else bias.double() - norm.running_mean.double()
            bias = (shift * scale + (0 if norm.bias is None else norm.bias.double())).float().detach()
            weight = (weight.double() * scale[:, None, None, None]).float().detach()
        if bias is None:
            bias = torch.zeros(len(weight))
        self.weight, self.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.same, self.padding, self.wraps = isinstance(conv, SameConv), _numbers(conv), wraps
        self.name, self.limits = FUSED[type(activation)] if activation is not None else ("none", ())
        self.packed: dict[tuple[int, ...], Tensor] = {}
        # A row of zeros above and left of a kernel moves it by one cell: then uneven paddings need no copy of the map.
        self.grown = nn.Parameter(functional.pad(weight, (1, 0, 1, 0)), False) if self.same else None

    def forward(self, x: Tensor) -> Tensor:
        """Values after the activation."""
        left, right, above, below = around(x, self) if self.same else self.padding
        padding, weight = [above, left], self.weight
        if self.wraps:
            x, padding = wrapped(x, (left, right, above, below)), [0, 0]
        elif self.grown is not None and (right - left, below - above) == (1, 1):
            padding, weight = [above + 1, left + 1], self.grown
        elif left != right or above != below:
            x, padding = functional.pad(x, (left, right, above, below)), [0, 0]
        if x.is_cuda or not torch.backends.mkldnn.is_available():
            found = functional.conv2d(x, weight, self.bias, self.stride, padding, self.dilation, self.groups)
            return self._clamped(found)
        words = (self.stride, self.dilation, self.groups)
        shape = (*x.shape, *padding)
        if shape not in self.packed:  # weights in the order that oneDNN wants for images of this shape
            one = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, *words, list(x.shape))
            self.packed = {shape: one}
        told = (padding, *words, self.name, list(self.limits), "")
        found = torch.ops.mkldnn._convolution_pointwise(x, self.packed[shape], self.bias, *told)
        return cast("Tensor", found)

    def _clamped(self, values: Tensor) -> Tensor:
        if self.name == "none":
            return values
        return functional.relu(values, inplace=True) if self.name == "relu" else values.clamp_(*self.limits)


class FewAtOnce(nn.Module):
    """A block of convolutions that takes as many images at once as its maps stay in the cache."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.together: dict[tuple[int, ...], int] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Values of the block."""
        if len(x) == 1 or x.is_cuda:
            return cast("Tensor", self.block(x))
        shape = tuple(x.shape[1:])
        if shape not in self.together:
            self.together[shape] = max(1, CACHE_BYTES // self._widest(x[:1]))
        few = self.together[shape]
        return torch.cat([self.block(part) for part in x.split(few)]) if few < len(x) else cast("Tensor", self.block(x))

    def _widest(self, image: Tensor) -> int:
        """Bytes before and after one convolution, at most, of an image."""
        found: list[int] = []

        def seen(_: nn.Module, given: tuple[Tensor], out: Tensor) -> None:
            found.append(given[0].nbytes + out.nbytes)

        inner = [layer for layer in self.block.modules() if isinstance(layer, Folded)]
        hooks = [layer.register_forward_hook(seen) for layer in inner]
        try:
            self.block(image)
        finally:
            for hook in hooks:
                hook.remove()
        return max(found)


PURE_MODULES = (Folded, InvertedResidual, nn.Sequential, nn.Identity, nn.BatchNorm2d, nn.ReLU, nn.ReLU6)
"""What a block may be made of that takes few images at once: none of them lets one image see another."""


def _in_few(parent: nn.Module, prefix: str, asked: Collection[str]) -> None:
    """Let the blocks of a network take few images at once: the largest ones that have not too many convolutions."""
    for name, child in list(parent._modules.items()):
        if child is None:
            continue
        inside, path = list(child.modules()), f"{prefix}{name}."
        count = sum(isinstance(layer, Folded) for layer in inside)
        safe = all(type(layer) in PURE_MODULES for layer in inside) and not any(one.startswith(path) for one in asked)
        if safe and 1 < count <= MOST_IN_A_BLOCK:
            parent._modules[name] = FewAtOnce(child)
        else:
            _in_few(child, path, asked)


def around(x: Tensor, layer: Any) -> tuple[int, int, int, int]:
    """Padding of a `SameConv`, for what has its weights and strides: left, right, above and below."""
    found = []
    for n, s, k in zip(x.shape[:1:-1], layer.stride[::-1], layer.weight.shape[:1:-1], strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        found += [total // 2, total - total // 2]
    return found[0], found[1], found[2], found[3]


def _numbers(conv: nn.Conv2d) -> tuple[int, int, int, int]:
    """Padding of a convolution: left, right, above and below."""
    if isinstance(conv.padding, str):
        if conv.padding == "valid":
            return 0, 0, 0, 0
        rows, columns = (d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
        return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
    above, left = conv.padding
    return left, left, above, above


def folded_network(network: nn.Module, asked: Collection[str] = (), wraps: bool = False) -> nn.Module:
    """A copy of a network whose layers of these names have the same values, found faster.

    Parameters
    ----------
    network : Module
        In evaluation mode.  Only what stands in a row of an ``nn.Sequential`` is folded.
    asked : collection of str
        Layers whose own values will be looked at; what would change them is left as it is.
    wraps : bool
        Whether paddings of what is folded are circular; others need `CircularPadding` then, as they do anyway.
    """
    found = copy.deepcopy(network)
    for name, layer in list(found.named_modules()):
        if isinstance(layer, nn.Sequential):
            _fold_row(layer, f"{name}." if name else "", asked, wraps)
    _in_few(found, "", asked)
    return found.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _fold_row(row: nn.Sequential, prefix: str, asked: Collection[str], wraps: bool) -> None:
    names = list(row._modules)
    layers = [row._modules[name] for name in names]
    k = 0
    while k < len(layers):
        conv, taken = layers[k], 1
        k += 1
        if type(conv) not in (nn.Conv2d, SameConv) or cast("nn.Conv2d", conv).padding_mode != "zeros":
            continue
        norm = layers[k] if k < len(layers) and isinstance(layers[k], nn.BatchNorm2d) else None
        taken += norm is not None
        last = k - 1 + taken
        activation = layers[last] if last < len(layers) and type(layers[last]) in FUSED else None
        taken += activation is not None
        if any(prefix + name in asked for name in names[k - 1 : k - 2 + taken]):
            continue  # values between would be others
        whole = Folded(cast("nn.Conv2d", conv), cast("nn.BatchNorm2d | None", norm), activation, wraps)
        row._modules[names[k - 1]] = whole
        for name in names[k : k - 1 + taken]:
            row._modules[name] = nn.Identity()
        k += taken - 1


def untrained_copy(network: nn.Module, numbers: Any) -> nn.Module:
    """A copy of a network with weights from a generator: normal, of variance 2 / fan in; normalisations do nothing."""
    found = copy.deepcopy(network)
    with torch.no_grad():
        for layer in found.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                scale = (2 / layer.weight[0].numel()) ** 0.5
                drawn = scale * numbers.standard_normal(tuple(layer.weight.shape))
                layer.weight.copy_(torch.from_numpy(drawn).float())
                if layer.bias is not None:
                    layer.bias.zero_()
    return found.eval()


def in_order(names: Sequence[str], network: nn.Module) -> tuple[str, ...]:
    """Names of layers, each once, in the order of the network's own list."""
    there = {name: k for k, (name, _) in enumerate(network.named_modules())}
    return tuple(sorted(dict.fromkeys(names), key=lambda name: there[name]))
