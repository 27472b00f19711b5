"""What the single-spin samplers share: neighbourhoods, tables of transition probabilities, orders of update."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from physnn.errors import InputError
from physnn.kernels import xoshiro
from physnn.kernels.lattice import local
from physnn.models.lattice import LatticeModel
from physnn.samplers.chain import Drive, State

ORDERS = {"checkerboard": local.CHECKERBOARD, "random": local.RANDOM}
Rule = Callable[[np.ndarray, float], np.ndarray]
"""Energies ``(keys, q)`` of a site by its neighbourhood and colour, and T, to probabilities ``(q, keys, q)`` of the new
colour (last) given the old (first)."""


def site_energies(model: LatticeModel) -> np.ndarray:
    """Return the energy of a site by neighbourhood and colour, float64 of shape (256, q), in units of J.

    A neighbourhood is a number of four base-4 digits, the colours of the neighbours; digits that are no colour are
    read as the last one.
    """
    digits = np.minimum(np.arange(256)[:, None] >> np.arange(0, 8, 2) & 3, model.q - 1)
    like = (digits[:, :, None] == np.arange(model.q)).sum(axis=1)
    energies = -model.bond * like
    if model.q == 2:
        energies = energies - model.field * np.array([1.0, -1.0])
    return np.asarray(energies, float)


@lru_cache(maxsize=64)
def transition_table(rule: Rule, model: LatticeModel, T: float) -> np.ndarray:
    """Return the table of `physnn.kernels.lattice.local` for a rule, a model and a temperature."""
    cumulative = np.cumsum(rule(site_energies(model), T), axis=2)[:, :, :-1]
    table = np.ascontiguousarray(xoshiro.thresholds(cumulative))
    table.flags.writeable = False
    return table


def check_order(name: str, order: str, shape: tuple[int, int]) -> None:
    """Refuse a checkerboard where a side is odd.

    Raises
    ------
    InputError
        If the order does not exist, or not on this lattice.
    """
    if order not in ORDERS:
        raise InputError(f"unknown order of update {order!r}; there are {', '.join(ORDERS)}")
    if order == "checkerboard" and any(side % 2 for side in shape):
        sides = " x ".join(map(str, shape))
        raise InputError(
            f"a checkerboard needs even sides, not {sides}; "
            f"use {name}-random, wolff or swendsen-wang, or sizes that are even"
        )


def drive(rule: Rule, order: str, model: LatticeModel, T: float, state: State) -> Drive:
    """Return the function that sweeps a state with a rule."""
    table = transition_table(rule, model, T)
    energies = np.array([model.bond, model.offset, model.field])

    def sweeps(
        interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
    ) -> None:
        local.run(
            state.colours,
            state.generator,
            table,
            ORDERS[order],
            energies,
            interval,
            budget,
            progress,
            rows,
            snapshots,
            every,
        )

    return sweeps
