"""Labels of classes in the plane: a second output beside the logits, and the places that it is drawn to.

Source: section 4.2 of "U(1) Symmetry-breaking Observed in Generic CNN Bottleneck Layers".  A linear layer takes what
the logits are made from to a point p of the plane, and the loss is

    cross-entropy + w |p - l|^2,  averaged over images,

with the place l of the image's class: on the unit circle by a random angle (``u1``), a random corner of a square
(``discrete``), or a random point in it (``uniform``).  Two controls know nothing of classes: an angle for every image
(``per-sample``), and the origin for all (``zero``).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import Tensor, nn

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.deep import PooledNetwork
from physnn.networks.classifiers.zoo import SimpleCNN

LabelLoss = Literal["none", "u1", "discrete", "uniform", "per-sample", "zero"]
"""What the second output is drawn to; ``none``: there is no second output."""
PLANE_NUMBERS = 2
"""Numbers of a place in the plane."""


def label_places(kind: LabelLoss, seed: int, labels: np.ndarray, classes: int) -> np.ndarray:
    """Places of images in the plane, float32, shape (images, 2); (0, 2) without a second output.

    They follow from the kind, the seed and the labels: images of a class share a place, but those of ``per-sample``.
    """
    if kind == "none":
        return np.empty((0, PLANE_NUMBERS), np.float32)
    draw, own = rng.stream(seed, "label", kind), kind == "per-sample"
    rows = len(labels) if own else classes
    if kind == "discrete":
        places = 2.0 * draw.integers(0, 2, (rows, PLANE_NUMBERS)) - 1
    elif kind == "uniform":
        places = draw.uniform(-1, 1, (rows, PLANE_NUMBERS))
    elif kind == "zero":
        places = np.zeros((rows, PLANE_NUMBERS))
    else:
        angle = draw.uniform(0, 2 * np.pi, rows)
        places = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(places if own else places[labels], np.float32)


def add_label_head(network: nn.Module) -> None:
    """Give a network a second output, a linear layer ``label`` beside its layer ``output``.

    Raises
    ------
    InputError
        If the network has no layer that both could read.
    """
    if not isinstance(network, SimpleCNN | PooledNetwork):
        raise InputError(
            "a label in the plane is for simple, dropout, batchnorm, flip, rotation and the networks with global "
            "pooling, without --average; take one of these"
        )
    network.label = nn.Linear(network.output.in_features, PLANE_NUMBERS)


def label_distance(found: Tensor, places: Tensor) -> Tensor:
    """Mean squared distance of second outputs from their places, both of shape (images, 2)."""
    return (found - places).square().sum(-1).mean()
