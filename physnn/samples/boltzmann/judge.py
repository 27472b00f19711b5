"""What trained machines generate, and how likely they find snapshots: with errors, and against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.works import log_ratio, one_way
from physnn.exact.ising.kaufman import kaufman
from physnn.models.boltzmann import MOST_STATES, STATES_AT_ONCE, Machine
from physnn.models.configurations import columns_of_configurations
from physnn.networks.boltzmann.annealing import (
    independent,
    log_partition_of_independent,
    path_of,
    random_states,
    works,
)
from physnn.networks.boltzmann.chains import GibbsChains, Tables, unpacked_units
from physnn.samples.temperature.recipe import TemperatureSweep

ESTIMATORS = ("forward", "reverse", "both", "trajectory", "exact")
"""Ways to ln Z: annealed importance sampling in temperature, from either end and from both; along the machines of the
training from both ends; the sum over all states of a layer, where they are few."""
SAMPLE_CHAINS = 200
"""Chains that generate configurations: half of them begin at snapshots, half at random."""
BURN = 50
"""Measurements that a chain leaves out before its first one."""
ANNEALED = 500
"""Runs of annealed importance sampling."""
LIKELY = 5000
"""Snapshots whose likelihood is averaged at most: it varies less than partition functions are uncertain."""
STACK_DRAWS = 100
"""Draws of the layers of a stack for every snapshot."""
MARK_BITS = 16
"""Bits of a layer whose states are summed at every mark of a training at most."""
Truth = Callable[[np.ndarray], np.ndarray]
"""Logarithm of the probability of configurations (n, sites) of colours."""


def generated(
    stack: Sequence[Machine], snapshots: np.ndarray, count: int, thin: int, seeds: np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray]:
    """Configurations of a machine, or of a stack from its last layer downwards.

    Parameters
    ----------
    stack : sequence of Machine
        Layers, the first one has the sites.
    snapshots : ndarray of int8, shape (n, sites)
        Colours of the data, where half of the chains begin.
    count, thin : int
        Configurations, a multiple of `SAMPLE_CHAINS`, and Gibbs steps between those of a chain.
    seeds : numpy.random.SeedSequence
        Seeds of everything random.

    Returns
    -------
    configurations : ndarray of int8, shape (count, sites)
        Colours, chain after chain.
    visible : ndarray of uint8, shape (count, groups)
        Visible states of the last layer.
    """
    generator, data = rng.generator(rng.child(seeds, 1)), snapshots
    for k, machine in enumerate(stack[:-1]):
        data = hidden_colours(machine, data[:LIKELY], rng.child(seeds, 2, k))
    tables = [Tables.of(machine) for machine in stack]
    start = random_states(stack[-1], SAMPLE_CHAINS, generator)
    half = generator.integers(0, len(data), len(start[::2]))
    start[::2] = tables[-1].states_of(data[half])
    chains, found = GibbsChains.begin(tables[-1], start, rng.child(seeds, 3)), []
    chains.move(tables[-1], BURN * thin)
    for _ in range(count // SAMPLE_CHAINS):
        chains.move(tables[-1], thin)
        found.append(chains.visible.copy())
    visible = np.stack(found, axis=1).reshape(count, -1)
    states = visible
    for k in range(len(stack) - 2, -1, -1):
        turned = Tables.of(stack[k].transposed)
        down = GibbsChains.begin(turned, states, rng.child(seeds, 4, k))
        down.draw_hidden(turned)
        states = down.hidden
    return tables[0].colours_of(states), visible


def hidden_colours(machine: Machine, colours: np.ndarray, seeds: np.random.SeedSequence) -> np.ndarray:
    """Colours, int8 (n, hidden), of hidden units drawn given colours (n, sites): 0 for the upper value."""
    tables = Tables.of(machine)
    chains = GibbsChains.begin(tables, tables.states_of(colours), seeds)
    chains.draw_hidden(tables)
    return np.asarray(unpacked_units(chains.hidden, machine.weights.shape[1], 0.0) == 0, np.int8)


def gap(one: np.ndarray, other: np.ndarray) -> float:
    """Difference of the means of independent values, in units of its error; 0 where nothing varies."""
    error = math.hypot(one.std(ddof=1) / math.sqrt(len(one)), other.std(ddof=1) / math.sqrt(len(other)))
    return float(one.mean() - other.mean()) / error if error else 0.0


def with_error(name: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Mean of independent rows and its standard error, by name."""
    return {name: rows.mean(axis=0), f"{name}_error": rows.std(axis=0, ddof=1) / math.sqrt(len(rows))}


def known_truth(data: TemperatureSweep, size: int, T: float) -> Truth | None:
    """Probability that the data of a sweep have at one temperature, where its normalisation is known."""
    model, shape = data.model_on(size), data.shape(size)
    sites = math.prod(shape)

    def weight(colours: np.ndarray) -> np.ndarray:
        return -sites / T * columns_of_configurations(model, colours.reshape(-1, *shape))["energy"]

    if sites * math.log2(model.q) <= MOST_STATES:
        log_z = float(np.logaddexp.reduce(weight(all_colours(sites, model.q))))
    elif data.model == "ising" and data.on_torus and not data.field:
        log_z = sites * kaufman(shape, T, data.coupling).log_z
    else:
        return None
    return lambda colours: weight(colours) - log_z


def all_colours(sites: int, q: int) -> np.ndarray:
    """All configurations, int8 (q^sites, sites), in the order of `Machine.states`."""
    digits = np.arange(q**sites)[:, None] // q ** np.arange(sites) % q
    return np.asarray(1 - digits if q == 2 else digits, np.int8)


def judged_likelihood(
    marks: Sequence[Machine],
    snapshots: tuple[np.ndarray, np.ndarray],
    visible: np.ndarray,
    truth: Truth | None,
    steps: int,
    seeds: np.random.SeedSequence,
) -> dict[str, np.ndarray]:
    """Partition function and likelihoods of a machine, by name.

    Parameters
    ----------
    marks : sequence of Machine
        The machine at marks of its training, last as it is.
    snapshots : tuple of ndarray
        Colours (n, sites) of snapshots that it was trained on, and of others.
    visible : ndarray of uint8
        Visible states that it generated, where runs back begin.
    truth : callable or None
        Logarithm of the probability of the data, where it is known.
    steps : int
        Intermediate machines.
    seeds : numpy.random.SeedSequence
        Seeds of everything random.
    """
    machine, nothing = marks[-1], Estimate(math.nan, math.nan)
    begin, both_ways = log_partition_of_independent(machine), _annealing(machine, visible, seeds)
    ahead, back = both_ways([], steps, 0)
    heated = log_ratio(ahead.sum(axis=0), back.sum(axis=0))
    per = max(2, steps // len(marks))
    ahead, back = both_ways(marks[:-1], per, 1)
    trained = log_ratio(ahead.sum(axis=0), back.sum(axis=0))
    exact = Estimate(machine.log_partition() - begin, 0.0) if machine.enumerable else nothing
    found = [heated.forward, heated.reverse, heated.both, trained.both, exact]
    arrays = _pair("log_z", [begin + each.value for each in found], [each.error for each in found])
    known = exact if machine.enumerable else min((heated.both, trained.both), key=lambda each: each.error)
    likely = [_likelihood(machine, part, begin + known.value, known.error) for part in snapshots]
    arrays |= _pair("log_likelihood", [each.value for each in likely], [each.error for each in likely])
    rows = []
    for k, one in enumerate(marks):
        if one.bits(one.smaller()) <= MARK_BITS:
            log_z = Estimate(one.log_partition(), 0.0)
        else:
            moved = one_way(ahead[: (k + 1) * per].sum(axis=0))
            log_z = Estimate(begin + moved.value, moved.error)
        rows.append(_likelihood(one, snapshots[1], log_z.value, log_z.error))
    arrays |= _pair("mark_log_likelihood", [each.value for each in rows], [each.error for each in rows])
    kl = nothing if truth is None else _divergence(machine, snapshots[1], truth, begin + known.value, known.error)
    return arrays | {"kl": np.array(kl.value), "kl_error": np.array(kl.error)}


def judged_stack(
    stack: Sequence[Machine],
    snapshots: tuple[np.ndarray, np.ndarray],
    visible: np.ndarray,
    truth: Truth | None,
    steps: int,
    seeds: np.random.SeedSequence,
) -> dict[str, np.ndarray]:
    """Partition function of the last layer of a stack, and bounds of likelihoods, by name: as `judged_likelihood`.

    Likelihoods are at least those told, and the divergence is at most that told; see `stack_log_weights`.
    """
    last, nothing = stack[-1], Estimate(math.nan, math.nan)
    begin = log_partition_of_independent(last)
    ahead, back = _annealing(last, visible, seeds)([], steps, 0)
    heated = log_ratio(ahead.sum(axis=0), back.sum(axis=0))
    exact = Estimate(last.log_partition() - begin, 0.0) if last.enumerable else nothing
    found = [heated.forward, heated.reverse, heated.both, nothing, exact]
    arrays = _pair("log_z", [begin + each.value for each in found], [each.error for each in found])
    known, logs = exact if last.enumerable else heated.both, []
    for k, part in enumerate(snapshots):
        rows = stack_log_weights(stack, part[:LIKELY], STACK_DRAWS, rng.child(seeds, 4, k))
        logs.append(np.logaddexp.reduce(rows, axis=0) - math.log(STACK_DRAWS) - begin - known.value)
    likely = [_mean_with(each, known.error) for each in logs]
    arrays |= _pair("log_likelihood", [each.value for each in likely], [each.error for each in likely])
    kl = nothing if truth is None else _mean_with(truth(snapshots[1][:LIKELY]) - logs[1], known.error)
    return arrays | {"kl": np.array(kl.value), "kl_error": np.array(kl.error)}


def stack_log_weights(
    stack: Sequence[Machine], colours: np.ndarray, draws: int, seeds: np.random.SeedSequence
) -> np.ndarray:
    """Logarithms of the weights that draws of all layers give to snapshots, float64 (draws, n).

    Layers are drawn upwards, h from its probability q(h) given the layer below.  The weight is that of all layers in
    the stack, which generates from its last layer downwards, over q.  Its mean over draws is the probability of the
    snapshot times the partition function of the last layer; the logarithm of a mean of some draws lies below that on
    average (G. E. Hinton et al., Neural Comput. 18, 1527 (2006); Y. Burda et al., ICLR 2016).

    Parameters
    ----------
    stack : sequence of Machine
        Layers, the first one has the sites.
    colours : ndarray of int8, shape (n, sites)
        Colours of snapshots.
    draws : int
        Draws of the layers for each.
    seeds : numpy.random.SeedSequence
        Seeds of the draws.
    """
    begin, rows = _log_weights(stack[0], colours), []
    for number in range(draws):
        total, layer = begin.copy(), colours
        for k, (below, above) in enumerate(pairwise(stack)):
            layer = hidden_colours(below, layer, rng.child(seeds, number, k))
            values = above.values_of(layer).astype(float)
            total += above.log_weight(values) - below.log_weight_of_hidden(values)
        rows.append(total)
    return np.stack(rows)


def _annealing(
    machine: Machine, visible: np.ndarray, seeds: np.random.SeedSequence
) -> Callable[[Sequence[Machine], int, int], tuple[np.ndarray, np.ndarray]]:
    """Function of machines on the way, steps and a number: works to a machine from independent units, and back."""
    base, generator = independent(machine), rng.generator(rng.child(seeds, 1))
    last = visible[generator.permutation(len(visible))[:ANNEALED]]

    def both_ways(between: Sequence[Machine], steps: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        path = list(path_of([base, *between, machine], steps))
        ahead = works(path, random_states(base, ANNEALED, generator), rng.child(seeds, 2, number))
        return ahead, -works(path[::-1], last, rng.child(seeds, 3, number))[::-1]

    return both_ways


def _pair(name: str, values: Sequence[float], errors: Sequence[float]) -> dict[str, np.ndarray]:
    return {name: np.array(values), f"{name}_error": np.array(errors)}


def _log_weights(machine: Machine, colours: np.ndarray) -> np.ndarray:
    some = colours[:LIKELY]
    return machine.log_weight(machine.values_of(some).astype(float))


def _likelihood(machine: Machine, colours: np.ndarray, log_z: float, error: float) -> Estimate:
    """Mean logarithm of the probability of snapshots."""
    return _mean_with(_log_weights(machine, colours) - log_z, error)


def _mean_with(each: np.ndarray, error: float) -> Estimate:
    """Mean of independent values, with its error and another one that all of them share."""
    own = float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else math.nan
    return Estimate(float(each.mean()), math.hypot(own, error))


def _divergence(machine: Machine, colours: np.ndarray, truth: Truth, log_z: float, error: float) -> Estimate:
    """Kullback-Leibler divergence from the truth: over all states where they are few, else over snapshots."""
    if machine.bits("visible") <= MOST_STATES:
        states = all_colours(machine.sites, machine.colours)
        parts = [slice(a, b) for a, b in pairwise([*range(0, len(states), STATES_AT_ONCE), len(states)])]
        logs = np.concatenate([machine.log_weight(machine.values_of(states[p]).astype(float)) for p in parts])
        true = truth(states)
        model = logs - np.logaddexp.reduce(logs)
        return Estimate(float((np.exp(true) * (true - model)).sum()), 0.0)
    some = colours[:LIKELY]
    return _mean_with(truth(some) - _log_weights(machine, some) + log_z, error)
