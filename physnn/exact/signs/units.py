"""Layer by layer through a +-1 network: the functions its units compute and in how many ways.

All that a layer hands on is which functions its units compute, not which unit computes which, and for a sum over all
signs not the sign of any.  So a layer's state is a multiset of functions, and weights enter only as numbers of ways.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

from physnn.errors import InputError
from physnn.models.signs import SignNetwork

ZERO, ONE, X = 0, 1, 2
"""Ids of the zero function, of the constant 1 and of the input."""
MAX_STATES = 200_000
"""States of a layer: each costs about a kilobyte and tens of microseconds."""

Coefficient = int | Fraction
Terms = tuple[tuple[int, Coefficient], ...]
"""Sum ``k_1 f_1 + k_2 f_2 + ...`` as pairs (id, k != 0) of ascending id."""
Unit = Counter[int]
"""Number of weight vectors of a unit by function."""
LayerState = tuple[tuple[int, int], ...]
"""Number of units of a layer by function: pairs (id, units)."""


class Functions(Protocol):
    """Table of functions that decides which are equal."""

    def unit(self, terms: Terms) -> int:
        """Id of the function of a unit that is fed a sum, up to its sign if the activation is odd."""

    def plain(self, terms: Terms) -> int:
        """Id of the sum itself, up to its sign."""


def first_sums(network: SignNetwork) -> Counter[Terms]:
    """Sums that a unit of the first layer can be fed; constant and bias add up to one exact rational."""
    values = [] if network.rational_constant is None else [network.rational_constant]
    values += [Fraction(1)] if network.has_bias(0) else []
    found: Counter[Terms] = Counter()
    for signs in itertools.product((1, -1), repeat=len(values)):
        total = sum((s * v for s, v in zip(signs, values, strict=True)), Fraction(0))
        for s in (1, -1):
            found[(((ONE, total),) if total else ()) + ((X, s),)] += 1
    return found


def sums(state: LayerState, bias: bool) -> Counter[Terms]:
    """Sums that a unit can be fed by a layer in a given state, with the number of weight vectors."""
    factor = 1
    choices: list[list[tuple[Terms, int]]] = []
    if bias:
        choices.append([(((ONE, k),), 1) for k in (1, -1)])
    for f, n in state:
        if f == ZERO:
            factor *= 2**n
        else:
            choices.append([(((f, 2 * up - n),) if 2 * up != n else (), math.comb(n, up)) for up in range(n + 1)])
    found: Counter[Terms] = Counter()
    for chosen in itertools.product(*choices):
        terms = tuple(sorted(itertools.chain.from_iterable(t for t, _ in chosen)))
        found[terms] += factor * math.prod(ways for _, ways in chosen)
    return found


def multisets(unit: Unit, units: int) -> Iterator[tuple[LayerState, int]]:
    """States of a layer of units that are alike, with the number of weight matrices."""
    for chosen in itertools.combinations_with_replacement(sorted(unit), units):
        state = tuple(Counter(chosen).items())
        orders = math.factorial(units) // math.prod(math.factorial(n) for _, n in state)
        yield state, orders * math.prod(unit[f] ** n for f, n in state)


def last_units(network: SignNetwork, functions: Functions) -> Iterator[tuple[Unit, int]]:
    """Functions of a unit of the last hidden layer, for each state of the layer before, with that one's ways."""
    unit: Unit = Counter()
    for terms, ways in first_sums(network).items():
        unit[functions.unit(terms)] += ways
    found = iter([(unit, 1)])
    for layer, units in enumerate(network.layers[1:-2], start=1):
        found = _next_layer(network, functions, layer, units, found)
    yield from found


def _next_layer(
    network: SignNetwork, functions: Functions, layer: int, units: int, before: Iterator[tuple[Unit, int]]
) -> Iterator[tuple[Unit, int]]:
    """Functions of a unit that is fed a layer of so many units, for each state of that layer."""
    states: Counter[LayerState] = Counter()
    for unit, ways in before:
        if len(states) + math.comb(len(unit) + units - 1, units) > MAX_STATES:
            raise InputError(
                f"layer {layer} of this network has more different states than the limit of {MAX_STATES:,};"
                " use narrower or fewer layers, or sampling"
            )
        for state, number in multisets(unit, units):
            states[state] += ways * number
    for state, ways in states.items():
        unit = Counter()
        for terms, number in sums(state, network.has_bias(layer)).items():
            unit[functions.unit(terms)] += number
        yield unit, ways
