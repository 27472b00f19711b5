"""Free energies of several states, such as temperatures, from all their energy histograms together.

The equations of M. R. Shirts and J. D. Chodera, J. Chem. Phys. 129 (2008) 124105 (MBAR), which A. M. Ferrenberg and
R. H. Swendsen, Phys. Rev. Lett. 63 (1989) 1195 have for histograms: with beta_k = 1/T_k, f_k = -ln Z_k and N_k samples,

    exp(-f_k) = sum_l c_l exp(-beta_k E_l) / D_l,     D_l = sum_j N_j exp(f_j - beta_j E_l),

where c_l counts the samples of energy level l, whatever state they came from.  k_B = 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from physnn.errors import InputError

LEAST_OVERLAP = 0.05
"""Least overlap of neighbouring energy histograms, a convention: Gaussian ones four standard deviations apart have
0.07, and below that the free energy difference rests on a few samples in the tails."""
ACCURACY = 1e-11
"""Accuracy of the solution, relative to the number of samples: the rounding of double precision over 10^4 terms."""
NEWTON_STEPS = 200
"""Newton steps after which a solution is given up; five are usual."""
RELATIVE_LEVEL_WIDTH = 1e-4
"""Width of an energy level in units of the inverse range of beta: far below the noise of any average."""


@dataclass(frozen=True)
class FreeEnergies:
    """Solution of the equations on energy levels: f_k = -ln Z_k relative to the first state, dimensionless.

    ``overlaps`` are int 2 p q / (p + q) of neighbouring energy distributions in the order of temperature: 0 none, 1 the
    same.  ``boltzmann``, ``(states, levels)``, is exp(f_k - beta_k E_l) over its largest value at each level, which
    keeps the exponentials in range.
    """

    free: np.ndarray
    overlaps: np.ndarray
    boltzmann: np.ndarray


def solve(beta: np.ndarray, energy: np.ndarray, counts: np.ndarray, state: str = "temperature") -> FreeEnergies:
    """Free energies from the histograms of several states, fractional counts allowed, ``(states, levels)``.

    The energy levels are in units of 1/beta; beta is the inverse temperature or what else multiplies the energy.
    Neighbours are solved pairwise first (C. H. Bennett, J. Comput. Phys. 22 (1976) 245): that shows whether they
    overlap, and starts Newton's iteration close to its end.  It raises an `InputError`, which names the ``state`` to
    add, where neighbours overlap by less than `LEAST_OVERLAP`.
    """
    order = np.argsort(-beta, kind="stable")
    free, overlaps = np.zeros(len(beta)), np.zeros(len(beta) - 1)
    for k, (i, j) in enumerate(itertools.pairwise(order)):
        step, overlaps[k] = _neighbours(beta[[i, j]], energy, counts[[i, j]])
        if overlaps[k] < LEAST_OVERLAP:
            raise InputError(
                f"the energies at neighbouring {state}s overlap by {overlaps[k]:.2g} only (at least {LEAST_OVERLAP} is "
                f"needed); add a {state} between them"
            )
        free[j] = free[i] + step
    boltzmann = _factors(beta, energy, free)
    free = free + newton(boltzmann, counts.sum(axis=0)[None], counts.sum(axis=1)[None])[0]
    return FreeEnergies(free - free[0], overlaps, _factors(beta, energy, free))


def _factors(beta: np.ndarray, energy: np.ndarray, free: np.ndarray) -> np.ndarray:
    exponent = free[:, None] - beta[:, None] * energy
    return np.asarray(np.exp(exponent - exponent.max(axis=0)))


def _neighbours(beta: np.ndarray, energy: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """f_2 - f_1 and the overlap of two states, from arrays as for `solve`."""
    numbers, total = counts.sum(axis=1), counts.sum(axis=0)
    exponent = (beta[0] - beta[1]) * energy
    offset = np.log(numbers[1] / numbers[0])

    def excess(step: float) -> float:
        return float(total @ special.expit(exponent + offset + step) - numbers[1])

    seen = (exponent + offset)[total > 0]
    step = float(optimize.brentq(excess, -seen.max() - 60, -seen.min() + 60, xtol=1e-10))
    share = special.expit(exponent + offset + step)
    first, second = (1 - share) / numbers[0], share / numbers[1]
    overlap = total @ np.divide(2 * first * second, first + second, out=np.zeros_like(first), where=total > 0)
    return step, float(overlap)


def newton(boltzmann: np.ndarray, counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Free energies relative to those in the factors (see `FreeEnergies`), shape ``(sets, states)``.

    Newton's method minimises the convex sum_l c_l ln D_l - sum_k N_k f_k, with f of the first state fixed.  In a batch
    of data sets counts c of all states are ``(sets, levels)``, numbers N of samples ``(sets, states)``.
    """
    free = np.zeros(numbers.shape)
    states = numbers.shape[1]
    scale = numbers.min(axis=1)
    for _ in range(NEWTON_STEPS):
        factors = numbers * np.exp(free)
        # Share of a level's samples that each state accounts for.
        share = factors[:, :, None] * boltzmann / (factors @ boltzmann)[:, None, :]
        weighted = share * counts[:, None, :]
        expected = weighted.sum(axis=2)
        gradient = expected - numbers
        if np.all(np.abs(gradient).max(axis=1) <= ACCURACY * scale * states):
            return free
        hessian = expected[:, :, None] * np.eye(states) - weighted @ share.transpose(0, 2, 1)
        step = np.linalg.solve(hessian[:, 1:, 1:], -gradient[:, 1:, None])[:, :, 0]
        # Newton's step is trusted over one unit of f only, the range over which exponentials look quadratic.
        step /= np.maximum(1, np.abs(step).max(axis=1, keepdims=True))
        free[:, 1:] += step
    raise InputError("the free energies of the states cannot be found; add states or measurements")


def discrepancies(boltzmann: np.ndarray, energy: np.ndarray, counts: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Mean energy of each state from its own samples less that from the samples of all states, ``(sets, states)``.

    The expectation is 0 where energies and Boltzmann factors belong together; it is not for energies per site, of the
    other sign or in other units, and where states are not in equilibrium.

    Parameters
    ----------
    boltzmann : ndarray, shape (states, levels)
        Factors of `FreeEnergies`.
    energy : ndarray, shape (levels,)
        Energy levels, in units of 1/beta.
    counts : ndarray, shape (sets, states, levels)
        Samples of some data sets.
    free : ndarray, shape (sets, states)
        Free energies relative to those in the factors, as `newton` gives them.
    """
    numbers = counts.sum(axis=2)
    own = counts @ energy / numbers
    per_sample = counts.sum(axis=1) / ((numbers * np.exp(free)) @ boltzmann)
    weights = boltzmann * per_sample[:, None, :]
    return np.asarray(own - weights @ energy / weights.sum(axis=2))


def energy_levels(energy: np.ndarray, beta_range: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Energy levels, at most ``most`` of them, and the level of every sample.

    A level holds energies that no state tells apart: over its width the ratio of Boltzmann factors of any two states,
    whose beta differ by ``beta_range`` at most, changes by less than 1e-4.  (Or it is 1/``most`` of the range of
    energies.)  It lies at the mean of its samples, so that averages are exact but for the square of that.
    """
    width = max(RELATIVE_LEVEL_WIDTH / beta_range if beta_range > 0 else 0.0, float(np.ptp(energy)) / most, 1e-12)
    _, index = np.unique(np.round((energy - energy.min()) / width), return_inverse=True)
    members = np.bincount(index)
    return np.bincount(index, weights=energy - energy[0]) / members + energy[0], index
