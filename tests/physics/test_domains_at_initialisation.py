"""The first figure of the topological-defects paper: at initialisation only the symmetric network keeps its input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.networks.evaluate import contrast
from physnn.networks.kuramoto import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.tasks import Transmogrifier


def median_contrast(broken: bool, bias_sd: float) -> float:
    image = Transmogrifier(64).pair(rng.stream(0, "figure", "propagation"))[0]
    values = []
    for seed in range(12):
        shape = Architecture(broken=broken)
        net = KuramotoNetwork(shape, initial_weights(shape, rng.stream(seed, "weights"), bias_sd))
        with torch.no_grad():
            values.append(contrast(net.evolve(torch.from_numpy(image)[None], 20)[0], image))
    return float(np.median(values))


def test_the_symmetric_network_keeps_its_input_and_the_broken_one_does_not():
    assert median_contrast(False, 0.0) > 0.4
    assert median_contrast(True, 0.3) < 0.1


@pytest.mark.slow
def test_the_loss_of_memory_grows_with_the_size_of_c():
    values = [median_contrast(True, sd) for sd in (0.05, 0.1, 0.2, 0.5)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.3 and values[-1] < 0.01
