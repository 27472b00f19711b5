"""Compiled loops on lattices of unit vectors."""
