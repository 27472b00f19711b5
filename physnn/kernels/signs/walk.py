"""Single-weight moves through the loss levels of a +-1 network, weighted by an estimate of their numbers."""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.random import below, random_word, uniform
from physnn.kernels.signs.losses import EMPTY, PER_LOSS, activated, hashed, point_loss


@njit(cache=True, nogil=True)
def _slot(places, slots, loss):
    """Slot of a level, or ``-1 - place`` where a new one belongs; neighbouring bins are the same level."""
    key = np.int64(math.floor(loss * PER_LOSS))
    mask, free = len(places) - 1, np.int64(-1)
    for shift in (0, 1, -1):
        place = hashed(key + shift) & mask
        while places[place] != EMPTY:
            if places[place] == key + shift:
                return slots[place]
            place = (place + 1) & mask
        if shift == 0:
            free = place
    return -1 - free


@njit(cache=True, nogil=True)
def propagate(units, inputs, activations, starts, w, acts, layer, unit):
    """Recompute one unit of a layer and all units of later layers; ``unit = -1`` for all of the layer."""
    points = acts.shape[2]
    for at in range(layer, len(units)):
        for i in range(units[at]):
            if at == layer and unit >= 0 and i != unit:
                continue
            first = starts[at] + i * inputs[at]
            row = acts[at + 1, i]
            row[:] = 0.0
            for j in range(inputs[at]):
                weight, fed = w[first + j], acts[at, j]
                for p in range(points):
                    row[p] += weight * fed[p]
            for p in range(points):
                row[p] = activated(activations[at], row[p])


@njit(cache=True, nogil=True)
def walk(
    units, inputs, activations, loss, y, starts, layer_of, unit_of, w, acts, trial, generator, table, at, schedule
):
    """Make moves: flip one weight, accept with ``min(1, g(old level) / g(new level))``.

    Parameters
    ----------
    units, inputs, activations, loss, y
        As for `physnn.kernels.signs.losses.plain_losses`.
    starts, layer_of, unit_of : ndarray of int64
        First parameter of each layer; layer and unit of each parameter.
    w : ndarray of float64, shape (weights,)
        The configuration, changed in place.
    acts, trial : ndarray of float64, shape (layers + 1, widest, points)
        What each layer is fed, in the configuration and for a proposal; equal on entry and return.
    generator : ndarray of uint64, shape (4,)
        Random state, changed in place.
    table : tuple of ndarray (places, slots, losses, log_g, visits, bookkeeping)
        Hash table from bins to slots; of each slot its loss, ``ln g`` and visits; in bookkeeping[0] the number of
        slots in use.
    at : int
        Slot of the configuration.
    schedule : tuple (moves, done, log_f, inverse)
        Moves to make, moves made before, what is added to ``ln g`` of the level visited, or whether that is levels /
        moves made instead.

    Returned is the slot of the configuration; -1 if the table is full.
    """
    places, slots, losses, log_g, visits, book = table
    moves, done, log_f, inverse = schedule
    layers, points = len(units), len(y)
    for move in range(moves):
        k = below(generator, len(w))
        layer, unit = layer_of[k], unit_of[k]
        w[k] = -w[k]
        propagate(units, inputs, activations, starts, w, trial, layer, unit)
        total = 0.0
        for p in range(points):
            total += point_loss(loss, trial[layers, 0, p], y[p])
        new = _slot(places, slots, total / points)
        if new < 0:
            if book[0] == len(log_g):
                return -1
            place, new = -1 - new, book[0]
            places[place], slots[place] = np.int64(math.floor(total / points * PER_LOSS)), new
            # A level never seen is at most as numerous as the rarest seen.
            log_g[new], losses[new] = log_g[: book[0]].min() if book[0] else 0.0, total / points
            book[0] += 1
        accepted = (
            at < 0 or log_g[new] <= log_g[at] or uniform(random_word(generator)) < math.exp(log_g[at] - log_g[new])
        )
        source, target = (trial, acts) if accepted else (acts, trial)
        if accepted:
            at = new
        else:
            w[k] = -w[k]
        for changed in range(layer + 1, layers + 1):
            for i in range(units[changed - 1]):
                if changed == layer + 1 and i != unit:
                    continue
                for p in range(points):
                    target[changed, i, p] = source[changed, i, p]
        log_g[at] += book[0] / (done + move + 1) if inverse else log_f
        visits[at] += 1
    return at
