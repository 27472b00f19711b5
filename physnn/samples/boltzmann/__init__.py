"""Restricted Boltzmann machines trained on snapshots of lattice models."""
