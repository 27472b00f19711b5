"""Restricted Boltzmann machines: energies, free energies, and exact distributions of small ones.

The probability of visible units v and hidden units h is ``exp(v W h + a v + b h) / Z``.  Units have a lower value, -1
or 0, and the upper value 1; visible units may also be the colours of sites, one of which is 1 and the others 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from physnn.errors import InputError

MOST_STATES = 20
"""Units of a layer whose states are enumerated at most, in bits."""
STATES_AT_ONCE = 2**14
"""States that are looked at together, so that their fields stay in the cache."""
LayerName = Literal["visible", "hidden"]


@dataclass(frozen=True)
class Machine:
    """Restricted Boltzmann machine.

    Attributes
    ----------
    weights : ndarray, shape (visible, hidden)
        Couplings W, dimensionless.
    visible_bias, hidden_bias : ndarray
        Biases a and b, dimensionless.
    low : float
        Lower value of a unit: -1 or 0.
    colours : int
        Colours of a site; of two a site is one unit, of more so many visible units with values 0 and 1.
    """

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    low: float = -1.0
    colours: int = 2

    def __post_init__(self) -> None:
        if self.weights.shape != (len(self.visible_bias), len(self.hidden_bias)) or self.low not in (-1.0, 0.0):
            raise InputError(
                f"weights of shape {self.weights.shape} do not belong to {len(self.visible_bias)} and "
                f"{len(self.hidden_bias)} biases, or units have the lower value {self.low:g}, which is neither -1 nor 0"
            )

    @property
    def sites(self) -> int:
        """Number of lattice sites."""
        return len(self.weights) // (1 if self.colours == 2 else self.colours)

    @property
    def symmetric(self) -> bool:
        """Whether turning all units over changes nothing: values -1 and 1, and no biases."""
        return self.low == -1 and self.colours == 2 and not self.visible_bias.any() and not self.hidden_bias.any()

    @property
    def transposed(self) -> Machine:
        """Machine with its layers exchanged, of units with two values."""
        assert self.colours == 2
        return Machine(self.weights.T, self.hidden_bias, self.visible_bias, self.low)

    def values_of(self, colours: np.ndarray) -> np.ndarray:
        """Values of the visible units, float32 (n, visible), of colours (n, sites): 0 is the upper value of two."""
        if self.colours > 2:
            return np.asarray(np.eye(self.colours, dtype=np.float32)[colours].reshape(len(colours), -1))
        return np.where(colours == 0, np.float32(1), np.float32(self.low))

    def hidden_fields(self, visible: np.ndarray) -> np.ndarray:
        """Fields ``v W + b`` of the hidden units."""
        return np.asarray(visible @ self.weights + self.hidden_bias)

    def log_weight(self, visible: np.ndarray) -> np.ndarray:
        """Logarithm of the weight ``sum_h exp(v W h + a v + b h)`` of visible states (n, visible): -F(v)."""
        return np.asarray(visible @ self.visible_bias + log_sums(self.hidden_fields(visible), self.low))

    def log_weight_of_hidden(self, hidden: np.ndarray) -> np.ndarray:
        """Logarithm of the weight ``sum_v exp(v W h + a v + b h)`` of hidden states (n, hidden)."""
        x = hidden @ self.weights.T + self.visible_bias
        if self.colours > 2:
            sites = np.logaddexp.reduce(x.reshape(len(x), -1, self.colours), axis=2).sum(axis=1)
        else:
            sites = log_sums(x, self.low)
        return np.asarray(hidden @ self.hidden_bias + sites)

    def smaller(self) -> LayerName:
        """LayerName with fewer states."""
        visible = self.sites * math.log2(self.colours)
        return "visible" if visible <= len(self.hidden_bias) else "hidden"

    def bits(self, layer: LayerName) -> float:
        """Logarithm to base 2 of the number of states of a layer."""
        return self.sites * math.log2(self.colours) if layer == "visible" else float(len(self.hidden_bias))

    @property
    def enumerable(self) -> bool:
        """Whether one layer has at most 2^`MOST_STATES` states."""
        return self.bits(self.smaller()) <= MOST_STATES

    def states(self, layer: LayerName) -> np.ndarray:
        """Values of all states of a layer, float32; state k has bit i of k for its unit i, of colours digit i.

        Raises
        ------
        InputError
            If there are more than 2^`MOST_STATES`.
        """
        if self.bits(layer) > MOST_STATES:
            raise InputError(f"a layer of {self.bits(layer):.0f} bits has too many states to enumerate")
        q = self.colours if layer == "visible" else 2
        n = self.sites if layer == "visible" else len(self.hidden_bias)
        if q > 2:
            return self.values_of(np.arange(q**n)[:, None] // q ** np.arange(n) % q)
        return unit_states(n, self.low)

    def log_weights(self, layer: LayerName) -> np.ndarray:
        """Logarithms of the weights of all states of a layer; raises InputError if there are too many."""
        weight, states = self.log_weight if layer == "visible" else self.log_weight_of_hidden, self.states(layer)
        parts = [weight(states[k : k + STATES_AT_ONCE].astype(float)) for k in range(0, len(states), STATES_AT_ONCE)]
        return np.concatenate(parts)

    def log_partition(self) -> float:
        """Exact ``ln Z``, from the layer with fewer states; raises InputError if both have too many."""
        return float(np.logaddexp.reduce(self.log_weights(self.smaller())))

    def probabilities(self) -> np.ndarray:
        """Exact probabilities of all visible states; raises InputError if there are too many."""
        found = self.log_weights("visible")
        return np.asarray(np.exp(found - np.logaddexp.reduce(found)))

    def correlations(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Exact means ``<v h>``, ``<v>`` and ``<h>``: what the likelihood's gradient subtracts, by enumeration."""
        if self.smaller() == "hidden" and self.colours == 2:
            joint, hidden, visible = self.transposed.correlations()
            return joint.T, visible, hidden
        logs, states = self.log_weights("visible"), self.states("visible")
        p = np.exp(logs - np.logaddexp.reduce(logs))
        joint, hidden = np.zeros(self.weights.shape), np.zeros(len(self.hidden_bias))
        for k in range(0, len(states), STATES_AT_ONCE):
            part = states[k : k + STATES_AT_ONCE]
            mean = unit_means(self.hidden_fields(part), self.low)
            joint += (part * p[k : k + STATES_AT_ONCE, None]).T @ mean
            hidden += p[k : k + STATES_AT_ONCE] @ mean
        return joint, p @ states, hidden


def log_sums(field: np.ndarray, low: float) -> np.ndarray:
    """Sum over the units (last axis) of ``ln(exp(field) + exp(low field))``."""
    size = np.abs(field)
    if low == -1:
        return np.asarray((size + np.log1p(np.exp(-2 * size))).sum(axis=-1))
    return np.asarray((np.maximum(field, 0) + np.log1p(np.exp(-size))).sum(axis=-1))


def unit_means(field: np.ndarray, low: float) -> np.ndarray:
    """Mean values of units in fields."""
    return np.tanh(field) if low == -1 else np.asarray(0.5 + 0.5 * np.tanh(0.5 * field))


def unit_states(units: int, low: float) -> np.ndarray:
    """All states of units of two values, float32 (2^units, units): the upper value where bit i of the row is 1."""
    bits = (np.arange(2**units)[:, None] >> np.arange(units)) & 1
    return np.where(bits == 1, np.float32(1), np.float32(low))


def pair_machine(pairs: np.ndarray, sites: int, coupling: float, colours: int = 2) -> Machine:
    """Machine whose visible units are an Ising or a Potts model: each pair of sites has hidden units of its own.

    ``sum_h exp(w h (s + s'))`` is proportional to ``exp(K s s')`` where ``cosh(2 w) = exp(2 K)``.  Of more colours a
    pair has one unit for each, with the field ``w (n - 1)`` where n of both sites have that colour; the product of
    their sums is proportional to ``exp(K)`` for like sites where ``cosh(w) = exp(K / 2)``.

    Parameters
    ----------
    pairs : ndarray of int, shape (pairs, 2)
        Sites that are coupled.
    sites : int
        Number of sites.
    coupling : float
        K = J/T, positive; dimensionless.
    colours : int
        Colours of a site.
    """
    if colours == 2:
        weights = np.zeros((sites, len(pairs)))
        w = 0.5 * math.acosh(math.exp(2 * coupling))
        np.add.at(weights, (pairs.T, np.arange(len(pairs))), w)
        return Machine(weights, np.zeros(sites), np.zeros(len(pairs)))
    wide, w = np.zeros((sites, colours, len(pairs), colours)), math.acosh(math.exp(coupling / 2))
    for a in range(colours):
        np.add.at(wide[:, a, :, a], (pairs.T, np.arange(len(pairs))), w)
    visible, hidden = sites * colours, len(pairs) * colours
    return Machine(wide.reshape(visible, hidden), np.zeros(visible), np.full(hidden, -w), -1.0, colours)
