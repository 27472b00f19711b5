"""Gauge fixing of networks: weights that differ but compute the same function are brought to one form.

Hidden units may change places, and a unit's scale may move from its incoming to its outgoing weights: for ReLU by any
positive factor, relu(c x) = c relu(x) with c > 0, for tanh by a sign, tanh(-x) = -tanh(x).  A sign is no symmetry
where units are max-pooled, max(-x) != -max(x).  Batch normalisation between weights and activation adds a sign: that of
the weights before it and of its gain together.  Their scale before it is left alone, since the epsilon in the
denominator breaks that symmetry.

Weights are mappings ``{"conv1.weight": (R, units, inputs, ...), "conv1.bias": (R, units), ...}`` with a leading axis
of R replicas; all is done for the replicas at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from physnn.errors import InputError

Weights = dict[str, np.ndarray]
STATISTICS = ("running_mean", "running_var")
"""Arrays of batch normalisation that no optimiser moves."""
SWEEPS = 100
"""Most sweeps over the layers in an alignment; ten are rarely needed."""
SPREAD = 1.0
"""Standard deviation of the logarithm of factors drawn by `random_gauge`."""


@dataclass(frozen=True)
class Layer:
    """One layer of a chain; its units are the second axis of ``weight``, its inputs the third.

    Attributes
    ----------
    name : str
        Its arrays are ``name.weight`` and, where there is one, ``name.bias``.
    activation : {"relu", "tanh", "none"}
        What follows; "none" is for the last layer only.
    pool : {"none", "max", "mean"}
        Pooling after the activation.
    positions : int
        Inputs that each unit of the layer before feeds, next to each other: height x width where (channels, height,
        width) is flattened before a dense layer, else 1.
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
        """Whether a unit may change its sign."""
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
        """All arrays with the units as their second axis, whether present or not."""
        norm = tuple(f"{self.norm}.{part}" for part in ("weight", "bias", *STATISTICS)) if self.norm else ()
        return f"{self.name}.weight", f"{self.name}.bias", *norm


def replica_count(weights: Mapping[str, np.ndarray]) -> int:
    """Return the number of replicas.

    Raises
    ------
    InputError
        If there are no arrays, their leading axes differ, or a number is not finite.
    """
    counts = {np.shape(a)[0] if np.ndim(a) > 1 else 0 for a in weights.values()}
    if len(counts) != 1 or 0 in counts:
        raise InputError("the arrays of weights have no common leading axis of replicas; stack every array over them")
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise InputError(f"{name} has numbers that are not finite; leave out replicas whose training diverged")
    return counts.pop()


def checked(weights: Mapping[str, np.ndarray], layers: Sequence[Layer]) -> Weights:
    """Return a copy in float64 after a check that the chain describes all arrays.

    Raises
    ------
    InputError
        If an array is missing or not described, shapes do not fit, or a layer is not of a known kind.
    """
    replicas = replica_count(weights)
    if not layers:
        raise InputError("a gauge needs the chain of layers; describe each by a Layer")
    unknown = sorted(set(weights) - {name for layer in layers for name in layer.arrays})
    if unknown:
        raise InputError(f"no layer of the chain has {unknown[0]}; describe all layers, or leave that array out")
    units = None
    for k, layer in enumerate(layers):
        _check_kind(layer, last=k == len(layers) - 1)
        needed = [f"{layer.name}.weight", *([layer.affine[0]] if layer.norm else [])]
        if missing := [name for name in needed if name not in weights]:
            raise InputError(f"the weights have no {missing[0]}, which the chain of layers names")
        shape = np.shape(weights[f"{layer.name}.weight"])
        if len(shape) < 3 or (units is not None and shape[2] != units * layer.positions):
            wanted = "inputs" if units is None else f"{units} x {layer.positions}"
            raise InputError(f"{layer.name}.weight has the shape {shape}, not (replicas, units, {wanted}, ...)")
        units = shape[1]
        for name in layer.arrays[1:]:
            if name in weights and np.shape(weights[name]) != (replicas, units):
                raise InputError(f"{name} has the shape {np.shape(weights[name])}, not ({replicas}, {units})")
    return {name: np.array(array, dtype=float) for name, array in weights.items()}


def _check_kind(layer: Layer, last: bool) -> None:
    known = ("relu", "tanh", "none") if last else ("relu", "tanh")
    if layer.activation not in known:
        raise InputError(f"layer {layer.name} has the activation {layer.activation!r}; known here: {', '.join(known)}")
    if layer.pool not in {"none", "max", "mean"}:
        raise InputError(f"layer {layer.name} has the pooling {layer.pool!r}; known: none, max, mean")


def _along(factor: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Return an array of (replicas, units), shaped to go with another of (replicas, units, ...)."""
    return factor.reshape(factor.shape + (1,) * (array.ndim - 2))


def _outgoing(state: Weights, layers: Sequence[Layer], k: int) -> np.ndarray:
    """Return a view of the weights after a layer, shape (replicas, units after, units, inputs per unit)."""
    after = state[f"{layers[k + 1].name}.weight"]
    units = state[f"{layers[k].name}.weight"].shape[1]
    return after.reshape(*after.shape[:2], units, -1)


def permute_units(state: Weights, layers: Sequence[Layer], k: int, order: np.ndarray) -> None:
    """Put unit ``order[r, j]`` of hidden layer k at place j, in place."""
    out = _outgoing(state, layers, k)
    for name in layers[k].arrays:
        if name in state:
            state[name] = np.take_along_axis(state[name], _along(order, state[name]), axis=1)
    after = f"{layers[k + 1].name}.weight"
    state[after] = np.take_along_axis(out, order[:, None, :, None], axis=2).reshape(state[after].shape)


def scale_units(state: Weights, layers: Sequence[Layer], k: int, factor: np.ndarray) -> None:
    """Multiply what enters the activations of hidden layer k by factors (replicas, units), divide what leaves."""
    for name in layers[k].affine:
        if name in state:
            state[name] = state[name] * _along(factor, state[name])
    after = f"{layers[k + 1].name}.weight"
    state[after] = (_outgoing(state, layers, k) / factor[:, None, :, None]).reshape(state[after].shape)


def flip_before_norm(state: Weights, layer: Layer, sign: np.ndarray) -> None:
    """Change signs (replicas, units) of weights before a batch normalisation, and of its gain."""
    for name in (*layer.before_norm, layer.affine[0]):
        if name in state:
            state[name] = state[name] * _along(sign, state[name])


def _joined(state: Weights, names: Sequence[str]) -> np.ndarray:
    """Return the numbers of each unit in some arrays, shape (replicas, units, numbers)."""
    arrays = [state[name] for name in names if name in state]
    return np.concatenate([a.reshape(*a.shape[:2], -1) for a in arrays], axis=2)


def _trained(layer: Layer) -> list[str]:
    return [name for name in layer.arrays if not name.endswith(STATISTICS)]


def _positive_gain(state: Weights, layer: Layer) -> None:
    if layer.norm:
        flip_before_norm(state, layer, np.where(state[layer.affine[0]] < 0, -1.0, 1.0))


def _canonical_layer(state: Weights, layers: Sequence[Layer], k: int) -> None:
    layer = layers[k]
    if layer.activation == "relu":
        norm = np.linalg.norm(_joined(state, layer.affine), axis=2)
        # A unit without incoming weights has no scale to move.
        scale_units(state, layers, k, 1 / np.where(norm > 0, norm, 1.0))
    if layer.signs:
        incoming = _joined(state, [f"{layer.name}.weight", f"{layer.name}.bias"])
        largest = np.take_along_axis(incoming, np.abs(incoming).argmax(axis=2)[..., None], axis=2)[..., 0]
        scale_units(state, layers, k, np.where(largest < 0, -1.0, 1.0))
    _positive_gain(state, layer)
    # The layers before are fixed already, so every function of the incoming weights is an invariant of the unit.
    permute_units(state, layers, k, np.argsort(_joined(state, _trained(layer)).sum(axis=2), axis=1, kind="stable"))


def canonical(weights: Mapping[str, np.ndarray], layers: Sequence[Layer]) -> Weights:
    """Return the one member of each replica's gauge orbit that has, layer by layer from the input,

    - ReLU: incoming weights of every unit, bias included, of Euclidean norm 1 (with batch normalisation: its gain and
      shift); a unit without any keeps its outgoing weights;
    - tanh without max pooling: the largest incoming weight in absolute value positive;
    - batch normalisation: gains not negative;
    - units in rising order of the sum of their incoming weights.

    The function of the network stays the same.  Copies of one network under gauge transformations get the same form,
    but for units with the same sum of incoming weights, such as dead ones, whose order is not determined.

    Parameters
    ----------
    weights : mapping of arrays, each of shape (replicas, units, ...)
        Weights in any units; ``running_mean`` and ``running_var`` of batch normalisations go along.
    layers : sequence of Layer
        The chain, from the input to the output.

    Raises
    ------
    InputError
        If the chain does not describe the arrays.
    """
    state = checked(weights, layers)
    for k in range(len(layers) - 1):
        _canonical_layer(state, layers, k)
    _positive_gain(state, layers[-1])
    return state


def _features(state: Weights, layers: Sequence[Layer], k: int, r: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of each unit that change sign with it, and those that do not, each of shape (units, numbers)."""
    one = {name: array[r : r + 1] for name, array in state.items()}
    even = [layers[k].affine[0]] if layers[k].norm else []
    odd = _joined(one, [name for name in _trained(layers[k]) if name not in even])[0]
    out = _outgoing(one, layers, k)[0].swapaxes(0, 1).reshape(len(odd), -1)
    return np.hstack([odd, out]), _joined(one, even)[0] if even else np.zeros((len(odd), 1))


def _match(state: Weights, layers: Sequence[Layer], k: int, r: int, reference: int) -> bool:
    """Permute the units of one layer of one replica for the largest overlap with the reference; True if any moved."""
    odd, even = _features(state, layers, k, r)
    odd_reference, even_reference = _features(state, layers, k, reference)
    overlap = odd_reference @ odd.T
    gain = even_reference @ even.T + (np.abs(overlap) if layers[k].signs else overlap)
    rows, order = linear_sum_assignment(gain, maximize=True)
    sign = np.where(overlap[rows, order] < 0, -1.0, 1.0) if layers[k].signs else np.ones(len(order))
    if (order == rows).all() and (sign > 0).all():
        return False
    one = {name: array[r : r + 1] for name, array in state.items()}
    permute_units(one, layers, k, order[None])
    scale_units(one, layers, k, sign[None])
    _positive_gain(one, layers[k])
    for name, array in one.items():
        state[name][r] = array[0]
    return True


def aligned(weights: Mapping[str, np.ndarray], layers: Sequence[Layer], reference: int = 0) -> Weights:
    """Return replicas with their units, and signs for tanh, matched to those of one replica.

    From the canonical form, the overlap sum_i w_i w_i' with the reference's canonical form is raised by an optimal
    assignment of the units of one layer at a time (incoming and outgoing weights together), over and over until no
    unit moves: a local maximum, since the joint problem is NP-hard.  Scales are those of `canonical`.

    Parameters
    ----------
    weights, layers
        As for `canonical`.
    reference : int
        Number of the replica that the others are matched to.

    Raises
    ------
    InputError
        If the chain does not describe the arrays, or there is no such replica.

    References
    ----------
    S. K. Ainsworth, J. Hayase and S. Srinivasa, arXiv:2209.04836 (2022), section 3.2.
    """
    state = canonical(weights, layers)
    replicas = replica_count(state)
    if not 0 <= reference < replicas:
        raise InputError(f"there is no replica {reference} among {replicas}; give a number from 0 to {replicas - 1}")
    for r in range(replicas):
        for _ in range(SWEEPS if r != reference else 0):
            # Every layer is matched in each sweep: a sum, since any() would stop at the first that moved.
            if not sum(_match(state, layers, k, r, reference) for k in range(len(layers) - 1)):
                break
    return state


def random_gauge(weights: Mapping[str, np.ndarray], layers: Sequence[Layer], generator: np.random.Generator) -> Weights:
    """Return each replica under a random gauge transformation of its own, for tests of what should be invariant.

    Units of hidden layers are permuted; ReLU units scaled by log-normal factors, exp of a normal variable of standard
    deviation 1; signs of tanh units and of weights before batch normalisations are drawn.

    Raises
    ------
    InputError
        As for `canonical`.
    """
    state = checked(weights, layers)
    for k, layer in enumerate(layers):
        shape = state[f"{layer.name}.weight"].shape[:2]
        if layer.norm:
            flip_before_norm(state, layer, generator.choice([-1.0, 1.0], shape))
        if k == len(layers) - 1:
            break
        permute_units(state, layers, k, np.argsort(generator.random(shape), axis=1))
        if layer.activation == "relu":
            scale_units(state, layers, k, np.exp(SPREAD * generator.normal(size=shape)))
        if layer.signs:
            scale_units(state, layers, k, generator.choice([-1.0, 1.0], shape))
    return state
