"""Restricted Boltzmann machines as amplitudes of spin configurations: frozen weights, lattice symmetries."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from physnn import rng

FIRST_SPREAD = 0.02
"""Standard deviation of weights before training; with no weights all amplitudes are alike."""


@lru_cache(maxsize=64)
def lattice_symmetries(sides: tuple[int, ...], symmetry: str) -> NDArray[np.int64]:
    """Symmetries of a periodic lattice as permutations of its sites.

    Parameters
    ----------
    sides : tuple of int
        One or two sides.
    symmetry : str
        ``none``, ``translations``, or ``lattice``: reflections and rotations too.

    Returns
    -------
    ndarray of int, shape (operations, sites)
        Site that each site is taken to, the identity first, no operation twice.
    """
    places = np.stack(np.unravel_index(np.arange(math.prod(sides)), sides))
    shape = np.array(sides)[:, None]
    turned = [places]
    if symmetry == "lattice":
        for signs in itertools.product((1, -1), repeat=len(sides)):
            turned.append(np.array(signs)[:, None] * places % shape)
        if len(sides) == 2 and sides[0] == sides[1]:
            turned += [rows[::-1] for rows in turned]
    shifts = [(0,) * len(sides)] if symmetry == "none" else list(np.ndindex(*sides))
    found = [
        np.ravel_multi_index(tuple((rows + np.array(s)[:, None]) % shape), sides) for rows in turned for s in shifts
    ]
    return np.array(list(dict.fromkeys(tuple(row.tolist()) for row in found)), np.int64)


@dataclass(frozen=True)
class SpinMachine:
    """Amplitudes psi(s) = exp(a sum_i s_i) prod_fg cosh(b_f + sum_i W_fi s_g(i)), for s = +-1.

    Parameters
    ----------
    weights : ndarray, shape (features, N)
        W, real, or complex.
    bias : ndarray, shape (features,) or (0,)
        b; without it amplitudes are even in s.
    field : ndarray, shape (N,), (1,) or (0,)
        a of every site, of all alike, or none.
    permutations : ndarray of int, shape (operations, N)
        Lattice symmetries g of the hidden units.
    """

    weights: np.ndarray
    bias: np.ndarray
    field: np.ndarray
    permutations: NDArray[np.int64]

    @cached_property
    def inverse(self) -> NDArray[np.int64]:
        """Inverse of every lattice symmetry."""
        return np.argsort(self.permutations, axis=1)

    @cached_property
    def units(self) -> np.ndarray:
        """Weights of all hidden units, shape (features * operations, N)."""
        # sum_i W_i s_g(i) = sum_k W_(g^-1 k) s_k
        return np.ascontiguousarray(np.take(self.weights, self.inverse, axis=1).reshape(-1, self.weights.shape[1]))

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Biases of all hidden units."""
        operations = len(self.permutations)
        return np.repeat(self.bias if len(self.bias) else np.zeros(len(self.weights)), operations)

    @cached_property
    def fields(self) -> np.ndarray:
        """Fields of all sites."""
        return np.broadcast_to(self.field if len(self.field) else np.zeros(1), (self.weights.shape[1],))

    @property
    def sites(self) -> int:
        """Number of sites."""
        return int(self.weights.shape[1])

    @property
    def parameters(self) -> np.ndarray:
        """All parameters in a row: fields, biases, weights of one feature after the other."""
        return np.concatenate([self.field, self.bias, self.weights.ravel()])

    def moved(self, step: np.ndarray) -> SpinMachine:
        """Machine whose `parameters` are larger by ``step``."""
        n, m = len(self.field), len(self.bias)
        found = replace(
            self,
            field=self.field + step[:n],
            bias=self.bias + step[n : n + m],
            weights=self.weights + step[n + m :].reshape(self.weights.shape),
        )
        vars(found)["inverse"] = self.inverse  # of the same symmetries: to sort them takes as long as half a step
        return found

    def log_amplitude(self, spins: np.ndarray) -> np.ndarray:
        """Logarithm of psi of configurations of +-1, shape (n, N): an array (n,), without bounds on how large it is."""
        wide = np.asarray(spins, float)
        theta = wide @ self.units.T + self.thresholds
        # ln cosh t = t' - ln 2 + ln(1 + exp(-2 t')), with the sign that makes the real part of t' positive.
        theta = np.where(theta.real < 0, -theta, theta)
        found = theta - math.log(2) + np.log1p(np.exp(-2 * theta))
        return np.asarray(found.sum(axis=-1) + wide @ self.fields)

    def derivatives(self, spins: np.ndarray) -> np.ndarray:
        """Derivatives of ln psi by `parameters`, shape (n, parameters), of configurations (n, N)."""
        wide = np.asarray(spins, float)
        t = np.tanh(wide @ self.units.T + self.thresholds).reshape(len(wide), len(self.weights), -1)
        of_weights = t @ wide[:, self.permutations]
        parts = [of_weights.reshape(len(wide), -1)]
        if len(self.bias):
            parts.insert(0, t.sum(axis=2))
        if len(self.field):
            parts.insert(0, wide if len(self.field) > 1 else wide.sum(axis=1, keepdims=True))
        return np.concatenate(parts, axis=1)


def untrained_wave(
    sides: tuple[int, ...],
    alpha: int,
    symmetry: str,
    seeds: np.random.SeedSequence,
    *,
    imaginary: bool = False,
    biased: bool = False,
) -> SpinMachine:
    """Machine before its training: small random weights.

    Parameters
    ----------
    sides : tuple of int
        Sides of the lattice.
    alpha : int
        Hidden units over sites; with a symmetry, features.
    symmetry : str
        See `lattice_symmetries`; all but ``none`` need a periodic lattice.
    seeds : numpy.random.SeedSequence
        Seeds of the weights.
    imaginary : bool
        Whether weights are complex.
    biased : bool
        Whether there are biases and fields; without them amplitudes are even.
    """
    generator, N = rng.generator(seeds), math.prod(sides)
    features = alpha if symmetry != "none" else alpha * N
    sizes = (features * N, features if biased else 0, (1 if symmetry != "none" else N) if biased else 0)
    drawn = generator.standard_normal((2, sum(sizes))) * FIRST_SPREAD
    values = drawn[0] + 1j * drawn[1] if imaginary else drawn[0]
    weights, bias, field = np.split(values, np.cumsum(sizes)[:2])
    return SpinMachine(weights.reshape(features, N), bias, field, lattice_symmetries(sides, symmetry))
