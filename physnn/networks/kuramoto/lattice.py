"""Kuramoto networks of shared layers as lattice models: stepped by compiled code, without torch on a CPU.

The steps are those of `physnn.networks.kuramoto.network`, the noise that of `physnn.networks.kuramoto.noise`: states
differ by rounding alone.  States are arrays, on a GPU tensors, of shape ``(images, H, W, N)``.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.kernels.vectors import langevin
from physnn.models.vectors import VectorModel, normalised
from physnn.networks.kuramoto.architecture import Architecture
from physnn.store.network_file import read_networks


@dataclass(frozen=True, eq=False)
class LatticeNetwork:
    """A network with one coupling for all steps.

    Attributes
    ----------
    model : VectorModel
        The coupling in use, with all symmetries of the network, constant and boundary.
    gamma : float
        Step size (dimensionless).
    plane : ndarray of float32, shape (1, N) or (2, N)
        w, to which a pixel p is lifted as p w / |p w|; under U(1) w and i w, as cos(pi p) w + sin(pi p) i w.
    readout, readout_bias : ndarray of float32, shape (N,) and (1,)
        The output is r . x + b.
    """

    model: VectorModel
    gamma: float
    plane: np.ndarray
    readout: np.ndarray
    readout_bias: np.ndarray

    def lift_images(self, images: np.ndarray) -> np.ndarray:
        """Initial states ``(images, H, W, N)``, float32, of images ``(images, H, W)`` with values +-0.5."""
        p = np.asarray(images, np.float32)[..., None]
        if len(self.plane) == 1:
            x = p * self.plane[0]
        else:
            angle = np.float32(math.pi) * p
            x = np.cos(angle) * self.plane[0] + np.sin(angle) * self.plane[1]
        length = np.sqrt(np.einsum("...n,...n->...", x, x))[..., None]
        return np.ascontiguousarray(x / np.maximum(length, np.float32(1e-12)))

    def evolve(self, images: np.ndarray, steps: int, keys: np.ndarray, eta: float, device: str = "cpu") -> Any:
        """States after ``steps`` steps at noise eta, on the device; ``keys (images, 2)`` are those of the noise."""
        return self._advance(self.lift_images(images), steps, keys, eta, device)[0]

    def _advance(
        self, x: Any, steps: int, keys: np.ndarray, eta: float, device: str, every: int = 0
    ) -> tuple[Any, np.ndarray]:
        if device == "cpu":
            model = self.model
            arrays = model.coupling, model.near, np.empty((0, 0)), model.bias, keys
            rule = False, model.boundary == "periodic", every
            return x, langevin.advance(x, *arrays, 0, steps, self.gamma, eta, *rule)
        from physnn.kernels.gpu import vectors

        on_gpu = _uploaded(self, device)
        x = vectors.put(x, on_gpu) if isinstance(x, np.ndarray) else x
        return x, vectors.advance(x, on_gpu, keys, 0, steps, self.gamma, eta, False, every)

    def read_out(self, x: Any) -> np.ndarray:
        """Output images ``(images, H, W)``, float32."""
        if isinstance(x, np.ndarray):
            return np.asarray(x @ self.readout + self.readout_bias)
        r = x.new_tensor(self.readout)
        return np.asarray((x * r).sum(-1).cpu().numpy() + self.readout_bias)

    def overlap(self, x: Any, y: Any) -> np.ndarray:
        """Mean of x . y over sites, shape ``(images,)``, float64."""
        if isinstance(x, np.ndarray):
            return np.asarray((x * y).reshape(len(x), -1).sum(1, dtype=np.float64) / math.prod(x.shape[1:3]))
        return np.asarray((x * y).sum(-1).double().mean((1, 2)).cpu().numpy())

    def energy(self, x: Any) -> np.ndarray:
        """Energy per site, ``-(1/2) <x . (J * x)> - <c . x>``, shape ``(images,)``, float64."""
        keys, device = np.zeros((len(x), 2), np.uint32), "cpu"
        if not isinstance(x, np.ndarray):
            x, device = x.clone(), str(x.device) if x.is_cuda else "cuda"
        else:
            x = x.copy()
        # Energies are measured before a step, which is then of no use.
        sums = self._advance(x, 1, keys, 0.0, device, every=1)[1]
        return np.asarray(-0.5 * (sums[:, 0, 0] + sums[:, 0, 1]) / math.prod(x.shape[1:3]))


@functools.lru_cache(maxsize=4)
def _uploaded(network: LatticeNetwork, device: str) -> Any:
    from physnn.kernels.gpu import vectors

    model, N = network.model, network.model.components
    arrays = model.coupling, model.near, np.zeros((N, N)), model.bias
    return vectors.upload(*arrays, model.boundary == "periodic", device)


def symmetric_coupling(raw: np.ndarray, architecture: Architecture) -> np.ndarray:
    """Coupling in use, ``(N, N, k, k)``, of a trained one, with the symmetries of its architecture.

    As `physnn.networks.kuramoto.network.KuramotoNetwork.symmetric_coupling`, in the same arithmetic.
    """
    if architecture.symmetry == "U1":
        N, k = raw.shape[0], raw.shape[-1]
        pairs = raw.reshape(N // 2, 2, N // 2, 2, k, k)
        a = (pairs[:, 0, :, 0] + pairs[:, 1, :, 1]) / 2
        b = (pairs[:, 1, :, 0] - pairs[:, 0, :, 1]) / 2
        raw = np.stack([np.stack([a, -b], 2), np.stack([b, a], 2)], 1).reshape(N, N, k, k)
    raw = architecture.averaged(raw)
    return np.asarray((raw + raw[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)) / 2)


@functools.lru_cache(maxsize=4)
def lattice_network(path: str, k: int) -> LatticeNetwork:
    """The k-th network of a file; kept for the next task.

    Raises
    ------
    InputError
        If every layer has a coupling of its own.
    """
    file = read_networks(path)
    architecture = Architecture(**file.architecture)
    if architecture.layers:
        raise InputError(
            f"{path} has a coupling for every layer, so nothing lasts beyond its depth; take networks of shared layers"
        )
    weights = {name: np.asarray(w[k], np.float32) for name, w in file.weights.items()}
    bias = weights["bias"].astype(np.float64) if architecture.broken else np.empty(0)
    coupling = symmetric_coupling(weights["coupling"], architecture).astype(np.float64)
    model = VectorModel(coupling, bias, architecture.boundary, f"{Path(path).stem}/{file.seeds[k]}")
    w = weights["lift"]
    turned = np.stack([-w[1::2], w[::2]], 1).reshape(-1) if architecture.symmetry == "U1" else None
    plane = w[None] if turned is None else np.stack([w, turned])
    return LatticeNetwork(model, architecture.gamma, plane, weights["readout"], weights["readout_bias"])


def lattice_model(path: str, k: int) -> tuple[VectorModel, float, np.ndarray]:
    """Model, step size, and the states ``(2, N)`` of foreground and background, of the k-th network of a file."""
    network = lattice_network(path, k)
    lifts = network.lift_images(np.array([0.5, -0.5]).reshape(2, 1, 1))[:, 0, 0].astype(np.float64)
    return network.model, network.gamma, normalised(lifts)
