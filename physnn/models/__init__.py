"""Lattice models: frozen parameters, initial states, exact critical temperatures; no loops and no files."""

from physnn.models.lattice import QUANTITIES, Ising, LatticeModel, Potts, Quantity

MODELS: dict[str, type[Ising] | type[Potts]] = {"ising": Ising, "potts": Potts}
"""Lattice models by name."""

__all__ = ["MODELS", "QUANTITIES", "Ising", "LatticeModel", "Potts", "Quantity"]
