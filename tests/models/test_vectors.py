"""Energy, field, thermometer and spectrum of unit vectors under any coupling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.vectors import VectorModel, normalised
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from tests.synthetic.vector_chain import on_chain


def random_model(N=3, k=3, boundary="periodic"):
    g = rng.stream(0, "synthetic", "coupling", N, k)
    return couplings.from_weights({"coupling": g.normal(size=(N, N, k, k)), "bias": g.normal(size=N)}, boundary)


def state(*shape, name="state"):
    return normalised(rng.stream(0, "synthetic", name).normal(size=shape))


def total(model, x):
    return x.shape[-3] * x.shape[-2] * model.energy(x)


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_energy_and_field_are_the_networks(boundary):
    architecture = Architecture(4, 5, 0.25, True, boundary)
    net = KuramotoNetwork(architecture, initial_weights(architecture, rng.stream(0, "synthetic", "net"), 0.3))
    model, x = couplings.from_weights(net.arrays(), boundary), state(2, 7, 6, 4)
    net, t = net.double().requires_grad_(False), torch.from_numpy(x).permute(0, 3, 1, 2)
    assert np.abs(model.energy(x) - net.energy(t).numpy()).max() < 1e-6
    f = net.field(t, net.symmetric_coupling()).permute(0, 2, 3, 1).numpy()
    assert np.abs(model.field(x) - f).max() < 1e-6


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 5), (5, 2), (3, 3), (6, 7)])
def test_what_a_site_does_to_itself_goes_around_small_tori(boundary, shape):
    model = random_model(k=5, boundary=boundary)
    assert np.array_equal(model.onsite(shape), model.taps(shape)[0, 0])
    around = boundary == "periodic" and min(shape) < 3
    assert np.array_equal(model.onsite(shape), model.coupling[:, :, 2, 2]) != around


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("shape", [(4, 5), (1, 2), (2, 2)])
def test_the_field_is_minus_the_slope_of_the_energy(boundary, shape):
    model, x = random_model(k=5, boundary=boundary), state(*shape, 3)
    step = 1e-5 * state(*shape, 3, name="direction")
    slope = total(model, x + step) - total(model, x - step)
    assert abs(slope + 2 * (model.field(x) * step).sum()) < 1e-9


@pytest.mark.parametrize("shape", [(3, 4), (1, 3), (2, 2)])
def test_the_thermometers_curvature_is_the_laplacian_on_the_spheres(shape):
    model, x = random_model(k=5), state(*shape, 3)
    force, curvature = model.thermometer(x)
    laplacian, slope2, h = 0.0, 0.0, 1e-4
    for place in np.ndindex(*shape):
        for u in np.linalg.svd(x[place][None])[2][1:]:
            along = [x.copy(), x.copy()]
            for sign, y in zip((-h, h), along, strict=True):
                y[place] = np.cos(h) * x[place] + np.sin(sign) * u
            low, high = (total(model, y) for y in along)
            laplacian += (low + high - 2 * total(model, x)) / h**2
            slope2 += ((high - low) / (2 * h)) ** 2
    sites = shape[0] * shape[1]
    assert abs(curvature - laplacian / sites) < 1e-5
    assert abs(force - slope2 / sites) < 1e-5


def test_plane_waves_are_eigenvectors():
    model, (H, W) = random_model(N=2), (5, 6)
    J = model.spectrum((H, W))
    assert np.allclose(J, J.conj().swapaxes(-1, -2))
    values, vectors = np.linalg.eigh(J)
    m, n = 2, 5
    wave = np.exp(2j * np.pi * (m / H * np.arange(H)[:, None] + n / W * np.arange(W)))
    mode = wave[..., None] * vectors[m, n][:, 1]
    field = model.field(mode.real) - model.bias + 1j * (model.field(mode.imag) - model.bias)
    assert np.allclose(field, values[m, n, 1] * mode)


def test_a_gauge_rotation_is_plain_xy_at_another_wave_vector():
    L, theta = 6, (2 * np.pi / 6, -4 * np.pi / 6)
    turned, plain, y = couplings.gauge_rotated_xy(theta), couplings.on(2), state(L, L, 2)
    r = np.indices((L, L))
    c, s = np.cos(theta[0] * r[0] + theta[1] * r[1]), np.sin(theta[0] * r[0] + theta[1] * r[1])
    x = np.stack([c * y[..., 0] - s * y[..., 1], s * y[..., 0] + c * y[..., 1]], axis=-1)
    assert abs(turned.energy(x) - plain.energy(y)) < 1e-12
    top = np.linalg.eigvalsh(turned.spectrum((L, L)))[..., -1]
    assert {tuple(k) for k in np.argwhere(top > 4 - 1e-9).tolist()} == {(1, 4), (5, 2)}


@pytest.mark.parametrize(
    ("model", "lowest"),
    [
        (couplings.on(3), -2.0),
        (couplings.diagonal(np.array([1.0, 0.0])), -2.0),
        (couplings.diagonal(np.array([-1.0, 0.0])), -2.0),
        (on_chain(2), -1.0),
    ],
    ids=lambda m: getattr(m, "name", ""),
)
def test_ordered_starts_are_near_the_ground_state(model, lowest):
    x = model.initial("ordered", (8, 8), rng.stream(0, "synthetic", "start"))
    assert np.allclose(np.linalg.norm(x, axis=-1), 1)
    assert lowest <= model.energy(x) < 0.98 * lowest
    assert abs(model.energy(model.initial("random", (8, 8), rng.stream(0, "synthetic", "start")))) < 0.5
    same = model.initial("uniform", (8, 8), rng.stream(0, "synthetic", "start"))
    assert np.ptp(same.reshape(-1, model.components), axis=0).max() == 0


def test_only_four_equal_neighbours_are_nearest_neighbours():
    assert np.array_equal(couplings.diagonal(np.array([1.0, -2.0])).near, [1.0, -2.0])
    for other in (on_chain(2), couplings.gauge_rotated_xy((0.5, 0.0)), random_model(), random_model(k=5)):
        assert other.near.size == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: VectorModel(np.zeros((2, 2, 2, 2))),
        lambda: VectorModel(np.zeros((1, 1, 3, 3))),
        lambda: VectorModel(np.zeros((2, 2, 3, 3)), np.zeros(3)),
        lambda: VectorModel(np.full((2, 2, 3, 3), np.nan)),
        lambda: VectorModel(rng.stream(0, "synthetic", "wrong").normal(size=(2, 2, 3, 3))),
        lambda: VectorModel(np.zeros((2, 2, 3, 3)), boundary="open"),
        lambda: couplings.on(2).initial("hot", (2, 2), rng.stream(0, "synthetic", "wrong")),
        lambda: couplings.diagonal(np.eye(2)),
    ],
)
def test_wrong_models_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()
