"""Samples of quantum spins."""
