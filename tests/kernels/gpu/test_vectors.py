"""Triton steps of unit vectors against the compiled ones on the same noise, on a GPU or interpreted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.checks.gpu import kuramoto_runs
from physnn.errors import InputError, Unfinished
from physnn.kernels import gpu
from physnn.kernels.gpu import vectors
from physnn.kernels.vectors import langevin as reference
from physnn.models import couplings
from physnn.models.vectors import VectorModel, normalised
from physnn.networks.kuramoto.batch import Batch, kernel_run
from physnn.store.network_file import read_networks
from tests.conftest import make_networks

try:
    PLACE = gpu.place()
except (InputError, Unfinished) as missing:
    pytest.skip(f"{missing}; TRITON_INTERPRET=1 runs it without", allow_module_level=True)

KEYS = np.stack([rng.counter_key(5, "noise", "net", k) for k in range(2)])


def random_model(N: int, k: int, boundary: str = "periodic") -> VectorModel:
    g = rng.stream(0, "synthetic", "coupling", N, k)
    raw = {"coupling": g.normal(size=(N, N, k, k)) / np.sqrt(N) / k, "bias": g.normal(size=N) * 0.3}
    return couplings.from_weights(raw, boundary)


def state(*shape: int) -> np.ndarray:
    return normalised(rng.stream(0, "synthetic", "state").normal(size=shape)).astype(np.float32)


def arrays(model: VectorModel, x: np.ndarray):
    return model.coupling, model.near, model.onsite(x.shape[1:3]), model.bias


def on_cpu(model, x, steps, gamma, eta, geodesic, first=0, every=0):
    # The sum over neighbours: one piece of code for all kernels of as many components.
    y = x.copy()
    place = KEYS[: len(x)], first, steps, gamma, eta, geodesic, model.boundary == "periodic", every
    return y, reference.advance(y, *arrays(model, x), *place, fewer=False)


def on_gpu(model, x, steps, gamma, eta, geodesic, first=0, every=0, **how):
    y = torch.as_tensor(x.copy(), device=PLACE)
    there = vectors.upload(*arrays(model, x), model.boundary == "periodic")
    rows = vectors.advance(y, there, KEYS[: len(x)], first, steps, gamma, eta, geodesic, every, **how)
    return y.cpu().numpy(), rows


CASES = [
    # Sixteen components with 24 neighbours take the interpreter a quarter of all its time; smaller ones stand for them.
    pytest.param(random_model(16, 5), (1, 6, 7), marks=pytest.mark.slow, id="network-(1, 6, 7)"),
    (random_model(3, 3), (2, 4, 5)),
    (random_model(16, 3, "zero"), (1, 5, 5)),
    (random_model(3, 5), (1, 2, 3)),
    (couplings.on(2), (2, 8, 8)),
    (couplings.diagonal(np.array([-1.0, 0.5, 2.0]), "zero"), (1, 6, 5)),
]


@pytest.mark.parametrize("geodesic", [False, True], ids=["retract", "geodesic"])
@pytest.mark.parametrize(("model", "shape"), CASES, ids=lambda v: str(v) if isinstance(v, tuple) else v.name)
def test_each_step_is_that_of_the_compiled_kernel(model, shape, geodesic):
    x = state(*shape, model.components)
    for t in (0, 2**32 - 1):
        y, rows = on_cpu(model, x, 1, 0.2, 0.4, geodesic, first=t, every=1)
        z, others = on_gpu(model, x, 1, 0.2, 0.4, geodesic, first=t, every=1)
        assert np.abs(y - z).max() < 1e-6
        assert np.allclose(rows, others, rtol=1e-5, atol=1e-5)
        x = y


def test_trajectories_stay_together_and_continue():
    model, x = random_model(16, 3), state(1, 6, 6, 16)
    y, rows = on_cpu(model, x, 7, 0.2, 0.3, False, every=3)
    z, others = on_gpu(model, x, 7, 0.2, 0.3, False, every=3)
    assert np.sqrt(((y - z) ** 2).mean()) < 1e-5
    assert rows.shape == others.shape == (1, 3, 4)
    assert np.allclose(rows, others, rtol=1e-4)
    half, _ = on_gpu(model, x, 4, 0.2, 0.3, False)
    assert np.array_equal(on_gpu(model, half, 3, 0.2, 0.3, False, first=4)[0], z)


def test_other_noise_is_another_trajectory():
    model, x = couplings.on(2), state(1, 4, 4, 2)
    z, _ = on_gpu(model, x, 1, 0.2, 0.3, True)
    for wrong in (on_cpu(model, x, 1, 0.2, 0.3001, True), on_cpu(model, x, 1, 0.2, 0.3, True, first=1)):
        assert np.abs(wrong[0] - z).max() > 1e-5
    still, _ = on_gpu(model, x, 1, 0.2, 0.0, True)
    assert np.abs(on_cpu(model, x, 1, 0.2, 0.0, True)[0] - still).max() < 1e-6


def test_large_steps_turn_by_the_whole_angle_and_lattices_have_their_own_noise():
    model, x, eta = couplings.on(3), state(2, 6, 6, 3), np.array([1.5, 0.1])
    y, _ = on_cpu(model, x, 1, 2.0, eta, True)
    z, _ = on_gpu(model, x, 1, 2.0, eta, True)
    assert np.abs(y - z).max() < 2e-6


def test_tiles_do_not_change_a_step():
    model, x = random_model(3, 3), state(1, 9, 5, 3)
    expected = on_gpu(model, x, 2, 0.2, 0.4, True)[0]
    for sites in (16, 32, 128):
        assert np.abs(on_gpu(model, x, 2, 0.2, 0.4, True, sites=sites)[0] - expected).max() < 1e-6


@pytest.fixture
def short(monkeypatch):
    """Two steps in a CUDA graph: the interpreter is slow."""
    monkeypatch.setattr(vectors, "RECORDED", 2)


def test_repeated_steps_are_the_same_steps(short):
    model, x = couplings.on(2), state(1, 6, 6, 2)
    y, there = torch.as_tensor(x.copy(), device=PLACE), vectors.upload(*arrays(model, x))
    vectors.repeated(y, there, KEYS[:1], 0.1, 0.4)(2 * vectors.RECORDED)
    expected, _ = on_gpu(model, x, 2 * vectors.RECORDED, 0.1, 0.4, True)
    assert np.array_equal(y.cpu().numpy(), expected)


def test_coarse_products_are_refused():
    with pytest.raises(InputError, match="TF32"):
        on_gpu(couplings.on(2), state(1, 4, 4, 2), 1, 0.1, 0.1, True, precision="tf32")


def test_a_lattice_that_the_coupling_goes_around_twice_is_refused():
    with pytest.raises(InputError, match="wide"):
        on_gpu(random_model(3, 5), state(1, 1, 6, 3), 1, 0.1, 0.1, True)


def test_what_the_bench_runs_runs(short):
    runs = kuramoto_runs(6, "cuda")
    assert sum(name.startswith("torch") for name in runs) == 6
    for name in ("torch lean, NCHW", "physnn, tf32x3"):
        runs[name](vectors.RECORDED)


def test_a_task_of_a_noise_sweep_gives_on_cuda_what_it_gives_on_a_cpu(tmp_path):
    path = str(make_networks(tmp_path / "net.h5", (0,), components=3, kernel=3, broken=True))
    i, batch = read_networks(path).ids[0], Batch(20, "matched", 4, 0, 0, 1)
    one, other = (kernel_run(path, i, device, batch, 1, 0.2) for device in ("cpu", "cuda"))
    for key, values in one.items():
        assert np.allclose(values, other[key], rtol=1e-5), key
