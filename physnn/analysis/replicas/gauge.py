"""Gauge fixing of networks: weights that differ but compute the same function are brought to one form.

Hidden units may change places, and a unit's scale may move from its incoming to its outgoing weights: for ReLU by any
positive factor, relu(c x) = c relu(x) with c > 0, for tanh by a sign, tanh(-x) = -tanh(x).  A sign is no symmetry
where units are max-pooled, max(-x) != -max(x).  Batch normalisation between weights and activation adds a sign, that of
the weights before it and of its gain together, and a shift, of the bias before it and of the running mean together.
The scale before it is left alone, since the epsilon in the denominator breaks that symmetry.

All is done for the replicas at once, in the precision of their weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from physnn.analysis.replicas.layers import Layer, Weights, copied, replica_count
from physnn.errors import InputError

ALIGNMENT_SWEEPS = 100
"""Most sweeps over the layers in an alignment; ten are rarely needed."""


def _along(values: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Values of shape (replicas, units) with axes added to match an array of (replicas, units, ...)."""
    return values.reshape(values.shape + (1,) * (array.ndim - 2))


def _multiply(state: Weights, names: Sequence[str], factor: np.ndarray) -> None:
    for name in names:
        if name in state:
            state[name] *= _along(factor, state[name]).astype(state[name].dtype)


def _outgoing(state: Weights, layers: Sequence[Layer], k: int) -> np.ndarray:
    """View of the weights after a layer, shape (replicas, units after, units, inputs per unit)."""
    after = state[f"{layers[k + 1].name}.weight"]
    units = state[f"{layers[k].name}.weight"].shape[1]
    return after.reshape(*after.shape[:2], units, -1)


def permute_units(state: Weights, layers: Sequence[Layer], k: int, order: np.ndarray) -> None:
    """Permutation of the units of hidden layer k in place: unit ``order[r, j]`` moves to j."""
    for name in layers[k].arrays:
        if name in state:
            state[name][...] = np.take_along_axis(state[name], _along(order, state[name]), axis=1)
    out = _outgoing(state, layers, k)
    out[...] = np.take_along_axis(out, order[:, None, :, None], axis=2)


def scale_units(state: Weights, layers: Sequence[Layer], k: int, factor: np.ndarray) -> None:
    """Rescaling of hidden layer k in place: incoming weights times factors (replicas, units), outgoing over them."""
    _multiply(state, layers[k].affine, factor)
    out = _outgoing(state, layers, k)
    out /= factor[:, None, :, None].astype(out.dtype)


def flip_before_norm(state: Weights, layer: Layer, sign: np.ndarray) -> None:
    """Change of signs (replicas, units) of weights before a batch normalisation, and of its gain, in place."""
    _multiply(state, (*layer.before_norm, layer.affine[0]), sign)


def shift_before_norm(state: Weights, layer: Layer, shift: np.ndarray) -> None:
    """Shifts (replicas, units) of the bias before a batch normalisation, and of the running mean, in place."""
    for name in layer.before_norm[1:]:
        if name in state:
            state[name] += shift.astype(state[name].dtype)


def _joined(state: Weights, names: Sequence[str]) -> np.ndarray:
    """Numbers of each unit in some arrays, shape (replicas, units, numbers)."""
    arrays = [state[name] for name in names if name in state]
    return np.concatenate([a.reshape(*a.shape[:2], -1) for a in arrays], axis=2)


def _fix_norm(state: Weights, layer: Layer) -> None:
    """Gauge of a batch normalisation, fixed in place: gains positive, biases before it zero."""
    if not layer.norm:
        return
    flip_before_norm(state, layer, np.where(state[layer.affine[0]] < 0, -1.0, 1.0))
    if (bias := f"{layer.name}.bias") in state:
        shift_before_norm(state, layer, -state[bias])


def _canonical_layer(state: Weights, layers: Sequence[Layer], k: int) -> None:
    layer = layers[k]
    _fix_norm(state, layer)
    if layer.activation == "relu":
        norm = np.linalg.norm(_joined(state, layer.affine), axis=2)
        # A unit without incoming weights has no scale to move.
        scale_units(state, layers, k, 1 / np.where(norm > 0, norm, 1.0))
    if layer.signs:
        incoming = _joined(state, (f"{layer.name}.weight", f"{layer.name}.bias"))
        largest = np.take_along_axis(incoming, np.abs(incoming).argmax(axis=2)[..., None], axis=2)[..., 0]
        scale_units(state, layers, k, np.where(largest < 0, -1.0, 1.0))
        # With a batch normalisation that turned its gain, and this moves the sign on to the weights before it.
        _fix_norm(state, layer)
    # The layers before are fixed already, so every function of the incoming weights is an invariant of the unit.
    key = _joined(state, layer.trained).sum(axis=2, dtype=float)
    permute_units(state, layers, k, np.argsort(key, axis=1, kind="stable"))


def canonical(weights: Mapping[str, np.ndarray], layers: Sequence[Layer]) -> Weights:
    """One member of each replica's gauge orbit that has, layer by layer from the input,

    - ReLU: incoming weights of every unit, bias included, of Euclidean norm 1 (with batch normalisation: its gain and
      shift); a unit without any keeps its outgoing weights;
    - tanh without max pooling: the largest incoming weight in absolute value positive;
    - batch normalisation: gains not negative, no bias before it;
    - units in rising order of the sum of their incoming weights.

    The function of the network stays the same.  Copies of one network under gauge transformations get the same form,
    but for units with the same sum of incoming weights, such as dead ones, whose order is not determined.

    The layers after stay out of it, so that nothing is said about which units of two networks correspond: see
    `aligned` for that.

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
    state = copied(weights, layers)
    for k in range(len(layers) - 1):
        _canonical_layer(state, layers, k)
    _fix_norm(state, layers[-1])
    return state


def _features(state: Weights, layers: Sequence[Layer], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of each unit of one replica that change sign with it, and those that do not, shapes (units, numbers)."""
    even = layers[k].affine[:1] if layers[k].norm else ()
    odd = _joined(state, [name for name in layers[k].trained if name not in even])[0]
    out = _outgoing(state, layers, k)[0].swapaxes(0, 1).reshape(len(odd), -1)
    return np.hstack([odd, out]), _joined(state, even)[0] if even else np.zeros((len(odd), 1))


def _match(state: Weights, layers: Sequence[Layer], k: int, target: tuple[np.ndarray, np.ndarray]) -> bool:
    """Permutation in place of the units of one layer of one replica to the largest overlap; True if any moved."""
    odd, even = _features(state, layers, k)
    overlap = target[0] @ odd.T
    gain = target[1] @ even.T + (np.abs(overlap) if layers[k].signs else overlap)
    places, order = linear_sum_assignment(gain, maximize=True)
    sign = np.where((overlap[places, order] < 0) & layers[k].signs, -1.0, 1.0)
    if (order == places).all() and (sign > 0).all():
        return False
    permute_units(state, layers, k, order[None])
    if layers[k].signs:
        scale_units(state, layers, k, sign[None])
        _fix_norm(state, layers[k])
    return True


def aligned(weights: Mapping[str, np.ndarray], layers: Sequence[Layer], reference: int = 0) -> Weights:
    """Replicas with their units, and signs for tanh, matched to those of one replica.

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
    hidden = range(len(layers) - 1)
    # One replica at a time, as views that are changed in place.
    single = [{name: array[r : r + 1] for name, array in state.items()} for r in range(replicas)]
    targets = [_features(single[reference], layers, k) for k in hidden]
    for one in single[:reference] + single[reference + 1 :]:
        for _ in range(ALIGNMENT_SWEEPS):
            # A sum, since any() would stop at the first layer that moved.
            if sum(_match(one, layers, k, targets[k]) for k in hidden) == 0:
                break
    return state
