"""Losses of differential equations and their gradients, in compiled loops over blocks of points.

A network has layers ``h W + b`` with tanh between them.  What goes through it are *streams*: the value, for every axis
of a set the derivatives up to some order, and at most one operator, see `physnn.kernels.jets.tanh_code`.  In a layer
the streams of a block of points lie one below the other, ``(streams, block, width)``, so that one product serves all of
them; a block is so small that what the way back needs is still in the cache.  Widths are filled up with zeros to whole
vectors, which stay zeros.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from physnn.kernels.jets.matrix_code import ABREAST, WHOLE_ROWS, add_product, lanes, multiply
from physnn.kernels.jets.tanh_code import tanh_backward, tanh_forward
from physnn.kernels.jit import njit

BLOCK_ROWS = 108
"""Rows of a block, streams times points: few enough for the cache, enough for products."""
_NONE, _ONE = np.int64(0), np.int64(1)
"""Numbers as arguments: literal ones would have every function that takes them compiled anew."""


class PackedNetwork(NamedTuple):
    """Network as the loops want it: packed weights, `widths`, `vectors_of`, `weight_places`, numbers in a vector."""

    packed: np.ndarray
    widths: np.ndarray
    vectors: np.ndarray
    places: np.ndarray
    size: int


class Streams(NamedTuple):
    """Streams of a set, see `physnn.kernels.jets.tanh_code.tanh_forward`; ``axes (groups,)``: inputs of its groups."""

    axes: np.ndarray
    orders: np.ndarray
    coefficients: np.ndarray
    operator: int


class Residuals(NamedTuple):
    """Residuals as polynomials of streams.

    ``terms (terms, 1 + 2 factors)``: equation, then stream and output of every factor, -1 where there is none;
    ``sine (terms,)``: whether a term is the sine of its product; ``factors (terms, n)``: their coefficients;
    ``targets (equations, n)``; ``scale``: of the sum of squares.
    """

    terms: np.ndarray
    sine: np.ndarray
    factors: np.ndarray
    targets: np.ndarray
    scale: float


def vectors_of(widths, itemsize):
    """Vectors that hold each of the widths, ``(layers + 1,)``."""
    return -(-np.asarray(widths) // lanes(itemsize))


def block_of(points, streams):
    """Points of a block: whole tiles, `BLOCK_ROWS` rows or so, and few beyond the last point."""
    tile = WHOLE_ROWS
    most = max(1, round(BLOCK_ROWS / (streams * tile)))
    blocks = -(-points // (tile * most))
    return tile * -(-points // (tile * blocks))


def room_for(widths, block, streams, itemsize):
    """Numbers that `add_gradient` needs to work with."""
    numbers = lanes(itemsize) * vectors_of(widths, itemsize)[1:]
    return int(block * (widths[0] + 1 + streams * (2 * numbers.sum() + 2 * numbers.max()))) + 16


def weight_places(widths, itemsize):
    """Where matrices, biases and transposed matrices of the layers begin in packed weights, ``(layers + 1, 3)``.

    The first layer's is not transposed but has plain rows there.  The last row holds ends; slopes have matrices and
    biases at the same places.
    """
    size, vectors = lanes(itemsize), vectors_of(widths, itemsize)
    places = np.zeros((len(widths), 3), np.int64)
    for k in range(len(widths) - 1):
        places[k, 1] = places[k, 0] + widths[k] * vectors[k + 1] * size
        places[k + 1, 0] = places[k, 1] + vectors[k + 1] * size
    places[0, 2] = places[-1, 0]
    for k in range(len(widths) - 1):
        rows, columns = (widths[k + 1], vectors[k]) if k else (widths[0], vectors[1])
        places[k + 1, 2] = places[k, 2] + rows * columns * size
    return places


@njit(cache=True, nogil=True)
def _pack(source, begin, down, right, rows, columns, size, out, at):
    """Bring a matrix into the order of `multiply`: panels of columns, filled up with zeros to whole vectors.

    ``down``, ``right``: numbers from a row, and from a column, to the next in ``source``, from ``begin`` on.
    """
    vectors = (columns + size - 1) // size
    first = 0
    while first < vectors:
        width = min(ABREAST, vectors) if vectors - first != ABREAST + 1 else ABREAST + 1
        here, length = begin + first * size * right, width * size
        some = min(length, columns - first * size)
        for i in range(rows):
            for j in range(some):
                out[at + j] = source[here + i * down + j * right]
            for j in range(some, length):
                out[at + j] = 0
            at += length
        first += width


@njit(cache=True, nogil=True)
def pack_weights(weights, network):
    """Fill ``network.packed`` with weights in the order that products want.

    ``weights``: of a layer after the other W ``(inputs, outputs)`` and b ``(outputs,)``, flat.
    """
    packed, widths, vectors, places, size = network
    at = 0
    for k in range(len(widths) - 1):
        n, m = widths[k], widths[k + 1]
        _pack(weights, at, m, _ONE, n, m, size, packed, places[k, 0])
        if k:
            _pack(weights, at, _ONE, m, m, n, size, packed, places[k, 2])
        else:
            for i in range(n):
                _pad(weights, i * m, m, packed, places[0, 2] + i * vectors[1] * size, vectors[1] * size)
        _pad(weights, at + n * m, m, packed, places[k, 1], vectors[k + 1] * size)
        at += (n + 1) * m


@njit(cache=True, nogil=True)
def _pad(source, begin, count, out, at, length):
    """Copy numbers and fill up with zeros."""
    for j in range(length):
        out[at + j] = source[begin + j] if j < count else 0


@njit(cache=True, nogil=True)
def unpack_slopes(slopes, network, gradient):
    """Fill ``gradient`` with slopes in the order of weights, see `pack_weights`."""
    widths, at = network.widths, 0
    for k in range(len(widths) - 1):
        m, stride = widths[k + 1], network.vectors[k + 1] * network.size
        for i in range(widths[k] + 1):  # the bias follows the matrix
            _pad(slopes, network.places[k, 0] + i * stride, m, gradient, at, m)
            at += m


@njit(cache=True, nogil=True)
def _fill(room, at, count, value):
    for i in range(at, at + count):
        room[i] = value


@njit(cache=True, nogil=True)
def _derivatives_of_inputs(network, streams, block, room, z):
    """Fill the derivatives of the first layer's z, which begins at ``z``: they are alike at all points."""
    width, stream = network.vectors[1] * network.size, 1
    _fill(room, z + block * width, (_count(streams) - 1) * block * width, 0)
    for g in range(len(streams.axes)):
        row, first = network.places[0, 2] + streams.axes[g] * width, z + stream * block * width
        operator, c = z + streams.operator * block * width, streams.coefficients[g, 0]
        for i in range(0, block * width, width):
            for j in range(width):
                if streams.orders[g, 0]:
                    room[first + i + j] = network.packed[row + j]
                if streams.operator:
                    room[operator + i + j] += c * network.packed[row + j]
        stream += streams.orders[g, 0]


@njit(cache=True, nogil=True)
def _count(streams):
    """Streams that go through a network."""
    count = 1
    for g in range(len(streams.axes)):
        count += streams.orders[g, 0]
    return count + 1 if streams.operator else count


@njit(cache=True, nogil=True)
def _residuals(room, y, g, block, width, first, residuals):
    """Loss of a block of points, and its gradients ``g`` by the streams ``y`` of the outputs, at places in ``room``."""
    terms, sine, factors, targets, scale = residuals
    n, loss = targets.shape[1], 0.0
    r, products = np.empty(len(targets)), np.empty(len(terms))
    for i in range(min(block, n - first)):
        p = first + i
        for e in range(len(targets)):
            r[e] = -targets[e, p]
        for t in range(len(terms)):
            product = 1.0
            for f in range(1, terms.shape[1], 2):
                if terms[t, f] >= 0:
                    product *= room[y + (terms[t, f] * block + i) * width + terms[t, f + 1]]
            products[t] = product
            r[terms[t, 0]] += factors[t, p] * (math.sin(product) if sine[t] else product)
        for e in range(len(targets)):
            loss += r[e] ** 2
        for t in range(len(terms)):
            slope = 2 * scale * r[terms[t, 0]] * factors[t, p]
            if sine[t]:
                slope *= math.cos(products[t])
            for f in range(1, terms.shape[1], 2):
                if terms[t, f] < 0:
                    continue
                others = slope
                for h in range(1, terms.shape[1], 2):
                    if h != f and terms[t, h] >= 0:
                        others *= room[y + (terms[t, h] * block + i) * width + terms[t, h + 1]]
                room[g + (terms[t, f] * block + i) * width + terms[t, f + 1]] += others
    return scale * loss


# The instructions of a product, or of a way through tanh, stand once in the compiled code.
@njit(cache=True, nogil=True)
def _multiply(room, left, stride, rows, depth, packed, at, vectors, out):
    multiply(room, left, stride, rows, depth, packed, at, vectors, room, out)  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def _add_product(room, left, stride, columns, right, vectors, rows, slopes, at):
    add_product(room, left, stride, columns, room, right, vectors, rows, slopes, at)  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def _tanh(room, z, t, bias, at, streams, block, vectors):
    _, orders, coefficients, operator = streams
    tanh_forward(room, z, room, t, bias, at, orders, coefficients, operator, block, vectors)  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def _tanh_back(room, z, t, d, slopes, at, streams, block, vectors):
    _, orders, coefficients, operator = streams
    tanh_backward(room, z, room, t, room, d, slopes, at, orders, coefficients, operator, block, vectors)  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def _forward(network, streams, block, rows, z_at, room):
    """Go through the layers from the points in ``room`` on; z of a layer begins at ``z_at``, t behind it."""
    packed, widths, vectors, places, size = network
    _multiply(room, _NONE, widths[0], block, widths[0], packed, places[0, 0], vectors[1], z_at[0])
    for k in range(1, len(widths) - 1):
        width = vectors[k] * size
        z, t = z_at[k - 1], z_at[k - 1] + rows * width
        _tanh(room, z, t, packed, places[k - 1, 1], streams, block, vectors[k])
        _multiply(room, t, width, rows, widths[k], packed, places[k, 0], vectors[k + 1], z_at[k])


@njit(cache=True, nogil=True)
def _backward(network, streams, block, rows, z_at, room, slopes):
    """Go back from the gradient by the last layer's z, at the end of ``z_at``, and add to ``slopes``.

    Returns where the gradient by the first layer's z lies.
    """
    packed, widths, vectors, places, size = network
    widest = 0
    for k in range(1, len(vectors)):
        widest = max(widest, vectors[k])
    d, other = z_at[-1], z_at[-1] + rows * widest * size
    for k in range(len(widths) - 2, 0, -1):
        width, v = vectors[k] * size, vectors[k + 1]
        z, t = z_at[k - 1], z_at[k - 1] + rows * width
        _add_product(room, t, width, widths[k], d, v, rows, slopes, places[k, 0])
        _multiply(room, d, v * size, rows, widths[k + 1], packed, places[k, 2], vectors[k], other)
        d, other = other, d
        _tanh_back(room, z, t, d, slopes, places[k - 1, 1], streams, block, vectors[k])
    return d


@njit(cache=True, nogil=True)
def _add_to_first(network, streams, block, d, room, slopes):
    """Add to the slopes of the first matrix, by the values and derivatives of the inputs."""
    inputs, vectors = network.widths[0], network.vectors[1]
    width, stream, factors = vectors * network.size, 1, block * inputs
    _add_product(room, _NONE, inputs, inputs, d, vectors, block, slopes, _NONE)
    for g in range(len(streams.axes)):
        row = streams.axes[g] * width
        if streams.orders[g, 0]:
            _fill(room, factors, block, 1)
            _add_product(room, factors, _ONE, _ONE, d + stream * block * width, vectors, block, slopes, row)
        if streams.operator and streams.coefficients[g, 0] != 0:
            _fill(room, factors, block, streams.coefficients[g, 0])
            _add_product(room, factors, _ONE, _ONE, d + streams.operator * block * width, vectors, block, slopes, row)
        stream += streams.orders[g, 0]


@njit(cache=True, nogil=True)
def add_gradient(network, streams, points, residuals, block, room, slopes):
    """Add the gradient of a set's loss to ``slopes``, and return the loss.

    Parameters
    ----------
    network : PackedNetwork
        Weights, see `pack_weights`.
    streams : Streams
        What goes through the network.
    points : ndarray, shape (n, inputs)
        Points.
    residuals : Residuals
        What is made of the streams.
    block : int
        Points of a block, see `block_of`.
    room : ndarray
        See `room_for`.
    slopes : ndarray
        As `unpack_slopes` takes them.
    """
    places, depth, n, inputs = network.places, len(network.widths) - 1, len(points), points.shape[1]
    rows, z_at, loss = _count(streams) * block, np.empty(depth + 1, np.int64), 0.0
    z_at[0] = (inputs + 1) * block // 16 * 16 + 16  # cache lines begin there, as room does
    for k in range(depth):
        z_at[k + 1] = z_at[k] + 2 * rows * network.vectors[k + 1] * network.size
    _derivatives_of_inputs(network, streams, block, room, z_at[0])
    outputs, y, g, bias = network.vectors[depth] * network.size, z_at[depth - 1], z_at[depth], places[depth - 1, 1]
    for first in range(0, n, block):
        for i in range(block):
            for a in range(inputs):
                room[i * inputs + a] = points[min(first + i, n - 1), a]
        _forward(network, streams, block, rows, z_at, room)
        for i in range(block):
            for j in range(network.widths[depth]):
                room[y + i * outputs + j] += network.packed[bias + j]
        _fill(room, g, rows * outputs, 0)
        loss += _residuals(room, y, g, block, outputs, first, residuals)
        for i in range(block):
            for j in range(network.widths[depth]):
                slopes[bias + j] += room[g + i * outputs + j]
        d = _backward(network, streams, block, rows, z_at, room, slopes)
        _add_to_first(network, streams, block, d, room, slopes)
    return loss


@njit(cache=True, nogil=True)
def adam_by_rates(weights, gradient, mean, square, rates, fresh, keep, fresh_square, size, root, tiny):
    """Take one step of Adam with a learning rate for every weight, ``(replicas, weights)``, rates ``(weights,)``.

    All numbers are of the arrays' precision: one wider number would make the loop twice as slow.  ``fresh`` and
    ``fresh_square``: shares of a gradient in the means; ``size`` and ``root``: what the means lack in the first steps.
    """
    for r in range(len(weights)):
        for k in range(len(rates)):
            g = gradient[r, k]
            mean[r, k] += (g - mean[r, k]) * fresh
            square[r, k] = square[r, k] * keep + g * g * fresh_square
            weights[r, k] -= mean[r, k] / (np.sqrt(square[r, k]) / root + tiny) * (rates[k] / size)
