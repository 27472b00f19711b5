# mypy: disable-error-code="call-arg,var-annotated"
"""Metropolis chains of |psi|^2 and local energies, for amplitudes psi = exp(a.s) prod_j cosh(b_j + W_j.s).

Chains lie in groups of `CHAIN_LANES`, a chain to a lane.  A *move* turns one site, or exchanges two unlike ones; what
it makes of every hidden unit and of the amplitude is in tables.  All chains of a group are proposed the same moves,
which leaves them independent: given the moves, each has random numbers of its own.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from physnn.kernels.jit import njit
from physnn.kernels.quantum.machines_code import (
    CHAIN_LANES,
    correlate_group,
    measure_group,
    move_group,
    settle_group,
)
from physnn.kernels.random import random_word


@njit(cache=True, nogil=True)
def settle_chains(x, table, norm, levels):
    """Fill what is kept of the amplitudes of all chains.

    Parameters
    ----------
    x : ndarray of float32, shape (groups, units, CHAIN_LANES)
        exp(2 theta) of the hidden units.
    table : ndarray of float32, shape (moves + 1, units, 2)
        What moves multiply them by, where the first site is up and where it is down; row 0 is of ones.
    norm, levels : ndarray of float32 and int32, shape (groups, CHAIN_LANES)
        Filled in place: reciprocal of the product over units in [1, 2), and its exponent.
    """
    for group in range(x.shape[0]):
        settle_group(x[group].ravel(), table.ravel(), x.shape[1], norm[group], levels[group])


@njit(cache=True, nogil=True)
def walk_chains(x, table, factors, sites, norm, levels, spins, generators, proposals):
    """Propose random moves to all chains, in place; return how many were taken.

    Parameters
    ----------
    x, table, norm, levels
        See `settle_chains`.
    factors : ndarray of float32, shape (moves + 1, 2)
        Ratios of amplitudes that hidden units do not make.
    sites : ndarray of int64, shape (moves + 1, 2)
        Sites of a move, twice the same for a single one; row 0 is none.
    spins : ndarray of float32, shape (groups, sites, CHAIN_LANES)
        Configurations of +-1.
    generators : ndarray of uint64, shape (groups, 4, CHAIN_LANES / 2 + 1)
        States of the generators of lanes, and last of moves.
    proposals : int
        Moves that are proposed to every chain.
    """
    units, moves = x.shape[1], uint64(table.shape[0] - 1)
    moved = np.empty(units * CHAIN_LANES, np.float32)
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
def off_diagonal(x, table, factors, sites, norm, levels, spins, elements, out):
    """Fill ``out (groups, CHAIN_LANES)`` float32 with the part of local energies that moves make.

    ``elements (moves + 1,)`` float32 are matrix elements of the moves, exactly 0 where the Hamiltonian has none; the
    rest is as of `walk_chains`.
    """
    rows, ratios = table.ravel(), factors.ravel()
    for group in range(x.shape[0]):
        for lane in range(CHAIN_LANES):
            out[group, lane] = 0
        units_here, spins_here, norm_here, levels_here = (
            x[group].ravel(),
            spins[group].ravel(),
            norm[group],
            levels[group],
        )
        found = out[group]
        for move in range(1, table.shape[0]):
            if elements[move] != 0:
                measure_group(
                    units_here, rows, x.shape[1], norm_here, levels_here, ratios, move, spins_here,
                    sites[move, 0], sites[move, 1], elements[move], found,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def weight_derivatives(means, spins, permutations, out):
    """Fill ``out (features * N, groups * CHAIN_LANES)`` float32 with derivatives of ln psi by the weights.

    Parameters
    ----------
    means : ndarray of float32, shape (groups, units, CHAIN_LANES)
        tanh(theta) of the hidden units, feature by feature; there may be further units.
    spins : ndarray of float32, shape (groups, N, CHAIN_LANES)
        Configurations.
    permutations : ndarray of int64, shape (operations, N)
        Lattice symmetries of the hidden units.
    """
    operations, sites = permutations.shape
    features, stride = out.shape[0] // sites, out.shape[1]
    flat, places = out.ravel(), permutations.ravel()
    for group in range(means.shape[0]):
        here = flat[group * CHAIN_LANES :]
        correlate_group(means[group].ravel(), spins[group].ravel(), places, features, operations, sites, here, stride)
