# mypy: disable-error-code="call-arg,var-annotated"
"""Metropolis chains of |psi|^2 and local energies, for amplitudes psi = exp(a.s) prod_j cosh(b_j + W_j.s).

Chains lie in groups of `CHAIN_LANES`, a chain to a lane.  A *move* turns one site, or exchanges two unlike ones; what
it makes of every hidden unit and of the amplitude is in tables.  All chains of a group are proposed the same moves,
which leaves them independent: given the moves, each has random numbers of its own.
"""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.primitives import scratch
from physnn.kernels.quantum.machines_code import (
    CHAIN_LANES,
    correlate_group,
    exponentiate,
    measure_group,
    move_group,
    settle_group,
)
from physnn.kernels.random import random_word


@njit(cache=True, nogil=True)
def tabulate_moves(columns, fields, sites, change, table, factors):
    """Fill the tables of `walk_chains`; amplitudes change by cosh(theta - 2 w s) / cosh(theta) of every unit.

    Parameters
    ----------
    columns, fields : ndarray of float32, shapes (N, units) and (N,)
        Weights by site, and fields.
    sites : ndarray of int64, shape (moves + 1, 2)
        See `walk_chains`.
    change : ndarray of float32
        Work space of whole vectors for the table's rows, zero behind them.
    table : ndarray of float32
        Flat, twice as long as ``change``.
    factors : ndarray of float32, shape (moves + 1, 4)
        See `walk_chains`.
    """
    units = columns.shape[1]
    for unit in range(units):
        change[unit] = 0  # row 0 is no move
    factors[0, 0] = factors[0, 1] = 1
    factors[0, 2] = factors[0, 3] = 0
    for move in range(1, sites.shape[0]):
        i, j, own = sites[move, 0], sites[move, 1], change[move * units :]
        log, single = -fields[i], i == j
        if not single:
            log += fields[j]
        for unit in range(units):
            own[unit] = columns[i, unit] if single else columns[i, unit] - columns[j, unit]
            log += own[unit]
        for k in range(2):
            digits = (2.0 - 4.0 * k) / math.log(2.0) * log
            exponent = math.floor(digits)
            factors[move, k], factors[move, 2 + k] = 2.0 ** (digits - exponent), exponent
    exponentiate(change, change.shape[0] // CHAIN_LANES, table)


@njit(cache=True, nogil=True)
def settle_chains(weights, thresholds, spins, x, norm, levels):
    """Fill what is kept of the amplitudes of all chains.

    Parameters
    ----------
    weights, thresholds : ndarray of float32, shapes (units, N) and (units,)
        Of the hidden units, whose number is a multiple of `UNITS_OF_CHUNK`.
    spins : ndarray of float32, shape (groups, N, CHAIN_LANES)
        Configurations of +-1.
    x : ndarray of float32, shape (groups, units, CHAIN_LANES)
        Filled in place: exp(2 theta) of the hidden units, with |theta| cut at `MOST_THETA`.
    norm, levels : ndarray of float32 and int32, shape (groups, CHAIN_LANES)
        Filled in place: reciprocal of the product over units in [1, 2), and its exponent.
    """
    rows, sites = weights.ravel(), weights.shape[1]
    for group in range(x.shape[0]):
        settle_group(
            rows, thresholds, spins[group].ravel(), sites, x[group].ravel(), x.shape[1], norm[group], levels[group]
        )


@njit(cache=True, nogil=True)
def walk_chains(x, table, factors, sites, norm, levels, spins, generators, proposals):
    """Propose random moves to all chains, in place; return how many were taken.

    Parameters
    ----------
    x, norm, levels, spins
        See `settle_chains`.
    table : ndarray of float32, shape (moves + 1, units, 2)
        What moves multiply x by, where the first site is up and where it is down; row 0 is of ones.
    factors : ndarray of float32, shape (moves + 1, 4)
        Ratios of amplitudes that hidden units do not make, where the first site is up and where it is down: numbers in
        [1, 2), then their exponents of two, for with hundreds of units there are larger ones than float32 has.
    sites : ndarray of int64, shape (moves + 1, 2)
        Sites of a move, twice the same for a single one; row 0 is none.
    generators : ndarray of uint64, shape (groups, 4, CHAIN_LANES / 2 + 1)
        States of the generators of lanes, and last of moves.
    proposals : int
        Moves that are proposed to every chain.
    """
    units, moves = x.shape[1], uint64(table.shape[0] - 1)
    moved = scratch(units * CHAIN_LANES, norm.ravel())
    rows, ratios, taken = table.ravel(), factors.ravel(), 0
    for group in range(x.shape[0]):
        lanes = generators[group, :, : CHAIN_LANES // 2].copy().ravel()
        own = generators[group, :, CHAIN_LANES // 2].copy()
        # Views are made once: to make one takes as long as some units.
        units_here, spins_here, norm_here, levels_here = (
            x[group].ravel(),
            spins[group].ravel(),
            norm[group],
            levels[group],
        )
        for _ in range(proposals):
            # The upper half of a word times a number below 2^20: the bias is below 2^-12 of a move's probability.
            move = np.int64(((random_word(own) >> uint64(32)) * moves) >> uint64(32)) + 1
            taken += move_group(
                units_here, moved, rows, units, norm_here, levels_here, ratios, move, spins_here,
                sites[move, 0], sites[move, 1], lanes,
            )  # fmt: skip
        for k in range(4):
            generators[group, k, CHAIN_LANES // 2] = own[k]
            for lane in range(CHAIN_LANES // 2):
                generators[group, k, lane] = lanes[k * (CHAIN_LANES // 2) + lane]
    return taken


@njit(cache=True, nogil=True)
def measure_energies(x, table, factors, sites, norm, levels, spins, elements, bonds, diagonal, out):
    """Fill ``out (groups, CHAIN_LANES)`` float32 with local energies (H psi)(s) / psi(s).

    ``elements (moves + 1,)`` float32 are matrix elements of the moves, exactly 0 where the Hamiltonian has none;
    ``diagonal (bonds,)`` float32 is what bonds, pairs of sites, have over ``s_i s_j``; the rest is as of `walk_chains`.
    """
    rows, ratios = table.ravel(), factors.ravel()
    for group in range(x.shape[0]):
        found, own = out[group], spins[group]
        units_here, spins_here, norm_here, levels_here = x[group].ravel(), own.ravel(), norm[group], levels[group]
        for lane in range(CHAIN_LANES):
            found[lane] = 0
        for bond in range(bonds.shape[0]):
            i, j, energy = bonds[bond, 0], bonds[bond, 1], diagonal[bond]
            for lane in range(CHAIN_LANES):
                found[lane] += energy * own[i, lane] * own[j, lane]
        for move in range(1, table.shape[0]):
            if elements[move] != 0:
                measure_group(
                    units_here, rows, x.shape[1], norm_here, levels_here, ratios, move, spins_here,
                    sites[move, 0], sites[move, 1], elements[move], found,
                )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def weight_derivatives(x, spins, permutations, means, out):
    """Fill ``out (features * N, groups * CHAIN_LANES)`` float32 with derivatives of ln psi by the weights.

    Parameters
    ----------
    x : ndarray of float32, shape (groups, units, CHAIN_LANES)
        exp(2 theta) of the hidden units, feature by feature; there may be further units.
    spins : ndarray of float32, shape (groups, N, CHAIN_LANES)
        Configurations.
    permutations : ndarray of int64, shape (operations, N)
        Lattice symmetries of the hidden units.
    means : ndarray of float32, shape (units * CHAIN_LANES,)
        Work space: tanh(theta) of a group.
    """
    operations, sites = permutations.shape
    features, stride = out.shape[0] // sites, out.shape[1]
    flat, places, one = out.ravel(), permutations.ravel(), np.float32(1)
    for group in range(x.shape[0]):
        own = x[group].ravel()
        for k in range(own.shape[0]):
            means[k] = (own[k] - one) / (own[k] + one)
        here = flat[group * CHAIN_LANES :]
        correlate_group(means, spins[group].ravel(), places, features, operations, sites, here, stride)


@njit(cache=True, nogil=True)
def centre_products(gram, alike, rows, with_spins, with_means):
    """Make scalar products of centred derivatives from those of hidden means, in place, in the upper triangle.

    Parameters
    ----------
    gram, alike : ndarray of float32, shape (samples, samples)
        Scalar products of hidden means, and of spins; what is below the diagonal is not read.
    rows : ndarray of float32, shape (samples,)
        Means of the rows of the products of derivatives that are not centred.
    with_spins, with_means : bool
        Whether there are derivatives by fields and by biases.
    """
    n, mean = rows.shape[0], np.float32(0)
    for k in range(n):
        mean += rows[k] / np.float32(n)
    by_spins, by_means = np.float32(with_spins), np.float32(with_means)
    for a in range(n):
        least, own, beside = mean - rows[a], gram[a], alike[a]
        for k in range(a, n):
            own[k] = own[k] * (beside[k] + by_means) + by_spins * beside[k] + (least - rows[k])
