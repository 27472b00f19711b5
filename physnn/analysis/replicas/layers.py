"""Weights of replicas, stacked, and the chain of layers that they belong to.

Weights are mappings ``{"conv1.weight": (R, units, inputs, ...), "conv1.bias": (R, units), ...}`` with a leading axis
of R replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physnn.errors import InputError

Weights = dict[str, np.ndarray]
"""Arrays by name, each of shape (replicas, units, ...)."""
NORM_STATISTICS = ("running_mean", "running_var")
"""Arrays of batch normalisation, one number per unit, that no optimiser moves."""
COUNTER = "num_batches_tracked"
"""Array of batch normalisation with one number per replica, which is passed through."""


@dataclass(frozen=True)
class Layer:
    """One layer of a chain; its units are the second axis of ``weight``, its inputs the third.

    Attributes
    ----------
    name : str
        Its arrays are ``name.weight`` and, where there is one, ``name.bias``.
    activation : {"relu", "tanh", "none"}
        Activation after the layer; "none" is for the last layer only.
    pool : {"none", "max", "mean"}
        Pooling after the activation.
    positions : int
        Inputs that each unit of the layer before feeds, next to each other: height x width where (channels, height,
        width) is flattened before a dense layer, copies of a unit in a group convolution, else 1.
    norm : str
        Name of a batch normalisation between weights and activation, or "".
    """

    name: str
    activation: str = "relu"
    pool: str = "none"
    positions: int = 1
    norm: str = ""

    @property
    def signs(self) -> bool:
        """True if the sign of a unit is a gauge freedom."""
        return self.activation == "tanh" and self.pool != "max"

    @property
    def affine(self) -> tuple[str, str]:
        """Arrays that the input of the activation is proportional to."""
        name = self.norm or self.name
        return f"{name}.weight", f"{name}.bias"

    @property
    def before_norm(self) -> tuple[str, ...]:
        """Arrays that change sign with the gain of the batch normalisation."""
        return f"{self.name}.weight", f"{self.name}.bias", f"{self.norm}.running_mean"

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays with the units as their second axis, whether present or not."""
        norm = tuple(f"{self.norm}.{part}" for part in ("weight", "bias", *NORM_STATISTICS)) if self.norm else ()
        return f"{self.name}.weight", f"{self.name}.bias", *norm

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the arrays that an optimiser moves."""
        return tuple(name for name in self.arrays if not name.endswith(NORM_STATISTICS))


def trained_arrays(weights: Mapping[str, np.ndarray]) -> Weights:
    """Arrays that an optimiser moves: all but statistics and counters of batch normalisations."""
    return {name: np.asarray(a) for name, a in weights.items() if not name.endswith((*NORM_STATISTICS, COUNTER))}


def replica_count(weights: Mapping[str, np.ndarray]) -> int:
    """Number of replicas; an `InputError` if leading axes differ or a number is not finite."""
    arrays = {name: np.asarray(a) for name, a in weights.items() if not name.endswith(COUNTER)}
    # An array of one axis is more likely the bias of a single network than one number for each of many.
    counts = {len(a) if a.ndim > 1 else 0 for a in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        raise InputError("the arrays of weights have no common leading axis of replicas; stack every array over them")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{name} has numbers that are not finite; leave out replicas whose training diverged")
    return counts.pop()


def copied(weights: Mapping[str, np.ndarray], layers: Sequence[Layer]) -> Weights:
    """Contiguous copy, single precision kept, after a check that the chain describes all arrays."""
    replicas = replica_count(weights)
    if not layers:
        raise InputError("a gauge needs the chain of layers; describe each by a Layer")
    known = {name for layer in layers for name in (*layer.arrays, f"{layer.norm}.{COUNTER}")}
    if unknown := sorted(set(weights) - known):
        raise InputError(f"no layer of the chain has {unknown[0]}; describe all layers, or leave that array out")
    units = None
    for k, layer in enumerate(layers):
        _check_kind(layer, last=k == len(layers) - 1)
        units = _check_shapes(weights, layer, replicas, units)
    return {
        name: np.array(a) if name.endswith(COUNTER) else np.array(a, np.result_type(a, np.float32), order="C")
        for name, a in weights.items()
    }


def _check_shapes(weights: Mapping[str, np.ndarray], layer: Layer, replicas: int, before: int | None) -> int:
    """Number of units of a layer after ``before`` units (None: the input) if its arrays fit."""
    needed = [f"{layer.name}.weight", *([layer.affine[0]] if layer.norm else [])]
    if missing := [name for name in needed if name not in weights]:
        raise InputError(f"the weights have no {missing[0]}, which the chain of layers names")
    shape: tuple[int, ...] = np.shape(weights[needed[0]])
    if len(shape) < 3 or (before is not None and shape[2] != before * layer.positions):
        wanted = "inputs" if before is None else f"{before} x {layer.positions}"
        raise InputError(f"{needed[0]} has the shape {shape}, not (replicas, units, {wanted}, ...)")
    for name in layer.arrays[1:]:
        if name in weights and np.shape(weights[name]) != (replicas, shape[1]):
            raise InputError(f"{name} has the shape {np.shape(weights[name])}, not ({replicas}, {shape[1]})")
    return shape[1]


def _check_kind(layer: Layer, last: bool) -> None:
    known = ("relu", "tanh", "none") if last else ("relu", "tanh")
    if layer.activation not in known:
        raise InputError(f"layer {layer.name} has the activation {layer.activation!r}; known here: {', '.join(known)}")
    if layer.pool not in {"none", "max", "mean"}:
        raise InputError(f"layer {layer.name} has the pooling {layer.pool!r}; known: none, max, mean")
