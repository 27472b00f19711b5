"""Networks of sign or ReLU units, counted over their exact values on the data.

Functions of such units can coincide on the data, or be linearly dependent, without looking alike.  But at every point
they are rational, as inputs and constant are.  A function is one long integer
``sum_i v_i 2^(bits i)`` of its values ``v_i / scale`` at the points, wide enough that sums never overflow from one
point into the next, so that adding functions is adding integers and equality is that of all values.
"""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from physnn.errors import InputError
from physnn.exact.signs import precise, units
from physnn.models.signs import SignNetwork, Threshold

MAX_OUTPUTS = 2_000_000
"""Different outputs: each is an integer of some hundred bytes."""


class RationalFunctions:
    """Table of functions by their values at the points."""

    def __init__(self, network: SignNetwork, points: list[Fraction]) -> None:
        constant = network.rational_constant or Fraction(0)
        self.points, self._relu = len(points), network.hidden == "relu"
        self.scale = math.lcm(constant.denominator, *(p.denominator for p in points))
        largest = self.scale * math.ceil(2 + abs(constant))
        for inputs in network.inputs[1:]:
            largest *= inputs
        self._bytes = (largest.bit_length() + 2 + 7) // 8
        one = sum(1 << 8 * self._bytes * i for i in range(self.points))
        self._offset = one << (8 * self._bytes - 1)
        self.packed = [0, self.scale * one, self.pack([int(p * self.scale) for p in points])]
        self._ids = {value: f for f, value in enumerate(self.packed)}

    def pack(self, values: list[int]) -> int:
        """Values at the points as one integer."""
        return sum(v << 8 * self._bytes * i for i, v in enumerate(values))

    def values(self, packed: int) -> list[int]:
        """Values at the points, times `scale`."""
        width, half = self._bytes, 1 << (8 * self._bytes - 1)
        raw = (packed + self._offset).to_bytes(width * self.points, "little")
        return [int.from_bytes(raw[width * i : width * (i + 1)], "little") - half for i in range(self.points)]

    def unit(self, terms: units.Terms) -> int:
        """Id of the function of a unit that is fed a sum; for the odd sign up to its sign."""
        values = self.values(self.add(terms))
        if self._relu:
            return self._intern(self.pack([max(v, 0) for v in values]))
        found = self.pack([self.scale * ((v > 0) - (v < 0)) for v in values])
        return self._intern(max(found, -found))

    def plain(self, terms: units.Terms) -> int:
        """Id of a sum itself, up to its sign."""
        found = self.add(terms)
        return self._intern(max(found, -found))

    def add(self, terms: units.Terms) -> int:
        """Sum packed into one integer."""
        return int(sum(k * self.packed[f] for f, k in terms))

    def _intern(self, packed: int) -> int:
        found = self._ids.setdefault(packed, len(self.packed))
        if found == len(self.packed):
            self.packed.append(packed)
        return found


class RationalOutputs:
    """Distinct outputs of a network of sign or ReLU units, as values on the data."""

    def __init__(self, network: SignNetwork, task: Threshold) -> None:
        self._network, self._task = network, task
        self._functions = RationalFunctions(network, task.rationals)
        found = _outputs(network, self._functions)
        self._packed = list(found)
        self.counts = np.array(list(found.values()), object)

    def losses(self) -> np.ndarray:
        """Loss of every output, shape ``(outputs,)``."""
        found = np.empty(len(self._packed))
        for first in range(0, len(found), 1024):
            some = [self._functions.values(p) for p in self._packed[first : first + 1024]]
            outputs = (np.array(some, object) / self._functions.scale).astype(float)
            outputs = np.tanh(outputs) if self._network.output == "tanh" else outputs
            found[first : first + 1024] = self._task.losses(outputs)
        return found

    def exact(self, indices: np.ndarray) -> list[precise.ExactLoss]:
        """Losses of some outputs: rationals, or in `precise.DECIMAL_DIGITS` digits with tanh or logarithms."""
        scale = self._functions.scale
        values = [self._functions.values(self._packed[index]) for index in indices]
        if self._network.output == "linear" and self._task.loss == "mse":
            return [precise.rational_loss(self._task, v, scale) for v in values]
        with localcontext(prec=precise.DECIMAL_DIGITS):
            sums = [[Decimal(v) / scale for v in row] for row in values]
            return [precise.loss(self._network, self._task, row) for row in sums]


def _outputs(network: SignNetwork, functions: RationalFunctions) -> Counter[int]:
    """Output unit's sums and how many configurations give each."""
    found: Counter[int] = Counter()
    if len(network.layers) == 2:
        for terms, ways in units.first_sums(network).items():
            found[functions.add(terms)] += ways
        return found
    bias = functions.packed[units.ONE] if network.has_bias(len(network.layers) - 2) else None
    for unit, before in units.last_units(network, functions):
        draws = Counter({0: 2 * unit[units.ZERO]} if unit[units.ZERO] else {})
        for f, ways in unit.items():
            if f != units.ZERO:
                draws[functions.packed[f]] += ways
                draws[-functions.packed[f]] += ways
        sums = Counter({0: before} if bias is None else {bias: before, -bias: before})
        for _ in range(network.layers[-2]):
            sums = _convolve(sums, draws)
        found.update(sums)
        _check(len(found))
    return found


def _convolve(sums: Counter[int], draws: Counter[int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for draw, ways in draws.items():
        for total, number in sums.items():
            found[total + draw] += number * ways
        _check(len(found))
    return found


def _check(outputs: int) -> None:
    if outputs > MAX_OUTPUTS:
        raise InputError(
            f"this network has more than {MAX_OUTPUTS:,} different outputs, the limit for exact rationals;"
            " use narrower or fewer layers, or sampling"
        )
