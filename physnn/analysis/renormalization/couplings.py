r"""Couplings of configurations from the surroundings of their sites.

With the energy -E/T = sum_a K_a S_a, the colour of a site given all others has the probability
p(c) proportional to exp(sum_a K_a g_a(c)), with g_a(c) what the site adds to S_a.  So the mean of g_a over sites equals
that of sum_c p(c) g_a(c) for the right K, and for no other: Callen's identities, which R. H. Swendsen (Phys. Rev. Lett.
52, 1165 (1984)) solves for the couplings of blocks.  They are the conditions that the pseudolikelihood is largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.renormalization.linearised import SINGULAR, jackknife
from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

COUPLING_STEPS = 50
"""Steps of Newton's method after which there is no solution."""
LARGEST_COUPLING = 20.0
"""Largest coupling that is looked for: beyond it spins never turn."""


@dataclass(frozen=True)
class Couplings:
    """Couplings K_a in units of T (dimensionless).

    Attributes
    ----------
    values : ndarray, shape (1 + bins, operators)
        From all configurations, and from all but one bin.
    """

    values: np.ndarray

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Couplings with their errors."""
        return tuple(jackknife(column) for column in self.values.T)


def couplings_of(fields: np.ndarray, colour: np.ndarray, counts: np.ndarray) -> Couplings:
    """Couplings that solve Callen's identities, with jackknife values over bins.

    A bin is left out by one step of Newton's method, whose error is of second order in the share of a bin.

    Parameters
    ----------
    fields : ndarray, shape (kinds, q, operators)
        What a site would add to every operator with each colour.
    colour : ndarray of int, shape (kinds,)
        Colour that it has.
    counts : ndarray, shape (kinds, bins)
        Number of such sites.

    Raises
    ------
    InputError
        If operators do not vary independently at the sites, or no couplings solve the identities.
    """
    K, total = np.zeros(fields.shape[2]), counts.sum(1)
    for _ in range(COUPLING_STEPS):
        scores, curvature = _at(K, fields, colour, total)
        step = np.linalg.solve(curvature, total @ scores)
        # Far from the solution a full step could lead away from it.
        K = K + step / max(1.0, float(np.abs(step).max()))
        if np.abs(K).max() > LARGEST_COUPLING:
            break
        if np.abs(step).max() < 1e-10:
            scores, curvature = _at(K, fields, colour, total)
            own = counts.T @ scores
            share = counts.sum(0) / total.sum()
            left = [K - np.linalg.solve((1 - f) * curvature, each) for f, each in zip(share, own, strict=True)]
            return Couplings(np.array([K, *left]))
    raise InputError("no finite couplings give these configurations: some spins never turn; take a higher temperature")


def _at(K: np.ndarray, fields: np.ndarray, colour: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score of every kind of site, (kinds, operators), and minus the derivative of their sum, at couplings K."""
    exponent = fields @ K
    weight = np.exp(exponent - exponent.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    mean = np.einsum("kc,kca->ka", weight, fields)
    rest = fields - mean[:, None]
    curvature = np.einsum("k,kc,kca,kcb->ab", total, weight, rest, rest, optimize=True)
    scale = np.sqrt(np.diag(curvature))
    if not (scale > 0).all() or np.linalg.eigvalsh(curvature / np.outer(scale, scale)).min() < SINGULAR * len(K):
        raise InputError("operators do not vary independently at the sites: take fewer, or more configurations")
    return fields[np.arange(len(colour)), colour] - mean, curvature
