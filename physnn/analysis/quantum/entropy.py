"""Entropies of a state's cuts, in nats: exactly from its amplitudes, by swaps in Monte Carlo, and bounds.

A cut of the first l sites has the reduced density matrix rho, and entropies S = -tr rho ln rho and S_2 = -ln tr rho^2.
All logarithms are natural, so that one shared pair of spins in a singlet has ln 2 = 0.693; other packages count bits
(1.0), or divide by the number of sites of a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

MOST_RELATIVE = 0.3
"""Relative error of tr rho^2 from which its logarithm has no error that holds."""
MOST_SHARE = 0.2
"""Share of the sum of absolute ratios from which one draw decides: the mean then depends on what was not drawn yet."""
LEAST_PAIRS = 4
"""Pairs of independent chains that an error of swaps needs."""

LogAmplitude = Callable[[NDArray[np.int8]], NDArray[np.complex128]]
"""Logarithm of the amplitude of configurations of +-1, shape (n, N): an array (n,); real parts may be -inf."""


class Entropies(NamedTuple):
    """Entropies of the first 1, 2, ... N - 1 sites with the rest, or of chosen cuts, in nats: arrays (cuts,)."""

    von_neumann: NDArray[np.float64]
    renyi2: NDArray[np.float64]


class Swapped(NamedTuple):
    """Renyi entropy of one cut by swaps.

    Attributes
    ----------
    cut : int
        Sites of the first part.
    entropy : Estimate or None
        S_2 in nats; None where the draws do not decide it, and ``note`` says why.
    note : str
        Why there is no entropy.
    means : ndarray, shape (pairs,)
        Mean ratio of every pair of chains: tr rho^2, on the average.
    """

    cut: int
    entropy: Estimate | None
    note: str
    means: NDArray[np.float64]


def state_entropies(psi: np.ndarray, cuts: Sequence[int] | None = None) -> Entropies:
    """Entropies of cuts of a state, by singular values.

    Parameters
    ----------
    psi : ndarray, shape (2^N,)
        Amplitudes, the first site slowest; any norm but 0.
    cuts : sequence of int, optional
        Sites of the first part; 1 to N - 1 unless given.

    Raises
    ------
    InputError
        If the number of amplitudes is no power of 2 from 4 on, one is not finite, or all are 0.
    """
    psi = np.asarray(psi)
    N = int(psi.size).bit_length() - 1
    if psi.ndim != 1 or psi.size != 1 << N or N < 2:
        raise InputError(f"A state of shape {psi.shape} is none of spins; give 2^N amplitudes, N from 2 on.")
    norm = float(np.linalg.norm(psi))
    if not (math.isfinite(norm) and norm > 0):
        raise InputError("Amplitudes are not finite, or all are 0.")
    sizes = range(1, N) if cuts is None else cuts
    found = np.zeros((2, len(sizes)))
    for k, cut in enumerate(sizes):
        p = (np.linalg.svd(psi.reshape(1 << cut, -1), compute_uv=False) / norm) ** 2
        p = p[p > 0]
        found[:, k] = -(p * np.log(p)).sum(), -math.log((p**2).sum())
    # Rounding leaves -1e-16 of products.
    return Entropies(*found.clip(0))


def swap_entropies(
    log_amplitude: LogAmplitude, first: np.ndarray, second: np.ndarray, cuts: Sequence[int]
) -> list[Swapped]:
    """Renyi entropies by swaps of the first sites of two independent draws of |psi|^2.

    ``tr rho^2 = < psi(s'_A s_B) psi(s_A s'_B) / (psi(s) psi(s')) >``: M. B. Hastings, I. Gonzalez, A. B. Kallin and
    R. G. Melko, Physical Review Letters 104, 157201 (2010).  The error is that of means over independent pairs of
    chains, so that it holds whatever the chains' autocorrelation is.

    Parameters
    ----------
    log_amplitude : callable
        Logarithm of amplitudes.
    first, second : ndarray of +-1, shape (pairs, draws, N)
        Draws of pairs of independent chains.
    cuts : sequence of int
        Sites of the first part, 1 to N - 1.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_PAIRS` pairs, shapes differ, or a cut leaves no part.
    """
    if first.shape != second.shape or first.ndim != 3 or len(first) < LEAST_PAIRS:
        raise InputError(
            f"Draws of shapes {first.shape} and {second.shape}; give (pairs, draws, N), {LEAST_PAIRS} pairs at least."
        )
    pairs, _, N = first.shape
    if not all(1 <= cut < N for cut in cuts):
        raise InputError(f"Cuts {list(cuts)} leave no part; the first of {N} sites are 1 to {N - 1}.")
    a, b = first.reshape(-1, N), second.reshape(-1, N)
    before = log_amplitude(a) + log_amplitude(b)
    found = []
    for cut in cuts:
        swapped = log_amplitude(np.concatenate([b[:, :cut], a[:, cut:]], axis=1))
        swapped = swapped + log_amplitude(np.concatenate([a[:, :cut], b[:, cut:]], axis=1))
        ratios = np.exp(swapped - before).real.reshape(pairs, -1)
        found.append(_entropy_of(int(cut), ratios))
    return found


def _entropy_of(cut: int, ratios: np.ndarray) -> Swapped:
    """Entropy from ratios (pairs, draws) whose mean is tr rho^2; none where that is not resolved."""
    means = ratios.mean(axis=1)
    trace, n = float(means.mean()), len(means)
    error = float(means.std(ddof=1)) / math.sqrt(n)
    size = np.abs(ratios)
    total = float(size.sum())
    # Ratios have the mean square 1 (the norm of swapped states): so many draws have at least that error.
    if trace <= 0 or max(error, size.size**-0.5) > MOST_RELATIVE * trace:
        note = f"tr rho^2 is {trace:.2g} with the error {error:.2g}: take more draws, or a smaller part"
        return Swapped(cut, None, note, means)
    if float(size.max()) > MOST_SHARE * total:
        note = f"one draw makes {float(size.max()) / total:.0%} of the sum: take more draws"
        return Swapped(cut, None, note, means)
    # -ln of a mean is too large by half its relative variance.
    found = Estimate.student(-math.log(trace) - (error / trace) ** 2 / 2, error / trace, n - 1)
    return Swapped(cut, found, "", means)


def rank_bound(weights: np.ndarray) -> NDArray[np.float64]:
    """Largest entropy that a machine with these weights can have at each cut, in nats, shape (N - 1,).

    A hidden unit with weights on both sides makes a sum of two products of amplitudes of the sides, so that n of them
    leave at most 2^n singular values; and what only k sites of one side touch beyond it has at most 2^k.  So S is at
    most ln 2 times the smallest of n and the k of both sides, whatever the weights: an area law where they are short.

    Parameters
    ----------
    weights : ndarray, shape (units, N)
        Weights of all hidden units, real or complex; exactly 0 where a unit does not reach.
    """
    touched = np.asarray(weights) != 0
    found = []
    for cut in range(1, touched.shape[1]):
        left, right = touched[:, :cut], touched[:, cut:]
        crossing = left.any(axis=1) & right.any(axis=1)
        counts = [crossing.sum(), left[crossing].any(axis=0).sum(), right[crossing].any(axis=0).sum()]
        found.append(math.log(2) * min(int(count) for count in counts))
    return np.array(found)


def chord_logarithm(cuts: np.ndarray, L: int, periodic: bool) -> NDArray[np.float64]:
    """Ln of the chord of the first l of L sites: L/pi sin(pi l/L), and twice that on open chains."""
    return np.log((1 if periodic else 2) * L / math.pi * np.sin(math.pi * np.asarray(cuts) / L))


def central_charge(
    cuts: np.ndarray, entropies: np.ndarray, L: int, *, periodic: bool = True, order: int = 1
) -> float | NDArray[np.float64]:
    """Central charge c by least squares of S = c (1 + 1/n) / 6 ln(L/pi sin(pi l/L)) + constant.

    Of open chains the prefactor is half of that.  P. Calabrese and J. Cardy, Journal of Statistical Mechanics (2004)
    P06002.

    Parameters
    ----------
    cuts : ndarray of int, shape (cuts,)
        Sites of the first part, at least two different chords.
    entropies : ndarray, shape (cuts,) or (cuts, draws)
        Entropies in nats; of several draws, such as those that leave out one chain, each has its own c.
    L : int
        Sites of the chain.
    periodic : bool
        Whether the chain is periodic.
    order : int
        n: 1 for von Neumann's entropy, 2 for Renyi's.

    Raises
    ------
    InputError
        If there are fewer than two different chords.
    """
    chord = chord_logarithm(cuts, L, periodic)
    chord = chord - chord.mean()
    if float(np.ptp(chord)) < 1e-9:
        raise InputError("All cuts have the same chord, so that c is open; give several cuts.")
    slope = chord @ np.asarray(entropies) / (chord @ chord)
    found = slope * (1 if periodic else 2) * 6 / (1 + 1 / order)
    return found if np.ndim(found) else float(found)


def central_charge_by_swaps(found: Sequence[Swapped], L: int, periodic: bool = True) -> Estimate | None:
    """Central charge from Renyi entropies of the same draws, with the error of a jackknife over pairs of chains.

    None where a cut is undecided, or all chords are the same.
    """
    cuts = np.array([each.cut for each in found])
    if any(each.entropy is None for each in found) or len(np.unique(np.minimum(cuts, L - cuts))) < 2:
        return None
    means = np.array([each.means for each in found])
    n = means.shape[1]
    without = (means.sum(axis=1, keepdims=True) - means) / (n - 1)
    if (without <= 0).any():
        return None
    whole = central_charge(cuts, -np.log(means.mean(axis=1)), L, periodic=periodic, order=2)
    each = np.asarray(central_charge(cuts, -np.log(without), L, periodic=periodic, order=2))
    error = math.sqrt((n - 1) / n * float(((each - each.mean()) ** 2).sum()))
    return Estimate.student(float(whole), error, n - 1)
