"""Claims of the topological-defects paper and of locality, on untrained and bundled networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.networks.kuramoto.evaluate import contrast, load_network
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.noise import KeyedNoise
from physnn.networks.kuramoto.training import TrainingRecipe, validation_rmse
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.shipped import resolve
from physnn.store.network_file import read_networks


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


@pytest.mark.parametrize(("name", "flips"), [("kuramoto_symmetric", True), ("kuramoto_broken", False)])
def test_the_output_of_a_trained_network_flips_with_its_input_only_if_symmetric(name, flips):
    file = read_networks(resolve(name))
    images = torch.from_numpy(Transmogrifier(32).pairs(rng.stream(0, "synthetic", "flip"), 4)[0])
    for k in range(len(file.ids)):
        net = load_network(str(resolve(name)), file.ids[k], "cpu")
        b = net.get_parameter("readout_bias")
        difference = ((net(-images, 15) - b) + (net(images, 15) - b)).abs().max()
        assert (difference < 1e-5) == flips


def test_the_bundled_symmetric_networks_do_their_task_on_fresh_images():
    file = read_networks(resolve("kuramoto_symmetric"))
    recipe = TrainingRecipe(**{k: v for k, v in file.recipe.items() if k not in ("kind", "seeds", "device")})
    recipe = recipe.model_copy(update={"validation_pairs": 128})
    for k in range(len(file.ids)):
        net = load_network(str(resolve("kuramoto_symmetric")), file.ids[k], "cpu")
        assert validation_rmse(net, recipe, 12345) <= 0.07
        shallow = recipe.model_copy(update={"steps": 1})
        assert validation_rmse(net, shallow, 12345) > 0.15, "the depth matters: one step does not do it"


def test_locality_what_lies_beyond_the_light_cone_does_not_matter():
    """The same image and noise in a window, at two sizes: equal outputs inside the light cone."""
    path = str(resolve("kuramoto_symmetric"))
    net = load_network(path, read_networks(path).ids[0], "cpu")
    steps, window = 5, 40
    large = Transmogrifier(72).pair(rng.stream(0, "synthetic", "cone"))[0]
    small = Transmogrifier(56).pair(rng.stream(1, "synthetic", "cone"))[0]
    small[:window, :window] = large[:window, :window]
    keys = rng.counter_key(0, "noise", "cone", 0)[None]
    outputs = [
        net.read_out(net.evolve(torch.from_numpy(image)[None], steps, KeyedNoise(keys, 16, len(image)), 0.1))[0]
        for image in (small, large)
    ]
    inside = slice(2 * steps, window - 2 * steps)
    difference = (outputs[0][:window, :window] - outputs[1][:window, :window]).abs()
    assert difference[inside, inside].max() < 1e-4
    assert difference.max() > 0.1, "outside the cone they differ"
