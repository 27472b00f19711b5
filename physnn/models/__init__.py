"""Lattice models: frozen parameters, lattices, initial states, critical temperatures; no loops and no files."""

from physnn.models.geometry import Lattice
from physnn.models.lattice import IMPROVED_QUANTITIES, QUANTITIES, Clock, Ising, Potts, Quantity
from physnn.models.tabulated import LatticeModel, Tabulated, on_lattice

MODELS: dict[str, type[Ising] | type[Potts] | type[Clock]] = {"ising": Ising, "potts": Potts, "clock": Clock}
"""Models of colours by name."""

__all__ = [
    "IMPROVED_QUANTITIES",
    "MODELS",
    "QUANTITIES",
    "Clock",
    "Ising",
    "Lattice",
    "LatticeModel",
    "Potts",
    "Quantity",
    "Tabulated",
    "on_lattice",
]
