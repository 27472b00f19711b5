"""Batches of images of the transmogrifier, and what is measured of a network's outputs for them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter

from physnn import rng
from physnn.networks.kuramoto.lattice import LatticeNetwork, lattice_network
from physnn.networks.tasks.transmogrifier import ShapeDensity, Transmogrifier
from physnn.store.network_file import read_networks

NEAR = 3
"""A pixel is near a shape if input or target has a foreground pixel within this Chebyshev distance (pixels)."""


@dataclass(frozen=True)
class Batch:
    """Which images are shown: numbers ``first .. first + count - 1`` of a network's own series at one L."""

    L: int
    density: ShapeDensity
    radius: int
    seed: int
    first: int
    count: int


@dataclass(frozen=True, eq=False)
class Shown:
    """Inputs, targets and pixels near a shape ``(count, L, L)``, and numbers of shapes ``(count,)``, of a batch."""

    inputs: np.ndarray
    targets: np.ndarray
    near: np.ndarray
    shapes: np.ndarray


@functools.lru_cache(maxsize=2)
def shown(network_id: str, batch: Batch) -> Shown:
    """Images of a batch from a network's own series; kept for the next noise level."""
    task = Transmogrifier(batch.L, batch.density, batch.radius)
    drawn = [
        task.pair(rng.stream(batch.seed, "image", network_id, batch.density, batch.L, k))
        for k in range(batch.first, batch.first + batch.count)
    ]
    inputs, targets = np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
    near = maximum_filter(np.maximum(inputs, targets), (0, 2 * NEAR + 1, 2 * NEAR + 1), mode="wrap") > 0
    return Shown(inputs, targets, near, np.array([d[2] for d in drawn], np.int64))


def noise_keys(network_id: str, batch: Batch) -> np.ndarray:
    """Counter keys of a batch's noise, shape ``(count, 2)``; the same at every L and noise level."""
    numbers = range(batch.first, batch.first + batch.count)
    return np.stack([rng.counter_key(batch.seed, "noise", network_id, k) for k in numbers])


def output_errors(output: np.ndarray, images: Shown) -> dict[str, np.ndarray]:
    """Errors of output images ``(count, L, L)``, pixels +-0.5, and numbers of the images, each of shape ``(count,)``.

    ``rmse``: root of the mean squared error of this image, foreground 1, background 0; ``se_near``, ``se_far``: sums of
    squared errors near and far from shapes; ``n_near``: number of near pixels; ``target_sq``: sum of the squared
    target; ``n_shapes``.
    """
    error = (output.astype(np.float64) - images.targets) ** 2
    near = images.near
    return {
        "rmse": np.sqrt(error.mean((1, 2))),
        "se_near": np.where(near, error, 0).sum((1, 2)),
        "se_far": np.where(near, 0, error).sum((1, 2)),
        "n_near": near.sum((1, 2)).astype(np.int64),
        "target_sq": ((images.targets + 0.5) ** 2).sum((1, 2), dtype=np.float64),
        "n_shapes": images.shapes,
    }


@functools.lru_cache(maxsize=2)
def _clean(network: LatticeNetwork, network_id: str, device: str, batch: Batch, steps: int) -> Any:
    return network.evolve(shown(network_id, batch).inputs, steps, noise_keys(network_id, batch), 0.0, device)


def kernel_run(path: str, network_id: str, device: str, batch: Batch, steps: int, eta: float) -> dict[str, np.ndarray]:
    """Measure a network of shared layers on a batch of images at noise eta, stepped by compiled code.

    Parameters and result are those of `physnn.networks.kuramoto.evaluate.noisy_run`, on the same noise: numbers differ
    by rounding alone.
    """
    network = lattice_network(path, read_networks(path).ids.index(network_id))
    images, keys = shown(network_id, batch), noise_keys(network_id, batch)
    clean = _clean(network, network_id, device, batch, steps)
    x = network.evolve(images.inputs, steps, keys, eta, device) if eta > 0 else clean
    found = output_errors(network.read_out(x), images)
    return found | {"overlap": network.overlap(x, clean), "energy": network.energy(x)}
