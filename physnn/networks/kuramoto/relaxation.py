"""The noiseless steps of a Kuramoto network as one operation with its derivative written out, for training on a CPU.

Torch's own differentiation of `KuramotoNetwork.evolve` keeps five states a step and passes over memory some twenty
times; here one state a step is kept, and each step is a convolution and one pass forward, two convolutions and one
pass backward.  J being symmetric, the derivative with respect to the state is a convolution with J itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from physnn.kernels.vectors import relaxation as kernels
from physnn.networks.kuramoto.architecture import Boundary
from physnn.networks.kuramoto.network import KuramotoNetwork

LAYOUT = torch.channels_last
MOST_STEPS = 8
"""Steps whose derivatives with respect to J are taken in one convolution."""


class Relaxation(torch.autograd.Function):
    """x(0), J and c to x(steps); apply with ``(x, J, c or None, gamma, steps, boundary)``.

    J ``(N, N, k, k)`` and c ``(N,)`` are those of every step, or, with the step first, of each.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, coupling: Tensor, bias: Tensor | None, gamma: float, steps: int, boundary: Boundary
    ) -> Tensor:
        """Return x(steps) of x ``(images, N, H, W)``, components fastest in memory."""
        margin = coupling.shape[-1] // 2
        weights, biases = _layers(coupling, steps), _constants(bias, coupling, steps)
        number = x.numpy(force=True).dtype.type(gamma)
        state = _with_margin(x.detach(), margin)
        states, scalars = [state], []
        for J, c in zip(weights, biases, strict=True):
            if boundary == "periodic":
                kernels.wrap(states[-1], margin)
            field = _sites(functional.conv2d(_maps(states[-1]), J, c))
            p, r = (np.empty(field.shape[:3], field.dtype) for _ in range(2))
            state = np.zeros_like(states[-1])
            kernels.forward(states[-1], field, number, margin, p, r, state)
            states.append(state)
            scalars.append((p, r))
        ctx.save_for_backward(coupling, bias)
        ctx.kept = states, scalars, number, margin, boundary, weights
        return _maps(_inside(state, margin))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the derivatives with respect to x, J and c."""
        coupling, bias = ctx.saved_tensors
        states, scalars, number, margin, boundary, weights = ctx.kept
        shared = coupling.dim() == 4
        g = np.array(_sites(gradient), order="C")
        by_coupling = torch.zeros_like(coupling, memory_format=LAYOUT if shared else torch.contiguous_format)
        by_bias = torch.zeros_like(bias) if bias is not None else None
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        for t in range(len(scalars) - 1, -1, -1):
            by_field = np.zeros_like(states[t])
            p, r = scalars[t]
            kernels.backward(states[t], states[t + 1], p, r, g, number, margin, by_field, g)
            if boundary == "periodic":
                kernels.wrap(by_field, margin)
            # J = J^T: what a site receives and what it sends go through the same kernel.
            g += _sites(functional.conv2d(_maps(by_field), weights[t]))
            waiting.append((states[t], _inside(by_field, margin)))
            if len(waiting) == MOST_STEPS or t == 0 or not shared:
                inputs, outputs = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
                at = ... if shared else t
                by_coupling[at] += _weight_derivative(inputs, outputs, weights[t])
                if by_bias is not None:
                    by_bias[at] += torch.from_numpy(outputs.sum((0, 1, 2)))
                waiting = []
        return _maps(g), by_coupling, by_bias, None, None, None


def _layers(coupling: Tensor, steps: int) -> list[Tensor]:
    """Return the kernel of every step, components fastest in memory."""
    if coupling.dim() == 4:
        return [coupling.detach().contiguous(memory_format=LAYOUT)] * steps
    return [J.contiguous(memory_format=LAYOUT) for J in coupling.detach()[:steps]]


def _constants(bias: Tensor | None, coupling: Tensor, steps: int) -> list[Tensor | None]:
    """Return the constant of every step."""
    if bias is None or coupling.dim() == 4:
        return [bias] * steps
    return list(bias.detach()[:steps])


def relax(network: KuramotoNetwork, images: Tensor, steps: int) -> Tensor:
    """Return what ``network.evolve(images, steps)`` returns, to rounding, on a CPU."""
    network.check_depth(steps)
    bias = network.get_parameter("bias") if network.architecture.broken else None
    x = network.lift_images(images)
    final: Tensor = Relaxation.apply(
        *(x, network.symmetric_coupling(), bias),
        *(network.architecture.gamma, steps, network.architecture.boundary),
    )
    return final


def _with_margin(x: Tensor, margin: int) -> np.ndarray:
    images, n, height, width = x.shape
    state = np.zeros((images, height + 2 * margin, width + 2 * margin, n), x.numpy().dtype)
    _inside(state, margin)[:] = _sites(x)
    return state


def _inside(state: np.ndarray, margin: int) -> np.ndarray:
    """Return the view of a state without its margin."""
    return state[:, margin : state.shape[1] - margin, margin : state.shape[2] - margin]


def _sites(x: Tensor) -> np.ndarray:
    """Return maps ``(images, N, H, W)`` as sites ``(images, H, W, N)``, without a copy."""
    array: np.ndarray = x.permute(0, 2, 3, 1).numpy()
    return array


def _maps(x: np.ndarray) -> Tensor:
    """Return sites ``(images, H, W, N)`` as maps ``(images, N, H, W)``, without a copy."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def _weight_derivative(inputs: np.ndarray, outputs: np.ndarray, weights: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.convolution_backward(
        *(_maps(outputs), _maps(inputs), weights, None),
        *([1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]),
    )[1]
    return found
