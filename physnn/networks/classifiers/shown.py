"""What a replica is shown in training: the order of its images, their positions, and what dropout leaves out."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from physnn import rng
from physnn.models.groups.representations import PointGroupName
from physnn.networks.symmetry.layers import move_pixels, point_group
from physnn.networks.tasks.problem import Problem


def image_order(seed: int, epoch: int, images: int) -> np.ndarray:
    """Order in which a replica sees the images in one epoch: a permutation of 0 to ``images - 1``."""
    return np.asarray(rng.stream(seed, "order", epoch).permutation(images))


def every_position(problem: Problem, group: PointGroupName) -> tuple[np.ndarray, np.ndarray]:
    """Training images that every element of a point group acted on in turn, and labels, element by element."""
    elements = range(len(point_group(group).matrices))
    if len(elements) == 1:
        return problem.images, problem.labels
    moved = [move_pixels(group, g, torch.from_numpy(problem.images)).numpy() for g in elements]
    return np.concatenate(moved), np.tile(problem.labels, len(elements))


def drawn_elements(seed: int, epoch: int, images: int, group: PointGroupName) -> np.ndarray:
    """Element of a point group that acts on each image of an epoch, in the order in which they are shown."""
    if group == "c1":
        return np.zeros(images, np.int64)
    return np.asarray(rng.stream(seed, "position", epoch).integers(len(point_group(group).matrices), size=images))


def dropout_factors(seed: int, epoch: int, images: int, units: int, rate: float) -> np.ndarray:
    """Factors of hidden units for each image of an epoch, 0 with probability ``rate``, else 1/(1 - rate).

    Shape (images, units) in the order of the epoch; (0, units) for a rate of 0.
    """
    if rate == 0:
        return np.empty((0, units), np.float32)
    drawn = rng.stream(seed, "dropout", epoch).random((images, units), np.float32)
    return np.where(drawn < rate, 0, 1 / (1 - rate)).astype(np.float32)


def dropout_rate(network: nn.Module) -> float:
    """Rate of dropout of a network's hidden layer, 0 without dropout."""
    return float(getattr(network, "rate", 0.0))


def batches(images: int, batch: int) -> list[slice]:
    """Places of each batch in the order of an epoch."""
    return [slice(start, min(start + batch, images)) for start in range(0, images, batch)]
