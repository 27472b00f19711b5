"""Lattice models: frozen parameters, initial states, exact critical temperatures; no loops and no files."""

from physnn.models.ising import Ising
from physnn.models.lattice import QUANTITIES, LatticeModel, Quantity
from physnn.models.potts import Potts

MODELS: dict[str, type[Ising] | type[Potts]] = {"ising": Ising, "potts": Potts}
"""Every model by name."""

__all__ = ["MODELS", "QUANTITIES", "Ising", "LatticeModel", "Potts", "Quantity"]
