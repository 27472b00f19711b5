"""Compiled Langevin steps against the torch network, against plain equations, and against themselves cut into parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.kernels import primitives, random
from physnn.kernels.vectors import langevin, tiles
from physnn.models import couplings
from physnn.models.vectors import VectorModel, normalised
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.noise import KeyedNoise
from physnn.shipped import resolve
from physnn.store.network_file import read_networks

KEYS = np.stack([rng.counter_key(5, "noise", "net", k) for k in range(2)])


def random_model(N: int, k: int, boundary="periodic", scale: float = 1.0, bias: bool = True) -> VectorModel:
    g = rng.stream(0, "synthetic", "coupling", N, k)
    raw = {"coupling": g.normal(size=(N, N, k, k)) * scale / np.sqrt(N) / k}
    if bias:
        raw["bias"] = g.normal(size=N) * 0.3
    return couplings.from_weights(raw, boundary)


def random_state(shape, dtype=np.float32, name="state") -> np.ndarray:
    return normalised(rng.stream(0, "synthetic", name).normal(size=shape)).astype(dtype)


def advance(model: VectorModel, x: np.ndarray, steps: int, gamma: float, eta: float, rule="retract", **more):
    y = x.copy()
    rows = langevin.advance(
        y,
        model.coupling,
        more.pop("near", model.near),
        model.onsite(x.shape[1:3]),
        model.bias,
        KEYS[: len(x)],
        more.pop("first", 0),
        steps,
        gamma,
        eta,
        rule == "geodesic",
        model.boundary == "periodic",
        **more,
    )
    return y, rows


def plain_step(model, x, t, gamma, eta, rule):
    """Return the state after a step in double precision, written out."""
    xi = np.empty(x.shape, np.float32)
    random.counter_normals(KEYS[: len(x)], t, xi)
    v = gamma * model.field(x) + eta * np.sqrt(gamma) * xi
    v -= (x * v).sum(-1, keepdims=True) * x
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return normalised(x + v) if rule == "retract" else normalised(np.cos(length) * x + np.sinc(length / np.pi) * v)


def trained(name: str, k: int = 0) -> KuramotoNetwork:
    file = read_networks(resolve(name))
    weights = {key: w[k] for key, w in file.weights.items()}
    return KuramotoNetwork(Architecture(**file.architecture), weights).requires_grad_(False)


def untrained(N: int, k: int, boundary: str) -> KuramotoNetwork:
    architecture = Architecture(N, k, 0.25, True, boundary)
    weights = initial_weights(architecture, rng.stream(0, "synthetic", "net"), 0.3)
    return KuramotoNetwork(architecture, weights).requires_grad_(False)


def model_of(net: KuramotoNetwork) -> VectorModel:
    return couplings.from_weights(net.arrays(), net.architecture.boundary)


NETWORKS = {
    "symmetric": lambda: trained("kuramoto_symmetric"),
    "broken": lambda: trained("kuramoto_broken"),
    "zero": lambda: untrained(16, 3, "zero"),
    "small": lambda: untrained(3, 3, "zero"),
    "large": lambda: untrained(9, 7, "periodic"),
    "three": lambda: untrained(3, 3, "periodic"),
    "six": lambda: untrained(6, 3, "periodic"),
}
ZERO = pytest.param("zero", marks=pytest.mark.slow)
"""Sixteen components under a 3 x 3 kernel take seconds to compile; "small" has the same boundary and kernel."""


@pytest.mark.parametrize("name", ["symmetric", "broken", ZERO, "small", "large"])
def test_each_step_is_the_torch_networks_step_on_the_same_noise(name):
    net, eta = NETWORKS[name](), 0.3
    N, L = net.architecture.components, 22
    model, J, noise = model_of(net), net.symmetric_coupling(), KeyedNoise(KEYS, N, L)
    x = random_state((2, L, L, N))
    for t in range(8):
        y, _ = advance(model, x, 1, net.architecture.gamma, eta, first=t)
        z = net.step(torch.from_numpy(x).permute(0, 3, 1, 2), J, noise(t), eta).permute(0, 2, 3, 1).numpy()
        assert np.abs(y - z).max() < 1e-6
        x = np.ascontiguousarray(z)


@pytest.mark.parametrize("name", ["symmetric", "broken", ZERO])
def test_thirty_steps_follow_the_torch_network(name):
    net, eta = NETWORKS[name](), 0.2
    N, L = net.architecture.components, 32
    x, J, noise = random_state((2, L, L, N)), net.symmetric_coupling(), KeyedNoise(KEYS, N, L)
    y, _ = advance(model_of(net), x, 30, net.architecture.gamma, eta)
    z = torch.from_numpy(x).permute(0, 3, 1, 2)
    for t in range(30):
        z = net.step(z, J, noise(t), eta)
    difference = y - z.permute(0, 2, 3, 1).numpy()
    assert np.sqrt((difference**2).mean()) < 1e-5
    assert np.abs(difference).max() < 2e-3


@pytest.mark.parametrize(
    "name", ["three", *(pytest.param(name, marks=pytest.mark.slow) for name in ("six", "symmetric"))]
)
def test_thirty_steps_in_double_precision_follow_the_torch_network(name):
    """Three components stand for more: they are compiled for `test_steps_in_double_precision_are_the_equation`."""
    net, eta = NETWORKS[name](), 0.2
    model, J, N = model_of(net), net.symmetric_coupling().double(), net.architecture.components
    net.double()
    x, noise = random_state((1, 20, 20, N), np.float64), KeyedNoise(KEYS[:1], N, 20)
    y, _ = advance(model, x, 30, net.architecture.gamma, eta)
    z = torch.from_numpy(x).permute(0, 3, 1, 2)
    for t in range(30):
        z = net.step(z, J, noise(t).double(), eta)
    assert np.abs(y - z.permute(0, 2, 3, 1).numpy()).max() < 1e-9


def test_wrong_noise_is_another_trajectory():
    net = NETWORKS["symmetric"]()
    x = random_state((1, 16, 16, 16))
    y, _ = advance(model_of(net), x, 1, 0.25, 0.2)
    z, _ = advance(model_of(net), x, 1, 0.25, 0.2 * 1.0001)
    assert np.abs(y - z).max() > 1e-6


SHAPES = [((2, 9, 17, 3), 3), ((1, 3, 5, 3), 5), ((1, 1, 8, 3), 3), ((1, 2, 2, 3), 5), ((1, 6, 17, 3), 1)]


@pytest.mark.parametrize("rule", ["retract", "geodesic"])
@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize(("shape", "k"), SHAPES, ids=str)
def test_steps_in_double_precision_are_the_equation(shape, k, boundary, rule):
    model = random_model(shape[3], k, boundary)
    x = random_state(shape, np.float64)
    expected = x
    for t in range(4):
        expected = plain_step(model, expected, 7 + t, 0.2, 0.7, rule)
    y, _ = advance(model, x, 4, 0.2, 0.7, rule, first=7)
    assert np.abs(y - expected).max() < 1e-12


@pytest.mark.parametrize("shape", [(1, 8, 4, 16), (1, 5, 30, 16), (2, 12, 64, 16)], ids=str)
@pytest.mark.parametrize("k", [3, 5])
def test_fewer_multiplications_give_the_same_step(shape, k):
    model, x = random_model(shape[3], k, scale=2), random_state(shape)
    fast, _ = advance(model, x, 1, 0.25, 0.3)
    direct, _ = advance(model, x, 1, 0.25, 0.3, fewer=False)
    assert 0 < np.abs(fast - direct).max() < 1e-6


USUAL = [(16, 3), (16, 5), (9, 7), (9, 9)]
"""Components and sides of kernels: every side, whole and broken registers; three are compiled for other tests."""
FURTHER = [(N, k) for N in (8, 9, 16) for k in tiles.KERNELS if (N, k) not in USUAL]


@pytest.mark.parametrize(("N", "k"), [*USUAL, *(pytest.param(*case, marks=pytest.mark.slow) for case in FURTHER)])
def test_transforms_of_tiles_round_less_than_the_sum_over_neighbours(N, k):
    model, x = random_model(N, k, scale=2), random_state((1, 20, 22, N))
    expected = plain_step(model, x, 0, 0.25, 0.0, "retract")
    fast = advance(model, x, 1, 0.25, 0.0)[0] - expected
    assert np.abs(fast).max() < 4e-7
    if N == 16:  # the sum over neighbours is compiled for each number of components
        assert fast.std() < (advance(model, x, 1, 0.25, 0.0, fewer=False)[0] - expected).std()


def test_large_steps_turn_by_the_whole_angle():
    model, x = couplings.on(3), random_state((1, 16, 16, 3), np.float64)
    y, _ = advance(model, x, 1, 2.0, 1.5, "geodesic")
    assert np.abs(y - plain_step(model, x, 0, 2.0, 1.5, "geodesic")).max() < 1e-12


@pytest.mark.parametrize("strengths", [(1.0, 1.0), (1.0, 0.0), (-1.0, 0.5, 2.0)])
@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_nearest_neighbours_have_the_same_steps_as_any_kernel(strengths, boundary):
    model = couplings.diagonal(np.array(strengths), boundary)
    assert np.array_equal(model.near, strengths)
    x = random_state((2, 12, 10, len(strengths)))
    y, rows = advance(model, x, 3, 0.1, 0.5, "geodesic", every=1)
    z, others = advance(model, x, 3, 0.1, 0.5, "geodesic", every=1, near=np.empty(0))
    assert np.abs(y - z).max() < 2e-7
    assert np.allclose(rows, others, rtol=1e-5)


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("k", [3, 5])
def test_threads_and_cuts_do_not_change_a_bit(k, boundary, monkeypatch):
    model, x = random_model(16, k, boundary), random_state((2, 40, 24, 16))
    y, rows = advance(model, x, 7, 0.1, 0.3, "geodesic", every=3)
    for threads in (2, 4, 6):
        z, others = advance(model, x, 7, 0.1, 0.3, "geodesic", every=3, threads=threads)
        assert np.array_equal(y, z)
        assert np.allclose(rows, others, rtol=1e-12)
    monkeypatch.setattr(langevin, "OPERATIONS", 1)
    z, others = advance(model, x, 7, 0.1, 0.3, "geodesic", every=3, threads=4)
    assert np.array_equal(y, z)
    assert np.allclose(rows, others, rtol=1e-12)
    begun, _ = advance(model, x, 4, 0.1, 0.3, "geodesic")
    assert np.array_equal(advance(model, begun, 3, 0.1, 0.3, "geodesic", first=4)[0], y)


def test_bands_give_up_together():
    meeting = np.zeros(primitives.COUNTER_SPACING * 2 + 1, np.int64)
    meeting[-1] = 1
    assert not primitives.wait_for_neighbours(meeting, 0, 2, 1)


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 2, 5, 3)], ids=str)
def test_measured_sums_are_those_of_the_model(shape):
    model, x = random_model(shape[3], 5), random_state(shape, np.float64)
    _, rows = advance(model, x, 5, 0.1, 0.4, every=2)
    assert rows.shape == (shape[0], 3, 4)
    H, W, N = shape[1:]
    for m in range(3):
        along, constant, force, own = rows[:, m].T / (H * W)
        state, _ = advance(model, x, 2 * m, 0.1, 0.4)
        assert np.allclose(-0.5 * (along + constant), model.energy(state), rtol=1e-12)
        expected = model.thermometer(state)
        assert np.allclose(force, expected[0], rtol=1e-12)
        assert np.allclose((N - 1) * along + own - np.trace(model.onsite((H, W))), expected[1], rtol=1e-12)


def test_states_stay_on_the_sphere():
    model, x = random_model(16, 5, scale=3), random_state((1, 16, 16, 16))
    for rule in ("retract", "geodesic"):
        y, _ = advance(model, x, 200, 0.3, 0.8, rule)
        assert np.abs(np.linalg.norm(y, axis=-1) - 1).max() < 5e-7
