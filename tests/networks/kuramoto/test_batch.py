"""Steps of compiled code against torch's, for every kind of network and every observable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.batch import Batch, kernel_run, shown
from physnn.networks.kuramoto.evaluate import load_network, noisy_run
from physnn.networks.kuramoto.lattice import lattice_network
from physnn.networks.kuramoto.network import initial_weights
from physnn.shipped import resolve
from physnn.store.network_file import read_networks, write_networks

BATCH = Batch(L=32, density="matched", radius=4, seed=0, first=0, count=3)
BUNDLED = ["kuramoto_symmetric", "kuramoto_broken", "kuramoto_flow", "kuramoto_flow_broken"]
UNTRAINED = {
    "zero": Architecture(16, 5, 0.25, False, "zero"),
    "zero, broken": Architecture(16, 3, 0.25, True, "zero"),
    "U(1)": Architecture(16, 5, 0.125, symmetry="U1"),
    "few components": Architecture(3, 7, 0.125, True),
}


def untrained(architecture: Architecture, folder) -> str:
    weights = initial_weights(architecture, rng.stream(0, "synthetic", "net"), 0.3)
    path = folder / "net.h5"
    recipe = {"L": 32, "steps": 8, "seeds": [0], "kind": "train-kuramoto"}
    measured = {"loss": np.zeros(1), "validation_rmse": np.zeros(())}
    write_networks(path, architecture.plain(), recipe, [0], [weights | measured])
    return str(path)


def compare(path: str, k: int, batch: Batch, steps: int, eta: float) -> None:
    i = read_networks(path).ids[k]
    one, other = (run(path, i, "cpu", batch, steps, eta) for run in (kernel_run, noisy_run))
    assert one.keys() == other.keys()
    for name, values in other.items():
        assert one[name].dtype == values.dtype and one[name].shape == values.shape, name
        scale = np.abs(values).max() + 1e-12
        # A site that noise brings near an unstable state grows what rounding left of it.
        assert np.allclose(one[name], values, rtol=1e-3, atol=1e-4 * scale), name
        assert abs(one[name].mean() - values.mean()) < 1e-4 * scale, name


@pytest.mark.parametrize("density", ["matched", "paper"])
@pytest.mark.parametrize("name", BUNDLED)
def test_trained_networks_give_what_torch_gives(name, density):
    path = str(resolve(name))
    steps = int(read_networks(path).recipe["steps"])
    for eta in (0.0, 0.1, 0.3):
        compare(path, 1, replace(BATCH, density=density, first=8), steps, eta)


@pytest.mark.parametrize("name", UNTRAINED)
def test_other_architectures_give_what_torch_gives(name, tmp_path):
    path = untrained(UNTRAINED[name], tmp_path)
    for eta in (0.0, 0.2):
        compare(path, 0, replace(BATCH, L=25), 8, eta)


def test_another_noise_would_be_seen():
    path = str(resolve("kuramoto_symmetric"))
    i = read_networks(path).ids[0]
    one, other = kernel_run(path, i, "cpu", BATCH, 15, 0.3), kernel_run(path, i, "cpu", BATCH, 15, 0.3003)
    assert not np.allclose(one["overlap"], other["overlap"], rtol=1e-4)


def test_coupling_and_lift_are_torchs_bit_for_bit(tmp_path):
    for name in ("kuramoto_broken", UNTRAINED["U(1)"]):
        path = str(resolve(name)) if isinstance(name, str) else untrained(name, tmp_path)
        ours, torchs = lattice_network(path, 0), load_network(path, read_networks(path).ids[0], "cpu")
        assert np.array_equal(ours.model.coupling, torchs.symmetric_coupling().double().numpy())
        images = shown(torchs.__class__.__name__, BATCH).inputs
        expected = torchs.lift_images(torchs.get_parameter("lift").new_tensor(images)).permute(0, 2, 3, 1).numpy()
        assert np.abs(ours.lift_images(images) - expected).max() < 3e-7
