"""Samples of unit vectors in equilibrium."""
