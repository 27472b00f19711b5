"""Exact ground states of quantum spins: free fermions, and diagonalisation in sectors of symmetry."""

from physnn.exact.quantum.diagonal import Eigenstate, eigenstates, full_vector
from physnn.exact.quantum.free_fermions import FreeFermions
from physnn.exact.quantum.ground import ExactGround, exact_ground
from physnn.exact.quantum.sectors import Sector

__all__ = ["Eigenstate", "ExactGround", "FreeFermions", "Sector", "eigenstates", "exact_ground", "full_vector"]
