"""The Kuramoto network: N-component unit vectors on a lattice that relax under a trained symmetric coupling.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", equations (4),
(5), (8), (9) and (12).  An image p is lifted to unit vectors x(0) = normalise(w p); T steps follow,

    x <- normalise(x + Pi_x(gamma (J * x + c) + eta sqrt(gamma) xi)),      Pi_x(y) = y - (x . y) x,

and the output is r . x(T) + b.  J is a k x k convolution kernel with J = J^T, channels and offsets together; c = 0
keeps the symmetry x -> -x.

Three variants.  Where weights are not shared, every step t has its own J_t and c_t.  A point group leaves J as it is
when it turns or reflects offsets, J(p r) = J(r), so that weights know no left from right.  Where the symmetry is U(1),
the components are pairs (Re z_a, Im z_a) of N/2 complex numbers; J is a Hermitian kernel J_ab = A_ab + i B_ab, as real
numbers one block (A, -B; B, A) for every pair of pairs, which commutes with z -> exp(i phi) z; c = 0; and a pixel is
lifted to an angle in a plane, z(0) = exp(i pi p) w, so that black and white are opposite as before and raising all
pixels by phi / pi turns x(0) by phi.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.networks.dynamics import NoiseSource, Stepper
from physnn.networks.kuramoto.architecture import Architecture


def initial_weights(architecture: Architecture, rng: np.random.Generator, bias_sd: float) -> dict[str, np.ndarray]:
    """Return untrained weights as float32 arrays, by the names of `KuramotoNetwork`'s parameters.

    Lift, coupling (before it is made symmetric) and read-out are uniform on ``+- 1/sqrt(fan in)``; the bias c is
    normal with standard deviation ``bias_sd`` and zero in a symmetric network.
    """
    n, k, shapes = architecture.components, architecture.kernel, architecture.shapes()

    def uniform(name: str, fan_in: int) -> np.ndarray:
        return rng.uniform(-1, 1, shapes[name]).astype(np.float32) / np.float32(math.sqrt(fan_in))

    weights = {
        "lift": uniform("lift", 1),
        "coupling": uniform("coupling", n * k * k),
        "readout": uniform("readout", n),
        "readout_bias": uniform("readout_bias", n),
    }
    if architecture.broken:
        weights["bias"] = rng.normal(0, bias_sd, shapes["bias"]).astype(np.float32)
    if architecture.point_group != "c1":
        # Means over n offsets have the variance of one.
        number = architecture.orbits[1]
        sizes = np.bincount(number)[number].reshape(k, k)
        weights["coupling"] = (weights["coupling"] * np.sqrt(sizes)).astype(np.float32)
    return weights


def turned(x: Tensor) -> Tensor:
    """Return i z of a state, or of anything with the components second: (Re z, Im z) becomes (-Im z, Re z)."""
    pairs = x.unflatten(1, (-1, 2))
    return torch.stack([-pairs[:, :, 1], pairs[:, :, 0]], 2).flatten(1, 2)


class KuramotoNetwork(nn.Module):
    """A Kuramoto network with given weights.

    Parameters
    ----------
    architecture : Architecture
        What is not trained.
    weights : dict of arrays
        ``lift (N,)``, ``coupling (N, N, k, k)``, ``readout (N,)``, ``readout_bias (1,)`` and, where the architecture
        is broken, ``bias (N,)``; with layers of their own ``coupling`` and ``bias`` have the layer first.  The
        coupling in use is the symmetric part, `symmetric_coupling`.
    """

    def __init__(self, architecture: Architecture, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.architecture = architecture
        self.names = tuple(architecture.shapes())
        for name in self.names:
            self.register_parameter(name, nn.Parameter(torch.tensor(np.asarray(weights[name], np.float32))))

    @property
    def gamma(self) -> float:
        """Step size."""
        return self.architecture.gamma

    @property
    def layers(self) -> int:
        """Steps with a coupling of their own; 0 if all share one."""
        return self.architecture.layers

    def symmetric_coupling(self) -> Tensor:
        """Return J, shape ``(N, N, k, k)`` or ``(layers, N, N, k, k)``, with its symmetries exact in floating point.

        J[a, b, r] = J[b, a, -r]; under U(1) also the 2 x 2 blocks (A, -B; B, A); with a point group
        J[a, b, p r] = J[a, b, r] for all its elements p.
        """
        raw: Tensor = self.get_parameter("coupling")
        if self.architecture.symmetry == "U1":
            pairs = raw.unflatten(-3, (-1, 2)).unflatten(-5, (-1, 2))
            # Indices: ..., pair out, its part, pair in, its part, row, column.
            a = (pairs[..., 0, :, 0, :, :] + pairs[..., 1, :, 1, :, :]) / 2
            b = (pairs[..., 1, :, 0, :, :] - pairs[..., 0, :, 1, :, :]) / 2
            rows = torch.stack([torch.stack([a, -b], -3), torch.stack([b, a], -3)], -5)
            raw = rows.flatten(-6, -5).flatten(-4, -3)
        raw = self.architecture.averaged(raw)
        return (raw + raw.flip(-2, -1).transpose(-4, -3)) / 2

    def lift_images(self, images: Tensor) -> Tensor:
        """Return x(0), shape ``(batch, N, H, W)``, of images ``(batch, H, W)`` with values +-0.5."""
        w = self.get_parameter("lift")[:, None, None]
        if self.architecture.symmetry == "U1":
            angle = math.pi * images[:, None]
            return functional.normalize(torch.cos(angle) * w + torch.sin(angle) * turned(w[None])[0], dim=1)
        return functional.normalize(images[:, None] * w, dim=1)

    def lift_plane(self) -> np.ndarray:
        """Return the vectors w and i w of a network with the symmetry U(1), shape ``(2, N)``."""
        w = self.get_parameter("lift").detach()
        return torch.stack([w, turned(w[None])[0]]).numpy(force=True)

    def constant(self, layer: int = 0) -> Tensor | None:
        """Return c, shape ``(N,)``, of a layer where each has its own; None in a symmetric network."""
        if not self.architecture.broken:
            return None
        c = self.get_parameter("bias")
        return c[layer] if self.architecture.layers else c

    def field(self, x: Tensor, coupling: Tensor, layer: int = 0) -> Tensor:
        """Return the drift before projection, ``J * x + c``, of a state ``(batch, N, H, W)``."""
        half = self.architecture.kernel // 2
        bias = self.constant(layer)
        if self.architecture.boundary == "zero":
            return functional.conv2d(x, coupling, bias, padding=half)
        return functional.conv2d(functional.pad(x, (half,) * 4, mode="circular"), coupling, bias)

    def step(self, x: Tensor, coupling: Tensor, xi: Tensor | None = None, eta: float = 0.0, layer: int = 0) -> Tensor:
        """Return the state after one step, with standard normals ``xi`` of x's shape at noise ``eta`` (Langevin)."""
        v = self.architecture.gamma * self.field(x, coupling, layer)
        if xi is not None:
            v = torch.add(v, xi, alpha=eta * math.sqrt(self.architecture.gamma))
        parallel = (x * v).sum(1, keepdim=True)
        return functional.normalize(torch.addcmul(x + v, parallel, x, value=-1), dim=1)

    def stepper(self) -> Stepper:
        """Return what takes a step, its coupling made once; where layers have their own, step t takes the t-th."""
        coupling, layers = self.symmetric_coupling(), self.architecture.layers

        def run(x: Tensor, t: int, xi: Tensor | None = None, eta: float = 0.0) -> Tensor:
            return self.step(x, coupling[t], xi, eta, t) if layers else self.step(x, coupling, xi, eta)

        return run

    def check_depth(self, steps: int) -> None:
        """Raise InputError for a depth beyond the layers."""
        if steps > self.architecture.layers > 0:
            raise InputError(
                f"the network has {self.architecture.layers} layers of its own, so there is no depth {steps}; "
                "take fewer --steps"
            )

    def evolve(
        self,
        images: Tensor,
        steps: int,
        noise: NoiseSource | None = None,
        eta: float = 0.0,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Return x(steps), shape ``(batch, N, H, W)``.

        ``layout`` is that of the state in memory; with the components fastest (``torch.channels_last``) a noisy step
        takes two thirds of the time on a CPU, a training step as long as without.
        """
        self.check_depth(steps)
        step = self.stepper()
        x = self.lift_images(images).contiguous(memory_format=layout)
        for t in range(steps):
            x = step(x, t, noise(t) if noise else None, eta)
        return x

    def read_out(self, x: Tensor) -> Tensor:
        """Return the output images, shape ``(batch, H, W)``; pixel values approach +-0.5."""
        return torch.einsum("bnhw,n->bhw", x, self.get_parameter("readout")) + self.get_parameter("readout_bias")

    def forward(self, images: Tensor, steps: int) -> Tensor:
        """Return the noiseless output of images ``(batch, H, W)`` after ``steps`` steps."""
        return self.read_out(self.evolve(images, steps))

    def energy(self, x: Tensor, layer: int = 0) -> Tensor:
        """Return the energy per site, ``-(1/2) <x . (J * x)> - <c . x>``, shape ``(batch,)``, dtype float64.

        J and c are those of a ``layer`` where each has its own.
        """
        coupling = self.symmetric_coupling()
        field = self.field(x, coupling[layer] if self.architecture.layers else coupling, layer)
        if (c := self.constant(layer)) is not None:
            field = field + c[:, None, None]
        # With f = J * x + c, the sum of f and c counts c twice, so that one factor 1/2 serves both terms.
        return -0.5 * (x * field).sum(1).double().mean((1, 2))

    def overlap(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean of x . y over sites, shape ``(batch,)``, dtype float64."""
        return (x * y).sum(1).double().mean((1, 2))

    def order_parameter(self, x: Tensor) -> None:
        """Return None: images order into walls, and the mean over sites says nothing."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights as float32 arrays, by name, as `initial_weights` does."""
        return {name: self.get_parameter(name).detach().numpy(force=True).copy() for name in self.names}
