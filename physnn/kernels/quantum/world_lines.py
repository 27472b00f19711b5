"""World lines of Ising spins in a transverse field, in continuous imaginary time: all clusters of space and time.

exp(-beta H) with H = -sum_<ij> s^z_i s^z_j - h sum_i s^x_i is a sum over world lines s_i(t) = +-1, 0 <= t < beta,
periodic in t.  A kink (s_i changes sign) has weight h dt, and two neighbours have weight exp(int s_i s_j dt).  An
update is that of R. H. Swendsen and J.-S. Wang without a grid in time (H. Rieger and N. Kawashima, Eur. Phys. J. B 9,
233 (1999)):

1. kinks and points drawn with density h cut every line into intervals of constant spin;
2. where neighbours are alike, they are joined at points drawn with density 2; intervals that are joined are a cluster;
3. every cluster is turned with probability 1/2; cuts between equal spins are forgotten.

Given the clusters their signs are independent, which gives improved estimators.  With V_c the integral over a cluster,
V = N beta, and n_c(t) the number of its sites at one time,

    <m_t^2> = sum_c V_c^2 / V^2,  <m_t^4> = [3 (sum_c V_c^2)^2 - 2 sum_c V_c^4] / V^4   (mean over sites and time),
    <m^2> = sum_c n_c^2 / N^2,  <m^4> likewise, S(k) = sum_c |n_c(k)|^2 / N             (at one time),
    <s_i s_j> = share of times at which i and j are of one cluster,
    <s^x> = (cuts between two clusters) / (2 h V).

The weight has a factor h for each of the n kinks, so that d<Q>/dh = <Q n/h> - <Q> <n/h>.  A kink is left of a cut
between clusters a and b where their signs differ, so that the product of n with m_t^2 and others has, besides the
product of their averages, a term for every such cut: with v_c = V_c / V

    - v_a v_b,  and  - v_a v_b [6 sum_c v_c^2 - 4 (v_a^2 + v_b^2)]  with m_t^4.
"""

from __future__ import annotations

import math

import numpy as np

from physnn.kernels.jit import njit
from physnn.kernels.lattice.clusters import join
from physnn.kernels.lattice.observables import DONE, ROW, SITES
from physnn.kernels.random import random_word, uniform

SLICES = 16
"""Imaginary times, evenly spaced, at which equal-time quantities are measured and averaged."""
ENERGY, M, M2, M4, SIGMA_X, M_TIME, M_TIME2, M_TIME4, S_TIME, S_SPACE, STRUCTURE = range(11)
"""Columns of a row of measurements; open lattices end before `S_SPACE`, others with one or two structure factors.

Rows that have room for more go on with n/h, and its products with `M_TIME2`, `M_TIME4`, `S_TIME` and, where there are
waves in space, `S_SPACE`."""
TURNS = 256
"""Places in a table of sine and cosine; between them three terms of a Taylor series leave an error of 1e-8."""


@njit(cache=True, nogil=True)
def _waiting(generator):
    """Exponential variable of mean 1."""
    return -math.log(1.0 - uniform(random_word(generator)))


@njit(cache=True, nogil=True)
def cut_lines(lines, kinks, beta, h, generator, first, until, spin, parent):
    """Cut all world lines into intervals of constant spin; return their number, or -1 where there is no more room.

    Parameters
    ----------
    lines : tuple of ndarray
        Spins at t = 0, int8 (N,), and the place of every line's first kink, int64 (N + 1,).
    kinks : ndarray of float64
        Times of the kinks, line by line, increasing in a line.
    beta, h : float
        Inverse temperature in 1/J and field in J.
    generator : ndarray of uint64, shape (4,)
        State of the generator.
    first : ndarray of int64, shape (N + 1,)
        Written: number of the first interval of every line.
    until, spin, parent : ndarray of float64, int8, int32
        Written: end and spin of every interval, and its parent.  The first and the last of a line are one: the larger
        number has the smaller one for parent, in a forest in which roots have the smallest numbers.
    """
    spins, offsets = lines
    place, room = 0, until.shape[0]
    for i in range(spins.shape[0]):
        first[i] = place
        k, last, value = offsets[i], offsets[i + 1], spins[i]
        cut = _waiting(generator) / h
        while True:
            if place == room:
                return -1
            kink = kinks[k] if k < last else beta
            spin[place], parent[place] = value, place
            if cut < kink:
                until[place] = cut
                cut += _waiting(generator) / h
            else:
                until[place] = kink
                value = -value
                k += 1
            place += 1
            if k > last:
                break
        parent[place - 1] = first[i]
    first[spins.shape[0]] = place
    return place


@njit(cache=True, nogil=True)
def join_lines(bonds, beta, generator, first, until, spin, parent):
    """Join intervals of neighbours that are alike; return the integral of ``s_i s_j`` over all bonds.

    ``bonds (bonds, 2)`` are pairs of sites; other parameters are those of `cut_lines`.
    """
    alike = 0.0
    for b in range(bonds.shape[0]):
        one, other = first[bonds[b, 0]], first[bonds[b, 1]]
        # Joints are drawn along the time in which both are alike.
        now, left = 0.0, 0.5 * _waiting(generator)
        while True:
            one_end, other_end = until[one], until[other]
            end = min(one_end, other_end)
            if spin[one] == spin[other]:
                alike += end - now
                left -= end - now
                if left < 0.0:
                    # Further joints between the same two intervals say nothing new.
                    join(parent, one, other)
                    left = 0.5 * _waiting(generator)
            if end >= beta:
                break
            one += one_end == end
            other += other_end == end
            now = end
    return 2.0 * alike - beta * bonds.shape[0]


@njit(cache=True, nogil=True)
def turn_clusters(count, generator, spin, parent):
    """Give every interval its root for parent, and turn clusters; ``count`` is the number of intervals."""
    word, bits = np.uint64(0), 0
    for k in range(count):
        root = parent[parent[k]]
        parent[k] = root
        if root == k:
            if bits == 0:
                word, bits = random_word(generator), 64
            if word & np.uint64(1):
                spin[k] = -spin[k]
            word >>= np.uint64(1)
            bits -= 1
        else:
            # Spins of a cluster are alike, and its root has the smallest number.
            spin[k] = spin[root]


@njit(cache=True, nogil=True)
def keep_kinks(lines, kinks, first, until, spin):
    """Write the kinks between intervals, and the spins at t = 0."""
    spins, offsets = lines
    kept = 0
    for i in range(spins.shape[0]):
        offsets[i] = kept
        spins[i] = spin[first[i]]
        for k in range(first[i], first[i + 1] - 1):
            kinks[kept] = until[k]
            kept += spin[k] != spin[k + 1]
    offsets[spins.shape[0]] = kept


@njit(cache=True, nogil=True)
def _wave(table, turns):
    """Cosine and sine of ``2 pi turns``, 0 <= turns <= 1."""
    k = int(turns * TURNS)
    x = (turns - k / TURNS) * (2.0 * math.pi)
    c, s = 1.0 - 0.5 * x * x, x - x * x * x * (1.0 / 6.0)
    return table[0, k] * c - table[1, k] * s, table[1, k] * c + table[0, k] * s


@njit(cache=True, nogil=True)
def measure_time(beta, h, table, waves, first, until, spin, parent, sums, row):
    """Write what is integrated over time: mean spin, its improved moments, its longest waves, and s^x.

    ``table (2, TURNS + 1)`` has cosine and sine, ``waves`` is that of `measure_slices`, and ``sums (intervals,
    3 + waves)`` is work space.  Products with kinks are written by `measure_kinks`.
    """
    N = first.shape[0] - 1
    sums[: first[N]] = 0.0
    signed, cuts, turn = 0.0, 0, beta / (2.0 * math.pi)
    for i in range(N):
        begin, c, s = 0.0, 1.0, 0.0
        for k in range(first[i], first[i + 1]):
            end, own = until[k], sums[parent[k]]
            cosine, sine = _wave(table, end / beta)
            span = end - begin
            own[0] += span
            own[1] += turn * (sine - s)
            own[2] += turn * (c - cosine)
            for w in range(waves.shape[0]):
                own[3 + w] += span * waves[w, i]
            signed += spin[k] * span
            begin, c, s = end, cosine, sine
            if k + 1 < first[i + 1]:
                cuts += parent[k] != parent[k + 1]
    squares, fourths, along, across = 0.0, 0.0, 0.0, 0.0
    V = N * beta
    for k in range(first[N]):
        if parent[k] == k:
            square = (sums[k, 0] / V) ** 2
            squares += square
            fourths += square * square
            along += sums[k, 1] ** 2 + sums[k, 2] ** 2
            for w in range(waves.shape[0]):
                across += sums[k, 3 + w] ** 2
    row[M_TIME], row[M_TIME2] = signed / V, squares
    row[M_TIME4] = 3.0 * squares * squares - 2.0 * fourths
    row[S_TIME] = along / (V * V)
    if waves.shape[0]:
        row[S_SPACE] = across / (V * V * (waves.shape[0] // 2))
    row[SIGMA_X] = cuts / (2.0 * h * V)


@njit(cache=True, nogil=True)
def measure_kinks(beta, h, first, parent, sums, row, place):
    """Write n/h and its products with what `measure_time` has just written, from column ``place`` on."""
    V, directions = (first.shape[0] - 1) * beta, (sums.shape[1] - 3) // 2
    squares, pairs, fourths, along, across = row[M_TIME2], 0.0, 0.0, 0.0, 0.0
    for i in range(first.shape[0] - 1):
        for k in range(first[i], first[i + 1] - 1):
            if parent[k] != parent[k + 1]:
                a, b = sums[parent[k]], sums[parent[k + 1]]
                pair = a[0] * b[0] / (V * V)
                pairs += pair
                fourths += pair * (6.0 * squares - 4.0 * (a[0] * a[0] + b[0] * b[0]) / (V * V))
                along += a[1] * b[1] + a[2] * b[2]
                for w in range(3, a.shape[0]):
                    across += a[w] * b[w]
    n = row[SIGMA_X] * V
    row[place] = n
    row[place + 1] = n * row[M_TIME2] - pairs / h
    row[place + 2] = n * row[M_TIME4] - fourths / h
    row[place + 3] = n * row[S_TIME] - along / (V * V * h)
    if directions:
        row[place + 4] = n * row[S_SPACE] - across / (V * V * directions * h)


@njit(cache=True, nogil=True)
def measure_slices(beta, waves, first, until, spin, parent, roots, names, sums, row):
    """Write what is measured at single times: spin per site at t = 0, and improved moments, means over `SLICES`.

    Parameters
    ----------
    beta, first, until, spin, parent
        Those of `cut_lines`.
    waves : ndarray of float64, shape (2 * directions, N)
        Cosine and sine of the longest wave along every direction.
    roots, names, sums : ndarray of int32, int32, float64, shapes (SLICES, N), (intervals,), (N, 1 + 2 * directions)
        Work space; ``names`` is -1 everywhere, before and after.
    row : ndarray of float64
        Where to write; structure factors come from column `STRUCTURE` on.
    """
    N, directions = first.shape[0] - 1, waves.shape[0] // 2
    spins = 0
    for i in range(N):
        k = first[i]
        spins += spin[k]
        for s in range(SLICES):
            while until[k] <= beta * s / SLICES:
                k += 1
            roots[s, i] = parent[k]
    row[M] = spins / N
    row[M2], row[M4] = 0.0, 0.0
    row[STRUCTURE : STRUCTURE + directions] = 0.0
    for s in range(SLICES):
        found = 0
        for i in range(N):
            root = roots[s, i]
            c = names[root]
            if c < 0:
                c = names[root] = found
                sums[c] = 0.0
                found += 1
            own = sums[c]
            own[0] += 1.0
            for w in range(2 * directions):
                own[1 + w] += waves[w, i]
        for i in range(N):
            names[roots[s, i]] = -1
        squares, fourths = 0.0, 0.0
        for c in range(found):
            square = (sums[c, 0] / N) ** 2
            squares += square
            fourths += square * square
            for d in range(directions):
                row[STRUCTURE + d] += (sums[c, 1 + 2 * d] ** 2 + sums[c, 2 + 2 * d] ** 2) / (N * SLICES)
        row[M2] += squares / SLICES
        row[M4] += (3.0 * squares * squares - 2.0 * fourths) / SLICES


@njit(cache=True, nogil=True)
def correlate_slices(roots, partners, pairs):
    """Add the two-point function to ``pairs``: how many pairs of sites are of one cluster, mean over `SLICES`.

    Parameters
    ----------
    roots : ndarray of int32, shape (SLICES, N)
        Those of `measure_slices`, filled by it.
    partners : ndarray of int64, shape (directions, distances, N)
        Site at every distance from every site, -1 behind a border.
    pairs : ndarray of float64, shape (distances + 1,)
        Sums, and last how many times something was added.
    """
    for r in range(partners.shape[1]):
        alike, count = 0, 0
        for d in range(partners.shape[0]):
            for i in range(partners.shape[2]):
                j = partners[d, r, i]
                if j >= 0:
                    count += 1
                    for s in range(SLICES):
                        alike += roots[s, i] == roots[s, j]
        pairs[r] += alike / (SLICES * count)
    pairs[partners.shape[1]] += 1.0


@njit(cache=True, nogil=True)
def run_world_lines(
    lines, kinks, generator, bonds, beta, h, waves, table, partners, pairs, interval, budget, progress, rows
):
    """Update all clusters, measure after each ``interval``, until ``budget`` intervals are visited or rows are full.

    Where calls are cut, and how much room there is, changes no number.

    Parameters
    ----------
    lines, kinks, generator, beta, h
        Those of `cut_lines`; lines and generator are updated in place.
    bonds : ndarray of int64, shape (bonds, 2)
        Pairs of neighbours, one row for each bond.
    waves, table
        Those of `measure_slices` and `measure_time`.
    partners, pairs
        Those of `correlate_slices`.
    interval, budget, progress, rows
        Those of `physnn.kernels.lattice.observables.record_row`, for columns from `ENERGY` on.

    Returns
    -------
    ndarray of float64
        The kinks.
    """
    N = lines[0].shape[0]
    plain = STRUCTURE + waves.shape[0] // 2 if waves.shape[0] else S_SPACE
    first, roots = np.empty(N + 1, np.int64), np.empty((SLICES, N), np.int32)
    each, spent, room = np.empty((N, 1 + waves.shape[0])), 0, 0
    until, spin, parent = np.empty(0), np.empty(0, np.int8), np.empty(0, np.int32)
    names, sums = np.empty(0, np.int32), np.empty((0, 3 + waves.shape[0]))
    kept, before = kinks, np.empty(4, np.uint64)
    while spent < budget and progress[ROW] < rows.shape[0]:
        mean = lines[1][N] + N * (1.0 + beta * h)
        wanted = int(mean + 6.0 * math.sqrt(mean)) + 1
        for k in range(4):  # loops, for numba compiles three seconds at assignments of arrays
            before[k] = generator[k]
        while True:
            if room < wanted:
                room = wanted + wanted // 8
                until, spin, parent = np.empty(room), np.empty(room, np.int8), np.empty(room, np.int32)
                names, sums = np.empty(room, np.int32), np.empty((room, 3 + waves.shape[0]))
                for k in range(room):
                    names[k] = -1
            count = cut_lines(lines, kept, beta, h, generator, first, until, spin, parent)
            if count >= 0:
                break
            wanted = 2 * room
            for k in range(4):
                generator[k] = before[k]
        alike = join_lines(bonds, beta, generator, first, until, spin, parent)
        turn_clusters(count, generator, spin, parent)
        if kept.shape[0] < count:
            kept = np.empty(room)
        keep_kinks(lines, kept, first, until, spin)
        progress[DONE] += 1
        progress[SITES] += count
        spent += count
        if progress[DONE] == interval:
            row = rows[progress[ROW]]
            measure_time(beta, h, table, waves, first, until, spin, parent, sums, row)
            if row.shape[0] > plain:
                measure_kinks(beta, h, first, parent, sums, row, plain)
            measure_slices(beta, waves, first, until, spin, parent, roots, names, each, row)
            correlate_slices(roots, partners, pairs)
            row[ENERGY] = -alike / (N * beta) - h * row[SIGMA_X]
            progress[DONE], progress[SITES] = 0, 0
            progress[ROW] += 1
            spent += count
    return kept
