"""What is measured of the chains of an equilibrium sweep, and how it lies in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.analysis.order.defects import Twist, defect_kind, local_order, twist_of, vortices, walls
from physnn.analysis.order.structure import Order, moments, transform
from physnn.samplers.vectors import VECTOR_COLUMNS
from physnn.samples.equilibrium.order import leading_modes
from physnn.samples.equilibrium.recipe import EquilibriumSweep
from physnn.store.hdf5 import Variable

MEANINGS = VECTOR_COLUMNS | {
    "m2": "|psi|^2, square of the order parameter per site on the measured modes",
    "s_kmin": "the same at the four wave vectors nearest to k*, averaged",
    "walls": "share of nearest-neighbour bonds between unlike signs of the local order",
    "vortices": "share of plaquettes that the phase of the local order winds around",
    "stiffness": "second derivative of the energy by a twist, per site, averaged over both axes",
    "current_sq": "square of its first derivative, per site, over T, averaged over both axes",
    "replica_overlap": "mean of x . y over sites with y the next chain, whose noise is independent",
    "overlap": "mean of x . x_clean over sites, with x_clean the state without noise from the same start",
}
DIMENSIONS = {
    "state_x": ("row", "column", "component"),
    "state_clean": ("row", "column", "component"),
    "state_generator": ("word",),
    "energy_map": ("row", "column"),
    "structure": ("row_number", "half_column_number"),
    "modes": ("mode", "component", "component_in", "part"),
}
LEAST_CHAINS = 3
"""Chains from which on overlaps of neighbouring chains are overlaps of different pairs."""


@dataclass(frozen=True, eq=False)
class Measuring:
    """What is measured at one size and temperature.

    Attributes
    ----------
    order : Order
        The order parameter.
    columns : tuple of str
        Names of what is kept of every measurement.
    modes : tuple of (int, int)
        Positions of the wave vectors at which S(k) is kept with all components: those of the order, k = 0, and the
        leading ones of J.
    twist : Twist or None
        Where the helicity modulus is defined.
    T : float
        Temperature.
    shape : tuple of int
        Chains, L and N.
    """

    order: Order
    columns: tuple[str, ...]
    modes: tuple[tuple[int, int], ...]
    twist: Twist | None
    T: float
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, recipe: EquilibriumSweep, L: int, T: float) -> Measuring:
        """Return what is measured in a resolved recipe."""
        assert recipe.order is not None
        model, order = recipe.lattice(), recipe.order.order()
        twist = twist_of(model.coupling, model.bias, order)
        columns = [*VECTOR_COLUMNS, "m2", "s_kmin"]
        columns += [defect_kind(order)] if defect_kind(order) else []
        columns += ["stiffness", "current_sq"] if twist else []
        columns += ["replica_overlap"] if recipe.chains >= LEAST_CHAINS else []
        columns += ["overlap"] if recipe.noiseless else []
        modes = tuple(dict.fromkeys([*order.indices(L), (0, 0), *leading_modes(model, L)]))
        return cls(order, tuple(columns), modes, twist, T, (recipe.chains, L, model.components))

    def no_means(self) -> dict[str, np.ndarray]:
        """Return the averages over no measurement."""
        chains, L, N = self.shape
        return {
            "structure": np.zeros((chains, L, L // 2 + 1)),
            "modes": np.zeros((chains, len(self.modes), N, N, 2)),
        }

    def __call__(
        self, raw: np.ndarray, x: np.ndarray, clean: np.ndarray | None, number: int, means: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Return the columns of one measurement, shape (chains, columns), and take it into the averages.

        Parameters
        ----------
        raw : ndarray, shape (chains, len(COLUMNS))
            What the sampler measured.
        x, clean : ndarray, shape (chains, L, L, N)
            States, and those without noise.
        number : int
            How many measurements the averages hold.
        means : dict of ndarray
            Changed in place.
        """
        x_k = transform(x)
        m2, beside = moments(x_k, self.order)
        found = dict(zip(VECTOR_COLUMNS, raw.T, strict=True)) | {"m2": m2, "s_kmin": beside}
        if "walls" in self.columns:
            found["walls"] = walls(local_order(x, self.order))
        if "vortices" in self.columns:
            found["vortices"] = vortices(local_order(x, self.order))
        if self.twist:
            found["stiffness"], square = self.twist.measure(x)
            found["current_sq"] = square / self.T
        if "replica_overlap" in self.columns:
            found["replica_overlap"] = _overlap(x, np.roll(x, -1, axis=0))
        if clean is not None:
            found["overlap"] = _overlap(x, clean)
        half = x_k[:, :, : means["structure"].shape[2]]
        _take(means["structure"], (half.real**2 + half.imag**2).sum(-1), number)
        at = np.stack([x_k[:, m, n] for m, n in self.modes], axis=1)
        matrix = at[..., :, None] * at[..., None, :].conj()
        _take(means["modes"], np.stack([matrix.real, matrix.imag], axis=-1), number)
        return np.stack([np.asarray(found[name], np.float64) for name in self.columns], axis=1)

    def group(self, recipe: EquilibriumSweep, L: int, found: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Variable]:
        """Return the group of a size from the arrays of its tasks, one for each temperature."""
        T = np.array(recipe.T)
        model = recipe.lattice()
        group = {
            "T": Variable(("T",), T, {"symbol": "T", "units": "J/k_B", "long_name": "temperature"}),
            "eta": Variable(("T",), np.sqrt(2 * T), {"long_name": "noise, Langevin convention", "symbol": "eta"}),
            "chain": Variable(("chain",), np.arange(recipe.chains), {"long_name": "number of the Markov chain"}),
            "measurement": Variable(("measurement",), np.arange(recipe.sweeps), {"long_name": "number in the chain"}),
            "coupling": Variable(("component", "component_in", "offset_row", "offset_column"), model.coupling),
            "bias": Variable(("component",), model.bias),
            "mode_place": Variable(("mode", "axis"), np.array(self.modes), {"long_name": "k L / 2 pi of the modes"}),
        }
        values = np.array([arrays["values"] for arrays in found])
        for k, name in enumerate(self.columns):
            group[name] = Variable(("T", "chain", "measurement"), values[..., k], self._attributes(name))
        ratio = group["force"].values.mean(2) / group["curvature"].values.mean(2)
        group["t_conf"] = Variable(("T", "chain"), ratio, {"units": "J/k_B", "long_name": "<force> / <curvature>"})
        for name in [n for n in found[0] if n in DIMENSIONS or n.startswith("state_")]:
            stacked = np.array([arrays[name] for arrays in found])
            dims = ("T",) if stacked.ndim == 1 else ("T", "chain", *DIMENSIONS[name])
            group[name] = Variable(dims, stacked, {"long_name": MEANS.get(name, f"{name} of the chain")})
        return group

    def _attributes(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"long_name": MEANINGS[name], "units": "dimensionless"}
        return found | ({"components": self.order.components} if name == "m2" else {})

    def part(self, group: Mapping[str, Variable], t: int) -> dict[str, np.ndarray]:
        """Return the arrays of one task of a file: the inverse of `group`."""
        values = np.stack([group[name].values[t] for name in self.columns], axis=-1)
        kept = {n: v.values[t] for n, v in group.items() if n in DIMENSIONS or n.startswith("state_")}
        return kept | {"values": values}


MEANS = {
    "energy_map": "energy of every site at the end, -1/2 x . (J x + c) - c . x / 2",
    "structure": "trace of S(k), averaged over measurements; column numbers from 0 to L/2",
    "modes": "S(k) at the wave vectors of mode_place with all components, real and imaginary part",
}


def _overlap(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((x * y).sum(-1).mean((-1, -2), dtype=np.float64))


def _take(mean: np.ndarray, value: np.ndarray, number: int) -> None:
    """Take the measurement of a number into a running mean: the same bits wherever a run was cut."""
    mean += (value - mean) / (number + 1)
