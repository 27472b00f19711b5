"""Law of constants appended to the input: the bias of the first layer, with another step and another start.

A first layer W x + b with constants c of weights V is W x + B with the bias B = b + V c.  With the loss's derivative g
by B, b has the gradient g and V the gradient g c.  So under stochastic gradient descent, with momentum or Nesterov's,
every change of B is (1 + sum c^2) times that of b.  Adam and what else divides a gradient by its own size gives b and
every column of V the same step but for the sign of c: there the factor is 1 + sum |c|.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physnn.errors import InputError

if TYPE_CHECKING:
    from torch.optim import Optimizer

SQUARES = ("sgd",)
"""Optimisers whose steps are linear in gradients: the factor has the squares of the constants."""
MAGNITUDES = ("adam", "adamw", "nadam", "adamax", "adagrad", "rmsprop", "lion")
"""Optimisers whose steps do not depend on the scale of a gradient: the factor has the magnitudes of the constants.

RAdam is none of them: its first steps are linear in gradients.
"""
DECOUPLED = ("adamw", "lion")
"""Optimisers of `MAGNITUDES` whose decay does not pass through the gradient."""


@dataclass(frozen=True)
class ExpansionLaw:
    """Raw network that is trained as one with constants c appended to its input, all dimensionless.

    Attributes
    ----------
    constants : tuple of float
        c.
    factor : float
        Learning rate of the bias over that of the other weights: ``1 + sum c^2`` or ``1 + sum |c|``.
    decay : float
        Weight decay of the bias over that of the other weights, 1/factor: B falls as b and V do, though its learning
        rate is larger.
    exact : bool
        False where the optimiser adds an eps to the size of gradients: then the law holds as far as they exceed it.
    """

    constants: tuple[float, ...]
    factor: float
    decay: float
    exact: bool

    def initial_bias(self, bias: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Bias ``b + V c`` with which the raw network begins, ``(outputs,)``.

        Parameters
        ----------
        bias, weights : ndarray, shapes (outputs,) and (outputs, constants)
            b, and V: the weights of the constants.

        Raises
        ------
        InputError
            If there are not as many columns as constants.
        """
        if np.ndim(weights) != 2 or np.shape(weights)[1] != len(self.constants):
            raise InputError(
                f"weights of {len(self.constants)} constants have as many columns, not shape {np.shape(weights)}"
            )
        return np.asarray(bias + np.asarray(weights) @ np.array(self.constants))

    def groups(self, bias: Any, others: Sequence[Any], lr: float, weight_decay: float = 0.0) -> list[dict[str, Any]]:
        """Groups of parameters for a torch optimiser of the raw network: the first layer's bias, and all others.

        Raises
        ------
        InputError
            If the learning rate or the decay is negative or not finite, or the bias is among the others.
        """
        _check_not_negative(lr, "the learning rate")
        _check_not_negative(weight_decay, "the weight decay")
        others = list(others)
        if any(parameter is bias for parameter in others):
            raise InputError("the bias has a learning rate of its own: leave it out of the other parameters")
        own = {"params": [bias], "lr": self.factor * lr, "weight_decay": self.decay * weight_decay}
        return [own, {"params": others, "lr": lr, "weight_decay": weight_decay}]


def _check_not_negative(value: Any, what: str) -> None:
    try:
        sound = 0 <= float(value) < math.inf
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise InputError(f"{what} must be a finite number that is not negative, not {value!r}")


def _settings(optimiser: Any) -> dict[str, Any]:
    """Settings that all parameters of an optimiser have; raises InputError where groups have their own."""
    groups = getattr(optimiser, "param_groups", None) or [{}]
    first = {name: value for name, value in groups[0].items() if name != "params"}
    for group in groups[1:]:
        for name, value in first.items():
            if group.get(name) != value and not name.endswith("_name"):
                raise InputError(f"groups of parameters differ in {name}: the law is for one that all of them have")
    return getattr(optimiser, "defaults", {}) | first


def expansion_law(
    c: Sequence[float] | np.ndarray,
    optimiser: str | Optimizer,
    *,
    weight_decay: float | None = None,
    clip: float | None = None,
) -> ExpansionLaw:
    """Law of constants c under an optimiser.

    Parameters
    ----------
    c : sequence of float
        Constants that are appended to every input, in its units.
    optimiser : str or torch.optim.Optimizer
        Its name (``sgd``, ``adam``, ``adamw``, ...), or one with its settings.
    weight_decay : float, optional
        Weight decay; by default that of the optimiser, 0 for a name.
    clip : float, optional
        Norm or value at which gradients are clipped, if they are.

    Raises
    ------
    InputError
        Where there is no law: gradients are clipped, so that one parameter's step depends on the others'; a decay
        passes through Adam's gradient, which it does not divide as it divides g; a line search; groups of parameters
        with settings of their own.  Or if numbers are not finite.

    Examples
    --------
    >>> import physnn
    >>> physnn.expansion_law([0.5, -0.5], "adam").factor
    2.0
    >>> physnn.expansion_law([0.5, -0.5], "sgd").factor
    1.5
    """
    try:
        constants = np.asarray(c)
    except ValueError:
        constants = np.zeros((0, 0))
    if constants.ndim != 1 or constants.dtype.kind not in "biuf" or not np.isfinite(constants).all():
        raise InputError("constants are a list of finite real numbers")
    constants, settings = constants.astype(float), _settings(optimiser)
    name = (optimiser if isinstance(optimiser, str) else type(optimiser).__name__).lower()
    decay = settings.get("weight_decay", 0.0) if weight_decay is None else weight_decay
    _check_not_negative(decay, "the weight decay")
    if clip is not None and math.isfinite(clip):
        raise InputError("where gradients are clipped there is no law: the step of a bias depends on other gradients")
    if name in SQUARES:
        factor = 1.0 + sum(constant * constant for constant in constants.tolist())
    elif name in MAGNITUDES:
        decoupled = name in DECOUPLED or bool(settings.get("decoupled_weight_decay", False))
        if decay and not decoupled:
            raise InputError(
                f"{name} with a decay in its gradient has no law: it divides the sum of both; take adamw, or no decay"
            )
        factor = 1.0 + sum(abs(constant) for constant in constants.tolist())
    else:
        raise InputError(f"no law is known for {name}; known are {', '.join((*SQUARES, *MAGNITUDES))}")
    if not math.isfinite(factor):
        raise InputError("the constants are so large that the factor of the learning rate is beyond all numbers")
    exact = name in SQUARES or float(settings.get("eps", 0.0 if name == "lion" else 1e-8)) == 0
    return ExpansionLaw(tuple(constants.tolist()), factor, 1 / factor, exact)


@dataclass(frozen=True)
class Phase:
    """Small convolution that gives the outputs at rows ``row + factor i`` and columns ``column + factor j``.

    Attributes
    ----------
    row, column : int
        Which outputs.
    weights : ndarray, shape (outputs, inputs, height, width)
        The weights that meet pixels; 0 x 0 where none does.
    bias : ndarray, shape (outputs,)
        ``b`` and the fill times the sum of all weights that meet no pixel.
    first : tuple of int
        Row and column of the pixel under the first weight at i = j = 0.
    """

    row: int
    column: int
    weights: np.ndarray
    bias: np.ndarray
    first: tuple[int, int]


def phases(weights: np.ndarray, bias: np.ndarray, fill: float, factor: int = 2) -> tuple[Phase, ...]:
    """Small convolutions that a convolution of expanded images consists of, one for every phase of its output.

    Pixel (i, j) of an image lies at (factor i, factor j) and ``fill`` everywhere else, see
    `physnn.networks.tasks.expansion.expand`.  Output (y, x), of the window whose first corner is there, meets pixels
    with every ``factor``-th row and column of the weights only; the rest of them is a bias.  A weight that meets fill
    at one phase meets data at another, so that the fill is no bias with a step of its own.

    Parameters
    ----------
    weights, bias : ndarray, shapes (outputs, inputs, height, width) and (outputs,)
        Of the convolution, without padding and with stride 1.
    fill : float
        Number between the pixels.
    factor : int
        Of the expansion.

    Raises
    ------
    InputError
        If the factor is below 2 or the fill is not finite.
    """
    if factor < 2 or not math.isfinite(fill):
        raise InputError(f"an expansion by {factor} with {fill} is not one: a factor of 2 or more, and a finite number")
    found = []
    for row in range(factor):
        for column in range(factor):
            top, left = -row % factor, -column % factor
            data = weights[:, :, top::factor, left::factor]
            rest = weights.sum((1, 2, 3)) - data.sum((1, 2, 3))
            first = (row + top) // factor, (column + left) // factor
            found.append(Phase(row, column, data, bias + fill * rest, first))
    return tuple(found)
