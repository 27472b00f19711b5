"""Replicas under random gauge transformations, and the expected distance of lists of normal weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import integrate, special, stats

from physnn.analysis.replicas.gauge import flip_before_norm, permute_units, scale_units, shift_before_norm
from physnn.analysis.replicas.layers import Layer, Weights, copied


def random_gauge(weights: Mapping[str, np.ndarray], layers: Sequence[Layer], generator: np.random.Generator) -> Weights:
    """Replicas, each under a random gauge transformation of its own, for tests of what should be invariant.

    Units of hidden layers are permuted; ReLU units scaled by log-normal factors, exp of a normal variable of standard
    deviation 1; signs of tanh units and of weights before batch normalisations are drawn, and normal shifts of biases
    before these.

    Raises
    ------
    InputError
        As for `canonical`.
    """
    state = copied(weights, layers)
    for k, layer in enumerate(layers):
        shape = state[f"{layer.name}.weight"].shape[:2]
        if layer.norm:
            flip_before_norm(state, layer, generator.choice([-1.0, 1.0], shape))
            if f"{layer.name}.bias" in state:
                shift_before_norm(state, layer, generator.normal(size=shape))
        if k == len(layers) - 1:
            break
        permute_units(state, layers, k, np.argsort(generator.random(shape), axis=1))
        if layer.activation == "relu":
            scale_units(state, layers, k, np.exp(generator.normal(size=shape)))
        if layer.signs:
            scale_units(state, layers, k, generator.choice([-1.0, 1.0], shape))
    return state


def gaussian_wasserstein(means: Sequence[float], scales: Sequence[float], size: int | None = None) -> float:
    """Expected W1 between lists of weights drawn from two normal distributions.

    Of the distributions themselves, W1 = E |a + b z| with a = m1 - m2, b = s1 - s2 and normal z, which is |b|
    sqrt(2/pi) exp(-a^2 / 2 b^2) + a erf(a / (|b| sqrt 2)).  Of lists of n weights, W1 = int |F1 - F2| dx over their
    empirical distribution functions, so E W1 = int E |B1 - B2| dx / n with independent B_i ~ Binomial(n, Phi((x - m_i)
    / s_i)), to 1e-4 of it.  Two lists of one distribution are apart as well, by about 1.8 s / sqrt n: a floor
    that only n lowers.

    Parameters
    ----------
    means, scales : pairs of float
        Means and standard deviations (> 0) of the two distributions, in units of a weight.
    size : int or None
        Length n of the lists; None for the distributions themselves.
    """
    (m1, m2), (s1, s2) = means, scales
    if size is None:
        a, b = abs(m1 - m2), abs(s1 - s2)
        if b == 0:
            return a
        return float(b * np.sqrt(2 / np.pi) * np.exp(-((a / b) ** 2) / 2) + a * special.erf(a / (b * np.sqrt(2))))
    x = np.linspace(min(m1 - 9 * s1, m2 - 9 * s2), max(m1 + 9 * s1, m2 + 9 * s2), 801)
    below = np.array([stats.norm.cdf(x, m1, s1), stats.norm.cdf(x, m2, s2)])
    return float(integrate.simpson([_binomial_distance(size, p) for p in below.T], x=x) / size)


def _binomial_distance(n: int, p: np.ndarray) -> float:
    """E |B1 - B2| = sum_{k<n} [P1 (1 - P2) + P2 (1 - P1)] with P_i = P(B_i <= k), B_i ~ Binomial(n, p_i)."""
    # Further from both means than this every term is below 1e-12.
    reach = 12 * np.sqrt(n * p * (1 - p)) + 24
    k = np.arange(max(0, int(np.min(n * p - reach))), min(n, int(np.max(n * p + reach)) + 1))
    first, second = stats.binom.cdf(k[:, None], n, p).T
    return float(np.sum(first * (1 - second) + second * (1 - first)))
