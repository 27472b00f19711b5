"""Layers of small convolutional classifiers, forwards and backwards, in arrays that stay in the cache.

Images and maps are float32 ``(batch, H, W, channels)``; padded ones have a border of zeros.  Convolutions are unfolded
and multiplied by BLAS, a few images at a time.
"""

from __future__ import annotations

import numpy as np

from physnn.kernels.jit import njit

UNFOLDED_ROWS = 512
"""Rows of an unfolded matrix: few enough to stay in the cache, enough to be worth a multiplication."""
EPSILON = np.float32(1e-5)
"""Number added to a variance by batch normalisation, as torch has it."""
MOMENTUM = np.float32(0.1)
"""Share of a new batch in the running statistics of batch normalisation, as torch has it."""
ROWS = 1024
"""Rows summed in single precision before their sum is added to others: long sums would gather rounding."""
DEAD = 4
"""Code for the place of a maximum that is not positive, through which nothing flows back."""


@njit(cache=True, nogil=True)
def unfold(padded, first, count, columns):
    """Fill rows of ``columns`` with the 3 x 3 neighbourhoods of images ``first`` to ``first + count - 1``."""
    _, height, width, channels = padded.shape
    source, target = padded.reshape(-1), columns.reshape(-1)
    run, to = 3 * channels, 0
    for i in range(first, first + count):
        for y in range(height - 2):
            for x in range(width - 2):
                for r in range(3):
                    start = ((i * height + y + r) * width + x) * channels
                    there, here = target[to : to + run], source[start : start + run]
                    for k in range(run):
                        there[k] = here[k]
                    to += run


@njit(cache=True, nogil=True)
def fold_add(columns, first, count, padded):
    """Add rows of ``columns`` to the 3 x 3 neighbourhoods of padded images: the transpose of `unfold`."""
    _, height, width, channels = padded.shape
    source, target = columns.reshape(-1), padded.reshape(-1)
    run, at = 3 * channels, 0
    for i in range(first, first + count):
        for y in range(height - 2):
            for x in range(width - 2):
                for r in range(3):
                    start = ((i * height + y + r) * width + x) * channels
                    there, here = target[start : start + run], source[at : at + run]
                    for k in range(run):
                        there[k] += here[k]
                    at += run


@njit(cache=True, nogil=True)
def images_at_once(padded):
    """Number of images unfolded at once: about `UNFOLDED_ROWS` rows of the matrix."""
    return max(1, UNFOLDED_ROWS // ((padded.shape[1] - 2) * (padded.shape[2] - 2)))


@njit(cache=True, nogil=True)
def convolve(padded, images, kernel, columns, maps):
    """Fill ``maps (batch H W, channels out)`` with the convolution, without constants."""
    places = (padded.shape[1] - 2) * (padded.shape[2] - 2)
    step = images_at_once(padded)
    for first in range(0, images, step):
        count = min(step, images - first)
        unfold(padded, first, count, columns)
        np.dot(columns[: count * places], kernel, maps[first * places : (first + count) * places])


@njit(cache=True, nogil=True)
def convolve_back(padded, images, kernel, columns, flow, slope, back):
    """Add to ``slope`` the derivative by the kernel and, if it has room, to ``back`` that by the padded images."""
    places = (padded.shape[1] - 2) * (padded.shape[2] - 2)
    step = images_at_once(padded)
    part = np.empty_like(slope)
    for first in range(0, images, step):
        count = min(step, images - first)
        here = flow[first * places : (first + count) * places]
        unfold(padded, first, count, columns)
        np.dot(columns[: count * places].T, here, part)
        for j in range(slope.shape[0]):
            for k in range(slope.shape[1]):
                slope[j, k] += part[j, k]
        if back.size:
            np.dot(here, kernel.T, columns[: count * places])
            fold_add(columns, first, count, back)


@njit(cache=True, nogil=True)
def pool(maps, height, width, scale, shift, border, images, out, places):
    """Fill ``out`` with relu(max over 2 x 2 of scale * maps + shift), and ``places`` with where the maximum was."""
    channels = maps.shape[1]
    for i in range(images):
        for y in range(height // 2):
            for x in range(width // 2):
                corner = (i * height + 2 * y) * width + 2 * x
                a, b = maps[corner], maps[corner + 1]
                c, d = maps[corner + width], maps[corner + width + 1]
                pooled, place = out[i, y + border, x + border], places[i, y, x]
                for k in range(channels):
                    s, t = scale[k], shift[k]
                    best, which = a[k] * s + t, 0
                    value = b[k] * s + t
                    which = 1 if value > best else which
                    best = max(value, best)
                    value = c[k] * s + t
                    which = 2 if value > best else which
                    best = max(value, best)
                    value = d[k] * s + t
                    which = 3 if value > best else which
                    best = max(value, best)
                    pooled[k] = max(best, np.float32(0))
                    place[k] = which if best > 0 else DEAD


@njit(cache=True, nogil=True)
def unpool(back, places, height, width, border, images, flow):
    """Fill ``flow (batch H W, channels)`` with what flows back through `pool`, before its scale."""
    channels = flow.shape[1]
    if height % 2 or width % 2:
        flow[:] = 0
    for i in range(images):
        for y in range(height // 2):
            for x in range(width // 2):
                corner = (i * height + 2 * y) * width + 2 * x
                g, place = back[i, y + border, x + border], places[i, y, x]
                a, b = flow[corner], flow[corner + 1]
                c, d = flow[corner + width], flow[corner + width + 1]
                for k in range(channels):
                    a[k] = g[k] if place[k] == 0 else np.float32(0)
                    b[k] = g[k] if place[k] == 1 else np.float32(0)
                    c[k] = g[k] if place[k] == 2 else np.float32(0)
                    d[k] = g[k] if place[k] == 3 else np.float32(0)


@njit(cache=True, nogil=True)
def average_squares(maps, images, grid, out):
    """Fill ``out (batch, grid^2 channels)`` with means of maps ``(batch, side, side, channels)`` over squares."""
    side, channels = maps.shape[1], maps.shape[3]
    block = side // grid
    share = np.float32(1 / block**2)
    out[:images] = 0
    for i in range(images):
        for y in range(side):
            for x in range(side):
                start = ((y // block) * grid + x // block) * channels
                there, here = out[i, start : start + channels], maps[i, y, x]
                for k in range(channels):
                    there[k] += share * here[k]


@njit(cache=True, nogil=True)
def spread_squares(back, images, grid, maps):
    """Fill ``maps`` with what flows back through `average_squares`."""
    side, channels = maps.shape[1], maps.shape[3]
    block = side // grid
    share = np.float32(1 / block**2)
    for i in range(images):
        for y in range(side):
            for x in range(side):
                start = ((y // block) * grid + x // block) * channels
                there, here = maps[i, y, x], back[i, start : start + channels]
                for k in range(channels):
                    there[k] = share * here[k]


@njit(cache=True, nogil=True)
def add_rows(flow, total):
    """Add the sum of all rows to ``total``."""
    part = np.empty_like(total)
    for start in range(0, len(flow), ROWS):
        part[:] = 0
        for row in flow[start : start + ROWS]:
            for k in range(len(total)):
                part[k] += row[k]
        for k in range(len(total)):
            total[k] += part[k]


@njit(cache=True, nogil=True)
def batch_statistics(maps, mean, variance):
    """Fill mean and (biased) variance of every channel over all rows."""
    mean[:] = 0
    add_rows(maps, mean)
    count = np.float32(len(maps))
    for k in range(len(mean)):
        mean[k] /= count
    variance[:] = 0
    part = np.empty_like(variance)
    for start in range(0, len(maps), ROWS):
        part[:] = 0
        for row in maps[start : start + ROWS]:
            for k in range(len(mean)):
                part[k] += (row[k] - mean[k]) ** 2
        for k in range(len(mean)):
            variance[k] += part[k]
    for k in range(len(mean)):
        variance[k] /= count


@njit(cache=True, nogil=True)
def normalise_back(maps, mean, variance, gain, flow, gain_slope, shift_slope):
    """Turn the derivative by normalised maps into that by maps, in place, and add those by gain and shift."""
    rows, channels = maps.shape
    inverse = 1 / np.sqrt(variance + EPSILON)
    sums, products = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    add_rows(flow, sums)
    part = np.empty_like(products)
    for start in range(0, rows, ROWS):
        part[:] = 0
        for row in range(start, min(start + ROWS, rows)):
            g, z = flow[row], maps[row]
            for k in range(channels):
                part[k] += g[k] * (z[k] - mean[k]) * inverse[k]
        for k in range(channels):
            products[k] += part[k]
    for k in range(channels):
        gain_slope[k] += products[k]
        shift_slope[k] += sums[k]
    share = np.float32(1 / rows)
    for row in range(rows):
        g, z = flow[row], maps[row]
        for k in range(channels):
            hat = (z[k] - mean[k]) * inverse[k]
            g[k] = gain[k] * inverse[k] * (g[k] - share * (sums[k] + hat * products[k]))


@njit(cache=True, nogil=True)
def affine(constants, gain, shift, mean, variance, norm):
    """Scale and shift that `pool` applies to the maps."""
    scale, moved = np.empty_like(constants), np.empty_like(constants)
    for k in range(len(constants)):
        scale[k] = gain[k] / np.sqrt(variance[k] + EPSILON) if norm else np.float32(1)
        moved[k] = shift[k] - mean[k] * scale[k] if norm else constants[k]
    return scale, moved


@njit(cache=True, nogil=True)
def dense(inputs, weights, constants, out, relu):
    """Fill ``out`` with the layer's values, of which negative ones become zero if ``relu``."""
    np.dot(inputs, weights, out)
    for row in out:
        for k in range(len(constants)):
            row[k] += constants[k]
            row[k] = max(row[k], np.float32(0)) if relu else row[k]


@njit(cache=True, nogil=True)
def cross_entropy_back(logits, labels):
    """Summed cross-entropy; logits become the derivative of its mean, in place."""
    total = 0.0
    share = np.float32(1 / len(logits))
    for i in range(len(logits)):
        row = logits[i]
        top, norm = row[0], np.float32(0)
        for k in range(1, len(row)):
            top = max(top, row[k])
        for k in range(len(row)):
            norm += np.exp(row[k] - top)
        total += np.log(norm) - (row[labels[i]] - top)
        for k in range(len(row)):
            row[k] = share * np.exp(row[k] - top) / norm
        row[labels[i]] -= share
    return total


@njit(cache=True, nogil=True)
def distance_back(label, places, chosen, weight):
    """Turn second outputs into the derivative of ``weight`` times their mean squared distance from their places."""
    factor = 2 * weight * np.float32(1 / len(label))
    for i in range(len(label)):
        for k in range(label.shape[1]):
            label[i, k] = factor * (label[i, k] - places[chosen[i], k])


@njit(cache=True, nogil=True)
def label_back(flow, activity, weights, slope, constants_slope, back):
    """Add what flows back from the second output to ``back``, and its slopes to others.

    By loops, not by a product of wider matrices: so what the logits give does not change in its last bit.
    """
    for i in range(len(flow)):
        for j in range(activity.shape[1]):
            for k in range(flow.shape[1]):
                back[i, j] += flow[i, k] * weights[j, k]
                slope[j, k] += activity[i, j] * flow[i, k]
        for k in range(flow.shape[1]):
            constants_slope[k] += flow[i, k]


@njit(cache=True, nogil=True)
def gather_images(images, chosen, padded):
    """Copy chosen images into the inside of padded ones."""
    side, channels = images.shape[1], images.shape[3]
    for i in range(len(chosen)):
        for y in range(side):
            there, here = padded[i, y + 1].reshape(-1), images[chosen[i], y].reshape(-1)
            for k in range(side * channels):
                there[channels + k] = here[k]


@njit(cache=True, nogil=True)
def adam_step(weights, slope, mean, square, step, lr, decay):
    """Take one step of Adam (D. P. Kingma and J. Ba, arXiv:1412.6980) with weight decay added to the slope."""
    # All in float32: one wider number would make the whole loop twice as slow.
    fresh1, old2, fresh2, tiny = np.float32(0.1), np.float32(0.999), np.float32(0.001), np.float32(1e-8)
    size = np.float32(lr / (1 - 0.9**step))
    root = np.float32(1 / np.sqrt(1 - 0.999**step))
    for k in range(len(weights)):
        g = slope[k] + decay * weights[k]
        mean[k] += fresh1 * (g - mean[k])
        square[k] = old2 * square[k] + fresh2 * (g * g)
        weights[k] -= size * mean[k] / (np.sqrt(square[k]) * root + tiny)


@njit(cache=True, nogil=True)
def descent_step(weights, slope, velocity, lr, decay, momentum):
    """Take one step of gradient descent with momentum and weight decay added to the slope."""
    for k in range(len(weights)):
        velocity[k] = momentum * velocity[k] + (slope[k] + decay * weights[k])
        weights[k] -= lr * velocity[k]


@njit(cache=True, nogil=True)
def follow(running_mean, running_variance, mean, variance, count):
    """Move running statistics towards those of a batch; the variance without bias, as torch has it."""
    unbiased = np.float32(count / max(count - 1, 1))
    for k in range(len(mean)):
        running_mean[k] += MOMENTUM * (mean[k] - running_mean[k])
        running_variance[k] += MOMENTUM * (unbiased * variance[k] - running_variance[k])
