"""Samplers of unit vectors against exact answers, against each other, and broken ones that must not agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

from physnn import rng
from physnn.analysis.order.equilibrium import thermometer
from physnn.analysis.statistics.series import estimate_time
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.vectors import VectorModel, normalised
from physnn.samplers.langevin import Langevin
from physnn.samplers.vector_metropolis import Mala, PlainMetropolis, VectorMetropolis, tuned
from physnn.samplers.vectors import VectorState, start_vectors
from physnn.shipped import resolve
from physnn.store.network_file import read_networks
from tests.synthetic.vector_chain import on_chain

LIMIT = 4
"""Standard errors that count as agreement."""


def sequence(*words):
    return rng.seed_sequence(1, "chain", "vectors", *words)


def run(sampler, model, shape, T, n, interval, *words, kind="random", chains=2, keep=0, warm=20, tune=True):
    """Return rows in equilibrium, and the state; moves of exact samplers are tuned first."""
    state = start_vectors(sampler, model, shape, kind, sequence(type(sampler).__name__, *words), chains)
    if tune and not isinstance(sampler, Langevin):
        sampler = tuned(sampler, model, T, state)
    sampler.advance(model, T, state, warm, interval)
    return sampler.advance(model, T, state, n, interval, keep), state


def mean(series):
    """Return the mean of a series (chains, measurements) and its error."""
    found = estimate_time(series)
    return found.mean.value, found.mean.error


def extrapolated(rule, gamma, observe):
    """Return value and error at gamma = 0 of ``observe(sampler, factor)``, from gamma and gamma / 2."""
    coarse, fine = observe(Langevin(gamma, rule), 1), observe(Langevin(gamma / 2, rule), 2)
    return 2 * fine[0] - coarse[0], np.hypot(2 * fine[1], coarse[1])


def ratio(N, x):
    """Return A = I_{N/2}(x) / I_{N/2-1}(x)."""
    return special.iv(N / 2, x) / special.iv(N / 2 - 1, x)


def in_field(N, h=1.0):
    return VectorModel(np.zeros((N, N, 1, 1)), np.eye(N)[0] * h)


EXACT = [VectorMetropolis(), Mala(), PlainMetropolis()]
RULES = ["geodesic", "retract"]
KNOWN = {
    # Model, shape, T, minus the energy per site.
    "ring of 8": (on_chain(2), (16, 8), 0.5, 0.721628),
    "chain of 8, N = 3": (on_chain(3, boundary="zero"), (16, 8), 1.0, 0.31303529 * 7 / 8),
    "chain of 8, N = 4": (on_chain(4, boundary="zero"), (16, 8), 1.0, 0.24019372 * 7 / 8),
    "spin in a field, N = 2": (in_field(2), (8, 8), 1.0, 0.44638997),
    "spin in a field, N = 3": (in_field(3), (8, 8), 1.0, 0.31303529),
}
# Langevin steps are compiled for each number of components; by default three stand for four, here for all samplers.
COMPILED = [pytest.param(name, marks=[pytest.mark.slow] if name.endswith("4") else []) for name in KNOWN]


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("sampler", EXACT, ids=lambda s: type(s).__name__)
def test_reference_samplers_have_the_exact_energy_and_temperature(sampler, name):
    model, shape, T, exact = KNOWN[name]
    rows, _ = run(sampler, model, shape, T, 1500, 4, name)
    value, error = mean(-rows["energy"])
    assert abs(value - exact) < LIMIT * error < 0.02
    assert 0.2 < rows["accepted"].mean() < 0.8
    found = thermometer(rows["force"], rows["curvature"], T)
    assert abs(found.t_conf.value - T) < LIMIT * found.t_conf.error


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("rule", RULES)
def test_langevin_has_the_exact_energy_and_temperature_at_gamma_zero(rule, name):
    # The thermometer has errors of 0.5 to 1.3 %: 2 to 5 % of temperature are seen.
    model, shape, T, exact = KNOWN[name]
    gamma, thermometers = 0.04, []

    def observe(sampler, factor):
        rows, _ = run(sampler, model, (4 * shape[0], shape[1]), T, 700, 10 * factor, name, rule, factor)
        found = thermometer(rows["force"], rows["curvature"], T)
        thermometers.append((found.t_conf.value, found.t_conf.error))
        return mean(-rows["energy"])

    value, error = extrapolated(rule, gamma, observe)
    assert abs(value - exact) < LIMIT * error < 0.02
    coarse, fine = thermometers
    assert abs(2 * fine[0] - coarse[0] - T) < LIMIT * np.hypot(2 * fine[1], coarse[1])


def test_four_per_cent_of_temperature_are_seen():
    model, _, T, exact = KNOWN["ring of 8"]
    rows, _ = run(VectorMetropolis(), model, (32, 8), 1.04 * T, 2000, 4, "off")
    value, error = mean(-rows["energy"])
    assert abs(value - exact) > LIMIT * error


@pytest.mark.parametrize("N", [2, pytest.param(3, marks=pytest.mark.slow), 4])
def test_correlations_along_an_open_chain_are_powers(N):
    rows, _ = run(VectorMetropolis(), on_chain(N, boundary="zero"), (32, 10), 1.0, 600, 4, N, keep=1)
    for r in (1, 2, 4):
        product = (rows.kept[..., : 10 - r, :] * rows.kept[..., r:, :]).sum(-1).mean((-1, -2))
        value, error = mean(product)
        assert abs(value - ratio(N, 1.0) ** r) < LIMIT * error < 0.03


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("N", [2, 3, 16])
def test_noise_alone_decays_exactly(rule, N):
    # One step turns by |v| = s chi with N - 1 degrees of freedom, in a direction that knows nothing of x(0).
    gamma, T, steps, model = 0.05, 0.3, 8, VectorModel(np.zeros((N, N, 1, 1)))
    state = start_vectors(Langevin(gamma, rule), model, (96, 96), "random", sequence("noise", N))
    before = state.x.copy()
    s = np.sqrt(2 * T * gamma)
    turned = (lambda v: np.cos(s * v)) if rule == "geodesic" else (lambda v: 1 / np.sqrt(1 + (s * v) ** 2))
    exact = integrate.quad(lambda v: turned(v) * stats.chi.pdf(v, N - 1), 0, np.inf)[0] ** steps
    Langevin(gamma, rule).advance(model, T, state, 1, steps)
    overlap = (state.x * before).sum(-1, dtype=np.float64)
    error = overlap.std() / np.sqrt(overlap.size)
    assert abs(overlap.mean() - exact) < LIMIT * error
    assert abs(overlap.mean() - exact ** (1.08 if N > 3 else 1.3)) > LIMIT * error


@pytest.mark.parametrize("rule", RULES)
def test_the_bias_is_of_first_order_in_the_step(rule):
    model, exact, found = in_field(3), ratio(3, 1.0), []
    gammas = np.array([0.1, 0.05, 0.025]) * (2 if rule == "geodesic" else 1)
    for gamma in gammas:
        interval = round(0.4 / gamma)
        rows, _ = run(Langevin(gamma, rule), model, (64, 64), 1.0, 600, interval, rule, float(gamma), chains=1)
        found.append(mean(-rows["energy"]))
    value, error = np.array(found).T
    bias = value - exact
    assert (abs(bias) > 10 * error).all()
    assert (bias > 0).all() == (rule == "retract")
    order = np.polyfit(np.log(gammas), np.log(abs(bias)), 1)[0]
    assert abs(order - 1) < 0.2


def random_model():
    g = rng.stream(2, "synthetic", "coupling")
    return couplings.from_weights({"coupling": g.normal(size=(3, 3, 3, 3)), "bias": g.normal(size=3)}, "periodic")


def trained_model(name="kuramoto_symmetric"):
    file = read_networks(resolve(name))
    return couplings.from_weights({k: w[0] for k, w in file.weights.items()}, file.architecture["boundary"])


@pytest.mark.parametrize("field", [0.0, 0.6])
@pytest.mark.parametrize("sampler", EXACT, ids=lambda s: type(s).__name__)
def test_an_anisotropic_spin_has_its_exact_distribution(sampler, field):
    # The field is oblique: an offer of its mirror image that leaves out what the spin does to itself is seen.
    c, T = field * np.array([0.6, 0.8]), 0.5
    model = VectorModel(np.diag([2.0, 0.0])[:, :, None, None], c)
    rows, _ = run(sampler, model, (6, 6), T, 1200, 4, "anisotropic", field)
    energy = lambda a: -(np.cos(a) ** 2) - c[0] * np.cos(a) - c[1] * np.sin(a)  # noqa: E731
    weight = lambda a: np.exp(-energy(a) / T)  # noqa: E731
    total, known = (integrate.quad(f, 0, 2 * np.pi)[0] for f in (weight, lambda a: energy(a) * weight(a)))
    value, error = mean(rows["energy"])
    assert abs(value - known / total) < LIMIT * error < 0.02
    found = thermometer(rows["force"], rows["curvature"], T)
    assert abs(found.t_conf.value - T) < LIMIT * found.t_conf.error


@pytest.mark.parametrize("onsite", [0.0, 1.5])
def test_mirror_images_keep_all_energy_but_the_own(onsite):
    J = couplings.on(3).coupling.copy()
    J[:, :, 1, 1] = np.diag([onsite, 0, 0])
    model, still = VectorModel(J), VectorMetropolis(1e-12)
    state = start_vectors(still, model, (6, 6), "random", sequence("mirror"), 2)
    before, rows = state.x.copy(), still.advance(model, 0.8, state, 20, 1)
    assert np.abs((state.x * before).sum(-1)).mean() < 0.7
    assert (np.ptp(rows["energy"], axis=1) < 1e-9).all() == (onsite == 0)
    plain = start_vectors(still, model, (6, 6), "random", sequence("mirror"), 2)
    PlainMetropolis(1e-12).advance(model, 0.8, plain, 20, 1)
    assert np.allclose(plain.x, before, atol=1e-9)


def test_mirror_images_forget_sooner():
    model, tau = trained_model("kuramoto_flow"), []
    for sampler in (PlainMetropolis(), VectorMetropolis()):
        rows, _ = run(sampler, model, (4, 4), 0.19, 1500, 8, "sooner", kind="ordered", keep=1, warm=100)
        m2 = np.abs(np.fft.fft2(rows.kept, axes=(2, 3))[:, :, 0, 2]) ** 2
        tau.append(estimate_time(m2.sum(-1)).tau.value)
    assert tau[0] > 3 * tau[1]


@pytest.mark.parametrize(
    ("model", "shape", "T", "gamma", "n"),
    [
        (random_model(), (4, 4), 1.5, 0.01, 500),
        # N = 16 takes some seconds; random couplings of three components stand for it by default.
        pytest.param(trained_model(), (6, 6), 0.5, 0.01, 100, marks=pytest.mark.slow),
    ],
    ids=["random", "trained"],
)
def test_langevin_agrees_with_metropolis(model, shape, T, gamma, n):
    # A tenth of T is four errors of the difference.
    rows, _ = run(VectorMetropolis(), model, shape, T, 3 * n, 4, "agree", kind="ordered", warm=100)
    expected, doubt = mean(rows["energy"])
    wrong, more_doubt = mean(run(VectorMetropolis(), model, shape, 1.2 * T, 3 * n, 4, "wrong", warm=100)[0]["energy"])
    assert abs(wrong - expected) > LIMIT * np.hypot(doubt, more_doubt)

    def observe(sampler, factor):
        rows, _ = run(sampler, model, shape, T, n, 20 * factor, "agree", factor, chains=16, kind="ordered", warm=100)
        return mean(rows["energy"])

    value, error = extrapolated("geodesic", gamma, observe)
    assert abs(value - expected) < LIMIT * np.hypot(error, doubt)


def test_mala_agrees_with_metropolis_for_a_random_coupling():
    model = random_model()
    found = [mean(run(s, model, (3, 3), 1.5, 1500, 8, "mala", warm=100)[0]["energy"]) for s in EXACT]
    assert abs(found[0][0] - found[1][0]) < LIMIT * np.hypot(found[0][1], found[1][1])


def broken_rows(model, shape, T, gamma, n, what):
    """Return force and curvature of steps with a mistake, in plain arrays; ``what`` may be nothing."""
    g = rng.stream(0, "synthetic", "broken")
    x = normalised(g.normal(size=(*shape, model.components)))
    found = []
    for t in range(n):
        v = gamma * model.field(x) + np.sqrt(2 * T * gamma * (2 if what == "noise" else 1)) * g.normal(size=x.shape)
        if what not in ("projection", "sphere"):
            v -= (x * v).sum(-1, keepdims=True) * x
        if what == "sphere":
            length = np.linalg.norm(v, axis=-1, keepdims=True)
            x = np.cos(length) * x + np.sinc(length / np.pi) * v
        else:
            x = normalised(x + v)
        if t >= n // 10:
            found.append(model.thermometer(x))
    return np.array(found).T


@pytest.mark.parametrize("what", ["nothing", "noise", "projection", "sphere"])
def test_the_thermometer_sees_mistakes_in_a_step(what):
    # Without the projection, `normalise` repairs all but terms of order gamma: seen where the right step has few.
    model, T = couplings.on(2), 1.3
    force, curvature = broken_rows(model, (40, 40), T, 0.05, 1600, what)
    found = thermometer(force, curvature, T)
    off = abs(found.t_conf.value / T - 1)
    assert (off < 0.02) == (what == "nothing")
    assert off - 0.02 > (LIMIT * found.t_conf.error / T if what != "nothing" else -1)
    if what in ("noise", "sphere"):
        assert found.verdict == "non-equilibrium"


@pytest.mark.parametrize("rule", RULES)
def test_the_thermometer_sees_wrong_noise_and_too_large_a_step(rule):
    model, T = trained_model(), 0.05
    verdicts = []
    for gamma, factor in ((0.004, 1), (0.004, 2), (0.25, 1)):
        steps = round(0.2 / gamma) if gamma < 0.1 else 2
        state = start_vectors(
            Langevin(gamma, rule), model, (12, 12), "ordered", sequence("cycle", rule, gamma, factor), 2
        )
        Langevin(gamma, rule).advance(model, factor * T, state, 40, steps)
        rows = Langevin(gamma, rule).advance(model, factor * T, state, 200, steps)
        verdicts.append(thermometer(rows["force"], rows["curvature"], T).verdict)
    assert verdicts == ["equilibrium", "non-equilibrium", "non-equilibrium"]


def test_chains_continue_bit_for_bit_and_threads_do_not_matter():
    model = random_model()
    for sampler in (Langevin(0.05), VectorMetropolis(), Mala()):
        one = start_vectors(sampler, model, (5, 4), "random", sequence("continue"), 3)
        other = VectorState.from_arrays(one.arrays())
        rows = sampler.advance(model, 0.7, one, 12, 2, keep=3)
        parts = [sampler.advance(model, 0.7, other, n, 2, keep=3, threads=2) for n in (3, 9)]
        assert np.array_equal(one.x, other.x)
        assert np.allclose(rows.values, np.concatenate([p.values for p in parts], axis=1), rtol=1e-12, atol=1e-13)
        assert np.array_equal(rows.kept, np.concatenate([p.kept for p in parts], axis=1))
        assert np.allclose(model.energy(rows.kept), rows["energy"][:, ::3], atol=1e-5)
        apart = start_vectors(sampler, model, (5, 4), "random", sequence("continue"), 3).x
        assert not np.array_equal(apart[0], apart[1])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Langevin(0.0),
        lambda: Langevin(0.1, "euler"),
        lambda: VectorMetropolis(-1.0),
        lambda: run(Langevin(0.1), couplings.on(2), (2, 2), -1.0, 5, 1),
        lambda: run(VectorMetropolis(), couplings.on(2), (2, 2), 0.0, 5, 1, tune=False),
        lambda: run(Langevin(0.1), couplings.on(2), (2, 2), 1.0, 0, 1),
        lambda: Langevin(0.1).advance(couplings.on(2), 1.0, VectorState(np.ones((1, 2, 2, 3), "f4"), np.zeros(2)), 1),
        lambda: thermometer(np.ones(10), np.ones(10), 0.0),
    ],
)
def test_wrong_input_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("name", "shape"), [("kuramoto_symmetric", (8, 8)), ("kuramoto_broken", (6, 7))])
def test_langevin_agrees_with_metropolis_to_one_per_cent(rule, name, shape):
    model, T = trained_model(name), 0.3
    expected, doubt = mean(
        run(VectorMetropolis(), model, shape, T, 4000, 6, "long", kind="ordered", warm=200)[0]["energy"]
    )

    def observe(sampler, factor):
        words = ("long", rule, factor, name)
        rows, _ = run(sampler, model, shape, T, 3000, 30 * factor, *words, chains=8, kind="ordered", warm=200)
        return mean(rows["energy"])

    value, error = extrapolated(rule, 0.004, observe)
    assert abs(value - expected) < LIMIT * np.hypot(error, doubt)
    assert np.hypot(error, doubt) < 0.01 * abs(expected)
