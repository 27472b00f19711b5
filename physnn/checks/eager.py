"""Noisy steps in eager torch, as fast as it has them: what compiled steps are measured against."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.rng import stream

LAYOUTS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}


def eager_steps(
    L: int, architecture: Architecture, eta: float, device: str = "cpu"
) -> dict[str, Callable[[int], None]]:
    """Return functions that take n steps from their last state, by name.

    Each layout in memory has three: ``network``, the step of `KuramotoNetwork` with noise drawn as it lies in memory;
    ``lean``, the same in place and with the step size inside the kernel; ``convolution``, the convolution alone, of a
    state that is padded already.

    Parameters
    ----------
    L : int
        Side of the lattice.
    architecture : Architecture
        The network's, periodic.
    eta : float
        Noise.
    device : str
        Where.
    """
    weights = initial_weights(architecture, stream(0, "synthetic", "bench"), 0.0)
    network = KuramotoNetwork(architecture, weights).requires_grad_(False).to(device)
    found: dict[str, Callable[[int], None]] = {}
    for name, layout in LAYOUTS.items():
        N, half = architecture.components, architecture.kernel // 2
        x = functional.normalize(torch.randn(1, N, L, L, device=device), dim=1).contiguous(memory_format=layout)
        J = network.symmetric_coupling().contiguous(memory_format=layout)
        found[f"network, {name}"] = _network_steps(network, x, J, eta)
        found[f"lean, {name}"] = _lean_steps(architecture, x, J, eta)
        wide = functional.pad(x, (half,) * 4, mode="circular").contiguous(memory_format=layout)
        found[f"convolution, {name}"] = _convolutions(wide, J)
    return found


def _normals(x: Tensor) -> Tensor:
    """Return room for noise of the state's shape and layout; filled in the order in memory."""
    return torch.empty_like(x, memory_format=torch.preserve_format)


def _network_steps(network: KuramotoNetwork, x: Tensor, J: Tensor, eta: float) -> Callable[[int], None]:
    last = x.is_contiguous(memory_format=torch.channels_last)
    shape = x.permute(0, 2, 3, 1).shape if last else x.shape

    @torch.no_grad()
    def run(n: int) -> None:
        y = x
        for _ in range(n):
            xi = torch.randn(shape, device=x.device)
            y = network.step(y, J, xi.permute(0, 3, 1, 2) if last else xi, eta)

    return run


def _lean_steps(architecture: Architecture, x: Tensor, J: Tensor, eta: float) -> Callable[[int], None]:
    half, J = architecture.kernel // 2, J * architecture.gamma
    scale, xi = eta * math.sqrt(architecture.gamma), _normals(x)

    @torch.no_grad()
    def run(n: int) -> None:
        y = x
        for _ in range(n):
            v = functional.conv2d(functional.pad(y, (half,) * 4, mode="circular"), J)
            v.add_(xi.normal_(), alpha=scale)
            v.addcmul_((y * v).sum(1, keepdim=True), y, value=-1).add_(y)
            y = v.div_(torch.linalg.vector_norm(v, dim=1, keepdim=True))

    return run


def _convolutions(wide: Tensor, J: Tensor) -> Callable[[int], None]:
    @torch.no_grad()
    def run(n: int) -> None:
        for _ in range(n):
            functional.conv2d(wide, J)

    return run
