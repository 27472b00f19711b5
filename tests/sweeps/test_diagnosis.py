from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch

import physnn
from physnn.analysis.diagnosis import Diagnosis
from physnn.analysis.spectrum import spectrum
from physnn.bundled import bundled, resolve
from physnn.errors import InputError
from physnn.networks.diagnose import measure_damage, measure_depths, measure_walls
from physnn.networks.kuramoto import Architecture, KuramotoNetwork
from physnn.networks.tasks import Transmogrifier
from physnn.networks.training import TrainingRecipe
from physnn.rng import counter_key, stream
from physnn.store.network_file import read_networks
from physnn.sweeps.diagnosis import diagnose, diagnose_weights, stored_diagnosis
from tests.networks.test_diagnose import ferromagnet

RECIPE = TrainingRecipe(L=20, steps=8, components=4, kernel=3).model_dump(mode="json")


def diagnosed(net: KuramotoNetwork, **changes: object) -> Diagnosis:
    shape = dataclasses.asdict(net.architecture) | changes
    return diagnose_weights("planted", shape, net.arrays(), RECIPE, images=4)


def test_a_gradient_flow_is_told_from_the_same_network_with_gamma_doubled():
    slow, fast = diagnosed(ferromagnet()), diagnosed(ferromagnet(), gamma=0.5)
    assert slow.s == pytest.approx(0.6, abs=0.1) and fast.s == pytest.approx(1.2, abs=0.2)
    assert "gradient" in slow.findings and "cycle" not in slow.findings and "energy_rises" not in slow.findings
    assert {"overshoots", "cycle", "energy_rises"} <= set(fast.findings)
    assert fast.period == 2


def test_a_coupling_that_orders_into_a_wave_is_told():
    assert "uniform" in diagnosed(ferromagnet()).findings
    found = diagnosed(ferromagnet(bond=-0.6))
    assert "wave" in found.findings
    assert np.abs(found.spectrum.leading[0].wave_vector) == pytest.approx(np.pi)


def test_a_broken_symmetry_is_told():
    found = diagnosed(ferromagnet(broken=True))
    assert "broken" in found.findings and not found.symmetric
    assert abs(np.subtract(*found.measured["bulk_energy"])) > 1e-4
    plain = diagnosed(ferromagnet())
    assert plain.symmetric
    assert np.subtract(*plain.measured["bulk_energy"]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("moment", [True, False])
def test_a_network_that_is_right_at_one_depth_only_is_told(moment):
    """Two components turn from the lift to (1, 0), each site alone; the read-out is right while they pass, or after."""
    T, gamma, lift = (12 if moment else 30), 0.25, np.array([0.1, 1.0], np.float32)
    J = np.zeros((2, 2, 1, 1), np.float32)
    J[0, 0] = 1
    shape = Architecture(components=2, kernel=1, gamma=gamma)
    weights = {"lift": lift, "coupling": J, "readout": np.zeros(2, np.float32), "readout_bias": np.zeros(1, np.float32)}
    inputs = Transmogrifier(20).pairs(stream(0, "synthetic", "images"), 2)[0]
    net = KuramotoNetwork(shape, weights).requires_grad_(False)
    x = net.evolve(torch.from_numpy(inputs), T)
    up = x[0, :, 0, 0].numpy() * np.sign(inputs[0, 0, 0])
    turned = np.array([-up[1], up[0]])
    weights["readout"] = (0.5 * up + 2 * turned if moment else np.array([0.5, 0])).astype(np.float32)
    net = KuramotoNetwork(shape, weights).requires_grad_(False)
    keys = np.stack([counter_key(0, "noise", "planted", k) for k in range(2)])
    measured = measure_depths(net, inputs, inputs, T) | measure_walls(net, 20, T)
    measured |= measure_damage(net, inputs, keys, T, 0.02, [(0, T)])
    found = Diagnosis("planted", "paper", gamma, T, 0.0, spectrum(J, lift, 20), measured)
    assert ("one_depth" in found.findings) == ("fades" in found.findings) == moment
    assert found.rmse["T"] < (1e-5 if moment else 0.1)
    assert {"gradient", "fixed_point"} <= set(found.findings)


def test_a_bundled_network_is_diagnosed_in_under_a_minute():
    file = read_networks(resolve("kuramoto_symmetric"))
    began = time.process_time()
    found = diagnose_weights("0", file.architecture, {n: w[0] for n, w in file.weights.items()}, file.recipe)
    assert time.process_time() - began < 60
    assert found.rmse["T"] < 0.07 and found.symmetric
    assert found.damage_shares.sum() == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("path", bundled("kuramoto*.h5"), ids=lambda p: p.stem)
def test_every_bundled_network_is_what_its_family_says(path):
    for d in diagnose(path):
        assert d.name.startswith(path.stem)
        if d.family == "flow":
            assert d.s < 0.9 and d.energy_rise < 3e-6
            assert not {"one_depth", "cycle", "overshoots", "constant"} & set(d.findings)


def test_a_training_leaves_its_diagnosis_in_the_file(tmp_path):
    tiny = {"L": 20, "steps": 3, "epochs": 1, "pairs_per_epoch": 8, "batch": 4, "validation_pairs": 8}
    out = physnn.train_kuramoto((0, 1), out=tmp_path / "a.h5", jobs=1, family="flow", depth_spread=1, **tiny)
    stored, fresh = stored_diagnosis(out), diagnose(out)
    assert len(stored) == 2
    for a, b in zip(stored, fresh, strict=True):
        assert a.to_json() == b.to_json()
        assert a.family == "flow" and a.s < 0.9


def test_a_file_without_a_diagnosis_can_be_read(network_file):
    assert stored_diagnosis(network_file) == ()


def test_windows_can_be_chosen_and_wrong_ones_are_refused(network_file):
    found = diagnose(network_file, images=2, noise_steps=(1, 3))
    assert found[0].measured["windows"].tolist() == [[1, 3]]
    for wrong in ((2, 2), (0, 5), (-1, 2)):
        with pytest.raises(InputError, match="noise steps"):
            diagnose(network_file, images=2, noise_steps=wrong)
    with pytest.raises(InputError, match="at least one image"):
        diagnose(network_file, images=0)
    with pytest.raises(InputError, match="no file"):
        diagnose("absent")
