"""How far the values of a layer are from moving along with its input: equivariance as a number between 0 and 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError

FEWEST_IMAGES = 8
"""Images that a measurement needs: mixings are found on half of them, and their scatter is its error."""
ROUNDED_TO = 1e-8
"""Deviation that is rounding of single precision."""
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class LayerDeviation:
    """Deviation ``sum |z - y|^2 / sum (|z|^2 + |y|^2)`` of a layer, by image; y and z are centred.

    y are the values of images, and z those of images that an element of a group acted on, with their places moved back.
    It is 0 where both are the same, and about 1 where they have nothing to do with each other.

    Attributes
    ----------
    still : ndarray, shape (2, images)
        Numerators and denominators with channels as they are.
    mixed : ndarray, shape (2, images)
        The same after the rotation of channels that fits best, found on the other half of the images.
    unrelated : ndarray, shape (2, images)
        The same where z is that of the next image: the null.
    interpolated : ndarray, shape (2, images)
        The same, channels as they are, where z is that of images that were only moved there and back between pixels; 0
        where a group moves pixels exactly.
    """

    still: Sums
    mixed: Sums
    unrelated: Sums
    interpolated: Sums
    settled: bool
    """Whether half of the images have twice as many values of a channel as there are channels, or more."""

    def __add__(self, other: LayerDeviation) -> LayerDeviation:
        """Sums over two elements or networks, image by image."""
        return LayerDeviation(
            self.still + other.still,
            self.mixed + other.mixed,
            self.unrelated + other.unrelated,
            self.interpolated + other.interpolated,
            self.settled and other.settled,
        )


def share(sums: Sums) -> tuple[float, float]:
    """Ratio of sums over images, and its error over images; 0 where there is nothing to compare."""
    above, below = sums
    total = float(below.sum())
    if total == 0:
        return 0.0, 0.0
    ratio, n = float(above.sum()) / total, len(above)
    return ratio, math.sqrt(float(((above - ratio * below) ** 2).sum()) * n / (n - 1)) / total


def layer_deviation(
    here: NDArray[np.float64], moved: NDArray[np.float64], interpolated: NDArray[np.float64] | None = None
) -> LayerDeviation:
    """Deviation of a layer's values from those of images that were acted on.

    Parameters
    ----------
    here, moved : ndarray, shape (images, channels, places)
        Values of images; and of images that were acted on, at the places that these came from.
    interpolated : ndarray, optional
        Those of images that were moved there and back between pixels.

    Raises
    ------
    InputError
        If the shapes differ, or there are fewer than `FEWEST_IMAGES` images.
    """
    if here.shape != moved.shape or here.ndim != 3:
        raise InputError(f"values of shape {here.shape} cannot be held against those of shape {moved.shape}")
    if len(here) < FEWEST_IMAGES:
        raise InputError(f"{len(here)} images are too few to tell a deviation and its error; give {FEWEST_IMAGES}")
    x, y, z = (
        v - v.mean(axis=(0, 2), keepdims=True) for v in (here if interpolated is None else interpolated, here, moved)
    )
    settled = len(y) // 2 * y.shape[2] >= 2 * y.shape[1]
    unrelated = _sums(*_rotated(y, np.roll(z, 1, axis=0)))
    return LayerDeviation(_sums(y, z), _sums(*_rotated(y, z)), unrelated, _sums(y, x), settled)


def _sums(y: NDArray[np.float64], z: NDArray[np.float64]) -> Sums:
    """Numerators and denominators by image."""
    below = (y**2).sum(axis=(1, 2)) + (z**2).sum(axis=(1, 2))
    return np.stack([((z - y) ** 2).sum(axis=(1, 2)), below])


def _rotated(y: NDArray[np.float64], z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values y with their channels rotated to fit z on the other half of the images, and z."""
    found = np.empty_like(y)
    half = np.arange(len(y)) % 2 == 0
    for own in (half, ~half):
        left, _, right = np.linalg.svd(np.einsum("ncp,ndp->cd", z[~own], y[~own], optimize=True))
        found[own] = np.einsum("cd,ndp->ncp", left @ right, y[own], optimize=True)
    return found, z
