from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.tasks.transmogrifier import Transmogrifier


def network(seed: int = 0, scale: float = 1.0, **architecture) -> KuramotoNetwork:
    shape = Architecture(**architecture)
    weights = initial_weights(shape, rng.stream(seed, "weights"), 0.3)
    weights["coupling"] *= scale
    return KuramotoNetwork(shape, weights).requires_grad_(False)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(Transmogrifier(24).pairs(rng.stream(0, "synthetic", "images"), 3)[0])


def test_the_coupling_is_symmetric_to_the_last_bit():
    J = network().symmetric_coupling()
    assert torch.equal(J, J.flip(2, 3).transpose(0, 1))


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_a_step_agrees_with_the_equation_written_out(boundary):
    net = network(components=3, kernel=3, boundary=boundary, broken=True)
    generator = rng.stream(0, "synthetic", "state")
    x = generator.normal(size=(3, 5, 5)).astype(np.float32)
    x /= np.linalg.norm(x, axis=0)
    xi = generator.normal(size=x.shape).astype(np.float32)
    J, c = net.symmetric_coupling().numpy(), net.get_parameter("bias").numpy()
    expected = np.empty_like(x)
    for row in range(5):
        for column in range(5):
            f = c.astype(float)
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if boundary == "zero" and not (0 <= row + dy < 5 and 0 <= column + dx < 5):
                        continue
                    f = f + J[:, :, dy + 1, dx + 1] @ x[:, (row + dy) % 5, (column + dx) % 5]
            here, eta, gamma = x[:, row, column], 0.3, 0.25
            v = gamma * f + eta * np.sqrt(gamma) * xi[:, row, column]
            moved = here + v - (here @ v) * here
            expected[:, row, column] = moved / np.linalg.norm(moved)
    step = net.step(torch.from_numpy(x)[None], net.symmetric_coupling(), torch.from_numpy(xi)[None], 0.3)
    assert np.abs(step[0].numpy() - expected).max() < 1e-6


def test_output_flips_with_the_input_and_only_without_c(images):
    for broken in (False, True):
        net = network(broken=broken)
        b = net.get_parameter("readout_bias")
        difference = ((net(-images, 15) - b) + (net(images, 15) - b)).abs().max()
        assert (difference < 1e-5) == (not broken)


def test_states_stay_on_the_sphere_and_noise_moves_them(images):
    net = network()
    x = net.evolve(images, 5, lambda t: torch.ones(3, 16, 24, 24) * (t + 1), 0.3)
    assert (x.norm(dim=1) - 1).abs().max() < 1e-5
    assert (x - net.evolve(images, 5)).abs().max() > 0.1


def energies(net: KuramotoNetwork, images: torch.Tensor, steps: int) -> np.ndarray:
    x, J = net.lift_images(images), net.symmetric_coupling()
    values = [net.energy(x)]
    for _ in range(steps):
        x = net.step(x, J)
        values.append(net.energy(x))
    return torch.stack(values).numpy()


@pytest.mark.parametrize("broken", [False, True])
def test_energy_falls_at_every_step_when_gamma_is_small(images, broken):
    net = network(broken=broken)
    largest = torch.fft.fft2(net.symmetric_coupling(), (24, 24)).permute(2, 3, 0, 1)
    bound = torch.linalg.eigvalsh((largest + largest.mH) / 2).abs().max().item()
    assert net.architecture.gamma < 1 / bound, "small enough for a gradient step"
    assert (np.diff(energies(net, images, 20), axis=0) < 1e-7).all()


def test_energy_need_not_fall_when_gamma_is_large(images):
    assert (np.diff(energies(network(scale=12), images, 20), axis=0) > 1e-3).any()


def test_energy_counts_each_bond_once_and_c_in_full(images):
    net = network(broken=True)
    x = net.evolve(images, 2)
    c = net.get_parameter("bias")
    f = net.field(x, net.symmetric_coupling()) - c[:, None, None]
    expected = (-0.5 * (x * f).sum(1) - torch.einsum("bnhw,n->bhw", x, c)).mean((1, 2))
    assert (net.energy(x) - expected).abs().max() < 1e-6


def test_translations_commute_with_the_network_on_the_torus(images):
    net = network()
    moved = net(images.roll((3, 7), (1, 2)), 6)
    assert (moved - net(images, 6).roll((3, 7), (1, 2))).abs().max() < 1e-5


def test_a_local_change_reaches_only_the_light_cone(images):
    net, steps = network(kernel=3), 4
    changed = images.clone()
    changed[:, 12, 12] *= -1
    touched = (net(changed, steps) - net(images, steps)).abs().amax(0) > 0
    rows, columns = torch.nonzero(touched, as_tuple=True)
    assert max((rows - 12).abs().max(), (columns - 12).abs().max()) <= steps


@pytest.mark.parametrize("wrong", [{"components": 1}, {"kernel": 4}, {"gamma": 0.0}, {"gamma": float("nan")}])
def test_wrong_architectures_are_refused(wrong):
    with pytest.raises(InputError):
        Architecture(**wrong)
