"""Compiled loops on lattices of colours."""
