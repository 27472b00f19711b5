"""Spectrum of the update v -> h -> v of a restricted Boltzmann machine, exactly, on all states of its visible units.

With M(v, h) = exp(v W h + a v + b h) and its sums p over h and q over v, the update is K = p^-1 M q^-1 M^T.  It is
reversible for the law p / Z, and similar to B B^T with B = p^(-1/2) M q^(-1/2): its eigenvalues are squares of singular
values and lie in [0, 1].  M is never stored.  Units of either layer are cut in halves, so that for each state h the sum
over v is a product of two small matrices, and all h together are one product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from physnn.errors import InputError
from physnn.models.boltzmann import Machine, unit_states

SPECTRUM_BITS = 16
"""Units of a layer at most: a product then takes some 10^10 operations."""
STATES_OF_PRODUCT = 2**12
"""States of the other layer that are multiplied at once."""


@dataclass(frozen=True)
class UpdateSpectrum:
    """Largest eigenvalues of the update of the visible units.

    Attributes
    ----------
    eigenvalues : ndarray, shape (count,)
        The largest first; the first one is 1.
    odd : ndarray of bool
        Whether a mode changes its sign with all units: of machines without biases every mode is odd or even.
    residual : float
        Largest difference of the law p / Z after an update to that before it, over the largest probability.
    """

    eigenvalues: np.ndarray
    odd: np.ndarray
    residual: float


def kernel_spectrum(machine: Machine, count: int = 8) -> UpdateSpectrum:
    """Spectrum of the update v -> h -> v.

    Parameters
    ----------
    machine : Machine
        Machine whose units have two values, at most `SPECTRUM_BITS` in each layer.
    count : int
        Eigenvalues that are wanted.

    Raises
    ------
    InputError
        If a layer has too many states.
    """
    visible, hidden = machine.weights.shape
    if machine.colours > 2 or max(visible, hidden) > SPECTRUM_BITS:
        raise InputError(
            f"the spectrum is that of machines with at most {SPECTRUM_BITS} units of two values in a layer"
        )
    p, q = machine.log_weights("visible"), machine.log_weights("hidden")
    log_z = np.logaddexp.reduce(p)
    root = np.exp((p - log_z) / 2)

    up, down = _Sums(machine), _Sums(machine.transposed)

    def forwards(x: np.ndarray) -> np.ndarray:
        """B^T x."""
        return up(x / root, -(q + log_z) / 2)

    def backwards(y: np.ndarray) -> np.ndarray:
        """B y."""
        return down(y, -(p - log_z) / 2 - log_z, -(q - log_z) / 2)

    size = 2**visible
    operator = LinearOperator((size, size), matvec=lambda x: backwards(forwards(x.ravel())), dtype=np.float64)
    values, vectors = eigsh(operator, k=min(count, size - 2), which="LM", v0=root + 1e-3, tol=1e-4)
    order = np.argsort(-values)
    turned = np.einsum("vk,vk->k", vectors, vectors[::-1]) < 0
    law = root * backwards(forwards(root))
    residual = float(np.abs(law - root**2).max() / (root**2).max())
    return UpdateSpectrum(values[order], turned[order], residual)


class _Sums:
    """Sums over visible states v of ``exp(v W h + a v + b h) x(v)``, for all hidden states h."""

    def __init__(self, machine: Machine) -> None:
        visible, hidden = machine.weights.shape
        first = visible // 2
        low, high = unit_states(first, machine.low), unit_states(visible - first, machine.low)
        states = unit_states(hidden, machine.low).astype(float)
        field = states @ machine.weights.T + machine.visible_bias
        self.shape = len(high), len(low)  # the first units are the lowest bits
        self.inner, self.outer = (np.empty((len(states), n), np.float32) for n in (len(low), len(high)))
        self.scale = states @ machine.hidden_bias
        for k in range(0, len(states), STATES_OF_PRODUCT):
            rows = slice(k, k + STATES_OF_PRODUCT)
            for out, part, each in ((self.inner, field[rows, :first], low), (self.outer, field[rows, first:], high)):
                logs = part @ each.T
                top = np.abs(logs).max(axis=1) if logs.size else np.zeros(len(part))
                self.scale[rows] += top  # so that no exponential leaves the range of 32 bits
                out[rows] = np.exp(logs - top[:, None])

    def __call__(self, x: np.ndarray, log_after: np.ndarray, log_before: np.ndarray | float = 0.0) -> np.ndarray:
        """Sums over ``exp(log_before) x``, times ``exp(log_after)``."""
        table = np.asarray(x * np.exp(log_before), np.float64).reshape(self.shape)
        size = float(np.abs(table).max()) or 1.0
        small = np.asarray(table / size, np.float32)
        out = np.empty(len(self.inner))
        for k in range(0, len(out), STATES_OF_PRODUCT):
            rows = slice(k, k + STATES_OF_PRODUCT)
            out[rows] = np.einsum("hv,hv->h", self.outer[rows] @ small, self.inner[rows], dtype=np.float64)
        return np.asarray(out * np.exp(self.scale + log_after) * size)
