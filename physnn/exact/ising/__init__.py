"""Exact results of the Ising and Potts models."""
