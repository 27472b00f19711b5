"""Training and evaluation of small convolutional classifiers, one network at a time.

The network has two 3 x 3 convolutions, each followed by batch normalisation (if ``norm``), 2 x 2 max-pooling and ReLU;
means over squares, a hidden layer with ReLU and dropout, an output layer, and a second one beside it, if any.  Its
weights are one vector of float32: each layer's weights and constants, with gains and shifts of the normalisations
between convolutions and dense layers.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from physnn.kernels.cnn.layers import (
    adam_step,
    add_rows,
    affine,
    average_squares,
    batch_statistics,
    convolve,
    convolve_back,
    cross_entropy_back,
    dense,
    descent_step,
    distance_back,
    follow,
    gather_images,
    images_at_once,
    label_back,
    normalise_back,
    pool,
    spread_squares,
    unpool,
)
from physnn.kernels.jit import njit
from physnn.kernels.primitives import copy

Layers = namedtuple(
    "Layers",
    "kernel1 constants1 kernel2 constants2 gain1 shift1 gain2 shift2 hidden hidden_constants output output_constants "
    "label label_constants",
)
"""Views of the parts of a vector of weights, or of their slopes."""
Space = namedtuple(
    "Space",
    "padded1 padded2 columns1 columns2 maps1 maps2 places1 places2 pooled flat activity logits label statistics",
)
"""Arrays that a batch goes through; ``statistics``: mean and variance of both layers' maps, shape (4, most maps)."""


@njit(cache=True, nogil=True)
def sizes(channels, widths):
    """Number of weights in each part of the vector, in the order of `Layers`, shape ``(14,)``."""
    maps1, maps2, units, classes, grid, labels = widths
    first, second, hidden = 9 * channels * maps1, 9 * maps1 * maps2, maps2 * grid**2 * units
    dense_layers = [hidden, units, units * classes, classes, units * labels, labels]
    return np.array([first, maps1, second, maps2, maps1, maps1, maps2, maps2, *dense_layers])


@njit(cache=True, nogil=True)
def parts(vector, channels, widths):
    """Views of the parts of a vector."""
    maps1, maps2, units, classes, grid, labels = widths
    e = np.cumsum(sizes(channels, widths))
    return Layers(
        vector[: e[0]].reshape(9 * channels, maps1),
        vector[e[0] : e[1]],
        vector[e[1] : e[2]].reshape(9 * maps1, maps2),
        vector[e[2] : e[3]],
        vector[e[3] : e[4]],
        vector[e[4] : e[5]],
        vector[e[5] : e[6]],
        vector[e[6] : e[7]],
        vector[e[7] : e[8]].reshape(maps2 * grid**2, units),
        vector[e[8] : e[9]],
        vector[e[9] : e[10]].reshape(units, classes),
        vector[e[10] : e[11]],
        vector[e[11] : e[12]].reshape(units, labels),
        vector[e[12] : e[13]],
    )


@njit(cache=True, nogil=True)
def space(batch, side, channels, widths):
    """Room for a batch of images."""
    maps1, maps2, units, classes, grid, labels = widths
    half, quarter = side // 2, side // 4
    padded1 = np.zeros((batch, side + 2, side + 2, channels), np.float32)
    padded2 = np.zeros((batch, half + 2, half + 2, maps1), np.float32)
    statistics = np.zeros((4, max(maps1, maps2)), np.float32)
    return Space(
        padded1,
        padded2,
        np.empty((images_at_once(padded1) * side**2, 9 * channels), np.float32),
        np.empty((images_at_once(padded2) * half**2, 9 * maps1), np.float32),
        np.empty((batch * side**2, maps1), np.float32),
        np.empty((batch * half**2, maps2), np.float32),
        np.empty((batch, half, half, maps1), np.uint8),
        np.empty((batch, quarter, quarter, maps2), np.uint8),
        np.empty((batch, quarter, quarter, maps2), np.float32),
        np.empty((batch, maps2 * grid**2), np.float32),
        np.empty((batch, units), np.float32),
        np.empty((batch, classes), np.float32),
        np.empty((batch, labels), np.float32),
        statistics,
    )


@njit(cache=True, nogil=True)
def untie(own, tie, tie_scale, weights):
    """Fill the network's weights from its trained ones."""
    for k in range(len(weights)):
        weights[k] = tie_scale[k] * own[tie[k]]


@njit(cache=True, nogil=True)
def forward_pass(s, w, b, grid, keep, norm, running, training):
    """Take the first ``b`` images in ``s.padded1`` to ``s.logits``; ``keep (b, units)`` are factors for dropout."""
    side, half = s.padded1.shape[1] - 2, s.padded2.shape[1] - 2
    if norm and not training:
        copy(running, s.statistics)
    convolve(s.padded1, b, w.kernel1, s.columns1, s.maps1)
    mean, variance = s.statistics[0, : len(w.gain1)], s.statistics[1, : len(w.gain1)]
    if norm and training:
        batch_statistics(s.maps1[: b * side**2], mean, variance)
        follow(running[0], running[1], mean, variance, b * side**2)
    scale, shift = affine(w.constants1, w.gain1, w.shift1, mean, variance, norm)
    pool(s.maps1, side, side, scale, shift, np.int64(1), b, s.padded2, s.places1)

    convolve(s.padded2, b, w.kernel2, s.columns2, s.maps2)
    mean, variance = s.statistics[2, : len(w.gain2)], s.statistics[3, : len(w.gain2)]
    if norm and training:
        batch_statistics(s.maps2[: b * half**2], mean, variance)
        follow(running[2], running[3], mean, variance, b * half**2)
    scale, shift = affine(w.constants2, w.gain2, w.shift2, mean, variance, norm)
    pool(s.maps2, half, half, scale, shift, np.int64(0), b, s.pooled, s.places2)

    average_squares(s.pooled, b, grid, s.flat)
    dense(s.flat[:b], w.hidden, w.hidden_constants, s.activity[:b], np.bool_(True))
    for i in range(min(b, len(keep))):
        for k in range(keep.shape[1]):
            s.activity[i, k] *= keep[i, k]
    dense(s.activity[:b], w.output, w.output_constants, s.logits[:b], np.bool_(False))
    if training and len(w.label_constants):
        dense(s.activity[:b], w.label, w.label_constants, s.label[:b], np.bool_(False))


@njit(cache=True, nogil=True)
def backward_pass(s, back, w, d, b, grid, keep, norm):
    """Add to the slopes ``d`` what the derivatives by both outputs, in ``s.logits`` and ``s.label``, give.

    ``back`` is room.
    """
    side, half = s.padded1.shape[1] - 2, s.padded2.shape[1] - 2
    flow, activity = s.logits[:b], s.activity[:b]
    np.dot(activity.T, flow, d.output)
    add_rows(flow, d.output_constants)
    np.dot(flow, w.output.T, back.activity[:b])
    if len(w.label_constants):
        label_back(s.label[:b], activity, w.label, d.label, d.label_constants, back.activity[:b])
    for i in range(b):
        for k in range(activity.shape[1]):
            g = back.activity[i, k] if activity[i, k] > 0 else np.float32(0)
            back.activity[i, k] = g * keep[i, k] if len(keep) else g
    flow = back.activity[:b]
    np.dot(s.flat[:b].T, flow, d.hidden)
    add_rows(flow, d.hidden_constants)
    np.dot(flow, w.hidden.T, back.flat[:b])
    spread_squares(back.flat, b, grid, back.pooled)

    unpool(back.pooled, s.places2, half, half, np.int64(0), b, back.maps2)
    maps, flow = s.maps2[: b * half**2], back.maps2[: b * half**2]
    if norm:
        mean, variance = s.statistics[2, : len(w.gain2)], s.statistics[3, : len(w.gain2)]
        normalise_back(maps, mean, variance, w.gain2, flow, d.gain2, d.shift2)
    add_rows(flow, d.constants2)
    back.padded2[:b] = 0
    convolve_back(s.padded2, b, w.kernel2, s.columns2, flow, d.kernel2, back.padded2)

    unpool(back.padded2, s.places1, side, side, np.int64(1), b, back.maps1)
    maps, flow = s.maps1[: b * side**2], back.maps1[: b * side**2]
    if norm:
        mean, variance = s.statistics[0, : len(w.gain1)], s.statistics[1, : len(w.gain1)]
        normalise_back(maps, mean, variance, w.gain1, flow, d.gain1, d.shift1)
    add_rows(flow, d.constants1)
    convolve_back(s.padded1, b, w.kernel1, s.columns1, flow, d.kernel1, np.empty((0, 0, 0, 0), np.float32))


@njit(cache=True, nogil=True)
def pull(own, orbits, shrink):
    """Draw weights to their means over orbits ``(symmetries, P)``, by shares ``(symmetries, P)``, in place."""
    for s in range(len(orbits)):
        number = orbits[s]
        sums, counts = np.zeros(number.max() + 1), np.zeros(number.max() + 1)
        for k in range(len(own)):
            sums[number[k]] += own[k]
            counts[number[k]] += 1
        for k in range(len(own)):
            own[k] -= shrink[s, k] * (own[k] - np.float32(sums[number[k]] / counts[number[k]]))


@njit(cache=True, nogil=True)
def _go_through(
    own,
    tie,
    tie_scale,
    mean,
    square,
    running,
    step,
    images,
    labels,
    places,
    order,
    keep,
    batch,
    rates,
    norm,
    widths,
    orbits,
    shrink,
    found,
):
    """Train as `train_classifier`, or if ``found (n, classes)`` has room fill it with the logits and change nothing.

    Both are one function, because the two passes take seconds to compile.
    """
    _, side, _, channels = images.shape
    training = len(found) == 0
    s, back = space(batch, side, channels, widths), space(batch if training else 0, side, channels, widths)
    weights, target = np.empty(len(tie), np.float32), np.empty(batch, np.int64)
    slope, own_slope = np.empty_like(weights), np.empty_like(own)
    w, d = parts(weights, channels, widths), parts(slope, channels, widths)
    total = 0.0
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        b, kept = len(chosen), keep[start : start + batch]
        untie(own, tie, tie_scale, weights)
        gather_images(images, chosen, s.padded1)
        forward_pass(s, w, b, widths[4], kept, norm, running, training)
        if not training:
            copy(s.logits[:b], found[start : start + b])
            continue
        for i in range(b):
            target[i] = labels[chosen[i]]
        slope[:] = 0
        total += cross_entropy_back(s.logits[:b], target[:b])
        if len(w.label_constants):
            distance_back(s.label[:b], places, chosen, np.float32(rates[3]))
        backward_pass(s, back, w, d, b, widths[4], kept, norm)
        own_slope[:] = 0
        for k in range(len(slope)):
            own_slope[tie[k]] += tie_scale[k] * slope[k]
        step += 1
        lr, decay, momentum, _ = rates
        if len(square):
            adam_step(own, own_slope, mean, square, step, lr, np.float32(decay))
        else:
            descent_step(own, own_slope, mean, np.float32(lr), np.float32(decay), np.float32(momentum))
        pull(own, orbits, shrink)
    return total / len(order)


def train_classifier(
    own,
    tie,
    tie_scale,
    mean,
    square,
    running,
    step,
    images,
    labels,
    places,
    order,
    keep,
    batch,
    rates,
    norm,
    widths,
    orbits,
    shrink,
):
    """Train one network over the images of ``order``, in place, and return the mean cross-entropy.

    Parameters
    ----------
    own, mean, square : ndarray of float32, shape (P,)
        Trained weights in any order, and Adam's two averages.  With an empty ``square``: gradient descent, whose
        velocity is ``mean``.
    tie, tie_scale : ndarray of int64 and float32, shape (Q,)
        Weight k of the network is ``tie_scale[k] * own[tie[k]]``; a scale of 0 leaves it out.
    running : ndarray of float32, shape (4, maps)
        Running mean and variance of the first and of the second maps; used if ``norm``.
    step : int
        Steps of the optimiser before these.
    images, labels : ndarray of float32 (n, side, side, channels) and int64 (n,)
    places : ndarray of float32, shape (n, labels)
        What the second output is drawn to, if there is one.
    order : ndarray of int64, shape (m,)
        Which images, batch after batch; the last batch may be smaller.
    keep : ndarray of float32, shape (m, units) or (0, units)
        Factors of the hidden units for each image, 0 or 1/(1 - rate) for dropout; empty for none.
    batch : int
    rates : tuple of float
        (learning rate, weight decay, momentum, weight): momentum is the share of the velocity that gradient descent
        keeps, and the last the weight of the second output's mean squared distance from its places in the loss.
    norm : bool
        Whether maps are normalised.
    widths : tuple of int
        (maps1, maps2, units, classes, grid, labels): the last maps are averaged to grid x grid places, which must
        divide their side; the second output has as many numbers as ``labels``, 0 for none.
    orbits, shrink : ndarray of int64 and float32, shape (symmetries, P)
        Number of every trained weight's orbit under symmetries that weights are drawn to, and the share of its distance
        from the mean of its orbit that goes in one step; no rows for none.
    """
    arguments = own, tie, tie_scale, mean, square, running, step, images, labels, places, order, keep, batch, rates
    return _go_through(*arguments, norm, widths, orbits, shrink, np.empty((0, widths[3]), np.float32))


def predict(own, tie, tie_scale, running, images, batch, norm, widths):
    """Logits ``(n, classes)`` of images, without dropout and with running statistics; see `train_classifier`."""
    every, found = np.arange(len(images)), np.empty((len(images), widths[3]), np.float32)
    keep = np.empty((0, widths[2]), np.float32)
    places = np.empty((0, widths[5]), np.float32)
    nothing = own, own, running, 0, images, every, places, every, keep, batch, (0.0, 0.0, 0.0, 0.0)
    symmetries = np.empty((0, len(own)), np.int64), np.empty((0, len(own)), np.float32)
    _go_through(own, tie, tie_scale, *nothing, norm, widths, *symmetries, found)
    return found
