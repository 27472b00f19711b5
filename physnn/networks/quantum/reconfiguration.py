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
from scipy.linalg import blas

from physnn.kernels.quantum.machines import centre_products, weight_derivatives
from physnn.networks.quantum.walkers import Walkers, WaveTables
from physnn.networks.quantum.wave import SpinMachine

RADIUS = 0.1
"""Largest distance of states of one step, sqrt(d' S d): nearly the angle between them in radians."""
LARGEST_CHANGE = 0.1
"""Largest change of a parameter in a step: in directions that few samples do not see S is 0, and no distance warns."""
FARTHEST, MOST_HALVINGS = 0.3, 20
"""Largest standard deviation of the change of ln psi in a step, and halvings of a step that has a larger one.

`RADIUS` bounds what is linear in a step.  Amplitudes without biases are even in the weights, so that at first, and with
the hundreds of units of large symmetries, the square counts for more.
"""
FLOOR = 1e-7
"""Shift that sums of float32 need in any case, over the trace: without it a matrix need not be positive."""
FLOOR_OF_DOUBLES = 1e-14
"""The same of float64."""


class StepRule(NamedTuple):
    """How far a step goes: imaginary time, shift of the diagonal, largest distance of states."""

    rate: float
    shift: float
    radius: float = RADIUS


def sampled_derivatives(machine: SpinMachine, walkers: Walkers) -> np.ndarray:
    """Derivatives of ln psi by all parameters along the chains, float32 (parameters, samples), in a room of theirs."""
    n, few = walkers.spins.shape[0] * walkers.spins.shape[2], len(machine.field) + len(machine.bias)
    found = walkers.room("derivatives", (len(machine.parameters), n))
    means = walkers.room("group", (walkers.x.shape[1] * walkers.x.shape[2],))
    weight_derivatives(walkers.x, walkers.spins, machine.permutations, means, found[few:])
    if few:
        found[:few] = _few_derivatives(machine, walkers)
    return found


def _few_derivatives(machine: SpinMachine, walkers: Walkers) -> np.ndarray:
    """Derivatives by fields and biases, (parameters, samples)."""
    samples, used = walkers.flat("samples", walkers.spins), walkers.hidden_means()[: len(machine.units)]
    of_field = samples if len(machine.field) > 1 else samples.sum(axis=0, keepdims=True)[: len(machine.field)]
    of_bias = used.reshape(len(machine.weights), -1, used.shape[1]).sum(axis=1)[: len(machine.bias)]
    return np.concatenate([of_field, of_bias])


def sampled_step(machine: SpinMachine, walkers: Walkers, rule: StepRule) -> tuple[float, SpinMachine]:
    """Energy in units of J of a machine along its chains, after a sweep of each, and the machine after a step.

    Chains must have been settled with the machine, and are with the new one at the end.  A step is halved until the
    logarithms of amplitudes along the chains change by no more than `FARTHEST` in the mean.
    """
    walkers.walk(machine.sites)
    local, before = walkers.local_energies(), walkers.log_amplitudes()
    new, step = reconfigured(machine, walkers, local, rule), None
    for _ in range(MOST_HALVINGS):
        walkers.settle(WaveTables.of(new, walkers.moves))
        if not float((walkers.log_amplitudes() - before).std()) > FARTHEST:
            break
        step = (new.parameters - machine.parameters if step is None else step) / 2
        new = machine.moved(step)
    return float(local.mean()), new


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
        gram = _products(walkers, "gram", derivatives, 1.0)
        return machine.moved(_solved_by_samples(gram, derivatives.dot, centred, rule))
    gram = _products(walkers, "gram", derivatives.T, 1 / flat.size)
    force = derivatives @ centred.astype(np.float32) / flat.size
    floor = FLOOR * float(np.trace(gram))
    return machine.moved(step_of(gram, force.astype(np.float64), rule._replace(shift=rule.shift + floor)))


def _products(walkers: Walkers, name: str, rows: np.ndarray, factor: float) -> np.ndarray:
    """Lower triangle of the matrix of scalar products of columns, over rows; what is above it has no meaning.

    Half of the products are not made, nor is the matrix copied for LAPACK, as it would be otherwise.
    """
    into = walkers.room(name, (rows.shape[1],) * 2).T
    if rows.flags.c_contiguous:
        return np.asarray(blas.ssyrk(factor, rows.T, c=into, overwrite_c=1, lower=1))
    return np.asarray(blas.ssyrk(factor, rows, c=into, overwrite_c=1, lower=1, trans=1))


def step_of(gram: np.ndarray, force: np.ndarray, rule: StepRule) -> np.ndarray:
    """Step of parameters from S and F, hermitian and real or complex, within the radius of a rule.

    Only the lower triangle of S is read.
    """
    shift = rule.shift + FLOOR_OF_DOUBLES * float(np.trace(gram).real)
    shifted = np.array(gram, force.dtype, order="F")
    shifted[np.diag_indices_from(gram)] += shift
    step = -rule.rate * _solved(shifted, force)
    # S d from the equation that d solves.
    square = -(step.conj() @ (rule.rate * force + shift * step)).real
    return _within(step, float(square), rule)


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of linear equations by the lower triangle of a positive matrix in Fortran's order, which is replaced."""
    factorise, solve = linalg.get_lapack_funcs(("potrf", "potrs"), (matrix,))
    factor, failed = factorise(matrix, lower=True, overwrite_a=True, clean=False)
    if failed:
        raise np.linalg.LinAlgError("a matrix of scalar products is not positive")
    return np.asarray(solve(factor, right, lower=True)[0])


def _within(step: np.ndarray, square: float, rule: StepRule) -> np.ndarray:
    """Step scaled to the radius of a rule, from the square of its length, and to the largest change."""
    length, most = math.sqrt(max(square, 0.0)), float(np.abs(step).max(initial=0))
    return step * min(1.0, rule.radius / max(length, 1e-300), LARGEST_CHANGE / max(most, 1e-300))


def _by_samples(machine: SpinMachine, walkers: Walkers, centred: np.ndarray, rule: StepRule) -> np.ndarray:
    """Step of a machine without symmetries, whose derivatives by weights are never formed."""
    means, samples = walkers.hidden_means()[: len(machine.units)], walkers.flat("samples", walkers.spins)
    alike, gram = _products(walkers, "alike", samples, 1.0), _products(walkers, "gram", means, 1.0)
    biased = bool(len(machine.field)), bool(len(machine.bias))

    def of_weights(x: np.ndarray) -> np.ndarray:
        parts = [samples @ x if biased[0] else x[:0], means @ x if biased[1] else x[:0]]
        return np.concatenate([*parts, ((means * x) @ samples.T).ravel()])

    # Means of the rows, from the mean of derivatives.
    mean = of_weights(np.full(centred.size, 1 / centred.size, np.float32))
    few = len(machine.field) + len(machine.bias)
    rows = np.einsum("fa,fa->a", means, mean[few:].reshape(len(means), -1) @ samples)
    rows += mean[: len(machine.field)] @ samples if biased[0] else 0
    rows += mean[len(machine.field) : few] @ means if biased[1] else 0
    centre_products(gram.T, alike.T, rows, *biased)
    return _solved_by_samples(gram, of_weights, centred, rule)


def _solved_by_samples(
    gram: np.ndarray, of_weights: Callable[[np.ndarray], np.ndarray], centred: np.ndarray, rule: StepRule
) -> np.ndarray:
    """Step from the matrix of scalar products of samples, which is replaced, and what adds derivatives up."""
    n, diagonal = len(gram), np.diag_indices_from(gram)
    mean = float(gram[diagonal].mean())
    shift = n * (rule.shift + FLOOR * mean)
    # Derivatives are centred, so all x alike is no step: that direction is kept out of the way of rounding.
    gram += np.float32(mean / n)
    gram[diagonal] += np.float32(shift)
    right = centred.astype(np.float32)
    x = _solved(gram, right)
    moved = right - np.float32(shift) * x - np.float32(mean / n) * x.sum()
    x -= x.mean()
    step = -rule.rate * np.asarray(of_weights(x), np.float64)
    return _within(step, rule.rate**2 * float(moved @ moved) / n, rule)
