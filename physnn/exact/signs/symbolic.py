"""Networks of tanh units, counted over symbolic functions.

Two units compute the same function, up to its sign, if they are fed the same integer combination of functions, up to
its sign: tanh is odd and one to one, and tanh of different combinations are linearly independent, since they have
different poles (on the first layer; for deeper ones see V. Vlacic, H. Boelcskei, Adv. Math. 376, 107485 (2021)).
Nothing rests on that: functions kept apart whose losses agree in more than 40 digits are merged at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from physnn.errors import InputError
from physnn.exact.signs import patterns, precise, units
from physnn.models.signs import SignNetwork, Threshold

MAX_PATTERNS = 4_000_000
"""Patterns built, before equal ones are merged: about 10 microseconds and 100 bytes each."""
MAX_LEVELS = 30_000_000
"""Levels: about 100 bytes each while they are sorted."""
OUTPUTS_AT_ONCE = 1 << 17
"""Outputs evaluated at once, points included: what stays in a core's cache."""


class SymbolicFunctions:
    """Table of functions of x: 0, 1, x, and tanh of (or plain) integer combinations of earlier ones."""

    def __init__(self, task: Threshold) -> None:
        x = task.x
        self._definitions: list[tuple[bool, units.Terms]] = [(False, ()), (False, ()), (False, ())]
        self._ids: dict[tuple[bool, units.Terms], int] = {}
        self._rows = [np.zeros(len(x)), np.ones(len(x)), np.asarray(x, float)]
        self._precise = {units.ZERO: [Decimal(0)] * len(x), units.ONE: [Decimal(1)] * len(x)}
        self._points = task.rationals

    def unit(self, terms: units.Terms) -> int:
        """Id of tanh of a sum, up to its sign."""
        return self._intern(True, terms)

    def plain(self, terms: units.Terms) -> int:
        """Id of a sum itself, up to its sign."""
        return self._intern(False, terms)

    def _intern(self, active: bool, terms: units.Terms) -> int:
        if not terms:
            return units.ZERO
        if terms[0][1] < 0:
            terms = tuple((f, -k) for f, k in terms)
        key = (active, terms)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._rows)
            self._definitions.append(key)
            total = np.asarray(sum(float(k) * self._rows[f] for f, k in terms))
            self._rows.append(np.tanh(total) if active else total)
        return found

    @property
    def table(self) -> np.ndarray:
        """Values at the points, shape ``(functions, points)``."""
        return np.array(self._rows)

    def precise(self, f: int) -> list[Decimal]:
        """Values of one function at the points in the current decimal context."""
        if f == units.X:
            return [_decimal(v) for v in self._points]
        if f not in self._precise:
            active, terms = self._definitions[f]
            total = self.combination([(_decimal(k), g) for g, k in terms])
            self._precise[f] = [precise.tanh(u) for u in total] if active else total
        return self._precise[f]

    def combination(self, terms: Sequence[tuple[Decimal, int]]) -> list[Decimal]:
        """``sum k f`` at the points in the current decimal context."""
        rows = [self.precise(units.ZERO), *([k * v for v in self.precise(f)] for k, f in terms)]
        return [sum(column, Decimal(0)) for column in zip(*rows, strict=True)]


def _decimal(k: units.Coefficient) -> Decimal:
    return Decimal(k.numerator) / Decimal(k.denominator) if isinstance(k, Fraction) else Decimal(k)


class SymbolicOutputs:
    """Distinct outputs of a network of tanh units: patterns, with all choices of signs."""

    def __init__(self, network: SignNetwork, task: Threshold) -> None:
        self._network, self._task = network, task
        self._functions = SymbolicFunctions(task)
        found = _patterns(network, self._functions)
        self._blocks = patterns.coefficients(found.ids)
        sizes = [len(rows) << functions.shape[1] for rows, functions, _ in self._blocks]
        self._starts = np.cumsum([0, *sizes])
        if self._starts[-1] > MAX_LEVELS:
            raise InputError(
                f"this network has about {self._starts[-1]:.2g} different outputs, over the limit of {MAX_LEVELS:,}"
                f" ({MAX_LEVELS / 1e7:.0f} GB); use narrower or fewer layers, or sampling"
            )
        pairs = zip(self._blocks, sizes, strict=True)
        self.counts = np.concatenate(
            [np.repeat(found.ways[rows], size // max(1, len(rows))) for (rows, _, _), size in pairs]
        )

    def losses(self) -> np.ndarray:
        """Loss of every output, shape ``(outputs,)``."""
        table, found = self._functions.table, []
        for _, functions, k in self._blocks:
            sign = patterns.sign_choices(functions.shape[1])
            step = max(1, OUTPUTS_AT_ONCE // (len(sign) * self._task.points))
            for first in range(0, len(k), step):
                some = slice(first, first + step)
                outputs = sign @ (k[some, :, None] * table[functions[some]])
                if self._network.output == "tanh":
                    np.tanh(outputs, out=outputs)
                found.append(self._task.losses(outputs).ravel())
        return np.concatenate(found)

    def exact(self, indices: np.ndarray) -> list[precise.ExactLoss]:
        """Losses of some outputs in `precise.DECIMAL_DIGITS` digits."""
        found: list[precise.ExactLoss] = []
        with localcontext(prec=precise.DECIMAL_DIGITS):
            for index in indices:
                block = int(np.searchsorted(self._starts, index, side="right")) - 1
                _, functions, k = self._blocks[block]
                row, choice = divmod(int(index - self._starts[block]), 1 << functions.shape[1])
                signed = patterns.sign_choices(functions.shape[1])[choice] * k[row]
                terms = [(Decimal(int(a)), int(f)) for a, f in zip(signed, functions[row], strict=True)]
                found.append(precise.loss(self._network, self._task, self._functions.combination(terms)))
        return found


def _patterns(network: SignNetwork, functions: SymbolicFunctions) -> patterns.Patterns:
    """Patterns of the output unit's sum."""
    if len(network.layers) == 2:
        each = {functions.plain(terms): ways for terms, ways in units.first_sums(network).items()}
        ids = np.array(list(each), np.int32)[:, None]
        return patterns.Patterns(ids, np.array(list(each.values()), object))
    width, before, expected = network.layers[-2], [], 0
    for unit, ways in units.last_units(network, functions):
        before.append((unit, ways))
        expected += math.comb(len(unit.keys() - {units.ZERO}) + width, width)
        if expected > MAX_PATTERNS:
            raise InputError(
                f"the outputs of this network have more patterns than the limit of {MAX_PATTERNS:,};"
                " use narrower or fewer layers, or sampling"
            )
    sums = [(patterns.signed_sums(unit, width), ways) for unit, ways in before]
    merged = patterns.merged_patterns([patterns.Patterns(found.ids, found.ways * ways) for found, ways in sums])
    if not network.has_bias(len(network.layers) - 2):
        return merged
    return patterns.Patterns(np.pad(merged.ids, ((0, 0), (1, 0)), constant_values=units.ONE), merged.ways)
