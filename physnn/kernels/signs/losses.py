"""Loops over every configuration of a +-1 network.

A configuration is an integer whose bits are the parameters, the last one lowest, 1 for a weight -1.  Its bits are
read as one *code* per unit: the weights of what the unit is fed.  A *step* is everything above the code of the last
hidden unit and the output's signs: one step visits ``2^inputs 2^outputs`` configurations.
"""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.primitives import copy

TANH, SIGN, RELU, LINEAR = 0, 1, 2, 3
"""Codes of the activations."""
MSE = 0
"""Code of the mean squared error; that of the cross-entropy is 1, as in `physnn.models.signs.LOSSES`."""
EMPTY = -(2**62)
"""Key of a free place in a tally."""
PER_LOSS = 2.0**38
"""Bins of a tally per unit of loss: far wider than rounding, far narrower than the gaps of levels."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, inline="always")
def activated(code, u):
    """Activation of one number."""
    if code == TANH:
        return math.tanh(u)
    if code == SIGN:
        return 1.0 if u > 0 else (-1.0 if u < 0 else 0.0)
    return max(u, 0.0) if code == RELU else u


@njit(cache=True, nogil=True, inline="always")
def point_loss(code, f, y):
    """Loss of one output."""
    if code == MSE:
        return (f - y) ** 2
    return max(f, 0.0) + math.log1p(math.exp(-abs(f))) - y * f


@njit(cache=True, nogil=True)
def plain_losses(units, inputs, biased, activations, loss, x, y, constant, first, out):
    """Fill ``out`` with the losses of configurations ``first, first + 1, ...``: the plain loop, nothing reused.

    Parameters
    ----------
    units, inputs, biased : ndarray of int64, shape (layers,)
        Of each layer after the input: units, parameters of a unit, whether the last of them is a bias.
    activations : ndarray of int64, shape (layers,)
        `TANH`, `SIGN`, `RELU` or `LINEAR` for each layer.
    loss : int
        `MSE`, or 1 for the cross-entropy.
    x, y : ndarray of float64, shape (points,)
        Inputs and labels.
    constant : float
        Second input; read only if the first layer has that many inputs.
    first : int
        First configuration.
    out : ndarray of float64
        Filled in place.
    """
    total = 0
    for layer in range(len(units)):
        total += units[layer] * inputs[layer]
    widest = max(3, units.max() + 1)
    fed, new, w = np.empty(widest), np.empty(widest), np.empty(total)
    for n in range(len(out)):
        for k in range(total):
            w[k] = 1.0 - 2.0 * (((first + n) >> (total - 1 - k)) & 1)
        summed = 0.0
        for p in range(len(x)):
            fed[0], fed[1] = x[p], constant
            k = 0
            for layer in range(len(units)):
                if biased[layer]:
                    fed[inputs[layer] - 1] = 1.0
                for i in range(units[layer]):
                    u = 0.0
                    for j in range(inputs[layer]):
                        u += w[k] * fed[j]
                        k += 1
                    new[i] = activated(activations[layer], u)
                for i in range(units[layer]):
                    fed[i] = new[i]
            summed += point_loss(loss, fed[0], y[p])
        out[n] = summed / len(x)


@njit(cache=True, nogil=True, inline="always")
def hashed(key):
    """Hash of a bin's number: its product with 2^64 over the golden ratio, without the lowest bits."""
    return np.int64((np.uint64(key) * _FACTOR) >> np.uint64(24))


@njit(cache=True, nogil=True, inline="always")
def _add(keys, counts, low, high, loss, number):
    """Count a loss; return 1 if its bin is new."""
    key = np.int64(math.floor(loss * PER_LOSS))
    mask = len(keys) - 1
    place = hashed(key) & mask
    while keys[place] != key:
        if keys[place] == EMPTY:
            keys[place], counts[place], low[place], high[place] = key, number, loss, loss
            return 1
        place = (place + 1) & mask
    counts[place] += number
    low[place] = min(low[place], loss)
    high[place] = max(high[place], loss)
    return 0


@njit(cache=True, nogil=True)
def absorb(keys, counts, low, high, new_keys, new_counts, new_low, new_high):
    """Move a tally into an empty, larger one."""
    for n in range(len(keys)):
        if keys[n] != EMPTY:
            _add(new_keys, new_counts, new_low, new_high, low[n], counts[n])
            _add(new_keys, new_counts, new_low, new_high, high[n], 0)


@njit(cache=True, nogil=True)
def _fill_table(table, fed, odd, activation):
    """Fill ``table (2^inputs, points)`` with the activations of a unit for every code."""
    inputs, points = fed.shape
    half = len(table) // 2
    # Sums of the first j inputs lie spread over the table; each further input splits every one in two.
    for p in range(points):
        table[0, p] = fed[0, p]
        table[half, p] = -fed[0, p]
    stride = half
    for j in range(1, inputs):
        for code in range(0, len(table), stride):
            for p in range(points):
                u = table[code, p]
                table[code, p] = u + fed[j, p]
                table[code + stride // 2, p] = u - fed[j, p]
        stride //= 2
    for code in range(half):
        opposite = len(table) - 1 - code
        for p in range(points):
            u = activated(activation, table[code, p])
            table[opposite, p] = -u if odd else activated(activation, table[opposite, p])
            table[code, p] = u


@njit(cache=True, nogil=True)
def _fill_gram(table, y, gram, with_label, mean):
    points = table.shape[1]
    for a in range(len(table)):
        for b in range(a + 1):
            dot = 0.0
            for p in range(points):
                dot += table[a, p] * table[b, p]
            gram[a, b] = dot / points
            gram[b, a] = dot / points
        label, total = 0.0, 0.0
        for p in range(points):
            label += table[a, p] * y[p]
            total += table[a, p]
        with_label[a], mean[a] = label / points, total / points


@njit(cache=True, nogil=True)
def _visit_by_gram(codes, biased, gram, with_label, mean, label, linear, tally):
    """Count the losses of one step, quadratic in the signs: linear output, mean squared error."""
    keys, counts, low, high = tally
    others, new = len(codes), 0
    for choice in range(1 << (others + biased)):
        bias = 0.0 if not biased else (1.0 - 2.0 * (choice >> others))
        base = bias * bias - 2 * bias * label + label
        for a in range(len(gram)):
            linear[a] = 2 * (bias * mean[a] - with_label[a])
        for i in range(others):
            sign = 1.0 - 2.0 * ((choice >> i) & 1)
            row = gram[codes[i]]
            base += row[codes[i]] + sign * linear[codes[i]]
            for a in range(len(gram)):
                linear[a] += 2 * sign * row[a]
        for a in range(len(gram)):
            both = base + gram[a, a]
            new += _add(keys, counts, low, high, both + linear[a], 1)
            new += _add(keys, counts, low, high, both - linear[a], 1)
    return new


@njit(cache=True, nogil=True)
def _visit_by_points(codes, biased, table, y, output, loss, partial, tally):
    """Count the losses of one step, point by point: any output and loss."""
    keys, counts, low, high = tally
    others, points, new = len(codes), table.shape[1], 0
    for choice in range(1 << (others + biased)):
        partial[:] = 0.0 if not biased else (1.0 - 2.0 * (choice >> others))
        for i in range(others):
            sign = 1.0 - 2.0 * ((choice >> i) & 1)
            for p in range(points):
                partial[p] += sign * table[codes[i], p]
        for a in range(len(table)):
            plus, minus = 0.0, 0.0
            for p in range(points):
                plus += point_loss(loss, activated(output, partial[p] + table[a, p]), y[p])
                minus += point_loss(loss, activated(output, partial[p] - table[a, p]), y[p])
            new += _add(keys, counts, low, high, plus / points, 1)
            new += _add(keys, counts, low, high, minus / points, 1)
    return new


@njit(cache=True, nogil=True)
def _layout(units, inputs):
    """Offsets of tables and inputs of each hidden layer, and of the codes among a step's bits."""
    hidden = len(units) - 1
    starts, fed_starts = np.zeros(hidden + 1, np.int64), np.zeros(hidden + 1, np.int64)
    for layer in range(hidden):
        starts[layer + 1] = starts[layer] + (1 << inputs[layer])
        fed_starts[layer + 1] = fed_starts[layer] + inputs[layer]
    shifts, lowest = np.zeros(units[:hidden].sum(), np.int64), np.zeros(hidden, np.int64)
    # The code of the very last unit is no part of a step: its bits count as below the lowest.
    bits, unit = -inputs[hidden - 1], len(shifts) - 1
    for layer in range(hidden - 1, -1, -1):
        lowest[layer] = max(bits, 0)
        for _ in range(units[layer]):
            shifts[unit] = max(bits, 0)
            bits += inputs[layer]
            unit -= 1
    return starts, fed_starts, shifts, lowest


@njit(cache=True, nogil=True)
def visit(units, inputs, biased, activations, loss, y, base, first, steps, use_gram, used, tally):
    """Count the losses of all configurations of some steps, reusing what earlier layers and equal units computed.

    A table holds the activations of a unit of each hidden layer for every code; it is filled anew only when an
    earlier layer has changed.  Losses of the output's signs follow from the table's scalar products where they can.

    Parameters
    ----------
    units, inputs, biased, activations, loss, y
        As for `plain_losses`; at least one hidden layer.
    base : ndarray of float64, shape (inputs of the first layer, points)
        What the first layer is fed.
    first, steps : int
        First step and number of steps.
    use_gram : bool
        Whether to use scalar products: linear output and mean squared error only.
    used : int
        Places of the tally in use.
    tally : tuple of ndarray (keys, counts, low, high), length a power of two
        Bins with their number of configurations, least and largest loss; changed in place.

    Returned are the steps done, fewer only when the tally is half full, and the places in use.
    """
    hidden, points = len(units) - 1, len(y)
    last = hidden - 1
    others = units[last] - 1
    starts, fed_starts, shifts, lowest = _layout(units, inputs)
    tables, fed = np.empty((starts[hidden], points)), np.ones((fed_starts[hidden], points))
    copy(base, fed[: inputs[0]])
    codes = np.zeros(others, np.int64)
    table = tables[starts[last] :]
    size = len(table) if use_gram else 1
    gram, with_label, mean = np.empty((size, size)), np.empty(size), np.empty(size)
    linear, partial, label = np.empty(size), np.empty(points), y.mean()
    most = len(tally[0]) // 2 - (2 << (inputs[last] + units[last] + biased[hidden]))
    for step in range(first, first + steps):
        if used > most:
            return step - first, used
        changed, unit = step == first, 0
        if changed:
            _fill_table(tables[: starts[1]], fed[: fed_starts[1]], activations[0] != RELU, activations[0])
        for layer in range(last):
            if changed or (step >> lowest[layer]) != ((step - 1) >> lowest[layer]):
                changed = True
                for i in range(units[layer]):
                    code = (step >> shifts[unit + i]) & ((1 << inputs[layer]) - 1)
                    for p in range(points):
                        fed[fed_starts[layer + 1] + i, p] = tables[starts[layer] + code, p]
                _fill_table(
                    tables[starts[layer + 1] : starts[layer + 2]],
                    fed[fed_starts[layer + 1] : fed_starts[layer + 2]],
                    activations[layer + 1] != RELU,
                    activations[layer + 1],
                )
            unit += units[layer]
        for i in range(others):
            codes[i] = (step >> shifts[unit + i]) & ((1 << inputs[last]) - 1)
        if use_gram:
            if changed:
                _fill_gram(table, y, gram, with_label, mean)
            used += _visit_by_gram(codes, biased[hidden], gram, with_label, mean, label, linear, tally)
        else:
            used += _visit_by_points(codes, biased[hidden], table, y, activations[hidden], loss, partial, tally)
    return steps, used
