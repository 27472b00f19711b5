"""Stochastic reconfiguration: steps in imaginary time, with the smaller of two Gram matrices.

A step d of the parameters minimises the distance of states at a given gain of energy: (S + shift) d = -rate F, with
S_kl the covariance of derivatives O_k = d ln psi / d parameter, and F_k that of O_k with the local energy.  With fewer
samples than parameters the same d follows from the matrix of scalar products of samples, d = -rate O (O'O + n shift)^-1
e (W.-L. Chen and M. Heyl, Nature Physics 20, 1476 (2024)).  Of a machine without symmetries this matrix is a product of
two, (S'S) * (T'T), element by element, so that derivatives by weights need not be formed.
S. Sorella, Phys. Rev. Lett. 80, 4558 (1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg

from physnn.kernels.quantum.machines import weight_derivatives
from physnn.networks.quantum.walkers import Walkers
from physnn.networks.quantum.wave import SpinMachine

RADIUS = 0.1
"""Largest distance of states of one step, sqrt(d' S d): nearly the angle between them in radians."""
LARGEST_CHANGE = 0.1
"""Largest change of a parameter in a step: in directions that few samples do not see S is 0, and no distance warns."""
FLOOR = 1e-7
"""Shift that float32 needs in any case, over the mean diagonal element."""


class StepRule(NamedTuple):
    """How far a step goes: imaginary time, shift of the diagonal, largest distance of states."""

    rate: float
    shift: float
    radius: float = RADIUS


def sampled_derivatives(machine: SpinMachine, walkers: Walkers) -> np.ndarray:
    """Derivatives of ln psi by all parameters along the chains, float32 (parameters, samples)."""
    means, spins = walkers.hidden_means(), walkers.spins
    n, N, features = len(spins) * spins.shape[2], machine.sites, len(machine.weights)
    few = len(machine.field) + len(machine.bias)
    found = np.empty((few + features * N, n), np.float32)
    weight_derivatives(means, spins, machine.permutations, found[few:])
    if few:
        found[:few] = _few_derivatives(machine, means, spins)
    return found


def _few_derivatives(machine: SpinMachine, means: np.ndarray, spins: np.ndarray) -> np.ndarray:
    """Derivatives by fields and biases, (parameters, samples)."""
    samples = _flat(spins)
    used = _flat(means)[: len(machine.units)]
    of_field = samples if len(machine.field) > 1 else samples.sum(axis=0, keepdims=True)[: len(machine.field)]
    of_bias = used.reshape(len(machine.weights), -1, used.shape[1]).sum(axis=1)[: len(machine.bias)]
    return np.concatenate([of_field, of_bias])


def _flat(values: np.ndarray) -> np.ndarray:
    """Numbers (groups, rows, lanes) as (rows, samples)."""
    return np.ascontiguousarray(values.transpose(1, 0, 2)).reshape(values.shape[1], -1)


def reconfigured(machine: SpinMachine, walkers: Walkers, energies: np.ndarray, rule: StepRule) -> SpinMachine:
    """Machine after a step, from chains that are distributed like its |psi|^2.

    Parameters
    ----------
    machine : SpinMachine
        Machine with real weights.
    walkers : Walkers
        Its chains.
    energies : ndarray, shape (groups, CHAIN_LANES)
        Local energies along them.
    rule : StepRule
        How far to go.
    """
    flat = energies.ravel().astype(np.float64)
    centred = flat - flat.mean()
    if len(machine.permutations) == 1 and len(machine.parameters) > flat.size:
        return machine.moved(_by_samples(machine, walkers, centred, rule))
    derivatives = sampled_derivatives(machine, walkers)
    derivatives -= derivatives.mean(axis=1, keepdims=True)
    if len(derivatives) > flat.size:
        return machine.moved(_solved_by_samples(derivatives.T @ derivatives, derivatives.dot, centred, rule))
    gram = (derivatives @ derivatives.T).astype(np.float64) / flat.size
    force = derivatives @ centred.astype(np.float32) / flat.size
    return machine.moved(step_of(gram, force.astype(np.float64), rule))


def step_of(gram: np.ndarray, force: np.ndarray, rule: StepRule) -> np.ndarray:
    """Step of parameters from S and F, hermitian and real or complex, within the radius of a rule."""
    shifted = gram.copy()
    shifted[np.diag_indices_from(gram)] += rule.shift + FLOOR * float(np.trace(gram).real) / len(gram)
    factor = linalg.cho_factor(shifted, overwrite_a=True, check_finite=False)
    step = -rule.rate * linalg.cho_solve(factor, force, check_finite=False)
    return _within(step, float((step.conj() @ gram @ step).real), rule)


def _within(step: np.ndarray, square: float, rule: StepRule) -> np.ndarray:
    """Step scaled to the radius of a rule, from the square of its length, and to the largest change."""
    length, most = math.sqrt(max(square, 0.0)), float(np.abs(step).max(initial=0))
    return step * min(1.0, rule.radius / max(length, 1e-300), LARGEST_CHANGE / max(most, 1e-300))


def _by_samples(machine: SpinMachine, walkers: Walkers, centred: np.ndarray, rule: StepRule) -> np.ndarray:
    """Step of a machine without symmetries, whose derivatives by weights are never formed."""
    means, samples = _flat(walkers.hidden_means())[: len(machine.units)], _flat(walkers.spins)
    alike, together = samples.T @ samples, means.T @ means
    gram = alike * together
    gram += alike if len(machine.field) else 0
    gram += together if len(machine.bias) else 0
    rows = gram.mean(axis=1)
    gram += rows.mean() - rows[:, None] - rows[None, :]

    def of_weights(x: np.ndarray) -> np.ndarray:
        # The sum of x is 0, so that means of derivatives drop out.
        weights = (means * x) @ samples.T
        parts = [samples @ x if len(machine.field) else x[:0], means @ x if len(machine.bias) else x[:0]]
        return np.concatenate([*parts, weights.ravel()])

    return _solved_by_samples(gram, of_weights, centred, rule)


def _solved_by_samples(
    gram: np.ndarray, of_weights: Callable[[np.ndarray], np.ndarray], centred: np.ndarray, rule: StepRule
) -> np.ndarray:
    """Step from the matrix of scalar products of samples, and the function that adds derivatives up."""
    n = len(gram)
    shifted = gram.copy()
    # Derivatives are centred, so all x alike is no step: that direction is kept out of the way of rounding.
    shifted += np.float32(np.trace(gram) / n) / np.float32(n)
    shifted[np.diag_indices(n)] += np.float32(n * rule.shift + 1e-5 * np.trace(gram) / n)
    x = linalg.cho_solve(
        linalg.cho_factor(shifted, overwrite_a=True, check_finite=False), centred.astype(np.float32), check_finite=False
    )
    x -= x.mean()
    step = -rule.rate * np.asarray(of_weights(x), np.float64)
    moved = gram @ x
    return _within(step, rule.rate**2 * float(moved @ moved) / n, rule)
