"""An AKOrN-style layer of oscillators, as an example of a network that is brought to physnn from outside.

Source: T. Miyato, S. Loewe, A. Geiger and M. Welling, "Artificial Kuramoto Oscillatory Neurons", ICLR 2025.  A state
has C channels, of which every n form one unit vector x_i; one step is

    x <- normalise(x + gamma (Omega x + P_x(c + J * x)) + sqrt(gamma) P_x(noise)),        P_x(y) = y - <x, y> x,

with the stimulus c = s p of an image p, and Omega turning pairs of channels.  Without Omega the term is zero.  The
authors' code has no noise, and without Omega it adds x itself instead: x + gamma (x + P), normalised, is a step of
gamma / (1 + gamma), see `step_size`.

Run it to write weights: ``python docs/akorn_layer.py layer.safetensors``.
"""

import sys

import numpy as np
import torch
from torch.nn import functional

COMPONENTS = 4


def step_size(gamma: float, has_omega: bool) -> float:
    """Return the step size that weights of the authors' code stand for."""
    return gamma if has_omega else gamma / (1 + gamma)


class AkornLayer:
    """A layer of oscillators in the protocol of physnn.

    Weights: ``embedding (C,)``, ``stimulus (C,)``, ``coupling (C, C, k, k)``, ``readout (C,)``, ``gamma ()``, and, if
    pairs of channels turn, ``omega (C / 2,)``.  A state is C channels of x and, behind them, C of c, since a step must
    find all it needs in the state.
    """

    steps = 8

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        self.weights = weights
        self.gamma = float(weights["gamma"])
        J = weights["coupling"]
        if "omega" not in weights and torch.equal(J, J.flip(2, 3).transpose(0, 1)):
            self.energy = self._energy  # only then do steps lower one

    def lift(self, images: torch.Tensor) -> torch.Tensor:
        """Return the state at depth 0: oscillators along +-embedding, and the stimulus."""
        x, c = (images[:, None] * self.weights[name][:, None, None] for name in ("embedding", "stimulus"))
        return torch.cat([unit(x), c], 1)

    def step(self, state: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        """Return the state one step later."""
        x, c = state.chunk(2, 1)
        J = self.weights["coupling"]
        moved = self.gamma * project(x, functional.conv2d(x, J, padding=J.shape[-1] // 2) + c)
        if "omega" in self.weights:
            moved = moved + self.gamma * self.turn(x)
        if noise is not None:
            moved = moved + self.gamma**0.5 * project(x, noise.chunk(2, 1)[0])
        return torch.cat([unit(x + moved), c], 1)

    def turn(self, x: torch.Tensor) -> torch.Tensor:
        """Return Omega x: (x0, x1) becomes omega (x1, -x0)."""
        pairs = x.unflatten(1, (-1, 2))
        omega = self.weights["omega"][:, None, None]
        return torch.stack([omega * pairs[:, :, 1], -omega * pairs[:, :, 0]], 2).flatten(1, 2)

    def read_out(self, state: torch.Tensor) -> torch.Tensor:
        """Return the output images."""
        return torch.einsum("bchw,c->bhw", state.chunk(2, 1)[0], self.weights["readout"])

    def order_parameter(self, state: torch.Tensor) -> torch.Tensor:
        """Return the mean oscillator of the whole lattice, shape (images, n)."""
        return state.chunk(2, 1)[0].unflatten(1, (-1, COMPONENTS)).mean((1, 3, 4))

    def overlap(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return the mean of x_a . x_b over oscillators; the stimulus is the same in both."""
        return oscillators(a.chunk(2, 1)[0] * b.chunk(2, 1)[0]).sum(2).mean((1, 2, 3))

    def _energy(self, state: torch.Tensor) -> torch.Tensor:
        """Return -(x . J x / 2 + c . x) per site; the authors report it without the 1/2, before the step."""
        x, c = state.chunk(2, 1)
        J = self.weights["coupling"]
        field = functional.conv2d(x, J, padding=J.shape[-1] // 2) / 2 + c
        return -(x * field).sum(1).mean((1, 2))


def oscillators(x: torch.Tensor) -> torch.Tensor:
    """Return channels (b, C, h, w) as oscillators (b, C / n, n, h, w)."""
    return x.unflatten(1, (-1, COMPONENTS))


def unit(x: torch.Tensor) -> torch.Tensor:
    """Return every oscillator at length 1."""
    return functional.normalize(oscillators(x), dim=2).flatten(1, 2)


def project(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return what of y lies along the spheres of x."""
    a, b = oscillators(x), oscillators(y)
    return (b - (a * b).sum(2, keepdim=True) * a).flatten(1, 2)


def example_weights(seed: int = 0, channels: int = 8) -> dict[str, np.ndarray]:
    """Return weights of a layer that orders: neighbours pull equally, with a little disorder that keeps J = J^T."""
    rng = np.random.default_rng(seed)
    J = 0.02 * rng.normal(size=(channels, channels, 3, 3))
    J = (J + J[:, :, ::-1, ::-1].swapaxes(0, 1)) / 2
    for row, column in ((0, 1), (1, 0), (1, 2), (2, 1)):
        J[:, :, row, column] += 0.5 * np.eye(channels)
    J = (J + J[:, :, ::-1, ::-1].swapaxes(0, 1)) / 2
    w = rng.normal(size=channels)
    w /= np.linalg.norm(w.reshape(-1, COMPONENTS), axis=1).repeat(COMPONENTS)
    found = {"embedding": w, "stimulus": 0.5 * w, "coupling": J, "readout": w / channels, "gamma": np.array(0.25)}
    found["readout"] *= COMPONENTS / 2
    return {name: np.ascontiguousarray(values, np.float32) for name, values in found.items()}


if __name__ == "__main__":
    from safetensors.numpy import save_file

    save_file(example_weights(), sys.argv[1])
