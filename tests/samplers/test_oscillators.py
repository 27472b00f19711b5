from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ive

from physnn import rng
from physnn.errors import InputError
from physnn.kernels.oscillators import phases as kernel
from physnn.models.oscillators import Frequencies, Network, graph_of
from physnn.samplers.oscillators import (
    Oscillators,
    effective_frequencies,
    integrate,
    locked_share,
    neighbour_order,
    random_directions,
    random_phases,
    vortex_share,
)

KEY = np.array([1, 2], np.uint32)
FULL_TURN = 2 * math.pi


def run(system, state, steps, first=0):
    return integrate(system, state, KEY, first, steps, 1)[0]


def test_sines_and_cosines_are_exact_to_rounding():
    turns = np.concatenate([np.linspace(-3, 3, 20_001), [0, 0.25, -0.25, 0.5, 1e6 + 0.125]])
    cosine, sine = np.empty_like(turns), np.empty_like(turns)
    kernel.circles(turns, cosine, sine)
    rest = FULL_TURN * (turns - np.rint(turns))
    assert abs(cosine - np.cos(rest)).max() < 1e-15 and abs(sine - np.sin(rest)).max() < 1e-15
    assert "_S7, " not in inspect.getsource(kernel.circles.py_func)


def exact_difference(dw, K, t):
    """Phase difference of two oscillators, phi' = dw - K sin phi, phi(0) = 0, while it is below a turn."""
    s = math.sqrt(dw**2 - K**2)
    return 2 * math.atan2(dw * math.sin(s * t / 2), s * math.cos(s * t / 2) + K * math.sin(s * t / 2))


def test_two_oscillators_lock_or_drift_as_they_should():
    state = np.zeros(2)
    run(Oscillators(np.array([0.3, -0.3]), 1.0, method="rk4", step=0.1), state, 500)
    assert math.isclose(FULL_TURN * (state[0] - state[1]), math.asin(0.6), rel_tol=1e-13)
    beat = math.sqrt(1.5**2 - 1)
    state, before = np.zeros(2), np.zeros(2)
    run(Oscillators(np.array([0.75, -0.75]), 1.0, method="rk4", step=FULL_TURN / beat / 1000), state, 3000)
    found = effective_frequencies(before, state, 3 * FULL_TURN / beat)
    assert math.isclose(found[0] - found[1], beat, rel_tol=1e-11)
    assert locked_share(before, state) == 0.5


def test_three_oscillators_lock_as_they_should():
    phi = brentq(lambda phi: 0.4 - (math.sin(phi) + math.sin(2 * phi)) / 3, 0, 0.8, xtol=1e-15)
    state = np.zeros(3)
    run(Oscillators(np.array([-0.4, 0, 0.4]), 1.0, method="rk4", step=0.1), state, 1000)
    assert np.allclose(FULL_TURN * state, [-phi, 0, phi], atol=1e-13)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_schemes_have_their_order(method, order):
    errors = []
    for steps in (20, 40):
        state = np.zeros(2)
        run(Oscillators(np.array([0.75, -0.75]), 1.0, method=method, step=2 / steps), state, steps)
        errors.append(abs(FULL_TURN * (state[0] - state[1]) - exact_difference(1.5, 1.0, 2.0)))
    assert abs(math.log2(errors[0] / errors[1]) - order) < 0.15


def reference(omega, K, A, phases, h, steps):
    """Phases after some steps of Runge and Kutta's scheme with a dense matrix."""
    theta = FULL_TURN * phases

    def slope(x):
        z = np.exp(1j * x)
        return omega + K * ((A @ z) / z).imag

    for _ in range(steps):
        a = slope(theta)
        b = slope(theta + h / 2 * a)
        c = slope(theta + h / 2 * b)
        theta = theta + h / 6 * (a + 2 * b + 2 * c + slope(theta + h * c))
    return theta / FULL_TURN


@pytest.mark.parametrize("kind", ["all", "square", "graph"])
def test_couplings_are_those_of_a_dense_matrix(kind):
    # More than a block of oscillators, and rows of the lattice that begin within one.
    generator, side = rng.stream(0, "synthetic", kind), 39
    n = side**2
    A = np.ones((n, n)) / n
    network = Network(kind if kind != "graph" else "all")
    if kind != "all":
        site = np.arange(n).reshape(side, side)
        edges = np.concatenate([np.stack([site, np.roll(site, 1, axis)], -1).reshape(-1, 2) for axis in (0, 1)])
        edges = edges if kind == "square" else edges[: n + 700]
        weights = np.ones(len(edges)) if kind == "square" else generator.normal(size=len(edges))
        A = np.zeros((n, n))
        A[edges[:, 0], edges[:, 1]] = A[edges[:, 1], edges[:, 0]] = weights
        network = network if kind == "square" else graph_of(edges, weights, n)
    state, omega = random_phases(n, generator), generator.normal(size=n)
    expected = reference(omega, 0.7, A, state, 0.1, 3)
    system = Oscillators(omega, 0.7, network=network, method="rk4", step=0.1)
    mean = run(system, state, 3)
    assert np.allclose(state, expected, atol=1e-13)
    z = np.exp(1j * FULL_TURN * expected)
    assert np.allclose(mean, [z.mean().real, z.mean().imag], atol=1e-13)
    assert math.isclose(neighbour_order(network, state), np.abs(A @ z).sum() / np.abs(A).sum(), rel_tol=1e-12)


def test_vortices_are_counted():
    i, j = np.mgrid[:20, :20]
    pair = np.arctan2(i - 9.5, j - 7.5) - np.arctan2(i - 9.5, j - 11.5)
    assert vortex_share((pair / FULL_TURN + 3 * i).ravel()) == 2 / 400, "a vortex and an antivortex"
    assert vortex_share((3 * i / 20 + 2.25).ravel()) == 0, "a twist has none"
    random = vortex_share(random_phases(250_000, rng.stream(0, "synthetic", "vortices")))
    assert abs(random - 1 / 3) < 0.005, "a third of the plaquettes, of either sign, if phases are independent"


def test_those_who_advance_alike_are_locked():
    advanced = np.array([3.0, 0.0, 0.9, 1.5, 0.5])
    assert locked_share(np.full(5, 0.25), 0.25 + advanced) == 3 / 5, "0, 0.5 and 0.9 turns"


def test_noise_belongs_to_an_oscillator_and_a_step():
    n = 5000
    system = Oscillators(np.zeros(n), 0.0, noise=0.3, step=0.1)
    whole, parts = np.zeros(n), np.zeros(n)
    rows = integrate(system, whole, KEY, 0, 5, 4)
    again = [integrate(system, parts, KEY, 5 * k, 5, 1)[0] for k in range(4)]
    assert np.array_equal(whole, parts) and np.array_equal(rows, again)
    few = np.zeros(2000)
    integrate(Oscillators(np.zeros(2000), 0.0, noise=0.3, step=0.1), few, KEY, 0, 5, 4)
    assert np.array_equal(few, whole[:2000]), "it does not depend on how many there are"
    spread = (FULL_TURN * whole) ** 2
    assert abs(spread.mean() - 2 * 0.3 * 2) < 4 * spread.std() / math.sqrt(n)
    assert abs(np.corrcoef(whole[:-1], whole[1:])[0, 1]) < 4 / math.sqrt(n)
    assert not np.array_equal(integrate(system, np.zeros(n), KEY + np.uint32(1), 0, 5, 1)[0], rows[0])


def stationary(K, D, gamma=0.0):
    """Order parameter with noise D and Lorentzian frequencies: r = I_(1 + gamma/D)(K r / D) / I_(gamma/D)(K r / D)."""
    nu = gamma / D
    return brentq(lambda r: ive(1 + nu, K * r / D) / ive(nu, K * r / D) - r, 1e-6, 1)


def deviation(method, step, K=2.0, D=0.5, gamma=0.0, n=10_000):
    """How far r is off, and its error from 30 bins."""
    omega = Frequencies("lorentzian", gamma or 1.0, regular=True).draw(n, rng.stream(0, "synthetic"))
    system = Oscillators(omega if gamma else np.zeros(n), K, D, step=step, method=method)
    rows = integrate(system, np.zeros(n), KEY, 0, round(2 / step), 80)[20:]
    r = np.hypot(*rows.T).reshape(30, 2).mean(1)
    return r.mean() - stationary(K, D, gamma), r.std(ddof=1) / math.sqrt(len(r))


def test_noise_gives_the_known_order_and_schemes_have_their_weak_order():
    assert math.isclose(stationary(1.001, 0.5), math.sqrt(2 * 0.001), rel_tol=0.01), "2 D is critical"
    off, error = deviation("heun", 0.1)
    assert abs(off) < 4 * error < 0.01
    coarse, fine = deviation("euler", 0.4), deviation("euler", 0.2)
    assert fine[0] < -10 * fine[1], "steps that are too long show"
    assert 1.6 < coarse[0] / fine[0] < 2.8, "weak order 1"
    assert abs(deviation("heun", 0.4)[0]) < 0.3 * abs(coarse[0]), "weak order 2"
    off, error = deviation("heun", 0.05, K=3.0, gamma=0.5)
    assert abs(off) < 4 * error + 2e-3
    assert abs(off + stationary(3.0, 0.5, 0.5) - stationary(3.0, 0.5, 0.55)) > 6 * error, "another width is told apart"


def test_unit_vectors_with_two_components_are_phases():
    generator = rng.stream(0, "synthetic", "spheres")
    state, omega = random_phases(1500, generator), generator.normal(size=1500)
    x = np.array([np.cos(FULL_TURN * state), np.sin(FULL_TURN * state)])
    mean = run(Oscillators(omega, 1.3, method="rk4", step=0.01), state, 100)
    # A third component at rest; Omega_12 turns the second into the first.
    three = np.stack([-omega, 0 * omega, 0 * omega])
    x = np.concatenate([x, np.zeros((1, 1500))])
    found = run(Oscillators(three, 1.3, method="rk4", step=0.01), x, 100)
    assert np.allclose(found, [*mean, 0], atol=1e-9)
    assert np.allclose(np.linalg.norm(x, axis=0), 1)


def test_unit_vectors_on_a_lattice_are_phases_there():
    generator, side = rng.stream(0, "synthetic", "square spheres"), 35
    state, omega, network = random_phases(side**2, generator), generator.normal(size=side**2), Network("square")
    x = np.array([np.cos(FULL_TURN * state), np.sin(FULL_TURN * state), 0 * state])
    mean = run(Oscillators(omega, 0.4, network=network, method="rk4", step=0.01), state, 50)
    found = run(Oscillators(np.stack([-omega, 0 * omega, 0 * omega]), 0.4, 0.0, network, 0.01, "rk4"), x, 50)
    assert np.allclose(found, [*mean, 0], atol=1e-9)
    assert math.isclose(neighbour_order(network, x), neighbour_order(network, state), rel_tol=1e-8)
    assert math.isclose(neighbour_order(Network(), x), np.linalg.norm(found))


def attracted(omega, rho, K):
    """Where unit vectors come to rest in a field K rho: the leading eigenvectors of ((Omega, K rho), (K rho, 0))."""
    n = len(rho)
    M = np.zeros((omega.shape[1], n + 1, n + 1))
    i, j = np.triu_indices(n, 1)
    M[:, i, j], M[:, j, i] = omega.T, -omega.T
    M[:, :n, n] = M[:, n, :n] = K * rho
    values, vectors = np.linalg.eig(M)
    lead = np.take_along_axis(vectors, values.real.argmax(1)[:, None, None], 2)[:, :, 0]
    return (lead[:, :n] / lead[:, n:]).real


def test_three_components_order_at_once():
    """H. Chandra, M. Girvan and E. Ott, Phys. Rev. X 9 (2019) 011002: r = 1/2 for K to 0."""
    generator, n = rng.stream(0, "synthetic", "odd"), 600
    omega, x = generator.normal(size=(3, n)), random_directions(3, n, generator)
    rho = np.array([0.5, 0, 0])
    for _ in range(150):
        rho = attracted(omega, rho, 0.3).mean(0)
    assert abs(np.linalg.norm(rho) - 0.5) < 0.03
    at_rest = np.ascontiguousarray(attracted(omega, rho, 0.3).T)
    system = Oscillators(omega, 0.3, method="rk4", step=0.1)
    assert np.allclose(run(system, at_rest, 100), rho, atol=1e-9), "it stays"
    assert abs(np.linalg.norm(run(system, x, 1000)) - np.linalg.norm(rho)) < 0.05, "and comes about"
    other = Oscillators(omega, 0.33, method="rk4", step=0.1)
    assert not np.allclose(run(other, at_rest, 100), rho, atol=1e-6)


def test_directions_diffuse_as_on_a_sphere():
    n, D = 20_000, 0.2
    x = np.repeat(np.eye(4, 1), n, axis=1)
    system = Oscillators(np.zeros((6, n)), 0.0, noise=D, step=0.01)
    along = integrate(system, x, KEY, 0, 100, 1)[0, 0]
    assert abs(along - math.exp(-3 * D)) < 4 * x[0].std() / math.sqrt(n)
    assert abs(along - math.exp(-4 * D)) > 10 * x[0].std() / math.sqrt(n)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"noise": 0.1, "method": "rk4"}, "without noise"),
        ({"method": "leapfrog"}, "no method"),
        ({"step": 0.0}, "positive"),
        ({"omega": np.array([1.0, np.nan])}, "finite"),
        ({"omega": np.zeros((3, 10)), "network": Network("square")}, "L\\^2"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, said):
    with pytest.raises(InputError, match=said):
        Oscillators(**{"omega": np.zeros(9), "strength": 1.0} | settings)
    with pytest.raises(InputError, match="another shape"):
        integrate(Oscillators(np.zeros(3), 1.0), np.zeros(4), KEY, 0, 1, 1)
