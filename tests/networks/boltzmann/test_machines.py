"""Boltzmann machines against enumeration: planted ones, tables, Gibbs updates, partition functions, symmetry."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.analysis.statistics.works import log_ratio
from physnn.exact.ising.enumeration import ising_enumeration
from physnn.models.boltzmann import Machine, pair_machine
from physnn.networks.boltzmann.annealing import (
    independent,
    log_partition_of_independent,
    path_of,
    random_states,
    works,
)
from physnn.networks.boltzmann.chains import GibbsChains, Tables, packed_units
from physnn.networks.boltzmann.divergence import BoltzmannTraining, TrainingRule, untrained_machine
from physnn.networks.boltzmann.translations import Translations
from physnn.samples.boltzmann.judge import stack_log_weights

T = 2.3


def random_machine(seed: int, visible: int, hidden: int, scale: float = 0.6, bias: float = 0.3) -> Machine:
    g = rng.stream(seed, "synthetic", "machine")
    biases = bias * g.standard_normal(visible), bias * g.standard_normal(hidden)
    return Machine(scale * g.standard_normal((visible, hidden)), *biases)


def torus_pairs(L: int) -> np.ndarray:
    sites = np.arange(L * L).reshape(L, L)
    return np.concatenate([np.stack([sites, np.roll(sites, -1, axis)], axis=2).reshape(-1, 2) for axis in (0, 1)])


def true_probabilities(machine: Machine) -> np.ndarray:
    """Probabilities of the 3 x 3 Ising model in the order of the machine's states."""
    states = machine.states("visible")
    spins = states.reshape(-1, 3, 3)
    energy = -(spins * np.roll(spins, 1, 1) + spins * np.roll(spins, 1, 2)).sum(axis=(1, 2))
    weight = np.exp(-energy.astype(float) / T)
    return weight / weight.sum()


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(p / q)).sum())


def test_a_planted_machine_has_no_divergence_at_its_own_weights():
    planted = pair_machine(torus_pairs(3), 9, 1 / T)
    truth = true_probabilities(planted)
    spins = planted.states("visible").reshape(-1, 3, 3).astype(float)
    bonds = (spins * np.roll(spins, 1, 1) + spins * np.roll(spins, 1, 2)).mean(axis=(1, 2))
    assert -planted.probabilities() @ bonds == pytest.approx(ising_enumeration((3, 3), T)["energy"], rel=1e-9)
    assert abs(divergence(truth, planted.probabilities())) < 1e-12
    # The control: the same machine at another temperature has one.
    assert divergence(truth, pair_machine(torus_pairs(3), 9, 1 / 2.6).probabilities()) > 0.01


def test_a_planted_machine_of_colours_is_a_potts_model():
    pairs, K = np.array([[0, 1], [1, 2], [2, 0]]), 0.7
    planted = pair_machine(pairs, 3, K, 3)
    colours = np.arange(27)[:, None] // 3 ** np.arange(3) % 3
    weight = np.exp(K * (colours[:, pairs[:, 0]] == colours[:, pairs[:, 1]]).sum(axis=1))
    np.testing.assert_allclose(planted.probabilities(), weight / weight.sum(), rtol=1e-9)


def test_both_layers_give_the_same_partition_function_and_means():
    machine = random_machine(1, 7, 5)
    both = [np.logaddexp.reduce(machine.log_weights(layer)) for layer in ("visible", "hidden")]
    assert both[0] == pytest.approx(both[1], abs=1e-10)
    joint, visible, hidden = machine.correlations()  # from the hidden side
    step = 1e-5
    for i, j in ((0, 0), (6, 4)):
        moved = [machine.weights.copy() for _ in range(2)]
        moved[0][i, j] += step
        moved[1][i, j] -= step
        up, down = (Machine(w, machine.visible_bias, machine.hidden_bias).log_partition() for w in moved)
        assert joint[i, j] == pytest.approx((up - down) / (2 * step), abs=1e-6)
    p, states = machine.probabilities(), machine.states("visible")
    np.testing.assert_allclose(visible, p @ states, atol=1e-10)
    assert hidden.shape == (5,)


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_tables_give_the_fields_of_a_product_of_matrices(low):
    g = rng.stream(0, "synthetic", "tables")
    machine = Machine(g.standard_normal((21, 37)), g.standard_normal(21), g.standard_normal(37), low)
    tables, colours = Tables.of(machine), g.integers(0, 2, (9, 21), np.int8)
    states = tables.states_of(colours)
    np.testing.assert_array_equal(tables.colours_of(states), colours)
    np.testing.assert_array_equal(tables.visible_values(states), machine.values_of(colours))
    np.testing.assert_allclose(
        tables.hidden_fields(states), machine.hidden_fields(machine.values_of(colours)), atol=1e-5
    )


def counted(machine: Machine, chains: int, rounds: int, seed: int) -> np.ndarray:
    """How often Gibbs chains of a machine are in each visible state."""
    tables = Tables.of(machine)
    start = random_states(machine, chains, rng.stream(seed, "synthetic", "start"))
    moving = GibbsChains.begin(tables, start, rng.seed_sequence(seed, "synthetic", "moves"))
    moving.move(tables, 50)
    q, found = machine.colours, np.zeros(machine.colours**machine.sites, int)
    for _ in range(rounds):
        moving.move(tables, 10)
        digits = tables.colours_of(moving.visible).astype(int)
        digits = 1 - digits if q == 2 else digits
        found += np.bincount(digits @ q ** np.arange(machine.sites), minlength=len(found))
    return found


def agreement(counts: np.ndarray, p: np.ndarray) -> float:
    """p-value of chi squared, states that are expected fewer than ten times taken together."""
    expected = p * counts.sum()
    few = expected < 10
    pairs = [np.append(x[~few], x[few].sum()) for x in (counts, expected)]
    return float(stats.chisquare(*pairs).pvalue)


def test_samples_follow_the_exact_probabilities_of_ten_units():
    machine = random_machine(2, 10, 8, 0.35)
    counts = counted(machine, 1000, 60, 3)
    assert agreement(counts, machine.probabilities()) > 1e-3
    other = Machine(1.05 * machine.weights, machine.visible_bias, machine.hidden_bias)
    assert agreement(counts, other.probabilities()) < 1e-6


def test_samples_of_colours_and_of_bits_follow_theirs():
    g = rng.stream(4, "synthetic", "colours")
    colours = Machine(0.5 * g.standard_normal((12, 5)), 0.3 * g.standard_normal(12), np.zeros(5), 0.0, 3)
    bits = Machine(g.standard_normal((6, 5)), 0.3 * g.standard_normal(6), np.zeros(5), 0.0)
    for machine in (colours, bits):
        assert agreement(counted(machine, 500, 40, 5), machine.probabilities()) > 1e-3


def test_updates_of_the_visible_units_are_reversible():
    machine = random_machine(6, 4, 3, 0.8)
    tables, p = Tables.of(machine), machine.probabilities()

    def asymmetry(start: np.ndarray) -> float:
        """p-value that as many chains go from one state to another as back."""
        g = rng.stream(7, "synthetic", "reversible")
        first = packed_units(machine.states("visible")[g.choice(16, 40_000, p=start)])
        moving = GibbsChains.begin(tables, first, rng.seed_sequence(8, "synthetic", "reversible"))
        moving.move(tables)
        flow = np.zeros((16, 16))
        np.add.at(flow, (first[:, 0], moving.visible[:, 0]), 1)
        ahead, back = flow[np.triu_indices(16, 1)], flow.T[np.triu_indices(16, 1)]
        some = ahead + back > 10
        return float(stats.chi2.sf(((ahead - back)[some] ** 2 / (ahead + back)[some]).sum(), some.sum()))

    assert asymmetry(p) > 1e-3
    # The control: out of equilibrium more go one way.
    assert asymmetry(np.full(16, 1 / 16)) < 1e-6


def test_errors_of_annealed_partition_functions_cover_in_200_machines():
    inside, ends = [], []
    for seed in range(200):
        machine = random_machine(seed, 8, 6, 0.6, 0.2 * (seed % 2))
        base, n = independent(machine), 60
        path, g = list(path_of([base, machine], 15)), rng.stream(seed, "synthetic", "annealing")
        ahead = works(path, random_states(base, n, g), rng.seed_sequence(seed, "synthetic", "ahead")).sum(axis=0)
        last = packed_units(machine.states("visible")[g.choice(256, n, p=machine.probabilities())])
        back = -works(path[::-1], last, rng.seed_sequence(seed, "synthetic", "back")).sum(axis=0)
        found, exact = log_ratio(ahead, back), machine.log_partition() - log_partition_of_independent(machine)
        inside.append(abs(found.both.value - exact) < found.both.error)
        ends.append(found.both.value - exact)
    assert 0.60 <= np.mean(inside) <= 0.76
    assert abs(np.mean(ends)) < 3 * np.std(ends) / math.sqrt(200)
    # The control: half of the error covers too rarely.
    assert np.mean(np.abs(ends) < 0.5 * np.std(ends)) < 0.5


def training_of(
    low: float, method: str, biased: bool, steps: int = 300, features: int | None = None
) -> BoltzmannTraining:
    """Training on samples of the 3 x 3 Ising model."""
    machine = untrained_machine(9, 2, 9 * (features or 1), low, (0, "test"))
    truth = true_probabilities(untrained_machine(9, 2, 9, -1.0, (0, "test")))
    drawn = rng.stream(0, "synthetic", "ising").choice(512, 4000, p=truth)
    colours = np.asarray(1 - ((drawn[:, None] >> np.arange(9)) & 1), np.int8)
    rule = TrainingRule(method, 1 if method == "cd" else 5, steps, 100, 100, 0.1, 0.1, biased)
    alike = Translations((3, 3), 1, features) if features else None
    return BoltzmannTraining(machine, Tables.of(machine).states_of(colours), rule, (0, "test"), alike)


def trained(low: float, method: str, biased: bool) -> Machine:
    """Machine after 300 steps."""
    training = training_of(low, method, biased)
    training.train(300)
    return training.machine


def asymmetry_of(machine: Machine) -> float:
    """Largest difference of the probabilities of a state and the one with all units turned over."""
    p = machine.probabilities()
    return float(np.abs(p - p[::-1]).max() / p.max())


def test_units_of_minus_one_keep_the_symmetry_that_units_of_zero_break():
    assert asymmetry_of(trained(-1.0, "cd", False)) < 1e-9
    # The control: zeros and ones at the same step size.
    assert asymmetry_of(trained(0.0, "cd", True)) > 0.05


@pytest.mark.parametrize("method", ["pcd", "exact", "tap"])
def test_training_lowers_the_divergence(method):
    start, machine = untrained_machine(9, 2, 9, -1.0, (0, "test")), trained(-1.0, method, False)
    truth = true_probabilities(start)
    before, after = (divergence(truth, one.probabilities()) for one in (start, machine))
    # Mean fields miss what neighbours of strong couplings do.
    assert after < (0.6 if method == "tap" else 0.1) * before


def test_a_training_goes_on_from_its_state_bit_for_bit():
    straight, first, second = (training_of(0.0, "pcd", True, 60) for _ in range(3))
    straight.train(60)
    first.train(25)
    second.restore(first.arrays())
    second.train(60)
    for name, values in straight.arrays().items():
        np.testing.assert_array_equal(values, second.arrays()[name])


def test_averages_are_those_of_the_last_half_also_after_an_interruption():
    def averaged() -> BoltzmannTraining:
        plain = training_of(-1.0, "pcd", True, 60)
        return BoltzmannTraining(plain.machine, plain.data, replace(plain.rule, average=True), plain.key)

    straight, first, second = averaged(), averaged(), averaged()
    seen = []
    for step in range(1, 61):
        straight.train(step)
        seen.append(straight.machine.weights)
    np.testing.assert_allclose(straight.result.weights, np.mean(seen[30:], axis=0), atol=1e-6)
    assert np.abs(straight.result.weights - straight.machine.weights).max() > 1e-4
    first.train(45)
    second.restore(first.arrays())
    second.train(60)
    np.testing.assert_array_equal(second.result.weights, straight.result.weights)
    assert training_of(-1.0, "pcd", True, 60).result.weights is not None


def translated(visible: np.ndarray, shape: tuple[int, int], by: tuple[int, int]) -> np.ndarray:
    """Values of visible units (n, units) with every site moved."""
    return np.roll(visible.reshape(len(visible), *shape, -1), by, axis=(1, 2)).reshape(visible.shape)


@pytest.mark.parametrize("colours", [1, 3])
def test_weights_that_are_alike_are_means_over_translations(colours):
    shape, features = (3, 4), 2
    alike, g = Translations(shape, colours, features), rng.stream(0, "synthetic", "alike")
    each = g.standard_normal((12 * colours, 12 * features))
    wide = each.reshape(*shape, colours, features, *shape)
    moved = [np.roll(wide, by + by, axis=(0, 1, 4, 5)).reshape(each.shape) for by in np.ndindex(shape)]
    np.testing.assert_allclose(alike.weights(each), np.mean(moved, axis=0), atol=1e-12)
    np.testing.assert_allclose(alike.visible(each[:, 0]).reshape(12, -1)[5], each[:, 0].reshape(12, -1).mean(axis=0))
    np.testing.assert_allclose(alike.hidden(each[0])[12:], each[0, 12:].mean())


def test_machines_with_features_do_not_see_translations():
    training = training_of(0.0, "pcd", True, 60, features=2)
    training.train(60)
    machine, plain = training.machine, training_of(0.0, "pcd", True, 60)
    plain.train(60)
    states = machine.states("visible").astype(float)
    there = translated(states, (3, 3), (1, 2))
    assert np.abs(machine.log_weight(states) - machine.log_weight(there)).max() < 1e-4
    # The control: weights of their own at all sites.
    assert np.abs(plain.machine.log_weight(states) - plain.machine.log_weight(there)).max() > 0.01


def test_whitened_gradients_are_those_by_the_inverse_covariance():
    plain, white = (training_of(-1.0, "exact", False) for _ in range(2))
    white.rule = replace(white.rule, whiten=True)
    white = BoltzmannTraining(white.machine, white.data, white.rule, white.key)
    before = plain.machine.weights.copy()
    for training in (plain, white):
        training.train(1)
    values = plain.tables.visible_values(plain.data).astype(float)
    covariance = values.T @ values / len(values)
    covariance += 0.01 * np.eye(9)  # of units whose variance is 1
    step, other = (training.machine.weights - before for training in (plain, white))
    np.testing.assert_allclose(covariance @ other, step, atol=1e-5)
    assert np.abs(other - step).max() > 1e-3


def test_two_features_learn_the_ising_model():
    training = training_of(-1.0, "pcd", False, features=2)
    training.train(300)
    truth = true_probabilities(training.machine)
    before = divergence(truth, untrained_machine(9, 2, 9, -1.0, (0, "test")).probabilities())
    assert divergence(truth, training.machine.probabilities()) < 0.1 * before


def test_bounds_of_a_stack_lie_below_its_exact_likelihood():
    first, second = random_machine(1, 6, 4, 0.8), random_machine(2, 4, 3, 0.8)
    v, h = first.states("visible").astype(float), first.states("hidden").astype(float)
    joint = np.exp(v @ first.weights @ h.T + (v @ first.visible_bias)[:, None])
    exact = np.log(joint / joint.sum(axis=0) @ second.probabilities())
    colours = np.asarray(1 - ((np.arange(64)[:, None] >> np.arange(6)) & 1), np.int8)
    logs = stack_log_weights([first, second], colours, 1000, rng.seed_sequence(0, "synthetic", "stack"))
    logs -= second.log_partition()
    one = logs.mean(axis=0)  # of one draw
    spread = 4 * np.exp(logs - exact).std(axis=0) / math.sqrt(len(logs))
    assert (np.abs(np.logaddexp.reduce(logs, axis=0) - math.log(len(logs)) - exact) < spread).all()
    assert (one < exact).all() and (exact - one).mean() > 0.05
    # The control: the second layer is another one.
    assert not (
        np.abs(np.log(joint / joint.sum(axis=0) @ random_machine(3, 4, 3, 0.8).probabilities()) - exact) < spread
    ).all()
