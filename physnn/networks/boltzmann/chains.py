"""Gibbs chains of restricted Boltzmann machines, side by side in compiled code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn import rng
from physnn.kernels.boltzmann.gibbs import GROUP_BITS, GROUP_STATES, gibbs, layer_fields, tabulate
from physnn.kernels.boltzmann.gibbs_code import DRAW_LANES, UNITS_OF_BLOCK
from physnn.models.boltzmann import Machine, unit_means

_BITS = (np.arange(GROUP_STATES)[:, None] >> np.arange(GROUP_BITS)) & 1


def blocks_of(units: int) -> int:
    """Number of blocks of units of a layer."""
    return math.ceil(units / UNITS_OF_BLOCK)


def unit_groups(units: int) -> int:
    """Number of groups of units of a layer."""
    return blocks_of(units) * UNITS_OF_BLOCK // GROUP_BITS


def packed_units(values: np.ndarray) -> np.ndarray:
    """States of groups, uint8 (n, groups), of units (n, units) of two values: a bit is 1 for the upper one."""
    n, units = values.shape
    bits = np.zeros((n, unit_groups(units) * GROUP_BITS), np.uint8)
    bits[:, :units] = values > 0
    return np.asarray(bits.reshape(n, -1, GROUP_BITS) @ (1 << np.arange(GROUP_BITS)), np.uint8)


def unpacked_units(states: np.ndarray, units: int, low: float) -> np.ndarray:
    """Values of units, float32 (n, units), of states of groups: the inverse of `packed_units`."""
    table = np.where(_BITS == 1, np.float32(1), np.float32(low)).view(np.complex128)[:, 0]  # rows of four as one number
    found = table[states].view(np.float32)
    return found if found.shape[1] == units else np.ascontiguousarray(found[:, :units])


def colour_groups(colours: np.ndarray) -> np.ndarray:
    """States of groups, uint8, of colours (n, sites) where every site is a group."""
    n, sites = colours.shape
    found = np.zeros((n, -(-sites // GROUP_BITS) * GROUP_BITS), np.uint8)
    found[:, :sites] = colours
    return found


@dataclass(frozen=True)
class Tables:
    """Sums of weights of a machine, as compiled code takes them, for the fields of its layers."""

    machine: Machine
    up: np.ndarray
    down: np.ndarray
    biases: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, machine: Machine, kept: Tables | None = None) -> Tables:
        """Tables of a machine; those of an earlier one of the same shape are written over."""
        visible, hidden = machine.weights.shape
        low, weights = np.float32(machine.low), np.ascontiguousarray(machine.weights, np.float32)
        if kept is None:
            groups = unit_groups(visible) if machine.colours == 2 else -(-machine.sites // GROUP_BITS) * GROUP_BITS
            shapes = (blocks_of(hidden), groups), (blocks_of(visible), unit_groups(hidden))
            up, down = (np.zeros((*shape, GROUP_STATES, UNITS_OF_BLOCK), np.float32) for shape in shapes)
        else:
            up, down = kept.up, kept.down
        if machine.colours == 2:
            tabulate(weights, low, up)
        else:
            sites, q = machine.sites, machine.colours
            wide = np.zeros((sites, q, len(up) * UNITS_OF_BLOCK), np.float32)
            wide[:, :, :hidden] = weights.reshape(sites, q, hidden)
            up[:, :sites, :q] = wide.reshape(sites, q, len(up), UNITS_OF_BLOCK).transpose(2, 0, 1, 3)
        tabulate(np.ascontiguousarray(weights.T), low, down)
        return cls(machine, up, down, (_wide(machine.hidden_bias), _wide(machine.visible_bias)))

    @property
    def gain(self) -> np.float32:
        """Upper minus lower value of a unit."""
        return np.float32(1 - self.machine.low)

    def hidden_fields(self, visible: np.ndarray) -> np.ndarray:
        """Fields of the hidden units, float32 (n, hidden), of visible states of groups."""
        return self._fields(self.up, visible, self.biases[0], self.machine.weights.shape[1])

    def visible_fields(self, hidden: np.ndarray) -> np.ndarray:
        """Fields of the visible units, float32 (n, visible), of hidden states of groups."""
        return self._fields(self.down, hidden, self.biases[1], self.machine.weights.shape[0])

    def hidden_means(self, visible: np.ndarray) -> np.ndarray:
        """Mean values of the hidden units, float32 (n, hidden), of visible states of groups."""
        return unit_means(self.hidden_fields(visible), self.machine.low)

    def visible_values(self, visible: np.ndarray) -> np.ndarray:
        """Values of the visible units, float32 (n, visible), of states of groups."""
        machine = self.machine
        if machine.colours == 2:
            return unpacked_units(visible, machine.weights.shape[0], machine.low)
        return machine.values_of(visible[:, : machine.sites])

    def states_of(self, colours: np.ndarray) -> np.ndarray:
        """Visible states of groups of colours (n, sites)."""
        return packed_units(colours == 0) if self.machine.colours == 2 else colour_groups(colours)

    def colours_of(self, visible: np.ndarray) -> np.ndarray:
        """Colours, int8 (n, sites), of visible states of groups: the inverse of `states_of`."""
        if self.machine.colours == 2:
            return np.asarray(unpacked_units(visible, self.machine.sites, 0.0) == 0, np.int8)
        return visible[:, : self.machine.sites].astype(np.int8)

    @staticmethod
    def _fields(table: np.ndarray, states: np.ndarray, bias: np.ndarray, units: int) -> np.ndarray:
        out = np.empty((len(states), len(bias)), np.float32)
        layer_fields(table, np.ascontiguousarray(states), bias, out)
        return out if len(bias) == units else np.ascontiguousarray(out[:, :units])


def _wide(bias: np.ndarray) -> np.ndarray:
    found = np.zeros(blocks_of(len(bias)) * UNITS_OF_BLOCK, np.float32)
    found[: len(bias)] = bias
    return found


@dataclass
class GibbsChains:
    """Chains of a machine, moved in place.

    Attributes
    ----------
    visible, hidden : ndarray of uint8, shape (chains, groups)
        States of the groups of both layers.
    generator : ndarray of uint64, shape (4, lanes)
        State of the generators.
    """

    visible: np.ndarray
    hidden: np.ndarray
    generator: np.ndarray

    @classmethod
    def begin(cls, tables: Tables, visible: np.ndarray, seeds: np.random.SeedSequence) -> GibbsChains:
        """Chains that start from visible states of groups."""
        generator = seeds.generate_state(4 * DRAW_LANES, np.uint64).reshape(4, DRAW_LANES)
        return cls(visible.copy(), np.zeros((len(visible), tables.down.shape[1]), np.uint8), generator)

    @classmethod
    def from_arrays(cls, arrays: Any) -> GibbsChains:
        """Chains whose `arrays` were kept."""
        return cls(*(np.array(arrays[name]) for name in ("chain_visible", "chain_hidden", "chain_generator")))

    def arrays(self) -> dict[str, np.ndarray]:
        """State by name."""
        return {"chain_visible": self.visible, "chain_hidden": self.hidden, "chain_generator": self.generator}

    def move(self, tables: Tables, steps: int = 1) -> None:
        """Draw hidden units and then visible ones, ``steps`` times."""
        if tables.machine.colours == 2:
            both = tables.up, tables.down
            gibbs(both, tables.biases, tables.gain, steps, self.generator, self.visible, self.hidden)
            return
        for _ in range(steps):
            self.draw_hidden(tables)
            self._draw_colours(tables)

    def draw_hidden(self, tables: Tables) -> None:
        """Draw the hidden units given the visible ones."""
        both, biases = (tables.up, tables.down[:0]), (tables.biases[0], tables.biases[1][:0])
        gibbs(both, biases, tables.gain, 1, self.generator, self.visible, self.hidden)

    def _draw_colours(self, tables: Tables) -> None:
        """Draw the colours of sites given the hidden units."""
        machine = tables.machine
        x = tables.visible_fields(self.hidden).reshape(len(self.hidden), machine.sites, machine.colours)
        weight = np.cumsum(np.exp(x - x.max(axis=2, keepdims=True)), axis=2)
        # The generators' next words, one draw of a numpy generator per step: the state is drawn from and moved on.
        source = rng.drawn_from(self.generator[0, :4].tolist())
        u = source.random(weight.shape[:2], np.float32)
        drawn = (u[:, :, None] * weight[:, :, -1:] >= weight[:, :, :-1]).sum(axis=2)
        self.visible[:, : machine.sites] = drawn
