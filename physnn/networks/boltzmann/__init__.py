"""Restricted Boltzmann machines: chains, training, likelihood (no torch)."""
