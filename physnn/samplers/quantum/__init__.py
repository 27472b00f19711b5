"""Samplers of quantum spins."""
