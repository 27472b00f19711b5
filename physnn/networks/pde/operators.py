"""Streams of compiled networks: what is linear in the derivatives of a set becomes one operator, one stream for all."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from physnn.kernels.jets.passes import Residuals, Streams
from physnn.kernels.jets.tanh_code import HIGHEST
from physnn.networks.pde.equations import ALL_SPACE
from physnn.networks.pde.streams import PointTable

FoldedTerms = dict[int, float]
"""Coefficients of an operator by stream of a `PointTable`."""
MATCHED = 1e-12
"""Relative difference up to which coefficients are in the same proportion."""


def operator_of(t: PointTable) -> FoldedTerms:
    """Operator that leaves the fewest streams: coefficients by stream.

    Streams can be parts of it where they occur in linear terms alone, with numbers for coefficients that are in the
    same proportion in all equations and outputs.  A Laplacian is an operator in any case.
    """
    linear = _linear(t)
    used = set(t.streams[~linear].ravel().tolist())
    laplacian = set(np.flatnonzero(t.axes == ALL_SPACE).tolist())
    if used & laplacian:
        return dict.fromkeys(laplacian, 1.0)
    possible = sorted(set(t.streams[linear, 0].tolist()) - used - {0})
    some = [set(parts) for n in range(len(possible) + 1) for parts in combinations(possible, n)]
    fit = [found for parts in some if laplacian <= parts and (found := _in_proportion(t, linear, parts)) is not None]
    return min(fit, key=lambda parts: bool(parts) + sum(_orders(t, parts)[0].values()))


def _linear(t: PointTable) -> np.ndarray:
    """Terms that are a number times one stream."""
    alone = (t.streams >= 0).sum(1) == 1
    return np.asarray(alone & (t.sine == 0) & (np.ptp(t.coefficients, axis=1) == 0))


def _sums(t: PointTable, linear: np.ndarray, parts: set[int]) -> dict[tuple[int, int], np.ndarray]:
    """Coefficients of some streams in linear terms, by equation and output."""
    order = sorted(parts)
    sums: dict[tuple[int, int], np.ndarray] = {}
    for k in np.flatnonzero(linear):
        if t.streams[k, 0] in parts:
            row = sums.setdefault((int(t.equation[k]), int(t.outputs[k, 0])), np.zeros(len(order)))
            row[order.index(int(t.streams[k, 0]))] += t.coefficients[k, 0]
    return sums


def _in_proportion(t: PointTable, linear: np.ndarray, parts: set[int]) -> FoldedTerms | None:
    """Coefficients of an operator with these parts, or None if they are not in the same proportion everywhere."""
    rows = [*_sums(t, linear, parts).values()]
    if any(np.linalg.norm(np.outer(a, b) - np.outer(b, a)) > MATCHED * (a @ a) for b in rows[:1] for a in rows):
        return None
    return dict(zip(sorted(parts), rows[0].tolist(), strict=True)) if rows else {}


def _orders(t: PointTable, parts: FoldedTerms) -> tuple[dict[int, int], dict[tuple[int, int], float]]:
    """Highest order of a stream along every axis, and coefficients of the operator by axis and order."""
    operator = {}
    for k, c in parts.items():
        for axis in t.space if t.axes[k] == ALL_SPACE else [t.axes[k]]:
            operator[int(axis), int(t.orders[k])] = c
    needed = [(int(t.axes[k]), int(t.orders[k])) for k in set(t.streams.ravel().tolist()) - {-1, 0, *parts}]
    most: dict[int, int] = {}
    for axis, order in [*needed, *((axis, order - 1) for axis, order in operator)]:
        most[axis] = max(most.get(axis, 0), order)
    return dict(sorted(most.items())), operator


def folded(t: PointTable, dtype: str) -> tuple[Streams, Residuals]:
    """Streams of a set with its operator, and its residuals in terms of them."""
    parts = operator_of(t)
    most, operator = _orders(t, parts)
    axes = np.array(list(most), np.int64)
    coefficients, orders = np.zeros((len(axes), HIGHEST), dtype), np.zeros((len(axes), 2), np.int64)
    place, count = {(0, 0): 0}, 1
    for g, (axis, order) in enumerate(most.items()):
        orders[g] = order, max([order, *(k for a, k in operator if a == axis)])
        place |= {(axis, k): count + k - 1 for k in range(1, order + 1)}
        count += order
    for (axis, k), c in operator.items():
        coefficients[list(most).index(axis), k - 1] = c
    streams = Streams(axes, orders, coefficients, count if parts else 0)
    return streams, _residuals_of(t, parts, place, streams.operator, dtype)


def _residuals_of(
    t: PointTable, parts: FoldedTerms, place: dict[tuple[int, int], int], operator: int, dtype: str
) -> Residuals:
    """Residuals in terms of streams at their places and the operator."""
    linear = _linear(t)
    own = np.array([place.get((int(a), int(k)), operator) for a, k in zip(t.axes, t.orders, strict=True)] + [-1])
    left = ~(linear & np.isin(t.streams[:, 0], list(parts)))
    rows = [[t.equation[k], *np.stack([own[t.streams[k]], t.outputs[k]], 1).ravel()] for k in np.flatnonzero(left)]
    sines, factors = t.sine[left].tolist(), list(t.coefficients[left])
    whole = np.array(list(parts.values()))
    for (equation, output), row in _sums(t, linear, set(parts)).items():
        rows.append([equation, operator, output, *[-1] * (2 * t.streams.shape[1] - 2)])
        factors.append(np.full(len(t.points), row @ whole / (whole @ whole)))
        sines.append(0)
    return Residuals(
        np.array(rows, np.int64),
        np.array(sines, np.int64),
        np.array(factors, dtype),
        np.ascontiguousarray(t.targets, dtype),
        t.weight / len(t.points),
    )
