"""Networks that learn to solve differential equations: their weights in one array, and Adam on it.

An engine sees plain networks alone.  What a form of the input does to the first layer, constants or other units, is
folded into its weights before the engine and into their gradients after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from physnn.kernels.jets.passes import adam_by_rates
from physnn.networks.forms import Arrays, form_of, streams_of
from physnn.networks.pde.equations import PdeProblem, Reference

FACTORS_OF_STEP = ("bias0.3", "bias3", "bias10")
"""Arms whose learning rate of the first bias is that of the other weights times a number."""
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
"""Constants of Adam (D. P. Kingma and J. Ba, arXiv:1412.6980)."""

BLOCK_POINTS = 1024
"""Points of the known solution at which networks are evaluated together: all layers of all seeds are in memory."""


class JetEngine(Protocol):
    """What gives losses and gradients of plain networks of several seeds."""

    def losses_and_gradients(self, weights: Arrays) -> tuple[np.ndarray, Arrays]:
        """Losses of every set, ``(seeds, sets)``, and the gradients of their sum, in the shapes of the weights."""

    def values(self, weights: Arrays, points: np.ndarray) -> np.ndarray:
        """Outputs at points ``(n, inputs)``: ``(seeds, n, outputs)``."""


class PdeNetworks:
    """Networks of several seeds with tanh layers, in one form of the input.

    Weights are normal with variance 2 / (inputs + outputs of the layer) (X. Glorot and Y. Bengio, AISTATS 2010), biases
    begin at 0.  Every parameter has a stream of its own, so that forms of one seed share what they can.

    Parameters
    ----------
    problem : PdeProblem
        What is solved.
    arm : str
        One of `physnn.networks.forms.ARMS` or `FACTORS_OF_STEP`; ``scaled`` takes inputs from -1 to 1,
        ``standardised`` inputs whose variance is 1.
    seeds : sequence of int
        Seeds of the weights.
    width, depth : int
        Width and number of the tanh layers.
    constants : tuple of float
        Appended to the input where the arm says so.
    dtype : str
        Precision.

    Attributes
    ----------
    flat : ndarray, shape (seeds, parameters)
        All parameters.
    """

    def __init__(
        self,
        problem: PdeProblem,
        arm: str,
        seeds: Sequence[int],
        width: int,
        depth: int,
        constants: tuple[float, ...],
        dtype: str = "float32",
    ) -> None:
        self.form = form_of(arm, constants, FACTORS_OF_STEP)
        sizes = [len(problem.inputs), *[width] * depth, len(problem.outputs)]
        shapes: dict[str, tuple[int, ...]] = {}
        for k in range(depth + 1):
            shapes |= {f"layer.{k}.weight": (sizes[k], sizes[k + 1]), f"layer.{k}.bias": (sizes[k + 1],)}
        self.plain = tuple(shapes)
        shapes |= {f"layer.0.constant.{k}": (width,) for k in range(len(self.form.appended))}
        ends = np.cumsum([0, *(math.prod(shape) for shape in shapes.values())])
        self.slices = {name: slice(a, b) for name, a, b in zip(shapes, ends, ends[1:], strict=False)}
        self.flat = np.zeros((len(seeds), ends[-1]), dtype)
        self.own = self._views(self.flat, shapes)
        self.shapes = shapes
        self._draw(seeds, problem.name)
        middle, half = (np.add(problem.high, problem.low) / 2, np.subtract(problem.high, problem.low) / 2)
        units = {"scaled": half, "standardised": half / math.sqrt(3)}.get(arm)
        self.unit = None if units is None else (1 / units).astype(dtype)[:, None]
        self.shift = None if self.unit is None else middle.astype(dtype)[:, None] * self.unit

    def _views(self, flat: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        return {name: flat[:, self.slices[name]].reshape(len(flat), *shape) for name, shape in shapes.items()}

    def _draw(self, seeds: Sequence[int], problem: str) -> None:
        """First weights."""

        def drawn(name: str, shape: tuple[int, ...], inputs: int) -> np.ndarray:
            scale = math.sqrt(2 / (inputs + shape[-1]))
            streams = streams_of(seeds, "pde", problem, self.form.word, name)
            return np.stack([scale * each.standard_normal(shape) for each in streams])

        for name in self.plain[::2]:
            shape = self.shapes[name]
            self._put(name, drawn(name, shape, shape[0] + (self.form.drawn if name == self.plain[0] else 0)))
        shape = self.shapes[self.plain[0]]
        for k in range(self.form.drawn):
            weights = drawn(f"layer.0.constant.{k}", shape[1:], shape[0] + self.form.drawn)
            if self.form.appended:
                self._put(f"layer.0.constant.{k}", weights)
            else:
                self.flat[:, self.slices["layer.0.bias"]] += (self.form.start[k] * weights).astype(self.flat.dtype)

    def _put(self, name: str, values: np.ndarray) -> None:
        self.flat[:, self.slices[name]] = values.reshape(len(values), -1)

    def network(self) -> dict[str, np.ndarray]:
        """Plain networks that give the same outputs."""
        found = {name: self.own[name] for name in self.plain}
        weight, bias = found["layer.0.weight"], found["layer.0.bias"]
        for k, c in enumerate(self.form.appended):
            bias = bias + self.flat.dtype.type(c) * self.own[f"layer.0.constant.{k}"]
        if self.unit is not None:
            bias = bias - (self.shift * weight).sum(1)
            weight = weight * self.unit
        return found | {"layer.0.weight": weight, "layer.0.bias": bias}

    def pulled(self, gradients: Arrays) -> np.ndarray:
        """Gradients by all parameters, ``(seeds, parameters)``, from those by the weights of the plain networks."""
        found = np.empty_like(self.flat)
        for name in self.plain:
            found[:, self.slices[name]] = gradients[name].reshape(len(found), -1)
        by_bias = gradients["layer.0.bias"]
        if self.unit is not None:
            own = gradients["layer.0.weight"] * self.unit - self.shift * by_bias[:, None]
            found[:, self.slices["layer.0.weight"]] = own.reshape(len(found), -1)
        for k, c in enumerate(self.form.appended):
            found[:, self.slices[f"layer.0.constant.{k}"]] = self.flat.dtype.type(c) * by_bias
        return found

    def rates(self, lr: float) -> np.ndarray:
        """Learning rates of all parameters."""
        found = np.full(self.flat.shape[1], lr)
        found[self.slices["layer.0.bias"]] *= self.form.factor
        return found.astype(self.flat.dtype)

    def effective(self) -> np.ndarray:
        """Weights of the plain networks, ``(seeds, weights)``: arms alike."""
        return np.concatenate([each.reshape(len(each), -1) for each in self.network().values()], axis=1)


class PdeTraining:
    """Training of networks by Adam on all points, for `physnn.networks.forms.train_to_marks`.

    Parameters
    ----------
    networks : PdeNetworks
        Networks, as they begin; they are trained in place.
    engine : JetEngine
        Losses and gradients.
    reference : Reference
        Known solution.
    lr : float
        Learning rate.
    """

    def __init__(self, networks: PdeNetworks, engine: JetEngine, reference: Reference, lr: float) -> None:
        self.networks, self.engine, self.reference = networks, engine, reference
        self.rates, self.steps = networks.rates(lr), 0
        self.first, self.second = np.zeros_like(networks.flat), np.zeros_like(networks.flat)

    def measure(self) -> dict[str, np.ndarray]:
        """Loss, and errors against the known solution, see `errors_of`, ``(seeds,)`` each."""
        network, known = self.networks.network(), self.reference.points
        losses = self.engine.losses_and_gradients(network)[0]
        blocks = (known[k : k + BLOCK_POINTS] for k in range(0, len(known), BLOCK_POINTS))
        values = np.concatenate([self.engine.values(network, block) for block in blocks], axis=1)
        return {"loss": losses.sum(1)} | errors_of(values, self.reference.values)

    def advance(self) -> None:
        """Take a step of Adam."""
        _, gradients = self.engine.losses_and_gradients(self.networks.network())
        g = self.networks.pulled(gradients)
        self.steps += 1
        shares = (1 - BETA1, BETA2, 1 - BETA2, 1 - BETA1**self.steps, math.sqrt(1 - BETA2**self.steps), EPS)
        numbers = (g.dtype.type(share) for share in shares)
        adam_by_rates(self.networks.flat, g, self.first, self.second, self.rates, *numbers)

    def state(self) -> dict[str, np.ndarray]:
        """Parameters, moments, and steps taken."""
        arrays = {"parameters": self.networks.flat, "first": self.first, "second": self.second}
        return {f"state_{name}": each.copy() for name, each in arrays.items()} | {"state_step": np.array(self.steps)}

    def restore(self, kept: Arrays) -> None:
        """Put a state back."""
        self.networks.flat[:] = kept["state_parameters"]
        self.first, self.second = np.array(kept["state_first"]), np.array(kept["state_second"])
        self.steps = int(kept["state_step"])


def errors_of(values: np.ndarray, known: np.ndarray) -> dict[str, np.ndarray]:
    """Errors of solutions ``(seeds, n, outputs)`` against known values ``(n, outputs)``, by name, ``(seeds,)``.

    ``error`` is the root of the mean squared difference over that of the mean square, over points and outputs together;
    ``mean_error`` and ``max_error`` are the mean and the largest absolute difference.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(values.astype(float) - known)
        relative = np.sqrt((off**2).mean((1, 2)) / (known**2).mean())
    return {"error": relative, "mean_error": off.mean((1, 2)), "max_error": off.max((1, 2))}
