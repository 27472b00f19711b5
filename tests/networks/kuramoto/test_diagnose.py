from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.networks.kuramoto.diagnose import FAR, LAGS, measure_damage, measure_depths, measure_walls
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.tasks.transmogrifier import Transmogrifier

L, T = 20, 5


def ferromagnet(gamma: float = 0.25, bond: float = 0.6, broken: bool = False, boundary: str = "periodic"):
    """Neighbours pull with a given strength, so that h = 4 bond and lambda_min = -4 bond; a little disorder besides."""
    shape = Architecture(components=4, kernel=3, gamma=gamma, broken=broken, boundary=boundary)
    weights = initial_weights(shape, rng.stream(0, "weights"), 0.3)
    weights["coupling"] *= 0.2
    for row, column in ((0, 1), (1, 0), (1, 2), (2, 1)):
        weights["coupling"][:, :, row, column] += bond * np.eye(4, dtype=np.float32)
    return KuramotoNetwork(shape, weights).requires_grad_(False)


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    return Transmogrifier(L).pairs(rng.stream(0, "synthetic", "images"), 3)[:2]


@pytest.mark.parametrize("broken", [False, True])
def test_measures_along_the_depth_are_those_of_the_network(pairs, broken):
    net = ferromagnet(broken=broken)
    found = measure_depths(net, *pairs, T)
    images, targets = (torch.from_numpy(a) for a in pairs)
    x, after = net.evolve(images, T), net.evolve(images, T + 1)
    assert len(found["rmse"]) == len(found["energy"]) == FAR * T + LAGS + 1
    assert len(found["overlaps_far"]) == LAGS
    assert found["rmse"][T] == pytest.approx(((net.read_out(x) - targets) ** 2).mean().sqrt().item(), rel=1e-5)
    assert found["energy"][T] == pytest.approx(net.energy(x).mean().item(), rel=1e-5)
    rises = net.energy(after) - net.energy(x)
    assert found["energy_rise"][T] == pytest.approx(rises.max().item(), rel=1e-3, abs=1e-6)
    assert found["overlaps_at_depth"][0] == pytest.approx((x * after).sum(1).mean().item(), rel=1e-5)
    field = (x * net.field(x, net.symmetric_coupling())).sum(1)
    assert found["field_mean"] == pytest.approx(field.mean().item(), rel=1e-5)
    assert found["field_max"] == pytest.approx(field.max().item(), rel=1e-5)
    assert found["target_sd"] == pytest.approx(pairs[1].std(), rel=1e-5)


@pytest.mark.parametrize("broken", [False, True])
def test_the_energy_of_two_successive_states_is_symmetric_and_that_of_one_where_nothing_moves(pairs, broken):
    net = ferromagnet(broken=broken)
    found = measure_depths(net, *pairs, 20)
    assert found["pair_energy"][-1] == pytest.approx(found["energy"][-1], rel=1e-5)
    first, second = (net.evolve(torch.from_numpy(pairs[0]), steps) for steps in (3, 4))
    J = net.symmetric_coupling()
    c = net.get_parameter("bias")[:, None, None] if broken else torch.zeros(4, 1, 1)
    forms = []
    for x, y in ((first, second), (second, first)):
        forms.append((-0.5 * (y * (net.field(x, J) - c)).sum(1) - 0.5 * ((x + y) * c).sum(1)).mean().item())
    assert forms[0] == pytest.approx(forms[1], rel=1e-5)
    assert found["pair_energy"][3] == pytest.approx(forms[0], rel=1e-5)


def test_a_straight_wall_of_a_collinear_ferromagnet_costs_its_bonds():
    net = ferromagnet()
    with torch.no_grad():
        coupling = net.get_parameter("coupling")
        coupling.zero_()
        for row, column in ((0, 1), (1, 0), (1, 2), (2, 1)):
            coupling[:, :, row, column] = 0.6 * torch.eye(4)
    for boundary in ("periodic", "zero"):
        net.architecture = Architecture(components=4, kernel=3, boundary=boundary)
        found = measure_walls(net, L, T)
        # Sites stay +-w: every broken bond, one per unit length, costs twice its strength.
        assert found["wall_energy"] == pytest.approx([1.2, 1.2], abs=1e-4)
        assert found["wall_profile"] == pytest.approx(np.tile(np.repeat([-1.0, 1.0], L // 2), (2, 1)), abs=1e-5)
        assert found["bulk_energy"][0] == pytest.approx(found["bulk_energy"][1], abs=1e-6)


def test_damage_is_that_of_noise_in_its_window_only(pairs):
    net, inputs = ferromagnet(), pairs[0]
    keys = np.stack([rng.counter_key(0, "noise", "planted", k) for k in range(len(inputs))])
    found = measure_damage(net, inputs, keys, T, 0.05, [(0, T), (0, 2), (2, 5), (4, 5)])
    assert found["damage"][0] == found["damage_all"]
    assert (found["damage"] > 0).all()
    assert found["damage"][3] < found["damage"][2] + found["damage"][1]
    none = measure_damage(net, inputs, keys, T, 0.0, [(0, T)])
    assert none["damage_all"] < 1e-12
    twice = measure_damage(net, inputs, keys, T, 0.1, [(4, 5)])
    assert twice["damage"][0] == pytest.approx(4 * found["damage"][3], rel=0.05), "linear response"
