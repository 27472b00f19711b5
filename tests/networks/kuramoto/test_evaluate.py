from __future__ import annotations

import numpy as np
import torch

from physnn.networks.kuramoto.batch import Batch, noise_keys
from physnn.networks.kuramoto.evaluate import clean_run, load_network, noisy_run
from physnn.networks.kuramoto.noise import KeyedNoise
from physnn.store.network_file import read_networks

BATCH = Batch(L=24, density="matched", radius=4, seed=0, first=0, count=4)


def test_observables_belong_together(network_file):
    i = read_networks(network_file).ids[0]
    found = noisy_run(str(network_file), i, "cpu", BATCH, 4, 0.2)
    assert {v.shape for v in found.values()} == {(4,)}
    assert np.allclose(found["rmse"] ** 2 * 24**2, found["se_near"] + found["se_far"])
    assert (found["overlap"] < 1).all() and (found["overlap"] > 0).all()
    assert ((found["n_near"] == 0) == (found["n_shapes"] == 0)).all()
    clean = noisy_run(str(network_file), i, "cpu", BATCH, 4, 0.0)
    assert np.allclose(clean["overlap"], 1, atol=1e-6)
    assert (clean["energy"] < found["energy"]).all(), "noise raises the energy of a relaxing network"


def test_rmse_is_that_of_pixels_0_and_1_and_does_not_care_for_the_offset(network_file):
    i = read_networks(network_file).ids[0]
    net = load_network(str(network_file), i, "cpu")
    clean, _, targets, _ = clean_run(str(network_file), i, "cpu", BATCH, 4)
    output = net.read_out(clean).numpy() + 0.5
    by_hand = np.sqrt(((output - (targets + 0.5)) ** 2).mean((1, 2)))
    assert np.allclose(noisy_run(str(network_file), i, "cpu", BATCH, 4, 0.0)["rmse"], by_hand, rtol=1e-5)


def test_an_image_does_not_depend_on_its_batch(network_file):
    i = read_networks(network_file).ids[0]
    whole = noisy_run(str(network_file), i, "cpu", BATCH, 4, 0.2)
    one = noisy_run(str(network_file), i, "cpu", Batch(24, "matched", 4, 0, 2, 1), 4, 0.2)
    for name, values in one.items():
        assert np.allclose(whole[name][2], values[0], rtol=1e-5), name


def test_noise_strength_is_the_langevin_one(network_file):
    """With the coupling off, one step of noise turns a spin by an angle of variance eta^2 gamma (N - 1)."""
    i = read_networks(network_file).ids[0]
    net = load_network(str(network_file), i, "cpu")
    x = net.lift_images(torch.ones(1, 64, 64))
    J = torch.zeros(16, 16, 5, 5)
    noise = KeyedNoise(noise_keys(i, Batch(64, "matched", 4, 0, 0, 1)), 16, 64)
    eta, gamma = 0.1, 0.25
    turned = net.step(x, J, noise(0), eta)
    angle_squared = torch.arccos((x * turned).sum(1).double().clamp(-1, 1)) ** 2
    expected = eta**2 * gamma * 15
    error = expected * (2 / 15 / 64**2) ** 0.5
    # tan(angle) = |v|: the mean of arctan^2 lies 2/3 <v^4> below <v^2>.
    expected -= 2 / 3 * (eta**2 * gamma) ** 2 * 15 * 17
    assert abs(angle_squared.mean().item() - expected) < 5 * error
    assert abs(angle_squared.mean().item() - 1.02**2 * expected) > 5 * error, "2 % more noise would be seen"
