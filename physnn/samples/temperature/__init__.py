"""Samples of lattice models at several temperatures."""
