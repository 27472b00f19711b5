# mypy: disable-error-code="call-arg, assignment"
"""All clusters of a torus at once, for R. H. Swendsen and J.-S. Wang's update: 64 bonds to a word.

A bond that the coupling favours (equal colours, or for two antiferromagnetic colours unequal ones) is active with
probability ``1 - exp(-|bond| / T)``, and clusters are what active bonds connect.  Each site has four bonds, also where
two of them lead to the same neighbour (a side of 2), and each bond is tried once.

Sites of a row that active bonds connect are a *run*.  Runs get labels row by row: that of a run above that an active
bond leads to, or a new one; where bonds lead to further runs above, their labels are joined.  Only the labels of two
rows are at work at a time, and all other work is done on whole words.  Labels of one cluster are a forest, in which a
parent is smaller than its children.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.multispin_code import VECTOR, WORD_BITS, draw_lane, lowest, ones
from physnn.kernels.lattice.packed import NO_BIT, ONE_BIT, TOP, columns_in, fill_active, shifted_digits, with_right

SPARE_LANE = VECTOR
"""Lane of the generators that gives what is not the state of bonds."""


@njit(cache=True, nogil=True)
def find_root(parent, site):
    """Root of a site's cluster in a forest; the way to it is shortened."""
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@njit(cache=True, nogil=True)
def join(parent, one, other):
    """Make one cluster of those of two sites."""
    one, other = find_root(parent, one), find_root(parent, other)
    # The smaller number becomes the root, so that a scan in order meets every root before its sites.
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@njit(cache=True, nogil=True)
def _root(parent, label):
    above = parent[label]
    while above != label:
        label = above
        above = parent[label]
    return label


@njit(cache=True, nogil=True)
def _connect(parent, one, other):
    one, other = _root(parent, one), _root(parent, other)
    parent[max(one, other)] = min(one, other)


@njit(cache=True, nogil=True)
def _begin_runs(low, high, i, W, unlike, active, starts):
    """Write where runs of row i start; return whether its last site has an active bond to its first."""
    words, last = low.shape[1], NO_BIT
    for k in range(words):
        differ = low[i, k] ^ with_right(low[i], k, W)
        if high.shape[0]:
            differ |= high[i, k] ^ with_right(high[i], k, W)
        bonds = (differ ^ unlike) & active[k]
        starts[k] = ~((bonds << ONE_BIT) | last) & columns_in(W, k)
        last = bonds >> TOP
    return (bonds >> uint64((W - 1) % WORD_BITS)) & ONE_BIT


@njit(cache=True, nogil=True)
def _bonds_between(low, high, above, i, W, unlike, active, bonds):
    """Write the active bonds of row i to the row ``above``."""
    for k in range(low.shape[1]):
        differ = low[i, k] ^ low[above, k]
        if high.shape[0]:
            differ |= high[i, k] ^ high[above, k]
        bonds[k] = (differ ^ unlike) & active[k] & columns_in(W, k)


@njit(cache=True, nogil=True)
def _spread_left(marks, starts):
    """Marks of a word, spread to the left (lower bits) to the beginnings of their runs."""
    way = ~starts >> ONE_BIT
    marks |= (marks >> ONE_BIT) & way
    for k in range(5):
        way &= way >> (ONE_BIT << uint64(k))
        marks |= (marks >> (ONE_BIT << uint64(k + 1))) & way
    return marks


@njit(cache=True, nogil=True)
def _spread_right(marks, starts, last):
    """Marks at starts of runs, spread to their ends; ``last``: whether the run that enters the word is marked."""
    way = ~starts
    # An addition carries through the ones of a run and stops at the start of the next.
    return marks | (way & ~(way + (((marks << ONE_BIT) | last) & way)))


@njit(cache=True, nogil=True)
def _new_runs(starts, bonds, new):
    """Write where runs start that have no bond to the row above."""
    carry = NO_BIT
    for k in range(starts.shape[0] - 1, -1, -1):
        marks = _spread_left(bonds[k] | (carry << TOP), starts[k])
        new[k] = starts[k] & ~marks
        carry = marks & ~starts[k] & ONE_BIT


@njit(cache=True, nogil=True)
def _label_runs(above, starts, bonds, new, wrap, upper, labels, parent, count):
    """Write the labels of a row's runs, given those of the row above; return the number of labels so far.

    ``above`` and ``starts`` are where runs start in both rows, ``upper`` and ``labels`` their labels in order.
    """
    runs_above, runs, last, covered = -1, -1, NO_BIT, NO_BIT
    for k in range(starts.shape[0]):
        A, B, todo = above[k], starts[k], new[k]
        while todo:
            until = todo ^ (todo - ONE_BIT)
            todo &= todo - ONE_BIT
            labels[runs + np.int64(ones(B & until))] = count
            parent[count] = count
            count += 1
        # A bond between the runs of the bond to its left says nothing new.
        own = bonds[k] & ~(((bonds[k] << ONE_BIT) | last) & ~A & ~B)
        last = bonds[k] >> TOP
        way, seeds = ~B, ((own << ONE_BIT) | covered) & ~B
        behind = way & (~(way + seeds) | seeds)
        first, more = own & ~behind, own & behind
        covered = (own | behind) >> TOP
        while first:
            until = first ^ (first - ONE_BIT)
            first &= first - ONE_BIT
            labels[runs + np.int64(ones(B & until))] = upper[runs_above + np.int64(ones(A & until))]
        while more:
            until = more ^ (more - ONE_BIT)
            more &= more - ONE_BIT
            run, other = runs + np.int64(ones(B & until)), runs_above + np.int64(ones(A & until))
            _connect(parent, labels[run], upper[other])
        runs_above += np.int64(ones(A))
        runs += np.int64(ones(B))
    if wrap:
        _connect(parent, labels[0], labels[runs])
    for run in range(runs + 1):
        labels[run] = parent[labels[run]]
    return count


@njit(cache=True, nogil=True)
def _place_of(i):
    """Place of the labels of row i: the first row has one for itself."""
    return 0 if i == 0 else 1 + i % 2


@njit(cache=True, nogil=True)
def label_row(i, wrap, marks, labels, parent, count):
    """Give the runs of row i labels, given those of the row above; return the number of labels so far.

    Parameters
    ----------
    i : int
        The row; rows come in order.
    wrap : uint64
        Whether its last site has an active bond to its first.
    marks, labels, parent
        Those of `label_clusters`: starts of runs and active bonds of the row are there, starts of new labels are
        written.
    count : int
        Number of labels of the rows above.
    """
    starts, bonds, new = marks[0], marks[1], marks[2]
    _new_runs(starts[i], bonds[i], new[i])
    upper, own = labels[_place_of(i - 1)], labels[_place_of(i)]
    return _label_runs(starts[i - 1], starts[i], bonds[i], new[i], wrap, upper, own, parent, count)


@njit(cache=True, nogil=True)
def close_torus(marks, bonds, labels, parent):
    """Join the labels of the last row and the first, below it, where ``bonds (words,)`` are active."""
    H = marks.shape[1]
    above, starts, upper = marks[0, H - 1], marks[0, 0], labels[_place_of(H - 1)]
    runs_above, runs = -1, -1
    for k in range(starts.shape[0]):
        todo = bonds[k]
        while todo:
            until = todo ^ (todo - ONE_BIT)
            todo &= todo - ONE_BIT
            run, other = runs + np.int64(ones(starts[k] & until)), runs_above + np.int64(ones(above[k] & until))
            _connect(parent, labels[0, run], upper[other])
        runs_above += np.int64(ones(above[k]))
        runs += np.int64(ones(starts[k]))


@njit(cache=True, nogil=True)
def _add_row(starts, labels, row, alternating, waves, i, sums):
    """Add every run of row i to the sums of its label.

    ``waves`` is what `waves_of` returns.  Along a run all spins are equal, or they alternate.
    """
    steps, rising = waves
    run, begin, sign = -1, 0, 1.0
    for k in range(starts.shape[0] + 1):
        todo = starts[k] if k < starts.shape[0] else ONE_BIT
        while todo:
            at = WORD_BITS * k + np.int64(lowest(todo)) if k < starts.shape[0] else steps.shape[1] - 1
            todo &= todo - ONE_BIT
            if run >= 0:
                own, spins = sums[labels[run]], sign * (steps[0, at] - steps[0, begin])
                own[0] += spins
                own[1] += sign * (steps[1, at] - steps[1, begin])
                own[2] += sign * (steps[2, at] - steps[2, begin])
                own[3] += spins * rising[0, i]
                own[4] += spins * rising[1, i]
            run, begin = run + 1, at
            if alternating and k < starts.shape[0]:
                sign = 1.0 - 2.0 * np.float64(((row[k] >> uint64(at % WORD_BITS)) ^ uint64(at)) & ONE_BIT)


@njit(cache=True, nogil=True)
def label_clusters(low, high, W, generator, active, unlike, marks, labels, parent, waves, sums):
    """Activate bonds and give every run a label; return the number of labels.

    Parameters
    ----------
    low, high : ndarray of uint64, shape (H, words)
        The configuration, see `physnn.kernels.lattice.packed`.
    W : int
        Number of columns.
    generator : ndarray of uint64, shape (4 * LANES,)
        The generators.
    active, unlike : uint64
        Threshold of an active bond, of 53 bits; all ones if bonds favour equal colours, no bit if unequal ones.
    marks : ndarray of uint64, shape (3, H, words)
        Written: where runs start, active bonds to the row above, and starts of runs with a new label, in order.
    labels : ndarray of int32, shape (3, W)
        Work space: labels of the first row and of two others.
    parent : ndarray of int32, shape (H * W,)
        Written: of every label its parent, or itself.
    waves, sums
        Those of `_add_row`; without rows of ``sums`` nothing is added up.
    """
    H, words = low.shape
    starts, bonds = marks[0], marks[1]
    drawn = np.empty((2 * words + VECTOR - 1) // VECTOR * VECTOR, np.uint64)
    count = np.int64(0)
    for i in range(H):
        # Short rows share the words that are drawn together.
        share = max(1, drawn.shape[0] // (2 * words))
        at = (i % share) * 2 * words
        if at == 0:
            fill_active(generator, active, drawn)
        wrap = _begin_runs(low, high, i, W, unlike, drawn[at : at + words], starts[i])
        at += words
        if i == 0:
            bonds[0] = NO_BIT
            closing = drawn[at : at + words].copy()
        else:
            _bonds_between(low, high, i - 1, i, W, unlike, drawn[at : at + words], bonds[i])
        known = count
        count = label_row(i, wrap, marks, labels, parent, count)
        if sums.shape[0]:
            sums[known:count] = 0.0
            _add_row(starts[i], labels[_place_of(i)], low[i], unlike == NO_BIT, waves, i, sums)
    _bonds_between(low, high, H - 1, 0, W, unlike, closing, drawn)
    close_torus(marks, drawn, labels, parent)
    return count


@njit(cache=True, nogil=True)
def draw_shifts(parent, count, q, generator, shifts):
    """Write for every label the shift of its cluster, uniform on 0 .. q-1."""
    word, left, digits = NO_BIT, 0, uint64(1 if q == 2 else 3)
    for label in range(count):
        # Every label draws, also where its parent decides: that costs less than to ask.
        while True:
            if left == 0:
                word, left = draw_lane(generator, SPARE_LANE), WORD_BITS // 2
            shift = word & digits
            word >>= uint64(2)
            left -= 1
            if shift < q:
                break
        shifts[label] = shift
        shifts[label] = shifts[parent[label]]


@njit(cache=True, nogil=True)
def spread_row(starts, bonds, new, shifts, digit, label, turned):
    """Write which sites of a row have a one as a digit of their shift, in place of those of the row above.

    ``label`` is that of the first new run; returned is that behind the last.
    """
    carry = NO_BIT
    for k in range(starts.shape[0] - 1, -1, -1):
        turned[k] = _spread_left((turned[k] & bonds[k]) | (carry << TOP), starts[k])
        carry = turned[k] & ~starts[k] & ONE_BIT
    last = NO_BIT
    for k in range(starts.shape[0]):
        marks, todo = turned[k] & starts[k], new[k]
        while todo:
            marks |= ((uint64(shifts[label]) >> digit) & ONE_BIT) << lowest(todo)
            todo &= todo - ONE_BIT
            label += 1
        turned[k] = _spread_right(marks, starts[k], last)
        last = turned[k] >> TOP
    return label


@njit(cache=True, nogil=True)
def recolour_clusters(low, high, W, q, marks, shifts):
    """Shift the colour of every site by the shift of its label."""
    H, words = low.shape
    turned = np.zeros((2, words), np.uint64)
    label = 0
    for i in range(H):
        first = label
        for p in range(2 if q > 2 else 1):
            label = spread_row(marks[0, i], marks[1, i], marks[2, i], shifts, uint64(p), first, turned[p])
        for k in range(words):
            inside = columns_in(W, k)
            if q == 2:
                low[i, k] ^= turned[0, k] & inside
            else:
                a, b = shifted_digits(low[i, k], high[i, k], turned[0, k], turned[1, k], q)
                low[i, k], high[i, k] = a & inside, b & inside
