"""Free energies of several temperatures from all their energy histograms together.

The equations of M. R. Shirts and J. D. Chodera, J. Chem. Phys. 129 (2008) 124105 (MBAR), which A. M. Ferrenberg and
R. H. Swendsen, Phys. Rev. Lett. 63 (1989) 1195 have for histograms: with beta_k = 1/T_k, f_k = -ln Z_k and N_k samples,

    exp(-f_k) = sum_l c_l exp(-beta_k E_l) / D_l,     D_l = sum_j N_j exp(f_j - beta_j E_l),

where c_l counts the samples of energy level l, whatever temperature they came from.  k_B = 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from physnn.errors import InputError

LEAST_OVERLAP = 0.05
"""Least overlap of neighbouring energy histograms: Gaussian ones four standard deviations apart have 0.07."""
TOLERANCE = 1e-11
"""Relative accuracy to which the equations are solved."""
STEPS = 200
"""Newton steps after which a solution is given up; five are usual."""


@dataclass(frozen=True)
class Pooled:
    """Solution of the equations on energy levels.

    Attributes
    ----------
    beta : ndarray, shape (states,)
        Inverse temperatures.
    energy : ndarray, shape (levels,)
        Energy levels, total energy in units of J.
    free : ndarray, shape (states,)
        f_k = -ln Z_k relative to the first state; dimensionless.
    overlaps : ndarray, shape (states - 1,)
        int 2 p q / (p + q) of neighbouring energy distributions in the order of temperature: 0 none, 1 the same.
    boltzmann : ndarray, shape (states, levels)
        exp(f_k - beta_k E_l - shift_l).
    shift : ndarray, shape (levels,)
        Largest exponent of each level, which keeps the exponentials in range.
    """

    beta: np.ndarray
    energy: np.ndarray
    free: np.ndarray
    overlaps: np.ndarray
    boltzmann: np.ndarray
    shift: np.ndarray

    def weights(self, beta: float, numbers: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
        """Return the weight of one sample of each level at another temperature, up to a factor.

        Parameters
        ----------
        beta : float
            Inverse temperature wanted.
        numbers : ndarray, shape (..., states)
            Samples of each state, N_j.
        free : ndarray, shape (..., states), optional
            Free energies relative to `Pooled.free`, of resampled data.

        Returns
        -------
        ndarray, shape (..., levels)
        """
        factor = numbers if free is None else numbers * np.exp(free)
        exponent = -beta * self.energy - self.shift
        return np.asarray(np.exp(exponent - exponent.max()) / (factor @ self.boltzmann))


def solve(beta: np.ndarray, energy: np.ndarray, counts: np.ndarray) -> Pooled:
    """Return the solution for histograms of several temperatures.

    Neighbours in temperature are solved pairwise first (C. H. Bennett, J. Comput. Phys. 22 (1976) 245): that shows
    whether they overlap, and starts Newton's iteration close to its end.

    Parameters
    ----------
    beta : ndarray, shape (states,)
        Different inverse temperatures.
    energy : ndarray, shape (levels,)
        Energy levels.
    counts : ndarray, shape (states, levels)
        Samples of each state in each level; they may be fractions.

    Raises
    ------
    InputError
        If the histograms of neighbouring temperatures do not overlap, with a temperature to add.
    """
    order = np.argsort(-beta, kind="stable")
    free, overlaps = np.zeros(len(beta)), np.zeros(len(beta) - 1)
    for k, (i, j) in enumerate(itertools.pairwise(order)):
        step, overlaps[k] = neighbours(beta[[i, j]], energy, counts[[i, j]])
        if overlaps[k] < LEAST_OVERLAP:
            between = 2 / (beta[i] + beta[j])
            raise InputError(
                f"the energies at T = {1 / beta[i]:.6g} and T = {1 / beta[j]:.6g} overlap by {overlaps[k]:.2g} only "
                f"(at least {LEAST_OVERLAP} is needed); add a temperature between them, such as {between:.4g}"
            )
        free[j] = free[i] + step
    boltzmann, shift = _factors(beta, energy, free)
    numbers = counts.sum(axis=1)
    change = newton(boltzmann, counts.sum(axis=0)[None], numbers[None])[0]
    free = free + change
    boltzmann, shift = _factors(beta, energy, free)
    return Pooled(beta, energy, free - free[0], overlaps, boltzmann, shift)


def _factors(beta: np.ndarray, energy: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    exponent = free[:, None] - beta[:, None] * energy
    shift = exponent.max(axis=0)
    return np.exp(exponent - shift), shift


def neighbours(beta: np.ndarray, energy: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Return f_2 - f_1 and the overlap of two states, arrays as for `solve` with two states."""
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
    """Return free energies relative to those in the factors, for a batch of data sets.

    Minimises the convex sum_l c_l ln D_l - sum_k N_k f_k by Newton's method with f of the first state fixed.

    Parameters
    ----------
    boltzmann : ndarray, shape (states, levels)
        Factors exp(f_k - beta_k E_l - shift_l) of a solution nearby.
    counts : ndarray, shape (sets, levels)
        Samples of all states in each level.
    numbers : ndarray, shape (sets, states)
        Samples of each state.

    Returns
    -------
    ndarray, shape (sets, states)

    Raises
    ------
    InputError
        If the equations have no solution to be found.
    """
    free = np.zeros(numbers.shape)
    states = numbers.shape[1]
    if states == 1:
        return free
    scale = numbers.min(axis=1)
    for _ in range(STEPS):
        factors = numbers * np.exp(free)
        # Share of a level's samples that each state accounts for.
        share = factors[:, :, None] * boltzmann / (factors @ boltzmann)[:, None, :]
        weighted = share * counts[:, None, :]
        expected = weighted.sum(axis=2)
        gradient = expected - numbers
        if np.all(np.abs(gradient).max(axis=1) <= TOLERANCE * scale * states):
            return free
        hessian = expected[:, :, None] * np.eye(states) - weighted @ share.transpose(0, 2, 1)
        step = np.linalg.solve(hessian[:, 1:, 1:], -gradient[:, 1:, None])[:, :, 0]
        # Newton's step is trusted over one unit of f only, the range over which exponentials look quadratic.
        step /= np.maximum(1, np.abs(step).max(axis=1, keepdims=True))
        free[:, 1:] += step
    raise InputError("the free energies of the temperatures cannot be found; add temperatures or measurements")
