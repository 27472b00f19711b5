# mypy: disable-error-code="call-arg"
"""Single-site updates and measurements of colours on any lattice, given as a table of neighbours.

Where neighbourhoods are few, they are numbered: ``key = sum over bonds of strides[kind, colour of the neighbour]``,
and a table of thresholds holds the transition probabilities as in `physnn.kernels.lattice.local`.  Otherwise the
energies of all colours are summed at every site.
"""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.observables import DONE, ROW, SITES
from physnn.kernels.primitives import copy
from physnn.kernels.random import SHIFT, next_word, uniform

BY_KEY, SUMMED_METROPOLIS, SUMMED_HEAT_BATH, EXCHANGE = 0, 1, 2, 3
"""Codes of the rules: by number of the neighbourhood, by summed energies, and exchange of neighbours."""
LARGEST_ACCEPTANCE = 15 / 16
"""Largest probability of acceptance of a summed Metropolis move, as in tables."""
_32 = uint64(32)


@njit(cache=True, nogil=True)
def sublattices(patterns, offsets):
    """Class of every site, int8 (N,), so that no neighbours share one: the first that no earlier neighbour has."""
    classes = np.full(patterns.shape[0], -1, np.int8)
    for site in range(patterns.shape[0]):
        taken = uint64(0)
        for slot in range(offsets.shape[1]):
            other = site + offsets[patterns[site], slot]
            if other != site and classes[other] >= 0:
                taken |= uint64(1) << uint64(classes[other])
        number = 0
        while (taken >> uint64(number)) & uint64(1):
            number += 1
        classes[site] = number
    return classes


@njit(cache=True, nogil=True)
def sweep_by_key(flat, state, patterns, offsets, rows, strides, table, order):
    """Update N sites, by the numbers of their neighbourhoods.

    Parameters
    ----------
    flat : ndarray of int8, shape (N,)
        The configuration; updated in place.
    state : ndarray of uint64, shape (4,)
        The generator.
    patterns, offsets : ndarray
        Of `physnn.models.geometry.Neighbours`.
    rows : ndarray of int32, shape (patterns, z)
        Where the strides of a bond begin: q times its kind.
    strides : ndarray of int32, shape (6 q,)
        What a bond adds to the key, by kind and colour of the neighbour.
    table : ndarray of uint64, shape (q, keys, q - 1)
        Transition thresholds.
    order : ndarray of int32, shape (N,) or (0,)
        Order of the sites; empty for sites drawn with replacement.
    """
    # Places are counted without a sign: a negative one would be looked for from the end of an array.
    N, bonds, others, keys = uint64(flat.size), uint64(offsets.shape[1]), table.shape[2], table.shape[1]
    far, row, level_of, two = offsets.reshape(-1), rows.reshape(-1), table.reshape(-1), table.shape[0] == 2
    a, b, c, d = state[0], state[1], state[2], state[3]
    for n in range(flat.size):
        if order.shape[0]:
            site = uint64(order[n])
        else:
            word, a, b, c, d = next_word(a, b, c, d)
            site = ((word >> _32) * N) >> _32
        key, first = 0, uint64(patterns[site]) * bonds
        for slot in range(bonds):
            bond = first + uint64(slot)
            key += strides[uint64(row[bond] + flat[uint64(np.int64(site) + far[bond])])]
        word, a, b, c, d = next_word(a, b, c, d)
        level, place = word >> SHIFT, uint64((flat[site] * keys + key) * others)
        if two:
            flat[site] = level >= level_of[place]
        else:
            new = 0
            for colour in range(others):
                new += level >= level_of[place + uint64(colour)]
            flat[site] = new
    state[0], state[1], state[2], state[3] = a, b, c, d


@njit(cache=True, nogil=True)
def sweep_by_sum(flat, state, patterns, offsets, kinds, pair, field, beta, rule, order):
    """Update N sites, by the energies of all their colours.

    Other parameters are those of `sweep_by_key`.

    Parameters
    ----------
    kinds : ndarray of int8, shape (patterns, z)
        Of `physnn.models.geometry.Neighbours`.
    pair : ndarray of float64, shape (6, q, q)
        Energy of a bond by kind and colours.
    field : ndarray of float64, shape (q,)
        Energy of a site by colour.
    beta : float
        Inverse temperature.
    rule : int
        `SUMMED_METROPOLIS` or `SUMMED_HEAT_BATH`.
    """
    N, q = uint64(flat.size), field.shape[0]
    energy = np.empty(q)
    a, b, c, d = state[0], state[1], state[2], state[3]
    for n in range(flat.size):
        if order.shape[0]:
            site = np.int64(order[n])
        else:
            word, a, b, c, d = next_word(a, b, c, d)
            site = np.int64(((word >> _32) * N) >> _32)
        pattern = patterns[site]
        energy[:] = field
        for slot in range(offsets.shape[1]):
            kind, colour = kinds[pattern, slot], flat[site + offsets[pattern, slot]]
            for new in range(q):
                energy[new] += pair[kind, colour, new]
        word, a, b, c, d = next_word(a, b, c, d)
        old = flat[site]
        if rule == SUMMED_METROPOLIS:
            drawn = np.int64(((word >> _32) * uint64(q - 1)) >> _32)
            new = drawn + (drawn >= old)
            word, a, b, c, d = next_word(a, b, c, d)
            cost = beta * (energy[new] - energy[old])
            if uniform(word) < LARGEST_ACCEPTANCE * math.exp(-max(cost, 0.0)):
                flat[site] = new
        else:
            least, total = energy.min(), 0.0
            for new in range(q):
                energy[new] = math.exp(-beta * (energy[new] - least))
                total += energy[new]
            rest, new = uniform(word) * total - energy[0], 0
            while rest >= 0 and new < q - 1:
                new += 1
                rest -= energy[new]
            flat[site] = new
    state[0], state[1], state[2], state[3] = a, b, c, d


@njit(cache=True, nogil=True)
def exchange_sites(flat, state, patterns, offsets, kinds, pair, beta, nearest):
    """Try to exchange the colours of N random pairs of nearest neighbours (K. Kawasaki, Phys. Rev. 145, 224 (1966)).

    The number of sites of every colour stays.  A pair is a random site and one of its first ``nearest`` bonds; it is
    accepted with the Metropolis probability.  Other parameters are those of `sweep_by_sum`.
    """
    N = uint64(flat.size)
    a, b, c, d = state[0], state[1], state[2], state[3]
    for _ in range(flat.size):
        word, a, b, c, d = next_word(a, b, c, d)
        one = np.int64(((word >> _32) * N) >> _32)
        word, a, b, c, d = next_word(a, b, c, d)
        other = one + offsets[patterns[one], ((word >> _32) * uint64(nearest)) >> _32]
        # Where an edge has cut the bond, the other is the site itself.
        if flat[one] == flat[other]:
            continue
        cost = 0.0
        for here, there in ((one, other), (other, one)):
            old, new, pattern = flat[here], flat[there], patterns[here]
            for slot in range(offsets.shape[1]):
                far = here + offsets[pattern, slot]
                # Bonds between the two keep their energy.
                if far != there:
                    kind, colour = kinds[pattern, slot], flat[far]
                    cost += pair[kind, new, colour] - pair[kind, old, colour]
        word, a, b, c, d = next_word(a, b, c, d)
        if cost <= 0 or uniform(word) < math.exp(-beta * cost):
            flat[one], flat[other] = flat[other], flat[one]
    state[0], state[1], state[2], state[3] = a, b, c, d


@njit(cache=True, nogil=True)
def count_graph(flat, patterns, offsets, kinds, pair, labels, planes, by_colour, seen, along):
    """Sum of the energies of all bonds, each met from both sides; sites are counted by colour and place.

    ``by_colour (q,)``, ``seen (labels, q)`` and ``along (dimensions, places, q)``, int32 zeros, are filled; other
    parameters are those of `observe_graph`.
    """
    energy = 0.0
    for site in range(flat.size):
        colour, pattern, around = uint64(flat[site]), uint64(patterns[site]), 0.0
        by_colour[colour] += 1
        seen[uint64(labels[site]), colour] += 1
        for axis in range(planes.shape[0]):
            along[axis, uint64(planes[axis, site]), colour] += 1
        for slot in range(offsets.shape[1]):
            other = uint64(flat[uint64(site + offsets[pattern, slot])])
            around += pair[uint64(kinds[pattern, slot]), colour, other]
        energy += around
    return energy


@njit(cache=True, nogil=True)
def _power(weights, counts, vectors):
    """Squared modulus of ``sum over places and colours of weights[place] counts[place, colour] vectors[colour]``."""
    total = 0.0
    for k in range(vectors.shape[1]):
        value = 0j
        for place in range(counts.shape[0]):
            for colour in range(counts.shape[1]):
                value += weights[place] * (counts[place, colour] * vectors[colour, k])
        total += value.real * value.real + value.imag * value.imag
    return total


@njit(cache=True, nogil=True)
def observe_graph(flat, patterns, offsets, kinds, pair, field, vectors, labels, weights, orders, planes, waves, out):
    """Write energy, m, m2, m4, structure factors and order parameters of a configuration to ``out``.

    Other parameters are those of `sweep_by_sum`.

    Parameters
    ----------
    vectors : ndarray of float64, shape (q, n)
        Order vector of every colour.
    labels, weights, orders, planes
        `physnn.models.geometry.Measures`.
    waves : ndarray of complex, shape (dimensions, places)
        Plane wave of the smallest wave number along every direction, 0 where there is no place.
    out : ndarray of float64
        A row of measurements, see `physnn.models.tabulated.Tabulated.columns`.
    """
    N, dims, q = flat.size, planes.shape[0], vectors.shape[0]
    by_colour, seen = np.zeros(q, np.int32), np.zeros((weights.shape[1], q), np.int32)
    along = np.zeros((dims, waves.shape[1], q), np.int32)
    for column in range(out.shape[0]):
        out[column] = 0.0
    out[0] = 0.5 * count_graph(flat, patterns, offsets, kinds, pair, labels, planes, by_colour, seen, along) / N
    for k in range(vectors.shape[1]):
        total = 0.0
        for colour in range(q):
            total += by_colour[colour] * vectors[colour, k]
        out[1] = total / N
        out[2] += (total / N) * (total / N)
    for colour in range(q):
        out[0] += by_colour[colour] * field[colour] / N
    if vectors.shape[1] > 1:
        out[1] = math.sqrt(out[2])
    out[3] = out[2] * out[2]
    for axis in range(dims):
        # Columns 4 and 5 belong to the last two directions, 7 to the one before.
        out[4 + dims - 1 - axis + (dims - axis > 2)] = _power(waves[axis], along[axis], vectors) / N
    first = 7 + max(dims - 2, 0)
    for wave in range(orders.shape[0]):
        # Rows of the square torus end before the orders.
        if first + orders[wave] < out.shape[0]:
            out[first + orders[wave]] += _power(weights[wave], seen, vectors) / N / N
    for column in range(first, out.shape[0]):
        out[column] = math.sqrt(out[column])


@njit(cache=True, nogil=True)
def record_graph(colours, measured, progress, rows, snapshots, every):
    """Measure, write the next row (and snapshot, each ``every``-th row), and start the next interval.

    ``measured`` are the parameters of `observe_graph` between the configuration and ``out``; others are those of
    `physnn.kernels.lattice.observables.record_row`.
    """
    row = progress[ROW]
    observe_graph(colours.reshape(-1), *measured, rows[row])
    rows[row, 6] = progress[SITES] / colours.size
    if every > 0 and (row + 1) % every == 0:
        copy(colours, snapshots[(row + 1) // every - 1])
    progress[DONE], progress[SITES], progress[ROW] = 0, 0, row + 1


@njit(cache=True, nogil=True)
def run_graph(
    rule, colours, state, neighbours, keyed, summed, order, nearest, measured, interval, budget, progress, rows,
    snapshots, every,
):  # fmt: skip
    """Make sweeps and measure after each ``interval``, until ``budget`` sites are visited or ``rows`` is full.

    Measurements count as visits too.  Other parameters are those of `record_graph`.

    Parameters
    ----------
    rule : int
        `BY_KEY`, `SUMMED_METROPOLIS`, `SUMMED_HEAT_BATH` or `EXCHANGE`.
    neighbours, keyed, summed : tuple
        ``patterns``, ``offsets`` and ``kinds``; ``rows``, ``strides`` and ``table`` of `sweep_by_key`, which may be
        empty for other rules; ``pair``, ``field`` and ``beta`` of `sweep_by_sum`.
    order, nearest
        As in `sweep_by_key` and `exchange_sites`.
    """
    flat = colours.reshape(-1)
    patterns, offsets, kinds = neighbours
    rows_of, strides, table = keyed
    pair, field, beta = summed
    spent = 0
    while spent < budget and progress[ROW] < rows.shape[0]:
        if rule == BY_KEY:
            sweep_by_key(flat, state, patterns, offsets, rows_of, strides, table, order)
        elif rule == EXCHANGE:
            exchange_sites(flat, state, patterns, offsets, kinds, pair, beta, nearest)
        else:
            sweep_by_sum(flat, state, patterns, offsets, kinds, pair, field, beta, rule, order)
        progress[DONE] += 1
        progress[SITES] += flat.size
        spent += flat.size
        if progress[DONE] == interval:
            record_graph(colours, measured, progress, rows, snapshots, every)
            spent += flat.size
