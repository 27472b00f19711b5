"""A trained network as a lattice model: its coupling, constant and step, and what images are lifted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from physnn.errors import InputError
from physnn.models.vectors import VectorModel, normalised
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork
from physnn.store.network_file import read_networks


def lattice_model(path: str, k: int) -> tuple[VectorModel, float, np.ndarray]:
    """Return model, step size, and the vectors of foreground and background ``(2, N)`` of the k-th network of a file.

    The coupling is the one in use, with all symmetries of the network.

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
    network = KuramotoNetwork(architecture, {name: w[k] for name, w in file.weights.items()}).requires_grad_(False)
    lifts = network.lift_images(torch.tensor([0.5, -0.5]).reshape(2, 1, 1))[:, :, 0, 0].double().numpy()
    c = network.constant()
    bias = np.empty(0) if c is None else c.double().numpy()
    coupling = network.symmetric_coupling().double().numpy()
    model = VectorModel(coupling, bias, architecture.boundary, f"{Path(path).stem}/{file.seeds[k]}")
    return model, architecture.gamma, normalised(lifts)
