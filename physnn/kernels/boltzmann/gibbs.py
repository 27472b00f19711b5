# mypy: disable-error-code="call-arg,var-annotated"
"""Gibbs updates of restricted Boltzmann machines without multiplications.

Units of a layer are taken in groups of four, and a group has one of `GROUP_STATES` states.  What it adds to the field
of a unit of the other layer is one of as many sums of weights, which are tabulated once for all chains (the method of
V. L. Arlazarov et al., Dokl. Akad. Nauk SSSR 194 (1970) 487, for products of 0-1 matrices).  A field is then a sum of
as many numbers as there are groups: a quarter of the terms of a product of matrices.  Tables lie by blocks of
`UNITS_OF_BLOCK` units, which fill a register or two.
"""

from __future__ import annotations

import numpy as np

from physnn.kernels.boltzmann.gibbs_code import UNITS_OF_BLOCK, draw_layer, sum_layer
from physnn.kernels.jit import njit

GROUP_BITS = 4
"""Units of two values in a group."""
GROUP_STATES = 2**GROUP_BITS
"""States of a group."""


@njit(cache=True, nogil=True)
def tabulate(weights, low, table):
    """Fill a table with the sums of weights of all states of all groups of four units.

    Parameters
    ----------
    weights : ndarray of float32, shape (units, others)
        Weights from the units of a layer to those of the other one; no more units than groups have.
    low : float32
        Lower value of a unit, -1 or 0; the upper one is 1.
    table : ndarray of float32, shape (blocks, groups, GROUP_STATES, UNITS_OF_BLOCK)
        Filled in place; zero where there is no unit.
    """
    units, others = weights.shape
    step = np.float32(np.float32(1) - low)
    for block in range(table.shape[0]):
        first = block * UNITS_OF_BLOCK
        width = min(UNITS_OF_BLOCK, others - first)
        for group in range(table.shape[1]):
            rows = table[block, group]
            count = min(GROUP_BITS, units - group * GROUP_BITS)
            for j in range(UNITS_OF_BLOCK):
                rows[0, j] = 0
            for bit in range(count):
                for j in range(width):
                    rows[0, j] += low * weights[group * GROUP_BITS + bit, first + j]
            for bit in range(GROUP_BITS):
                one = 1 << bit
                for code in range(one):
                    for j in range(UNITS_OF_BLOCK):
                        rows[one + code, j] = rows[code, j]
                    if bit < count:
                        for j in range(width):
                            rows[one + code, j] += step * weights[group * GROUP_BITS + bit, first + j]


@njit(cache=True, nogil=True)
def layer_fields(table, states, bias, out):
    """Fill ``out (chains, units)`` float32 with the fields of a layer.

    Parameters
    ----------
    table : ndarray of float32, shape (blocks, groups, GROUP_STATES, UNITS_OF_BLOCK)
        What `tabulate` made of the weights.
    states : ndarray of uint8, shape (chains, groups)
        States of the groups of the other layer, below `GROUP_STATES`.
    bias : ndarray of float32, shape (blocks * UNITS_OF_BLOCK,)
        Biases of the layer.
    """
    blocks, groups = table.shape[:2]
    sum_layer(table.ravel(), states.ravel(), bias, blocks, groups, states.shape[0], out.ravel())


@njit(cache=True, nogil=True)
def gibbs(tables, biases, gain, steps, generator, visible, hidden):
    """Draw the hidden units given the visible ones, and these given those, ``steps`` times in place.

    A unit takes its upper value with probability ``1/(1 + exp(-gain field))``, to 2^-23.

    Parameters
    ----------
    tables : tuple of ndarray
        Those for the fields of the hidden and of the visible units, see `layer_fields`.
    biases : tuple of ndarray
        Those of the hidden and of the visible units.
    gain : float32
        Upper minus lower value of a unit.
    generator : ndarray of uint64, shape (4, DRAW_LANES)
        State of the generators; advanced.
    visible, hidden : ndarray of uint8, shape (chains, groups)
        States of the groups.
    """
    generators, chains = generator.ravel(), visible.shape[0]
    up, down = tables
    for _ in range(steps):
        draw_layer(
            up.ravel(), visible.ravel(), biases[0], up.shape[0], up.shape[1], chains, gain, generators, hidden.ravel()
        )
        draw_layer(
            down.ravel(), hidden.ravel(), biases[1], down.shape[0], down.shape[1], chains, gain, generators,
            visible.ravel(),
        )  # fmt: skip
