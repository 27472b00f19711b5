"""Fully connected networks with weights +-1, and the task they are scored on: is a number above one half?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from physnn import rng
from physnn.errors import InputError

Activation = Literal["tanh", "sign", "relu"]
Bias = Literal["first", "all"]
ACTIVATIONS = ("tanh", "sign", "relu")
"""Activations of hidden layers, in the order of the kernels' codes."""
OUTPUT_ACTIVATIONS = ("linear", "tanh")
"""Activations of the output unit."""
LOSSES = ("mse", "cross-entropy")
"""Losses, in the order of the kernels' codes."""


@dataclass(frozen=True)
class SignNetwork:
    """``h_l = act(W_l h_{l-1} + b_l)``, output ``W h`` or ``tanh(W h)``, with every entry of W and b either -1 or +1.

    The parameters come layer by layer from the input on, within a layer unit by unit, and of each unit in the order
    of what it is fed: the units of the layer before, then the constant (first layer only), then its bias.

    Parameters
    ----------
    layers : tuple of int
        Units of each layer, from the input (1: the number x) to the output (1).
    hidden : {"tanh", "sign", "relu"}
        Activation of the hidden layers; ``sign(0) = 0``.
    output : {"linear", "tanh"}
        What the output unit does to its sum.
    constant : float, optional
        Value of a second input that never changes, weighted like x.
    bias : {"first", "all"}, optional
        Whether the first layer, or every layer with the output, has biases +-1.

    Raises
    ------
    InputError
        If the layers are fewer than two, do not begin and end with 1 or have an empty one, the constant is not
        finite, or a word is unknown.
    """

    layers: tuple[int, ...]
    hidden: Activation = "tanh"
    output: Literal["linear", "tanh"] = "linear"
    constant: float | None = None
    bias: Bias | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(int(n) for n in self.layers))
        written = " ".join(map(str, self.layers))
        if len(self.layers) < 2:
            raise InputError(f"a network needs an input and an output layer; try 1 3 3 2 1 instead of {written!r}")
        if min(self.layers) < 1:
            raise InputError(f"every layer needs at least one unit, so remove the layer of {min(self.layers)}")
        if self.layers[0] != 1 or self.layers[-1] != 1:
            raise InputError(
                f"the network reads one number and returns one, so its layers begin and end with 1, not as {written};"
                " a constant input is given as constant"
            )
        if self.constant is not None and not math.isfinite(self.constant):
            raise InputError(f"the constant input must be a finite number such as 0.5, not {self.constant}")
        for name, value, known in (
            ("hidden activation", self.hidden, ACTIVATIONS),
            ("output", self.output, OUTPUT_ACTIVATIONS),
            ("bias", self.bias, (None, "first", "all")),
        ):
            if value not in known:
                raise InputError(f"the {name} must be one of {', '.join(map(str, known))}, not {value}")

    @property
    def inputs(self) -> tuple[int, ...]:
        """Parameters of one unit in each layer after the input: what it is fed, with its bias."""
        fed = list(self.layers[:-1])
        fed[0] += self.constant is not None
        return tuple(n + self.has_bias(k) for k, n in enumerate(fed))

    def has_bias(self, layer: int) -> bool:
        """Whether units of a layer have a bias; layer 0 is the first after the input."""
        return self.bias == "all" or (self.bias == "first" and layer == 0)

    @property
    def rational_constant(self) -> Fraction | None:
        """Constant as the exact rational it is written as: 3/10 for 0.3, not the float64 next to it."""
        return None if self.constant is None else Fraction(str(float(self.constant)))

    @property
    def weights(self) -> int:
        """Number of +-1 parameters, biases included."""
        return sum(n * m for n, m in zip(self.inputs, self.layers[1:], strict=True))

    def configuration(self, index: np.ndarray | int) -> np.ndarray:
        """Parameters of configurations ``0 <= index < 2^weights <= 2^63``, int8, shape ``(n, weights)``.

        The last parameter is the lowest bit; a bit of 1 stands for -1.
        """
        shifts = np.arange(self.weights - 1, -1, -1)
        bits = (np.atleast_1d(np.asarray(index, np.int64))[:, None] >> shifts) & 1
        return np.asarray(1 - 2 * bits, np.int8)

    def outputs(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Outputs at the inputs ``x (points,)``, shape ``(n, points)``: the plain reference.

        ``weights (n, weights)`` are configurations with entries -1 and +1; `InputError` for another number of them.
        """
        weights = np.atleast_2d(np.asarray(weights, float))
        if weights.shape[1] != self.weights:
            raise InputError(f"this network has {self.weights} weights, not {weights.shape[1]}")
        n, points, done = len(weights), len(x), 0
        fed = np.broadcast_to(x, (n, 1, points))
        if self.constant is not None:
            fed = np.concatenate([fed, np.full((n, 1, points), self.constant)], axis=1)
        for layer, (inputs, units) in enumerate(zip(self.inputs, self.layers[1:], strict=True)):
            if self.has_bias(layer):
                fed = np.concatenate([fed, np.ones((n, 1, points))], axis=1)
            W = weights[:, done : done + inputs * units].reshape(n, units, inputs)
            fed, done = W @ fed, done + inputs * units
            if layer < len(self.layers) - 2:
                fed = activate(self.hidden, fed)
        return activate(self.output, fed[:, 0])


def activate(name: str, u: np.ndarray) -> np.ndarray:
    """Activation tanh u, sign u, max(u, 0) or, for ``linear``, u."""
    if name == "linear":
        return u
    if name == "relu":
        return np.asarray(np.maximum(u, 0))
    return np.asarray(np.tanh(u) if name == "tanh" else np.sign(u))


@dataclass(frozen=True)
class Threshold:
    """Numbers x in (0, 1) with the label ``y = 1`` where ``x > 1/2``, else 0, and the loss of outputs f on them.

    ``mse``: ``mean (f - y)^2``.  ``cross-entropy``: ``mean [ln(1 + e^f) - y f]``, which is
    ``-mean [y ln p + (1 - y) ln(1 - p)]`` with ``p = 1 / (1 + e^-f)``, in nats.

    Parameters
    ----------
    points : int
        How many numbers; `InputError` for none.
    seed : int, optional
        Root seed of uniform random numbers; none for the grid ``(k + 1/2) / points``.
    loss : {"mse", "cross-entropy"}
        Which loss; `InputError` for others.
    """

    points: int = 64
    seed: int | None = 0
    loss: Literal["mse", "cross-entropy"] = "mse"

    def __post_init__(self) -> None:
        if self.points < 1:
            raise InputError(f"the loss needs at least one point, not {self.points}; try 64")
        if self.loss not in LOSSES:
            raise InputError(f"the loss must be mse or cross-entropy, not {self.loss}")

    @property
    def x(self) -> np.ndarray:
        """Inputs x, shape ``(points,)``; random ones are multiples of 2^-53, never 0 or 1."""
        if self.seed is None:
            return (np.arange(self.points) + 0.5) / self.points
        stream = rng.stream(self.seed, "synthetic", "threshold", self.points)
        return stream.integers(1, 2**53, self.points) * 2.0**-53

    @property
    def rationals(self) -> list[Fraction]:
        """Inputs as exact rationals."""
        if self.seed is None:
            return [Fraction(2 * k + 1, 2 * self.points) for k in range(self.points)]
        return [Fraction(float(v)) for v in self.x]

    @property
    def y(self) -> np.ndarray:
        """Labels y, shape ``(points,)``."""
        return (self.x > 0.5).astype(float)

    def losses(self, outputs: np.ndarray) -> np.ndarray:
        """Loss of outputs of shape ``(..., points)``; dimensionless, nats for cross-entropy."""
        if self.loss == "mse":
            return np.asarray(((outputs - self.y) ** 2).mean(axis=-1))
        return np.asarray((np.logaddexp(0, outputs) - self.y * outputs).mean(axis=-1))
