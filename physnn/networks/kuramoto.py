"""The Kuramoto network: N-component unit vectors on a lattice that relax under a trained symmetric coupling.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", equations (4),
(5), (8), (9) and (12).  An image p is lifted to unit vectors x(0) = normalise(w p); T steps follow,

    x <- normalise(x + Pi_x(gamma (J * x + c) + eta sqrt(gamma) xi)),      Pi_x(y) = y - (x . y) x,

and the output is r . x(T) + b.  J is a k x k convolution kernel with J = J^T, channels and offsets together; c = 0
keeps the symmetry x -> -x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError

Boundary = Literal["periodic", "zero"]
Noise = Callable[[int], Tensor]
"""Called with the step number; returns independent standard normals of the state's shape."""


@dataclass(frozen=True)
class Architecture:
    """Shape and time step of a Kuramoto network; everything about it that is not trained.

    Parameters
    ----------
    components : int
        N, the number of components of each unit vector.
    kernel : int
        k, the odd side of the coupling kernel.
    gamma : float
        Step size (dimensionless).
    broken : bool
        Whether a trained constant c breaks the symmetry x -> -x explicitly.
    boundary : {"periodic", "zero"}
        Torus, or neighbours beyond the border counted as zero.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    components: int = 16
    kernel: int = 5
    gamma: float = 0.25
    broken: bool = False
    boundary: Boundary = "periodic"

    def __post_init__(self) -> None:
        if self.components < 2:
            raise InputError(f"components must be at least 2, not {self.components}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"the kernel's side must be odd and positive, not {self.kernel}")
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise InputError(f"gamma must be positive and finite, not {self.gamma}")


def initial_weights(architecture: Architecture, rng: np.random.Generator, bias_sd: float) -> dict[str, np.ndarray]:
    """Return untrained weights as float32 arrays, by the names of `KuramotoNetwork`'s parameters.

    Lift, coupling (before it is made symmetric) and read-out are uniform on ``+- 1/sqrt(fan in)``; the bias c is
    normal with standard deviation ``bias_sd`` and zero in a symmetric network.
    """
    n, k = architecture.components, architecture.kernel

    def uniform(fan_in: int, *shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(math.sqrt(fan_in))

    weights = {
        "lift": uniform(1, n),
        "coupling": uniform(n * k * k, n, n, k, k),
        "readout": uniform(n, n),
        "readout_bias": uniform(n, 1),
    }
    if architecture.broken:
        weights["bias"] = rng.normal(0, bias_sd, n).astype(np.float32)
    return weights


class KuramotoNetwork(nn.Module):
    """A Kuramoto network with given weights.

    Parameters
    ----------
    architecture : Architecture
        What is not trained.
    weights : dict of arrays
        ``lift (N,)``, ``coupling (N, N, k, k)``, ``readout (N,)``, ``readout_bias (1,)`` and, where the architecture
        is broken, ``bias (N,)``.  The coupling in use is the symmetric part, `symmetric_coupling`.
    """

    def __init__(self, architecture: Architecture, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.architecture = architecture
        self.names = ("lift", "coupling", "readout", "readout_bias") + (("bias",) if architecture.broken else ())
        for name in self.names:
            self.register_parameter(name, nn.Parameter(torch.tensor(np.asarray(weights[name], np.float32))))

    def symmetric_coupling(self) -> Tensor:
        """Return J, shape ``(N, N, k, k)``: J[a, b, r] = J[b, a, -r] exactly, in floating point too."""
        raw = self.get_parameter("coupling")
        return (raw + raw.flip(2, 3).transpose(0, 1)) / 2

    def lift_images(self, images: Tensor) -> Tensor:
        """Return x(0), shape ``(batch, N, H, W)``, of images ``(batch, H, W)`` with values +-0.5."""
        return functional.normalize(images[:, None] * self.get_parameter("lift")[:, None, None], dim=1)

    def field(self, x: Tensor, coupling: Tensor) -> Tensor:
        """Return the drift before projection, ``J * x + c``, of a state ``(batch, N, H, W)``."""
        half = self.architecture.kernel // 2
        bias = self.get_parameter("bias") if self.architecture.broken else None
        if self.architecture.boundary == "zero":
            return functional.conv2d(x, coupling, bias, padding=half)
        return functional.conv2d(functional.pad(x, (half,) * 4, mode="circular"), coupling, bias)

    def step(self, x: Tensor, coupling: Tensor, xi: Tensor | None = None, eta: float = 0.0) -> Tensor:
        """Return the state after one step, with standard normals ``xi`` of x's shape at noise ``eta`` (Langevin)."""
        v = self.architecture.gamma * self.field(x, coupling)
        if xi is not None:
            v = torch.add(v, xi, alpha=eta * math.sqrt(self.architecture.gamma))
        parallel = (x * v).sum(1, keepdim=True)
        return functional.normalize(torch.addcmul(x + v, parallel, x, value=-1), dim=1)

    def evolve(
        self,
        images: Tensor,
        steps: int,
        noise: Noise | None = None,
        eta: float = 0.0,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Return x(steps), shape ``(batch, N, H, W)``.

        ``layout`` is that of the state in memory; with the components fastest (``torch.channels_last``) a noisy step
        takes two thirds of the time on a CPU, a training step as long as without.
        """
        coupling = self.symmetric_coupling()
        x = self.lift_images(images).contiguous(memory_format=layout)
        for t in range(steps):
            x = self.step(x, coupling, noise(t) if noise else None, eta)
        return x

    def read_out(self, x: Tensor) -> Tensor:
        """Return the output images, shape ``(batch, H, W)``; pixel values approach +-0.5."""
        return torch.einsum("bnhw,n->bhw", x, self.get_parameter("readout")) + self.get_parameter("readout_bias")

    def forward(self, images: Tensor, steps: int) -> Tensor:
        """Return the noiseless output of images ``(batch, H, W)`` after ``steps`` steps."""
        return self.read_out(self.evolve(images, steps))

    def energy(self, x: Tensor) -> Tensor:
        """Return the energy per site, ``-(1/2) <x . (J * x)> - <c . x>``, shape ``(batch,)``, dtype float64."""
        field = self.field(x, self.symmetric_coupling())
        if self.architecture.broken:
            field = field + self.get_parameter("bias")[:, None, None]
        # With f = J * x + c, the sum of f and c counts c twice, so that one factor 1/2 serves both terms.
        return -0.5 * (x * field).sum(1).double().mean((1, 2))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights as float32 arrays, by name, as `initial_weights` does."""
        return {name: self.get_parameter(name).detach().numpy(force=True).copy() for name in self.names}
