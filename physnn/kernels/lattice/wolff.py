# mypy: disable-error-code="call-arg"
"""U. Wolff's single cluster on a torus, 64 sites to a word.

A cluster grows by words of sites that have joined it and whose bonds have not been tried.  Active bonds along the row
are followed within the word at once, those to the rows above and below are tried for all sites of the word together.
A bond is tried once, from the site that joined first; random bits for bonds that lead nowhere are thrown away.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.lattice.clusters import SPARE_LANE
from physnn.kernels.lattice.multispin_code import WORD_BITS, draw_lane, ones
from physnn.kernels.lattice.observables import DONE, ROW, SITES, measuring_space
from physnn.kernels.lattice.packed import (
    ALL_BITS,
    NO_BIT,
    ONE_BIT,
    TOP,
    columns_in,
    digits_of,
    fill_active,
    pack_rows,
    record_packed,
    shifted_digits,
    unpack_rows,
)

SINGLY = 4
"""Words at the beginning of a cluster whose sites are treated one by one: most clusters of a hot lattice are small."""
WORDS_OF_A_VISIT = 5
"""Words of random bits that a visit takes at most."""
HELD = 64
"""Words of random bits that are drawn at a time, fewer for small lattices."""
LOWER_HALF, HALF_WORD = uint64(2**32 - 1), uint64(32)
"""Lower half of a word, and its bits."""


@njit(cache=True, nogil=True)
def _follow(sites, free, bonds):
    """Sites of a word, and the free ones that bonds along the row connect with them.

    Bit b of ``bonds`` is that of site b to site b + 1.
    """
    # To higher bits by an addition, whose carry stops where no bond leads on; then to lower ones in steps 1, 2, 4, ...
    way = (bonds << ONE_BIT) & free
    seeds = (sites << ONE_BIT) & way
    sites |= way & (~(way + seeds) | seeds)
    way = bonds & free
    sites |= (sites >> ONE_BIT) & way
    for k in range(5):
        way &= way >> (ONE_BIT << uint64(k))
        sites |= (sites >> (ONE_BIT << uint64(k + 1))) & way
    return sites


@njit(cache=True, nogil=True, error_model="numpy")
def _around(at, words, size, last):
    """Words to the right and left of a word, above and under it, and the bits at its right end and that of its left.

    ``size`` is the number of words of the lattice, ``last`` the last bit of a row in its last word.
    """
    k = at % words
    right, end = (at + 1, TOP) if k + 1 < words else (at + 1 - words, last)
    left, begin = (at - 1, TOP) if k > 0 else (at - 1 + words, last)
    above, under = (
        at - words if at >= words else at - words + size,
        at + words if at + words < size else at + words - size,
    )
    return right, left, above, under, end, begin


@njit(cache=True, nogil=True)
def _differences(own, right, left, above, under, end, begin):
    """Digits that differ to the right of every site, at the left end of the word, above and under every site."""
    to_right = own ^ ((own >> ONE_BIT) | ((right & ONE_BIT) << end))
    return to_right, own ^ (left >> begin), own ^ above, own ^ under


@njit(cache=True, nogil=True)
def _of_one(few, site):
    """Bits of ``few`` as words of random bits for the bonds of one site: along the row, its left end, above, under."""
    right, left = NO_BIT - (few & ONE_BIT), NO_BIT - ((few >> ONE_BIT) & ONE_BIT)
    above, under = NO_BIT - ((few >> uint64(2)) & ONE_BIT), NO_BIT - ((few >> uint64(3)) & ONE_BIT)
    return (right & site) | (left & (site >> ONE_BIT)), left, above, under


@njit(cache=True, nogil=True, inline="always")
def _any_site(generator, N):
    """Site uniform on 0 .. N-1, without bias."""
    product = NO_BIT
    while product & LOWER_HALF < N and product & LOWER_HALF <= LOWER_HALF % uint64(N):
        product = (draw_lane(generator, SPARE_LANE) >> HALF_WORD) * uint64(N)
    return np.int64(product >> HALF_WORD)


@njit(cache=True, nogil=True, error_model="numpy")
def _word_of(site, W, words):
    """Word and bit of a site."""
    row = site // W
    column = site - row * W
    return row * words + column // WORD_BITS, ONE_BIT << uint64(column % WORD_BITS)


@njit(cache=True, nogil=True, inline="always")
def _turn(low, high, member, listed, touched, q, generator):
    """Give a cluster another colour, forget it, and return its size."""
    shift, size = ONE_BIT, NO_BIT
    while q > 2:
        shift = draw_lane(generator, SPARE_LANE) >> uint64(62)
        if NO_BIT < shift < q:
            break
    for n in range(touched):
        at = np.int64(listed[n])
        sites = member[at]
        member[at] = NO_BIT
        size += ones(sites)
        if q > 2:
            one, two = sites if shift & ONE_BIT else NO_BIT, sites if shift > ONE_BIT else NO_BIT
            low[at], high[at] = shifted_digits(low[at], high[at], one, two, q)
        else:
            low[at] ^= sites
    return np.int64(size)


@njit(cache=True, nogil=True, error_model="numpy")
def build_cluster(low, high, H, W, generator, active, unlike, q, member, pending, stack, listed, bits, used):
    """Give the cluster of a random site another colour; return its size, and how many words of bits are used.

    Parameters
    ----------
    low, high : ndarray of uint64, shape (H * words,)
        The configuration, see `physnn.kernels.lattice.packed`; updated in place.
    H, W : int
        Sides of the torus.
    generator : ndarray of uint64, shape (4 * LANES,)
        The generators.
    active, unlike : uint64
        Threshold of an active bond, of 53 bits; all ones if bonds favour equal colours, no bit if unequal ones.
    q : int
        Number of colours.
    member, pending : ndarray of uint64, shape (H * words,)
        Sites of the cluster, and those with bonds to try: zeros before and after.
    stack, listed : ndarray of int32, shape (H * words,)
        Work space: words with pending sites, and words with sites of the cluster.
    bits : ndarray of uint64
        Words of random bits, each one with the probability of an active bond.
    used : int
        How many of them are used.
    """
    words, last = (W + WORD_BITS - 1) // WORD_BITS, uint64((W - 1) % WORD_BITS)
    at, sites = _word_of(_any_site(generator, H * W), W, words)
    member[at] = pending[at] = sites
    stack[0] = listed[0] = at
    top, touched, visits, few = 1, 1, 0, NO_BIT
    while top > 0:
        if used + WORDS_OF_A_VISIT > bits.shape[0]:
            fill_active(generator, active, bits)
            used = 0
        top -= 1
        at = np.int64(stack[top])
        sites, pending[at] = pending[at], NO_BIT
        east, west, north, south, end, begin = _around(at, words, H * words, last)
        row, left, above, under = _differences(low[at], low[east], low[west], low[north], low[south], end, begin)
        if q > 2:
            d_row, d_left, d_above, d_under = _differences(
                high[at], high[east], high[west], high[north], high[south], end, begin
            )
            row, left, above, under = row | d_row, left | d_left, above | d_above, under | d_under
        row, left, above, under = row ^ unlike, left ^ unlike, above ^ unlike, under ^ unlike
        single, free = visits < SINGLY and sites & (sites - ONE_BIT) == NO_BIT, columns_in(W, at % words) & ~member[at]
        if single:
            few = few >> uint64(4) if visits else bits[used]
            used, visits, joined = used + (visits == 0), visits + 1, sites
            row_few, left_few, above_few, under_few = _of_one(few, sites)
            row, left, above, under = row & row_few, left & left_few, above & above_few, under & under_few
            # Bits above and under were drawn for one site; those beside it come later.
            beside = (((sites & row) << ONE_BIT) | ((sites >> ONE_BIT) & row)) & free
            if beside:
                member[at], pending[at], stack[top] = member[at] | beside, beside, at
                top += 1
        else:
            row, used, visits = row & bits[used], used + 1, SINGLY
            joined = _follow(sites, free, row)
            member[at] |= joined
        right, left = ((joined & row) >> end) & ONE_BIT, (joined & left & ONE_BIT) << begin
        for side in range(4):
            to = east if side == 0 else west if side == 1 else north if side == 2 else south
            new = right if side == 0 else left if side == 1 else joined & (above if side == 2 else under)
            members = member[to]
            new &= ~members
            if new and side > 0 and not single:
                new &= bits[used]
                used += 1
            if new:
                if members == NO_BIT:
                    listed[touched] = to
                    touched += 1
                member[to] = members | new
                if pending[to] == NO_BIT:
                    stack[top] = to
                    top += 1
                pending[to] |= new
    return _turn(low, high, member, listed, touched, q, generator), used


@njit(cache=True, nogil=True)
def run_wolff(
    colours, generator, bits, used, active, unlike, q, energies, interval, budget, progress, rows, snapshots, every
):
    """Update one cluster at a time, and measure after each ``interval``, until ``budget`` sites are visited.

    Parameters
    ----------
    colours, generator, active, unlike, q
        Those of `physnn.kernels.lattice.swendsen_wang.run_swendsen_wang`.
    bits, used : ndarray of uint64, ndarray of int64, shape (1,)
        Random bits that are left of one call for the next, and how many words of them are used; after a measurement
        none are left.
    energies, interval, budget, progress, rows, snapshots, every
        Those of `physnn.kernels.lattice.observables.record_row`; measurements count as visits too.
    """
    H, W = colours.shape
    words, lanes = (W + WORD_BITS - 1) // WORD_BITS, generator.reshape(-1)
    low, high = np.empty((H, words), np.uint64), np.empty((H if q > 2 else 0, words), np.uint64)
    pack_rows(colours, low, high)
    flat_low, flat_high, favoured = low.reshape(-1), high.reshape(-1), NO_BIT if unlike else ALL_BITS
    member, pending = np.zeros(H * words, np.uint64), np.zeros(H * words, np.uint64)
    stack, listed = np.empty(H * words, np.int32), np.empty(H * words, np.int32)
    digits, space = digits_of(H, words), measuring_space(q, H, W)
    spent, taken = 0, used[0]
    while spent < budget and progress[ROW] < rows.shape[0]:
        size, taken = build_cluster(
            flat_low, flat_high, H, W, lanes, active, favoured, q, member, pending, stack, listed, bits, taken
        )
        progress[DONE] += 1
        progress[SITES] += size
        spent += size
        if progress[DONE] == interval:
            record_packed(low, high, energies, digits, space, progress, rows, snapshots, every)
            spent, taken = spent + H * W, bits.shape[0]
    used[0] = taken
    unpack_rows(low, high, colours)
