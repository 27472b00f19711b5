"""Quantum spin models on chains and square lattices: what they are made of, in the basis of sigma^z."""

from physnn.models.quantum.spins import QUANTUM_MODELS, QuantumModel, SpinTerms

__all__ = ["QUANTUM_MODELS", "QuantumModel", "SpinTerms"]
