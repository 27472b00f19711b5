"""What is measured of the chains of an equilibrium sweep, and how it lies in a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.order.defects import Twist, defect_kind, local_order, twist_of, vortices, walls
from physnn.analysis.order.structure import Order, moments, transform
from physnn.samplers.vectors import VECTOR_COLUMNS
from physnn.samples.equilibrium.order import leading_modes
from physnn.samples.equilibrium.recipe import EquilibriumSweep
from physnn.samples.tasks import Measured

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
_SITES = ("chain", "row", "column")
KEPT = {
    "state_x": ("state_x of the chain", (*_SITES, "component")),
    "state_generator": ("state_generator of the chain", ("chain", "word")),
    "state_step": ("state_step of the chain", ()),
    "state_clean": ("state_clean of the chain", (*_SITES, "component")),
    "state_size": ("state_size of the chain", ()),
    "energy_map": ("energy of every site at the end, -1/2 x . (J x + c) - c . x / 2", _SITES),
    "structure": (
        "trace of S(k), averaged over measurements; column numbers from 0 to L/2",
        ("chain", "row_number", "half_column_number"),
    ),
    "modes": (
        "S(k) at the wave vectors of mode_place with all components, real and imaginary part",
        ("chain", "mode", "component", "component_in", "part"),
    ),
}
"""Meaning and axes, after that of temperatures, of what is kept once of a chain."""
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

    def quantities(self) -> dict[str, Measured]:
        """Quantities of the file by name."""
        found = {}
        for name in self.columns:
            attrs = {"components": self.order.components} if name == "m2" else {}
            found[name] = Measured("", "dimensionless", MEANINGS[name], ("T", "chain", "measurement"), attrs)
        for name, (meaning, dims) in KEPT.items():
            found[name] = Measured("", "", meaning, ("T", *dims))
        return found


def _overlap(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((x * y).sum(-1).mean((-1, -2), dtype=np.float64))


def _take(mean: np.ndarray, value: np.ndarray, number: int) -> None:
    """Take the measurement of a number into a running mean: the same bits wherever a run was cut."""
    mean += (value - mean) / (number + 1)
