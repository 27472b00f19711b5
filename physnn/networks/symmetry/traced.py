"""Finding the symmetries of a loss in the weights of a network: from the graph of its operations, layer by layer."""

from __future__ import annotations

import copy
import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from physnn.errors import InputError
from physnn.networks.symmetry.charges import Charge, ChargePart

LINEAR_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMALISATIONS = {
    nn.BatchNorm1d: "batch",
    nn.BatchNorm2d: "batch",
    nn.BatchNorm3d: "batch",
    nn.InstanceNorm1d: "instance",
    nn.InstanceNorm2d: "instance",
    nn.InstanceNorm3d: "instance",
    nn.GroupNorm: "group",
    nn.LayerNorm: "layer",
}
"""Normalisations, each with how it takes means: over images and places, places, groups of channels, or last axes."""
UNCHANGING = {"Identity", "contiguous", "clone"}
"""Operations that change nothing."""
MEANS = {f"{kind}{n}d" for kind in ("AvgPool", "AdaptiveAvgPool", "avg_pool", "adaptive_avg_pool") for n in (1, 2, 3)}
"""Means over places."""
HOMOGENEOUS = {"ReLU", "LeakyReLU", "Dropout", "relu", "relu_", "leaky_relu", "dropout"} | {
    f"{kind}{n}d" for kind in ("Dropout", "dropout") for n in (1, 2, 3)
}
"""Operations that take a x to a times what they take x to, for a > 0 and each number by itself."""
MAXIMA = {f"{kind}{n}d" for kind in ("MaxPool", "AdaptiveMaxPool", "max_pool", "adaptive_max_pool") for n in (1, 2, 3)}
"""The same for each channel by itself."""
FLATTENING = {"Flatten", "flatten"}


@dataclass(frozen=True)
class _Layer:
    """Weights of a linear layer, or gains and shifts of a normalisation, by the names of their arrays."""

    place: str
    weight: str
    bias: str | None
    shape: tuple[int, ...]
    convolves: bool = False
    groups: int = 1
    gains: bool = False
    last: bool = False

    @property
    def units(self) -> int:
        return self.shape[0]

    @property
    def arrays(self) -> list[str]:
        return [name for name in (self.weight, self.bias) if name]

    def outgoing(self) -> tuple[ChargePart, ...]:
        """Weights into every unit, with its constant."""
        rest = math.prod(self.shape) // self.units
        sizes = {self.weight: rest, self.bias: 1}
        return tuple(ChargePart(name, 1, (1, self.units, sizes[name])) for name in self.arrays)

    def grouped(self, groups: int, whole: bool) -> tuple[ChargePart, ...]:
        """Weights of groups of units, with their constants if ``whole``."""
        sizes = {self.weight: math.prod(self.shape) // groups, self.bias: self.units // groups}
        return tuple(ChargePart(name, 1, (1, groups, sizes[name])) for name in self.arrays[: 2 if whole else 1])


@dataclass(frozen=True)
class _Flow:
    """Where a layer's units are in the values that go on from it, and what was done to them since."""

    shape: tuple[int, ...]
    axis: int
    places: int = 1
    linear: bool = True


class _Shapes(fx.Interpreter):
    """Run of a graph that notes the shapes of all values."""

    def run_node(self, n: fx.Node) -> Any:
        """Result of one operation."""
        found = super().run_node(n)
        if isinstance(found, Tensor):
            n.meta["shape"] = tuple(found.shape)
        return found


def charges_of(network: nn.Module, inputs: Tensor, *, softmax: bool = True) -> tuple[Charge, ...]:
    """Charges of learning of a network, from the symmetries that its layers give the loss; see `Charge`.

    Parameters
    ----------
    network : Module
        Any network that ``torch.fx`` can trace; it is not changed.
    inputs : Tensor
        Some inputs as the network takes them, at least two; only their shape counts.
    softmax : bool
        Whether the loss is a cross-entropy of softmax: it does not change if all logits of an input do alike.

    Returns
    -------
    tuple of Charge
        In the order of the layers: weights before a normalisation, pairs of layers between which each channel goes
        through ReLU, pooling or nothing by itself, and a last linear layer.  Weights that are used more than once, or
        not trained, are in none.

    Raises
    ------
    InputError
        If the network cannot be traced, or no layers qualify.
    """
    still = copy.deepcopy(network).eval()
    with torch.no_grad():
        try:
            still(inputs)  # by itself first: an error in a graph's interpreter loads torch's compiler
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise InputError(f"the network does not take such inputs: {_first_line(error)}") from None
        traced = _trace(still)
        _Shapes(traced).run(inputs)
    finder = _Finder(traced, _single_use(network, traced))
    found = tuple(finder.found(softmax))
    if not found:
        raise InputError(
            "no charge of learning is known for these layers: none is before a normalisation, no two have ReLU, "
            "pooling or nothing between them, and the last one is not linear with trained weights of its own"
        )
    return found


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _trace(still: nn.Module) -> fx.GraphModule:
    """Graph of a network's operations; arguments beyond the first keep their defaults."""
    further = list(inspect.signature(still.forward).parameters.values())[1:]
    given = {p.name: p.default for p in further if p.default is not inspect.Parameter.empty}
    try:
        return fx.symbolic_trace(still, given or None)
    except Exception as error:  # whatever its code does with a value that is not there yet
        raise InputError(
            "no charge of learning is known, since the layers cannot be followed: the code of the network looks at "
            f"values on their way ({_first_line(error)[:80]})"
        ) from None


def _single_use(network: nn.Module, traced: fx.GraphModule) -> set[str]:
    """Names of trained arrays that are used once and have one name."""
    uses: Counter[str] = Counter()
    for node in traced.graph.nodes:
        if node.op == "call_module":
            uses.update(f"{node.target}.{name}" for name, _ in traced.get_submodule(node.target).named_parameters())
        elif node.op == "get_attr":
            uses[str(node.target)] += len(node.users)
    named = dict(network.named_parameters(remove_duplicate=False))
    names: Counter[int] = Counter(id(values) for values in named.values())
    return {n for n, values in named.items() if uses[n] == 1 and names[id(values)] == 1 and values.requires_grad}


class _Finder:
    """Charges of a graph."""

    def __init__(self, traced: fx.GraphModule, usable: set[str]) -> None:
        self.traced, self.usable = traced, usable

    def found(self, softmax: bool) -> Iterator[Charge]:
        """Charges of every layer, in the order of the graph."""
        for node in self.traced.graph.nodes:
            layer = self._layer(node)
            shape = node.meta.get("shape", ())
            if layer is None or not set(layer.arrays) <= self.usable or len(shape) < 2:
                continue
            if layer.convolves and len(shape) != len(layer.shape):
                continue  # a single image, whose channels come first
            end, flow = self._follow(node, _Flow(shape, len(shape) - 1 if layer.last else 1))
            if end is None:
                continue
            if end.op == "output":
                if softmax and end.args[0] is node and len(shape) == 2 and not layer.gains:
                    yield from _translations(layer)
            elif (norm := self._normalisation(end)) is not None and not layer.gains:
                yield from _scales(layer, flow, norm)
            elif (other := self._layer(end)) is not None and {other.weight} <= self.usable:
                yield from _pairs(layer, flow, other)

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.traced.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _normalisation(self, node: fx.Node) -> nn.Module | None:
        module = self._module(node)
        return module if type(module) in NORMALISATIONS else None

    def _layer(self, node: fx.Node) -> _Layer | None:
        """Layer of a node: a linear one, as a module or a function of arrays, or gains of a normalisation."""
        module, name = self._module(node), str(node.target)
        if module is None:
            return _of_function(node)
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        shift = None if bias is None else f"{name}.bias"
        if isinstance(weight, Tensor) and type(module) in LINEAR_LAYERS:
            linear, groups = isinstance(module, nn.Linear), int(getattr(module, "groups", 1))
            return _Layer(name, f"{name}.weight", shift, tuple(weight.shape), not linear, groups, last=linear)
        if isinstance(weight, Tensor) and type(module) in NORMALISATIONS and weight.ndim == 1:
            last = NORMALISATIONS[type(module)] == "layer"
            return _Layer(name, f"{name}.weight", shift, tuple(weight.shape), gains=True, last=last)
        return None

    def _follow(self, node: fx.Node, flow: _Flow) -> tuple[fx.Node | None, _Flow]:
        """First node after a layer that does not treat all its channels alike, and how these come to it."""
        while True:
            users = list(node.users)
            if len(users) != 1:
                return None, flow
            after = users[0]
            module = self._module(after)
            name = type(module).__name__ if module is not None else _name_of(after)
            shape = after.meta.get("shape", ())
            if after.op == "output" or not shape or (module is not None and not _of_torch(module)):
                return after, flow
            channels_stay = flow.axis == 1 and flow.places == 1 and len(flow.shape) > 2
            mean = name in MEANS or (name == "mean" and len(shape) == 2 and _over_places(after, len(flow.shape)))
            if name in UNCHANGING or (mean and channels_stay):
                flow = replace(flow, shape=shape)
            elif name in HOMOGENEOUS or (name in MAXIMA and channels_stay):
                flow = replace(flow, shape=shape, linear=False)
            elif name in FLATTENING and len(shape) == 2 and flow.axis == 1:
                flow = replace(flow, shape=shape, places=flow.places * math.prod(flow.shape[2:]))
            else:
                return after, flow
            node = after


def _of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn")


def _name_of(node: fx.Node) -> str:
    """Name of a function or method."""
    if node.op == "call_method":
        return str(node.target)
    target = node.target
    name: str = getattr(target, "__name__", "") if isinstance(target, Callable) else ""  # type: ignore[arg-type]
    return name


def _of_function(node: fx.Node) -> _Layer | None:
    """Linear layer of a function of two arrays of the network."""
    name = _name_of(node)
    if node.op != "call_function" or name not in ("linear", "conv1d", "conv2d", "conv3d"):
        return None
    given = [*node.args[1:3], *[node.kwargs[key] for key in ("weight", "bias") if key in node.kwargs], None]
    arrays = [array for array in given[:2] if array is not None]
    if not all(isinstance(array, fx.Node) and array.op == "get_attr" for array in arrays):
        return None
    if not arrays or "groups" in node.kwargs or len(node.args) > 6:
        return None
    names = [str(array.target) for array in arrays if isinstance(array, fx.Node)]
    shape = next(tuple(array.meta["shape"]) for array in arrays if isinstance(array, fx.Node))
    place, bias, linear = names[0].removesuffix(".weight"), [*names, None][1], name == "linear"
    return _Layer(place, names[0], bias, shape, not linear, last=linear)


def _over_places(node: fx.Node, axes: int) -> bool:
    """Whether a mean goes over all axes from the third on."""
    taken = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    one = [taken] if isinstance(taken, int) else taken
    known = isinstance(one, tuple | list) and all(isinstance(a, int) for a in one)
    return known and sorted(a % axes for a in one) == list(range(2, axes))  # type: ignore[operator, union-attr]


def _translations(layer: _Layer) -> Iterator[Charge]:
    """Sums over classes of a last layer's weights and constants."""
    classes, rest = layer.units, math.prod(layer.shape) // layer.units
    yield Charge("translation", layer.weight, (ChargePart(layer.weight, 1, (classes, rest, 1)),))
    if layer.bias:
        yield Charge("translation", layer.bias, (ChargePart(layer.bias, 1, (classes, 1, 1)),))


def _scales(layer: _Layer, flow: _Flow, norm: nn.Module) -> Iterator[Charge]:
    """Lengths of weights before a normalisation, and constants that it takes away."""
    kind, groups = NORMALISATIONS[type(norm)], layer.units
    if kind == "layer":
        covered = len(flow.shape) - len(norm.normalized_shape)  # type: ignore[arg-type]
        groups = 1 if flow.axis >= covered else layer.units
    elif flow.axis != 1 or (kind != "batch" and (flow.places > 1 or (kind == "instance" and len(flow.shape) < 3))):
        return
    elif kind == "group":
        groups = int(norm.num_groups)  # type: ignore[arg-type]
    # A constant of a channel is taken away with the mean of that channel; a mean over more leaves what differs.
    free = flow.linear and layer.bias is not None and groups == layer.units
    yield Charge("scale", layer.place, layer.grouped(groups, whole=not free))
    if flow.linear and layer.bias:
        part = ChargePart(layer.bias, 1, (1, groups, layer.units // groups))
        yield Charge("translation", layer.bias, (part,))


def _pairs(first: _Layer, flow: _Flow, second: _Layer) -> Iterator[Charge]:
    """Balance of the weights into and out of every unit between two layers."""
    if second.gains or second.groups > 1 or (second.convolves and (flow.axis != 1 or flow.places > 1)):
        return
    if not second.convolves and flow.axis != len(flow.shape) - 1:
        return
    inputs = second.shape[1]
    if inputs != first.units * flow.places:
        return
    after = math.prod(second.shape) // (second.units * first.units)
    parts = (*first.outgoing(), ChargePart(second.weight, -1, (second.units, first.units, after)))
    free = flow.linear and not first.gains and first.groups == 1
    yield Charge("rotation" if free else "rescaling", f"{first.place}-{second.place}", parts)
